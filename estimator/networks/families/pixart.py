"""Which model of diffusers whose patches look at a text a config describes: PixArt, Wan, Sana.

Kandinsky 5, ChronoEdit, SkyReels, Cosmos, Hunyuan-DiT, the older class Transformer2DModel,
LTX-Video, and Stable Audio.
"""

from dataclasses import replace

from estimator.networks.blocks import (
    Cost,
    Costs,
    Mlp,
    affine,
    crossed,
    held,
    linear,
    multi_head,
    product,
    reading,
    scaled,
    table,
)
from estimator.networks.convolution import ratio, square
from estimator.networks.families.diffusion_transformer import (
    SINE_WIDTH,
    Joint,
    TransformerSizes,
    divided_sizes,
    feed_forward,
    patch_sizes,
    products,
    projections,
    time_embedding,
    two_dense,
)
from estimator.networks.fields import Fields
from estimator.networks.ledger import Architecture, Inputs, quantity
from estimator.networks.network import Line, Network, Pass, crossing, length, lines, network
from estimator.networks.registry import CLASSES, diffusers_class


def with_cross_attention(
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
        "cross/output": affine(width, width),
        **mlp,
        "norm/layers": held(norms),
    }
    read = linear(context, width, cross_bias)
    if linear_in_patches:
        state = Cost(flop_per_token=2 * width * (model.sizes.head_dim + 1))
        own |= {"attention/state": state, "attention/read": state}
    else:
        own |= products(width)
    return replace(
        model,
        per_patch={**scaled(own, layers), **model.per_patch},
        per_text={**model.per_text, **scaled({"cross/key": read, "cross/value": read}, layers)},
        across=scaled(products(width, "cross/"), layers),
    )


def _latent(sizes: TransformerSizes, side: int, text_tokens: int, words: int | None) -> Joint:
    """A model of a latent map and text states of width `words`, modulated alike in all layers."""
    width = sizes.width
    return Joint(
        sizes=sizes,
        side=side,
        text_tokens=text_tokens,
        per_image={**time_embedding(width, 6), "head/scale": held(2 * width)},
        per_text={} if words is None else {"text/project": two_dense(words, width)},
    )


