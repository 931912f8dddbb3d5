"""Sequence with items computed on access."""

from collections.abc import Callable, Sequence
from typing import TypeVar, overload

Item = TypeVar("Item")


class LazyItems(Sequence[Item]):
    """Lazily computed items.

    Parameters
    ----------
    count : int
    item : callable
        From a place, 0 up to before `count`, to its item.

    >>> squares = LazyItems(4, lambda place: place * place)
    >>> squares[3], squares[-1], squares[1:3], list(squares)
    (9, 9, [1, 4], [0, 1, 4, 9])
    """

    def __init__(self, count: int, item: Callable[[int], Item]) -> None:
        self._places, self._item = range(count), item

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> Item: ...

    @overload
    def __getitem__(self, place: slice) -> list[Item]: ...

    def __getitem__(self, place: int | slice) -> Item | list[Item]:
        if isinstance(place, slice):
            return [self._item(one) for one in self._places[place]]
        return self._item(self._places[place])
