"""How much work a ControlNet is: the way down of a U-Net, or some layers of Flux (2302.05543).

`image_size` is the side of the map of noise, as for the model beside it.
"""

from dataclasses import replace
from itertools import pairwise

from estimator.workload.blocks import affine, table
from estimator.workload.convolution import Flow, image, plain
from estimator.workload.families.diffusion_transformer import flux_model, patch_sizes
from estimator.workload.families.unet import TEXT_TOKENS, down, text_levels, text_middle
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, quantity
from estimator.workload.network import Network, Pass, network
from estimator.workload.registry import diffusers_class

SIDE, SCALE = 64, 8
"""Side of the noise of Stable Diffusion 1, and pixels of the image along one of its. [1]"""


@diffusers_class("ControlNetModel")
def controlnet(fields: Fields) -> Network:
    """A ControlNet of Stable Diffusion: each map of the way down leaves by a convolution."""
    levels_of = len(fields.sizes("block_out_channels", (320, 640, 1280, 1280)))
    below = fields.with_values({"up_block_types": ["UpBlock2D"] * levels_of})
    levels, attend, per_image, per_word = text_levels(below)
    first, last = levels[0].channels, levels[-1]
    pixels = fields.sizes("conditioning_embedding_out_channels", (16, 32, 96, 256), 4)
    seen = fields.size("conditioning_channels", default=3)
    stem = plain(fields.size("in_channels", default=4), first)

    def run(inputs: Inputs) -> Pass:
        """Pass over `batch` noisy images, and an image each that controls them."""
        batch, side = image(inputs, SIDE)
        text = quantity("seq_len", TEXT_TOKENS if inputs.seq_len is None else inputs.seq_len)
        flow = Flow(batch=batch, side=SCALE * side).conv("hint/in", plain(seen, pixels[0]), True)
        for before, after in pairwise(pixels):
            flow = flow.conv("hint/same", plain(before, before))
            flow = flow.conv("hint/shrink", plain(before, after, stride=2))
        flow = flow.conv("hint/out", plain(pixels[-1], first))
        flow = (
            replace(flow, side=side, text=text).dense(per_image).layers(per_word, text, first=True)
        )
        flow = flow.conv("stem/convolution", stem, first=True)
        flow = flow.beside("control/stem", plain(first, first, kernel=1))
        for place, level in enumerate(levels):
            width, coarser = level.channels, place + 1 < len(levels)
            kept = {"control/level": affine(width, width).times(level.layers)}
            flow = flow.layers(kept)
            if coarser:
                flow = flow.scaled(0.5).beside("control/coarser", plain(width, width, kernel=1))
        flow = down(flow.at(side), levels)
        flow = text_middle(fields, flow, last, attend)
        out = plain(last.channels, last.channels, kernel=1)
        return Pass(lines=flow.conv("control/middle", out).lines, items=batch)

    return network(fields, run, item_unit="latent")


@diffusers_class("FluxControlNetModel")
def flux_controlnet(fields: Fields) -> Network:
    """A ControlNet of Flux: each layer leaves by a matrix; a mode may be one more word."""
    if fields.states("conditioning_embedding_channels"):
        raise ValueError(f"{fields.path}conditioning_embedding_channels must be null")
    sizes = replace(patch_sizes(fields, folded=True), patch_outputs=0)
    width, modes = sizes.width, fields.size_or_none("num_mode") or 0
    model = flux_model(fields, sizes, outer=0)
    layers = sizes.layers + fields.size("num_single_layers", least=0)
    control = {"control/layers": affine(width, width).times(layers)}
    control["control/patch"] = affine(sizes.patch_inputs, width)
    text = dict(model.per_text)
    before = {"text/project": text.pop("text/project")}
    model = replace(
        model,
        per_image={**model.per_image, "embedding/mode": table(modes, width)},
        per_patch={**model.per_patch, **control},
        per_text=text,
        before_text=before,
        spare=int(modes > 0),
    )
    return network(fields, model.run)
