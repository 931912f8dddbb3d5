"""Which LLaVA a config describes: 1.5, Next, OneVision, ViP-LLaVA, Video-LLaVA."""

from estimator.workload.blocks import held
from estimator.workload.families.clip import clip_sight, siglip_sight
from estimator.workload.families.vision_language import (
    _holding,
    any_tied,
    dense_bridge,
    seeing_network,
    text_part,
)
from estimator.workload.fields import Fields
from estimator.workload.network import Network
from estimator.workload.registry import family


def _flat_llava(fields: Fields) -> Fields:
    """A config of LLaVA's authors: Llama's keys, and the name of the tower."""
    projector = fields.text("mm_projector_type", default="linear")
    if projector != "mlp2x_gelu":
        raise ValueError(f"mm_projector_type {projector!r} is not known: mlp2x_gelu is")
    tower = fields.text("mm_vision_tower")
    if not tower.endswith("clip-vit-large-patch14-336"):
        raise ValueError(f"mm_vision_tower {tower!r} is not known: clip-vit-large-patch14-336 is")
    inner = {**fields.values, "model_type": "llama", "architectures": None}
    values = {"text_config": inner, "architectures": ["LlavaForConditionalGeneration"]}
    return _holding(fields, values)


@family("llava", "llava_next", "llava_next_video", "llava_onevision")
def llava(fields: Fields) -> Network:
    """LLaVA: a tower, two dense layers, a decoder (arXiv:2310.03744)."""
    if not fields.states("text_config") and fields.states("hidden_size"):
        fields = _flat_llava(fields)
    vision = fields.part("vision_config")
    tower = vision.text("model_type", default="clip_vision_model")
    if tower not in ("clip_vision_model", "siglip_vision_model"):
        raise ValueError(f"vision_config.model_type {tower!r} is not a known image tower")
    sight = clip_sight(vision) if tower == "clip_vision_model" else siglip_sight(vision)
    newline = "next" in fields.text("model_type") or "onevision" in fields.text("model_type")
    alone = fields.text("model_type") == "llava_next"  # its wrapper alone ties the head
    tied = fields.flag("tie_word_embeddings") if alone else any_tied(fields)
    text = text_part(fields, "llama", tied)
    layers = fields.values.get("vision_feature_layer", -2)
    wide = sight.hidden * (len(layers) if isinstance(layers, list) else 1)
    bias = fields.flag("multimodal_projector_bias", default=True)
    dense = dense_bridge(wide, text.hidden, text.hidden, bias=bias)
    bridge = {**dense, "bridge/newline": held(newline * text.hidden)}
    whole = fields.text("vision_feature_select_strategy", default="default") == "full"
    tokens = (sight.side // sight.patch) ** 2 + sight.prefix if whole else None
    return seeing_network(fields, text, sight, bridge, image_tokens=tokens)


@family("vipllava")
def vipllava(fields: Fields) -> Network:
    """ViP-LLaVA: states of several layers of the tower side by side (arXiv:2312.00784)."""
    sight = clip_sight(fields.part("vision_config"))
    text = text_part(fields, "llama", fields.flag("tie_word_embeddings"))
    layers = fields.values.get("vision_feature_layers", fields.values.get("vision_feature_layer"))
    wide = sight.hidden * (len(layers) if isinstance(layers, list | tuple) else 5)
    bridge = dense_bridge(wide, text.hidden, text.hidden, norm=2 * wide)
    return seeing_network(fields, text, sight, bridge)


@family("video_llava")
def video_llava(fields: Fields) -> Network:
    """Video-LLaVA: a tower for images, and one for videos that rests (arXiv:2311.10122)."""
    sight = clip_sight(fields.part("vision_config"))
    text = text_part(fields, "llama", fields.flag("tie_word_embeddings"))
    done = sight.lines(1.0, float(sight.side))
    resting = {"video": held(sum(term.params for _, term in done))}
    bias = fields.flag("multimodal_projector_bias", default=True)
    bridge = {**resting, **dense_bridge(sight.hidden, text.hidden, text.hidden, bias=bias)}
    return seeing_network(fields, text, sight, bridge)
