"""Mixture-of-experts decoders, and the defaults of their configs.

Mixtral, Qwen2 and Qwen3 MoE, OLMoE, FlexOlmo, PhiMoE, gpt-oss, Llama 4, MiniMax M2, dots1, Granite
MoE (granitemoeshared, too), GLM 4 MoE, ERNIE 4.5 MoE, EXAONE MoE, AFMoE, Solar Open, Mellum,
Cohere2 MoE, HY v3, DeepSeek v2 and v3, Kimi K2, Mistral 4, Aria, Kolibri, Beam. A row describes a
family; omitted sizes are in `defaults.json`. A mixture family is a dense family with other
`feed_forwards`: the sparse layers, and the keys of their experts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from estimator.core.messages import refuse
from estimator.networks.blocks import (
    Experts,
    Mlp,
)
from estimator.networks.families.decoder import (
    WIDTH,
    Family,
    FeedForwards,
    decoder,
    dense,
    has_fact,
    head_norm,
    latent_attention,
    per_channel,
    sinks,
    where,
    width_norm,
)
from estimator.networks.families.dense_decoders import (
    COHERE,
    GLM,
    LLAMA,
    OLMO2,
    PATTERN,
    STATED,
)
from estimator.networks.families.sliding_window import (
    LLAMA4_CHUNKS,
    QWEN2_MOE_WINDOWS,
    QWEN3_MOE_WINDOWS,
    WINDOWED_IF_STATED,
    but_every,
    from_layer,
    sliding,
)
from estimator.networks.fields import Fields
from estimator.networks.registry import families

EXPERTS = ("num_local_experts", "n_routed_experts", "moe_num_experts", "num_experts")
"""Keys of the number of experts; of several stated keys the last counts."""


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Keys and defaults of a family's expert sizes.

    Parameters
    ----------
    keys, active_key, width_key : tuple of str, str, str
        Config keys of the experts, of the active experts per token, and of an expert's width.
    active : int or None
        Active experts per token, overriding the config [1].
    shared : function
        Function from fields and expert width to the shared expert's width, 0 without one.
    sparse : function
        Function that selects the layers with experts.
    bias, router_bias, shared_gate : bool
        Biases of experts and router, and a learned gate on the shared expert.
    """

    keys: tuple[str, ...] = EXPERTS
    active_key: str = "num_experts_per_tok"
    active: int | None = None
    width_key: str = "moe_intermediate_size"
    shared: Callable[[Fields, int], int] = lambda fields, width: 0
    sparse: Callable[[Fields, int], bool] = lambda fields, layer: True
    bias: bool = False
    router_bias: bool = False
    shared_gate: bool = False


def mix(family: Family, mixture: Mixture) -> Family:
    """Build the family with experts in place of its MLPs."""
    return replace(family, feed_forwards=partial(feed_forwards, mixture))


def feed_forwards(mixture: Mixture, family: Family, fields: Fields, layers: int) -> FeedForwards:
    """Place experts in the sparse layers, the family's MLP in the others."""
    plain = dense(family, fields, layers)
    bias = has_fact(family.mlp_bias, fields) or has_fact(family.bias, fields)
    block = experts(mixture, fields, shared_bias=bias)
    return tuple(
        block if mixture.sparse(fields, layer) else plain[layer] for layer in range(layers)
    )


def experts(mixture: Mixture, fields: Fields, shared_bias: bool = False) -> Experts:
    """Return the sparse block of a config."""
    hidden = fields.size(*WIDTH)
    count, width = fields.size(*mixture.keys), fields.size(mixture.width_key)
    shared = mixture.shared(fields, width)
    return Experts(
        expert=Mlp(hidden, width, gated=True, bias=mixture.bias),
        experts=count,
        active=routed(fields, mixture.active_key, mixture.keys, count, mixture.active),
        router_bias=mixture.router_bias,
        shared=Mlp(hidden, shared, gated=True, bias=shared_bias) if shared else None,
        shared_gate=mixture.shared_gate,
    )


