"""Which architecture a name of torchvision or timm stands for: resnet50, vit_b_16, alexnet.

Sizes are those of the papers, as torchvision 0.20 and timm 1.0 build them; where both have a
model under one name they agree.
"""

import difflib
import json
import re
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

from estimator.workload.blocks import held, linear
from estimator.workload.convolution import (
    BATCH_NORM,
    Conv,
    Flow,
    depthwise_conv,
    flow_network,
    plain,
    pointwise,
    square,
)
from estimator.workload.families.convnet import (
    DEFAULT_SIDE,
    WIDTHS,
    Body,
    bottleneck,
    bottlenecks,
    wide_stem,
)
from estimator.workload.families.mobilenet import divisible
from estimator.workload.fields import Fields
from estimator.workload.ledger import Architecture
from estimator.workload.model_class import label_count
from estimator.workload.network import Network
from estimator.workload.registry import known_families

VGG_STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
VGG_WIDTHS = (64, 128, 256, 512, 512)
DENSE_BLOCKS = {
    121: (6, 12, 24, 16),
    161: (6, 12, 36, 24),
    169: (6, 12, 32, 32),
    201: (6, 12, 48, 32),
}

SQUEEZED = True
UNSQUEEZED = False
MOBILE_BLOCKS = {
    "large": (
        *((3, 16, 16, UNSQUEEZED, 1), (3, 64, 24, UNSQUEEZED, 2), (3, 72, 24, UNSQUEEZED, 1)),
        *((5, 72, 40, SQUEEZED, 2), (5, 120, 40, SQUEEZED, 1), (5, 120, 40, SQUEEZED, 1)),
        *((3, 240, 80, UNSQUEEZED, 2), (3, 200, 80, UNSQUEEZED, 1), (3, 184, 80, UNSQUEEZED, 1)),
        *((3, 184, 80, UNSQUEEZED, 1), (3, 480, 112, SQUEEZED, 1), (3, 672, 112, SQUEEZED, 1)),
        *((5, 672, 160, SQUEEZED, 2), (5, 960, 160, SQUEEZED, 1), (5, 960, 160, SQUEEZED, 1)),
    ),
    "small": (
        *((3, 16, 16, SQUEEZED, 2), (3, 72, 24, UNSQUEEZED, 2), (3, 88, 24, UNSQUEEZED, 1)),
        *((5, 96, 40, SQUEEZED, 2), (5, 240, 40, SQUEEZED, 1), (5, 240, 40, SQUEEZED, 1)),
        *((5, 120, 48, SQUEEZED, 1), (5, 144, 48, SQUEEZED, 1), (5, 288, 96, SQUEEZED, 2)),
        *((5, 576, 96, SQUEEZED, 1), (5, 576, 96, SQUEEZED, 1)),
    ),
}
"""Kernel, expanded width, width, squeeze, stride (arXiv:1905.02244, tables 1 and 2)."""

MOBILE_HEADS = {"large": 1280, "small": 1024}


def net(name: str, body: Body) -> Network:
    """A network under its name, on images of 224 pixels."""
    return flow_network(Fields({"model_type": name}), DEFAULT_SIDE, body)


def alexnet(classes: int) -> Network:
    """AlexNet in one tower (arXiv:1404.5997), not the two of 2012."""
    shapes = ((64, 192, 5), (192, 384, 3), (384, 256, 3), (256, 256, 3))

    def body(flow: Flow) -> Flow:
        first = plain(3, 64, kernel=11, stride=4, padding=2)
        flow = flow.conv("stem/convolution", first, first=True).pool(3, 2)
        for place, shape in enumerate(shapes):
            flow = flow.conv("layers/convolution", plain(*shape))
            flow = flow.pool(3, 2) if place == 0 else flow
        return _perceptron(flow, 256 * 6 * 6, classes)

    return net("alexnet", body)


def _perceptron(flow: Flow, features: int, classes: int) -> Flow:
    """Two wide dense layers and the classifier."""
    flow = flow.dense({"head/first": linear(features, 4096, bias=True)})
    return _classified(flow.dense({"head/second": linear(4096, 4096, bias=True)}), 4096, classes)


