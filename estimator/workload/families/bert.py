"""Which text encoder a config describes: BERT and the models that differ from it in a few facts.

Defaults are those of transformers 5.23.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from estimator.workload.blocks import Costs, held, linear
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
from estimator.workload.families.rotary import label_count
from estimator.workload.fields import Fields
from estimator.workload.network import Network

BERT_SIZES = Sizes()
SPANS = ("QuestionAnswering", "PreTraining")
BERT_POOLED = ("", "NextSentencePrediction", "MultipleChoice", "PreTraining")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What sets one family of the line apart.

    Parameters
    ----------
    sizes : Sizes
        Defaults of its configs.
    spare_positions : int
        Rows of the position table that no token uses. [1]
    pooled : tuple of str
        Tasks whose trunk ends in a pooler.
    classifier_dense, twin_bias : bool
        As in `Heads`.
    extra : function
        Further costs round the stack.
    embedding_norm : bool
        A norm on the sum of the tables.
    """

    sizes: Sizes = BERT_SIZES
    spare_positions: int = 0
    pooled: tuple[str, ...] = ("SequenceClassification", *BERT_POOLED)
    classifier_dense: bool = False
    twin_bias: bool = True
    extra: Callable[[Fields, Sizes], Costs] = lambda fields, sizes: {}
    embedding_norm: bool = True


BERT = Facts()
ROBERTA = Facts(spare_positions=2, pooled=("", "MultipleChoice"), classifier_dense=True)


def bert(facts: Facts, fields: Fields) -> Network:
    """BERT: learned positions and types, norms after the blocks, biases everywhere."""
    sizes = bert_sizes(fields, facts.sizes)
    after, once, notes = heads(
        fields,
        Heads(
            hidden=sizes.hidden,
            vocab=sizes.vocab,
            table_width=sizes.hidden,
            pooler=facts.pooled,
            classifier_dense=facts.classifier_dense,
            twin_bias=facts.twin_bias,
        ),
    )
    if fields.text("model_type") == "splinter" and task(fields) in SPANS:
        after, once = _span_selection(sizes.hidden), {}
    before = {
        **tables(sizes, sizes.hidden, facts.embedding_norm),
        **facts.extra(fields, sizes),
    }
    encoder = Encoder(
        before=before,
        stack=(Group(costs=block(fields, sizes), times=sizes.layers),),
        after=after,
        once=once,
        longest=max(sizes.positions - facts.spare_positions, 1),
    )
    return network(fields, encoder, notes)


def _span_selection(hidden: int) -> Costs:
    """Splinter: spans scored against questions (arXiv:2101.00438, sec. 3)."""
    return {
        "head/question": linear(hidden, 2 * hidden, bias=True),
        "head/span": linear(hidden, 2 * hidden, bias=True),
        "norm/head": held(4 * LAYER_NORM * hidden),
        "head/classifier": linear(hidden, 2 * hidden),
    }


def outer_norm(fields: Fields, sizes: Sizes) -> Costs:
    """A norm after the last layer."""
    return {"norm/outer": held(2 * sizes.hidden)}


def relative_bias(fields: Fields, sizes: Sizes) -> Costs:
    """One learned bias per head and bucket of distances, shared by all layers."""
    buckets = fields.size("relative_attention_num_buckets", default=32)
    return {"attention/relative_bias": held(buckets * sizes.heads)}


def task_types(fields: Fields, sizes: Sizes) -> Costs:
    """ERNIE: a table of tasks, where it is used."""
    used = fields.flag("use_task_id")
    rows = fields.size("task_type_vocab_size", default=3)
    return {"embedding/task": held(used * rows * sizes.hidden)}


def distilbert(fields: Fields) -> Network:
    """DistilBERT: no types, no pooler, a dense layer before the classifier."""
    sizes = replace(bert_sizes(fields, Sizes(layers=6)), types=0)
    facts = Heads(
        hidden=sizes.hidden,
        vocab=sizes.vocab,
        table_width=sizes.hidden,
        pooler=(),
        classifier_dense=True,
        twin_bias=False,
    )
    after, once, notes = heads(fields, facts)
    encoder = Encoder(
        before=tables(sizes, sizes.hidden),
        stack=(Group(costs=block(fields, sizes), times=sizes.layers),),
        after=after,
        once=once,
        longest=sizes.positions,
    )
    return network(fields, encoder, notes)


