"""Which diffusion transformer of diffusers attends over patches and text together.

CogVideoX, HunyuanVideo, Qwen-Image, FLUX.2 and AuraFlow. Defaults are those of diffusers 0.42;
`image_size` is the side of the latent map, in Qwen-Image and FLUX.2 after it is folded by two.
"""

from estimator.workload.blocks import Costs, Mlp, held, linear, scaled
from estimator.workload.convolution import ratio, square
from estimator.workload.families.diffusion_transformer import (
    SINE_WIDTH,
    Joint,
    apart,
    feed_forward,
    joint_heads,
    two_dense,
)
from estimator.workload.fields import Fields
from estimator.workload.network import Network, network
from estimator.workload.registry import diffusers_class


def _heads(fields: Fields, heads: int, head_dim: int) -> tuple[int, int, int]:
    """Width, heads, width of a head."""
    heads = fields.size("num_attention_heads", default=heads)
    head_dim = fields.size("attention_head_dim", default=head_dim)
    return heads * head_dim, heads, head_dim


@diffusers_class("QwenImageTransformer2DModel")
def qwen_image(fields: Fields) -> Network:
    """Qwen-Image: two streams in all layers (arXiv:2508.02324, sec. 2.3)."""
    for key in ("guidance_embeds", "use_additional_t_cond"):
        if fields.flag(key):
            raise ValueError(f"{fields.path}{key} must be false: true is not counted")
    width, heads, head_dim = _heads(fields, 24, 128)
    layers, channels = (
        fields.layers("num_layers", default=60),
        fields.size("in_channels", default=64),
    )
    words = fields.size("joint_attention_dim", default=3584)
    outputs = fields.size("out_channels", default=16)
    pixels = fields.size("patch_size", default=2) ** 2 * outputs
    project, pairs = apart(joint_heads(width, heads, head_dim))
    stream = {**project, **feed_forward(Fields({}), width), "norm/heads": held(2 * head_dim)}
    model = Joint(
        side=64,
        patch=1,
        text_tokens=256,
        first={"embedding/patch": linear(channels, width, bias=True)},
        per_image={
            "time/embedding": two_dense(SINE_WIDTH, width),
            "time/modulation": linear(width, (12 * layers + 2) * width, bias=True),
            "norm/text": held(words),
        },
        per_patch={**scaled(stream, layers), "head/pixels": linear(width, pixels, bias=True)},
        per_text={
            "text/project": linear(words, width, bias=True),
            **scaled(stream, layers, "text/"),
        },
        per_both=scaled(pairs, layers),
    )
    return network(fields, model.run)


@diffusers_class("Flux2Transformer2DModel")
def flux2(fields: Fields) -> Network:
    """FLUX.2: layers share their modulation, no biases."""
    width, heads, head_dim = _heads(fields, 48, 128)
    double = fields.layers("num_layers", default=8)
    single = fields.layers("num_single_layers", default=48)
    channels = fields.size("in_channels", default=128)
    outputs = fields.size_or_none("out_channels") or channels
    inner = int(width * ratio(fields, "mlp_ratio", 3.0))
    sines = fields.size("timestep_guidance_channels", default=SINE_WIDTH)
    embedding = linear(sines, width) + linear(width, width)
    project, pairs = apart(joint_heads(width, heads, head_dim))
    project = _unbiased(project, width)
    mlp = Mlp(hidden=width, width=inner, gated=True).costs()
    stream = {**project, **mlp, "norm/heads": held(2 * head_dim)}
    alone = {
        "single/in": linear(width, 3 * width + 2 * inner),
        "single/out": linear(width + inner, width),
        "norm/single": held(2 * head_dim),
    }
    guided = 1 + fields.flag("guidance_embeds", default=True)
    model = Joint(
        side=64,
        patch=1,
        text_tokens=512,
        first={"embedding/patch": linear(channels, width)},
        per_image={
            "time/embedding": embedding.times(guided),
            "time/modulation": linear(width, (6 + 6 + 3 + 2) * width),
        },
        per_patch={**scaled(stream, double), "head/pixels": linear(width, outputs)},
        per_text={
            "text/project": linear(fields.size("joint_attention_dim", default=15360), width),
            **scaled(stream, double, "text/"),
        },
        per_both={**scaled(alone, single), **scaled(pairs, double + single)},
    )
    return network(fields, model.run)


def _unbiased(project: Costs, width: int) -> Costs:
    """The projections without biases."""
    return {part: linear(width, width) for part, cost in project.items() if cost.flop_per_token}


REGISTERS = 8
"""Learned tokens that AuraFlow puts before the text. [1]"""


