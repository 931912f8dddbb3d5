"""Which language model that sees a config describes: Gemma 3, PaliGemma, InternVL, Llama 4.

Also Aya and Cohere2 Vision, Fuyu, ColPali, ColQwen, PaddleOCR-VL, DeepSeek-VL, VideoLLaMA 3,
Kimi K2.5, LFM2.

They differ in the bridge between a tower and a decoder. A pass holds one image per sequence, of one
tile where models cut large images into several. The image's tokens are part of the sequence, so
`seq_len` counts them; the items of a pass are those of the text side.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from estimator.workload.blocks import Costs, held, linear, table
from estimator.workload.convolution import image, ratio
from estimator.workload.families.clip import patched, siglip_sight
from estimator.workload.families.vit import Vision, trunk
from estimator.workload.fields import Fields
from estimator.workload.ledger import Architecture, Inputs
from estimator.workload.model_class import class_name, label_count
from estimator.workload.network import Line, Network, Pass, lines, network, prefixed
from estimator.workload.network_class import configured_kind
from estimator.workload.registry import defaults, families, family, known_families, with_defaults_of

OUTSIDE = ("vision_config", "model_type", "architectures")
"""Keys of a wrapper that are not those of the language model inside."""

WRITES = "ForConditionalGeneration"
"""What a class of an encoder-decoder is called that has a head over the vocabulary."""

WRAPPER = ("multimodal", "vision encoder and decoder")
"""Kind of the types that hold a language model and a tower of images or sound."""


def with_text_inside(fields: Fields) -> Fields:
    """The config with its text part; flat ones hold the keys of the text at the top."""
    if fields.states("text_config"):
        return fields
    inner = {key: value for key, value in fields.values.items() if key not in OUTSIDE}
    return _holding(fields, {"text_config": inner}) if inner else fields


def _holding(fields: Fields, parts: Mapping[str, Any]) -> Fields:
    """A flat config with parts made of its own keys, for messages to name as they are stated."""
    here = {"text_config": fields.path.removesuffix(".")}
    return replace(fields.with_values(parts), aliases={**fields.aliases, **here})


@dataclass(frozen=True, kw_only=True)
class Text:
    """The language model inside, and its width [1]."""

    model: Architecture
    hidden: int


def text_part(fields: Fields, usual: str, tied: bool) -> Text:
    """The language model inside, any that generates token by token; the wrapper ties its head."""
    part = fields.part("text_config")
    if not part.values:
        raise ValueError(f"{fields.full_name('text_config')} is missing from the config")
    inner = part.text("model_type", default=usual)
    if configured_kind(inner, sparse=False) == WRAPPER:
        raise ValueError(
            f"{part.path}model_type {inner!r} is itself a wrapper of images or sound and text, "
            "not a language model"
        )
    values = {**defaults().get(inner, {}).get("inside", {}), **part.values}
    values |= {"model_type": inner, "tie_word_embeddings": tied}
    name = class_name(fields)
    values["architectures"] = [WRITES] if "For" in name or not name else ["Model"]
    if name.endswith(("ForSequenceClassification", "ForTokenClassification")):
        labels = {"num_labels": label_count(fields), "id2label": None}
        values |= {"architectures": [name], **labels}
    part = Fields(values, path=part.path)
    reader = known_families().get(inner)
    model = None if reader is None else reader(part)
    if model is None or not model.cache:
        raise ValueError(f"{part.path}model_type {inner!r} is not a known decoder")
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
    """A decoder with an image tower and a bridge between them.

    Parameters
    ----------
    fields, text, sight : Fields, Text, Vision
        The config and its parts.
    bridge : mapping
        Costs per image token.
    image_tokens : int or None
        Tokens of an image on the text side; None takes one for each `merged` patches. [token]
    """

    def seen(inputs: Inputs) -> list[Line]:
        batch, pixels = image(inputs, sight.side)
        tokens = sight.positions(pixels)[0] / merged if image_tokens is None else image_tokens
        tower = prefixed(sight.lines(batch, pixels), "vision/")
        return [*tower, *lines(bridge, batch * tokens)]

    return before_text(fields, text, seen)


def before_text(fields: Fields, text: Text, seen: Callable[[Inputs], Iterable[Line]]) -> Network:
    """A decoder, and the lines of the image or sound before it."""

    def run(inputs: Inputs) -> Pass:
        spoken = text.model.ledger(inputs)
        done = [*seen(inputs), *spoken.terms.items()]
        return Pass(lines=done, items=spoken.items, warnings=spoken.warnings)

    return network(fields, run, cache=text.model.cache)


def either_tied(fields: Fields, default: bool) -> bool:
    """Whether the head is tied: as the wrapper says, else as the text part does."""
    inner = fields.part("text_config").flag("tie_word_embeddings", default=default)
    return fields.flag("tie_word_embeddings", default=inner)


def untied_unless_stated(fields: Fields) -> tuple[bool, Fields]:
    """Whether the head is tied, and the config, with a note where it does not say."""
    if fields.states("tie_word_embeddings") or fields.part("text_config").states(
        "tie_word_embeddings"
    ):
        return either_tied(fields, False), fields
    return False, fields.noted(UNSTATED)


UNSTATED = (
    "tie_word_embeddings is not stated: a head of its own is counted, as published weights have"
)


def any_tied(fields: Fields, default: bool = False) -> bool:
    """Whether the head is tied: where the wrapper or the text part says so."""
    parts = (fields, fields.part("text_config"))
    return any([part.flag("tie_word_embeddings", default=default) for part in parts])


def dense_bridge(*widths: int, bias: bool = True, norm: int = 0) -> Costs:
    """One or two dense layers from width to width, behind a norm of so many parameters."""
    names = ("project",) if len(widths) == 2 else ("in", "out")
    layers = [linear(inputs, outputs, bias) for inputs, outputs in pairwise(widths)]
    named = {f"bridge/{name}": layer for name, layer in zip(names, layers, strict=True)}
    return {"bridge/norm": held(norm), **named}


def tower_of_frames(fields: Fields, *, bias: bool, gated: bool, norm: int) -> Vision:
    """A vision transformer over pairs of frames, a still image being doubled."""
    names = {"num_attention_heads": "num_heads", "num_hidden_layers": "depth"}
    names["num_channels"] = fields.key("in_channels", "in_chans")
    fields = fields.renamed({name: (fields, stated) for name, stated in names.items()})
    sight = trunk(fields, prefix=0, bias=bias, gated=gated, norm=norm)
    return replace(sight, channels=fields.size("temporal_patch_size", default=2) * sight.channels)


@family("gemma3")
def gemma3(fields: Fields) -> Network:
    """Gemma 3: SigLIP's tower pooled to a few tokens, one matrix (arXiv:2503.19786, sec. 2.1)."""
    sight = siglip_sight(fields.part("vision_config"))
    text = text_part(fields, "gemma3_text", fields.flag("tie_word_embeddings", default=True))
    bridge = dense_bridge(sight.hidden, text.hidden, bias=False, norm=sight.hidden)
    tokens = fields.size("mm_tokens_per_image", default=256)
    return seeing_network(fields, text, sight, bridge, image_tokens=tokens)


