"""Time per token on a device: compute or memory, whichever is the bottleneck.

    step time = max(compute / (peak x share), bytes / (bandwidth x share))
    bytes     = weights + batch x context x cache of a token

One step makes one token for every sequence of the batch, so the weights are read once for all of
them and the caches once each: few sequences are bound by the memory, many by the compute.
"""

from dataclasses import dataclass

import numpy as np

from estimator.core.uncertainty import Number
from estimator.core.units import BITS_PER_BYTE
from estimator.networks.formulas import FLOP_PER_MULTIPLY_ADD

MASK_BITS = 2.0
"""Mask bits per kept weight in 2:4 sparsity [bit]."""


@dataclass(frozen=True, kw_only=True)
class StoredDecoder:
    """Decoder as stored and run.

    Parameters
    ----------
    params : float or array
        Parameters in memory [parameter].
    active_share : float or array
        Active share of the parameters per token [1].
    weight_bits, activation_bits, cache_bits : float or array
        Width of weights, of activations in the products, and of the cache [bit].
    cache_values : float or array
        Cached values per token [1].
    depth_share : float or array
        Share of the layers that a token passes [1].
    sparse_2_4 : bool
        Whether two of four weights are zero, in the pattern that hardware skips.
    zero_share : float or array
        Share of zero weights without a pattern, which are stored and multiplied anyway [1].
    """

    params: Number
    active_share: Number = 1.0
    weight_bits: Number = 16.0
    activation_bits: Number = 16.0
    cache_bits: Number = 16.0
    cache_values: Number = 0.0
    depth_share: Number = 1.0
    sparse_2_4: bool = False
    zero_share: Number = 0.0

    def weight_bytes(self) -> Number:
        """Return the weight memory [B]."""
        bits = self.weight_bits
        if self.sparse_2_4:
            bits = bits / 2 + MASK_BITS / 2
        return self.params * bits / BITS_PER_BYTE

    def cache_bytes(self, tokens: Number) -> Number:
        """Return the cache memory for some tokens [B]."""
        return tokens * self.cache_values * self.cache_bits / BITS_PER_BYTE

    def memory_bytes(self, load: "Load") -> Number:
        """Return the memory of weights and caches [B]."""
        return self.weight_bytes() + self.cache_bytes(load.batch * load.context)

    def flop_per_token(self) -> Number:
        """Return the FLOPs per token, excluding skipped work [FLOP]."""
        return FLOP_PER_MULTIPLY_ADD * self.params * self.active_share * self.depth_share


@dataclass(frozen=True, kw_only=True)
class Load:
    """Load of a device: batch and context.

    Parameters
    ----------
    batch : float or array
        Concurrent sequences [1].
    context : float or array
        Cached tokens per sequence [token].
    """

    batch: Number = 1.0
    context: Number = 1024.0


@dataclass(frozen=True, kw_only=True)
class Roof:
    """Peak and bandwidth of a device.

    Parameters
    ----------
    peak_flop_per_s : float or array
        Dense peak in the format of the products [FLOP/s].
    bytes_per_s : float or array
        Bandwidth of the memory [B/s].
    compute_share, bandwidth_share : float or array
        Achieved shares of peak and bandwidth [1].
    skips_2_4 : bool
        Whether 2:4 sparsity doubles its peak.
    """

    peak_flop_per_s: Number
    bytes_per_s: Number
    compute_share: Number = 0.6
    bandwidth_share: Number = 0.6
    skips_2_4: bool = False


@dataclass(frozen=True, kw_only=True)
class Step:
    """One decode step.

    Parameters
    ----------
    compute_s, memory_s : float or array
        Time of the products, and of reading memory, each on its own [s].
    batch : float or array
        Tokens per step [token].
    """

    compute_s: Number
    memory_s: Number
    batch: Number

    @property
    def time_s(self) -> Number:
        """Time of the step [s]."""
        return np.maximum(self.compute_s, self.memory_s)

    @property
    def tokens_per_s(self) -> Number:
        """Throughput of all sequences [token/s]."""
        return self.batch / self.time_s

    @property
    def bound_by_memory(self) -> bool:
        """Return whether memory reads take longer than computation."""
        return bool(np.all(np.asarray(self.memory_s) >= self.compute_s))


def step(network: StoredDecoder, load: Load, roof: Roof) -> Step:
    """Estimate the time of one decode step.

    Examples
    --------
    Llama 7B in 16 bits on an H100 reads 13.5 GB for every token:

    >>> llama = StoredDecoder(params=6.74e9)
    >>> h100 = Roof(peak_flop_per_s=989e12, bytes_per_s=3.35e12)
    >>> alone = step(llama, Load(batch=1), h100)
    >>> alone.bound_by_memory, round(float(alone.tokens_per_s))
    (True, 149)
    >>> step(llama, Load(batch=1000), h100).bound_by_memory
    False
    """
    read = network.weight_bytes() * network.depth_share
    read = read * _touched(network, load) + network.cache_bytes(load.batch * load.context)
    peak = roof.peak_flop_per_s * (2.0 if network.sparse_2_4 and roof.skips_2_4 else 1.0)
    return Step(
        compute_s=network.flop_per_token() * load.batch / (peak * roof.compute_share),
        memory_s=read / (roof.bytes_per_s * roof.bandwidth_share),
        batch=load.batch,
    )


def _touched(network: StoredDecoder, load: Load) -> Number:
    """Share of the weights that a batch reads; with experts it grows with the batch."""
    missed = (1 - np.asarray(network.active_share, dtype=np.float64)) ** load.batch
    touched: Number = (1 - missed)[()]
    return touched