def electra(fields: Fields) -> Network:
    """ELECTRA: a narrow token table; the discriminator scores every position."""
    sizes = bert_sizes(fields, Sizes(hidden=256, heads=4, width=1024))
    narrow = fields.size("embedding_size", default=128)
    facts = Heads(
        hidden=sizes.hidden,
        vocab=sizes.vocab,
        table_width=narrow,
        pooler=(),
        classifier_dense=True,
        twin_bias=False,
    )
    if task(fields) == "PreTraining":
        after: Costs = {
            "head/dense": linear(sizes.hidden, sizes.hidden, bias=True),
            "head/replaced": linear(sizes.hidden, 1, bias=True),
        }
        once: Costs = {}
        notes: tuple[str, ...] = ()
    else:
        after, once, notes = heads(fields, facts)
    bridge = {"embedding/project_in": linear(narrow, sizes.hidden, bias=True)}
    encoder = Encoder(
        before={**tables(sizes, narrow), **(bridge if narrow != sizes.hidden else {})},
        stack=(Group(costs=block(fields, sizes), times=sizes.layers),),
        after=after,
        once=once,
        longest=sizes.positions,
    )
    return network(fields, encoder, notes)


def albert(fields: Fields) -> Network:
    """ALBERT: a narrow token table, and layers that share their weights [1]_.

    References
    ----------
    .. [1] Z. Lan et al., "ALBERT", 2019, arXiv:1909.11942, sec. 3.1.
    """
    usual = Sizes(hidden=4096, layers=12, heads=64, width=16384, vocab=30000)
    sizes = bert_sizes(fields, usual)
    narrow = fields.size("embedding_size", default=128)
    facts = Heads(
        hidden=sizes.hidden,
        vocab=sizes.vocab,
        table_width=narrow,
        pooler=BERT_POOLED,
    )
    after, once, notes = heads(fields, facts)
    if task(fields) == "PreTraining":
        once = {**once, "head/sentence_order": linear(sizes.hidden, label_count(fields), bias=True)}
    if task(fields) == "SequenceClassification":
        once = {"pooler": linear(sizes.hidden, sizes.hidden, bias=True), **once}
    bridge = {"embedding/project_in": linear(narrow, sizes.hidden, bias=True)}
    encoder = Encoder(
        before={**tables(sizes, narrow), **bridge},
        stack=_shared(fields, sizes),
        after=after,
        once=once,
        longest=sizes.positions,
    )
    return network(fields, encoder, notes)


def _shared(fields: Fields, sizes: Sizes) -> tuple[Group, ...]:
    """Groups of layers, each run in its share of the depth."""
    groups = fields.layers("num_hidden_groups", default=1)
    inner = fields.layers("inner_group_num", default=1)
    costs = block(fields, sizes)
    runs = [0] * groups
    for layer in range(sizes.layers):
        runs[int(layer / (sizes.layers / groups))] += 1
    return tuple(Group(costs=costs, times=inner, reuse=run) for run in runs)


FAMILIES: Mapping[str, Callable[[Fields], Network]] = {
    "bert": partial(bert, BERT),
    "ernie": partial(bert, replace(BERT, extra=task_types)),
    "megatron-bert": partial(
        bert,
        Facts(
            sizes=Sizes(hidden=1024, layers=24, heads=16, width=4096, vocab=29056),
            embedding_norm=False,
            extra=outer_norm,
        ),
    ),
    "roberta": partial(bert, replace(ROBERTA, sizes=Sizes(vocab=50265))),
    "xlm-roberta": partial(bert, ROBERTA),
    "xlm-roberta-xl": partial(
        bert,
        replace(
            ROBERTA,
            sizes=Sizes(
                hidden=2560, layers=36, heads=32, width=10240, vocab=250880, positions=514, types=1
            ),
            embedding_norm=False,
            extra=outer_norm,
        ),
    ),
    "ibert": partial(bert, replace(ROBERTA, sizes=Sizes())),
    "splinter": partial(bert, replace(BERT, pooled=())),
    "camembert": partial(bert, ROBERTA),
    "data2vec-text": partial(bert, ROBERTA),
    "roberta-prelayernorm": partial(
        bert, replace(ROBERTA, sizes=Sizes(vocab=50265), extra=outer_norm)
    ),
    "mpnet": partial(
        bert, replace(ROBERTA, sizes=Sizes(vocab=30527, types=0), extra=relative_bias)
    ),
    "distilbert": distilbert,
    "electra": electra,
    "albert": albert,
}
