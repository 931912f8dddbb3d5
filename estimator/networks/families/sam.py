"""How much work Segment Anything (SAM, SAM-HQ, SAM 2) is: an image encoder, a decoder of masks.

A pass segments each image once, without prompts, as the class does when it is given an image
alone. The items of a pass are patches, of SAM 2 images.
"""

from collections.abc import Callable

import numpy as np

from estimator.networks.blocks import Cost, Costs, Mlp, affine, held, linear, scaled, table
from estimator.networks.convolution import (
    Conv,
    Flow,
    flow_network,
    plain,
    pointwise,
    ratio,
    square,
    stages,
)
from estimator.networks.families.vit import Vision, trunk
from estimator.networks.fields import Fields
from estimator.networks.ledger import Quantity
from estimator.networks.network import Network, lines
from estimator.networks.registry import families, family, with_defaults_of


def sight(fields: Fields) -> tuple[int, Callable[[Flow], Flow]]:
    """The image encoder of a config: side of its images [pixel], and what it does to them.

    Layers with and without windows, and a neck of two convolutions.
    """
    fields = with_defaults_of(fields, "sam_vision_model")
    hidden, key = fields.size("hidden_size"), "global_attn_indexes"
    wide = fields.listed(key, (2, 5, 8, 11), fewest=0)
    everywhere = [fields.with_values({key: at}).size(key, least=0) for at in wide]
    width = fields.size_or_none("mlp_dim") or int(hidden * ratio(fields, "mlp_ratio", 4.0))
    tower = trunk(fields.with_values({"intermediate_size": width}))
    side, patch, layers = tower.side, tower.patch, tower.layers
    grid, window = side // patch, fields.size("window_size", default=14, least=0)
    spans = [0 if layer in everywhere else window for layer in range(layers)]
    out = fields.size("output_channels", default=256)
    stem = plain(tower.channels, hidden, patch, patch, padding=0)
    rows = grid * grid * hidden * fields.flag("use_abs_pos", default=True)
    costs = {span: _layer(fields, tower, span or grid) for span in dict.fromkeys(spans)}

    def body(flow: Flow) -> Flow:
        flow = flow.conv("embedding/patch", stem, first=True)
        flow = flow.layers({"embedding/position": table(rows, 1)}, first=True)
        for span, layer in costs.items():
            flow = in_windows(flow, layer, span, spans.count(span))
        flow = flow.conv("neck/first", pointwise(hidden, out))
        return flow.conv("neck/second", Conv(out, out))

    return side, body


def in_windows(flow: Flow, layer: Costs, span: int, times: int) -> Flow:
    """Layers whose attention runs on padded windows of side `span`, 0 for the map; the rest not."""
    side = float(span) if span else flow.side
    tokens = (np.ceil(flow.side / side) * side) ** 2
    inside = {part: cost for part, cost in layer.items() if "attention" in part}
    distances = {"attention/distances": inside.pop("attention/distances", Cost())}
    rest = {part: cost for part, cost in layer.items() if "attention" not in part}
    flow = flow.layers(inside, tokens, pairs=tokens * side * side, times=times)
    flow = flow.layers(distances, tokens, pairs=tokens * side, times=times)
    return flow.layers(rest, times=times)


def _layer(fields: Fields, tower: Vision, span: int) -> Costs:
    """A layer, whose scores may get biases by row and by column, products with the queries."""
    head_dim = tower.hidden // fields.size("num_attention_heads")
    relative = fields.flag("use_rel_pos", default=True)
    return {
        **tower.layer,
        "attention/relative": held(relative * 2 * (2 * span - 1) * head_dim),
        "attention/distances": Cost(flop_per_pair=relative * 4 * tower.hidden),
    }


def masks(fields: Fields, asked: int = 0) -> Callable[[Flow], Flow]:
    """What the decoder of a config does to the maps: its tokens and the patches ask each other.

    `asked` is how many tokens stand beside those of the masks and of their quality.
    """
    hidden = fields.size("hidden_size", default=256)
    rate = fields.size("attention_downsample_rate", default=2)
    layers = fields.layers("num_hidden_layers", default=2)
    count = fields.size("num_multimask_outputs", default=3) + 1
    mlp = Mlp(hidden, fields.size("mlp_dim", default=2048), bias=True)
    narrow = fields.share("hidden_size", hidden, "attention_downsample_rate", rate)
    own, down = affine(hidden, hidden), affine(hidden, narrow)
    asks, answers = down + affine(narrow, hidden), down + down
    tokens = count + 1 + asked
    per_token = {
        "decoder/self": own.times(4 * layers),
        **scaled(mlp.costs(), layers, "decoder/"),
        "decoder/to_image": asks.times(layers + 1) + answers.times(layers),
        "decoder/self_scores": Cost(flop_per_token=layers * 4 * hidden * tokens),
    }
    per_patch = {
        "decoder/from_image": answers.times(layers + 1) + asks.times(layers),
        "decoder/cross_scores": Cost(flop_per_token=(2 * layers + 1) * 4 * narrow * tokens),
        **_upscaling(hidden, count),
    }
    once = _mask_heads(fields, hidden, count, layers)
    return lambda flow: flow.layers(per_token, float(tokens)).layers(per_patch).dense(once)


