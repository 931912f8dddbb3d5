"""Which programs stand for those that people calibrate for: kind, format, and how to build a step.

Widths, styles and sizes are chosen apart from those of `calibrate bench`; steps take between 5 ms
and half a second on two cores.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from estimator.measure.step_counter import counted_step
from tests.benchmarks.training import torch_programs as t

Step = Callable[[], float]


@dataclass(frozen=True, kw_only=True)
class Program:
    """A training program.

    Parameters
    ----------
    name : str
    kind, arch, precision : str
        As a user says them.
    build : callable
        Returns a step, and its FLOPs [FLOP] where they are known by a formula.
    """

    name: str
    kind: str
    arch: str
    precision: str
    build: Callable[[], tuple[Step, float | None]]

    def prepared(self) -> tuple[Step, float]:
        """A step and its FLOPs, counted where no formula tells them [FLOP]."""
        step, flop = self.build()
        return step, counted_step(step).total_flop if flop is None else flop


def programs() -> list[Program]:
    """All programs."""

    def gpt(width: int, layers: int, length: int, batch: int) -> Callable[..., Step]:
        return lambda **more: t.trained(
            t.MinimalGpt(2000, width, layers, max(2, width // 64), length),
            t.words(batch, length, 2000),
            t.next_word,
            clip=True,
            **more,
        )

    def llama(
        width: int, layers: int, length: int, batch: int, vocabulary: int = 4000
    ) -> Callable[..., Step]:
        return lambda **more: t.trained(
            t.LlamaLike(vocabulary, width, layers, 2 * max(1, width // 128)),
            t.words(batch, length, vocabulary),
            t.next_word,
            **more,
        )

    def encoder(width: int, layers: int, length: int, batch: int) -> Callable[..., Step]:
        return lambda **more: t.trained(
            t.LibraryEncoder(3000, width, layers, 4),
            t.words(batch, length, 3000),
            t.next_word,
            loaded=True,
            **more,
        )

    def translator(width: int) -> Callable[..., Step]:
        return lambda **more: t.trained(
            t.Translator(3000, width, 2, 4), t.words(8, 64, 3000), t.next_word, **more
        )

    def vit(width: int, layers: int, edge: int, batch: int) -> Callable[..., Step]:
        return lambda **more: t.trained(
            t.VisionTransformer(edge, 8, width, layers, 4),
            t.pictures(batch, edge),
            t.class_error,
            loaded=True,
            **more,
        )

    def seen(network: Callable[[int], nn.Module], width: int, edge: int, batch: int):
        return lambda **more: t.trained(
            network(width), t.pictures(batch, edge), t.class_error, loaded=True, **more
        )

    def unet(width: int, edge: int, batch: int) -> Callable[..., Step]:
        return lambda **more: t.trained(
            t.SmallUnet(width), t.pictures(batch, edge), t.noise_error, **more
        )

    def recurrent(cell: type, width: int, layers: int, batch: int) -> Callable[..., Step]:
        return lambda **more: t.trained(
            t.RecurrentLanguage(cell, 2000, width, layers),
            t.words(batch, 64, 2000),
            t.next_word,
            clip=True,
            **more,
        )

    def series(width: int) -> Step:
        return t.trained(
            t.SeriesGru(24, width),
            lambda: (torch.randn(32, 80, 24), torch.randint(10, (32,))),
            t.class_error,
        )

    def mlp(sizes: tuple[int, ...], batch: int, **style) -> Callable[..., Step]:
        return lambda **more: t.trained(
            t.classifier(sizes, **style),
            t.vectors(batch, sizes[0], sizes[-1]),
            t.class_error,
            loaded=True,
            **more,
        )

    sgd = torch.optim.SGD
    decoder, encoded, translated = "decoder", "encoder", "encoder-decoder transformer"
    rows = (
        ("GPT 96 wide, naive", "language", decoder, "fp32", gpt(96, 3, 64, 8), {}),
        ("GPT 256 wide, naive", "language", decoder, "fp32", gpt(256, 3, 96, 6), {}),
        ("GPT 128 wide, naive", "language", decoder, "bf16", gpt(128, 2, 64, 4), {}),
        ("Llama 256 wide", "language", decoder, "bf16", llama(256, 2, 48, 2, 1000), {}),
        ("Llama 320 wide", "language", decoder, "fp32", llama(320, 4, 96, 4), {}),
        ("GPT 768 wide, naive", "language", decoder, "fp32", gpt(768, 2, 128, 2), {}),
        ("encoder 128 wide", "language", encoded, "fp32", encoder(128, 2, 64, 16), {}),
        ("encoder 192 wide", "language", encoded, "bf16", encoder(192, 2, 48, 4), {}),
        ("translator 256 wide", "language", translated, "fp32", translator(256), {}),
        ("ViT 192 wide", "vision", "ViT", "fp32", vit(192, 4, 64, 16), {}),
        ("ViT 160 wide", "vision", "ViT", "bf16", vit(160, 3, 32, 16), {}),
        ("bottlenecks", "vision", "ResNet", "fp32", seen(t.bottleneck_network, 24, 32, 16), {}),
        ("bottlenecks bf16", "vision", "ResNet", "bf16", seen(t.bottleneck_network, 16, 24, 8), {}),
        ("group norms", "vision", "ResNet", "fp32", seen(t.grouped_network, 24, 40, 12), {}),
        (
            "VGG with SGD",
            "vision",
            "CNN",
            "fp32",
            seen(t.plain_network, 32, 32, 32),
            {"optimizer": sgd},
        ),
        ("VGG bf16", "vision", "CNN", "bf16", seen(t.plain_network, 16, 32, 8), {}),
        ("mobile", "vision", "MobileNet", "fp32", seen(t.mobile_network, 24, 64, 16), {}),
        ("ConvNeXt", "vision", "depthwise CNN", "fp32", seen(t.next_network, 64, 64, 8), {}),
        ("U-Net", "diffusion", "U-Net", "fp32", unet(24, 32, 8), {}),
        ("U-Net bf16", "diffusion", "U-Net", "bf16", unet(16, 24, 4), {}),
        ("LSTM 256 wide", "language", "LSTM", "fp32", recurrent(nn.LSTM, 256, 2, 16), {}),
        ("GRU 160 wide", "language", "GRU", "fp32", recurrent(nn.GRU, 160, 1, 32), {}),
        ("GRU bf16", "language", "GRU", "bf16", recurrent(nn.GRU, 128, 1, 4), {}),
        (
            "MLP, batch norm",
            "other",
            "MLP",
            "fp32",
            mlp((784, 1024, 512, 10), 128, dropout=0.2),
            {"optimizer": sgd},
        ),
        ("MLP bf16", "other", "MLP", "bf16", mlp((512, 768, 768, 100), 96, norm=False), {}),
    )
    found = [
        Program(
            name=name,
            kind=kind,
            arch=arch,
            precision=precision,
            build=lambda make=make, precision=precision, more=more: (
                make(bf16=precision == "bf16", **more),
                None,
            ),
        )
        for name, kind, arch, precision, make, more in rows
    ]
    last = Program(
        name="bidirectional GRU",
        kind="other",
        arch="GRU",
        precision="fp32",
        build=lambda: (series(96), None),
    )
    return [*found, last]
