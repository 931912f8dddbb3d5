"""Which pyramid of attention to fewer keys a config describes: PVT, CvT, SegFormer, GLPN."""

from dataclasses import replace
from typing import NamedTuple

from estimator.networks.blocks import (
    Attention,
    Costs,
    Mlp,
    affine,
    equal_heads,
    held,
    layer_costs,
    linear,
    product,
    table,
)
from estimator.networks.convolution import (
    Conv,
    Flow,
    flow_network,
    image,
    plain,
    ratio,
    square,
    stages,
    windows,
)
from estimator.networks.families.convnet import DEFAULT_SIDE, conv_net
from estimator.networks.fields import Fields
from estimator.networks.ledger import Inputs, Quantity
from estimator.networks.model_class import classifier, head_note, label_head, task
from estimator.networks.network import Network, Pass, network
from estimator.networks.registry import family

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
    mlp = Mlp(width, stage.factor * width, bias=True)
    costs = layer_costs(stage.attention, mlp, 4 * width)
    seen, reach = tokens, 0
    if pooled:
        seen, reach = float(POOLED * POOLED), 1
    elif reduction > 1:
        seen, reach = windows(flow.side, reduction, reduction) ** 2, reduction**2
    flow = flow.crossing(costs, tokens, seen, times=stage.depth, prefix=stage.name)
    if not reach:
        return flow
    conv = {"attention/reduction": affine(reach * width, width)}
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


SIZES = ("embed_dim", "depth", "num_heads", "patch_sizes", "patch_stride", "kernel_qkv")


@family("cvt")
def cvt(fields: Fields) -> Network:
    """CvT: keys and values are those of a map that is half as fine."""
    rows = stages(fields, SIZES)
    count = len(rows)
    paddings = fields.sizes("patch_padding", (2, 1, 1), count)
    strides = fields.sizes("stride_kv", (2, 2, 2), count)
    tokens = fields.listed("cls_token", (False, False, True), count)
    biases = fields.listed("qkv_bias", (True,) * count, count)
    factors = [
        ratio(fields.with_values({"mlp_ratio": one}), "mlp_ratio", 4.0)
        for one in fields.listed("mlp_ratio", (4.0,) * count, count)
    ]
    for key, known in (("qkv_projection_method", "dw_bn"), ("stride_q", 1)):
        for one in fields.listed(key, (known,) * count, count):
            if one != known:
                raise fields.uncounted(key, one, known)

    def body(flow: Flow) -> Flow:
        before = fields.size("num_channels", default=3)
        for place, (width, depth, heads, patch, stride, kernel) in enumerate(rows):
            name, spare = f"stage{place + 1}/", int(tokens[place] is True)
            stem = replace(plain(before, width, patch, stride, paddings[place]), norm=True)
            flow = flow.conv(f"{name}patch", stem, first=place == 0)
            small = Conv(width, width, kernel=kernel, stride=strides[place], groups=width)
            asking, seen = flow.positions, small.side(flow.side) ** 2
            own = {"attention/convolution": small.cost()}
            shrunk = {"attention/shrink": small.cost()}
            flow = flow.layers(own, asking, times=depth, prefix=name)
            flow = flow.layers(shrunk, seen, times=2 * depth, prefix=name)
            keys, bias = ("embed_dim", "num_heads"), biases[place] is True
            attention = equal_heads(fields, width, heads, keys, bias, output_bias=True)
            mlp = Mlp(width, int(width * factors[place]), bias=True)
            layer = layer_costs(attention, mlp, 4 * width)
            flow = flow.crossing(layer, asking + spare, seen + spare, times=depth, prefix=name)
            flow, before = flow.dense({f"{name}class": held(spare * rows[-1][0])}), width
        return flow.norm(before) if task(fields) else flow

    return conv_net(fields, body, rows[-1][0], DEFAULT_SIDE)


GLPN_SIDE = 480
"""Shorter side of the images of NYU Depth v2, on which GLPN is published. [pixel]"""


@family("segformer")
def segformer(fields: Fields) -> Network:
    """SegFormer: the stages of PVT v2, and a head over all their maps (arXiv:2105.15203, sec. 3).

    The items of a pass are the patches of the first stage.
    """
    rows, usual = pyramid(fields), square(fields, "image_size", DEFAULT_SIDE)
    segments = task(fields) == "SemanticSegmentation"
    width = fields.size("decoder_hidden_size", default=256) if segments else 0
    joined: Costs = classifier(fields, rows[-1].width)
    if segments:
        joined = {
            "head/fuse": linear(width * len(rows), width),
            "norm/head": held(2 * width),
            "head/classifier": label_head(fields, width),
        }

    def run(inputs: Inputs) -> Pass:
        batch, side = image(inputs, usual)
        flow = Flow(batch=batch, side=side)
        patches: list[Quantity] = []
        for place, stage in enumerate(rows, start=1):
            flow = overlapping(flow, stage)
            patches.append(flow.positions)
            flow = flow.layers({f"head/stage{place}": affine(stage.width, width)})
        flow = flow.dense(joined, patches[0] if segments else 1.0)
        return Pass(lines=flow.lines, items=batch * patches[0])

    return network(fields, run, head_note(fields, not task(fields) or joined))


@family("glpn")
def glpn(fields: Fields) -> Network:
    """GLPN: the same stages, whose maps are fused from the coarsest to all pixels (2201.07436)."""
    rows, side = pyramid(fields), square(fields, "image_size", GLPN_SIDE)
    width, sees = fields.size("decoder_hidden_size", default=64), task(fields) == "DepthEstimation"

    def body(flow: Flow) -> Flow:
        sides = []
        for stage in rows:
            flow = overlapping(flow, stage)
            sides.append(flow.side)
        for stage, one in zip(reversed(rows), reversed(sides), strict=True) if sees else ():
            flow = flow.at(one)
            if stage.width != width:
                flow = flow.conv("neck/project", plain(stage.width, width, kernel=1))
            if stage is not rows[-1]:
                first = Conv(2 * width, width, bias=True)
                flow = flow.convs("neck/fuse", (first, Conv(width, width // 2, bias=True)))
                flow = flow.conv("neck/weigh", plain(width // 2, 2))
        depth = (plain(width, width), plain(width, 1)) if sees else ()
        return flow.scaled(4.0).convs("head/depth", depth)

    return flow_network(fields, side, body, head_note(fields, sees or not task(fields)))
