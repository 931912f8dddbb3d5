"""Which diffusion transformer of diffusers has patches that look at the text.

PixArt, Wan, LTX-Video, SANA and Hunyuan-DiT: layers of attention among the patches, attention from
the patches to the text, and an MLP. Videos without `image_size` are of the length and size of their
report.
"""

from dataclasses import replace

from estimator.workload.blocks import Cost, Costs, Mlp, held, linear, product, scaled, table
from estimator.workload.convolution import ratio, square
from estimator.workload.families.diffusion_transformer import (
    SINE_WIDTH,
    Joint,
    Sizes,
    feed_forward,
    patch_sizes,
    products,
    projections,
    timed,
    two_dense,
)
from estimator.workload.fields import Fields
from estimator.workload.ledger import Architecture
from estimator.workload.network import Network, network
from estimator.workload.registry import CLASSES, diffusers_class


def crossed(
    model: Joint,
    mlp: Costs,
    *,
    norms: int,
    context: int,
    biases: tuple[bool, bool] = (True, True),
    linear_in_patches: bool = False,
) -> Joint:
    """The model with layers whose patches look at text states of width `context`.

    `norms` are the parameters of the norms and tables of a layer, `biases` whether queries, keys
    and values of attention among the patches and to the text have biases.
    """
    width, layers, (own_bias, cross_bias) = model.sizes.width, model.sizes.layers, biases
    own = {
        **projections(width, own_bias),
        "cross/query": linear(width, width, cross_bias),
        "cross/output": linear(width, width, bias=True),
        **mlp,
        "norm/layers": held(norms),
    }
    read, inside = linear(context, width, cross_bias), products(width)
    if linear_in_patches:
        state = Cost(flop_per_token=2 * width * (model.sizes.head_dim + 1))
        own |= {"attention/state": state, "attention/read": state}
        inside = {}
    return replace(
        model,
        per_patch={**scaled(own, layers), **model.per_patch},
        per_text={**model.per_text, **scaled({"cross/key": read, "cross/value": read}, layers)},
        inside=scaled(inside, layers),
        across=scaled(products(width, "cross/"), layers),
    )


def _latent(sizes: Sizes, side: int, text_tokens: int, words: int | None) -> Joint:
    """A model of a latent map and text states of width `words`, modulated alike in all layers."""
    width = sizes.width
    return Joint(
        sizes=sizes,
        side=side,
        text_tokens=text_tokens,
        per_image={**timed(width, 6), "head/scale": held(2 * width)},
        per_text={} if words is None else {"text/project": two_dense(words, width)},
    )


