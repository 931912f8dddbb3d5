"""Which diffusion transformer a config of diffusers describes whose patches look at the text.

PixArt, Wan, LTX-Video, SANA and Hunyuan-DiT: layers of attention among the patches, attention from
the patches to the text, and an MLP. Defaults are those of diffusers 0.42; `image_size` is the side
of the latent map, and videos without it are of the length and size of their report.
"""

from dataclasses import dataclass, field, replace

from estimator.workload.blocks import Cost, Costs, Mlp, held, linear, product, scaled, table
from estimator.workload.convolution import ratio, square
from estimator.workload.families.diffusion_transformer import (
    SINE_WIDTH,
    Joint,
    dit,
    feed_forward,
    two_dense,
)
from estimator.workload.fields import Fields
from estimator.workload.network import Network, network
from estimator.workload.registry import diffusers_class


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """Equal layers of a model of `width` whose patches look at text states of another width.

    `norms` are the parameters of the norms and tables of a layer, `own_bias` and `cross_bias`
    whether queries, keys and values of the two attentions have biases, `linear_heads` the width of
    a head of attention that is linear in the patches, 0 where it is not.
    """

    width: int
    layers: int
    mlp: Costs
    norms: int
    context: int
    own_bias: bool = True
    cross_bias: bool = True
    linear_heads: int = 0
    before: Costs = field(default_factory=dict)

    def joint(self, model: Joint) -> Joint:
        """The model with these layers beside what it has."""
        width = self.width
        dense, read = linear(width, width, True), linear(self.context, width, self.cross_bias)
        pairs = Cost(flop_per_pair=2 * width)
        own = {
            f"attention/{part}": linear(width, width, self.own_bias)
            for part in ("query", "key", "value")
        }
        own |= {"attention/output": dense, "cross/output": dense}
        own["cross/query"] = linear(width, width, self.cross_bias)
        own |= {**self.mlp, **self.before, "norm/layers": held(self.norms)}
        inside = {"attention/scores": pairs, "attention/reduce": pairs}
        if self.linear_heads:
            state = Cost(flop_per_token=2 * width * (self.linear_heads + 1))
            own |= {"attention/state": state, "attention/read": state}
            inside = {}
        return replace(
            model,
            per_patch={**scaled(own, self.layers), **model.per_patch},
            per_text={
                **model.per_text,
                **scaled({"cross/key": read, "cross/value": read}, self.layers),
            },
            inside=scaled(inside, self.layers),
            across=scaled({"cross/scores": pairs, "cross/reduce": pairs}, self.layers),
        )


def _modulation(width: int, sines: int = SINE_WIDTH) -> Costs:
    """Embedding of the time, and six vectors of it for all layers."""
    embedding = linear(sines, width, bias=True) + linear(width, width, bias=True)
    return {"time/embedding": embedding, "time/modulation": linear(width, 6 * width, bias=True)}


@diffusers_class("PixArtTransformer2DModel")
def pixart(fields: Fields) -> Network:
    """PixArt-alpha and -sigma: one modulation for all layers (arXiv:2310.00426, sec. 2.3)."""
    heads = fields.size("num_attention_heads", default=16)
    width = heads * fields.size("attention_head_dim", default=72)
    patch, channels = fields.size("patch_size", default=2), fields.size("in_channels", default=4)
    outputs = fields.size_or_none("out_channels", default=8) or channels
    side = square(fields, "sample_size", 128)
    words = fields.size_or_none("caption_channels")
    third = width // 3
    sized = fields.flag("use_additional_conditions", default=side == 128)
    once = two_dense(SINE_WIDTH, third)
    sizes = product(2 * once.params, 3 * once.flop_per_token) if sized else Cost()
    model = Joint(
        side=side,
        patch=patch,
        text_tokens=300 if side > 64 else 120,
        first={"embedding/patch": linear(channels * patch * patch, width, bias=True)},
        per_image={**_modulation(width), "time/sizes": sizes, "head/scale": held(2 * width)},
        per_patch={"head/pixels": linear(width, patch * patch * outputs, bias=True)},
        per_text={} if words is None else {"text/project": two_dense(words, width)},
    )
    affine = fields.flag("norm_elementwise_affine")
    bias = fields.flag("attention_bias", default=True)
    layers = Crossing(
        width=width,
        layers=fields.layers("num_layers", default=28),
        mlp=feed_forward(fields, width),
        norms=6 * width + 4 * width * affine,
        context=fields.size_or_none("cross_attention_dim", default=1152) or width,
        own_bias=bias,
        cross_bias=bias,
    )
    return network(fields, layers.joint(model).run)


