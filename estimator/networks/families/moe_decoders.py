"""Mixture-of-experts decoders, and the defaults of their configs.

Mixtral, Qwen2 and Qwen3 MoE, OLMoE, FlexOlmo, PhiMoE, gpt-oss, Llama 4, MiniMax M2, dots1, Granite
MoE (granitemoeshared, too), GLM 4 MoE, ERNIE 4.5 MoE, EXAONE MoE, AFMoE, Solar Open, Mellum,
Cohere2 MoE, HY v3, DeepSeek v2 and v3, Kimi K2, Mistral 4, Aria, DBRX, MiMo v2, Hunyuan MoE,
JetMoE, A.X K1 (axk1), LongCat Flash, Laguna, Kolibri, Beam, Mistral Large 4; an encoder, OpenAI's
privacy filter. A row says what a family is built of; the sizes that its configs leave out stand in
`defaults.json`. A mixture family is a dense family with another `feed_forwards`: which layers are
sparse, and the keys of their experts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from estimator.core.messages import refuse
from estimator.networks.blocks import (
    Attention,
    Costs,
    Experts,
    LatentAttention,
    Mlp,
    held,
    linear,
    merged,
)
from estimator.networks.families.decoder import (
    WIDTH,
    Family,
    FeedForwards,
    asked,
    decoder,
    dense,
    grouped_attention,
    head_norm,
    latent_attention,
    per_channel,
    per_head,
    sinks,
    where,
    width_norm,
    with_heads,
)
from estimator.networks.families.dense_decoders import (
    COHERE,
    GLM,
    LLAMA,
    OLMO2,
    PATTERN,
    PLAIN,
    STATED,
)
from estimator.networks.families.hybrid_stack import equal_layers, stacked, with_costs
from estimator.networks.families.sliding_window import (
    LLAMA4_CHUNKS,
    QWEN2_MOE_WINDOWS,
    QWEN3_MOE_WINDOWS,
    WINDOWED_IF_STATED,
    but_every,
    from_layer,
    sliding,
    with_rotary,
)
from estimator.networks.fields import MAX_LAYERS, Fields
from estimator.networks.layers import Layers
from estimator.networks.model_class import class_name
from estimator.networks.network import Network, network
from estimator.networks.registry import families, family
from estimator.networks.transformer import Decoder, Layer

EXPERTS = ("num_local_experts", "n_routed_experts", "moe_num_experts", "num_experts")
"""Names of the number of experts; of those that a config states the last counts."""


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Keys and defaults of a family's expert sizes.

    Parameters
    ----------
    keys, active_key, width_key : tuple of str, str, str
        Where a config states the experts, how many a token visits, and the width of one.
    active : int or None
        How many a token visits whatever the config says. [1]
    shared : function
        Width of the shared expert, 0 without one, from the fields and the width of an expert.
    sparse : function
        Whether a layer is a mixture.
    bias, router_bias, shared_gate : bool
        Biases of experts and router; a learned gate on the shared expert.
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
    """The family with experts for its MLPs."""
    return replace(family, feed_forwards=partial(feed_forwards, mixture))


def feed_forwards(mixture: Mixture, family: Family, fields: Fields, layers: int) -> FeedForwards:
    """Experts in the sparse layers, the family's MLP in the others."""
    plain = dense(family, fields, layers)
    bias = asked(family.mlp_bias, fields) or asked(family.bias, fields)
    block = experts(mixture, fields, shared_bias=bias)
    return tuple(
        block if mixture.sparse(fields, layer) else plain[layer] for layer in range(layers)
    )


def experts(mixture: Mixture, fields: Fields, shared_bias: bool = False) -> Experts:
    """The sparse block of a config."""
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
    """Experts per token, `always` so many or as stated, refused above the number of experts."""
    number = always or fields.size(key)
    if number > count:
        most = f"{fields.key(*keys)} = {count}"
        raise refuse("config_key_most", key=fields.full_name(key), most=most, value=number)
    return number