def routed(
    fields: Fields, key: str, keys: tuple[str, ...], count: int, always: int | None = None
) -> int:
    """Return the experts per token, fixed or from the config, at most the number of experts."""
    number = always or fields.size(key)
    if number > count:
        most = f"{fields.key(*keys)} = {count}"
        raise refuse("config_key_most", key=fields.full_name(key), most=most, value=number)
    return number


def shared_experts(key: str = "n_shared_experts") -> Callable[[Fields, int], int]:
    """Return the total width of the shared experts, whose number is under `key`."""
    return lambda fields, width: width * (fields.size_or_none(key, least=0) or 0)


def shared_width(key: str) -> Callable[[Fields, int], int]:
    """Read the width of the shared expert under `key`."""
    return lambda fields, width: fields.size(key, default=0, least=0)


def expert_width(fields: Fields, width: int) -> int:
    """Return one shared expert as wide as the others."""
    return width


def after_first(key: str = "first_k_dense_replace") -> Callable[[Fields, int], bool]:
    """Select the layers from `key` on as sparse."""
    return lambda fields, layer: layer >= fields.size(key, default=0, least=0)


def every_step(fields: Fields, layer: int) -> bool:
    """Select every `decoder_sparse_step`-th layer, except `mlp_only_layers`, as in Qwen."""
    step = fields.size("decoder_sparse_step", default=1)
    return (layer + 1) % step == 0 and layer not in (fields.items("mlp_only_layers") or [])


def interleaved(fields: Fields, layer: int) -> bool:
    """Select the layers in `moe_layers`, or every `interleave_moe_layer_step`-th, as in Llama 4."""
    listed = fields.items("moe_layers")
    step = fields.size("interleave_moe_layer_step", default=1)
    return (layer + 1) % step == 0 if listed is None else layer in listed


def listed_sparse(fields: Fields, layer: int) -> bool:
    """Select layers by `mlp_layer_types`, or from layer `first_k_dense_replace` on."""
    kinds = fields.items("mlp_layer_types")
    if kinds is None:
        return after_first()(fields, layer)
    return layer < len(kinds) and kinds[layer] == "sparse"


def _between(fields: Fields, layer: int) -> bool:
    """Select every n-th layer from the first sparse one to the last, as in ERNIE 4.5."""
    first = fields.size("moe_layer_start_index", default=1, least=0)
    last = fields.values.get("moe_layer_end_index", -1)
    end = layer if last in (-1, None) else fields.size("moe_layer_end_index", least=0)
    step = fields.size("moe_layer_interval", default=1)
    return (layer + 1) % step == 0 and first <= layer <= end


STANDARD = "intermediate_size"
"""Key of the expert width in configs without a separate one."""

QWEN3_MOE = mix(
    Family(attention_bias=STATED, qk_norm=head_norm, windows=QWEN3_MOE_WINDOWS),
    Mixture(sparse=every_step),
)
QWEN_MIXTURE = Mixture(
    shared=shared_width("shared_expert_intermediate_size"), sparse=every_step, shared_gate=True
)
"""Narrow experts with a gated shared one."""

GRANITE = Family(attention_bias=STATED)
ALIKE = Mixture(width_key=STANDARD)
"""Experts in every layer, as wide as the config's MLP."""

GRANITE_SHARED = replace(ALIKE, shared=shared_width("shared_intermediate_size"))
DEEPSEEK = Mixture(shared=shared_experts(), sparse=after_first())
LISTED = Mixture(shared=shared_experts(), sparse=listed_sparse)
NAMED_SHARED = replace(LISTED, shared=shared_experts("num_shared_experts"))
LATENT = Family(attention=latent_attention)


