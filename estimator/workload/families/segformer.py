"""How much work SegFormer is: the stages of PVT v2, and a head over all their maps."""

from estimator.workload.blocks import Costs, held, linear
from estimator.workload.convolution import Flow, image, square
from estimator.workload.families.convnet import DEFAULT_SIDE
from estimator.workload.families.pvt import overlapping, pyramid
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, Quantity
from estimator.workload.model_class import classifier, head_note, label_head, task
from estimator.workload.network import Network, Pass, network
from estimator.workload.registry import family


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
