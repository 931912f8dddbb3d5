"""Facts about a design besides its results: whether it fits, and the offers behind its price."""

import math
from dataclasses import replace
from typing import Any

from estimator.answer.scenario_estimate import Answer
from estimator.catalog import Catalog
from estimator.core.notice import Notice
from estimator.core.units import human
from estimator.memory.fit import MemoryAnswer, answer_memory
from estimator.memory.request import MemoryQuestion
from estimator.memory.training_state import DOES_NOT_FIT, TRAINING
from estimator.question.hardware import Offers, offers_behind
from estimator.question.site import provider_at

IN_SERVER = 8
"""Devices of a usual server [1]."""


def memory_of_run(
    answer: Answer, catalog: Catalog, *, least: bool = True, **changed: Any
) -> MemoryAnswer | None:
    """Memory that the run of an answer needs; None where the model or the device is unknown.

    One sequence at a time on each device, weights and optimizer shared out over all of them. The
    least devices that hold it are sought where it does not fit, and with `least` where it does.
    Fields of the question may be `changed`.
    """
    question = memory_question(answer)
    if question is None:
        return None
    try:
        memory = answer_memory(replace(question, **changed), catalog, least=least)
    except ValueError:
        return None
    return None if memory.capacity_bytes is None else memory


def memory_too_small(answer: Answer, catalog: Catalog) -> tuple[Notice, ...]:
    """Say that not even one sequence at a time fits, where the answer has not said so already.

    What saves most and is unspecified is taken to be used: all activations recomputed, and each
    layer split across the devices of a server. The estimate covers runs that do, so that it fits
    only so is said of runs that describe one of the two; a run already timed has fitted.
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
    """Question about memory behind a scenario; None where the size of the model is unknown.

    Where unspecified, nothing is recomputed and no layer is split: the same for every rim.
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


def share_of_memory(memory: MemoryAnswer) -> float:
    """Need over what a device holds [1]."""
    assert memory.capacity_bytes is not None
    return float(memory.memory.total_bytes.mid) / memory.capacity_bytes


def offers_of(answer: Answer, catalog: Catalog) -> Offers | None:
    """Rental offers behind the price of an answer; None if it was given, or for owned devices."""
    scenario = answer.scenario
    item = answer.inputs.get("price_usd_per_h")
    if item is None or item.basis == "given" or scenario.pay == "own":
        return None
    kind, provider = scenario.price_kind or "", provider_at(scenario.site or "", catalog)
    return offers_behind(answer.device, catalog, kind=kind, year=scenario.year, provider=provider)
