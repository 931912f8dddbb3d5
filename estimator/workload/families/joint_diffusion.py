"""Which diffusion transformer of diffusers attends over patches and text together.

Stable Diffusion 3, Flux, FLUX.2, Qwen-Image, AuraFlow, HunyuanVideo and CogVideoX.
"""

from dataclasses import replace

from estimator.workload.blocks import Costs, Mlp, held, linear, scaled
from estimator.workload.convolution import ratio, square
from estimator.workload.families.diffusion_transformer import (
    SINE_WIDTH,
    Joint,
    feed_forward,
    patch_sizes,
    products,
    projections,
    timed,
    two_dense,
)
from estimator.workload.fields import Fields
from estimator.workload.network import Network, network
from estimator.workload.registry import diffusers_class


def streamed(
    model: Joint, stream: Costs, double: int, alone: Costs | None = None, single: int = 0
) -> Joint:
    """The model with `double` layers of a stream each for patches and text, then `single` of one.

    Patches and text attend together in all layers.
    """
    return replace(
        model,
        per_patch=scaled(stream, double),
        per_text={**model.per_text, **scaled(stream, double, "text/")},
        per_both={
            **scaled(alone or {}, single),
            **scaled(products(model.sizes.width), double + single),
        },
    )


def _beside(width: int, inner: int, up: int, bias: bool, head_dim: int) -> Costs:
    """A layer of one stream, whose MLP of width `up` runs beside its attention."""
    return {
        "single/query_key_value": linear(width, 3 * width, bias),
        "single/up": linear(width, up, bias),
        "single/out": linear(width + inner, width, bias),
        "norm/single": held(2 * head_dim),
    }


@diffusers_class("FluxTransformer2DModel")
def flux(fields: Fields) -> Network:
    """Flux: layers with two streams that attend together, then layers with one."""
    sizes = patch_sizes(fields, folded=True)
    width, head_dim, double = sizes.width, sizes.head_dim, sizes.layers
    single = fields.layers("num_single_layers")
    mlp = Mlp(hidden=width, width=4 * width, bias=True).costs()
    stream = {**projections(width), **mlp, "norm/heads": held(2 * head_dim)}
    guided = {"time/guidance": two_dense(SINE_WIDTH, width)}
    model = Joint(
        sizes=sizes,
        side=64,
        text_tokens=512,
        per_image={
            **timed(width, double * 12 + single * 3 + 2),
            **(guided if fields.flag("guidance_embeds") else {}),
            "time/text": two_dense(fields.size("pooled_projection_dim"), width),
        },
        per_text={"text/project": linear(fields.size("joint_attention_dim"), width, bias=True)},
    )
    alone = _beside(width, 4 * width, 4 * width, True, head_dim)
    return network(fields, streamed(model, stream, double, alone, single).run)


@diffusers_class("SD3Transformer2DModel")
def sd3(fields: Fields) -> Network:
    """Stable Diffusion 3: text and patches as two streams (arXiv:2403.03206, sec. 4)."""
    sizes = patch_sizes(fields)
    width, layers = sizes.width, sizes.layers
    normed = 2 * sizes.head_dim * fields.states("qk_norm")
    dual = len(fields.items("dual_attention_layers") or [])
    mlp = Mlp(hidden=width, width=4 * width, bias=True).costs()
    stream = {**projections(width), **mlp, "norm/heads": held(normed)}
    context, words = fields.size("caption_projection_dim"), fields.size("joint_attention_dim")
    again = {**projections(width), **products(width), "norm": held(normed)}
    model = Joint(
        sizes=sizes,
        side=square(fields, "sample_size"),
        text_tokens=333,
        per_image={
            **timed(width, 6 * layers + 6 * (layers - 1) + 2 + 2 + 3 * dual),
            "time/text": two_dense(fields.size("pooled_projection_dim"), width),
        },
        per_patch=scaled(stream, layers),
        per_text={
            "text/project": linear(words, context, bias=True),
            **_text_stream(stream, layers),
        },
        per_both=scaled(products(width), layers),
        inside=scaled(again, dual, "second_"),
    )
    return network(fields, model.run)


def _text_stream(stream: Costs, layers: int) -> Costs:
    """The text's side of Stable Diffusion 3, which ends with the keys and values of its last."""
    rest = {
        part: cost
        for part, cost in stream.items()
        if part != "attention/output" and not part.startswith("mlp/")
    }
    return {**scaled(stream, layers - 1, "text/"), **scaled(rest, 1, "text/last_")}


