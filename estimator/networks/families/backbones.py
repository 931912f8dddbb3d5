"""Which maps a backbone hands on: the stages of a ResNet, a Swin or a ConvNeXt."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from estimator.core.messages import refuse
from estimator.networks.blocks import held
from estimator.networks.convolution import Conv, Flow, square
from estimator.networks.families.convnet import resnet_body
from estimator.networks.families.torchvision import named_networks
from estimator.networks.fields import Fields
from estimator.networks.ledger import Inputs, Quantity
from estimator.networks.network import prefixed
from estimator.networks.registry import known_families

PYRAMIDS: Mapping[str, tuple[str, tuple[int, ...], Any, int]] = {
    "swin": ("embed_dim", (), np.ceil, 1),
    "maskformer-swin": ("embed_dim", (), np.ceil, 1),
    "convnext": ("hidden_sizes", (96, 192, 384, 768), np.floor, -1),
    "convnextv2": ("hidden_sizes", (96, 192, 384, 768), np.floor, -1),
    "resnet": ("hidden_sizes", (256, 512, 1024, 2048), np.ceil, 0),
}
"""Backbone -> key of its widths and their default, how odd sides halve, and its norms: one for each
map, beside that of the trunk or instead of it."""


BARE: Mapping[str, Any] = {"architectures": []}
"""What makes a config that of a trunk."""


class Backbone(NamedTuple):
    """Lines of a backbone, and the channels and the pixels a position of the maps it hands on."""

    body: Callable[[Flow], Flow]
    widths: list[int]
    strides: list[int]
    rounded: Callable[[Quantity], Quantity] = np.ceil

    def maps(self, flow: Flow) -> tuple[Flow, list[Quantity]]:
        """The flow behind the backbone, and the sides of its maps."""
        sides = [self.rounded(flow.side / stride) for stride in self.strides]
        return replace(self.body(flow), frozen=False), sides


def resnet_part(fields: Fields) -> Fields:
    """The ResNet that the config holds or names."""
    part = fields.part("backbone_config")
    if part.text("model_type") == "resnet":
        return part
    name = fields.text("backbone") or part.text("backbone", default="resnet50")
    name = name.partition(".")[0]
    known = {one: row for one, (kind, row) in named_networks().items() if kind == "resnet"}
    if name not in known:
        raise fields.uncounted("backbone", name, *known)
    return Fields(known[name])


def frozen_resnet(fields: Fields, usual: Iterable[int]) -> Backbone:
    """The ResNet of a detector, whose norms are no parameters, and the stages that it hands on."""
    for key in ("dilation", "output_stride"):
        if value := fields.values.get(key) or fields.part("backbone_config").values.get(key):
            raise fields.uncounted(key, value, None)
    channels = {"num_channels": fields.size("num_channels", default=3)}
    part = resnet_part(fields)
    body, _ = resnet_body(part.with_defaults(channels))
    widths = part.sizes("hidden_sizes", (256, 512, 1024, 2048))
    first = 8 if part.flag("downsample_in_first_stage") else 4
    at = handed_on(fields.part("backbone_config"), len(widths), usual)
    strides = [first * 2**stage for stage in at]
    return Backbone(
        lambda flow: body(replace(flow, frozen=True)), [widths[stage] for stage in at], strides
    )


def backbone(fields: Fields, usual: Iterable[int], default: str = "swin") -> Backbone:
    """The backbone of a config, and the stages that it hands on."""
    part = fields.part("backbone_config")
    kind = part.counted("model_type", default, *PYRAMIDS)
    key, widest, rounded, normed = PYRAMIDS[kind]
    trunk = known_families()[kind.removeprefix("maskformer-")](part.with_values(BARE))
    depths = part.layer_counts("depths", (3, 4, 6, 3) if kind == "resnet" else (2, 2, 6, 2))
    first = part.size("embed_dim", default=96) if key == "embed_dim" else 0
    grown = [first * 2**stage for stage in range(len(depths))]
    widths = grown if first else part.sizes(key, widest, len(depths))
    at = handed_on(part, len(depths), usual)
    norms = sum(2 * widths[stage] for stage in at) * abs(normed) - (normed < 0) * 2 * widths[-1]
    stem = 4 if kind == "resnet" else square(part, "patch_size", 4)
    stem *= 1 + part.flag("downsample_in_first_stage")

    def body(flow: Flow) -> Flow:
        done = trunk.ledger(Inputs(batch=flow.batch, image_size=flow.side)).terms
        return flow.with_lines(prefixed(done.items(), "backbone/")).dense({"norm": held(norms)})

    strides = [stem * 2**stage for stage in at]
    return Backbone(body, [widths[stage] for stage in at], strides, rounded)


def handed_on(part: Fields, depth: int, usual: Iterable[int]) -> list[int]:
    """Places of the stages that a config hands on, those of `usual` where it does not say."""
    names = ["stem", *(f"stage{stage + 1}" for stage in range(depth))]
    stated = part.items("out_features")
    indices = part.items("out_indices")
    if stated is None and indices is not None:
        if not all(type(one) is int and -depth <= one <= depth for one in indices):
            raise refuse("config_key_stages", key=part.full_name("out_indices"), count=depth)
        stated = [names[one] for one in indices]
    found = (
        list(usual) if stated is None else [at for at in range(depth) if names[at + 1] in stated]
    )
    if not found:
        raise refuse("config_key_stages", key=part.full_name("out_features"), count=depth)
    return found


def leveled(flow: Flow, found: Backbone, hidden: int, levels: int) -> tuple[Flow, list[Quantity]]:
    """The maps brought to one width, with norms, and coarser ones until there are `levels`."""
    flow, sides = found.maps(flow)
    for width, side in list(zip(found.widths, sides, strict=True))[0 if levels > 1 else -1 :]:
        conv = Conv(width, hidden, kernel=1, bias=True)
        flow = flow.at(side).conv("bridge/project", conv)
    inputs = found.widths[-1]
    for _ in range(levels - len(sides)):
        flow = flow.at(sides[-1])
        flow = flow.conv("bridge/coarser", Conv(inputs, hidden, stride=2, bias=True))
        sides.append(flow.side)
        inputs = hidden
    return flow.dense({"embedding/level": held(levels * hidden)}), sides
