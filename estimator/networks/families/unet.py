"""Work of a U-Net or an autoencoder (VAE) for latent diffusion.

Defaults are those of diffusers 0.42. A pass denoises each image once, or encodes and decodes it.
`image_size` is the side of the input map, `sample_size` in the config; `seq_len` is the text
tokens, 77 by default. The items of a pass are images.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from estimator.networks.blocks import (
    Cost,
    Costs,
    affine,
    equal_heads,
    linear,
    params_only,
    table,
)
from estimator.networks.convolution import (
    BATCH_NORM,
    Flow,
    flow_network,
    image,
    plain,
    square,
)
from estimator.networks.fields import Fields
from estimator.networks.ledger import Inputs
from estimator.networks.network import Network, Pass, length, network
from estimator.networks.registry import diffusers_class

TEXT_TOKENS = 77
"""Tokens of CLIP's text tower, used by all versions of Stable Diffusion."""

Body = Callable[[Flow], Flow]

Attend = Callable[[Flow, str], Flow]
"""Function applied to the maps after a residual block."""


def no_attention(flow: Flow, name: str) -> Flow:
    """Return the flow unchanged."""
    return flow


class Level(NamedTuple):
    """Resolution of a U-Net: width, residual blocks on the way down, and time width.

    The way up has one block more; `down` and `up` follow each block.
    """

    channels: int
    layers: int
    time: int = 0
    down: Attend = no_attention
    up: Attend = no_attention


def down(flow: Flow, levels: Sequence[Level], prefix: str = "", edge: int = 0) -> Flow:
    """Downsample from the finest map to the coarsest, halving with padding on both edges or one."""
    inputs = levels[0].channels
    for place, level in enumerate(levels):
        name = f"{prefix}down{place + 1}"
        for _ in range(level.layers):
            flow = residual(flow, name, (inputs, level.channels), level.time)
            flow, inputs = level.down(flow, name), level.channels
        if place + 1 < len(levels):
            conv = plain(inputs, inputs, stride=2, padding=1 - edge)
            flow = flow.at(flow.side + edge).conv(f"{name}/downsample", conv)
    return flow


def up(flow: Flow, levels: Sequence[Level], prefix: str = "", skips: bool = True) -> Flow:
    """Upsample from the coarsest map to the finest, optionally with skip connections."""
    beside = [levels[0].channels]
    for place, level in enumerate(levels):
        beside += [level.channels] * (level.layers + (place + 1 < len(levels)))
    inputs = levels[-1].channels
    for place, level in enumerate(reversed(levels)):
        name = f"{prefix}up{place + 1}"
        for _ in range(level.layers + 1):
            shape = (inputs + skips * beside.pop(), level.channels)
            flow = level.up(residual(flow, name, shape, level.time), name)
            inputs = level.channels
        if place + 1 < len(levels):
            flow = flow.scaled(2.0).conv(f"{name}/upsample", plain(inputs, inputs))
    return flow


def middle(flow: Flow, name: str, level: Level, attend: Attend) -> Flow:
    """Build attention at the coarsest map between two residual blocks."""
    shape = (level.channels, level.channels)
    flow = attend(residual(flow, name, shape, level.time), name)
    return residual(flow, name, shape, level.time)


def residual(flow: Flow, name: str, shape: tuple[int, int], time_width: int) -> Flow:
    """Build two convolutions with pre-norms, time embedding in between, and a shortcut."""
    inputs, outputs = shape
    flow = flow.dense({f"{name}/norm": params_only(BATCH_NORM * (inputs + outputs))})
    if inputs != outputs:
        flow = flow.beside(f"{name}/shortcut", plain(inputs, outputs, kernel=1))
    if time_width:
        flow = flow.dense({f"{name}/time": affine(time_width, outputs)})
    return flow.convs(f"{name}/convolution", (plain(inputs, outputs), plain(outputs, outputs)))


