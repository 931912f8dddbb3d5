"""Training programs in PyTorch, in several styles: none of them is a network of the benchmark."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional

Step = Callable[[], float]

F = functional


def trained(
    model: nn.Module,
    batch: Callable[[], tuple[Any, ...]],
    loss: Callable[..., torch.Tensor],
    *,
    bf16: bool = False,
    clip: bool = False,
    optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.AdamW,
    loaded: bool = False,
) -> Step:
    """Step of a usual loop: batch, forward, loss, backward, clipping, optimizer."""
    chosen = optimizer(model.parameters(), lr=1e-3)
    fixed = batch()

    def step() -> float:
        given = batch() if loaded else fixed
        chosen.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            error = loss(model, *given)
        error.backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        chosen.step()
        return float(error.detach())

    return step


def words(batch: int, length: int, vocabulary: int) -> Callable[[], tuple[Any, ...]]:
    """Random tokens."""
    return lambda: (torch.randint(vocabulary, (batch, length + 1)),)


def pictures(batch: int, edge: int, classes: int = 10) -> Callable[[], tuple[Any, ...]]:
    """Random pictures and classes."""
    return lambda: (torch.randn(batch, 3, edge, edge), torch.randint(classes, (batch,)))


def next_word(model: nn.Module, tokens: Any) -> torch.Tensor:
    """Loss of a language model."""
    logits = model(tokens[:, :-1])
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), tokens[:, 1:].reshape(-1))


def class_error(model: nn.Module, given: Any, wanted: Any) -> torch.Tensor:
    """Loss of a classifier."""
    return F.cross_entropy(model(given), wanted)


class NaiveAttention(nn.Module):
    """Attention written out, with dropout on the weights."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, nn.Dropout(dropout)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        query, key, value = (
            layer(x).view(batch, length, self.heads, -1).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        scores = query @ key.transpose(-2, -1) / (width // self.heads) ** 0.5
        mask = torch.tril(torch.ones(length, length, dtype=torch.bool))
        weights = self.dropout(torch.softmax(scores.masked_fill(~mask, float("-inf")), dim=-1))
        return self.out((weights @ value).transpose(1, 2).reshape(batch, length, width))


class MinimalGpt(nn.Module):
    """In the style of a tutorial: naive attention, dropout everywhere, learned places."""

    def __init__(self, vocabulary: int, width: int, layers: int, heads: int, length: int) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
        self.attention = nn.ModuleList(NaiveAttention(width, heads, 0.1) for _ in range(layers))
        self.perceptrons = nn.ModuleList(
            nn.Sequential(
                nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), nn.Dropout(0.1)
            )
            for _ in range(layers)
        )
        self.first = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.second = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.last, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)
        self.dropout = nn.Dropout(0.1)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.dropout(self.words(tokens) + self.places(torch.arange(tokens.shape[1])))
        parts = zip(self.attention, self.perceptrons, self.first, self.second, strict=True)
        for attention, perceptron, first, second in parts:
            x = x + attention(first(x))
            x = x + perceptron(second(x))
        return self.head(self.last(x))


class RootNorm(nn.Module):
    """Norm by the root mean square, written out."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * x * torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + 1e-6)


def rotated(x: torch.Tensor) -> torch.Tensor:
    """Rotary places."""
    length, width = x.shape[-2:]
    rate = 10000.0 ** (-torch.arange(0, width, 2) / width)
    angle = torch.arange(length)[:, None] * rate
    even, odd = x[..., ::2], x[..., 1::2]
    cos, sin = angle.cos(), angle.sin()
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2)


class LlamaLike(nn.Module):
    """Root norms, rotary places, gated perceptrons, fused attention, fewer key heads."""

    def __init__(self, vocabulary: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.heads, self.size = heads, width // heads
        inner, pairs = 8 * width // 3, width // 2
        self.words = nn.Embedding(vocabulary, width)
        self.layers = nn.ModuleList(
            nn.ModuleDict(
                {
                    "first": RootNorm(width),
                    "second": RootNorm(width),
                    "query": nn.Linear(width, width, bias=False),
                    "key": nn.Linear(width, pairs, bias=False),
                    "value": nn.Linear(width, pairs, bias=False),
                    "out": nn.Linear(width, width, bias=False),
                    "gate": nn.Linear(width, inner, bias=False),
                    "up": nn.Linear(width, inner, bias=False),
                    "down": nn.Linear(inner, width, bias=False),
                }
            )
            for _ in range(layers)
        )
        self.last, self.head = RootNorm(width), nn.Linear(width, vocabulary, bias=False)

    def split(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (-1, self.size)).transpose(1, 2)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.words(tokens)
        for layer in self.layers:
            at = layer["first"](x)
            query, key, value = (self.split(layer[name](at)) for name in ("query", "key", "value"))
            key, value = (one.repeat_interleave(2, dim=1) for one in (key, value))
            query, key = rotated(query).to(value.dtype), rotated(key).to(value.dtype)
            seen = F.scaled_dot_product_attention(query, key, value, is_causal=True)
            x = x + layer["out"](seen.transpose(1, 2).flatten(2))
            at = layer["second"](x)
            x = x + layer["down"](F.silu(layer["gate"](at)) * layer["up"](at))
        return self.head(self.last(x))


class LibraryEncoder(nn.Module):
    """PyTorch's own encoder layers, for masked words."""

    def __init__(self, vocabulary: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(self.words(tokens)))


