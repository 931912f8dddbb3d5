"""How much work RF-DETR and LW-DETR are: detectors over a vision transformer with windows.

Some layers attend inside windows, the rest to all patches (arXiv:2406.03459, sec. 3; RF-DETR
arXiv:2511.09554). The groups of queries beside the first are for training, held and not run. Where
`image_size` is not asked for, an image is that of the backbone, made a whole number of windows.
"""

from dataclasses import replace

import numpy as np

from estimator.networks.blocks import Cost, Mlp, affine, equal_heads, held, linear, table
from estimator.networks.convolution import Conv, Flow, flow_network, pointwise, ratio, square
from estimator.networks.families.backbones import handed_on
from estimator.networks.families.detr import sampling
from estimator.networks.families.vit import Vision, dinov2_sight, keys_without_bias, trunk
from estimator.networks.fields import Fields
from estimator.networks.ledger import Quantity
from estimator.networks.model_class import head_note, label_count, task
from estimator.networks.network import Network
from estimator.networks.registry import family, with_defaults_of


def windowed(vision: Vision, flow: Flow, windows: int, within: int) -> Flow:
    """A tower whose first `within` layers, in any order, see `windows` x `windows` parts apart.

    Its maps are padded to whole windows, each of which has its own tokens before the patches.
    """
    side = np.ceil(flow.side / vision.patch / windows) * windows
    patches = side * side
    every = patches + windows**2 * vision.prefix
    flow = flow.with_lines(replace(vision, layers=0).over(flow.batch, patches)).at(side)
    layers = ((within, every * every / windows**2), (vision.layers - within, every * every))
    for times, pairs in layers:
        flow = flow.layers(vision.layer, every, pairs=pairs, times=times)
    return flow


def _gathered(fields: Fields, flow: Flow, inputs: int) -> Flow:
    """Maps side by side become one: halves of it, of which one passes a chain of convolutions."""
    width, blocks, name = fields.size("d_model"), fields.layers("c2f_num_blocks"), "bridge/"
    narrow = int(width * ratio(fields, "hidden_expansion", 0.5))
    flow = flow.conv(f"{name}in", pointwise(inputs, 2 * narrow))
    flow = flow.convs(f"{name}mix", [Conv(narrow, narrow)] * (2 * blocks))
    return flow.conv(f"{name}out", pointwise((2 + blocks) * narrow, width)).norm(width)


def _objects(fields: Fields, flow: Flow, seen: Quantity, levels: int) -> Flow:
    """Objects picked from all positions, and layers in which they look at points of the maps."""
    width, layers = fields.size("d_model"), fields.layers("decoder_layers")
    heads = fields.size("decoder_self_attention_heads")
    points = fields.size("decoder_cross_attention_heads") * fields.size("decoder_n_points") * levels
    bias = fields.flag("attention_bias", default=True)
    keys = ("d_model", "decoder_self_attention_heads")
    layer = {
        **equal_heads(fields, width, heads, keys, bias).costs(),
        **Mlp(width, fields.size("decoder_ffn_dim"), bias=True).costs(),
        **sampling(width, points),
        "norm/layers": held(6 * width),
    }
    classes, boxes = affine(width, label_count(fields)), affine(width, width, width, 4)
    pick = {"pick/project": affine(width, width), "pick/classes": classes, "pick/boxes": boxes}
    queries, groups = fields.size("num_queries"), fields.size("group_detr")
    spare = (groups - 1) * sum(cost.params for cost in pick.values())
    tables = held(groups * queries * (width + 4) + spare + (2 * groups + 2) * width)
    flow = flow.layers(pick, seen).dense({"embedding/queries": tables})
    flow = flow.layers({"decoder/place": affine(2 * width, width, width)}, float(queries))
    flow = flow.attending(layer, float(queries), times=layers, prefix="decoder/")
    flow = flow.layers({"cross/value": affine(width, width)}, seen, times=layers, prefix="decoder/")
    if task(fields) not in ("ObjectDetection", "InstanceSegmentation"):
        return flow
    heads_of = {"head/classes": classes + classes.again(), "head/boxes": boxes}
    return flow.layers(heads_of, float(queries))