def text_attention(
    width: int, depth: int, context: int, twice: bool = False, *, projected: bool = False
) -> Attend:
    """Build layers over the map: self-attention, cross-attention to the text, an MLP.

    `twice` replaces self-attention by a second cross-attention. The text needs no gradient unless
    it is `projected` first.
    """
    dense, scores = affine(width, width), Cost(flop_per_pair=4 * width)
    mlp = affine(width, 8 * width) + affine(4 * width, width)
    own = {"mlp": mlp}
    if not twice:
        own = {"attention": linear(width, 3 * width) + dense, "scores": scores, **own}
    cross = {"cross": linear(width, width) + dense, "cross_scores": scores}
    read = {"text": linear(context, 2 * width)}
    norm = {"norm": params_only(BATCH_NORM * width)}

    def attend(flow: Flow, name: str) -> Flow:
        here, prefix = flow.positions, f"{name}/"
        flow = flow.layers({"project": dense}, times=2, prefix=prefix)
        flow = flow.layers(norm, times=1 + 3 * depth, prefix=prefix)
        flow = flow.layers(own, pairs=0.0 if twice else here * here, times=depth, prefix=prefix)
        for _ in range(1 + twice):
            flow = flow.layers(cross, pairs=here * flow.text, times=depth, prefix=prefix)
            flow = flow.layers(read, flow.text, times=depth, prefix=prefix, first=not projected)
        return flow

    return attend if depth else no_attention


def map_attention(width: int) -> Attend:
    """Build attention of one head over the map."""
    costs = {**equal_heads(Fields({}), width, 1).costs(), "norm": params_only(BATCH_NORM * width)}
    return lambda flow, name: flow.attending(costs, prefix=f"{name}/")


DOWN = ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",)
UP = ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3


def text_levels(fields: Fields) -> tuple[list[Level], Attend, Costs, Costs]:
    """Return the levels that attend to a text, their attention, and costs per image and word."""
    widths = fields.sizes("block_out_channels", (320, 640, 1280, 1280))
    count = len(widths)
    refuse_values(fields, READ)
    time = fields.size_or_none("time_embedding_dim") or 4 * widths[0]
    layers = _per_level(fields, "layers_per_block", 2, count, layers=True)
    depths = _per_level(fields, "transformer_layers_per_block", 1, count, layers=True)
    context = _per_level(fields, "cross_attention_dim", 1280, count)
    twice = _only_text(fields, count)
    shapes = [*zip(widths, depths, context, strict=True)]
    per_word = _per_word(fields, context[0])
    reads = partial(text_attention, projected=bool(per_word))
    attends = [reads(*shape, one) for shape, one in zip(shapes, twice, strict=True)]
    ways = _attending(fields, attends, DOWN, UP)
    levels = [Level(*row) for row in zip(widths, layers, [time] * count, *ways, strict=True)]
    return levels, reads(*shapes[-1]), _per_image(fields, widths[0], time), per_word


def text_middle(fields: Fields, flow: Flow, last: Level, attend: Attend) -> Flow:
    """Return the coarsest level: attention between two blocks, one block, or nothing."""
    kind = fields.values.get("mid_block_type", MIDDLES[0])
    if kind == MIDDLES[0]:
        return middle(flow, "middle", last, attend)
    shape = (last.channels, last.channels)
    return flow if kind is None else residual(flow, "middle", shape, last.time)


def denoising(fields: Fields, side: int, body: Body) -> Network:
    """Build the network of a config that passes noisy maps of `side` and texts through `body`."""

    def run(inputs: Inputs) -> Pass:
        batch, pixels = image(inputs, side)
        flow = body(Flow(batch=batch, side=pixels, text=length(inputs, TEXT_TOKENS)))
        return Pass(lines=flow.lines, items=flow.batch)

    return network(fields, run, item_unit="latent")


@diffusers_class("UNet2DConditionModel")
def unet(fields: Fields) -> Network:
    """Build Stable Diffusion 1, 2 and XL (arXiv:2112.10752, arXiv:2307.01952)."""
    levels, attend, per_image, per_word = text_levels(fields)
    widths = [level.channels for level in levels]
    kernel = fields.size("conv_in_kernel", default=3)
    stem = plain(fields.size("in_channels", default=4), widths[0], kernel)
    kernel = fields.size("conv_out_kernel", default=3)
    last = plain(widths[0], fields.size("out_channels", default=4), kernel)

    def body(flow: Flow) -> Flow:
        flow = flow.dense(per_image).layers(per_word, flow.text, first=True)
        flow = down(flow.conv("stem/convolution", stem, first=True), levels)
        flow = text_middle(fields, flow, levels[-1], attend)
        return up(flow, levels).norm(widths[0]).conv("head/convolution", last)

    return denoising(fields, square(fields, "sample_size", 64), body)


