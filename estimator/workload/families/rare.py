"""Which language model with an uncommon kind of layer a config describes: MiniMax, JetMoE.

Attention in blocks with a state between them, and attention whose heads are experts. Defaults are
those of transformers 5.23.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from estimator.workload.blocks import Attention, Cost, Costs, Experts, Mlp, held, linear
from estimator.workload.families.hybrid_stack import (
    ATTENTION_KINDS,
    attention_mixer,
    layer_kinds,
    stacked,
    with_costs,
)
from estimator.workload.families.mixers import Mixer
from estimator.workload.families.mixture import EXPERTS, routed
from estimator.workload.families.rotary import Family
from estimator.workload.fields import Fields
from estimator.workload.network import Network


def minimax(fields: Fields) -> Network:
    """MiniMax-Text-01 and M1: lightning attention, softmax in some layers (arXiv:2501.08313)."""
    hidden = fields.size("hidden_size", default=4096)
    family = Family(vocab=32000, intermediate=14336, positions=131072, kv_heads=8)
    count = fields.size(*EXPERTS, default=8)
    block = Experts(
        expert=Mlp(
            hidden=hidden, width=fields.size("intermediate_size", default=14336), gated=True
        ),
        experts=count,
        active=routed(fields, ("num_experts_per_tok", 2), EXPERTS, count),
    ).costs()
    heads = fields.size("num_attention_heads", default=32)
    head_dim = fields.size_or_none("head_dim") or hidden // heads
    attends = with_costs(attention_mixer(family, fields), block, 2, hidden)
    runs = with_costs(_lightning(fields, hidden, heads, head_dim), block, 2, hidden)
    return stacked(
        fields,
        family,
        (attends if kind in ATTENTION_KINDS else runs for kind in _kinds(fields)),
    )


def _kinds(fields: Fields) -> list[str]:
    """Kinds as listed, by name or as 0 (linear) and 1 (full), else in turns."""
    numbered = fields.items("attn_type_list")
    if numbered is not None and not fields.states("layer_types"):
        return ["full_attention" if kind else "linear_attention" for kind in numbered]
    layers = fields.layers("num_hidden_layers", default=32)
    usual = ["linear_attention" if at % 2 else "full_attention" for at in range(layers)]
    return layer_kinds(fields, "layer_types") or usual


def _lightning(fields: Fields, hidden: int, heads: int, head_dim: int) -> Mixer:
    """Linear attention: all pairs of a block, a state of keys by values between blocks."""
    width, block = heads * head_dim, fields.size("block_size", default=256)
    return Mixer(
        costs={
            "mixer/in": linear(hidden, 3 * width),
            "mixer/gate": linear(hidden, width),
            "mixer/out": linear(width, hidden),
            "mixer/norm": held(width),
        },
        scan={
            "mixer/block": Cost(flop_per_token=4 * width * block),
            "mixer/state": Cost(flop_per_token=4 * width * head_dim),
        },
        chunk=block,
        state_values=width * head_dim,
    )


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


FAMILIES: Mapping[str, Callable[[Fields], Network]] = {"minimax": minimax, "jetmoe": jetmoe}
