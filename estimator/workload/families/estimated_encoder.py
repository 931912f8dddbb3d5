"""Which text encoder with an estimate of attention a config describes: YOSO, MRA, Nystromformer.

Defaults are those of transformers 5.23. Attention is counted as what is computed: every pair,
blocks, or landmarks.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from estimator.workload.blocks import Cost, Costs
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
)
from estimator.workload.fields import Fields
from estimator.workload.network import Network

BLOCK = 32
"""Side of a block of MRA's attention. [token]"""

INVERSE_PRODUCTS = 24
"""Products of landmarks with landmarks that approach an inverse: six rounds of four."""


def yoso(fields: Fields) -> Network:
    """YOSO: attention by hash codes, whose expectation sees every pair (arXiv:2111.09714)."""
    hashed = not fields.flag("use_expectation", default=True)
    notes = ("hashed attention is counted as full attention: an upper bound",) * hashed
    kernel = fields.size_or_none("conv_window") or 0
    sizes = bert_sizes(fields, Sizes(vocab=50265, positions=4096, types=1))
    attention = {"attention/convolution": _filter(sizes, kernel)}
    return _estimated(fields, sizes, {**block(fields, sizes), **attention}, notes)


def mra(fields: Fields) -> Network:
    """MRA: the best blocks of 32 x 32 and a coarse map of the rest (arXiv:2207.10284, sec. 4)."""
    sizes = bert_sizes(fields, Sizes(vocab=50265, positions=512, types=1))
    kept = fields.size("block_per_row", default=4)
    costs = dict(block(fields, sizes))
    near = 2 * BLOCK * kept * sizes.hidden
    for part in ("attention/scores", "attention/reduce"):
        costs[part] = Cost(flop_per_token=near)
    return _estimated(fields, sizes, costs, ())


def nystromformer(fields: Fields) -> Network:
    """Nystromformer: landmarks between queries and keys (arXiv:2102.03902, sec. 3.2)."""
    sizes = bert_sizes(fields, Sizes(vocab=30000, positions=510))
    marks = fields.size("num_landmarks", default=64)
    costs = dict(block(fields, sizes))
    kernel = fields.size_or_none("conv_kernel_size", default=65) or 0
    costs["attention/convolution"] = _filter(sizes, kernel)
    once: Costs = {}
    if marks != fields.size("segment_means_seq_len", default=64):
        flop = 4 * marks * sizes.hidden
        costs["attention/scores"] = Cost(flop_per_token=flop)
        costs["attention/reduce"] = Cost(flop_per_token=flop + 2 * sizes.heads * marks**2)
        inverse = INVERSE_PRODUCTS * 2 * sizes.heads * marks**3 + 2 * marks**2 * sizes.hidden
        once = {"attention/inverse": Cost(flop_per_token=sizes.layers * inverse)}
    return _estimated(fields, sizes, costs, (), once)


def _filter(sizes: Sizes, kernel: int) -> Cost:
    """A convolution of the values along the sequence, one kernel per head."""
    params = sizes.heads * kernel
    return Cost(params=params, active_params=params, flop_per_token=2 * kernel * sizes.hidden)


def _estimated(
    fields: Fields,
    sizes: Sizes,
    costs: Costs,
    notes: tuple[str, ...],
    further: Costs | None = None,
) -> Network:
    """A BERT with such layers and two rows of positions that none uses."""
    facts = Heads(
        hidden=sizes.hidden,
        vocab=sizes.vocab,
        table_width=sizes.hidden,
        pooler=(),
        classifier_dense=True,
    )
    after, once, missing = heads(fields, facts)
    encoder = Encoder(
        before=tables(replace(sizes, positions=sizes.positions + 2), sizes.hidden),
        stack=(Group(costs=costs, times=sizes.layers),),
        after=after,
        once={**once, **(further or {})},
        longest=sizes.positions,
    )
    return network(fields, encoder, missing + notes)


FAMILIES: Mapping[str, Callable[[Fields], Network]] = {
    "yoso": yoso,
    "mra": mra,
    "nystromformer": nystromformer,
}
