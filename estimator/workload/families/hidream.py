"""How much work HiDream Image (I1) is: layers of two streams, then of one, whose MLPs are experts.

By a config of diffusers (0.42); arXiv:2505.22705. `image_size` is the side of the latent map,
`seq_len` the text tokens that the layers see: those of T5 and twice those of Llama.
"""

from estimator.workload.blocks import Costs, Experts, Mlp, held, linear, product, scaled
from estimator.workload.families.diffusion_transformer import (
    Joint,
    patch_sizes,
    products,
    projections,
    time_embedding,
    two_dense,
)
from estimator.workload.fields import Fields
from estimator.workload.network import Network, network
from estimator.workload.registry import diffusers_class

TOWERS = 3
"""Texts of one length that stand side by side. [1]"""

MULTIPLE = 256
"""What the width of an MLP is rounded up to. [1]"""


def _mlp(width: int, inner: int) -> Mlp:
    """A gated MLP, two thirds as wide as it says, rounded up."""
    return Mlp(hidden=width, width=-(-(2 * inner // 3) // MULTIPLE) * MULTIPLE, gated=True)


@diffusers_class("HiDreamImageTransformer2DModel")
def hidream(fields: Fields) -> Network:
    """HiDream: every layer reads states of another layer of Llama beside the text so far."""
    sizes, single = patch_sizes(fields), fields.layers("num_single_layers")
    width, double = sizes.width, sizes.layers
    mixed = Experts(
        expert=_mlp(width, 4 * width),
        experts=fields.size("num_routed_experts"),
        active=fields.size("num_activated_experts"),
        shared=_mlp(width, 2 * width),
    )
    attention: Costs = {**projections(width), "norm/heads": held(2 * width)}
    one = {**attention, **mixed.costs(), **products(width)}
    first, deep = fields.sizes("caption_channels", (), 2)
    states = linear(deep, width).times(double + single)
    captions = product(states.params, states.flop_per_token // TOWERS)
    again = linear(first, width)
    model = Joint(
        sizes=sizes,
        side=128,
        text_tokens=128 * TOWERS,
        per_image={
            **time_embedding(width, 12 * double + 6 * single + 2),
            "time/text": two_dense(fields.size("text_emb_dim"), width),
        },
        per_patch=scaled({**attention, **mixed.costs()}, double),
        per_text={
            "text/states": captions,
            "text/project": product(again.params, again.flop_per_token // TOWERS),
            **scaled({**attention, **_mlp(width, 4 * width).costs()}, double, "text/"),
        },
        per_both={**scaled(products(width), double), **scaled(one, single, "single/")},
    )
    return network(fields, model.run)