@diffusers_class("QwenImageTransformer2DModel")
def qwen_image(fields: Fields) -> Network:
    """Qwen-Image: two streams in all layers (arXiv:2508.02324, sec. 2.3)."""
    for key in ("guidance_embeds", "use_additional_t_cond"):
        if fields.flag(key):
            raise ValueError(f"{fields.path}{key} must be false: true is not counted")
    sizes, words = patch_sizes(fields, folded=True), fields.size("joint_attention_dim")
    width = sizes.width
    mlp = Mlp(hidden=width, width=4 * width, bias=True).costs()
    stream = {**projections(width), **mlp, "norm/heads": held(2 * sizes.head_dim)}
    model = Joint(
        sizes=sizes,
        side=64,
        text_tokens=256,
        per_image={**timed(width, 12 * sizes.layers + 2), "norm/text": held(words)},
        per_text={"text/project": linear(words, width, bias=True)},
    )
    return network(fields, streamed(model, stream, sizes.layers).run)


@diffusers_class("Flux2Transformer2DModel")
def flux2(fields: Fields) -> Network:
    """FLUX.2: layers share their modulation, no biases."""
    sizes, single = patch_sizes(fields), fields.layers("num_single_layers")
    width, head_dim = sizes.width, sizes.head_dim
    inner = int(width * ratio(fields, "mlp_ratio", 3.0))
    embedding = two_dense(fields.size("timestep_guidance_channels"), width, bias=False)
    mlp = Mlp(hidden=width, width=inner, gated=True).costs()
    stream = {**projections(width, False, False), **mlp, "norm/heads": held(2 * head_dim)}
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
    alone = _beside(width, inner, 2 * inner, False, head_dim)
    return network(fields, streamed(model, stream, sizes.layers, alone, single).run)


REGISTERS = 8
"""Learned tokens that AuraFlow puts before the text. [1]"""


@diffusers_class("AuraFlowTransformer2DModel")
def auraflow(fields: Fields) -> Network:
    """AuraFlow: few layers of two streams, many of one, no biases; learned positions."""
    sizes, single = patch_sizes(fields), fields.layers("num_single_dit_layers")
    width, double = sizes.width, sizes.layers
    inner = -(-int(8 * width / 3) // SINE_WIDTH) * SINE_WIDTH
    mlp = Mlp(hidden=width, width=inner, gated=True).costs()
    stream = {**projections(width, False, False), **mlp}
    model = Joint(
        sizes=sizes,
        side=square(fields, "sample_size"),
        biases=(True, False),
        text_tokens=256,
        spare=REGISTERS,
        per_image={
            "embedding/position": held((fields.size("pos_embed_max_size") + REGISTERS) * width),
            **timed(width, 12 * double + 6 * single + 2, bias=False),
        },
        before_text={"text/project": linear(fields.size("joint_attention_dim"), width)},
    )
    alone = scaled(stream, 1, "single/")
    return network(fields, streamed(model, stream, double, alone, single).run)


@diffusers_class("CogVideoXTransformer3DModel")
def cogvideox(fields: Fields) -> Network:
    """CogVideoX: one stream, modulated apart (arXiv:2408.06072, sec. 2.2)."""
    deep, time = fields.size_or_none("patch_size_t") or 1, fields.size("time_embed_dim")
    sizes = patch_sizes(fields, frames=deep)
    width = sizes.width
    steps = (fields.size("sample_frames") - 1) // fields.size("temporal_compression_ratio") + 1
    offset = fields.size_or_none("ofs_embed_dim")
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
            "time/embedding": linear(width, time, True) + linear(time, time, True),
            **({} if offset is None else {"time/offset": two_dense(offset, offset)}),
            "time/modulation": linear(time, (12 * sizes.layers + 2) * width, bias=True),
            "norm/outer": held(4 * width),
        },
        per_text={"text/project": linear(fields.size("text_embed_dim"), width, bias=True)},
        per_both=scaled(layer, sizes.layers),
    )
    return network(fields, model.run)


@diffusers_class("HunyuanVideoTransformer3DModel")
def hunyuan_video(fields: Fields) -> Network:
    """HunyuanVideo: FLUX's layers, and a few over the text alone (arXiv:2412.03603, sec. 4.2)."""
    if fields.text("image_condition_type"):
        raise ValueError(f"{fields.path}image_condition_type must be null: others are not counted")
    deep, single = fields.size("patch_size_t"), fields.layers("num_single_layers")
    sizes, refining = patch_sizes(fields, frames=deep), fields.layers("num_refiner_layers")
    width, head_dim, double = sizes.width, sizes.head_dim, sizes.layers
    inner, words = int(width * ratio(fields, "mlp_ratio", 4.0)), fields.size("text_embed_dim")
    mlp = Mlp(hidden=width, width=inner, bias=True).costs()
    stream = {**projections(width), **mlp, "norm/heads": held(2 * head_dim)}
    refined = {**projections(width), **mlp, "norm/layers": held(4 * width)}
    modulated = timed(width, 12 * double + 3 * single + 2 + 2 * refining)
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
            "text/project": linear(words, width, bias=True),
            **scaled(refined, refining, "text/refine_"),
        },
        among=scaled(products(width), refining, "text/"),
    )
    alone = _beside(width, inner, inner, True, head_dim)
    return network(fields, streamed(model, stream, double, alone, single).run)
