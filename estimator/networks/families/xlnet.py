"""How much work XLNet and Funnel are: scores of content and of relative positions.

XLNet: arXiv:1906.08237, Funnel: arXiv:2006.03236.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from estimator.networks.blocks import Cost, Costs, Mlp, affine, held, linear, table
from estimator.networks.fields import Fields
from estimator.networks.layers import Layers, Stack
from estimator.networks.ledger import Inputs, Quantity
from estimator.networks.model_class import (
    class_name,
    classifier,
    head_note,
    label_head,
    task,
    word_head,
)
from estimator.networks.network import (
    Line,
    Network,
    Pass,
    lines,
    network,
    sequence,
    without_input_gradient,
)
from estimator.networks.registry import family

UNBOUNDED = 10**9
"""Positions are relative, so nothing bounds a sequence. [token]"""


@family("xlnet")
def xlnet(fields: Fields) -> Network:
    """XLNet; the sines behind the relative positions need no gradient (sec. 2.4)."""
    hidden = fields.size("hidden_size", "d_model", default=1024)
    count = fields.size("num_attention_heads", "n_head", default=16)
    fields.share("d_model", hidden, "n_head", count)
    vocab = fields.size("vocab_size", default=32000)
    width = fields.size("d_inner", default=4096)
    layers = fields.layers("num_hidden_layers", "n_layer", default=24)
    project = linear(hidden, hidden)
    layer: Costs = {
        **{f"attention/{part}": project for part in ("query", "key", "value", "output")},
        "attention/relative": project + Cost(flop_per_token=project.flop_per_token),
        "attention/biases": held(5 * hidden),
        "attention/scores": Cost(flop_per_pair=6 * hidden),
        "attention/reduce": Cost(flop_per_pair=2 * hidden),
        "mlp/up": affine(hidden, width),
        "mlp/down": affine(width, hidden),
        "norm/layers": held(4 * hidden),
    }
    kind = task(fields)
    after, once = dict(classifier(fields, hidden, "TokenClassification")), {}
    if kind == "CausalLM":
        after["head/logits"] = word_head(fields, hidden, vocab, biases=1)
    elif kind == "SequenceClassification":
        once["head/dense"] = affine(hidden, hidden)
        once["head/classifier"] = label_head(fields, hidden)
    encoder = Stack(
        before={"embedding/token": table(vocab, hidden), "embedding/mask": held(hidden)},
        stack=(Layers(costs=layer, times=layers),),
        after=after,
        once=once,
        longest=UNBOUNDED,
    )
    notes = head_note(fields, not kind or after or once)
    return network(fields, without_input_gradient(encoder.run, "attention/relative"), notes)


@dataclass(frozen=True, kw_only=True)
class FunnelLayer:
    """A layer: costs of what asks, of what it sees, of the distances between, and of their scores.

    The vectors of distances are those of all texts of a batch, and come of sines.
    """

    asks: Costs
    seen: Costs
    distances: Costs
    scores: Costs

    def lines(
        self, batch: Quantity, asking: Quantity, found: Quantity, times: float = 1.0
    ) -> Iterator[Line]:
        """Lines of a layer run `times`, with `asking` of a sequence that attend to all `found`."""
        runs = times * batch
        apart = (asking if np.all(asking == found) else 2.0 * asking) + found
        yield from lines(self.asks, runs * asking, pairs=runs * asking * found)
        yield from lines(self.seen, runs * found)
        yield from lines(self.distances, times * apart, first=True)
        yield from lines(self.scores, 0.0, pairs=runs * asking * apart)


def funnel_layer(fields: Fields) -> FunnelLayer:
    """The layer of a config (app. A.2)."""
    hidden = fields.size("hidden_size", "d_model")
    inner = fields.size("num_attention_heads", "n_head") * fields.size("d_head")
    asks = {
        "attention/query": linear(hidden, inner),
        "attention/types": Cost(flop_per_token=4 * inner),
        "attention/biases": held(5 * inner),
        "attention/scores": Cost(flop_per_pair=2 * inner),
        "attention/reduce": Cost(flop_per_pair=2 * inner),
        "attention/output": affine(inner, hidden),
        **Mlp(hidden, fields.size("d_inner"), bias=True).costs(),
        "norm/layers": held(4 * hidden),
    }
    return FunnelLayer(
        asks=asks,
        seen={f"attention/{part}": affine(hidden, inner) for part in ("key", "value")},
        distances={"attention/distances": linear(hidden, inner)},
        scores={"attention/relative": Cost(flop_per_pair=2 * inner)},
    )


def _funnel_heads(fields: Fields, hidden: int, vocab: int) -> tuple[Costs, Costs]:
    """Heads over every position and per sequence."""
    kind = task(fields)
    dense = affine(hidden, hidden)
    if kind == "MaskedLM":
        return {"head/logits": word_head(fields, hidden, vocab, biases=1)}, {}
    if kind == "PreTraining":
        return {"head/dense": dense, "head/replaced": affine(hidden, 1)}, {}
    if kind in ("SequenceClassification", "MultipleChoice"):
        return {}, {"head/dense": dense, "head/classifier": label_head(fields, hidden)}
    if kind in ("TokenClassification", "QuestionAnswering"):
        return {"head/classifier": label_head(fields, hidden)}, {}
    return {}, {}


@family("funnel")
def funnel(fields: Fields) -> Network:
    """Funnel: each block but the first halves the sequence, a decoder restores it (sec. 2.2)."""
    for key, known in (("attention_type", "relative_shift"), ("pool_q_only", True)):
        fields.counted(key, known)
    apart = fields.flag("separate_cls", default=True) and not fields.flag(
        "truncate_seq", default=True
    )
    hidden, vocab = fields.size("hidden_size", "d_model"), fields.size("vocab_size")
    sizes = fields.layer_counts("block_sizes")
    repeats = fields.layer_counts("block_repeats", (1,) * len(sizes), len(sizes))
    layer, (after, once) = funnel_layer(fields), _funnel_heads(fields, hidden, vocab)
    whole = not once and class_name(fields) != "FunnelBaseModel"
    restores = fields.layers("num_decoder_layers") if whole else 0
    before = {"embedding/token": table(vocab, hidden), "norm/embedding": held(2 * hidden)}

    def run(inputs: Inputs) -> Pass:
        batch, length = sequence(inputs, UNBOUNDED)
        done, found = [*lines(before, batch * length)], length
        for block, (layers, often) in enumerate(zip(sizes, repeats, strict=True)):
            asking = found if block == 0 else np.ceil((found + apart) / 2.0)
            done += layer.lines(batch, asking, found)
            for _ in range(layers - 1):
                done += layer.lines(batch, asking, asking, often)
            done += _again(layer.lines(batch, asking, asking, often - 1.0))
            found = asking
        for _ in range(restores):
            done += layer.lines(batch, length, length)
        done += [*lines(after, batch * length), *lines(once, batch)]
        return Pass(lines=done, items=batch * length)

    return network(fields, run, head_note(fields, not task(fields) or after or once))


def _again(done: Iterable[Line]) -> list[Line]:
    """Lines of layers whose parameters are held already."""
    return [(name, replace(term, params=0, active_params=0)) for name, term in done]
