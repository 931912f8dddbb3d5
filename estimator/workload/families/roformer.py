"""How much work RoFormer is: rotary positions, held as a table (arXiv:2104.09864, sec. 3.2)."""

from estimator.workload.blocks import Costs, held
from estimator.workload.families.text_encoder import Sizes, TextFacts, no_positions, text_encoder
from estimator.workload.fields import Fields
from estimator.workload.registry import families


def _position_table(fields: Fields, sizes: Sizes) -> Costs:
    return {"attention/positions": held(sizes.positions * (sizes.hidden // sizes.heads))}


ROFORMER = TextFacts(
    position_rows=no_positions,
    table_width=lambda fields, sizes: fields.size_or_none("embedding_size") or sizes.hidden,
    extra=_position_table,
    pooled=(),
    dense_before=("SequenceClassification",),
)

families(text_encoder, {"roformer": ROFORMER})
