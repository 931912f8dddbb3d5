"""How much work RoFormer is: BERT with rotary positions (arXiv:2104.09864)."""

from estimator.workload.blocks import Costs, held
from estimator.workload.families.text_encoder import Sizes, TextFacts, text_encoder
from estimator.workload.fields import Fields
from estimator.workload.registry import families


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
