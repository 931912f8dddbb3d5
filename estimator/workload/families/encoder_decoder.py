"""What encoder-decoders are built of, and which of BART's line a config describes.

Both sides run over `seq_len` tokens where the caller states it. Every token passes one side, so
the ledger's tokens are those of both. Defaults are those of transformers 5.23.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from estimator.workload.blocks import Attention, Cost, Costs, Mlp, held, linear
from estimator.workload.families.encoder import Group, task
from estimator.workload.families.rotary import class_name, label_count
from estimator.workload.fields import Fields
from estimator.workload.ledger import CacheLayers, Inputs, Quantity
from estimator.workload.network import (
    Line,
    Network,
    Pass,
    Reach,
    length_warning,
    lines,
    sequence,
)
from estimator.workload.transformer import attended_pairs

BOTH_SIDES = ("", "ConditionalGeneration", "SequenceClassification", "QuestionAnswering")


@dataclass(frozen=True, kw_only=True)
class Side:
    """An encoder or a decoder: costs per token round the stack, and the layers."""

    before: Costs
    stack: tuple[Group, ...]


@dataclass(frozen=True, kw_only=True)
class EncoderDecoder:
    """An encoder, a decoder that looks at it, and a head.

    Parameters
    ----------
    table : int
        Parameters of the token table that both sides share. [1]
    source, target : Side
        Encoder and decoder; a side that the class leaves out is None.
    cross : Attention or None
        Attention of each decoder layer over the encoder's output.
    after, once : mapping
        Heads over every decoded position, and per sequence.
    longest : int
        Longest sequence the model was made for. [token]
    """

    table: int
    source: Side | None
    target: Side | None
    cross: Attention | None
    after: Costs
    once: Costs
    longest: int

    def run(self, inputs: Inputs) -> Pass:
        """Pass over `batch` pairs of sequences of `seq_len` tokens."""
        batch, seq_len = sequence(inputs, self.longest)
        sides = (self.source is not None) + (self.target is not None)
        return Pass(
            lines=self.lines(batch, (seq_len, seq_len), inputs),
            tokens=sides * batch * seq_len,
            warnings=length_warning(seq_len, self.longest),
        )

    def lines(
        self, batch: Quantity, lengths: tuple[Quantity, Quantity], inputs: Inputs
    ) -> list[Line]:
        """Lines of one pass over sequences of two lengths."""
        source, target = lengths
        done = [*lines({"embedding/token": held(self.table)}, Reach(tokens=batch))]
        if self.source is not None:
            done += side_lines(self.source, "encoder/", batch * source, batch * source * source)
        if self.target is not None:
            pairs = batch * attended_pairs(target, None, inputs)
            done += side_lines(self.target, "decoder/", batch * target, pairs)
            if self.cross is not None:
                layers = sum(group.times for group in self.target.stack)
                seen = (source if self.source is not None else 0.0, target)
                done += cross_lines(self.cross, layers, batch, seen)
        done += lines(self.after, Reach(tokens=batch * (source if self.target is None else target)))
        return [*done, *lines(self.once, Reach(tokens=batch))]


def side_lines(side: Side, prefix: str, tokens: Quantity, pairs: Quantity) -> list[Line]:
    """Lines of one side."""
    done = [*lines(side.before, Reach(tokens=tokens), prefix)]
    for group in side.stack:
        done += lines(group.costs, Reach(tokens=tokens, pairs=pairs, times=group.times), prefix)
    return done


def cross_lines(
    cross: Attention, layers: int, batch: Quantity, lengths: tuple[Quantity, Quantity]
) -> list[Line]:
    """Lines of attention from the decoder to the encoder; it is held but rests without one."""
    source, target = lengths
    asking = target if np.any(np.asarray(source) > 0) else 0.0
    done: list[Line] = []
    for part, cost in cross.costs().items():
        tokens = source if part in ("attention/key", "attention/value") else asking
        reach = Reach(tokens=batch * tokens, pairs=batch * source * target, times=layers)
        done += lines({part.replace("attention", "cross"): cost}, reach, "decoder/")
    return done


def tables(params: int, fields: Fields, decoder_only: bool = False) -> int:
    """Parameters of the token tables: one, or where nothing is tied one more on each side."""
    tied = fields.flag("tie_word_embeddings", default=True) or decoder_only
    return params if tied else 3 * params


def labels(fields: Fields) -> int:
    """Classes of a classifier, three for BART where the config does not say."""
    three = fields.text("model_type") == "bart" and not fields.states("num_labels", "id2label")
    return 3 if three and not fields.states("id2label") else label_count(fields)


def head(fields: Fields, hidden: int, vocab: int, tied: bool) -> tuple[Costs, Costs]:
    """Heads over every position and per sequence."""
    kind = task(fields)
    if kind in ("ConditionalGeneration", "CausalLM") or class_name(fields).endswith("MTModel"):
        params = 0 if tied else hidden * vocab
        logits = Cost(params=params, active_params=params, flop_per_token=2 * hidden * vocab)
        return {"head/logits": logits}, {}
    if kind == "SequenceClassification":
        return {}, {
            "head/dense": linear(hidden, hidden, bias=True),
            "head/classifier": linear(hidden, labels(fields), bias=True),
        }
    if kind == "QuestionAnswering":
        ends = 2 if "bart" in fields.text("model_type") else labels(fields)
        return {"head/span": linear(hidden, ends, bias=True)}, {}
    if kind == "TokenClassification":
        return {"head/classifier": linear(hidden, labels(fields), bias=True)}, {}
    return {}, {}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What sets one family of BART's line apart.

    Parameters
    ----------
    vocab, hidden, ffn, heads, positions : int
        Defaults. [1]
    layers : tuple of int
        Default layers of encoder and decoder. [1]
    spare_positions : int or None
        Rows of the position table beyond the positions; None without parameters. [1]
    embedding_norm, final_norm : bool
        A norm after the tables; after the last layer.
    """

    vocab: int = 50265
    hidden: int = 1024
    layers: tuple[int, int] = (12, 12)
    heads: tuple[int, int] = (16, 16)
    ffn: tuple[int, int] = (4096, 4096)
    positions: int = 1024
    spare_positions: int | None = 2
    embedding_norm: bool = True
    final_norm: bool = False


