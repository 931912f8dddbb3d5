"""How much work a stage of Stable Cascade is, by a config of diffusers (0.42); arXiv:2306.00637.

A stage with an image's states is the one that reads the text: maps of 24 x 24 and 77 tokens where
nothing else is asked for. The other makes latents of them, 256 x 256.
"""

from dataclasses import dataclass, replace
from typing import Any

from estimator.networks.blocks import Cost, Costs, affine, equal_heads, held, linear, merged
from estimator.networks.convolution import Flow, plain
from estimator.networks.families.unet import denoising
from estimator.networks.fields import Fields
from estimator.networks.network import Network
from estimator.networks.registry import diffusers_class

SIDES = (256, 24)
"""Side of the map of the stage that makes latents, and of the one that reads the text. [1]"""

PIXELS = 64
"""Places of the small image that is given to every pass. [1]"""

ATTENTION = "SDCascadeAttnBlock"
BLOCKS = ("SDCascadeResBlock", "SDCascadeTimestepBlock", ATTENTION)


@dataclass(frozen=True, kw_only=True)
class CascadeLevel:
    """One width of the network: what its layers are of, how many and how often they are run."""

    width: int
    heads: int
    kinds: tuple[str, ...]
    down: int
    up: int
    down_runs: int
    up_runs: int


@diffusers_class("StableCascadeUNet")
def stable_cascade(fields: Fields) -> Network:
    """A stage: layers of convolutions, of the time and of attention, down and up."""
    levels, stem = _levels(fields), fields.size("patch_size") ** 2
    first, reads = levels[0].width, fields.states("clip_image_in_channels")
    embed = plain(fields.size("in_channels") * stem, first, kernel=1)
    last = plain(first, fields.size("out_channels") * stem, kernel=1)
    switches = fields.items("switch_level", len(levels) - 1)
    folded, seen = fields.size("patch_size"), fields.size("clip_seq") * (1 + reads)

    def body(flow: Flow) -> Flow:
        text = flow.text
        flow = replace(flow, side=flow.side / folded, text=seen + text * reads)
        flow = flow.conv("stem/convolution", embed, first=True)
        flow = flow.dense(_states(fields)).layers(_words(fields), text)
        flow = _mapped(fields, flow, first)
        for place, level in enumerate(levels):
            if place:
                flow = _narrower(flow, levels[place - 1].width, level.width, place, switches)
            name = f"down{place + 1}/"
            flow = _layers(fields, flow, level, name, (level.down, level.down_runs, 0))
        for place, level in [*enumerate(levels)][::-1]:
            skip = level.width * (place + 1 < len(levels))
            flow = _layers(fields, flow, level, f"up{place + 1}/", (level.up, level.up_runs, skip))
            if place:
                flow = _wider(flow, level.width, levels[place - 1].width, place, switches)
        return flow.conv("head/convolution", last)

    return denoising(fields, SIDES[reads], body)


def _levels(fields: Fields) -> list[CascadeLevel]:
    """What the config lists for each width."""
    widths = fields.sizes("block_out_channels", (2048, 2048))
    count = len(widths)
    kinds = fields.listed("block_types_per_layer", ((*BLOCKS,),) * count, count)
    for row in kinds:
        if not (isinstance(row, list | tuple) and all(one in BLOCKS for one in row)):
            raise fields.uncounted("block_types_per_layer", row, *BLOCKS)
    heads = _heads(fields, kinds)
    down = fields.layer_counts("down_num_layers_per_block", (8, 24), count)
    up = fields.layer_counts("up_num_layers_per_block", (24, 8), count)[::-1]
    runs = [
        [1] * count if fields.items(key) is None else fields.layer_counts(key, (), count)
        for key in ("down_blocks_repeat_mappers", "up_blocks_repeat_mappers")
    ]
    rows = zip(widths, heads, map(tuple, kinds), down, up, runs[0], runs[1][::-1], strict=True)
    names = ("width", "heads", "kinds", "down", "up", "down_runs", "up_runs")
    return [CascadeLevel(**dict(zip(names, row, strict=True))) for row in rows]


def _heads(fields: Fields, kinds: list[Any]) -> list[int]:
    """Heads of each width: some where its layers attend, else any number or null."""
    count, heads = len(kinds), []
    stated = fields.listed("num_attention_heads", (32,) * count, count)
    for place, (row, number) in enumerate(zip(kinds, stated, strict=True)):
        label = fields.full_name("num_attention_heads") + f"[{place}]"
        own = Fields({label: number})
        attends = ATTENTION in row
        heads.append(own.size(label) if attends else own.size_or_none(label, least=0) or 0)
    return heads


