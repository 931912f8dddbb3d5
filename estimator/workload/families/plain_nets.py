"""Conv nets that have no config: AlexNet, VGG, DenseNet, MobileNetV3, wider kinds of ResNet.

As torchvision builds them, with 1000 classes unless told otherwise.
"""

from functools import partial

from estimator.workload.blocks import held, linear
from estimator.workload.convolution import BATCH_NORM, Conv, Flow, image
from estimator.workload.families.convnets import DEFAULT_SIDE, Body, staged
from estimator.workload.families.mobile import depthwise, divisible
from estimator.workload.ledger import Inputs
from estimator.workload.network import Network, Pass

VGG_STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
VGG_WIDTHS = (64, 128, 256, 512, 512)
DENSE_BLOCKS = {
    121: (6, 12, 24, 16),
    161: (6, 12, 36, 24),
    169: (6, 12, 32, 32),
    201: (6, 12, 48, 32),
}

SQUEEZED, PLAIN = True, False
MOBILE_BLOCKS = {
    "large": (
        *((3, 16, 16, PLAIN, 1), (3, 64, 24, PLAIN, 2), (3, 72, 24, PLAIN, 1)),
        *((5, 72, 40, SQUEEZED, 2), (5, 120, 40, SQUEEZED, 1), (5, 120, 40, SQUEEZED, 1)),
        *((3, 240, 80, PLAIN, 2), (3, 200, 80, PLAIN, 1), (3, 184, 80, PLAIN, 1)),
        *((3, 184, 80, PLAIN, 1), (3, 480, 112, SQUEEZED, 1), (3, 672, 112, SQUEEZED, 1)),
        *((5, 672, 160, SQUEEZED, 2), (5, 960, 160, SQUEEZED, 1), (5, 960, 160, SQUEEZED, 1)),
    ),
    "small": (
        *((3, 16, 16, SQUEEZED, 2), (3, 72, 24, PLAIN, 2), (3, 88, 24, PLAIN, 1)),
        *((5, 96, 40, SQUEEZED, 2), (5, 240, 40, SQUEEZED, 1), (5, 240, 40, SQUEEZED, 1)),
        *((5, 120, 48, SQUEEZED, 1), (5, 144, 48, SQUEEZED, 1), (5, 288, 96, SQUEEZED, 2)),
        *((5, 576, 96, SQUEEZED, 1), (5, 576, 96, SQUEEZED, 1)),
    ),
}
"""Kernel, expanded width, width, squeeze, stride (arXiv:1905.02244, tables 1 and 2)."""

MOBILE_HEADS = {"large": 1280, "small": 1024}


def net(name: str, body: Body) -> Network:
    """A network under its name, on images of 224 pixels."""
    return Network(run=partial(_run, body), model_type=name)


def _run(body: Body, inputs: Inputs) -> Pass:
    batch, pixels = image(inputs, DEFAULT_SIDE)
    return Pass(lines=body(Flow(batch=batch, side=pixels)).lines, tokens=batch)


def alexnet(classes: int) -> Network:
    """AlexNet in one tower (arXiv:1404.5997), not the two of 2012."""
    shapes = ((64, 192, 5), (192, 384, 3), (384, 256, 3), (256, 256, 3))

    def body(flow: Flow) -> Flow:
        first = Conv(inputs=3, outputs=64, kernel=11, stride=4, padding=2, bias=True, norm=False)
        flow = flow.conv("stem/convolution", first, first=True).pool(3, 2)
        for place, (inputs, outputs, kernel) in enumerate(shapes):
            conv = Conv(inputs=inputs, outputs=outputs, kernel=kernel, bias=True, norm=False)
            flow = flow.conv("layers/convolution", conv)
            flow = flow.pool(3, 2) if place == 0 else flow
        return _perceptron(flow, 256 * 6 * 6, classes)

    return net("alexnet", body)


def _perceptron(flow: Flow, features: int, classes: int) -> Flow:
    """Two wide dense layers and the classifier."""
    return flow.dense(
        {
            "head/first": linear(features, 4096, bias=True),
            "head/second": linear(4096, 4096, bias=True),
            "head/classifier": linear(4096, classes, bias=True),
        }
    )


