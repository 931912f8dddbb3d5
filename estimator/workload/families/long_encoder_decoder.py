"""Which encoder-decoder for long texts a config describes: LED, Pegasus-X, LongT5, BigBird-Pegasus.

Defaults are those of transformers 5.23. Their encoders attend in blocks by construction, so the
scores are counted in blocks, padding included; LED without global tokens. Their decoders are those
of BART, Pegasus and T5.
"""

import numpy as np

from estimator.workload.blocks import Attention, Cost, Costs, Mlp, held, table
from estimator.workload.families.encoder_decoder import (
    EncoderDecoder,
    Near,
    Side,
    cached_network,
    head,
)
from estimator.workload.families.t5 import DEFAULT_POSITIONS
from estimator.workload.families.text_encoder import Group
from estimator.workload.fields import Fields
from estimator.workload.ledger import Quantity
from estimator.workload.model_class import class_name, task
from estimator.workload.network import Network
from estimator.workload.registry import family

SCORES, REDUCE = "attention/scores", "attention/reduce"
PROJECTED = ("attention/query", "attention/key", "attention/value", "attention/output")


def _attention(fields: Fields, hidden: int, side: str, bias: tuple[bool, bool]) -> Attention:
    """Attention of one side, biases of projections and of the output."""
    key = f"{side}_attention_heads"
    heads = fields.size(key, default=16)
    return Attention(
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=fields.share("d_model", hidden, key, heads),
        qkv_bias=bias[0],
        output_bias=bias[1],
    )


def _layers(fields: Fields, side: str, attention: Attention, extra: Costs, usual: int) -> Group:
    """Layers of one side: attention, MLP, norms."""
    hidden = attention.hidden
    mlp = Mlp(hidden=hidden, width=fields.size(f"{side}_ffn_dim", default=4096), bias=True)
    norms = held((3 if side == "decoder" else 2) * 2 * hidden)
    costs = {**attention.costs(), **mlp.costs(), "norm/layers": norms, **extra}
    return Group(costs=costs, times=fields.layers(f"{side}_layers", default=usual))


@family("led")
def led(fields: Fields) -> Network:
    """LED: sliding windows in BART's encoder (arXiv:2004.05150, sec. 7)."""
    hidden = fields.size("hidden_size", "d_model", default=1024)
    vocab = fields.size("vocab_size", default=50265)
    rows = fields.size("max_encoder_position_embeddings", default=16384)
    written = fields.size("max_decoder_position_embeddings", default=1024)
    source = _attention(fields, hidden, "encoder", (True, True))
    target = _attention(fields, hidden, "decoder", (True, True))
    own: Costs = {"attention/global": held(3 * hidden * (hidden + 1))}
    encodes = _layers(fields, "encoder", source, own, 12)
    decodes = _layers(fields, "decoder", target, {}, 12)
    window = fields.values.get("attention_window", 512)
    if isinstance(window, list | tuple):
        listed = fields.items("attention_window", encodes.times) or [512]
        window = listed[0]
        if any(other != window for other in listed):
            raise ValueError("attention_window must be the same in each layer")
    window = Fields({"attention_window": window}).size("attention_window", least=2)
    after, once = head(fields, hidden, vocab, fields.flag("tie_word_embeddings", default=True))
    norm = held(2 * hidden)
    model = EncoderDecoder(
        table=vocab * hidden,
        source=Side(
            before={"embedding/position": table(rows, hidden), "norm/outer": norm}, stack=(encodes,)
        ),
        target=Side(
            before={"embedding/position": table(written, hidden), "norm/outer": norm},
            stack=(decodes,),
        ),
        cross=target,
        after=after,
        once=once,
        longest=rows,
        near=_sliding(window),
    )
    return cached_network(fields, model.run, target, decodes.times)


def _sliding(window: int) -> Near:
    """Overlapping chunks of a window for scores, three half windows for the values."""
    half = window // 2

    def near(part: str, length: Quantity) -> tuple[Quantity, Quantity]:
        padded = np.ceil(length / window) * window
        pairs = 3.0 * half * padded if part == REDUCE else (padded / half - 1.0) * window**2
        return padded, pairs

    return near


@family("pegasus_x")
def pegasus_x(fields: Fields) -> Network:
    """Pegasus-X: staggered blocks and global tokens (arXiv:2208.04347, sec. 4)."""
    hidden = fields.size("hidden_size", "d_model", default=1024)
    vocab = fields.size("vocab_size", default=96103)
    spread = fields.size("num_global_tokens", default=32)
    side = fields.size("block_size", default=512)
    source = _attention(fields, hidden, "encoder", (False, False))
    target = _attention(fields, hidden, "decoder", (False, False))
    encodes = _layers(fields, "encoder", source, {"norm/global": held(2 * hidden)}, 16)
    decodes = _layers(fields, "decoder", target, {}, 16)
    shifted = encodes.times // 2 * fields.flag("stagger_local_blocks", default=True)
    share = shifted / encodes.times
    after, once = head(fields, hidden, vocab, fields.flag("tie_word_embeddings", default=True))
    norm = held(2 * hidden)

    def near(part: str, length: Quantity) -> tuple[Quantity, Quantity]:
        padded = np.ceil(length / side) * side
        local = padded + share * side
        tokens = (local if part in PROJECTED else padded) + spread
        return tokens, local * (side + spread) + spread * (local + spread)

    outer: Costs = {"embedding/position": table(spread, hidden), "norm/outer": norm}
    model = EncoderDecoder(
        table=vocab * hidden,
        source=Side(before=outer, stack=(encodes,)),
        target=Side(before={"norm/outer": norm}, stack=(decodes,)),
        cross=target,
        after=after,
        once=once,
        longest=fields.size("max_position_embeddings", default=16384),
        near=near,
    )
    return cached_network(fields, model.run, target, decodes.times)


