"""Report of a training estimate, with everyday equivalents of its energy and CO2e."""

from collections.abc import Iterable
from typing import Any

from estimator.answer.design_facts import offers_of, with_memory
from estimator.answer.estimate_table import TableResult
from estimator.answer.published_run import published_run, words_of_run
from estimator.answer.report import Report
from estimator.answer.scenario_estimate import Answer, utilization_basis
from estimator.catalog import Catalog
from estimator.core.carbon_schedule import Schedule

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
"""Quantities of a training run, in display order."""


def training_report(answer: Answer, catalog: Catalog) -> Report:
    """Report of an estimate, with its memory need and equivalents.

    Parameters
    ----------
    answer : Answer
    catalog : Catalog

    Returns
    -------
    Report
        Report with the known `RESULTS`.
    """
    report = estimate_report(answer)
    reported = published_run(answer, catalog)
    measured = {"measured": reported} if reported else {}
    return Report(
        **{
            **vars(report),
            "notices": with_memory(answer, catalog),
            "facts": {**report.facts, **measured, "equivalents": equivalents(answer, catalog)},
            "details": {
                **report.details,
                "offers": offers_of(answer, catalog),
                **words_of_run(reported, catalog),
            },
        }
    )


def estimate_report(answer: Answer) -> Report:
    """Report of an estimate only, without further look-ups."""
    known = answer.estimate.quantities
    planned = {} if answer.plan is None else {"schedule": schedule_of(answer, answer.plan)}
    parts = {name: answer.estimate.breakdown.get(name) for name in ("co2e_kg", "water_l")}
    return Report(
        question="training",
        quantities={name: known[name] for name in RESULTS if name in known},
        level=answer.level,
        inputs={
            **answer.scenario.specified_inputs(),
            "hardware": answer.device.id,
            "devices": answer.run.devices,
            "precision": answer.precision,
            "interval": answer.level,
        },
        resolved=answer.inputs,
        notices=answer.notices,
        breakdown={
            name: {part: float(amount) for part, amount in work_out().items()}
            for name, work_out in parts.items()
            if work_out is not None
        },
        basis={"utilization": utilization_basis(answer)} if "utilization" in known else {},
        facts={**planned, "spread": spread(answer), "link": answer.link},
        columns=("hardware", "precision", "devices"),
        details={"fleet": fleet(answer), "embodied": known.get("embodied_co2e_kg")},
    )


def fleet(answer: Answer) -> str:
    """Return the device count and name: 'one NVIDIA V100' or '1,024 × NVIDIA H100'."""
    count = float(answer.run.devices)
    return f"one {answer.device.name}" if count == 1 else f"{count:,.0f} × {answer.device.name}"


def spread(answer: Answer) -> dict[str, float]:
    """Share of each source in the log-variance of the energy, the largest first [1]."""
    quantities = answer.estimate.quantities
    widest = quantities.get("energy_kwh", quantities["device_hours"])
    shares = {name: float(share) for name, share in widest.shares().items()}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def schedule_of(answer: Answer, plan: Schedule) -> dict[str, float]:
    """Start time, best start time, and the operational CO2e it would save."""
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


def equivalents(answer: Answer, catalog: Catalog) -> dict[str, Any]:
    """Convert to household electricity [year], car distance [km] and coast-to-coast flights [1]."""
    known, records = answer.estimate, catalog.equivalents()
    found: dict[str, float] = {}
    if "energy_kwh" in known:
        yearly_kwh = records["household.kwh_per_year"].value
        found["household_years"] = float(known["energy_kwh"].mid) / yearly_kwh
    if "co2e_kg" in known:
        emitted_kg = float(known["co2e_kg"].mid)
        found["car_km"] = emitted_kg / records["car.co2e_kg_per_km"].value
        found["flights"] = emitted_kg / records["flight.co2e_kg"].value
    return found


def table_report(result: TableResult, names: Iterable[str], level: float) -> Report:
    """Report of a table of scenarios: training FLOPs and selected quantities."""
    return Report(
        question="training",
        quantities={name: result[name] for name in ("training_flop", *names)},
        level=level,
        notices=result.notices,
        errors=result.errors,
    )
