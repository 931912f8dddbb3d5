"""Convolutional networks of separable convolutions: MobileNet, EfficientNet.

Depthwise convolutions count by their multiplications.
"""

import math

from estimator.core.messages import refuse
from estimator.networks.convolution import (
    Conv,
    Flow,
    depthwise_conv,
    pointwise,
    ratio,
    square,
    stages,
)
from estimator.networks.families.convnet import conv_net
from estimator.networks.fields import MAX_LAYERS, Fields
from estimator.networks.network import Network
from estimator.networks.registry import family


def divisible(channels: float, divisor: int, least: int) -> int:
    """Round `channels` to a multiple of `divisor`, at most 10% down.

    >>> divisible(0.75 * 24, 8, 8), divisible(11, 8, 8)
    (24, 16)
    """
    number = max(least, int(channels + divisor / 2) // divisor * divisor)
    return number + divisor if number < 0.9 * channels else number


@family("mobilenet_v1")
def mobilenet_v1(fields: Fields) -> Network:
    """Build MobileNet: depthwise, then pointwise convolutions (arXiv:1704.04861)."""
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
        flow = flow.conv("stem/convolution", Conv(channels, widths[0], stride=2), first=True)
        for inputs, outputs, stride in zip(widths, widths[1:], strides, strict=False):
            flow = flow.conv("layers/depthwise", depthwise_conv(inputs, 3, stride))
            flow = flow.conv("layers/pointwise", pointwise(inputs, outputs))
        return flow

    return conv_net(fields, body, widths[-1])


MOBILENET_V2_WIDTHS = (16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320)
MOBILENET_V2_STRIDES = (2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1)


@family("mobilenet_v2")
def mobilenet_v2(fields: Fields) -> Network:
    """Build MobileNet v2: inverted residuals (arXiv:1801.04381)."""
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
        flow = flow.conv("stem/convolution", Conv(channels, stem, stride=2), first=True)
        if not stem_expands:
            flow = flow.conv("stem/expand", pointwise(stem, stem))
        flow = flow.conv("stem/depthwise", depthwise_conv(stem, 3, 1))
        flow = flow.conv("stem/reduce", pointwise(stem, widths[0]))
        for inputs, outputs, stride in zip(widths, widths[1:], strides, strict=False):
            flow = inverted(flow, inputs, width(inputs * expand), outputs, stride)
        return flow.conv("top/convolution", pointwise(widths[-1], last))

    return conv_net(fields, body, last)


def inverted(flow: Flow, inputs: int, wide: int, outputs: int, stride: int) -> Flow:
    """Expand, convolve each channel, reduce."""
    flow = flow.conv("layers/expand", pointwise(inputs, wide))
    flow = flow.conv("layers/depthwise", depthwise_conv(wide, 3, stride))
    return flow.conv("layers/reduce", pointwise(wide, outputs))


def _strides(output_stride: int) -> list[int]:
    """Return the strides of the layers; beyond `output_stride` maps keep their size."""
    current, strides = 2, []
    for stride in MOBILENET_V2_STRIDES:
        strides.append(1 if current == output_stride else stride)
        current *= strides[-1]
    return strides


EFFICIENTNET_STAGES = (
    "in_channels",
    "out_channels",
    "kernel_sizes",
    "strides",
    "num_block_repeats",
    "expand_ratios",
)


@family("efficientnet")
def efficientnet(fields: Fields) -> Network:
    """Build EfficientNet: inverted residuals with squeeze and excitation (arXiv:1905.11946).

    At stride 2 an odd side is rounded down, or up in the layers of `depthwise_padding`.
    """
    divisor = fields.size("depth_divisor", default=8)
    scale = ratio(fields, "width_coefficient", 2.0)
    depth = ratio(fields, "depth_coefficient", 3.1)
    squeeze = ratio(fields, "squeeze_expansion_ratio", 0.25)
    padded = fields.items("depthwise_padding") or []
    channels = fields.size("num_channels", default=3)
    rows = stages(fields, EFFICIENTNET_STAGES)
    repeats = _repeats(fields, depth, [row[4] for row in rows])

    def width(channels: int) -> int:
        return divisible(channels * scale, divisor, divisor)

    def body(flow: Flow) -> Flow:
        stem, layer = Conv(channels, width(32), stride=2), 0
        flow = _even(flow).conv("stem/convolution", stem, first=True)
        for (before, after, kernel, stride, _, expand), times in zip(rows, repeats, strict=True):
            for place in range(times):
                inputs, outputs = width(after if place else before), width(after)
                wide, step = inputs * expand, 1 if place else stride
                if wide != inputs:
                    flow = flow.conv("layers/expand", pointwise(inputs, wide))
                if step > 1 and layer not in padded:
                    flow = _even(flow)
                flow = flow.conv("layers/depthwise", depthwise_conv(wide, kernel, step))
                flow = flow.squeezed("layers", wide, max(1, int(inputs * squeeze)))
                flow = flow.conv("layers/reduce", pointwise(wide, outputs))
                layer += 1
        return flow.conv("top/convolution", pointwise(width(rows[-1][1]), width(1280)))

    features = fields.size("hidden_dim", default=2560)
    return conv_net(fields, body, features, square(fields, "image_size", 600))


def _repeats(fields: Fields, depth: float, stated: list[int]) -> list[int]:
    """Return the layers of each stage, scaled and rounded up."""
    repeats = [math.ceil(depth * times) for times in stated]
    if sum(repeats) > MAX_LAYERS:
        both = f"{fields.full_name('num_block_repeats')} * depth_coefficient"
        raise refuse("config_key_most_in_all", key=both, most=MAX_LAYERS, value=sum(repeats))
    return repeats


def _even(flow: Flow) -> Flow:
    """Crop the last row and column of maps with an odd side."""
    return flow.at(2 * (flow.side // 2))
