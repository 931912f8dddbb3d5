"""Effect of each lever on a network, and cases in which the hardware gains nothing.

Levers apply in sequence to what earlier ones leave: removed channels cannot be quantized, and 4-bit
weights do not shrink again. So two levers together never save more bytes than the sum of each, and
often fewer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from estimator.core.phrase import Phrase, say
from estimator.core.units import digits
from estimator.studies.levers.case import Case
from estimator.studies.levers.inference import StoredDecoder

SAME = 1e-9


@dataclass(frozen=True, kw_only=True)
class Lever:
    """Method to shrink a network.

    Parameters
    ----------
    id, title : str
        Name in links, and for people.
    results : str
        Lever name in the published results on its accuracy.
    apply : function
        Network and setting -> network.
    setting : str
        Meaning of its number.
    unit : str
        "bit" or "share".
    default, least, most : float
        A usual setting, and the range.
    retrains : bool
        Whether it needs training to keep the accuracy.
    """

    id: str
    title: str
    results: str
    apply: Callable[[StoredDecoder, float], StoredDecoder]
    setting: str = "share of the parameters kept"
    unit: str = "share"
    default: float = 0.5
    least: float = 0.01
    most: float = 1.0
    retrains: bool = True


def _bits(lever_id: str, title: str, results: str, field: str, **more: Any) -> Lever:
    """Return a lever that narrows a numeric field of the network."""

    def narrowed(network: StoredDecoder, bits: float) -> StoredDecoder:
        return replace(network, **{field: np.minimum(getattr(network, field), bits)[()]})

    usual: dict[str, Any] = {"unit": "bit", "most": 16.0, "retrains": False, **more}
    return Lever(id=lever_id, title=title, results=results, apply=narrowed, **usual)


def _zeros(network: StoredDecoder, kept: float) -> StoredDecoder:
    return replace(network, zero_share=1 - (1 - network.zero_share) * kept)


def _pattern(network: StoredDecoder, _: float) -> StoredDecoder:
    return replace(network, sparse_2_4=True)


def _smaller(network: StoredDecoder, kept: float) -> StoredDecoder:
    return replace(network, params=network.params * kept, cache_values=network.cache_values * kept)


def _experts(network: StoredDecoder, share: float) -> StoredDecoder:
    """Return a network with the same compute per token and 1/share times the parameters."""
    return replace(
        network, params=network.params / share, active_share=network.active_share * share
    )


LEVERS: Mapping[str, Lever] = {
    lever.id: lever
    for lever in (
        _bits(
            *("weights", "Quantize the weights", "quantization-weights", "weight_bits"),
            setting="bits of a weight",
            default=4.0,
            least=1.0,
        ),
        _bits(
            *("activations", "Quantize the activations"),
            *("quantization-weights-activations", "activation_bits"),
            setting="bits of an activation",
            default=8.0,
            least=4.0,
        ),
        _bits(
            *("cache", "Quantize the cache", "kv-quantization", "cache_bits"),
            setting="bits of a key or value",
            default=4.0,
            least=2.0,
        ),
        Lever(
            id="zeros",
            title="Prune single weights",
            results="pruning-unstructured",
            apply=_zeros,
            setting="share of the weights kept",
        ),
        Lever(
            id="pattern",
            title="Prune two of four weights",
            results="pruning-2:4",
            apply=_pattern,
            setting="always half",
            least=0.5,
            most=0.5,
        ),
        Lever(
            id="channels",
            title="Prune channels or layers",
            results="pruning-structured",
            apply=_smaller,
            default=0.75,
            least=0.05,
        ),
        Lever(
            id="low-rank",
            title="Factorise at low rank",
            results="low-rank",
            apply=lambda network, kept: replace(network, params=network.params * kept),
            default=0.8,
            least=0.05,
        ),
        Lever(id="student", title="Distil into a student", results="distillation", apply=_smaller),
        Lever(
            id="smaller",
            title="Take a smaller model",
            results="smaller-model",
            apply=_smaller,
            retrains=False,
        ),
        Lever(
            id="exit",
            title="Leave early",
            results="early-exit",
            apply=lambda network, share: replace(network, depth_share=network.depth_share * share),
            setting="share of the layers passed",
            default=0.7,
            least=0.1,
        ),
        Lever(
            id="experts",
            title="Mixture of experts",
            results="mixture-of-experts",
            apply=_experts,
            setting="share of the parameters that works on a token",
            default=0.25,
        ),
    )
}
"""Lever id -> inference lever, in order of application and display."""


def lever_of(lever_id: str) -> Lever:
    """Return the lever with this id; ValueError if unknown."""
    if lever_id not in LEVERS:
        raise ValueError(f"no lever {lever_id!r}: use one of {', '.join(LEVERS)}")
    return LEVERS[lever_id]


def pulled(case: Case, settings: Mapping[str, float]) -> Case:
    """Return the case with levers applied in sequence.

    Raises
    ------
    ValueError
        If a lever is unknown or its setting out of range.
    """
    network = case.network
    for lever_id, setting in settings.items():
        lever = lever_of(lever_id)
        if not lever.least <= setting <= lever.most:
            raise ValueError(
                f"{lever.setting} must be in [{lever.least:g}, {lever.most:g}], got {setting:g}"
            )
    for lever in LEVERS.values():
        if lever.id in settings:
            network = lever.apply(network, settings[lever.id])
    return case.on(network)


def gains_nothing(before: Case, settings: Mapping[str, float]) -> list[Phrase]:
    """Return why each ineffective lever saves no time or memory."""
    after = pulled(before, settings)
    reasons = [
        reason
        for lever_id, setting in settings.items()
        for reason in _reasons(before, after, lever_id, setting)
    ]
    if after.product_format() != before.product_format():
        return reasons
    return [*reasons, *_widened(before, after, settings)]


def _reasons(before: Case, after: Case, lever_id: str, setting: float) -> Sequence[Phrase]:
    alone = pulled(before, {lever_id: setting})
    same_time = abs(float(alone.step().time_s / before.step().time_s) - 1) < SAME
    reason = None
    if lever_id == "zeros" and setting < 1:
        reason = say(
            "Zeros in no pattern gain nothing on {device}: it stores and multiplies them like "
            "any other weight.",
            device=before.device,
        )
    elif lever_id == "pattern" and not before.skips_2_4:
        reason = say(
            "{device} does not skip the zeros of 2:4 sparsity: memory is saved, compute is not.",
            device=before.device,
        )
    elif lever_id == "experts" and setting < 1:
        reason = say(
            "A mixture of experts buys quality for the same compute and needs {times} times "
            "the memory: it saves neither here.",
            times=digits(1 / setting),
        )
    elif lever_id in ("weights", "cache") and same_time and not after.step().bound_by_memory:
        reason = say(
            "{batch} concurrent sequences are bound by the compute: fewer bits ({what}) save "
            "memory, no time.",
            batch=digits(float(np.asarray(before.load.batch))),
            what=lever_id,
        )
    return () if reason is None else (reason,)


def _widened(before: Case, after: Case, settings: Mapping[str, float]) -> Sequence[Phrase]:
    """Return the message that the products keep their width."""
    if settings.get("activations", 16.0) < 16.0 and settings.get("weights", 16.0) > 8.0:
        return [say("Narrow activations alone change nothing: the weights are as wide as before.")]
    if settings.get("weights", 16.0) < 16.0 and settings.get("activations", 16.0) == 16.0:
        return [
            say(
                "The weights are widened to {format} before they are multiplied: the compute stays "
                "the same.",
                format=after.product_format(),
            )
        ]
    if settings.get("activations", 16.0) < 16.0:
        return [
            say("{device} has no faster format for these widths on record.", device=before.device)
        ]
    return []
