"""Forecast of a whole run from its first steps, here and on other hardware.

Time is extrapolated from the steps, and energy from the metered power. CO2e and electricity cost
follow from the site. On other hardware the same work is estimated as any other run; if its FLOPs
are not given, they are inferred from this machine's calibration, which widens the interval.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from estimator.answer.notices import LAUNCH_BOUND
from estimator.answer.scenario_estimate import Answer, answer_scenario, answer_scenarios
from estimator.catalog import Catalog
from estimator.core.messages import Names, in_python, rendered
from estimator.core.notice import Notice
from estimator.core.uncertainty import Uncertain, z_score
from estimator.core.units import CENTRAL, J_PER_KWH, S_PER_H, human
from estimator.measure.drift import NOTHING_LEARNED, Strength
from estimator.measure.stamps import Stamped, missing
from estimator.question.scenario import Scenario
from estimator.question.site import find_site
from estimator.runs.figures import Span
from estimator.runs.observations import disturbance_of, slowed, taken_by_others
from estimator.runs.record import MeasuredRun, without_unknown

OTHERS = ("rtx-4090", "l40s", "a100-sxm-80", "h100-sxm", "b200", "tpu-v5e")
"""Default hardware that a forecast compares with."""

OF_NETWORK = ("precision", "kind", "arch")
"""Inputs that describe the network."""

OF_STEP = {
    "step_flop": "flop",
    "step_operations": "operations",
    "step_traffic": "traffic_bytes",
    **{name: name for name in OF_NETWORK},
}
"""Input that describes a step -> field of a timing."""

TOTAL_UNKNOWN = Notice("forecast_total_unknown", "total_steps")
"""Notice that some further steps are forecast instead of the whole run."""

AHEAD = 1000
"""Further steps that are forecast if the total is unknown [1]."""

OF_STEPS = ("left_s", "energy_kwh", "cost_usd", "co2e_kg", "rental_usd", "elsewhere")
"""Quantities of the whole run, or of `AHEAD` steps."""

METER_SD = 0.05
"""Random error of a board's meter [1]; Yang, Adamek, Armour 2024, arXiv:2312.02741."""

MODELLED_SD = 0.7
"""Log standard deviation of power modelled from the load [1]: a factor of 2.5 either way. In one
case 8 W were modelled where the data sheet implies tens of watts.
"""

USABLE_MEMORY = 0.9
"""Share of device memory that a batch may fill, assumed [1]."""

SMALLEST_GROWTH = 0.02
"""Least growth of memory with the batch, relative to the peak, from which a larger batch is
extrapolated; assumed [1].
"""


@dataclass(frozen=True, kw_only=True)
class RunQuestion:
    """Run that was watched for a while.

    Parameters
    ----------
    seen : Stamped
        Steps seen so far.
    measured : MeasuredRun
        Measurements of the steps.
    scenario : Scenario
        Inputs from the user: kind, arch, precision, step_flop, step_operations, step_traffic,
        program, site, prices.
    total : int, optional
        Steps of the whole run, by default as planned by its Trainer.
    total_option : str, optional
        Option of the command that gives the total, if the user does not.
    on : sequence of str, optional
        Other hardware, by default `OTHERS`.
    use_modelled : bool
        Whether energy, cost and CO2e may be computed from modeled power.
    drift : Strength
        Drift of this machine, from stored runs.
    """

    seen: Stamped
    measured: MeasuredRun
    scenario: Scenario
    total: int | None = None
    total_option: str | None = None
    on: Sequence[str] | None = None
    use_modelled: bool = False
    drift: Strength = NOTHING_LEARNED


@dataclass(frozen=True, kw_only=True)
class OnOther:
    """Same run on one device of different hardware.

    Parameters
    ----------
    hardware, name : str
    time_s, energy_kwh, cost_usd, co2e_kg : Span, optional
        Quantities of the run, None if unavailable.
    """

    hardware: str
    name: str
    time_s: Span
    energy_kwh: Span | None
    cost_usd: Span | None
    co2e_kg: Span | None


