"""Models with block attention in the encoder.

Encoders: Longformer, BigBird. Encoder-decoders with the decoders of BART, Pegasus and T5: LED,
Pegasus-X, LongT5, BigBird-Pegasus. Scores are counted in blocks, padding included; Longformer and
LED without global tokens.
"""

from dataclasses import replace

import numpy as np

from estimator.networks.blocks import Cost, Costs, affine, linear, params_only
from estimator.networks.families.encoder_decoder import WIDTH, Side, encoder_decoder, side
from estimator.networks.families.t5 import T5Facts, distance_biases, t5
from estimator.networks.families.text_encoder import (
    CLASSIFIERS,
    LANGUAGE_TASKS,
    Sizes,
    TextFacts,
    block,
    text_encoder,
)
from estimator.networks.fields import Fields
from estimator.networks.layers import Layers, Near
from estimator.networks.ledger import Quantity
from estimator.networks.model_class import label_head, task
from estimator.networks.network import Network
from estimator.networks.registry import families, family


def windowed_layers(fields: Fields, costs: Costs, layers: int) -> tuple[Layers, ...]:
    """Group layers by `attention_window`; the widest window sets the padding."""
    if isinstance(fields.values.get("attention_window"), list | tuple):
        listed = fields.items("attention_window", layers) or []
        found = [fields.with_values({"w": w}).size("w", least=2) for w in listed]
    else:
        found = [fields.size("attention_window", default=512, least=2)] * layers
    return tuple(
        Layers(costs=costs, times=found.count(window), near=_sliding(window // 2, max(found)))
        for window in dict.fromkeys(found)
    )


def _sliding(half: int, step: int) -> Near:
    """Count overlapping chunks: two half windows for scores, three for values.

    See arXiv:2004.05150, sec. 3.2 and appendix A.
    """

    def near(part: str, length: Quantity) -> tuple[Quantity, Quantity]:
        padded = np.ceil(length / step) * step
        if part == "attention/reduce":
            return padded, 3.0 * half * padded
        return padded, (padded / half - 1.0) * (2 * half) ** 2

    return near


def big_bird_blocks(fields: Fields) -> Near:
    """Count windows, random and global blocks beyond a length, and full attention below it.

    See arXiv:2007.14062, sec. 2 and appendix D.
    """
    edge = fields.size("block_size", default=64)
    drawn = fields.size("num_random_blocks", default=3, least=0)
    sparse = fields.text("attention_type", default="block_sparse") == "block_sparse"

    def near(part: str, length: Quantity) -> tuple[Quantity, Quantity]:
        blocked = sparse & (np.asarray(length) > (5 + 2 * drawn) * edge)
        padded = np.where(blocked, np.ceil(length / edge) * edge, length)
        inner = 2 * (4 + drawn) * edge + (padded / edge - 4) * (5 + drawn) * edge
        return padded, np.where(blocked, edge * (2 * padded + inner), padded**2)

    return near


def _global_layer(fields: Fields, sizes: Sizes) -> Costs:
    """Return Longformer's separate projections for global tokens."""
    spare = params_only(3 * sizes.hidden * (sizes.hidden + 1))
    return {**block(fields, sizes), "attention/global": spare}


def _big_bird_layer(fields: Fields, sizes: Sizes) -> Costs:
    projected = linear(sizes.hidden, sizes.hidden, fields.flag("use_bias", default=True))
    own = {f"attention/{part}": projected for part in ("query", "key", "value")}
    return {**block(fields, sizes), **own}


def _deep_span(fields: Fields, sizes: Sizes) -> Costs:
    """Return BigBird's MLP before the answer span."""
    return {
        "head/up": affine(sizes.hidden, sizes.width),
        "head/down": affine(sizes.width, sizes.hidden),
        "norm/head": params_only(2 * sizes.hidden),
        "head/span": label_head(fields, sizes.hidden),
    }


def _unused_pooler(fields: Fields, sizes: Sizes) -> Costs:
    """Return BigBird's unused pooler in sequence classifiers."""
    rests = task(fields) == "SequenceClassification"
    return {"pooler": params_only(sizes.hidden * (sizes.hidden + 1) * rests)}


families(
    text_encoder,
    {
        "longformer": TextFacts(
            spare_positions=2,
            layer=_global_layer,
            stack=lambda fields, sizes, costs: windowed_layers(fields, costs, sizes.layers),
            pooled=("", "MultipleChoice"),
            dense_before=CLASSIFIERS,
        ),
        "big_bird": TextFacts(
            layer=_big_bird_layer,
            stack=lambda fields, sizes, costs: (
                Layers(costs=costs, times=sizes.layers, near=big_bird_blocks(fields)),
            ),
            extra=_unused_pooler,
            pooled=("MultipleChoice", "TokenClassification", "", *LANGUAGE_TASKS),
            dense_before=CLASSIFIERS,
            own_heads={"QuestionAnswering": _deep_span},
        ),
    },
)


@family("led")
def led(fields: Fields) -> Network:
    """Build LED: sliding windows in BART's encoder (arXiv:2004.05150, sec. 7)."""
    hidden, rows = fields.size(*WIDTH), fields.size("max_encoder_position_embeddings")
    source = side(fields, "encoder", rows)
    costs = {**source.stack[0].costs, "attention/global": params_only(3 * hidden * (hidden + 1))}
    source = replace(source, stack=windowed_layers(fields, costs, source.layers))
    target = side(fields, "decoder", fields.size("max_decoder_position_embeddings"))
    return encoder_decoder(fields, source, target, rows).network(fields)


@family("pegasus_x")
def pegasus_x(fields: Fields) -> Network:
    """Build Pegasus-X: staggered blocks and global tokens (arXiv:2208.04347, sec. 4)."""
    spread, bias = fields.size("num_global_tokens"), (False, False)
    source = side(fields, "encoder", spread, bias=bias)
    norm = {"norm/global": params_only(2 * fields.size(*WIDTH))}
    source = source.with_layers(norm, _staggered(fields, spread, source.layers))
    longest = fields.size("max_position_embeddings")
    return encoder_decoder(fields, source, side(fields, "decoder", bias=bias), longest).network(
        fields
    )


def _staggered(fields: Fields, spread: int, layers: int) -> Near:
    """Count blocks that shift by half in every other layer, plus global tokens."""
    edge = fields.size("block_size")
    share = layers // 2 * fields.flag("stagger_local_blocks") / layers

    def near(part: str, length: Quantity) -> tuple[Quantity, Quantity]:
        padded = np.ceil(length / edge) * edge
        local = padded + share * edge
        projected = part.startswith("attention/")
        pairs = local * (edge + spread) + spread * (local + spread)
        return (local if projected else padded) + spread, pairs

    return near


@family("bigbird_pegasus")
def bigbird_pegasus(fields: Fields) -> Network:
    """Build BigBird-Pegasus: windows, random and global blocks (arXiv:2007.14062, sec. 4)."""
    rows, bias = fields.size("max_position_embeddings"), (fields.flag("use_bias"),) * 2
    source = side(fields, "encoder", rows, bias=bias).with_layers({}, big_bird_blocks(fields))
    target = side(fields, "decoder", rows, bias=bias)
    if task(fields) == "CausalLM":
        untied = fields.with_values({"tie_word_embeddings": False})
        return encoder_decoder(untied, None, target, rows).network(fields)
    return encoder_decoder(fields, source, target, rows).network(fields)


def local_encoder(fields: Fields, source: Side) -> Side:
    """Build LongT5's encoder: local windows, optionally with block averages (arXiv:2112.07916)."""
    kind = fields.supported("encoder_attention_type", "local", "transient-global")
    every = fields.size("global_block_size") if kind != "local" else 0
    hidden, average = source.attention.hidden, dict[str, Cost]()
    if every:
        average = {
            "norm/global": params_only(hidden),
            "attention/average": Cost(flop_per_pair=2 * hidden),
        }
    near = _windowed(fields.size("local_radius") + 1, every)
    before = distance_biases(fields, source.attention, 1 + bool(every))
    return replace(source.with_layers(average, near), before=before)


def _windowed(edge: int, every: int) -> Near:
    """Count a block with its neighbors and one average per `every` tokens, none if 0."""

    def near(part: str, length: Quantity) -> tuple[Quantity, Quantity]:
        padded = np.ceil(length / edge) * edge
        averages = length // every if every else 0.0 * length
        if part == "attention/average":
            return length, length * averages
        beside = averages if part in ("attention/key", "attention/value") else 0.0
        return length + beside, padded * (3.0 * edge + averages)

    return near


families(t5, {"longt5": T5Facts(encoder=local_encoder)})
