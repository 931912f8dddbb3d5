"""Models of diffusers with patches and text in one attention, such as Flux.

BRIA, Chroma, LongCat-Image, Ovis-Image, Stable Diffusion 3, Qwen-Image, FLUX.2, AuraFlow, OmniGen,
CogView4, HiDream-Image, ControlNets of theirs, and videos: CogVideoX, HunyuanVideo, Mochi.
"""

from dataclasses import replace

from estimator.networks.blocks import (
    Cost,
    Costs,
    Experts,
    Mlp,
    affine,
    held,
    layer_costs,
    linear,
    merged,
    multi_head,
    product,
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
    stream,
    time_embedding,
    two_dense,
)
from estimator.networks.fields import MAX_LAYERS, Fields
from estimator.networks.network import Network, network
from estimator.networks.registry import diffusers_class


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


def _single_stream(
    sizes: TransformerSizes, inner: int, *, bias: bool = True, gated: bool = False
) -> Costs:
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
    return network(fields, _with_pooled_text(fields, patch_sizes(fields, folded=True)).run)


def _with_pooled_text(fields: Fields, sizes: TransformerSizes, outer: int = 2) -> Joint:
    """Flux, with so many vectors of the time outside its layers."""
    pooled = two_dense(fields.size("pooled_projection_dim"), sizes.width)
    model = _flux_model(fields, sizes, outer)
    return replace(model, per_image={**model.per_image, "time/text": pooled})


def _flux_model(
    fields: Fields, sizes: TransformerSizes, outer: int = 2, *, gated: bool = False
) -> Joint:
    """Flux given the time, perhaps the guidance, and no pooled text."""
    width, single = sizes.width, fields.size("num_single_layers", least=0, most=MAX_LAYERS)
    model = Joint(
        sizes=sizes,
        side=64,
        text_tokens=512,
        per_image={
            **time_embedding(width, sizes.layers * 12 + single * 3 + outer),
            "time/guidance": two_dense(SINE_WIDTH, width).times(fields.flag("guidance_embeds")),
        },
        per_text={"text/project": affine(fields.size("joint_attention_dim"), width)},
    )
    alone = _single_stream(sizes, 4 * width, gated=gated)
    return with_two_streams(model, stream(sizes, 4 * width, gated=gated), alone, single)


@diffusers_class("ChromaTransformer2DModel")
def chroma(fields: Fields) -> Network:
    """Chroma: Flux, all of whose vectors of the time one small network makes."""
    sizes = patch_sizes(fields, folded=True)
    width, wide = sizes.width, fields.size("approximator_hidden_dim")
    vectors = sizes.layers * 12 + fields.size("num_single_layers", least=0) * 3 + 2
    between = (two_dense(wide, wide) + held(wide)).times(fields.layers("approximator_layers"))
    inner = affine(fields.size("approximator_num_channels"), wide) + between
    cost = inner + affine(wide, width)
    made = {"time/approximator": product(cost.params, vectors * cost.flop_per_token)}
    return network(fields, replace(_flux_model(fields, sizes), per_image=made).run)


@diffusers_class("BriaTransformer2DModel", "LongCatImageTransformer2DModel")
def without_pooled_text(fields: Fields) -> Network:
    """BRIA 3 and LongCat-Image: Flux without pooled text (arXiv:2512.07584, sec. 2)."""
    return network(fields, _flux_model(fields, patch_sizes(fields, folded=True)).run)


@diffusers_class("OvisImageTransformer2DModel")
def ovis_image(fields: Fields) -> Network:
    """Ovis-Image: the same with gated MLPs and a norm on the text (arXiv:2511.22982, sec. 2)."""
    model = _flux_model(fields, patch_sizes(fields, folded=True), gated=True)
    norm = {"norm/text": held(fields.size("joint_attention_dim"))}
    return network(fields, replace(model, per_image={**model.per_image, **norm}).run)


@diffusers_class("SD3Transformer2DModel")
def sd3(fields: Fields) -> Network:
    """Stable Diffusion 3: text and patches as two streams (arXiv:2403.03206, sec. 4)."""
    return network(fields, _sd3_model(fields, patch_sizes(fields), controls=False).run)


