"""Which conv net of separable convolutions a config describes: MobileNet, EfficientNet.

Depthwise convolutions count as what they multiply.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from estimator.workload.blocks import linear
from estimator.workload.convolution import Conv, Flow, ratio, sizes
from estimator.workload.families.convnet import conv_net
from estimator.workload.fields import Fields
from estimator.workload.network import Network
from estimator.workload.registry import family


def divisible(channels: float, divisor: int, least: int) -> int:
    """`channels` to the nearest multiple of `divisor`, never more than 10 % down.

    >>> divisible(0.75 * 24, 8, 8), divisible(11, 8, 8)
    (24, 16)
    """
    number = max(least, int(channels + divisor / 2) // divisor * divisor)
    return number + divisor if number < 0.9 * channels else number


@family("mobilenet_v1")
def mobilenet_v1(fields: Fields) -> Network:
    """MobileNet: depthwise, then pointwise convolutions (arXiv:1704.04861)."""
    multiplier = ratio(fields, "depth_multiplier", 1.0)
    least = fields.size("min_depth", default=8)
    channels = fields.size("num_channels", default=3)
    strides = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
    widths = [max(int(32 * multiplier), least)]
    depth = 32
    for layer, stride in enumerate(strides):
        depth = 2 * depth if stride == 2 or layer == 0 else depth
        widths.append(max(int(depth * multiplier), least))

    def body(flow: Flow) -> Flow:
        stem = Conv(inputs=channels, outputs=widths[0], stride=2)
        flow = flow.conv("stem/convolution", stem, first=True)
        for inputs, outputs, stride in zip(widths, widths[1:], strides, strict=False):
            flow = flow.conv("layers/depthwise", depthwise_conv(inputs, 3, stride))
            flow = flow.conv("layers/pointwise", Conv(inputs=inputs, outputs=outputs, kernel=1))
        return flow

    return conv_net(fields, body, widths[-1])


def depthwise_conv(channels: int, kernel: int, stride: int) -> Conv:
    """One kernel per channel."""
    return Conv(inputs=channels, outputs=channels, kernel=kernel, stride=stride, groups=channels)


MOBILENET_V2_WIDTHS = (16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320)
MOBILENET_V2_STRIDES = (2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1)


@family("mobilenet_v2")
def mobilenet_v2(fields: Fields) -> Network:
    """MobileNet v2: inverted residuals (arXiv:1801.04381)."""
    multiplier = ratio(fields, "depth_multiplier", 1.0)
    divisor = fields.size("depth_divisible_by", default=8)
    least = fields.size("min_depth", default=8)
    expand = ratio(fields, "expand_ratio", 6.0)

    def width(channels: float) -> int:
        return divisible(round(channels), divisor, least)

    widths = [width(channels * multiplier) for channels in MOBILENET_V2_WIDTHS]
    stem = width(32 * multiplier)
    fine = fields.flag("finegrained_output", default=True) and multiplier < 1.0
    last = 1280 if fine else width(1280 * multiplier)
    channels = fields.size("num_channels", default=3)
    stem_expands = fields.flag("first_layer_is_expansion", default=True)
    strides = _strides(fields.size("output_stride", default=32))

    def body(flow: Flow) -> Flow:
        first = Conv(inputs=channels, outputs=stem, stride=2)
        flow = flow.conv("stem/convolution", first, first=True)
        if not stem_expands:
            flow = flow.conv("stem/expand", Conv(inputs=stem, outputs=stem, kernel=1))
        flow = flow.conv("stem/depthwise", depthwise_conv(stem, 3, 1))
        flow = flow.conv("stem/reduce", Conv(inputs=stem, outputs=widths[0], kernel=1))
        for inputs, outputs, stride in zip(widths, widths[1:], strides, strict=False):
            wide = width(inputs * expand)
            flow = flow.conv("layers/expand", Conv(inputs=inputs, outputs=wide, kernel=1))
            flow = flow.conv("layers/depthwise", depthwise_conv(wide, 3, stride))
            flow = flow.conv("layers/reduce", Conv(inputs=wide, outputs=outputs, kernel=1))
        return flow.conv("top/convolution", Conv(inputs=widths[-1], outputs=last, kernel=1))

    return conv_net(fields, body, last)


def _strides(output_stride: int) -> list[int]:
    """Strides of the layers; beyond `output_stride` the maps keep their size."""
    current, strides = 2, []
    for stride in MOBILENET_V2_STRIDES:
        if current == output_stride:
            strides.append(1)
        else:
            strides.append(stride)
            current *= stride
    return strides


@dataclass(frozen=True, kw_only=True)
class Inverted:
    """A layer of EfficientNet.

    Parameters
    ----------
    inputs, wide, outputs, narrow : int
        Channels before, inside and after the layer; of the squeeze. [1]
    kernel, stride : int
        Of the depthwise convolution. [pixel]
    floors : bool
        At stride 2 an odd side is rounded down instead of up.
    """

    inputs: int
    wide: int
    outputs: int
    narrow: int
    kernel: int
    stride: int
    floors: bool


@family("efficientnet")
def efficientnet(fields: Fields) -> Network:
    """EfficientNet: inverted residuals with squeeze and excitation (arXiv:1905.11946)."""
    divisor = fields.size("depth_divisor", default=8)
    scale = ratio(fields, "width_coefficient", 2.0)

    def width(channels: int) -> int:
        return divisible(channels * scale, divisor, divisor)

    channels = fields.size("num_channels", default=3)
    layers = _efficient_layers(fields, width)
    top = width(1280)

    def body(flow: Flow) -> Flow:
        stem = Conv(inputs=channels, outputs=width(32), stride=2, padding=0)
        flow = _rounding(flow, "stem/convolution", stem, floors=True, first=True)
        for layer in layers:
            flow = _inverted(flow, layer)
        return flow.conv("top/convolution", Conv(inputs=layers[-1].outputs, outputs=top, kernel=1))

    return conv_net(fields, body, fields.size("hidden_dim", default=2560), side=600)


def _efficient_layers(fields: Fields, width: Callable[[int], int]) -> list[Inverted]:
    """All layers, stages repeated as `depth_coefficient` says."""
    inputs = sizes(fields, "in_channels", (32, 16, 24, 40, 80, 112, 192))
    count = len(inputs)
    outputs = sizes(fields, "out_channels", (16, 24, 40, 80, 112, 192, 320), count)
    kernels = sizes(fields, "kernel_sizes", (3, 3, 5, 3, 5, 5, 3), count)
    strides = sizes(fields, "strides", (1, 2, 2, 2, 1, 2, 1), count)
    repeats = sizes(fields, "num_block_repeats", (1, 2, 2, 3, 3, 4, 1), count)
    expands = sizes(fields, "expand_ratios", (1, 6, 6, 6, 6, 6, 6), count)
    depth = ratio(fields, "depth_coefficient", 3.1)
    squeeze = ratio(fields, "squeeze_expansion_ratio", 0.25)
    padded = fields.items("depthwise_padding") or []
    layers: list[Inverted] = []
    for stage in range(count):
        for place in range(math.ceil(depth * repeats[stage])):
            before = width(outputs[stage] if place else inputs[stage])
            layers.append(
                Inverted(
                    inputs=before,
                    wide=before * expands[stage],
                    outputs=width(outputs[stage]),
                    narrow=max(1, int(before * squeeze)),
                    kernel=kernels[stage],
                    stride=1 if place else strides[stage],
                    floors=len(layers) not in padded,
                )
            )
    return layers


def _inverted(flow: Flow, layer: Inverted) -> Flow:
    """Expand, convolve each channel, weigh the channels, reduce."""
    wide = layer.wide
    if wide != layer.inputs:
        flow = flow.conv("layers/expand", Conv(inputs=layer.inputs, outputs=wide, kernel=1))
    conv = depthwise_conv(wide, layer.kernel, layer.stride)
    flow = _rounding(flow, "layers/depthwise", conv, floors=layer.floors)
    flow = flow.dense(
        {
            "layers/squeeze": linear(wide, layer.narrow, bias=True),
            "layers/excite": linear(layer.narrow, wide, bias=True),
        }
    )
    return flow.conv("layers/reduce", Conv(inputs=wide, outputs=layer.outputs, kernel=1))


def _rounding(flow: Flow, name: str, conv: Conv, floors: bool, first: bool = False) -> Flow:
    """After a convolution padded so that half of an odd side is rounded down, or up."""
    if conv.stride == 1 or not floors:
        exact = Conv(**{**vars(conv), "padding": None})
        return flow.conv(name, exact, first)
    even = Flow(batch=flow.batch, side=2 * (flow.side // 2), lines=flow.lines)
    return even.conv(name, Conv(**{**vars(conv), "padding": None}), first)
