"""How much work MobileViT is: inverted residuals, attention in patches (arXiv:2110.02178)."""

from dataclasses import replace

import numpy as np

from estimator.workload.blocks import Mlp, equal_heads, held
from estimator.workload.convolution import Conv, Flow, ratio, sizes, square
from estimator.workload.families.convnet import conv_net
from estimator.workload.families.mobilenet import depthwise_conv, divisible
from estimator.workload.fields import Fields
from estimator.workload.network import Network, lines
from estimator.workload.registry import family

STAGES = (2, 4, 3)
"""Layers of attention in the last three blocks."""


@family("mobilevit")
def mobilevit(fields: Fields) -> Network:
    """MobileViT, its maps coarsened thirty-two times."""
    if fields.size("output_stride", default=32) != 32:
        raise ValueError(f"{fields.path}output_stride must be 32: dilated maps are not counted")
    widths = sizes(fields, "neck_hidden_sizes", (16, 32, 64, 96, 128, 160, 640), 7)
    hiddens = sizes(fields, "hidden_sizes", (144, 192, 240), 3)
    channels = fields.size("num_channels", default=3)

    def body(flow: Flow) -> Flow:
        stem = Conv(inputs=channels, outputs=widths[0], stride=2)
        flow = flow.conv("stem/convolution", stem, first=True)
        flow = _inverted(fields, flow, widths[0], widths[1], 1)
        for place in range(3):
            inputs = widths[2] if place else widths[1]
            flow = _inverted(fields, flow, inputs, widths[2], 1 if place else 2)
        for place, hidden in enumerate(hiddens):
            inputs, outputs = widths[2 + place], widths[3 + place]
            flow = _inverted(fields, flow, inputs, outputs, 2)
            flow = _attending(fields, flow, outputs, (hidden, STAGES[place]))
        return flow.conv("top/convolution", Conv(inputs=widths[5], outputs=widths[6], kernel=1))

    return conv_net(fields, body, widths[6], 256)


def _inverted(fields: Fields, flow: Flow, inputs: int, outputs: int, stride: int) -> Flow:
    """Expand, convolve each channel, reduce."""
    wide = divisible(round(inputs * ratio(fields, "expand_ratio", 4.0)), 8, 8)
    flow = flow.conv("layers/expand", Conv(inputs=inputs, outputs=wide, kernel=1))
    flow = flow.conv("layers/depthwise", depthwise_conv(wide, 3, stride))
    return flow.conv("layers/reduce", Conv(inputs=wide, outputs=outputs, kernel=1))


def _attending(fields: Fields, flow: Flow, width: int, shape: tuple[int, int]) -> Flow:
    """Local convolutions, attention of each pixel of a patch to the same in the others, fusion."""
    hidden, layers = shape
    kernel = fields.size("conv_kernel_size", default=3)
    patch = square(fields, "patch_size", 2)
    flow = flow.conv("layers/local", Conv(inputs=width, outputs=width, kernel=kernel))
    into = Conv(inputs=width, outputs=hidden, kernel=1, norm=False)
    flow = flow.conv("layers/embed", into)
    heads = fields.size("num_attention_heads", default=4)
    attention = replace(
        equal_heads(fields, hidden, heads, ("hidden_sizes", "num_attention_heads")),
        qkv_bias=fields.flag("qkv_bias", default=True),
    )
    mlp = Mlp(hidden=hidden, width=int(hidden * ratio(fields, "mlp_ratio", 2.0)), bias=True)
    layer = {**attention.costs(), **mlp.costs(), "norm/layers": held(4 * hidden)}
    folded = np.ceil(flow.side / patch) ** 2
    tokens = flow.batch * patch * patch * folded
    done = lines(layer, tokens, pairs=tokens * folded, times=layers)
    flow = replace(flow, lines=(*flow.lines, *done)).norm(hidden)
    flow = flow.conv("layers/project", Conv(inputs=hidden, outputs=width, kernel=1))
    return flow.conv("layers/fuse", Conv(inputs=2 * width, outputs=width, kernel=kernel))
