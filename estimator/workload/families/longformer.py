"""Which text encoder that attends in blocks a config describes: Longformer, BigBird.

Scores are counted in blocks, padding included; no global tokens are assumed.
"""

import numpy as np

from estimator.workload.blocks import Costs, held, linear
from estimator.workload.families.text_encoder import (
    CLASSIFIERS,
    LANGUAGE_TASKS,
    Sizes,
    TextFacts,
    block,
    text_encoder,
)
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers, Near
from estimator.workload.ledger import Quantity
from estimator.workload.model_class import label_head, task
from estimator.workload.registry import families


def windowed_layers(fields: Fields, costs: Costs, layers: int) -> tuple[Layers, ...]:
    """Layers by their `attention_window`, one number or one each; the widest sets the padding."""
    if isinstance(fields.values.get("attention_window"), list | tuple):
        listed = fields.items("attention_window", layers) or []
        found = [fields.with_values({"w": w}).size("w", least=2) for w in listed]
    else:
        found = [fields.size("attention_window", default=512, least=2)] * layers
    return tuple(
        Layers(costs=costs, times=found.count(window), near=_sliding(window // 2, max(found)))
        for window in dict.fromkeys(found)
    )


def _sliding(half: int, step: int) -> Near:
    """Overlapping chunks of two half windows for scores, three half windows for the values.

    See arXiv:2004.05150, sec. 3.2 and appendix A.
    """

    def near(part: str, length: Quantity) -> tuple[Quantity, Quantity]:
        padded = np.ceil(length / step) * step
        if part == "attention/reduce":
            return padded, 3.0 * half * padded
        return padded, (padded / half - 1.0) * (2 * half) ** 2

    return near


def big_bird_blocks(fields: Fields) -> Near:
    """Windows, random and global blocks beyond a length, full attention below it.

    See arXiv:2007.14062, sec. 2 and appendix D.
    """
    side = fields.size("block_size", default=64)
    drawn = fields.size("num_random_blocks", default=3, least=0)
    sparse = fields.text("attention_type", default="block_sparse") == "block_sparse"

    def near(part: str, length: Quantity) -> tuple[Quantity, Quantity]:
        blocked = sparse & (np.asarray(length) > (5 + 2 * drawn) * side)
        padded = np.where(blocked, np.ceil(length / side) * side, length)
        inner = 2 * (4 + drawn) * side + (padded / side - 4) * (5 + drawn) * side
        return padded, np.where(blocked, side * (2 * padded + inner), padded**2)

    return near


def _global_layer(fields: Fields, sizes: Sizes) -> Costs:
    """Longformer: projections of their own for global tokens."""
    spare = held(3 * sizes.hidden * (sizes.hidden + 1))
    return {**block(fields, sizes), "attention/global": spare}


def _big_bird_layer(fields: Fields, sizes: Sizes) -> Costs:
    projected = linear(sizes.hidden, sizes.hidden, fields.flag("use_bias", default=True))
    own = {f"attention/{part}": projected for part in ("query", "key", "value")}
    return {**block(fields, sizes), **own}


def _deep_span(fields: Fields, sizes: Sizes) -> Costs:
    """BigBird: an MLP before the span of an answer."""
    return {
        "head/up": linear(sizes.hidden, sizes.width, bias=True),
        "head/down": linear(sizes.width, sizes.hidden, bias=True),
        "norm/head": held(2 * sizes.hidden),
        "head/span": label_head(fields, sizes.hidden),
    }


def _unused_pooler(fields: Fields, sizes: Sizes) -> Costs:
    """BigBird: a pooler that classifiers of sequences hold and do not use."""
    rests = task(fields) == "SequenceClassification"
    return {"pooler": held(sizes.hidden * (sizes.hidden + 1) * rests)}


families(
    text_encoder,
    {
        "longformer": TextFacts(
            spare_positions=2,
            layer=_global_layer,
            stack=lambda fields, sizes, costs: windowed_layers(fields, costs, sizes.layers),
            pooled=("", "MultipleChoice"),
            dense_before=CLASSIFIERS,
        ),
        "big_bird": TextFacts(
            layer=_big_bird_layer,
            stack=lambda fields, sizes, costs: (
                Layers(costs=costs, times=sizes.layers, near=big_bird_blocks(fields)),
            ),
            extra=_unused_pooler,
            pooled=("MultipleChoice", "TokenClassification", "", *LANGUAGE_TASKS),
            dense_before=CLASSIFIERS,
            own_heads={"QuestionAnswering": _deep_span},
        ),
    },
)
