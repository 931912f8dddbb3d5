"""How much work SegFormer is: the stages of PVT v2, and a head over all their maps.

The items of a pass are the patches of the first stage.
"""

from estimator.workload.blocks import Costs, held, linear
from estimator.workload.convolution import Flow, image, square
from estimator.workload.families.convnet import DEFAULT_SIDE
from estimator.workload.families.pvt import overlapping_stage, pyramid
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, Quantity
from estimator.workload.model_class import classifier, head_note, label_head, task
from estimator.workload.network import Network, Pass, network
from estimator.workload.registry import family


@family("segformer")
def segformer(fields: Fields) -> Network:
    """SegFormer: overlapping patches, keys on coarser maps (arXiv:2105.15203, sec. 3)."""
    rows, usual = pyramid(fields), square(fields, "image_size", DEFAULT_SIDE)
    attentions = [stage.attention(fields) for stage in rows]
    channels = fields.size("num_channels", default=3)
    segments = task(fields) == "SemanticSegmentation"
    each, joined = _decoder(fields, [stage.width for stage in rows]) if segments else ({}, {})
    once = classifier(fields, rows[-1].width)

    def run(inputs: Inputs) -> Pass:
        batch, side = image(inputs, usual)
        flow, before = Flow(batch=batch, side=side), channels
        first: Quantity = 0.0
        for place, stage in enumerate(rows):
            flow = overlapping_stage(flow, place, before, stage, attentions[place])
            first, before = first if place else flow.positions, stage.width
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
