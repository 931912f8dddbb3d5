"""How much work the U-Net of a latent diffusion model is, read from a config of diffusers.

Defaults are those of diffusers 0.42. A pass denoises each image once. `image_size` is the side
of the latent map that the network gets, `sample_size` in the config; `seq_len` the text tokens,
77 by default. The items of a pass are images.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from estimator.workload.blocks import Cost, Costs, equal_heads, held, linear, table
from estimator.workload.convolution import (
    BATCH_NORM,
    Flow,
    flow_network,
    image,
    plain,
    square,
)
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, Quantity, quantity
from estimator.workload.network import Network, Pass, network
from estimator.workload.registry import diffusers_class

TEXT_TOKENS = 77
"""Tokens of CLIP's text tower, which all versions of Stable Diffusion read."""


class Level(NamedTuple):
    """One resolution of a U-Net.

    Its width; residual blocks on the way down, one fewer than on the way up; transformer layers
    behind each block, on the way down and up, 0 without attention; widths of the text states and
    of the time.
    """

    channels: int
    layers: int
    depth: int
    up_depth: int
    context: int
    time: int


def _down(flow: Flow, levels: Sequence[Level], text: Quantity) -> Flow:
    """From the finest map to the coarsest."""
    inputs = levels[0].channels
    for place, level in enumerate(levels):
        name = f"down{place + 1}"
        for _ in range(level.layers):
            flow = residual(flow, name, (inputs, level.channels), level.time)
            flow = attended(flow, name, level, level.depth, text)
            inputs = level.channels
        if place + 1 < len(levels):
            flow = flow.conv(f"{name}/downsample", plain(inputs, inputs, stride=2))
    return flow


def _up(flow: Flow, levels: Sequence[Level], text: Quantity) -> Flow:
    """From the coarsest map to the finest, beside those of the way down."""
    skips = [levels[0].channels]
    for place, level in enumerate(levels):
        skips += [level.channels] * (level.layers + (place + 1 < len(levels)))
    inputs = levels[-1].channels
    for place in reversed(range(len(levels))):
        level, name = levels[place], f"up{len(levels) - place}"
        for _ in range(level.layers + 1):
            shape = (inputs + skips.pop(), level.channels)
            flow = residual(flow, name, shape, level.time)
            flow = attended(flow, name, level, level.up_depth, text)
            inputs = level.channels
        if place:
            flow = flow.scaled(2.0).conv(f"{name}/upsample", plain(inputs, inputs))
    return flow


def residual(flow: Flow, name: str, shape: tuple[int, int], time_width: int) -> Flow:
    """Two convolutions with norms before them, the time in between, a shortcut."""
    inputs, outputs = shape
    flow = flow.dense({f"{name}/norm": held(BATCH_NORM * (inputs + outputs))})
    if inputs != outputs:
        flow = flow.beside(f"{name}/shortcut", plain(inputs, outputs, kernel=1))
    if time_width:
        flow = flow.dense({f"{name}/time": linear(time_width, outputs, bias=True)})
    return flow.convs(f"{name}/convolution", (plain(inputs, outputs), plain(outputs, outputs)))


def attended(flow: Flow, name: str, level: Level, depth: int, text: Quantity) -> Flow:
    """Transformer layers over the map: to itself, to the text, which gets no gradient, an MLP."""
    if not depth:
        return flow
    width, here = level.channels, flow.positions
    dense, scores = linear(width, width, bias=True), Cost(flop_per_pair=4 * width)
    mlp = linear(width, 8 * width, bias=True) + linear(4 * width, width, bias=True)
    own = {"attention": linear(width, 3 * width) + dense, "scores": scores, "mlp": mlp}
    cross = {"cross": linear(width, width) + dense, "cross_scores": scores}
    read = {"text": linear(level.context, 2 * width)}
    prefix = f"{name}/"
    flow = flow.layers({"project": dense}, times=2, prefix=prefix)
    flow = flow.layers({"norm": held(BATCH_NORM * width)}, times=1 + 3 * depth, prefix=prefix)
    flow = flow.layers(own, pairs=here * here, times=depth, prefix=prefix)
    flow = flow.layers(cross, pairs=here * text, times=depth, prefix=prefix)
    return flow.layers(read, text, times=depth, prefix=prefix, first=True)


DOWN = ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",)
UP = ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3


