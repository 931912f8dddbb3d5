"""Architectures by their torchvision or timm names: resnet50, vit_b_16, alexnet.

Sizes are those of the papers, as in torchvision 0.20 and timm 1.0, which agree on shared names.
"""

import difflib
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from estimator.core.messages import refuse
from estimator.networks.blocks import affine, held
from estimator.networks.compiled import compiled_network
from estimator.networks.convolution import (
    BATCH_NORM,
    Conv,
    Flow,
    depthwise_conv,
    flow_network,
    plain,
    pointwise,
    square,
)
from estimator.networks.families.convnet import (
    DEFAULT_SIDE,
    STEM_WIDTH,
    WIDTHS,
    bottleneck,
    staged,
    wide_stem,
)
from estimator.networks.families.mobilenet import divisible
from estimator.networks.fields import Fields
from estimator.networks.ledger import Architecture
from estimator.networks.model_class import label_count
from estimator.networks.network import Network
from estimator.networks.registry import known_families

VGG_WIDTHS = (64, 128, 256, 512, 512)

Row = Mapping[str, Any]
"""Facts that distinguish one network of a kind."""


def alexnet(row: Row, flow: Flow) -> tuple[Flow, int]:
    """AlexNet: convolutions, then dense layers."""
    first = plain(3, 64, kernel=11, stride=4, padding=2)
    flow = flow.conv("stem/convolution", first, first=True).pool(3, 2)
    flow = flow.conv("layers/convolution", plain(64, 192, 5)).pool(3, 2)
    rest = (plain(192, 384), plain(384, 256), plain(256, 256))
    return _perceptron(flow.convs("layers/convolution", rest), 256 * 6 * 6)


def _perceptron(flow: Flow, features: int) -> tuple[Flow, int]:
    """Two wide dense layers."""
    first, second = affine(features, 4096), affine(4096, 4096)
    return flow.dense({"head/first": first, "head/second": second}), 4096


def vgg(row: Row, flow: Flow) -> tuple[Flow, int]:
    """VGG: 3x3 convolutions only."""
    inputs = 3
    for stage, (width, count) in enumerate(zip(VGG_WIDTHS, row["depths"], strict=True)):
        for _ in range(count):
            conv = Conv(inputs, width, bias=True, norm=row["norm"])
            name = "stem/convolution" if inputs == 3 else f"stage{stage + 1}/convolution"
            flow, inputs = flow.conv(name, conv, first=inputs == 3), width
        flow = flow.pool(2, 2)
    return _perceptron(flow, 512 * 7 * 7)


