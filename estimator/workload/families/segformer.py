"""How much work SegFormer is, read from its config.

The items of a pass are the patches of the first stage.
"""

from dataclasses import dataclass
from functools import partial

from estimator.workload.blocks import Attention, Costs, Mlp, held, linear
from estimator.workload.convolution import Conv, Flow, image, sizes, square, windows
from estimator.workload.families.swin import classifier
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, Quantity
from estimator.workload.model_class import head_note, label_count, task
from estimator.workload.network import Line, Network, Pass, lines, network
from estimator.workload.registry import family


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage of SegFormer: its patches, its width, and how far keys and values are reduced."""

    inputs: int
    hidden: int
    kernel: int
    stride: int
    depth: int
    heads: int
    reduction: int
    mlp: int


@family("segformer")
def segformer(fields: Fields) -> Network:
    """SegFormer: overlapping patches, keys and values on a coarser map (arXiv:2105.15203)."""
    widths = sizes(fields, "hidden_sizes", (32, 64, 160, 256))
    count = len(widths)
    depths = sizes(fields, "depths", (2, 2, 2, 2), count)
    kernels = sizes(fields, "patch_sizes", (7, 3, 3, 3), count)
    strides = sizes(fields, "strides", (4, 2, 2, 2), count)
    heads = sizes(fields, "num_attention_heads", (1, 2, 5, 8), count)
    reductions = sizes(fields, "sr_ratios", (8, 4, 2, 1), count)
    ratios = sizes(fields, "mlp_ratios", (4, 4, 4, 4), count)
    inputs = [fields.size("num_channels", default=3), *widths]
    for width, head in zip(widths, heads, strict=True):
        fields.share("hidden_sizes", width, "num_attention_heads", head)
    stages = tuple(
        Stage(
            inputs=inputs[place],
            hidden=width,
            kernel=kernels[place],
            stride=strides[place],
            depth=depths[place],
            heads=heads[place],
            reduction=reductions[place],
            mlp=width * ratios[place],
        )
        for place, width in enumerate(widths)
    )
    segments = task(fields) == "SemanticSegmentation"
    decoder = _decoder(fields, widths) if segments else ({}, {})
    once = classifier(fields, widths[-1])
    run = partial(_run_segformer, stages, decoder, once, square(fields, "image_size", 224))
    return network(fields, run, head_note(fields, not task(fields) or segments or bool(once)))


def _decoder(fields: Fields, widths: list[int]) -> tuple[Costs, Costs]:
    """Costs over the positions of each stage, and over those of the first."""
    width = fields.size("decoder_hidden_size", default=256)
    each = {
        f"head/stage{stage + 1}": linear(hidden, width, bias=True)
        for stage, hidden in enumerate(widths)
    }
    joined = {
        "head/fuse": linear(width * len(widths), width),
        "norm/head": held(2 * width),
        "head/classifier": linear(width, label_count(fields), bias=True),
    }
    return each, joined


def _run_segformer(
    stages: tuple[Stage, ...], decoder: tuple[Costs, Costs], once: Costs, side: int, inputs: Inputs
) -> Pass:
    batch, pixels = image(inputs, side)
    flow = Flow(batch=batch, side=pixels)
    grids: list[Quantity] = []
    each, joined = decoder
    for place, stage in enumerate(stages):
        name = f"stage{place + 1}/"
        conv = Conv(
            inputs=stage.inputs,
            outputs=stage.hidden,
            kernel=stage.kernel,
            stride=stage.stride,
            padding=stage.kernel // 2,
            bias=True,
        )
        flow = flow.conv(f"{name}patch", conv, first=place == 0)
        flow = _segformer_layers(flow, name, stage)
        grids.append(flow.positions)
        if each:
            part = f"head/stage{place + 1}"
            flow = flow.dense({part: each[part]}, flow.positions)
    flow = flow.dense(joined, grids[0]).dense(once)
    return Pass(lines=flow.lines, items=batch * grids[0])


def _segformer_layers(flow: Flow, name: str, stage: Stage) -> Flow:
    """Layers of a stage, and the norm behind it."""
    hidden, positions = stage.hidden, flow.positions
    attention = Attention(
        hidden=hidden,
        heads=stage.heads,
        kv_heads=stage.heads,
        head_dim=hidden // stage.heads,
        qkv_bias=True,
        output_bias=True,
    )
    coarse = windows(flow.side, stage.reduction, stage.reduction)
    keys = coarse * coarse if stage.reduction > 1 else positions
    done: list[Line] = []
    for part, cost in attention.costs().items():
        tokens = keys if part in ("attention/key", "attention/value") else positions

        done += lines(
            {part: cost},
            flow.batch * tokens,
            pairs=flow.batch * positions * keys,
            times=stage.depth,
            prefix=name,
        )
    if stage.reduction > 1:
        conv = Conv(inputs=hidden, outputs=hidden, kernel=stage.reduction, bias=True)

        done += lines(
            {"attention/reduction": conv.cost()}, flow.batch * keys, times=stage.depth, prefix=name
        )
    beside = Conv(inputs=stage.mlp, outputs=stage.mlp, groups=stage.mlp, bias=True, norm=False)
    costs = {
        **Mlp(hidden=hidden, width=stage.mlp, bias=True).costs(),
        "mlp/depthwise": beside.cost(),
        "norm/layers": held(4 * hidden),
    }
    done += lines(costs, flow.batch * positions, times=stage.depth, prefix=name)
    norm = lines({"norm/stage": held(2 * hidden)}, 1.0, prefix=name)
    return Flow(batch=flow.batch, side=flow.side, lines=(*flow.lines, *done, *norm))
