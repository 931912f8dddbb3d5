"""The results of an estimate, formatted: a JSON object for scripts, a few lines for people."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from estimator.answer.scenario_estimate import Answer, utilization_basis
from estimator.core.carbon_schedule import Schedule
from estimator.core.messages import Names, in_python, rendered
from estimator.core.phrase import Phrase, say
from estimator.core.uncertainty import Uncertain
from estimator.core.units import H_PER_YEAR, digits, human_mass, human_quantity, joined

RESULTS = (
    "training_flop",
    "utilization",
    "device_hours",
    "wall_hours",
    "power_w",
    "energy_kwh",
    "cost_usd",
    "co2e_kg",
    "water_l",
    "brain_years",
)
"""Quantities in the order in which they are shown."""

LEAST_SAVING = 1e-4
"""A smaller share saved by another start is none [1]."""

LABELS: Mapping[str, str] = {
    "training_flop": "training compute",
    "utilization": "utilization",
    "device_hours": "device time",
    "wall_hours": "wall time",
    "power_w": "power, site included",
    "energy_kwh": "energy",
    "cost_usd": "cost",
    "co2e_kg": "CO2e",
    "embodied_co2e_kg": "embodied part of it",
    "water_l": "water",
    "brain_years": "one brain at 20 W",
}
"""Quantity -> its name, in the order in which people are shown them."""

UNITS: Mapping[str, str] = {
    "training_flop": "FLOP",
    "utilization": "share",
    "wall_hours": "hour",
    "power_w": "W",
    "energy_kwh": "kWh",
    "cost_usd": "USD",
    "co2e_kg": "kgCO2e",
    "embodied_co2e_kg": "kgCO2e",
    "water_l": "L",
}
"""Quantity -> its unit, as `human_quantity` takes it."""


def as_json(answer: Answer, names: Names = in_python) -> dict[str, Any]:
    """One object with inputs, results, spread, warnings and link; keys end in their units.

    Parameters
    ----------
    answer : Answer
    names : function
        What the rim that shows the warnings calls an input.
    """
    known = answer.estimate.quantities
    results = {name: bounds(known[name], answer.level) for name in RESULTS if name in known}
    if "utilization" in results:
        results["utilization"]["basis"] = utilization_basis(answer)
    if "co2e_kg" in results:
        for part in ("operational", "embodied"):
            if f"{part}_co2e_kg" in known:
                results["co2e_kg"][f"{part}_mid"] = float(known[f"{part}_co2e_kg"].mid)
    if "water_l" in results:
        for place, amount in answer.estimate.breakdown["water_l"]().items():
            results["water_l"][f"{place}_mid"] = float(amount)
    planned = {} if answer.plan is None else {"schedule": as_schedule(answer, answer.plan)}
    return {
        "inputs": {
            **{name: value for name, value in answer.scenario.given().items()},
            "hardware": answer.device.id,
            "precision": answer.precision,
            "interval": answer.level,
            "resolved": {name: _compact(asdict(item)) for name, item in answer.inputs.items()},
        },
        "results": results,
        **planned,
        "spread": spread(answer),
        "warnings": list(rendered(answer.notices, names)),
        "link": answer.link,
    }


def as_schedule(answer: Answer, plan: Schedule) -> dict[str, float]:
    """When the run starts and when it should, and what that saves of the operational CO2e."""
    emitted = answer.estimate.quantities.get("operational_co2e_kg")
    saved = {} if emitted is None else {"saving_kg": plan.saving_share * float(emitted.mid)}
    return {
        "start": plan.start_h,
        "best_start": plan.best_start_h,
        "co2e_kg_per_kwh": plan.co2e_kg_per_kwh,
        "best_co2e_kg_per_kwh": plan.best_co2e_kg_per_kwh,
        "saving_share": plan.saving_share,
        **saved,
    }


def schedule_line(answer: Answer, plan: Schedule) -> Phrase:
    """What another start would save, in a sentence."""
    timing = as_schedule(answer, plan)
    start = f"{timing['start']:g}"
    if plan.saving_share < LEAST_SAVING:
        return say(
            "Starting at hour {start} is as good for the CO2e as any other hour.", start=start
        )
    share = f"{plan.saving_share * 100:.2g}"
    best = f"{timing['best_start']:g}"
    if "saving_kg" not in timing:
        return say(
            "Starting at hour {best} instead of {start} would save {share} % of the CO2e of the "
            "electricity.",
            best=best,
            start=start,
            share=share,
        )
    return say(
        "Starting at hour {best} instead of {start} would save {share} % of the CO2e of the "
        "electricity, {mass}.",
        best=best,
        start=start,
        share=share,
        mass=human_mass(timing["saving_kg"]),
    )


def bounds(quantity: Uncertain, level: float) -> dict[str, Any]:
    """Low, mid and high of a single quantity."""
    low, high = quantity.interval(level)
    return {"low": float(low), "mid": float(quantity.mid), "high": float(high)}


def spread(answer: Answer) -> dict[str, float]:
    """Share of each source in the log-variance of the energy, the largest first [1]."""
    quantities = answer.estimate.quantities
    widest = quantities.get("energy_kwh", quantities["device_hours"])
    shares = {name: float(share) for name, share in widest.shares().items()}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def rows(answer: Answer) -> Iterator[tuple[str, str, str]]:
    """Label, median and interval of each result, as people read them."""
    for name in LABELS:
        if name in answer.estimate:
            quantity = answer.estimate[name]
            low, high = (float(bound) for bound in quantity.interval(answer.level))
            exact = low == high
            yield (
                LABELS[name],
                as_text(name, float(quantity.mid)),
                "exact" if exact else joined(as_text(name, low), as_text(name, high)),
            )


def as_text(name: str, value: float) -> str:
    """One result for people: unit chosen, three digits.

    >>> as_text("wall_hours", 3115079), as_text("energy_kwh", 1.287e6), as_text("cost_usd", 4.67e6)
    ('355 years', '1.29 GWh', '4.67 M$')
    """
    if name == "device_hours":
        return f"{digits(value)} device-hours" if value >= 1e-4 else "below 0.0001 device-hours"
    if name == "brain_years":
        return human_quantity(value * H_PER_YEAR, "hour")
    return human_quantity(value, UNITS[name])


def headline(answer: Answer) -> str:
    """The answer in one sentence: '355 years on one V100, 4.67 M$ ...'."""
    known = answer.estimate
    pieces = [f"{as_text('wall_hours', float(known['wall_hours'].mid))} on {fleet(answer)}"]
    pieces += [
        as_text(name, float(known[name].mid))
        for name in ("energy_kwh", "cost_usd", "co2e_kg")
        if name in known
    ]
    pieces[-1] += " of CO2e" if "co2e_kg" in known else ""
    return ", ".join(pieces)


def fleet(answer: Answer) -> str:
    """How many of which: 'one NVIDIA V100' or '1,024 × NVIDIA H100'."""
    count = float(answer.run.devices)
    return f"one {answer.device.name}" if count == 1 else f"{count:,.0f} × {answer.device.name}"


def _compact(record: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is not known."""
    return {key: value for key, value in record.items() if value not in (None, "")}


def as_row(answer: Answer, names: Names = in_python) -> dict[str, Any]:
    """One flat row with `_low`, `_mid`, `_high` per result, as `batch` writes them."""
    row: dict[str, Any] = {"hardware": answer.device.id, "precision": answer.precision}
    row["devices"] = answer.run.devices
    for name in RESULTS:
        if name in answer.estimate:
            for end, value in bounds(answer.estimate[name], answer.level).items():
                row[f"{name}_{end}"] = value
    row["warnings"] = "; ".join(rendered(answer.notices, names))
    return row


def with_interval(answer: Answer, name: str) -> str:
    """Median with its interval below it, for a table cell."""
    quantity = answer.estimate[name]
    low, high = (float(bound) for bound in quantity.interval(answer.level))
    middle = as_text(name, float(quantity.mid))
    return middle if low == high else f"{middle}\n{joined(as_text(name, low), as_text(name, high))}"
