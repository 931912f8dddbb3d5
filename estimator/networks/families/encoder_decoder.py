"""Parts of encoder-decoders: two stacks, cross-attention, heads.

Both sides run over `seq_len` tokens if given. The items of a pass are the tokens of both sides. An
audio encoder has the positions that its convolutions leave of a fixed-length recording, and
`seq_len` is the output tokens.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from estimator.networks.blocks import (
    Attention,
    Cost,
    Costs,
    Mlp,
    affine,
    crossed,
    equal_heads,
    layer_costs,
    params_only,
    table,
)
from estimator.networks.fields import Fields
from estimator.networks.layers import Layers, Near
from estimator.networks.ledger import CacheLayers, Inputs, Quantity
from estimator.networks.model_class import (
    class_name,
    label_count,
    label_head,
    task,
    tied_as_stated,
    word_head,
)
from estimator.networks.network import (
    Line,
    Network,
    Pass,
    crossing,
    length_warning,
    lines,
    network,
    sequence,
)

WIDTH = ("hidden_size", "d_model")

Filters = Sequence[tuple[str, Cost, float]]
"""Convolutions over a recording: name, cost, and output positions of each."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """Encoder or decoder: costs per token outside the stack, its layers, and their attention."""

    before: Costs
    stack: tuple[Layers, ...]
    attention: Attention

    def lines(
        self, batch: Quantity, length: Quantity, inputs: Inputs, prefix: str
    ) -> Iterator[Line]:
        """Return the ledger lines of one pass over `batch` sequences."""
        yield from lines(self.before, batch * length, prefix=prefix)
        for group in self.stack:
            yield from group.lines(batch, length, inputs, prefix)

    @property
    def layers(self) -> int:
        """Layers [1]."""
        return sum(group.times for group in self.stack)

    def with_layers(self, costs: Costs, near: Near | None = None) -> "Side":
        """Add costs to each layer, limited in reach by `near`."""
        groups = (replace(one, costs={**one.costs, **costs}, near=near) for one in self.stack)
        return replace(self, stack=tuple(groups))


def side(
    fields: Fields,
    name: str,
    rows: int = 0,
    *,
    norms: int = 1,
    bias: tuple[bool, bool] = (True, True),
) -> Side:
    """Build the encoder or decoder of a BART-like config.

    It has `rows` in the position table and `norms` around its layers; `bias` applies to the
    projections and output of attention.
    """
    hidden, decodes = fields.size(*WIDTH), name == "decoder"
    heads_keys = (*(() if decodes else ("num_attention_heads",)), f"{name}_attention_heads")
    layers_keys = (*(() if decodes else ("num_hidden_layers",)), f"{name}_layers")
    keys = (fields.key(*WIDTH), fields.key(*heads_keys))
    attention = equal_heads(fields, hidden, fields.size(*heads_keys), keys, *bias)
    mlp = Mlp(hidden, fields.size(f"{name}_ffn_dim"), bias=True)
    costs = layer_costs(attention, mlp, (3 if decodes else 2) * 2 * hidden)
    return Side(
        before={
            "embedding/position": table(rows, hidden),
            "norm/outer": params_only(norms * 2 * hidden),
        },
        stack=(Layers(costs=costs, times=fields.layers(*layers_keys)),),
        attention=attention,
    )


@dataclass(frozen=True, kw_only=True)
class EncoderDecoder:
    """Encoder, decoder with cross-attention, and head.

    Parameters
    ----------
    table : int
        Parameters of the token table shared by both sides [1].
    source, target : Side
        Encoder and decoder; cross-attention has the shape of self-attention. None for a side that
        the class lacks.
    heads : tuple of mapping
        Heads over every decoded position, and per sequence.
    longest : int
        Longest sequence the model was made for. [token]
    filters : Filters
        Convolutions over a recording that turn it into the encoder's frames.
    """

    table: int
    source: Side | None
    target: Side | None
    heads: tuple[Costs, Costs]
    longest: int
    filters: Filters = ()

    def run(self, inputs: Inputs) -> Pass:
        """Pass over `batch` pairs of sequences of `seq_len` tokens, or of frames and tokens."""
        batch, seq_len = sequence(inputs, self.longest)
        lengths = self.filters[-1][2] if self.filters else seq_len, seq_len
        done = [*filter_lines(self.filters, batch)]
        done += self.lines(batch, lengths, inputs)
        sides = zip((self.source, self.target), lengths, strict=True)
        items = batch * sum(length for one, length in sides if one is not None)
        return Pass(lines=done, items=items, warnings=length_warning(seq_len, self.longest))

    def lines(
        self, batch: Quantity, lengths: tuple[Quantity, Quantity], inputs: Inputs
    ) -> list[Line]:
        """Return the ledger lines of one pass over sequences of two lengths."""
        source, target = lengths
        done = [*lines({"embedding/token": table(self.table, 1)}, batch)]
        if self.source is not None:
            done += self.source.lines(batch, source, replace(inputs, causal=False), "encoder/")
        if self.target is not None:
            done += self.target.lines(batch, target, inputs, "decoder/")
            seen = 0.0 if self.source is None else source
            done += _cross_lines(self.target, batch, (seen, target))
        done += lines(self.heads[0], batch * (source if self.target is None else target))
        return [*done, *lines(self.heads[1], batch)]

    def network(self, fields: Fields) -> Network:
        """Return the named network, with the cache of its decoder's self-attention."""
        if self.target is None:
            return network(fields, self.run)
        values = self.target.attention.cache_values_per_token
        kept = CacheLayers(layers=self.target.layers, values_per_token=values)
        return network(fields, self.run, cache=(kept,))


