"""How many replicas does an operator make of devices whose layout is unspecified.

Under load, each replica gets the fewest devices that hold the model with room for the caches of
its sequences: replicas exchange nothing, and each reads the weights for many sequences at once.
With few sequences in flight every layer is split over all devices, which is the fastest answer.
"""

from estimator.serving.capacity import USABLE_SHARE, weight_bytes
from estimator.serving.performance import Layout
from estimator.serving.step import Served, kept_values

REPLICA_SHARE = 0.6
"""Share of a device's memory that weights may fill where each replica is to serve many [1]."""

BUSY_SEQUENCES = 32.0
"""Sequences of a replica from which replicas write more tokens per second than split layers, in
the model of a step: 16 for dense models on one device, up to 64 for mixtures of experts [1]."""


def usual_replicas(
    model: Served, layout: Layout, memory_bytes: float, sequences: float | None, tokens: float
) -> float:
    """Replicas of a model on all devices of a layout, one where layers are split over them all.

    Parameters
    ----------
    model : Served
    layout : Layout
        Devices and formats; its parallel sizes are not read.
    memory_bytes : float
        Of one device. [B]
    sequences : float or None
        In flight on all devices, None where the server is saturated. [1]
    tokens : float
        Mean tokens that a sequence keeps. [token]

    Returns
    -------
    float
    """
    devices = float(layout.devices)
    weights = float(weight_bytes(model, layout))
    cache = float(kept_values(model, tokens) * layout.cache_bytes)
    group = 1.0
    while 2.0 * group <= devices:
        replicas, room = devices / group, memory_bytes * group
        if not devices % group:
            if sequences is None and weights <= REPLICA_SHARE * room:
                return replicas
            each = (sequences or 0.0) / replicas
            if each >= BUSY_SEQUENCES and weights + each * cache <= USABLE_SHARE * room:
                return replicas
        group *= 2.0
    return 1.0
