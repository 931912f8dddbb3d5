"""Which vision transformer of stages a config describes: Swin, Swin v2, SegFormer.

Defaults are those of transformers 5.23. The ledger's tokens are the patches of the first stage.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from estimator.workload.blocks import Attention, Costs, Mlp, held, linear
from estimator.workload.convolution import Conv, Flow, image, ratio, sizes, square, windows
from estimator.workload.families.encoder import task
from estimator.workload.families.rotary import class_name, label_count
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, Quantity
from estimator.workload.network import Line, Network, Pass, Reach, lines

POSITION_MLP = 512
"""Width of the network that turns distances into biases in Swin v2 (arXiv:2111.09883)."""


@dataclass(frozen=True, kw_only=True)
class Swin:
    """Sizes of a Swin transformer.

    Parameters
    ----------
    side, patch, channels, window : int
        Image, patch and window sides; image channels. [1]
    width : int
        Width of the first stage; each stage doubles it. [1]
    depths, heads : tuple of int
        Per stage.
    mlp_ratio : float
        Width of the MLP over the stage's. [1]
    qkv_bias, version_2 : bool
        Biases of the projections; distances through a small network, cosine attention.
    extra, after, once : mapping
        Parameters outside the stages; heads over the last stage's positions, and per image.
    """

    side: int
    patch: int
    channels: int
    window: int
    width: int
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    mlp_ratio: float
    qkv_bias: bool
    version_2: bool
    extra: Costs
    after: Costs
    once: Costs

    def run(self, inputs: Inputs) -> Pass:
        """Pass over `batch` images."""
        batch, pixels = image(inputs, self.side)
        grid = np.ceil(pixels / self.patch)
        conv = Conv(
            inputs=self.channels, outputs=self.width, kernel=self.patch, bias=True, norm=True
        )
        reach = Reach(tokens=batch * grid * grid, first=True)
        done = [*lines({"embedding/patch": conv.cost()}, reach)]
        done += lines(self.extra, Reach(tokens=batch))
        side: Quantity = grid
        for stage, depth in enumerate(self.depths):
            done += self._stage(stage, depth, batch, side)
            if stage + 1 < len(self.depths):
                side = np.ceil(side / 2.0)
                done += lines(self._merging(stage), Reach(tokens=batch * side * side))
        done += lines(self.after, Reach(tokens=batch * side * side))
        done += lines(self.once, Reach(tokens=batch))
        return Pass(lines=done, tokens=batch * grid * grid)

    def _stage(self, stage: int, depth: int, batch: Quantity, side: Quantity) -> list[Line]:
        """Layers of one stage: attention on padded windows, the MLP on the maps as they are."""
        hidden = self.width * 2**stage
        limit = (self.side // self.patch) // 2**stage if self.version_2 else side
        window = np.minimum(limit, float(self.window))
        padded = np.ceil(side / window) * window
        tokens = batch * padded * padded
        prefix = f"stage{stage + 1}/"
        reach = Reach(tokens=tokens, pairs=tokens * window * window, times=depth)
        done = [*lines(self._attention(stage), reach, prefix)]
        mlp = Mlp(hidden=hidden, width=int(hidden * self.mlp_ratio), bias=True)
        rest = {**mlp.costs(), "norm/layers": held(4 * hidden)}
        done += lines(rest, Reach(tokens=batch * side * side, times=depth), prefix)
        if self.version_2:
            rows = (2.0 * window - 1.0) ** 2
            done += lines(self._distances(stage), Reach(tokens=rows, times=depth), prefix)
        return done

    def _attention(self, stage: int) -> Costs:
        hidden, heads = self.width * 2**stage, self.heads[stage]
        attention = Attention(
            hidden=hidden,
            heads=heads,
            kv_heads=heads,
            head_dim=hidden // heads,
            qkv_bias=self.qkv_bias,
            output_bias=True,
        )
        costs = dict(attention.costs())
        if self.version_2:
            costs["attention/key"] = linear(hidden, hidden)
            costs["attention/scale"] = held(heads)
        else:
            costs["attention/relative_bias"] = held((2 * self.window - 1) ** 2 * heads)
        return costs

    def _distances(self, stage: int) -> Costs:
        return {
            "attention/distance_in": linear(2, POSITION_MLP, bias=True),
            "attention/distance_out": linear(POSITION_MLP, self.heads[stage]),
        }

    def _merging(self, stage: int) -> Costs:
        hidden = self.width * 2**stage
        norm = 4 * hidden if self.version_2 else 8 * hidden
        return {
            f"stage{stage + 2}/merge": linear(4 * hidden, 2 * hidden),
            f"stage{stage + 2}/merge_norm": held(norm),
        }


def swin(version: int, fields: Fields) -> Network:
    """Swin: attention inside shifted windows, stages that halve the map (arXiv:2103.14030)."""
    depths = tuple(sizes(fields, "depths", (2, 2, 6, 2)))
    width = fields.size("embed_dim", default=96)
    last = width * 2 ** (len(depths) - 1)
    channels = fields.size("num_channels", default=3)
    side, patch = square(fields, "image_size", 224), square(fields, "patch_size", 4)
    grid = side // patch
    kind = task(fields)
    pixels = fields.size("encoder_stride", default=32) ** 2 * channels
    masked = kind == "MaskedImageModeling"
    absolute = fields.flag("use_absolute_embeddings")
    heads = tuple(sizes(fields, "num_heads", (3, 6, 12, 24), len(depths)))
    for stage, count in enumerate(heads):
        fields.share("embed_dim * 2 ** stage", width * 2**stage, "num_heads", count)
    model = Swin(
        side=side,
        patch=patch,
        channels=channels,
        window=fields.size("window_size", default=7),
        width=width,
        depths=depths,
        heads=heads,
        mlp_ratio=ratio(fields, "mlp_ratio", 4.0),
        qkv_bias=fields.flag("qkv_bias", default=True),
        version_2=version == 2,
        extra={
            "embedding/position": held((grid * grid + version - 1) * width * absolute),
            "embedding/mask": held(width * masked),
            "norm/outer": held(2 * last),
        },
        after={"head/pixels": linear(last, pixels, bias=True)} if masked else {},
        once=_classifier(fields, last),
    )
    return _network(fields, model.run, not kind or masked or bool(model.once))


def _classifier(fields: Fields, width: int) -> Costs:
    classifies = task(fields) == "ImageClassification"
    return {"head/classifier": linear(width, label_count(fields), bias=True)} if classifies else {}


def _network(fields: Fields, run: Callable[[Inputs], Pass], counted: bool) -> Network:
    note = () if counted else (f"the head of {class_name(fields)} is not counted",)
    return Network(
        run=run,
        model_type=fields.text("model_type"),
        name=fields.text("_name_or_path"),
        warnings=fields.notes + note,
    )


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
    once = _classifier(fields, widths[-1])
    run = partial(_run_segformer, stages, decoder, once, square(fields, "image_size", 224))
    return _network(fields, run, not task(fields) or segments or bool(once))


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
    stages: tuple[Stage, ...],
    decoder: tuple[Costs, Costs],
    once: Costs,
    side: int,
    inputs: Inputs,
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
    return Pass(lines=flow.lines, tokens=batch * grids[0])


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
        reach = Reach(
            tokens=flow.batch * tokens, pairs=flow.batch * positions * keys, times=stage.depth
        )
        done += lines({part: cost}, reach, name)
    if stage.reduction > 1:
        conv = Conv(inputs=hidden, outputs=hidden, kernel=stage.reduction, bias=True)
        reach = Reach(tokens=flow.batch * keys, times=stage.depth)
        done += lines({"attention/reduction": conv.cost()}, reach, name)
    depthwise = Conv(inputs=stage.mlp, outputs=stage.mlp, groups=stage.mlp, bias=True, norm=False)
    costs = {
        **Mlp(hidden=hidden, width=stage.mlp, bias=True).costs(),
        "mlp/depthwise": depthwise.cost(),
        "norm/layers": held(4 * hidden),
    }
    done += lines(costs, Reach(tokens=flow.batch * positions, times=stage.depth), name)
    norm = lines({"norm/stage": held(2 * hidden)}, Reach(tokens=1.0), name)
    return Flow(batch=flow.batch, side=flow.side, lines=(*flow.lines, *done, *norm))


FAMILIES: Mapping[str, Callable[[Fields], Network]] = {
    "swin": partial(swin, 1),
    "swinv2": partial(swin, 2),
    "segformer": segformer,
}
