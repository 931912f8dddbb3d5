"""Training programs that no one had predicted nor run on a board: a check later than `unseen`.

Their networks were written apart from those of `unseen` and of `training`.
"""

import math
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from tests.benchmarks.gpu.training import Batch, BoardProgram, drawn_anew


class Rotary(nn.Module):
    def __init__(self, width, length):
        super().__init__()
        angle = torch.arange(length)[:, None] / 10000 ** (torch.arange(0, width, 2) / width)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def forward(self, x):
        even, odd = x[..., ::2], x[..., 1::2]
        cos, sin = self.cos[: x.shape[-2]], self.sin[: x.shape[-2]]
        return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


class Root(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return (
            self.gain * x * torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + 1e-6).type_as(x)
        )


class Grouped(nn.Module):
    """Queries share keys and values in groups; normed queries and keys."""

    def __init__(self, width, heads, shared, length):
        super().__init__()
        self.heads, self.shared, self.each = heads, shared, width // heads
        self.q = nn.Linear(width, width, bias=False)
        self.kv = nn.Linear(width, 2 * shared * self.each, bias=False)
        self.o = nn.Linear(width, width, bias=False)
        self.nq, self.nk = Root(self.each), Root(self.each)
        self.turn = Rotary(self.each, length)

    def forward(self, x):
        batch, length, width = x.shape
        q = self.q(x).view(batch, length, self.heads, self.each).transpose(1, 2)
        k, v = self.kv(x).view(batch, length, 2, self.shared, self.each).permute(2, 0, 3, 1, 4)
        q, k = self.turn(self.nq(q)), self.turn(self.nk(k))
        times = self.heads // self.shared
        k, v = k.repeat_interleave(times, 1), v.repeat_interleave(times, 1)
        y = (
            F.scaled_dot_product_attention(q, k.type_as(v), v, is_causal=True)
            if q.dtype == v.dtype
            else F.scaled_dot_product_attention(q.type_as(v), k.type_as(v), v, is_causal=True)
        )
        return self.o(y.transpose(1, 2).reshape(batch, length, width))


class GroupedDecoder(nn.Module):
    def __init__(self, vocabulary, width, layers, heads, shared, length):
        super().__init__()
        hidden = 16 * round(8 * width / 3 / 16)
        self.words = nn.Embedding(vocabulary, width)
        self.mix = nn.ModuleList(Grouped(width, heads, shared, length) for _ in range(layers))
        self.gate = nn.ModuleList(nn.Linear(width, 2 * hidden, bias=False) for _ in range(layers))
        self.down = nn.ModuleList(nn.Linear(hidden, width, bias=False) for _ in range(layers))
        self.norms = nn.ModuleList(Root(width) for _ in range(2 * layers + 1))
        self.head = nn.Linear(width, vocabulary, bias=False)

    def forward(self, x):
        x = self.words(x)
        for at, (mix, gate, down) in enumerate(zip(self.mix, self.gate, self.down, strict=True)):
            x = x + mix(self.norms[2 * at](x))
            a, b = gate(self.norms[2 * at + 1](x)).chunk(2, -1)
            x = x + down(F.silu(a) * b)
        return self.head(self.norms[-1](x))


class ParallelDecoder(nn.Module):
    """Attention and feed-forward side by side, biases by distance (ALiBi), written out."""

    def __init__(self, vocabulary, width, layers, heads, length):
        super().__init__()
        self.heads = heads
        self.words = nn.Embedding(vocabulary, width)
        self.norm = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers + 1))
        self.into = nn.ModuleList(nn.Linear(width, 7 * width) for _ in range(layers))
        self.out = nn.ModuleList(nn.Linear(5 * width, width) for _ in range(layers))
        apart = torch.arange(length)[None, :] - torch.arange(length)[:, None]
        slopes = 2.0 ** (-8.0 * torch.arange(1, heads + 1) / heads)
        bias = slopes[:, None, None] * apart
        self.register_buffer("bias", bias.masked_fill(apart > 0, -1e4), persistent=False)

    def forward(self, x):
        x = self.words(x)
        batch, length, width = x.shape
        for norm, into, out in zip(self.norm, self.into, self.out, strict=False):
            qkv, up = into(norm(x)).split((3 * width, 4 * width), -1)
            q, k, v = qkv.view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
            weight = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + self.bias
            y = (weight.softmax(-1).to(v.dtype) @ v).transpose(1, 2).reshape(batch, length, width)
            x = x + out(torch.cat((y, F.gelu(up, approximate="tanh")), -1))
        return self.norm[-1](x) @ self.words.weight.t()


