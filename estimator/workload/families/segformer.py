"""How much work SegFormer is: keys and values on coarser maps (arXiv:2105.15203).

The items of a pass are the patches of the first stage.
"""

from dataclasses import dataclass, replace

from estimator.workload.blocks import Attention, Costs, Mlp, equal_heads, held, linear
from estimator.workload.convolution import Conv, Flow, image, sizes, square, windows
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, Quantity
from estimator.workload.model_class import classifier, head_note, label_head, task
from estimator.workload.network import Line, Network, Pass, lines, network
from estimator.workload.registry import family


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage: its patches, its attention, how far keys and values are reduced, its MLP."""

    patch: Conv
    attention: Attention
    depth: int
    reduction: int
    mlp: int


@family("segformer")
def segformer(fields: Fields) -> Network:
    """SegFormer: overlapping patches, and a head over the maps of all stages (sec. 3)."""
    widths = sizes(fields, "hidden_sizes", (32, 64, 160, 256))
    stages = _stages(fields, widths)
    segments = task(fields) == "SemanticSegmentation"
    each, joined = _decoder(fields, widths) if segments else ({}, {})
    once = classifier(fields, widths[-1])
    usual = square(fields, "image_size", 224)

    def run(inputs: Inputs) -> Pass:
        batch, side = image(inputs, usual)
        flow = Flow(batch=batch, side=side)
        grids: list[Quantity] = []
        for place, stage in enumerate(stages):
            name = f"stage{place + 1}/"
            flow = flow.conv(f"{name}patch", stage.patch, first=place == 0)
            flow = _layers(flow, name, stage)
            grids.append(flow.positions)
            head = {part: cost for part, cost in each.items() if part == f"head/stage{place + 1}"}
            flow = flow.dense(head, flow.positions)
        flow = flow.dense(joined, grids[0]).dense(once)
        return Pass(lines=flow.lines, items=batch * grids[0])

    return network(fields, run, head_note(fields, not task(fields) or segments or once))


def _stages(fields: Fields, widths: list[int]) -> list[Stage]:
    """The stages of a config."""
    count = len(widths)
    depths = sizes(fields, "depths", (2, 2, 2, 2), count)
    kernels = sizes(fields, "patch_sizes", (7, 3, 3, 3), count)
    strides = sizes(fields, "strides", (4, 2, 2, 2), count)
    heads = sizes(fields, "num_attention_heads", (1, 2, 5, 8), count)
    reductions = sizes(fields, "sr_ratios", (8, 4, 2, 1), count)
    ratios = sizes(fields, "mlp_ratios", (4, 4, 4, 4), count)
    inputs = [fields.size("num_channels", default=3), *widths]
    keys = ("hidden_sizes", "num_attention_heads")
    return [
        Stage(
            patch=Conv(
                inputs=inputs[place],
                outputs=width,
                kernel=kernels[place],
                stride=strides[place],
                padding=kernels[place] // 2,
                bias=True,
            ),
            attention=equal_heads(fields, width, heads[place], keys),
            depth=depths[place],
            reduction=reductions[place],
            mlp=width * ratios[place],
        )
        for place, width in enumerate(widths)
    ]


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


def _layers(flow: Flow, name: str, stage: Stage) -> Flow:
    """Layers of a stage, and the norm behind it."""
    hidden, positions, times = stage.attention.hidden, flow.positions, stage.depth
    coarse = windows(flow.side, stage.reduction, stage.reduction)
    keys = coarse * coarse if stage.reduction > 1 else positions
    every, pairs = flow.batch * positions, flow.batch * positions * keys
    done: list[Line] = []
    for part, cost in stage.attention.costs().items():
        tokens = flow.batch * keys if part in ("attention/key", "attention/value") else every
        done += lines({part: cost}, tokens, pairs=pairs, times=times, prefix=name)
    if stage.reduction > 1:
        conv = Conv(inputs=hidden, outputs=hidden, kernel=stage.reduction, bias=True)
        reduce = {"attention/reduction": conv.cost()}
        done += lines(reduce, flow.batch * keys, times=times, prefix=name)
    beside = Conv(inputs=stage.mlp, outputs=stage.mlp, groups=stage.mlp, bias=True, norm=False)
    costs = {
        **Mlp(hidden=hidden, width=stage.mlp, bias=True).costs(),
        "mlp/depthwise": beside.cost(),
        "norm/layers": held(4 * hidden),
    }
    done += lines(costs, every, times=times, prefix=name)
    done += lines({"norm/stage": held(2 * hidden)}, 1.0, prefix=name)
    return replace(flow, lines=(*flow.lines, *done))
