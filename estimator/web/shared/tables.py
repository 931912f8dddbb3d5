"""Tables from an answer: long format, units in column names, for charts and files."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from estimator.answer.estimate_table import estimate_table
from estimator.answer.report import bounds
from estimator.answer.scenario_estimate import Answer
from estimator.answer.training_report import RESULTS
from estimator.calibration.notices import CALIBRATED
from estimator.catalog import Catalog, Source
from estimator.core.uncertainty import Uncertain, z_score
from estimator.core.units import amount, human_percent
from estimator.question.provenance import SourcedNumber
from estimator.question.scenario import OF_RUN, Scenario
from estimator.question.table import Table
from estimator.system.formula_cells import without_formula
from estimator.web.shared.amounts import format_range, localised, result
from estimator.web.shared.charts import Row
from estimator.web.shared.language import N_, _

LADDER = ("b200", "a100-sxm-80", "tpu-v5p", "rtx-4090", "human-brain", "h100-sxm", "v100-sxm2-16")
"""Comparison devices: new, common, another vendor's, consumer, and the baseline."""

OTHERS = 5
"""Most other devices in a comparison [1]."""

OF_DEVICE = (
    *("hardware", "precision", "devices", "utilization"),
    *(*OF_RUN, "price", "power_cap", "device_price"),
)
"""Inputs that do not apply to another device."""

COMPARED = ("wall_hours", "energy_kwh", "cost_usd", "co2e_kg")
"""Quantities of the device comparison."""

PART_NAMES: Mapping[str, str] = {
    "device, idle": N_("devices, idle power"),
    "device, working": N_("devices, dynamic power"),
    "host": N_("hosts: CPUs, memory, fans"),
    "network": N_("network"),
    "metered": N_("metered energy"),
    "host and network": N_("hosts and network"),
    "cooling and supply": N_("cooling and supply (PUE)"),
}

SOURCE_NAMES: Mapping[str, str] = {
    "work": N_("amount of work"),
    "peak": N_("peak of the device"),
    "power": N_("load of the device"),
    "power limit": N_("power limit of the device"),
    "idle power": N_("idle power of the device"),
    "host": N_("power of the host"),
    "network": N_("power of the network"),
    "power cap": N_("speed under the power limit"),
    "water of electricity": N_("water of electricity"),
    "meter": N_("energy meter"),
    "server price": N_("price of the server"),
    "value decline": N_("depreciation"),
}

INPUT_NAMES: Mapping[str, str] = {
    "training_flop": N_("training compute"),
    "params": N_("parameters"),
    "active_params": N_("active parameters"),
    "device_hours": N_("device time"),
    "energy_kwh": N_("metered energy"),
    "attempts": N_("development overhead: all runs over the final run"),
    "work.formula": N_("6 × parameters × tokens over an exact count"),
    "peak_flop_per_s": N_("dense peak"),
    "utilization.prior": N_("utilization before calibration"),
    "device_power_w": N_("power of the device under load"),
    "tdp_w": N_("power limit of the device"),
    "idle_w": N_("idle power of the device"),
    "power.load": N_("dynamic power ÷ its maximum"),
    "power.busy_share": N_("duty cycle"),
    "power.waiting_params": N_("network size at which a device waits half of the time"),
    "power.host_factor": N_("node power ÷ device power"),
    "power.idle_share": N_("idle power ÷ power limit"),
    "power.network_share": N_("network power ÷ node power"),
    "ownership.lifetime_years": N_("service life of the hardware"),
    "ownership.busy_share": N_("share of its service life in use"),
    "ownership.server_price_factor": N_("server price over device price"),
    "embodied_co2e_kg": N_("embodied emissions of the device"),
    "embodied.device": N_("embodied emissions of the device"),
    "embodied.server_share": N_("embodied emissions of its share of the server"),
    "launch_price_usd": N_("purchase price of the device"),
    "pue": N_("PUE"),
    "wue_l_per_kwh": N_("on-site water use (WUE)"),
    "co2e_kg_per_kwh": N_("carbon intensity"),
    "electricity_usd_per_kwh": N_("electricity price"),
    "price_usd_per_h": N_("rental price per device"),
    "offsite_l_per_kwh": N_("off-site water of electricity generation"),
    "power_cap": N_("power limit of one device"),
    "batch_tokens": N_("tokens per step"),
    "recomputation": N_("share recomputed"),
    "tensor_parallel": N_("tensor-parallel size"),
    "pipeline_parallel": N_("pipeline stages"),
    "expert_parallel": N_("expert-parallel size"),
    "micro_batches": N_("micro-batches"),
    "power.cap_exponent": N_("speed over power under a power limit"),
    "power.system_spread": N_("spread of the system power"),
    "system_power_w": N_("measured power including the host"),
    "ownership.value_lost_per_year": N_("depreciation per year"),
    "ownership.network_price_share": N_("network price over device price"),
}
"""Key -> display name; a longer key takes its longest prefix here."""