def filter_lines(filters: Filters, batch: Quantity) -> Iterator[Line]:
    """Return the ledger lines of convolutions over `batch` recordings."""
    for place, (name, cost, left) in enumerate(filters):
        yield from lines({name: cost}, batch * left, first=place == 0)


def encoder_decoder(
    fields: Fields, source: Side | None, target: Side | None, longest: int
) -> EncoderDecoder:
    """Build two sides with one token table (three if untied), and the head of the class."""
    hidden, vocab = fields.size(*WIDTH), fields.size("vocab_size")
    return EncoderDecoder(
        table=vocab * hidden * (1 if source is None or tied_as_stated(fields) else 3),
        source=source,
        target=target,
        heads=head(fields, hidden, vocab),
        longest=longest,
    )


def _cross_lines(
    decoder: Side, batch: Quantity, lengths: tuple[Quantity, Quantity]
) -> Iterator[Line]:
    """Return the lines of cross-attention; without an encoder only its parameters count."""
    source, target = lengths
    asking = target if np.any(np.asarray(source) > 0) else 0.0
    costs, times = crossed(decoder.attention.costs()), decoder.layers
    every, seen = batch * asking, batch * source
    return crossing(costs, batch, every, seen, times=times, prefix="decoder/")


def logits(fields: Fields, hidden: int, vocab: int, *tasks: str) -> Costs:
    """Return the logits over the vocabulary if the class is for one of `tasks`."""
    if task(fields) not in tasks:
        return {}
    return {"head/logits": word_head(fields, hidden, vocab)}


def head(fields: Fields, hidden: int, vocab: int) -> tuple[Costs, Costs]:
    """Return the heads per position and per sequence."""
    kind = task(fields)
    if kind in ("ConditionalGeneration", "CausalLM") or class_name(fields).endswith("MTModel"):
        return logits(fields, hidden, vocab, kind), {}
    if kind == "QuestionAnswering":
        ends = 2 if "bart" in fields.text("model_type") else label_count(fields)
        return {"head/span": affine(hidden, ends)}, {}
    classes: Costs = {"head/classifier": label_head(fields, hidden)}
    if kind == "SequenceClassification":
        return {}, {"head/dense": affine(hidden, hidden), **classes}
    return (classes if kind == "TokenClassification" else {}), {}
