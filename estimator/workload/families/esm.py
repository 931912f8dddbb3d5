"""How much work ESM-2 is, a BERT for proteins (doi:10.1126/science.ade2574)."""

from estimator.workload.blocks import Costs, held
from estimator.workload.families.bert import outer_norm
from estimator.workload.families.text_encoder import CLASSIFIERS, Sizes, TextFacts, text_encoder
from estimator.workload.fields import Fields
from estimator.workload.network import Network
from estimator.workload.registry import family


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
