"""How much work ALBERT is: BERT whose layers share their weights (arXiv:1909.11942)."""

from estimator.workload.blocks import Costs
from estimator.workload.families.text_encoder import (
    HeadCosts,
    Sizes,
    TextFacts,
    heads,
    text_encoder,
)
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers
from estimator.workload.model_class import label_head, task
from estimator.workload.registry import families


def sentence_order_heads(fields: Fields, sizes: Sizes, facts: TextFacts) -> HeadCosts:
    """ALBERT: the order of two sentences is as many labels as the config says."""
    after, once = heads(fields, sizes, facts)
    if task(fields) == "PreTraining":
        once = {**once, "head/sentence_order": label_head(fields, sizes.hidden)}
    return after, once


def shared_layers(fields: Fields, sizes: Sizes, costs: Costs) -> tuple[Layers, ...]:
    """ALBERT: groups of layers, each run in its share of the depth."""
    groups = fields.layers("num_hidden_groups", default=1)
    inner = fields.layers("inner_group_num", default=1)
    runs = [0] * groups
    for layer in range(sizes.layers):
        runs[int(layer / (sizes.layers / groups))] += 1
    return tuple(Layers(costs=costs, times=inner, reuse=run) for run in runs)


families(
    text_encoder,
    {
        "albert": TextFacts(
            width_key="embedding_size",
            bridged=True,
            stack=shared_layers,
            heads=sentence_order_heads,
        )
    },
)
