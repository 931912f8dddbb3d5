"""Models of text with images or sound: CLIP, SigLIP, CLAP.

Also MetaCLIP, AltCLIP, Chinese CLIP, CLIPSeg, AIMv2, single towers, and the safety checker of
Stable Diffusion. A pass has `batch` images and as many texts of `seq_len` tokens; its items are
those of both towers. CLAP's recordings are ten seconds, with frames folded into a square; its
branch for longer ones is counted in parameters only.
"""

from collections.abc import Callable
from dataclasses import replace

from estimator.core.messages import refuse
from estimator.networks.blocks import (
    Cost,
    Costs,
    Mlp,
    affine,
    equal_heads,
    held,
    layer_costs,
    linear,
    product,
)
from estimator.networks.convolution import image
from estimator.networks.families.swin import swin
from estimator.networks.families.text_encoder import bert_sizes, block, tables
from estimator.networks.families.vit import Vision, trunk, vision_network
from estimator.networks.fields import Fields
from estimator.networks.layers import Layers, Stack
from estimator.networks.ledger import Inputs
from estimator.networks.model_class import class_name, classifier, task
from estimator.networks.network import Network, Pass, lines, network, prefixed, sequence
from estimator.networks.registry import families, family, with_defaults_of


def pair_network(
    fields: Fields, text: Stack, sight: Vision, width: int, scales: int = 1
) -> Network:
    """Two towers, and the products of their embeddings of `width`, with learned scales.

    With a width of 0 the towers are not compared.
    """
    compare = product(scales, 2 * width)

    def run(inputs: Inputs) -> Pass:
        batch, pixels = image(inputs, sight.side)
        _, seq_len = sequence(inputs, text.longest)
        done = [*prefixed(text.lines(batch, seq_len, inputs), "text/")]
        done += prefixed(sight.lines(batch, pixels), "vision/")
        done += lines({"head/compare": compare}, batch * batch)
        return Pass(lines=done, items=batch * (seq_len + sight.positions(pixels)[1]))

    return network(fields, run)


def bert_tower(
    part: Fields,
    before: Costs,
    *,
    after: Costs | None = None,
    once: Costs | None = None,
    spare_positions: int = 0,
    causal: bool = False,
) -> Stack:
    """BERT as the text tower, with costs per token and per text."""
    sizes = bert_sizes(part)
    return Stack(
        before=before,
        stack=(Layers(costs=block(part, sizes), times=sizes.layers),),
        after=after or {},
        once=once or {},
        longest=max(sizes.positions - spare_positions, 1),
        causal=causal,
    )


def clip_text(fields: Fields, projection: int = 0, kind: str = "clip_text_model") -> Stack:
    """CLIP's text tower: causal, norms before the blocks."""
    return _text(with_defaults_of(fields, kind), projection, causal=True)


def _text(fields: Fields, projection: int, causal: bool) -> Stack:
    sizes = replace(bert_sizes(fields), types=0)
    norm = {"norm/outer": held(2 * sizes.hidden)}
    before = {**tables(sizes, sizes.hidden, norm=False), **norm}
    once = {"head/project": linear(sizes.hidden, projection, not causal)}
    return bert_tower(fields, before, once=once, causal=causal)


def clip_sight(fields: Fields, projection: int = 0, kind: str = "clip_vision_model") -> Vision:
    """CLIP's image tower: a class token, norms before and after the layers."""
    vision = trunk(with_defaults_of(fields, kind))
    once = {"head/project": linear(vision.hidden, projection)}
    tables = {**vision.tables, "norm/outer": held(4 * vision.hidden)}
    return replace(vision, tables=tables, once=once, patch_bias=False)


def siglip_text(fields: Fields) -> Stack:
    """SigLIP's text tower, bidirectional with a final dense layer."""
    width = fields.size_or_none("projection_size") or fields.size("hidden_size", default=768)
    return _text(with_defaults_of(fields, "siglip_text_model"), width, causal=False)


