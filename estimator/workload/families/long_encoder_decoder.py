"""Which encoder-decoder for long texts a config describes: LED, Pegasus-X, LongT5, BigBird-Pegasus.

Their encoders attend in blocks by construction, so the scores are counted in blocks, padding
included; LED without global tokens. Their decoders are those of BART, Pegasus and T5.
"""

from dataclasses import replace

import numpy as np

from estimator.workload.blocks import Cost, held
from estimator.workload.families.encoder_decoder import WIDTH, Side, encoder_decoder, side
from estimator.workload.families.longformer import big_bird_blocks, windowed_layers
from estimator.workload.families.t5 import T5Facts, distance_biases, t5
from estimator.workload.fields import Fields
from estimator.workload.layers import Near
from estimator.workload.ledger import Quantity
from estimator.workload.model_class import task
from estimator.workload.network import Network
from estimator.workload.registry import families, family


@family("led")
def led(fields: Fields) -> Network:
    """LED: sliding windows in BART's encoder (arXiv:2004.05150, sec. 7)."""
    hidden, rows = fields.size(*WIDTH), fields.size("max_encoder_position_embeddings")
    source = side(fields, "encoder", rows)
    costs = {**source.stack[0].costs, "attention/global": held(3 * hidden * (hidden + 1))}
    source = replace(source, stack=windowed_layers(fields, costs, source.layers))
    target = side(fields, "decoder", fields.size("max_decoder_position_embeddings"))
    return encoder_decoder(fields, source, target, rows).network(fields)


@family("pegasus_x")
def pegasus_x(fields: Fields) -> Network:
    """Pegasus-X: staggered blocks and global tokens (arXiv:2208.04347, sec. 4)."""
    spread, bias = fields.size("num_global_tokens"), (False, False)
    source = side(fields, "encoder", spread, bias=bias)
    norm = {"norm/global": held(2 * fields.size(*WIDTH))}
    source = source.with_layers(norm, _staggered(fields, spread, source.layers))
    longest = fields.size("max_position_embeddings")
    return encoder_decoder(fields, source, side(fields, "decoder", bias=bias), longest).network(
        fields
    )


def _staggered(fields: Fields, spread: int, layers: int) -> Near:
    """Blocks, shifted by half of one in every other layer, and global tokens beside them."""
    block = fields.size("block_size")
    share = layers // 2 * fields.flag("stagger_local_blocks") / layers

    def near(part: str, length: Quantity) -> tuple[Quantity, Quantity]:
        padded = np.ceil(length / block) * block
        local = padded + share * block
        projected = part.startswith("attention/")
        pairs = local * (block + spread) + spread * (local + spread)
        return (local if projected else padded) + spread, pairs

    return near


@family("bigbird_pegasus")
def bigbird_pegasus(fields: Fields) -> Network:
    """BigBird-Pegasus: windows, random and global blocks (arXiv:2007.14062, sec. 4)."""
    rows, bias = fields.size("max_position_embeddings"), (fields.flag("use_bias"),) * 2
    source = side(fields, "encoder", rows, bias=bias).with_layers({}, big_bird_blocks(fields))
    target = side(fields, "decoder", rows, bias=bias)
    if task(fields) == "CausalLM":
        untied = fields.with_values({"tie_word_embeddings": False})
        return encoder_decoder(untied, None, target, rows).network(fields)
    return encoder_decoder(fields, source, target, rows).network(fields)


def local_encoder(fields: Fields, source: Side) -> Side:
    """LongT5: local windows, perhaps with averages of blocks beside them (arXiv:2112.07916)."""
    kind = fields.text("encoder_attention_type")
    if kind not in ("local", "transient-global"):
        raise ValueError(f"encoder_attention_type {kind!r} is not known")
    every = fields.size("global_block_size") if kind != "local" else 0
    hidden, average = source.attention.hidden, dict[str, Cost]()
    if every:
        average = {"norm/global": held(hidden), "attention/average": Cost(flop_per_pair=2 * hidden)}
    near = _windowed(fields.size("local_radius") + 1, every)
    before = distance_biases(fields, source.attention, 1 + bool(every))
    return replace(source.with_layers(average, near), before=before)


def _windowed(block: int, every: int) -> Near:
    """A block and its neighbours, and one average of each `every` tokens, none if 0."""

    def near(part: str, length: Quantity) -> tuple[Quantity, Quantity]:
        padded = np.ceil(length / block) * block
        averages = length // every if every else 0.0 * length
        if part == "attention/average":
            return length, length * averages
        beside = averages if part in ("attention/key", "attention/value") else 0.0
        return length + beside, padded * (3.0 * block + averages)

    return near


families(t5, {"longt5": T5Facts(encoder=local_encoder)})