def shared_experts(key: str = "n_shared_experts") -> Callable[[Fields, int], int]:
    """Width of the shared experts side by side, which are counted under `key`."""
    return lambda fields, width: width * (fields.size_or_none(key, least=0) or 0)


def shared_width(key: str) -> Callable[[Fields, int], int]:
    """Width of the shared expert, stated under `key`."""
    return lambda fields, width: fields.size(key, default=0, least=0)


def expert_width(fields: Fields, width: int) -> int:
    """One shared expert as wide as the others."""
    return width


def after_first(key: str = "first_k_dense_replace") -> Callable[[Fields, int], bool]:
    """Sparse from layer `key` on."""
    return lambda fields, layer: layer >= fields.size(key, default=0, least=0)


def every_step(fields: Fields, layer: int) -> bool:
    """Qwen: every `decoder_sparse_step`-th layer, except those of `mlp_only_layers`."""
    step = fields.size("decoder_sparse_step", default=1)
    return (layer + 1) % step == 0 and layer not in (fields.items("mlp_only_layers") or [])


def interleaved(fields: Fields, layer: int) -> bool:
    """Llama 4: the layers of `moe_layers`, else every `interleave_moe_layer_step`-th."""
    listed = fields.items("moe_layers")
    step = fields.size("interleave_moe_layer_step", default=1)
    return (layer + 1) % step == 0 if listed is None else layer in listed


def listed_sparse(fields: Fields, layer: int) -> bool:
    """As `mlp_layer_types` lists, else sparse from layer `first_k_dense_replace` on."""
    kinds = fields.items("mlp_layer_types")
    if kinds is None:
        return after_first()(fields, layer)
    return layer < len(kinds) and kinds[layer] == "sparse"


@family("dbrx")
def dbrx(fields: Fields) -> Decoder:
    """DBRX: sizes in two parts of the config, norms without bias."""
    attention, moe = fields.part("attn_config"), fields.part("ffn_config")
    stated = {
        "num_key_value_heads": (attention, "kv_n_heads"),
        "moe_num_experts": (moe, "moe_num_experts"),
        "num_experts_per_tok": (moe, "moe_top_k"),
        "moe_intermediate_size": (moe, "ffn_hidden_size"),
    }
    return decoder(mix(PLAIN, Mixture()), fields.renamed(stated))


def _between(fields: Fields, layer: int) -> bool:
    """ERNIE 4.5: every so many layers from the first sparse one to the last."""
    first = fields.size("moe_layer_start_index", default=1, least=0)
    last = fields.values.get("moe_layer_end_index", -1)
    end = layer if last in (-1, None) else fields.size("moe_layer_end_index", least=0)
    step = fields.size("moe_layer_interval", default=1)
    return (layer + 1) % step == 0 and first <= layer <= end


@family("mimo_v2_flash")
def mimo(fields: Fields) -> Decoder:
    """MiMo-V2-Flash: twice the key-value heads and sinks in its sliding layers, narrow values."""
    layers = fields.layers("num_hidden_layers")
    wide = replace(grouped_attention(MIMO, fields), value_dim=fields.size("v_head_dim"))
    pairs = 2 * wide.kv_heads
    fields.share("num_attention_heads", wide.heads, "2 * num_key_value_heads", pairs)
    window = fields.size("sliding_window")
    near = replace(wide, kv_heads=pairs, norm_params=wide.heads, window=window)
    usual = ["sliding" if at and (at + 1) % 6 else "full_attention" for at in range(layers)]
    kinds = fields.items("layer_types", layers) or usual
    attentions = [wide if kind == "full_attention" else near for kind in kinds]
    model = decoder(MIMO, fields)
    stack = zip(model.layers, attentions, strict=True)
    return replace(model, layers=tuple(replace(one, attention=part) for one, part in stack))


