"""How much work DETR is: a ResNet, then an encoder-decoder of objects (arXiv:2005.12872).

Images of 800 pixels are counted where `image_size` is not asked for. The norms of
the ResNet are frozen: they are no parameters.
"""

from estimator.workload.blocks import Costs, held, linear, perceptron
from estimator.workload.convolution import Conv, Flow, image
from estimator.workload.families.convnet import WIDTHS, basic_layer, bottlenecks
from estimator.workload.families.encoder_decoder import EncoderDecoder, side
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs
from estimator.workload.model_class import head_note, label_count, task
from estimator.workload.network import Network, Pass, network
from estimator.workload.registry import family

SIDE = 800
"""Shorter side of an image (arXiv:2005.12872, sec. 4). [pixel]"""

BACKBONES = {
    **{"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)},
    **{"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)},
}
"""Depths of the stages by name."""

BASIC_WIDTHS = (64, 128, 256, 512)
"""Channels of the stages of a ResNet of basic layers (arXiv:1512.03385, table 1)."""


def _resnet(fields: Fields) -> tuple[tuple[int, ...], bool]:
    """Stages of the ResNet that the config names or holds, and whether its layers are basic."""
    part = fields.part("backbone_config")
    name = fields.text("backbone") or part.text("backbone", default="resnet50")
    if part.text("model_type") == "resnet":
        basic = part.text("layer_type", default="bottleneck") == "basic"
        usual = BASIC_WIDTHS if basic else WIDTHS
        if tuple(part.sizes("hidden_sizes", usual, 4)) != usual:
            raise ValueError(f"{part.path}hidden_sizes must be {list(usual)}")
        return tuple(part.layer_counts("depths", (3, 4, 6, 3), 4)), basic
    name = name.partition(".")[0]
    if name not in BACKBONES:
        known = ", ".join(BACKBONES)
        raise ValueError(f"{fields.path}backbone {name!r} is not known: known are {known}")
    return BACKBONES[name], name in ("resnet18", "resnet34")


@family("detr", "table-transformer")
def detr(fields: Fields) -> Network:
    """DETR over a ResNet, its last stage not dilated; on tables the encoder ends in a norm."""
    if fields.flag("dilation"):
        raise ValueError(f"{fields.path}dilation must be false: dilated maps are not counted")
    hidden, objects = fields.size("hidden_size", "d_model"), fields.size("num_queries")
    tables = fields.text("model_type") == "table-transformer"
    model = EncoderDecoder(
        table=0,
        source=side(fields, "encoder", norms=int(tables)),
        target=side(fields, "decoder"),
        heads=(_heads(fields, hidden), {"embedding/queries": held(objects * hidden)}),
        longest=objects,
    )
    depths, basic = _resnet(fields)
    channels = fields.size("num_channels", default=3)
    layer, widths = (basic_layer, BASIC_WIDTHS) if basic else (None, WIDTHS)
    project = Conv(widths[-1], hidden, kernel=1, bias=True, norm=False)

    def run(inputs: Inputs) -> Pass:
        batch, pixels = image(inputs, SIDE)
        flow = Flow(batch=batch, side=pixels, frozen=True)
        maps = bottlenecks(flow, channels, depths, layer, widths)
        flow = maps.conv("bridge/project", project)
        done = [*flow.lines, *model.lines(batch, (flow.positions, float(objects)), inputs)]
        return Pass(lines=done, items=batch)

    notes = head_note(fields, task(fields) in ("", "ObjectDetection"))
    return network(fields, run, notes, item_unit="image")


def _heads(fields: Fields, hidden: int) -> Costs:
    """Class and box of each object."""
    if task(fields) != "ObjectDetection":
        return {}
    return {
        "head/classes": linear(hidden, label_count(fields) + 1, bias=True),
        "head/boxes": perceptron(hidden, 4),
    }
