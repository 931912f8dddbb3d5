"""Further styles of the benchmark's networks.

The same work takes different times depending on norms, gates, 1x1 convolutions and recurrent
layers. Nine further styles were dropped: without them the benchmark predicted 129 recorded programs
on two boards equally well, with median errors of 27% and 21% against 28% and 22%. PyTorch is passed
in.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from estimator.measure.bench.image_networks import (
    bottleneck_network,
    inverted_network,
    paired_network,
    unet,
)
from estimator.measure.bench.sequence_networks import (
    PATCH,
    encoder,
    gated_decoder,
    patch_transformer,
    recurrent,
    stepwise_lstm,
)
from estimator.measure.bench.small_networks import VOCABULARY, decoder_flop

HELD_WIDTHS = 60.0
"""Approximate values kept per item and layer over its width [1]."""


@dataclass(frozen=True, kw_only=True)
class ProgramStyle:
    """Implementation style of one network family.

    Parameters
    ----------
    shapes : tuple of tuple of int
        Sizes from small to large: arguments of `build`, then the batch; of words and pictures the
        last argument of `build` is the sequence length or the edge.
    build : callable
        Makes the network from PyTorch and a shape without its batch.
    flop_per_pixel : tuple of float
        FLOPs per step per pixel of the pictures over the square of the channels, and over the
        channels, as PyTorch counts them; the head aside [FLOP].
    gates : float
        Products of a recurrent layer over those of a plain one; 0 of others [1].
    patches : bool
        Whether pictures are cut into patches, each a token of a transformer.
    """

    name: str
    kind: str
    arch: str
    data: Literal["words", "pictures", "images"]
    shapes: tuple[tuple[int, ...], ...]
    build: Callable[..., Any]
    flop_per_pixel: tuple[float, float] = (0.0, 0.0)
    gates: float = 0.0
    patches: bool = False
    optimizer: str = "AdamW"
    linear: bool = False

    def flop(self, shape: tuple[int, ...]) -> float:
        """FLOPs of one training step, with full attention [FLOP]."""
        *size, batch = shape
        if self.data == "words":
            layers, width, length = size
            if not self.gates:
                return decoder_flop(layers=layers, width=width, length=length, batch=batch)
            per_token = 2.0 * self.gates * layers * width**2 + VOCABULARY * width
            return 6.0 * batch * length * per_token
        if self.patches:
            layers, width, edge = size
            return _patch_transformer_flop(layers, width, edge, batch)
        channels, edge = size
        square, linear = self.flop_per_pixel
        return batch * edge**2 * (square * channels**2 + linear * channels)

    def held_bytes(self, shape: tuple[int, ...]) -> float:
        """Approximate memory of a step, to check that it fits [B]."""
        *size, batch = shape
        if self.data == "words" or self.patches:
            layers, width, length = size
            length = (length // PATCH) ** 2 if self.patches else length
            scores = 8.0 * layers * max(1, width // 32) * length if not self.gates else 0.0
            values = HELD_WIDTHS * layers * width + scores + 4 * VOCABULARY
            return 16.0 * (12 * layers * width**2 + 2 * VOCABULARY * width) + 4.0 * (
                batch * length * values
            )
        channels, edge = size
        return 4.0 * HELD_WIDTHS * batch * channels * edge**2 + 16.0 * 1000 * channels**2


def _patch_transformer_flop(layers: int, width: int, edge: int, batch: int) -> float:
    """FLOPs of one training step, without image gradients [FLOP]."""
    tokens = (edge // PATCH) ** 2
    per_token = 3.0 * (12 * layers * width**2 + 2 * layers * width * tokens)
    return 2.0 * batch * tokens * (per_token + 2 * 3 * PATCH**2 * width)


SEQUENCES = (
    # layers, width, sequence length, batch
    *((2, 48, 32, 8), (2, 96, 64, 8), (3, 144, 96, 8), (4, 288, 128, 8), (6, 480, 256, 8)),
    *((8, 768, 512, 8), (12, 1056, 512, 32), (24, 1536, 1024, 32)),
)
RECURRENT = (
    # layers, width, sequence length, batch
    *((1, 64, 32, 8), (1, 128, 48, 16), (2, 192, 64, 16), (2, 384, 64, 32), (2, 768, 96, 32)),
    *((2, 1536, 128, 64), (3, 2048, 256, 128)),
)
PICTURES = (
    # channels, edge, batch
    *((8, 24, 4), (8, 32, 16), (16, 32, 16), (24, 48, 16), (32, 64, 16), (48, 80, 16)),
    *((64, 96, 32), (96, 160, 64), (128, 224, 128)),
)
PATCHED = (
    # layers, width, edge, batch
    *((2, 64, 16, 8), (2, 96, 24, 16), (3, 160, 32, 16), (4, 256, 48, 16), (6, 512, 64, 16)),
    *((12, 768, 96, 32), (24, 1024, 128, 64)),
)
_transformer = partial(ProgramStyle, kind="language", data="words", shapes=SEQUENCES)
_recurrent = partial(ProgramStyle, kind="language", data="words", shapes=RECURRENT)
_of_patches = partial(
    ProgramStyle, kind="vision", arch="ViT encoder", data="pictures", shapes=PATCHED, patches=True
)
_convolutions = partial(ProgramStyle, kind="vision", data="pictures", shapes=PICTURES)
_unet = partial(
    ProgramStyle,
    kind="diffusion",
    arch="U-Net",
    data="images",
    shapes=PICTURES,
    flop_per_pixel=(762.0, 126.0),
)

STYLES = (
    _transformer(
        name="decoder, root norms and gates",
        arch="dense decoder",
        build=gated_decoder,
        linear=True,
    ),
    _of_patches(name="transformer of patches", build=patch_transformer),
    _of_patches(
        name="transformer of patches, fused attention",
        build=partial(patch_transformer, dropout=0.0),
    ),
    _transformer(name="encoder of library layers", arch="encoder", build=encoder),
    _recurrent(name="LSTM", arch="LSTM", build=partial(recurrent, kind="LSTM"), gates=4),
    _recurrent(name="GRU", arch="GRU", build=partial(recurrent, kind="GRU"), gates=3),
    _recurrent(name="RNN", arch="RNN", build=partial(recurrent, kind="RNN"), gates=1),
    _recurrent(name="LSTM, step by step", arch="LSTM", build=stepwise_lstm, gates=4),
    _convolutions(
        name="plain convolutions",
        arch="CNN",
        build=paired_network,
        flop_per_pixel=(216.0, 108.0),
        optimizer="SGD",
    ),
    _convolutions(
        name="bottlenecks, group norm",
        arch="residual CNN",
        build=bottleneck_network,
        flop_per_pixel=(564.0, 109.7578125),
    ),
    _convolutions(
        name="inverted residuals",
        arch="CNN, depthwise, inverted residuals",
        build=inverted_network,
        flop_per_pixel=(99.0, 280.7109375),
    ),
    _unet(name="U-Net, group norm", build=unet),
)