def siglip_sight(fields: Fields) -> Vision:
    """SigLIP's image tower: no class token; a learned query gathers the patches, then an MLP."""
    vision = trunk(fields, prefix=0)
    if not fields.flag("vision_use_head", default=True):
        return vision
    hidden = vision.hidden
    heads = fields.size("num_attention_heads", default=12)
    attention = equal_heads(fields, hidden, heads).costs()
    mlp = Mlp(hidden, fields.size("intermediate_size", default=3072), bias=True)
    after: dict[str, Cost] = {
        "pooler/key": attention["attention/key"],
        "pooler/value": attention["attention/value"],
        "pooler/scores": Cost(flop_per_token=2 * hidden),
        "pooler/reduce": Cost(flop_per_token=2 * hidden),
    }
    once: dict[str, Cost] = {
        "pooler/probe": held(hidden),
        "pooler/query": attention["attention/query"],
        "pooler/output": attention["attention/output"],
        "pooler/norm": held(2 * hidden),
        **{f"pooler/{part.partition('/')[2]}": cost for part, cost in mlp.costs().items()},
    }
    return replace(vision, after=after, once=once)


@family("clip", "metaclip_2")
def clip(fields: Fields) -> Network:
    """CLIP: both towers, or the image tower under a classifier (arXiv:2103.00020)."""
    vision = fields.part("vision_config")
    if task(fields) == "ImageClassification":
        return _classifier(fields, clip_sight(vision))
    width = fields.size("projection_dim", default=512)
    text = clip_text(fields.part("text_config"), width)
    return pair_network(fields, text, clip_sight(vision, width), width)


CONCEPTS = 17 + 3
"""Concepts that an image is compared with, regular and special (diffusers 0.42). [1]"""


@family("safety_checker")
def safety_checker(fields: Fields) -> Network:
    """Stable Diffusion's safety checker: CLIP's tower, with a vector and threshold per concept."""
    width = fields.size("projection_dim", default=512)
    sight = clip_sight(fields.part("vision_config"), width)
    concepts = {"concepts": held(CONCEPTS * (width + 1))}
    return network(fields, replace(sight, once={**sight.once, **concepts}).run)


@family("siglip")
def siglip(fields: Fields) -> Network:
    """SigLIP: like CLIP, with each pair scored separately (arXiv:2303.15343)."""
    vision = fields.part("vision_config")
    if task(fields) == "ImageClassification":
        return _classifier(fields, siglip_sight(vision))
    sight = siglip_sight(vision)
    text = siglip_text(fields.part("text_config"))
    return pair_network(fields, text, sight, sight.hidden, scales=2)


def _classifier(fields: Fields, vision: Vision) -> Network:
    """Image tower with a classifier."""
    once = {**vision.once, **classifier(fields, vision.hidden)}
    return network(fields, replace(vision, once=once).run)


def _tower(read: Callable[[Fields], Vision | Stack], fields: Fields) -> Network:
    """Single tower."""
    return network(fields, read(fields).run)


def _projected(read: Callable[[Fields, int], Vision | Stack], fields: Fields) -> Network:
    """Single CLIP tower, with its projection if the class has one."""
    projects = class_name(fields).endswith("WithProjection")
    width = fields.size("projection_dim", default=512) if projects else 0
    return network(fields, read(fields, width).run)


@family("siglip2")
def siglip2(fields: Fields) -> Network:
    """SigLIP 2: a table of patches instead of an image size (arXiv:2502.14786, sec. 2.4)."""
    vision = patched(fields.part("vision_config"))
    return siglip(fields.with_values({"vision_config": vision.values}))


