"""Which further text encoder a config describes: LiLT, FNet, BROS, TAPAS, MarkupLM, XLM, LUKE.

Defaults are those of transformers 5.23.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from estimator.workload.blocks import Attention, Cost, Costs, Mlp, held, linear
from estimator.workload.families.bert import BERT, BERT_POOLED, Facts, bert
from estimator.workload.families.encoder import (
    LAYER_NORM,
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
from estimator.workload.families.rotary import class_name, label_count
from estimator.workload.fields import Fields
from estimator.workload.network import Network, merged


def bert_generation(fields: Fields) -> Network:
    """BERT for generation: no types, no pooler, a bare tied head (arXiv:1907.12461)."""
    usual = Sizes(hidden=1024, layers=24, heads=16, width=4096, vocab=50358)
    sizes = replace(bert_sizes(fields, usual), types=0)
    writes = class_name(fields).endswith("Decoder")
    own = 0 if fields.flag("tie_word_embeddings", default=True) else 1
    params = sizes.vocab + own * sizes.vocab * (sizes.hidden + 1)
    logits = Cost(
        params=params, active_params=params, flop_per_token=2 * sizes.vocab * sizes.hidden
    )
    encoder = Encoder(
        before=tables(sizes, sizes.hidden),
        stack=(Group(costs=block(fields, sizes), times=sizes.layers),),
        after={"head/logits": logits} if writes else {},
        once={},
        longest=sizes.positions,
        causal=writes,
    )
    return network(fields, encoder)


def lilt(fields: Fields) -> Network:
    """LiLT: a text stream and a narrow layout stream that share scores (arXiv:2202.13669)."""
    sizes = bert_sizes(fields, Sizes())
    hidden, shrink = sizes.hidden, fields.size("channel_shrink_ratio", default=4)
    narrow = replace(sizes, hidden=hidden // shrink, width=sizes.width // shrink)
    boxes = fields.size("max_2d_position_embeddings", default=1024)
    layout = block(Fields({}), narrow)
    pooler = ("", "MultipleChoice")
    facts = Heads(
        hidden=hidden,
        vocab=sizes.vocab,
        table_width=hidden,
        pooler=pooler,
        classifier_dense=True,
    )
    after, once, notes = heads(fields, facts)
    before = {
        **tables(sizes, hidden),
        "embedding/layout": held(4 * boxes * (hidden // 6)),
        "embedding/box": held(sizes.positions * narrow.hidden),
        "layout/project_in": linear(hidden // 6 * 6, narrow.hidden, bias=True),
        "norm/layout": held(LAYER_NORM * narrow.hidden),
    }
    renamed = {f"layout/{part}": cost for part, cost in layout.items()}
    encoder = Encoder(
        before=before,
        stack=(Group(costs={**block(fields, sizes), **renamed}, times=sizes.layers),),
        after=after,
        once=once,
        longest=sizes.positions,
    )
    return network(fields, encoder, notes)


def fnet(fields: Fields) -> Network:
    """FNet: Fourier transforms instead of attention, which multiply no weights [1]_.

    References
    ----------
    .. [1] J. Lee-Thorp et al., "FNet", 2021, arXiv:2105.03824, sec. 3.2.
    """
    sizes = bert_sizes(fields, Sizes(vocab=32000, types=4))
    every = ("TokenClassification", "QuestionAnswering")
    facts = Heads(
        hidden=sizes.hidden,
        vocab=sizes.vocab,
        table_width=sizes.hidden,
        pooler=("MaskedLM", "SequenceClassification", *every, *BERT_POOLED),
        twin_bias=True,
    )
    after, once, notes = heads(fields, facts)
    layer = {
        **Mlp(hidden=sizes.hidden, width=sizes.width, bias=True).costs(),
        "norm/layers": held(2 * LAYER_NORM * sizes.hidden),
    }
    encoder = Encoder(
        before={
            **tables(sizes, sizes.hidden),
            "embedding/project": linear(sizes.hidden, sizes.hidden, bias=True),
        },
        stack=(Group(costs=layer, times=sizes.layers),),
        after=after,
        once=once,
        longest=sizes.positions,
    )
    return network(fields, encoder, notes)


def bros_boxes(fields: Fields, sizes: Sizes) -> Costs:
    """BROS: sines of the boxes through one matrix."""
    return {"embedding/box": linear(sizes.hidden // 4, sizes.hidden // sizes.heads)}


def bros(facts: Facts, fields: Fields) -> Network:
    """BROS: BERT that sees boxes (arXiv:2108.04539); the graph heads are not counted."""
    graph = "Spade" in class_name(fields)
    note = f"the head of {class_name(fields)} is not counted"
    return bert(facts, replace(fields, notes=(*fields.notes, *(note,) * graph)))


def tapas_types(fields: Fields, sizes: Sizes) -> Costs:
    """TAPAS: seven tables of types."""
    rows = fields.items("type_vocab_sizes") or [3, 256, 256, 2, 256, 256, 10]
    answers = task(fields) == "QuestionAnswering"
    kinds = fields.size("num_aggregation_labels", default=0, least=0) * answers
    return {
        "embedding/cells": held(sum(int(row) for row in rows) * sizes.hidden),
        "head/aggregation": held(kinds * (sizes.hidden + 1)),
    }


def tapas(fields: Fields) -> Network:
    """TAPAS: BERT with rows, columns and ranks as types (arXiv:2004.02349, sec. 2)."""
    usual = {"max_position_embeddings": 1024, **fields.values, "type_vocab_size": 0}
    pooled = ("QuestionAnswering", *BERT.pooled)
    return bert(replace(BERT, extra=tapas_types, pooled=pooled), replace(fields, values=usual))


def markup(fields: Fields, sizes: Sizes) -> Costs:
    """MarkupLM: paths of tags and subscripts, level by level (arXiv:2110.08518, sec. 2.1)."""
    depth = fields.size("max_depth", default=50)
    unit = fields.size("xpath_unit_hidden_size", default=32)
    tags = fields.size("max_xpath_tag_unit_embeddings", default=256)
    places = fields.size("max_xpath_subs_unit_embeddings", default=1024)
    return {
        "embedding/paths": held(depth * unit * (tags + places)),
        "path/in": linear(depth * unit, 4 * sizes.hidden, bias=True),
        "path/out": linear(4 * sizes.hidden, sizes.hidden, bias=True),
        "path/unused": held((depth * unit + 1) * sizes.hidden),
    }


def xlm(fields: Fields) -> Network:
    """XLM and FlauBERT: norms after the blocks, languages as types (arXiv:1901.07291)."""
    names = {
        "hidden_size": ("emb_dim", 2048),
        "num_hidden_layers": ("n_layers", 12),
        "num_attention_heads": ("n_heads", 16),
    }
    values = dict(fields.values)
    for name, (key, usual) in names.items():
        values[name] = values.get(key, values.get(name, usual))
    values.setdefault("vocab_size", 30145)
    languages = fields.size("n_langs", default=1)
    types = languages if languages > 1 and fields.flag("use_lang_emb", default=True) else 0
    values |= {"type_vocab_size": types, "intermediate_size": 4 * values["hidden_size"]}
    read = replace(fields, values=values)
    for key in ("n_layers", "n_heads", "dim", "hidden_dim", "d_model"):
        values.pop(key, None)
    sizes = bert_sizes(read, Sizes())
    after: dict[str, Cost] = {}
    once: dict[str, Cost] = {}
    kind = "MaskedLM" if class_name(fields).endswith("WithLMHeadModel") else task(fields)
    if kind == "MaskedLM":
        own = not fields.flag("tie_word_embeddings", default=True)
        params = sizes.vocab * (1 + own * sizes.hidden)
        flop = 2 * sizes.vocab * sizes.hidden
        after["head/logits"] = Cost(params=params, active_params=params, flop_per_token=flop)
    if kind == "TokenClassification":
        after["head/classifier"] = linear(sizes.hidden, label_count(fields), bias=True)
    if kind == "QuestionAnsweringSimple":
        after["head/span"] = linear(sizes.hidden, label_count(fields), bias=True)
    if kind == "SequenceClassification":
        once["head/classifier"] = linear(sizes.hidden, label_count(fields), bias=True)
    counted = not kind or after or once
    note = () if counted else (f"the head of {class_name(fields)} is not counted",)
    encoder = Encoder(
        before=tables(sizes, sizes.hidden),
        stack=(Group(costs=block(read, sizes), times=sizes.layers),),
        after=after,
        once=once,
        longest=sizes.positions,
    )
    return network(fields, encoder, note)


def luke_entities(fields: Fields, sizes: Sizes) -> Costs:
    """LUKE: tables of entities, and queries of their own for words and entities."""
    rows = fields.size("entity_vocab_size", default=500000)
    width = fields.size("entity_emb_size", default=256) or sizes.hidden
    bridge = linear(width, sizes.hidden) if width != sizes.hidden else Cost()
    own = 3 * sizes.layers * sizes.hidden * (sizes.hidden + 1)
    aware = fields.flag("use_entity_aware_attention", default=True)
    predicts = task(fields) == "MaskedLM"
    guess = width * (sizes.hidden + 3) + rows
    return {
        "head/entity": held(guess * predicts),
        "embedding/entity": held(rows * width),
        "embedding/entity_bridge": held(bridge.params),
        "embedding/entity_position": held((sizes.positions + sizes.types) * sizes.hidden),
        "norm/entity": held(LAYER_NORM * sizes.hidden),
        "attention/entity_query": held(own * aware),
    }


LUKE_POOLED = ("", "MaskedLM", "SequenceClassification", "MultipleChoice")


def luke(fields: Fields) -> Network:
    """LUKE: words and entities in one attention; a pass over words alone (arXiv:2010.01057)."""
    kind = task(fields)
    facts = replace(BERT, sizes=Sizes(vocab=50267), extra=luke_entities, pooled=LUKE_POOLED)
    if kind == "MaskedLM":
        untied = {"tie_word_embeddings": False}
        facts = replace(facts, twin_bias=False)
        return bert(facts, replace(fields, values={**fields.values, **untied}))
    if kind.startswith("Entity"):
        note = f"the head For{kind} is not counted"
        return bert(facts, replace(fields, notes=(*fields.notes, note)))
    return bert(facts, fields)


def gte(fields: Fields) -> Network:
    """GTE: rotary positions, gated MLPs, biases everywhere but at the gates (arXiv:2407.19669)."""
    sizes = bert_sizes(fields, Sizes(vocab=250048, positions=8192, types=1))
    hidden = sizes.hidden
    attention = Attention(
        hidden=hidden,
        heads=sizes.heads,
        kv_heads=sizes.heads,
        head_dim=fields.share("hidden_size", hidden, "num_attention_heads", sizes.heads),
        qkv_bias=True,
        output_bias=True,
    )
    layer = merged(
        attention.costs(),
        Mlp(hidden=hidden, width=sizes.width, gated=True).costs(),
        {"mlp/down": held(hidden), "norm/layers": held(2 * LAYER_NORM * hidden)},
    )
    facts = Heads(
        hidden=hidden,
        vocab=sizes.vocab,
        table_width=hidden,
        pooler=(),
        classifier_dense=True,
    )
    after, once, notes = heads(fields, facts)
    encoder = Encoder(
        before=tables(replace(sizes, positions=0), hidden),
        stack=(Group(costs=layer, times=sizes.layers),),
        after=after,
        once=once,
        longest=sizes.positions,
    )
    return network(fields, encoder, notes)


def dpr(fields: Fields) -> Network:
    """DPR: a BERT without pooler, perhaps projected (arXiv:2004.04906)."""
    width = fields.size("projection_dim", default=0, least=0)
    bare = replace(fields, values={**fields.values, "architectures": ["DPRModel"]})
    reads = class_name(fields).endswith("Reader")
    hidden = fields.size("hidden_size", default=768)
    out = width or hidden
    head: Costs = {"head/project": linear(hidden, width, bias=True)} if width else {}
    if reads:
        head = {**head, "head/span": linear(out, 2, bias=True)}
        head = {**head, "head/relevance": linear(out, 1, bias=True)}
    return bert(replace(BERT, pooled=(), extra=lambda *_: head), bare)


FAMILIES: Mapping[str, Callable[[Fields], Network]] = {
    "bert-generation": bert_generation,
    "lilt": lilt,
    "fnet": fnet,
    "bros": partial(bros, replace(BERT, pooled=("", "TokenClassification"), extra=bros_boxes)),
    "tapas": tapas,
    "markuplm": partial(bert, replace(BERT, pooled=("", "SequenceClassification"), extra=markup)),
    "xlm": xlm,
    "flaubert": xlm,
    "luke": luke,
    "gte": gte,
    "dpr": dpr,
}
