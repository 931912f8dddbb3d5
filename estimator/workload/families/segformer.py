"""How much work SegFormer and GLPN are: the stages of PVT v2, and a head over all their maps."""

from dataclasses import replace

from estimator.workload.blocks import Costs, held, linear
from estimator.workload.convolution import Conv, Flow, flow_network, image, plain, square
from estimator.workload.families.convnet import DEFAULT_SIDE
from estimator.workload.families.pvt import overlapping, pyramid
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, Quantity
from estimator.workload.model_class import classifier, head_note, label_head, task
from estimator.workload.network import Network, Pass, network
from estimator.workload.registry import family

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
            flow = flow.layers({f"head/stage{place}": linear(stage.width, width, bias=True)})
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
            flow = replace(flow, side=one)
            if stage.width != width:
                flow = flow.conv("neck/project", plain(stage.width, width, kernel=1))
            if stage is not rows[-1]:
                first = Conv(2 * width, width, bias=True)
                flow = flow.convs("neck/fuse", (first, Conv(width, width // 2, bias=True)))
                flow = flow.conv("neck/weigh", plain(width // 2, 2))
        depth = (plain(width, width), plain(width, 1)) if sees else ()
        return flow.scaled(4.0).convs("head/depth", depth)

    return flow_network(fields, side, body, head_note(fields, sees or not task(fields)))
