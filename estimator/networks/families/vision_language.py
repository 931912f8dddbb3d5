"""Vision-language models: a decoder with an image tower and a bridge.

Gemma 3, ShieldGemma 2, PaliGemma, InternVL, Llama 4, LLaVA, Idefics 3, SmolVLM, Mistral 3,
Pixtral's tower, Qwen-VL, GLM-4V, Aya and Cohere2 Vision, LFM2, EXAONE 4.5.

They differ in the bridge. A pass has one image per sequence, as a single tile even where models
split large images; towers attend to the whole image, even where some layers have windows. Image
tokens are part of the sequence, so `seq_len` includes them; the items of a pass are the text
side's.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from estimator.core.messages import refuse
from estimator.networks.blocks import Costs, Mlp, affine, linear, params_only, scaled, table
from estimator.networks.compiled import known_network
from estimator.networks.convolution import image, ratio
from estimator.networks.families.clip import clip_sight, patched, siglip_sight
from estimator.networks.families.vit import Vision, trunk
from estimator.networks.fields import Fields
from estimator.networks.kinds import configured_kind
from estimator.networks.ledger import Architecture, Inputs, Quantity
from estimator.networks.model_class import class_name, label_count
from estimator.networks.network import Line, Network, Pass, lines, network, prefixed
from estimator.networks.registry import defaults, families, family, with_defaults_of

OUTSIDE = ("vision_config", "model_type", "architectures")
"""Keys of a wrapper that do not belong to its language model."""

WRITES = "ForConditionalGeneration"
"""Suffix of encoder-decoder classes with a head over the vocabulary."""

WRAPPER = ("multimodal", "vision encoder and decoder")
"""Kind of the types with a language model and a tower for images or sound."""


def with_text_inside(fields: Fields) -> Fields:
    """Return the config with its text part; flat configs have the text's keys at the top."""
    if fields.states("text_config"):
        return fields
    inner = {key: value for key, value in fields.values.items() if key not in OUTSIDE}
    return _holding(fields, {"text_config": inner}) if inner else fields


def _holding(fields: Fields, parts: Mapping[str, Any]) -> Fields:
    """Return the flat config with parts made of its own keys, named in messages as written."""
    here = {"text_config": fields.path.removesuffix(".")}
    return replace(fields.with_values(parts), aliases={**fields.aliases, **here})


@dataclass(frozen=True, kw_only=True)
class Text:
    """Language model inside, and its width [1]."""

    model: Architecture
    hidden: int


def text_part(fields: Fields, usual: str, tied: bool) -> Text:
    """Build the inner language model, any token generator; the wrapper ties its head."""
    part = fields.part("text_config").with_defaults(fields.usual.get("text_inside", {}))
    if not part.values:
        raise refuse("config_key_missing", key=fields.full_name("text_config"))
    inner = part.text("model_type", default=usual)
    if configured_kind(inner, sparse=False) == WRAPPER:
        raise refuse("config_part_wrapper", key=part.full_name("model_type"), value=repr(inner))
    values = {**defaults().get(inner, {}).get("inside", {}), **part.values}
    values |= {"model_type": inner, "tie_word_embeddings": tied}
    name = class_name(fields)
    values["architectures"] = [WRITES] if "For" in name or not name else ["Model"]
    if name.endswith(("ForSequenceClassification", "ForTokenClassification")):
        labels = {"num_labels": label_count(fields), "id2label": None}
        values |= {"architectures": [name], **labels}
    part = Fields(values, path=part.path)
    model = known_network(part)
    if model is None or not model.cache:
        raise refuse("config_part_unknown", key=part.full_name("model_type"), value=repr(inner))
    return Text(model=model, hidden=part.size("hidden_size", "n_embd", "d_model"))


def seeing_network(
    fields: Fields,
    text: Text,
    sight: Vision,
    bridge: Costs,
    *,
    image_tokens: int | None = None,
    merged: int = 1,
) -> Network:
    """Build a decoder with an image tower and a bridge between them.

    Parameters
    ----------
    fields, text, sight : Fields, Text, Vision
        The config and its parts.
    bridge : mapping
        Costs per image token.
    image_tokens : int or None
        Tokens of an image in the text, by default one per `merged` patches [token].
    """

    def bridged(batch: Quantity, positions: Quantity) -> Iterable[Line]:
        patches = positions - sight.prefix
        return lines(bridge, batch * (patches / merged if image_tokens is None else image_tokens))

    return behind_tower(fields, text, sight, bridged)