def _sd3_model(fields: Fields, sizes: TransformerSizes, *, controls: bool) -> Joint:
    """Stable Diffusion 3, or layers of it that control one, whose text passes the last as well."""
    width, layers = sizes.width, sizes.layers
    normed = fields.states("qk_norm")
    dual = len(fields.items("dual_attention_layers") or [])
    layer = stream(sizes, 4 * width, normed=normed)
    context, words = fields.size("caption_projection_dim"), fields.size("joint_attention_dim")
    norms = held(2 * sizes.head_dim * normed)
    again = {**projections(width), **products(width), "norm": norms}
    text = scaled(layer, layers, "text/") if controls else _text_stream(layer, layers)
    outer = 0 if controls else 2 + 2 - 6  # the last layer scales and shifts its text alone
    return Joint(
        sizes=sizes,
        side=square(fields, "sample_size"),
        text_tokens=333,
        per_image={
            **time_embedding(width, 12 * layers + outer + 3 * dual),
            "time/text": two_dense(fields.size("pooled_projection_dim"), width),
        },
        per_patch={**scaled(layer, layers), **scaled(again, dual, "second_")},
        per_text={"text/project": affine(words, context), **text},
        per_both=scaled(products(width), layers),
    )


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
    """Qwen-Image and what edits: two streams in all layers (arXiv:2508.02324, sec. 2.3)."""
    return network(fields, _qwen_model(fields, patch_sizes(fields, folded=True)).run)


def _qwen_model(fields: Fields, sizes: TransformerSizes, outer: int = 2) -> Joint:
    """Qwen-Image, with so many vectors of the time outside its layers."""
    words, width = fields.size("joint_attention_dim"), sizes.width
    time = time_embedding(width, 12 * sizes.layers + outer)
    if fields.flag("zero_cond_t"):  # patches that are looked at have the time 0
        again = time_embedding(width, 6 * sizes.layers)
        time = merged(time, {part: cost.again() for part, cost in again.items()})
    model = Joint(
        sizes=sizes,
        side=64,
        text_tokens=256,
        per_image={
            **time,
            "time/more": held(2 * width * fields.flag("use_additional_t_cond")),
            "norm/text": held(words),
        },
        per_text={"text/project": affine(words, width)},
    )
    return with_two_streams(model, stream(sizes, 4 * width))


@diffusers_class("Flux2Transformer2DModel")
def flux2(fields: Fields) -> Network:
    """FLUX.2: layers share their modulation, no biases."""
    sizes = patch_sizes(fields, folded=True)
    width, single = sizes.width, fields.layers("num_single_layers")
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
    width, scaled_norms = sizes.width, fields.flag("norm_elementwise_affine")
    steps = (fields.size("sample_frames") - 1) // fields.size("temporal_compression_ratio") + 1
    offset = fields.size_or_none("ofs_embed_dim") or 0
    layer = {
        **projections(width, fields.flag("attention_bias")),
        **products(width),
        **feed_forward(fields, width),
        "norm/layers": held(4 * width * scaled_norms),
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
            "norm/outer": held(4 * width * scaled_norms),
        },
        per_text={"text/project": affine(fields.size("text_embed_dim"), width)},
        per_both=scaled(layer, sizes.layers),
    )
    return network(fields, model.run)


def _refined_text(sizes: TransformerSizes, words: int, layers: int) -> Costs:
    """States of a text of width `words`, which pass layers of their own."""
    width = sizes.width
    refined = {**stream(sizes, 4 * width, normed=False), "norm/layers": held(4 * width)}
    return {
        "text/project": affine(words, width),
        **scaled(refined, layers, "text/refine_"),
        **scaled(products(width), layers, "text/"),
    }


@diffusers_class("HunyuanVideoTransformer3DModel")
def hunyuan_video(fields: Fields) -> Network:
    """HunyuanVideo: FLUX's layers, and a few over the text alone (arXiv:2412.03603, sec. 4.2)."""
    fields.counted("image_condition_type", None)
    deep, single = fields.size("patch_size_t"), fields.layers("num_single_layers")
    sizes, refining = patch_sizes(fields, frames=deep), fields.layers("num_refiner_layers")
    width = sizes.width
    inner, words = int(width * ratio(fields, "mlp_ratio", 4.0)), fields.size("text_embed_dim")
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
        per_text=_refined_text(sizes, words, refining),
    )
    alone = _single_stream(sizes, inner)
    return network(fields, with_two_streams(model, stream(sizes, inner), alone, single).run)