BART = Facts()
MBART = Facts(final_norm=True)
PEGASUS = Facts(spare_positions=0, embedding_norm=False, final_norm=True)


def bart(facts: Facts, fields: Fields) -> Network:
    """BART: learned positions, biases everywhere, one token table."""
    hidden = fields.size("hidden_size", "d_model", default=facts.hidden)
    vocab = fields.size("vocab_size", default=facts.vocab)
    tied = fields.flag("tie_word_embeddings", default=True)
    decoder_only = task(fields) == "CausalLM"
    after, once = head(fields, hidden, _decoded_vocab(fields, vocab), tied)
    cross = _attention(fields, facts, hidden, "decoder")
    target = _side(fields, facts, hidden, "decoder")
    layers = sum(group.times for group in target.stack)
    model = EncoderDecoder(
        table=_tables(fields, vocab, hidden, decoder_only),
        source=None if decoder_only else _side(fields, facts, hidden, "encoder"),
        target=target,
        cross=cross,
        after=after,
        once=once,
        longest=fields.size("max_position_embeddings", default=facts.positions),
    )
    return network(fields, model.run, cross, layers)


def network(
    fields: Fields, run: Callable[[Inputs], Pass], attention: Attention, layers: int
) -> Network:
    """The model under its name, with the cache of its decoder's own attention."""
    values = attention.cache_values_per_token
    return Network(
        run=run,
        model_type=fields.text("model_type"),
        name=fields.text("_name_or_path"),
        warnings=fields.notes,
        cache=(CacheLayers(layers=layers, values_per_token=values),),
    )


def _decoded_vocab(fields: Fields, vocab: int) -> int:
    """Rows of the decoder's table, which only Marian may keep apart."""
    shared = fields.flag("share_encoder_decoder_embeddings", default=True)
    apart = fields.text("model_type") == "marian" and not shared
    return (fields.size_or_none("decoder_vocab_size") or vocab) if apart else vocab


def _tables(fields: Fields, vocab: int, hidden: int, decoder_only: bool) -> int:
    """Parameters of the token tables; Marian may have two that differ."""
    apart = fields.text("model_type") == "marian" and not fields.flag(
        "share_encoder_decoder_embeddings", default=True
    )
    if not apart:
        spare = (fields.size_or_none("decoder_vocab_size") or vocab) - vocab
        tied = fields.flag("tie_word_embeddings", default=True)
        own = 0 if tied or decoder_only else spare * hidden
        return tables(vocab * hidden, fields, decoder_only) + own
    return (_decoded_vocab(fields, vocab) + vocab * (not decoder_only)) * hidden


def _attention(fields: Fields, facts: Facts, hidden: int, side: str) -> Attention:
    default = facts.heads[side == "decoder"]
    key = f"{side}_attention_heads"
    keys = (key,) if side == "decoder" else ("num_attention_heads", key)
    heads = fields.size(*keys, default=default)
    return Attention(
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=fields.share("d_model", hidden, key, heads),
        qkv_bias=True,
        output_bias=True,
    )


def _side(fields: Fields, facts: Facts, hidden: int, side: str) -> Side:
    """One side: positions, norms, layers."""
    decodes = side == "decoder"
    positions = fields.size("max_position_embeddings", default=facts.positions)
    rows = 0 if facts.spare_positions is None else positions + facts.spare_positions
    width = fields.size(f"{side}_ffn_dim", default=facts.ffn[decodes])
    attention = _attention(fields, facts, hidden, side)
    mlp = Mlp(hidden=hidden, width=width, bias=True)
    norms = held((3 if decodes else 2) * 2 * hidden)
    keys = (f"{side}_layers",) if decodes else ("num_hidden_layers", f"{side}_layers")
    return Side(
        before={
            "embedding/position": held(rows * hidden),
            "norm/outer": held((facts.embedding_norm + facts.final_norm) * 2 * hidden),
        },
        stack=(
            Group(
                costs={**attention.costs(), **mlp.costs(), "norm/layers": norms},
                times=fields.layers(*keys, default=facts.layers[decodes]),
            ),
        ),
    )


FAMILIES: Mapping[str, Callable[[Fields], Network]] = {
    "bart": partial(bart, BART),
    "mbart": partial(bart, MBART),
    "plbart": partial(
        bart, Facts(vocab=50005, hidden=768, layers=(6, 6), heads=(12, 12), ffn=(3072, 3072))
    ),
    "pegasus": partial(bart, PEGASUS),
    "marian": partial(bart, Facts(vocab=58101, spare_positions=0, embedding_norm=False)),
    "blenderbot": partial(
        bart,
        Facts(
            vocab=8008,
            hidden=2560,
            layers=(2, 24),
            heads=(32, 32),
            ffn=(10240, 10240),
            positions=128,
            spare_positions=0,
            embedding_norm=False,
            final_norm=True,
        ),
    ),
    "blenderbot-small": partial(
        bart,
        Facts(
            hidden=512,
            layers=(8, 8),
            heads=(16, 16),
            ffn=(2048, 2048),
            positions=512,
            spare_positions=0,
        ),
    ),
    "m2m_100": partial(
        bart, Facts(vocab=128112, spare_positions=None, embedding_norm=False, final_norm=True)
    ),
}