@family("bigbird_pegasus")
def bigbird_pegasus(fields: Fields) -> Network:
    """BigBird-Pegasus: windows, random and global blocks (arXiv:2007.14062, sec. 4)."""
    hidden = fields.size("hidden_size", "d_model", default=1024)
    vocab = fields.size("vocab_size", default=96103)
    rows = fields.size("max_position_embeddings", default=4096)
    bias = fields.flag("use_bias")
    source = _attention(fields, hidden, "encoder", (bias, bias))
    target = _attention(fields, hidden, "decoder", (bias, bias))
    encodes = _layers(fields, "encoder", source, {}, 16)
    decodes = _layers(fields, "decoder", target, {}, 16)
    side = fields.size("block_size", default=64)
    drawn = fields.size("num_random_blocks", default=3, least=0)
    sparse = fields.text("attention_type", default="block_sparse") == "block_sparse"
    shortest = (5 + 2 * drawn) * side

    def near(part: str, length: Quantity) -> tuple[Quantity, Quantity]:
        blocked = sparse & (np.asarray(length) > shortest)
        padded = np.where(blocked, np.ceil(length / side) * side, length)
        inner = 2 * (4 + drawn) * side + (padded / side - 4) * (5 + drawn) * side
        return padded, np.where(blocked, side * (2 * padded + inner), padded**2)

    writes = task(fields) == "CausalLM"
    tied = fields.flag("tie_word_embeddings", default=True) and not writes
    after, once = head(fields, hidden, vocab, tied)
    outer: Costs = {"embedding/position": table(rows, hidden), "norm/outer": held(2 * hidden)}
    model = EncoderDecoder(
        table=vocab * hidden,
        source=None if writes else Side(before=outer, stack=(encodes,)),
        target=Side(before=outer, stack=(decodes,)),
        cross=target,
        after=after,
        once=once,
        longest=rows,
        near=near,
    )
    return cached_network(fields, model.run, target, decodes.times)


@family("longt5")
def longt5(fields: Fields) -> Network:
    """LongT5: local windows, perhaps with averages of blocks beside them (arXiv:2112.07916)."""
    hidden = fields.size("hidden_size", "d_model", default=512)
    vocab = fields.size("vocab_size", default=32128)
    heads = fields.size("num_attention_heads", "num_heads", default=8)
    attention = Attention(
        hidden=hidden, heads=heads, kv_heads=heads, head_dim=fields.size("d_kv", default=64)
    )
    gated = fields.text("feed_forward_proj", default="relu").startswith("gated-")
    mlp = Mlp(hidden=hidden, width=fields.size("d_ff", default=2048), gated=gated).costs()
    layers = fields.layers("num_hidden_layers", "num_layers", default=6)
    written = fields.size_or_none("num_decoder_layers") or layers
    kind = fields.text("encoder_attention_type", default="local")
    if kind not in ("local", "transient-global"):
        raise ValueError(f"encoder_attention_type {kind!r} is not known")
    every = fields.size("global_block_size", default=16) if kind != "local" else 0
    near = _windowed(fields.size("local_radius", default=127) + 1, every)
    buckets = held(fields.size("relative_attention_num_buckets", default=32) * heads)
    outer: Costs = {"attention/relative_bias": buckets, "norm/outer": held(hidden)}
    average: Costs = {}
    if every:
        average = {"norm/global": held(hidden), "attention/average": Cost(flop_per_pair=2 * hidden)}
        outer_source = {**outer, "attention/relative_bias": held(2 * buckets.params)}
    else:
        outer_source = dict(outer)
    source = {**attention.costs(), **mlp, "norm/layers": held(2 * hidden), **average}
    target = {**attention.costs(), **mlp, "norm/layers": held(3 * hidden)}
    encodes = class_name(fields).endswith("EncoderModel")
    after, once = head(fields, hidden, vocab, fields.flag("tie_word_embeddings", default=True))
    decoder = Side(before=outer, stack=(Group(costs=target, times=written),))
    model = EncoderDecoder(
        table=vocab * hidden,
        source=Side(before=outer_source, stack=(Group(costs=source, times=layers),)),
        target=None if encodes else decoder,
        cross=attention,
        after=after,
        once=once,
        longest=fields.size("n_positions", default=DEFAULT_POSITIONS),
        near=near,
    )
    return cached_network(fields, model.run, attention, 0 if encodes else written)


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
