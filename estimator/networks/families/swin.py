"""Vision transformers with windows and stages: Swin, Donut's, Hiera.

The items of a pass are the first stage's patches of a Swin, or the images of a Hiera.
"""

from collections.abc import Callable, Iterator

import numpy as np

from estimator.core.messages import refuse
from estimator.networks.blocks import Cost, Costs, Mlp, affine, equal_heads, held, linear, table
from estimator.networks.convolution import Conv, Flow, image, plain, ratio, rectangle, square
from estimator.networks.families.convnet import conv_net
from estimator.networks.fields import Fields
from estimator.networks.ledger import Inputs, Quantity
from estimator.networks.model_class import classifier, head_note, task
from estimator.networks.network import Line, Network, Pass, lines, network
from estimator.networks.registry import families, family

POSITION_MLP = 512
"""Width of the network that maps distances to biases in Swin v2 (arXiv:2111.09883)."""


Passed = Callable[[Quantity, Quantity, Quantity], Iterator[Line]]
"""Callable for lines of equal layers over a batch of maps."""


def swin(version: int, fields: Fields) -> Network:
    """Swin: attention in shifted windows, with stages that halve the map (arXiv:2103.14030).

    Donut's, version 0 here, ends without a norm (arXiv:2111.15664, sec. 3.1).
    """
    depths = fields.layer_counts("depths", (2, 2, 6, 2))
    stages = [_stage(version, fields, place, depths) for place in range(len(depths))]
    width = fields.size("embed_dim", default=96)
    last = width * 2 ** (len(depths) - 1)
    channels = fields.size("num_channels", default=3)
    sides, patch = rectangle(fields, "image_size", 224), square(fields, "patch_size", 4)
    pixels = fields.size("encoder_stride", default=32) ** 2 * channels
    masked = task(fields) == "MaskedImageModeling"
    rows = ((sides[0] // patch) * (sides[1] // patch) + (version == 2)) * width
    extra = {
        "embedding/position": table(rows, fields.flag("use_absolute_embeddings")),
        "embedding/mask": held(width * masked),
        "norm/outer": held(2 * last * (version > 0)),
    }
    least = patch * 2 ** (len(depths) - 1)
    if version == 2 and min(sides) < least:
        key = fields.full_name("image_size")
        raise refuse("config_key_least", key=key, least=least, value=min(sides))
    conv = {"embedding/patch": Conv(channels, width, kernel=patch, bias=True).cost()}
    after = {"head/pixels": affine(last, pixels)} if masked else {}
    once = classifier(fields, last)

    def run(inputs: Inputs) -> Pass:
        batch = image(inputs, sides[0])[0]
        high, wide = (np.ceil(image(inputs, side)[1] / patch) for side in sides)
        patches = batch * high * wide
        done = [*lines(conv, patches, first=True), *lines(extra, batch)]
        for place, stage in enumerate(stages):
            if place:
                high, wide = np.ceil(high / 2.0), np.ceil(wide / 2.0)
                done += lines(_merging(version, width, place), batch * high * wide)
            done += stage(batch, high, wide)
        done += [*lines(after, batch * high * wide), *lines(once, batch)]
        return Pass(lines=done, items=patches)

    return network(fields, run, head_note(fields, not task(fields) or masked or once))


def _merging(version: int, width: int, place: int) -> Costs:
    """Merging of four positions before a stage."""
    hidden = width * 2 ** (place - 1)
    return {
        f"stage{place + 1}/merge": linear(4 * hidden, 2 * hidden),
        f"stage{place + 1}/merge_norm": held((4 if version == 2 else 8) * hidden),
    }


def _stage(version: int, fields: Fields, place: int, depths: list[int]) -> Passed:
    """Stage with attention on padded windows and the MLP on unpadded maps."""
    size, times, name = fields.size("window_size", default=7), depths[place], f"stage{place + 1}/"
    hidden = fields.size("embed_dim", default=96) * 2**place
    heads = fields.sizes("num_heads", (3, 6, 12, 24), len(depths))[place]
    keys, bias = ("embed_dim * 2 ** stage", "num_heads"), fields.flag("qkv_bias", default=True)
    attention = dict(equal_heads(fields, hidden, heads, keys, bias, output_bias=True).costs())
    distances: Costs = {}
    if version == 2:
        attention |= {"attention/key": linear(hidden, hidden), "attention/scale": held(heads)}
        distances = {
            "attention/distance_in": affine(2, POSITION_MLP),
            "attention/distance_out": linear(POSITION_MLP, heads),
        }
    else:
        attention["attention/relative_bias"] = held((2 * size - 1) ** 2 * heads)
    mlp = Mlp(hidden, int(hidden * ratio(fields, "mlp_ratio", 4.0)), bias=True)
    rest = {**mlp.costs(), "norm/layers": held(4 * hidden)}
    grid = min(rectangle(fields, "image_size", 224)) // square(fields, "patch_size", 4)

    def passed(batch: Quantity, high: Quantity, wide: Quantity) -> Iterator[Line]:
        least = grid // 2**place if version == 2 else np.minimum(high, wide)
        window = np.minimum(least, float(size))
        tokens = batch * np.ceil(high / window) * np.ceil(wide / window) * window * window
        pairs = tokens * window * window
        yield from lines(attention, tokens, pairs=pairs, times=times, prefix=name)
        yield from lines(rest, batch * high * wide, times=times, prefix=name)
        yield from lines(distances, (2.0 * window - 1.0) ** 2, times=times, prefix=name)

    return passed


families(swin, {"swin": 1, "swinv2": 2, "donut-swin": 0})


@family("hiera")
def hiera(fields: Fields) -> Network:
    """Hiera: queries pool the positions at the start of each stage, and widen."""
    side, stride = square(fields, "image_size", 224), square(fields, "patch_stride", 4)
    depths = fields.layer_counts("depths", (2, 3, 16, 3))
    heads = fields.sizes("num_heads", (1, 2, 4, 8), len(depths))
    first, grown = fields.size("embed_dim", default=96), ratio(fields, "embed_dim_multiplier", 2.0)
    widths = [int(first * grown**stage) for stage in range(len(depths))]
    for width, number in zip(widths, heads, strict=True):
        fields.share("embed_dim * embed_dim_multiplier ** stage", width, "num_heads", number)
    fold, unit = square(fields, "query_stride", 2) ** 2, square(fields, "masked_unit_size", 8) ** 2
    near = fields.listed("masked_unit_attention", (True, True, False, False), len(depths))
    pools = fields.size("num_query_pool", default=3, least=0)
    padding, kernel = square(fields, "patch_padding", 3), square(fields, "patch_size", 7)
    stem = plain(fields.size("num_channels", default=3), first, kernel, stride, padding)
    factor = ratio(fields, "mlp_ratio", 4.0)

    def body(flow: Flow) -> Flow:
        flow = flow.conv("embedding/patch", stem, first=True)
        flow = flow.dense({"embedding/position": table((side // stride) ** 2, first)})
        seen: Quantity = flow.positions
        for place, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            before, rest, span = widths[max(place - 1, 0)], depth, unit // fold**place
            layer, name = _hiera_layer(width, int(width * factor)), f"stage{place + 1}/"
            if place:  # units are those of the stage before
                step = fold if place <= pools else 1
                asked = seen / step
                reach = step * span if near[place - 1] or near[place] else seen
                flow = flow.layers(_hiera_pooling(before, width), seen, prefix=name)
                own = {part: cost for part, cost in layer.items() if "value" not in part}
                own["norm/layers"] = held(2 * (before + width))
                flow = flow.layers(own, asked, pairs=asked * reach, prefix=name)
                rest, seen = depth - 1, asked
            reach = span if near[place] else seen
            flow = flow.layers(layer, seen, pairs=seen * reach, times=rest, prefix=name)
        return flow.norm(widths[-1]) if pooled else flow

    pooled = task(fields) in ("", "ImageClassification")
    return conv_net(fields, body, widths[-1], side)


def _hiera_layer(width: int, inner: int) -> Costs:
    """A layer of one width."""
    return {
        "attention/query_key_value": affine(width, 3 * width),
        "attention/products": Cost(flop_per_pair=4 * width),
        "attention/output": affine(width, width),
        **Mlp(width, inner, bias=True).costs(),
        "norm/layers": held(4 * width),
    }


def _hiera_pooling(before: int, width: int) -> Costs:
    """Return the cost of a stage's first layer before its queries pool the positions."""
    shortcut = affine(before, width) if before != width else Cost()
    return {"attention/in": affine(before, 3 * width), "attention/shortcut": shortcut}
