"""Language models that mix recurrent and attention layers.

Mamba beside attention: Bamba, Granite 4 (granitemoehybrid), Falcon-H1, Jamba, Zamba, Nemotron-H.
Delta rules: Qwen3-Next, Qwen3.5, OLMo hybrid, Kimi Linear, Ling (Bailing) hybrid. Lightning
attention: MiniMax. Gated recurrences and convolutions: RecurrentGemma, LFM2, LFM3. Layers that lack
parts: NVIDIA's searched models (nemotron-nas).
"""

from dataclasses import replace
from typing import Any

from estimator.core.messages import refuse
from estimator.networks.blocks import Attention, Cost, Costs, Experts, Mlp, affine, held, linear
from estimator.networks.convolution import ratio
from estimator.networks.families.decoder import (
    Family,
    head_norm,
    latent_attention,
    per_channel,
    per_head,
    width_norm,
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
    latent_mixer,
    stacked,
    with_costs,
)
from estimator.networks.families.mixers import (
    delta_mixer,
    depthwise,
    expanded,
    in_chunks,
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
    listed_sparse,
    routed,
    shared_experts,
    shared_width,
)
from estimator.networks.fields import Fields
from estimator.networks.layers import Layers
from estimator.networks.network import Network
from estimator.networks.registry import families, family


def _bamba_mixers(fields: Fields) -> tuple[Layers, Layers]:
    """Mamba-2 of IBM's models, and attention."""
    inner = fields.size_or_none("mamba_d_ssm") or expanded(fields)
    heads, normed = fields.size("mamba_n_heads"), fields.flag("mamba_rms_norm", default=True)
    return mamba2_mixer(fields, inner, heads, normed), attention_mixer(PLAIN, fields)


@family("bamba")
def bamba(fields: Fields) -> Network:
    """Bamba: Mamba-2 with some layers of attention, an MLP in each."""
    mlp = gated_mlp(fields, fields.flag("mlp_bias"))
    chosen = fields.items("attn_layer_indices") or []
    attends = [at in chosen for at in range(fields.layers("num_hidden_layers"))]
    return attending(fields, attends, _bamba_mixers(fields), mlp)


@family("granitemoehybrid")
def granite(fields: Fields) -> Network:
    """Granite 4: Mamba-2 or attention, then a shared MLP beside routed experts, if any."""
    width = shared_width("shared_intermediate_size")
    shared = Mlp(fields.size("hidden_size"), width(fields, 0), gated=True)
    block: Costs = shared.costs()
    if fields.size_or_none(*EXPERTS, least=0):
        block = experts(GRANITE_SHARED, fields).costs()
    attends = attention_layers(fields, lambda at: False, "layer_types", "layers_block_type")
    return attending(fields, attends, _bamba_mixers(fields), block)


