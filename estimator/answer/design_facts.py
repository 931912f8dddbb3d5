"""Facts about a design besides its results: memory fit and price offers."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from estimator.answer.scenario_estimate import Answer
from estimator.catalog import Catalog
from estimator.core.notice import Notice
from estimator.core.units import human
from estimator.memory.request import MemoryQuestion
from estimator.memory.training_state import DOES_NOT_FIT, TRAINING
from estimator.question.hardware import Offers, offers_behind
from estimator.question.site import provider_at

if TYPE_CHECKING:
    from estimator.memory.fit import MemoryAnswer

IN_SERVER = 8
"""Devices in a typical server [1]."""


def memory_of_run(
    answer: Answer, catalog: Catalog, *, least: bool = True, **changed: Any
) -> "MemoryAnswer | None":
    """Memory need of a run, or None if the model or the device is unknown.

    Assumes one sequence at a time per device, with weights and optimizer fully sharded. Searches
    for the smallest device count that fits if the run does not fit, or if `least` is set. `changed`
    overrides fields of the question.
    """
    question = memory_question(answer)
    if question is None:
        return None
    from estimator.memory.fit import answer_memory

    try:
        memory = answer_memory(replace(question, **changed), catalog, least=least)
    except ValueError:
        return None
    return None if memory.capacity_bytes is None else memory


def memory_too_small(answer: Answer, catalog: Catalog) -> tuple[Notice, ...]:
    """Return a notice if not even one sequence at a time fits in memory.

    Unspecified settings count as the most economical: full recomputation, and layers split across
    the devices of a server. The estimate covers such runs, so only questions that set one of the
    two get the notice. A timed run has evidently fitted.
    """
    said = any(notice.code == DOES_NOT_FIT for notice in answer.notices)
    if said or answer.scenario.device_hours is not None:
        return ()
    memory = memory_of_run(answer, catalog, least=False)
    if memory is None or memory.fits is not False:
        return ()
    scenario = answer.scenario
    stages = scenario.pipeline_parallel or 1.0
    split = scenario.tensor_parallel or math.gcd(int(answer.run.devices // stages), IN_SERVER)
    saving = memory_of_run(
        answer,
        catalog,
        least=False,
        recomputation=scenario.recomputation or "full",
        tensor_parallel=float(split),
    )
    saves = saving is not None and saving.fits
    if saves and scenario.recomputation is None and scenario.tensor_parallel is None:
        return ()
    needed = human(float(memory.memory.total_bytes.mid), "B")
    values = {"needed": needed, "held": human(memory.capacity_bytes or 0.0, "B")}
    code = "one_sequence_needs_saving" if saves else "one_sequence_does_not_fit"
    return (Notice(code, "devices", values),)


def memory_question(answer: Answer) -> MemoryQuestion | None:
    """Memory question for a scenario, or None if the model size is unknown.

    Unspecified: no recomputation and no tensor parallelism, in every interface.
    """
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
        recomputation=scenario.recomputation or "none",
        seq_len=scenario.seq_len,
        finetune=scenario.finetune,
        tensor_parallel=scenario.tensor_parallel,
        pipeline_parallel=scenario.pipeline_parallel or 1.0,
    )


def share_of_memory(memory: "MemoryAnswer") -> float:
    """Memory need over device memory [1]."""
    assert memory.capacity_bytes is not None
    return float(memory.memory.total_bytes.mid) / memory.capacity_bytes


def offers_of(answer: Answer, catalog: Catalog) -> Offers | None:
    """Rental offers behind the price, or None if the price was given or the devices are owned."""
    scenario = answer.scenario
    item = answer.inputs.get("price_usd_per_h")
    if item is None or item.basis == "given" or scenario.pay == "own":
        return None
    kind, provider = scenario.price_kind or "", provider_at(scenario.site or "", catalog)
    return offers_behind(answer.device, catalog, kind=kind, year=scenario.year, provider=provider)
