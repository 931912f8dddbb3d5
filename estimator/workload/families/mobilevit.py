"""How much work MobileViT is: inverted residuals, and attention in patches."""

from dataclasses import replace

import numpy as np

from estimator.workload.blocks import Mlp, equal_heads, layer_costs
from estimator.workload.convolution import Conv, Flow, pointwise, ratio, square
from estimator.workload.families.convnet import conv_net
from estimator.workload.families.mobilenet import divisible, inverted
from estimator.workload.fields import Fields
from estimator.workload.network import Network
from estimator.workload.registry import family

MOBILEVIT_LAYERS = (2, 4, 3)
"""Layers of attention in the last three blocks."""


@family("mobilevit")
def mobilevit(fields: Fields) -> Network:
    """MobileViT: inverted residuals, attention in patches (arXiv:2110.02178)."""
    if fields.size("output_stride", default=32) != 32:
        raise ValueError(f"{fields.path}output_stride must be 32: dilated maps are not counted")
    widths = fields.sizes("neck_hidden_sizes", (16, 32, 64, 96, 128, 160, 640), 7)
    hiddens = fields.sizes("hidden_sizes", (144, 192, 240), 3)
    channels = fields.size("num_channels", default=3)
    expand = ratio(fields, "expand_ratio", 4.0)

    def coarser(flow: Flow, inputs: int, outputs: int, stride: int) -> Flow:
        return inverted(flow, inputs, divisible(round(inputs * expand), 8, 8), outputs, stride)

    def body(flow: Flow) -> Flow:
        flow = flow.conv("stem/convolution", Conv(channels, widths[0], stride=2), first=True)
        flow = coarser(flow, widths[0], widths[1], 1)
        for place in range(3):
            flow = coarser(flow, widths[2 if place else 1], widths[2], 1 if place else 2)
        for place, hidden in enumerate(hiddens):
            flow = coarser(flow, widths[2 + place], widths[3 + place], 2)
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
    mlp = Mlp(hidden=hidden, width=int(hidden * ratio(fields, "mlp_ratio", 2.0)), bias=True)
    flow = flow.conv("layers/local", Conv(width, width, kernel=kernel))
    flow = flow.conv("layers/embed", replace(pointwise(width, hidden), norm=False))
    folded = np.ceil(flow.side / patch) ** 2
    tokens, pairs = patch * patch * folded, patch * patch * folded**2
    layer = layer_costs(attention, mlp, 4 * hidden)
    flow = flow.layers(layer, tokens, pairs=pairs, times=layers).norm(hidden)
    flow = flow.conv("layers/project", pointwise(hidden, width))
    return flow.conv("layers/fuse", Conv(2 * width, width, kernel=kernel))
