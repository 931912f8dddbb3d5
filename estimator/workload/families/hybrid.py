"""Which language model that mixes attention with Mamba layers a config describes."""

from dataclasses import replace

from estimator.workload.blocks import Costs, Experts, Mlp, linear
from estimator.workload.convolution import ratio
from estimator.workload.families.decoder import never
from estimator.workload.families.experts import EXPERTS, routed
from estimator.workload.families.hybrid_stack import (
    ATTENTION_KINDS,
    PLAIN,
    attention_mixer,
    gated_mlp,
    layer_kinds,
    stacked,
    with_costs,
)
from estimator.workload.families.mixers import Mamba, Mamba2, Mixer
from estimator.workload.fields import Fields
from estimator.workload.network import Network
from estimator.workload.registry import family


def _bamba_mixer(fields: Fields, groups: int = 1, state: int = 256) -> Mixer:
    """Mamba-2 under the keys of IBM's models."""
    hidden = fields.size("hidden_size")
    inner = fields.size_or_none("mamba_d_ssm") or int(ratio(fields, "mamba_expand", 2) * hidden)
    return Mamba2(
        hidden=hidden,
        inner=inner,
        heads=fields.size("mamba_n_heads", default=128),
        groups=fields.size("mamba_n_groups", default=groups),
        state=fields.size("mamba_d_state", default=state),
        kernel=fields.size("mamba_d_conv", default=4),
        chunk=fields.size("mamba_chunk_size", default=256),
        conv_bias=fields.flag("mamba_conv_bias", default=True),
        bias=fields.flag("mamba_proj_bias"),
        normed=fields.flag("mamba_rms_norm", default=True),
    ).mixer()


@family("bamba")
def bamba(fields: Fields) -> Network:
    """Bamba: Mamba-2 with some layers of attention, an MLP in each."""
    hidden = fields.size("hidden_size")
    mlp = gated_mlp(fields, 14336, fields.flag("mlp_bias"))
    family = replace(PLAIN, vocab=128000)
    attends = with_costs(attention_mixer(family, fields), mlp, 2, hidden)
    scans = with_costs(_bamba_mixer(fields), mlp, 2, hidden)
    chosen = fields.items("attn_layer_indices") or []
    layers = fields.layers("num_hidden_layers", default=32)
    return stacked(fields, family, (attends if at in chosen else scans for at in range(layers)))


@family("granitemoehybrid")
def granite(fields: Fields) -> Network:
    """Granite 4: Mamba-2 or attention, then a shared MLP beside routed experts, if any."""
    hidden = fields.size("hidden_size")
    count = fields.size_or_none(*EXPERTS, default=8, least=0) or 0
    width = fields.size("shared_intermediate_size", default=1024)
    shared = Mlp(hidden=hidden, width=width, gated=True)
    block: Costs = shared.costs()
    if count:
        block = Experts(
            expert=Mlp(
                hidden=hidden, width=fields.size("intermediate_size", default=11008), gated=True
            ),
            experts=count,
            active=routed(fields, ("num_experts_per_tok", 2), EXPERTS, count),
            shared=shared,
        ).costs()
    family = replace(PLAIN, positions=2048, kv_heads=None)
    attends = with_costs(attention_mixer(family, fields), block, 2, hidden)
    scans = with_costs(_bamba_mixer(fields), block, 2, hidden)
    layers = fields.layers("num_hidden_layers", default=32)
    kinds = layer_kinds(fields, "layer_types", "layers_block_type") or ["mamba"] * layers
    return stacked(
        fields, family, (attends if kind in ATTENTION_KINDS else scans for kind in kinds)
    )


@family("falcon_h1")
def falcon_h1(fields: Fields) -> Network:
    """Falcon-H1: attention and Mamba-2 side by side in every layer (arXiv:2507.22448, sec. 2)."""
    hidden = fields.size("hidden_size")
    fields = replace(fields, values={"mamba_rms_norm": False, **fields.values})
    if fields.values.get("mamba_d_ssm", 0) == 0:
        fields = replace(fields, values={**fields.values, "mamba_d_ssm": 1024})
    family = replace(PLAIN, vocab=128000, positions=8192)
    attends, scans = attention_mixer(family, fields), _bamba_mixer(fields)
    inner = fields.size("mamba_d_ssm")
    out = {"mixer/out": linear(inner, hidden, bias=fields.flag("projectors_bias"))}
    both = replace(
        scans, costs={**scans.costs, **out, **attends.costs}, cache_values=attends.cache_values
    )
    layer = with_costs(both, gated_mlp(fields, 14336, fields.flag("mlp_bias")), 2, hidden)
    return stacked(fields, family, [layer] * fields.layers("num_hidden_layers", default=32))


