"""How much work MobileBERT is: narrow layers between wide states (arXiv:2004.02984)."""

from estimator.workload.blocks import Costs, Mlp, equal_heads, held, linear, scaled, table
from estimator.workload.families.text_encoder import (
    BERT_POOLED,
    LANGUAGE_TASKS,
    Sizes,
    TextFacts,
    text_encoder,
)
from estimator.workload.fields import Fields
from estimator.workload.model_class import task
from estimator.workload.network import Network
from estimator.workload.registry import family


def _mobilebert_layer(fields: Fields, sizes: Sizes) -> Costs:
    """MobileBERT: narrow layers between wide states (arXiv:2004.02984, sec. 3)."""
    hidden, inner = sizes.hidden, fields.size("intra_bottleneck_size", default=128)
    stacks = fields.size("num_feedforward_networks", default=4)
    keys = ("intra_bottleneck_size", "num_attention_heads")
    mlp = Mlp(hidden=inner, width=sizes.width, bias=True).costs()
    return {
        **equal_heads(fields, inner, sizes.heads, keys).costs(),
        "attention/value": linear(hidden, inner, bias=True),
        **scaled(mlp, stacks),
        "bottleneck/in": linear(hidden, 2 * inner, bias=True),
        "bottleneck/out": linear(inner, hidden, bias=True),
        "norm/layers": held(2 * (inner * (stacks + 3) + hidden)),
    }


def _trigrams(fields: Fields, sizes: Sizes) -> Costs:
    """A narrow token table, of which three neighbours are projected at once; a head widens it."""
    narrow = fields.size("embedding_size")
    neighbours = 3 if fields.flag("trigram_input", default=True) else 1
    writes = task(fields) in LANGUAGE_TASKS
    return {
        "embedding/token": table(sizes.vocab, narrow),
        "embedding/project_in": linear(neighbours * narrow, sizes.hidden, bias=True),
        "head/logits": held((sizes.hidden - narrow) * sizes.vocab * writes),
    }


@family("mobilebert")
def mobilebert(fields: Fields) -> Network:
    """MobileBERT, pooled through a dense layer where it is active."""
    active = fields.flag("classifier_activation", default=True)
    pooled = ("SequenceClassification", *BERT_POOLED) if active else ()
    facts = TextFacts(layer=_mobilebert_layer, extra=_trigrams, pooled=pooled)
    published = (
        fields.flag("use_bottleneck", default=True)
        and fields.flag("key_query_shared_bottleneck", default=True)
        and not fields.flag("use_bottleneck_attention")
        and fields.flag("tie_word_embeddings", default=True)
    )
    note = () if published else ("bottlenecks and heads are counted as in the published model",)
    return text_encoder(facts, fields.with_values({"tie_word_embeddings": True}).noted(*note))
