"""Which detector of objects behind a ResNet a config describes: DETR, Table Transformer.

Images of 800 pixels are counted where `image_size` is not asked for.
"""

from dataclasses import replace

from estimator.workload.blocks import Costs, held, linear, perceptron
from estimator.workload.convolution import Flow, flow_network, plain
from estimator.workload.families.convnet import resnet_body
from estimator.workload.families.encoder_decoder import EncoderDecoder, side
from estimator.workload.families.torchvision import named_networks
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs
from estimator.workload.model_class import head_note, label_count, task
from estimator.workload.network import Network
from estimator.workload.registry import family

DETR_SIDE = 800
"""Shorter side of an image (arXiv:2005.12872, sec. 4). [pixel]"""


def object_heads(fields: Fields, width: int, spare: int) -> Costs:
    """Class and box of each object; `spare` classes stand for none."""
    if task(fields) != "ObjectDetection":
        return {}
    classes = linear(width, label_count(fields) + spare, bias=True)
    return {"head/classes": classes, "head/boxes": perceptron(width, 4)}


def _resnet(fields: Fields) -> Fields:
    """The ResNet that the config holds or names."""
    part = fields.part("backbone_config")
    if part.text("model_type") == "resnet":
        return part
    name = fields.text("backbone") or part.text("backbone", default="resnet50")
    name = name.partition(".")[0]
    known = {one: row for one, (kind, row) in named_networks().items() if kind == "resnet"}
    if name not in known:
        shown = ", ".join(known)
        raise ValueError(f"{fields.path}backbone {name!r} is not known: known are {shown}")
    return Fields(known[name])


@family("detr", "table-transformer")
def detr(fields: Fields) -> Network:
    """DETR: an encoder-decoder of objects over the maps of a ResNet (arXiv:2005.12872).

    The norms of the ResNet are frozen: they are no parameters. On tables the encoder ends in one.
    """
    if fields.flag("dilation"):
        raise ValueError(f"{fields.path}dilation must be false: dilated maps are not counted")
    hidden, objects = fields.size("hidden_size", "d_model"), fields.size("num_queries")
    tables = fields.text("model_type") == "table-transformer"
    model = EncoderDecoder(
        table=0,
        source=side(fields, "encoder", norms=int(tables)),
        target=side(fields, "decoder"),
        heads=(object_heads(fields, hidden, 1), {"embedding/queries": held(objects * hidden)}),
        longest=objects,
    )
    channels = {"num_channels": fields.size("num_channels", default=3)}
    backbone, width = resnet_body(_resnet(fields).with_defaults(channels))

    def body(flow: Flow) -> Flow:
        flow = backbone(replace(flow, frozen=True))
        flow = flow.conv("bridge/project", plain(width, hidden, kernel=1))
        lengths = flow.positions, float(objects)
        return flow.with_lines(model.lines(flow.batch, lengths, Inputs()))

    notes = head_note(fields, task(fields) in ("", "ObjectDetection"))
    return flow_network(fields, DETR_SIDE, body, notes)