BASES = (
    *(N_("given"), N_("calibrated"), N_("published"), N_("assumed")),
    *(N_("datasheet"), N_("measured"), N_("derived")),
)
"""Basis of a number."""


def results_rows(answer: Answer) -> list[Row]:
    """One row per result: quantity (with unit suffix), low, mid, high."""
    known = answer.estimate.quantities
    return [
        {"quantity": name, **bounds(known[name], answer.level)} for name in RESULTS if name in known
    ]


def parts_rows(answer: Answer) -> list[Row]:
    """Energy by part: part, energy_kwh, share, label; empty if the power is unknown."""
    parts = {
        name: float(amount) for name, amount in answer.estimate.parts.get("energy_kwh", {}).items()
    }
    whole = sum(parts.values())
    return [
        {
            "part": _(PART_NAMES.get(name, name)),
            "energy_kwh": amount,
            "share": amount / whole,
            "label": f"{_percent(amount / whole)}  {_(PART_NAMES.get(name, name))}, "
            f"{result('energy_kwh', amount)}",
        }
        for name, amount in parts.items()
        if amount > 0
    ]


def uncertainty_rows(answer: Answer) -> list[Row]:
    """Return each source of uncertainty, the largest first.

    Columns: source, share of the log-variance, bounds of the quantity with this source only
    (quantity_low, quantity_mid, quantity_high) and a label. The quantity is `uncertain_quantity`.
    """
    name = uncertain_quantity(answer)
    quantity = answer.estimate[name]
    shares = sorted(quantity.shares().items(), key=lambda item: -float(item[1]))
    rows: list[Row] = []
    for source, share in shares:
        if share < 0.001:
            continue
        alone = bounds(Uncertain(quantity.mid, {source: quantity.loadings[source]}), answer.level)
        span = between(name, alone["low"], alone["high"])
        label_of_source = _(SOURCE_NAMES.get(source, source))
        label = f"{label_of_source}: {span}, {_percent(float(share))}"
        rows.append(
            {
                "source": label_of_source,
                "share": float(share),
                **_named_bounds(name, alone),
                "label": label,
            }
        )
    return rows


def uncertain_quantity(answer: Answer) -> str:
    """Quantity with explained uncertainty: energy, or device time if unknown."""
    return "energy_kwh" if "energy_kwh" in answer.estimate else "device_hours"


def other_devices(answer: Answer, catalog: Catalog) -> Table[Scenario]:
    """Table of the same work on other devices, at their own predicted utilization.

    Empty for a run known only by its device time.
    """
    if answer.workload.training_flop is None:
        return Table(question=Scenario, count=0)
    known = [name for name in LADDER if catalog.find_device(name) is not None]
    names = [name for name in known if name != answer.device.id][:OTHERS]
    having = [answer.precision in catalog.device(name).peaks for name in names]
    said = answer.scenario.specified_inputs()
    columns: dict[str, Any] = {name: one for name, one in said.items() if name not in OF_DEVICE}
    columns["hardware"] = names
    columns["precision"] = [answer.precision if has else None for has in having]
    columns["devices"] = [float(answer.run.devices)] * len(names)
    return Table.of_columns(Scenario, **columns)


def comparison_rows(
    answer: Answer, quantity: str, catalog: Catalog, *, yours: bool = False
) -> list[Row]:
    """Quantity of an answer and of the same work on other devices, sorted by median.

    Devices without the quantity or an answer are left out; `yours` labels the user's device.
    Columns: device, whose ("yours" or "other"), the bounds, a label, and `text`, the label with its
    interval.
    """
    found = []
    if quantity in answer.estimate:
        own = bounds(answer.estimate[quantity], answer.level)
        found.append((answer.device.name, "yours", own))
    asked = other_devices(answer, catalog)
    if asked.count:
        result_of = estimate_table(asked, catalog)
        ends = result_of.bounds(quantity, z_score(answer.level)).tolist()
        for row, (low, mid, high) in enumerate(ends):
            name = _(result_of.questions.device(row).device.name)
            found.append((name, "other", {"low": low, "mid": mid, "high": high}))
    rows: list[Row] = []
    for name, whose, value in found:
        if math.isnan(value["mid"]):
            continue
        label = f"{name}: {result(quantity, value['mid'])}"
        label += _(", yours") if yours and whose == "yours" else ""
        text = f"{label} ({between(quantity, value['low'], value['high'])})"
        rows.append(
            {"device": name, "whose": whose, **_named_bounds(quantity, value)}
            | {"label": label, "text": text}
        )
    rows.sort(key=lambda row: row[f"{quantity}_mid"])
    return rows


