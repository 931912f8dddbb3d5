"""What mixes the tokens of a recurrent layer, its cost, and the state it keeps.

What is multiplied element by element along the sequence (decays, gates, short solves) is no matrix
product and is not counted, as norms are not. Scans in chunks are matrix products and are.
"""

from dataclasses import dataclass, field

import numpy as np

from estimator.workload.blocks import Cost, Costs, held, linear, product
from estimator.workload.fields import Fields
from estimator.workload.ledger import CacheLayers, Inputs, Quantity
from estimator.workload.network import Line, attended_pairs, lines


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
    inside : mapping
        Costs per pair of tokens in a chunk, the last of which may be shorter.
    chunk : int
        Tokens of a chunk.
    window : int or None
        Keys each query may see, the whole sequence if None. [token]
    cache_values, state_values : int
        Values kept per token, and per sequence whatever its length. [1]
    """

    costs: Costs = field(default_factory=dict)
    scan: Costs = field(default_factory=dict)
    carry: Costs = field(default_factory=dict)
    inside: Costs = field(default_factory=dict)
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
        whole = np.floor(seq_len / part.chunk)
        near = whole * part.chunk**2 + (seq_len - whole * part.chunk) ** 2
        done += lines(part.inside, 0.0, pairs=runs * near, times=self.times)
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
    return product(channels * (kernel + bias), 2 * kernel * channels)


def mamba_mixer(fields: Fields, inner: int, heads: int = 1, normed: bool = False) -> Mixer:
    """Selective state space with a state per channel (arXiv:2312.00752, sec. 3.4).

    Its sizes stand under the keys of Mamba or of Jamba. `inner` is the width inside, `heads` the
    groups of channels that select for themselves, `normed` puts norms on the selected values.
    """
    hidden = fields.size("hidden_size")
    state = fields.size("mamba_d_state", "state_size", default=16)
    kernel = fields.size("mamba_d_conv", "conv_kernel", default=4)
    key = fields.key("mamba_dt_rank", "time_step_rank")
    auto = fields.values.get(key, "auto") == "auto"
    rank = -(-hidden // 16) if auto else fields.size(key)
    conv_bias = fields.flag("mamba_conv_bias", "use_conv_bias", default=True)
    bias = fields.flag("mamba_proj_bias", "use_bias")
    return Mixer(
        costs={
            "mixer/in": linear(hidden, 2 * inner, bias),
            "mixer/convolution": depthwise(inner, kernel, conv_bias),
            "mixer/select": linear(inner // heads, heads * (rank + 2 * state)),
            "mixer/time_step": linear(rank, inner, bias=True),
            "mixer/state": held(inner * (state + 1)),
            "mixer/norm": held(normed * (rank + 2 * state)),
            "mixer/read": Cost(flop_per_token=2 * inner * state),
            "mixer/out": linear(inner, hidden, bias),
        },
        state_values=inner * (state + kernel),
    )


def mamba2_mixer(
    fields: Fields, inner: int, heads: int, usual: tuple[int, int, int], normed: bool = True
) -> Mixer:
    """Heads with a scalar decay, scanned in chunks (arXiv:2405.21060, sec. 6).

    `inner` is the width inside, `usual` the groups that share a selection, the state per channel
    and the tokens of a chunk where a config leaves them out, `normed` a norm before the output.
    """
    hidden = fields.size("hidden_size")
    groups = fields.size("mamba_n_groups", "mamba_ngroups", "n_groups", default=usual[0])
    state = fields.size("mamba_d_state", "ssm_state_size", "state_size", default=usual[1])
    chunk = fields.size("mamba_chunk_size", "chunk_size", default=usual[2])
    kernel = fields.size("mamba_d_conv", "conv_kernel", default=4)
    conv_bias = fields.flag("mamba_conv_bias", "use_conv_bias", default=True)
    bias = fields.flag("mamba_proj_bias", "add_bias_linear", "use_bias")
    channels = inner + 2 * groups * state
    inside = Cost(flop_per_token=2 * chunk * (inner + heads * state))
    return Mixer(
        costs={
            "mixer/in": linear(hidden, inner + channels + heads, bias),
            "mixer/convolution": depthwise(channels, kernel, conv_bias),
            "mixer/state": held(3 * heads),
            "mixer/norm": held(normed * inner),
            "mixer/out": linear(inner, hidden, bias),
        },
        scan={
            "mixer/inside_chunks": inside,
            "mixer/chunk_states": Cost(flop_per_token=4 * inner * state),
        },
        carry={"mixer/between_chunks": Cost(flop_per_token=2 * inner * state)},
        chunk=chunk,
        state_values=inner * state + channels * kernel,
    )


DELTA_CHUNK = 64
"""Tokens of a chunk of the gated delta rule in transformers. [token]"""


def delta_mixer(
    fields: Fields, key_heads: int, value_heads: int, key_dim: int, value_dim: int
) -> Mixer:
    """Gated delta rule over a matrix state per head (arXiv:2412.06464, sec. 3).

    The heads of keys and of values and their widths are those of a config that leaves them out.
    """
    hidden = fields.size("hidden_size")
    key_heads = fields.size("linear_num_key_heads", default=key_heads)
    value_heads = fields.size("linear_num_value_heads", default=value_heads)
    key_dim = fields.size("linear_key_head_dim", default=key_dim)
    value_dim = fields.size("linear_value_head_dim", default=value_dim)
    kernel = fields.size("linear_conv_kernel_dim", default=4)
    keys, values = key_heads * key_dim, value_heads * value_dim
    channels = 2 * keys + values
    inside = DELTA_CHUNK * (4 * key_dim + 2 * value_dim)
    state = key_dim * value_dim
    return Mixer(
        costs={
            "mixer/in": linear(hidden, channels + values),
            "mixer/gates": linear(hidden, 2 * value_heads),
            "mixer/convolution": depthwise(channels, kernel, False),
            "mixer/state": held(2 * value_heads),
            "mixer/norm": held(value_dim),
            "mixer/out": linear(values, hidden),
        },
        scan={
            "mixer/inside_chunks": Cost(flop_per_token=value_heads * inside),
            "mixer/chunk_states": Cost(flop_per_token=value_heads * 6 * state),
        },
        chunk=DELTA_CHUNK,
        state_values=value_heads * state + channels * kernel,
    )