@family("glm_moe_dsa")
def glm(fields: Fields) -> Decoder:
    """GLM 5: layers that take the keys picked by the layer before have no indexer."""
    model = decoder(mix(LATENT, LISTED), fields)
    every = fields.size("index_topk_freq", default=1)
    first = fields.size("index_skip_topk_offset", default=2, least=0) - 1
    usual = ["full" if max(at - first, 0) % every == 0 else "shared" for at in range(MAX_LAYERS)]
    kinds = fields.items("indexer_types", len(model.layers)) or usual
    alone = replace(latent_attention(fields), index_heads=0, index_dim=0)
    layers = (
        replace(layer, attention=alone) if kind == "shared" else layer
        for layer, kind in zip(model.layers, kinds, strict=False)
    )
    return replace(model, layers=tuple(layers))


@family("hunyuan_v1_moe")
def hunyuan(fields: Fields) -> Decoder:
    """Hunyuan: what it states per layer is read from the first, where all are equal."""
    values = dict(fields.values)
    for key in ("moe_topk", "num_shared_expert", "moe_intermediate_size"):
        stated = values.get(key)
        if isinstance(stated, list | tuple) and stated:
            if any(item != stated[0] for item in stated):
                raise refuse("config_key_alike", key=fields.full_name(key))
            values[key] = stated[0]
    return decoder(HUNYUAN, replace(fields, values=values))


@family("jetmoe")
def jetmoe(fields: Fields) -> Network:
    """JetMoE: queries and outputs of attention are experts too (arXiv:2404.07413, sec. 2)."""
    hidden = fields.size("hidden_size")
    mlp = experts(Mixture(width_key="intermediate_size"), fields)
    kv_heads = fields.size("num_key_value_heads")
    attention = Attention(
        hidden=hidden,
        heads=mlp.active * kv_heads,
        kv_heads=kv_heads,
        head_dim=fields.size("kv_channels"),
    )
    part = linear(hidden, kv_heads * attention.head_dim).routed(mlp.experts, mlp.active)
    costs: Costs = {
        **attention.costs(),
        "attention/query": part,
        "attention/output": part,
        "attention/router": linear(hidden, mlp.experts),
        "attention/bias": held(hidden),
        "moe/bias": held(hidden),
        **mlp.costs(),
    }
    mixer = Layers(costs=costs, cache_values=attention.cache_values_per_token)
    return equal_layers(fields, with_costs(fields, mixer, {}))


@family("axk1")
def ax_k1(fields: Fields) -> Decoder:
    """A.X K1: DeepSeek's layers, a norm behind the experts."""
    model = decoder(mix(LATENT, LISTED), fields)

    def normed(layer: Layer) -> Layer:
        norms = 2 + isinstance(layer.feed_forward, Experts)
        return replace(layer, norm_params=norms * model.hidden)

    return replace(model, layers=tuple(map(normed, model.layers)))


@family("mistral_large4_text")
def mistral_large4(fields: Fields) -> Decoder:
    """Mistral Large 4: GLM 5's layers, each fourth without rotary positions, scores scaled."""
    model = glm(fields)
    sources = fields.items("kv_source_layers") or []
    if sources != [*range(len(sources))]:
        raise fields.uncounted("kv_source_layers", sources, "keys and values of their own")
    rotary = sliding(0, with_rotary, listed=False)(fields, len(model.layers))

    def placed(layer: Layer, turns: int | None) -> Layer:
        part = layer.attention
        if not isinstance(part, LatentAttention):
            return layer
        scales = 2 * (part.heads + part.index_heads) + 2 * model.hidden * bool(part.index_heads)
        if turns is None:
            part = replace(part, nope_dim=part.nope_dim + part.rope_dim, rope_dim=0)
        return replace(layer, attention=part, norm_params=layer.norm_params + scales)

    return replace(model, layers=tuple(map(placed, model.layers, rotary)))


