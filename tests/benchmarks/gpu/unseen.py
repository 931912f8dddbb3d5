"""Training programs that were predicted before they ran: written apart from all others.

None is a network of `calibrate bench` or of `tests.benchmarks.gpu.training`. Their times were
predicted with what had been measured the day before, and only then measured.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from tests.benchmarks.gpu.training import Batch, BoardProgram, drawn_anew


class CharRnn(nn.Module):
    """Characters by a plain recurrence."""

    def __init__(self, vocabulary: int = 96, inner: int = 1024) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, 128)
        self.body = nn.RNN(128, inner, 2, batch_first=True)
        self.head = nn.Linear(inner, vocabulary)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(self.words(x))[0])


class Tagger(nn.Module):
    """Tags of words by an LSTM in both directions."""

    def __init__(self, vocabulary: int = 20000, inner: int = 512, tags: int = 17) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, 300)
        self.body = nn.LSTM(300, inner, 2, batch_first=True, bidirectional=True, dropout=0.3)
        self.drop, self.head = nn.Dropout(0.3), nn.Linear(2 * inner, tags)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.drop(self.body(self.words(x))[0]))


class Attentive(nn.Module):
    """Translation by two GRUs and attention between them."""

    def __init__(self, vocabulary: int = 16000, inner: int = 768) -> None:
        super().__init__()
        self.source, self.target = nn.Embedding(vocabulary, inner), nn.Embedding(vocabulary, inner)
        self.reader = nn.GRU(inner, inner, 2, batch_first=True)
        self.writer = nn.GRU(inner, inner, 2, batch_first=True)
        self.match = nn.Linear(inner, inner, bias=False)
        self.head = nn.Linear(2 * inner, vocabulary)

    def forward(self, pair: torch.Tensor) -> torch.Tensor:
        source, target = pair.chunk(2, dim=1)
        read, last = self.reader(self.source(source))
        out, _ = self.writer(self.target(target), last)
        seen = torch.softmax(self.match(out) @ read.transpose(1, 2), -1) @ read
        return self.head(torch.cat((out, seen), -1))


class EinsumAttention(nn.Module):
    """Attention by einsum, with dropout."""

    def __init__(self, width: int, heads: int, linear: type[nn.Module]) -> None:
        super().__init__()
        self.heads, self.mixed = heads, linear(width, 3 * width)
        self.out, self.drop = linear(width, width), nn.Dropout(0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        mixed = self.mixed(x).reshape(batch, length, 3, self.heads, width // self.heads)
        q, k, v = mixed.permute(2, 0, 3, 1, 4)
        scores = torch.einsum("bhid,bhjd->bhij", q, k) / math.sqrt(width // self.heads)
        seen = torch.einsum("bhij,bhjd->bhid", self.drop(F.softmax(scores, -1)).to(v.dtype), v)
        return self.out(seen.transpose(1, 2).reshape(batch, length, width))


class OwnBert(nn.Module):
    """An encoder as in a blog post."""

    def __init__(
        self,
        vocabulary: int,
        width: int,
        layers: int,
        length: int,
        linear: type[nn.Module] = nn.Linear,
    ) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
        self.first, self.drop = nn.LayerNorm(width), nn.Dropout(0.1)
        self.seen = nn.ModuleList(
            EinsumAttention(width, width // 64, linear) for _ in range(layers)
        )
        self.inner = nn.ModuleList(
            nn.Sequential(
                linear(width, 4 * width), nn.GELU(), linear(4 * width, width), nn.Dropout(0.1)
            )
            for _ in range(layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2 * layers))
        self.head = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width), nn.Linear(width, vocabulary)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.drop(self.first(self.words(x) + self.places(torch.arange(x.shape[1]))))
        for at, (seen, inner) in enumerate(zip(self.seen, self.inner, strict=True)):
            x = self.norms[2 * at](x + seen(x))
            x = self.norms[2 * at + 1](x + inner(x))
        return self.head(x)


class SmallGpt(nn.Module):
    """A decoder after nanoGPT: fused attention, no biases, tied words."""

    def __init__(
        self,
        vocabulary: int,
        width: int,
        layers: int,
        heads: int,
        length: int,
        *,
        dropout: float = 0.0,
        linear: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        made = linear or (lambda a, b: nn.Linear(a, b, bias=False))
        self.heads, self.dropout, self.drop = heads, dropout, nn.Dropout(dropout)
        self.words, self.places = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
        self.blocks = nn.ModuleList(
            nn.ModuleDict(
                {
                    "first": nn.LayerNorm(width, bias=False),
                    "second": nn.LayerNorm(width, bias=False),
                    "mixed": made(width, 3 * width),
                    "out": made(width, width),
                    "up": made(width, 4 * width),
                    "down": made(4 * width, width),
                }
            )
            for _ in range(layers)
        )
        self.last = nn.LayerNorm(width, bias=False)
        self.head = nn.Linear(width, vocabulary, bias=False)
        nn.init.normal_(self.words.weight, std=0.02)
        self.head.weight = self.words.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length = x.shape
        x = self.drop(self.words(x) + self.places(torch.arange(length)))
        for block in self.blocks:
            q, k, v = (
                one.view(batch, length, self.heads, -1).transpose(1, 2)
                for one in block["mixed"](block["first"](x)).chunk(3, -1)
            )
            seen = F.scaled_dot_product_attention(
                q, k, v, is_causal=True, dropout_p=self.dropout if self.training else 0.0
            )
            x = x + self.drop(block["out"](seen.transpose(1, 2).reshape(batch, length, -1)))
            x = x + self.drop(block["down"](F.gelu(block["up"](block["second"](x)))))
        return self.head(self.last(x))


class FixedScaleProduct(torch.autograd.Function):
    """A product in 8 bits whose scales are constants, as in speed runs of small GPTs."""

    WEIGHT, SLOPE = 2.0**-5, 2.0**-12

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        one = torch.ones((), dtype=torch.float32)
        small = weight.new_tensor(FixedScaleProduct.WEIGHT, dtype=torch.float32)
        given = x.to(torch.float8_e4m3fn)
        held = (weight / FixedScaleProduct.WEIGHT).to(torch.float8_e4m3fn)
        ctx.save_for_backward(given, held, one, small)
        ctx.kept = weight.dtype
        return torch._scaled_mm(
            given,
            held.t(),
            scale_a=one,
            scale_b=small,
            out_dtype=torch.bfloat16,
            use_fast_accum=True,
        )

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        given, held, one, small = ctx.saved_tensors
        tiny = torch.full_like(one, FixedScaleProduct.SLOPE)
        found = (slope / FixedScaleProduct.SLOPE).to(torch.float8_e5m2)
        of_rows = torch._scaled_mm(
            found,
            held.t().contiguous().t(),
            scale_a=tiny,
            scale_b=small,
            out_dtype=torch.bfloat16,
        )
        of_weight = torch._scaled_mm(
            found.t().contiguous(),
            given.t().contiguous().t(),
            scale_a=tiny,
            scale_b=one,
            out_dtype=torch.float32,
        )
        return of_rows, of_weight.to(ctx.kept)


class FixedScaleLinear(nn.Linear):
    """Linear layer of such products, without a bias."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__(before, after, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.reshape(-1, x.shape[-1]).to(torch.bfloat16)
        return FixedScaleProduct.apply(rows, self.weight).view(*x.shape[:-1], -1)