def behind_tower(
    fields: Fields,
    text: Text,
    sight: Vision,
    bridged: Callable[[Quantity, Quantity], Iterable[Line]],
) -> Network:
    """Build a decoder with a tower, `bridged` from image batches and their positions."""

    def image_lines(inputs: Inputs) -> list[Line]:
        batch, pixels = image(inputs, sight.side)
        tower = prefixed(sight.lines(batch, pixels), "vision/")
        return [*tower, *bridged(batch, sight.positions(pixels)[1])]

    return before_text(fields, text, image_lines)


def before_text(fields: Fields, text: Text, seen: Callable[[Inputs], Iterable[Line]]) -> Network:
    """Build the decoder, and the lines of the image or sound before it."""

    def run(inputs: Inputs) -> Pass:
        spoken = text.model.ledger(inputs)
        done = [*seen(inputs), *spoken.terms.items()]
        return Pass(lines=done, items=spoken.items, warnings=spoken.warnings)

    return replace(network(fields, run, cache=text.model.cache), text=text.model)


def either_tied(fields: Fields, default: bool) -> bool:
    """Return whether the wrapper or the text part ties the head."""
    inner = fields.part("text_config").flag("tie_word_embeddings", default=default)
    return fields.flag("tie_word_embeddings", default=inner)


def untied_unless_stated(fields: Fields) -> tuple[bool, Fields]:
    """Return whether the head is tied, and the config with a note if not stated."""
    if fields.states("tie_word_embeddings") or fields.part("text_config").states(
        "tie_word_embeddings"
    ):
        return either_tied(fields, False), fields
    return False, fields.noted(UNSTATED)


UNSTATED = (
    "tie_word_embeddings is not stated: a head of its own is counted, as published weights have"
)


def any_tied(fields: Fields) -> bool:
    """Return whether the head is tied, according to the wrapper or the text part."""
    parts = (fields, fields.part("text_config"))
    return any([part.flag("tie_word_embeddings") for part in parts])


def patches_folded(fields: Fields, name: str) -> int:
    """Return the patches per image token, from a side's scaling factor [1]."""
    factor = ratio(fields, name, 0.5)
    if factor > 1:
        raise refuse("config_key_shrinks", key=fields.full_name(name), value=f"{factor:g}")
    return round(1 / factor) ** 2


def dense_bridge(*widths: int, bias: bool = True, norm: int = 0) -> Costs:
    """Build one or two dense layers between widths, after an optional norm."""
    names = ("project",) if len(widths) == 2 else ("in", "out")
    layers = [linear(inputs, outputs, bias) for inputs, outputs in pairwise(widths)]
    named = {f"bridge/{name}": layer for name, layer in zip(names, layers, strict=True)}
    return {"bridge/norm": params_only(norm), **named}


def tower_of_frames(fields: Fields, *, bias: bool, gated: bool, norm: int) -> Vision:
    """Build a vision transformer over pairs of frames; a still image is doubled."""
    names = {"num_attention_heads": "num_heads", "num_hidden_layers": "depth"}
    names["num_channels"] = fields.key("in_channels", "in_chans")
    fields = fields.renamed({name: (fields, stated) for name, stated in names.items()})
    sight = trunk(fields, prefix=0, bias=bias, gated=gated, norm=norm)
    return replace(sight, channels=fields.size("temporal_patch_size", default=2) * sight.channels)


@family("gemma3", "shieldgemma2")
def gemma3(fields: Fields) -> Network:
    """Build Gemma 3: SigLIP's tower pooled to a few tokens, one matrix (arXiv:2503.19786)."""
    sight = siglip_sight(fields.part("vision_config"))
    text = text_part(fields, "gemma3_text", fields.flag("tie_word_embeddings", default=True))
    bridge = dense_bridge(sight.hidden, text.hidden, bias=False, norm=sight.hidden)
    tokens = fields.size("mm_tokens_per_image", default=256)
    return seeing_network(fields, text, sight, bridge, image_tokens=tokens)


@family("paligemma")
def paligemma(fields: Fields) -> Network:
    """Build PaliGemma: SigLIP's tower, one matrix, Gemma (arXiv:2407.07726, sec. 3.1)."""
    sight = siglip_sight(fields.part("vision_config"))
    text = text_part(fields, "gemma", either_tied(fields, True))
    width = fields.size("projection_dim", default=2048)
    return seeing_network(fields, text, sight, dense_bridge(sight.hidden, width))