@diffusers_class("UNet2DConditionModel")
def unet(fields: Fields) -> Network:
    """Stable Diffusion 1, 2 and XL (arXiv:2112.10752, arXiv:2307.01952)."""
    widths = fields.sizes("block_out_channels", (320, 640, 1280, 1280))
    count = len(widths)
    down = fields.listed("down_block_types", DOWN, count)
    up = fields.listed("up_block_types", UP, count)
    _refuse_blocks([*down, *up], {*DOWN, *UP})
    refuse_values(fields, READ)
    time = fields.size_or_none("time_embedding_dim") or 4 * widths[0]
    layers = _layers_per_level(fields, "layers_per_block", 2, count)
    depths = _layers_per_level(fields, "transformer_layers_per_block", 1, count)
    context = _per_level(fields, "cross_attention_dim", 1280, count)
    levels = [
        Level(
            channels=width,
            layers=layers[place],
            depth=depths[place] if "CrossAttn" in down[place] else 0,
            up_depth=depths[place] if "CrossAttn" in up[count - 1 - place] else 0,
            context=context[place],
            time=time,
        )
        for place, width in enumerate(widths)
    ]
    kernel = fields.size("conv_in_kernel", default=3)
    stem = plain(fields.size("in_channels", default=4), widths[0], kernel)
    kernel = fields.size("conv_out_kernel", default=3)
    last = plain(widths[0], fields.size("out_channels", default=4), kernel)
    usual = square(fields, "sample_size", 64)
    per_image, per_word = _per_image(fields, widths[0], time), _per_word(fields, context[0])
    middle = fields.values.get("mid_block_type", MIDDLES[0])
    depth = depths[-1]
    inner = ((widths[-1], widths[-1]), time)

    def run(inputs: Inputs) -> Pass:
        """Pass over `batch` noisy images."""
        batch, side = image(inputs, usual)
        text = quantity("seq_len", TEXT_TOKENS if inputs.seq_len is None else inputs.seq_len)
        flow = Flow(batch=batch, side=side).dense(per_image).layers(per_word, text)
        flow = _down(flow.conv("stem/convolution", stem, first=True), levels, text)
        if middle is not None:
            flow = residual(flow, "middle", *inner)
        if middle == MIDDLES[0]:
            flow = attended(flow, "middle", levels[-1], depth, text)
            flow = residual(flow, "middle", *inner)
        flow = _up(flow, levels, text)
        return Pass(lines=flow.norm(widths[0]).conv("head/convolution", last).lines, items=batch)

    return network(fields, run, item_unit="latent")


PLAIN_DOWN = ("DownBlock2D",) + ("AttnDownBlock2D",) * 3
PLAIN_UP = ("AttnUpBlock2D",) * 3 + ("UpBlock2D",)


@diffusers_class("UNet2DModel")
def unet_of_pixels(fields: Fields) -> Network:
    """The U-Net of DDPM: attention over the map in some levels (arXiv:2006.11239, app. B)."""
    widths = fields.sizes("block_out_channels", (224, 448, 672, 896))
    count = len(widths)
    down = fields.listed("down_block_types", PLAIN_DOWN, count)
    up = fields.listed("up_block_types", PLAIN_UP, count)
    _refuse_blocks([*down, *up], {*PLAIN_DOWN, *PLAIN_UP})
    refuse_values(fields, READ_OF_PIXELS)
    time = fields.size_or_none("time_embedding_dim") or 4 * widths[0]
    layers = fields.layers("layers_per_block", default=2, stages=count)
    attends = fields.flag("add_attention", default=True)
    stem = plain(fields.size("in_channels", default=3), widths[0])
    last = plain(widths[0], fields.size("out_channels", default=3))
    per_image = _per_image(fields, widths[0], time)

    def body(flow: Flow) -> Flow:
        flow, skips = flow.dense(per_image).conv("stem/convolution", stem, first=True), [widths[0]]
        inputs = widths[0]
        for place, width in enumerate(widths):
            name = f"down{place + 1}"
            for _ in range(layers):
                flow, inputs = residual(flow, name, (inputs, width), time), width
                flow = _looked(flow, name, width) if "Attn" in down[place] else flow
                skips.append(width)
            if place + 1 < count:
                flow = flow.conv(f"{name}/downsample", plain(width, width, stride=2))
                skips.append(width)
        flow = residual(flow, "middle", (inputs, inputs), time)
        flow = _looked(flow, "middle", inputs) if attends else flow
        flow = residual(flow, "middle", (inputs, inputs), time)
        for place, width in enumerate(reversed(widths)):
            name = f"up{place + 1}"
            for _ in range(layers + 1):
                flow, inputs = residual(flow, name, (inputs + skips.pop(), width), time), width
                flow = _looked(flow, name, width) if "Attn" in up[place] else flow
            if place + 1 < count:
                flow = flow.scaled(2.0).conv(f"{name}/upsample", plain(width, width))
        return flow.norm(widths[0]).conv("head/convolution", last)

    side = square(fields, "sample_size", 32)
    return flow_network(fields, side, body)


