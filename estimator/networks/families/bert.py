"""Which text encoder of BERT's line a config describes.

BERT's layer with other tables and heads: RoBERTa, XLM-RoBERTa, CamemBERT, X-MOD, I-BERT, MPNet,
Data2Vec, DistilBERT, ELECTRA, RemBERT, ERNIE, Megatron-BERT, Splinter, VisualBERT, DPR, Jina v3,
ESM-2, RoFormer, XLM, FlauBERT, LUKE.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from estimator.networks.blocks import Costs, affine, held, linear, table
from estimator.networks.families.text_encoder import (
    CLASSIFIERS,
    LAYER_NORM,
    WIDTH,
    HeadCosts,
    Sizes,
    TextFacts,
    bert_sizes,
    block,
    heads,
    text_encoder,
)
from estimator.networks.fields import Fields
from estimator.networks.model_class import (
    class_name,
    classifier,
    head_note,
    label_head,
    task,
    tied_as_stated,
    word_head,
)
from estimator.networks.network import Network
from estimator.networks.registry import families, family

NARROW = "embedding_size"
"""Key of the width of a token table that is narrower than the model."""

BERT = TextFacts()

ROBERTA = TextFacts(spare_positions=2, pooled=("", "MultipleChoice"), dense_before=CLASSIFIERS)

PLAIN = TextFacts(pooled=(), dense_before=CLASSIFIERS, twin_bias=False)


def language_adapters(fields: Fields, sizes: Sizes) -> Costs:
    """X-MOD: a narrow MLP per language behind each layer, one of which a token meets."""
    narrow = sizes.hidden // fields.size("adapter_reduction_factor", default=2)
    mlp = affine(sizes.hidden, narrow, sizes.hidden)
    adapters = mlp.routed(len(fields.items("languages") or ["en_XX"]), 1)
    norm = LAYER_NORM * sizes.hidden * fields.flag("adapter_layer_norm")
    return {**block(fields, sizes), "adapter": adapters, "norm/adapter": held(norm)}


def visual_tables(fields: Fields, sizes: Sizes) -> Costs:
    """VisualBERT: tables and a projection for regions of an image, none of which is passed."""
    seen = fields.size("visual_embedding_dim", default=512)
    project = affine(seen, sizes.hidden).params
    return {
        "vision/embedding": table(sizes.types + sizes.positions, sizes.hidden),
        "vision/project": held(project),
    }


def outer_norm(fields: Fields, sizes: Sizes) -> Costs:
    """A norm after the last layer."""
    return {"norm/outer": held(LAYER_NORM * sizes.hidden)}


def norm_if_before(fields: Fields, sizes: Sizes) -> Costs:
    """X-MOD: a norm after the last layer where norms stand before the blocks."""
    return outer_norm(fields, sizes) if fields.flag("pre_norm") else {}


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
        "head/question": affine(hidden, 2 * hidden),
        "head/span": affine(hidden, 2 * hidden),
        "norm/head": held(4 * LAYER_NORM * hidden),
        "head/classifier": linear(hidden, 2 * hidden),
    }


def replaced_tokens(fields: Fields, sizes: Sizes) -> Costs:
    """ELECTRA: the discriminator scores every position (arXiv:2003.10555, sec. 2)."""
    return {
        "head/dense": affine(sizes.hidden, sizes.hidden),
        "head/replaced": affine(sizes.hidden, 1),
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
    "xmod": replace(ROBERTA, layer=language_adapters, extra=norm_if_before),
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
    once: Costs = {"head/project": affine(hidden, width)} if width else {}
    spans: Costs = {}
    if class_name(fields).endswith("Reader"):
        spans = {"head/span": affine(width or hidden, 2)}
        once = {**once, "head/relevance": affine(width or hidden, 1)}
    bare = fields.with_values({"architectures": ["DPRModel"]})
    return text_encoder(replace(BERT, pooled=(), heads=lambda *_: (spans, once)), bare)


def contacts(fields: Fields, sizes: Sizes) -> Costs:
    """ESM-2: a norm after the last layer, and a head that reads contacts off the attention."""
    return {**outer_norm(fields, sizes), "head/contacts": held(sizes.layers * sizes.heads + 1)}


@family("esm")
def esm(fields: Fields) -> Network:
    """ESM-2, for proteins: rotary positions have no table (doi:10.1126/science.ade2574)."""
    facts = TextFacts(
        has_positions=fields.text("position_embedding_type", default="absolute") == "absolute",
        has_types=False,
        embedding_norm=fields.flag("emb_layer_norm_before"),
        extra=contacts,
        pooled=("",),
        dense_before=CLASSIFIERS,
    )
    return text_encoder(facts, fields)


def rotary_table(fields: Fields, sizes: Sizes) -> Costs:
    """RoFormer: rotary positions, held as a table (arXiv:2104.09864, sec. 3.2)."""
    return {"attention/positions": held(sizes.positions * (sizes.hidden // sizes.heads))}


families(
    text_encoder,
    {
        "roformer": TextFacts(
            has_positions=False,
            width_key="embedding_size",
            extra=rotary_table,
            pooled=(),
            dense_before=("SequenceClassification",),
        )
    },
)


def bare_heads(fields: Fields, sizes: Sizes, facts: TextFacts) -> HeadCosts:
    """A bare language head, classifiers without a dense layer."""
    kind, hidden = task(fields), sizes.hidden
    after = dict(classifier(fields, hidden, "TokenClassification"))
    once = classifier(fields, hidden, "SequenceClassification")
    if kind == "MaskedLM" or class_name(fields).endswith("WithLMHeadModel"):
        after["head/logits"] = word_head(fields, hidden, sizes.vocab, biases=1)
    if kind == "QuestionAnsweringSimple":
        after["head/span"] = label_head(fields, hidden)
    return after, once


@family("xlm", "flaubert")
def xlm(fields: Fields) -> Network:
    """XLM, FlauBERT: BERT whose types of sentences are languages (arXiv:1901.07291)."""
    languages = fields.size("n_langs", default=1)
    tagged = languages > 1 and fields.flag("use_lang_emb", default=True)
    width = 4 * fields.size(*WIDTH)
    values = {"type_vocab_size": languages * tagged, "intermediate_size": width}
    return text_encoder(TextFacts(heads=bare_heads), fields.with_values(values))


def entities(untied: bool, fields: Fields, sizes: Sizes) -> Costs:
    """Tables of entities, and queries of their own for words and entities."""
    rows = fields.size("entity_vocab_size", default=500000)
    width = fields.size("entity_emb_size", default=256) or sizes.hidden
    bridge = width * sizes.hidden if width != sizes.hidden else 0
    own = 3 * sizes.layers * sizes.hidden * (sizes.hidden + 1)
    aware = fields.flag("use_entity_aware_attention", default=True)
    predicts = task(fields) == "MaskedLM"
    return {
        "head/entity": held((width * (sizes.hidden + 3 + untied * rows) + rows) * predicts),
        "embedding/entity": held(rows * width),
        "embedding/entity_bridge": held(bridge),
        "embedding/entity_position": held((sizes.positions + sizes.types) * sizes.hidden),
        "norm/entity": held(LAYER_NORM * sizes.hidden),
        "attention/entity_query": held(own * aware),
    }


@family("luke")
def luke(fields: Fields) -> Network:
    """LUKE on words alone, its entities at rest (arXiv:2010.01057, sec. 3)."""
    kind, untied = task(fields), not fields.flag("tie_word_embeddings", default=True)
    facts = TextFacts(
        extra=partial(entities, untied),
        pooled=("", "MaskedLM", "SequenceClassification", "MultipleChoice"),
        twin_bias=kind != "MaskedLM" or untied,
    )
    if kind == "MaskedLM":
        fields = fields.with_values({"tie_word_embeddings": False})
    notes = head_note(fields, not kind.startswith("Entity"))
    return text_encoder(facts, fields.noted(*notes))
