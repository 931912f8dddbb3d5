"""Which network that sees depth a config describes: DPT, Depth Anything, Depth Pro.

A vision transformer, whose maps from four depths are brought to four sizes and fused from the
coarsest to the finest (arXiv:2103.13413, sec. 3). Items are images.
"""

from itertools import pairwise

import numpy as np

from estimator.core.messages import refuse
from estimator.networks.blocks import Costs, affine, held, linear
from estimator.networks.convolution import Conv, Flow, flow_network, plain, ratio, windows
from estimator.networks.families.vit import Vision, dinov2_sight, trunk, vision_network, with_heads
from estimator.networks.fields import Fields
from estimator.networks.ledger import Quantity
from estimator.networks.model_class import head_note, task
from estimator.networks.network import Network, prefixed
from estimator.networks.registry import family, with_defaults_of


def depth_network(
    fields: Fields, sight: Vision, readout: Costs, widths: list[int], fused: int, last: int
) -> Network:
    """A tower and the convolutions behind it; those of Depth Anything end at all pixels.

    Parameters
    ----------
    fields, sight : Fields, Vision
        The config and its tower.
    readout : mapping
        Costs per patch and stage before the maps are resized.
    widths : list of int
        Channels of the maps. [1]
    fused, last : int
        Channels while they are fused; channels before the depth. [1]
    """
    stated = fields.items("reassemble_factors", 4) or [4, 2, 1, 0.5]
    factors = [ratio(fields.with_values({"factor": item}), "factor", 1.0) for item in stated]
    full = fields.text("model_type") == "depth_anything"

    def body(flow: Flow) -> Flow:
        grid = windows(flow.side, sight.patch, sight.patch)
        start = Flow(batch=flow.batch, side=grid).layers(readout, prefix="neck/")
        maps = [
            _resized(start, sight.hidden, shape, fused)
            for shape in zip(factors, widths, strict=True)
        ]
        flow = flow.with_lines(sight.lines(flow.batch, flow.side))
        flow = flow.with_lines(line for part in maps for line in part.lines)
        flow = flow.at(maps[-1].side)
        flow = _fused(flow, fused, [part.side for part in maps], full)
        flow = flow.conv("head/first", plain(fused, fused // 2))
        side = grid * sight.patch if full else 2.0 * flow.side
        flow = flow.at(side).conv("head/second", plain(fused // 2, last))
        return flow.conv("head/depth", plain(last, 1, kernel=1))

    return flow_network(fields, sight.side, body)


def _resized(flow: Flow, hidden: int, shape: tuple[float, int], fused: int) -> Flow:
    """Maps of one depth, from the tower's width and grid to their own."""
    factor, width = shape
    flow = flow.conv("neck/project", plain(hidden, width, kernel=1))
    if factor > 1:
        times = round(factor)
        grown = linear(width, times * times * width) + held(width)
        flow = flow.layers({"neck/grow": grown}).scaled(times)
    elif factor < 1:
        flow = flow.conv("neck/shrink", plain(width, width, stride=round(1 / factor)))
    return flow.conv("neck/convolution", Conv(width, fused, norm=False))


def _fused(flow: Flow, width: int, sides: list[Quantity], full: bool) -> Flow:
    """From the coarsest map to the finest; the first layer holds a branch that rests."""
    convs = (plain(width, width),) * 2
    flow = flow.dense({"fusion/unused": held(2 * convs[0].cost().params)})
    for place in reversed(range(4)):
        if place < 3:
            flow = flow.convs("fusion/beside", convs)
        flow = flow.convs("fusion/through", convs)
        side = sides[place - 1] if full and place else 2.0 * flow.side
        flow = flow.at(side).conv("fusion/project", plain(width, width, kernel=1))
    return flow


def refuse_norms(fields: Fields) -> None:
    """Refuse what is not counted between the convolutions that fuse maps."""
    for key in ("use_batch_norm_in_fusion_residual", "add_projection"):
        fields.counted(key, False, None)
    fields.counted("use_bias_in_fusion_residual", True, None)


@family("dpt")
def dpt(fields: Fields) -> Network:
    """DPT over its own ViT; the class token is read out beside each patch."""
    fields.counted("is_hybrid", False, None)
    fields.counted("backbone_config", None)
    sight = trunk(fields)
    if task(fields) != "DepthEstimation":
        return vision_network(fields, sight if task(fields) else with_heads(fields, sight))
    refuse_norms(fields)
    reads = fields.text("readout_type", default="project") == "project"
    readout = {"readout": affine(2 * sight.hidden, sight.hidden)} if reads else {}
    widths = fields.sizes("neck_hidden_sizes", (96, 192, 384, 768), 4)
    fused = fields.size("fusion_hidden_size", default=256)
    return depth_network(fields, sight, readout, widths, fused, last=32)


@family("depth_anything")
def depth_anything(fields: Fields) -> Network:
    """Depth Anything: DPT's convolutions over DINOv2 (arXiv:2401.10891, sec. 3)."""
    part = fields.part("backbone_config")
    part.counted("model_type", "dinov2")
    widths = fields.sizes("neck_hidden_sizes", (48, 96, 192, 384), 4)
    fused = fields.size("fusion_hidden_size", default=64)
    last = fields.size("head_hidden_size", default=32)
    sight = dinov2_sight(False, with_defaults_of(part, "dinov2"))
    width = fields.size("reassemble_hidden_size", default=384)
    fields.equal("reassemble_hidden_size", width, part.full_name("hidden_size"), sight.hidden)
    return depth_network(fields, sight, {}, widths, fused, last)


KEYS = ("scaled_images_ratios", "scaled_images_overlap_ratios")
"""Keys of the sizes of the image over its own, and of the share that windows have in common."""

FIRST = 4
"""Windows along a side of the image. [1]"""


def _tower(fields: Fields, part: str, window: int) -> Vision:
    """A DINOv2 over windows of a side [pixel]."""
    found = with_defaults_of(fields.part(f"{part}_model_config"), "dinov2")
    return dinov2_sight(False, found.with_values({"image_size": window}))


def _windows(fields: Fields, window: int) -> list[tuple[float, int]]:
    """Sizes of the image over its own, and from window to window [pixel] at each."""
    shares = fields.listed(KEYS[0])
    overlaps = fields.listed(KEYS[1], length=len(shares))
    fields.listed("scaled_images_feature_dims", length=len(shares))
    found = []
    for share, overlap in zip(shares, overlaps, strict=True):
        part = Fields({KEYS[0]: share, KEYS[1]: overlap or None}, path=fields.path)
        stride = int(window * (1.0 - ratio(part, KEYS[1], 0.0)))
        if stride < 1:
            raise refuse("config_key_most", key=part.full_name(KEYS[1]), most=0.99, value=overlap)
        found.append((ratio(part, KEYS[0], 1.0), stride))
    return found


@family("depth_pro")
def depth_pro(fields: Fields) -> Network:
    """Depth Pro: a tower over the image and one over its windows at three sizes, fused as DPT's.

    A third tower may tell the field of view (arXiv:2410.02073, sec. 3.1). Images have four windows
    along a side where `image_size` is not asked for; a window is the least counted at each size.
    """
    refuse_norms(fields)
    window, depth = fields.size("patch_size"), task(fields) == "DepthEstimation"
    image, patches = (_tower(fields, part, window) for part in ("image", "patch"))
    view = _tower(fields, "fov", window) if depth and fields.flag("use_fov_model") else None
    windows = _windows(fields, window)
    grid = window // image.patch

    def body(flow: Flow) -> Flow:
        side = flow.side
        flow = flow.with_lines(prefixed(image.lines(flow.batch, float(window)), "image/"))
        count: Quantity = 0.0
        for share, stride in windows:
            count = count + np.maximum((side * share - window) // stride + 1.0, 1.0) ** 2
        flow = flow.with_lines(prefixed(patches.lines(flow.batch * count, float(window)), "patch/"))
        base = side // 2.0 ** np.floor(np.log2(side / grid))
        flow, sides = _neck(fields, flow.at(base), image.hidden, patches.hidden)
        flow = _depth_of(fields, flow, sides) if depth else flow
        return flow if view is None else _field_of_view(fields, flow.at(base), view)

    notes = head_note(fields, depth or not task(fields))
    return flow_network(fields, FIRST * window, body, notes)


def _grown(flow: Flow, name: str, inputs: int, outputs: int, bias: bool = False) -> Flow:
    """With maps twice as large, by a transposed convolution."""
    return flow.layers({name: linear(inputs, 4 * outputs) + held(outputs * bias)}).scaled(2.0)


def _neck(fields: Fields, flow: Flow, seen: int, hidden: int) -> tuple[Flow, list[Quantity]]:
    """Maps of both towers at growing sizes, all of one width."""
    widths = fields.sizes("scaled_images_feature_dims")
    hooked, fused = fields.sizes("intermediate_feature_dims"), fields.size("fusion_hidden_size")
    base, sides, name, first = flow.side, [], "neck/grow", widths[0]
    flow = _grown(flow, name, seen, first, bias=True)
    flow = flow.conv("neck/join", plain(2 * first, first, kernel=1))
    wide = [(width, width, 1) for width in widths]
    wide += [(width if place else fused, width, 2 + place) for place, width in enumerate(hooked)]
    for place, (inner, width, often) in enumerate(wide):
        flow = flow.at(base * 2.0 ** min(place, len(widths) - 1))
        flow = flow.layers({"neck/project": linear(hidden, inner)})
        for again in range(often):
            flow = _grown(flow, name, width if again else inner, width)
        sides.append(flow.side)
        if place + 1 < len(wide) or width != fused:
            flow = flow.conv("neck/width", Conv(width, fused, norm=False))
    return flow, sides


def _depth_of(fields: Fields, flow: Flow, sides: list[Quantity]) -> Flow:
    """From the coarsest map to the finest, and the depth; the first layer has a branch at rest."""
    width = fields.size("fusion_hidden_size")
    convs, half = (plain(width, width),) * 2, width // 2
    flow = flow.dense({"fusion/unused": held(2 * convs[0].cost().params)})
    for place, side in enumerate(sides):
        flow = flow.at(side).convs("fusion/mix", convs * (1 + (place > 0)))
        if place + 1 < len(sides):
            flow = _grown(flow, "fusion/grow", width, width)
        flow = flow.conv("fusion/project", plain(width, width, kernel=1))
    flow = _grown(flow.conv("head/first", plain(width, half)), "head/grow", half, half, bias=True)
    return flow.convs("head/depth", (plain(half, 32), plain(32, 1, kernel=1)))


def _field_of_view(fields: Fields, flow: Flow, view: Vision) -> Flow:
    """A tower over the whole image, whose patches join the coarsest map, and shrink to a number."""
    width = fields.size("fusion_hidden_size")
    depth = fields.layers("num_fov_head_layers", default=2)
    positions, grid = view.positions(float(view.side))[1], view.grid[0]
    flow = flow.with_lines(prefixed(view.lines(flow.batch, float(view.side)), "view/"))
    flow = flow.layers({"view/project": affine(view.hidden, width // 2)}, positions)
    flow = flow.scaled(2.0).conv("view/join", plain(width, width // 2, stride=2)).at(float(grid))
    narrow = [-(-width // 2 ** (place + 1)) for place in range(depth + 1)]
    for pair in pairwise(narrow):
        flow = flow.conv("view/shrink", plain(*pair, stride=2))
    last = plain(narrow[-1], 1, kernel=int((grid - 1) / 2**depth + 1), padding=0)
    return flow.conv("view/angle", last)
