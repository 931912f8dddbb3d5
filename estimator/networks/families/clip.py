"""Models of text with images: CLIP, MetaCLIP, SigLIP, and each tower alone.

A pass holds `batch` images and as many texts of `seq_len` tokens; its items are those of both
towers.
"""

from collections.abc import Callable
from dataclasses import replace

from estimator.core.messages import refuse
from estimator.networks.blocks import (
    Cost,
    Mlp,
    equal_heads,
    linear,
    params_only,
    product,
)
from estimator.networks.convolution import image
from estimator.networks.families.text_encoder import bert_sizes, block, tables
from estimator.networks.families.vit import Vision, trunk
from estimator.networks.fields import Fields
from estimator.networks.layers import Layers, Stack
from estimator.networks.ledger import Inputs
from estimator.networks.model_class import class_name, classifier, task
from estimator.networks.network import Network, Pass, lines, network, prefixed, sequence
from estimator.networks.registry import families, family, with_defaults_of


def pair_network(
    fields: Fields, text: Stack, sight: Vision, width: int, scales: int = 1
) -> Network:
    """Join two towers: products of their embeddings of `width`, with learned scales.

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


def clip_text(fields: Fields, projection: int = 0) -> Stack:
    """Build CLIP's text tower: causal, norms before the blocks."""
    return _text(with_defaults_of(fields, "clip_text_model"), projection, causal=True)


def _text(fields: Fields, projection: int, causal: bool) -> Stack:
    sizes = replace(bert_sizes(fields), types=0)
    norm = {"norm/outer": params_only(2 * sizes.hidden)}
    before = {**tables(sizes, sizes.hidden, norm=False), **norm}
    once = {"head/project": linear(sizes.hidden, projection, not causal)}
    layers = Layers(costs=block(fields, sizes), times=sizes.layers)
    longest = sizes.positions
    return Stack(
        before=before, stack=(layers,), after={}, once=once, longest=longest, causal=causal
    )


def clip_sight(fields: Fields, projection: int = 0) -> Vision:
    """Build CLIP's image tower: a class token, norms before and after the layers."""
    vision = trunk(with_defaults_of(fields, "clip_vision_model"))
    once = {"head/project": linear(vision.hidden, projection)}
    tables = {**vision.tables, "norm/outer": params_only(4 * vision.hidden)}
    return replace(vision, tables=tables, once=once, patch_bias=False)


def siglip_text(fields: Fields) -> Stack:
    """Build SigLIP's text tower: bidirectional with a final dense layer."""
    width = fields.size_or_none("projection_size") or fields.size("hidden_size", default=768)
    return _text(with_defaults_of(fields, "siglip_text_model"), width, causal=False)


def siglip_sight(fields: Fields) -> Vision:
    """Build SigLIP's image tower: no class token; a learned query pools the patches."""
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
        "pooler/probe": params_only(hidden),
        "pooler/query": attention["attention/query"],
        "pooler/output": attention["attention/output"],
        "pooler/norm": params_only(2 * hidden),
        **{f"pooler/{part.partition('/')[2]}": cost for part, cost in mlp.costs().items()},
    }
    return replace(vision, after=after, once=once)


@family("clip", "metaclip_2")
def clip(fields: Fields) -> Network:
    """Build CLIP: both towers, or the image tower under a classifier (arXiv:2103.00020)."""
    vision = fields.part("vision_config")
    if task(fields) == "ImageClassification":
        return _classifier(fields, clip_sight(vision))
    width = fields.size("projection_dim", default=512)
    text = clip_text(fields.part("text_config"), width)
    return pair_network(fields, text, clip_sight(vision, width), width)


@family("siglip")
def siglip(fields: Fields) -> Network:
    """Build SigLIP: like CLIP, with each pair scored separately (arXiv:2303.15343)."""
    vision = fields.part("vision_config")
    if task(fields) == "ImageClassification":
        return _classifier(fields, siglip_sight(vision))
    sight = siglip_sight(vision)
    text = siglip_text(fields.part("text_config"))
    return pair_network(fields, text, sight, sight.hidden, scales=2)


def _classifier(fields: Fields, vision: Vision) -> Network:
    """Build an image tower with a classifier."""
    once = {**vision.once, **classifier(fields, vision.hidden)}
    return network(fields, replace(vision, once=once).run)


def _tower(read: Callable[[Fields], Vision | Stack], fields: Fields) -> Network:
    """Build a single tower."""
    return network(fields, read(fields).run)


def _projected(read: Callable[[Fields, int], Vision | Stack], fields: Fields) -> Network:
    """Build a single CLIP tower, with its projection if the class has one."""
    projects = class_name(fields).endswith("WithProjection")
    width = fields.size("projection_dim", default=512) if projects else 0
    return network(fields, read(fields, width).run)


@family("siglip2")
def siglip2(fields: Fields) -> Network:
    """Build SigLIP 2: a table of patches instead of an image size (arXiv:2502.14786, sec. 2.4)."""
    vision = patched(fields.part("vision_config"))
    return siglip(fields.with_values({"vision_config": vision.values}))


def patched(fields: Fields) -> Fields:
    """Build SigLIP 2's tower, with the image side that its patches cover."""
    patches = fields.size("num_patches", default=256)
    side = round(patches**0.5)
    if side * side != patches:
        raise refuse("config_key_square", key=fields.full_name("num_patches"), value=patches)
    size = side * fields.size("patch_size", default=16)
    return fields.with_values({"image_size": size})


families(
    _projected,
    {
        "clip_text_model": clip_text,
        "clip_vision_model": clip_sight,
        "metaclip_2_text_model": clip_text,
        "metaclip_2_vision_model": clip_sight,
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
