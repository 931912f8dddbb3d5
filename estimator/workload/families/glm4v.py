"""Which GLM that sees a config describes: GLM-4.1V, 4.5V, 4.6V, GLM-OCR."""

from dataclasses import replace

from estimator.workload.blocks import Mlp, held, linear, scaled
from estimator.workload.families.vision_language import (
    Text,
    any_tied,
    seeing_network,
    text_part,
    tower_of_frames,
)
from estimator.workload.families.vit import Vision
from estimator.workload.fields import Fields
from estimator.workload.network import Network
from estimator.workload.registry import families, family, with_defaults_of


def _glm_tower(fields: Fields, bias: bool) -> Vision:
    """A tower with RMS norms and gated MLPs."""
    fields = fields.with_values({"qkv_bias": fields.flag("attention_bias")})
    return tower_of_frames(fields, bias=bias, gated=True, norm=1)


def glm4v(text_type: str, fields: Fields) -> Network:
    """GLM-4.1V and 4.5V: MLPs of the tower as wide as its output (arXiv:2507.01006, sec. 2)."""
    vision = with_defaults_of(fields.part("vision_config"), "glm4v_vision")
    text = text_part(fields, text_type, any_tied(fields))
    out, width = vision.size("out_hidden_size"), vision.size("intermediate_size")
    sight = _glm_tower(vision.with_values({"intermediate_size": out}), bias=False)
    return _convolved(fields, text, sight, out, width)


@family("glm_ocr")
def glm_ocr(fields: Fields) -> Network:
    """GLM-OCR: GLM-4.1V's tower with biases and with norms of queries and keys."""
    vision = with_defaults_of(fields.part("vision_config"), "glm_ocr_vision")
    sight = _glm_tower(vision, vision.flag("attention_bias"))
    normed = {
        "attention/norm": held(2 * sight.hidden // vision.size("num_heads", "num_attention_heads"))
    }
    tables = {"norm/outer": held(sight.hidden)}
    sight = replace(sight, tables=tables, layer={**sight.layer, **normed})
    text = text_part(fields, "glm_ocr_text", any_tied(fields))
    out = vision.size("out_hidden_size")
    return _convolved(fields, text, sight, out, out * vision.size("in_channels", default=3))


def _convolved(fields: Fields, text: Text, sight: Vision, out: int, width: int) -> Network:
    """The bridge of GLM: patches convolved to tokens of the tower's output, then a gated MLP."""
    merge = fields.part("vision_config").size("spatial_merge_size", default=2) ** 2
    bridge = {
        "bridge/merge": linear(merge * sight.hidden, out, bias=True),
        "bridge/project": linear(out, out),
        "bridge/norm": held(2 * out),
        **scaled(Mlp(hidden=out, width=width, gated=True).costs(), 1, "bridge/"),
    }
    return seeing_network(fields, text, sight, bridge, merged=merge)


families(glm4v, {"glm4v": "glm4v_text", "glm46v": "glm4v_text", "glm4v_moe": "glm4v_moe_text"})
