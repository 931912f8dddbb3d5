"""Which detector of objects behind a ResNet a config describes: DETR, Table Transformer.

Images of 800 pixels are counted where `image_size` is not asked for.
"""

from dataclasses import replace

from estimator.workload.blocks import Costs, held, linear, perceptron
from estimator.workload.convolution import Flow, flow_network, plain
from estimator.workload.families.backbones import frozen_resnet
from estimator.workload.families.encoder_decoder import EncoderDecoder, side
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs
from estimator.workload.model_class import head_note, label_count, task
from estimator.workload.network import Network
from estimator.workload.registry import family

DETR_SIDE = 800
"""Shorter side of an image (arXiv:2005.12872, sec. 4). [pixel]"""

PLACES = 50
"""Rows and columns with learned positions. [1]"""


def object_heads(fields: Fields, width: int, spare: int) -> Costs:
    """Class and box of each object; `spare` classes stand for none."""
    if task(fields) != "ObjectDetection":
        return {}
    classes = linear(width, label_count(fields) + spare, bias=True)
    return {"head/classes": classes, "head/boxes": perceptron(width, 4)}


def learned_places(fields: Fields, width: int) -> Costs:
    """Tables of rows and columns, where positions are learned."""
    learned = fields.text("position_embedding_type", default="sine") == "learned"
    return {"embedding/places": held(2 * PLACES * (width // 2) * learned)}


@family("detr", "table-transformer")
def detr(fields: Fields) -> Network:
    """DETR: an encoder-decoder of objects over the maps of a ResNet (arXiv:2005.12872).

    The norms of the ResNet are frozen: they are no parameters. On tables the encoder ends in one.
    """
    hidden, objects = fields.size("hidden_size", "d_model"), fields.size("num_queries")
    tables = fields.text("model_type") == "table-transformer"
    model = EncoderDecoder(
        table=0,
        source=side(fields, "encoder", norms=int(tables)),
        target=side(fields, "decoder"),
        heads=(object_heads(fields, hidden, 1), {"embedding/queries": held(objects * hidden)}),
        longest=objects,
    )
    maps = frozen_resnet(fields, (3,))

    def body(flow: Flow) -> Flow:
        flow, sides = maps.maps(flow)
        flow = replace(flow, side=sides[-1]).dense(learned_places(fields, hidden))
        flow = flow.conv("bridge/project", plain(maps.widths[-1], hidden, kernel=1))
        lengths = flow.positions, float(objects)
        return flow.with_lines(model.lines(flow.batch, lengths, Inputs()))

    notes = head_note(fields, task(fields) in ("", "ObjectDetection"))
    return flow_network(fields, DETR_SIDE, body, notes)
