"""How much work Segment Anything is: an image encoder, and a small decoder of masks.

A pass segments each image once, without prompts, as the
class does when it is given an image alone. The items of a pass are patches.
"""

from dataclasses import dataclass

import numpy as np

from estimator.workload.blocks import Cost, Costs, Mlp, equal_heads, held, linear, product, table
from estimator.workload.convolution import Conv, image, ratio, square, windows
from estimator.workload.families.text_encoder import Group
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, Quantity
from estimator.workload.network import Line, Network, Pass, lines, network
from estimator.workload.registry import family


@dataclass(frozen=True, kw_only=True)
class Sight:
    """The image encoder: layers with and without windows, and a neck of two convolutions.

    Parameters
    ----------
    side, patch, hidden : int
        Image and patch sides; width. [1]
    before, neck : mapping
        Costs per patch before and behind the layers.
    stack : tuple of Group
        Layers, with the side of their windows.
    distances : bool
        Scores get biases by row and by column, each a product with the queries.
    """

    side: int
    patch: int
    hidden: int
    before: Costs
    stack: tuple[Group, ...]
    neck: Costs
    distances: bool

    def lines(self, batch: Quantity, pixels: Quantity) -> list[Line]:
        """Lines of one pass."""
        grid = windows(pixels, self.patch, self.patch)
        patches = batch * grid * grid
        done = [*lines(self.before, patches, first=True)]
        for group in self.stack:
            side = grid if group.window is None else float(group.window)
            padded = np.ceil(grid / side) * side
            tokens = batch * padded * padded
            done += self._layer(group, tokens, side, patches)
        return [*done, *lines(self.neck, patches)]

    def _layer(
        self, group: Group, tokens: Quantity, side: Quantity, patches: Quantity
    ) -> list[Line]:
        """Attention runs on padded windows, the rest on the patches."""
        inside = {part: cost for part, cost in group.costs.items() if "attention" in part}
        rest = {part: cost for part, cost in group.costs.items() if "attention" not in part}

        done = [*lines(inside, tokens, pairs=tokens * side * side, times=group.times)]
        if self.distances:
            cost = {"attention/distances": Cost(flop_per_pair=4 * self.hidden)}
            done += lines(cost, tokens, pairs=tokens * side, times=group.times)
        return [*done, *lines(rest, patches, times=group.times)]


def sight(fields: Fields) -> Sight:
    """The image encoder of a config."""
    hidden = fields.size("hidden_size", default=768)
    heads = fields.size("num_attention_heads", default=12)
    side, patch = square(fields, "image_size", 1024), square(fields, "patch_size", 16)
    grid, window = side // patch, fields.size("window_size", default=14, least=0)
    layers = fields.layers("num_hidden_layers", default=12)
    wide = fields.items("global_attn_indexes")
    everywhere = {2, 5, 8, 11} if wide is None else set(wide)
    spans = [0 if layer in everywhere else window for layer in range(layers)]
    channels = fields.size("num_channels", default=3)
    conv = Conv(inputs=channels, outputs=hidden, kernel=patch, bias=True, norm=False)
    out = fields.size("output_channels", default=256)
    absolute = fields.flag("use_abs_pos", default=True)
    return Sight(
        side=side,
        patch=patch,
        hidden=hidden,
        before={
            "embedding/patch": conv.cost(),
            "embedding/position": table(grid * grid * hidden, absolute),
        },
        stack=tuple(
            Group(
                costs=_layer(fields, hidden, heads, span or grid),
                times=spans.count(span),
                window=span or None,
            )
            for span in dict.fromkeys(spans)
        ),
        neck={
            "neck/first": Conv(inputs=hidden, outputs=out, kernel=1).cost(),
            "neck/second": Conv(inputs=out, outputs=out).cost(),
        },
        distances=fields.flag("use_rel_pos", default=True),
    )


def _layer(fields: Fields, hidden: int, heads: int, span: int) -> Costs:
    width = fields.size_or_none("mlp_dim") or int(hidden * ratio(fields, "mlp_ratio", 4.0))
    keys, bias = ("hidden_size", "num_attention_heads"), fields.flag("qkv_bias", default=True)
    attention = equal_heads(fields, hidden, heads, keys, bias, output_bias=True)
    rows = 2 * (2 * span - 1) * fields.flag("use_rel_pos", default=True)
    return {
        **attention.costs(),
        "attention/relative": held(rows * attention.head_dim),
        **Mlp(hidden=hidden, width=width, bias=True).costs(),
        "norm/layers": held(4 * hidden),
    }


@dataclass(frozen=True, kw_only=True)
class Masks:
    """The decoder of masks, by what it runs over: its tokens, patches, pairs of both, once."""

    tokens: int
    per_token: Costs
    per_patch: Costs
    once: Costs


