"""Memory fit of the run, and the cheapest change that makes it fit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from estimator.answer.design_facts import (
    memory_of_run,
    memory_question,
    share_of_memory,
)
from estimator.answer.scenario_estimate import Answer
from estimator.catalog import Catalog
from estimator.core.units import digits, human
from estimator.memory.fit import MemoryAnswer, answer_memory
from estimator.memory.request import MemoryQuestion
from estimator.memory.savings import cheapest_saving
from estimator.web.shared.amounts import localised
from estimator.web.shared.language import N_, _

MOST_USED = 1.0
"""Largest share of device memory for a run [1]."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Memory use of each device.

    Parameters
    ----------
    memory : MemoryAnswer
        What is needed.
    share : float
        Of what a device holds. [1]
    remedies : tuple of str
        What makes it fit, the cheapest first; empty where it fits.
    """

    memory: MemoryAnswer
    share: float
    remedies: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """Return whether it fits."""
        return self.share <= MOST_USED


def fit_of(answer: Answer, catalog: Catalog) -> Fit | None:
    """Return the memory fit of an answer's run, or None if model or memory is unknown.

    Assumes one sequence at a time per device, with weights and optimizer fully sharded.
    """
    question = memory_question(answer)
    memory = memory_of_run(answer, catalog, least=False)
    if question is None or memory is None:
        return None
    share = share_of_memory(memory)
    if share <= MOST_USED:
        return Fit(memory=memory, share=share)
    return Fit(memory=memory, share=share, remedies=tuple(remedies(question, memory, catalog)))


MOST_BATCH = 1024
"""Largest batch tried [1]; assumed."""


def batches(answer: Answer, catalog: Catalog) -> list[tuple[int, float]]:
    """Sequences at a time per device -> share of its memory, up to the first that does not fit.

    Empty if model or memory is unknown.
    """
    question = memory_question(answer)
    found: list[tuple[int, float]] = []
    batch = 1
    while question is not None and batch <= MOST_BATCH:
        memory = _memory(replace(question, micro_batch=float(batch)), catalog)
        if memory is None or memory.without_activations:
            break
        found.append((batch, share_of_memory(memory)))
        if found[-1][1] > MOST_USED:
            break
        batch *= 2
    return found


def remedies(question: MemoryQuestion, memory: MemoryAnswer, catalog: Catalog) -> Iterator[str]:
    """Yield what makes it fit, the cheapest first: time, then adapters, then more devices."""
    saving = cheapest_saving(question, catalog)
    if saving is not None:
        yield _(SAVING_NAMES[saving])
    text, least = _("{count} devices or more"), memory.least_devices
    if least is None:
        text = _("{count} devices or more, and recompute all activations")
        recomputed = _memory(replace(question, recomputation="full"), catalog)
        least = None if recomputed is None else recomputed.least_devices
    if least is not None and least > question.devices:
        yield text.format(count=localised(f"{least:,.0f}"))


SAVING_NAMES: Mapping[str, str] = {
    "recompute": N_("recompute all activations, for about a third more time"),
    "lora": N_("LoRA: train adapters only"),
    "qlora": N_("QLoRA: train adapters over 4-bit weights"),
    "qlora, recompute": N_("QLoRA, and recompute all activations"),
}
"""Saving -> its name on the page."""


def badge(fit: Fit) -> str:
    """Short verdict.

    The share is that of each device's memory.
    """
    if not fit.memory.without_activations:
        return _compared(fit)
    return _("{verdict}, without activations, which are not modelled").format(
        verdict=_compared(fit)
    )


def _compared(fit: Fit) -> str:
    """Need relative to a device's memory."""
    held = localised(capacity(fit.memory.capacity_bytes or 0.0))
    if fit.fits:
        return _("fits in memory: {share}% of {held} per device").format(
            share=f"{100 * fit.share:.0f}", held=held
        )
    return _("does not fit in memory: {times} times the {held} of a device").format(
        times=localised(digits(fit.share)), held=held
    )


GIB = 2.0**30
"""Bytes of a vendor's gigabyte of memory [B]."""


def capacity(memory_bytes: float) -> str:
    """Memory of a device in its vendor's units, if whole.

    >>> capacity(17179869184.0), capacity(17.3e9)
    ('16 GB', '17.3 GB')
    """
    whole = memory_bytes / GIB
    return f"{whole:,.0f} GB" if whole >= 1 and whole == round(whole) else human(memory_bytes, "B")


def _memory(question: MemoryQuestion, catalog: Catalog) -> MemoryAnswer | None:
    """Memory of a changed run, or None if it cannot be changed that way."""
    try:
        return answer_memory(question, catalog)
    except ValueError:
        return None
