"""How much work LUKE is: BERT beside tables of entities (arXiv:2010.01057)."""

from functools import partial

from estimator.workload.blocks import Costs, held
from estimator.workload.families.text_encoder import LAYER_NORM, Sizes, TextFacts, text_encoder
from estimator.workload.fields import Fields
from estimator.workload.model_class import head_note, task
from estimator.workload.network import Network
from estimator.workload.registry import family


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