@family("falcon_h1")
def falcon_h1(fields: Fields) -> Network:
    """Falcon-H1: attention and Mamba-2 side by side in every layer (arXiv:2507.22448, sec. 2)."""
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
    """Jamba: Mamba with some layers of attention and of experts (arXiv:2403.19887, sec. 2)."""
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
    """LFM2: short gated convolutions with some layers of attention."""
    width = fields.size("intermediate_size", "block_ff_dim")
    if fields.flag("block_auto_adjust_ff_dim", default=True):
        step = fields.size("block_multiple_of", default=256)
        factor = ratio(fields, "block_ffn_dim_multiplier", 1.0)
        width = -(-int(factor * (2 * width // 3)) // step) * step
    mlp = Mlp(fields.size("hidden_size"), width, gated=True).costs()
    return _convolving(fields, (mlp, {}), fields.layers("num_hidden_layers"))


@family("lfm2_moe")
def lfm2_moe(fields: Fields) -> Network:
    """LFM2 with experts in all but the first layers."""
    blocks = (gated_mlp(fields), experts(Mixture(), fields).costs())
    return _convolving(fields, blocks, fields.size("num_dense_layers", least=0))


@family("lfm3")
def lfm3(fields: Fields) -> Network:
    """LFM3: LFM2 with a gate for each head, norms behind too, and windows."""
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
    """A gated convolution of a few tokens."""
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
    """The stack of LFM2, with the first block in the first `dense` layers."""
    tied = fields.flag("tie_embedding", default=fields.flag("tie_word_embeddings"))
    fields = fields.with_values({"tie_word_embeddings": tied})
    chosen = fields.items("full_attn_idxs")
    listed = attention_layers(fields, lambda at: chosen is None or at in chosen, "layer_types")
    kinds = ((attends, at >= dense) for at, attends in enumerate(listed))
    mixers = (_short_convolution(fields), attention_mixer(Family(qk_norm=head_norm), fields))
    return hybrid(fields, kinds, mixers, blocks)


def _every_fourth(fields: Fields) -> list[bool]:
    """Attention as listed, else in the last of every four layers."""
    period = fields.size("full_attention_interval", default=4)
    return attention_layers(fields, lambda at: (at + 1) % period == 0, "layer_types")


def gated_delta(mixture: Mixture | None, fields: Fields) -> Network:
    """Qwen3-Next, Qwen3.5: gated delta rule, and gated attention in every fourth layer."""
    layers = range(fields.layers("num_hidden_layers"))
    sparse = [mixture is not None and every_step(fields, at) for at in layers]
    dense: Costs = {} if all(sparse) else gated_mlp(fields)
    routed: Costs = {} if mixture is None else experts(mixture, fields).costs()
    attends = attention_mixer(replace(PLAIN, qk_norm=head_norm, gate=per_channel), fields)
    kinds = zip(_every_fourth(fields), sparse, strict=True)
    return hybrid(fields, kinds, (delta_mixer(fields), attends), (dense, routed))


@family("olmo_hybrid")
def olmo_hybrid(fields: Fields) -> Network:
    """OLMo hybrid: gated delta rule, and attention with wide norms in every fourth layer."""
    family = replace(PLAIN, qk_norm=width_norm)
    heads = fields.size("num_attention_heads")
    usual = int(0.75 * fields.size("hidden_size") / heads)
    head_dim = fields.size_or_none("linear_key_head_dim") or usual
    delta = delta_mixer(fields, heads, (head_dim, 2 * head_dim))
    mixers = (delta, attention_mixer(family, fields))
    return attending(fields, _every_fourth(fields), mixers, gated_mlp(fields))


families(
    gated_delta,
    {"qwen3_next": QWEN_MIXTURE, "qwen3_5_text": None, "qwen3_5_moe_text": QWEN_MIXTURE},
)


@family("kimi_linear")
def kimi_linear(fields: Fields) -> Network:
    """Kimi Linear: a delta rule with a gate per channel, latent attention in every fourth layer.

    Scores inside a chunk are taken channel by channel (arXiv:2510.26692, sec. 3), as no matrix
    product, and not counted.
    """
    fields = _kimi_spelling(fields)
    mixed = experts(Mixture(shared=shared_experts()), fields)
    blocks = (gated_mlp(fields), _narrowed(fields, mixed))
    latent = latent_attention(fields)
    if fields.flag("mla_use_output_gate"):
        latent = replace(latent, gate=latent.heads * latent.value_dim)
    mixers = (_kimi_delta(fields), latent_mixer(latent))
    listed = attention_layers(fields, lambda at: at > 0 and at % 4 == 0, "layer_types")
    kinds = ((attends, listed_sparse(fields, at)) for at, attends in enumerate(listed))
    return hybrid(fields, kinds, mixers, blocks)


@family("bailing_hybrid")
def ling(fields: Fields) -> Network:
    """Ling 3: Kimi's delta rule with full gates, gated latent attention in every sixth layer."""
    heads = fields.size("num_attention_heads")
    usual = {
        "linear_num_heads": heads,
        "linear_head_dim": fields.size("head_dim"),
        "linear_conv_kernel_dim": fields.size("short_conv_kernel_size"),
    }
    stated = {"use_full_rank_gate": True, "tie_word_embeddings": False}
    fields = _kimi_spelling(fields).with_values(stated).with_defaults(usual)
    delta = _kimi_delta(fields)
    delta = replace(delta, costs={**delta.costs, "mixer/forget": delta.costs["mixer/gate"]})
    latent = latent_attention(fields.with_values({"q_lora_rank": None}))
    mixers = (delta, latent_mixer(replace(latent, gate=heads)))
    blocks = (gated_mlp(fields), experts(Mixture(shared=shared_experts()), fields).costs())
    period = fields.size("layer_group_size")
    listed = attention_layers(fields, lambda at: (at + 1) % period == 0, "layer_types")
    kinds = ((attends, listed_sparse(fields, at)) for at, attends in enumerate(listed))
    return hybrid(fields, kinds, mixers, blocks)


def _narrowed(fields: Fields, mixed: Experts) -> Costs:
    """Experts on states projected to a narrower width and back, where Kimi K3 states one."""
    narrow = fields.size_or_none("routed_expert_hidden_size")
    if narrow is None:
        return mixed.costs()
    hidden = fields.size("hidden_size")
    inner = replace(mixed, expert=replace(mixed.expert, hidden=narrow), shared_gate=False)
    return {
        **inner.costs(),
        "moe/router": linear(hidden, mixed.experts),
        "moe/narrow": linear(hidden, narrow),
        "moe/widen": linear(narrow, hidden),
        "norm/moe": held(narrow * fields.flag("latent_moe_use_norm")),
    }


def _kimi_spelling(fields: Fields) -> Fields:
    """The keys of its authors under those of transformers; they count layers from one."""
    part = fields.part("linear_attn_config")
    renamed = fields.renamed(
        {
            "num_experts_per_tok": (fields, "num_experts_per_token"),
            "n_shared_experts": (fields, "num_shared_experts"),
            "max_position_embeddings": (fields, "model_max_length"),
            "linear_head_dim": (part, "head_dim"),
            "linear_num_heads": (part, "num_heads"),
            "linear_conv_kernel_dim": (part, "short_conv_kernel_size"),
            "use_full_rank_gate": (part, "use_full_rank_gate"),
        }
    )
    full = part.items("full_attn_layers")
    if full is None or fields.states("layer_types"):
        return renamed
    layers = range(1, 1 + fields.layers("num_hidden_layers"))
    kinds = ["full_attention" if at in full else "linear_attention" for at in layers]
    return renamed.with_values({"layer_types": kinds})


def _kimi_delta(fields: Fields) -> Layers:
    """Kimi's delta attention: the delta rule with low-rank gates and a decay per channel."""
    hidden, heads = fields.size("hidden_size"), fields.size("linear_num_heads")
    head_dim = fields.size("linear_head_dim")
    width = heads * head_dim
    gate = linear(hidden, head_dim) + linear(head_dim, width)
    whole = linear(hidden, width) if fields.flag("use_full_rank_gate") else gate
    own = {
        "mixer/in": linear(hidden, 3 * width),
        "mixer/gates": Cost(),
        "mixer/beta": linear(hidden, heads),
        "mixer/forget": gate,
        "mixer/gate": whole,
        "mixer/state": held(width + heads),
    }
    delta = delta_mixer(fields, heads, (head_dim, head_dim))
    return replace(delta, costs={**delta.costs, **own})


@family("minimax")
def minimax(fields: Fields) -> Network:
    """MiniMax-Text-01 and M1: lightning attention, softmax in some layers (arXiv:2501.08313)."""
    block = experts(Mixture(width_key="intermediate_size"), fields).costs()
    numbered = fields.items("attn_type_list")
    if numbered is not None and not fields.states("layer_types"):
        attends = [bool(kind) for kind in numbered]  # 0 linear, 1 full
    else:
        attends = attention_layers(fields, lambda at: at % 2 == 0, "layer_types")
    mixers = (_lightning(fields), attention_mixer(Family(), fields))
    return attending(fields, attends, mixers, block)


def _lightning(fields: Fields) -> Layers:
    """Linear attention: all pairs of a block, a state of keys by values between blocks."""
    hidden, heads = fields.size("hidden_size"), fields.size("num_attention_heads")
    head_dim = fields.size_or_none("head_dim")
    head_dim = head_dim or fields.share("hidden_size", hidden, "num_attention_heads", heads)
    width, block = heads * head_dim, fields.size("block_size", default=256)
    return Layers(
        costs={
            "mixer/in": linear(hidden, 3 * width),
            "mixer/gate": linear(hidden, width),
            "mixer/out": linear(width, hidden),
            "mixer/norm": held(width),
            "mixer/state": Cost(flop_per_token=4 * width * head_dim),
            "mixer/block": Cost(flop_per_pair=4 * width),
        },
        near=in_chunks(block),
        state_values=width * head_dim,
    )


@family("recurrent_gemma")
def recurrent_gemma(fields: Fields) -> Network:
    """RecurrentGemma: gated linear recurrences and local attention (arXiv:2402.19427, sec. 2)."""
    hidden, heads = fields.size("hidden_size"), fields.size("num_attention_heads")
    inner = fields.size_or_none("lru_width") or hidden
    kernel = fields.size("conv1d_width", default=4)
    gate = affine(inner // heads, inner)
    recurrent = Layers(
        costs={
            "mixer/in": affine(hidden, 2 * inner),
            "mixer/convolution": depthwise(inner, kernel, True),
            "mixer/input_gate": gate,
            "mixer/recurrent_gate": gate,
            "mixer/state": held(inner),
            "mixer/out": affine(inner, hidden),
        },
        state_values=inner * kernel,
    )
    family = replace(PLAIN, output_bias=True)
    width = fields.size("intermediate_size") // 2
    mlp = Mlp(hidden, width, gated=True, bias=True).costs()
    attention = attention_mixer(family, fields, fields.size("attention_window_size"))
    stated = fields.items("block_types") or fields.items("_block_types")
    cycle = stated or ["recurrent", "recurrent", "attention"]
    layers = range(fields.layers("num_hidden_layers"))
    attends = (cycle[at % len(cycle)] == "attention" for at in layers)
    return attending(fields, attends, (recurrent, attention), mlp)


NEMOTRON_LETTERS = {"M": "mamba", "E": "moe", "*": "attention", "-": "mlp"}


NEMOTRON_NAMES = {"full_attention": "attention", "linear_attention": "mamba"}


@family("nemotron_h")
def nemotron_h(fields: Fields) -> Network:
    """Nemotron-H: each layer is one of Mamba-2, attention, MLP, experts (arXiv:2504.03624)."""
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
    """Experts without gates, in a narrower space of `moe_latent_size` if stated."""
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


def _shared_block(fields: Fields, bias: bool) -> Layers:
    """The shared block: attention on the states beside the first embedding, then an MLP."""
    hidden = fields.size("hidden_size")
    wide = fields.size_or_none("attention_hidden_size") or 2 * hidden
    heads = fields.size("num_attention_heads")
    attention = Attention(
        hidden=wide,
        heads=heads,
        kv_heads=fields.size_or_none("num_key_value_heads") or heads,
        head_dim=fields.size_or_none("attention_head_dim")
        or fields.share("2 * hidden_size", 2 * hidden, "num_attention_heads", heads),
    )
    width = fields.size_or_none("intermediate_size") or 4 * hidden
    out = linear(heads * attention.head_dim, hidden)
    return Layers(
        costs={
            **attention.costs(),
            "attention/output": out,
            **Mlp(hidden, width, gated=True, bias=bias).costs(),
            "norm/shared": held(wide + hidden),
        },
        cache_values=attention.cache_values_per_token,
    )


def _sharing(
    fields: Fields, scan: Layers, shared: tuple[Layers, int], own: Costs, usual: list[str]
) -> Network:
    """Scans in every layer; in the hybrid ones a shared block and what belongs to them alone."""
    hidden = fields.size("hidden_size")
    listed = fields.items("layers_block_type")
    kinds = usual if listed is None else [str(kind) for kind in listed]
    shares = kinds.count("hybrid")
    stack = [replace(with_costs(fields, scan, {}, norms=1), times=len(kinds))]
    if shares:
        block, blocks = shared
        stack.append(replace(block, times=blocks, reuse=shares / blocks))
        bridge = {"hybrid/bridge": linear(hidden, hidden), **own}
        stack.append(Layers(costs=bridge, times=shares))
    return language_model(fields, stack, fields.size("max_position_embeddings"))


@family("zamba")
def zamba(fields: Fields) -> Network:
    """Zamba: Mamba layers and one shared attention block (arXiv:2405.16712, sec. 2)."""
    scan = mamba_mixer(fields, expanded(fields), fields.size("n_mamba_heads", default=2))
    period = fields.size("attn_layer_period", default=6)
    offset = fields.size("attn_layer_offset", default=4, least=0)
    layers = fields.layers("num_hidden_layers", default=76)
    later = ["hybrid" if at % period == offset else "mamba" for at in range(layers - 3)]
    usual = ["mamba", "mamba", "hybrid", *later]
    return _sharing(fields, scan, (_shared_block(fields, False), 1), {}, usual)


@family("zamba2")
def zamba2(fields: Fields) -> Network:
    """Zamba2: Mamba-2 layers, shared blocks with adapters of their own (arXiv:2411.15242)."""
    hidden = fields.size("hidden_size")
    bias = fields.flag("add_bias_linear")
    scan = mamba2_mixer(fields, expanded(fields), fields.size("n_mamba_heads", default=8))
    rank = fields.size("adapter_rank", default=128)
    width = fields.size_or_none("intermediate_size") or 4 * hidden
    adapters: Costs = {
        "adapter/mlp_down": linear(hidden, rank),
        "adapter/mlp_up": linear(rank, 2 * width),
    }
    if fields.flag("use_shared_attention_adapter"):
        wide = fields.size_or_none("attention_hidden_size") or 2 * hidden
        adapters = {
            **adapters,
            "adapter/attention_down": linear(wide, 3 * rank),
            "adapter/attention_up": linear(rank, 3 * wide),
        }
    tail = ["mamba"] * 4 + ["hybrid"] + ["mamba"] * 3 + ["hybrid"] + ["mamba"] * 2
    usual = ["mamba"] + (["mamba"] * 5 + ["hybrid"]) * 7 + tail
    blocks = fields.size("num_mem_blocks", default=1)
    return _sharing(fields, scan, (_shared_block(fields, bias), blocks), adapters, usual)


MULTIPLE = 256
"""Multiple to which MLP widths are rounded up [1]."""


@family("nemotron-nas")
def nemotron_nas(fields: Fields) -> Network:
    """NVIDIA's searched models: Llama layers that lack parts (Puzzle, arXiv:2411.19146, sec. 2).

    `block_configs` states for every layer how many queries share a key, and how wide its MLP is; a
    part may be left out.
    """
    blocks = fields.items("block_configs", fields.layers("num_hidden_layers"))
    if blocks is None:
        raise refuse("config_key_missing", key=fields.full_name("block_configs"))
    named = ((f"block_configs[{at}]", block) for at, block in enumerate(blocks))
    layers = (_searched_layer(fields, Fields({name: block}).part(name)) for name, block in named)
    return language_model(fields, layers, fields.size("max_position_embeddings", default=131072))


def _searched_layer(fields: Fields, block: Fields) -> Layers:
    """One layer, each part with its norm."""
    hidden = fields.size("hidden_size")
    attention, mlp = block.part("attention"), block.part("ffn")
    costs: dict[str, Any] = {"norm/layers": held(hidden * (_keeps(attention) + _keeps(mlp)))}
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
    """A gated MLP, two thirds of whose width by the multiplier are rounded up."""
    width = int(2 * multiplier * hidden / 3)
    return Mlp(hidden, -(-width // MULTIPLE) * MULTIPLE, gated=True).costs()
