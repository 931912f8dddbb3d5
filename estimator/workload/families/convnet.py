"""Which conv net a config describes: ResNet, RegNet, ConvNeXt, MobileNet, EfficientNet.

The items of a pass are images. The first convolution
needs no gradient of its input, so training is a little less than three times the forward pass.
"""

from collections.abc import Callable
from functools import partial

from estimator.workload.blocks import Costs, held, linear
from estimator.workload.convolution import Conv, Flow, image, sizes, square
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs
from estimator.workload.model_class import head_note, label_count, task
from estimator.workload.network import Network, Pass, network
from estimator.workload.registry import families, family

DEFAULT_SIDE = 224
"""Side of the images for configs that state none. [pixel]"""

Body = Callable[[Flow], Flow]


def conv_net(fields: Fields, body: Body, features: int, side: int = DEFAULT_SIDE) -> Network:
    """The network of a config, its classifier included where the class has one."""
    classifies = task(fields) == "ImageClassification"
    known = classifies or not task(fields)
    head = {"head/classifier": linear(features, label_count(fields), bias=True)}
    note = head_note(fields, known)
    return network(
        fields,
        partial(_run, body, head if classifies else {}, square(fields, "image_size", side)),
        note,
        item_unit="image",
    )


def _run(body: Body, head: Costs, side: int, inputs: Inputs) -> Pass:
    batch, pixels = image(inputs, side)
    flow = body(Flow(batch=batch, side=pixels)).dense(head)
    return Pass(lines=flow.lines, items=batch)


@family("resnet")
def resnet(fields: Fields) -> Network:
    """ResNet: basic or bottleneck layers, stride in the 3x3 convolution (version 1.5)."""
    widths = sizes(fields, "hidden_sizes", (256, 512, 1024, 2048))
    depths = sizes(fields, "depths", (3, 4, 6, 3), len(widths))
    stem = fields.size("embedding_size", default=64)
    channels = fields.size("num_channels", default=3)
    basic = fields.text("layer_type", default="bottleneck") == "basic"
    early = fields.flag("downsample_in_bottleneck")
    layer = _basic if basic else partial(_bottleneck, early)
    first = 2 if fields.flag("downsample_in_first_stage") else 1

    def body(flow: Flow) -> Flow:
        conv = Conv(inputs=channels, outputs=stem, kernel=7, stride=2)
        flow = flow.conv("stem/convolution", conv, first=True).pool(3, 2, 1)
        return staged(flow, layer, (stem, *widths), depths, first)

    return conv_net(fields, body, widths[-1])


def bottlenecks(flow: Flow, channels: int, depths: tuple[int, ...]) -> Flow:
    """The maps of a ResNet of bottlenecks in its usual widths."""
    conv = Conv(inputs=channels, outputs=64, kernel=7, stride=2)
    flow = flow.conv("stem/convolution", conv, first=True).pool(3, 2, 1)
    widths = (64, 256, 512, 1024, 2048)
    return staged(flow, partial(_bottleneck, False), widths, list(depths), 1)


Layer = Callable[[int, int, int], list[Conv]]
"""Convolutions of a layer from its input channels, output channels and stride."""


def staged(
    flow: Flow, layer: Layer, widths: tuple[int, ...], depths: list[int], first_stride: int
) -> Flow:
    """Stages of layers with a shortcut, convolved where the map's shape changes."""
    for stage, depth in enumerate(depths):
        for place in range(depth):
            inputs = widths[stage] if place == 0 else widths[stage + 1]
            outputs = widths[stage + 1]
            stride = 1 if place else 2 if stage else first_stride
            if inputs != outputs or stride != 1:
                shortcut = Conv(inputs=inputs, outputs=outputs, kernel=1, stride=stride)
                flow = flow.beside(f"stage{stage + 1}/shortcut", shortcut)
            flow = flow.convs(f"stage{stage + 1}/convolution", layer(inputs, outputs, stride))
    return flow


def _basic(inputs: int, outputs: int, stride: int) -> list[Conv]:
    return [
        Conv(inputs=inputs, outputs=outputs, stride=stride),
        Conv(inputs=outputs, outputs=outputs),
    ]


