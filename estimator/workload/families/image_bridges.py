"""Which language model that sees by a tower of others a config describes: Aya, LFM2-VL, Idefics 2.

They differ in the bridge between a known tower and a known decoder. As in `vision_language`, a pass
holds one image per sequence, whose tokens are part of `seq_len`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from estimator.workload.blocks import Attention, Costs, Mlp, held, linear, table
from estimator.workload.families.clip import clip_sight, patched, siglip_sight
from estimator.workload.families.vision_language import (
    Text,
    any_tied,
    behind_pixtral,
    dense_bridge,
    either_tied,
    image_before_text,
    pixtral_sight,
    seeing_network,
    text_part,
    with_text_inside,
)
from estimator.workload.families.vit import Vision, trunk
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, Quantity
from estimator.workload.network import Line, Network, Pass, crossing, lines, network, prefixed
from estimator.workload.registry import families, family, known_families, with_defaults_of


@dataclass(frozen=True, kw_only=True)
class Bridge:
    """What sets one of these models apart: its text, its tower, and the bridge between them.

    `sight` reads the tower; `costs` are per merged image token.
    """

    text: str
    sight: Callable[[Fields], Vision]
    costs: Callable[[Fields, int, Text], Costs]


def bridged(facts: Bridge, fields: Fields) -> Network:
    """A tower whose patches are folded into fewer, wider tokens, and a decoder behind a bridge."""
    fold = fields.size("downsample_factor", default=2) ** 2
    sight = facts.sight(fields.part("vision_config"))
    text = text_part(fields, facts.text, either_tied(fields, True))
    costs = facts.costs(fields, fold * sight.hidden, text)
    return seeing_network(fields, text, sight, costs, merged=fold)


def _halved(fields: Fields, wide: int, text: Text, between: int) -> Costs:
    """Two dense layers, the first of which gates its other half."""
    into = linear(wide, between, bias=True)
    return {"bridge/in": into, "bridge/out": linear(between // 2, text.hidden, bias=True)}


def _aya(fields: Fields, wide: int, text: Text) -> Costs:
    between = fields.size("alignment_intermediate_size", default=text.hidden)
    return {"bridge/norm": held(2 * wide), **_halved(fields, wide, text, between)}


def _cohere2(fields: Fields, wide: int, text: Text) -> Costs:
    between = fields.size("alignment_intermediate_size", default=36864)
    return _halved(fields, wide, text, between)


def _lfm2(fields: Fields, wide: int, text: Text) -> Costs:
    between = fields.size("projector_hidden_size", default=2560)
    bias = fields.flag("projector_bias", default=True)
    normed = fields.flag("projector_use_layernorm", default=True)
    return dense_bridge(wide, between, text.hidden, bias=bias, norm=2 * wide * normed)


families(
    bridged,
    {
        "aya_vision": Bridge(text="cohere2", sight=siglip_sight, costs=_aya),
        "cohere2_vision": Bridge(text="cohere2", sight=siglip_sight, costs=_cohere2),
        "lfm2_vl": Bridge(text="lfm2", sight=lambda part: siglip_sight(patched(part)), costs=_lfm2),
    },
)


@family("lighton_ocr")
def lighton_ocr(fields: Fields) -> Network:
    """LightOnOCR: Pixtral's tower, four patches merged to a token, Qwen3."""
    text = text_part(fields, "qwen3", either_tied(fields, True))
    return behind_pixtral(fields, text, bias=False)


@family("pixtral")
def pixtral(fields: Fields) -> Network:
    """Pixtral's tower alone."""
    return network(fields, pixtral_sight(fields).run)


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


@family("idefics2")
def idefics2(fields: Fields) -> Network:
    """Idefics 2: a gated MLP, then latents that ask the patches (arXiv:2405.02246, sec. 3)."""
    vision = with_defaults_of(fields.part("vision_config"), "idefics2_vision")
    sight = siglip_sight(vision.with_values({"vision_use_head": False}))
    text = text_part(fields, "mistral", fields.flag("tie_word_embeddings"))
    part, hidden = fields.part("perceiver_config"), text.hidden
    width = fields.part("text_config").size("intermediate_size", default=14336)
    attention = Attention(
        hidden=hidden,
        heads=part.size("resampler_n_heads", default=16),
        kv_heads=part.size("num_key_value_heads", default=4),
        head_dim=part.size("resampler_head_dim", default=96),
    )
    count = part.size("resampler_n_latents", default=64)
    layers = part.layers("resampler_depth", default=3)
    mlp = Mlp(hidden=hidden, width=4 * hidden, gated=True)
    asks = {**attention.costs(), **mlp.costs(), "norm": held(3 * hidden)}
    project = {
        "gate": linear(sight.hidden, width),
        "up": linear(sight.hidden, width),
        "down": linear(width, hidden),
    }
    around = {"latents": held(count * hidden), "norm": held(hidden)}

    def seen(batch: Quantity, pixels: Quantity) -> list[Line]:
        patches, asking = sight.positions(pixels)[0], batch * count
        found, pairs = batch * (patches + count), asking * (patches + count)
        done = [*lines(project, batch * patches), *lines(around, batch)]
        done += crossing(asks, asking, found, pairs=pairs, times=layers)
        tower = prefixed(sight.lines(batch, pixels), "vision/")
        return [*tower, *prefixed(done, "bridge/")]

    return image_before_text(fields, text, sight.side, seen)


@family("fuyu")
def fuyu(fields: Fields) -> Network:
    """Fuyu: patches are projected as if they were tokens, no tower; flat configs hold the text."""
    fields = with_text_inside(fields)
    text = text_part(fields, "persimmon", fields.flag("tie_word_embeddings"))
    patch = fields.size("patch_size", default=30)
    inputs_of_patch = patch * patch * fields.size("num_channels", default=3)
    project = {"vision/project": linear(inputs_of_patch, text.hidden, bias=True)}
    side = fields.size("image_size", default=300)

    def seen(batch: Quantity, pixels: Quantity) -> list[Line]:
        return [*lines(project, batch * (pixels // patch) ** 2, first=True)]

    return image_before_text(fields, text, side, seen)


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
