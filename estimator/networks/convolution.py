"""Work of a convolution, and size of its feature maps."""

from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass, field, replace
from itertools import chain
from typing import NamedTuple

import numpy as np

from estimator.core.messages import refuse
from estimator.networks.blocks import Cost, Costs, affine, params_only
from estimator.networks.fields import Fields
from estimator.networks.ledger import Inputs, Quantity, quantity
from estimator.networks.network import Line, Network, Pass, lines, network

BATCH_NORM = 2
"""Parameters per channel of a norm: scale and shift, without running statistics."""


@dataclass(frozen=True)
class Conv:
    """Square convolution with its norm.

    Parameters
    ----------
    inputs, outputs : int
        Channels. [1]
    kernel, stride : int
        Sides in pixels. [pixel]
    padding : int or None
        Pixels added on each side; None keeps the map's size at stride 1. [pixel]
    groups : int
        Number of channel groups; with 1, all inputs are connected [1].
    bias, norm : bool
        Whether there are parameters per output channel for a bias, and for a norm's scale and
        shift.

    >>> stem = Conv(3, 64, kernel=7, stride=2)
    >>> stem.cost().params, float(stem.side(224.0))
    (9536, 112.0)
    """

    inputs: int
    outputs: int
    _: KW_ONLY
    kernel: int = 3
    stride: int = 1
    padding: int | None = None
    groups: int = 1
    bias: bool = False
    norm: bool = True

    def cost(self) -> Cost:
        """Return the cost per output position."""
        weights = self.kernel**2 * (self.inputs // self.groups) * self.outputs
        params = weights + self.outputs * (self.bias + BATCH_NORM * self.norm)
        return Cost(params=params, active_params=params, flop_per_token=2 * weights)

    def side(self, side: Quantity) -> Quantity:
        """Return the side of its output map [pixel]."""
        padding = (self.kernel - 1) // 2 if self.padding is None else self.padding
        return windows(side, self.kernel, self.stride, padding)


def plain(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, padding: int | None = None
) -> Conv:
    """Build a convolution with bias and without norm."""
    bare = Conv(inputs, outputs, kernel=kernel, stride=stride, padding=padding)
    return replace(bare, bias=True, norm=False)


def pointwise(inputs: int, outputs: int) -> Conv:
    """Build a 1x1 convolution with norm."""
    return Conv(inputs, outputs, kernel=1)


def depthwise_conv(channels: int, kernel: int, stride: int) -> Conv:
    """Build a depthwise convolution."""
    return Conv(channels, channels, kernel=kernel, stride=stride, groups=channels)


def windows(side: Quantity, kernel: int, stride: int, padding: int = 0) -> Quantity:
    """Return the number of window positions along a side; refuse if there are none.

    >>> float(windows(224.0, 3, 2, 1))
    112.0
    """
    count: Quantity = np.floor((side + 2.0 * padding - kernel) / stride) + 1.0
    if np.any(np.asarray(count) < 1):
        raise refuse("input_too_small", kernel=kernel)
    return count


class Steps(NamedTuple):
    """Lines of the last step of a flow, and the earlier steps."""

    before: "Steps | None"
    last: tuple[Line, ...]


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Feature maps at one point of a network: their side, and the ledger lines so far.

    A recording is a map of one of `dims`, its side the frames. `text` is the length of what maps
    attend to. Lines are kept step by step, so that a step of a deep network does not copy those
    before it.
    """

    batch: Quantity
    side: Quantity
    dims: int = 2
    text: Quantity = 0.0
    steps: Steps | None = field(default=None, repr=False, compare=False)

    @property
    def lines(self) -> tuple[Line, ...]:
        """Lines so far, in order."""
        found: list[tuple[Line, ...]] = []
        steps = self.steps
        while steps is not None:
            found.append(steps.last)
            steps = steps.before
        return tuple(chain.from_iterable(reversed(found)))

    def with_lines(self, added: Iterable[Line]) -> "Flow":
        """Add lines."""
        return replace(self, steps=Steps(self.steps, tuple(added)))

    def conv(self, name: str, conv: Conv, first: bool = False) -> "Flow":
        """Return the maps after a convolution."""
        side = conv.side(self.side)
        done = lines({name: conv.cost()}, self.batch * side * side, first=first)
        return self.with_lines(done).at(side)

    def convs(self, name: str, convs: Iterable[Conv]) -> "Flow":
        """Apply convolutions in sequence."""
        flow = self
        for conv in convs:
            flow = flow.conv(name, conv)
        return flow

    def beside(self, name: str, conv: Conv) -> "Flow":
        """Add a convolution on a side path, which leaves the maps unchanged."""
        return replace(self, steps=self.conv(name, conv).steps)

    def pool(self, kernel: int, stride: int, padding: int = 0) -> "Flow":
        """Apply pooling, which costs nothing."""
        return self.at(windows(self.side, kernel, stride, padding))

    def layers(
        self,
        costs: Costs,
        positions: Quantity | None = None,
        *,
        pairs: Quantity = 0.0,
        times: int = 1,
        prefix: str = "",
        first: bool = False,
    ) -> "Flow":
        """Add `times` equal layers on `positions` of each image, by default on the whole map.

        `pairs` are those of attention in an image; the rest as in `network.lines`.
        """
        each = self.batch * (self.positions if positions is None else positions)
        pairs = self.batch * pairs
        done = lines(costs, each, pairs=pairs, times=times, prefix=prefix, first=first)
        return self.with_lines(done)

    def attending(
        self, costs: Costs, positions: Quantity | None = None, *, times: int = 1, prefix: str = ""
    ) -> "Flow":
        """Add `times` equal layers on positions that attend to each other."""
        each = self.positions if positions is None else positions
        return self.layers(costs, each, pairs=each * each, times=times, prefix=prefix)

    def dense(self, costs: Costs, positions: Quantity = 1.0) -> "Flow":
        """Add dense layers on one pooled position of each image, or on `positions`."""
        return self.layers(costs, positions)

    def norm(self, channels: int) -> "Flow":
        """Add a norm outside the stages."""
        return self.dense({"norm/outer": params_only(BATCH_NORM * channels)})

    def squeezed(self, name: str, channels: int, narrow: int) -> "Flow":
        """Add squeeze-and-excitation through `narrow` channels (arXiv:1709.01507)."""
        costs = {
            f"{name}/squeeze": affine(channels, narrow),
            f"{name}/excite": affine(narrow, channels),
        }
        return self.dense(costs)

    def scaled(self, factor: float) -> "Flow":
        """Resize the maps, which costs nothing."""
        return self.at(factor * self.side)

    def at(self, side: Quantity) -> "Flow":
        """Set the side of the maps."""
        return replace(self, side=side)

    @property
    def positions(self) -> Quantity:
        """Positions of a map [1]."""
        return self.side if self.dims == 1 else self.side * self.side


def image(inputs: Inputs, default: int) -> tuple[Quantity, Quantity]:
    """Return the batch and side of the images."""
    batch = quantity("batch", inputs.batch)
    side = default if inputs.image_size is None else inputs.image_size
    return batch, quantity("image_size", side)


def flow_network(
    fields: Fields,
    side: int,
    body: Callable[[Flow], Flow],
    notes: tuple[str, ...] = (),
) -> Network:
    """Build the network of a config that passes images of `side` through `body`."""

    def run(inputs: Inputs) -> Pass:
        batch, pixels = image(inputs, side)
        return Pass(lines=body(Flow(batch=batch, side=pixels)).lines, items=batch)

    return network(fields, run, notes, item_unit="image")


def square(fields: Fields, name: str, default: int | None = None) -> int:
    """Read the image side from a config: one number, or two equal ones."""
    value = fields.values.get(name)
    if isinstance(value, list | tuple) and len(value) == 2 and value[0] == value[1]:
        return fields.with_values({name: value[0]}).size(name)
    return fields.size(name, default=default)


def rectangle(fields: Fields, name: str, default: int) -> tuple[int, int]:
    """Read height and width from a config: one number or two."""
    if isinstance(fields.values.get(name), list | tuple):
        high, wide = fields.sizes(name, (default, default), 2)
        return high, wide
    side = fields.size(name, default=default)
    return side, side


def stages(fields: Fields, names: tuple[str, ...]) -> list[tuple[int, ...]]:
    """Return one row per stage from lists of equal length in a config.

    `num_block_repeats` are numbers of layers.

    >>> stages(Fields({"kernels": [2, 4], "widths": [8, 16]}), ("kernels", "widths"))
    [(2, 8), (4, 16)]
    """
    columns: list[list[int]] = []
    for name in names:
        read = fields.layer_counts if name == "num_block_repeats" else fields.sizes
        columns.append(read(name, length=len(columns[0]) if columns else 0))
    return list(zip(*columns, strict=True))


def ratio(fields: Fields, name: str, default: float) -> float:
    """Read a positive number."""
    value = fields.values.get(name)
    if value is None:
        return default
    if type(value) not in (int, float) or not 0 < value < 1e6:
        raise refuse("config_key_positive", key=fields.full_name(name), value=repr(value))
    return float(value)


def positive(fields: Fields, name: str, default: float) -> bool:
    """Return whether a number is positive, which enables a part of a network; null disables it."""
    value = fields.values.get(name, default)
    if type(value) not in (int, float, type(None)):
        raise refuse("config_key_number", key=fields.full_name(name), value=repr(value))
    return value is not None and value > 0
