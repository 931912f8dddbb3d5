"""How much work Florence-2 is: DaViT's tower and BART (arXiv:2311.06242, arXiv:2204.03645).

Each layer of the tower attends inside windows, then between channels. Its images are 768 pixels a
side where none is asked for; the tokens of an image are part of what BART reads.
"""

from dataclasses import replace

import numpy as np

from estimator.networks.blocks import Cost, Costs, Mlp, equal_heads, held, linear, table
from estimator.networks.convolution import Conv, Flow, image, ratio, stages
from estimator.networks.families.mixers import depthwise
from estimator.networks.families.vision_language import before_text, text_part
from estimator.networks.fields import Fields
from estimator.networks.ledger import Inputs
from estimator.networks.model_class import tied_as_stated
from estimator.networks.network import Line, Network, lines, prefixed
from estimator.networks.registry import family, with_defaults_of

SIDE = 768
"""Side of the images that the published models take. [pixel]"""

PER_STAGE = ("embed_dim", "depths", "num_heads", "num_groups", "patch_size", "patch_stride")


def _stage(fields: Fields, flow: Flow, sizes: tuple[int, ...], name: str) -> Flow:
    """Layers of a stage: attention in padded windows and between channels, an MLP after each."""
    hidden, depth, heads, groups = sizes[:4]
    fields.share("embed_dim", hidden, "num_groups", groups)
    bias = fields.flag("qkv_bias", default=True)
    window = float(fields.size("window_size", default=12))
    near = equal_heads(fields, hidden, heads, ("embed_dim", "num_heads"), bias, output_bias=True)
    mixed = Cost(flop_per_token=2 * hidden * (hidden // groups))
    between: Costs = {**near.costs(), "attention/scores": mixed, "attention/reduce": mixed}
    width = int(hidden * ratio(fields, "mlp_ratio", 4.0))
    rest: Costs = {
        **Mlp(hidden, width, bias=True).costs(),
        "convolution": depthwise(hidden, 9, bias=True).times(2),
        "norm/layers": held(4 * hidden),
    }
    padded = (np.ceil(flow.side / window) * window) ** 2
    for kind, costs, tokens, pairs in (
        ("window", near.costs(), padded, padded * window**2),
        ("channel", between, flow.positions, 0.0),
    ):
        prefix = f"{name}{kind}/"
        flow = flow.layers(costs, tokens, pairs=pairs, times=depth, prefix=prefix)
        flow = flow.layers(rest, times=depth, prefix=prefix)
    return flow


def _tower(fields: Fields, flow: Flow) -> Flow:
    """DaViT: a convolution before each stage, normed before or after."""
    channels = fields.size("in_channels", default=3)
    rows = stages(fields, PER_STAGE)
    paddings = fields.listed("patch_padding", length=len(rows))
    before = fields.listed("patch_prenorm", length=len(rows))
    for place, (sizes, padding) in enumerate(zip(rows, paddings, strict=True)):
        kernel, stride = sizes[4:]
        conv = Conv(channels, sizes[0], kernel=kernel, stride=stride, padding=padding)
        name = f"stage{place + 1}/"
        conv = replace(conv, bias=True, norm=False)
        norm = {f"{name}norm": held(2 * (channels if before[place] else sizes[0]))}
        flow = flow.conv(f"{name}embed", conv, first=not place).layers(norm, 1.0)
        flow, channels = _stage(fields, flow, sizes, name), sizes[0]
    return flow


def _under_todays_names(fields: Fields) -> Fields:
    """The tower of a config of Florence-2's authors."""
    places = fields.part("image_pos_embed")
    names = {
        "embed_dim": (fields, "dim_embed"),
        "max_position_embeddings": (places, "max_pos_embeddings"),
    }
    return with_defaults_of(fields.renamed(names), "florence_vision")


@family("florence2")
def florence2(fields: Fields) -> Network:
    """Florence-2: positions by row and column, one matrix, a token more for the whole image."""
    part = _under_todays_names(fields.part("vision_config"))
    words = fields.part("text_config").values
    fields = fields.with_values({"text_config": {**words, "model_type": "bart"}})
    text = text_part(fields, "bart", tied=True)
    head, sides = (not tied_as_stated(one) for one in (fields, fields.part("text_config")))
    vocab = fields.part("text_config").size("vocab_size", default=50265)
    own = (head + 2 * sides) * text.hidden * vocab
    hidden, width = part.sizes("embed_dim")[-1], part.size("projection_dim", default=1024)
    rows = part.size("max_position_embeddings", default=50)
    around = {"embedding/position": table(rows, hidden), "norm": held(2 * width)}
    around["embedding/untied"] = held(own)

    def seen(inputs: Inputs) -> list[Line]:
        batch, side = image(inputs, SIDE)
        flow = _tower(part, Flow(batch=batch, side=side))
        done = [*prefixed(flow.lines, "vision/"), *lines(around, batch, prefix="bridge/")]
        project = {"bridge/project": linear(hidden, width)}
        return [*done, *lines(project, batch * (flow.positions + 1.0))]

    return before_text(fields, text, seen)