@diffusers_class("Transformer2DModel")
def transformer_2d(fields: Fields) -> Network:
    """The older class of DiT and PixArt, by the norm of its layers."""
    readers = {"ada_norm_single": pixart, "ada_norm_zero": dit}
    norm = fields.text("norm_type", default="layer_norm")
    if norm not in readers:
        known = " and ".join(readers)
        raise ValueError(f"{fields.path}norm_type {norm!r} is not counted: {known} are")
    return readers[norm](fields)


@diffusers_class("WanTransformer3DModel")
def wan(fields: Fields) -> Network:
    """Wan 2.1 and 2.2: 81 frames of 480 x 832 pixels by default (arXiv:2503.20314, sec. 4.2)."""
    heads = fields.size("num_attention_heads", default=40)
    width = heads * fields.size("attention_head_dim", default=128)
    layers = fields.layers("num_layers", default=40)
    patch = fields.items("patch_size", 3) or [1, 2, 2]
    sizes = [Fields({"patch_size": item}).size("patch_size") for item in patch]
    if sizes[1] != sizes[2]:
        raise ValueError(f"{fields.path}patch_size must be square, got {patch}")
    volume = sizes[0] * sizes[1] * sizes[2]
    image_dim = fields.size_or_none("image_dim")
    seen = {} if image_dim is None else _image_states(image_dim, width, layers)
    model = Joint(
        side=60,
        wide=104,
        steps=21 // sizes[0],
        patch=sizes[1],
        text_tokens=512,
        first={
            "embedding/patch": linear(fields.size("in_channels", default=16) * volume, width, True)
        },
        per_image={
            **_modulation(width, fields.size("freq_dim", default=SINE_WIDTH)),
            "head/scale": held(2 * width),
            **seen,
        },
        per_patch={
            "head/pixels": linear(width, volume * fields.size("out_channels", default=16), True),
            "cross/image": Cost(flop_per_token=4 * width * IMAGE_TOKENS * layers * bool(seen)),
        },
        per_text={"text/project": two_dense(fields.size("text_dim", default=4096), width)},
    )
    norms = 2 * fields.flag("cross_attn_norm", default=True) + 4 * bool(_qk_norm(fields))
    stack = Crossing(
        width=width,
        layers=layers,
        mlp=Mlp(hidden=width, width=fields.size("ffn_dim", default=13824), bias=True).costs(),
        norms=(6 + norms) * width,
        context=width,
    )
    return network(fields, stack.joint(model).run)


IMAGE_TOKENS = 257
"""States of CLIP's tower that a Wan of images to videos looks at. [1]"""


def _image_states(image_dim: int, width: int, layers: int) -> Costs:
    """Projection of an image's states, and their keys and values in each layer."""
    project = linear(image_dim, image_dim, True) + linear(image_dim, width, True)
    read = linear(width, 2 * width, True).times(layers)
    both = project + read
    return {
        "image/states": product(both.params, IMAGE_TOKENS * both.flop_per_token),
        "norm/image": held(2 * (image_dim + width) + layers * width),
    }


def _qk_norm(fields: Fields) -> str:
    """Norms of queries and keys across all heads, none where the config says null."""
    usual = "rms_norm_across_heads"
    kind = usual if "qk_norm" not in fields.values else fields.text("qk_norm")
    if kind not in ("", usual):
        raise ValueError(f"{fields.path}qk_norm {kind!r} is not counted: {usual} is")
    return kind


@diffusers_class("LTXVideoTransformer3DModel")
def ltx(fields: Fields) -> Network:
    """LTX-Video: 161 frames of 512 x 704 pixels by default (arXiv:2501.00103, sec. 2)."""
    heads = fields.size("num_attention_heads", default=32)
    width = heads * fields.size("attention_head_dim", default=64)
    patch = fields.size("patch_size", default=1)
    if fields.size("patch_size_t", default=1) != 1:
        raise ValueError(f"{fields.path}patch_size_t must be 1")
    bias = fields.flag("attention_bias", default=True)
    affine = fields.flag("norm_elementwise_affine")
    model = Joint(
        side=16,
        wide=22,
        steps=21,
        patch=patch,
        text_tokens=128,
        first={"embedding/patch": linear(fields.size("in_channels", default=128), width, True)},
        per_image={**_modulation(width), "head/scale": held(2 * width)},
        per_patch={"head/pixels": linear(width, fields.size("out_channels", default=128), True)},
        per_text={"text/project": two_dense(fields.size("caption_channels", default=4096), width)},
    )
    layers = Crossing(
        width=width,
        layers=fields.layers("num_layers", default=28),
        mlp=feed_forward(fields, width),
        norms=(6 + 4 * bool(_qk_norm(fields)) + 2 * affine) * width,
        context=fields.size("cross_attention_dim", default=2048),
        own_bias=bias,
        cross_bias=bias,
    )
    return network(fields, layers.joint(model).run)


