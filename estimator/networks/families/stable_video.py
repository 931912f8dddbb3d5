"""How much work Stable Video Diffusion is: Stable Diffusion's networks, mixed along time.

By configs of diffusers (0.42): UNetSpatioTemporalConditionModel, AutoencoderKLTemporalDecoder;
arXiv:2311.15127. `image_size` is the side of the map that a network gets, `seq_len` what the U-Net
reads, the embedding of one image by default; the items of a pass are frames.
"""

from dataclasses import replace

from estimator.networks.blocks import Cost, affine, held, linear
from estimator.networks.convolution import BATCH_NORM, Flow, image, plain, square
from estimator.networks.families.unet import (
    Attend,
    Level,
    down,
    encoded,
    map_attention,
    middle,
    no_attention,
    text_levels,
    up,
)
from estimator.networks.fields import Fields
from estimator.networks.ledger import Inputs
from estimator.networks.network import Network, Pass, length, network
from estimator.networks.registry import diffusers_class

MIXER = held(1)
"""The share of what is mixed along time."""

DECODED_FRAMES = 14
"""Frames that the autoencoder is given at once (app. D). [frame]"""


def _mixed(width: int, time: int = 0) -> Attend:
    """A residual block of three frames each, and how much of it is mixed in."""
    convolutions = affine(3 * width, width).times(2) + held(2 * BATCH_NORM * width)
    timed = affine(time, width) if time else Cost()

    def mix(flow: Flow, name: str) -> Flow:
        flow = flow.layers({f"{name}/time_convolution": convolutions})
        return flow.dense({f"{name}/time": timed, f"{name}/mixer": MIXER})

    return mix


def _along_time(width: int, depth: int, context: int, frames: int) -> Attend:
    """Layers in which each place attends to itself in all frames, then to the text."""
    dense = affine(width, width)
    mlp = (affine(width, 8 * width) + affine(4 * width, width)).times(2)
    own = {
        "time_attention": linear(width, 3 * width) + dense + Cost(flop_per_pair=4 * width),
        "time_mlp": mlp,
    }
    cross = {"time_cross": linear(width, width) + dense + Cost(flop_per_pair=4 * width)}
    read = {"time_text": linear(context, 2 * width)}
    placed = {"time_place": affine(width, 4 * width, width), "mixer": MIXER}

    def attend(flow: Flow, name: str) -> Flow:
        here, prefix = flow.positions, f"{name}/"
        flow = flow.layers(own, pairs=here * frames, times=depth, prefix=prefix)
        flow = flow.layers(cross, pairs=here * flow.text, times=depth, prefix=prefix)
        words = here * flow.text / frames  # the text is read anew at each place
        flow = flow.layers(read, words, times=depth, prefix=prefix, first=True)
        norm = {f"{name}/norm": held(4 * depth * BATCH_NORM * width)}
        return flow.dense(norm).layers(placed, 1.0, prefix=prefix)

    return attend


def _flat(fields: Fields) -> Fields:
    """The config as one of Stable Diffusion, whose U-Net reads the sizes of a video."""
    names = {
        key: [str(one).replace("SpatioTemporal", "2D") for one in stated]
        for key in ("down_block_types", "up_block_types")
        if (stated := fields.items(key)) is not None
    }
    widths = fields.sizes("block_out_channels", (320, 640, 1280, 1280))
    stated = fields.values.get("num_attention_heads")
    if type(stated) is int:
        heads = [fields.size("num_attention_heads")] * len(widths)
    else:
        heads = fields.sizes("num_attention_heads", (5, 10, 20, 20), len(widths))
    for width, number in zip(widths, heads, strict=True):
        fields.share("block_out_channels", width, "num_attention_heads", number)
    return fields.with_values(
        {**names, "addition_embed_type": "text_time", "num_attention_heads": None}
    )


@diffusers_class("UNetSpatioTemporalConditionModel")
def stable_video(fields: Fields) -> Network:
    """The U-Net of a video that begins with an image (sec. 4.2)."""
    frames = fields.size("num_frames", default=25)
    levels, attend, per_video, _ = text_levels(_flat(fields))
    depths, contexts = (
        fields.values.get(key, fields.usual[key])
        for key in ("transformer_layers_per_block", "cross_attention_dim")
    )
    depths, contexts = (
        one if isinstance(one, list | tuple) else [one] * len(levels) for one in (depths, contexts)
    )

    def timed(level: Level, place: int, attend: Attend) -> Attend:
        mix = _mixed(level.channels, level.time)
        if attend is no_attention:
            return mix
        along = _along_time(level.channels, depths[place], contexts[place], frames)
        return lambda flow, name: along(attend(mix(flow, name), name), name)

    levels = [
        level._replace(down=timed(level, place, level.down), up=timed(level, place, level.up))
        for place, level in enumerate(levels)
    ]
    first, last = levels[0].channels, levels[-1]
    stem = plain(fields.size("in_channels", default=8), first)
    head = plain(first, fields.size("out_channels", default=4))
    usual = square(fields, "sample_size", 96)
    between = timed(last, -1, attend)

    def run(inputs: Inputs) -> Pass:
        """Pass over `batch` noisy videos."""
        batch, side = image(inputs, usual)
        text = length(inputs, 1.0)
        flow = Flow(batch=batch, side=side, text=text).dense(per_video)
        flow = replace(flow, batch=batch * frames).conv("stem/convolution", stem, first=True)
        flow = middle(down(flow, levels), "middle", last, between)
        flow = up(_mixed(last.channels, last.time)(flow, "middle"), levels)
        flow = flow.norm(first).conv("head/convolution", head)
        return Pass(lines=flow.lines, items=batch * frames)

    return network(fields, run, item_unit="frame")


@diffusers_class("AutoencoderKLTemporalDecoder")
def temporal_autoencoder(fields: Fields) -> Network:
    """The autoencoder of Stable Diffusion, whose decoder mixes along time (app. D)."""
    side, channels = square(fields, "sample_size", 32), fields.size("in_channels", default=3)
    outputs, latent = fields.size("out_channels", default=3), fields.size("latent_channels")
    widths, layers = fields.sizes("block_out_channels"), fields.counted("layers_per_block", 2)
    levels = [Level(channels=width, layers=layers) for width in widths]
    back = [level._replace(up=_mixed(level.channels)) for level in levels]
    last, attend, mix = widths[-1], map_attention(widths[-1]), _mixed(widths[-1])

    def between(flow: Flow, name: str) -> Flow:
        return attend(mix(flow, name), name)

    def run(inputs: Inputs) -> Pass:
        """Pass over `batch` videos."""
        batch, pixels = image(inputs, side)
        items = batch * DECODED_FRAMES
        flow = encoded(Flow(batch=items, side=pixels), (channels, 2 * latent), levels, attend)
        flow = flow.conv("encoder/quant", plain(2 * latent, 2 * latent, kernel=1))
        flow = flow.conv("decoder/in", plain(latent, last))
        flow = mix(middle(flow, "decoder/middle", levels[-1], between), "decoder/middle")
        flow = up(flow, back, "decoder/", skips=False).dense({"decoder/norm": held(2 * widths[0])})
        flow = flow.conv("decoder/out", plain(widths[0], outputs))
        flow = flow.layers({"decoder/time": affine(3 * outputs, outputs)})
        return Pass(lines=flow.lines, items=items)

    return network(fields, run, item_unit="frame")