PLAIN_DOWN = ("DownBlock2D",) + ("AttnDownBlock2D",) * 3
PLAIN_UP = ("AttnUpBlock2D",) * 3 + ("UpBlock2D",)


@diffusers_class("UNet2DModel")
def unet_of_pixels(fields: Fields) -> Network:
    """Build DDPM's U-Net: attention over the map in some levels (arXiv:2006.11239, app. B)."""
    widths = fields.sizes("block_out_channels", (224, 448, 672, 896))
    count = len(widths)
    refuse_values(fields, READ_OF_PIXELS)
    time = fields.size_or_none("time_embedding_dim") or 4 * widths[0]
    layers = [fields.layers("layers_per_block", default=2, stages=count)] * count
    attends = [map_attention(width) for width in widths]
    ways = _attending(fields, attends, PLAIN_DOWN, PLAIN_UP)
    levels = [Level(*row) for row in zip(widths, layers, [time] * count, *ways, strict=True)]
    attend = attends[-1] if fields.flag("add_attention", default=True) else no_attention
    stem = plain(fields.size("in_channels", default=3), widths[0])
    last = plain(widths[0], fields.size("out_channels", default=3))
    per_image = _per_image(fields, widths[0], time)

    def body(flow: Flow) -> Flow:
        flow = down(flow.dense(per_image).conv("stem/convolution", stem, first=True), levels)
        flow = up(middle(flow, "middle", levels[-1], attend), levels)
        return flow.norm(widths[0]).conv("head/convolution", last)

    return flow_network(fields, square(fields, "sample_size", 32), body)


def _attending(
    fields: Fields, attends: list[Attend], usual_down: tuple[str, ...], usual_up: tuple[str, ...]
) -> Iterator[list[Attend]]:
    """Yield the attention after each block on the way down and up, finest first."""
    ways = (
        fields.listed("down_block_types", usual_down, len(attends)),
        fields.listed("up_block_types", usual_up, len(attends))[::-1],
    )
    known = sorted({*usual_down, *usual_up})
    for key, way in zip(("down_block_types", "up_block_types"), ways, strict=True):
        for name in way:
            if name not in known:
                raise fields.uncounted(key, name, *known)
        blocks = zip(attends, way, strict=True)
        yield [attend if "Attn" in name else no_attention for attend, name in blocks]


def _per_level(
    fields: Fields, name: str, default: int, count: int, *, layers: bool = False
) -> list[int]:
    """Return one number per level, from one for all levels or a list."""
    if isinstance(fields.values.get(name), list | tuple):
        return fields.layer_counts(name, (), count) if layers else fields.sizes(name, (), count)
    read = partial(fields.layers, stages=count) if layers else fields.size
    return [read(name, default=default)] * count


def _only_text(fields: Fields, count: int) -> list[bool]:
    """Return whether the layers of each level attend to the text only."""
    stated = fields.values.get("only_cross_attention")
    if not isinstance(stated, list | tuple):
        refuse_values(fields, {"only_cross_attention": (False, None)})
        return [False] * count
    return [item is True for item in fields.listed("only_cross_attention", (), count)]


def _per_image(fields: Fields, first: int, width: int) -> Costs:
    """Return the embeddings of time, guidance (LCM), class, sizes and pooled text (SDXL)."""
    costs: dict[str, Cost] = {
        "time/in": affine(first, width),
        "time/out": affine(width, width),
        "time/guidance": linear(fields.size_or_none("time_cond_proj_dim") or 0, first),
    }
    classes = fields.size_or_none("num_class_embeds") or 0
    kind = fields.text("class_embed_type")
    if kind == "timestep" or kind == "projection":
        inputs = fields.size("projection_class_embeddings_input_dim") if kind[0] == "p" else first
        costs["class/in"] = affine(inputs, width)
        costs["class/out"] = affine(width, width)
    elif not kind:
        costs["class/table"] = table(classes, width)
    if fields.text("addition_embed_type") == "text_time":
        inputs = fields.size("projection_class_embeddings_input_dim")
        costs["size/in"] = affine(inputs, width)
        costs["size/out"] = affine(width, width)
    return costs


