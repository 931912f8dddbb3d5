"""Notices of a table's rows, stored without a list per row."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from estimator.core.notice import Notice
from estimator.core.rows import Mask, Places, distinct_rows, few, nowhere, rows_where
from estimator.core.uncertainty import Number


class NoticeTable:
    """Notices of the rows of a table, as groups of notices with their rows.

    Parameters
    ----------
    count : int
        Number of rows.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._layers: list[tuple[Sequence[tuple[Notice, ...]], Places]] = []

    def coded(self, bundles: Sequence[tuple[Notice, ...]], codes: Places) -> None:
        """Add notices of several things, with the index of each row's thing, -1 for none."""
        if any(bundles):
            self._layers.append((bundles, codes))

    def where(self, rows: Mask, notice: Notice) -> None:
        """Add one notice for the rows of a mask."""
        if rows.any():
            self._layers.append((((notice,),), np.where(rows, 0, -1)))

    def each(
        self, rows: Places, notices: Sequence[tuple[Notice, ...]], *, first: bool = False
    ) -> None:
        """Add individual notices for some rows, optionally before the others."""
        if len(rows):
            codes = nowhere(self.count)
            codes[rows] = np.arange(len(rows))
            self._layers.insert(0 if first else len(self._layers), (notices, codes))

    def of_values(self, rows: Mask, code: str, field: str, **columns: Number) -> None:
        """Add a notice with the values of each row of a mask, from columns of the whole table."""
        cut = {name: np.broadcast_to(one, rows.shape)[rows] for name, one in columns.items()}
        self.of_rows(
            rows_where(rows), partial(_with_values, code, field, tuple(cut)), *cut.values()
        )

    def of_rows(
        self, rows: Places, notice: Callable[..., Notice], *columns: npt.NDArray[Any]
    ) -> None:
        """Add a notice of each row's values, built once per distinct combination.

        Parameters
        ----------
        rows : array of int
        notice : function
            Values of one row -> its notice.
        *columns : array
            One value for each of `rows`.
        """
        if rows.size:
            _, first, at = distinct_rows(*(few(column)[1] for column in columns))
            values = zip(*(column[first].tolist() for column in columns), strict=True)
            codes = nowhere(self.count)
            codes[rows] = at
            self._layers.append(([(notice(*some),) for some in values], codes))

    def extend(self, other: "NoticeTable") -> None:
        """Add the notices of another table of the same rows."""
        self._layers += other._layers

    @property
    def layers(self) -> int:
        """Number of notice groups."""
        return len(self._layers)

    def shared(self, since: int, rows: Places, others: Places) -> None:
        """Give rows the notices of other rows, from groups added since a point."""
        for layer, (bundles, codes) in enumerate(self._layers[since:], since):
            spread = codes.copy()
            spread[rows] = codes[others]
            self._layers[layer] = (bundles, spread)

    def of(self, row: int) -> tuple[Notice, ...]:
        """Return the notices of a row without repetition."""
        bundles = (some[codes[row]] for some, codes in self._layers if codes[row] >= 0)
        return tuple(dict.fromkeys(chain.from_iterable(bundles)))

    def distinct(self) -> tuple[list[tuple[Notice, ...]], Places]:
        """Return the distinct notice sets, and the index of each row's set."""
        key = np.zeros(self.count, dtype=np.int64)
        size = 1
        for bundles, codes in self._layers:
            if size > 2**62 // (len(bundles) + 1):
                _, key = np.unique(key, return_inverse=True)
                size = self.count
            key = key * (len(bundles) + 1) + codes + 1
            size *= len(bundles) + 1
        _, first, at = np.unique(key, return_index=True, return_inverse=True)
        layers = [(bundles, codes[first].tolist()) for bundles, codes in self._layers]
        sets = [
            tuple(
                notice
                for bundles, codes in layers
                if codes[place] >= 0
                for notice in bundles[codes[place]]
            )
            for place in range(len(first))
        ]
        return sets, at


def _with_values(code: str, field: str, names: tuple[str, ...], *values: float) -> Notice:
    return Notice(code, field, dict(zip(names, values, strict=True)))


class Remarks:
    """Notices and refusals that one step adds to rows of a table.

    Parameters
    ----------
    count : int
        Number of rows.
    *earlier : Remarks
        Remarks of earlier steps, whose refusals take precedence.

    Examples
    --------
    >>> first, second = Remarks(2), Remarks(2)
    >>> first.refuse(np.array([1]), Notice("no_work"))
    >>> second.refuse(np.array([0, 1]), Notice("no_device", "hardware"))
    >>> {row: why.code for row, why in Remarks(2, first, second).errors.items()}
    {1: 'no_work', 0: 'no_device'}
    """

    def __init__(self, count: int, *earlier: "Remarks") -> None:
        self.notices = NoticeTable(count)
        self.errors: dict[int, Notice] = {}
        for step in earlier:
            self.notices.extend(step.notices)
            for row, why in step.errors.items():
                self.errors.setdefault(row, why)

    def refuse(self, rows: Places, notice: Notice) -> None:
        """Refuse rows; the first reason counts."""
        for row in rows.tolist():
            self.errors.setdefault(row, notice)
