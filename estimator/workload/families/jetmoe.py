"""How much work JetMoE is: queries and outputs of attention are experts too (arXiv:2404.07413)."""

from estimator.workload.blocks import Attention, Costs, held, linear
from estimator.workload.families.hybrid_stack import equal_layers, with_costs
from estimator.workload.families.moe_decoders import Mixture, experts
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers
from estimator.workload.network import Network
from estimator.workload.registry import family


@family("jetmoe")
def jetmoe(fields: Fields) -> Network:
    """JetMoE: a router for attention and one for the MLP (sec. 2)."""
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
