"""What mixes the tokens of a recurrent layer, its cost, and the state it keeps.

What is multiplied element by element along the sequence (decays, gates, short solves) is no matrix
product and is not counted, as norms are not. Scans in chunks are matrix products and are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from estimator.workload.blocks import Cost, Costs, held, linear
from estimator.workload.ledger import CacheLayers, Inputs, Quantity
from estimator.workload.network import Line, attended_pairs, lines

NO_COSTS: Mapping[str, Cost] = {}


@dataclass(frozen=True, kw_only=True)
class Mixer:
    """One kind of layer.

    Parameters
    ----------
    costs : mapping
        Per token and per attended pair.
    scan, carry : mapping
        Costs per token of a scan in chunks, padded to whole ones, and per pair of states carried
        between chunks.
    chunk : int
        Tokens of a chunk.
    window : int or None
        Keys each query may see, the whole sequence if None. [token]
    cache_values, state_values : int
        Values kept per token, and per sequence whatever its length. [1]
    """

    costs: Costs = field(default_factory=lambda: NO_COSTS)
    scan: Costs = field(default_factory=lambda: NO_COSTS)
    carry: Costs = field(default_factory=lambda: NO_COSTS)
    chunk: int = 1
    window: int | None = None
    cache_values: int = 0
    state_values: int = 0


@dataclass(frozen=True, kw_only=True)
class Strata:
    """Equal layers of a stack: `times` with parameters of their own, each run `reuse` times."""

    mixer: Mixer
    times: int
    reuse: float = 1.0

    def lines(self, batch: Quantity, seq_len: Quantity, inputs: Inputs) -> list[Line]:
        """Lines of one pass over `batch` sequences of `seq_len` tokens."""
        part, runs = self.mixer, batch * self.reuse
        pairs = runs * attended_pairs(seq_len, part.window, inputs)
        chunks = np.ceil(seq_len / part.chunk)
        padded, states = runs * chunks * part.chunk, runs * (chunks + 1.0) ** 2
        done = [*lines(part.costs, runs * seq_len, pairs=pairs, times=self.times)]
        done += lines(part.scan, padded, times=self.times)
        done += lines(part.carry, states, times=self.times)
        return done

    @property
    def cache(self) -> CacheLayers:
        """What the layers keep while generating, each run of a shared layer for itself."""
        return CacheLayers(
            layers=round(self.times * self.reuse),
            values_per_token=self.mixer.cache_values,
            window=self.mixer.window,
            state_values=self.mixer.state_values,
        )


def depthwise(channels: int, kernel: int, bias: bool) -> Cost:
    """A short convolution along the sequence, one kernel per channel."""
    params = channels * (kernel + bias)
    return Cost(params=params, active_params=params, flop_per_token=2 * kernel * channels)


@dataclass(frozen=True, kw_only=True)
class Mamba:
    """Selective state space with a state per channel (arXiv:2312.00752, sec. 3.4).

    Parameters
    ----------
    hidden, inner, state, rank, kernel : int
        Model width; width inside; state per channel; rank of the time step; taps. [1]
    heads : int
        Groups of channels that select for themselves. [1]
    conv_bias, bias, normed : bool
        Biases of convolution and projections; norms on the selected values.
    """

    hidden: int
    inner: int
    state: int
    rank: int
    kernel: int
    heads: int = 1
    conv_bias: bool = True
    bias: bool = False
    normed: bool = False

    def mixer(self) -> Mixer:
        """The layer's mixer, without the norm before it."""
        inner, rank, state = self.inner, self.rank, self.state
        select = linear(inner // self.heads, self.heads * (rank + 2 * state))
        return Mixer(
            costs={
                "mixer/in": linear(self.hidden, 2 * inner, self.bias),
                "mixer/convolution": depthwise(inner, self.kernel, self.conv_bias),
                "mixer/select": select,
                "mixer/time_step": linear(rank, inner, bias=True),
                "mixer/state": held(inner * (state + 1)),
                "mixer/norm": held(self.normed * (rank + 2 * state)),
                "mixer/read": Cost(flop_per_token=2 * inner * state),
                "mixer/out": linear(inner, self.hidden, self.bias),
            },
            state_values=inner * (state + self.kernel),
        )


@dataclass(frozen=True, kw_only=True)
class Mamba2:
    """Heads with a scalar decay, scanned in chunks (arXiv:2405.21060, sec. 6).

    Parameters
    ----------
    hidden, inner, heads, groups, state, kernel, chunk : int
        Model width; width inside; heads; groups that share a selection; state per channel; taps;
        tokens of a chunk. [1]
    conv_bias, bias, normed : bool
        Biases of convolution and projections; a norm before the output.
    """

    hidden: int
    inner: int
    heads: int
    groups: int
    state: int
    kernel: int
    chunk: int
    conv_bias: bool = True
    bias: bool = False
    normed: bool = True

    def mixer(self) -> Mixer:
        """The layer's mixer, without the norm before it."""
        inner, state = self.inner, self.state
        channels = inner + 2 * self.groups * state
        return Mixer(
            costs={
                "mixer/in": linear(self.hidden, inner + channels + self.heads, self.bias),
                "mixer/convolution": depthwise(channels, self.kernel, self.conv_bias),
                "mixer/state": held(3 * self.heads),
                "mixer/norm": held(self.normed * inner),
                "mixer/out": linear(inner, self.hidden, self.bias),
            },
            scan={
                "mixer/inside_chunks": Cost(
                    flop_per_token=2 * self.chunk * (inner + self.heads * state)
                ),
                "mixer/chunk_states": Cost(flop_per_token=4 * inner * state),
            },
            carry={"mixer/between_chunks": Cost(flop_per_token=2 * inner * state)},
            chunk=self.chunk,
            state_values=inner * state + channels * self.kernel,
        )


DELTA_CHUNK = 64
"""Tokens of a chunk of the gated delta rule in transformers. [token]"""


@dataclass(frozen=True, kw_only=True)
class DeltaNet:
    """Gated delta rule over a matrix state per head (arXiv:2412.06464, sec. 3).

    Parameters
    ----------
    hidden, key_heads, value_heads, key_dim, value_dim, kernel : int
        Model width; heads of keys and of values; their widths; taps of the convolution. [1]
    """

    hidden: int
    key_heads: int
    value_heads: int
    key_dim: int
    value_dim: int
    kernel: int

    def mixer(self) -> Mixer:
        """The layer's mixer, without the norm before it."""
        keys, values = self.key_heads * self.key_dim, self.value_heads * self.value_dim
        channels = 2 * keys + values
        inside = DELTA_CHUNK * (4 * self.key_dim + 2 * self.value_dim)
        state = self.key_dim * self.value_dim
        return Mixer(
            costs={
                "mixer/in": linear(self.hidden, channels + values),
                "mixer/gates": linear(self.hidden, 2 * self.value_heads),
                "mixer/convolution": depthwise(channels, self.kernel, False),
                "mixer/state": held(2 * self.value_heads),
                "mixer/norm": held(self.value_dim),
                "mixer/out": linear(values, self.hidden),
            },
            scan={
                "mixer/inside_chunks": Cost(flop_per_token=self.value_heads * inside),
                "mixer/chunk_states": Cost(flop_per_token=self.value_heads * 6 * state),
            },
            chunk=DELTA_CHUNK,
            state_values=self.value_heads * state + channels * self.kernel,
        )