@family("paligemma")
def paligemma(fields: Fields) -> Network:
    """PaliGemma: SigLIP's tower, one matrix, Gemma (arXiv:2407.07726, sec. 3.1)."""
    sight = siglip_sight(fields.part("vision_config"))
    text = text_part(fields, "gemma", either_tied(fields, True))
    width = fields.size("projection_dim", default=2048)
    return seeing_network(fields, text, sight, dense_bridge(sight.hidden, width))


@family("internvl")
def internvl(fields: Fields) -> Network:
    """InternVL: a tower with layer scale, four patches shuffled to a token (arXiv:2404.16821)."""
    vision = with_defaults_of(fields.part("vision_config"), "internvl_vision")
    bias = vision.flag("attention_bias")
    sight = trunk(vision.with_values({"qkv_bias": bias}))
    hidden = sight.hidden
    placed = vision.flag("use_absolute_position_embeddings", default=True)
    masked = hidden * vision.flag("use_mask_token")
    after = 0 if vision.flag("use_mean_pooling", default=True) else 2 * hidden
    norms = 2 * hidden * vision.flag("use_qk_norm")
    scale = {"norm/scale": held(2 * hidden), "attention/norm": held(norms)}
    tables = {**sight.tables, "norm/outer": held(after), "embedding/mask": held(masked)}
    if not placed:
        del tables["embedding/position"]
    sight = replace(sight, tables=tables, layer={**sight.layer, **scale})
    tied, fields = untied_unless_stated(fields)
    text = text_part(fields, "qwen2", tied)
    merge = round(1 / ratio(fields, "downsample_ratio", 0.5)) ** 2
    wide = merge * hidden
    bridge = dense_bridge(wide, text.hidden, text.hidden, norm=2 * wide)
    return seeing_network(fields, text, sight, bridge, merged=merge)