@diffusers_class("FluxControlNetModel")
def flux_controlnet(fields: Fields) -> Network:
    """A ControlNet of Flux: each layer leaves by a matrix; a mode may be one more word."""
    fields.counted("conditioning_embedding_channels", None)
    sizes = replace(patch_sizes(fields, folded=True), patch_outputs=0)
    width, modes = sizes.width, fields.size_or_none("num_mode") or 0
    model = _with_pooled_text(fields, sizes, outer=0)
    layers = sizes.layers + fields.size("num_single_layers", least=0)
    model = _controlling(model, layers, sizes.patch_inputs)
    text = dict(model.per_text)
    before = {"text/project": text.pop("text/project")}
    model = replace(
        model,
        per_image={**model.per_image, "embedding/mode": table(modes, width)},
        per_text=text,
        before_text=before,
        spare=int(modes > 0),
    )
    return network(fields, model.run)


def _controlling(model: Joint, layers: int, inputs: int) -> Joint:
    """The model with an image that controls, of `inputs` a patch; each layer leaves by a matrix."""
    width = model.sizes.width
    control = {
        "control/layers": affine(width, width).times(layers),
        "control/patch": affine(inputs, width),
    }
    return replace(model, per_patch={**model.per_patch, **control})


@diffusers_class("QwenImageControlNetModel")
def qwen_controlnet(fields: Fields) -> Network:
    """A ControlNet of Qwen-Image."""
    sizes = replace(patch_sizes(fields, folded=True), patch_outputs=0)
    extra = fields.size("extra_condition_channels", default=0, least=0)
    model = _qwen_model(fields, sizes, outer=0)
    return network(fields, _controlling(model, sizes.layers, sizes.patch_inputs + extra).run)


@diffusers_class("SD3ControlNetModel")
def sd3_controlnet(fields: Fields) -> Network:
    """A ControlNet of Stable Diffusion 3, of 3.5 without text and without patches of its own."""
    sizes = replace(patch_sizes(fields), patch_outputs=0)
    extra = fields.size("extra_conditioning_channels", default=0, least=0) * sizes.patch**2
    alone = "joint_attention_dim" in fields.values and not fields.states("joint_attention_dim")
    if alone:
        fields = fields.with_values({"joint_attention_dim": 1})
    model = _controlling(
        _sd3_model(fields, sizes, controls=True), sizes.layers, sizes.patch_inputs + extra
    )
    if alone:
        time = time_embedding(sizes.width, 6 * sizes.layers)
        own = {**model.per_patch, **model.per_both}
        once = {**model.per_image, **time}
        model = replace(model, per_image=once, per_patch=own, per_text={}, per_both={})
        model = replace(model, text_tokens=0)
    if not fields.flag("use_pos_embed", default=True):
        model = replace(model, sizes=replace(sizes, patch_inputs=0), biases=(False, True))
    return network(fields, model.run)


IMAGE_STATES, GLYPHS = 729, 256
"""States of SigLIP's tower, and of ByT5 for words to draw, that HunyuanVideo 1.5 reads. [1]"""


@diffusers_class("HunyuanVideo15Transformer3DModel")
def hunyuan_video_15(fields: Fields) -> Network:
    """HunyuanVideo 1.5: 121 frames of 480 x 848 pixels by default (arXiv:2511.18870, sec. 3)."""
    deep, refining = fields.size("patch_size_t"), fields.layers("num_refiner_layers")
    sizes, words = patch_sizes(fields, frames=deep), fields.size("text_embed_dim")
    width, seen = sizes.width, fields.size("image_embed_dim")
    inner, glyphs = int(width * ratio(fields, "mlp_ratio", 4.0)), fields.size("text_embed_2_dim")
    drawn, image = affine(glyphs, 2048, 2048, width), affine(seen, seen, width)
    embedded = two_dense(SINE_WIDTH, width).times(2 + fields.flag("use_meanflow"))
    model = Joint(
        sizes=sizes,
        side=30,
        wide=53,
        steps=31 // deep,
        text_tokens=1000,
        spare=IMAGE_STATES + GLYPHS,
        per_image={
            **time_embedding(width, 12 * sizes.layers + 2 + 2 * refining),
            "time/embedding": embedded,
            "time/text": two_dense(words, width),
            "text/glyphs": product(drawn.params, GLYPHS * drawn.flop_per_token),
            "text/image": product(image.params, IMAGE_STATES * image.flop_per_token),
            "norm/outer": held(2 * (glyphs + seen + width) + 3 * width),
        },
        before_text=_refined_text(sizes, words, refining),
    )
    return network(fields, with_two_streams(model, stream(sizes, inner)).run)