class Masked(nn.Module):
    """PyTorch's own layers, before-normed, with a dropout and a learnt place."""

    def __init__(self, vocabulary, width, layers, heads, length):
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            width, heads, 3 * width, 0.1, "gelu", batch_first=True, norm_first=True
        )
        self.words = nn.Embedding(vocabulary, width)
        self.places = nn.Parameter(0.02 * torch.randn(length, width))
        self.body = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, x):
        return self.head(self.body(self.words(x) + self.places[: x.shape[1]]))


class Captioner(nn.Module):
    """A vision transformer whose pooled patches are classified with registers and layer scale."""

    def __init__(self, width, layers, heads, side, patch, classes):
        super().__init__()
        self.cut, self.heads = nn.Conv2d(3, width, patch, patch), heads
        self.extra = nn.Parameter(torch.zeros(1, 4, width))
        self.place = nn.Parameter(torch.zeros(1, (side // patch) ** 2, width))
        self.norm = nn.ModuleList(nn.LayerNorm(width) for _ in range(2 * layers))
        self.qkv = nn.ModuleList(nn.Linear(width, 3 * width) for _ in range(layers))
        self.out = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.feed = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
            for _ in range(layers)
        )
        self.scale = nn.ParameterList(
            nn.Parameter(0.1 * torch.ones(width)) for _ in range(2 * layers)
        )
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        x = self.cut(x).flatten(2).transpose(1, 2) + self.place
        x = torch.cat((self.extra.expand(len(x), -1, -1).to(x.dtype), x), 1)
        batch, length, _ = x.shape
        for at, (qkv, out, feed) in enumerate(zip(self.qkv, self.out, self.feed, strict=True)):
            q, k, v = qkv(self.norm[2 * at](x)).view(batch, length, 3, self.heads, -1).unbind(2)
            y = F.scaled_dot_product_attention(
                q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
            )
            x = x + self.scale[2 * at] * out(y.transpose(1, 2).flatten(2))
            x = x + self.scale[2 * at + 1] * feed(self.norm[2 * at + 1](x))
        return self.head(x[:, 4:].mean(1))


class Translator(nn.Module):
    def __init__(self, vocabulary, width, layers, heads):
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        self.both = nn.Transformer(width, heads, layers, layers, 4 * width, 0.0, batch_first=True)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, pair):
        source, goal = pair.chunk(2, 1)
        mask = nn.Transformer.generate_square_subsequent_mask(goal.shape[1])
        y = self.both(self.words(source), self.words(goal), tgt_mask=mask, tgt_is_causal=True)
        return self.head(y)


class Squeezed(nn.Module):
    """A residual block whose channels are weighted by their mean (squeeze and excitation)."""

    def __init__(self, a, b, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(a),
            nn.ReLU(),
            nn.Conv2d(a, b, 3, stride, 1, bias=False),
            nn.BatchNorm2d(b),
            nn.ReLU(),
            nn.Conv2d(b, b, 3, 1, 1, bias=False),
        )
        self.weigh = nn.Sequential(
            nn.Linear(b, b // 4), nn.ReLU(), nn.Linear(b // 4, b), nn.Sigmoid()
        )
        self.past = (
            nn.Conv2d(a, b, 1, stride, bias=False) if a != b or stride > 1 else nn.Identity()
        )

    def forward(self, x):
        y = self.body(x)
        return self.past(x) + y * self.weigh(y.mean((2, 3)))[:, :, None, None]


def squeezed(width, classes):
    return nn.Sequential(
        nn.Conv2d(3, width, 3, 1, 1, bias=False),
        Squeezed(width, width, 1),
        Squeezed(width, 2 * width, 2),
        Squeezed(2 * width, 2 * width, 1),
        Squeezed(2 * width, 4 * width, 2),
        Squeezed(4 * width, 4 * width, 1),
        nn.BatchNorm2d(4 * width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, classes),
    )


def stacked(widths, classes, side):
    """Two convolutions a stage, pooling between, large fully connected end."""
    parts, before = [], 3
    for width in widths:
        parts += [
            nn.Conv2d(before, width, 3, padding=1),
            nn.ELU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ELU(),
            nn.MaxPool2d(2),
        ]
        before = width
    flat = before * (side // 2 ** len(widths)) ** 2
    return nn.Sequential(
        *parts,
        nn.Flatten(),
        nn.Linear(flat, 256),
        nn.ELU(),
        nn.Dropout(0.4),
        nn.Linear(256, classes),
    )


class Dilated(nn.Module):
    """A causal stack over time with growing holes, gated."""

    def __init__(self, vocabulary, width, layers):
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        self.gates = nn.ModuleList(
            nn.Conv1d(width, 2 * width, 3, dilation=2**at) for at in range(layers)
        )
        self.outs = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in range(layers))
        self.head = nn.Linear(width, vocabulary)

    def forward(self, x):
        x = self.words(x).transpose(1, 2)
        for at, (gate, out) in enumerate(zip(self.gates, self.outs, strict=True)):
            a, b = gate(F.pad(x, (2 * 2**at, 0))).chunk(2, 1)
            x = x + out(torch.tanh(a) * torch.sigmoid(b))
        return self.head(x.transpose(1, 2))


class Separable(nn.Module):
    """Depthwise and pointwise layers in turn."""

    def __init__(self, width, classes):
        super().__init__()

        def pair(a, b, stride):
            return nn.Sequential(
                nn.Conv2d(a, a, 3, stride, 1, groups=a, bias=False),
                nn.BatchNorm2d(a),
                nn.ReLU(),
                nn.Conv2d(a, b, 1, bias=False),
                nn.BatchNorm2d(b),
                nn.ReLU(),
            )

        self.body = nn.Sequential(
            nn.Conv2d(3, width, 3, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            pair(width, 2 * width, 1),
            pair(2 * width, 4 * width, 2),
            pair(4 * width, 4 * width, 1),
            pair(4 * width, 8 * width, 2),
            pair(8 * width, 8 * width, 1),
        )
        self.head = nn.Linear(8 * width, classes)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))


class Segmenter(nn.Module):
    """A U-Net with batch norms and transposed convolutions upward."""

    def __init__(self, width, classes):
        super().__init__()

        def double(a, b):
            return nn.Sequential(
                nn.Conv2d(a, b, 3, padding=1),
                nn.BatchNorm2d(b),
                nn.ReLU(),
                nn.Conv2d(b, b, 3, padding=1),
                nn.BatchNorm2d(b),
                nn.ReLU(),
            )

        sizes = (width, 2 * width, 4 * width)
        self.down = nn.ModuleList(
            double(a, b) for a, b in zip((1, *sizes[:-1]), sizes, strict=True)
        )
        self.deep = double(4 * width, 8 * width)
        self.lift = nn.ModuleList(nn.ConvTranspose2d(2 * s, s, 2, 2) for s in reversed(sizes))
        self.up = nn.ModuleList(double(2 * s, s) for s in reversed(sizes))
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x):
        kept = []
        for part in self.down:
            x = part(x)
            kept.append(x)
            x = F.max_pool2d(x, 2)
        x = self.deep(x)
        for lift, part in zip(self.lift, self.up, strict=True):
            x = part(torch.cat((lift(x), kept.pop()), 1))
        return self.head(x)