@family("jamba")
def jamba(fields: Fields) -> Network:
    """Jamba: Mamba with some layers of attention and of experts (arXiv:2403.19887, sec. 2)."""
    hidden = fields.size("hidden_size")
    rank = fields.values.get("mamba_dt_rank", "auto")
    scan = Mamba(
        hidden=hidden,
        inner=int(ratio(fields, "mamba_expand", 2) * hidden),
        state=fields.size("mamba_d_state", default=16),
        rank=-(-hidden // 16) if rank == "auto" else fields.size("mamba_dt_rank"),
        kernel=fields.size("mamba_d_conv", default=4),
        conv_bias=fields.flag("mamba_conv_bias", default=True),
        bias=fields.flag("mamba_proj_bias"),
        normed=True,
    ).mixer()
    family = replace(PLAIN, vocab=65536, attention_bias=never)
    count = fields.size("num_experts", default=16)
    width = fields.size("intermediate_size", default=14336)
    expert = Mlp(hidden=hidden, width=width, gated=True)
    active = routed(fields, ("num_experts_per_tok", 2), ("num_experts",), count)
    blocks: tuple[Costs, Costs] = (
        expert.costs(),
        Experts(expert=expert, experts=count, active=active).costs()
        if count > 1
        else expert.costs(),
    )
    made = {
        (attends, sparse): with_costs(mixer, blocks[sparse], 2, hidden)
        for attends, mixer in ((False, scan), (True, attention_mixer(family, fields)))
        for sparse in (False, True)
    }
    period = fields.size("attn_layer_period", default=8)
    offset = fields.size("attn_layer_offset", default=4, least=0)
    expert_period = fields.size("expert_layer_period", default=2)
    expert_offset = fields.size("expert_layer_offset", default=1, least=0)
    layers = fields.layers("num_hidden_layers", default=32)
    kinds = ((at % period == offset, at % expert_period == expert_offset) for at in range(layers))
    return stacked(fields, family, (made[kind] for kind in kinds))


NEMOTRON_LETTERS = {"M": "mamba", "E": "moe", "*": "attention", "-": "mlp"}


@family("nemotron_h")
def nemotron_h(fields: Fields) -> Network:
    """Nemotron-H: each layer is one of Mamba-2, attention, MLP, experts (arXiv:2504.03624)."""
    hidden = fields.size("hidden_size", default=4096)
    family = replace(PLAIN, vocab=131072, positions=4096, head_dim=128)
    heads = fields.size("mamba_num_heads", default=128)
    scan = Mamba2(
        hidden=hidden,
        inner=heads * fields.size("mamba_head_dim", default=64),
        heads=heads,
        groups=fields.size("n_groups", default=8),
        state=fields.size("ssm_state_size", default=128),
        kernel=fields.size("conv_kernel", default=4),
        chunk=fields.size("chunk_size", default=128),
        conv_bias=fields.flag("use_conv_bias", default=True),
        bias=fields.flag("use_bias"),
    ).mixer()
    width = fields.size("intermediate_size", default=21504)
    mlp = Mlp(hidden=hidden, width=width, bias=fields.flag("mlp_bias"))
    pattern = fields.text("hybrid_override_pattern")
    kinds = layer_kinds(fields, "layers_block_type", "layer_types")
    if kinds is None:
        if not pattern:
            raise ValueError("hybrid_override_pattern is missing from the config")
        if set(pattern) - set(NEMOTRON_LETTERS):
            raise ValueError(f"hybrid_override_pattern must hold only M, E, * and -: {pattern!r}")
        kinds = [NEMOTRON_LETTERS[letter] for letter in pattern]
    made = {
        "mlp": with_costs(Mixer(), mlp.costs(), 1, hidden),
        "attention": with_costs(attention_mixer(family, fields), {}, 1, hidden),
        "mamba": with_costs(scan, {}, 1, hidden),
    }
    if "moe" in kinds:
        made["moe"] = with_costs(Mixer(), _nemotron_experts(fields, hidden), 1, hidden)
    names = {"full_attention": "attention", "linear_attention": "mamba"}
    return stacked(fields, family, (made[names.get(kind, kind)] for kind in kinds))


def _nemotron_experts(fields: Fields, hidden: int) -> Costs:
    """Experts without gates, in a narrower space where `moe_latent_size` says so."""
    count = fields.size("n_routed_experts", default=8)
    narrow = fields.size_or_none("moe_latent_size")
    width = fields.size("moe_intermediate_size", default=7688)
    shared = fields.size("moe_shared_expert_intermediate_size", default=7688)
    costs = Experts(
        expert=Mlp(hidden=narrow or hidden, width=width),
        experts=count,
        active=routed(fields, ("num_experts_per_tok", 2), ("n_routed_experts",), count),
        shared=Mlp(hidden=hidden, width=shared),
    ).costs()
    bridges: Costs = {}
    if narrow is not None:
        bridges = {"moe/narrow": linear(hidden, narrow), "moe/widen": linear(narrow, hidden)}
    return {**costs, "moe/router": linear(hidden, count), **bridges}