@family("laguna")
def laguna(fields: Fields) -> Decoder:
    """Laguna: heads gated by one each or by channels, as many as each layer has."""
    channels = fields.values.get("gating", True) not in (True, "per-head")
    layers, heads = fields.layers("num_hidden_layers"), fields.size("num_attention_heads")
    each = fields.sizes("num_attention_heads_per_layer", (heads,) * layers, layers)
    return with_heads(replace(LAGUNA, gate=per_channel if channels else per_head), fields, each)


@family("longcat_flash")
def longcat(fields: Fields) -> Network:
    """LongCat Flash: experts across two layers, of which some do nothing (arXiv:2509.01322).

    Tokens are taken to visit all experts alike, so that idle ones spare their share.
    """
    hidden, count = fields.size("hidden_size"), fields.size("n_routed_experts")
    choices = count + fields.size("zero_expert_num", least=0)
    chosen = routed(fields, "moe_topk", ("n_routed_experts",), choices)
    mlp = Mlp(hidden, fields.size("ffn_hidden_size"), gated=True)
    expert = replace(mlp, width=fields.size("expert_ffn_hidden_size"))
    busy = max(1, round(chosen * count / choices))
    attention = latent_attention(fields)
    half = {**attention.costs(), **mlp.costs(), "norm/layers": held(2 * hidden)}
    layer = Layers(
        costs={
            **merged(half, half),
            **Experts(expert=expert, experts=count, active=busy).costs(),
            "moe/router": linear(hidden, choices),
        },
        cache_values=2 * attention.cache_values_per_token,
    )
    return stacked(fields, [0] * fields.layers("num_layers"), {0: layer})


STANDARD = "intermediate_size"
"""Key of the expert width in configs without a separate one."""

HUNYUAN = mix(
    Family(attention_bias=STATED, qk_norm=head_norm),
    Mixture(active_key="moe_topk", width_key=STANDARD, shared=expert_width),
)
QWEN3_MOE = mix(
    Family(attention_bias=STATED, qk_norm=head_norm, windows=QWEN3_MOE_WINDOWS),
    Mixture(sparse=every_step),
)
QWEN_MIXTURE = Mixture(
    shared=shared_width("shared_expert_intermediate_size"), sparse=every_step, shared_gate=True
)
"""Narrow experts beside a gated shared one."""

GRANITE = Family(attention_bias=STATED)
ALIKE = Mixture(width_key=STANDARD)
"""Experts in every layer, as wide as the config's MLP."""

GRANITE_SHARED = replace(ALIKE, shared=shared_width("shared_intermediate_size"))
DEEPSEEK = Mixture(shared=shared_experts(), sparse=after_first())
LISTED = Mixture(shared=shared_experts(), sparse=listed_sparse)
NAMED_SHARED = replace(LISTED, shared=shared_experts("num_shared_experts"))
LATENT = Family(attention=latent_attention)

LAGUNA = mix(
    Family(
        attention_bias=STATED,
        qk_norm=head_norm,
        windows=sliding(512, lambda fields, layers, at: False),
    ),
    Mixture(
        shared=shared_width("shared_expert_intermediate_size"),
        sparse=listed_sparse,
        router_bias=True,
    ),
)

MIMO = mix(Family(attention_bias=STATED), Mixture(sparse=listed_sparse))

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


PRIVATE_LABELS = 33
"""Labels of the privacy filter where its config states none: four of each of eight kinds, none."""


@family("openai_privacy_filter")
def privacy_filter(fields: Fields) -> Network:
    """OpenAI's privacy filter: gpt-oss whose tokens see those near them on both sides."""
    named: dict[str, Any] = {"architectures": [class_name(fields) or "OpenAIPrivacyFilterModel"]}
    if not (fields.states("num_labels") or fields.states("id2label")):
        named["num_labels"] = PRIVATE_LABELS
    row = replace(ROWS["gpt_oss"], windows=sliding(128, listed=False))
    model = decoder(row, fields.with_values(named))
    stack = replace(model.stack, causal=False)
    return network(replace(fields, notes=model.warnings), stack.run)
