"""Which text encoder of its own kind a config describes: Longformer, BigBird, ESM, LayoutLM, XLNet.

Defaults are those of transformers 5.23. Longformer and BigBird attend in blocks by construction,
so their scores are counted in blocks, padding included; no global tokens are assumed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from estimator.workload.blocks import Cost, Costs, held, linear
from estimator.workload.families.bert import BERT, bert
from estimator.workload.families.encoder import (
    Encoder,
    Group,
    Heads,
    Sizes,
    bert_sizes,
    block,
    heads,
    network,
    tables,
    task,
)
from estimator.workload.families.rotary import label_count
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, Quantity
from estimator.workload.network import Network, Pass, Reach, length_warning, lines, sequence

EVERY_TASK = (
    *("", "MaskedLM", "CausalLM", "PreTraining", "SequenceClassification"),
    *("TokenClassification", "QuestionAnswering", "MultipleChoice"),
)

Pairs = Callable[[Quantity], tuple[Quantity, Quantity]]
"""From the padded length to (query, key) pairs of the scores and of the weighted values."""


@dataclass(frozen=True, kw_only=True)
class Blocked:
    """An encoder whose layers attend in blocks.

    Parameters
    ----------
    before, after, once : mapping
        Costs per token round the stack, and per sequence.
    layer : mapping
        Costs of one layer.
    pairs : tuple of function
        Attended pairs, one per layer.
    step : function
        What a sequence is padded to a multiple of. [token]
    longest : int
        Longest sequence the model was made for. [token]
    """

    before: Costs
    after: Costs
    once: Costs
    layer: Costs
    pairs: tuple[Pairs, ...]
    step: Callable[[Quantity], Quantity]
    longest: int

    def run(self, inputs: Inputs) -> Pass:
        """Pass over `batch` sequences of `seq_len` tokens."""
        batch, seq_len = sequence(inputs, self.longest)
        step = self.step(seq_len)
        padded = np.ceil(seq_len / step) * step
        done = [*lines(self.before, Reach(tokens=batch * seq_len))]
        for pairs in self.pairs:
            scores, reduced = pairs(padded)
            for part, cost in self.layer.items():
                seen = scores if part == "attention/scores" else reduced
                done += lines({part: cost}, Reach(tokens=batch * padded, pairs=batch * seen))
        done += lines(self.after, Reach(tokens=batch * seq_len))
        done += lines(self.once, Reach(tokens=batch))
        warned = length_warning(seq_len, self.longest)
        return Pass(lines=done, tokens=batch * seq_len, warnings=warned)


def _blocked(fields: Fields, model: Blocked, notes: tuple[str, ...]) -> Network:
    return Network(
        run=model.run,
        model_type=fields.text("model_type"),
        name=fields.text("_name_or_path"),
        warnings=fields.notes + notes,
    )


def _heads_of(fields: Fields, sizes: Sizes, pooler: tuple[str, ...]) -> Heads:
    return Heads(
        hidden=sizes.hidden,
        vocab=sizes.vocab,
        table_width=sizes.hidden,
        pooler=pooler,
        classifier_dense=True,
    )


def _sliding(half: int) -> Pairs:
    """Overlapping chunks of two half windows for scores, three halves for the values [1]_.

    References
    ----------
    .. [1] I. Beltagy et al., "Longformer", 2020, arXiv:2004.05150, sec. 3.2 and appendix A.
    """
    return lambda seq_len: ((seq_len / half - 1.0) * (2 * half) ** 2, 3.0 * half * seq_len)


def longformer(fields: Fields) -> Network:
    """Longformer: sliding windows; projections of their own for global tokens."""
    sizes = bert_sizes(fields, Sizes())
    given = fields.values.get("attention_window", 512)
    if isinstance(given, int):
        found = [fields.size("attention_window", default=512, least=2)] * sizes.layers
    else:
        listed = fields.items("attention_window", sizes.layers) or []
        found = [int(window) for window in listed]
    after, once, notes = heads(fields, _heads_of(fields, sizes, ("", "MultipleChoice")))
    spare = 3 * sizes.hidden * (sizes.hidden + 1)
    model = Blocked(
        before=tables(sizes, sizes.hidden),
        after=after,
        once=once,
        layer={**block(fields, sizes), "attention/global": held(spare)},
        pairs=tuple(_sliding(window // 2) for window in found),
        step=lambda seq_len: float(max(found)),
        longest=max(sizes.positions - 2, 1),
    )
    return _blocked(fields, model, notes)


def big_bird(fields: Fields) -> Network:
    """BigBird: windows, random and global blocks beyond a length, full attention below it [1]_.

    References
    ----------
    .. [1] M. Zaheer et al., "Big Bird", 2020, arXiv:2007.14062, sec. 2 and appendix D.
    """
    sizes = bert_sizes(fields, Sizes(vocab=50358, positions=4096))
    side = fields.size("block_size", default=64)
    drawn = fields.size("num_random_blocks", default=3, least=0)
    shortest = (5 + 2 * drawn) * side
    sparse = fields.text("attention_type", default="block_sparse") == "block_sparse"

    def blocks(seq_len: Quantity) -> tuple[Quantity, Quantity]:
        inner = 2 * (4 + drawn) * side + (seq_len / side - 4) * (5 + drawn) * side
        pairs = np.where(sparse & (seq_len > shortest), side * (2 * seq_len + inner), seq_len**2)
        return pairs, pairs

    after, once, notes = heads(fields, _heads_of(fields, sizes, EVERY_TASK))
    if task(fields) == "SequenceClassification":
        once = {part: cost for part, cost in once.items() if part != "pooler"} | {
            "pooler": held(sizes.hidden * (sizes.hidden + 1))
        }
    if task(fields) == "QuestionAnswering":
        once, after = {}, {**after, **_deep_span(sizes)}
    layer = dict(block(fields, sizes))
    for part in ("query", "key", "value"):
        bias = fields.flag("use_bias", default=True)
        layer[f"attention/{part}"] = linear(sizes.hidden, sizes.hidden, bias)
    model = Blocked(
        before=tables(sizes, sizes.hidden),
        after=after,
        once=once,
        layer=layer,
        pairs=(blocks,) * sizes.layers,
        step=lambda seq_len: np.where(sparse & (np.asarray(seq_len) > shortest), side, 1.0),
        longest=sizes.positions,
    )
    return _blocked(fields, model, notes)


def _deep_span(sizes: Sizes) -> Costs:
    """BigBird's MLP before the span of an answer."""
    return {
        "head/up": linear(sizes.hidden, sizes.width, bias=True),
        "head/down": linear(sizes.width, sizes.hidden, bias=True),
        "norm/head": held(2 * sizes.hidden),
    }


