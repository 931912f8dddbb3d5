"""How much work BRIA 3 is: Flux without a pooled text, by a config of diffusers (0.42)."""

from dataclasses import replace

from estimator.workload.families.diffusion_transformer import flux_model, patch_sizes
from estimator.workload.fields import Fields
from estimator.workload.network import Network, network
from estimator.workload.registry import diffusers_class


@diffusers_class("BriaTransformer2DModel")
def bria(fields: Fields) -> Network:
    """BRIA 3 of a config."""
    model = flux_model(
        fields.with_values({"pooled_projection_dim": 1}), patch_sizes(fields, folded=True)
    )
    once = {part: cost for part, cost in model.per_image.items() if part != "time/text"}
    return network(fields, replace(model, per_image=once).run)
