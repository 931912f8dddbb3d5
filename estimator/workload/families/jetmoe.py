"""How much work JetMoE is: queries and outputs of attention are experts too."""

from dataclasses import replace

from estimator.workload.blocks import Attention, Cost, Costs, Experts, Mlp, held, linear
from estimator.workload.families.decoder import Family
from estimator.workload.families.experts import routed
from estimator.workload.families.hybrid_stack import stacked
from estimator.workload.families.mixers import Mixer
from estimator.workload.fields import Fields
from estimator.workload.network import Network
from estimator.workload.registry import family


@family("jetmoe")
def jetmoe(fields: Fields) -> Network:
    """JetMoE: queries and outputs of attention are experts too (arXiv:2404.07413, sec. 2)."""
    hidden = fields.size("hidden_size", default=2048)
    count = fields.size("num_local_experts", default=8)
    active = routed(fields, ("num_experts_per_tok", 2), ("num_local_experts",), count)
    kv_heads = fields.size("num_key_value_heads", default=16)
    attention = Attention(
        hidden=hidden,
        heads=active * kv_heads,
        kv_heads=kv_heads,
        head_dim=fields.size("kv_channels", default=128),
    )
    width = kv_heads * attention.head_dim
    part = _routed_linear(linear(hidden, width), count, active)
    block = Experts(
        expert=Mlp(hidden=hidden, width=fields.size("intermediate_size", default=5632), gated=True),
        experts=count,
        active=active,
    ).costs()
    costs: Costs = {
        **attention.costs(),
        "attention/query": part,
        "attention/output": part,
        "attention/router": linear(hidden, count),
        "attention/bias": held(hidden),
        "moe/bias": held(hidden),
        **block,
    }
    mixer = Mixer(costs=costs, cache_values=attention.cache_values_per_token)
    family = Family(vocab=32000, intermediate=5632, positions=4096, tied=True)
    layer = replace(mixer, costs={**costs, "norm/layers": held(2 * hidden)})
    return stacked(fields, family, [layer] * fields.layers("num_hidden_layers", default=12))


def _routed_linear(cost: Cost, experts: int, active: int) -> Cost:
    """One of many matrices per expert, `active` of them used."""
    return Cost(
        params=experts * cost.params,
        active_params=active * cost.params,
        flop_per_token=active * cost.flop_per_token,
    )
