"""Language models that mix recurrent and attention layers.

Mamba with attention: Bamba, Granite 4 (granitemoehybrid), Falcon-H1, Jamba, Nemotron-H. Delta
rules: Qwen3-Next, Qwen3.5. Gated convolutions: LFM2, LFM3. Layers without some parts: NVIDIA's
searched models (nemotron-nas).
"""

from dataclasses import replace
from typing import Any

from estimator.core.messages import refuse
from estimator.networks.blocks import Attention, Costs, Experts, Mlp, linear, params_only
from estimator.networks.convolution import ratio
from estimator.networks.families.decoder import (
    Family,
    head_norm,
    per_channel,
    per_head,
)
from estimator.networks.families.hybrid_stack import (
    PLAIN,
    attending,
    attention_layers,
    attention_mixer,
    equal_layers,
    gated_mlp,
    hybrid,
    language_model,
    stacked,
    with_costs,
)
from estimator.networks.families.mixers import (
    delta_mixer,
    depthwise,
    expanded,
    mamba2_mixer,
    mamba_mixer,
)
from estimator.networks.families.moe_decoders import (
    ALIKE,
    EXPERTS,
    GRANITE_SHARED,
    QWEN_MIXTURE,
    Mixture,
    every_step,
    experts,
    routed,
    shared_width,
)
from estimator.networks.fields import Fields
from estimator.networks.layers import Layers
from estimator.networks.network import Network
from estimator.networks.registry import families, family


def _bamba_mixers(fields: Fields) -> tuple[Layers, Layers]:
    """Build IBM's Mamba-2 mixer and attention."""
    inner = fields.size_or_none("mamba_d_ssm") or expanded(fields)
    heads, normed = fields.size("mamba_n_heads"), fields.flag("mamba_rms_norm", default=True)
    return mamba2_mixer(fields, inner, heads, normed), attention_mixer(PLAIN, fields)


@family("bamba")
def bamba(fields: Fields) -> Network:
    """Build Bamba: Mamba-2 with some attention layers, and an MLP in each."""
    mlp = gated_mlp(fields, fields.flag("mlp_bias"))
    chosen = fields.items("attn_layer_indices") or []
    attends = [at in chosen for at in range(fields.layers("num_hidden_layers"))]
    return attending(fields, attends, _bamba_mixers(fields), mlp)


@family("granitemoehybrid")
def granite(fields: Fields) -> Network:
    """Build Granite 4: Mamba-2 or attention, then a shared MLP plus routed experts, if any."""
    width = shared_width("shared_intermediate_size")
    shared = Mlp(fields.size("hidden_size"), width(fields, 0), gated=True)
    block: Costs = shared.costs()
    if fields.size_or_none(*EXPERTS, least=0):
        block = experts(GRANITE_SHARED, fields).costs()
    attends = attention_layers(fields, lambda at: False, "layer_types", "layers_block_type")
    return attending(fields, attends, _bamba_mixers(fields), block)


@family("falcon_h1")
def falcon_h1(fields: Fields) -> Network:
    """Build Falcon-H1: attention and Mamba-2 side by side in every layer (arXiv:2507.22448)."""
    hidden = fields.size("hidden_size")
    if fields.values.get("mamba_d_ssm", 0) == 0:
        fields = fields.with_values({"mamba_d_ssm": 1024})
    scans, attends = _bamba_mixers(fields)
    bias = fields.flag("projectors_bias")
    out = {"mixer/out": linear(fields.size("mamba_d_ssm"), hidden, bias)}
    both = {**scans.costs, **out, **attends.costs}
    layer = replace(scans, costs=both, cache_values=attends.cache_values)
    layer = with_costs(fields, layer, gated_mlp(fields, fields.flag("mlp_bias")))
    return equal_layers(fields, layer)


@family("jamba")
def jamba(fields: Fields) -> Network:
    """Build Jamba: Mamba with some layers of attention and of experts (arXiv:2403.19887)."""
    scan = mamba_mixer(fields, expanded(fields), normed=True)
    sparse = experts(ALIKE, fields)
    dense = sparse.expert.costs()
    blocks = (dense, sparse.costs() if sparse.experts > 1 else dense)
    period, expert_period = fields.size("attn_layer_period"), fields.size("expert_layer_period")
    offset = fields.size("attn_layer_offset", least=0)
    expert_offset = fields.size("expert_layer_offset", least=0)
    kinds = (
        (at % period == offset, at % expert_period == expert_offset)
        for at in range(fields.layers("num_hidden_layers"))
    )
    return hybrid(fields, kinds, (scan, attention_mixer(Family(), fields)), blocks)