@diffusers_class("OmniGenTransformer2DModel")
def omnigen(fields: Fields) -> Network:
    """OmniGen: a language model over words, a token of the time and patches (arXiv:2409.11340).

    An image to look at passes a matrix of its own, held and not run.
    """
    sizes = divided_sizes(fields, out_channels=None)
    width, heads = sizes.width, fields.size("num_attention_heads")
    kv_heads, inner = fields.size("num_key_value_heads"), fields.size("intermediate_size")
    attention = multi_head(width, heads, sizes.head_dim, kv_heads=kv_heads)
    layer = layer_costs(attention, Mlp(width, inner, gated=True), 2 * width)
    time = two_dense(fields.size("time_step_dim", default=SINE_WIDTH), width)
    model = Joint(
        sizes=sizes,
        side=128,
        text_tokens=256,
        spare=1,
        per_image={
            "embedding/token": table(fields.size("vocab_size"), width),
            "embedding/seen": held(affine(sizes.patch_inputs, width).params),
            "time/embedding": time.times(2),
            "head/modulation": affine(width, 2 * width),
            "norm/outer": held(width),
        },
        per_both=scaled(layer, sizes.layers),
    )
    return network(fields, model.run)


@diffusers_class("CogView4Transformer2DModel")
def cogview4(fields: Fields) -> Network:
    """CogView4: one set of weights over patches and words; sizes of the image beside the time."""
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


@diffusers_class("MochiTransformer3DModel")
def mochi(fields: Fields) -> Network:
    """Mochi 1: 163 frames of 480 x 848 pixels by default.

    Video and text attend together; a narrow stream of the text ends in the last layer.
    """
    sizes = patch_sizes(fields)
    width, layers, narrow = sizes.width, sizes.layers, fields.size("pooled_projection_dim")
    seen: Costs = {
        **projections(width, bias=False),
        **Mlp(width, 8 * width // 3, gated=True).costs(),
        "norm/heads": held(4 * sizes.head_dim),
    }
    words, mlp = fields.size("text_embed_dim"), Mlp(narrow, 8 * narrow // 3, gated=True)
    read = {one: linear(narrow, width) for one in ("query", "key", "value")}
    written: Costs = {"output": affine(width, narrow), **mlp.costs()}
    pooled, scores = affine(words, 2 * words), Cost(flop_per_token=4 * words)
    vectors = affine(width, 4 * width + 4 * narrow).times(layers - 1)
    model = Joint(
        sizes=sizes,
        side=60,
        wide=106,
        steps=28,
        text_tokens=fields.size("max_sequence_length"),
        per_image={
            "time/embedding": two_dense(fields.size("time_embed_dim"), width),
            "time/modulation": vectors + affine(width, 4 * width + narrow),
            "head/modulation": affine(width, 2 * width),
            "embedding/places": held(3 * (width // 2)),
            "pooler/read": Cost(flop_per_token=pooled.flop_per_token),
            "pooler/query": affine(words, words, width),
            "pooler/scores": scores,
        },
        per_patch=scaled(seen, layers),
        per_text={
            "pooler/read": pooled,
            "pooler/scores": scores,
            "text/project": affine(words, narrow),
            **scaled(read, layers, "text/"),
            **scaled(written, layers - 1, "text/"),
        },
        per_both=scaled(products(width), layers),
    )
    return network(fields, model.run)


TOWERS = 3
"""Texts of one length that stand side by side. [1]"""

MULTIPLE = 256
"""Multiple to which MLP widths are rounded up [1]."""


def _mlp(width: int, inner: int) -> Mlp:
    """A gated MLP, two thirds as wide as it says, rounded up."""
    return Mlp(hidden=width, width=-(-(2 * inner // 3) // MULTIPLE) * MULTIPLE, gated=True)


@diffusers_class("HiDreamImageTransformer2DModel")
def hidream(fields: Fields) -> Network:
    """HiDream-I1: layers of two streams, then of one, whose MLPs are experts (arXiv:2505.22705).

    Every layer reads states of another layer of Llama beside the text so far. `seq_len` is the
    text tokens that the layers see: those of T5 and twice those of Llama.
    """
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
