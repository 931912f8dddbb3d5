"""Facts about a design besides its results: memory fit and price offers."""

from typing import Any

from estimator.answer.scenario_estimate import Answer
from estimator.catalog import Catalog
from estimator.core.notice import Notice
from estimator.memory.fit import MemoryAnswer, answer_memory
from estimator.memory.request import MemoryQuestion
from estimator.memory.savings import remedies
from estimator.memory.training_state import DOES_NOT_FIT, TRAINING
from estimator.question.hardware import Offers, offers_behind
from estimator.question.site import provider_at

EXCEEDS_MEMORY = ("exceeds_memory", "exceeds_memory_unless", "exceeds_memory_unless_either")
"""Notice codes of a run that does not fit, by the number of its remedies."""


def memory_of_run(answer: Answer, catalog: Catalog, *, least: bool = True) -> MemoryAnswer | None:
    """Return the memory a run needs, or None if the model or device is unknown.

    Assumes one sequence at a time per device. Searches for the smallest device count that fits if
    the run does not fit, or if `least` is set.
    """
    question = memory_question(answer)
    if question is None:
        return None
    try:
        memory = answer_memory(question, catalog, least=least)
    except ValueError:
        return None
    return None if memory.capacity_bytes is None else memory


def with_memory(answer: Answer, catalog: Catalog) -> tuple[Notice, ...]:
    """Return the notices of an answer, with one on a run that does not fit and its remedies.

    A timed run has evidently fitted.
    """
    memory = None
    if answer.scenario.device_hours is None:
        memory = memory_of_run(answer, catalog, least=False)
    if memory is None or memory.fits is not False:
        return answer.notices
    others = (notice for notice in answer.notices if notice.code != DOES_NOT_FIT)
    return (*others, too_small(memory, catalog))


def too_small(memory: MemoryAnswer, catalog: Catalog) -> Notice:
    """Return the notice that a run does not fit in memory, with what would make it fit."""
    assert memory.device is not None
    count = memory.question.devices
    values: dict[str, Any] = {
        "fleet": f"{'one' if count == 1 else f'{count:,.0f} ×'} {memory.device.name}",
        "times": share_of_memory(memory),
        "held": memory.capacity_bytes,
    }
    found = remedies(memory, catalog)
    for place, remedy in zip(("first", "second"), found, strict=False):
        values[f"{place}_settings"] = tuple(
            (name, f"{one:.0f}" if isinstance(one, float) else one)
            for name, one in remedy.inputs.items()
        )
    settings = any(one.devices is None and "finetune" not in one.changes for one in found)
    code = "fits_only_with" if settings else EXCEEDS_MEMORY[len(found)]
    return Notice(code, "devices", values)


def memory_question(answer: Answer) -> MemoryQuestion | None:
    """Memory question for a scenario, or None if the model size is unknown."""
    scenario = answer.scenario
    model = scenario.preset or scenario.config
    if answer.device.kind == "brain" or (model is None and scenario.params is None):
        return None
    return MemoryQuestion(
        model=model,
        params=None if model is not None else scenario.params,
        hardware=answer.device.id,
        devices=float(answer.run.devices),
        precision=answer.precision if answer.precision in TRAINING else "bf16",
        recomputation=scenario.recomputation,
        seq_len=scenario.seq_len,
        finetune=scenario.finetune,
        tensor_parallel=scenario.tensor_parallel,
        pipeline_parallel=scenario.pipeline_parallel or 1.0,
    )


def share_of_memory(memory: MemoryAnswer) -> float:
    """Return the memory needed over device memory [1]."""
    assert memory.capacity_bytes is not None
    return float(memory.memory.total_bytes.mid) / memory.capacity_bytes


def offers_of(answer: Answer, catalog: Catalog) -> Offers | None:
    """Return the offers behind a rental price, or None if it was given or devices are owned."""
    scenario = answer.scenario
    item = answer.inputs.get("price_usd_per_h")
    if item is None or item.basis == "given" or scenario.pay == "own":
        return None
    kind, provider = scenario.price_kind or "", provider_at(scenario.site or "", catalog)
    return offers_behind(answer.device, catalog, kind=kind, year=scenario.year, provider=provider)
