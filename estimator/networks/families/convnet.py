"""Convolutional networks: ResNet, ConvNeXt.

Also DINOv3 over ConvNeXt. The items of a pass are images. The first convolution needs no input
gradient, so training is slightly less than three times the forward pass.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from estimator.networks.blocks import params_only
from estimator.networks.convolution import (
    Conv,
    Flow,
    depthwise_conv,
    flow_network,
    plain,
    pointwise,
    positive,
    square,
)
from estimator.networks.fields import Fields
from estimator.networks.model_class import classifier, head_note, task
from estimator.networks.network import Network
from estimator.networks.registry import families, family

DEFAULT_SIDE = 224
"""Default side of the images. [pixel]"""

Body = Callable[[Flow], Flow]

STEM_WIDTH, WIDTHS = 64, (256, 512, 1024, 2048)
"""Channels of a ResNet of bottlenecks (arXiv:1512.03385, table 1)."""


def conv_net(fields: Fields, body: Body, features: int, side: int | None = None) -> Network:
    """Build the network of a config, with its classifier if the class has one."""
    head = classifier(fields, features)
    pixels = square(fields, "image_size", DEFAULT_SIDE) if side is None else side
    notes = head_note(fields, head or not task(fields))
    return flow_network(fields, pixels, lambda flow: body(flow).dense(head), notes)


@family("resnet")
def resnet(fields: Fields) -> Network:
    """Build ResNet: basic or bottleneck layers, stride in the 3x3 convolution (version 1.5)."""
    widths = fields.sizes("hidden_sizes", WIDTHS)
    depths = fields.layer_counts("depths", (3, 4, 6, 3), len(widths))
    stem = fields.size("embedding_size", default=STEM_WIDTH)
    channels = fields.size("num_channels", default=3)
    basic = fields.text("layer_type", default="bottleneck") == "basic"
    early = fields.flag("downsample_in_bottleneck")
    layer = basic_layer if basic else partial(bottleneck, early)
    first = 2 if fields.flag("downsample_in_first_stage") else 1

    def body(flow: Flow) -> Flow:
        conv, inputs = Conv(channels, stem, kernel=7, stride=2), stem
        flow = flow.conv("stem/convolution", conv, first=True).pool(3, 2, 1)
        for place, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            name, stride = f"stage{place + 1}", 2 if place else first
            if inputs != width or stride != 1:
                shortcut = Conv(inputs, width, kernel=1, stride=stride)
                flow = flow.beside(f"{name}/shortcut", shortcut)
            flow = flow.convs(f"{name}/convolution", layer(inputs, width, stride))
            for _ in range(depth - 1):
                flow = flow.convs(f"{name}/convolution", layer(width, width, 1))
            inputs = width
        return flow

    return conv_net(fields, body, widths[-1])


def basic_layer(inputs: int, outputs: int, stride: int) -> list[Conv]:
    """Build a basic layer of two 3x3 convolutions."""
    return [Conv(inputs, outputs, stride=stride), Conv(outputs, outputs)]


def bottleneck(early: bool, inputs: int, outputs: int, stride: int) -> list[Conv]:
    """Build a bottleneck: 1x1 to a quarter of the channels, 3x3, and 1x1 back."""
    narrow = outputs // 4
    first, second = (stride, 1) if early else (1, stride)
    return [
        Conv(inputs, narrow, kernel=1, stride=first),
        Conv(narrow, narrow, stride=second),
        pointwise(narrow, outputs),
    ]


def convnext(version: int, fields: Fields) -> Network:
    """Build ConvNeXt: depthwise 7x7, then an MLP per position; version 2 adds a norm inside it."""
    usual = (96, 192, 384, 768)
    widths = fields.sizes("hidden_sizes", usual, fewest=0) or list(usual)
    depths = fields.layer_counts("depths", (3, 3, 9, 3), len(widths))
    channels = fields.size("num_channels", default=3)
    patch = square(fields, "patch_size", 4)
    scale = positive(fields, "layer_scale_init_value", 1e-6)

    def body(flow: Flow) -> Flow:
        conv = replace(plain(channels, widths[0], patch, patch, padding=0), norm=True)
        flow = flow.conv("stem/convolution", conv, first=True)
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            name, before = f"stage{stage + 1}", widths[stage - 1]
            if stage:
                down = plain(before, width, kernel=2, stride=2, padding=0)
                flow = flow.norm(before).conv(f"{name}/downsample", down)
            wide = replace(depthwise_conv(width, 7, 1), bias=True)
            up = replace(plain(width, 4 * width, kernel=1), norm=version == 2)
            down = plain(4 * width, width, kernel=1)
            flow = flow.convs(f"{name}/depthwise", (wide,) * depth)
            for _ in range(depth):
                flow = flow.conv(f"{name}/up", up).conv(f"{name}/down", down)
            if version == 1 and scale:
                flow = flow.dense({f"{name}/scale": params_only(depth * width)})
        return flow.norm(widths[-1])

    return conv_net(fields, body, widths[-1])


families(convnext, {"convnext": 1, "convnextv2": 2, "dinov3_convnext": 1})
