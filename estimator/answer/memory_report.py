"""Report of memory per device by component, and whether it fits."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from estimator.answer.report import Report
from estimator.catalog import Catalog
from estimator.core.uncertainty import uncertain
from estimator.memory.fit import MemoryAnswer
from estimator.memory.savings import Remedy, remedies

KEYS = {"micro_batch": "batch", "recomputation": "recompute"}
"""Input -> JSON key, where they differ."""


def _keyed(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {KEYS.get(name, name): value for name, value in inputs.items()}


def memory_report(answer: MemoryAnswer, catalog: Catalog, level: float) -> Report:
    """Report of a memory need, with the cheapest change that makes it fit.

    Parameters
    ----------
    answer : MemoryAnswer
    catalog : Catalog
    level : float
        Probability inside the intervals [1].

    Returns
    -------
    Report
        Report with the memory components of one device, and `total_bytes` [byte].
    """
    found = remedies(answer, catalog)
    need = {**answer.memory.components, "total_bytes": answer.memory.total_bytes}
    question = _keyed(
        {name: one for name, one in asdict(answer.question).items() if one is not None}
    )
    named = {} if answer.device is None else {"hardware": answer.device.id}
    return Report(
        question="memory",
        quantities={name: uncertain(part) for name, part in need.items()},
        level=level,
        inputs={
            **question,
            **named,
            "params": answer.network.params,
            "seq_len": answer.plan.seq_len,
            "tensor_parallel": answer.plan.tensor_parallel,
            "zero": answer.plan.zero,
            "what_is_counted": answer.question.counted or "nvidia-smi",
        },
        resolved=answer.inputs,
        notices=answer.notices,
        facts=_fit(answer, found),
        columns=("hardware", "devices", "memory_bytes", "fits", "least_devices"),
        details={
            "network": answer.network.name,
            "device": None if answer.device is None else answer.device.name,
            "without_activations": answer.without_activations,
            "remedies": found,
        },
    )


def _fit(answer: MemoryAnswer, found: Sequence[Remedy]) -> Mapping[str, Any]:
    if answer.device is None or answer.capacity_bytes is None:
        return {}
    here = next((one.changes for one in found if one.devices is None), None)
    return {
        "memory_bytes": answer.capacity_bytes,
        "fits": answer.fits,
        "least_devices": answer.least_devices,
        **({"fits_with": _keyed(here)} if here else {}),
    }
