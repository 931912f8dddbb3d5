"""Which vision transformer of windows and stages a config describes: Swin, Swin v2.

The items of a pass are the patches of the first stage.
"""

from dataclasses import dataclass

import numpy as np

from estimator.workload.blocks import Attention, Costs, Mlp, held, linear, table
from estimator.workload.convolution import Conv, image, ratio, sizes, square
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, Quantity
from estimator.workload.model_class import head_note, label_count, task
from estimator.workload.network import Line, Network, Pass, lines, network
from estimator.workload.registry import families

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

        done = [*lines({"embedding/patch": conv.cost()}, batch * grid * grid, first=True)]
        done += lines(self.extra, batch)
        side: Quantity = grid
        for stage, depth in enumerate(self.depths):
            done += self._stage(stage, depth, batch, side)
            if stage + 1 < len(self.depths):
                side = np.ceil(side / 2.0)
                done += lines(self._merging(stage), batch * side * side)
        done += lines(self.after, batch * side * side)
        done += lines(self.once, batch)
        return Pass(lines=done, items=batch * grid * grid)

    def _stage(self, stage: int, depth: int, batch: Quantity, side: Quantity) -> list[Line]:
        """Layers of one stage: attention on padded windows, the MLP on the maps as they are."""
        hidden = self.width * 2**stage
        limit = (self.side // self.patch) // 2**stage if self.version_2 else side
        window = np.minimum(limit, float(self.window))
        padded = np.ceil(side / window) * window
        tokens = batch * padded * padded
        prefix = f"stage{stage + 1}/"

        done = [
            *lines(
                self._attention(stage),
                tokens,
                pairs=tokens * window * window,
                times=depth,
                prefix=prefix,
            )
        ]
        mlp = Mlp(hidden=hidden, width=int(hidden * self.mlp_ratio), bias=True)
        rest = {**mlp.costs(), "norm/layers": held(4 * hidden)}
        done += lines(rest, batch * side * side, times=depth, prefix=prefix)
        if self.version_2:
            rows = (2.0 * window - 1.0) ** 2
            done += lines(self._distances(stage), rows, times=depth, prefix=prefix)
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
    """Swin: attention inside shifted windows, stages that halve the map (arXiv:2103.14030).

    Donut's, version 0 here, ends without a norm (arXiv:2111.15664, sec. 3.1).
    """
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
            "embedding/position": table((grid * grid + (version == 2)) * width, absolute),
            "embedding/mask": held(width * masked),
            "norm/outer": held(2 * last * (version > 0)),
        },
        after={"head/pixels": linear(last, pixels, bias=True)} if masked else {},
        once=classifier(fields, last),
    )
    return network(fields, model.run, head_note(fields, not kind or masked or bool(model.once)))


def classifier(fields: Fields, width: int) -> Costs:
    """A dense layer on the pooled map, where the class has one."""
    classifies = task(fields) == "ImageClassification"
    return {"head/classifier": linear(width, label_count(fields), bias=True)} if classifies else {}


families(swin, {"swin": 1, "swinv2": 2, "donut-swin": 0})
