"""How much work ESM-2 is: BERT for proteins with a contact head (doi:10.1126/science.ade2574)."""

from estimator.workload.blocks import Costs, held
from estimator.workload.families.text_encoder import (
    CLASSIFIERS,
    LAYER_NORM,
    HeadCosts,
    Sizes,
    TextFacts,
    heads,
    text_encoder,
)
from estimator.workload.fields import Fields
from estimator.workload.registry import families


def _position_rows(fields: Fields, sizes: Sizes) -> int:
    """No table for rotary positions (supplement A.1)."""
    kind = fields.text("position_embedding_type", default="absolute")
    return sizes.positions if kind == "absolute" else 0


def _heads(fields: Fields, sizes: Sizes, facts: TextFacts) -> HeadCosts:
    after, once, notes = heads(fields, sizes, facts)
    contacts = held(sizes.layers * sizes.heads + 1)
    norm = held(LAYER_NORM * sizes.hidden)
    return {"norm/outer": norm, "head/contacts": contacts, **after}, once, notes


def _norm(fields: Fields, sizes: Sizes) -> Costs:
    """A norm on the tables, where the config asks for one."""
    return {"norm/embedding": held(fields.flag("emb_layer_norm_before") * 2 * sizes.hidden)}


ESM2 = TextFacts(
    position_rows=_position_rows,
    has_types=False,
    embedding_norm=False,
    extra=_norm,
    pooled=("",),
    dense_before=CLASSIFIERS,
    heads=_heads,
)

families(text_encoder, {"esm": ESM2})
