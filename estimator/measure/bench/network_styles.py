"""How else do people write the networks that the benchmark trains: a second style of each family.

The same work takes different times by how it is written: attention spelled out or fused, dropout,
norms, convolutions of one pixel, recurrent layers. What the styles of a family differ by on a
machine is what an unseen program of that family may differ by. PyTorch is handed in.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from estimator.measure.bench.small_networks import CLASSES, VOCABULARY, decoder_flop
from estimator.measure.bench.workloads import perceptron_flop

DROPOUT = 0.1

PERCEPTRON_LAYERS = 4
"""Linear layers of the perceptron [1]."""

HELD_WIDTHS = 60.0
"""Values held per item and layer over its width, roughly [1]."""


@dataclass(frozen=True, kw_only=True)
class Style:
    """One way of writing one family of networks.

    Parameters
    ----------
    name : str
        For people, and what tells programs apart.
    kind, arch : str
        As in `Timing`.
    data : str
        What it is fed.
    shapes : tuple of tuple of int
        Sizes from small to large: arguments of `build`, then the batch; of words and pictures the
        last argument of `build` is the sequence length or the edge.
    build : callable
        Makes the network from PyTorch and a shape without its batch.
    flop_per_pixel : tuple of float
        FLOPs of a step per pixel of the pictures over the square of the channels, and over the
        channels, as PyTorch counts them; the head aside [FLOP].
    gates : int
        Products of a recurrent layer over those of a plain one; 0 of others [1].
    """

    name: str
    kind: str
    arch: str
    data: Literal["words", "pictures", "images", "vectors"]
    shapes: tuple[tuple[int, ...], ...]
    build: Callable[..., Any]
    flop_per_pixel: tuple[float, float] = (0.0, 0.0)
    gates: int = 0

    def flop(self, shape: tuple[int, ...]) -> float:
        """FLOPs of one step of training, attention in full [FLOP]."""
        *size, batch = shape
        if self.data == "vectors":
            return perceptron_flop(size[0], PERCEPTRON_LAYERS, batch)
        if self.data == "words":
            layers, width, length = size
            if not self.gates:
                return decoder_flop(layers=layers, width=width, length=length, batch=batch)
            per_token = 2.0 * self.gates * layers * width**2 + VOCABULARY * width
            return 6.0 * batch * length * per_token
        channels, edge = size
        square, linear = self.flop_per_pixel
        return batch * edge**2 * (square * channels**2 + linear * channels)

    def held_bytes(self, shape: tuple[int, ...]) -> float:
        """Memory of a step, roughly: for the question whether it fits [B]."""
        *size, batch = shape
        if self.data == "vectors":
            return 64.0 * size[0] ** 2 + 64.0 * batch * size[0]
        if self.data == "words":
            layers, width, length = size
            scores = 8.0 * layers * max(1, width // 32) * length if not self.gates else 0.0
            values = HELD_WIDTHS * layers * width + scores + 4 * VOCABULARY
            return 16.0 * (12 * layers * width**2 + 2 * VOCABULARY * width) + 4.0 * (
                batch * length * values
            )
        channels, edge = size
        return 4.0 * HELD_WIDTHS * batch * channels * edge**2 + 16.0 * 1000 * channels**2


def written_out_decoder(torch: Any, layers: int, width: int, length: int) -> Any:
    """Build a decoder whose attention is written out, with biases and dropout."""
    nn = torch.nn

    class Block(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.heads = max(1, width // 32)
            self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
            self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
            self.out, self.dropout = nn.Linear(width, width), nn.Dropout(DROPOUT)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, stream: Any) -> Any:
            at = self.before(stream)
            query, key, value = (
                layer(at).unflatten(-1, (self.heads, -1)).transpose(1, 2)
                for layer in (self.query, self.key, self.value)
            )
            scores = query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5)
            later = torch.ones(length, length, dtype=torch.bool, device=stream.device).triu(1)
            shares = self.dropout(scores.masked_fill(later, float("-inf")).softmax(-1))
            stream = stream + self.dropout(self.out((shares @ value).transpose(1, 2).flatten(2)))
            inner = nn.functional.relu(self.up(self.between(stream)))
            return stream + self.dropout(self.down(inner))

    return _of_words(torch, nn.Sequential(*(Block() for _ in range(layers))), width)


def library_encoder(torch: Any, layers: int, width: int, length: int) -> Any:
    """Build an encoder of PyTorch's own layers, norms after each part, with dropout."""
    nn = torch.nn
    heads = max(1, width // 48)
    layer = nn.TransformerEncoderLayer(width, heads, 4 * width, DROPOUT, batch_first=True)
    return _of_words(torch, nn.TransformerEncoder(layer, layers, enable_nested_tensor=False), width)


def fused_encoder(torch: Any, layers: int, width: int, length: int) -> Any:
    """Build an encoder with fused attention, norms before each part, no dropout."""
    nn = torch.nn
    heads = max(1, width // 48)
    layer = nn.TransformerEncoderLayer(
        width, heads, 4 * width, 0.0, nn.functional.gelu, batch_first=True, norm_first=True
    )
    return _of_words(torch, nn.TransformerEncoder(layer, layers, enable_nested_tensor=False), width)


def lstm(torch: Any, layers: int, width: int, length: int) -> Any:
    """Build layers of LSTM."""
    return _of_words(torch, _first_of(torch, torch.nn.LSTM, layers, width), width)


def gru(torch: Any, layers: int, width: int, length: int) -> Any:
    """Build layers of GRU."""
    return _of_words(torch, _first_of(torch, torch.nn.GRU, layers, width), width)


def _first_of(torch: Any, cell: Any, layers: int, width: int) -> Any:
    """A recurrent layer that returns its outputs alone."""

    class Outputs(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.body = cell(width, width, layers, batch_first=True)

        def forward(self, values: Any) -> Any:
            return self.body(values)[0]

    return Outputs()


def _of_words(torch: Any, body: Any, width: int) -> Any:
    """Embedding, body, head."""
    nn = torch.nn
    return nn.Sequential(nn.Embedding(VOCABULARY, width), body, nn.Linear(width, VOCABULARY))


def bottleneck_network(torch: Any, channels: int, edge: int) -> Any:
    """Build residual blocks of one, three and one pixels, with group norms and SiLU."""
    nn = torch.nn

    def normed(before: int, after: int, size: int, stride: int = 1) -> list[Any]:
        layer = nn.Conv2d(before, after, size, stride, padding=size // 2)
        return [layer, nn.GroupNorm(4, after), nn.SiLU()]

    layers, before = normed(3, channels, 3), channels
    for stage in range(3):
        inner = channels * 2**stage
        for block in range(2):
            stride = 2 if stage and not block else 1
            body = [*normed(before, inner, 1), *normed(inner, inner, 3, stride)]
            layers.append(_added(torch, [*body, *normed(inner, 3 * inner, 1)], before, 3 * inner))
            before = 3 * inner
    return nn.Sequential(*layers, *_classes(nn, before))


def inverted_network(torch: Any, channels: int, edge: int) -> Any:
    """Build blocks that widen, convolve channel by channel, and narrow; batch norms."""
    nn = torch.nn

    def normed(before: int, after: int, size: int, stride: int = 1, groups: int = 1) -> list[Any]:
        layer = nn.Conv2d(before, after, size, stride, padding=size // 2, groups=groups, bias=False)
        return [layer, nn.BatchNorm2d(after)]

    layers, before = [*normed(3, channels, 3, 2), nn.ReLU6()], channels
    for stage in range(3):
        after = channels * 2**stage
        for block in range(2):
            wide, stride = 6 * before, 2 if stage and not block else 1
            body = [*normed(before, wide, 1), nn.ReLU6(), *normed(wide, wide, 3, stride, wide)]
            body += [nn.ReLU6(), *normed(wide, after, 1)]
            layers.append(_added(torch, body, before, after, same=stride == 1 and before == after))
            before = after
    return nn.Sequential(*layers, *_classes(nn, before))


def wide_kernel_network(torch: Any, channels: int, edge: int) -> Any:
    """Build blocks of a depthwise convolution of five pixels and two of one; group norms."""
    nn = torch.nn
    layers: list[Any] = [nn.Conv2d(3, channels, 2, 2)]
    for stage in range(2):
        at = channels * 2**stage
        for _ in range(2):
            body = [nn.Conv2d(at, at, 5, padding=2, groups=at), nn.GroupNorm(1, at)]
            body += [nn.Conv2d(at, 3 * at, 1), nn.GELU(), nn.Conv2d(3 * at, at, 1)]
            layers.append(_added(torch, body, at, at))
        layers.append(nn.Conv2d(at, 2 * at, 2, 2))
    return nn.Sequential(*layers, *_classes(nn, 4 * channels))


def grouped_unet(torch: Any, channels: int, edge: int) -> Any:
    """Build a U-Net of group norms and SiLU, two convolutions a level, nearest upsampling."""
    nn = torch.nn
    return _unet(torch, channels, lambda width: [nn.GroupNorm(4, width), nn.SiLU()])


def plain_unet(torch: Any, channels: int, edge: int) -> Any:
    """Build a U-Net of batch norms and rectifiers."""
    nn = torch.nn
    return _unet(torch, channels, lambda width: [nn.BatchNorm2d(width), nn.ReLU()])


def _unet(torch: Any, channels: int, normed: Callable[[int], list[Any]]) -> Any:
    nn = torch.nn

    def block(before: int, after: int) -> Any:
        layers = [nn.Conv2d(before, after, 3, padding=1), *normed(after)]
        return nn.Sequential(*layers, nn.Conv2d(after, after, 3, padding=1), *normed(after))

    class Level(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self, width: int, depth: int) -> None:
            super().__init__()
            self.down, self.halve = block(width, width), nn.AvgPool2d(2)
            inner = [Level(2 * width, depth - 1)] if depth > 1 else [block(2 * width, 2 * width)]
            self.inner = nn.Sequential(nn.Conv2d(width, 2 * width, 1), *inner)
            self.grow = nn.Upsample(scale_factor=2)
            self.up = block(3 * width, width)

        def forward(self, values: Any) -> Any:
            kept = self.down(values)
            grown = self.grow(self.inner(self.halve(kept)))
            return self.up(torch.cat((kept, grown), dim=1))

    return nn.Sequential(
        nn.Conv2d(3, channels, 3, padding=1), Level(channels, 2), nn.Conv2d(channels, 3, 1)
    )


def dropped_perceptron(torch: Any, width: int) -> Any:
    """Build three layers with biases, batch norms and dropout, and a head of classes."""
    nn = torch.nn
    layers: list[Any] = []
    for _ in range(PERCEPTRON_LAYERS - 1):
        layers += [nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(DROPOUT)]
    return nn.Sequential(*layers, nn.Linear(width, width))


def _added(torch: Any, body: list[Any], before: int, after: int, *, same: bool = False) -> Any:
    """A body, added to its input where their shapes are the same."""
    adds = same or (before == after and not any(getattr(one, "stride", 1) == 2 for one in body))

    class Added(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.body = torch.nn.Sequential(*body)

        def forward(self, values: Any) -> Any:
            return self.body(values) + values if adds else self.body(values)

    return Added()


def _classes(nn: Any, width: int) -> list[Any]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, CLASSES)]


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
    *((8, 24, 4), (8, 32, 16), (16, 32, 16), (24, 48, 16), (32, 64, 16), (64, 96, 32)),
    *((96, 160, 64), (128, 224, 128)),
)
VECTORS = (
    # width, batch
    *((192, 64), (384, 128), (768, 256), (1536, 512), (3072, 1024), (6144, 4096), (12288, 8192)),
)

STYLES = (
    Style(
        name="decoder, attention written out",
        kind="language",
        arch="dense decoder",
        data="words",
        shapes=SEQUENCES,
        build=written_out_decoder,
    ),
    Style(
        name="encoder of library layers",
        kind="language",
        arch="encoder",
        data="words",
        shapes=SEQUENCES,
        build=library_encoder,
    ),
    Style(
        name="encoder, fused attention",
        kind="language",
        arch="encoder",
        data="words",
        shapes=SEQUENCES,
        build=fused_encoder,
    ),
    Style(
        name="LSTM",
        kind="language",
        arch="LSTM",
        data="words",
        shapes=RECURRENT,
        build=lstm,
        gates=4,
    ),
    Style(
        name="GRU",
        kind="language",
        arch="GRU",
        data="words",
        shapes=RECURRENT,
        build=gru,
        gates=3,
    ),
    Style(
        name="bottlenecks, group norm",
        kind="vision",
        arch="CNN",
        data="pictures",
        shapes=PICTURES,
        build=bottleneck_network,
        flop_per_pixel=(564.0, 109.7578125),
    ),
    Style(
        name="inverted residuals",
        kind="vision",
        arch="CNN, depthwise",
        data="pictures",
        shapes=PICTURES,
        build=inverted_network,
        flop_per_pixel=(99.0, 280.7109375),
    ),
    Style(
        name="wide depthwise kernels",
        kind="vision",
        arch="CNN, depthwise",
        data="pictures",
        shapes=PICTURES,
        build=wide_kernel_network,
        flop_per_pixel=(42.0, 125.0859375),
    ),
    Style(
        name="U-Net, group norm",
        kind="diffusion",
        arch="U-Net",
        data="images",
        shapes=PICTURES,
        build=grouped_unet,
        flop_per_pixel=(762.0, 126.0),
    ),
    Style(
        name="U-Net, batch norm",
        kind="diffusion",
        arch="U-Net",
        data="images",
        shapes=PICTURES,
        build=plain_unet,
        flop_per_pixel=(762.0, 126.0),
    ),
    Style(
        name="perceptron with dropout",
        kind="other",
        arch="perceptron",
        data="vectors",
        shapes=VECTORS,
        build=dropped_perceptron,
    ),
)