@family("internvl")
def internvl(fields: Fields) -> Network:
    """Build InternVL: a tower with layer scale, four patches per token (arXiv:2404.16821)."""
    vision = with_defaults_of(fields.part("vision_config"), "internvl_vision")
    bias = vision.flag("attention_bias")
    sight = trunk(vision.with_values({"qkv_bias": bias}))
    hidden = sight.hidden
    placed = vision.flag("use_absolute_position_embeddings", default=True)
    masked = hidden * vision.flag("use_mask_token")
    after = 0 if vision.flag("use_mean_pooling", default=True) else 2 * hidden
    norms = 2 * hidden * vision.flag("use_qk_norm")
    scale = {"norm/scale": params_only(2 * hidden), "attention/norm": params_only(norms)}
    tables = {
        **sight.tables,
        "norm/outer": params_only(after),
        "embedding/mask": params_only(masked),
    }
    if not placed:
        del tables["embedding/position"]
    sight = replace(sight, tables=tables, layer={**sight.layer, **scale})
    tied, fields = untied_unless_stated(fields)
    text = text_part(fields, "qwen2", tied)
    merge = patches_folded(fields, "downsample_ratio")
    wide = merge * hidden
    bridge = dense_bridge(wide, text.hidden, text.hidden, norm=2 * wide)
    return seeing_network(fields, text, sight, bridge, merged=merge)


@family("llama4")
def llama4(fields: Fields) -> Network:
    """Build Llama 4: a tower with a class token, four patches shuffled to one."""
    part = with_defaults_of(fields.part("vision_config"), "llama4_vision_model")
    sight = trunk(part)
    hidden = sight.hidden
    tables = {**sight.tables, "norm/outer": params_only(4 * hidden)}
    sight = replace(sight, tables=tables, patch_bias=False)
    inner = fields.part("text_config").flag("tie_word_embeddings")
    text = text_part(fields, "llama4_text", tied=inner)
    fold = patches_folded(part, "pixel_shuffle_ratio")
    wide = part.size("projector_input_dim", default=4096)
    bridge = {
        "bridge/in": linear(part.size("intermediate_size", default=fold * hidden), wide),
        "bridge/out": linear(wide, part.size("projector_output_dim", default=4096)),
        "bridge/project": linear(part.size("vision_output_dim", default=7680), text.hidden),
    }
    return seeing_network(fields, text, sight, bridge, merged=fold)


