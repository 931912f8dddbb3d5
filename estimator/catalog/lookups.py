"""Cached name look-ups, refusals included."""

from collections.abc import Callable, Hashable
from threading import Lock
from typing import TypeVar, cast

from estimator.core.messages import reason, refusal
from estimator.core.notice import Notice

Found = TypeVar("Found")

MOST_REMEMBERED = 5_000
"""Most look-ups cached at a time [1]."""


class LookUps:
    """Thread-safe cache of look-ups that drops the oldest when full.

    >>> known = LookUps(most=2)
    >>> [known.find(word, lambda: len(word)) for word in ("a", "bb", "ccc", "a")]
    [1, 2, 3, 1]
    """

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._known: dict[Hashable, tuple[object, Notice | None]] = {}
        self._lock = Lock()

    def find(self, key: Hashable, look_up: Callable[[], Found]) -> Found:
        """Return a cached look-up.

        Raises
        ------
        ValueError
            With the reason why the look-up was refused, now or earlier.
        """
        known = self._known.get(key)
        if known is None:
            try:
                known = look_up(), None
            except ValueError as error:
                known = None, reason(error)
            with self._lock:
                while len(self._known) >= self._most:
                    self._known.pop(next(iter(self._known)))
                self._known[key] = known
        found, refused = known
        if refused is not None:
            raise refusal(refused)
        return cast(Found, found)