@family("lfm2")
def lfm2(fields: Fields) -> Network:
    """Build LFM2: short gated convolutions with some layers of attention."""
    width = fields.size("intermediate_size", "block_ff_dim")
    if fields.flag("block_auto_adjust_ff_dim", default=True):
        step = fields.size("block_multiple_of", default=256)
        factor = ratio(fields, "block_ffn_dim_multiplier", 1.0)
        width = -(-int(factor * (2 * width // 3)) // step) * step
    mlp = Mlp(fields.size("hidden_size"), width, gated=True).costs()
    return _convolving(fields, (mlp, {}), fields.layers("num_hidden_layers"))


@family("lfm2_moe")
def lfm2_moe(fields: Fields) -> Network:
    """Build LFM2 with experts in all but the first layers."""
    blocks = (gated_mlp(fields), experts(Mixture(), fields).costs())
    return _convolving(fields, blocks, fields.size("num_dense_layers", least=0))


@family("lfm3")
def lfm3(fields: Fields) -> Network:
    """Build LFM3: LFM2 with a gate per head, post-norms, and windows."""
    gate = per_head if fields.flag("use_attention_gate", default=True) else None
    family = replace(PLAIN, qk_norm=head_norm, gate=gate)
    layers = range(fields.layers("num_hidden_layers"))
    usual = [
        "full_attention" if at % 4 == 2 else "conv" if at % 4 or not at else "sliding"
        for at in layers
    ]
    kinds = fields.items("layer_types", len(layers)) or usual
    far = attention_mixer(family, fields)
    near = attention_mixer(family, fields, fields.size_or_none("sliding_window"))
    mixers = {"conv": _short_convolution(fields), "full_attention": far}
    norms = 4 if fields.flag("use_sandwich_norm", default=True) else 2
    mlp = gated_mlp(fields)
    made = {kind: with_costs(fields, mixers.get(str(kind), near), mlp, norms) for kind in kinds}
    return stacked(fields, kinds, made)


def _short_convolution(fields: Fields) -> Layers:
    """Return a gated convolution over a few tokens."""
    hidden, bias = fields.size("hidden_size"), fields.flag("conv_bias")
    kernel = fields.size("conv_L_cache", default=3)
    return Layers(
        costs={
            "mixer/in": linear(hidden, 3 * hidden, bias),
            "mixer/convolution": depthwise(hidden, kernel, bias),
            "mixer/out": linear(hidden, hidden, bias),
        },
        state_values=hidden * kernel,
    )


def _convolving(fields: Fields, blocks: tuple[Costs, Costs], dense: int) -> Network:
    """Build the LFM2 stack, with the first block in the first `dense` layers."""
    tied = fields.flag("tie_embedding", default=fields.flag("tie_word_embeddings"))
    fields = fields.with_values({"tie_word_embeddings": tied})
    chosen = fields.items("full_attn_idxs")
    listed = attention_layers(fields, lambda at: chosen is None or at in chosen, "layer_types")
    kinds = ((attends, at >= dense) for at, attends in enumerate(listed))
    mixers = (_short_convolution(fields), attention_mixer(Family(qk_norm=head_norm), fields))
    return hybrid(fields, kinds, mixers, blocks)


def _every_fourth(fields: Fields) -> list[bool]:
    """Place attention as listed, by default in the last of every four layers."""
    period = fields.size("full_attention_interval", default=4)
    return attention_layers(fields, lambda at: (at + 1) % period == 0, "layer_types")


def gated_delta(mixture: Mixture | None, fields: Fields) -> Network:
    """Build Qwen3-Next, Qwen3.5: gated delta rule, gated attention in every fourth layer."""
    layers = range(fields.layers("num_hidden_layers"))
    sparse = [mixture is not None and every_step(fields, at) for at in layers]
    dense: Costs = {} if all(sparse) else gated_mlp(fields)
    routed: Costs = {} if mixture is None else experts(mixture, fields).costs()
    attends = attention_mixer(replace(PLAIN, qk_norm=head_norm, gate=per_channel), fields)
    kinds = zip(_every_fourth(fields), sparse, strict=True)
    return hybrid(fields, kinds, (delta_mixer(fields), attends), (dense, routed))


families(
    gated_delta,
    {"qwen3_next": QWEN_MIXTURE, "qwen3_5_text": None, "qwen3_5_moe_text": QWEN_MIXTURE},
)


NEMOTRON_LETTERS = {"M": "mamba", "E": "moe", "*": "attention", "-": "mlp"}


NEMOTRON_NAMES = {"full_attention": "attention", "linear_attention": "mamba"}


@family("nemotron_h")
def nemotron_h(fields: Fields) -> Network:
    """Build Nemotron-H: each layer is Mamba-2, attention, MLP or experts (arXiv:2504.03624)."""
    hidden = fields.size("hidden_size")
    heads = fields.size("mamba_num_heads")
    inner, width = heads * fields.size("mamba_head_dim"), fields.size("intermediate_size")
    mlp = Mlp(hidden, width, bias=fields.flag("mlp_bias"))
    kinds = fields.items("layers_block_type") or fields.items("layer_types")
    if not kinds:
        pattern = fields.text("hybrid_override_pattern")
        if not pattern:
            raise refuse("config_key_missing", key=fields.full_name("hybrid_override_pattern"))
        if set(pattern) - set(NEMOTRON_LETTERS):
            raise fields.uncounted("hybrid_override_pattern", pattern, *NEMOTRON_LETTERS)
        kinds = [NEMOTRON_LETTERS[letter] for letter in pattern]
    parts: dict[str, tuple[Layers, Costs]] = {
        "mlp": (Layers(), mlp.costs()),
        "attention": (attention_mixer(PLAIN, fields), {}),
        "mamba": (mamba2_mixer(fields, inner, heads), {}),
    }
    if "moe" in kinds:
        parts["moe"] = (Layers(), _nemotron_experts(fields, hidden))
    made = {kind: with_costs(fields, *part, norms=1) for kind, part in parts.items()}
    named = [NEMOTRON_NAMES.get(str(kind), str(kind)) for kind in kinds]
    if strange := sorted({*named} - {*made}):
        raise fields.uncounted("layers_block_type", strange[0], *NEMOTRON_LETTERS.values())
    return stacked(fields, named, made)


def _nemotron_experts(fields: Fields, hidden: int) -> Costs:
    """Return ungated experts, in a narrower space of `moe_latent_size` if set."""
    count, narrow = fields.size("n_routed_experts"), fields.size_or_none("moe_latent_size")
    width = fields.size("moe_intermediate_size")
    shared = fields.size("moe_shared_expert_intermediate_size")
    costs = Experts(
        expert=Mlp(narrow or hidden, width),
        experts=count,
        active=routed(fields, "num_experts_per_tok", ("n_routed_experts",), count),
        shared=Mlp(hidden, shared),
    ).costs()
    bridges: Costs = {}
    if narrow is not None:
        bridges = {"moe/narrow": linear(hidden, narrow), "moe/widen": linear(narrow, hidden)}
    return {**costs, "moe/router": linear(hidden, count), **bridges}


MULTIPLE = 256
"""Multiple to which MLP widths are rounded up [1]."""


@family("nemotron-nas")
def nemotron_nas(fields: Fields) -> Network:
    """Build NVIDIA's searched models: Llama layers without some parts (arXiv:2411.19146, sec. 2).

    `block_configs` states each layer's queries per key and MLP width; either part may be missing.
    """
    blocks = fields.items("block_configs", fields.layers("num_hidden_layers"))
    if blocks is None:
        raise refuse("config_key_missing", key=fields.full_name("block_configs"))
    named = ((f"block_configs[{at}]", block) for at, block in enumerate(blocks))
    layers = (_searched_layer(fields, Fields({name: block}).part(name)) for name, block in named)
    return language_model(fields, layers, fields.size("max_position_embeddings", default=131072))


def _searched_layer(fields: Fields, block: Fields) -> Layers:
    """Return one layer, each part with its norm."""
    hidden = fields.size("hidden_size")
    attention, mlp = block.part("attention"), block.part("ffn")
    costs: dict[str, Any] = {"norm/layers": params_only(hidden * (_keeps(attention) + _keeps(mlp)))}
    kept = 0
    if attention.flag("replace_with_linear"):
        costs["attention/linear"] = linear(hidden, hidden)
    elif _keeps(attention):
        heads = fields.size("num_attention_heads")
        shared = attention.size("n_heads_in_group")
        part = Attention(
            hidden=hidden,
            heads=heads,
            kv_heads=attention.share("num_attention_heads", heads, "n_heads_in_group", shared),
            head_dim=fields.share("hidden_size", hidden, "num_attention_heads", heads),
        )
        costs |= part.costs()
        kept = part.cache_values_per_token
    if mlp.flag("replace_with_linear"):
        costs["mlp/linear"] = linear(hidden, hidden)
    elif _keeps(mlp):
        costs |= _searched_mlp(hidden, ratio(mlp, "ffn_mult", 0.0))
    return Layers(costs=costs, cache_values=kept)


def _keeps(part: Fields) -> bool:
    return not part.flag("no_op")


def _searched_mlp(hidden: int, multiplier: float) -> Costs:
    """Return the gated MLP with two thirds of the multiplied width, rounded up."""
    width = int(2 * multiplier * hidden / 3)
    return Mlp(hidden, -(-width // MULTIPLE) * MULTIPLE, gated=True).costs()