def _bottleneck(early: bool, inputs: int, outputs: int, stride: int) -> list[Conv]:
    narrow = outputs // 4
    return [
        Conv(inputs=inputs, outputs=narrow, kernel=1, stride=stride if early else 1),
        Conv(inputs=narrow, outputs=narrow, stride=1 if early else stride),
        Conv(inputs=narrow, outputs=outputs, kernel=1),
    ]


@family("regnet")
def regnet(fields: Fields) -> Network:
    """RegNet X, and Y with squeeze and excitation (arXiv:2003.13678)."""
    widths = sizes(fields, "hidden_sizes", (128, 192, 512, 1088))
    depths = sizes(fields, "depths", (2, 6, 12, 2), len(widths))
    stem = fields.size("embedding_size", default=32)
    channels = fields.size("num_channels", default=3)
    group_width = fields.size("groups_width", default=64)
    squeezes = fields.text("layer_type", default="y") != "x"
    first = 2 if fields.flag("downsample_in_first_stage", default=True) else 1

    def layer(inputs: int, outputs: int, stride: int) -> list[Conv]:
        groups = max(1, outputs // group_width)
        return [
            Conv(inputs=inputs, outputs=outputs, kernel=1),
            Conv(inputs=outputs, outputs=outputs, stride=stride, groups=groups),
            Conv(inputs=outputs, outputs=outputs, kernel=1),
        ]

    def body(flow: Flow) -> Flow:
        flow = flow.conv(
            "stem/convolution", Conv(inputs=channels, outputs=stem, stride=2), first=True
        )
        flow = staged(flow, layer, (stem, *widths), depths, first)
        return _squeezed(flow, (stem, *widths), depths) if squeezes else flow

    return conv_net(fields, body, widths[-1])


def _squeezed(flow: Flow, widths: tuple[int, ...], depths: list[int]) -> Flow:
    """Squeeze and excitation of each layer, on one pooled position."""
    for stage, depth in enumerate(depths):
        for place in range(depth):
            outputs = widths[stage + 1]
            narrow = round((outputs if place else widths[stage]) / 4)
            flow = flow.dense(
                {
                    f"stage{stage + 1}/squeeze": linear(outputs, narrow, bias=True),
                    f"stage{stage + 1}/excite": linear(narrow, outputs, bias=True),
                }
            )
    return flow


def convnext(version: int, fields: Fields) -> Network:
    """ConvNeXt: depthwise 7x7, then an MLP at every position; version 2 normalises inside it."""
    widths = sizes(fields, "hidden_sizes", (96, 192, 384, 768)) or [96, 192, 384, 768]
    depths = sizes(fields, "depths", (3, 3, 9, 3), len(widths))
    channels = fields.size("num_channels", default=3)
    patch = square(fields, "patch_size", 4)
    scale = 1 if version == 2 else fields.values.get("layer_scale_init_value", 1e-6) > 0

    def body(flow: Flow) -> Flow:
        conv = Conv(
            inputs=channels, outputs=widths[0], kernel=patch, stride=patch, padding=0, bias=True
        )
        flow = flow.conv("stem/convolution", conv, first=True)
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            if stage:
                before = widths[stage - 1]
                down = Conv(
                    inputs=before,
                    outputs=width,
                    kernel=2,
                    stride=2,
                    padding=0,
                    bias=True,
                    norm=False,
                )
                flow = flow.norm(before).conv(f"stage{stage + 1}/downsample", down)
            flow = _convnext_stage(flow, f"stage{stage + 1}", (width, depth), version, int(scale))
        return flow.norm(widths[-1])

    return conv_net(fields, body, widths[-1])


def _convnext_stage(
    flow: Flow, name: str, shape: tuple[int, int], version: int, scale: int
) -> Flow:
    """Layers of one width."""
    width, depth = shape
    wide = Conv(inputs=width, outputs=width, kernel=7, groups=width, bias=True)
    flow = flow.convs(f"{name}/depthwise", (wide,) * depth)
    up = Conv(inputs=width, outputs=4 * width, kernel=1, bias=True, norm=version == 2)
    down = Conv(inputs=4 * width, outputs=width, kernel=1, bias=True, norm=False)
    for _ in range(depth):
        flow = flow.conv(f"{name}/up", up).conv(f"{name}/down", down)
        if version == 1 and scale:
            flow = flow.dense({f"{name}/scale": held(width)})
    return flow


families(convnext, {"convnext": 1, "convnextv2": 2})
