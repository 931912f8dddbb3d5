"""Which network that sees depth a config describes: DPT, Depth Anything.

A vision transformer, whose maps from four depths are brought to four sizes and fused from the
coarsest to the finest (arXiv:2103.13413, sec. 3).
"""

from estimator.workload.blocks import Costs, affine, held, linear
from estimator.workload.convolution import Conv, Flow, flow_network, plain, ratio, windows
from estimator.workload.families.vit import Vision, dinov2_sight, trunk, vision_network, with_heads
from estimator.workload.fields import Fields
from estimator.workload.ledger import Quantity
from estimator.workload.model_class import task
from estimator.workload.network import Network
from estimator.workload.registry import family, with_defaults_of


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
