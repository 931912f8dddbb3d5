"""Which DeBERTa a config describes: attention that also scores relative positions [1]_.

Defaults are those of transformers 5.23.

References
----------
.. [1] P. He et al., "DeBERTa", 2020, arXiv:2006.03654, sec. 3.1; version 3 arXiv:2111.09543.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from estimator.workload.blocks import Cost, Costs, held, linear
from estimator.workload.families.encoder import (
    Encoder,
    Group,
    Heads,
    Sizes,
    bert_sizes,
    block,
    heads,
    network,
    task,
)
from estimator.workload.families.rotary import label_count
from estimator.workload.fields import Fields
from estimator.workload.ledger import Quantity
from estimator.workload.network import Network


def deberta(fields: Fields) -> Network:
    """DeBERTa: a joint projection, position projections of its own in every layer."""
    sizes = bert_sizes(fields, Sizes(vocab=50265, types=0))
    hidden = sizes.hidden
    layer = dict(block(fields, sizes))
    for part in ("query", "key", "value"):
        layer[f"attention/{part}"] = linear(hidden, hidden, bias=part != "key")
    kinds = _kinds(fields)
    rows: dict[str, Cost] = {}
    table: Costs = {}
    span = _span(fields, sizes)
    if fields.flag("relative_attention"):
        table = {"embedding/relative": held(2 * span * hidden)}
        product = Cost(flop_per_pair=2 * hidden)
        if "c2p" in kinds:
            rows["attention/position_key"] = linear(hidden, hidden)
            rows["attention/position_scores"] = product
        if "p2c" in kinds:
            rows["attention/position_query"] = linear(hidden, hidden, bias=True)
            rows["attention/score_positions"] = product
    return _assembled(
        fields, sizes, layer, (table, rows, lambda seq_len: 2 * np.minimum(seq_len, float(span)))
    )


def deberta_v2(fields: Fields) -> Network:
    """DeBERTa v2 and v3: buckets of distances, position projections shared or not."""
    usual = Sizes(hidden=1536, layers=24, heads=24, width=6144, vocab=128100, types=0)
    sizes = bert_sizes(fields, usual)
    hidden = sizes.hidden
    buckets = fields.values.get("position_buckets")
    span = buckets if type(buckets) is int and buckets > 0 else _span(fields, sizes)
    relative = fields.flag("relative_attention")
    norm = "layer_norm" in fields.text("norm_rel_ebd", default="none").lower()
    table: dict[str, Cost] = {"norm/relative": held(2 * hidden * norm)}
    rows: dict[str, Cost] = {}
    if relative:
        table["embedding/relative"] = held(2 * span * hidden)
        rows = _bucket_costs(hidden, _kinds(fields), fields.flag("share_att_key"))
    kernel = fields.size("conv_kernel_size", default=0, least=0)
    if kernel:
        weights = hidden * hidden * kernel // fields.size("conv_groups", default=1)
        params = weights + hidden
        table["convolution/first_layer"] = Cost(
            params=params, active_params=params, flop_per_token=2 * weights
        )
        table["norm/convolution"] = held(2 * hidden)
    layer = block(fields, sizes)
    return _assembled(fields, sizes, layer, (table, rows, lambda seq_len: 2.0 * span))


def _bucket_costs(hidden: int, kinds: list[Any], shared: bool) -> dict[str, Cost]:
    """Costs per row of the distance table: two projections, and the products with them."""
    full = linear(hidden, hidden, bias=True)
    params = 0 if shared else full.params
    project = replace(full, params=params, active_params=params)
    product = Cost(flop_per_pair=2 * hidden)
    rows = {}
    if shared or "c2p" in kinds:
        rows["attention/position_key"] = project
    if shared or "p2c" in kinds:
        rows["attention/position_query"] = project
    if "c2p" in kinds:
        rows["attention/position_scores"] = product
    if "p2c" in kinds:
        rows["attention/score_positions"] = product
    return rows


Relative = tuple[Costs, Costs, Callable[[Quantity], Quantity]]
"""Costs of the table of distances, costs per row of it, and rows that a sequence uses."""


def _assembled(fields: Fields, sizes: Sizes, layer: Costs, relative: Relative) -> Network:
    """The encoder round its layers: tables, head over tokens, pooler and classifier."""
    extra, rows, row_count = relative
    hidden = sizes.hidden
    width = fields.size("embedding_size", default=hidden)
    positions = sizes.positions * fields.flag("position_biased_input", default=True)
    before = {
        "embedding/token": held(sizes.vocab * width),
        "embedding/position": held(positions * width),
        "embedding/type": held(sizes.types * width),
        "norm/embedding": held(2 * hidden),
        **extra,
    }
    if width != hidden:
        before["embedding/project_in"] = linear(width, hidden)
    after, once, notes = _heads(fields, sizes, width)
    encoder = Encoder(
        before=before,
        stack=(Group(costs=layer, times=sizes.layers),),
        after=after,
        once=once,
        longest=sizes.positions,
        rows=rows,
        row_count=row_count,
    )
    return network(fields, encoder, notes)


def _heads(fields: Fields, sizes: Sizes, width: int) -> tuple[Costs, Costs, tuple[str, ...]]:
    """A pooler of its own before the classifier; a head that may be tied without saying so."""
    hidden = sizes.hidden
    if task(fields) in ("SequenceClassification", "MultipleChoice"):
        pooled = fields.size_or_none("pooler_hidden_size") or hidden
        outputs = label_count(fields) if task(fields) == "SequenceClassification" else 1
        return (
            {},
            {
                "pooler": linear(pooled, pooled, bias=True),
                "head/classifier": linear(pooled, outputs, bias=True),
            },
            (),
        )
    legacy = fields.flag("legacy", default=True)
    facts = Heads(hidden=hidden, vocab=sizes.vocab, table_width=width, pooler=())
    if legacy or task(fields) != "MaskedLM":
        return heads(fields, facts)
    always_tied = replace(fields, values={**fields.values, "tie_word_embeddings": True})
    return heads(always_tied, replace(facts, table_width=hidden))


def _kinds(fields: Fields) -> list[Any]:
    """`pos_att_type` as a list, or as words between bars."""
    stated = fields.values.get("pos_att_type")
    if isinstance(stated, str):
        return [word.strip() for word in stated.lower().split("|")]
    return fields.items("pos_att_type") or []


def _span(fields: Fields, sizes: Sizes) -> int:
    """Longest distance that is told apart: `max_relative_positions`, or all positions."""
    stated = fields.values.get("max_relative_positions")
    return stated if type(stated) is int and stated > 0 else sizes.positions


FAMILIES: Mapping[str, Callable[[Fields], Network]] = {
    "deberta": deberta,
    "deberta-v2": deberta_v2,
}
