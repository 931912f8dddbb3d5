"""How much work RoFormer is: rotary positions, held as a table (arXiv:2104.09864, sec. 3.2)."""

from estimator.workload.blocks import Costs, held
from estimator.workload.families.text_encoder import Sizes, TextFacts, text_encoder
from estimator.workload.fields import Fields
from estimator.workload.registry import families


def _position_table(fields: Fields, sizes: Sizes) -> Costs:
    return {"attention/positions": held(sizes.positions * (sizes.hidden // sizes.heads))}


ROFORMER = TextFacts(
    has_positions=False,
    width_key="embedding_size",
    extra=_position_table,
    pooled=(),
    dense_before=("SequenceClassification",),
)

families(text_encoder, {"roformer": ROFORMER})
