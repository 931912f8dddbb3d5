"""How much work the U-Net of a latent diffusion model is, read from a config of diffusers.

Defaults are those of diffusers 0.42. A pass denoises each image once. `image_size` is the side
of the latent map that the network gets, `sample_size` in the config; `seq_len` the text tokens,
77 by default. The items of a pass are images.
"""

from dataclasses import dataclass, replace

from estimator.workload.blocks import Cost, Costs, held, linear
from estimator.workload.convolution import BATCH_NORM, Conv, Flow, image, sizes, square
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, Quantity, quantity
from estimator.workload.network import Line, Network, Pass, lines, network
from estimator.workload.registry import diffusers_class

TEXT_TOKENS = 77
"""Tokens of CLIP's text tower, which all versions of Stable Diffusion read."""


@dataclass(frozen=True, kw_only=True)
class Level:
    """One resolution of a U-Net.

    Parameters
    ----------
    channels : int
        Width. [1]
    layers : int
        Residual blocks on the way down; one more on the way up. [1]
    depth : int
        Transformer layers behind each block, 0 without attention. [1]
    context : int
        Width of the text states. [1]
    """

    channels: int
    layers: int
    depth: int
    context: int


@dataclass(frozen=True, kw_only=True)
class UNet:
    """A U-Net with cross-attention to text.

    Parameters
    ----------
    levels : tuple of Level
        From the finest to the coarsest.
    up_depths : tuple of int
        Transformer layers on the way up, from the finest. [1]
    inputs, outputs, side : int
        Latent channels in and out; side of the latents. [1]
    per_image : mapping
        Time and size embeddings.
    middle : bool
        Attention in the middle block.
    """

    levels: tuple[Level, ...]
    up_depths: tuple[int, ...]
    inputs: int
    outputs: int
    side: int
    per_image: Costs
    middle: bool

    @property
    def time_width(self) -> int:
        """Width of the time embedding [1]."""
        return 4 * self.levels[0].channels

    def run(self, inputs: Inputs) -> Pass:
        """Pass over `batch` noisy images."""
        batch, side = image(inputs, self.side)
        text = quantity("seq_len", TEXT_TOKENS if inputs.seq_len is None else inputs.seq_len)
        first = self.levels[0].channels
        flow = Flow(batch=batch, side=side).dense(self.per_image)
        stem = Conv(inputs=self.inputs, outputs=first, bias=True, norm=False)
        flow = self._down(flow.conv("stem/convolution", stem, first=True), text)
        flow = self._up(self._middle(flow, text), text)
        last = Conv(inputs=first, outputs=self.outputs, bias=True, norm=False)
        flow = flow.norm(first).conv("head/convolution", last)
        return Pass(lines=flow.lines, items=batch)

    def _down(self, flow: Flow, text: Quantity) -> Flow:
        inputs = self.levels[0].channels
        for place, level in enumerate(self.levels):
            name = f"down{place + 1}"
            for _ in range(level.layers):
                flow = residual(flow, name, (inputs, level.channels), self.time_width)
                flow = attended(flow, name, level, text)
                inputs = level.channels
            if place + 1 < len(self.levels):
                flow = flow.conv(f"{name}/downsample", convolution(inputs, inputs, stride=2))
        return flow

    def _middle(self, flow: Flow, text: Quantity) -> Flow:
        level = self.levels[-1]
        shape = (level.channels, level.channels)
        flow = residual(flow, "middle", shape, self.time_width)
        if self.middle:
            flow = attended(flow, "middle", replace(level, depth=max(level.depth, 1)), text)
        return residual(flow, "middle", shape, self.time_width)

    def _up(self, flow: Flow, text: Quantity) -> Flow:
        skips = [self.levels[0].channels]
        for place, level in enumerate(self.levels):
            skips += [level.channels] * level.layers
            skips += [level.channels] if place + 1 < len(self.levels) else []
        inputs = self.levels[-1].channels
        for place in reversed(range(len(self.levels))):
            level = replace(self.levels[place], depth=self.up_depths[place])
            name = f"up{len(self.levels) - place}"
            for _ in range(level.layers + 1):
                shape = (inputs + skips.pop(), level.channels)
                flow = residual(flow, name, shape, self.time_width)
                flow = attended(flow, name, level, text)
                inputs = level.channels
            if place:
                flow = replace(flow, side=2.0 * flow.side)
                flow = flow.conv(f"{name}/upsample", convolution(inputs, inputs))
        return flow


def convolution(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> Conv:
    """A convolution with bias; norms come before it."""
    return Conv(inputs=inputs, outputs=outputs, kernel=kernel, stride=stride, bias=True, norm=False)


def residual(flow: Flow, name: str, shape: tuple[int, int], time_width: int) -> Flow:
    """Two convolutions with norms before them, the time in between, a shortcut."""
    inputs, outputs = shape
    flow = flow.dense({f"{name}/norm": held(BATCH_NORM * (inputs + outputs))})
    if inputs != outputs:
        flow = flow.beside(f"{name}/shortcut", convolution(inputs, outputs, kernel=1))
    if time_width:
        flow = flow.dense({f"{name}/time": linear(time_width, outputs, bias=True)})
    return flow.convs(
        f"{name}/convolution", (convolution(inputs, outputs), convolution(outputs, outputs))
    )


def attended(flow: Flow, name: str, level: Level, text: Quantity) -> Flow:
    """Transformer layers over the map: to itself, to the text, which gets no gradient, an MLP."""
    if not level.depth:
        return flow
    width = level.channels
    here, words = flow.batch * flow.positions, flow.batch * text
    dense = linear(width, width, bias=True)
    project = {f"{name}/project": dense}
    norm = {f"{name}/norm": held(BATCH_NORM * width)}
    done: list[Line] = [*lines(project, here, times=2)]
    done += lines(norm, here, times=1 + 3 * level.depth)
    product = Cost(flop_per_pair=4 * width)
    own = {
        f"{name}/attention": linear(width, 3 * width) + dense,
        f"{name}/scores": product,
        f"{name}/mlp": linear(width, 8 * width, bias=True) + linear(4 * width, width, bias=True),
    }
    done += lines(own, here, pairs=here * flow.positions, times=level.depth)
    cross = {
        f"{name}/cross": linear(width, width) + dense,
        f"{name}/cross_scores": product,
    }
    done += lines(cross, here, pairs=here * text, times=level.depth)
    read = {f"{name}/text": linear(level.context, 2 * width)}
    done += lines(read, words, times=level.depth, first=True)
    return replace(flow, lines=(*flow.lines, *done))


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
    levels = tuple(
        Level(
            channels=width,
            layers=layers[place],
            depth=depths[place] if "CrossAttn" in down[place] else 0,
            context=context[place],
        )
        for place, width in enumerate(widths)
    )
    model = UNet(
        levels=levels,
        up_depths=tuple(
            depths[place] if "CrossAttn" in up[count - 1 - place] else 0 for place in range(count)
        ),
        inputs=fields.size("in_channels", default=4),
        outputs=fields.size("out_channels", default=4),
        side=square(fields, "sample_size", 64),
        per_image=_per_image(fields, widths[0]),
        middle=middle == "UNetMidBlock2DCrossAttn",
    )
    return network(fields, model.run, item_unit="latent")


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