def _upscaling(hidden: int, count: int) -> Costs:
    """Two transposed convolutions, then masks as products with their pixels, per patch."""
    first, second = linear(hidden, hidden // 4 * 4), linear(hidden // 4, hidden // 8 * 4)
    return {
        "masks/upscale": first + second.repeated(4) + held(hidden // 4 + hidden // 8),
        "masks/product": Cost(flop_per_token=2 * count * (hidden // 8) * 16),
        "norm/masks": held(2 * (hidden // 4)),
    }


def _mask_heads(fields: Fields, hidden: int, count: int, layers: int) -> Costs:
    """Networks that make the masks' weights and judge them, and the decoder's own tokens."""
    depth = fields.layers("iou_head_depth", default=3)
    width = fields.size("iou_head_hidden_dim", default=256)
    first, inner = affine(hidden, width), affine(width, width)
    judge = first + inner.times(max(depth - 2, 0)) + affine(width, count)
    return {
        "masks/weights": affine(hidden, hidden, hidden, hidden // 8).times(count),
        "masks/quality": judge,
        "decoder/tokens": held((count + 1) * hidden),
        "norm/decoder": held((4 * layers + 1) * 2 * hidden),
    }


def sam(finer: bool, fields: Fields) -> Network:
    """Segment Anything (arXiv:2304.02643), SAM-HQ if `finer` (arXiv:2306.01567)."""
    side, encode = sight(fields.part("vision_config"))
    part, asked = fields.part("mask_decoder_config"), prompts(fields)
    decode, once, per_patch = masks(part, int(finer)), *(_finer(part) if finer else ({}, {}))

    def body(flow: Flow) -> Flow:
        flow = encode(flow)
        flow = flow.layers(per_patch).dense(once)
        return decode(flow.with_lines(lines(asked, flow.positions)))

    return flow_network(fields, side, body, class_tokens=0)


def _finer(fields: Fields) -> tuple[Costs, Costs]:
    """Costs per image and per patch of a mask from fine maps, of the first layers and the last."""
    hidden, seen = fields.size("hidden_size", default=256), fields.size("vit_dim", default=768)
    half, narrow = hidden // 4, hidden // 8

    def grown(inputs: int, between: int) -> Cost:
        first, second = linear(inputs, 4 * between), linear(between, 4 * narrow)
        return first + second.repeated(4) + held(3 * between + narrow)

    convs = plain(narrow, half).cost() + plain(half, narrow).cost()
    return (
        {"finer/token": held(hidden), "finer/weights": affine(hidden, hidden, hidden, narrow)},
        {
            "finer/last": grown(hidden, half),
            "finer/first": grown(seen, hidden),
            "finer/smooth": convs.repeated(16) + held(2 * half),
            "finer/product": Cost(flop_per_token=2 * narrow * 16),
        },
    )


families(sam, {"sam": False, "sam_hq": True})


def prompts(fields: Fields) -> Costs:
    """What prompts pass, held all the same; positions are worked out once for all images."""
    vision, part = fields.part("vision_config"), fields.part("prompt_encoder_config")
    hidden = part.size("hidden_size", default=256)
    deep = part.size("mask_input_channels", default=16)
    points = part.size("num_point_embeddings", default=4)
    channels = deep // 4
    masked = 4 * channels + channels + 4 * channels * deep + deep + deep * hidden + hidden
    return {
        "prompts/embedding": held((points + 2) * hidden),
        "prompts/mask": held(masked + 2 * channels + 2 * 4 * channels),
        "prompts/position": linear(2, vision.size("num_pos_feats", default=128)),
    }


@family("sam_vision_model", "sam_hq_vision_model")
def sam_vision(fields: Fields) -> Network:
    """The image encoder alone."""
    return flow_network(fields, *sight(fields), class_tokens=0)


SIZES = ("embed_dim_per_stage", "blocks_per_stage", "num_attention_heads_per_stage")

ASKED = 3
"""Tokens of an object and of a point that is none, beside those of the masks. [1]"""


def _block(flow: Flow, name: str, shape: tuple[int, int, int], span: int, fold: int) -> Flow:
    """A layer on padded windows of side `span`, 0 for the map; queries pool `fold` along a side."""
    before, width, inner = shape
    side: Quantity = float(span) if span else flow.side
    tokens = (np.ceil(flow.side / side) * side) ** 2
    asked = tokens / fold**2
    inward = {"attention/in": affine(before, 3 * width)}
    flow = flow.layers(inward, tokens, prefix=name)
    if before != width:
        flow = flow.layers({"shortcut": affine(before, width)}, prefix=name)
    products = {"attention/products": Cost(flop_per_pair=4 * width)}
    flow = flow.layers(products, 0.0, pairs=asked * side * side, prefix=name)
    flow = flow.layers({"attention/output": affine(width, width)}, asked, prefix=name)
    flow = flow.scaled(1.0 / fold)
    mlp = Mlp(width, inner, bias=True).costs()
    return flow.layers({**mlp, "norm": held(2 * (before + width))}, prefix=name)


def sam2_sight(fields: Fields) -> tuple[int, Callable[[Flow], tuple[Flow, list[Quantity]]]]:
    """Side of the images, and from them to the maps of all stages, each brought to one width."""
    part = with_defaults_of(fields.part("backbone_config"), "sam2_hiera_det_model")
    rows, side = stages(part, SIZES), square(part, "image_size", 1024)
    spans = part.sizes("window_size_per_stage", (8, 4, 14, 7), len(rows))
    everywhere = part.listed("global_attention_blocks", (5, 7, 9), fewest=0)
    first, fold = part.size("hidden_size", default=96), square(part, "query_stride", 2)
    kernel, stride = square(part, "patch_kernel_size", 7), square(part, "patch_stride", 4)
    padding, ground = square(part, "patch_padding", 3), part.sizes(GROUND, (7, 7), 2)
    pools = part.size("num_query_pool_stages", default=3, least=0)
    factor = ratio(part, "mlp_ratio", 4.0)
    for width, _, heads in rows:
        part.share(SIZES[0], width, SIZES[2], heads)
    out = fields.size("fpn_hidden_size", default=256)
    necks = fields.size("fpn_kernel_size", default=1), fields.size("fpn_stride", default=1)
    stem = plain(part.size("num_channels", default=3), first, kernel, stride, padding)
    places = first * (ground[0] * ground[1] + spans[0] ** 2)

    def body(flow: Flow) -> tuple[Flow, list[Quantity]]:
        flow = flow.conv("embedding/patch", stem, first=True)
        flow = flow.dense({"embedding/position": table(places, 1)})
        sides: list[Quantity] = []
        index, before = 0, first
        for stage, (width, depth, _) in enumerate(rows):
            for place in range(depth):
                opens = stage > 0 and place == 0
                span = 0 if index in everywhere else spans[stage - opens]
                shape = before, width, int(width * factor)
                step = fold if opens and stage <= pools else 1
                flow = _block(flow, f"stage{stage + 1}/", shape, span, step)
                before, index = width, index + 1
            sides.append(flow.side)
            neck = plain(width, out, *necks, fields.size("fpn_padding", default=0, least=0))
            flow = flow.beside("neck/project", neck)
        return flow, sides

    return side, body


GROUND = "window_positional_embedding_background_size"
"""Key of the side of the table that is repeated over the map."""


def sam2(alone: bool, fields: Fields) -> Network:
    """SAM 2, or its image encoder alone."""
    side, see = sam2_sight(fields if alone else fields.part("vision_config"))
    if alone:
        return flow_network(fields, side, lambda flow: see(flow)[0])
    decode = prompted(fields)
    return flow_network(fields, side, lambda flow: decode(*see(flow)))


def prompted(
    fields: Fields, remember: Callable[[Flow], Flow] = lambda flow: flow
) -> Callable[[Flow, list[Quantity]], Flow]:
    """What follows the maps of SAM 2 and of the tracker of SAM 3, of the sides given.

    `remember` is what is done to the coarsest of them before the decoder of masks.
    """
    part = fields.part("mask_decoder_config")
    hidden = part.size("hidden_size", default=256)
    layers = part.layers("num_hidden_layers", default=2)
    decode, wide = masks(part, ASKED), part.size("mlp_dim", default=2048)
    deeper = affine(wide, wide).times(layers * max(layers - 2, 0))
    tokens = part.size("num_multimask_outputs", default=3) + 2 + ASKED
    kept = {"object/token": held(2 * hidden), "object/score": affine(hidden, hidden, hidden, 1)}
    kept |= {part: cost for part, cost in prompts(fields).items() if "position" not in part}
    levels = fields.part("vision_config").size("num_feature_levels", default=3)
    place = {"prompts/position": Cost(flop_per_token=2 * hidden)}
    fine = affine(hidden, hidden // 8), affine(hidden, hidden // 4)

    def body(flow: Flow, sides: list[Quantity]) -> Flow:
        for name, cost, one in zip(("fine", "finer"), fine, sides, strict=False):
            flow = flow.layers({f"masks/{name}": cost}, one * one)
        flow = remember(flow.at(sides[:levels][-1]).dense(kept))
        flow = flow.with_lines(lines(place, flow.positions)).layers(place, ASKED - 1.0)
        return decode(flow.layers({"decoder/deeper": deeper}, float(tokens)))

    return body


families(sam2, {"sam2": False, "sam2_vision_model": True})
