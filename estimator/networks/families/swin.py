"""Vision transformers with windows and stages: Swin and Donut's.

The items of a pass are the patches of the first stage.
"""

from collections.abc import Callable, Iterator

import numpy as np

from estimator.core.messages import refuse
from estimator.networks.blocks import Costs, Mlp, affine, equal_heads, linear, params_only, table
from estimator.networks.convolution import Conv, image, ratio, rectangle, square
from estimator.networks.fields import Fields
from estimator.networks.ledger import Inputs, Quantity
from estimator.networks.model_class import classifier, head_note, task
from estimator.networks.network import Line, Network, Pass, lines, network
from estimator.networks.registry import families

POSITION_MLP = 512
"""Width of the network that maps distances to biases in Swin v2 (arXiv:2111.09883)."""


Passed = Callable[[Quantity, Quantity, Quantity], Iterator[Line]]
"""Callable for lines of equal layers over a batch of maps."""


def swin(version: int, fields: Fields) -> Network:
    """Build Swin: attention in shifted windows, stages that halve the map (arXiv:2103.14030).

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
        "embedding/mask": params_only(width * masked),
        "norm/outer": params_only(2 * last * (version > 0)),
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
    """Merge four positions before a stage."""
    hidden = width * 2 ** (place - 1)
    return {
        f"stage{place + 1}/merge": linear(4 * hidden, 2 * hidden),
        f"stage{place + 1}/merge_norm": params_only((4 if version == 2 else 8) * hidden),
    }


def _stage(version: int, fields: Fields, place: int, depths: list[int]) -> Passed:
    """Build a stage with attention on padded windows and the MLP on unpadded maps."""
    size, times, name = fields.size("window_size", default=7), depths[place], f"stage{place + 1}/"
    hidden = fields.size("embed_dim", default=96) * 2**place
    heads = fields.sizes("num_heads", (3, 6, 12, 24), len(depths))[place]
    keys, bias = ("embed_dim * 2 ** stage", "num_heads"), fields.flag("qkv_bias", default=True)
    attention = dict(equal_heads(fields, hidden, heads, keys, bias, output_bias=True).costs())
    distances: Costs = {}
    if version == 2:
        attention |= {
            "attention/key": linear(hidden, hidden),
            "attention/scale": params_only(heads),
        }
        distances = {
            "attention/distance_in": affine(2, POSITION_MLP),
            "attention/distance_out": linear(POSITION_MLP, heads),
        }
    else:
        attention["attention/relative_bias"] = params_only((2 * size - 1) ** 2 * heads)
    mlp = Mlp(hidden, int(hidden * ratio(fields, "mlp_ratio", 4.0)), bias=True)
    rest = {**mlp.costs(), "norm/layers": params_only(4 * hidden)}
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
