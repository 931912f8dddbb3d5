"""Network kinds of many rows, as columns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from estimator.networks.kinds import NAME_STEMS, NetworkKind, alike, network_kind, texts_with

Places = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class KindColumn(Sequence[NetworkKind]):
    """Network kind of each row.

    Parameters
    ----------
    distinct : tuple of NetworkKind
    codes : array of int
        Index of each row's kind.

    Examples
    --------
    >>> column = KindColumn.of([network_kind("language"), network_kind("vision")] * 2)
    >>> len(column.distinct), column.codes.tolist(), column.take(np.array([1]))[0].group
    (2, [0, 1, 0, 1], 'convolution')
    """

    distinct: tuple[NetworkKind, ...]
    codes: Places

    @classmethod
    def of(cls, kinds: Sequence[NetworkKind]) -> "KindColumn":
        """Return the kinds of some rows, merging equal objects."""
        if isinstance(kinds, cls):
            return kinds
        ids = list(map(id, kinds))
        known = dict(zip(ids, kinds, strict=True))
        place = dict(zip(known, range(len(known)), strict=True))
        codes = np.fromiter(map(place.__getitem__, ids), dtype=np.intp, count=len(ids))
        return cls(tuple(known.values()), codes)

    def take(self, rows: Places) -> "KindColumn":
        """Return the kinds of some rows."""
        return KindColumn(self.distinct, self.codes[rows])

    def each(self, feature: Callable[[NetworkKind], Any]) -> npt.NDArray[Any]:
        """Return a feature of each row's kind, computed once per kind."""
        if len(self.distinct) == 1:
            one = np.array([feature(self.distinct[0])])
            return one if self.codes.size == 1 else np.repeat(one, self.codes.size, axis=0)
        if not self.distinct:
            return np.zeros(0, dtype=np.bool_)
        return np.array([feature(kind) for kind in self.distinct])[self.codes]

    def words(self, feature: Callable[[NetworkKind], str]) -> list[str]:
        """Return a text feature of each row's kind."""
        if len(self.distinct) == 1:
            return [feature(self.distinct[0])] * len(self)
        words = [feature(kind) for kind in self.distinct]
        return [words[code] for code in self.codes.tolist()]

    def __len__(self) -> int:
        return self.codes.size

    @overload
    def __getitem__(self, row: int) -> NetworkKind: ...

    @overload
    def __getitem__(self, row: slice) -> "KindColumn": ...

    def __getitem__(self, row: int | slice) -> "NetworkKind | KindColumn":
        if isinstance(row, slice):
            return KindColumn(self.distinct, self.codes[row])
        return self.distinct[int(self.codes[row])]


def network_kinds(works: Sequence[str], archs: Sequence[str], names: Sequence[str]) -> KindColumn:
    """Classify each row's network kind, cached without irrelevant names.

    >>> [kind.group for kind in network_kinds(["vision"] * 2, ["CNN"] * 2, ["MnasNet", "X 7"])]
    ['depthwise', 'convolution']
    """
    telling = set(texts_with(NAME_STEMS, names))
    if all(map(alike, (works, archs, names))) and works:
        name = names[0] if names[0] in telling else ""
        only = (network_kind(works[0], archs[0], name),)
        return KindColumn(only, np.zeros(len(works), dtype=np.intp))
    matters = [name if name in telling else "" for name in names]
    rows = list(zip(works, archs, matters, strict=True))
    place = {row: number for number, row in enumerate(dict.fromkeys(rows))}
    codes = np.fromiter(map(place.__getitem__, rows), dtype=np.intp, count=len(rows))
    return KindColumn(tuple(network_kind(*row) for row in place), codes)


def of_each_kind(
    kinds: Sequence[NetworkKind], feature: Callable[[NetworkKind], Any]
) -> npt.NDArray[Any]:
    """Return a feature of each row's kind, computed once per kind."""
    return KindColumn.of(kinds).each(feature)
