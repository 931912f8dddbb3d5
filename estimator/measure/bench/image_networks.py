"""Image networks in several styles.

PyTorch is passed in, as it is not a dependency.
"""

from typing import Any

from estimator.measure.bench.small_networks import CLASSES


def bottleneck_network(torch: Any, channels: int, edge: int) -> Any:
    """Build residual blocks of 1x1, 3x3 and 1x1 convolutions, with group norms and SiLU."""
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


def paired_network(torch: Any, channels: int, edge: int) -> Any:
    """Build pairs of convolutions with ReLUs, each pair before a max pool."""
    nn = torch.nn
    layers, before = [], 3
    for stage in range(3):
        after = channels * 2**stage
        for entering in (before, after):
            layers += [nn.Conv2d(entering, after, 3, padding=1), nn.ReLU()]
        layers.append(nn.MaxPool2d(2))
        before = after
    return nn.Sequential(*layers, *_classes(nn, before))


def inverted_network(torch: Any, channels: int, edge: int) -> Any:
    """Build inverted residual blocks with depthwise convolutions and batch norms."""
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


def unet(torch: Any, channels: int, edge: int) -> Any:
    """Build a U-Net with two convolutions per level, group norms, SiLU and nearest upsampling."""
    nn = torch.nn

    def normed(width: int) -> list[Any]:
        return [nn.GroupNorm(4, width), nn.SiLU()]

    def block(before: int, after: int) -> Any:
        layers = [nn.Conv2d(before, after, 3, padding=1), *normed(after)]
        return nn.Sequential(*layers, nn.Conv2d(after, after, 3, padding=1), *normed(after))

    class PyramidLevel(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self, width: int, depth: int) -> None:
            super().__init__()
            self.down, self.halve = block(width, width), nn.AvgPool2d(2)
            inner = (
                [PyramidLevel(2 * width, depth - 1)] if depth > 1 else [block(2 * width, 2 * width)]
            )
            self.inner = nn.Sequential(nn.Conv2d(width, 2 * width, 1), *inner)
            self.grow = nn.Upsample(scale_factor=2)
            self.up = block(3 * width, width)

        def forward(self, values: Any) -> Any:
            kept = self.down(values)
            grown = self.grow(self.inner(self.halve(kept)))
            return self.up(torch.cat((kept, grown), dim=1))

    return nn.Sequential(
        nn.Conv2d(3, channels, 3, padding=1), PyramidLevel(channels, 2), nn.Conv2d(channels, 3, 1)
    )


def _added(torch: Any, body: list[Any], before: int, after: int, *, same: bool = False) -> Any:
    """Wrap a body with a residual connection where shapes match."""
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