def layout_tables(fields: Fields, sizes: Sizes) -> Costs:
    """LayoutLM: tables of left, top, height and width of the boxes."""
    rows = fields.size("max_2d_position_embeddings", default=1024)
    return {"embedding/layout": held(4 * rows * sizes.hidden)}


def esm(fields: Fields) -> Network:
    """ESM-2, a protein language model: rotary positions, a contact head [1]_.

    References
    ----------
    .. [1] Z. Lin et al., "Evolutionary-scale prediction of atomic-level protein structure", 2023,
       doi:10.1126/science.ade2574, supplement A.1.
    """
    kind = fields.text("position_embedding_type", default="absolute")
    values = {"max_position_embeddings": 1026, **fields.values, "type_vocab_size": 0}
    sizes = bert_sizes(replace(fields, values=values), Sizes(vocab=33))
    after, once, notes = heads(fields, _heads_of(fields, sizes, ("",)))
    rows = sizes.positions if kind == "absolute" else 0
    normed = fields.flag("emb_layer_norm_before")
    contacts = sizes.layers * sizes.heads + 1
    encoder = Encoder(
        before=tables(replace(sizes, positions=rows), sizes.hidden, normed),
        stack=(Group(costs=block(fields, sizes), times=sizes.layers),),
        after={
            "norm/outer": held(2 * sizes.hidden),
            "head/contacts": held(contacts),
            **after,
        },
        once=once,
        longest=sizes.positions,
    )
    return network(fields, encoder, notes)


def xlnet(fields: Fields) -> Network:
    """XLNet: scores of content and of relative positions [1]_.

    References
    ----------
    .. [1] Z. Yang et al., "XLNet", 2019, arXiv:1906.08237, sec. 2.4.
    """
    hidden = fields.size("hidden_size", "d_model", default=1024)
    count = fields.size("num_attention_heads", "n_head", default=16)
    fields.share("d_model", hidden, "n_head", count)
    vocab = fields.size("vocab_size", default=32000)
    width = fields.size("d_inner", default=4096)
    layers = fields.layers("num_hidden_layers", "n_layer", default=24)
    project = linear(hidden, hidden)
    twice = replace(project, flop_per_token=2 * project.flop_per_token)
    layer: Costs = {
        **{f"attention/{part}": project for part in ("query", "key", "value", "output")},
        "attention/relative": twice,
        "attention/biases": held(5 * hidden),
        "attention/scores": Cost(flop_per_pair=6 * hidden),
        "attention/reduce": Cost(flop_per_pair=2 * hidden),
        "mlp/up": linear(hidden, width, bias=True),
        "mlp/down": linear(width, hidden, bias=True),
        "norm/layers": held(4 * hidden),
    }
    after: Costs = {}
    once: Costs = {}
    kind = task(fields)
    if kind == "CausalLM":
        own = 0 if fields.flag("tie_word_embeddings", default=True) else vocab * hidden
        after = {
            "head/logits": Cost(
                params=own + vocab, active_params=own + vocab, flop_per_token=2 * vocab * hidden
            )
        }
    elif kind == "SequenceClassification":
        once = {
            "head/dense": linear(hidden, hidden, bias=True),
            "head/classifier": linear(hidden, label_count(fields), bias=True),
        }
    elif kind == "TokenClassification":
        after = {"head/classifier": linear(hidden, label_count(fields), bias=True)}
    encoder = Encoder(
        before={"embedding/token": held(vocab * hidden), "embedding/mask": held(hidden)},
        stack=(Group(costs=layer, times=layers),),
        after=after,
        once=once,
        longest=10**9,
    )

    def run(inputs: Inputs) -> Pass:
        """The sines behind the relative positions need no gradient."""
        done = encoder.run(inputs)
        constant = "attention/relative"
        kept = [
            (name, replace(term, backward_ratio=1.0) if name == constant else term)
            for name, term in done.lines
        ]
        return replace(done, lines=kept)

    counted = not kind or after or once
    notes = () if counted else (f"the head For{kind} is not counted",)
    return replace(network(fields, encoder, notes), run=run)


FAMILIES: Mapping[str, Callable[[Fields], Network]] = {
    "longformer": longformer,
    "big_bird": big_bird,
    "esm": esm,
    "xlnet": xlnet,
    "layoutlm": partial(bert, replace(BERT, pooled=EVERY_TASK, extra=layout_tables)),
}
