"""Which language model of Mamba-2 beside attention it is: Bamba, Granite 4, Falcon-H1.

Granite 4 is of type granitemoehybrid.
"""

from dataclasses import replace

from estimator.workload.blocks import Costs, Mlp, linear
from estimator.workload.families.hybrid_stack import (
    PLAIN,
    attending,
    attention_layers,
    attention_mixer,
    equal_layers,
    gated_mlp,
    with_costs,
)
from estimator.workload.families.mixers import expanded, mamba2_mixer
from estimator.workload.families.moe_decoders import EXPERTS, GRANITE_SHARED, experts, shared_width
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers
from estimator.workload.network import Network
from estimator.workload.registry import family


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
    shared = Mlp(hidden=fields.size("hidden_size"), width=width(fields, 0), gated=True)
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
