"""How much work the causal autoencoders of videos are: that of Wan, and of Qwen-Image.

A pass encodes and decodes one image for Qwen-Image, 81 frames for Wan (arXiv:2503.20314, sec. 4.1),
of 512 pixels where `image_size` is not asked for. The first frame stands alone, so one is left of
any number that is halved. Items are images or whole videos.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from estimator.networks.blocks import Cost, affine, held, product
from estimator.networks.convolution import Flow, flow_network, plain
from estimator.networks.fields import Fields
from estimator.networks.ledger import Quantity
from estimator.networks.network import Network
from estimator.networks.registry import diffusers_class

SIDE, FRAMES = 512, 81
"""Side of an image [pixel]; frames of a video. [1]"""


def causal(inputs: int, outputs: int, kernel: int = 3) -> Cost:
    """A convolution over space and the frames before, per position of a frame."""
    weights = inputs * outputs * kernel**3
    return product(weights + outputs, 2 * weights)


def _in_time(inputs: int, outputs: int) -> Cost:
    """A convolution over three frames alone."""
    return affine(3 * inputs, outputs)


def _residual(flow: Flow, name: str, inputs: int, outputs: int) -> Flow:
    """Two convolutions with norms before them, and a shortcut."""
    first, second = causal(inputs, outputs), causal(outputs, outputs)
    shortcut = causal(inputs, outputs, 1) if inputs != outputs else Cost()
    flow = flow.layers({f"{name}/convolution": first + second, f"{name}/shortcut": shortcut})
    return flow.dense({f"{name}/norm": held(inputs + outputs)})


def _middle(flow: Flow, name: str, width: int) -> Flow:
    """Attention inside each frame between two residual blocks."""
    costs = {
        "attention": affine(width, 3 * width) + affine(width, width),
        "scores": Cost(flop_per_pair=4 * width),
        "norm": held(width),
    }
    flow = _residual(flow, name, width, width).attending(costs, prefix=f"{name}/")
    return _residual(flow, name, width, width)


def _at(flow: Flow, batch: Quantity, frames: int) -> Flow:
    """The flow over so many frames of each video."""
    return replace(flow, batch=batch * frames)


def _in_all(flow: Flow, batch: Quantity, frames: int, name: str, cost: Cost) -> Flow:
    """A convolution over time, in all frames of a video but the first."""
    run = _at(flow, batch, frames - 1).layers({name: cost})
    return replace(run, batch=flow.batch)


def _encoded(fields: Fields, flow: Flow, frames: int, halves: Sequence[bool]) -> tuple[Flow, int]:
    """From pixels to the coarsest maps, and the frames left."""
    base, batch, name = fields.size("base_dim"), flow.batch, "encoder/"
    widths = [base * factor for factor in fields.sizes("dim_mult")]
    inputs, latent = fields.size("in_channels", "input_channels"), fields.size("z_dim")
    flow = _at(flow, batch, frames)
    flow = flow.layers({f"{name}stem": causal(inputs, base)}, first=True)
    before = base
    for place, width in enumerate(widths):
        for _ in range(fields.layers("num_res_blocks")):
            flow, before = _residual(flow, f"{name}down{place + 1}", before, width), width
        if place + 1 < len(widths):
            down = plain(width, width, stride=2, padding=0)
            flow = flow.at(flow.side + 1).conv(f"{name}downsample", down)
            if halves[place]:
                frames = (frames - 1) // 2 + 1
                cost = _in_time(width, width)
                flow = _in_all(flow, batch, frames, f"{name}in_time", cost)
                flow = _at(flow, batch, frames)
    flow = _middle(flow, f"{name}middle", before).dense({f"{name}norm": held(before)})
    ends = {"out": causal(before, 2 * latent), "quant": causal(2 * latent, 2 * latent, 1)}
    return flow.layers(ends, prefix=name), frames


def _decoded(
    fields: Fields, flow: Flow, frames: int, batch: Quantity, doubles: Sequence[bool]
) -> Flow:
    """From latent maps of so many frames to pixels."""
    base = fields.size_or_none("decoder_base_dim") or fields.size("base_dim")
    widths = [base * factor for factor in reversed(fields.sizes("dim_mult"))]
    latent, name, residual = fields.size("z_dim"), "decoder/", fields.flag("is_residual")
    outputs = fields.size("out_channels", "input_channels")
    begin = {"quant": causal(latent, latent, 1), "in": causal(latent, widths[0])}
    flow = _middle(flow.layers(begin, prefix=name), f"{name}middle", widths[0])
    before = widths[0]
    for place, width in enumerate(widths):
        for _ in range(fields.layers("num_res_blocks") + 1):
            flow, before = _residual(flow, f"{name}up{place + 1}", before, width), width
        if place + 1 < len(widths):
            if doubles[place]:
                cost = _in_time(width, 2 * width)
                flow = _in_all(flow, batch, frames, f"{name}in_time", cost)
                frames = 2 * frames - 1
                flow = _at(flow, batch, frames)
            before = width if residual else width // 2
            flow = flow.scaled(2.0).conv(f"{name}upsample", plain(width, before))
    flow = flow.dense({f"{name}norm": held(before)})
    return flow.layers({f"{name}out": causal(before, outputs)})


def video_vae(frames: int, fields: Fields) -> Network:
    """Both halves over so many frames."""
    steps = len(fields.sizes("dim_mult")) - 1
    halves = [one is True for one in fields.listed("temperal_downsample", length=steps)]
    patch = fields.size_or_none("patch_size") or 1
    if fields.items("attn_scales"):
        raise fields.uncounted("attn_scales", fields.items("attn_scales"), [])

    def body(flow: Flow) -> Flow:
        batch = flow.batch
        flow, left = _encoded(fields, flow.at(flow.side // patch), frames, halves)
        flow = _decoded(fields, flow, left, batch, halves[::-1])
        return replace(flow, batch=batch)

    return flow_network(fields, SIDE, body)


diffusers_class("AutoencoderKLWan")(partial(video_vae, FRAMES))
diffusers_class("AutoencoderKLQwenImage")(partial(video_vae, 1))
