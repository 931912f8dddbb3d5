"""Which text encoder of BERT's line a config describes.

BERT's layer with other tables and heads: RoBERTa, XLM-RoBERTa, CamemBERT, X-MOD, I-BERT, MPNet,
Data2Vec, DistilBERT, ELECTRA, RemBERT, ERNIE, Megatron-BERT, Splinter, VisualBERT, DPR, Jina v3.
"""

from collections.abc import Mapping
from dataclasses import replace

from estimator.workload.blocks import Costs, held, linear, table
from estimator.workload.families.text_encoder import (
    CLASSIFIERS,
    LAYER_NORM,
    HeadCosts,
    Sizes,
    TextFacts,
    bert_sizes,
    block,
    heads,
    text_encoder,
)
from estimator.workload.fields import Fields
from estimator.workload.model_class import class_name, tied_as_stated, word_head
from estimator.workload.network import Network
from estimator.workload.registry import families, family

NARROW = "embedding_size"
"""Key of the width of a token table that is narrower than the model."""

BERT = TextFacts()

ROBERTA = TextFacts(spare_positions=2, pooled=("", "MultipleChoice"), dense_before=CLASSIFIERS)

PLAIN = TextFacts(pooled=(), dense_before=CLASSIFIERS, twin_bias=False)


def language_adapters(fields: Fields, sizes: Sizes) -> Costs:
    """X-MOD: a narrow MLP per language behind each layer, one of which a token meets."""
    narrow = sizes.hidden // fields.size("adapter_reduction_factor", default=2)
    mlp = linear(sizes.hidden, narrow, bias=True) + linear(narrow, sizes.hidden, bias=True)
    adapters = mlp.routed(len(fields.items("languages") or ["en_XX"]), 1)
    norm = LAYER_NORM * sizes.hidden * fields.flag("adapter_layer_norm")
    return {**block(fields, sizes), "adapter": adapters, "norm/adapter": held(norm)}


def visual_tables(fields: Fields, sizes: Sizes) -> Costs:
    """VisualBERT: tables and a projection for regions of an image, none of which is passed."""
    seen = fields.size("visual_embedding_dim", default=512)
    project = linear(seen, sizes.hidden, bias=True).params
    return {
        "vision/embedding": table(sizes.types + sizes.positions, sizes.hidden),
        "vision/project": held(project),
    }


def outer_norm(fields: Fields, sizes: Sizes) -> Costs:
    """A norm after the last layer."""
    return {"norm/outer": held(LAYER_NORM * sizes.hidden)}


def relative_bias(fields: Fields, sizes: Sizes) -> Costs:
    """One learned bias per head and bucket of distances, shared by all layers."""
    buckets = fields.size("relative_attention_num_buckets", default=32)
    return {"attention/relative_bias": held(buckets * sizes.heads)}


def task_types(fields: Fields, sizes: Sizes) -> Costs:
    """ERNIE: a table of tasks, where it is used."""
    used = fields.flag("use_task_id")
    rows = fields.size("task_type_vocab_size", default=3)
    return {"embedding/task": held(used * rows * sizes.hidden)}


def question_spans(fields: Fields, sizes: Sizes) -> Costs:
    """Splinter: spans scored against questions (arXiv:2101.00438, sec. 3)."""
    hidden = sizes.hidden
    return {
        "head/question": linear(hidden, 2 * hidden, bias=True),
        "head/span": linear(hidden, 2 * hidden, bias=True),
        "norm/head": held(4 * LAYER_NORM * hidden),
        "head/classifier": linear(hidden, 2 * hidden),
    }


def replaced_tokens(fields: Fields, sizes: Sizes) -> Costs:
    """ELECTRA: the discriminator scores every position (arXiv:2003.10555, sec. 2)."""
    return {
        "head/dense": linear(sizes.hidden, sizes.hidden, bias=True),
        "head/replaced": linear(sizes.hidden, 1, bias=True),
    }


def rembert_heads(fields: Fields, sizes: Sizes, facts: TextFacts) -> HeadCosts:
    """RemBERT: a wide table of its own to write with (arXiv:2010.12821, sec. 4)."""
    untied = fields.with_values({"tie_word_embeddings": False})
    return heads(untied, sizes, replace(facts, width_key="output_embedding_size"))


ROWS: Mapping[str, TextFacts] = {
    "bert": BERT,
    "ernie": replace(BERT, extra=task_types),
    "megatron-bert": TextFacts(embedding_norm=False, extra=outer_norm),
    "roberta": ROBERTA,
    "xlm-roberta": ROBERTA,
    "xlm-roberta-xl": replace(ROBERTA, embedding_norm=False, extra=outer_norm),
    "ibert": ROBERTA,
    "visual_bert": TextFacts(  # arXiv:1908.03557
        extra=visual_tables,
        pooled=("", "PreTraining", "QuestionAnswering", "MultipleChoice", "VisualReasoning"),
    ),
    "xmod": replace(ROBERTA, layer=language_adapters),
    "jina_embeddings_v3": replace(ROBERTA, has_positions=False),
    "camembert": ROBERTA,
    "data2vec-text": ROBERTA,
    "roberta-prelayernorm": replace(ROBERTA, extra=outer_norm),
    "mpnet": replace(ROBERTA, has_types=False, extra=relative_bias),
    "splinter": replace(
        BERT,
        pooled=(),
        own_heads={"QuestionAnswering": question_spans, "PreTraining": question_spans},
    ),
    "distilbert": replace(PLAIN, has_types=False),
    "electra": replace(PLAIN, width_key=NARROW, own_heads={"PreTraining": replaced_tokens}),
    "rembert": TextFacts(
        width_key="input_embedding_size",
        bridged=True,
        pooled=("", "SequenceClassification", "MultipleChoice"),
        twin_bias=False,
        heads=rembert_heads,
    ),
}

families(text_encoder, ROWS)


@family("bert-generation")
def bert_generation(fields: Fields) -> Network:
    """BERT for generation: a bare head, tied or not, on a decoder (arXiv:1907.12461)."""
    sizes, decodes = bert_sizes(fields), class_name(fields).endswith("Decoder")
    biases = 2 - tied_as_stated(fields)
    logits = word_head(fields, sizes.hidden, sizes.vocab, biases=biases)
    after: Costs = {"head/logits": logits} if decodes else {}
    return text_encoder(
        TextFacts(has_types=False, causal=decodes, heads=lambda *_: (after, {})), fields
    )


@family("dpr")
def dpr(fields: Fields) -> Network:
    """DPR: a BERT without pooler, perhaps projected (arXiv:2004.04906)."""
    width = fields.size("projection_dim", default=0, least=0)
    hidden = fields.size("hidden_size", default=768)
    once: Costs = {"head/project": linear(hidden, width, bias=True)} if width else {}
    spans: Costs = {}
    if class_name(fields).endswith("Reader"):
        spans = {"head/span": linear(width or hidden, 2, bias=True)}
        once = {**once, "head/relevance": linear(width or hidden, 1, bias=True)}
    bare = fields.with_values({"architectures": ["DPRModel"]})
    return text_encoder(replace(BERT, pooled=(), heads=lambda *_: (spans, once)), bare)
