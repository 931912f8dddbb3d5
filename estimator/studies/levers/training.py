"""Training levers: narrower products, recomputation, adapters, transfer.

Each changes the FLOPs of a run and the bytes of its state, relative to 16-bit training with AdamW.
"""

from dataclasses import dataclass

import numpy as np

from estimator.core.uncertainty import Number
from estimator.networks.formulas import FLOP_PER_PARAM_AND_TOKEN
from estimator.training.parallelism import STATE_BYTES

FROZEN_BYTES = 2.0
"""Bytes per frozen 16-bit weight [B]."""

FROZEN_FLOP_PER_PARAM_AND_TOKEN = 4.0
"""Forward pass, and backward pass without weight gradients [FLOP]."""


@dataclass(frozen=True, kw_only=True)
class TrainingCost:
    """Cost of a training method.

    Parameters
    ----------
    flop : float or array
        Training compute [FLOP].
    state_bytes : float or array
        Memory of weights, gradients and optimizer states [B].
    activation_share : float or array
        Share of activations stored [1].
    """

    flop: Number
    state_bytes: Number
    activation_share: Number = 1.0


def plain(params: Number, tokens: Number) -> TrainingCost:
    """Return the cost of training everything in 16 bits.

    >>> plain(7e9, 1e9).state_bytes
    112000000000.0
    """
    return TrainingCost(
        flop=FLOP_PER_PARAM_AND_TOKEN * params * tokens,
        state_bytes=STATE_BYTES * params,
    )


def with_recomputation(params: Number, tokens: Number, layers: Number) -> TrainingCost:
    """Store every sqrt(L)-th activation and recompute the others, for a third more FLOPs."""
    whole = plain(params, tokens)
    root = np.ceil(np.sqrt(layers))
    return TrainingCost(
        flop=whole.flop * 4.0 / 3.0,
        state_bytes=whole.state_bytes,
        activation_share=(root + np.ceil(layers / root)) / layers,
    )


def with_adapters(params: Number, tokens: Number, trained_share: Number) -> TrainingCost:
    """Return the cost of training low-rank adapters on frozen weights (LoRA, Hu et al. 2021).

    >>> whole, lora = plain(7e9, 1e9), with_adapters(7e9, 1e9, 0.002)
    >>> round(whole.state_bytes / lora.state_bytes, 1), round(whole.flop / lora.flop, 2)
    (7.9, 1.5)
    """
    trained = params * trained_share
    return TrainingCost(
        flop=(FROZEN_FLOP_PER_PARAM_AND_TOKEN * params + FLOP_PER_PARAM_AND_TOKEN * trained)
        * tokens,
        state_bytes=FROZEN_BYTES * params + STATE_BYTES * trained,
    )
