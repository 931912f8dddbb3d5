"""A memory need in output: as JSON, as rows, as a table and a verdict for people."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

from estimator.answer.formatted_results import bounds
from estimator.core.messages import rendered
from estimator.core.uncertainty import Quantity, uncertain
from estimator.core.units import GIB, human, in_percent, joined
from estimator.memory.fit import MemoryAnswer
from estimator.question.scenario import option_of

NO_SAVING: Mapping[str, str] = MappingProxyType({})

LABELS = {
    "weights_bytes": "weights",
    "gradients_bytes": "gradients",
    "master_weights_bytes": "fp32 master weights",
    "optimizer_bytes": "optimizer state",
    "gathered_bytes": "layers gathered",
    "activations_bytes": "activations",
    "logits_bytes": "logits",
    "working_bytes": "loss and working space",
    "kv_cache_bytes": "KV cache",
    "context_bytes": "device context, buffers",
    "fragmentation_bytes": "fragmentation",
    "total_bytes": "total",
}

MISSING = "without activations, which are not modelled"


def memory_json(answer: MemoryAnswer, level: float, saving: Mapping[str, str]) -> dict[str, Any]:
    """Inputs, bytes per device by component, and whether they fit; keys end in their units.

    `saving` is what would make it fit on the devices asked for, empty where nothing does.
    """
    said = {name: value for name, value in asdict(answer.question).items() if value is not None}
    answer_json: dict[str, Any] = {
        "inputs": {
            **said,
            "params": answer.network.params,
            "seq_len": answer.plan.seq_len,
            "tensor_parallel": answer.plan.tensor_parallel,
            "zero": answer.plan.zero,
            "what_is_counted": answer.question.counted or "nvidia-smi",
            "resolved": {
                name: {key: value for key, value in asdict(item).items() if value not in (None, "")}
                for name, item in answer.inputs.items()
            },
        },
        "results": {name: bounds(uncertain(value), level) for name, value in _parts(answer)},
    }
    if answer.device is not None and answer.capacity_bytes is not None:
        answer_json["inputs"]["hardware"] = answer.device.id
        answer_json["memory_bytes"] = answer.capacity_bytes
        answer_json["fits"] = answer.fits
        answer_json["least_devices"] = answer.least_devices
    if saving:
        answer_json["fits_with"] = dict(saving)
    warnings = list(rendered(answer.notices, option_of))
    return answer_json | {"verdict": verdict(answer, level, saving), "warnings": warnings}


def memory_csv(answer: MemoryAnswer, level: float) -> list[dict[str, Any]]:
    """One flat row with `_low`, `_mid`, `_high` per component."""
    row: dict[str, Any] = {
        "hardware": "" if answer.device is None else answer.device.id,
        "devices": answer.plan.devices,
    }
    for name, value in _parts(answer):
        row |= {f"{name}_{end}": bound for end, bound in bounds(uncertain(value), level).items()}
    row["memory_bytes"] = "" if answer.capacity_bytes is None else answer.capacity_bytes
    row["fits"] = "" if answer.fits is None else answer.fits
    row["least_devices"] = "" if answer.least_devices is None else answer.least_devices
    return [row | {"warnings": "; ".join(rendered(answer.notices, option_of))}]


def memory_rows(answer: MemoryAnswer, level: float) -> Iterator[tuple[str, str, str, str]]:
    """Label, median, interval and share of each component that is there."""
    whole = float(answer.memory.total_bytes.mid)
    for name, value in _parts(answer):
        found = bounds(uncertain(value), level)
        if found["mid"] > 0:
            low, high = human(found["low"], "B"), human(found["high"], "B")
            answer_json = "exact" if found["low"] == found["high"] else joined(low, high)
            share = in_percent(found["mid"] / whole, 1)
            yield LABELS[name], human(found["mid"], "B"), answer_json, share


def verdict(answer: MemoryAnswer, level: float, saving: Mapping[str, str] = NO_SAVING) -> str:
    """Whether it fits, in one line, and with which options it would."""
    found = bounds(uncertain(answer.memory.total_bytes), level)
    need = human(found["mid"], "B")
    if answer.device is None or answer.capacity_bytes is None:
        count = answer.plan.devices
        where = "one device" if count == 1 else f"each of {count:,.0f} devices"
        caveat = f"{MISSING}: " if answer.without_activations else ""
        return f"{caveat}needs {need} on {where}"
    capacity = answer.capacity_bytes
    held = f"{human(capacity, 'B')} ({capacity / GIB:,.4g} GiB)"
    of = f"{need} of {held}, {in_percent(found['mid'] / capacity)}"
    if answer.fits:
        caveat = f" {MISSING}" if answer.without_activations else ""
        if found["high"] <= capacity:
            return f"fits{caveat}: {of}, on each {answer.device.name}"
        tightly = f"{caveat}, but tightly: {of}"
        return f"probably fits{tightly}, and up to {human(found['high'], 'B')}"
    caveat = f", even {MISSING}" if answer.without_activations else ""
    changed = " ".join(f"--{name} {word}" for name, word in saving.items())
    same = f"; fits with {changed}" if changed else ""
    if answer.least_devices is None:
        way = f": {answer.remedy}" if answer.remedy else ""
        return f"does not fit{caveat}: {of}; not on any number of devices this way{same or way}"
    least = f"{answer.least_devices:,.0f} devices"
    return f"does not fit{caveat}: {of}; needs at least {least}{same}"


def _parts(answer: MemoryAnswer) -> Iterator[tuple[str, Quantity]]:
    yield from answer.memory.components.items()
    yield "total_bytes", answer.memory.total_bytes