@dataclass(frozen=True, kw_only=True)
class RunForecast:
    """Forecast of the whole run.

    Parameters
    ----------
    seen_steps : int
    total_steps : int, optional
        Steps of the whole run; if None, the quantities are of `AHEAD` further steps.
    step_s : float
        Expected time of a further step, with its share of stragglers and pauses [s].
    left_s : Span
        Time of the remaining steps [s].
    wall_s : Span, optional
        Time of the whole run [s]; None if the total is unknown.
    step_flop, step_operations, step_traffic : float, optional
        FLOPs of matrix products [FLOP], operations [1], and memory traffic [B] per step: given,
        reported or counted.
    precision, kind, arch : str, optional
        Number format of most products, workload type and architecture.
    program : str, optional
        Program name that the run is stored under; `estimate` uses its measurements.
    energy_kwh, cost_usd, co2e_kg : Span, optional
        Quantities of the whole run; the cost is for electricity only.
    rental_usd : Span, optional
        Rental cost of the whole run, if the price is given.
    modelled_power_w : float, optional
        Power modeled from the load, without a meter [W].
    optimizer : str, optional
        Optimizer whose steps are counted.
    peak_memory_bytes : float, optional
        Peak memory of the program so far [B].
    larger_batch : float, optional
        Approximate factor by which the batch could grow in memory [1].
    elsewhere : tuple of OnOther
        The same run on one device of each other type.
    notices : tuple of Notice
        Assumptions, and what is unavailable.
    """

    seen_steps: int
    total_steps: int | None
    step_s: float
    left_s: Span
    wall_s: Span | None = None
    step_flop: float | None = None
    step_operations: float | None = None
    step_traffic: float | None = None
    precision: str | None = None
    kind: str | None = None
    arch: str | None = None
    program: str | None = None
    energy_kwh: Span | None = None
    cost_usd: Span | None = None
    co2e_kg: Span | None = None
    rental_usd: Span | None = None
    modelled_power_w: float | None = None
    optimizer: str | None = None
    peak_memory_bytes: float | None = None
    larger_batch: float | None = None
    elsewhere: tuple[OnOther, ...] = ()
    notices: tuple[Notice, ...] = ()

    @property
    def time_s(self) -> Span:
        """Time of the whole run, or of `AHEAD` further steps [s]."""
        return self.left_s if self.wall_s is None else self.wall_s

    @property
    def step_inputs(self) -> dict[str, float | str]:
        """Inputs that describe a step, empty if nothing was counted."""
        counts = ("step_flop", "step_operations", "step_traffic")
        found = {name: getattr(self, name) for name in (*counts, *OF_NETWORK, "program")}
        known = {name: value for name, value in found.items() if value}
        return known if known.keys() & {*counts} else {}

    def as_plain(self, names: Names = in_python) -> dict[str, Any]:
        """Return a JSON-compatible mapping without unknown values."""
        found: dict[str, Any] = without_unknown(asdict(replace(self, notices=())))
        del found["notices"]
        if self.total_steps is None:
            ahead = {name: found.pop(name) for name in OF_STEPS if name in found}
            found[f"per_{AHEAD}_steps"] = {"time_s": ahead.pop("left_s"), **ahead}
        return found | {"notes": list(rendered(self.notices, names))}


