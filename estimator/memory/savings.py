"""Changes that make a run fit its devices, or the devices that it fits on."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from estimator.catalog import Catalog
from estimator.memory.fit import MemoryAnswer, answer_memory
from estimator.memory.network import GATHERING_STAGE
from estimator.memory.request import MemoryQuestion

SERVER_DEVICES = (2.0, 4.0, 8.0)
"""Devices of a server that each layer may be split across [1]."""


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """Changed inputs with which a run fits that does not fit as asked.

    Parameters
    ----------
    changes : mapping
        Input -> new value.
    devices : float, optional
        Number of devices that fit with the changes, if it is more than the given one [1].
    """

    changes: Mapping[str, Any]
    devices: float | None = None

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Changed inputs, the device count among them if there must be more."""
        more = {} if self.devices is None else {"devices": self.devices}
        return {**more, **self.changes}


def remedies(answer: MemoryAnswer, catalog: Catalog) -> tuple[Remedy, ...]:
    """Return the cheapest change that makes a run fit, or what it may be, cheapest first.

    Settings on the same devices come first: recomputation, sharding, layers split across a server.
    Otherwise there are two ways, either of which may be absent: adapters in fine-tuning, and more
    devices.

    >>> asked = MemoryQuestion(model="gpt-3", hardware="h100")
    >>> [one.inputs for one in remedies(answer_memory(asked, Catalog.open()), Catalog.open())]
    [{'devices': 43.0, 'recomputation': 'full'}]
    """
    question = answer.question
    if answer.fits is not False:
        return ()
    found: list[Remedy] = []
    for changes in filter(None, _changes(question)):
        changed = _changed(answer, changes, catalog, least=False)
        if changed is not None and changed.fits:
            found.append(Remedy(changes=changes))
            if "finetune" not in changes:
                return tuple(found)
            break
    for changes in _changes(question):
        split = changes.get("tensor_parallel")
        if "finetune" in changes or split in SERVER_DEVICES[:-1]:
            continue
        wider = {"devices": split * question.pipeline_parallel} if split else {}
        changed = _changed(answer, {**changes, **wider}, catalog, least=True)
        least = None if changed is None else changed.least_devices
        if least is not None and least > question.devices:
            found.append(Remedy(changes=changes, devices=least))
            break
    return tuple(found)


def _changes(question: MemoryQuestion) -> Iterator[dict[str, Any]]:
    """Yield changed settings, the least intrusive first; none at first, and only that to serve."""
    recomputed = {} if question.recomputation == "full" else {"recomputation": "full"}
    sharded = {} if question.zero in (None, GATHERING_STAGE) else {"zero": GATHERING_STAGE}
    yield {}
    if question.inference:
        return
    yield recomputed
    if sharded:
        yield sharded
        yield {**sharded, **recomputed}
    if question.micro_batch > 1:
        yield {**sharded, **recomputed, "micro_batch": 1.0}
    if question.tensor_parallel is None:
        yield from ({"tensor_parallel": split} for split in SERVER_DEVICES)
        yield from ({"tensor_parallel": split, **recomputed} for split in SERVER_DEVICES)
    if question.finetune is not None:
        for method in ("lora", "qlora"):
            if method != question.finetune:
                yield {"finetune": method}
                yield {"finetune": method, **recomputed}


def _changed(
    answer: MemoryAnswer, changes: Mapping[str, Any], catalog: Catalog, *, least: bool
) -> MemoryAnswer | None:
    """Answer a changed question, or return None if it cannot be changed so."""
    with suppress(ValueError):
        question = replace(answer.question, **changes)
        return answer_memory(question, catalog, least=least, network=answer.network)
    return None