class Translator(nn.Module):
    """PyTorch's own encoder and decoder."""

    def __init__(self, vocabulary: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        self.body = nn.Transformer(width, heads, layers, layers, 4 * width, batch_first=True)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.words(tokens)
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1])
        return self.head(self.body(x, x, tgt_mask=mask, tgt_is_causal=True))


class VisionTransformer(nn.Module):
    """Patches, a class token, PyTorch's own layers, pre-norm."""

    def __init__(self, edge: int, patch: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.places = nn.Parameter(torch.zeros(1, (edge // patch) ** 2 + 1, width))
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, 0.1, F.gelu, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(len(x), -1, -1), x), dim=1) + self.places
        return self.head(self.encoder(x)[:, 0])


def convolved(before: int, after: int, size: int = 3, **more: Any) -> nn.Sequential:
    """Convolution, batch norm, rectifier."""
    layer = nn.Conv2d(before, after, size, padding=size // 2, bias=False, **more)
    return nn.Sequential(layer, nn.BatchNorm2d(after), nn.ReLU(inplace=True))


class Residual(nn.Module):
    """Something added to its input."""

    def __init__(self, *layers: nn.Module, short: nn.Module | None = None) -> None:
        super().__init__()
        self.layers, self.short = nn.Sequential(*layers), short or nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x) + self.short(x)


def bottleneck(before: int, width: int, stride: int) -> nn.Module:
    """Three convolutions, two of them of one pixel."""
    after = 4 * width
    short = None
    if before != after or stride > 1:
        short = nn.Sequential(
            nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)
        )
    body = Residual(
        convolved(before, width, 1),
        convolved(width, width, 3, stride=stride),
        nn.Conv2d(width, after, 1, bias=False),
        nn.BatchNorm2d(after),
        short=short,
    )
    return nn.Sequential(body, nn.ReLU(inplace=True))


def bottleneck_network(width: int) -> nn.Module:
    """Build a small network of bottlenecks."""
    layers: list[nn.Module] = [convolved(3, width)]
    before = width
    for stage in range(3):
        for block in range(2):
            inner = width * 2**stage
            layers.append(bottleneck(before, inner, 2 if stage and not block else 1))
            before = 4 * inner
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10))


