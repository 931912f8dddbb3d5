"""How much work a diffusion transformer is that refines noise and words apart, then reads both.

Z-Image and Lumina-Image 2.0 (arXiv:2511.22699, arXiv:2503.21758): one stream of layers without
biases. Sizes that a config leaves out are those of diffusers 0.42; `image_size` is the side of the
latent map, `seq_len` the text tokens.
"""

from estimator.networks.blocks import Cost, Costs, Mlp, affine, held, multi_head, scaled
from estimator.networks.convolution import ratio
from estimator.networks.families.diffusion_transformer import (
    SINE_WIDTH,
    Joint,
    TransformerSizes,
    divided_sizes,
    two_dense,
)
from estimator.networks.fields import Fields
from estimator.networks.network import Network, network
from estimator.networks.registry import diffusers_class

SIDE = 128
"""Side of the latent map of an image of 1024 pixels. [1]"""


def _refined(
    fields: Fields,
    sizes: TransformerSizes,
    layer: Costs,
    shared: int,
    embedding: Cost,
    spare: int = 0,
) -> Network:
    """Layers over noise and over words alone, then over both.

    `shared` is the width of the time behind its `embedding`, `spare` the parameters of learned
    tokens.
    """
    width, words = sizes.width, fields.size("cap_feat_dim")
    refiners = fields.layers("n_refiner_layers", "num_refiner_layers")
    layer = {**layer, "norm/layers": held(4 * width)}
    modulated = affine(shared, 4 * width).times(sizes.layers + refiners)
    joint = Joint(
        sizes=sizes,
        side=SIDE,
        text_tokens=256,
        per_image={
            "time/embedding": embedding,
            "time/modulation": modulated + affine(shared, width),
            "embedding/spare": held(spare),
            "norm/text": held(words),
        },
        per_patch=scaled(layer, refiners, "noise/"),
        per_text={
            "text/project": affine(words, width),
            **scaled(layer, refiners, "text/"),
            "head/pixels": Cost(flop_per_token=2 * width * sizes.patch_outputs),
        },
        per_both=scaled(layer, sizes.layers),
    )
    return network(fields, joint.run)


@diffusers_class("ZImageTransformer2DModel")
def z_image(fields: Fields) -> Network:
    """Z-Image: all heads have keys of their own, whatever `n_kv_heads` says."""
    for key in ("all_patch_size", "all_f_patch_size"):
        fields.sizes(key, (2 if key == "all_patch_size" else 1,), 1)
    fields.counted("siglip_feat_dim", None)
    width, heads = fields.size("dim"), fields.size("n_heads")
    head_dim = fields.share("dim", width, "n_heads", heads)
    patch, deep = fields.sizes("all_patch_size", (2,))[0], fields.sizes("all_f_patch_size", (1,))[0]
    volume = fields.size("in_channels") * patch * patch * deep
    sizes = TransformerSizes(
        width=width,
        head_dim=head_dim,
        layers=fields.layers("n_layers"),
        patch=patch,
        patch_inputs=volume,
        patch_outputs=volume,
    )
    norms = 2 * head_dim * fields.flag("qk_norm", default=True)
    attention = multi_head(width, heads, head_dim, norm_params=norms)
    layer = {**attention.costs(), **Mlp(width, int(width / 3 * 8), gated=True).costs()}
    shared = min(width, SINE_WIDTH)
    return _refined(fields, sizes, layer, shared, affine(SINE_WIDTH, 1024, shared), 2 * width)


@diffusers_class("Lumina2Transformer2DModel")
def lumina2(fields: Fields) -> Network:
    """Lumina-Image 2.0: grouped-query attention, MLPs of a rounded width."""
    sizes = divided_sizes(fields)
    width, head_dim = sizes.width, sizes.head_dim
    heads, kv_heads = fields.size("num_attention_heads"), fields.size("num_kv_heads")
    fields.share("num_attention_heads", heads, "num_kv_heads", kv_heads)
    multiple = fields.size("multiple_of")
    inner, shared = int(4 * width * ratio(fields, "ffn_dim_multiplier", 1.0)), min(width, 1024)
    attention = multi_head(width, heads, head_dim, kv_heads=kv_heads, norm_params=2 * head_dim)
    mlp = Mlp(width, -(-inner // multiple) * multiple, gated=True)
    layer = {**attention.costs(), **mlp.costs()}
    return _refined(fields, sizes, layer, shared, two_dense(SINE_WIDTH, shared))
