"""Long arrays by the cache-full: the same function, block after block.

A chain of numpy operations over a million scenarios spends its time on moving temporaries through
main memory; in blocks that fit the cache the same operations run several times faster.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from estimator.uncertainty import Number, Uncertain

BLOCK = 15_000
"""Scenarios in a block [1]: 120 kB an array, so that a chain of them fits the cache, and below the
128 kB from which the C library maps fresh pages for every array."""

PLAIN = (float, int, str, type(None))

Key = tuple[str, str]
"""A quantity and one of its doubts."""


def common_length(*inputs: Any) -> int:
    """Length of the arrays in some dataclasses if all are of one dimension and length, else 0.

    >>> common_length(Uncertain(np.ones(5), {"x": 0.1}), Uncertain(2.0))
    5
    """
    shapes = {array.shape for item in inputs for array in _arrays(item)} - {()}
    if len(shapes) != 1:
        return 0
    (shape,) = shapes
    return int(shape[0]) if len(shape) == 1 else 0


def part_of(item: Any, block: Any) -> Any:
    """Same dataclass with every array cut to the block: a slice, or whatever else indexes them."""
    if isinstance(item, np.ndarray):
        return item[block] if item.ndim else item
    if isinstance(item, Uncertain):
        loadings = {name: part_of(load, block) for name, load in item.loadings.items()}
        return Uncertain(part_of(item.mid, block), loadings)
    if is_dataclass(item) and not isinstance(item, type):
        cut = {field.name: part_of(getattr(item, field.name), block) for field in fields(item)}
        return replace(item, **cut)
    return item


def by_blocks(
    function: Callable[[slice], Mapping[str, Uncertain]], length: int
) -> dict[str, Uncertain]:
    """Call a function on every block and join its quantities again.

    Parameters
    ----------
    function : callable
        Block -> quantities, the same names for every block.
    length : int
        Scenarios in all [1].
    """
    blocks = [slice(start, min(start + BLOCK, length)) for start in range(0, length, BLOCK)]
    first = function(blocks[0])
    long, copied = _laid_out(first, length)
    for block in blocks:
        numbers = _by_key(function(block) if block.start else first)
        for key in copied:
            long[key][block] = numbers[key]
    return {
        name: Uncertain(
            long.get((name, ""), value.mid),
            {source: long.get((name, source), load) for source, load in value.loadings.items()},
        )
        for name, value in first.items()
    }


def _laid_out(
    first: Mapping[str, Uncertain], length: int
) -> tuple[dict[Key, npt.NDArray[np.float64]], list[Key]]:
    """Memory for every array of a result, and the keys to copy.

    Quantities that share an array in one block (a doubt of the power is one of the energy, too)
    share it in the whole; a part of an array that was given is that array, and not copied. All is
    asked of the system at once, which is several times quicker than array by array.
    """
    long: dict[Key, npt.NDArray[np.float64]] = {}
    owners: dict[int, Key] = {}
    sharing: dict[Key, Key] = {}
    for key, number in _by_key(first).items():
        given = getattr(number, "base", None)
        if given is not None and np.shape(given) == (length,):
            long[key] = given
        elif np.ndim(number):
            sharing[key] = owners.setdefault(id(number), key)
    copied = list(owners.values())
    memory = dict(zip(copied, np.empty((len(copied), length)), strict=True))
    return long | {key: memory[owner] for key, owner in sharing.items()}, copied


def _by_key(quantities: Mapping[str, Uncertain]) -> dict[Key, Number]:
    """Every number of a result by quantity and doubt; the medians under the empty doubt."""
    numbers: dict[Key, Number] = {}
    for name, quantity in quantities.items():
        numbers[name, ""] = quantity.mid
        for source, load in quantity.loadings.items():
            numbers[name, source] = load
    return numbers


def _arrays(item: Any) -> list[npt.NDArray[np.float64]]:
    """All arrays in a dataclass or a quantity."""
    found: list[npt.NDArray[np.float64]] = []
    left = [item]
    while left:
        one = left.pop()
        if isinstance(one, np.ndarray):
            found.append(one)
        elif isinstance(one, Uncertain):
            left += (one.mid, *one.loadings.values())
        elif not isinstance(one, PLAIN) and is_dataclass(one):
            left += vars(one).values()
    return found