class Noisy(nn.Module):
    """A small denoiser: residual blocks that a time shifts and scales."""

    def __init__(self, width):
        super().__init__()
        sizes = (width, 2 * width)
        self.time = nn.Sequential(
            nn.Linear(32, 4 * width), nn.SiLU(), nn.Linear(4 * width, 4 * width)
        )
        self.first = nn.Conv2d(3, width, 3, padding=1)
        pairs = ((width, width), (width, 2 * width), (2 * width, 2 * width), (3 * width, width))
        self.norm = nn.ModuleList(nn.GroupNorm(4, a) for a, _ in pairs)
        self.one = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairs)
        self.two = nn.ModuleList(nn.Conv2d(b, b, 3, padding=1) for _, b in pairs)
        self.move = nn.ModuleList(nn.Linear(4 * width, 2 * b) for _, b in pairs)
        self.past = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in pairs)
        self.last = nn.Conv2d(sizes[0], 3, 3, padding=1)

    def block(self, at, x, time):
        shift, scale = self.move[at](time)[:, :, None, None].chunk(2, 1)
        y = self.one[at](F.silu(self.norm[at](x)))
        return self.past[at](x) + self.two[at](F.silu(y * (1 + scale) + shift))

    def forward(self, x):
        time = self.time(torch.randn(len(x), 32))
        high = self.block(0, self.first(x), time)
        low = self.block(1, F.avg_pool2d(high, 2), time)
        low = self.block(2, low, time)
        back = torch.cat((F.interpolate(low, scale_factor=2.0), high), 1)
        return self.last(self.block(3, back, time))