@diffusers_class("PixArtTransformer2DModel")
def pixart(fields: Fields) -> Network:
    """PixArt-alpha and -sigma: one modulation for all layers (arXiv:2310.00426, sec. 2.3)."""
    sizes, side = patch_sizes(fields), square(fields, "sample_size")
    width, bias = sizes.width, fields.flag("attention_bias")
    model = _latent(sizes, side, 300 if side > 64 else 120, fields.size_or_none("caption_channels"))
    once = two_dense(SINE_WIDTH, width // 3)
    shapes = product(2 * once.params, 3 * once.flop_per_token)
    shapes = shapes.times(fields.flag("use_additional_conditions", default=side == 128))
    model = with_cross_attention(
        replace(model, per_image={**model.per_image, "time/sizes": shapes}),
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
        raise fields.uncounted("norm_type", norm, *names)
    return CLASSES[names[norm]](fields)


@diffusers_class("WanTransformer3DModel", "ChronoEditTransformer3DModel")
def wan(fields: Fields) -> Network:
    """Wan 2.1 and 2.2: 81 frames of 480 x 832 pixels by default (arXiv:2503.20314, sec. 4.2)."""
    return network(fields, _wan_model(fields, fields.layers("num_layers"), {}).run)


@diffusers_class("SkyReelsV2Transformer3DModel")
def skyreels(fields: Fields) -> Network:
    """SkyReels V2: Wan, perhaps given the frames a second (arXiv:2504.13074, sec. 3)."""
    model = _wan_model(fields, fields.layers("num_layers"), {})
    width, given = model.sizes.width, fields.flag("inject_sample_info")
    rate = (held(2 * width) + affine(width, width, 6 * width)).times(given)
    return network(fields, replace(model, per_image={**model.per_image, "time/rate": rate}).run)


@diffusers_class("WanVACETransformer3DModel")
def wan_vace(fields: Fields) -> Network:
    """Wan with VACE: layers more, over what controls (arXiv:2503.07598, sec. 3.3)."""
    more = len(fields.listed("vace_layers"))
    width = fields.size("num_attention_heads") * fields.size("attention_head_dim")
    deep, patch = _patch(fields)
    control = {
        "control/patch": affine(fields.size("vace_in_channels") * deep * patch**2, width),
        "control/layers": affine(width, width).times(more + 1),
    }
    return network(fields, _wan_model(fields, fields.layers("num_layers") + more, control).run)


def _patch(fields: Fields) -> tuple[int, int]:
    """Frames and side of the patches of a video."""
    deep, patch, across = fields.sizes("patch_size", (1, 2, 2), 3)
    if patch != across:
        raise fields.uncounted("patch_size", [deep, patch, across], [deep, patch, patch])
    return deep, patch


def _wan_model(fields: Fields, layers: int, control: Costs) -> Joint:
    """Wan with so many layers, and what else patches cost."""
    deep, patch = _patch(fields)
    sizes = patch_sizes(fields.with_values({"patch_size": patch}), frames=deep)
    sizes, width = replace(sizes, layers=layers), sizes.width
    model = _latent(sizes, 60, 512, fields.size("text_dim"))
    seen, states = _image_states(fields, width, layers)
    asks = Cost(flop_per_token=4 * width * states * layers)
    model = replace(
        model,
        wide=104,
        steps=21 // deep,
        per_image={**model.per_image, **time_embedding(width, 6, fields.size("freq_dim")), **seen},
        per_patch={"cross/image": asks, **control},
    )
    norms = 6 + 2 * fields.flag("cross_attn_norm") + 4 * _qk_norm(fields)
    mlp = Mlp(width, fields.size("ffn_dim"), bias=True).costs()
    return with_cross_attention(model, mlp, norms=norms * width, context=width)


@diffusers_class("CosmosTransformer3DModel")
def cosmos(fields: Fields) -> Network:
    """Cosmos Predict: 121 frames of 704 x 1280 pixels by default (arXiv:2501.03575, sec. 5.1)."""
    fields.counted("img_context_dim_in", None, 0)
    deep, patch = _patch(fields)
    masked = fields.flag("concat_padding_mask", default=True)
    stated = {"patch_size": patch, "in_channels": fields.size("in_channels") + masked}
    sizes = patch_sizes(fields.with_values(stated), frames=deep)
    width, rank, layers = sizes.width, fields.size("adaln_lora_dim"), sizes.layers
    rows = zip(fields.sizes("max_size", (128, 240, 240), 3), (deep, patch, patch), strict=True)
    placed = fields.counted("extra_pos_embed_type", "learnable", None) is not None
    places = sum(most // side for most, side in rows) * placed
    vectors = (linear(width, rank) + linear(rank, 3 * width)).times(3 * layers)
    own = {
        **projections(width, False, False),
        "cross/query": linear(width, width),
        "cross/output": linear(width, width),
        **Mlp(width, int(width * ratio(fields, "mlp_ratio", 4.0))).costs(),
        **products(width),
        "norm/heads": held(4 * sizes.head_dim),
    }
    read = linear(fields.size("text_embed_dim"), width)
    texts, states = (
        fields.size(key) for key in ("crossattn_proj_in_channels", "encoder_hidden_states_channels")
    )
    project = affine(texts, states).times(fields.flag("use_crossattn_projection"))
    model = Joint(
        sizes=sizes,
        side=88,
        wide=160,
        steps=16 // deep,
        biases=(False, False),
        text_tokens=512,
        per_image={
            "embedding/position": table(places, width),
            "time/embedding": linear(width, width) + linear(width, 3 * width),
            "time/modulation": vectors,
            "head/scale": linear(width, rank) + linear(rank, 2 * width) + held(width),
        },
        per_patch=scaled(own, layers),
        per_text={
            "text/project": project,
            **scaled({"cross/key": read, "cross/value": read}, layers),
        },
        across=scaled(products(width, "cross/"), layers),
    )
    return network(fields, model.run)


@diffusers_class("Kandinsky5Transformer3DModel")
def kandinsky5(fields: Fields) -> Network:
    """Kandinsky 5: 121 frames of 512 x 768 pixels by default (arXiv:2511.14993, sec. 4)."""
    (deep, patch), width = _patch(fields), fields.size("model_dim")
    head_dim = sum(fields.sizes("axes_dims", (16, 24, 24), 3))
    heads = fields.share("model_dim", width, "axes_dims", head_dim)
    seen = fields.size("in_visual_dim")
    stated = {
        "patch_size": patch,
        "num_attention_heads": heads,
        "attention_head_dim": head_dim,
        "num_layers": fields.layers("num_visual_blocks"),
        "in_channels": 2 * seen + 1 if fields.flag("visual_cond") else seen,
        "out_channels": fields.size("out_visual_dim"),
    }
    sizes = patch_sizes(fields.with_values(stated), frames=deep)
    texts, time = fields.layers("num_text_blocks"), fields.size("time_dim")
    pooled = fields.size("in_text_dim2")
    mlp = Mlp(width, fields.size("ff_dim")).costs()
    of_text = {**projections(width), **products(width), **mlp, "norm/heads": held(2 * head_dim)}
    vectors = 6 * texts + 9 * sizes.layers + 2
    modulation = affine(time, width).times(vectors)
    model = Joint(
        sizes=sizes,
        side=64,
        wide=96,
        steps=31 // deep,
        text_tokens=256,
        per_image={
            "time/embedding": affine(width, time, time),
            "time/text": affine(pooled, time),
            "time/modulation": modulation,
            "norm/outer": held(2 * (width + time)),
        },
        per_text={
            "text/project": affine(fields.size("in_text_dim"), width),
            **scaled(of_text, texts, "text/"),
        },
    )
    return network(fields, with_cross_attention(model, mlp, norms=4 * head_dim, context=width).run)


IMAGE_TOKENS = 257
"""States of CLIP's tower that a Wan of images to videos looks at. [1]"""


def _image_states(fields: Fields, width: int, layers: int) -> tuple[Costs, int]:
    """Projection of an image's states, their keys and values in each layer; how many they are.

    A Wan of the first and the last frame has a table of the states of both.
    """
    image_dim = fields.size_or_none("image_dim")
    if image_dim is None:
        return {}, 0
    rows = fields.size_or_none("pos_embed_seq_len") or 0
    states = rows or IMAGE_TOKENS
    both = affine(image_dim, image_dim, width) + affine(width, 2 * width).times(layers)
    costs = {
        "image/states": product(both.params, states * both.flop_per_token),
        "norm/image": held(2 * (image_dim + width) + layers * width),
        "embedding/image": table(rows, image_dim),
    }
    return costs, states


def _qk_norm(fields: Fields, usual: bool = True) -> bool:
    """Whether queries and keys are normed across all heads, not where the config says null."""
    kind = fields.counted("qk_norm", None, "rms_norm_across_heads")
    return kind is not None if "qk_norm" in fields.values else usual


@diffusers_class("LTXVideoTransformer3DModel")
def ltx(fields: Fields) -> Network:
    """LTX-Video: 161 frames of 512 x 704 pixels by default (arXiv:2501.00103, sec. 2)."""
    fields.counted("patch_size_t", 1)
    alone = patch_sizes(fields.with_values({"patch_size": 1}))  # a patch has one position's values
    sizes, bias = replace(alone, patch=fields.size("patch_size")), fields.flag("attention_bias")
    width, normed = sizes.width, fields.flag("norm_elementwise_affine")
    model = _latent(sizes, 16, 128, fields.size("caption_channels"))
    model = replace(model, wide=22, steps=21)
    model = with_cross_attention(
        model,
        feed_forward(fields, width),
        norms=(6 + 4 * _qk_norm(fields) + 2 * normed) * width,
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
    guidance = two_dense(SINE_WIDTH, width).times(fields.flag("guidance_embeds"))
    further = {"time/guidance": guidance, "norm/text": held(width)}
    mlp = {
        "mlp/up": affine(width, 2 * inner),
        "mlp/depthwise": product(2 * inner * (9 + 1), 2 * inner * 18),
        "mlp/down": linear(inner, width),
    }
    model = with_cross_attention(
        replace(model, per_image={**model.per_image, **further}),
        mlp,
        norms=(6 + 4 * _qk_norm(fields, usual=False)) * width,
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
    outputs = fields.size("in_channels") * (1 + fields.flag("learn_sigma"))
    sizes = divided_sizes(fields, out_channels=outputs)
    width, layers = sizes.width, sizes.layers
    near, far = fields.size("text_len"), fields.size("text_len_t5")
    context, t5 = fields.size("cross_attention_dim"), fields.size("cross_attention_dim_t5")
    pooled = fields.size("pooled_projection_dim")
    styled = fields.flag("use_style_cond_and_image_meta_size")
    extra = pooled + (6 * SINE_WIDTH + width) * styled
    project = affine(t5, 4 * t5, context)
    read, skips = affine(t5, 2 * t5), layers - layers // 2 - 1
    model = Joint(
        sizes=sizes,
        side=square(fields, "sample_size"),
        text_tokens=near + far,
        per_image={
            **time_embedding(width, layers + 2),
            "time/style": table(1, width * styled),
            "time/extra": affine(extra, 4 * width, width),
            "text/t5": product(project.params, far * project.flop_per_token),
            "pooler/read": product(read.params, (far + 1) * read.flop_per_token),
            "pooler/query": affine(t5, t5),
            "pooler/scores": Cost(flop_per_token=4 * t5 * (far + 1)),
            "pooler/out": affine(t5, pooled),
            "text/tables": held((near + far) * context + (far + 1) * t5),
        },
        per_patch={
            "skip/project": affine(2 * width, width).times(skips),
            "norm/skip": held(4 * width * skips),
        },
    )
    inner = int(width * ratio(fields, "mlp_ratio", 4.0))
    mlp, norms = Mlp(width, inner, bias=True).costs(), 6 * width + 8 * sizes.head_dim
    return network(fields, with_cross_attention(model, mlp, norms=norms, context=context).run)


TEXT_TOKENS = 128 + 2
"""Tokens of T5, and those of start and length. [1]"""


@diffusers_class("StableAudioDiTModel")
def stable_audio(fields: Fields) -> Network:
    """Stable Audio Open: frames behind a token of time and length look at the text (2407.14358).

    A pass denoises the latent frames of `sample_size`; `seq_len` is the text tokens and the two of
    start and length that stand beside them.
    """
    heads, head_dim = fields.size("num_attention_heads"), fields.size("attention_head_dim")
    kv_heads = fields.size("num_key_value_attention_heads")
    fields.share("num_attention_heads", heads, "num_key_value_attention_heads", kv_heads)
    width, layers = heads * head_dim, fields.layers("num_layers")
    channels, outputs = fields.size("in_channels"), fields.size("out_channels")
    context, words = fields.size("cross_attention_dim"), fields.size("cross_attention_input_dim")
    frames = ratio(fields, "sample_size", 1024.0)
    own = multi_head(width, heads, head_dim)
    look = multi_head(width, heads, head_dim, kv_heads=kv_heads)
    looks = crossed(reading(look, context))
    layer = {
        **own.costs(),
        **Mlp(hidden=width, width=4 * width, gated=True, bias=True).costs(),
        "norm/layers": held(6 * width),
    }
    sines = fields.size("time_proj_dim")
    once = {
        "time/sines": held(sines // 2),
        "time/embedding": two_dense(sines, width),
        "time/length": two_dense(fields.size("global_states_input_dim"), width, bias=False),
    }
    stem = {"embedding/smooth": linear(channels, channels), "embedding/in": linear(channels, width)}
    head = {"head/out": linear(width, outputs), "head/smooth": linear(outputs, outputs)}

    def run(inputs: Inputs) -> Pass:
        """Pass over `batch` noisy recordings."""
        batch = quantity("batch", inputs.batch)
        seen, asking = batch * length(inputs, TEXT_TOKENS), batch * (frames + 1)
        done: list[Line] = [*lines(once, batch), *lines(stem, batch * frames)]
        done += lines({"text/project": two_dense(words, context, bias=False)}, seen)
        done += lines(layer, asking, pairs=asking * (frames + 1), times=layers)
        done += crossing(looks, batch, asking, seen, times=layers)
        return Pass(lines=[*done, *lines(head, batch * frames)], items=batch * frames)

    return network(fields, run, item_unit="frame")