def _masks(fields: Fields, flow: Flow) -> Flow:
    """Masks of all objects from the map behind each of some blocks, and before them."""
    width, layers = fields.size("d_model"), fields.layers("decoder_layers")
    queries, inner = fields.size("num_queries"), fields.size("intermediate_size", default=1024)
    depthwise = Conv(width, width, groups=width, bias=True).cost()
    square = affine(width, width)
    per_pixel = {
        "masks/blocks": (depthwise + square).times(layers),
        "masks/pixels": square.repeated(layers),
        "masks/products": Cost(flop_per_token=2 * width * queries * (layers + 1)),
    }
    each = square + affine(width, inner, width)
    flow = flow.layers(per_pixel).dense({"masks/norm": held(2 * width + 1)})
    return flow.layers({"masks/queries": each.repeated(layers + 1)}, float(queries))


def _side(sight: Vision, windows: int) -> int:
    """Side of an image: that of the tower, made a whole number of windows [pixel]."""
    span = sight.patch * windows
    return -(-sight.side // span) * span


@family("rf_detr")
def rf_detr(fields: Fields) -> Network:
    """RF-DETR over DINOv2, perhaps with masks."""
    part = with_defaults_of(fields.part("backbone_config"), "dinov2")
    sight = dinov2_sight(False, part)
    count, windows = sight.layers, part.size("num_windows", default=4)
    at = [place + 1 for place in handed_on(part, count, (count - 1,))]
    within = at[-1] + 1 - len(at) if at[-1] < count else count - len(at) + 1
    segments = task(fields) == "InstanceSegmentation"

    def body(flow: Flow) -> Flow:
        pixels = flow.side
        flow = windowed(sight, flow, windows, within)
        flow = _gathered(fields, flow, len(at) * sight.hidden)
        flow = _objects(fields, flow, flow.positions, 1)
        small = fields.size("mask_downsample_ratio", default=4)
        return _masks(fields, flow.at(pixels // small)) if segments else flow

    notes = head_note(fields, task(fields) in ("", "ObjectDetection", "InstanceSegmentation"))
    return flow_network(fields, _side(sight, windows), body, notes)


@family("lw_detr")
def lw_detr(fields: Fields) -> Network:
    """LW-DETR: maps of some sizes from one tower."""
    part = fields.part("backbone_config").with_usual({"image_size": 256, "hidden_size": 768})
    hidden, grid = part.size("hidden_size"), square(part, "pretrain_image_size", 224)
    wide = int(hidden * ratio(part, "mlp_ratio", 4.0))
    sight = trunk(part.with_values({"intermediate_size": wide}), prefix=0)
    layer = keys_without_bias(sight.layer, hidden, part.flag("qkv_bias", default=True))
    absolute = part.flag("use_absolute_position_embeddings", default=True)
    rows = ((grid // sight.patch) ** 2 + 1) * absolute
    sight = replace(
        sight,
        layer={**layer, "norm/scale": held(2 * hidden)},
        tables={"embedding/position": table(rows, hidden)},
    )
    windows = round(part.size("num_windows", default=16) ** 0.5)
    within = len({*part.listed("window_block_indices", fewest=0)})
    maps = len(handed_on(part, sight.layers, (sight.layers - 1,)))
    scales = [
        ratio(fields.with_values({"scale": one}), "scale", 1.0)
        for one in fields.listed("projector_scale_factors")
    ]

    def body(flow: Flow) -> Flow:
        flow = windowed(sight, flow, windows, within)
        side, seen = flow.side, flow.side * 0.0
        for scale in scales:
            flow, inputs = _scaled(flow.at(side), hidden, maps, scale)
            flow = _gathered(fields, flow, inputs * maps)
            seen = seen + flow.positions
        return _objects(fields, flow, seen, len(scales))

    notes = head_note(fields, task(fields) in ("", "ObjectDetection"))
    return flow_network(fields, _side(sight, windows), body, notes)


def _scaled(flow: Flow, hidden: int, maps: int, scale: float) -> tuple[Flow, int]:
    """Each map at another size, and its channels then."""
    name, inputs = "bridge/resize", hidden
    if scale < 1:
        halved = Conv(hidden, hidden, stride=2)
        return flow.at(halved.side(flow.side)).layers({name: halved.cost()}, times=maps), hidden
    if scale == 1:
        return flow, hidden
    if hidden > 512:
        inputs = hidden // 2
        flow = flow.layers({name: pointwise(hidden, inputs).cost()}, times=maps)
    grown = linear(inputs, 4 * (inputs // 2)) + held(inputs // 2)
    return flow.layers({name: grown}, times=maps).scaled(2.0), inputs // 2
