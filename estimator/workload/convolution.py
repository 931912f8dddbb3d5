"""How much work a convolution is, and how large the feature maps are that it leaves."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from estimator.workload.blocks import Cost, Costs, held
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, Quantity, quantity
from estimator.workload.network import Line, lines

BATCH_NORM = 2
"""Parameters per channel of a norm: scale and shift; running statistics are not parameters."""


@dataclass(frozen=True, kw_only=True)
class Conv:
    """A square convolution, and the norm behind it.

    Parameters
    ----------
    inputs, outputs : int
        Channels. [1]
    kernel, stride, dilation : int
        Sides in pixels. [pixel]
    padding : int or None
        Pixels added on each side; None keeps the map's size at stride 1. [pixel]
    groups : int
        Channels are convolved in so many groups, all inputs each if 1. [1]
    bias, norm : bool
        Parameters per output channel: one, and scale and shift of a norm.

    >>> stem = Conv(inputs=3, outputs=64, kernel=7, stride=2)
    >>> stem.cost().params, float(stem.side(224.0))
    (9536, 112.0)
    """

    inputs: int
    outputs: int
    kernel: int = 3
    stride: int = 1
    padding: int | None = None
    groups: int = 1
    bias: bool = False
    norm: bool = True
    dilation: int = 1

    def cost(self) -> Cost:
        """Cost per output position."""
        weights = self.kernel**2 * (self.inputs // self.groups) * self.outputs
        params = weights + self.outputs * (self.bias + BATCH_NORM * self.norm)
        return Cost(params=params, active_params=params, flop_per_token=2 * weights)

    def side(self, side: Quantity) -> Quantity:
        """Side of the map that it leaves [pixel]."""
        reach = self.dilation * (self.kernel - 1)
        padding = reach // 2 if self.padding is None else self.padding
        return windows(side, reach + 1, self.stride, padding)


def windows(side: Quantity, kernel: int, stride: int, padding: int = 0) -> Quantity:
    """Positions of a window along a side, refused where there is none.

    >>> float(windows(224.0, 3, 2, 1))
    112.0
    """
    count: Quantity = np.floor((side + 2.0 * padding - kernel) / stride) + 1.0
    if np.any(np.asarray(count) < 1):
        raise ValueError(f"the input is too small for the network: a window of {kernel} finds none")
    return count


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Feature maps on their way through a network: their side, and the lines so far.

    Where norms are frozen, they are no parameters.
    """

    batch: Quantity
    side: Quantity
    lines: tuple[Line, ...] = ()
    frozen: bool = False

    def conv(self, name: str, conv: Conv, first: bool = False) -> "Flow":
        """After a convolution."""
        conv = replace(conv, norm=conv.norm and not self.frozen)
        side = conv.side(self.side)

        done = (*self.lines, *lines({name: conv.cost()}, self.batch * side * side, first=first))
        return replace(self, side=side, lines=done)

    def convs(self, name: str, convs: Iterable[Conv]) -> "Flow":
        """After convolutions one behind the other."""
        flow = self
        for conv in convs:
            flow = flow.conv(name, conv)
        return flow

    def beside(self, name: str, conv: Conv) -> "Flow":
        """With a convolution on a side path, which leaves the maps as they are."""
        return replace(self, lines=self.conv(name, conv).lines)

    def pool(self, kernel: int, stride: int, padding: int = 0) -> "Flow":
        """After pooling, which costs nothing."""
        return replace(self, side=windows(self.side, kernel, stride, padding))

    def dense(self, costs: Costs, positions: Quantity | None = None) -> "Flow":
        """With dense layers on `positions` of each image, on one pooled position if None."""
        return replace(
            self,
            lines=(
                *self.lines,
                *lines(costs, self.batch * (1.0 if positions is None else positions)),
            ),
        )

    def norm(self, channels: int) -> "Flow":
        """With a norm outside the stages."""
        return self.dense({"norm/outer": held(BATCH_NORM * channels)})

    @property
    def positions(self) -> Quantity:
        """Positions of a map [1]."""
        return self.side * self.side


def image(inputs: Inputs, default: int) -> tuple[Quantity, Quantity]:
    """Batch and side of the images."""
    batch = quantity("batch", inputs.batch)
    side = default if inputs.image_size is None else inputs.image_size
    return batch, quantity("image_size", side)


def square(fields: Fields, name: str, default: int) -> int:
    """A side that a config states as one number, or as two equal ones."""
    value = fields.values.get(name)
    if isinstance(value, list | tuple) and len(value) == 2 and value[0] == value[1]:
        return Fields({name: value[0]}, path=fields.path).size(name)
    return fields.size(name, default=default)


def sizes(fields: Fields, name: str, default: tuple[int, ...], length: int = 0) -> list[int]:
    """A list of whole numbers, `length` of them if given."""
    stated = fields.items(name)
    if stated is None:
        stated = list(default)
    if length and len(stated) != length:
        raise ValueError(
            f"{fields.path}{name} must have {length} items, one per stage, got {len(stated)}"
        )
    return [
        Fields({f"{name}[{place}]": item}, path=fields.path).size(f"{name}[{place}]")
        for place, item in enumerate(stated)
    ]


def ratio(fields: Fields, name: str, default: float) -> float:
    """A positive number."""
    value = fields.values.get(name)
    if value is None:
        return default
    if type(value) not in (int, float) or not 0 < value < 1e6:
        raise ValueError(f"{fields.path}{name} must be a positive number, got {value!r}")
    return float(value)