class Forecaster(nn.Module):
    """Two LSTM layers over sensor series; the next value of each."""

    def __init__(self, series, width):
        super().__init__()
        self.body = nn.LSTM(series, width, 2, batch_first=True, dropout=0.2)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, series))

    def forward(self, x):
        return self.head(self.body(x)[0])


class Speller(nn.Module):
    def __init__(self, vocabulary, width):
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        self.body = nn.GRU(width, width, 2, batch_first=True)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, x):
        return self.head(self.body(self.words(x))[0])


class Residual(nn.Module):
    """A residual perceptron for tables: categories are embedded, numbers scaled."""

    def __init__(self, numbers, categories, width, layers, classes):
        super().__init__()
        self.words = nn.ModuleList(nn.Embedding(64, 8) for _ in range(categories))
        self.into = nn.Linear(numbers + 8 * categories, width)
        self.body = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width),
                nn.Linear(width, 2 * width),
                nn.GELU(),
                nn.Dropout(0.1),
                nn.Linear(2 * width, width),
            )
            for _ in range(layers)
        )
        self.head = nn.Linear(width, classes)

    def forward(self, pair):
        numbers, classes = pair
        parts = [word(classes[:, at]) for at, word in enumerate(self.words)]
        x = self.into(torch.cat((numbers, *parts), 1))
        for part in self.body:
            x = x + part(x)
        return self.head(x)


def autoencoder(widths):
    parts = []
    for a, b in pairwise(widths):
        parts += [nn.Linear(a, b), nn.Tanh()]
    return nn.Sequential(*parts[:-1])


def of_tokens(model, given, wanted):
    return F.cross_entropy(model(given).flatten(0, 1).float(), wanted.flatten())


def of_classes(model, given, wanted):
    return F.cross_entropy(model(given).float(), wanted, label_smoothing=0.1)


def of_numbers(model, given, wanted):
    return F.smooth_l1_loss(model(given).float(), wanted)