def _looked(flow: Flow, name: str, width: int) -> Flow:
    """Attention over the map."""
    costs = {**equal_heads(Fields({}), width, 1).costs(), "norm": held(BATCH_NORM * width)}
    return flow.layers(costs, pairs=flow.positions**2, prefix=f"{name}/")


def _per_level(fields: Fields, name: str, default: int, count: int) -> list[int]:
    """A number for all levels, or a list with one each."""
    if isinstance(fields.values.get(name), list | tuple):
        return fields.sizes(name, (), count)
    return [fields.size(name, default=default)] * count


def _layers_per_level(fields: Fields, name: str, default: int, count: int) -> list[int]:
    """Layers in each of the levels, one number for all or a list."""
    if isinstance(fields.values.get(name), list | tuple):
        return fields.layer_counts(name, (), count)
    return [fields.layers(name, default=default, stages=count)] * count


def _per_image(fields: Fields, first: int, width: int) -> Costs:
    """Embeddings of the time, of guidance (LCM), of a class, of sizes and pooled text (SDXL)."""
    costs: dict[str, Cost] = {
        "time/in": linear(first, width, bias=True),
        "time/out": linear(width, width, bias=True),
        "time/guidance": linear(fields.size_or_none("time_cond_proj_dim") or 0, first),
    }
    classes = fields.size_or_none("num_class_embeds") or 0
    kind = fields.text("class_embed_type")
    if kind == "timestep" or kind == "projection":
        inputs = fields.size("projection_class_embeddings_input_dim") if kind[0] == "p" else first
        costs["class/in"] = linear(inputs, width, bias=True)
        costs["class/out"] = linear(width, width, bias=True)
    elif not kind:
        costs["class/table"] = table(classes, width)
    if fields.text("addition_embed_type") == "text_time":
        inputs = fields.size("projection_class_embeddings_input_dim")
        costs["size/in"] = linear(inputs, width, bias=True)
        costs["size/out"] = linear(width, width, bias=True)
    return costs


def _per_word(fields: Fields, context: int) -> Costs:
    """The projection of a text of another width."""
    inputs = fields.size_or_none("encoder_hid_dim")
    return {} if inputs is None else {"text/project": linear(inputs, context, bias=True)}


MIDDLES = ("UNetMidBlock2DCrossAttn", "UNetMidBlock2D")
"""Blocks at the coarsest map, with attention and without; none where the config says null."""

READ: Mapping[str, tuple[object, ...]] = {
    "mid_block_type": (*MIDDLES, None),
    "only_cross_attention": (False, None),
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
"""Keys that change the network, and the values with which it is counted."""


READ_OF_PIXELS: Mapping[str, tuple[object, ...]] = {
    "mid_block_type": ("UNetMidBlock2D",),
    "time_embedding_type": ("positional", None),
    "class_embed_type": (None,),
    "resnet_time_scale_shift": ("default", None),
    "downsample_type": ("conv", None),
    "upsample_type": ("conv", None),
}
"""The same of the U-Net of pixels."""


def _refuse_blocks(names: list[str], known: set[str]) -> None:
    shown = sorted(known)
    for name in names:
        if name not in shown:
            raise ValueError(f"block type {name!r} is not known: known are {shown}")


def refuse_values(fields: Fields, read: Mapping[str, tuple[object, ...]]) -> None:
    """Refuse parts that are not counted, rather than leave them out."""
    for key, counted in read.items():
        value = fields.values.get(key, counted[0])
        if not any(value is one or value == one for one in counted):
            shown = ", ".join("null" if one is None else str(one) for one in counted)
            raise ValueError(f"{fields.path}{key} {value!r} is not counted: known are {shown}")