@diffusers_class("SanaTransformer2DModel")
def sana(fields: Fields) -> Network:
    """SANA: attention that is linear in the patches, MLPs that convolve (arXiv:2410.10629)."""
    heads = fields.size("num_attention_heads", default=70)
    head_dim = fields.size("attention_head_dim", default=32)
    width = heads * head_dim
    patch, channels = fields.size("patch_size", default=1), fields.size("in_channels", default=32)
    outputs = fields.size_or_none("out_channels", default=32) or channels
    inner = int(width * ratio(fields, "mlp_ratio", 2.5))
    guided = fields.flag("guidance_embeds")
    normed = 4 * (fields.text("qk_norm") == "rms_norm_across_heads")
    if fields.text("qk_norm") and not normed:
        raise ValueError(f"{fields.path}qk_norm {fields.text('qk_norm')!r} is not counted")
    words = fields.size("caption_channels", default=2304)
    guidance = two_dense(SINE_WIDTH, width) if guided else Cost()
    model = Joint(
        side=square(fields, "sample_size", 32),
        patch=patch,
        text_tokens=300,
        first={"embedding/patch": linear(channels * patch * patch, width, bias=True)},
        per_image={
            **_modulation(width),
            "time/guidance": guidance,
            "head/scale": held(2 * width),
            "norm/text": held(width),
        },
        per_patch={"head/pixels": linear(width, patch * patch * outputs, bias=True)},
        per_text={"text/project": two_dense(words, width)},
    )
    mlp = {
        "mlp/up": linear(width, 2 * inner, bias=True),
        "mlp/depthwise": product(2 * inner * (9 + 1), 2 * inner * 18),
        "mlp/down": linear(inner, width),
    }
    layers = Crossing(
        width=width,
        layers=fields.layers("num_layers", default=20),
        mlp=mlp,
        norms=(6 + normed) * width,
        context=fields.size_or_none("cross_attention_dim", default=2240) or width,
        own_bias=fields.flag("attention_bias"),
        linear_heads=head_dim,
    )
    return network(fields, layers.joint(model).run)


@diffusers_class("HunyuanDiT2DModel")
def hunyuan_dit(fields: Fields) -> Network:
    """Hunyuan-DiT: the later half of the layers takes the earlier in (arXiv:2405.08748, sec. 2).

    `seq_len` counts the words of both text towers, the config's by default.
    """
    heads = fields.size("num_attention_heads", default=16)
    width, layers = (
        fields.size("hidden_size", default=1152),
        fields.layers("num_layers", default=28),
    )
    head_dim = fields.share("hidden_size", width, "num_attention_heads", heads)
    patch, channels = fields.size("patch_size"), fields.size("in_channels")
    outputs = channels * (1 + fields.flag("learn_sigma", default=True))
    near, far = fields.size("text_len", default=77), fields.size("text_len_t5", default=256)
    context = fields.size("cross_attention_dim", default=1024)
    t5 = fields.size("cross_attention_dim_t5", default=2048)
    pooled = fields.size("pooled_projection_dim", default=1024)
    styled = fields.flag("use_style_cond_and_image_meta_size", default=True)
    extra = pooled + (6 * SINE_WIDTH + width) * styled
    project = linear(t5, 4 * t5, True) + linear(4 * t5, context, True)
    read = linear(t5, 2 * t5, True)
    model = Joint(
        side=square(fields, "sample_size", 32),
        patch=patch,
        text_tokens=near + far,
        first={"embedding/patch": linear(channels * patch * patch, width, bias=True)},
        per_image={
            "time/embedding": two_dense(SINE_WIDTH, width),
            "time/style": table(1, width * styled),
            "time/extra": linear(extra, 4 * width, True) + linear(4 * width, width, True),
            "time/modulation": linear(width, (layers + 2) * width, bias=True),
            "text/t5": product(project.params, far * project.flop_per_token),
            "pooler/read": product(read.params, (far + 1) * read.flop_per_token),
            "pooler/query": linear(t5, t5, True),
            "pooler/scores": Cost(flop_per_token=4 * t5 * (far + 1)),
            "pooler/out": linear(t5, pooled, True),
            "text/tables": held((near + far) * context + (far + 1) * t5),
        },
        per_patch={
            "head/pixels": linear(width, patch * patch * outputs, bias=True),
            "skip/project": linear(2 * width, width, True).times(layers - layers // 2 - 1),
            "norm/skip": held(4 * width * (layers - layers // 2 - 1)),
        },
    )
    stack = Crossing(
        width=width,
        layers=layers,
        mlp=Mlp(
            hidden=width, width=int(width * ratio(fields, "mlp_ratio", 4.0)), bias=True
        ).costs(),
        norms=6 * width + 8 * head_dim,
        context=context,
    )
    return network(fields, stack.joint(model).run)