def inputs_rows(answer: Answer, catalog: Catalog) -> list[Row]:
    """Every number used, with its range, basis and source."""
    return [_input_row(name, item, catalog) for name, item in answer.inputs.items()]


def csv_text(rows: list[Row] | pd.DataFrame) -> str:
    """Format rows with equal columns as CSV."""
    return str(pd.DataFrame(rows).map(without_formula).to_csv(index=False))


def credit(answer: Answer, catalog: Catalog, beginnings: Iterable[str]) -> str:
    """Sources of some inputs in a few words: authors or publishers, and years."""
    wanted = tuple(beginnings)
    used = [item for name, item in answer.inputs.items() if name.startswith(wanted)]
    found = [source for item in used if (source := _source_of(item, catalog)) is not None]
    names = [f"{author(source)} ({source.date[:4]})" for source in found if not source.is_absent]
    return ", ".join(dict.fromkeys(names))


def author(source: Source) -> str:
    """Return the author of a source: its publisher, or its authors for preprint archives."""
    if not source.publisher.startswith(("arXiv", "various")):
        return source.publisher
    authors, et_al, _rest = source.title.partition(" et al.")
    return authors + et_al


def input_name(key: str) -> str:
    """Display name of an input.

    >>> input_name("peak_flop_per_s.bf16"), input_name("power.load.gpu-datacenter")
    ('dense peak', 'dynamic power ÷ its maximum')
    """
    matches = [known for known in INPUT_NAMES if key == known or key.startswith(known + ".")]
    return _(INPUT_NAMES[max(matches, key=len)]) if matches else _(key.replace("_", " "))


def between(quantity: str, low: float, high: float) -> str:
    """Format a range of a result, with a shared unit once.

    >>> between("energy_kwh", 52.1e3, 164e3), between("cost_usd", 102e3, 1.14e6)
    ('52.1 – 164 MWh', '$102k – $1.14M')
    >>> between("cost_usd", 102e3, 102e3)
    '$102k'
    """
    first, last = result(quantity, low), result(quantity, high)
    if first == last:
        return first
    return format_range(first, last)


def _named_bounds(quantity: str, value: Mapping[str, float]) -> dict[str, float]:
    return {f"{quantity}_{bound}": value[bound] for bound in ("low", "mid", "high")}


def _percent(share: float) -> str:
    """Format a share: '70%', never '0%'."""
    return _("under 1%") if share < 0.01 else localised(f"{share * 100:.0f}%")


def _source_of(item: SourcedNumber, catalog: Catalog) -> Source | None:
    """Source of a number, including measured runs."""
    if not item.source:
        return None
    if item.basis != CALIBRATED:
        return catalog.source(item.source)
    one = not item.source.endswith("measured runs")
    return Source(
        id=item.source,
        title=f"measured run {item.source}" if one else item.source,
        publisher="measured runs",
        date=item.date,
        licence="",
        url=None,
        note=None,
    )


SHARES = (
    *("utilization", "utilization.prior", "recomputation", "power.busy_share", "power.idle_share"),
    *("power.network_share", "ownership.busy_share", "ownership.value_lost_per_year"),
    "ownership.network_price_share",
)
"""Inputs displayed in percent."""


def input_amount(name: str, value: float, unit: str) -> str:
    """Format the value of an input with its unit.

    >>> input_amount("utilization", 0.398, "1"), input_amount("pue", 1.25, "1")
    ('39.8%', '1.25')
    """
    return localised(human_percent(value) if name in SHARES else amount(value, unit))


def _input_row(name: str, item: SourcedNumber, catalog: Catalog) -> Row:
    source = _source_of(item, catalog)
    ends = [end for end in (item.low, item.high) if end is not None]
    return {
        "key": name,
        "input": input_name(name),
        "said": input_amount(name, item.value, item.unit),
        "range": format_range(*(input_amount(name, end, item.unit) for end in ends))
        if len(set(ends)) == 2
        else "",
        "value": item.value,
        "unit": item.unit,
        "low": item.low,
        "high": item.high,
        "basis": _(item.basis),
        "title": source.title if source else "",
        "publisher": source.publisher if source else "",
        "date": item.date or (source.date if source else ""),
        "url": (source.url or "") if source else "",
        "licence": source.licence if source else "",
        "note": item.note,
    }
