"""Which conv net with attention behind its maps a config describes: MobileViT, LeViT."""

from dataclasses import replace

import numpy as np

from estimator.networks.blocks import (
    Cost,
    Costs,
    Mlp,
    affine,
    equal_heads,
    held,
    layer_costs,
    linear,
)
from estimator.networks.convolution import (
    BATCH_NORM,
    Conv,
    Flow,
    depthwise_conv,
    flow_network,
    pointwise,
    ratio,
    square,
    stages,
    windows,
)
from estimator.networks.families.convnet import conv_net
from estimator.networks.families.mobilenet import divisible, inverted
from estimator.networks.fields import Fields
from estimator.networks.ledger import Quantity
from estimator.networks.model_class import head_note, label_head, task
from estimator.networks.network import Network
from estimator.networks.registry import family

MOBILEVIT_LAYERS = (2, 4, 3)
"""Layers of attention in the last three blocks."""


@family("mobilevit")
def mobilevit(fields: Fields) -> Network:
    """MobileViT: inverted residuals, attention in patches (arXiv:2110.02178)."""
    fields.counted("output_stride", 32)
    widths = fields.sizes("neck_hidden_sizes", (16, 32, 64, 96, 128, 160, 640), 7)
    hiddens = fields.sizes("hidden_sizes", (144, 192, 240), 3)
    channels = fields.size("num_channels", default=3)
    expand = ratio(fields, "expand_ratio", 4.0)

    def body(flow: Flow) -> Flow:
        flow = flow.conv("stem/convolution", Conv(channels, widths[0], stride=2), first=True)
        flow = _coarser(flow, expand, widths[0], widths[1], 1)
        for place in range(3):
            flow = _coarser(flow, expand, widths[2 if place else 1], widths[2], 1 if place else 2)
        for place, hidden in enumerate(hiddens):
            flow = _coarser(flow, expand, widths[2 + place], widths[3 + place], 2)
            flow = _attending(fields, flow, widths[3 + place], (hidden, MOBILEVIT_LAYERS[place]))
        return flow.conv("top/convolution", pointwise(widths[5], widths[6]))

    return conv_net(fields, body, widths[6], square(fields, "image_size", 256))


def _attending(fields: Fields, flow: Flow, width: int, shape: tuple[int, int]) -> Flow:
    """Local convolutions, attention of each pixel of a patch to the same in the others, fusion."""
    hidden, layers = shape
    kernel = fields.size("conv_kernel_size", default=3)
    patch = square(fields, "patch_size", 2)
    heads = fields.size("num_attention_heads", default=4)
    keys, bias = ("hidden_sizes", "num_attention_heads"), fields.flag("qkv_bias", default=True)
    attention = equal_heads(fields, hidden, heads, keys, bias, output_bias=True)
    mlp = Mlp(hidden, int(hidden * ratio(fields, "mlp_ratio", 2.0)), bias=True)
    flow = flow.conv("layers/local", Conv(width, width, kernel=kernel))
    flow = flow.conv("layers/embed", replace(pointwise(width, hidden), norm=False))
    folded = np.ceil(flow.side / patch) ** 2
    tokens, pairs = patch * patch * folded, patch * patch * folded**2
    layer = layer_costs(attention, mlp, 4 * hidden)
    flow = flow.layers(layer, tokens, pairs=pairs, times=layers).norm(hidden)
    flow = flow.conv("layers/project", pointwise(hidden, width))
    return flow.conv("layers/fuse", Conv(2 * width, width, kernel=kernel))


@family("mobilevitv2")
def mobilevitv2(fields: Fields) -> Network:
    """MobileViTv2: attention that is linear in the positions (arXiv:2206.02680)."""
    fields.counted("output_stride", 32)
    scale, expand = ratio(fields, "width_multiplier", 1.0), ratio(fields, "expand_ratio", 2.0)
    stem = divisible(min(max(32 * scale, 16), 64), 8, 16)
    widths = [stem, divisible(64 * scale, 16, 16)]
    widths += [divisible(width * scale, 8, 8) for width in (128, 256, 384, 512)]
    depths = fields.layer_counts("n_attn_blocks", (2, 4, 3), 3)
    units = fields.sizes("base_attn_unit_dims", (128, 192, 256), 3)
    kernel, patch = fields.size("conv_kernel_size", default=3), square(fields, "patch_size", 2)
    factor = fields.size("ffn_multiplier", default=2)

    def body(flow: Flow) -> Flow:
        channels = fields.size("num_channels", default=3)
        flow = flow.conv("stem/convolution", Conv(channels, stem, stride=2), first=True)
        flow = _coarser(flow, expand, widths[0], widths[1], 1)
        flow = _coarser(flow, expand, widths[1], widths[2], 2)
        flow = _coarser(flow, expand, widths[2], widths[2], 1)
        for inputs, width, base, depth in zip(widths[2:], widths[3:], units, depths, strict=False):
            flow, hidden = _coarser(flow, expand, inputs, width, 2), divisible(base * scale, 8, 8)
            flow = flow.conv("layers/local", depthwise_conv(width, kernel, 1))
            flow = flow.conv("layers/embed", replace(pointwise(width, hidden), norm=False))
            tokens = (np.ceil(flow.side / patch) * patch) ** 2
            flow = flow.layers(_linear_layer(hidden, factor), tokens, times=depth).norm(hidden)
            flow = flow.conv("layers/project", pointwise(hidden, width))
        return flow

    return conv_net(fields, body, widths[-1], square(fields, "image_size", 256))