def _states(fields: Fields) -> Costs:
    """Tokens made of the pooled text, and of an image."""
    out = fields.size("conditioning_dim") * fields.size("clip_seq")
    seen = fields.size_or_none("clip_image_in_channels") or 0
    image_states = affine(seen, out) if seen else Cost()
    pooled = affine(fields.size("clip_text_pooled_in_channels"), out)
    return {"text/pooled": pooled, "image/states": image_states}


def _words(fields: Fields) -> Costs:
    """The projection of the text, token by token."""
    width = fields.size_or_none("clip_text_in_channels")
    inner = fields.size("conditioning_dim")
    return {} if width is None else {"text/project": affine(width, inner)}


def _mapped(fields: Fields, flow: Flow, width: int) -> Flow:
    """With the maps of the other stage, and those of a small image."""
    names = ("effnet_in_channels", "pixel_mapper_in_channels")
    for key, positions in zip(names, (flow.positions, float(PIXELS)), strict=True):
        channels = fields.size_or_none(key)
        if channels is not None:
            both = affine(channels, 4 * width, width)
            flow = flow.layers({f"maps/{key.partition('_')[0]}": both}, positions)
    return flow


def _narrower(
    flow: Flow, inputs: int, outputs: int, place: int, switches: list[bool] | None
) -> Flow:
    """The maps at half the side, or where switches say so at the same."""
    name = f"down{place + 1}/downsample"
    if switches is None:
        return flow.conv(name, plain(inputs, outputs, kernel=2, stride=2, padding=0))
    flow = flow.conv(name, plain(inputs, outputs, kernel=1))
    return flow.scaled(0.5) if switches[place - 1] else flow


def _wider(flow: Flow, inputs: int, outputs: int, place: int, switches: list[bool] | None) -> Flow:
    """The maps at twice the side, or where switches say so at the same."""
    name = f"up{place + 1}/upsample"
    if switches is None:
        made = replace(linear(inputs, 4 * outputs), params=(4 * inputs + 1) * outputs)
        return flow.layers({name: replace(made, active_params=made.params)}).scaled(2.0)
    flow = flow.scaled(2.0) if switches[place - 1] else flow
    return flow.conv(name, plain(inputs, outputs, kernel=1))


def _layers(
    fields: Fields, flow: Flow, level: CascadeLevel, name: str, shape: tuple[int, int, int]
) -> Flow:
    """`shape` is how many layers, how often they are run, and channels that join the first."""
    layers, runs, skip = shape
    width = level.width
    mixing = affine(width, width).times(runs - 1)
    flow = flow.layers({"repeat": mixing}, prefix=name)
    joined = linear(skip, 4 * width).repeated(runs)
    flow = flow.layers({"channels": joined}, prefix=name)
    residual, timed, attending = (layers * level.kinds.count(kind) for kind in BLOCKS)
    kernel = fields.size("kernel_size")
    depth = replace(linear(kernel * kernel, width), params=(kernel * kernel + 1) * width)
    block: Costs = {
        "depthwise": replace(depth, active_params=depth.params).repeated(runs),
        "channels": affine(width, 4 * width, width).repeated(runs),
        "norm": held(8 * width),
    }
    flow = flow.layers(block, times=residual, prefix=name)
    times = 1 + len(fields.listed("timestep_conditioning_type", ("sca", "crp"), fewest=0))
    time = affine(fields.size("timestep_ratio_embedding_dim"), 2 * width).times(times)
    flow = flow.dense(merged(*[{f"{name}time": time.repeated(runs)}] * timed))
    return _attending(fields, flow, level, name, (attending, runs)) if attending else flow


def _attending(
    fields: Fields, flow: Flow, level: CascadeLevel, name: str, shape: tuple[int, int]
) -> Flow:
    """With layers of attention of the map to itself and to the states of text and image."""
    layers, runs = shape
    width, here = level.width, flow.positions
    fields.counted("self_attn", True)
    keys = ("block_out_channels", "num_attention_heads")
    part = equal_heads(fields, width, level.heads, keys).costs()
    own = {key: cost.repeated(runs) for key, cost in part.items()}
    pairs = here * (here + flow.text)
    flow = flow.layers(own, pairs=pairs, times=layers, prefix=name)
    read = own["attention/key"] + own["attention/value"]
    states = affine(fields.size("conditioning_dim"), width).repeated(runs)
    seen = {"attention/states": states, "attention/read": read.again()}
    return flow.layers(seen, flow.text, times=layers, prefix=name)
