"""Which detector of objects behind a backbone a config describes, from DETR to Grounding DINO.

DETR, Table Transformer, Conditional DETR, DAB-DETR, Deformable DETR, RT-DETR, RT-DETR v2. Images of
800 pixels, for the last two of 640, are counted where `image_size` is not asked for. Where decoders
sample maps at points, that is no matrix product.

Grounding DINO and MM Grounding DINO find what a text asks for: a pass holds images of 640 pixels
and as many texts of 256 tokens where neither is asked for. Items are images.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from estimator.networks.blocks import Cost, Costs, Mlp, affine, equal_heads, held, product
from estimator.networks.convolution import (
    Conv,
    Flow,
    all_positions,
    flow_network,
    image,
    plain,
    pointwise,
    ratio,
)
from estimator.networks.families.backbones import backbone, frozen_resnet, leveled
from estimator.networks.families.clip import bert_tower
from estimator.networks.families.convnet import WIDTHS, basic_layer, bottleneck, stage
from estimator.networks.families.encoder_decoder import WIDTH, EncoderDecoder, side
from estimator.networks.families.text_encoder import bert_sizes, tables
from estimator.networks.fields import Fields
from estimator.networks.ledger import Inputs, Quantity
from estimator.networks.model_class import head_note, label_count, task
from estimator.networks.network import Network, Pass, length_warning, network, prefixed, sequence
from estimator.networks.registry import families, family

DETR_SIDE = 800
"""Shorter side of an image (arXiv:2005.12872, sec. 4). [pixel]"""

PLACES = 50
"""Rows and columns with learned positions. [1]"""


def object_heads(fields: Fields, width: int, spare: int) -> Costs:
    """Class and box of each object; `spare` classes stand for none."""
    if task(fields) != "ObjectDetection":
        return {}
    classes = affine(width, label_count(fields) + spare)
    return {"head/classes": classes, "head/boxes": affine(width, width, width, 4)}


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
        flow = flow.at(sides[-1]).dense(learned_places(fields, hidden))
        flow = flow.conv("bridge/project", plain(maps.widths[-1], hidden, kernel=1))
        lengths = flow.positions, float(objects)
        return flow.with_lines(model.lines(flow.batch, lengths, Inputs()))

    notes = head_note(fields, task(fields) in ("", "ObjectDetection"))
    return flow_network(fields, DETR_SIDE, body, notes)


def conditional_detr(anchored: bool, fields: Fields) -> Network:
    """Conditional DETR (arXiv:2108.06152), DAB-DETR if `anchored` (arXiv:2201.12329)."""
    width, detects = fields.size(*WIDTH), task(fields) == "ObjectDetection"
    over, decoder = (side(fields, name).stack[0] for name in ("encoder", "decoder"))
    maps, square, layers = frozen_resnet(fields, (3,)), affine(width, width), decoder.times
    prelu = anchored and fields.text("activation_function", default="prelu") == "prelu"
    objects, asks, tables = _conditional_queries(fields, width, layers, anchored)
    box, classes = affine(width, width, width, 4), affine(width, label_count(fields))
    if anchored:  # boxes of all layers are made twice, classes of the last
        box = box.repeated(2 * layers)
    heads: Costs = {"head/classes": classes, "head/boxes": box} if detects else {}
    layer: Costs = {
        **decoder.costs,
        **{f"attention/{one}": square.times(2) for one in ("query", "key")},
        "cross/query": square.times(2),
        "cross/scores": Cost(),  # with the maps below
        "cross/output": square,
        "activation": held(prelu),
    }

    def body(flow: Flow) -> Flow:
        flow, found = maps.maps(flow)
        flow = flow.at(found[-1]).dense(learned_places(fields, width))
        flow = flow.conv("bridge/project", plain(maps.widths[-1], width, kernel=1))
        encoder = {**over.costs, "activation": held(prelu)}
        flow = flow.attending(encoder, times=over.times, prefix="encoder/")
        if anchored:
            flow = flow.layers({"encoder/scale": affine(width, width, width).repeated(over.times)})
            normed = fields.flag("normalize_before")
            flow = flow.dense({"norm/encoder": held(2 * width * normed)})
        name = "decoder/"
        flow = flow.attending(layer, objects, times=layers, prefix=name)
        seen = {"cross/key": square, "cross/value": square}
        flow = flow.layers(seen, times=layers, prefix=name)
        flow = flow.layers({"cross/place": square}, times=layers, prefix=name, first=True)
        scores, pairs = {"cross/scores": Cost(flop_per_pair=6 * width)}, objects * flow.positions
        flow = flow.layers(scores, 0.0, pairs=pairs, times=layers, prefix=name)
        flow = flow.layers({"decoder/ask": asks}, objects).dense({"embedding/queries": tables})
        return flow.layers(heads, objects)

    notes = head_note(fields, detects or not task(fields))
    return flow_network(fields, DETR_SIDE, body, notes)


def _conditional_queries(
    fields: Fields, width: int, layers: int, anchored: bool
) -> tuple[float, Cost, Cost]:
    """Queries of a decoder, what one asks with in all its layers, and their tables."""
    count = fields.size("num_queries")
    square = affine(width, width)
    corner = affine(width, width, 2)
    asks = affine(width, width, width).repeated(layers - 1)
    if not anchored:
        return float(count), square + asks + corner, held(count * width + 2 * width)
    every = fields.flag("keep_query_pos")
    patterns = fields.size("num_patterns", default=0, least=0)
    coordinates = fields.size("query_dim", default=4)
    place = affine(coordinates // 2 * width, width, width)
    asks += square.times(layers if every else 1) + (place + corner).repeated(layers)
    tables = held(count * coordinates + patterns * width + 2 * width)
    return float(count * max(patterns, 1)), asks, tables


families(conditional_detr, {"conditional_detr": False, "dab-detr": True})


def sampling(width: int, points: int, name: str = "cross") -> Costs:
    """Attention to so many points, over all heads and maps, per position that asks."""
    return {
        f"{name}/offsets": affine(width, 2 * points),
        f"{name}/weights": affine(width, points),
        f"{name}/output": affine(width, width),
    }


def sampling_encoder(width: int, inner: int, points: int) -> Costs:
    """A layer in which every position of the maps looks at some points of them."""
    mlp = Mlp(width, inner, bias=True).costs()
    value = {"attention/value": affine(width, width), "norm/layers": held(4 * width)}
    return {**sampling(width, points, "attention"), **value, **mlp}


def encoded(fields: Fields, flow: Flow, width: int, levels: int, seen: Quantity) -> Flow:
    """Layers over the positions of all maps."""
    heads, points = (fields.size(f"encoder_{key}") for key in ("attention_heads", "n_points"))
    layer = sampling_encoder(width, fields.size("encoder_ffn_dim"), heads * levels * points)
    return flow.layers(layer, seen, times=fields.layers("encoder_layers"), prefix="encoder/")


def decoded(
    fields: Fields, flow: Flow, shape: tuple[int, int, int], seen: Quantity, more: Costs
) -> Flow:
    """Layers over the objects: to each other, and to points of the maps.

    `shape` is the width, the maps and the objects; `more` is what a layer costs an object beside.
    """
    width, levels, objects = shape
    decoder, heads = side(fields, "decoder").stack[0], fields.size("decoder_attention_heads")
    points = heads * levels * fields.size("decoder_n_points", default=4)
    layer = {**decoder.costs, **sampling(width, points), **more}
    value = {"cross/value": affine(width, width)}
    flow = flow.attending(layer, float(objects), times=decoder.times, prefix="decoder/")
    return flow.layers(value, seen, times=decoder.times, prefix="decoder/")


@family("deformable_detr")
def deformable_detr(fields: Fields) -> Network:
    """Deformable DETR, perhaps with objects picked from the maps and boxes refined by layers."""
    width, levels = fields.size("d_model", "hidden_size"), fields.size("num_feature_levels")
    maps = frozen_resnet(fields, (1, 2, 3) if levels > 1 else (3,))
    picks, refines = fields.flag("two_stage"), fields.flag("with_box_refine")
    detects, layers = task(fields) == "ObjectDetection", fields.layers("decoder_layers")
    objects = fields.size("two_stage_num_proposals" if picks else "num_queries")
    classes, boxes = affine(width, label_count(fields)), affine(width, width, width, 4)
    heads: Costs = {"head/classes": classes, "head/boxes": boxes}
    asked: dict[str, Cost] = {"place": affine(2 * width, 2 * width) if picks else affine(width, 2)}
    own = {"head/classes": picks, "head/boxes": refines}  # whether each layer has its own
    each = {part: cost for part, cost in heads.items() if detects and own[part]}
    once = {part: cost for part, cost in heads.items() if detects and not own[part]}
    if refines and detects:
        each["head/refine"] = Cost(flop_per_token=boxes.flop_per_token)
    tables = held(6 * width if picks else 2 * width * objects)

    def body(flow: Flow) -> Flow:
        flow, sides = leveled(flow, maps, width, levels)
        seen = all_positions(sides)
        flow = encoded(fields, flow, width, levels, seen)
        if picks:
            flow = flow.layers({"pick/project": affine(width, width), **heads}, seen)
        flow = flow.layers(asked, float(objects), prefix="decoder/")
        flow = decoded(fields, flow, (width, levels, objects), seen, each)
        repeated = {part: cost.repeated(layers) for part, cost in once.items()}
        flow = flow.layers(repeated, float(objects)).dense(learned_places(fields, width))
        return flow.dense({"embedding/queries": tables})

    notes = head_note(fields, detects or not task(fields))
    return flow_network(fields, DETR_SIDE, body, notes)


RT_SIDE = 640
"""Side of the images of RT-DETR (arXiv:2304.08069, sec. 5.1). [pixel]"""

SCALES = 3
"""Maps of the ResNet that are mixed. [1]"""


def _backbone(fields: Fields) -> tuple[list[int], Callable[[Flow], list[Flow]]]:
    """The ResNet of a config: widths of its stages, and from images to the maps behind each."""
    part = fields.part("backbone_config")
    part.counted("model_type", "rt_detr_resnet")
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


def regular_encoder(fields: Fields) -> Callable[[Flow, list[Quantity]], Flow]:
    """Layers of attention inside single maps of RT-DETR, as a rule the coarsest."""
    layers, width = fields.layers("encoder_layers"), fields.size("encoder_hidden_dim")
    inner = fields.with_values({"d_model": width, "encoder_layers": layers})
    encoder = side(replace(inner, aliases={"d_model": "encoder_hidden_dim"}), "encoder").stack[0]
    places = fields.sizes("encode_proj_layers", (2,), fewest=0)

    def attend(flow: Flow, sides: list[Quantity]) -> Flow:
        for place in places:
            tokens = sides[min(place, len(sides) - 1)] ** 2
            flow = flow.attending(encoder.costs, tokens, times=encoder.times, prefix="encoder/")
        return flow

    return attend


def picked(fields: Fields, width: int) -> tuple[Costs, Costs]:
    """What RT-DETR picks objects with, for each position of all maps and for each image."""
    labels, queries = label_count(fields), fields.size("num_queries", default=300)
    noisy = fields.size("num_denoising", default=100, least=0) > 0
    pick = {
        "pick/project": affine(width, width),
        "pick/classes": affine(width, labels),
        "pick/boxes": affine(width, width, width, 4),
    }
    tables = {
        "norm/pick": held(2 * width),
        "embedding/classes": held((labels + 1) * width * noisy),
        "embedding/queries": held(queries * width * fields.flag("learn_initial_query")),
    }
    return pick, tables


@family("rt_detr", "rt_detr_v2")
def rt_detr(fields: Fields) -> Network:
    """RT-DETR: objects are picked from all positions, then refined (arXiv:2304.08069, sec. 4)."""
    widths, backbone = _backbone(fields)
    hidden, width = fields.size("encoder_hidden_dim"), fields.size("d_model")
    attend = regular_encoder(fields)
    inputs = fields.sizes("encoder_in_channels", tuple(widths[-SCALES:]), SCALES)
    outputs = fields.sizes("decoder_in_channels", (hidden,) * SCALES, SCALES)
    if fields.size("num_feature_levels", default=SCALES) != SCALES:
        raise fields.uncounted("num_feature_levels", fields.values["num_feature_levels"], SCALES)
    frozen = fields.flag("freeze_backbone_batch_norms", default=True)
    queries, (pick, tables) = fields.size("num_queries", default=300), picked(fields, width)
    corners = affine(4, 2 * width, width).repeated(fields.layers("decoder_layers"))

    def body(flow: Flow) -> Flow:
        maps = backbone(replace(flow, frozen=frozen))
        flow, sides = replace(maps[-1], frozen=False), [one.side for one in maps[-SCALES:]]
        for channels, one in zip(inputs, sides, strict=True):
            flow = flow.at(one).conv("encoder/project", pointwise(channels, hidden))
        flow = _mixed(fields, attend(flow, sides), sides, hidden)
        for channels, one in zip(outputs, sides, strict=True):
            flow = flow.at(one).conv("decoder/project", pointwise(channels, width))
        seen = all_positions(sides)
        flow = flow.layers(pick, seen).dense(tables)
        more = object_heads(fields, width, 0)
        flow = decoded(fields, flow, (width, SCALES, queries), seen, more)
        return flow.layers({"decoder/place": corners}, float(queries))

    notes = head_note(fields, task(fields) in ("", "ObjectDetection"))
    return flow_network(fields, RT_SIDE, body, notes)


def _mixed(fields: Fields, flow: Flow, sides: list[Quantity], hidden: int) -> Flow:
    """From the coarsest map to the finest and back, blocks of convolutions on pairs of maps."""
    narrow = int(hidden * ratio(fields, "hidden_expansion", 1.0))
    for place in range(SCALES - 1, 0, -1):
        flow = flow.at(sides[place]).conv("encoder/lateral", pointwise(hidden, hidden))
        flow = _block(flow.at(sides[place - 1]), hidden, narrow)
    for place in range(SCALES - 1):
        down = Conv(hidden, hidden, stride=2)
        flow = flow.at(sides[place]).conv("encoder/downsample", down)
        flow = _block(flow.at(sides[place + 1]), hidden, narrow)
    return flow


def _block(flow: Flow, hidden: int, narrow: int) -> Flow:
    """Two paths from a pair of maps, one through three blocks of two convolutions each."""
    name, inside = "encoder/mix", Conv(narrow, narrow)
    flow = flow.beside(name, pointwise(2 * hidden, narrow))
    flow = flow.conv(name, pointwise(2 * hidden, narrow))
    for _ in range(3):
        flow = flow.beside(name, pointwise(narrow, narrow)).conv(name, inside)
    return flow if narrow == hidden else flow.conv(name, pointwise(narrow, hidden))


TEXT_SIDE = 640
"""Side of an image where none is asked for. [pixel]"""


def grounding_dino(biased: bool, fields: Fields) -> Network:
    """Grounding DINO; `biased` adds a number to the scores of words (arXiv:2401.02361)."""
    width, levels = fields.size("d_model", "hidden_size"), fields.size("num_feature_levels")
    objects, layers = fields.size("num_queries"), fields.layers("decoder_layers")
    maps, part = backbone(fields, (1, 2, 3)), fields.part("text_config")
    sizes, longest = bert_sizes(part), fields.size("max_text_len", default=256)
    text = bert_tower(part, tables(sizes, sizes.hidden))
    fields.counted("two_stage", True)
    detects = task(fields) == "ObjectDetection"
    box, square = affine(width, width, width, 4), affine(width, width)
    own = [not fields.flag(f"decoder_{key}_embed_share", default=True) for key in ("bbox", "cls")]
    copies, scorers = (layers if one else 1 for one in own)
    score = {"head/words": Cost(flop_per_pair=2 * width)}
    asks = affine(fields.size("query_dim", default=4) // 2 * width, width, width).repeated(layers)
    asks += Cost(flop_per_token=layers * detects * box.flop_per_token)  # refined in every layer
    boxes = {"head/boxes": product(copies * box.params, layers * box.flop_per_token)}
    learned = fields.flag("embedding_init_target", default=True)
    kept = (learned * objects + 4) * width + biased * (detects * scorers + 1)
    cross: Costs = {"text/query": square, "text/output": square, "norm/text": held(2 * width)}
    pick = {"pick/project": square, "pick/boxes": box, "pick/words": score["head/words"]}

    def run(inputs: Inputs) -> Pass:
        batch, pixels = image(inputs, TEXT_SIDE)
        _, words = sequence(inputs, longest)
        flow = Flow(batch=batch, side=pixels, text=words)
        flow = flow.with_lines(prefixed(text.lines(batch, words, inputs), "text/"))
        flow = flow.layers({"text/project": affine(sizes.hidden, width)}, words)
        flow, sides = leveled(flow, maps, width, levels)
        seen = all_positions(sides)
        flow = _fused(fields, encoded(fields, flow, width, levels, seen), width, seen)
        flow = flow.layers(pick, seen, pairs=seen * words)
        flow = decoded(fields, flow, (width, levels, objects), seen, cross)
        read = {"text/key": square, "text/value": square}
        flow = flow.layers(read, words, times=layers, prefix="decoder/")
        pairs, scores = objects * words, {"text/scores": Cost(flop_per_pair=4 * width)}
        flow = flow.layers(scores, 0.0, pairs=pairs, times=layers, prefix="decoder/")
        flow = flow.layers(score, 0.0, pairs=pairs, times=layers * detects + 1)
        flow = flow.layers(boxes if detects else {}, float(objects))
        flow = flow.layers({"decoder/ask": asks}, float(objects), first=True)
        flow = flow.dense({"embedding/queries": held(kept), **learned_places(fields, width)})
        return Pass(lines=flow.lines, items=batch, warnings=length_warning(words, longest))

    notes = head_note(fields, detects or not task(fields))
    return network(fields, run, notes, item_unit="image")


def _fused(fields: Fields, flow: Flow, width: int, seen: Quantity) -> Flow:
    """In each layer of the encoder the text attends to itself, and maps and text to each other."""
    inner, layers = fields.size("encoder_ffn_dim") // 2, fields.layers("encoder_layers")
    heads = fields.size("encoder_attention_heads", least=2) // 2
    own = equal_heads(fields, width, heads, ("d_model", "encoder_attention_heads / 2")).costs()
    mlp = Mlp(width, inner, bias=True).costs()
    joined, back = affine(width, inner), affine(inner, width)
    fusion = {"fusion/in": joined.times(2), "fusion/out": back, "fusion/norm": held(3 * width)}
    of_text = {**own, **mlp, "norm/layers": held(4 * width), **fusion}
    words, name, pairs = flow.text, "encoder/text/", {"scores": Cost(flop_per_pair=6 * inner)}
    flow = flow.attending(of_text, words, times=layers, prefix=name)
    flow = flow.layers(fusion, seen, times=layers, prefix="encoder/")
    return flow.layers(pairs, 0.0, pairs=seen * words, times=layers, prefix="encoder/fusion/")


families(grounding_dino, {"grounding-dino": False, "mm-grounding-dino": True})