def forecast_run(question: RunQuestion, catalog: Catalog) -> RunForecast:
    """Forecast a run from its first steps.

    Raises
    ------
    ValueError
        If other hardware is unknown, or fewer steps are planned than were seen.
    """
    seen = question.seen
    total = question.total or seen.planned
    if total is not None and total < seen.steps:
        raise ValueError(f"total_steps must be {seen.steps} at least, so many were seen: {total}")
    step_s = seen.forecast(seen.steps + 1).mid_s - seen.forecast(seen.steps).mid_s
    step, seems = _known_step(question)
    last = total or seen.steps + AHEAD
    found = seen.forecast(last, question.drift, _slowdown(question.measured))
    wall = Span(low=found.low_s, mid=found.mid_s, high=found.high_s)
    steps = RunForecast(
        seen_steps=seen.steps,
        total_steps=total,
        step_s=step_s,
        left_s=Span(**{name: one - found.seen_s for name, one in asdict(wall).items()}),
        wall_s=wall if total else None,
        program=question.scenario.program,
        optimizer=seen.optimizers[0][0] if seen.optimizers else None,
        peak_memory_bytes=seen.memory.get("peak"),
        larger_batch=_larger_batch(question),
        **step,
    )
    seems = [*_source_of_total(question), *seems, *_several_optimizers(seen)]
    if total != seen.steps:
        seems += _disturbed(question.measured)
    log_sd = math.log(steps.time_s.high / steps.time_s.mid) / z_score(CENTRAL)
    time_s = Uncertain(steps.time_s.mid, {"time": log_sd})
    energy, notices = _energy(question, time_s, catalog)
    steps = replace(steps, rental_usd=_rental(question, time_s), **energy)
    elsewhere, more = _elsewhere(question, steps, total or AHEAD, catalog)
    return replace(steps, elsewhere=elsewhere, notices=(*seems, *notices, *more))


def _source_of_total(question: RunQuestion) -> list[Notice]:
    """Return a notice on the number of steps, if the user and the Trainer do not give it."""
    if question.total is None:
        return [] if question.seen.planned else [TOTAL_UNKNOWN]
    if question.total_option is None:
        return []
    values = {"steps": float(question.total), "option": question.total_option}
    return [Notice("forecast_total_from_command", "total_steps", values)]


def _larger_batch(question: RunQuestion) -> float | None:
    """Return the factor by which the batch could grow in the free memory [1]."""
    memory = question.seen.memory
    limit = memory.get("limit", question.measured.host.memory_bytes)
    if not memory or limit is None:
        return None
    grows = memory.get("peak", 0.0) - memory.get("held", 0.0)
    if grows < SMALLEST_GROWTH * memory.get("peak", 0.0):
        return None
    found = (USABLE_MEMORY * limit - memory["held"]) / grows
    return found if found > 1.0 else None


def _several_optimizers(seen: Stamped) -> list[Notice]:
    """Return a notice if several optimizers step, as a total may count a different one."""
    if len(seen.optimizers) < 2:
        return []
    (name, steps), *others = seen.optimizers
    values = {
        "name": name,
        "steps": float(steps),
        "others": tuple(f"{other} {number}" for other, number in others),
    }
    return [Notice("forecast_several_optimizers", "total_steps", values)]


def _slowdown(measured: MeasuredRun) -> float:
    """Factor by which other programs slowed the steps under fair sharing [1]."""
    return max((slowed(taken_by_others(measured, one)) for one in measured.timings), default=1.0)


def _disturbed(measured: MeasuredRun) -> list[Notice]:
    """Return a notice on what is slowing the steps, assumed to continue."""
    if not measured.timings:
        return []
    _, reasons = disturbance_of(measured, measured.timings[0])
    return [Notice("forecast_disturbed", "", {"reasons": reasons})] if reasons else []


def _rental(question: RunQuestion, time_s: Uncertain) -> Span | None:
    """Return the rental cost of the devices for a time [USD], or None without a given price."""
    price, timings = question.scenario.price, question.measured.timings
    if price is None:
        return None
    return _span(time_s * (price * (timings[0].devices if timings else 1) / S_PER_H))