def patched(fields: Fields) -> Fields:
    """SigLIP 2's tower, with the image side that its patches cover."""
    patches = fields.size("num_patches", default=256)
    side = round(patches**0.5)
    if side * side != patches:
        raise refuse("config_key_square", key=fields.full_name("num_patches"), value=patches)
    size = side * fields.size("patch_size", default=16)
    return fields.with_values({"image_size": size})


@family("clipseg")
def clipseg(fields: Fields) -> Network:
    """CLIPSeg: CLIP without its uncounted mask decoder (arXiv:2112.10003)."""
    masks = task(fields) == "ImageSegmentation"
    note = ("the decoder of CLIPSegForImageSegmentation is not counted",) * masks
    return clip(fields.noted(*note))


def bilingual(deep: bool, fields: Fields) -> Network:
    """CLIP's image tower with a BERT: Chinese CLIP and AltCLIP (arXiv:2211.01335, 2211.06679)."""
    name = "altclip_text_model" if deep else "chinese_clip_text_model"
    part, vision = with_defaults_of(fields.part("text_config"), name), fields.part("vision_config")
    width = fields.size("projection_dim", default=768 if deep else 512)
    sizes = bert_sizes(part)
    inner = hidden = sizes.hidden
    after: Costs = {}
    if deep:
        hidden = part.size("project_dim", default=768)
        transform = affine(inner, hidden)
        after = {"norm/outer": held(2 * inner), "head/transform": transform}
    project, before = {"head/project": linear(hidden, width)}, tables(sizes, inner)
    text = bert_tower(part, before, after=after, once=project, spare_positions=2 * deep)
    return pair_network(fields, text, clip_sight(vision, width), width)


families(
    _projected,
    {
        "clip_text_model": clip_text,
        "clip_vision_model": clip_sight,
        "metaclip_2_text_model": clip_text,
        "metaclip_2_vision_model": clip_sight,
        "clipseg_text_model": clip_text,
        "clipseg_vision_model": clip_sight,
        "chinese_clip_vision_model": clip_sight,
    },
)
families(
    _tower,
    {
        "siglip_text_model": siglip_text,
        "siglip_vision_model": siglip_sight,
        "siglip2_text_model": siglip_text,
        "siglip2_vision_model": lambda fields: siglip_sight(patched(fields)),
    },
)
families(bilingual, {"chinese_clip": False, "altclip": True})


def _aim_sight(fields: Fields, projection: int = 0) -> Vision:
    """Image tower: no class token, a learned query that pools the patches."""
    part = with_defaults_of(fields, "aimv2_vision_model")
    bias = part.flag("qkv_bias")
    sight = trunk(part, prefix=0, bias=bias, gated=True, norm=1)
    hidden, width = sight.hidden, part.size("intermediate_size")
    mlp = Mlp(hidden, width, gated=True, bias=part.flag("mlp_bias")).costs()
    places = {"embedding/position": Cost()} if part.flag("is_native") else {}
    sight = replace(sight, layer={**sight.layer, **mlp}, tables={**sight.tables, **places})
    project = {"head/project": linear(hidden, projection)}
    if not part.flag("use_head", default=True):
        return replace(sight, once=project)
    asked = Cost(flop_per_token=2 * hidden)
    seen = linear(hidden, 2 * hidden, bias=bias)
    after: Costs = {"pooler/key_value": seen, "pooler/scores": asked, "pooler/reduce": asked}
    pooled = {"pooler/query": held(hidden), "pooler/output": affine(hidden, hidden)}
    return replace(sight, after=after, once={**pooled, **project})


def _aim_text(fields: Fields, projection: int = 0) -> Stack:
    """Causal text tower."""
    part = with_defaults_of(fields, "aimv2_text_model")
    sizes = replace(bert_sizes(part), types=0)
    attention = equal_heads(part, sizes.hidden, sizes.heads, bias=part.flag("qkv_bias"))
    mlp = Mlp(sizes.hidden, sizes.width, gated=True, bias=part.flag("mlp_bias"))
    layer = layer_costs(attention, mlp, 2 * sizes.hidden)
    norm = {"norm/outer": held(sizes.hidden)}
    before = {**tables(sizes, sizes.hidden, norm=False), **norm}
    once = {"head/project": linear(sizes.hidden, projection)}
    tower = bert_tower(part, before, once=once, causal=True)
    return replace(tower, stack=(Layers(costs=layer, times=sizes.layers),))