def _coarser(flow: Flow, expand: float, inputs: int, outputs: int, stride: int) -> Flow:
    """An inverted residual of so many times the channels inside."""
    return inverted(flow, inputs, divisible(round(inputs * expand), 8, 8), outputs, stride)


def _linear_layer(hidden: int, factor: int) -> Costs:
    """One score for each position, which weighs the keys: no products of pairs."""
    return {
        "attention/in": affine(hidden, 2 * hidden + 1),
        "attention/output": affine(hidden, hidden),
        **Mlp(hidden, factor * hidden // 16 * 16, bias=True).costs(),
        "norm/layers": held(4 * hidden),
    }


LEVIT_SIZES = (
    "hidden_sizes",
    "depths",
    "num_attention_heads",
    "key_dim",
    "attention_ratio",
    "mlp_ratio",
)

SHRINKING = (4, 2)
"""Values over keys of the attention that shrinks the map, and its stride."""


def normed(inputs: int, outputs: int) -> Cost:
    """A dense layer without bias, and its norm."""
    return linear(inputs, outputs) + held(BATCH_NORM * outputs)


@family("levit")
def levit(fields: Fields) -> Network:
    """LeViT: between stages a quarter of the positions asks all."""
    rows, side = stages(fields, LEVIT_SIZES), square(fields, "image_size", 224)
    kernel, stride = fields.size("kernel_size", default=3), fields.size("stride", default=2)
    channels, padding = fields.size("num_channels", default=3), fields.size("padding", default=1)
    grid, key = side // square(fields, "patch_size", 16), rows[0][3]
    shares = [rows[0][0] // 2**place for place in (3, 2, 1, 0)]
    kind, last = task(fields), rows[-1][0]
    count = kind.startswith("ImageClassification") + kind.endswith("WithTeacher")
    labels = label_head(fields, last) + held(BATCH_NORM * last)

    def body(flow: Flow) -> Flow:
        for place, (before, after) in enumerate(zip([channels, *shares], shares, strict=False)):
            conv = Conv(before, after, kernel=kernel, stride=stride, padding=padding)
            flow = flow.conv(f"stem/{place + 1}", conv, first=place == 0)
        rest: Quantity = float(grid)
        for place, (width, depth, many, dim, factor, wide) in enumerate(rows):
            tokens, name = rest * rest, f"stage{place + 1}/"
            layer = _levit_attention(width, many * dim, factor, many * int(rest) ** 2)
            flow = flow.attending(layer, tokens, times=depth, prefix=name)
            flow = flow.layers(_levit_mlp(width, wide), tokens, times=depth, prefix=name)
            if place + 1 < len(rows):
                wider, step = SHRINKING
                left = windows(rest, 1, step)
                heads, after = width // key, rows[place + 1][0]
                inner = key * heads
                flow = flow.layers({"shrink/keys": normed(width, (1 + wider) * inner)}, tokens)
                asks = {
                    "shrink/query": normed(width, inner),
                    "shrink/output": normed(wider * inner, after),
                    "shrink/products": Cost(flop_per_pair=2 * (1 + wider) * inner),
                    "shrink/distances": held(heads * int(rest) ** 2),
                    **_levit_mlp(after, 2),
                }
                flow = flow.layers(asks, left * left, pairs=left * left * tokens, prefix=name)
                rest = left
        return flow.dense({"head/classifier": labels.times(count)})

    return flow_network(fields, side, body, head_note(fields, count or not kind))


def _levit_attention(width: int, inner: int, factor: int, distances: int) -> Costs:
    """Attention whose values are `factor` as wide as its keys, with biases by distance."""
    return {
        "attention/in": normed(width, (2 + factor) * inner),
        "attention/products": Cost(flop_per_pair=2 * (1 + factor) * inner),
        "attention/output": normed(factor * inner, width),
        "attention/distances": held(distances),
    }


def _levit_mlp(width: int, factor: int) -> Costs:
    """Two dense layers with norms."""
    return {"mlp/up": normed(width, factor * width), "mlp/down": normed(factor * width, width)}
