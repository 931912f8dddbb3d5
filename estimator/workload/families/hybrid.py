"""Which language model that mixes attention with Mamba layers a config describes.

Bamba, Granite 4, Falcon-H1, Jamba and Nemotron-H.
"""

from dataclasses import replace

from estimator.workload.blocks import Costs, Experts, Mlp, linear
from estimator.workload.convolution import ratio
from estimator.workload.families.decoder import Family
from estimator.workload.families.hybrid_stack import (
    PLAIN,
    attending,
    attention_mixer,
    equal_layers,
    gated_mlp,
    hybrid,
    layer_kinds,
    stacked,
    with_costs,
)
from estimator.workload.families.mixers import mamba2_mixer, mamba_mixer
from estimator.workload.families.moe_decoders import (
    ALIKE,
    EXPERTS,
    GRANITE_SHARED,
    experts,
    routed,
    shared_width,
)
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers
from estimator.workload.network import Network
from estimator.workload.registry import family


def _bamba_mixer(fields: Fields) -> Layers:
    """Mamba-2 of IBM's models."""
    hidden = fields.size("hidden_size")
    inner = fields.size_or_none("mamba_d_ssm") or int(ratio(fields, "mamba_expand", 2) * hidden)
    heads, normed = fields.size("mamba_n_heads"), fields.flag("mamba_rms_norm", default=True)
    return mamba2_mixer(fields, inner, heads, normed)


@family("bamba")
def bamba(fields: Fields) -> Network:
    """Bamba: Mamba-2 with some layers of attention, an MLP in each."""
    mlp = gated_mlp(fields, fields.flag("mlp_bias"))
    chosen = fields.items("attn_layer_indices") or []
    layers = range(fields.layers("num_hidden_layers"))
    kinds = ["attention" if at in chosen else "mamba" for at in layers]
    return attending(fields, PLAIN, kinds, _bamba_mixer(fields), mlp)


@family("granitemoehybrid")
def granite(fields: Fields) -> Network:
    """Granite 4: Mamba-2 or attention, then a shared MLP beside routed experts, if any."""
    width = shared_width("shared_intermediate_size")
    shared = Mlp(hidden=fields.size("hidden_size"), width=width(fields, 0), gated=True)
    block: Costs = shared.costs()
    if fields.size_or_none(*EXPERTS, least=0):
        block = experts(GRANITE_SHARED, fields).costs()
    layers = fields.layers("num_hidden_layers")
    kinds = layer_kinds(fields, ["mamba"] * layers, "layer_types", "layers_block_type")
    return attending(fields, PLAIN, kinds, _bamba_mixer(fields), block)


@family("falcon_h1")
def falcon_h1(fields: Fields) -> Network:
    """Falcon-H1: attention and Mamba-2 side by side in every layer (arXiv:2507.22448, sec. 2)."""
    hidden = fields.size("hidden_size")
    if fields.values.get("mamba_d_ssm", 0) == 0:
        fields = fields.with_values({"mamba_d_ssm": 1024})
    attends, scans = attention_mixer(PLAIN, fields), _bamba_mixer(fields)
    bias = fields.flag("projectors_bias")
    out = {"mixer/out": linear(fields.size("mamba_d_ssm"), hidden, bias)}
    both = {**scans.costs, **out, **attends.costs}
    layer = replace(scans, costs=both, cache_values=attends.cache_values)
    layer = with_costs(fields, layer, gated_mlp(fields, fields.flag("mlp_bias")))
    return equal_layers(fields, layer)


@family("jamba")
def jamba(fields: Fields) -> Network:
    """Jamba: Mamba with some layers of attention and of experts (arXiv:2403.19887, sec. 2)."""
    inner = int(ratio(fields, "mamba_expand", 2) * fields.size("hidden_size"))
    scan = mamba_mixer(fields, inner, normed=True)
    sparse = experts(ALIKE, fields)
    dense = sparse.expert.costs()
    blocks = (dense, sparse.costs() if sparse.experts > 1 else dense)
    period, expert_period = fields.size("attn_layer_period"), fields.size("expert_layer_period")
    offset = fields.size("attn_layer_offset", least=0)
    expert_offset = fields.size("expert_layer_offset", least=0)
    kinds = (
        ("attention" if at % period == offset else "mamba", at % expert_period == expert_offset)
        for at in range(fields.layers("num_hidden_layers"))
    )
    return hybrid(fields, kinds, (scan, attention_mixer(Family(), fields)), blocks)


NEMOTRON_LETTERS = {"M": "mamba", "E": "moe", "*": "attention", "-": "mlp"}
NEMOTRON_NAMES = {"full_attention": "attention", "linear_attention": "mamba"}


@family("nemotron_h")
def nemotron_h(fields: Fields) -> Network:
    """Nemotron-H: each layer is one of Mamba-2, attention, MLP, experts (arXiv:2504.03624)."""
    hidden = fields.size("hidden_size")
    heads = fields.size("mamba_num_heads")
    inner, width = heads * fields.size("mamba_head_dim"), fields.size("intermediate_size")
    mlp = Mlp(hidden=hidden, width=width, bias=fields.flag("mlp_bias"))
    kinds = fields.items("layers_block_type") or fields.items("layer_types")
    if not kinds:
        pattern = fields.text("hybrid_override_pattern")
        if not pattern:
            raise ValueError("hybrid_override_pattern is missing from the config")
        if set(pattern) - set(NEMOTRON_LETTERS):
            raise ValueError(f"hybrid_override_pattern must hold only M, E, * and -: {pattern!r}")
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
        known = ", ".join(NEMOTRON_LETTERS.values())
        raise ValueError(f"layers_block_type must hold only {known}, got {strange[0]!r}")
    return stacked(fields, named, made)


def _nemotron_experts(fields: Fields, hidden: int) -> Costs:
    """Experts without gates, in a narrower space of `moe_latent_size` if stated."""
    count, narrow = fields.size("n_routed_experts"), fields.size_or_none("moe_latent_size")
    width = fields.size("moe_intermediate_size")
    shared = fields.size("moe_shared_expert_intermediate_size")
    costs = Experts(
        expert=Mlp(hidden=narrow or hidden, width=width),
        experts=count,
        active=routed(fields, "num_experts_per_tok", ("n_routed_experts",), count),
        shared=Mlp(hidden=hidden, width=shared),
    ).costs()
    bridges: Costs = {}
    if narrow is not None:
        bridges = {"moe/narrow": linear(hidden, narrow), "moe/widen": linear(narrow, hidden)}
    return {**costs, "moe/router": linear(hidden, count), **bridges}
