"""Facts for regulatory documents on inference: energy and CO2e of tokens."""

from collections.abc import Mapping

from estimator.answer.disclosure import (
    CALIBRATED,
    PREDICTED,
    TASK_TOKENS,
    Disclosed,
    Fact,
    missing,
    number_fact,
)
from estimator.catalog import Catalog, Record
from estimator.core.uncertainty import Uncertain
from estimator.core.units import J_PER_KWH, MILLION, S_PER_H, digits
from estimator.inference.engines import ENGINES
from estimator.inference.figures import single
from estimator.inference.quantities import ServingAnswer
from estimator.inference.report import inference_report
from estimator.question.provenance import SourcedNumber, input_of

TOKENS = MILLION
"""Output tokens that the facts refer to."""

OF_TIME = ("memory_bytes_per_s", "peak_flop_per_s", "output_tokens_per_s")
OF_ENERGY = ("tdp_w", "idle_w", "device_energy_per_output_token_j", "pue")
OF_CARBON, OF_WATER = ("co2e_kg_per_kwh",), ("wue_l_per_kwh", "offsite_l_per_kwh")
"""Numbers that a fact depends on."""


def inference_facts(answer: ServingAnswer, catalog: Catalog, level: float) -> Disclosed:
    """Collect the facts about a million output tokens of an inference setup.

    Parameters
    ----------
    answer : ServingAnswer
    catalog : Catalog
    level : float
        Probability inside the intervals [1].
    """
    report = inference_report(answer, catalog, level)
    inputs, known, numbers = report.inputs, report.quantities, _numbers(answer, catalog)
    notices = report.notices if isinstance(report.notices, tuple) else ()
    measured = any(notice.code == "serving_calibrated" for notice in notices)
    basis = CALIBRATED if measured else PREDICTED

    def fact(value: Uncertain | None, unit: str, formula: str, *names: str) -> Fact:
        if value is None:
            return missing("not_of_this_task")
        behind = [numbers[name] for name in names if name in numbers and numbers[name].source]
        low, high = (float(bound) for bound in value.interval(level))
        return Fact(
            value=float(value.mid),
            low=low,
            high=high,
            unit=unit,
            basis=basis,
            formula=formula,
            sources=tuple(dict.fromkeys(one.source for one in behind)),
            date=max((one.date for one in behind), default=""),
        )

    joules = known.get("energy_per_output_token_j")
    carbon, water = (
        known.get(f"{name}_per_million_output_tokens_{unit}")
        for name, unit in (("co2e", "kg"), ("water", "l"))
    )
    each = "" if joules is None else f"{digits(float(joules.mid))} J per output token × "
    energy = fact(
        None if joules is None else joules * (TOKENS / J_PER_KWH),
        "kWh",
        f"{each}{TOKENS:,.0f} tokens",
        *OF_ENERGY,
    )
    emitted = "energy × carbon intensity, embodied left out"
    grams = None if carbon is None else carbon * 1e3
    total = fact(carbon, "kgCO2e", emitted, *OF_CARBON)
    rate = known.get("output_tokens_per_s")
    seconds = None if rate is None else TOKENS / rate
    lasting = "" if rate is None else f"{TOKENS:,.0f} tokens / {digits(float(rate.mid))} tokens/s"
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
    counts: Mapping[str, tuple[float, str]] = {
        "params": (float(inputs["params_total"]), "parameters"),
        "devices": (float(inputs["devices"]), ""),
        "tokens": (TOKENS, "tokens"),
    }
    assumed = {notice.field for notice in notices}

    def input_fact(name: str, value: str | float, unit: str = "") -> Fact:
        if name in assumed:
            return Fact(value=value, unit=unit, basis=PREDICTED, formula="assumed")
        return Fact(value=value, unit=unit)

    intensity = missing("grid_unknown", "carbon_intensity", place=str(inputs["place"]))
    if "co2e_kg_per_kwh" in numbers:
        intensity = number_fact(numbers["co2e_kg_per_kwh"])
    facts = {
        **{name: input_fact(name, text) for name, text in words.items()},
        **{name: input_fact(name, value, unit) for name, (value, unit) in counts.items()},
        "pue": number_fact(numbers["pue"]),
        "energy_kwh": energy,
        "task_energy_kwh": energy,
        "co2e_kg_per_kwh": intensity,
        "operational_co2e_kg": total,
        "scope2_location_kg": total,
        "co2e_kg": total,
        "co2e_g": fact(grams, "gCO2e", emitted, *OF_CARBON),
        "sci_g_per_million_output_tokens": fact(
            grams,
            "gCO2e per million tokens",
            "O / R, embodied left out",
            *OF_CARBON,
        ),
        "water_l": fact(water, "L", "on-site water + water of generation", *OF_WATER),
        "wall_s": fact(seconds, "s", lasting, *OF_TIME),
        "wall_hours": fact(None if seconds is None else seconds / S_PER_H, "h", lasting, *OF_TIME),
        "inference_flop": Fact(
            value=2.0 * float(inputs["params_active"]) * TASK_TOKENS,
            unit="FLOP",
            basis=PREDICTED,
            formula=f"2 × {float(inputs['params_active']):.3g} active parameters × "
            f"{TASK_TOKENS:,.0f} tokens, attention left out",
            sources=("kaplan-2020",),
        ),
    }
    boundary = {
        "devices": basis,
        "hosts (CPU, memory, fans)": "predicted",
        "network beyond a node": "predicted",
        "cooling and supply (PUE)": f"predicted, PUE {digits(float(inputs['pue']))}",
        "making of the hardware (embodied)": "not counted",
        "training": "not counted",
    }
    return Disclosed(
        facts=facts, boundary=boundary, tighten=(), notices=notices, level=level, link=""
    )


def _numbers(answer: ServingAnswer, catalog: Catalog) -> Mapping[str, SourcedNumber]:
    """Return the numbers behind an answer, of its device, engine and site."""
    row, table = single(answer)
    engine = f"serving.spread.{ENGINES[row.engine]}"
    device = row.device.device
    records: dict[str, Record] = dict(device.records)
    records |= {
        name: catalog.prior(f"{engine}.{name}")
        for name in ("output_tokens_per_s", "device_energy_per_output_token_j")
    }
    arithmetic = row.device.arithmetic(row.weights, row.engine)
    if arithmetic in device.peaks:
        records["peak_flop_per_s"] = device.peaks[arithmetic]
    found = {name: input_of(record) for name, record in records.items()}
    return found | table.named_of(0).site.inputs
