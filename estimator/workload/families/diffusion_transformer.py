"""Which diffusion transformer a config of diffusers describes: DiT, Flux, Stable Diffusion 3, Wan.

PixArt, AuraFlow, Chroma, Qwen-Image, Sana, Hunyuan, Flux's ControlNet, the videos of CogVideoX and
LTX, too.

What a config leaves out is as in diffusers 0.42. `image_size` is the side of the latent map that
the network gets, in Flux, FLUX.2 and Qwen-Image after it is folded by two; videos without it are of
the length and size of their report. `seq_len` is the text tokens. The items of a pass are patches.
"""

from dataclasses import dataclass, field, replace

from estimator.workload.blocks import Cost, Costs, Mlp, affine, held, linear, product, scaled, table
from estimator.workload.convolution import image, ratio, square
from estimator.workload.fields import MAX_LAYERS, Fields
from estimator.workload.ledger import Architecture, Inputs, quantity
from estimator.workload.network import Network, Pass, lines, network
from estimator.workload.registry import CLASSES, diffusers_class

SINE_WIDTH = 256
"""Width of the sines that a time step is turned into before its embedding."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Width, of a head too; layers; side of a patch; values of a patch that go in and come out."""

    width: int
    head_dim: int
    layers: int
    patch: int
    patch_inputs: int
    patch_outputs: int


def patch_sizes(fields: Fields, frames: int = 1, folded: bool = False) -> Sizes:
    """What configs state of patches of so many frames, perhaps folded to one position before."""
    head_dim, channels = fields.size("attention_head_dim"), fields.size("in_channels")
    patch = fields.size("patch_size")
    volume = patch * patch * frames
    return Sizes(
        width=fields.size("num_attention_heads") * head_dim,
        head_dim=head_dim,
        layers=fields.layers("num_layers"),
        patch=1 if folded else patch,
        patch_inputs=channels if folded else channels * volume,
        patch_outputs=(fields.size_or_none("out_channels") or channels) * volume,
    )