class NextBlock(nn.Module):
    """Block of ConvNeXt."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.deep = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm, self.up = nn.LayerNorm(width), nn.Linear(width, 4 * width)
        self.down, self.scale = nn.Linear(4 * width, width), nn.Parameter(1e-6 * torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.deep(x).permute(0, 2, 3, 1))
        return x + (self.scale * self.down(F.gelu(self.up(y)))).permute(0, 3, 1, 2)


def convnext(width: int = 96) -> nn.Module:
    """A small ConvNeXt."""
    parts: list[nn.Module] = [nn.Conv2d(3, width, 4, 4)]
    for at, blocks in enumerate((2, 2, 6, 2)):
        now = width * 2**at
        if at:
            parts += [nn.GroupNorm(1, now // 2), nn.Conv2d(now // 2, now, 2, 2)]
        parts += [NextBlock(now) for _ in range(blocks)]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8 * width, 200))


class DenseLayer(nn.Module):
    """Layer of a DenseNet."""

    def __init__(self, before: int, growth: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(before),
            nn.ReLU(),
            nn.Conv2d(before, 4 * growth, 1, bias=False),
            nn.BatchNorm2d(4 * growth),
            nn.ReLU(),
            nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat((x, self.body(x)), 1)


def densenet(growth: int = 32, layers: int = 8) -> nn.Module:
    """A DenseNet of three stages."""
    now = 2 * growth
    parts: list[nn.Module] = [nn.Conv2d(3, now, 7, 2, 3, bias=False), nn.MaxPool2d(2)]
    for stage in range(3):
        for _ in range(layers):
            parts.append(DenseLayer(now, growth))
            now += growth
        if stage < 2:
            parts += [nn.BatchNorm2d(now), nn.ReLU(), nn.Conv2d(now, now // 2, 1, bias=False)]
            parts.append(nn.AvgPool2d(2))
            now //= 2
    return nn.Sequential(
        *parts, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(now, 100)
    )


class BasicBlock(nn.Module):
    """Residual block of two convolutions."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.two = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.first, self.second = nn.BatchNorm2d(after), nn.BatchNorm2d(after)
        same = before == after and stride == 1
        short = [] if same else [nn.Conv2d(before, after, 1, stride), nn.BatchNorm2d(after)]
        self.short = nn.Sequential(*short)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.second(self.two(F.relu(self.first(self.one(x)))))
        return F.relu(y + self.short(x))


