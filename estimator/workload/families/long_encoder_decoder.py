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
    distance_biases,
    t5_attention,
    t5_mlp,
)
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers, Near
from estimator.workload.ledger import Quantity
from estimator.workload.model_class import class_name, task
from estimator.workload.network import Network
from estimator.workload.registry import family


@family("led")
def led(fields: Fields) -> Network:
    """LED: sliding windows in BART's encoder (arXiv:2004.05150, sec. 7)."""
    hidden = fields.size("hidden_size", "d_model")
    vocab = fields.size("vocab_size")
    rows = fields.size("max_encoder_position_embeddings")
    written = fields.size("max_decoder_position_embeddings")
    norm = {"norm/outer": held(2 * hidden)}
    before = {"embedding/position": table(rows, hidden), **norm}
    source = side(fields, hidden, "encoder", before)
    own = {"attention/global": held(3 * hidden * (hidden + 1))}
    costs = {**source.stack[0].costs, **own}
    before = {"embedding/position": table(written, hidden), **norm}
    model = EncoderDecoder(
        table=token_tables(vocab * hidden, fields),
        source=replace(source, stack=windowed_layers(fields, costs, source.layers)),
        target=side(fields, hidden, "decoder", before),
        heads=head(fields, hidden, vocab, fields.flag("tie_word_embeddings", default=True)),
        longest=rows,
    )
    return model.network(fields)


@family("pegasus_x")
def pegasus_x(fields: Fields) -> Network:
    """Pegasus-X: staggered blocks and global tokens (arXiv:2208.04347, sec. 4)."""
    hidden = fields.size("hidden_size", "d_model")
    vocab = fields.size("vocab_size")
    spread = fields.size("num_global_tokens")
    norm = {"norm/outer": held(2 * hidden)}
    before = {"embedding/position": table(spread, hidden), **norm}
    source = side(fields, hidden, "encoder", before, (False, False))
    near = _staggered(fields, spread, source.layers)
    model = EncoderDecoder(
        table=token_tables(vocab * hidden, fields),
        source=source.with_layers({"norm/global": held(2 * hidden)}, near),
        target=side(fields, hidden, "decoder", norm, (False, False)),
        heads=head(fields, hidden, vocab, fields.flag("tie_word_embeddings", default=True)),
        longest=fields.size("max_position_embeddings"),
    )
    return model.network(fields)


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
    hidden = fields.size("hidden_size", "d_model")
    vocab = fields.size("vocab_size")
    rows = fields.size("max_position_embeddings")
    bias = (fields.flag("use_bias"),) * 2
    before = {"embedding/position": table(rows, hidden), "norm/outer": held(2 * hidden)}
    source = side(fields, hidden, "encoder", before, bias)
    writes = task(fields) == "CausalLM"
    tied = fields.flag("tie_word_embeddings", default=True) and not writes
    model = EncoderDecoder(
        table=token_tables(vocab * hidden, fields, writes),
        source=None if writes else source.with_layers({}, big_bird_blocks(fields)),
        target=side(fields, hidden, "decoder", before, bias),
        heads=head(fields, hidden, vocab, tied),
        longest=rows,
    )
    return model.network(fields)


@family("longt5")
def longt5(fields: Fields) -> Network:
    """LongT5: local windows, perhaps with averages of blocks beside them (arXiv:2112.07916)."""
    attention, vocab = t5_attention(fields), fields.size("vocab_size")
    hidden, mlp = attention.hidden, t5_mlp(fields, attention.hidden)
    layers = fields.layers("num_hidden_layers", "num_layers")
    written = fields.size_or_none("num_decoder_layers") or layers
    kind = fields.text("encoder_attention_type")
    if kind not in ("local", "transient-global"):
        raise ValueError(f"encoder_attention_type {kind!r} is not known")
    every = fields.size("global_block_size") if kind != "local" else 0
    average: Costs = {}
    if every:
        average = {"norm/global": held(hidden), "attention/average": Cost(flop_per_pair=2 * hidden)}
    encodes = Layers(
        costs={**layer_costs(attention, mlp, 2 * hidden), **average},
        times=layers,
        near=_windowed(fields.size("local_radius") + 1, every),
    )
    decodes = Layers(costs=layer_costs(attention, mlp, 3 * hidden), times=written)
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