@dataclass(frozen=True, kw_only=True)
class Joint:
    """Layers over patches, or over patches and text together.

    Parameters
    ----------
    sizes : Sizes
        What the config states.
    side, text_tokens : int
        Side of the latent map and tokens of text where the caller gives none; 0 without text. [1]
    biases : tuple of bool
        Whether the matrices before and behind the layers have biases.
    per_image, per_patch, per_text, per_both : mapping
        Costs of all layers together, by what they run over and what attends to each other there.
    across : mapping
        Costs per pair of a patch and a text token, of layers in which patches see words.
    before_text, spare : mapping, int
        Costs per text token of what is done before learned tokens join; their number.
    wide, steps : int
        The other side of a latent map that is not square; maps of a video. [1]
    """

    sizes: Sizes
    side: int
    biases: tuple[bool, bool] = (True, True)
    text_tokens: int = 0
    per_image: Costs
    per_patch: Costs = field(default_factory=dict)
    per_text: Costs = field(default_factory=dict)
    per_both: Costs = field(default_factory=dict)
    across: Costs = field(default_factory=dict)
    before_text: Costs = field(default_factory=dict)
    spare: int = 0
    wide: int = 0
    steps: int = 1

    def run(self, inputs: Inputs) -> Pass:
        """Pass over `batch` noisy images."""
        batch, side = image(inputs, self.side)
        other = side if inputs.image_size is not None else float(self.wide or self.side)
        sizes, (before, behind) = self.sizes, self.biases
        patches = self.steps * (side // sizes.patch) * (other // sizes.patch)
        given = self.text_tokens if inputs.seq_len is None else inputs.seq_len
        words = quantity("seq_len", given) if self.text_tokens else 0.0
        text = words + self.spare
        both = patches + text
        stem = {"embedding/patch": linear(sizes.patch_inputs, sizes.width, before)}
        pixels = {"head/pixels": linear(sizes.width, sizes.patch_outputs, behind)}
        done = [*lines(stem, batch * patches, first=True)]
        for costs, positions, pairs in (
            (self.per_image, 1.0, 0.0),
            (self.before_text, words, 0.0),
            (self.per_text, text, text * text),
            (self.per_patch, patches, patches * patches),
            (self.per_both, both, both * both),
            (self.across, 0.0, patches * text),
            (pixels, patches, 0.0),
        ):
            done += lines(costs, batch * positions, pairs=batch * pairs)
        return Pass(lines=done, items=batch * patches)


def projections(width: int, bias: bool = True, output_bias: bool = True) -> Costs:
    """Queries, keys, values and output of attention, all as wide as the model."""
    parts = {f"attention/{one}": linear(width, width, bias) for one in ("query", "key", "value")}
    return {**parts, "attention/output": linear(width, width, output_bias)}


def products(width: int, prefix: str = "attention/") -> Costs:
    """The two products of attention, which pairs pay."""
    return {prefix + part: Cost(flop_per_pair=2 * width) for part in ("scores", "reduce")}


def two_dense(inputs: int, width: int, bias: bool = True) -> Cost:
    """Two dense layers."""
    return linear(inputs, width, bias) + linear(width, width, bias)


def time_embedding(width: int, vectors: int, sines: int = SINE_WIDTH, bias: bool = True) -> Costs:
    """Embedding of the time, and so many vectors of it for the layers."""
    modulation = linear(width, vectors * width, bias)
    return {"time/embedding": two_dense(sines, width), "time/modulation": modulation}


def stream(
    sizes: Sizes, inner: int, *, normed: bool = True, bias: bool = True, gated: bool = False
) -> Costs:
    """Projections and MLP of a layer for one kind of positions, perhaps with norms of each head."""
    return {
        **projections(sizes.width, bias, bias),
        **Mlp(sizes.width, inner, bias=bias, gated=gated).costs(),
        "norm/heads": held(2 * sizes.head_dim * normed),
    }


def feed_forward(fields: Fields, width: int) -> Costs:
    """An MLP four times as wide, gated where the activation is."""
    gated = fields.text("activation_fn") in ("geglu", "swiglu")
    return Mlp(width, 4 * width, bias=True, gated=gated).costs()


@diffusers_class("DiTTransformer2DModel")
def dit(fields: Fields) -> Network:
    """DiT: each layer embeds time and class by itself (arXiv:2212.09748, sec. 3.2)."""
    sizes = patch_sizes(fields)
    width, embedding = sizes.width, two_dense(SINE_WIDTH, sizes.width)
    once = {
        "time/embedding": embedding,
        "time/class": held((fields.size("num_embeds_ada_norm") + 1) * width),
        "time/modulation": affine(width, 6 * width),
    }
    layer = {
        **projections(width, fields.flag("attention_bias")),
        **products(width),
        **feed_forward(fields, width),
        "norm/layers": held(2 * width * fields.flag("norm_elementwise_affine")),
    }
    model = Joint(
        sizes=sizes,
        side=square(fields, "sample_size"),
        per_image={
            **scaled(once, sizes.layers),
            "head/time": Cost(flop_per_token=embedding.flop_per_token),
            "head/modulation": affine(width, 2 * width),
        },
        per_patch=scaled(layer, sizes.layers),
    )
    return network(fields, model.run)


def with_two_streams(
    model: Joint, stream: Costs, alone: Costs | None = None, single: int = 0
) -> Joint:
    """The model with layers of a stream each for patches and text, then `single` layers of one.

    Patches and text attend together in all layers.
    """
    double = model.sizes.layers
    return replace(
        model,
        per_patch=scaled(stream, double),
        per_text={**model.per_text, **scaled(stream, double, "text/")},
        per_both={
            **scaled(alone or {}, single),
            **scaled(products(model.sizes.width), double + single),
        },
    )


def _single_stream(sizes: Sizes, inner: int, *, bias: bool = True, gated: bool = False) -> Costs:
    """A layer of one stream, whose MLP of width `inner` runs beside its attention."""
    return {
        "single/query_key_value": linear(sizes.width, 3 * sizes.width, bias),
        "single/up": linear(sizes.width, (1 + gated) * inner, bias),
        "single/out": linear(sizes.width + inner, sizes.width, bias),
        "norm/single": held(2 * sizes.head_dim),
    }


@diffusers_class("FluxTransformer2DModel")
def flux(fields: Fields) -> Network:
    """Flux: layers with two streams that attend together, then layers with one."""
    return network(fields, flux_model(fields, patch_sizes(fields, folded=True)).run)


def flux_model(fields: Fields, sizes: Sizes, outer: int = 2) -> Joint:
    """Flux, with so many vectors of the time outside its layers."""
    width, single = sizes.width, fields.size("num_single_layers", least=0, most=MAX_LAYERS)
    guidance = two_dense(SINE_WIDTH, width).times(fields.flag("guidance_embeds"))
    model = Joint(
        sizes=sizes,
        side=64,
        text_tokens=512,
        per_image={
            **time_embedding(width, sizes.layers * 12 + single * 3 + outer),
            "time/guidance": guidance,
            "time/text": two_dense(fields.size("pooled_projection_dim"), width),
        },
        per_text={"text/project": affine(fields.size("joint_attention_dim"), width)},
    )
    alone = _single_stream(sizes, 4 * width)
    return with_two_streams(model, stream(sizes, 4 * width), alone, single)


@diffusers_class("ChromaTransformer2DModel")
def chroma(fields: Fields) -> Network:
    """Chroma: Flux, all of whose vectors of the time one small network makes."""
    sizes = patch_sizes(fields, folded=True)
    model = flux_model(fields.with_values({"pooled_projection_dim": 1}), sizes)
    width, wide = sizes.width, fields.size("approximator_hidden_dim")
    vectors = sizes.layers * 12 + fields.size("num_single_layers", least=0) * 3 + 2
    between = (two_dense(wide, wide) + held(wide)).times(fields.layers("approximator_layers"))
    inner = affine(fields.size("approximator_num_channels"), wide) + between
    cost = inner + affine(wide, width)
    made = {"time/approximator": product(cost.params, vectors * cost.flop_per_token)}
    return network(fields, replace(model, per_image=made).run)


@diffusers_class("SD3Transformer2DModel")
def sd3(fields: Fields) -> Network:
    """Stable Diffusion 3: text and patches as two streams (arXiv:2403.03206, sec. 4)."""
    sizes = patch_sizes(fields)
    width, layers = sizes.width, sizes.layers
    normed = fields.states("qk_norm")
    dual = len(fields.items("dual_attention_layers") or [])
    layer = stream(sizes, 4 * width, normed=normed)
    context, words = fields.size("caption_projection_dim"), fields.size("joint_attention_dim")
    norms = held(2 * sizes.head_dim * normed)
    again = {**projections(width), **products(width), "norm": norms}
    model = Joint(
        sizes=sizes,
        side=square(fields, "sample_size"),
        text_tokens=333,
        per_image={
            **time_embedding(width, 6 * layers + 6 * (layers - 1) + 2 + 2 + 3 * dual),
            "time/text": two_dense(fields.size("pooled_projection_dim"), width),
        },
        per_patch={**scaled(layer, layers), **scaled(again, dual, "second_")},
        per_text={"text/project": affine(words, context), **_text_stream(layer, layers)},
        per_both=scaled(products(width), layers),
    )
    return network(fields, model.run)


def _text_stream(layer: Costs, layers: int) -> Costs:
    """The text's side of Stable Diffusion 3, which ends with the keys and values of its last."""
    rest = {
        part: cost
        for part, cost in layer.items()
        if part != "attention/output" and not part.startswith("mlp/")
    }
    return {**scaled(layer, layers - 1, "text/"), **scaled(rest, 1, "text/last_")}


@diffusers_class("QwenImageTransformer2DModel")
def qwen_image(fields: Fields) -> Network:
    """Qwen-Image: two streams in all layers (arXiv:2508.02324, sec. 2.3)."""
    for key in ("guidance_embeds", "use_additional_t_cond"):
        fields.counted(key, False, None)
    sizes, words = patch_sizes(fields, folded=True), fields.size("joint_attention_dim")
    width = sizes.width
    model = Joint(
        sizes=sizes,
        side=64,
        text_tokens=256,
        per_image={**time_embedding(width, 12 * sizes.layers + 2), "norm/text": held(words)},
        per_text={"text/project": affine(words, width)},
    )
    return network(fields, with_two_streams(model, stream(sizes, 4 * width)).run)


@diffusers_class("Flux2Transformer2DModel")
def flux2(fields: Fields) -> Network:
    """FLUX.2: layers share their modulation, no biases."""
    sizes, single = patch_sizes(fields), fields.layers("num_single_layers")
    width = sizes.width
    inner = int(width * ratio(fields, "mlp_ratio", 3.0))
    embedding = two_dense(fields.size("timestep_guidance_channels"), width, bias=False)
    model = Joint(
        sizes=sizes,
        side=64,
        biases=(False, False),
        text_tokens=512,
        per_image={
            "time/embedding": embedding.times(1 + fields.flag("guidance_embeds")),
            "time/modulation": linear(width, (6 + 6 + 3 + 2) * width),
        },
        per_text={"text/project": linear(fields.size("joint_attention_dim"), width)},
    )
    alone = _single_stream(sizes, inner, bias=False, gated=True)
    layer = stream(sizes, inner, bias=False, gated=True)
    return network(fields, with_two_streams(model, layer, alone, single).run)


REGISTERS = 8
"""Learned tokens that AuraFlow puts before the text. [1]"""


@diffusers_class("AuraFlowTransformer2DModel")
def auraflow(fields: Fields) -> Network:
    """AuraFlow: few layers of two streams, many of one, no biases; learned positions."""
    fields = fields.with_values({"num_layers": fields.layers("num_mmdit_layers")})
    sizes, single = patch_sizes(fields), fields.layers("num_single_dit_layers")
    width = sizes.width
    inner = -(-int(8 * width / 3) // SINE_WIDTH) * SINE_WIDTH
    layer = stream(sizes, inner, normed=False, bias=False, gated=True)
    model = Joint(
        sizes=sizes,
        side=square(fields, "sample_size"),
        biases=(True, False),
        text_tokens=256,
        spare=REGISTERS,
        per_image={
            "embedding/position": held((fields.size("pos_embed_max_size") + REGISTERS) * width),
            **time_embedding(width, 12 * sizes.layers + 6 * single + 2, bias=False),
        },
        before_text={"text/project": linear(fields.size("joint_attention_dim"), width)},
    )
    alone = scaled(layer, 1, "single/")
    return network(fields, with_two_streams(model, layer, alone, single).run)


@diffusers_class("CogVideoXTransformer3DModel")
def cogvideox(fields: Fields) -> Network:
    """CogVideoX: one stream, modulated apart (arXiv:2408.06072, sec. 2.2)."""
    deep, time = fields.size_or_none("patch_size_t") or 1, fields.size("time_embed_dim")
    sizes = patch_sizes(fields, frames=deep)
    width = sizes.width
    steps = (fields.size("sample_frames") - 1) // fields.size("temporal_compression_ratio") + 1
    offset = fields.size_or_none("ofs_embed_dim") or 0
    layer = {
        **projections(width, fields.flag("attention_bias")),
        **products(width),
        **feed_forward(fields, width),
        "norm/layers": held(4 * width * fields.flag("norm_elementwise_affine")),
        "norm/heads": held(4 * sizes.head_dim),
    }
    model = Joint(
        sizes=sizes,
        side=fields.size("sample_height"),
        wide=fields.size("sample_width"),
        steps=-(-steps // deep),
        biases=(fields.flag("patch_bias"), True),
        text_tokens=fields.size("max_text_seq_length"),
        per_image={
            "time/embedding": two_dense(width, time),
            "time/offset": two_dense(offset, offset),
            "time/modulation": affine(time, (12 * sizes.layers + 2) * width),
            "norm/outer": held(4 * width),
        },
        per_text={"text/project": affine(fields.size("text_embed_dim"), width)},
        per_both=scaled(layer, sizes.layers),
    )
    return network(fields, model.run)


@diffusers_class("HunyuanVideoTransformer3DModel")
def hunyuan_video(fields: Fields) -> Network:
    """HunyuanVideo: FLUX's layers, and a few over the text alone (arXiv:2412.03603, sec. 4.2)."""
    fields.counted("image_condition_type", None)
    deep, single = fields.size("patch_size_t"), fields.layers("num_single_layers")
    sizes, refining = patch_sizes(fields, frames=deep), fields.layers("num_refiner_layers")
    width = sizes.width
    inner, words = int(width * ratio(fields, "mlp_ratio", 4.0)), fields.size("text_embed_dim")
    refined = {**stream(sizes, inner, normed=False), "norm/layers": held(4 * width)}
    modulated = time_embedding(width, 12 * sizes.layers + 3 * single + 2 + 2 * refining)
    pooled = two_dense(fields.size("pooled_projection_dim"), width)
    guided = 2 + fields.flag("guidance_embeds")
    model = Joint(
        sizes=sizes,
        side=60,
        wide=104,
        steps=33 // deep,
        text_tokens=256,
        per_image={
            **modulated,
            "time/embedding": two_dense(SINE_WIDTH, width).times(guided),
            "time/text": pooled + two_dense(words, width),
        },
        per_text={
            "text/project": affine(words, width),
            **scaled(refined, refining, "text/refine_"),
            **scaled(products(width), refining, "text/"),
        },
    )
    alone = _single_stream(sizes, inner)
    return network(fields, with_two_streams(model, stream(sizes, inner), alone, single).run)


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


def _latent(sizes: Sizes, side: int, text_tokens: int, words: int | None) -> Joint:
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
    return CLASSES[names[fields.counted("norm_type", "layer_norm", *names)]](fields)


@diffusers_class("WanTransformer3DModel")
def wan(fields: Fields) -> Network:
    """Wan 2.1 and 2.2: 81 frames of 480 x 832 pixels by default (arXiv:2503.20314, sec. 4.2)."""
    deep, patch, across = fields.sizes("patch_size", (1, 2, 2), 3)
    if patch != across:
        raise fields.uncounted("patch_size", [deep, patch, across], [deep, patch, patch])
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
        per_image={**model.per_image, **time_embedding(width, 6, fields.size("freq_dim")), **seen},
        per_patch={"cross/image": asks},
    )
    norms = 6 + 2 * fields.flag("cross_attn_norm") + 4 * _qk_norm(fields)
    mlp = Mlp(width, fields.size("ffn_dim"), bias=True).costs()
    return network(fields, with_cross_attention(model, mlp, norms=norms * width, context=width).run)


IMAGE_TOKENS = 257
"""States of CLIP's tower that a Wan of images to videos looks at. [1]"""


def _image_states(image_dim: int, width: int, layers: int) -> Costs:
    """Projection of an image's states, and their keys and values in each layer."""
    project = affine(image_dim, image_dim, width)
    both = project + affine(width, 2 * width).times(layers)
    return {
        "image/states": product(both.params, IMAGE_TOKENS * both.flop_per_token),
        "norm/image": held(2 * (image_dim + width) + layers * width),
    }


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
    width, heads = fields.size("hidden_size"), fields.size("num_attention_heads")
    head_dim = fields.share("hidden_size", width, "num_attention_heads", heads)
    outputs = fields.size("in_channels") * (1 + fields.flag("learn_sigma"))
    stated = {"attention_head_dim": head_dim, "out_channels": outputs}
    sizes = patch_sizes(fields.with_values(stated))
    layers = sizes.layers
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
    mlp, norms = Mlp(width, inner, bias=True).costs(), 6 * width + 8 * head_dim
    return network(fields, with_cross_attention(model, mlp, norms=norms, context=context).run)


@diffusers_class("FluxControlNetModel")
def flux_controlnet(fields: Fields) -> Network:
    """A ControlNet of Flux: each layer leaves by a matrix; a mode may be one more word."""
    fields.counted("conditioning_embedding_channels", None)
    sizes = replace(patch_sizes(fields, folded=True), patch_outputs=0)
    width, modes = sizes.width, fields.size_or_none("num_mode") or 0
    model = flux_model(fields, sizes, outer=0)
    layers = sizes.layers + fields.size("num_single_layers", least=0)
    control = {"control/layers": affine(width, width).times(layers)}
    control["control/patch"] = affine(sizes.patch_inputs, width)
    text = dict(model.per_text)
    before = {"text/project": text.pop("text/project")}
    model = replace(
        model,
        per_image={**model.per_image, "embedding/mode": table(modes, width)},
        per_patch={**model.per_patch, **control},
        per_text=text,
        before_text=before,
        spare=int(modes > 0),
    )
    return network(fields, model.run)