def grouped_network(width: int) -> nn.Module:
    """Residual blocks with group norm and SiLU, in three stages."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1)]
    for stage in range(3):
        at = width * 2**stage
        layers += [
            Residual(
                nn.GroupNorm(8, at),
                nn.SiLU(),
                nn.Conv2d(at, at, 3, padding=1),
                nn.GroupNorm(8, at),
                nn.SiLU(),
                nn.Dropout(0.1),
                nn.Conv2d(at, at, 3, padding=1),
            ),
            nn.Conv2d(at, 2 * at, 3, 2, padding=1),
        ]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8 * width, 10))


def inverted(before: int, after: int, stride: int) -> nn.Module:
    """Widen, convolve channel by channel, narrow."""
    inner = 4 * before
    layers = [
        convolved(before, inner, 1),
        convolved(inner, inner, 3, stride=stride, groups=inner),
        nn.Conv2d(inner, after, 1, bias=False),
        nn.BatchNorm2d(after),
    ]
    return Residual(*layers) if before == after and stride == 1 else nn.Sequential(*layers)


def mobile_network(width: int) -> nn.Module:
    """Build a small network of inverted residuals."""
    return nn.Sequential(
        convolved(3, width, 3, stride=2),
        *(inverted(width, width, 1), inverted(width, 2 * width, 2)),
        *(inverted(2 * width, 2 * width, 1), inverted(2 * width, 4 * width, 2)),
        *(inverted(4 * width, 4 * width, 1), inverted(4 * width, 4 * width, 1)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, 10)),
    )


class LastNorm(nn.Module):
    """Layer norm over channels, which come second."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def next_network(width: int) -> nn.Module:
    """Large depthwise kernels and wide perceptrons of one pixel, as in ConvNeXt."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 4), LastNorm(width)]
    for stage in range(2):
        at = width * 2**stage
        layers += [
            Residual(
                nn.Conv2d(at, at, 7, padding=3, groups=at),
                LastNorm(at),
                nn.Conv2d(at, 4 * at, 1),
                nn.GELU(),
                nn.Conv2d(4 * at, at, 1),
            )
            for _ in range(3)
        ]
        layers += [LastNorm(at), nn.Conv2d(at, 2 * at, 2, 2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, 10))


def plain_network(width: int) -> nn.Module:
    """Convolutions, pooling and wide linear layers, as in VGG."""
    layers: list[nn.Module] = []
    before = 3
    for stage in range(3):
        at = width * 2**stage
        layers += [
            nn.Conv2d(before, at, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(at, at, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
        before = at
    return nn.Sequential(
        *layers,
        nn.Flatten(),
        nn.Linear(before * 16, 512),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(512, 10),
    )


class SmallUnet(nn.Module):
    """Two levels, group norms, a time embedding added in each block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        sizes = (width, 2 * width, 4 * width)
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.down = nn.ModuleList(self.block(one, one) for one in sizes[:2])
        self.halve = nn.ModuleList(nn.Conv2d(one, 2 * one, 3, 2, padding=1) for one in sizes[:2])
        self.middle = self.block(4 * width, 4 * width)
        self.grow = nn.ModuleList(nn.ConvTranspose2d(2 * one, one, 2, 2) for one in sizes[1::-1])
        self.up = nn.ModuleList(self.block(2 * one, one) for one in sizes[1::-1])
        self.last = nn.Conv2d(width, 3, 1)

    @staticmethod
    def block(before: int, after: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(before, after, 3, padding=1),
            nn.GroupNorm(8, after),
            nn.SiLU(),
            nn.Conv2d(after, after, 3, padding=1),
            nn.GroupNorm(8, after),
            nn.SiLU(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x, kept = self.first(x), []
        for block, halve in zip(self.down, self.halve, strict=True):
            x = block(x)
            kept.append(x)
            x = halve(x)
        x = self.middle(x)
        for grow, block in zip(self.grow, self.up, strict=True):
            x = block(torch.cat((grow(x), kept.pop()), dim=1))
        return self.last(x)


def noise_error(model: nn.Module, given: Any, wanted: Any) -> torch.Tensor:
    """Loss of a denoiser."""
    noise = torch.randn_like(given)
    return F.mse_loss(model(given + noise).float(), noise)


class RecurrentLanguage(nn.Module):
    """Embedding, LSTM or GRU, head."""

    def __init__(self, cell: type, vocabulary: int, width: int, layers: int) -> None:
        super().__init__()
        self.words, self.head = nn.Embedding(vocabulary, width), nn.Linear(width, vocabulary)
        self.body = cell(width, width, layers, batch_first=True, dropout=0.1 if layers > 1 else 0)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(self.words(tokens))[0])


class SeriesGru(nn.Module):
    """A GRU in two directions that classifies series."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.body = nn.GRU(features, width, 1, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x)[0].mean(1))


def classifier(sizes: tuple[int, ...], *, norm: bool = True, dropout: float = 0.0) -> nn.Module:
    """Perceptron with batch norm and dropout."""
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes[:-1]):
        layers += [nn.Linear(before, after)]
        layers += [nn.BatchNorm1d(after)] if norm else []
        layers += [nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


def vectors(batch: int, width: int, classes: int) -> Callable[[], tuple[Any, ...]]:
    """Random vectors and classes."""
    return lambda: (torch.randn(batch, width), torch.randint(classes, (batch,)))
