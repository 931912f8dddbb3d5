"""How many replicas does an operator make of devices whose layout is unspecified.

Under load, each replica gets the fewest devices that hold the model with room for the caches of
its sequences: replicas exchange nothing, and each reads the weights for many sequences at once.
With few sequences in flight every layer is split over all devices, which is the fastest answer.
"""

import numpy as np

from estimator.core.rows import Floats
from estimator.inference.capacity import USABLE_SHARE, weight_bytes
from estimator.inference.step import Layout, Served, kept_values

REPLICA_SHARE = 0.6
"""Share of a device's memory that weights may fill where each replica is to serve many [1]."""

BUSY_SEQUENCES = 32.0
"""Sequences of a replica from which replicas write more tokens per second than split layers, in
the model of a step: 16 for dense models on one device, up to 64 for mixtures of experts [1]."""


def usual_replicas(
    model: Served, layout: Layout, memory_bytes: Floats, sequences: Floats, tokens: Floats
) -> Floats:
    """Replicas of models on all devices of layouts, one where layers are split over them all.

    Parameters
    ----------
    model : Served
    layout : Layout
        Devices and formats; its parallel sizes are not read.
    memory_bytes : array
        Of one device. [B]
    sequences : array
        In flight on all devices, NaN where the server is saturated; more than fit saturate it. [1]
    tokens : array
        Mean tokens that a sequence keeps. [token]

    Returns
    -------
    array [1]
    """
    devices = np.asarray(layout.devices)
    weights = weight_bytes(model, layout)
    cache = kept_values(model, tokens) * layout.cache_bytes
    doublings = int(np.log2(devices.max(initial=1.0)))
    group = np.exp2(np.arange(doublings))[:, None]
    each, room = sequences * group / devices, memory_bytes * group
    busy = (each >= BUSY_SEQUENCES) & (weights + each * cache <= USABLE_SHARE * room)
    overfull = ~(weights + sequences * cache <= USABLE_SHARE * memory_bytes * devices)
    saturated = overfull & (weights <= REPLICA_SHARE * room)
    held = (busy | saturated) & (2.0 * group <= devices) & (devices % group == 0)
    replicas = np.where(held, devices / group, 1.0)
    return np.asarray(replicas.max(axis=0, initial=1.0))
