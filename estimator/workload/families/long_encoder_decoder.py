"""Which encoder-decoder for long texts a config describes: LED, Pegasus-X, LongT5, BigBird-Pegasus.

Their encoders attend in blocks by construction, so the scores are counted in blocks, padding
included; LED without global tokens. Their decoders are those of BART, Pegasus and T5.
"""

from dataclasses import replace

import numpy as np

from estimator.workload.blocks import Cost, Costs, held, layer_costs, table
from estimator.workload.families.encoder_decoder import (
    EncoderDecoder,
    Side,
    head,
    side,
    token_tables,
)
from estimator.workload.families.longformer import big_bird_blocks, windowed_layers
from estimator.workload.families.t5 import (
    DEFAULT_POSITIONS,
    T5Facts,
    distance_biases,
    t5_attention,
    t5_mlp,
)
from estimator.workload.families.text_encoder import Group, Near
from estimator.workload.fields import Fields
from estimator.workload.ledger import Quantity
from estimator.workload.model_class import class_name, task
from estimator.workload.network import Network
from estimator.workload.registry import family

LONG = (16, 16, 4096)
"""Usual layers, heads and MLP's width of a side."""


@family("led")
def led(fields: Fields) -> Network:
    """LED: sliding windows in BART's encoder (arXiv:2004.05150, sec. 7)."""
    hidden = fields.size("hidden_size", "d_model", default=1024)
    vocab = fields.size("vocab_size", default=50265)
    rows = fields.size("max_encoder_position_embeddings", default=16384)
    written = fields.size("max_decoder_position_embeddings", default=1024)
    norm = {"norm/outer": held(2 * hidden)}
    before = {"embedding/position": table(rows, hidden), **norm}
    source = side(fields, hidden, "encoder", (12, 16, 4096), before)
    own = {"attention/global": held(3 * hidden * (hidden + 1))}
    costs = {**source.stack[0].costs, **own}
    before = {"embedding/position": table(written, hidden), **norm}
    model = EncoderDecoder(
        table=token_tables(vocab * hidden, fields),
        source=replace(source, stack=windowed_layers(fields, costs, source.layers)),
        target=side(fields, hidden, "decoder", (12, 16, 4096), before),
        heads=head(fields, hidden, vocab, fields.flag("tie_word_embeddings", default=True)),
        longest=rows,
    )
    return model.network(fields)


@family("pegasus_x")
def pegasus_x(fields: Fields) -> Network:
    """Pegasus-X: staggered blocks and global tokens (arXiv:2208.04347, sec. 4)."""
    hidden = fields.size("hidden_size", "d_model", default=1024)
    vocab = fields.size("vocab_size", default=96103)
    spread = fields.size("num_global_tokens", default=32)
    norm = {"norm/outer": held(2 * hidden)}
    before = {"embedding/position": table(spread, hidden), **norm}
    source = side(fields, hidden, "encoder", LONG, before, (False, False))
    near = _staggered(fields, spread, source.layers)
    model = EncoderDecoder(
        table=token_tables(vocab * hidden, fields),
        source=source.with_layers({"norm/global": held(2 * hidden)}, near),
        target=side(fields, hidden, "decoder", LONG, norm, (False, False)),
        heads=head(fields, hidden, vocab, fields.flag("tie_word_embeddings", default=True)),
        longest=fields.size("max_position_embeddings", default=16384),
    )
    return model.network(fields)


def _staggered(fields: Fields, spread: int, layers: int) -> Near:
    """Blocks, shifted by half of one in every other layer, and global tokens beside them."""
    block = fields.size("block_size", default=512)
    share = layers // 2 * fields.flag("stagger_local_blocks", default=True) / layers

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
    hidden = fields.size("hidden_size", "d_model", default=1024)
    vocab = fields.size("vocab_size", default=96103)
    rows = fields.size("max_position_embeddings", default=4096)
    bias = (fields.flag("use_bias"),) * 2
    before = {"embedding/position": table(rows, hidden), "norm/outer": held(2 * hidden)}
    source = side(fields, hidden, "encoder", LONG, before, bias)
    writes = task(fields) == "CausalLM"
    tied = fields.flag("tie_word_embeddings", default=True) and not writes
    model = EncoderDecoder(
        table=token_tables(vocab * hidden, fields, writes),
        source=None if writes else source.with_layers({}, big_bird_blocks(fields)),
        target=side(fields, hidden, "decoder", LONG, before, bias),
        heads=head(fields, hidden, vocab, tied),
        longest=rows,
    )
    return model.network(fields)


@family("longt5")
def longt5(fields: Fields) -> Network:
    """LongT5: local windows, perhaps with averages of blocks beside them (arXiv:2112.07916)."""
    facts = T5Facts()
    attention, vocab = t5_attention(fields, facts), fields.size("vocab_size", default=facts.vocab)
    hidden, mlp = attention.hidden, t5_mlp(fields, facts, attention.hidden)
    layers = fields.layers("num_hidden_layers", "num_layers", default=facts.layers)
    written = fields.size_or_none("num_decoder_layers") or layers
    kind = fields.text("encoder_attention_type", default="local")
    if kind not in ("local", "transient-global"):
        raise ValueError(f"encoder_attention_type {kind!r} is not known")
    every = fields.size("global_block_size", default=16) if kind != "local" else 0
    average: Costs = {}
    if every:
        average = {"norm/global": held(hidden), "attention/average": Cost(flop_per_pair=2 * hidden)}
    encodes = Group(
        costs={**layer_costs(attention, mlp, 2 * hidden), **average},
        times=layers,
        near=_windowed(fields.size("local_radius", default=127) + 1, every),
    )
    decodes = Group(costs=layer_costs(attention, mlp, 3 * hidden), times=written)
    before = distance_biases(fields, attention)
    model = EncoderDecoder(
        table=vocab * hidden,
        source=Side(
            before=distance_biases(fields, attention, 1 + bool(every)),
            stack=(encodes,),
            attention=attention,
        ),
        target=None
        if class_name(fields).endswith("EncoderModel")
        else Side(before=before, stack=(decodes,), attention=attention),
        heads=head(fields, hidden, vocab, fields.flag("tie_word_embeddings", default=True)),
        longest=fields.size("n_positions", default=DEFAULT_POSITIONS),
    )
    return model.network(fields)


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
