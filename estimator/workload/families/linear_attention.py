"""Which language model of gated delta rules beside softmax: Qwen3-Next, Qwen3.5, OLMo hybrid."""

from dataclasses import replace

from estimator.workload.blocks import Costs
from estimator.workload.families.decoder import head_norm, width_norm
from estimator.workload.families.hybrid_stack import (
    PLAIN,
    attending,
    attention_layers,
    attention_mixer,
    gated_mlp,
    hybrid,
)
from estimator.workload.families.mixers import delta_mixer
from estimator.workload.families.moe_decoders import QWEN_MIXTURE, Mixture, every_step, experts
from estimator.workload.fields import Fields
from estimator.workload.network import Network
from estimator.workload.registry import families, family


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
    attends = attention_mixer(replace(PLAIN, qk_norm=head_norm, gate=True), fields)
    kinds = zip(_every_fourth(fields), sparse, strict=True)
    return hybrid(fields, kinds, (delta_mixer(fields), attends), (dense, routed))


@family("olmo_hybrid")
def olmo_hybrid(fields: Fields) -> Network:
    """OLMo hybrid: gated delta rule, and attention with wide norms in every fourth layer."""
    family = replace(PLAIN, qk_norm=width_norm)
    heads = fields.size("num_attention_heads")
    head_dim = int(0.75 * fields.size("hidden_size") / heads)
    delta = delta_mixer(fields, heads, (head_dim, 2 * head_dim))
    mixers = (delta, attention_mixer(family, fields))
    return attending(fields, _every_fourth(fields), mixers, gated_mlp(fields))


families(
    gated_delta,
    {"qwen3_next": QWEN_MIXTURE, "qwen3_5_text": None, "qwen3_5_moe_text": QWEN_MIXTURE},
)
