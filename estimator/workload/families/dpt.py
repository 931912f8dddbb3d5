"""Which network that sees depth a config describes: DPT, Depth Anything.

A vision transformer, whose maps from four depths are
brought to four sizes and fused from the coarsest to the finest (arXiv:2103.13413, sec. 3).
"""

from dataclasses import dataclass, replace

from estimator.workload.blocks import Costs, held, linear
from estimator.workload.convolution import Conv, Flow, image, ratio, sizes, windows
from estimator.workload.families.vit import Vision, dinov2_sight, trunk, vision_network
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, Quantity
from estimator.workload.model_class import task
from estimator.workload.network import Network, Pass, lines, network
from estimator.workload.registry import family


@dataclass(frozen=True, kw_only=True)
class Depth:
    """A tower and the convolutions behind it.

    Parameters
    ----------
    sight : Vision
        The tower.
    readout : mapping
        Costs per patch and stage before the maps are resized.
    factors : tuple of float
        Size of the maps of each stage over that of the tower. [1]
    widths : tuple of int
        Channels of the maps. [1]
    fused, last : int
        Channels while they are fused; channels before the depth. [1]
    full : bool
        The last convolutions run over all pixels instead of twice the finest map.
    """

    sight: Vision
    readout: Costs
    factors: tuple[float, ...]
    widths: tuple[int, ...]
    fused: int
    last: int
    full: bool

    def run(self, inputs: Inputs) -> Pass:
        """Pass over `batch` images."""
        batch, pixels = image(inputs, self.sight.side)
        grid = windows(pixels, self.sight.patch, self.sight.patch)
        maps = [self._resized(Flow(batch=batch, side=grid), stage) for stage in range(4)]
        done = [*self.sight.lines(batch, pixels), *(line for part in maps for line in part.lines)]
        flow = self._fused(Flow(batch=batch, side=maps[-1].side), [part.side for part in maps])
        half = self.fused // 2
        flow = flow.conv("head/first", _plain(self.fused, half))
        side = grid * self.sight.patch if self.full else 2.0 * flow.side
        flow = replace(flow, side=side).conv("head/second", _plain(half, self.last))
        flow = flow.conv("head/depth", _plain(self.last, 1, kernel=1))
        return Pass(lines=[*done, *flow.lines], items=batch)

    def _resized(self, flow: Flow, stage: int) -> Flow:
        """Maps of one depth, from the tower's width and grid to their own."""
        factor, width = self.factors[stage], self.widths[stage]

        flow = replace(
            flow, lines=tuple(lines(self.readout, flow.batch * flow.positions, prefix="neck/"))
        )
        flow = flow.conv("neck/project", _plain(self.sight.hidden, width, kernel=1))
        if factor > 1:
            times = round(factor)
            grown = linear(width, times * times * width) + held(width)

            done = (*flow.lines, *lines({"neck/grow": grown}, flow.batch * flow.positions))
            flow = replace(flow, side=times * flow.side, lines=done)
        elif factor < 1:
            flow = flow.conv("neck/shrink", _plain(width, width, stride=round(1 / factor)))
        conv = Conv(inputs=width, outputs=self.fused, norm=False)
        return flow.conv("neck/convolution", conv)

    def _fused(self, flow: Flow, sides: list[Quantity]) -> Flow:
        """From the coarsest map to the finest; the first layer holds a branch that rests."""
        convs = (_plain(self.fused, self.fused),) * 2
        unused = 2 * _plain(self.fused, self.fused).cost().params
        flow = flow.dense({"fusion/unused": held(unused)})
        for place in reversed(range(4)):
            if place < 3:
                flow = flow.convs("fusion/beside", convs)
            flow = flow.convs("fusion/through", convs)
            side = sides[place - 1] if self.full and place else 2.0 * flow.side
            flow = replace(flow, side=side)
            flow = flow.conv("fusion/project", _plain(self.fused, self.fused, kernel=1))
        return flow


def _plain(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> Conv:
    """A convolution with bias and without norm."""
    return Conv(inputs=inputs, outputs=outputs, kernel=kernel, stride=stride, bias=True, norm=False)


def _factors(fields: Fields) -> tuple[float, ...]:
    """Sizes of the maps of four stages."""
    stated = fields.items("reassemble_factors", 4) or [4, 2, 1, 0.5]
    return tuple(
        ratio(Fields({"reassemble_factors": item}), "reassemble_factors", 1.0) for item in stated
    )


@family("dpt")
def dpt(fields: Fields) -> Network:
    """DPT over its own ViT; the class token is read out beside each patch."""
    if fields.flag("is_hybrid") or fields.states("backbone_config"):
        raise ValueError(f"{fields.path}backbone_config: DPT is counted over its own ViT only")
    sight = trunk(fields, side=384)
    hidden = sight.hidden
    if task(fields) != "DepthEstimation":
        width = fields.size_or_none("pooler_output_size") or hidden
        pooled = {} if task(fields) else {"pooler": linear(hidden, width, bias=True)}
        return vision_network(fields, replace(sight, once=pooled))
    reads = fields.text("readout_type", default="project") == "project"
    biased = fields.values.get("use_bias_in_fusion_residual")
    if fields.flag("use_batch_norm_in_fusion_residual") or fields.flag("add_projection"):
        raise ValueError(f"{fields.path}use_batch_norm_in_fusion_residual must be false")
    if biased is False:
        raise ValueError(f"{fields.path}use_bias_in_fusion_residual must be true or absent")
    model = Depth(
        sight=sight,
        readout={"readout": linear(2 * hidden, hidden, bias=True)} if reads else {},
        factors=_factors(fields),
        widths=tuple(sizes(fields, "neck_hidden_sizes", (96, 192, 384, 768), 4)),
        fused=fields.size("fusion_hidden_size", default=256),
        last=32,
        full=False,
    )
    return network(fields, model.run, item_unit="image")


@family("depth_anything")
def depth_anything(fields: Fields) -> Network:
    """Depth Anything: DPT's convolutions over DINOv2 (arXiv:2401.10891, sec. 3)."""
    part = fields.part("backbone_config")
    if part.text("model_type", default="dinov2") != "dinov2":
        raise ValueError(f"{part.path}model_type must be dinov2")
    model = Depth(
        sight=dinov2_sight((14, 0), part),
        readout={},
        factors=_factors(fields),
        widths=tuple(sizes(fields, "neck_hidden_sizes", (48, 96, 192, 384), 4)),
        fused=fields.size("fusion_hidden_size", default=64),
        last=fields.size("head_hidden_size", default=32),
        full=True,
    )
    return network(fields, model.run, item_unit="image")
