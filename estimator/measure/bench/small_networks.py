"""Small networks that the benchmark trains with PyTorch, and the work of a step.

Scaled-down versions of common networks. PyTorch is passed in, as it is not a dependency.
"""

from typing import Any

VOCABULARY, HEAD_WIDTH = 2048, 64
BLOCKS_OF_A_STAGE, STAGES, CLASSES = 2, 4, 100
DEPTH = 4


def decoder_flop(*, layers: int, width: int, length: int, batch: int) -> float:
    """FLOPs of one training step of the decoder, with full attention [FLOP].

    >>> decoder_flop(layers=1, width=64, length=1, batch=1) == 6 * 12 * 64**2 + 12 * 64 + 6 * 131072
    True
    """
    tokens = float(batch * length)
    per_token = 12 * layers * width**2 + 2 * layers * width * length + VOCABULARY * width
    return 6.0 * tokens * per_token


def convolution_work(*, channels: int, edge: int, batch: int) -> tuple[float, float]:
    """FLOPs of one training step of the residual network [FLOP], and its parameters [1].

    The first convolution has no input gradient.
    """
    forward = first = 2.0 * 27 * channels * edge**2
    params = 27.0 * channels + 2 * channels
    before = channels
    for stage in range(STAGES):
        width, pixels = channels * 2**stage, (-(-edge // 2**stage)) ** 2
        for block in range(BLOCKS_OF_A_STAGE):
            entering = before if block == 0 else width
            weights = 9.0 * entering * width + 9.0 * width**2
            weights += entering * width if entering != width else 0
            forward += 2.0 * weights * pixels
            params += weights + (4 if entering == width else 6) * width
        before = width
    forward += 2.0 * before * CLASSES
    params += before * CLASSES + CLASSES
    return batch * (3.0 * forward - first), params


def perceptron(torch: Any, width: int) -> Any:
    """Build square layers with a ReLU between them."""
    layers: list[Any] = []
    for _ in range(DEPTH):
        layers += [torch.nn.Linear(width, width, bias=False), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def decoder(torch: Any, layers: int, width: int, length: int) -> Any:
    """Build a GPT-2 without biases: learned positions, pre-norms."""
    nn = torch.nn

    class DecoderBlock(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.heads = max(1, width // HEAD_WIDTH)
            self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
            self.mixed = nn.Linear(width, 3 * width, bias=False)
            self.out = nn.Linear(width, width, bias=False)
            self.up = nn.Linear(width, 4 * width, bias=False)
            self.down = nn.Linear(4 * width, width, bias=False)

        def forward(self, stream: Any) -> Any:
            parts = self.mixed(self.before(stream)).chunk(3, dim=-1)
            query, key, value = (
                part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts
            )
            seen = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
            stream = stream + self.out(seen.transpose(1, 2).flatten(2))
            return stream + self.down(nn.functional.gelu(self.up(self.between(stream))))

    class SmallDecoder(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(VOCABULARY, width)
            self.places = nn.Parameter(torch.zeros(length, width))
            self.blocks = nn.Sequential(*(DecoderBlock() for _ in range(layers)))
            self.after = nn.LayerNorm(width)
            self.head = nn.Linear(width, VOCABULARY, bias=False)

        def forward(self, words: Any) -> Any:
            return self.head(self.after(self.blocks(self.words(words) + self.places)))

    return SmallDecoder()


def residual_network(torch: Any, channels: int) -> Any:
    """Build stages of two residual blocks, each with half the edge and twice the channels."""
    nn = torch.nn

    def convolved(before: int, after: int, size: int, stride: int) -> list[Any]:
        layer = nn.Conv2d(before, after, size, stride, padding=size // 2, bias=False)
        return [layer, nn.BatchNorm2d(after)]

    class ResidualBlock(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self, before: int, after: int, stride: int) -> None:
            super().__init__()
            self.deep = nn.Sequential(
                *convolved(before, after, 3, stride), nn.ReLU(), *convolved(after, after, 3, 1)
            )
            same = before == after and stride == 1
            short = [] if same else convolved(before, after, 1, stride)
            self.short = nn.Sequential(*short)

        def forward(self, values: Any) -> Any:
            return nn.functional.relu(self.deep(values) + self.short(values))

    layers, before = [*convolved(3, channels, 3, 1), nn.ReLU()], channels
    for stage in range(STAGES):
        after = channels * 2**stage
        for block in range(BLOCKS_OF_A_STAGE):
            layers.append(ResidualBlock(before, after, 2 if stage and not block else 1))
            before = after
    pooled = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, CLASSES)]
    return nn.Sequential(*layers, *pooled)