def _per_word(fields: Fields, context: int) -> Costs:
    """Return the projection of a text with another width."""
    inputs = fields.size_or_none("encoder_hid_dim")
    return {} if inputs is None else {"text/project": affine(inputs, context)}


MIDDLES = ("UNetMidBlock2DCrossAttn", "UNetMidBlock2D")
"""Blocks at the coarsest map, with and without attention; null means none."""

READ: Mapping[str, tuple[object, ...]] = {
    "mid_block_type": (*MIDDLES, None),
    "mid_block_only_cross_attention": (False, None),
    "dual_cross_attention": (False, None),
    "attention_type": ("default", None),
    "time_embedding_type": ("positional", None),
    "class_embed_type": ("timestep", "projection", None),
    "class_embeddings_concat": (False, None),
    "addition_embed_type": ("text_time", None),
    "encoder_hid_dim_type": ("text_proj", None),
    "resnet_time_scale_shift": ("default", None),
    "cross_attention_norm": (None,),
    "num_attention_heads": (None,),
    "reverse_transformer_layers_per_block": (None,),
}
"""Keys that change the network, and their supported values."""


READ_OF_PIXELS: Mapping[str, tuple[object, ...]] = {
    "mid_block_type": ("UNetMidBlock2D",),
    "time_embedding_type": ("positional", None),
    "class_embed_type": (None,),
    "resnet_time_scale_shift": ("default", None),
    "downsample_type": ("conv", None),
    "upsample_type": ("conv", None),
}
"""The same keys for the U-Net of pixels."""


def refuse_values(fields: Fields, read: Mapping[str, tuple[object, ...]]) -> None:
    """Refuse unsupported parts rather than omit them."""
    for key, known in read.items():
        fields.supported(key, *known)


@diffusers_class("AutoencoderKL", "AutoencoderKLFlux2")
def autoencoder(fields: Fields) -> Network:
    """Build the autoencoder of latent diffusion (arXiv:2112.10752, sec. 3.1)."""
    side = square(fields, "sample_size", 32)
    channels = fields.size("in_channels", default=3)
    outputs = fields.size("out_channels", default=3)
    latent = fields.size("latent_channels", default=4)
    widths = fields.sizes("block_out_channels", (64,))
    layers = fields.layers("layers_per_block", default=1, stages=len(widths))
    wide = widths
    if fields.items("decoder_block_out_channels"):
        wide = fields.sizes("decoder_block_out_channels", length=len(widths))
    levels, back = (
        [Level(channels=width, layers=layers) for width in side] for side in (widths, wide)
    )
    attends = fields.flag("mid_block_add_attention", default=True)
    attend, again = (
        map_attention(side[-1]) if attends else no_attention for side in (widths, wide)
    )
    quant = fields.flag("use_quant_conv", default=True)
    post_quant = fields.flag("use_post_quant_conv", default=True)

    def body(flow: Flow) -> Flow:
        flow = encoded(flow, (channels, 2 * latent), levels, attend)
        if quant:
            flow = flow.conv("encoder/quant", plain(2 * latent, 2 * latent, kernel=1))
        if post_quant:
            flow = flow.conv("decoder/quant", plain(latent, latent, kernel=1))
        flow = flow.conv("decoder/in", plain(latent, wide[-1]))
        flow = middle(flow, "decoder/middle", back[-1], again)
        flow = up(flow, back, "decoder/", skips=False)
        flow = flow.dense({"decoder/norm": params_only(2 * wide[0])})
        return flow.conv("decoder/out", plain(wide[0], outputs))

    return flow_network(fields, side, body)


def encoded(flow: Flow, ends: tuple[int, int], levels: Sequence[Level], attend: Attend) -> Flow:
    """Encode images to the coarsest map, from pixel channels to latent channels."""
    first, last = levels[0].channels, levels[-1].channels
    flow = flow.conv("encoder/stem", plain(ends[0], first), first=True)
    flow = middle(down(flow, levels, "encoder/", edge=1), "encoder/middle", levels[-1], attend)
    return flow.dense({"encoder/norm": params_only(2 * last)}).conv(
        "encoder/out", plain(last, ends[1])
    )
