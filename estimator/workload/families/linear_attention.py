"""Which language model of linear attention beside softmax a config describes: Qwen3-Next, MiniMax.

The gated delta rule and lightning attention.
"""

from dataclasses import dataclass, replace

from estimator.workload.blocks import Cost, Costs, held, linear
from estimator.workload.families.decoder import Family, grouped_attention, head_norm, width_norm
from estimator.workload.families.experts import Mixture, every_step, experts, shared_width
from estimator.workload.families.hybrid_stack import (
    ATTENTION_KINDS,
    PLAIN,
    attending,
    gated_mlp,
    layer_kinds,
    paired,
)
from estimator.workload.families.mixers import Mixer, delta_mixer
from estimator.workload.fields import Fields
from estimator.workload.network import Network
from estimator.workload.registry import families, family


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
    mixture: Mixture | None = None


def gated_delta(facts: Gated, fields: Fields) -> Network:
    """Qwen3-Next, Qwen3.5: gated delta rule, and gated attention in every fourth layer."""
    family = replace(
        PLAIN,
        vocab=facts.vocab,
        positions=32768,
        kv_heads=facts.kv_heads,
        head_dim=256,
        qk_norm=head_norm,
    )
    attention = replace(grouped_attention(family, fields), gate=True)
    attends = Mixer(costs=attention.costs(), cache_values=attention.cache_values_per_token)
    scans = delta_mixer(fields, 16, 32, 128, 128)
    layers = fields.layers("num_hidden_layers", default=facts.layers)
    blocks: list[Costs] = [{}, {}]
    sparse = [facts.mixture is not None and every_step(fields, at) for at in range(layers)]
    if facts.mixture is not None:
        blocks[1] = experts(facts.mixture, fields).costs()
    if not all(sparse):
        blocks[0] = gated_mlp(fields, facts.intermediate)
    kinds = zip(_every_fourth(fields, layers), sparse, strict=True)
    mixers = (scans, attends)
    stack = ((mixers[kind in ATTENTION_KINDS], blocks[routes]) for kind, routes in kinds)
    return paired(fields, family, stack)


@family("olmo_hybrid")
def olmo_hybrid(fields: Fields) -> Network:
    """OLMo hybrid: gated delta rule, and attention with wide norms in every fourth layer."""
    family = replace(PLAIN, vocab=100352, positions=65536, kv_heads=None, qk_norm=width_norm)
    heads = fields.size("num_attention_heads")
    head_dim = int(0.75 * fields.size("hidden_size") / heads)
    delta = delta_mixer(fields, heads, heads, head_dim, 2 * head_dim)
    kinds = _every_fourth(fields, fields.layers("num_hidden_layers", default=32))
    return attending(fields, family, kinds, delta, gated_mlp(fields, 11008))


@family("minimax")
def minimax(fields: Fields) -> Network:
    """MiniMax-Text-01 and M1: lightning attention, softmax in some layers (arXiv:2501.08313)."""
    fields = fields.with_defaults({"hidden_size": 4096, "num_attention_heads": 32})
    block = experts(Mixture(8, 2, 14336, width_key="intermediate_size"), fields).costs()
    family = Family(32000, 14336, 131072, kv_heads=8)
    return attending(fields, family, _minimax_kinds(fields), _lightning(fields), block)


def _minimax_kinds(fields: Fields) -> list[str]:
    """Kinds as listed, by name or as 0 (linear) and 1 (full), else in turns."""
    numbered = fields.items("attn_type_list")
    if numbered is not None and not fields.states("layer_types"):
        return ["full_attention" if kind else "linear_attention" for kind in numbered]
    layers = fields.layers("num_hidden_layers", default=32)
    usual = ["linear_attention" if at % 2 else "full_attention" for at in range(layers)]
    return layer_kinds(fields, "layer_types") or usual


def _lightning(fields: Fields) -> Mixer:
    """Linear attention: all pairs of a block, a state of keys by values between blocks."""
    hidden, heads = fields.size("hidden_size"), fields.size("num_attention_heads")
    head_dim = fields.size_or_none("head_dim") or hidden // heads
    width, block = heads * head_dim, fields.size("block_size", default=256)
    return Mixer(
        costs={
            "mixer/in": linear(hidden, 3 * width),
            "mixer/gate": linear(hidden, width),
            "mixer/out": linear(width, hidden),
            "mixer/norm": held(width),
            "mixer/state": Cost(flop_per_token=4 * width * head_dim),
        },
        inside={"mixer/block": Cost(flop_per_pair=4 * width)},
        chunk=block,
        state_values=width * head_dim,
    )


def _qwen_mixture(count: int, active: int) -> Mixture:
    """Narrow experts beside a gated shared one."""
    shared = shared_width("shared_expert_intermediate_size", 512)
    return Mixture(count, active, 512, shared=shared, shared_gate=True)


families(
    gated_delta,
    {
        "qwen3_next": Gated(
            vocab=151936, layers=48, kv_heads=2, intermediate=5632, mixture=_qwen_mixture(512, 10)
        ),
        "qwen3_5_text": Gated(vocab=248320, layers=32, kv_heads=4, intermediate=12288),
        "qwen3_5_moe_text": Gated(
            vocab=248320, layers=40, kv_heads=2, intermediate=0, mixture=_qwen_mixture(256, 8)
        ),
    },
)
