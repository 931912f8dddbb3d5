"""Which text encoder with approximate attention a config describes: Nystromformer, YOSO, MRA.

Attention is counted as what is computed: every pair, blocks, or landmarks.
"""

from dataclasses import replace

from estimator.workload.blocks import Cost, Costs, product
from estimator.workload.families.text_encoder import (
    CLASSIFIERS,
    HeadCosts,
    Sizes,
    TextFacts,
    block,
    heads,
    text_encoder,
)
from estimator.workload.fields import Fields
from estimator.workload.registry import families

BLOCK = 32
"""Side of a block of MRA's attention. [token]"""

INVERSE_PRODUCTS = 24
"""Products of landmarks with landmarks that approach an inverse: six rounds of four."""


def _kernel(sizes: Sizes, kernel: int) -> Cost:
    """A convolution of the values along the sequence, one kernel per head."""
    return product(sizes.heads * kernel, 2 * kernel * sizes.hidden)


def yoso_layer(fields: Fields, sizes: Sizes) -> Costs:
    """YOSO: attention by hash codes, whose expectation sees every pair (arXiv:2111.09714)."""
    kernel = fields.size_or_none("conv_window") or 0
    return {**block(fields, sizes), "attention/convolution": _kernel(sizes, kernel)}


def yoso_heads(fields: Fields, sizes: Sizes, facts: TextFacts) -> HeadCosts:
    """BERT's heads, with a note about hashed attention."""
    after, once, notes = heads(fields, sizes, facts)
    hashed = not fields.flag("use_expectation", default=True)
    note = ("hashed attention is counted as full attention: an upper bound",) * hashed
    return after, once, notes + note


def mra_layer(fields: Fields, sizes: Sizes) -> Costs:
    """MRA: the best blocks of 32 x 32 and a coarse map of the rest (arXiv:2207.10284, sec. 4)."""
    near = Cost(flop_per_token=2 * BLOCK * fields.size("block_per_row", default=4) * sizes.hidden)
    return {**block(fields, sizes), "attention/scores": near, "attention/reduce": near}


def _landmarks(fields: Fields) -> int:
    """Landmarks of a sequence, 0 where they are as many as its segments: full attention."""
    marks = fields.size("num_landmarks", default=64)
    return marks if marks != fields.size("segment_means_seq_len", default=64) else 0


def nystromformer_layer(fields: Fields, sizes: Sizes) -> Costs:
    """Nystromformer: landmarks between queries and keys (arXiv:2102.03902, sec. 3.2)."""
    kernel = fields.size_or_none("conv_kernel_size", default=65) or 0
    costs = {**block(fields, sizes), "attention/convolution": _kernel(sizes, kernel)}
    if marks := _landmarks(fields):
        flop = 4 * marks * sizes.hidden
        costs["attention/scores"] = Cost(flop_per_token=flop)
        costs["attention/reduce"] = Cost(flop_per_token=flop + 2 * sizes.heads * marks**2)
    return costs


def nystromformer_heads(fields: Fields, sizes: Sizes, facts: TextFacts) -> HeadCosts:
    """BERT's heads; once per sequence, landmarks are inverted in every layer."""
    after, once, notes = heads(fields, sizes, facts)
    if marks := _landmarks(fields):
        inverse = INVERSE_PRODUCTS * 2 * sizes.heads * marks**3 + 2 * marks**2 * sizes.hidden
        once = {**once, "attention/inverse": Cost(flop_per_token=sizes.layers * inverse)}
    return after, once, notes


APPROXIMATE = TextFacts(more_rows=2, pooled=(), dense_before=CLASSIFIERS)

families(
    text_encoder,
    {
        "yoso": replace(APPROXIMATE, layer=yoso_layer, heads=yoso_heads),
        "mra": replace(APPROXIMATE, layer=mra_layer),
        "nystromformer": replace(APPROXIMATE, layer=nystromformer_layer, heads=nystromformer_heads),
    },
)