@family("llama4")
def llama4(fields: Fields) -> Network:
    """Llama 4: a tower with a class token, four patches shuffled to one."""
    part = with_defaults_of(fields.part("vision_config"), "llama4_vision_model")
    sight = trunk(part)
    hidden = sight.hidden
    tables = {**sight.tables, "norm/outer": held(4 * hidden)}
    sight = replace(sight, tables=tables, patch_bias=False)
    inner = fields.part("text_config").flag("tie_word_embeddings")
    text = text_part(fields, "llama4_text", tied=inner)
    fold = round(1 / ratio(part, "pixel_shuffle_ratio", 0.5)) ** 2
    wide = part.size("projector_input_dim", default=4096)
    bridge = {
        "bridge/in": linear(part.size("intermediate_size", default=fold * hidden), wide),
        "bridge/out": linear(wide, part.size("projector_output_dim", default=4096)),
        "bridge/project": linear(part.size("vision_output_dim", default=7680), text.hidden),
    }
    return seeing_network(fields, text, sight, bridge, merged=fold)


@family("aya_vision", "cohere2_vision")
def cohere_vision(fields: Fields) -> Network:
    """Aya Vision and Cohere's: patches folded, one half of a dense layer gates the other."""
    aya = fields.text("model_type") == "aya_vision"
    sight = siglip_sight(fields.part("vision_config"))
    text = text_part(fields, "cohere2", either_tied(fields, True))
    fold = fields.size("downsample_factor", default=2) ** 2
    wide, usual = fold * sight.hidden, text.hidden if aya else 36864
    between = fields.size("alignment_intermediate_size", default=usual)
    bridge = {
        "bridge/norm": held(2 * wide * aya),
        "bridge/in": linear(wide, between, bias=True),
        "bridge/out": linear(between // 2, text.hidden, bias=True),
    }
    return seeing_network(fields, text, sight, bridge, merged=fold)


@family("lfm2_vl")
def lfm2_vl(fields: Fields) -> Network:
    """LFM2-VL: SigLIP 2's tower, patches folded, two dense layers."""
    sight = siglip_sight(patched(fields.part("vision_config")))
    text = text_part(fields, "lfm2", either_tied(fields, True))
    fold = fields.size("downsample_factor", default=2) ** 2
    wide, between = fold * sight.hidden, fields.size("projector_hidden_size", default=2560)
    bias = fields.flag("projector_bias", default=True)
    norm = 2 * wide * fields.flag("projector_use_layernorm", default=True)
    bridge = dense_bridge(wide, between, text.hidden, bias=bias, norm=norm)
    return seeing_network(fields, text, sight, bridge, merged=fold)


@family("fuyu")
def fuyu(fields: Fields) -> Network:
    """Fuyu: patches are projected as if they were tokens, no tower; flat configs hold the text."""
    fields = with_text_inside(fields)
    text = text_part(fields, "persimmon", fields.flag("tie_word_embeddings"))
    patch = fields.size("patch_size", default=30)
    inputs_of_patch = patch * patch * fields.size("num_channels", default=3)
    project = {"vision/project": linear(inputs_of_patch, text.hidden, bias=True)}
    side = fields.size("image_size", default=300)

    def seen(inputs: Inputs) -> list[Line]:
        batch, pixels = image(inputs, side)
        return [*lines(project, batch * (pixels // patch) ** 2, first=True)]

    return before_text(fields, text, seen)


def page_embedding(inside: tuple[str, int], fields: Fields) -> Network:
    """ColPali and its line: states of a model that sees, each projected to compare pages.

    `inside` holds the type of that model and its width where the config leaves it out.
    """
    inner = fields.part("vlm_config").with_values({"architectures": ["Model"]})
    inner = inner.with_defaults({"model_type": inside[0]})
    model = known_families()[inside[0]](inner)
    text = inner.part("text_config") if inner.states("text_config") else inner
    width = text.size("hidden_size", default=inside[1])
    project = linear(width, fields.size("embedding_dim", default=128), bias=True)

    def run(inputs: Inputs) -> Pass:
        done = model.ledger(inputs)
        head = lines({"head/project": project}, done.items)
        return Pass(lines=[*done.terms.items(), *head], items=done.items)

    return network(fields, run)


# arXiv:2407.01449
families(page_embedding, {"colpali": ("paligemma", 2048), "colqwen2": ("qwen2_vl", 8192)})


@family("paddleocr_vl")
def paddleocr_vl(fields: Fields) -> Network:
    """PaddleOCR-VL: SigLIP's tower, patches folded to tokens, ERNIE 4.5 (arXiv:2510.14528)."""
    part = with_defaults_of(fields.part("vision_config"), "paddleocr_vl_vision")
    sight = siglip_sight(part.with_values({"vision_use_head": False}))
    fields = with_text_inside(fields)
    text = text_part(fields, "paddleocr_vl_text", any_tied(fields, default=True))
    fold = part.size("spatial_merge_size", default=2) ** 2
    wide = fold * sight.hidden
    bridge = dense_bridge(wide, wide, text.hidden, norm=2 * sight.hidden)
    return seeing_network(fields, text, sight, bridge, merged=fold)


@family("deepseek_vl")
def deepseek_vl(fields: Fields) -> Network:
    """DeepSeek-VL: SigLIP's tower, two dense layers, a Llama (arXiv:2403.05525, sec. 3.1)."""
    sight = siglip_sight(fields.part("vision_config"))
    text = text_part(fields, "llama", fields.flag("tie_word_embeddings", default=True))
    bridge = dense_bridge(sight.hidden, text.hidden, text.hidden)
    return seeing_network(fields, text, sight, bridge)


SIDE_OF_ANY = 448
"""Side of the image that is counted where none is asked for and configs state none. [pixel]"""


@family("video_llama_3")
def video_llama_3(fields: Fields) -> Network:
    """VideoLLaMA 3: SigLIP's tower with rotary positions, two dense layers (arXiv:2501.13106)."""
    stated = {"vision_use_head": False, "image_size": SIDE_OF_ANY}
    sight = siglip_sight(fields.part("vision_config").with_values(stated))
    sight = replace(sight, tables={"norm/outer": held(2 * sight.hidden)})
    text = text_part(fields, "qwen2", any_tied(fields))
    bridge = dense_bridge(sight.hidden, text.hidden, text.hidden)
    return seeing_network(fields, text, sight, bridge)


@family("kimi_k25")
def kimi_k25(fields: Fields) -> Network:
    """Kimi K2.5: MoonViT, four patches folded to a token, two dense layers, Kimi K2."""
    part = with_defaults_of(fields.part("vision_config"), "kimi_k25_vision")
    rows = part.size("pos_emb_height", default=64) * part.size("pos_emb_width", default=64)
    sight = trunk(part.with_values({"image_size": SIDE_OF_ANY}))
    tables = {"embedding/position": table(rows, sight.hidden), "norm/outer": held(2 * sight.hidden)}
    sight = replace(sight, prefix=0, tables=tables)
    text = text_part(fields, "deepseek_v3", either_tied(fields, True))
    high, across = part.sizes("merge_kernel_size", (2, 2), 2)
    fold = high * across
    wide = fold * sight.hidden
    norm = 2 * fields.size("projection_hidden_size", default=1152)
    bridge = dense_bridge(wide, wide, text.hidden, norm=norm)
    return seeing_network(fields, text, sight, bridge, merged=fold)
