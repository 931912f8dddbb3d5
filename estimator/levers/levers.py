"""What each lever does to a network, and where the hardware gains nothing from it.

Levers are applied one after the other to what the ones before have left: channels that are gone
cannot be quantized, weights that are already 4 bits wide do not shrink again. So two
levers together save never more bytes than the sum of what each saves alone, and often less.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from estimator.core.phrase import Phrase, say
from estimator.core.units import digits
from estimator.levers.case import Case
from estimator.levers.inference import Network

SAME = 1e-9


@dataclass(frozen=True, kw_only=True)
class Lever:
    """A way to shrink a network.

    Parameters
    ----------
    id, title : str
        Name in links, and for people.
    setting : str
        What its number means.
    unit : str
        "bit" or "share".
    default, least, most : float
        A usual setting, and the range.
    results : tuple of str
        Levers of the published results that tell its accuracy cost.
    apply : function
        Network and setting -> network.
    retrains : bool
        Whether it takes training to keep the accuracy.
    """

    id: str
    title: str
    setting: str
    unit: str
    default: float
    least: float
    most: float
    results: tuple[str, ...]
    apply: Callable[[Network, float], Network]
    retrains: bool


def _weights(network: Network, bits: float) -> Network:
    return replace(network, weight_bits=np.minimum(network.weight_bits, bits)[()])


def _activations(network: Network, bits: float) -> Network:
    return replace(network, activation_bits=np.minimum(network.activation_bits, bits)[()])


def _cache(network: Network, bits: float) -> Network:
    return replace(network, cache_bits=np.minimum(network.cache_bits, bits)[()])


def _zeros(network: Network, kept: float) -> Network:
    return replace(network, zero_share=1 - (1 - network.zero_share) * kept)


def _pattern(network: Network, _: float) -> Network:
    return replace(network, sparse_2_4=True)


def _smaller(network: Network, kept: float) -> Network:
    return replace(network, params=network.params * kept, cache_values=network.cache_values * kept)


def _low_rank(network: Network, kept: float) -> Network:
    return replace(network, params=network.params * kept)


def _early_exit(network: Network, share: float) -> Network:
    return replace(network, depth_share=network.depth_share * share)


def _experts(network: Network, share: float) -> Network:
    """The same compute for a token, out of 1/share times as many parameters."""
    return replace(
        network, params=network.params / share, active_share=network.active_share * share
    )


LEVERS: Mapping[str, Lever] = {
    lever.id: lever
    for lever in (
        Lever(
            id="weights",
            title="Quantize the weights",
            setting="bits of a weight",
            unit="bit",
            default=4.0,
            least=1.0,
            most=16.0,
            results=("quantization-weights",),
            apply=_weights,
            retrains=False,
        ),
        Lever(
            id="activations",
            title="Quantize the activations",
            setting="bits of an activation",
            unit="bit",
            default=8.0,
            least=4.0,
            most=16.0,
            results=("quantization-weights-activations",),
            apply=_activations,
            retrains=False,
        ),
        Lever(
            id="cache",
            title="Quantize the cache",
            setting="bits of a key or value",
            unit="bit",
            default=4.0,
            least=2.0,
            most=16.0,
            results=("kv-quantization",),
            apply=_cache,
            retrains=False,
        ),
        Lever(
            id="zeros",
            title="Prune single weights",
            setting="share of the weights kept",
            unit="share",
            default=0.5,
            least=0.01,
            most=1.0,
            results=("pruning-unstructured",),
            apply=_zeros,
            retrains=True,
        ),
        Lever(
            id="pattern",
            title="Prune two of four weights",
            setting="always half",
            unit="share",
            default=0.5,
            least=0.5,
            most=0.5,
            results=("pruning-2:4",),
            apply=_pattern,
            retrains=True,
        ),
        Lever(
            id="channels",
            title="Prune channels or layers",
            setting="share of the parameters kept",
            unit="share",
            default=0.75,
            least=0.05,
            most=1.0,
            results=("pruning-structured",),
            apply=_smaller,
            retrains=True,
        ),
        Lever(
            id="low-rank",
            title="Factorise at low rank",
            setting="share of the parameters kept",
            unit="share",
            default=0.8,
            least=0.05,
            most=1.0,
            results=("low-rank",),
            apply=_low_rank,
            retrains=True,
        ),
        Lever(
            id="student",
            title="Distil into a student",
            setting="share of the parameters kept",
            unit="share",
            default=0.5,
            least=0.01,
            most=1.0,
            results=("distillation",),
            apply=_smaller,
            retrains=True,
        ),
        Lever(
            id="smaller",
            title="Take a smaller model",
            setting="share of the parameters kept",
            unit="share",
            default=0.5,
            least=0.01,
            most=1.0,
            results=("smaller-model",),
            apply=_smaller,
            retrains=False,
        ),
        Lever(
            id="exit",
            title="Leave early",
            setting="share of the layers passed",
            unit="share",
            default=0.7,
            least=0.1,
            most=1.0,
            results=("early-exit",),
            apply=_early_exit,
            retrains=True,
        ),
        Lever(
            id="experts",
            title="Mixture of experts",
            setting="share of the parameters that works on a token",
            unit="share",
            default=0.25,
            least=0.01,
            most=1.0,
            results=("mixture-of-experts",),
            apply=_experts,
            retrains=True,
        ),
    )
}
"""Id -> lever on inference, in the order in which they are applied and shown."""


def lever_of(lever_id: str) -> Lever:
    """Return the lever of this id; ValueError if there is none."""
    if lever_id not in LEVERS:
        raise ValueError(f"no lever {lever_id!r}: use one of {', '.join(LEVERS)}")
    return LEVERS[lever_id]


def pulled(case: Case, settings: Mapping[str, float]) -> Case:
    """Return the case with some levers pulled, each on what the ones before have left.

    Raises
    ------
    ValueError
        If a lever is unknown or its setting outside its range.
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
    """Say of each lever that saves no time or memory here why it does not."""
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
    if lever_id == "zeros" and setting < 1:
        return [
            say(
                "Zeros in no pattern gain nothing on {device}: it stores and multiplies them like "
                "any other weight.",
                device=before.device,
            )
        ]
    if lever_id == "pattern" and not before.skips_2_4:
        return [
            say(
                "{device} does not skip the zeros of 2:4 sparsity: memory is saved, compute is "
                "not.",
                device=before.device,
            )
        ]
    if lever_id == "experts" and setting < 1:
        return [
            say(
                "A mixture of experts buys quality for the same compute and needs {times} times "
                "the memory: it saves neither here.",
                times=digits(1 / setting),
            )
        ]
    if lever_id in ("weights", "cache") and same_time and not after.step().bound_by_memory:
        return [
            say(
                "{batch} concurrent sequences are bound by the compute: fewer bits ({what}) save "
                "memory, no time.",
                batch=digits(float(np.asarray(before.load.batch))),
                what=lever_id,
            )
        ]
    return []


def _widened(before: Case, after: Case, settings: Mapping[str, float]) -> Sequence[Phrase]:
    """Say that the products stay as wide as they were."""
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
