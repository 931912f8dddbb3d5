"""Which text encoder that attends in blocks a config describes: Longformer, BigBird.

Defaults are those of transformers 5.23. Scores are counted in blocks, padding included; no global
tokens are assumed.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from estimator.workload.blocks import Costs, held, linear
from estimator.workload.families.layoutlm import EVERY_TASK
from estimator.workload.families.text_encoder import (
    Sizes,
    TextFacts,
    bert_sizes,
    block,
    heads,
    tables,
)
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, Quantity
from estimator.workload.model_class import task
from estimator.workload.network import (
    Network,
    Pass,
    Reach,
    length_warning,
    lines,
    network,
    sequence,
)
from estimator.workload.registry import family

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
        return Pass(lines=done, items=batch * seq_len, warnings=warned)


def _sliding(half: int) -> Pairs:
    """Overlapping chunks of two half windows for scores, three halves for the values [1]_.

    References
    ----------
    .. [1] I. Beltagy et al., "Longformer", 2020, arXiv:2004.05150, sec. 3.2 and appendix A.
    """
    return lambda seq_len: ((seq_len / half - 1.0) * (2 * half) ** 2, 3.0 * half * seq_len)


@family("longformer")
def longformer(fields: Fields) -> Network:
    """Longformer: sliding windows; projections of their own for global tokens."""
    sizes = bert_sizes(fields, Sizes())
    given = fields.values.get("attention_window", 512)
    if isinstance(given, int):
        found = [fields.size("attention_window", default=512, least=2)] * sizes.layers
    else:
        listed = fields.items("attention_window", sizes.layers) or []
        found = [int(window) for window in listed]
    after, once, notes = heads(
        fields, sizes, TextFacts(pooled=("", "MultipleChoice"), classifier_dense=True)
    )
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
    return network(fields, model.run, notes)


@family("big_bird")
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

    after, once, notes = heads(fields, sizes, TextFacts(pooled=EVERY_TASK, classifier_dense=True))
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
    return network(fields, model.run, notes)


def _deep_span(sizes: Sizes) -> Costs:
    """BigBird's MLP before the span of an answer."""
    return {
        "head/up": linear(sizes.hidden, sizes.width, bias=True),
        "head/down": linear(sizes.width, sizes.hidden, bias=True),
        "norm/head": held(2 * sizes.hidden),
    }
