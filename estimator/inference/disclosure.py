"""Facts for regulatory documents on inference: energy and CO2e of tokens."""

from collections.abc import Mapping

from estimator.answer.disclosure import PREDICTED, TASK_TOKENS, Disclosed, Fact, missing
from estimator.answer.report import Report
from estimator.catalog import Catalog
from estimator.core.uncertainty import Uncertain
from estimator.core.units import J_PER_KWH, MILLION, S_PER_H, digits
from estimator.question.provenance import GIVEN

TOKENS = MILLION
"""Output tokens that the facts refer to."""


def inference_facts(report: Report, catalog: Catalog) -> Disclosed:
    """Facts about a million output tokens of an inference setup.

    Parameters
    ----------
    report : Report
        Of inference.
    catalog : Catalog
    """
    inputs, known = report.inputs, report.quantities
    joules = known.get("energy_per_output_token_j")
    carbon, water = (
        known.get(f"{name}_per_million_output_tokens_{unit}")
        for name, unit in (("co2e", "kg"), ("water", "l"))
    )
    each = "" if joules is None else f"{digits(float(joules.mid))} J per output token × "
    energy = _fact(
        report,
        None if joules is None else joules * (TOKENS / J_PER_KWH),
        "kWh",
        f"{each}{TOKENS:,.0f} tokens",
    )
    total = _fact(report, carbon, "kgCO2e", "energy × carbon intensity, embodied left out")
    rate = known.get("output_tokens_per_s")
    wall = None if rate is None else TOKENS / rate
    words = {
        "model": str(inputs["model"]),
        "stage": "inference",
        "kind": "language",
        "hardware": str(report.details["device"]),
        "device_kind": catalog.device(str(inputs["hardware"])).kind,
        "fleet": f"{float(inputs['devices']):,.0f} × {report.details['device']}",
        "precision": str(inputs["weights"]),
        "site": str(inputs["place"]),
        "energy_method": "Estimated from the computational resources used: "
        f"{energy.formula}, host, network and PUE included.",
        "time_matching": "annual: the mean intensity of the year",
    }
    numbers: Mapping[str, tuple[float, str]] = {
        "params": (float(inputs["params_total"]), "parameters"),
        "devices": (float(inputs["devices"]), ""),
        "tokens": (TOKENS, "tokens"),
        "pue": (float(inputs["pue"]), ""),
    }
    notices = report.notices if isinstance(report.notices, tuple) else ()
    assumed = {notice.field for notice in notices}

    def input_fact(name: str, value: str | float, unit: str = "") -> Fact:
        if name in assumed:
            return Fact(value=value, unit=unit, basis=PREDICTED, formula="assumed")
        return Fact(value=value, unit=unit, basis=GIVEN)

    intensity = missing("grid_unknown", "carbon_intensity", place=str(inputs["place"]))
    if "co2e_kg_per_kwh" in inputs:
        intensity = Fact(value=float(inputs["co2e_kg_per_kwh"]), unit="kgCO2e/kWh", basis=PREDICTED)
    facts = {
        **{name: input_fact(name, text) for name, text in words.items()},
        **{name: input_fact(name, value, unit) for name, (value, unit) in numbers.items()},
        "energy_kwh": energy,
        "task_energy_kwh": energy,
        "co2e_kg_per_kwh": intensity,
        "operational_co2e_kg": total,
        "scope2_location_kg": total,
        "co2e_kg": total,
        "co2e_g": _fact(report, None if carbon is None else carbon * 1e3, "gCO2e", total.formula),
        "sci_g_per_million_output_tokens": _fact(
            report,
            None if carbon is None else carbon * 1e3,
            "gCO2e per million tokens",
            "O / R, embodied left out",
        ),
        "water_l": _fact(report, water, "L", "on-site water + water of generation"),
        "wall_s": _fact(report, wall, "s", ""),
        "wall_hours": _fact(report, None if wall is None else wall / S_PER_H, "h", ""),
        "inference_flop": Fact(
            value=2.0 * float(inputs["params_active"]) * TASK_TOKENS,
            unit="FLOP",
            basis=PREDICTED,
            formula=f"2 × {float(inputs['params_active']):.3g} active parameters × "
            f"{TASK_TOKENS:,.0f} tokens, attention left out",
        ),
    }
    boundary = {
        "devices": "predicted",
        "hosts (CPU, memory, fans)": "predicted",
        "network beyond a node": "predicted",
        "cooling and supply (PUE)": f"predicted, PUE {digits(float(inputs['pue']))}",
        "making of the hardware (embodied)": "not counted",
        "training": "not counted",
    }
    return Disclosed(
        facts=facts, boundary=boundary, tighten=(), notices=notices, level=report.level, link=""
    )


def _fact(report: Report, value: Uncertain | None, unit: str, formula: str) -> Fact:
    if value is None:
        return missing("not_of_this_task")
    low, high = (float(bound) for bound in value.interval(report.level))
    return Fact(
        value=float(value.mid),
        low=low,
        high=high,
        unit=unit,
        basis=PREDICTED,
        formula=formula,
    )