def vgg(depth: int, norm: bool, classes: int) -> Network:
    """VGG: 3x3 convolutions only (arXiv:1409.1556)."""

    def body(flow: Flow) -> Flow:
        inputs = 3
        for stage, (width, count) in enumerate(zip(VGG_WIDTHS, VGG_STAGES[depth], strict=True)):
            for _ in range(count):
                conv = Conv(inputs=inputs, outputs=width, bias=True, norm=norm)
                name = "stem/convolution" if inputs == 3 else f"stage{stage + 1}/convolution"
                flow = flow.conv(name, conv, first=inputs == 3)
                inputs = width
            flow = flow.pool(2, 2)
        return _perceptron(flow, 512 * 7 * 7, classes)

    return net(f"vgg{depth}", body)


def densenet(depth: int, classes: int) -> Network:
    """DenseNet: every layer sees all before it in its block (arXiv:1608.06993)."""
    growth, stem = (48, 96) if depth == 161 else (32, 64)

    def body(flow: Flow) -> Flow:
        conv = Conv(inputs=3, outputs=stem, kernel=7, stride=2)
        flow = flow.conv("stem/convolution", conv, first=True).pool(3, 2, 1)
        width = stem
        for stage, count in enumerate(DENSE_BLOCKS[depth]):
            name = f"stage{stage + 1}"
            if stage:
                half = Conv(inputs=width, outputs=width // 2, kernel=1, norm=False)
                flow = _normed(flow, name, width).conv(f"{name}/transition", half).pool(2, 2)
                width //= 2
            for _ in range(count):
                narrow = Conv(inputs=width, outputs=4 * growth, kernel=1)
                grown = Conv(inputs=4 * growth, outputs=growth, norm=False)
                flow = _normed(flow, name, width).convs(f"{name}/convolution", (narrow, grown))
                width += growth
        flow = flow.norm(width)
        return flow.dense({"head/classifier": linear(width, classes, bias=True)})

    return net(f"densenet{depth}", body)


def _normed(flow: Flow, name: str, channels: int) -> Flow:
    return flow.dense({f"{name}/norm": held(BATCH_NORM * channels)})


def mobilenet_v3(size: str, classes: int) -> Network:
    """MobileNetV3: inverted blocks, some squeezed and excited (arXiv:1905.02244, sec. 5)."""

    def body(flow: Flow) -> Flow:
        flow = flow.conv("stem/convolution", Conv(inputs=3, outputs=16, stride=2), first=True)
        inputs = 16
        for kernel, wide, outputs, squeezed, stride in MOBILE_BLOCKS[size]:
            if wide != inputs:
                flow = flow.conv("layers/expand", Conv(inputs=inputs, outputs=wide, kernel=1))
            flow = flow.conv("layers/depthwise", depthwise(wide, kernel, stride))
            if squeezed:
                narrow = divisible(wide / 4, 8, 8)
                costs = {
                    "layers/squeeze": linear(wide, narrow, bias=True),
                    "layers/excite": linear(narrow, wide, bias=True),
                }
                flow = flow.dense(costs)
            flow = flow.conv("layers/project", Conv(inputs=wide, outputs=outputs, kernel=1))
            inputs = outputs
        flow = flow.conv("head/expand", Conv(inputs=inputs, outputs=6 * inputs, kernel=1))
        return flow.dense(
            {
                "head/first": linear(6 * inputs, MOBILE_HEADS[size], bias=True),
                "head/classifier": linear(MOBILE_HEADS[size], classes, bias=True),
            }
        )

    return net(f"mobilenet_v3_{size}", body)


def grouped_resnet(depths: tuple[int, ...], groups: int, base: int, classes: int) -> Network:
    """ResNeXt (arXiv:1611.05431) and wide ResNet (arXiv:1605.07146) of bottlenecks."""
    widths = (64, 256, 512, 1024, 2048)

    def layer(inputs: int, outputs: int, stride: int) -> list[Conv]:
        narrow = outputs // 4 * base // 64 * groups
        return [
            Conv(inputs=inputs, outputs=narrow, kernel=1),
            Conv(inputs=narrow, outputs=narrow, stride=stride, groups=groups),
            Conv(inputs=narrow, outputs=outputs, kernel=1),
        ]

    def body(flow: Flow) -> Flow:
        conv = Conv(inputs=3, outputs=64, kernel=7, stride=2)
        flow = flow.conv("stem/convolution", conv, first=True).pool(3, 2, 1)
        flow = staged(flow, layer, widths, list(depths), 1)
        return flow.dense({"head/classifier": linear(2048, classes, bias=True)})

    return net("resnet", body)