@family("aimv2")
def aimv2(fields: Fields) -> Network:
    """AIMv2: both towers, compared as in CLIP."""
    width = fields.size("projection_dim", default=512)
    text = _aim_text(fields.part("text_config"), width)
    return pair_network(fields, text, _aim_sight(fields.part("vision_config"), width), width)


@family("aimv2_vision_model")
def aimv2_sight(fields: Fields) -> Network:
    """AIMv2's image tower."""
    return vision_network(fields, _aim_sight(fields))


families(_tower, {"aimv2_text_model": _aim_text})


SPELLED = {
    "embed_dim": ("patch_embeds_hidden_size", 96),
    "num_heads": ("num_attention_heads", (4, 8, 16, 32)),
    "image_size": ("spec_size", 256),
    "num_channels": ("patch_embed_input_channels", 1),
}
"""Key of Swin -> its name in CLAP, and its default."""


def _spectrogram(fields: Fields) -> Fields:
    """Audio part as a config of Swin over a single-channel square."""
    fields.counted("patch_stride", 4, [4, 4])
    usual = {new: value for new, (_, value) in SPELLED.items()}
    stated = {new: (fields, old) for new, (old, _) in SPELLED.items()}
    return fields.with_defaults({"window_size": 8}).with_values(usual).renamed(stated)


def _projection(width: int, out: int) -> Costs:
    """Two dense layers on one state per sequence."""
    first, second = affine(width, out), affine(out, out)
    return {"head/project_in": first, "head/project_out": second}


def _fusion(fields: Fields, width: int) -> int:
    """Parameters of the branch for longer recordings, 0 without one."""
    if not fields.flag("enable_fusion"):
        return 0
    narrow = width // fields.size("aff_block_r", default=4)
    gate = affine(width, narrow).params + affine(narrow, width).params
    patch = fields.size("patch_size", default=4)
    return 2 * (gate + 2 * narrow + 2 * width) + (3 * patch * patch + 1) * width


@family("clap")
def clap(fields: Fields) -> Network:
    """CLAP: both towers, each projected by two layers."""
    part = with_defaults_of(fields.part("text_config"), "clap_text_model")
    audio = fields.part("audio_config")
    width = fields.size("projection_dim", default=512)
    sizes = bert_sizes(part)
    hidden = sizes.hidden
    ends = {"pooler": affine(hidden, hidden), **_projection(hidden, width)}
    text = bert_tower(part, tables(sizes, hidden), once=ends, spare_positions=2)
    spectrogram = _spectrogram(audio)
    tower = swin(1, spectrogram)
    first = spectrogram.size("embed_dim")
    stages = len(audio.layer_counts("depths", (2, 2, 6, 2)))
    last = audio.size("hidden_size", default=first * 2 ** (stages - 1))
    once = {
        "norm/features": held(2 * audio.size("num_mel_bins", default=64)),
        "fusion": held(_fusion(audio, first)),
        **_projection(last, width),
    }
    compare = product(2, 4 * width)

    def run(inputs: Inputs) -> Pass:
        batch, seq_len = sequence(inputs, text.longest)
        audio_ledger = tower.ledger(replace(inputs, image_size=None))
        done = [*prefixed(text.lines(batch, seq_len, inputs), "text/")]
        done += prefixed([*audio_ledger.terms.items(), *lines(once, batch)], "audio/")
        done += lines({"head/compare": compare}, batch * batch)
        return Pass(lines=done, items=batch * seq_len + audio_ledger.items)

    return network(fields, run)
