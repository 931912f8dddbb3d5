"""Token mixers of recurrent layers: their cost and state.

Elementwise products along the sequence (decays, gates, short solves) are not counted, like norms.
Chunked scans are matrix products and are counted.
"""

import numpy as np

from estimator.networks.blocks import Cost, affine, linear, params_only, product
from estimator.networks.convolution import ratio
from estimator.networks.fields import Fields
from estimator.networks.layers import Layers, Near
from estimator.networks.ledger import Quantity

PADDED = ("mixer/inside_chunks", "mixer/chunk_states")
"""Parts of a chunked scan that run on whole chunks."""


def in_chunks(chunk: int) -> Near:
    """Return the reach of scans in chunks of this size."""

    def near(part: str, length: Quantity) -> tuple[Quantity, Quantity] | None:
        chunks = np.ceil(length / chunk)
        if part in PADDED:
            return chunks * chunk, 0.0
        if part == "mixer/between_chunks":  # per pair of states
            return (chunks + 1.0) ** 2, 0.0
        return None

    return near


def depthwise(channels: int, kernel: int, bias: bool) -> Cost:
    """Return the cost of a short convolution along the sequence, one kernel per channel."""
    return product(channels * (kernel + bias), 2 * kernel * channels)


def expanded(fields: Fields, key: str = "mamba_expand") -> int:
    """Return the inner width of a mixer, `key` times the model's."""
    return int(ratio(fields, key, 2) * fields.size("hidden_size"))


def mamba_mixer(fields: Fields, inner: int, normed: bool = False) -> Layers:
    """Build a selective state space with a state per channel (arXiv:2312.00752, sec. 3.4).

    Sizes are under the keys of Mamba or Jamba. `inner` is the inner width, `normed` adds norms on
    the selected values.
    """
    hidden = fields.size("hidden_size")
    state = fields.size("mamba_d_state", "state_size", default=16)
    kernel = fields.size("mamba_d_conv", "conv_kernel", default=4)
    key = fields.key("mamba_dt_rank", "time_step_rank")
    auto = fields.values.get(key, "auto") == "auto"
    rank = -(-hidden // 16) if auto else fields.size(key)
    conv_bias = fields.flag("mamba_conv_bias", "use_conv_bias", default=True)
    bias = fields.flag("mamba_proj_bias", "use_bias")
    return Layers(
        costs={
            "mixer/in": linear(hidden, 2 * inner, bias),
            "mixer/convolution": depthwise(inner, kernel, conv_bias),
            "mixer/select": linear(inner, rank + 2 * state),
            "mixer/time_step": affine(rank, inner),
            "mixer/state": params_only(inner * (state + 1)),
            "mixer/norm": params_only(normed * (rank + 2 * state)),
            "mixer/read": Cost(flop_per_token=2 * inner * state),
            "mixer/out": linear(inner, hidden, bias),
        },
        state_values=inner * (state + kernel),
    )


def mamba2_mixer(fields: Fields, inner: int, heads: int, normed: bool = True) -> Layers:
    """Build a Mamba-2 mixer: heads with a scalar decay (arXiv:2405.21060, sec. 6).

    `inner` is the inner width, `normed` adds a norm before the output.
    """
    hidden = fields.size("hidden_size")
    groups = fields.size("mamba_n_groups", "mamba_ngroups", "n_groups")
    state = fields.size("mamba_d_state", "ssm_state_size", "state_size")
    chunk = fields.size("mamba_chunk_size", "chunk_size")
    kernel = fields.size("mamba_d_conv", "conv_kernel", default=4)
    conv_bias = fields.flag("mamba_conv_bias", "use_conv_bias", default=True)
    bias = fields.flag("mamba_proj_bias", "add_bias_linear", "use_bias")
    channels = inner + 2 * groups * state
    return Layers(
        costs={
            "mixer/in": linear(hidden, inner + channels + heads, bias),
            "mixer/convolution": depthwise(channels, kernel, conv_bias),
            "mixer/state": params_only(3 * heads),
            "mixer/norm": params_only(normed * inner),
            "mixer/out": linear(inner, hidden, bias),
            "mixer/inside_chunks": Cost(flop_per_token=2 * chunk * (inner + heads * state)),
            "mixer/chunk_states": Cost(flop_per_token=4 * inner * state),
            "mixer/between_chunks": Cost(flop_per_token=2 * inner * state),
        },
        near=in_chunks(chunk),
        state_values=inner * state + channels * kernel,
    )


DELTA_CHUNK = 64
"""Tokens of a chunk of the gated delta rule in transformers. [token]"""


def delta_mixer(fields: Fields) -> Layers:
    """Build a gated delta rule over a matrix state per head (arXiv:2412.06464, sec. 3)."""
    hidden = fields.size("hidden_size")
    key_heads = fields.size("linear_num_key_heads")
    value_heads = fields.size("linear_num_value_heads")
    key_dim = fields.size("linear_key_head_dim")
    value_dim = fields.size("linear_value_head_dim")
    kernel = fields.size("linear_conv_kernel_dim", default=4)
    keys, values = key_heads * key_dim, value_heads * value_dim
    channels = 2 * keys + values
    inside = DELTA_CHUNK * (4 * key_dim + 2 * value_dim)
    state = key_dim * value_dim
    return Layers(
        costs={
            "mixer/in": linear(hidden, channels + values),
            "mixer/gates": linear(hidden, 2 * value_heads),
            "mixer/convolution": depthwise(channels, kernel, False),
            "mixer/state": params_only(2 * value_heads),
            "mixer/norm": params_only(value_dim),
            "mixer/out": linear(values, hidden),
            "mixer/inside_chunks": Cost(flop_per_token=value_heads * inside),
            "mixer/chunk_states": Cost(flop_per_token=value_heads * 6 * state),
        },
        near=in_chunks(DELTA_CHUNK),
        state_values=value_heads * state + channels * kernel,
    )
