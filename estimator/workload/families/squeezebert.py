"""How much work SqueezeBERT is: dense layers in groups (arXiv:2006.11316, sec. 3)."""

from estimator.workload.blocks import Costs, product
from estimator.workload.families.text_encoder import (
    EVERY_TASK,
    Sizes,
    TextFacts,
    block,
    text_encoder,
)
from estimator.workload.fields import Fields
from estimator.workload.registry import families

GROUPS = {
    "attention/query": ("q_groups", 4),
    "attention/key": ("k_groups", 4),
    "attention/value": ("v_groups", 4),
    "attention/output": ("post_attention_groups", 1),
    "mlp/up": ("intermediate_groups", 4),
    "mlp/down": ("output_groups", 4),
}
"""Matrix -> key and default of its groups."""


def _layer(fields: Fields, sizes: Sizes) -> Costs:
    costs = dict(block(fields, sizes))
    for part, (key, usual) in GROUPS.items():
        groups, cost = fields.size(key, default=usual), costs[part]
        outputs = sizes.width if part == "mlp/up" else sizes.hidden
        fields.share("hidden_size", sizes.hidden, key, groups)
        weights = (cost.params - outputs) // groups
        costs[part] = product(weights + outputs, cost.flop_per_token // groups)
    return costs


families(text_encoder, {"squeezebert": TextFacts(layer=_layer, pooled=EVERY_TASK)})
