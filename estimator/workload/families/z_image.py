"""How much work a diffusion transformer is that refines noise and words apart, then reads both.

Z-Image and Lumina-Image 2.0 (arXiv:2511.22699, arXiv:2503.21758): one stream of layers without
biases. Sizes that a config leaves out are those of diffusers 0.42; `image_size` is the side of the
latent map, `seq_len` the text tokens.
"""

from dataclasses import dataclass

from estimator.workload.blocks import Attention, Cost, Costs, Mlp, affine, held, multi_head, scaled
from estimator.workload.convolution import ratio
from estimator.workload.families.diffusion_transformer import (
    SINE_WIDTH,
    Joint,
    Sizes,
    divided_sizes,
    two_dense,
)
from estimator.workload.fields import Fields
from estimator.workload.network import Network, network
from estimator.workload.registry import diffusers_class

SIDE = 128
"""Side of the latent map of an image of 1024 pixels. [1]"""


@dataclass(frozen=True, kw_only=True)
class Refined:
    """Sizes of such a model.

    Parameters
    ----------
    sizes : Sizes
        What the config states of patches.
    attention, mlp : Attention, Mlp
        Of each layer.
    refiners, words, shared : int
        Layers over noise and over words alone; width of the words; width of the time. [1]
    embedding : Cost
        That of the time.
    spare : int
        Parameters of learned tokens. [1]
    """

    sizes: Sizes
    attention: Attention
    mlp: Mlp
    refiners: int
    words: int
    shared: int
    embedding: Cost
    spare: int = 0


def _refined(fields: Fields, model: Refined) -> Network:
    """The network of these sizes."""
    sizes, refiners, width = model.sizes, model.refiners, model.sizes.width
    layer: Costs = {**model.attention.costs(), **model.mlp.costs(), "norm/layers": held(4 * width)}
    modulated = affine(model.shared, 4 * width).times(sizes.layers + refiners)
    joint = Joint(
        sizes=sizes,
        side=SIDE,
        text_tokens=256,
        per_image={
            "time/embedding": model.embedding,
            "time/modulation": modulated + affine(model.shared, width),
            "embedding/spare": held(model.spare),
            "norm/text": held(model.words),
        },
        per_patch=scaled(layer, refiners, "noise/"),
        per_text={
            "text/project": affine(model.words, width),
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
    shared, norms = min(width, SINE_WIDTH), 2 * head_dim * fields.flag("qk_norm", default=True)
    model = Refined(
        sizes=Sizes(
            width=width,
            head_dim=head_dim,
            layers=fields.layers("n_layers"),
            patch=patch,
            patch_inputs=volume,
            patch_outputs=volume,
        ),
        attention=multi_head(width, heads, head_dim, norm_params=norms),
        mlp=Mlp(hidden=width, width=int(width / 3 * 8), gated=True),
        refiners=fields.layers("n_refiner_layers"),
        words=fields.size("cap_feat_dim"),
        shared=shared,
        embedding=affine(SINE_WIDTH, 1024, shared),
        spare=2 * width,
    )
    return _refined(fields, model)


@diffusers_class("Lumina2Transformer2DModel")
def lumina2(fields: Fields) -> Network:
    """Lumina-Image 2.0: grouped-query attention, MLPs of a rounded width."""
    sizes = divided_sizes(fields)
    width, head_dim = sizes.width, sizes.head_dim
    heads, kv_heads = fields.size("num_attention_heads"), fields.size("num_kv_heads")
    fields.share("num_attention_heads", heads, "num_kv_heads", kv_heads)
    multiple = fields.size("multiple_of")
    inner, shared = int(4 * width * ratio(fields, "ffn_dim_multiplier", 1.0)), min(width, 1024)
    model = Refined(
        sizes=sizes,
        attention=multi_head(width, heads, head_dim, kv_heads=kv_heads, norm_params=2 * head_dim),
        mlp=Mlp(hidden=width, width=-(-inner // multiple) * multiple, gated=True),
        refiners=fields.layers("num_refiner_layers"),
        words=fields.size("cap_feat_dim"),
        shared=shared,
        embedding=two_dense(SINE_WIDTH, shared),
    )
    return _refined(fields, model)
