"""Row operations: selecting rows of arrays, and expanding shared values to rows."""

from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from estimator.core.uncertainty import Number, Uncertain

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
"""One boolean per row."""

Texts = npt.NDArray[np.str_]
Places = npt.NDArray[np.intp]
"""One index per row, of a row or a shared value."""


def rows_of(item: Any, rows: Any) -> Any:
    """Return the dataclass with every array reduced to a slice, index array, mask or index.

    >>> rows_of(Uncertain(np.array([1.0, 2.0, 4.0]), {"x": 0.1}), 2)
    Uncertain(mid=np.float64(4.0), loadings={'x': 0.1})
    """
    if isinstance(item, np.ndarray):
        return item[rows] if item.ndim else item
    if isinstance(item, Uncertain):
        loadings = {name: rows_of(load, rows) for name, load in item.loadings.items()}
        return Uncertain(rows_of(item.mid, rows), loadings, rows_of(item.most, rows))
    if is_dataclass(item) and not isinstance(item, type):
        cut = {field.name: rows_of(getattr(item, field.name), rows) for field in fields(item)}
        return replace(item, **cut)
    return item


def either(mask: Mask, one: Any, other: Any) -> Any:
    """Return the rows of one dataclass of numbers where a mask is true, of another elsewhere.

    >>> either(np.array([True, False]), np.array([1.0, 2.0]), 0.0).tolist()
    [1.0, 0.0]
    """
    if one is other:
        return one
    if is_dataclass(one) and not isinstance(one, type):
        pairs = {
            item.name: (getattr(one, item.name), getattr(other, item.name)) for item in fields(one)
        }
        return replace(one, **{name: either(mask, *pair) for name, pair in pairs.items()})
    return np.where(mask, one, other)


def rows_where(mask: Mask) -> Places:
    """Return the indices where a mask is true; faster than `numpy.flatnonzero` for few rows."""
    return mask.nonzero()[0]


def unknown(count: int) -> Floats:
    """Return a column of NaN."""
    column = np.empty(count)
    column.fill(np.nan)
    return column


def nowhere(count: int) -> Places:
    """Return a column of -1, to be filled with indices."""
    places = np.empty(count, dtype=np.intp)
    places.fill(-1)
    return places


def of_each(values: Number, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Expand to one value per row, from one per row or one for all."""
    array = np.asarray(values)
    return array if array.shape == shape else np.broadcast_to(array, shape)


def in_order(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the distinct values in ascending order.

    Counting them avoids an import of masked arrays in `np.unique`, which takes as long as an
    answer.

    >>> in_order(np.array([3, 1, 3])).tolist()
    [1, 3]
    """
    return np.unique(values, return_counts=True)[0]


def median_of(values: Iterable[float]) -> float:
    """Return the median of a few known numbers, without numpy's import of masked arrays.

    >>> median_of([3.0, 1.0, 2.0]), median_of([4.0, 1.0])
    (2.0, 2.5)
    """
    ordered = sorted(values)
    return 0.5 * (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2])


def few(values: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], Places]:
    """Return the distinct values, and each row's index into them."""
    if values.size == 1:
        return values, np.zeros(1, dtype=np.intp)
    if values.size and values.dtype == np.intp:
        least, most = int(values.min()), int(values.max())
        if most - least < DENSE:
            present = np.zeros(most - least + 1, dtype=np.intp)
            present[values - least] = 1
            return present.nonzero()[0] + least, (present.cumsum() - 1)[values - least]
    return np.unique(values, return_inverse=True)


DENSE = 10_000
"""Code range below which codes are counted instead of sorted [1]."""


MOST_COMBINATIONS = 2**62
"""Combinations of codes above which only occurring ones are numbered [1]."""


def distinct(*keys: Places) -> tuple[list[tuple[int, ...]], Places]:
    """Return the distinct combinations of codes, and each row's index into them."""
    combinations, _, at = distinct_rows(*keys)
    return combinations, at


def distinct_rows(*keys: Places) -> tuple[list[tuple[int, ...]], Places, Places]:
    """Return the distinct combinations of codes, their first rows, and each row's index."""
    first, at = first_rows(*keys)
    if keys[0].size == 1:
        return [tuple(codes.item() for codes in keys)], first, at
    return list(zip(*(codes[first].tolist() for codes in keys), strict=True)), first, at


def first_rows(*keys: Places) -> tuple[Places, Places]:
    """Return the first row of each combination of codes, and each row's index into them."""
    if keys[0].size == 1:
        none = np.zeros(1, dtype=np.intp)
        return none, none
    key, size = np.zeros(keys[0].shape, dtype=np.intp), 1
    for codes in keys:
        values = int(codes.max(initial=0)) + 2
        if size > MOST_COMBINATIONS // values:
            _, key = few(key)
            size = int(key.max(initial=0)) + 1
        key = key * values + codes + 1
        size *= values
    different, at = few(key)
    first = np.empty(different.size, dtype=np.intp)
    first[at[::-1]] = np.arange(key.size - 1, -1, -1)
    return first, at


def by_row(quantities: Sequence[Uncertain], at: Places) -> Uncertain:
    """Look up the quantity of each row by index."""
    if len(quantities) == 1:
        return quantities[0]
    if at.size == 1:
        return quantities[int(at[0])]
    names = dict.fromkeys(name for quantity in quantities for name in quantity.loadings)
    return Uncertain(
        np.array([quantity.mid for quantity in quantities])[at],
        {
            name: np.array([quantity.loadings.get(name, 0.0) for quantity in quantities])[at]
            for name in names
        },
    )


def one_of(quantity: Uncertain, place: int) -> Uncertain:
    """Return one element of a quantity that may be an array."""

    def number(value: Number) -> float:
        return float(value[place] if isinstance(value, np.ndarray) and value.ndim else value)

    loadings = {name: number(load) for name, load in quantity.loadings.items()}
    return Uncertain(number(quantity.mid), loadings, number(quantity.most))


def first_known(*columns: Floats) -> Floats:
    """Return the first known value of several columns, by row."""
    found = columns[0]
    for column in columns[1:]:
        found = np.where(np.isnan(found), column, found)
    return found


def squeezed(values: Floats) -> Number:
    """Return the array, or a number if it has one element."""
    return float(values[0]) if values.size == 1 else values


def filled(given: Floats, assumed: Uncertain) -> Uncertain:
    """Return given numbers as exact, and an uncertain default where they are missing."""
    missing = np.isnan(given)
    if not missing.any():
        return Uncertain(squeezed(given))
    if missing.all():
        return assumed
    loadings = {name: np.where(missing, load, 0.0) for name, load in assumed.loadings.items()}
    return Uncertain(np.where(missing, assumed.mid, given), loadings)