def masks(fields: Fields) -> Masks:
    """The decoder of a config."""
    hidden = fields.size("hidden_size", default=256)
    rate = fields.size("attention_downsample_rate", default=2)
    layers = fields.layers("num_hidden_layers", default=2)
    count = fields.size("num_multimask_outputs", default=3) + 1
    mlp = Mlp(hidden=hidden, width=fields.size("mlp_dim", default=2048), bias=True)
    narrow = fields.share("hidden_size", hidden, "attention_downsample_rate", rate)
    own, down = linear(hidden, hidden, bias=True), linear(hidden, narrow, bias=True)
    up = linear(narrow, hidden, bias=True)
    asks, answers = _sum(down, up), _sum(down, down)
    return Masks(
        tokens=count + 1,
        per_token={
            "decoder/self": own.times(4 * layers),
            "decoder/mlp": _sum(*mlp.costs().values()).times(layers),
            "decoder/to_image": _sum(asks.times(layers + 1), answers.times(layers)),
            "decoder/self_scores": Cost(flop_per_token=layers * 4 * hidden * (count + 1)),
        },
        per_patch={
            "decoder/from_image": _sum(answers.times(layers + 1), asks.times(layers)),
            "decoder/cross_scores": Cost(
                flop_per_token=(2 * layers + 1) * 4 * narrow * (count + 1)
            ),
            **_upscaling(hidden, count),
        },
        once=_mask_heads(fields, hidden, count, layers),
    )


def _upscaling(hidden: int, count: int) -> Costs:
    """Two transposed convolutions, then masks as products with their pixels, per patch."""
    first = linear(hidden, hidden // 4 * 4)
    second = linear(hidden // 4, hidden // 8 * 4)
    biases = hidden // 4 + hidden // 8
    return {
        "masks/upscale": product(
            first.params + second.params + biases,
            first.flop_per_token + 4 * second.flop_per_token,
        ),
        "masks/product": Cost(flop_per_token=2 * count * (hidden // 8) * 16),
        "norm/masks": held(2 * (hidden // 4)),
    }


def _mask_heads(fields: Fields, hidden: int, count: int, layers: int) -> Costs:
    """Networks that make the masks' weights and judge them, and the decoder's own tokens."""
    depth = fields.layers("iou_head_depth", default=3)
    width = fields.size("iou_head_hidden_dim", default=256)
    square_layer = linear(hidden, hidden, bias=True)
    maker = _sum(square_layer.times(2), linear(hidden, hidden // 8, bias=True))
    judge = _sum(
        linear(hidden, width, bias=True),
        linear(width, width, bias=True).times(depth - 2),
        linear(width, count, bias=True),
    )
    return {
        "masks/weights": maker.times(count),
        "masks/quality": judge,
        "decoder/tokens": held((count + 1) * hidden),
        "norm/decoder": held((4 * layers + 1) * 2 * hidden),
    }


def _sum(*costs: Cost) -> Cost:
    """One cost of several."""
    return sum(costs, start=Cost())


@family("sam")
def sam(fields: Fields) -> Network:
    """Segment Anything (arXiv:2304.02643)."""
    vision = fields.part("vision_config")
    encoder = sight(vision)
    decoder = masks(fields.part("mask_decoder_config"))
    prompts = fields.part("prompt_encoder_config")
    hidden = prompts.size("hidden_size", default=256)
    deep = prompts.size("mask_input_channels", default=16)
    points = prompts.size("num_point_embeddings", default=4)
    half = fields.part("vision_config").size("output_channels", default=256) // 2
    features = vision.size("num_pos_feats", default=half)
    channels = deep // 4
    masked = 4 * channels + channels + 4 * channels * deep + deep + deep * hidden + hidden
    extra = {
        "prompts/embedding": held((points + 2) * hidden),
        "prompts/mask": held(masked + 2 * channels + 2 * 4 * channels),
        "prompts/position": linear(2, features),
    }

    def run(inputs: Inputs) -> Pass:
        batch, pixels = image(inputs, encoder.side)
        grid = windows(pixels, encoder.patch, encoder.patch)
        patches = batch * grid * grid
        done = encoder.lines(batch, pixels)
        done += lines(extra, grid * grid)
        done += lines(decoder.per_token, batch * decoder.tokens)
        done += lines(decoder.per_patch, patches)
        done += lines(decoder.once, batch)
        return Pass(lines=done, items=patches)

    return network(fields, run)


@family("sam_vision_model")
def sam_vision(fields: Fields) -> Network:
    """The image encoder alone."""
    encoder = sight(fields)

    def run(inputs: Inputs) -> Pass:
        batch, pixels = image(inputs, encoder.side)
        grid = windows(pixels, encoder.patch, encoder.patch)
        return Pass(lines=encoder.lines(batch, pixels), items=batch * grid * grid)

    return network(fields, run)
