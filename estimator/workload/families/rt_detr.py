"""How much work RT-DETR and RT-DETR v2 are: objects picked from the mixed maps of a conv net.

Where its decoder looks is sampled, which is no matrix product.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from estimator.workload.blocks import Costs, held, linear, perceptron, product
from estimator.workload.convolution import Conv, Flow, flow_network, pointwise, ratio
from estimator.workload.families.convnet import WIDTHS, basic_layer, bottleneck, stage
from estimator.workload.families.detr import object_heads
from estimator.workload.families.encoder_decoder import side
from estimator.workload.fields import Fields
from estimator.workload.ledger import Quantity
from estimator.workload.model_class import head_note, label_count, task
from estimator.workload.network import Network
from estimator.workload.registry import family

RT_SIDE = 640
"""Side of the images of RT-DETR (arXiv:2304.08069, sec. 5.1). [pixel]"""

SCALES = 3
"""Maps of the ResNet that are mixed. [1]"""


def _backbone(fields: Fields) -> tuple[list[int], Callable[[Flow], list[Flow]]]:
    """The ResNet of a config: widths of its stages, and from images to the maps behind each."""
    part = fields.part("backbone_config")
    kind = part.text("model_type", default="rt_detr_resnet")
    if kind != "rt_detr_resnet":
        raise ValueError(f"{part.path}model_type {kind!r} is not counted: rt_detr_resnet is")
    widths = part.sizes("hidden_sizes", WIDTHS, fewest=SCALES)
    channels, stem = part.size("num_channels", default=3), part.size("embedding_size", default=64)
    depths = part.layer_counts("depths", (3, 4, 6, 3), len(widths))
    basic = part.text("layer_type", default="bottleneck") == "basic"
    early, half = part.flag("downsample_in_bottleneck"), stem // 2
    layer = basic_layer if basic else partial(bottleneck, early)

    def maps(flow: Flow) -> list[Flow]:
        first = Conv(channels, half, stride=2)
        rest = (Conv(half, half), Conv(half, stem))
        flow = flow.conv("backbone/stem", first, first=True)
        flow = flow.convs("backbone/stem_rest", rest).pool(3, 2, 1)
        found = []
        for place, depth in enumerate(depths):
            name, shape = f"backbone/stage{place + 1}", (stem, *widths)[place : place + 2]
            if basic and place == 0 and stem == widths[0]:  # convolved although the shape stays
                flow = flow.beside(f"{name}/shortcut", pointwise(*shape))
            flow = stage(flow, name, layer, shape, depth, 2 if place else 1)
            found.append(flow)
        return found

    return widths, maps


@family("rt_detr", "rt_detr_v2")
def rt_detr(fields: Fields) -> Network:
    """RT-DETR: objects are picked from all positions, then refined (arXiv:2304.08069, sec. 4)."""
    widths, backbone = _backbone(fields)
    hidden, width = fields.size("encoder_hidden_dim"), fields.size("d_model")
    layers = fields.layers("encoder_layers")
    inner = fields.with_values({"d_model": hidden, "encoder_layers": layers})
    encoder = side(replace(inner, aliases={"d_model": "encoder_hidden_dim"}), "encoder").stack[0]
    inputs = fields.sizes("encoder_in_channels", tuple(widths[-SCALES:]), SCALES)
    outputs = fields.sizes("decoder_in_channels", (hidden,) * SCALES, SCALES)
    if fields.size("num_feature_levels", default=SCALES) != SCALES:
        raise ValueError(
            f"{fields.path}num_feature_levels must be {SCALES}: others are not counted"
        )
    attends = fields.sizes("encode_proj_layers", (2,), fewest=0)
    frozen = fields.flag("freeze_backbone_batch_norms", default=True)
    queries = fields.size("num_queries", default=300)

    def body(flow: Flow) -> Flow:
        maps = backbone(replace(flow, frozen=frozen))
        flow, sides = replace(maps[-1], frozen=False), [one.side for one in maps[-SCALES:]]
        for channels, one in zip(inputs, sides, strict=True):
            flow = replace(flow, side=one).conv("encoder/project", pointwise(channels, hidden))
        for place in attends:
            tokens = sides[min(place, SCALES - 1)] ** 2
            costs, pairs, times = encoder.costs, tokens * tokens, encoder.times
            flow = flow.layers(costs, tokens, pairs=pairs, times=times, prefix="encoder/")
        flow = _mixed(fields, flow, sides, hidden)
        for channels, one in zip(outputs, sides, strict=True):
            flow = replace(flow, side=one).conv("decoder/project", pointwise(channels, width))
        seen = sum((one * one for one in sides), start=0.0)
        flow = flow.layers(_picking(fields, width), seen).dense(_tables(fields, width, queries))
        return _decoded(fields, flow, width, queries, seen)

    notes = head_note(fields, task(fields) in ("", "ObjectDetection"))
    return flow_network(fields, RT_SIDE, body, notes)


def _mixed(fields: Fields, flow: Flow, sides: list[Quantity], hidden: int) -> Flow:
    """From the coarsest map to the finest and back, blocks of convolutions on pairs of maps."""
    narrow = int(hidden * ratio(fields, "hidden_expansion", 1.0))
    for place in range(SCALES - 1, 0, -1):
        flow = replace(flow, side=sides[place]).conv("encoder/lateral", pointwise(hidden, hidden))
        flow = _block(replace(flow, side=sides[place - 1]), hidden, narrow)
    for place in range(SCALES - 1):
        down = Conv(hidden, hidden, stride=2)
        flow = replace(flow, side=sides[place]).conv("encoder/downsample", down)
        flow = _block(replace(flow, side=sides[place + 1]), hidden, narrow)
    return flow


def _block(flow: Flow, hidden: int, narrow: int) -> Flow:
    """Two paths from a pair of maps, one through three blocks of two convolutions each."""
    name, inside = "encoder/mix", Conv(narrow, narrow)
    flow = flow.beside(name, pointwise(2 * hidden, narrow))
    flow = flow.conv(name, pointwise(2 * hidden, narrow))
    for _ in range(3):
        flow = flow.beside(name, pointwise(narrow, narrow)).conv(name, inside)
    return flow if narrow == hidden else flow.conv(name, pointwise(narrow, hidden))


def _picking(fields: Fields, width: int) -> Costs:
    """What scores every position, of which the best become objects."""
    return {
        "pick/project": linear(width, width, bias=True),
        "pick/classes": linear(width, label_count(fields), bias=True),
        "pick/boxes": perceptron(width, 4),
    }


def _tables(fields: Fields, width: int, queries: int) -> Costs:
    """Norm of the picked states, classes of noisy boxes in training, perhaps learned queries."""
    noisy = fields.size("num_denoising", default=100, least=0) > 0
    learned = queries * width * fields.flag("learn_initial_query")
    return {
        "norm/pick": held(2 * width),
        "embedding/classes": held((label_count(fields) + 1) * width * noisy),
        "embedding/queries": held(learned),
    }


def _decoded(fields: Fields, flow: Flow, width: int, queries: int, seen: Quantity) -> Flow:
    """Layers over the objects, which sample the maps at a few points each."""
    decoder, heads = side(fields, "decoder").stack[0], fields.size("decoder_attention_heads")
    layers, points = decoder.times, heads * SCALES * fields.size("decoder_n_points", default=4)
    place = linear(4, 2 * width, bias=True) + linear(2 * width, width, bias=True)
    layer = {
        **decoder.costs,
        "cross/offsets": linear(width, 2 * points, bias=True),
        "cross/weights": linear(width, points, bias=True),
        "cross/output": linear(width, width, bias=True),
        **object_heads(fields, width, 0),
    }
    prefix, pairs = "decoder/", float(queries * queries)
    flow = flow.layers(layer, float(queries), pairs=pairs, times=layers, prefix=prefix)
    value = {"cross/value": linear(width, width, bias=True)}
    flow = flow.layers(value, seen, times=layers, prefix=prefix)
    shared = {"decoder/place": product(place.params, layers * place.flop_per_token)}
    return flow.layers(shared, float(queries))
