"""How much work CogView4 is: one set of weights over patches and words, modulated apart.

By a config of diffusers (0.42). `image_size` is the side of the latent map, `seq_len` the text
tokens, 224 by default.
"""

from estimator.workload.blocks import affine, scaled
from estimator.workload.convolution import square
from estimator.workload.families.diffusion_transformer import (
    Joint,
    feed_forward,
    patch_sizes,
    products,
    projections,
    two_dense,
)
from estimator.workload.fields import Fields
from estimator.workload.network import Network, network
from estimator.workload.registry import diffusers_class


@diffusers_class("CogView4Transformer2DModel")
def cogview4(fields: Fields) -> Network:
    """CogView4: sizes and place of the image stand beside the time."""
    sizes, time = patch_sizes(fields), fields.size("time_embed_dim")
    width, layers = sizes.width, sizes.layers
    layer = {**projections(width), **products(width), **feed_forward(fields, width)}
    model = Joint(
        sizes=sizes,
        side=square(fields, "sample_size"),
        text_tokens=224,
        per_image={
            "time/embedding": two_dense(width, time),
            "time/sizes": two_dense(6 * fields.size("condition_dim"), time),
            "time/modulation": affine(time, (12 * layers + 2) * width),
        },
        per_text={"text/project": affine(fields.size("text_embed_dim"), width)},
        per_both=scaled(layer, layers),
    )
    return network(fields, model.run)