ROWS: Mapping[str, Family] = {
    "mixtral": mix(Family(windows=WINDOWED_IF_STATED), ALIKE),
    "qwen2_moe": mix(Family(qkv_bias="qkv_bias", windows=QWEN2_MOE_WINDOWS), QWEN_MIXTURE),
    "qwen3_moe": QWEN3_MOE,
    "qwen3_vl_moe_text": QWEN3_MOE,
    "qwen3_omni_moe_text": QWEN3_MOE,
    "olmoe": mix(OLMO2, ALIKE),
    "flex_olmo": mix(OLMO2, ALIKE),
    "phimoe": mix(
        Family(
            attention_bias=STATED,
            head_bias="lm_head_bias",
            norm_params=2,
            windows=WINDOWED_IF_STATED,
        ),
        replace(ALIKE, active=2),
    ),
    "gpt_oss": mix(
        Family(attention_bias=STATED, qk_norm=sinks, windows=sliding(128, but_every(2))),
        replace(ALIKE, bias=True, router_bias=True),
    ),
    "llama4_text": mix(
        Family(
            intermediate_key="intermediate_size_mlp", attention_bias=STATED, windows=LLAMA4_CHUNKS
        ),
        replace(ALIKE, shared=expert_width, sparse=interleaved),
    ),
    "minimax_m2": mix(Family(qk_norm=width_norm), ALIKE),
    "dots1": mix(
        Family(attention_bias=STATED, qk_norm=head_norm, windows=sliding(4096, from_layer(62))),
        replace(DEEPSEEK, keys=("n_routed_experts", "num_local_experts", "num_experts")),
    ),
    "granitemoe": mix(GRANITE, ALIKE),
    "granitemoeshared": mix(GRANITE, GRANITE_SHARED),
    "granitemoe_swa": mix(
        replace(GRANITE, qk_norm=sinks, windows=sliding(128, but_every(4))), GRANITE_SHARED
    ),
    "glm4v_moe_text": mix(GLM, DEEPSEEK),
    "glm4_moe": mix(replace(GLM, qk_norm=where("use_qk_norm", head_norm)), DEEPSEEK),
    "glm4_moe_lite": mix(LATENT, LISTED),
    "ernie4_5_moe": mix(
        Family(bias="use_bias", head_bias="use_bias"),
        Mixture(
            active_key="moe_k",
            shared=shared_experts("moe_num_shared_experts"),
            sparse=_between,
            router_bias=True,
        ),
    ),
    "exaone_moe": mix(
        Family(qk_norm=head_norm, windows=sliding(4096, but_every(4, PATTERN))), NAMED_SHARED
    ),
    "afmoe": mix(
        Family(
            attention_bias=STATED,
            norms=4,
            qk_norm=head_norm,
            gate=per_channel,
            windows=sliding(1024, but_every(4, "global_attn_every_n_layers")),
        ),
        Mixture(
            shared=shared_experts("num_shared_experts"),
            sparse=after_first("num_dense_layers"),
            router_bias=True,
        ),
    ),
    "solar_open": mix(GLM, DEEPSEEK),
    "mellum": mix(
        Family(attention_bias=STATED, qk_norm=head_norm, windows=sliding(4096)), Mixture()
    ),
    "cohere2_moe": mix(
        replace(COHERE, windows=sliding(4096, but_every(4))),
        replace(ALIKE, shared=shared_experts("num_shared_experts")),
    ),
    "kolibri1": mix(
        Family(norms=4, qk_norm=head_norm, windows=sliding(513, but_every(5))),
        Mixture(shared=shared_width("shared_expert_intermediate_size")),
    ),
    "beam": mix(
        Family(
            attention_bias=STATED,
            norms=4,
            qk_norm=lambda fields, attention: head_norm(fields, attention) + attention.heads,
            gate=per_channel,
            windows=sliding(512, lambda fields, layers, at: (at + 1) % 6 != 0 and at + 1 < layers),
        ),
        Mixture(sparse=listed_sparse),
    ),
    "hy_v3": mix(replace(LLAMA, qk_norm=head_norm), NAMED_SHARED),
    "deepseek_v2": mix(replace(LLAMA, attention=latent_attention), DEEPSEEK),
    "deepseek_v3": mix(LATENT, DEEPSEEK),
    "kimi_k2": mix(LATENT, DEEPSEEK),
    "deepseek_v32": mix(LATENT, LISTED),
    "mistral4": mix(LATENT, DEEPSEEK),
    "aria_text": mix(
        LLAMA,
        replace(ALIKE, active_key="moe_topk", shared=shared_experts("moe_num_shared_experts")),
    ),
}

families(decoder, ROWS)
