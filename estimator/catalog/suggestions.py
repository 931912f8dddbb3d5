"""Suggestions for unknown names, by shared letter pairs."""

import difflib
import itertools
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from functools import cached_property

LEAST = 0.5
"""Least share of common letter pairs for a suggestion [1]."""

SWAPPED = 0.8
"""Similarity from which a name is suggested despite few common pairs, as with swapped letters."""

LONGEST = 80
"""Most characters of a name compared; no known name is longer."""


class Suggestions:
    """Known names, indexed by letter pairs.

    Parameters
    ----------
    names : iterable of str
        Names that may be suggested.

    Examples
    --------
    >>> known = Suggestions(["h100-sxm", "a100-sxm-80", "h100-pcie", "al"])
    >>> Suggestions(["france", "greece"]).nearest("frnace")
    ['france']
    >>> known.nearest("h10"), known.nearest("h100-sxn"), known.nearest("atlantis")
    (['h100-sxm', 'h100-pcie'], ['h100-sxm', 'a100-sxm-80', 'h100-pcie'], [])
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = list(dict.fromkeys(names))

    def nearest(self, word: str, count: int = 4) -> list[str]:
        """Return the known names that begin with or resemble a word, best first."""
        word = word[:LONGEST]
        if len(word) < 2:
            return []
        start = bisect_left(self._sorted, word)
        begins = set(itertools.takewhile(lambda name: name.startswith(word), self._sorted[start:]))
        if begins:
            return sorted(begins, key=lambda name: (len(name), self.names.index(name)))[:count]
        return self._similar(word)[:count]

    def _similar(self, word: str) -> list[str]:
        """Rank names by the Dice coefficient of their letter pairs."""
        pairs = _pairs(word)
        shared: Counter[int] = Counter()
        for pair in pairs:
            shared.update(self._index.get(pair, ()))
        scored = (
            (2 * both / (len(pairs) + self._sizes[number]), number)
            for number, both in shared.items()
            if 4 * both >= len(pairs)
        )
        good = sorted((-score, number) for score, number in scored if score >= LEAST)
        if good:
            return [self.names[number] for _, number in good]
        return difflib.get_close_matches(word, self.names, cutoff=SWAPPED)

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(self.names)

    @cached_property
    def _sizes(self) -> list[int]:
        return [len(_pairs(name)) for name in self.names]

    @cached_property
    def _index(self) -> dict[str, list[int]]:
        """Letter pair -> indices of the names that contain it."""
        index: dict[str, list[int]] = {}
        for number, name in enumerate(self.names):
            for pair in _pairs(name):
                index.setdefault(pair, []).append(number)
        return index


def _pairs(text: str) -> set[str]:
    """Return the pairs of neighbouring letters."""
    return {text[at : at + 2] for at in range(len(text) - 1)}
