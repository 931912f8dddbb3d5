"""Memory of a run on the page: whether it fits, and the batches that do."""

from dataclasses import replace

from estimator.answer.design_facts import (
    memory_of_run,
    memory_question,
    share_of_memory,
    too_small,
)
from estimator.answer.scenario_estimate import Answer
from estimator.catalog import Catalog
from estimator.core.units import human_capacity, human_percent, in_percent
from estimator.memory.fit import MemoryAnswer, answer_memory
from estimator.web.shared.amounts import localised
from estimator.web.shared.language import N_, _
from estimator.web.shared.notices import sentence_of

SAVINGS = {
    "recompute_assumed": N_("recomputing all activations"),
    "states_offloaded": N_("recomputing, with optimizer states in host memory"),
    "weights_offloaded": N_("recomputing, with weights and optimizer states in host memory"),
}
"""Notice on what was assumed for a run to fit -> its words on the page."""

MOST_BATCH = 1024
"""Largest batch tried [1]; assumed."""


def badge(answer: Answer, catalog: Catalog) -> str:
    """Verdict on the memory of a run, with what makes it fit; empty if model or memory is unknown.

    It is the verdict of `memory` on one sequence at a time per device.
    """
    memory = memory_of_run(answer, catalog, least=False)
    if memory is None:
        return ""
    if memory.fits:
        text = _("fits in memory: {share} of {held} per device").format(
            share=localised(in_percent(share_of_memory(memory))),
            held=localised(human_capacity(memory.capacity_bytes or 0.0)),
        )
        text += "".join(f", {saving}" for saving in _savings(memory))
    else:
        text = sentence_of(too_small(memory, catalog))
    if memory.without_activations:
        text = _("{verdict}, without activations, which are not modelled").format(verdict=text)
    return text


def batches(answer: Answer, catalog: Catalog) -> list[tuple[int, MemoryAnswer]]:
    """Sequences at a time per device, with their memory, up to the first that does not fit.

    Empty if model or memory is unknown.
    """
    question = memory_question(answer)
    found: list[tuple[int, MemoryAnswer]] = []
    batch = 1
    while question is not None and batch <= MOST_BATCH:
        try:
            memory = answer_memory(replace(question, micro_batch=float(batch)), catalog)
        except ValueError:
            break
        if memory.without_activations or memory.capacity_bytes is None:
            break
        found.append((batch, memory))
        if not memory.fits:
            break
        batch *= 2
    return found


def batch_rows(found: list[tuple[int, MemoryAnswer]]) -> list[tuple[str, str, str]]:
    """Cells of batches: sequences, share of the memory, and whether they fit."""
    return [
        (
            str(batch),
            localised(human_percent(share_of_memory(memory))),
            ", ".join((_("yes"), *_savings(memory))) if memory.fits else _("no"),
        )
        for batch, memory in found
    ]


def _savings(memory: MemoryAnswer) -> list[str]:
    return [_(SAVINGS[one.code]) for one in memory.notices if one.code in SAVINGS]