def densenet(row: Row, flow: Flow) -> tuple[Flow, int]:
    """DenseNet: every layer takes all earlier ones of its block."""
    growth, width = row["growth"], row["stem"]
    flow = wide_stem(flow, 3, width)
    for stage, count in enumerate(row["depths"]):
        name = f"stage{stage + 1}"
        if stage:
            half = Conv(width, width // 2, kernel=1, norm=False)
            flow = _normed(flow, name, width).conv(f"{name}/transition", half).pool(2, 2)
            width //= 2
        for _ in range(count):
            grown = Conv(4 * growth, growth, norm=False)
            convs = (pointwise(width, 4 * growth), grown)
            flow = _normed(flow, name, width).convs(f"{name}/convolution", convs)
            width += growth
    return flow.norm(width), width


def _normed(flow: Flow, name: str, channels: int) -> Flow:
    return flow.dense({f"{name}/norm": held(BATCH_NORM * channels)})


def mobilenet_v3(row: Row, flow: Flow) -> tuple[Flow, int]:
    """MobileNetV3: inverted blocks, some with squeeze and excitation."""
    inputs, features = 16, row["features"]
    flow = flow.conv("stem/convolution", Conv(3, inputs, stride=2), first=True)
    for kernel, wide, outputs, squeezed, stride in row["blocks"]:
        if wide != inputs:
            flow = flow.conv("layers/expand", pointwise(inputs, wide))
        flow = flow.conv("layers/depthwise", depthwise_conv(wide, kernel, stride))
        if squeezed:
            flow = flow.squeezed("layers", wide, divisible(wide / 4, 8, 8))
        flow, inputs = flow.conv("layers/project", pointwise(wide, outputs)), outputs
    flow = flow.conv("head/expand", pointwise(inputs, 6 * inputs))
    return flow.dense({"head/first": affine(6 * inputs, features)}), features


def resnext(row: Row, flow: Flow) -> tuple[Flow, int]:
    """ResNeXt and wide ResNet: bottlenecks of another width, optionally grouped."""

    def layer(inputs: int, outputs: int, stride: int) -> list[Conv]:
        narrow = outputs // 4 * row["base"] // 64 * row["groups"]
        return bottleneck(False, inputs, outputs, stride, narrow, row["groups"])

    flow = _deep_stem(flow) if row.get("deep") else wide_stem(flow, 3, STEM_WIDTH)
    flow = staged(flow, layer, (STEM_WIDTH, *WIDTHS), row["depths"], 1)
    if row.get("squeeze"):
        for width, depth in zip(WIDTHS, row["depths"], strict=True):
            narrow = divisible(width / 16, 8, 8)
            squeeze = {"squeeze": affine(width, narrow, width)}
            flow = flow.layers(squeeze, 1.0, times=depth)
    return flow, WIDTHS[-1]


def _deep_stem(flow: Flow) -> Flow:
    """Three small convolutions and pooling."""
    half = STEM_WIDTH // 2
    flow = flow.conv("stem/convolution", Conv(3, half, stride=2), first=True)
    return flow.convs("stem/rest", (Conv(half, half), Conv(half, STEM_WIDTH))).pool(3, 2, 1)


def efficientnet_v2(row: Row, flow: Flow) -> tuple[Flow, int]:
    """EfficientNetV2: fused expansions first, then blocks as in MobileNetV3."""
    inputs, features = row["stem"], 1280
    flow = flow.conv("stem/convolution", Conv(3, inputs, stride=2), first=True)
    for place, (depthwise, first, expand, outputs, count) in enumerate(row["stages"]):
        name = f"stage{place + 1}"
        for layer in range(count):
            wide, stride = expand * inputs, first if layer == 0 else 1
            if depthwise:
                flow = flow.conv(f"{name}/expand", pointwise(inputs, wide))
                flow = flow.conv(f"{name}/depthwise", depthwise_conv(wide, 3, stride))
                flow = flow.squeezed(name, wide, inputs // 4)
            elif expand > 1:
                flow = flow.conv(f"{name}/expand", Conv(inputs, wide, stride=stride))
            if expand > 1:
                flow = flow.conv(f"{name}/project", pointwise(wide, outputs))
            else:
                flow = flow.conv(f"{name}/convolution", Conv(inputs, outputs, stride=stride))
            inputs = outputs
    return flow.conv("head/expand", pointwise(inputs, features)), features


KINDS = {
    "alexnet": alexnet,
    "vgg": vgg,
    "densenet": densenet,
    "mobilenet_v3": mobilenet_v3,
    "resnext": resnext,
    "efficientnet_v2": efficientnet_v2,
}
"""Kind of network without a config -> its body, which returns maps and channels."""


def _built(name: str, classes: int, side: int | None) -> Network:
    """Network of one of `KINDS`, by default on images of 224 pixels."""
    kind, row = named_networks()[name]
    pixels = side or row.get("image_size", DEFAULT_SIDE)

    def body(flow: Flow) -> Flow:
        flow, features = KINDS[kind](row, flow)
        return flow.dense({"head/classifier": affine(features, classes)} if classes else {})

    model_type = "resnet" if kind == "resnext" else kind
    fields = Fields({"model_type": model_type, "_name_or_path": name})
    return flow_network(fields, pixels, body)


IMAGENET_CLASSES = 1000

HARMLESS = {"img_size", "num_classes", "drop_rate", "drop_path_rate", "global_pool"}
"""timm arguments without effect on the counts."""


@cache
def named_networks() -> Mapping[str, tuple[str, Row]]:
    """Name -> its kind or `model_type` and row; names may refer to another's row."""
    text = Path(__file__).parents[1].joinpath("named_networks.json").read_text(encoding="utf-8")
    found = {}
    for kind, group in json.loads(text).items():
        rows = group["networks"]
        for name, row in rows.items():
            found[name] = kind, rows[row] if isinstance(row, str) else row
    return found


@cache
def _index() -> Mapping[str, str]:
    """Normalised name -> name."""
    return {_plain(name): name for name in named_networks()}


def is_named(name: str) -> bool:
    """Return whether a name is a known architecture.

    >>> is_named("resnet50"), is_named("ResNet-50"), is_named("gpt-3")
    (True, True, False)
    """
    return _plain(name) in _index()


BARE = {"vit": "vit_msn", "clip": "clip_vision_model", "siglip": "siglip_vision_model"}
"""Kind -> reader of its bare trunk, without pooler and text."""


def named_architecture(
    name: str, classes: int | None = None, side: int | None = None
) -> Architecture:
    """Architecture with a torchvision or timm name.

    Parameters
    ----------
    name : str
        Case, dashes and underscores do not matter; a tag of weights behind a dot is left out.
    classes : int or None
        Outputs of the classifier, 0 for none; those of the published weights if None: 1000, or
        none of a network that is trained without labels. [1]
    side : int or None, positive
        Side of the images of a network with a config, its usual one if None. [pixel]

    Raises
    ------
    ValueError
        No such name, or a negative number of classes.

    >>> from estimator.networks.ledger import Inputs
    >>> named_architecture("resnet50").ledger(Inputs()).params_total
    25557032
    """
    known = _index()
    key = known.get(_plain(name), "")
    if not key:
        near = difflib.get_close_matches(_plain(name), list(known), n=3, cutoff=0.6)
        one_of_each = {kind: one for one, (kind, _) in named_networks().items()}.values()
        hint = ", ".join(known[part] for part in near) or ", ".join([*one_of_each, "..."])
        raise refuse("architecture_unknown", name=repr(name), known=hint)
    kind, row = named_networks()[key]
    usual = row.get("num_classes", IMAGENET_CLASSES) if classes is None else classes
    count = Fields({"num_classes": usual}).size("num_classes", least=0)
    if kind in KINDS:
        return _built(key, count, side)
    head = {"num_labels": count, "architectures": ["ForImageClassification"]}
    values = {**row, **head} if count else dict(row.get("vision_config", row))
    sight = {**row.get("vision_config", {}), **({} if side is None else {"image_size": side})}
    values |= {"vision_config": sight} if count and "vision_config" in row else sight
    kind = kind if count else BARE.get(kind, kind)
    values |= {"model_type": kind, "_name_or_path": key}
    reader = known_families().get(kind)
    return reader(Fields(values)) if reader else compiled_network(Fields(values), kind)


def hub_architecture(fields: Fields) -> Architecture:
    """Architecture of a timm config, named under `architecture`."""
    labeled = fields.states("num_labels") or fields.states("id2label")
    usual = label_count(fields) if labeled else None
    classes = fields.size_or_none("num_classes", default=usual, least=0)
    arguments = fields.part("model_args")
    for key in sorted({*arguments.values} - HARMLESS):
        raise arguments.uncounted(key, arguments.values[key], None)
    return named_architecture(fields.text("architecture"), classes, _input_side(fields))


def _input_side(fields: Fields) -> int | None:
    """Image side stated in a timm config, as an argument or as pretrained."""
    stated = fields.part("pretrained_cfg").items("input_size", 3)
    arguments = fields.part("model_args")
    if arguments.states("img_size"):
        return square(arguments, "img_size", 224)
    return square(Fields({"input_size": stated[1:]}), "input_size", 224) if stated else None


def _plain(name: str) -> str:
    """Name without weights tag, case and separators."""
    return re.sub(r"[-_ ]", "", name.partition(".")[0].lower())
