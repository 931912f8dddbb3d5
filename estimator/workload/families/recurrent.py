"""Which language model that mixes attention with other recurrences a config describes.

The gated delta rule, short convolutions, gated linear recurrences. Defaults are those of
transformers 5.23.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from estimator.workload.blocks import Costs, Experts, Mlp, held, linear
from estimator.workload.convolution import ratio
from estimator.workload.families.hybrid_stack import (
    ATTENTION_KINDS,
    PLAIN,
    attention_mixer,
    gated_mlp,
    layer_kinds,
    stacked,
    with_costs,
)
from estimator.workload.families.mixers import (
    DeltaNet,
    Mixer,
    depthwise,
)
from estimator.workload.families.mixture import every_step, routed
from estimator.workload.families.rotary import (
    Family,
    grouped_attention,
    head_norm,
    width_norm,
)
from estimator.workload.fields import Fields
from estimator.workload.network import Network


def _delta(fields: Fields, key_heads: int, value_heads: int, dims: tuple[int, int]) -> DeltaNet:
    return DeltaNet(
        hidden=fields.size("hidden_size"),
        key_heads=fields.size("linear_num_key_heads", default=key_heads),
        value_heads=fields.size("linear_num_value_heads", default=value_heads),
        key_dim=fields.size("linear_key_head_dim", default=dims[0]),
        value_dim=fields.size("linear_value_head_dim", default=dims[1]),
        kernel=fields.size("linear_conv_kernel_dim", default=4),
    )


def _every_fourth(fields: Fields, layers: int) -> list[str]:
    """Kinds as listed, else attention in the last of every four layers."""
    period = fields.size("full_attention_interval", default=4)
    usual = ["attention" if (at + 1) % period == 0 else "linear" for at in range(layers)]
    return layer_kinds(fields, "layer_types") or usual


@dataclass(frozen=True, kw_only=True)
class Gated:
    """What sets the models with a gated delta rule apart: experts, their width, layers."""

    vocab: int
    layers: int
    kv_heads: int
    intermediate: int
    experts: int = 0
    active: int = 0


def gated_delta(facts: Gated, fields: Fields) -> Network:
    """Qwen3-Next, Qwen3.5: gated delta rule, and gated attention in every fourth layer."""
    hidden = fields.size("hidden_size")
    family = replace(
        PLAIN,
        vocab=facts.vocab,
        positions=32768,
        kv_heads=facts.kv_heads,
        head_dim=256,
        qk_norm=head_norm,
    )
    attention = grouped_attention(family, fields)
    width = attention.heads * attention.head_dim
    attends = Mixer(
        costs={
            **attention.costs(),
            "attention/gate": linear(hidden, width, attention.qkv_bias),
        },
        cache_values=attention.cache_values_per_token,
    )
    scans = _delta(fields, 16, 32, (128, 128)).mixer()
    layers = fields.layers("num_hidden_layers", default=facts.layers)
    blocks: list[Costs] = [{}, {}]
    if facts.experts:
        count = fields.size("num_experts", default=facts.experts)
        each = fields.size("moe_intermediate_size", default=512)
        shared = fields.size("shared_expert_intermediate_size", default=512)
        active = ("num_experts_per_tok", facts.active)
        blocks[1] = Experts(
            expert=Mlp(hidden=hidden, width=each, gated=True),
            experts=count,
            active=routed(fields, active, ("num_experts",), count),
            shared=Mlp(hidden=hidden, width=shared, gated=True),
            shared_gate=True,
        ).costs()
    sparse = [bool(facts.experts) and every_step(fields, at) for at in range(layers)]
    if not all(sparse):
        blocks[0] = gated_mlp(fields, facts.intermediate)
    made = {
        (attending, routing): with_costs(mixer, blocks[routing], 2, hidden)
        for attending, mixer in ((False, scans), (True, attends))
        for routing in (False, True)
    }
    kinds = _every_fourth(fields, layers)
    return stacked(
        fields,
        family,
        (
            made[kind in ATTENTION_KINDS, routing]
            for kind, routing in zip(kinds, sparse, strict=True)
        ),
    )


def olmo_hybrid(fields: Fields) -> Network:
    """OLMo hybrid: gated delta rule, and attention with wide norms in every fourth layer."""
    hidden = fields.size("hidden_size")
    family = replace(PLAIN, vocab=100352, positions=65536, kv_heads=None, qk_norm=width_norm)
    heads = fields.size("num_attention_heads")
    head_dim = int(0.75 * hidden / heads)
    delta = _delta(fields, heads, heads, (head_dim, 2 * head_dim))
    mlp = gated_mlp(fields, 11008)
    attends = with_costs(attention_mixer(family, fields), mlp, 2, hidden)
    scans = with_costs(delta.mixer(), mlp, 2, hidden)
    kinds = _every_fourth(fields, fields.layers("num_hidden_layers", default=32))
    return stacked(
        fields, family, (attends if kind in ATTENTION_KINDS else scans for kind in kinds)
    )


def lfm2(fields: Fields) -> Network:
    """LFM2: short gated convolutions with some layers of attention."""
    hidden = fields.size("hidden_size", default=2560)
    width = fields.size("intermediate_size", "block_ff_dim", default=12288)
    if fields.flag("block_auto_adjust_ff_dim", default=True):
        step = fields.size("block_multiple_of", default=256)
        factor = ratio(fields, "block_ffn_dim_multiplier", 1.0)
        width = -(-int(factor * (2 * width // 3)) // step) * step
    mlp = Mlp(hidden=hidden, width=width, gated=True).costs()
    return _convolving(fields, hidden, lambda layer: mlp)


def lfm2_moe(fields: Fields) -> Network:
    """LFM2 with experts in all but the first layers."""
    hidden = fields.size("hidden_size", default=2048)
    count = fields.size("num_experts", default=32)
    plain = gated_mlp(fields, 7168)
    sparse = Experts(
        expert=Mlp(
            hidden=hidden, width=fields.size("moe_intermediate_size", default=1792), gated=True
        ),
        experts=count,
        active=routed(fields, ("num_experts_per_tok", 4), ("num_experts",), count),
    ).costs()
    dense = fields.size("num_dense_layers", default=2, least=0)
    return _convolving(fields, hidden, lambda layer: plain if layer < dense else sparse)


def _convolving(fields: Fields, hidden: int, block: Callable[[int], Costs]) -> Network:
    """The stack of LFM2, with the MLP or experts of each layer."""
    bias = fields.flag("conv_bias")
    kernel = fields.size("conv_L_cache", default=3)
    short = Mixer(
        costs={
            "mixer/in": linear(hidden, 3 * hidden, bias),
            "mixer/convolution": depthwise(hidden, kernel, bias),
            "mixer/out": linear(hidden, hidden, bias),
        },
        state_values=hidden * kernel,
    )
    tied = fields.flag("tie_embedding", default=fields.flag("tie_word_embeddings", default=True))
    fields = replace(fields, values={**fields.values, "tie_word_embeddings": tied})
    family = Family(
        vocab=65536, intermediate=12288, positions=128000, kv_heads=8, qk_norm=head_norm
    )
    layers = fields.layers("num_hidden_layers", default=32)
    listed = fields.items("full_attn_idxs")
    chosen = range(layers) if listed is None else listed
    usual = ["full_attention" if at in chosen else "conv" for at in range(layers)]
    attends = attention_mixer(family, fields)
    kinds = layer_kinds(fields, "layer_types") or usual
    parts = [
        (attends if kind in ATTENTION_KINDS else short, block(at)) for at, kind in enumerate(kinds)
    ]
    made = {(id(mixer), id(costs)): with_costs(mixer, costs, 2, hidden) for mixer, costs in parts}
    return stacked(fields, family, (made[id(mixer), id(costs)] for mixer, costs in parts))


def recurrent_gemma(fields: Fields) -> Network:
    """RecurrentGemma: gated linear recurrences and local attention [1]_.

    References
    ----------
    .. [1] S. De et al., "Griffin", 2024, arXiv:2402.19427, sec. 2.
    """
    hidden = fields.size("hidden_size", default=2560)
    inner = fields.size_or_none("lru_width") or hidden
    heads = fields.size("num_attention_heads", default=10)
    kernel = fields.size("conv1d_width", default=4)
    gate = linear(inner // heads, inner, bias=True)
    recurrent = Mixer(
        costs={
            "mixer/in": linear(hidden, 2 * inner, bias=True),
            "mixer/convolution": depthwise(inner, kernel, True),
            "mixer/input_gate": gate,
            "mixer/recurrent_gate": gate,
            "mixer/state": held(inner),
            "mixer/out": linear(inner, hidden, bias=True),
        },
        state_values=inner * kernel,
    )
    family = replace(PLAIN, vocab=256000, kv_heads=None, tied=True, output_bias=lambda _: True)
    width = fields.size("intermediate_size", default=7680) // 2
    mlp = Mlp(hidden=hidden, width=width, gated=True, bias=True).costs()
    window = fields.size("attention_window_size", default=2048)
    attends = with_costs(attention_mixer(family, fields, window), mlp, 2, hidden)
    recurs = with_costs(recurrent, mlp, 2, hidden)
    kinds = layer_kinds(fields, "block_types", "_block_types") or [
        "recurrent",
        "recurrent",
        "attention",
    ]
    layers = fields.layers("num_hidden_layers", default=26)
    return stacked(
        fields,
        family,
        (attends if kinds[at % len(kinds)] == "attention" else recurs for at in range(layers)),
    )


FAMILIES: Mapping[str, Callable[[Fields], Network]] = {
    "olmo_hybrid": olmo_hybrid,
    "lfm2": lfm2,
    "lfm2_moe": lfm2_moe,
    "recurrent_gemma": recurrent_gemma,
    "qwen3_next": partial(
        gated_delta,
        Gated(vocab=151936, layers=48, kv_heads=2, intermediate=5632, experts=512, active=10),
    ),
    "qwen3_5_text": partial(
        gated_delta, Gated(vocab=248320, layers=32, kv_heads=4, intermediate=12288)
    ),
    "qwen3_5_moe_text": partial(
        gated_delta,
        Gated(vocab=248320, layers=40, kv_heads=2, intermediate=0, experts=256, active=8),
    ),
}
