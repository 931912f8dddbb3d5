"""Claims about growth and its limits: scaling laws, trends, the memory wall, quantum volume."""

import numpy as np

from estimator.answer.scenario_estimate import answer_scenario
from estimator.core.uncertainty import Uncertain, spread_between
from estimator.core.units import digits, human, human_count, human_percent
from estimator.question.scenario import Scenario
from estimator.studies.claims.facts import Facts
from estimator.studies.claims.finding import Figure, Finding, Promise, median
from estimator.studies.scaling.coefficients import (
    LAWS,
    error_law,
    fitted_range_flop,
    kaplan_law,
    scaling_law,
)
from estimator.studies.trends.growth import GrowthRate
from estimator.studies.trends.memory_wall import faster, holders, wall
from estimator.studies.trends.records import (
    device_efficiency,
    device_per_dollar,
    quantum_volume,
    training_compute,
)

TEN = 10.0
MONTHS = 12.0
YEARS_AHEAD = 10.0


def imagenet_5pct(facts: Facts) -> Finding:
    """Check the claim of 10^5 times the compute for 5% error."""
    law = error_law(facts.catalog)
    target = facts["target_error"]
    factor, flop = law.factor(target), law.flop(target)
    scenario = Scenario(flop=float(flop.mid), hardware="h100", devices=10000.0)
    now = answer_scenario(scenario, facts.catalog).estimate
    _, high = factor.interval()
    later = device_efficiency(facts.catalog).trend().factor(YEARS_AHEAD)
    later_kwh = (
        now["energy_kwh"] * factor / factor.mid / spread_between(later[0], later[2], "trend")
    )
    return Finding(
        value=factor,
        words={
            "today": human_percent(law.today_error),
            "target": human_percent(target),
            "exponent": digits(law.exponent),
            "factor": human_count(float(factor.mid)),
            "low": human_count(float((law.today_error / target) ** 9)),
            "high": human_count(float(high)),
            "flop": median(flop, "FLOP"),
            "energy": median(now["energy_kwh"], "kWh"),
            "cost": median(now["cost_usd"], "USD"),
            "co2e": median(now["co2e_kg"], "kgCO2e"),
        },
        met=(not law.extrapolates(target),),
        figures=(
            Figure("compute", "FLOP", flop),
            Figure("energy on H100", "kWh", now["energy_kwh"] * factor / factor.mid),
            Figure("energy on hardware of ten years on", "kWh", later_kwh),
            Figure("cost on H100", "USD", now["cost_usd"] * factor / factor.mid),
            Figure("emissions on H100", "kgCO2e", now["co2e_kg"] * factor / factor.mid),
        ),
        scenario=scenario,
        promise=Promise(quantity="training_flop", factor=1 / law.today_flop),
    )


def diminishing_returns(facts: Facts) -> Finding:
    """Check the claim of ten times the compute for modest gains."""
    budget, catalog = facts["budget_flop"], facts.catalog
    laws = {name: scaling_law(catalog, name) for name in LAWS}
    saved = {
        name: 1 - float(law.loss_at(TEN * budget) / law.loss_at(budget))
        for name, law in laws.items()
    }
    kaplan = kaplan_law(catalog)
    saved["kaplan"] = 1 - float(kaplan.loss_at(TEN * budget) / kaplan.loss_at(budget))
    law = laws["besiroglu"]
    loss = float(law.loss_at(budget))
    percent_factor = float(law.flop_for(0.99 * loss) / budget)
    before = answer_scenario(Scenario(flop=budget, hardware="h100", devices=1024.0), catalog)
    after = answer_scenario(Scenario(flop=TEN * budget, hardware="h100", devices=1024.0), catalog)
    more = float(after.estimate["cost_usd"].mid) - float(before.estimate["cost_usd"].mid)
    least, most = fitted_range_flop(catalog)
    return Finding(
        value=spread_between(
            min(saved.values()), max(saved.values()), "law", mid=saved["besiroglu"]
        ),
        words={
            "flop": human(budget, "FLOP"),
            "corrected": human_percent(saved["besiroglu"]),
            "kaplan": human_percent(saved["kaplan"]),
            "cost": human(more, "$"),
            "share": human_percent(saved["besiroglu"]),
            "factor": digits(percent_factor),
            "floor": digits(law.E),
            "loss": digits(loss),
            "least": human(least, "FLOP"),
            "most": human(most, "FLOP"),
        },
        met=(budget <= most,),
        figures=(
            Figure("compute for the next 1%", "1", Uncertain(percent_factor)),
            Figure("cost of ten times the compute", "USD", after.estimate["cost_usd"]),
            Figure("energy of ten times the compute", "kWh", after.estimate["energy_kwh"]),
        ),
        page="scaling",
        query={"amount": f"{budget:g}", "unit": "flop"},
    )


