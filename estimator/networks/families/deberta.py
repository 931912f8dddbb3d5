"""DeBERTa: attention with relative-position scores.

Version 1 arXiv:2006.03654, sec. 3.1; version 3 arXiv:2111.09543.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from estimator.networks.blocks import Cost, Costs, affine, linear, params_only, product
from estimator.networks.families.text_encoder import (
    CLASSIFIERS,
    HeadCosts,
    Sizes,
    TextFacts,
    bert_sizes,
    block,
    encoder_of,
    heads,
)
from estimator.networks.fields import Fields
from estimator.networks.ledger import Quantity
from estimator.networks.model_class import head_note, label_head, task
from estimator.networks.network import Network, network
from estimator.networks.registry import family

Relative = tuple[Costs, Callable[[Quantity], Quantity]]
"""Costs per row of the distance table, and rows used by a sequence."""


@family("deberta")
def deberta(fields: Fields) -> Network:
    """Build DeBERTa: a joint projection, and separate position projections in every layer."""
    sizes = bert_sizes(fields)
    plain, biased = (linear(sizes.hidden, sizes.hidden, bias) for bias in (False, True))
    own = {"attention/query": biased, "attention/key": plain, "attention/value": biased}
    span = _span(fields, sizes)
    rows = _position_costs(fields, sizes, plain, biased)

    def distance_count(seq_len: Quantity) -> Quantity:
        """Return the number of distances in a sequence, up to the table's size."""
        return 2 * np.minimum(seq_len, float(span))

    layer = {**block(fields, sizes), **own}
    return _assembled(fields, sizes, layer, _distances(fields, sizes, span), (rows, distance_count))


@family("deberta-v2")
def deberta_v2(fields: Fields) -> Network:
    """Build DeBERTa v2 and v3: bucketed distances, position projections shared or not."""
    sizes = bert_sizes(fields)
    hidden = sizes.hidden
    buckets = fields.size_or_none("position_buckets", default=-1, least=-1) or -1
    span = buckets if buckets > 0 else _span(fields, sizes)
    norm = "layer_norm" in fields.text("norm_rel_ebd", default="none").lower()
    extra = {"norm/relative": params_only(2 * hidden * norm), **_distances(fields, sizes, span)}
    project = affine(hidden, hidden)
    rows = _position_costs(fields, sizes, project, project, fields.flag("share_att_key"))
    if kernel := fields.size("conv_kernel_size", default=0, least=0):
        weights = hidden * hidden * kernel // fields.size("conv_groups", default=1)
        extra["convolution/first_layer"] = product(weights + hidden, 2 * weights)
        extra["norm/convolution"] = params_only(2 * hidden)
    every = (rows, lambda seq_len: 2.0 * span)
    return _assembled(fields, sizes, block(fields, sizes), extra, every)


def _distances(fields: Fields, sizes: Sizes, span: int) -> Costs:
    """Return the cost of the table of distances in both directions, if used."""
    rows = 2 * span * fields.flag("relative_attention")
    return {"embedding/relative": params_only(rows * sizes.hidden)}


def _position_costs(
    fields: Fields, sizes: Sizes, key: Cost, query: Cost, shared: bool = False
) -> Costs:
    """Return the costs per distance: its key and query, and their products.

    The matrices may be shared with the word projections.
    """
    if not fields.flag("relative_attention"):
        return {}
    kinds, products = _kinds(fields), Cost(flop_per_pair=2 * sizes.hidden)
    if shared:
        key, query = (Cost(flop_per_token=part.flop_per_token) for part in (key, query))
    return {
        "attention/position_key": key.times(shared or "c2p" in kinds),
        "attention/position_scores": products.times("c2p" in kinds),
        "attention/position_query": query.times(shared or "p2c" in kinds),
        "attention/score_positions": products.times("p2c" in kinds),
    }


def _assembled(
    fields: Fields, sizes: Sizes, layer: Costs, extra: Costs, relative: Relative
) -> Network:
    """Build an encoder of these layers with further costs."""
    width = fields.size("embedding_size", default=sizes.hidden)
    own = {"norm/embedding": params_only(2 * sizes.hidden)}
    if width != sizes.hidden:
        own["embedding/project_in"] = linear(width, sizes.hidden)
    facts = TextFacts(
        has_positions=fields.flag("position_biased_input", default=True),
        width_key="embedding_size",
        layer=lambda *_: layer,
        extra=lambda *_: {**own, **extra},
        pooled=(),
        heads=_heads,
    )
    encoder = encoder_of(facts, fields)
    notes = head_note(fields, not task(fields) or encoder.after or encoder.once)
    rows, row_count = relative
    return network(fields, replace(encoder, rows=rows, row_count=row_count).run, notes)


def _heads(fields: Fields, sizes: Sizes, facts: TextFacts) -> HeadCosts:
    """Return DeBERTa's heads: a pooler before the classifier, and an implicitly tied head."""
    hidden, kind = sizes.hidden, task(fields)
    if kind in CLASSIFIERS:
        pooled = fields.size_or_none("pooler_hidden_size") or hidden
        pooler = affine(pooled, pooled)
        return {}, {"pooler": pooler, "head/classifier": label_head(fields, pooled)}
    if fields.flag("legacy", default=True) or kind != "MaskedLM":
        return heads(fields, sizes, facts)
    tied = fields.with_values({"tie_word_embeddings": True})
    return heads(tied, sizes, replace(facts, width_key=""))


def _kinds(fields: Fields) -> list[Any]:
    """Read `pos_att_type`, a list or words separated by bars."""
    stated = fields.values.get("pos_att_type")
    if isinstance(stated, str):
        return [word.strip() for word in stated.lower().split("|")]
    return fields.items("pos_att_type") or []


def _span(fields: Fields, sizes: Sizes) -> int:
    """Return the largest distance with its own embedding, by default all positions."""
    stated = fields.values.get("max_relative_positions")
    return stated if type(stated) is int and stated > 0 else sizes.positions