def _energy(
    question: RunQuestion, time_s: Uncertain, catalog: Catalog
) -> tuple[dict[str, Any], list[Notice]]:
    """Return energy, CO2e and electricity cost from the metered power.

    Modelled power counts only if the question allows it.
    """
    meters, given = question.measured.energy, question.scenario
    measured = [one for one in meters if one.trust != "modelled"]
    found: dict[str, Any] = {}
    notices: list[Notice] = []
    if not measured and meters:
        found["modelled_power_w"] = sum(one.mean_w for one in meters)
        if not question.use_modelled:
            values = {"power": human(found["modelled_power_w"], "W")}
            return found, [Notice("forecast_modelled_left_out", "", values)]
        notices.append(Notice("forecast_power_modelled"))
    used = measured or list(meters)
    if not used:
        return {}, [Notice("forecast_without_meter")]
    silent = {one.key for one in question.measured.devices} - {one.component for one in used}
    if silent:
        notices.append(Notice("forecast_unmetered", "", {"devices": tuple(sorted(silent))}))
    site = find_site(given.site or "", catalog).value
    intensity = _or(given.carbon_intensity, site.co2e_kg_per_kwh)
    tariff = _or(given.electricity_price, site.electricity_usd_per_kwh)
    power_w = Uncertain(
        sum(one.mean_w for one in used), {"power": METER_SD if measured else MODELLED_SD}
    )
    energy_kwh = power_w * time_s * _or(given.pue, site.pue) / J_PER_KWH
    found["energy_kwh"] = _span(energy_kwh)
    if intensity is not None:
        found["co2e_kg"] = _span(energy_kwh * intensity)
    if tariff is not None:
        found["cost_usd"] = _span(energy_kwh * tariff)
    return found, notices


def _or(given: float | None, known: Any) -> Any:
    return known if given is None else given


def check_asked(
    scenario: Scenario, total: int | None, on: Sequence[str] | None, catalog: Catalog
) -> None:
    """Refuse invalid inputs before the command starts.

    Raises
    ------
    ValueError
        If hardware is unknown or not comparable, or a number is outside its limits.
    """
    flop = max(1.0, scenario.step_flop or 0.0) * (total or 1)
    plain = replace(scenario, flop=flop, devices=1.0, precision=None, hardware=OTHERS[0])
    named = [replace(plain, precision=scenario.precision, hardware=name) for name in on or ()]
    for answer in answer_scenarios([plain, *named], catalog):
        if isinstance(answer, ValueError):
            raise answer


def _elsewhere(
    question: RunQuestion, steps: RunForecast, total: int, catalog: Catalog
) -> tuple[tuple[OnOther, ...], list[Notice]]:
    """Forecast the same run on one device of each other type; return the notices too."""
    step_flop, uncertainty, notices = _step_flop(question, steps, catalog)
    if step_flop is None:
        return (), notices
    names = list(OTHERS if question.on is None else question.on)
    if not names:
        return (), notices
    common = Scenario(
        flop=step_flop * total,
        **{**{name: getattr(steps, name) for name in OF_STEP}, "step_flop": step_flop},
        program=steps.program,
        site=question.scenario.site,
        devices=1.0,
        rate=None if steps.total_steps else "steady",
    )
    asked = [replace(common, hardware=name) for name in names]
    here, rows, waiting = _measured_device(question), [], []
    for name, answer in zip(names, answer_scenarios(asked, catalog), strict=True):
        if here is not None and catalog.find_device(name) == here:
            rows.append(_on_this(name, steps, catalog))
            continue
        if isinstance(answer, ValueError):
            why = {"name": name, "why": str(answer)}
            notices += [] if question.on is None else [Notice("forecast_not_on", "", why)]
            continue
        rows.append(_on_other(name, answer, uncertainty))
        if any(notice.code == LAUNCH_BOUND for notice in answer.notices):
            waiting.append(answer.device.name)
    if waiting:
        notices.append(Notice("forecast_launch_bound", "", {"devices": tuple(waiting)}))
    return tuple(rows), notices


