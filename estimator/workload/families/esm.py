"""How much work ESM-2 is: BERT for proteins with a contact head (doi:10.1126/science.ade2574)."""

from estimator.workload.blocks import held
from estimator.workload.families.text_encoder import (
    LAYER_NORM,
    HeadCosts,
    Sizes,
    TextFacts,
    heads,
    text_encoder,
)
from estimator.workload.fields import Fields
from estimator.workload.network import Network
from estimator.workload.registry import family

ESM_SIZES = Sizes(vocab=33, positions=1026)


def _position_rows(fields: Fields, sizes: Sizes) -> int:
    """No table for rotary positions (supplement A.1)."""
    kind = fields.text("position_embedding_type", default="absolute")
    return sizes.positions if kind == "absolute" else 0


def _heads(fields: Fields, sizes: Sizes, facts: TextFacts) -> HeadCosts:
    after, once, notes = heads(fields, sizes, facts)
    contacts = held(sizes.layers * sizes.heads + 1)
    norm = held(LAYER_NORM * sizes.hidden)
    return {"norm/outer": norm, "head/contacts": contacts, **after}, once, notes


@family("esm")
def esm(fields: Fields) -> Network:
    """ESM-2, with a norm on its tables where the config asks for one."""
    facts = TextFacts(
        sizes=ESM_SIZES,
        position_rows=_position_rows,
        has_types=False,
        embedding_norm=fields.flag("emb_layer_norm_before"),
        pooled=("",),
        classifier_dense=True,
        heads=_heads,
    )
    return text_encoder(facts, fields)
