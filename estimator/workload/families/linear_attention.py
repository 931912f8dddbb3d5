"""Which language model of linear attention beside softmax a config describes: Qwen3-Next, MiniMax.

The gated delta rule and lightning attention. Defaults are those of transformers 5.23.
"""

from dataclasses import dataclass, replace

from estimator.workload.blocks import Cost, Costs, Experts, Mlp, held, linear
from estimator.workload.families.decoder import Family, grouped_attention, head_norm, width_norm
from estimator.workload.families.experts import EXPERTS, every_step, routed
from estimator.workload.families.hybrid_stack import (
    ATTENTION_KINDS,
    PLAIN,
    attention_mixer,
    gated_mlp,
    layer_kinds,
    stacked,
    with_costs,
)
from estimator.workload.families.mixers import DeltaNet, Mixer
from estimator.workload.fields import Fields
from estimator.workload.network import Network
from estimator.workload.registry import families, family


def _delta(fields: Fields, key_heads: int, value_heads: int, dims: tuple[int, int]) -> DeltaNet:
    return DeltaNet(
        hidden=fields.size("hidden_size"),
        key_heads=fields.size("linear_num_key_heads", default=key_heads),
        value_heads=fields.size("linear_num_value_heads", default=value_heads),
        key_dim=fields.size("linear_key_head_dim", default=dims[0]),
        value_dim=fields.size("linear_value_head_dim", default=dims[1]),
        kernel=fields.size("linear_conv_kernel_dim", default=4),
    )


def _every_fourth(fields: Fields, layers: int) -> list[str]:
    """Kinds as listed, else attention in the last of every four layers."""
    period = fields.size("full_attention_interval", default=4)
    usual = ["attention" if (at + 1) % period == 0 else "linear" for at in range(layers)]
    return layer_kinds(fields, "layer_types") or usual


@dataclass(frozen=True, kw_only=True)
class Gated:
    """What sets the models with a gated delta rule apart: experts, their width, layers."""

    vocab: int
    layers: int
    kv_heads: int
    intermediate: int
    experts: int = 0
    active: int = 0


def gated_delta(facts: Gated, fields: Fields) -> Network:
    """Qwen3-Next, Qwen3.5: gated delta rule, and gated attention in every fourth layer."""
    hidden = fields.size("hidden_size")
    family = replace(
        PLAIN,
        vocab=facts.vocab,
        positions=32768,
        kv_heads=facts.kv_heads,
        head_dim=256,
        qk_norm=head_norm,
    )
    attention = grouped_attention(family, fields)
    width = attention.heads * attention.head_dim
    attends = Mixer(
        costs={**attention.costs(), "attention/gate": linear(hidden, width, attention.qkv_bias)},
        cache_values=attention.cache_values_per_token,
    )
    scans = _delta(fields, 16, 32, (128, 128)).mixer()
    layers = fields.layers("num_hidden_layers", default=facts.layers)
    blocks: list[Costs] = [{}, {}]
    if facts.experts:
        count = fields.size("num_experts", default=facts.experts)
        each = fields.size("moe_intermediate_size", default=512)
        shared = fields.size("shared_expert_intermediate_size", default=512)
        active = ("num_experts_per_tok", facts.active)
        blocks[1] = Experts(
            expert=Mlp(hidden=hidden, width=each, gated=True),
            experts=count,
            active=routed(fields, active, ("num_experts",), count),
            shared=Mlp(hidden=hidden, width=shared, gated=True),
            shared_gate=True,
        ).costs()
    sparse = [bool(facts.experts) and every_step(fields, at) for at in range(layers)]
    if not all(sparse):
        blocks[0] = gated_mlp(fields, facts.intermediate)
    made = {
        (attending, routing): with_costs(mixer, blocks[routing], 2, hidden)
        for attending, mixer in ((False, scans), (True, attends))
        for routing in (False, True)
    }
    kinds = _every_fourth(fields, layers)
    return stacked(
        fields,
        family,
        (
            made[kind in ATTENTION_KINDS, routing]
            for kind, routing in zip(kinds, sparse, strict=True)
        ),
    )


@family("olmo_hybrid")
def olmo_hybrid(fields: Fields) -> Network:
    """OLMo hybrid: gated delta rule, and attention with wide norms in every fourth layer."""
    hidden = fields.size("hidden_size")
    family = replace(PLAIN, vocab=100352, positions=65536, kv_heads=None, qk_norm=width_norm)
    heads = fields.size("num_attention_heads")
    head_dim = int(0.75 * hidden / heads)
    delta = _delta(fields, heads, heads, (head_dim, 2 * head_dim))
    mlp = gated_mlp(fields, 11008)
    attends = with_costs(attention_mixer(family, fields), mlp, 2, hidden)
    scans = with_costs(delta.mixer(), mlp, 2, hidden)
    kinds = _every_fourth(fields, fields.layers("num_hidden_layers", default=32))
    return stacked(
        fields, family, (attends if kind in ATTENTION_KINDS else scans for kind in kinds)
    )


@family("minimax")
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
        fields, family, (attends if kind in ATTENTION_KINDS else runs for kind in _kinds(fields))
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


families(
    gated_delta,
    {
        "qwen3_next": Gated(
            vocab=151936, layers=48, kv_heads=2, intermediate=5632, experts=512, active=10
        ),
        "qwen3_5_text": Gated(vocab=248320, layers=32, kv_heads=4, intermediate=12288),
        "qwen3_5_moe_text": Gated(
            vocab=248320, layers=40, kv_heads=2, intermediate=0, experts=256, active=8
        ),
    },
)
