"""Which language model of linear attention beside softmax a config describes: Qwen3-Next, MiniMax.

The gated delta rule and lightning attention.
"""

from dataclasses import replace

from estimator.workload.blocks import Cost, Costs, held, linear
from estimator.workload.families.decoder import Family, grouped_attention, head_norm, width_norm
from estimator.workload.families.experts import Mixture, every_step, experts
from estimator.workload.families.hybrid_stack import (
    ATTENTION_KINDS,
    PLAIN,
    attending,
    gated_mlp,
    layer_kinds,
    paired,
)
from estimator.workload.families.mixers import delta_mixer, in_chunks
from estimator.workload.families.moe_decoders import QWEN_MIXTURE
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers
from estimator.workload.network import Network
from estimator.workload.registry import families, family


def _every_fourth(fields: Fields, layers: int) -> list[str]:
    """Kinds as listed, else attention in the last of every four layers."""
    period = fields.size("full_attention_interval", default=4)
    usual = ["attention" if (at + 1) % period == 0 else "linear" for at in range(layers)]
    return layer_kinds(fields, "layer_types") or usual


def gated_delta(mixture: Mixture | None, fields: Fields) -> Network:
    """Qwen3-Next, Qwen3.5: gated delta rule, and gated attention in every fourth layer."""
    family = replace(PLAIN, qk_norm=head_norm)
    attention = replace(grouped_attention(family, fields), gate=True)
    attends = Layers(costs=attention.costs(), cache_values=attention.cache_values_per_token)
    scans = delta_mixer(fields)
    layers = fields.layers("num_hidden_layers")
    blocks: list[Costs] = [{}, {}]
    sparse = [mixture is not None and every_step(fields, at) for at in range(layers)]
    if mixture is not None:
        blocks[1] = experts(mixture, fields).costs()
    if not all(sparse):
        blocks[0] = gated_mlp(fields)
    kinds = zip(_every_fourth(fields, layers), sparse, strict=True)
    mixers = (scans, attends)
    stack = ((mixers[kind in ATTENTION_KINDS], blocks[routes]) for kind, routes in kinds)
    return paired(fields, stack)


@family("olmo_hybrid")
def olmo_hybrid(fields: Fields) -> Network:
    """OLMo hybrid: gated delta rule, and attention with wide norms in every fourth layer."""
    family = replace(PLAIN, qk_norm=width_norm)
    heads = fields.size("num_attention_heads")
    head_dim = int(0.75 * fields.size("hidden_size") / heads)
    usual = {f"linear_num_{part}_heads": heads for part in ("key", "value")}
    usual |= {"linear_key_head_dim": head_dim, "linear_value_head_dim": 2 * head_dim}
    delta = delta_mixer(fields.with_usual({**fields.usual, **usual}))
    kinds = _every_fourth(fields, fields.layers("num_hidden_layers"))
    return attending(fields, family, kinds, delta, gated_mlp(fields))


@family("minimax")
def minimax(fields: Fields) -> Network:
    """MiniMax-Text-01 and M1: lightning attention, softmax in some layers (arXiv:2501.08313)."""
    block = experts(Mixture(width_key="intermediate_size"), fields).costs()
    return attending(fields, Family(), _minimax_kinds(fields), _lightning(fields), block)


def _minimax_kinds(fields: Fields) -> list[str]:
    """Kinds as listed, by name or as 0 (linear) and 1 (full), else in turns."""
    numbered = fields.items("attn_type_list")
    if numbered is not None and not fields.states("layer_types"):
        return ["full_attention" if kind else "linear_attention" for kind in numbered]
    layers = fields.layers("num_hidden_layers")
    usual = ["linear_attention" if at % 2 else "full_attention" for at in range(layers)]
    return layer_kinds(fields, "layer_types") or usual


def _lightning(fields: Fields) -> Layers:
    """Linear attention: all pairs of a block, a state of keys by values between blocks."""
    hidden, heads = fields.size("hidden_size"), fields.size("num_attention_heads")
    head_dim = fields.size_or_none("head_dim") or hidden // heads
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


families(
    gated_delta,
    {"qwen3_next": QWEN_MIXTURE, "qwen3_5_text": None, "qwen3_5_moe_text": QWEN_MIXTURE},
)