@diffusers_class("PixArtTransformer2DModel")
def pixart(fields: Fields) -> Network:
    """PixArt-alpha and -sigma: one modulation for all layers (arXiv:2310.00426, sec. 2.3)."""
    sizes, side = patch_sizes(fields), square(fields, "sample_size")
    width, bias = sizes.width, fields.flag("attention_bias")
    model = _latent(sizes, side, 300 if side > 64 else 120, fields.size_or_none("caption_channels"))
    if fields.flag("use_additional_conditions", default=side == 128):
        once = two_dense(SINE_WIDTH, width // 3)
        resolution = {"time/sizes": product(2 * once.params, 3 * once.flop_per_token)}
        model = replace(model, per_image={**model.per_image, **resolution})
    model = crossed(
        model,
        feed_forward(fields, width),
        norms=6 * width + 4 * width * fields.flag("norm_elementwise_affine"),
        context=fields.size_or_none("cross_attention_dim") or width,
        biases=(bias, bias),
    )
    return network(fields, model.run)


@diffusers_class("Transformer2DModel")
def transformer_2d(fields: Fields) -> Architecture:
    """The older class of DiT and PixArt, by the norm of its layers."""
    names = {
        "ada_norm_single": "PixArtTransformer2DModel",
        "ada_norm_zero": "DiTTransformer2DModel",
    }
    norm = fields.text("norm_type", default="layer_norm")
    if norm not in names:
        known = " and ".join(names)
        raise ValueError(f"{fields.path}norm_type {norm!r} is not counted: {known} are")
    return CLASSES[names[norm]](fields)


@diffusers_class("WanTransformer3DModel")
def wan(fields: Fields) -> Network:
    """Wan 2.1 and 2.2: 81 frames of 480 x 832 pixels by default (arXiv:2503.20314, sec. 4.2)."""
    deep, patch, across = fields.sizes("patch_size", (1, 2, 2), 3)
    if patch != across:
        raise ValueError(f"{fields.path}patch_size must be square, got {[deep, patch, across]}")
    sizes = patch_sizes(fields.with_values({"patch_size": patch}), frames=deep)
    width, layers = sizes.width, sizes.layers
    model = _latent(sizes, 60, 512, fields.size("text_dim"))
    image_dim = fields.size_or_none("image_dim")
    seen = {} if image_dim is None else _image_states(image_dim, width, layers)
    asks = Cost(flop_per_token=4 * width * IMAGE_TOKENS * layers * bool(seen))
    model = replace(
        model,
        wide=104,
        steps=21 // deep,
        per_image={**model.per_image, **timed(width, 6, fields.size("freq_dim")), **seen},
        per_patch={"cross/image": asks},
    )
    norms = 6 + 2 * fields.flag("cross_attn_norm") + 4 * bool(_qk_norm(fields))
    mlp = Mlp(hidden=width, width=fields.size("ffn_dim"), bias=True).costs()
    return network(fields, crossed(model, mlp, norms=norms * width, context=width).run)


IMAGE_TOKENS = 257
"""States of CLIP's tower that a Wan of images to videos looks at. [1]"""


def _image_states(image_dim: int, width: int, layers: int) -> Costs:
    """Projection of an image's states, and their keys and values in each layer."""
    project = linear(image_dim, image_dim, True) + linear(image_dim, width, True)
    both = project + linear(width, 2 * width, True).times(layers)
    return {
        "image/states": product(both.params, IMAGE_TOKENS * both.flop_per_token),
        "norm/image": held(2 * (image_dim + width) + layers * width),
    }


def _qk_norm(fields: Fields, usual: str = "rms_norm_across_heads") -> str:
    """Norms of queries and keys across all heads, none where the config says null."""
    known = "rms_norm_across_heads"
    kind = usual if "qk_norm" not in fields.values else fields.text("qk_norm")
    if kind not in ("", known):
        raise ValueError(f"{fields.path}qk_norm {kind!r} is not counted: {known} is")
    return kind


@diffusers_class("LTXVideoTransformer3DModel")
def ltx(fields: Fields) -> Network:
    """LTX-Video: 161 frames of 512 x 704 pixels by default (arXiv:2501.00103, sec. 2)."""
    if fields.size("patch_size_t", default=1) != 1:
        raise ValueError(f"{fields.path}patch_size_t must be 1")
    alone = patch_sizes(fields.with_values({"patch_size": 1}))  # a patch has one position's values
    sizes, bias = replace(alone, patch=fields.size("patch_size")), fields.flag("attention_bias")
    width, affine = sizes.width, fields.flag("norm_elementwise_affine")
    model = _latent(sizes, 16, 128, fields.size("caption_channels"))
    model = replace(model, wide=22, steps=21)
    model = crossed(
        model,
        feed_forward(fields, width),
        norms=(6 + 4 * bool(_qk_norm(fields)) + 2 * affine) * width,
        context=fields.size("cross_attention_dim"),
        biases=(bias, bias),
    )
    return network(fields, model.run)


@diffusers_class("SanaTransformer2DModel")
def sana(fields: Fields) -> Network:
    """SANA: attention that is linear in the patches, MLPs that convolve (arXiv:2410.10629)."""
    sizes = patch_sizes(fields)
    width, inner = sizes.width, int(sizes.width * ratio(fields, "mlp_ratio", 2.5))
    model = _latent(sizes, square(fields, "sample_size"), 300, fields.size("caption_channels"))
    guidance = two_dense(SINE_WIDTH, width) if fields.flag("guidance_embeds") else Cost()
    further = {"time/guidance": guidance, "norm/text": held(width)}
    mlp = {
        "mlp/up": linear(width, 2 * inner, bias=True),
        "mlp/depthwise": product(2 * inner * (9 + 1), 2 * inner * 18),
        "mlp/down": linear(inner, width),
    }
    model = crossed(
        replace(model, per_image={**model.per_image, **further}),
        mlp,
        norms=(6 + 4 * bool(_qk_norm(fields, usual=""))) * width,
        context=fields.size_or_none("cross_attention_dim") or width,
        biases=(fields.flag("attention_bias"), True),
        linear_in_patches=True,
    )
    return network(fields, model.run)


@diffusers_class("HunyuanDiT2DModel")
def hunyuan_dit(fields: Fields) -> Network:
    """Hunyuan-DiT: the later half of the layers takes the earlier in (arXiv:2405.08748, sec. 2).

    `seq_len` counts the words of both text towers, the config's by default.
    """
    width, layers = fields.size("hidden_size"), fields.layers("num_layers")
    heads, patch = fields.size("num_attention_heads"), fields.size("patch_size")
    values = fields.size("in_channels") * patch * patch
    sizes = Sizes(
        width=width,
        head_dim=fields.share("hidden_size", width, "num_attention_heads", heads),
        layers=layers,
        patch=patch,
        taken=values,
        given=values * (1 + fields.flag("learn_sigma")),
    )
    near, far = fields.size("text_len"), fields.size("text_len_t5")
    context, t5 = fields.size("cross_attention_dim"), fields.size("cross_attention_dim_t5")
    pooled = fields.size("pooled_projection_dim")
    styled = fields.flag("use_style_cond_and_image_meta_size")
    extra = pooled + (6 * SINE_WIDTH + width) * styled
    project = linear(t5, 4 * t5, True) + linear(4 * t5, context, True)
    read, skips = linear(t5, 2 * t5, True), layers - layers // 2 - 1
    model = Joint(
        sizes=sizes,
        side=square(fields, "sample_size"),
        text_tokens=near + far,
        per_image={
            **timed(width, layers + 2),
            "time/style": table(1, width * styled),
            "time/extra": linear(extra, 4 * width, True) + linear(4 * width, width, True),
            "text/t5": product(project.params, far * project.flop_per_token),
            "pooler/read": product(read.params, (far + 1) * read.flop_per_token),
            "pooler/query": linear(t5, t5, True),
            "pooler/scores": Cost(flop_per_token=4 * t5 * (far + 1)),
            "pooler/out": linear(t5, pooled, True),
            "text/tables": held((near + far) * context + (far + 1) * t5),
        },
        per_patch={
            "skip/project": linear(2 * width, width, True).times(skips),
            "norm/skip": held(4 * width * skips),
        },
    )
    inner = int(width * ratio(fields, "mlp_ratio", 4.0))
    mlp, norms = Mlp(hidden=width, width=inner, bias=True).costs(), 6 * width + 8 * sizes.head_dim
    return network(fields, crossed(model, mlp, norms=norms, context=context).run)
