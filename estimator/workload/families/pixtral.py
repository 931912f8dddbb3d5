"""Which model behind the image tower of Pixtral: Mistral 3, LightOnOCR; the tower alone."""

from dataclasses import replace

from estimator.workload.blocks import held, linear
from estimator.workload.families.vision_language import (
    Text,
    dense_bridge,
    either_tied,
    seeing_network,
    text_part,
    untied_unless_stated,
)
from estimator.workload.families.vit import Vision, trunk
from estimator.workload.fields import Fields
from estimator.workload.network import Network, network
from estimator.workload.registry import family, with_defaults_of


def pixtral_sight(fields: Fields) -> Vision:
    """Pixtral's tower: rotary positions, RMS norms, gated MLPs (arXiv:2410.07073, sec. 2.2)."""
    part = with_defaults_of(fields, "pixtral")
    sight = trunk(part, prefix=0, bias=False, gated=True, norm=1)
    return replace(sight, tables={"norm/outer": held(sight.hidden)}, patch_bias=False)


@family("mistral3")
def mistral3(fields: Fields) -> Network:
    """Mistral Small 3.1 and Ministral 3: Pixtral's tower, four patches merged to a token."""
    tied, fields = untied_unless_stated(fields)
    text = text_part(fields, "mistral", tied)
    return behind_pixtral(fields, text, fields.flag("multimodal_projector_bias"))


def behind_pixtral(fields: Fields, text: Text, bias: bool) -> Network:
    """A decoder behind Pixtral's tower, whose patches are normed and merged to fewer tokens."""
    sight = pixtral_sight(fields.part("vision_config"))
    merge = fields.size("spatial_merge_size", default=2) ** 2
    hidden = sight.hidden
    dense = dense_bridge(hidden, text.hidden, text.hidden, bias=bias, norm=hidden)
    bridge = {"bridge/merge": linear(merge * hidden, hidden), **dense}
    return seeing_network(fields, text, sight, bridge, merged=merge)


@family("lighton_ocr")
def lighton_ocr(fields: Fields) -> Network:
    """LightOnOCR: Pixtral's tower, four patches merged to a token, Qwen3."""
    text = text_part(fields, "qwen3", either_tied(fields, True))
    return behind_pixtral(fields, text, bias=False)


@family("pixtral")
def pixtral(fields: Fields) -> Network:
    """Pixtral's tower alone."""
    return network(fields, pixtral_sight(fields).run)