@family("aya_vision", "cohere2_vision")
def cohere_vision(fields: Fields) -> Network:
    """Build Aya Vision and Cohere's: folded patches, a dense layer with one half as the gate."""
    aya = fields.text("model_type") == "aya_vision"
    sight = siglip_sight(fields.part("vision_config"))
    text = text_part(fields, "cohere2", either_tied(fields, True))
    fold = fields.size("downsample_factor", default=2) ** 2
    wide, usual = fold * sight.hidden, text.hidden if aya else 36864
    between = fields.size("alignment_intermediate_size", default=usual)
    bridge = {
        "bridge/norm": params_only(2 * wide * aya),
        "bridge/in": affine(wide, between),
        "bridge/out": affine(between // 2, text.hidden),
    }
    return seeing_network(fields, text, sight, bridge, merged=fold)


@family("lfm2_vl")
def lfm2_vl(fields: Fields) -> Network:
    """Build LFM2-VL: SigLIP 2's tower, patches folded, two dense layers."""
    sight = siglip_sight(patched(fields.part("vision_config")))
    text = text_part(fields, "lfm2", either_tied(fields, True))
    fold = fields.size("downsample_factor", default=2) ** 2
    wide, between = fold * sight.hidden, fields.size("projector_hidden_size", default=2560)
    bias = fields.flag("projector_bias", default=True)
    norm = 2 * wide * fields.flag("projector_use_layernorm", default=True)
    bridge = dense_bridge(wide, between, text.hidden, bias=bias, norm=norm)
    return seeing_network(fields, text, sight, bridge, merged=fold)


def _flat_llava(fields: Fields) -> Fields:
    """Build the config of LLaVA's authors: Llama's keys, and the name of the tower."""
    projector, counted = fields.text("mm_projector_type", default="linear"), "mlp2x_gelu"
    if projector != counted:
        raise fields.uncounted("mm_projector_type", projector, counted)
    tower, counted = fields.text("mm_vision_tower"), "clip-vit-large-patch14-336"
    if not tower.endswith(counted):
        raise fields.uncounted("mm_vision_tower", tower, counted)
    inner = {**fields.values, "model_type": "llama", "architectures": None}
    values = {"text_config": inner, "architectures": ["LlavaForConditionalGeneration"]}
    return _holding(fields, values)


@family("llava", "llava_next", "llava_next_video", "llava_onevision")
def llava(fields: Fields) -> Network:
    """Build LLaVA: a tower, two dense layers, a decoder (arXiv:2310.03744)."""
    if not fields.states("text_config") and fields.states("hidden_size"):
        fields = _flat_llava(fields)
    vision = fields.part("vision_config")
    tower = vision.supported("model_type", "clip_vision_model", "siglip_vision_model")
    sight = clip_sight(vision) if tower == "clip_vision_model" else siglip_sight(vision)
    newline = "next" in fields.text("model_type") or "onevision" in fields.text("model_type")
    alone = fields.text("model_type") == "llava_next"  # its wrapper alone ties the head
    tied = fields.flag("tie_word_embeddings") if alone else any_tied(fields)
    text = text_part(fields, "llama", tied)
    layers = fields.values.get("vision_feature_layer", -2)
    wide = sight.hidden * (len(layers) if isinstance(layers, list) else 1)
    bias = fields.flag("multimodal_projector_bias", default=True)
    dense = dense_bridge(wide, text.hidden, text.hidden, bias=bias)
    bridge = {**dense, "bridge/newline": params_only(newline * text.hidden)}
    whole = fields.text("vision_feature_select_strategy", default="default") == "full"
    tokens = (sight.side // sight.patch) ** 2 + sight.prefix if whole else None
    return seeing_network(fields, text, sight, bridge, image_tokens=tokens)


@family("idefics3", "smolvlm")
def idefics3(fields: Fields) -> Network:
    """Build Idefics 3 and SmolVLM: pixels shuffled into fewer, wider tokens (arXiv:2408.12637)."""
    vision = with_defaults_of(fields.part("vision_config"), "idefics3_vision")
    sight = siglip_sight(vision.with_values({"vision_use_head": False}))
    text = text_part(fields, "llama", fields.flag("tie_word_embeddings"))
    merge = fields.size("scale_factor", default=2) ** 2
    bridge = dense_bridge(merge * sight.hidden, text.hidden, bias=False)
    return seeing_network(fields, text, sight, bridge, merged=merge)


def pixtral_sight(fields: Fields) -> Vision:
    """Build Pixtral's tower: rotary positions, RMS norms, gated MLPs (arXiv:2410.07073)."""
    part = with_defaults_of(fields, "pixtral")
    sight = trunk(part, prefix=0, bias=False, gated=True, norm=1)
    return replace(sight, tables={"norm/outer": params_only(sight.hidden)}, patch_bias=False)


@family("mistral3")
def mistral3(fields: Fields) -> Network:
    """Build Mistral Small 3.1 and Ministral 3: Pixtral's tower, four patches per token."""
    tied, fields = untied_unless_stated(fields)
    text = text_part(fields, "mistral", tied)
    return behind_pixtral(fields, text, fields.flag("multimodal_projector_bias"))


def behind_pixtral(fields: Fields, text: Text, bias: bool) -> Network:
    """Build a decoder with Pixtral's tower, whose patches are normed and merged."""
    sight = pixtral_sight(fields.part("vision_config"))
    merge = fields.size("spatial_merge_size", default=2) ** 2
    hidden = sight.hidden
    dense = dense_bridge(hidden, text.hidden, text.hidden, bias=bias, norm=hidden)
    bridge = {"bridge/merge": linear(merge * hidden, hidden), **dense}
    return seeing_network(fields, text, sight, bridge, merged=merge)


@family("pixtral")
def pixtral(fields: Fields) -> Network:
    """Build Pixtral's tower."""
    return network(fields, pixtral_sight(fields).run)


def _glm_tower(fields: Fields, bias: bool) -> Vision:
    """Build a tower with RMS norms and gated MLPs."""
    fields = fields.with_values({"qkv_bias": fields.flag("attention_bias")})
    return tower_of_frames(fields, bias=bias, gated=True, norm=1)


def glm4v(text_type: str, fields: Fields) -> Network:
    """Build GLM-4.1V and 4.5V: the tower's MLPs as wide as its output (arXiv:2507.01006)."""
    vision = with_defaults_of(fields.part("vision_config"), "glm4v_vision")
    text = text_part(fields, text_type, any_tied(fields))
    out, width = vision.size("out_hidden_size"), vision.size("intermediate_size")
    sight = _glm_tower(vision.with_values({"intermediate_size": out}), bias=False)
    return _convolved(fields, text, sight, out, width)


def _convolved(fields: Fields, text: Text, sight: Vision, out: int, width: int) -> Network:
    """Build GLM's bridge: patches convolved to output tokens, then a gated MLP."""
    merge = fields.part("vision_config").size("spatial_merge_size", default=2) ** 2
    bridge = {
        "bridge/merge": affine(merge * sight.hidden, out),
        "bridge/project": linear(out, out),
        "bridge/norm": params_only(2 * out),
        **scaled(Mlp(out, width, gated=True).costs(), 1, "bridge/"),
    }
    return seeing_network(fields, text, sight, bridge, merged=merge)


families(glm4v, {"glm4v": "glm4v_text", "glm46v": "glm4v_text", "glm4v_moe": "glm4v_moe_text"})


QWEN_SIDE = 448
"""Default side of the image, 16 x 16 merged patches. [pixel]"""


@dataclass(frozen=True, kw_only=True)
class Tower:
    """Differences between image towers of the Qwen line.

    Parameters
    ----------
    text : str
        Default type of the language model behind it; the type's own if empty.
    hidden_key, out_key : str
        Keys of the tower's width and of the width behind it.
    gated, norm_params, placed : bool, int, bool
        Whether the MLP is gated; parameters per channel of a norm; whether there are a position
        table and patch biases.
    deep : int
        Number of layers whose states enter deep layers of the text model [1].
    alone : bool
        Whether only the wrapper's config decides whether the head is tied.
    grouped : bool
        Whether there are fewer key-value heads than heads.
    """

    text: str = ""
    hidden_key: str = "hidden_size"
    out_key: str = "out_hidden_size"
    gated: bool = False
    norm_params: int = 2
    placed: bool = False
    deep: int = 0
    alone: bool = False
    grouped: bool = False


def qwen_sight(tower: Tower, fields: Fields) -> Vision:
    """Build the image tower of Qwen2-VL to Qwen3-VL (arXiv:2409.12191, sec. 2.1)."""
    hidden, patch = fields.size(tower.hidden_key), fields.size("patch_size", "spatial_patch_size")
    stated = {"image_size": QWEN_SIDE, "patch_size": patch, "hidden_size": hidden}
    if tower.hidden_key == "embed_dim":
        stated["intermediate_size"] = fields.size("mlp_ratio") * hidden
    fields = replace(
        fields.with_values(stated), aliases={**fields.aliases, "hidden_size": tower.hidden_key}
    )
    sight = tower_of_frames(fields, bias=True, gated=tower.gated, norm=tower.norm_params)
    rows = fields.size("num_position_embeddings") if tower.placed else 0
    tables = {"embedding/position": table(rows, hidden)}
    layer = dict(sight.layer)
    if tower.grouped:
        head_dim = hidden // fields.size("num_attention_heads", "num_heads")
        kept = affine(hidden, fields.size("num_key_value_heads") * head_dim)
        layer |= {"attention/key": kept, "attention/value": kept}
    return replace(sight, tables=tables, layer=layer, patch_bias=tower.placed)


def qwen_vl(tower: Tower, fields: Fields) -> Network:
    """Build Qwen-VL: four patches merged per token; flat configs have the text at the top."""
    kind = fields.text("model_type")
    vision = with_defaults_of(fields.part("vision_config"), f"{kind}_vision")
    fields = with_text_inside(fields)
    sight = qwen_sight(tower, vision)
    tied = fields.flag("tie_word_embeddings") if tower.alone else any_tied(fields)
    text = text_part(fields, tower.text or f"{kind}_text", tied)
    merge = vision.size("spatial_merge_size")
    wide = merge * merge * sight.hidden
    out = vision.size(tower.out_key)
    costs = dict(dense_bridge(wide, wide, out, norm=tower.norm_params * sight.hidden))
    if tower.deep:
        stated = vision.items("deepstack_visual_indexes")
        deep = tower.deep if stated is None else len(stated)
        again = dense_bridge(wide, wide, out, norm=tower.norm_params * wide)
        costs |= {part.replace("/", "/deep_"): cost.times(deep) for part, cost in again.items()}
    return seeing_network(fields, text, sight, costs, merged=merge * merge)


QWEN2_5 = Tower(gated=True, norm_params=1)
QWEN3 = Tower(placed=True, deep=3, alone=True)

families(
    qwen_vl,
    {
        "qwen2_vl": Tower(hidden_key="embed_dim", out_key="hidden_size"),
        "qwen2_5_vl": QWEN2_5,
        "exaone4_5": replace(QWEN2_5, text="exaone4", alone=True, grouped=True),
        "qwen3_vl": QWEN3,
        "qwen3_vl_moe": QWEN3,
        "qwen3_5": replace(QWEN3, deep=0),
        "qwen3_5_moe": replace(QWEN3, deep=0),
    },
)