@diffusers_class("AuraFlowTransformer2DModel")
def auraflow(fields: Fields) -> Network:
    """AuraFlow: few layers of two streams, many of one, no biases; learned positions."""
    width, heads, head_dim = _heads(fields, 12, 256)
    double = fields.layers("num_mmdit_layers", default=4)
    single = fields.layers("num_single_dit_layers", default=32)
    patch, channels = fields.size("patch_size", default=2), fields.size("in_channels", default=4)
    outputs = fields.size_or_none("out_channels", default=4) or channels
    inner = -(-int(8 * width / 3) // SINE_WIDTH) * SINE_WIDTH
    project, pairs = apart(joint_heads(width, heads, head_dim))
    project = _unbiased(project, width)
    stream: Costs = {**project, **Mlp(hidden=width, width=inner, gated=True).costs()}
    rows = fields.size("pos_embed_max_size", default=1024)
    return network(
        fields,
        Joint(
            side=square(fields, "sample_size", 64),
            patch=patch,
            text_tokens=256,
            spare=REGISTERS,
            first={"embedding/patch": linear(channels * patch * patch, width, bias=True)},
            per_image={
                "embedding/position": held((rows + REGISTERS) * width),
                "time/embedding": two_dense(SINE_WIDTH, width),
                "time/modulation": linear(width, (12 * double + 6 * single + 2) * width),
            },
            per_patch={
                **scaled(stream, double),
                "head/pixels": linear(width, patch * patch * outputs),
            },
            before_text={
                "text/project": linear(fields.size("joint_attention_dim", default=2048), width)
            },
            per_text=scaled(stream, double, "text/"),
            per_both={**scaled(stream, single, "single/"), **scaled(pairs, double + single)},
        ).run,
    )


@diffusers_class("CogVideoXTransformer3DModel")
def cogvideox(fields: Fields) -> Network:
    """CogVideoX: one stream, modulated apart (arXiv:2408.06072, sec. 2.2)."""
    width, heads, head_dim = _heads(fields, 30, 64)
    layers, time = (
        fields.layers("num_layers", default=30),
        fields.size("time_embed_dim", default=512),
    )
    patch, deep = fields.size("patch_size", default=2), fields.size_or_none("patch_size_t") or 1
    channels = fields.size("in_channels", default=16)
    outputs = fields.size_or_none("out_channels", default=16) or channels
    frames = fields.size("sample_frames", default=49) - 1
    steps = frames // fields.size("temporal_compression_ratio", default=4) + 1
    volume = patch * patch * deep
    offset = fields.size_or_none("ofs_embed_dim")
    learned = {} if offset is None else {"time/offset": two_dense(offset, offset)}
    bias = fields.flag("attention_bias", default=True)
    layer = {
        **joint_heads(width, heads, head_dim, bias),
        **feed_forward(fields, width),
        "norm/layers": held(4 * width * fields.flag("norm_elementwise_affine", default=True)),
        "norm/heads": held(4 * head_dim),
    }
    patched = fields.flag("patch_bias", default=True)
    words = fields.size("text_embed_dim", default=4096)
    model = Joint(
        side=fields.size("sample_height", default=60),
        wide=fields.size("sample_width", default=90),
        steps=-(-steps // deep),
        patch=patch,
        text_tokens=fields.size("max_text_seq_length", default=226),
        first={"embedding/patch": linear(channels * volume, width, patched)},
        per_image={
            "time/embedding": linear(width, time, True) + linear(time, time, True),
            **learned,
            "time/modulation": linear(time, (12 * layers + 2) * width, bias=True),
            "norm/outer": held(4 * width),
        },
        per_patch={"head/pixels": linear(width, volume * outputs, bias=True)},
        per_text={"text/project": linear(words, width, bias=True)},
        per_both=scaled(layer, layers),
    )
    return network(fields, model.run)


@diffusers_class("HunyuanVideoTransformer3DModel")
def hunyuan_video(fields: Fields) -> Network:
    """HunyuanVideo: FLUX's layers, and a few over the text alone (arXiv:2412.03603, sec. 4.2)."""
    if fields.text("image_condition_type"):
        raise ValueError(f"{fields.path}image_condition_type must be null: others are not counted")
    width, heads, head_dim = _heads(fields, 24, 128)
    double = fields.layers("num_layers", default=20)
    single = fields.layers("num_single_layers", default=40)
    refining = fields.layers("num_refiner_layers", default=2)
    inner = int(width * ratio(fields, "mlp_ratio", 4.0))
    patch, deep = fields.size("patch_size", default=2), fields.size("patch_size_t", default=1)
    channels = fields.size("in_channels", default=16)
    outputs = fields.size_or_none("out_channels", default=16) or channels
    volume, words = patch * patch * deep, fields.size("text_embed_dim", default=4096)
    project, pairs = apart(joint_heads(width, heads, head_dim))
    mlp = Mlp(hidden=width, width=inner, bias=True).costs()
    stream = {**project, **mlp, "norm/heads": held(2 * head_dim)}
    refined = {**project, **mlp, "norm/layers": held(4 * width)}
    alone = {
        "single/in": linear(width, 3 * width + inner, True),
        "single/out": linear(width + inner, width, True),
        "norm/single": held(2 * head_dim),
    }
    dense = two_dense(SINE_WIDTH, width)
    pooled = two_dense(fields.size("pooled_projection_dim", default=768), width)
    modulation = 12 * double + 3 * single + 2 + 2 * refining
    model = Joint(
        side=60,
        wide=104,
        steps=33 // deep,
        patch=patch,
        text_tokens=256,
        first={"embedding/patch": linear(channels * volume, width, bias=True)},
        per_image={
            "time/embedding": dense.times(2 + fields.flag("guidance_embeds", default=True)),
            "time/text": pooled + two_dense(words, width),
            "time/modulation": linear(width, modulation * width, bias=True),
        },
        per_patch={**scaled(stream, double), "head/pixels": linear(width, volume * outputs, True)},
        per_text={
            "text/project": linear(words, width, bias=True),
            **scaled(refined, refining, "text/refine_"),
            **scaled(stream, double, "text/"),
        },
        per_both={**scaled(alone, single), **scaled(pairs, double + single)},
        among=scaled(pairs, refining, "text/"),
    )
    return network(fields, model.run)
