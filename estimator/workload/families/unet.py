"""How much work the U-Net of a latent diffusion model is, read from a config of diffusers.

Defaults are those of diffusers 0.42. A pass denoises each image once. `image_size` is the side
of the latent map that the network gets, `sample_size` in the config; `seq_len` the text tokens,
77 by default. The items of a pass are images.
"""

from collections.abc import Sequence
from typing import NamedTuple

from estimator.workload.blocks import Cost, Costs, held, linear
from estimator.workload.convolution import BATCH_NORM, Flow, image, plain, sizes, square
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, Quantity, quantity
from estimator.workload.network import Network, Pass, network
from estimator.workload.registry import diffusers_class

TEXT_TOKENS = 77
"""Tokens of CLIP's text tower, which all versions of Stable Diffusion read."""


class Level(NamedTuple):
    """One resolution of a U-Net.

    Its width; residual blocks on the way down, one fewer than on the way up; transformer layers
    behind each block, on the way down and up, 0 without attention; width of the text states.
    """

    channels: int
    layers: int
    depth: int
    up_depth: int
    context: int


def _down(flow: Flow, levels: Sequence[Level], text: Quantity) -> Flow:
    """From the finest map to the coarsest."""
    inputs = levels[0].channels
    for place, level in enumerate(levels):
        name = f"down{place + 1}"
        for _ in range(level.layers):
            flow = residual(flow, name, (inputs, level.channels), 4 * levels[0].channels)
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
            flow = residual(flow, name, shape, 4 * levels[0].channels)
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
    widths = sizes(fields, "block_out_channels", (320, 640, 1280, 1280))
    count = len(widths)
    down = fields.items("down_block_types", count) or list(DOWN)
    up = fields.items("up_block_types", count) or list(UP)
    middle = fields.values.get("mid_block_type", "UNetMidBlock2DCrossAttn")
    _refuse_others([*down, *up])
    layers = _per_level(fields, "layers_per_block", 2, count)
    depths = _per_level(fields, "transformer_layers_per_block", 1, count)
    context = _per_level(fields, "cross_attention_dim", 1280, count)
    levels = [
        Level(
            channels=width,
            layers=layers[place],
            depth=depths[place] if "CrossAttn" in down[place] else 0,
            up_depth=depths[place] if "CrossAttn" in up[count - 1 - place] else 0,
            context=context[place],
        )
        for place, width in enumerate(widths)
    ]
    stem = plain(fields.size("in_channels", default=4), widths[0])
    last = plain(widths[0], fields.size("out_channels", default=4))
    usual, per_image = square(fields, "sample_size", 64), _per_image(fields, widths[0])
    depth = max(levels[-1].depth, 1) * (middle == "UNetMidBlock2DCrossAttn")
    inner = ((widths[-1], widths[-1]), 4 * widths[0])

    def run(inputs: Inputs) -> Pass:
        """Pass over `batch` noisy images."""
        batch, side = image(inputs, usual)
        text = quantity("seq_len", TEXT_TOKENS if inputs.seq_len is None else inputs.seq_len)
        flow = Flow(batch=batch, side=side).dense(per_image)
        flow = _down(flow.conv("stem/convolution", stem, first=True), levels, text)
        flow = attended(residual(flow, "middle", *inner), "middle", levels[-1], depth, text)
        flow = _up(residual(flow, "middle", *inner), levels, text)
        return Pass(lines=flow.norm(widths[0]).conv("head/convolution", last).lines, items=batch)

    return network(fields, run, item_unit="latent")


def _per_level(fields: Fields, name: str, default: int, count: int) -> list[int]:
    """A number for all levels, or a list with one each."""
    if isinstance(fields.values.get(name), list | tuple):
        return sizes(fields, name, (), count)
    return [fields.size(name, default=default)] * count


def _per_image(fields: Fields, first: int) -> Costs:
    """Embeddings of the time, and of sizes and pooled text (SDXL)."""
    width = 4 * first
    costs: dict[str, Cost] = {
        "time/in": linear(first, width, bias=True),
        "time/out": linear(width, width, bias=True),
    }
    if fields.text("addition_embed_type") == "text_time":
        inputs = fields.size("projection_class_embeddings_input_dim")
        costs["size/in"] = linear(inputs, width, bias=True)
        costs["size/out"] = linear(width, width, bias=True)
    return costs


def _refuse_others(names: list[str]) -> None:
    known = {*DOWN, *UP}
    for name in names:
        if name not in known:
            raise ValueError(f"block type {name!r} is not known: known are {sorted(known)}")