def _classified(flow: Flow, features: int, classes: int) -> Flow:
    return flow.dense({"head/classifier": linear(features, classes, bias=True)})


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
        flow, width = wide_stem(flow, 3, stem), stem
        for stage, count in enumerate(DENSE_BLOCKS[depth]):
            name = f"stage{stage + 1}"
            if stage:
                half = Conv(inputs=width, outputs=width // 2, kernel=1, norm=False)
                flow = _normed(flow, name, width).conv(f"{name}/transition", half).pool(2, 2)
                width //= 2
            for _ in range(count):
                grown = Conv(inputs=4 * growth, outputs=growth, norm=False)
                convs = (pointwise(width, 4 * growth), grown)
                flow = _normed(flow, name, width).convs(f"{name}/convolution", convs)
                width += growth
        return _classified(flow.norm(width), width, classes)

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
                flow = flow.conv("layers/expand", pointwise(inputs, wide))
            flow = flow.conv("layers/depthwise", depthwise_conv(wide, kernel, stride))
            if squeezed:
                flow = flow.squeezed("layers", wide, divisible(wide / 4, 8, 8))
            flow, inputs = flow.conv("layers/project", pointwise(wide, outputs)), outputs
        flow = flow.conv("head/expand", pointwise(inputs, 6 * inputs))
        last = MOBILE_HEADS[size]
        flow = flow.dense({"head/first": linear(6 * inputs, last, bias=True)})
        return _classified(flow, last, classes)

    return net(f"mobilenet_v3_{size}", body)


def grouped_resnet(depths: tuple[int, ...], groups: int, base: int, classes: int) -> Network:
    """ResNeXt (arXiv:1611.05431) and wide ResNet (arXiv:1605.07146) of bottlenecks."""

    def layer(inputs: int, outputs: int, stride: int) -> list[Conv]:
        narrow = outputs // 4 * base // 64 * groups
        return bottleneck(False, inputs, outputs, stride, narrow, groups)

    def body(flow: Flow) -> Flow:
        return _classified(bottlenecks(flow, 3, depths, layer), WIDTHS[-1], classes)

    return net("resnet", body)


IMAGENET_CLASSES = 1000

Build = Callable[[int], Architecture]

HARMLESS = {"img_size", "num_classes", "drop_rate", "drop_path_rate", "global_pool"}
"""Arguments of timm's models that add no parameters and that are read or change no count."""

NETS: Mapping[str, Build] = {
    "alexnet": alexnet,
    **{f"vgg{depth}": partial(vgg, depth, False) for depth in VGG_STAGES},
    **{f"vgg{depth}_bn": partial(vgg, depth, True) for depth in VGG_STAGES},
    **{f"densenet{depth}": partial(densenet, depth) for depth in DENSE_BLOCKS},
    **{f"mobilenet_v3_{size}": partial(mobilenet_v3, size) for size in MOBILE_BLOCKS},
    **{f"mobilenetv3_{size}_100": partial(mobilenet_v3, size) for size in MOBILE_BLOCKS},
    "resnext50_32x4d": partial(grouped_resnet, (3, 4, 6, 3), 32, 4),
    "resnext101_32x8d": partial(grouped_resnet, (3, 4, 23, 3), 32, 8),
    "resnext101_64x4d": partial(grouped_resnet, (3, 4, 23, 3), 64, 4),
    "wide_resnet50_2": partial(grouped_resnet, (3, 4, 6, 3), 1, 128),
    "wide_resnet101_2": partial(grouped_resnet, (3, 4, 23, 3), 1, 128),
}
"""Names of networks that have none."""


@cache
def configs() -> Mapping[str, Mapping[str, Any]]:
    """Names of networks that have a config, and the config; a name stands for another's row."""
    text = Path(__file__).parents[1].joinpath("named_networks.json").read_text(encoding="utf-8")
    found = {}
    for model_type, group in json.loads(text).items():
        rows = group["networks"]
        for name, row in rows.items():
            found[name] = {"model_type": model_type, **(rows[row] if isinstance(row, str) else row)}
    return found


@cache
def _index() -> Mapping[str, str]:
    """Every name by its letters alone."""
    return {_plain(name): name for name in (*NETS, *configs())}


def is_named(name: str) -> bool:
    """Whether a name stands for an architecture.

    >>> is_named("resnet50"), is_named("ResNet-50"), is_named("gpt-3")
    (True, True, False)
    """
    return _plain(name) in _index()


def named_architecture(
    name: str, classes: int = IMAGENET_CLASSES, side: int | None = None
) -> Architecture:
    """Architecture behind a name of torchvision or timm.

    Parameters
    ----------
    name : str
        Case, dashes and underscores do not matter; a tag of weights behind a dot is left out.
    classes : int, positive
        Outputs of the classifier. [1]
    side : int or None, positive
        Side of the images of a network with a config, its usual one if None. [pixel]

    Raises
    ------
    ValueError
        No such name, or no positive number of classes.

    >>> from estimator.workload.ledger import Inputs
    >>> named_architecture("resnet50").ledger(Inputs()).params_total
    25557032
    """
    count = Fields({"num_classes": classes}).size("num_classes")
    known = _index()
    key = known.get(_plain(name), "")
    if key in NETS:
        return NETS[key](count)
    if not key:
        near = difflib.get_close_matches(_plain(name), list(known), n=3, cutoff=0.6)
        hint = ", ".join(known[part] for part in near) or ", ".join(sorted(known.values()))
        raise ValueError(f"{name!r} is no known architecture: known are {hint}")
    head = {"num_labels": count, "architectures": ["ForImageClassification"]}
    values = {**configs()[key], **head, "_name_or_path": key}
    if side is not None:
        values["image_size"] = side
    return known_families()[values["model_type"]](Fields(values))


def hub_architecture(fields: Fields) -> Architecture:
    """Architecture of a config of timm's, which names one under `architecture`."""
    labeled = fields.states("num_labels") or fields.states("id2label")
    usual = label_count(fields) if labeled else IMAGENET_CLASSES
    classes = fields.size("num_classes", default=usual)
    arguments = fields.part("model_args")
    for key in sorted({*arguments.values} - HARMLESS):
        raise ValueError(f"{arguments.path}{key} changes the architecture: it is not read")
    return named_architecture(fields.text("architecture"), classes, _input_side(fields))


def _input_side(fields: Fields) -> int | None:
    """Side of the images that a config of timm's states: as an argument, else as pretrained."""
    stated = fields.part("pretrained_cfg").items("input_size", 3)
    arguments = fields.part("model_args")
    if arguments.states("img_size"):
        return square(arguments, "img_size", 224)
    return square(Fields({"input_size": stated[1:]}), "input_size", 224) if stated else None


def _plain(name: str) -> str:
    """A name without its weights' tag, case and separators."""
    return re.sub(r"[-_ ]", "", name.partition(".")[0].lower())
