"""Which pyramid of attention to fewer keys a config describes: PVT, PVT v2."""

from dataclasses import replace
from typing import NamedTuple

from estimator.workload.blocks import (
    Attention,
    Mlp,
    equal_heads,
    held,
    layer_costs,
    linear,
    product,
    table,
)
from estimator.workload.convolution import Flow, plain, square, stages, windows
from estimator.workload.families.convnet import DEFAULT_SIDE, conv_net
from estimator.workload.fields import Fields
from estimator.workload.network import Network
from estimator.workload.registry import family

POOLED = 7
"""Side of the map of keys in the linear attention of PVT v2. [1]"""


class Stage(NamedTuple):
    """Layers over one map, and the patches that make it.

    What its names begin with; channels before it; its attention; width and layers; heads; side of
    the window that a key is made of; kernel and stride of the patches; width of the MLP over that
    of the stage.
    """

    name: str
    inputs: int
    attention: Attention
    width: int
    depth: int
    heads: int
    reduction: int
    kernel: int
    stride: int
    factor: int


def pyramid(fields: Fields, reductions: str = "sr_ratios") -> list[Stage]:
    """The stages of a config, whose `reductions` stand under this key."""
    sizes = ("hidden_sizes", "depths", "num_attention_heads", reductions)
    rows = stages(fields, (*sizes, "patch_sizes", "strides", "mlp_ratios"))
    keys, bias = ("hidden_sizes", "num_attention_heads"), fields.flag("qkv_bias", default=True)
    found, inputs = [], fields.size("num_channels", default=3)
    for place, row in enumerate(rows, start=1):
        attention = equal_heads(fields, row[0], row[2], keys, bias, output_bias=True)
        found.append(Stage(f"stage{place}/", inputs, attention, *row))
        inputs = row[0]
    return found


def _patched(flow: Flow, stage: Stage, padding: int | None = None) -> Flow:
    """The patches of a stage, with their norm."""
    conv = plain(stage.inputs, stage.width, stage.kernel, stage.stride, padding)
    first = stage.name == "stage1/"
    return flow.conv(f"{stage.name}patch", replace(conv, norm=True), first=first)


def _attending(flow: Flow, stage: Stage, spare: int = 0, pooled: bool = False) -> Flow:
    """Layers on a map and `spare` tokens, whose keys are those of a coarser map, perhaps pooled."""
    width, reduction, tokens = stage.width, stage.reduction, flow.positions + spare
    mlp = Mlp(hidden=width, width=stage.factor * width, bias=True)
    costs = layer_costs(stage.attention, mlp, 4 * width)
    seen, reach = tokens, 0
    if pooled:
        seen, reach = float(POOLED * POOLED), 1
    elif reduction > 1:
        seen, reach = windows(flow.side, reduction, reduction) ** 2, reduction**2
    flow = flow.crossing(costs, tokens, seen, times=stage.depth, prefix=stage.name)
    if not reach:
        return flow
    conv = {"attention/reduction": linear(reach * width, width, bias=True)}
    norm = {"norm/reduction": held(2 * width)}
    return flow.layers({**conv, **norm}, seen, times=stage.depth, prefix=stage.name)


@family("pvt")
def pvt(fields: Fields) -> Network:
    """PVT: positions in every stage, a class token in the last (arXiv:2102.12122, sec. 3)."""
    fields = fields.with_defaults({"num_labels": 1000})  # whatever `id2label` says
    rows = pyramid(fields, "sequence_reduction_ratios")
    side = square(fields, "image_size", DEFAULT_SIDE)

    def body(flow: Flow) -> Flow:
        grid = side
        for stage in rows:
            width, last = stage.width, stage is rows[-1]
            grid //= stage.stride
            flow = _attending(_patched(flow, stage, padding=0), stage, spare=last)
            positions = {"embedding/position": table(grid * grid + last, width)}
            flow = flow.dense({**positions, "embedding/class": held(last * width)})
        return flow.norm(width)

    return conv_net(fields, body, rows[-1].width, side, class_tokens=1)


def overlapping(flow: Flow, stage: Stage, pooled: bool = False) -> Flow:
    """A stage of overlapping patches, whose MLPs convolve each channel, with a norm at its end."""
    wide = stage.factor * stage.width
    flow = _attending(_patched(flow, stage), stage, pooled=pooled)
    convolved = {"mlp/depthwise": product(10 * wide, 18 * wide)}
    flow = flow.layers(convolved, times=stage.depth, prefix=stage.name)
    return flow.dense({f"{stage.name}norm/stage": held(2 * stage.width)})


@family("pvt_v2")
def pvt_v2(fields: Fields) -> Network:
    """PVT v2: overlapping patches, convolving MLPs, perhaps pooled keys (arXiv:2106.13797)."""
    rows, side = pyramid(fields), square(fields, "image_size", DEFAULT_SIDE)
    pooled = fields.flag("linear_attention")

    def body(flow: Flow) -> Flow:
        for stage in rows:
            flow = overlapping(flow, stage, pooled)
        return flow

    return conv_net(fields, body, rows[-1].width, side)
