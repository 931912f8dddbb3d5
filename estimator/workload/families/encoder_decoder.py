"""What encoder-decoders are built of: two sides, attention between them, heads.

Both sides run over `seq_len` tokens where the caller states it. Every token passes one side, so
the items of a pass are those of both.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from estimator.workload.blocks import Attention, Costs, linear, table, vocabulary_head
from estimator.workload.families.text_encoder import Group
from estimator.workload.fields import Fields
from estimator.workload.ledger import CacheLayers, Inputs, Quantity
from estimator.workload.model_class import class_name, label_count, task
from estimator.workload.network import (
    Line,
    Network,
    Pass,
    Reach,
    attended_pairs,
    length_warning,
    lines,
    network,
    sequence,
)

Near = Callable[[str, Quantity], tuple[Quantity, Quantity]]
"""From a part and a length to positions and pairs of one sequence."""


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
    near : function or None
        From a part of an encoder layer and the length to the positions that it passes and the
        pairs that it scores, where not every token sees every other.
    """

    table: int
    source: Side | None
    target: Side | None
    cross: Attention | None
    after: Costs
    once: Costs
    longest: int
    near: Near | None = None

    def run(self, inputs: Inputs) -> Pass:
        """Pass over `batch` pairs of sequences of `seq_len` tokens."""
        batch, seq_len = sequence(inputs, self.longest)
        sides = (self.source is not None) + (self.target is not None)
        return Pass(
            lines=self.lines(batch, (seq_len, seq_len), inputs),
            items=sides * batch * seq_len,
            warnings=length_warning(seq_len, self.longest),
        )

    def lines(
        self, batch: Quantity, lengths: tuple[Quantity, Quantity], inputs: Inputs
    ) -> list[Line]:
        """Lines of one pass over sequences of two lengths."""
        source, target = lengths
        done = [*lines({"embedding/token": table(self.table, 1)}, Reach(tokens=batch))]
        if self.source is not None and self.near is not None:
            done += _near_lines(self.source, self.near, batch, source)
        elif self.source is not None:
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


def _near_lines(side: Side, near: Near, batch: Quantity, length: Quantity) -> list[Line]:
    """Lines of an encoder whose parts reach as far as `near` says."""
    done = [*lines(side.before, Reach(tokens=batch * length), "encoder/")]
    for group in side.stack:
        for part, cost in group.costs.items():
            tokens, pairs = near(part, length)
            reach = Reach(tokens=batch * tokens, pairs=batch * pairs, times=group.times)
            done += lines({part: cost}, reach, "encoder/")
    return done


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


def token_tables(params: int, fields: Fields, decoder_only: bool = False) -> int:
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
        return {"head/logits": vocabulary_head(hidden, vocab, own=not tied)}, {}
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


def cached_network(
    fields: Fields, run: Callable[[Inputs], Pass], attention: Attention, layers: int
) -> Network:
    """The model under its name, with the cache of its decoder's own attention."""
    values = attention.cache_values_per_token
    return network(fields, run, cache=(CacheLayers(layers=layers, values_per_token=values),))
