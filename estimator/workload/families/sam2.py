"""How much work SAM 2 is on images: a Hiera in windows, and SAM's decoder (arXiv:2408.00714).

A pass segments each image once, without prompts; the items of a pass are images.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from estimator.workload.blocks import Cost, Mlp, held, linear, perceptron, table
from estimator.workload.convolution import Flow, flow_network, plain, ratio, square, stages
from estimator.workload.families.sam import masks, prompts
from estimator.workload.fields import Fields
from estimator.workload.ledger import Quantity
from estimator.workload.network import Network, lines
from estimator.workload.registry import families, with_defaults_of

SIZES = ("embed_dim_per_stage", "blocks_per_stage", "num_attention_heads_per_stage")

ASKED = 3
"""Tokens of an object and of a point that is none, beside those of the masks. [1]"""


def _block(flow: Flow, name: str, shape: tuple[int, int, int], span: int, fold: int) -> Flow:
    """A layer on padded windows of side `span`, 0 for the map; queries pool `fold` along a side."""
    before, width, inner = shape
    side: Quantity = float(span) if span else flow.side
    tokens = (np.ceil(flow.side / side) * side) ** 2
    asked = tokens / fold**2
    inward = {"attention/in": linear(before, 3 * width, bias=True)}
    flow = flow.layers(inward, tokens, prefix=name)
    if before != width:
        flow = flow.layers({"shortcut": linear(before, width, bias=True)}, prefix=name)
    products = {"attention/products": Cost(flop_per_pair=4 * width)}
    flow = flow.layers(products, 0.0, pairs=asked * side * side, prefix=name)
    flow = flow.layers({"attention/output": linear(width, width, bias=True)}, asked, prefix=name)
    flow = flow.scaled(1.0 / fold)
    mlp = Mlp(hidden=width, width=inner, bias=True).costs()
    return flow.layers({**mlp, "norm": held(2 * (before + width))}, prefix=name)


def sight(fields: Fields) -> tuple[int, Callable[[Flow], tuple[Flow, list[Quantity]]]]:
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
    side, see = sight(fields if alone else fields.part("vision_config"))
    if alone:
        return flow_network(fields, side, lambda flow: see(flow)[0])
    part = fields.part("mask_decoder_config")
    hidden = part.size("hidden_size", default=256)
    layers = part.layers("num_hidden_layers", default=2)
    decode, wide = masks(part, ASKED), part.size("mlp_dim", default=2048)
    deeper = linear(wide, wide, bias=True).times(layers * max(layers - 2, 0))
    tokens = part.size("num_multimask_outputs", default=3) + 2 + ASKED
    kept = {"object/token": held(2 * hidden), "object/score": perceptron(hidden, 1)}
    kept |= {part: cost for part, cost in prompts(fields).items() if "position" not in part}
    levels = fields.part("vision_config").size("num_feature_levels", default=3)
    place = {"prompts/position": Cost(flop_per_token=2 * hidden)}
    fine = linear(hidden, hidden // 8, bias=True), linear(hidden, hidden // 4, bias=True)

    def body(flow: Flow) -> Flow:
        flow, sides = see(flow)
        for name, cost, one in zip(("fine", "finer"), fine, sides, strict=False):
            flow = flow.layers({f"masks/{name}": cost}, one * one)
        flow = replace(flow, side=sides[:levels][-1]).dense(kept)
        flow = flow.with_lines(lines(place, flow.positions)).layers(place, ASKED - 1.0)
        return decode(flow.layers({"decoder/deeper": deeper}, float(tokens)))

    return flow_network(fields, side, body)


families(sam2, {"sam2": False, "sam2_vision_model": True})
