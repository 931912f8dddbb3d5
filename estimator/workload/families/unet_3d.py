"""How much work the U-Net of ModelScope's videos is: Stable Diffusion's, with layers along time.

By a config of diffusers (0.42); arXiv:2308.06571. Sixteen frames are counted; `image_size` is the
side of a frame's latents, `seq_len` the text tokens, and the items of a pass are frames.
"""

from dataclasses import replace

from estimator.workload.blocks import Cost, affine, held, linear
from estimator.workload.convolution import BATCH_NORM, Flow, plain, square
from estimator.workload.families.unet import (
    Attend,
    denoising,
    down,
    middle,
    no_attention,
    text_levels,
    up,
)
from estimator.workload.fields import Fields
from estimator.workload.network import Network
from estimator.workload.registry import diffusers_class

FRAMES = 16
"""Frames of a video (sec. 3). [frame]"""

FIRST_HEADS = 8
"""Heads of the layer along time that stands first. [1]"""


def _convolved(width: int) -> Attend:
    """Four convolutions of three frames each."""
    cost = (affine(3 * width, width) + held(BATCH_NORM * width)).times(4)
    return lambda flow, name: flow.layers({f"{name}/time_convolution": cost})


def _along_time(width: int, inner: int) -> Attend:
    """A layer in which each place attends to itself in all frames, twice, and an MLP."""
    out = affine(inner, inner)
    attention = (linear(inner, 3 * inner) + out + Cost(flop_per_pair=4 * inner)).times(2)
    mlp = affine(inner, 8 * inner) + affine(4 * inner, inner)
    around = affine(width, inner, width)
    costs = {
        "time_attention": attention,
        "time_mlp": mlp + around,
        "norm": held(BATCH_NORM * (width + 3 * inner)),
    }
    return lambda flow, name: flow.layers(costs, pairs=flow.positions * FRAMES, prefix=f"{name}/")


def _with_time(width: int, attend: Attend) -> Attend:
    """What stands behind a block of a frame, with what runs along time."""
    convolved, timed = _convolved(width), _along_time(width, width)
    if attend is no_attention:
        return convolved
    return lambda flow, name: timed(attend(convolved(flow, name), name), name)


@diffusers_class("UNet3DConditionModel")
def unet_3d(fields: Fields) -> Network:
    """The U-Net of videos: each frame reads the text, each place the other frames."""
    names = {
        key: [str(one).replace("3D", "2D") for one in stated]
        for key in ("down_block_types", "up_block_types")
        if (stated := fields.items(key)) is not None
    }
    flat = fields.with_values({**names, "mid_block_type": "UNetMidBlock2DCrossAttn"})
    levels, attend, per_video, per_word = text_levels(flat)
    levels = [
        level._replace(
            down=_with_time(level.channels, level.down), up=_with_time(level.channels, level.up)
        )
        for level in levels
    ]
    first, last = levels[0].channels, levels[-1]
    stem = plain(fields.size("in_channels", default=4), first)
    head = plain(first, fields.size("out_channels", default=4))
    starts = _along_time(first, FIRST_HEADS * fields.size("attention_head_dim", default=64))
    between = _with_time(last.channels, attend)

    def body(flow: Flow) -> Flow:
        flow = flow.dense(per_video).layers(per_word, flow.text)
        flow = replace(flow, batch=flow.batch * FRAMES).conv("stem/convolution", stem, first=True)
        flow = middle(down(starts(flow, "stem"), levels), "middle", last, between)
        flow = _convolved(last.channels)(flow, "middle")
        return up(flow, levels).norm(first).conv("head/convolution", head)

    return denoising(fields, square(fields, "sample_size", 32), body, item_unit="frame")
