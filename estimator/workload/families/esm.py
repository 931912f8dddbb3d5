"""How much work ESM-2 is: BERT for proteins with a contact head (doi:10.1126/science.ade2574)."""

from estimator.workload.blocks import Costs, held
from estimator.workload.families.text_encoder import (
    CLASSIFIERS,
    LAYER_NORM,
    Sizes,
    TextFacts,
    text_encoder,
)
from estimator.workload.fields import Fields
from estimator.workload.network import Network
from estimator.workload.registry import family


def _norms(fields: Fields, sizes: Sizes) -> Costs:
    """A norm on the tables where the config asks for one, one behind the layers, and contacts."""
    norm = LAYER_NORM * sizes.hidden
    return {
        "norm/embedding": held(norm * fields.flag("emb_layer_norm_before")),
        "norm/outer": held(norm),
        "head/contacts": held(sizes.layers * sizes.heads + 1),
    }


@family("esm")
def esm(fields: Fields) -> Network:
    """ESM-2: no table for rotary positions (supplement A.1)."""
    facts = TextFacts(
        has_positions=fields.text("position_embedding_type", default="absolute") == "absolute",
        has_types=False,
        embedding_norm=False,
        extra=_norms,
        pooled=("",),
        dense_before=CLASSIFIERS,
    )
    return text_encoder(facts, fields)