def programs(scale: float = 1.0) -> list[BoardProgram]:
    """All programs; batches smaller by `scale` for a trial on a small machine."""

    def some(batch: int) -> int:
        return max(2, round(batch * scale))

    def tokens(vocabulary: int, batch: int, length: int) -> Batch:
        def draw() -> tuple[Any, ...]:
            text = torch.randint(vocabulary, (some(batch), length + 1))
            return text[:, :-1], text[:, 1:]

        return draw

    def twice(vocabulary: int, batch: int, length: int) -> Batch:
        return lambda: (
            torch.randint(vocabulary, (some(batch), 2 * length)),
            torch.randint(vocabulary, (some(batch), length)),
        )

    def images(batch: int, side: int, classes: int) -> Batch:
        return lambda: (
            torch.randn(some(batch), 3, side, side),
            torch.randint(classes, (some(batch),)),
        )

    def numbers(*size: int) -> Batch:
        shape = (some(size[0]), *size[1:])
        return lambda: (torch.randn(shape), torch.randn(shape))

    def masks(batch: int, side: int, classes: int) -> Batch:
        return lambda: (
            torch.randn(some(batch), 1, side, side),
            torch.randint(classes, (some(batch), side, side)),
        )

    def table(batch: int, width: int, categories: int, classes: int) -> Batch:
        return lambda: (
            (torch.randn(some(batch), width), torch.randint(64, (some(batch), categories))),
            torch.randint(classes, (some(batch),)),
        )

    text = ("language", "decoder")
    rows: tuple[tuple[Any, ...], ...] = (
        # name, kind and architecture, format, network, batch, loss
        (
            "grouped decoder 1024",
            *(text, "bf16", lambda: GroupedDecoder(16000, 1024, 12, 16, 4, 512)),
            *(tokens(16000, 16, 512), of_tokens),
        ),
        (
            "grouped decoder 640",
            *(text, "tf32", lambda: GroupedDecoder(8000, 640, 8, 10, 2, 256)),
            *(tokens(8000, 16, 256), of_tokens),
        ),
        (
            "parallel decoder 768",
            *(text, "bf16", lambda: ParallelDecoder(8000, 768, 8, 12, 384)),
            *(tokens(8000, 16, 384), of_tokens),
        ),
        (
            "masked encoder 768",
            *(("language", "encoder"), "fp32", lambda: Masked(16000, 768, 8, 12, 256)),
            *(tokens(16000, 32, 256), of_tokens),
        ),
        (
            "vision transformer 576",
            *(("vision", "ViT"), "bf16", lambda: Captioner(576, 12, 9, 224, 14, 200)),
            *(images(64, 224, 200), of_classes),
        ),
        (
            "translator 512",
            *(("language", "encoder-decoder transformer"), "bf16"),
            lambda: Translator(16000, 512, 6, 8),
            *(twice(16000, 64, 64), of_tokens),
        ),
        (
            "squeeze network 128",
            *(("vision", "ResNet"), "tf32", lambda: squeezed(128, 100)),
            *(images(128, 64, 100), of_classes),
        ),
        (
            "stacked convolutions 96",
            *(("vision", "CNN"), "bf16", lambda: stacked((96, 192, 384), 100, 128)),
            *(images(128, 128, 100), of_classes),
        ),
        (
            "dilated convolutions 512",
            *(("language", "CNN"), "tf32", lambda: Dilated(300, 512, 8)),
            *(tokens(300, 16, 1024), of_tokens),
        ),
        (
            "separable network 64",
            *(("vision", "CNN, depthwise"), "fp32", lambda: Separable(64, 200)),
            *(images(128, 160, 200), of_classes),
        ),
        (
            "segmenter 64",
            *(("vision", "U-Net"), "bf16", lambda: Segmenter(64, 12), masks(16, 256, 12)),
            of_classes,
        ),
        (
            "time-shifted denoiser 128",
            *(("diffusion", "U-Net"), "tf32", lambda: Noisy(128), numbers(32, 3, 64, 64)),
            of_numbers,
        ),
        (
            "sensor LSTM 1024",
            *(("other", "LSTM"), "fp32", lambda: Forecaster(64, 1024), numbers(128, 200, 64)),
            of_numbers,
        ),
        (
            "speller GRU 1024",
            *(("language", "GRU"), "bf16", lambda: Speller(200, 1024), tokens(200, 128, 128)),
            of_tokens,
        ),
        (
            "residual perceptron 2048",
            *(("other", "MLP"), "tf32", lambda: Residual(30, 6, 2048, 6, 9)),
            *(table(8192, 30, 6, 9), of_classes),
        ),
        (
            "autoencoder 8192",
            *(("other", "MLP autoencoder"), "bf16"),
            lambda: autoencoder((4096, 8192, 512, 8192, 4096)),
            *(numbers(8192, 4096), of_numbers),
        ),
    )
    return drawn_anew(rows)