def gpt3_vs_gpt2(facts: Facts) -> Finding:
    """Check the claim that GPT-3 is better than GPT-2 because of scale."""
    catalog = facts.catalog
    family = {name: catalog.preset(name).records for name in ("gpt-1", "gpt-2", "gpt-3")}
    gain = float(np.log(facts["gpt2_perplexity"] / facts["gpt3_perplexity"]))
    expected = []
    for tokens in ("low", "value", "high"):
        seen = getattr(family["gpt-2"]["tokens"], tokens)
        for name in LAWS:
            law = scaling_law(catalog, name)
            small = law.loss(family["gpt-2"]["params"].value, seen)
            large = law.loss(family["gpt-3"]["params"].value, family["gpt-3"]["tokens"].value)
            expected.append(float(small - large))
    shares = np.array(expected) / gain
    mid = float(np.median(shares))
    answers = {
        name: answer_scenario(Scenario(preset=name, hardware="v100", devices=1.0), catalog).estimate
        for name in family
    }
    flop = {name: answer["training_flop"] for name, answer in answers.items()}
    return Finding(
        value=spread_between(float(shares.min()), float(shares.max()), "law and tokens", mid=mid),
        words={
            "old": digits(facts["gpt2_perplexity"]),
            "new": digits(facts["gpt3_perplexity"]),
            "expected": digits(mid * gain),
            "gain": digits(gain),
            "factor": digits(float((flop["gpt-3"] / flop["gpt-2"]).mid)),
        },
        met=(False,),
        figures=tuple(
            Figure(f"{label} of {name.upper()}", unit, answers[name][quantity])
            for name in family
            for label, quantity, unit in (
                ("compute", "training_flop", "FLOP"),
                ("energy on V100", "energy_kwh", "kWh"),
                ("cost on V100", "cost_usd", "USD"),
            )
        ),
        scenario=Scenario(preset="gpt-3", hardware="v100", devices=1.0),
    )


def memory_wall(facts: Facts) -> Finding:
    """Compute outgrows memory."""
    grown = wall(facts.catalog)
    peak, bandwidth = grown["FLOP/s of a device"], grown["bandwidth of the memory"]
    held = holders(facts.catalog)
    first, last = held[0], held[-1]
    return Finding(
        value=faster(peak, bandwidth),
        words={
            "peak": _times(peak),
            "bandwidth": _times(bandwidth),
            "devices": digits(peak.records),
            "compute": _times(grown["training compute"]),
            "params": _times(grown["parameters"]),
            "memory": _times(grown["memory of a device"]),
            "before": digits(first.devices),
            "first": str(first.year),
            "after": digits(last.devices),
            "last": str(last.year),
        },
        figures=tuple(
            Figure(f"growth in two years: {name}", "1", _of_fit(*one.factor(2.0)))
            for name, one in grown.items()
        ),
        page="trends",
        query={"view": "memory-wall"},
    )


def exponential_compute(facts: Facts) -> Finding:
    """Check the claim that training compute is out of reach of universities."""
    compute = training_compute(facts.catalog).front()
    trend, cheaper = compute.trend(), device_per_dollar(facts.catalog).trend()
    doubling = MONTHS * _of_fit(*trend.doubling_years())
    low, high = doubling.interval()
    budget = facts["budget_usd"]
    answer = answer_scenario(
        Scenario(flop=float(compute.values[-1]), hardware="h100", devices=1024.0), facts.catalog
    ).estimate["cost_usd"]
    return Finding(
        value=faster(trend, cheaper, years=1.0),
        words={
            "compute": _times(trend, 1.0),
            "cheaper": _times(cheaper, 1.0),
            "mid": digits(float(doubling.mid)),
            "low": digits(float(low)),
            "high": digits(float(high)),
            "dollar": digits(cheaper.doubling_years()[1] * MONTHS),
            "name": compute.labels[-1],
            "cost": median(answer, "USD"),
            "times": digits(float(answer.mid) / budget),
            "budget": human(budget, "$"),
        },
        figures=(
            Figure("doubling time of the largest runs", "month", doubling),
            Figure("cost of the largest run on H100", "USD", answer),
        ),
        page="trends",
        query={"view": "compute"},
    )


def quantum_volume_doubles(facts: Facts) -> Finding:
    """Check the claim that quantum volume doubles every year."""
    ibm = quantum_volume(facts.catalog, "IBM").trend()
    best = quantum_volume(facts.catalog).front()
    low, mid, high = ibm.doubling_years()
    return Finding(
        value=spread_between(low, high, "fit", mid=mid),
        words={
            "records": digits(ibm.records),
            "ibm": digits(mid),
            "best": f"{best.values[-1]:,.0f}",
            "machine": best.labels[-1],
            "front": digits(best.trend().doubling_years()[1]),
        },
        figures=(
            Figure(
                "doubling time, best of all makers",
                "year",
                _of_fit(*best.trend().doubling_years()),
            ),
            Figure("best quantum volume on record", "1", Uncertain(best.values[-1])),
        ),
        page="trends",
        query={"view": "quantum"},
    )


def _times(trend: GrowthRate, years: float = 2.0) -> str:
    return f"×{digits(trend.factor(years)[1])}"


def _of_fit(low: float, mid: float, high: float) -> Uncertain:
    return spread_between(low, high, "fit", mid=mid)
