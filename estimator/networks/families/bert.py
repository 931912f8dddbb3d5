"""Text encoders like BERT.

BERT's layer with other tables and heads: RoBERTa, XLM-RoBERTa, CamemBERT, I-BERT, MPNet, Data2Vec,
DistilBERT, ELECTRA, ERNIE, Megatron-BERT, Jina v3, ALBERT.
"""

from collections.abc import Mapping
from dataclasses import replace

from estimator.networks.blocks import Costs, affine, params_only
from estimator.networks.families.text_encoder import (
    CLASSIFIERS,
    LAYER_NORM,
    HeadCosts,
    Sizes,
    TextFacts,
    heads,
    text_encoder,
)
from estimator.networks.fields import Fields
from estimator.networks.layers import Layers
from estimator.networks.model_class import (
    label_head,
    task,
)
from estimator.networks.registry import families

NARROW = "embedding_size"
"""Config key of a token table narrower than the model."""

BERT = TextFacts()

ROBERTA = TextFacts(spare_positions=2, pooled=("", "MultipleChoice"), dense_before=CLASSIFIERS)

PLAIN = TextFacts(pooled=(), dense_before=CLASSIFIERS, twin_bias=False)


def outer_norm(fields: Fields, sizes: Sizes) -> Costs:
    """Return the cost of a norm after the last layer."""
    return {"norm/outer": params_only(LAYER_NORM * sizes.hidden)}


def relative_bias(fields: Fields, sizes: Sizes) -> Costs:
    """Return the cost of one learned bias per head and distance bucket, shared by all layers."""
    buckets = fields.size("relative_attention_num_buckets", default=32)
    return {"attention/relative_bias": params_only(buckets * sizes.heads)}


def task_types(fields: Fields, sizes: Sizes) -> Costs:
    """Return ERNIE's table of tasks, if used."""
    used = fields.flag("use_task_id")
    rows = fields.size("task_type_vocab_size", default=3)
    return {"embedding/task": params_only(used * rows * sizes.hidden)}


def replaced_tokens(fields: Fields, sizes: Sizes) -> Costs:
    """Return ELECTRA's head: the discriminator scores every position (arXiv:2003.10555, sec. 2)."""
    return {
        "head/dense": affine(sizes.hidden, sizes.hidden),
        "head/replaced": affine(sizes.hidden, 1),
    }


def sentence_order_heads(fields: Fields, sizes: Sizes, facts: TextFacts) -> HeadCosts:
    """Return ALBERT's sentence-order head, with as many labels as in the config."""
    after, once = heads(fields, sizes, facts)
    if task(fields) == "PreTraining":
        once = {**once, "head/sentence_order": label_head(fields, sizes.hidden)}
    return after, once


def shared_layers(fields: Fields, sizes: Sizes, costs: Costs) -> tuple[Layers, ...]:
    """Return ALBERT's groups of layers, each repeated for its share of the depth."""
    groups = fields.layers("num_hidden_groups", default=1)
    inner = fields.layers("inner_group_num", default=1)
    runs = [0] * groups
    for layer in range(sizes.layers):
        runs[int(layer / (sizes.layers / groups))] += 1
    return tuple(Layers(costs=costs, times=inner, reuse=run) for run in runs)


ROWS: Mapping[str, TextFacts] = {
    "bert": BERT,
    "ernie": replace(BERT, extra=task_types),
    "megatron-bert": TextFacts(embedding_norm=False, extra=outer_norm),
    "roberta": ROBERTA,
    "xlm-roberta": ROBERTA,
    "xlm-roberta-xl": replace(ROBERTA, embedding_norm=False, extra=outer_norm),
    "ibert": ROBERTA,
    "jina_embeddings_v3": replace(ROBERTA, has_positions=False),
    "camembert": ROBERTA,
    "data2vec-text": ROBERTA,
    "roberta-prelayernorm": replace(ROBERTA, extra=outer_norm),
    "mpnet": replace(ROBERTA, has_types=False, extra=relative_bias),
    "distilbert": replace(PLAIN, has_types=False),
    "electra": replace(PLAIN, width_key=NARROW, own_heads={"PreTraining": replaced_tokens}),
    "albert": TextFacts(
        width_key=NARROW, bridged=True, stack=shared_layers, heads=sentence_order_heads
    ),
}

families(text_encoder, ROWS)