def small_resnet(width: int = 64, depth: tuple[int, ...] = (2, 2, 2, 2)) -> nn.Module:
    """A residual network for small pictures."""
    parts: list[nn.Module] = [nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)]
    before = width
    for at, blocks in enumerate(depth):
        for block in range(blocks):
            parts.append(BasicBlock(before, width * 2**at, 2 if at and not block else 1))
            before = width * 2**at
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10))


def wave_network(width: int = 128) -> nn.Module:
    """Convolutions over samples of sound."""
    parts: list[nn.Module] = []
    before = 1
    for at in range(6):
        after = width * (1 + at // 2)
        parts += [nn.Conv1d(before, after, 9, 2 if at else 4, 4), nn.BatchNorm1d(after)]
        parts.append(nn.LeakyReLU(0.1))
        before = after
    return nn.Sequential(*parts, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(before, 35))


class MixerBlock(nn.Module):
    """Block of an MLP-Mixer."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.across = nn.Sequential(
            nn.Linear(tokens, 2 * tokens), nn.GELU(), nn.Linear(2 * tokens, tokens)
        )
        self.within = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.across(self.first(x).transpose(1, 2)).transpose(1, 2)
        return x + self.within(self.second(x))


class Mixer(nn.Module):
    """An MLP-Mixer over patches of 16."""

    def __init__(self, width: int = 512, layers: int = 8, edge: int = 224) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 16, 16)
        tokens = (edge // 16) ** 2
        self.body = nn.Sequential(*(MixerBlock(tokens, width) for _ in range(layers)))
        self.head = nn.Linear(width, 100)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(self.patches(x).flatten(2).transpose(1, 2)).mean(1))


class TimedBlock(nn.Module):
    """Block of a denoiser: two convolutions that know the time, and attention."""

    def __init__(self, before: int, after: int, time: int, *, attend: bool) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(8, before), nn.Conv2d(before, after, 3, padding=1)
        self.norm2, self.conv2 = nn.GroupNorm(8, after), nn.Conv2d(after, after, 3, padding=1)
        self.time = nn.Linear(time, after)
        self.short = nn.Conv2d(before, after, 1) if before != after else nn.Identity()
        self.seen = nn.MultiheadAttention(after, 4, batch_first=True) if attend else None

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        y = self.conv1(F.silu(self.norm1(x))) + self.time(time)[:, :, None, None]
        y = self.conv2(F.silu(self.norm2(y))) + self.short(x)
        if self.seen is not None:
            z = y.flatten(2).transpose(1, 2)
            y = y + self.seen(z, z, z, need_weights=False)[0].transpose(1, 2).reshape(y.shape)
        return y


class Denoiser(nn.Module):
    """A small denoiser of pictures."""

    def __init__(self, width: int) -> None:
        super().__init__()
        time = 2 * width
        self.time = nn.Sequential(nn.Linear(16, time), nn.SiLU(), nn.Linear(time, time))
        self.given = nn.Conv2d(3, width, 3, padding=1)
        self.down1 = TimedBlock(width, width, time, attend=False)
        self.down2 = TimedBlock(width, 2 * width, time, attend=True)
        self.middle = TimedBlock(2 * width, 2 * width, time, attend=True)
        self.up2 = TimedBlock(4 * width, width, time, attend=True)
        self.up1 = TimedBlock(2 * width, width, time, attend=False)
        self.head = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time = self.time(torch.rand(len(x), 16))
        one = self.down1(self.given(x), time)
        two = self.down2(F.avg_pool2d(one, 2), time)
        up = self.up2(torch.cat((self.middle(two, time), two), 1), time)
        return self.head(self.up1(torch.cat((F.interpolate(up, scale_factor=2), one), 1), time))


class Kan(nn.Module):
    """Layer whose weights are functions."""

    def __init__(self, before: int, after: int, grid: int = 8) -> None:
        super().__init__()
        self.base = nn.Linear(before, after)
        self.spline = nn.Linear(before * grid, after, bias=False)
        self.register_buffer("grid", torch.linspace(-2, 2, grid))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        basis = torch.exp(-(((x[..., None] - self.grid) * 2) ** 2))
        return self.base(F.silu(x)) + self.spline(basis.flatten(-2))


def tabular(width: int, classes: int) -> nn.Module:
    """A perceptron for tables."""

    def block(before: int) -> list[nn.Module]:
        return [nn.Linear(before, width), nn.BatchNorm1d(width), nn.SELU(), nn.Dropout(0.15)]

    return nn.Sequential(*block(54), *block(width), *block(width), nn.Linear(width, classes))


def narrow_perceptron() -> nn.Module:
    """Four wide layers in 8 bits."""
    layers: list[nn.Module] = []
    for _ in range(4):
        layers += [FixedScaleLinear(6144, 6144), nn.GELU()]
    return nn.Sequential(*layers, nn.Linear(6144, 1000))


def gpt(*size: int, **more: Any) -> Callable[[], nn.Module]:
    """How to build a decoder of some sizes."""
    return lambda: SmallGpt(*size, **more)


def class_of_each(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Loss of classes, of pictures or of words."""
    out = model(x)
    return F.cross_entropy(out.reshape(-1, out.shape[-1]).float(), y.reshape(-1))


def square_error(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Loss of a regression."""
    return F.mse_loss(model(x).float(), y)


def programs(scale: float = 1.0) -> list[BoardProgram]:
    """All programs; batches smaller by `scale` for a trial on a small machine."""

    def some(batch: int) -> int:
        return max(2, round(batch * scale))

    def words(vocabulary: int, batch: int, length: int, classes: int | None = None) -> Batch:
        shape = (some(batch), length)
        return lambda: (
            torch.randint(vocabulary, shape),
            torch.randint(classes or vocabulary, shape),
        )

    def pairs(vocabulary: int, batch: int, length: int) -> Batch:
        return lambda: (
            torch.randint(vocabulary, (some(batch), 2 * length)),
            torch.randint(vocabulary, (some(batch), length)),
        )

    def pictures(batch: int, edge: int, classes: int) -> Batch:
        return lambda: (
            torch.randn(some(batch), 3, edge, edge),
            torch.randint(classes, (some(batch),)),
        )

    def noise(batch: int, edge: int) -> Batch:
        return lambda: tuple(torch.randn(some(batch), 3, edge, edge) for _ in range(2))

    def vectors(batch: int, width: int, classes: int) -> Batch:
        return lambda: (torch.randn(some(batch), width), torch.randint(classes, (some(batch),)))

    def sounds(batch: int, length: int) -> Batch:
        return lambda: (torch.randn(some(batch), 1, length), torch.randint(35, (some(batch),)))

    text, loss = ("language", "decoder"), class_of_each
    rows: tuple[tuple[Any, ...], ...] = (
        # name, kind and architecture, format, network, batch, loss
        ("char-RNN", ("language", "RNN"), "tf32", CharRnn, words(96, 128, 128), loss),
        (
            "BiLSTM tagger",
            *(("language", "BiLSTM"), "fp16", Tagger, words(20000, 128, 64, 17), loss),
        ),
        ("seq2seq GRU", ("language", "GRU"), "bf16", Attentive, pairs(16000, 64, 48), loss),
        (
            "own BERT",
            *(("language", "BERT encoder"), "bf16", lambda: OwnBert(16000, 768, 8, 256)),
            *(words(16000, 32, 256), loss),
        ),
        (
            "own BERT, wide",
            *(("language", "BERT encoder"), "tf32", lambda: OwnBert(16000, 1280, 6, 128)),
            *(words(16000, 32, 128), loss),
        ),
        (
            "own BERT in 8 bits",
            *(("language", "BERT encoder"), "fp8"),
            lambda: OwnBert(16000, 1024, 8, 256, FixedScaleLinear),
            *(words(16000, 32, 256), loss),
        ),
        (
            "nanoGPT of Shakespeare",
            *(text, "fp16", gpt(65, 384, 6, 6, 256, dropout=0.2), words(65, 64, 256), loss),
        ),
        (
            "nanoGPT 1024 wide",
            *(text, "bf16", gpt(32000, 1024, 16, 16, 1024), words(32000, 8, 1024), loss),
        ),
        (
            "nanoGPT 640 wide",
            *(text, "fp32", gpt(8000, 640, 8, 10, 512), words(8000, 8, 512), loss),
        ),
        (
            "nanoGPT in 8 bits",
            *(text, "fp8"),
            gpt(32000, 2048, 12, 16, 1024, linear=FixedScaleLinear),
            *(words(32000, 8, 1024), loss),
        ),
        ("own ConvNeXt", ("vision", "ConvNeXt"), "bf16", convnext, pictures(64, 192, 200), loss),
        ("DenseNet", ("vision", "DenseNet CNN"), "fp16", densenet, pictures(96, 160, 100), loss),
        ("small ResNet", ("vision", "ResNet"), "tf32", small_resnet, pictures(256, 32, 10), loss),
        (
            "small ResNet, wide",
            *(("vision", "ResNet"), "bf16", lambda: small_resnet(128)),
            *(pictures(256, 32, 10), loss),
        ),
        ("wave CNN", ("speech", "CNN"), "fp16", wave_network, sounds(128, 16000), loss),
        ("MLP-Mixer", ("vision", "MLP-Mixer"), "bf16", Mixer, pictures(128, 224, 100), loss),
        (
            "denoiser",
            *(("diffusion", "U-Net"), "bf16", lambda: Denoiser(128), noise(64, 32)),
            square_error,
        ),
        (
            "denoiser, wide",
            *(("diffusion", "U-Net"), "tf32", lambda: Denoiser(192), noise(32, 48)),
            square_error,
        ),
        (
            "tabular MLP",
            *(("other", "MLP"), "tf32", lambda: tabular(2048, 7), vectors(8192, 54, 7), loss),
        ),
        (
            "KAN",
            *(("other", "KAN"), "fp32"),
            lambda: nn.Sequential(Kan(256, 1024), Kan(1024, 1024), Kan(1024, 10)),
            *(vectors(4096, 256, 10), loss),
        ),
        (
            "MLP in 8 bits",
            ("other", "MLP"),
            "fp8",
            narrow_perceptron,
            vectors(8192, 6144, 1000),
            loss,
        ),
    )
    return drawn_anew(rows)
