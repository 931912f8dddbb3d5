"""How much work PVT is: attention to keys that a convolution has made fewer (arXiv:2102.12122)."""

from dataclasses import replace
from typing import NamedTuple

from estimator.workload.blocks import Attention, Mlp, equal_heads, held, linear, product, table
from estimator.workload.convolution import Flow, plain, square, stages, windows
from estimator.workload.families.convnet import DEFAULT_SIDE, conv_net
from estimator.workload.fields import Fields
from estimator.workload.network import Network
from estimator.workload.registry import family

POOLED = 7
"""Side of the map of keys in the linear attention of PVT v2. [1]"""


class Stage(NamedTuple):
    """Layers over one map, and the patches that make it.

    Width, layers and heads; side of the window that a key is made of; kernel and stride of the
    patches; width of the MLP over that of the stage.
    """

    width: int
    depth: int
    heads: int
    reduction: int
    kernel: int
    stride: int
    factor: int

    def attention(self, fields: Fields) -> Attention:
        """Attention of one layer."""
        keys, bias = ("hidden_sizes", "num_attention_heads"), fields.flag("qkv_bias", default=True)
        return equal_heads(fields, self.width, self.heads, keys, bias, output_bias=True)


def pyramid(fields: Fields, reductions: str = "sr_ratios") -> list[Stage]:
    """The stages of a config, whose `reductions` stand under this key."""
    sizes = ("hidden_sizes", "depths", "num_attention_heads", reductions)
    rows = stages(fields, (*sizes, "patch_sizes", "strides", "mlp_ratios"))
    return [Stage(*row) for row in rows]


def reduced_attention(
    flow: Flow, name: str, stage: Stage, attention: Attention, spare: int = 0, pooled: bool = False
) -> Flow:
    """Layers on a map and `spare` tokens, whose keys are those of a coarser map, perhaps pooled."""
    width, reduction, tokens = stage.width, stage.reduction, flow.positions + spare
    mlp = Mlp(hidden=width, width=stage.factor * width, bias=True)
    costs = {**attention.costs(), **mlp.costs(), "norm/layers": held(4 * width)}
    seen, reach = tokens, 0
    if pooled:
        seen, reach = float(POOLED * POOLED), 1
    elif reduction > 1:
        seen, reach = windows(flow.side, reduction, reduction) ** 2, reduction**2
    flow = flow.crossing(costs, tokens, seen, times=stage.depth, prefix=name)
    if not reach:
        return flow
    conv = {"attention/reduction": linear(reach * width, width, bias=True)}
    norm = {"norm/reduction": held(2 * width)}
    return flow.layers({**conv, **norm}, seen, times=stage.depth, prefix=name)


@family("pvt")
def pvt(fields: Fields) -> Network:
    """PVT: positions in every stage, a class token in the last (sec. 3)."""
    fields = fields.with_defaults({"num_labels": 1000})  # whatever `id2label` says
    rows = pyramid(fields, "sequence_reduction_ratios")
    side = square(fields, "image_size", DEFAULT_SIDE)
    attentions = [stage.attention(fields) for stage in rows]

    def body(flow: Flow) -> Flow:
        before, grid = fields.size("num_channels", default=3), side
        for place, stage in enumerate(rows):
            name, width, last = f"stage{place + 1}/", stage.width, place + 1 == len(rows)
            patch = replace(plain(before, width, stage.kernel, stage.stride, padding=0), norm=True)
            flow, grid = flow.conv(f"{name}patch", patch, first=place == 0), grid // stage.stride
            flow = reduced_attention(flow, name, stage, attentions[place], spare=last)
            positions = {"embedding/position": table(grid * grid + last, width)}
            flow = flow.dense({**positions, "embedding/class": held(last * width)})
            before = width
        return flow.norm(before)

    return conv_net(fields, body, rows[-1].width, side, class_tokens=1)


def overlapping_stage(
    flow: Flow, place: int, inputs: int, stage: Stage, attention: Attention, pooled: bool = False
) -> Flow:
    """A stage of overlapping patches, whose MLPs convolve each channel, with a norm at its end."""
    name, wide = f"stage{place + 1}/", stage.factor * stage.width
    patch = replace(plain(inputs, stage.width, stage.kernel, stage.stride), norm=True)
    flow = flow.conv(f"{name}patch", patch, first=place == 0)
    flow = reduced_attention(flow, name, stage, attention, pooled=pooled)
    convolved = {"mlp/depthwise": product(10 * wide, 18 * wide)}
    flow = flow.layers(convolved, times=stage.depth, prefix=name)
    return flow.dense({f"{name}norm/stage": held(2 * stage.width)})


@family("pvt_v2")
def pvt_v2(fields: Fields) -> Network:
    """PVT v2: overlapping patches, convolving MLPs, perhaps pooled keys (arXiv:2106.13797)."""
    rows, side = pyramid(fields), square(fields, "image_size", DEFAULT_SIDE)
    attentions = [stage.attention(fields) for stage in rows]
    pooled = fields.flag("linear_attention")

    def body(flow: Flow) -> Flow:
        before = fields.size("num_channels", default=3)
        for place, stage in enumerate(rows):
            flow = overlapping_stage(flow, place, before, stage, attentions[place], pooled)
            before = stage.width
        return flow

    return conv_net(fields, body, rows[-1].width, side)
