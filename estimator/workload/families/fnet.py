"""How much work FNet is: Fourier transforms instead of attention (arXiv:2105.03824)."""

from estimator.workload.blocks import Costs, Mlp, held, linear
from estimator.workload.families.text_encoder import (
    EVERY_TASK,
    LAYER_NORM,
    Sizes,
    TextFacts,
    text_encoder,
)
from estimator.workload.fields import Fields
from estimator.workload.registry import families


def _fnet_layer(fields: Fields, sizes: Sizes) -> Costs:
    """FNet: Fourier transforms instead of attention (arXiv:2105.03824, sec. 3.2)."""
    mlp = Mlp(hidden=sizes.hidden, width=sizes.width, bias=True).costs()
    return {**mlp, "norm/layers": held(2 * LAYER_NORM * sizes.hidden)}


def _projection(fields: Fields, sizes: Sizes) -> Costs:
    return {"embedding/project": linear(sizes.hidden, sizes.hidden, bias=True)}


families(
    text_encoder,
    {"fnet": TextFacts(layer=_fnet_layer, extra=_projection, pooled=EVERY_TASK)},
)
