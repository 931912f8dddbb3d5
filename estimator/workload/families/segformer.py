"""How much work SegFormer is: keys and values on coarser maps (arXiv:2105.15203).

The items of a pass are the patches of the first stage.
"""

from dataclasses import replace

from estimator.workload.blocks import Attention, Costs, Mlp, equal_heads, held, linear
from estimator.workload.convolution import (
    Conv,
    Flow,
    depthwise_conv,
    image,
    plain,
    square,
    stages,
    windows,
)
from estimator.workload.families.convnet import DEFAULT_SIDE
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, Quantity
from estimator.workload.model_class import classifier, head_note, label_head, task
from estimator.workload.network import Network, Pass, network
from estimator.workload.registry import family

STAGES = {
    "hidden_sizes": (32, 64, 160, 256),
    "depths": (2, 2, 2, 2),
    "patch_sizes": (7, 3, 3, 3),
    "strides": (4, 2, 2, 2),
    "num_attention_heads": (1, 2, 5, 8),
    "sr_ratios": (8, 4, 2, 1),
    "mlp_ratios": (4, 4, 4, 4),
}


@family("segformer")
def segformer(fields: Fields) -> Network:
    """SegFormer: overlapping patches, and a head over the maps of all stages (sec. 3)."""
    rows, usual = stages(fields, STAGES), square(fields, "image_size", DEFAULT_SIDE)
    widths = [row[0] for row in rows]
    channels = fields.size("num_channels", default=3)
    keys = ("hidden_sizes", "num_attention_heads")
    attentions = [equal_heads(fields, row[0], row[4], keys) for row in rows]
    segments = task(fields) == "SemanticSegmentation"
    each, joined = _decoder(fields, widths) if segments else ({}, {})
    once = classifier(fields, widths[-1])

    def run(inputs: Inputs) -> Pass:
        batch, side = image(inputs, usual)
        flow, before = Flow(batch=batch, side=side), channels
        first: Quantity = 0.0
        for place, (width, depth, kernel, stride, _, reduction, factor) in enumerate(rows):
            name, patch = f"stage{place + 1}/", plain(before, width, kernel, stride, kernel // 2)
            flow = flow.conv(f"{name}patch", replace(patch, norm=True), first=place == 0)
            flow = _layers(flow, name, attentions[place], depth, reduction, factor)
            first, before = first if place else flow.positions, width
            part = f"head/stage{place + 1}"
            flow = flow.layers({part: each[part]} if each else {})
        flow = flow.dense(joined, first).dense(once)
        return Pass(lines=flow.lines, items=batch * first)

    return network(fields, run, head_note(fields, not task(fields) or segments or once))


def _decoder(fields: Fields, widths: list[int]) -> tuple[Costs, Costs]:
    """Costs over the positions of each stage, and over those of the first."""
    width = fields.size("decoder_hidden_size", default=256)
    each = {
        f"head/stage{stage + 1}": linear(hidden, width, bias=True)
        for stage, hidden in enumerate(widths)
    }
    joined = {
        "head/fuse": linear(width * len(widths), width),
        "norm/head": held(2 * width),
        "head/classifier": label_head(fields, width),
    }
    return each, joined


def _layers(
    flow: Flow, name: str, attention: Attention, depth: int, reduction: int, factor: int
) -> Flow:
    """Layers of a stage, whose keys are those of a coarser map, and the norm behind it."""
    hidden, wide, positions = attention.hidden, attention.hidden * factor, flow.positions
    coarse = windows(flow.side, reduction, reduction)
    keys = coarse * coarse if reduction > 1 else positions
    flow = flow.crossing(attention.costs(), positions, keys, times=depth, prefix=name)
    if reduction > 1:
        conv = Conv(inputs=hidden, outputs=hidden, kernel=reduction, bias=True)
        reduced = {"attention/reduction": conv.cost()}
        flow = flow.layers(reduced, keys, times=depth, prefix=name)
    costs = {
        **Mlp(hidden=hidden, width=wide, bias=True).costs(),
        "mlp/depthwise": replace(depthwise_conv(wide, 3, 1), bias=True, norm=False).cost(),
        "norm/layers": held(4 * hidden),
    }
    flow = flow.layers(costs, times=depth, prefix=name)
    return flow.dense({f"{name}norm/stage": held(2 * hidden)})