def _known_step(question: RunQuestion) -> tuple[dict[str, Any], list[Notice]]:
    """Return FLOPs and format of a step as given, reported or counted, with notices.

    And what to say of it: for which kind of network it is taken where nobody says one, or why
    nothing is counted.
    """
    seen, said = question.seen, _reported_step(question)
    counted = missing(said, seen.counts)
    found, notices = {**said, **counted}, list[Notice]()
    if seen.missed:
        notices = [Notice("forecast_unseen_work", "", {"names": tuple(seen.missed)})]
    elif "kind" in counted:
        kind = {"kind": counted["kind"], "arch": counted["arch"]}
        notices = [Notice("forecast_kind_counted", "kind", kind)]
    phase = seen.counted_phase
    if phase is not None and found.get("flop") is None:
        values = {
            "count": float(phase.steps),
            "early": human(phase.step_s, "s"),
            "later": human(phase.later_s, "s"),
        }
        notices.append(Notice("forecast_other_phase", "step_flop", values))
    return {name: found.get(field) for name, field in OF_STEP.items()}, notices


def _reported_step(question: RunQuestion) -> dict[str, Any]:
    """Return step fields reported by the user and the program."""
    seen, timings = question.seen, question.measured.timings
    asked = {field: getattr(question.scenario, name) for name, field in OF_STEP.items()}
    stored = vars(timings[0]) if timings else {}
    own = {name: value for name, value in stored.items() if value != seen.counts.get(name)}
    said: dict[str, Any] = without_unknown({**seen.given, **own}) | without_unknown(asked)
    return said


def _measured_device(question: RunQuestion) -> str | None:
    """Return the id of the device that ran the steps, or None if several or unknown."""
    timings = question.measured.timings
    if not timings or timings[0].devices != 1 or question.seen.processes != 1:
        return None
    at = timings[0].component
    return next((one.hardware for one in question.measured.devices if one.key == at), None)


def _on_this(name: str, steps: RunForecast, catalog: Catalog) -> OnOther:
    """Describe the run on the watched device, from its steps and meters."""
    return OnOther(
        hardware=name,
        name=catalog.device(name).name,
        time_s=steps.time_s,
        energy_kwh=steps.energy_kwh,
        cost_usd=steps.cost_usd,
        co2e_kg=steps.co2e_kg,
    )


def _on_other(name: str, answer: Answer, uncertainty: Uncertain) -> OnOther:
    result = answer.estimate.quantities
    spans = {
        field: _span(result[field] * uncertainty) if field in result else None
        for field in ("energy_kwh", "cost_usd", "co2e_kg")
    }
    return OnOther(
        hardware=name,
        name=answer.device.name,
        time_s=_span(result["wall_hours"] * S_PER_H * uncertainty),
        **spans,
    )


def _step_flop(
    question: RunQuestion, steps: RunForecast, catalog: Catalog
) -> tuple[float | None, Uncertain, list[Notice]]:
    """Return the FLOPs per step: given, reported, or expected from this machine's calibration."""
    certain = Uncertain(1.0, {})
    if steps.step_flop is not None:
        return float(steps.step_flop), certain, []
    used = [one.hardware for one in question.measured.devices if one.hardware is not None]
    seen = question.seen
    foreign = not (seen.optimizers or seen.counted or seen.missed)
    unknown = Notice("forecast_not_pytorch" if foreign else "forecast_step_unknown", "step_flop")
    if not used or catalog.find_device(used[-1]) is None:
        return None, certain, [unknown]
    try:
        here = answer_scenario(
            Scenario(
                flop=1e12,
                hardware=used[-1],
                devices=1.0,
                program=question.scenario.program,
                precision=steps.precision,
                kind=steps.kind,
                arch=steps.arch,
            ),
            catalog,
        )
    except ValueError:
        return None, certain, [unknown]
    rate = here.inputs["utilization"]
    peak = catalog.device(used[-1]).peaks[here.precision].value
    sd = math.log(rate.high / rate.value) / z_score(CENTRAL) if rate.high else 0.0
    return (
        rate.value * peak * steps.step_s,
        Uncertain(1.0, {"work of a step": sd}),
        [Notice("forecast_step_assumed", "step_flop", {"share": rate.value})],
    )


def _span(quantity: Uncertain) -> Span:
    low, high = quantity.interval()
    return Span(low=float(low), mid=float(quantity.mid), high=float(high))
