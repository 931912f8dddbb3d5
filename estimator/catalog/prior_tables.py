"""Priors by dotted key, with tables parsed on access.

Parsing the long file of all priors would take longer than an estimate.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path

from estimator.catalog import toml_files as files
from estimator.catalog.records import Record

HEADER = re.compile(r"^\[([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)\][ \t]*$", re.MULTILINE)
"""Header line of a table, its name unquoted."""

ANY_HEADER = re.compile(r"^\[", re.MULTILINE)
LONG_TEXTS = ('"' * 3, "'" * 3)
"""Opening quotes of multi-line strings, in which a line may resemble a header."""


class Priors(Mapping[str, Record]):
    """Built-in priors, overridden by priors in further files.

    Parameters
    ----------
    path : Path
        File with the built-in priors.
    over : mapping
        Priors that override or extend the built-in ones.
    """

    def __init__(self, path: Path, over: Mapping[str, Record]) -> None:
        self._tables = _tables_of(path, files.read_text(path) if path.is_file() else "")
        self._over = over

    def __getitem__(self, key: str) -> Record:
        found = self._over.get(key)
        return self._tables[key] if found is None else found

    def __contains__(self, key: object) -> bool:
        return key in self._over or key in self._tables

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._tables, *self._over)))

    def __len__(self) -> int:
        return len(dict.fromkeys(self))

    def under(self, prefix: str) -> dict[str, Record]:
        """Return the priors under a prefix ending with a dot, with the prefix removed."""
        mine = {key: record for key, record in self._over.items() if key.startswith(prefix)}
        found = {**self._tables.under(prefix), **mine}
        return {key.removeprefix(prefix): record for key, record in found.items()}


class _Tables(Mapping[str, Record]):
    """Tables of one file, parsed on access."""

    def __init__(self, path: Path, text: str) -> None:
        self._path, self._text = path, text
        self._parsed: dict[str, dict[str, Record]] = {}

    def __getitem__(self, key: str) -> Record:
        head = key
        while head not in self._texts or key not in self._of(head):
            if not head:
                raise KeyError(key)
            head = head.rpartition(".")[0]
        return self._of(head)[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._whole)

    def __len__(self) -> int:
        return len(self._whole)

    def under(self, prefix: str) -> dict[str, Record]:
        heads = [
            head for head in self._texts if f"{head}.".startswith(prefix) or is_within(prefix, head)
        ]
        found = {key: record for head in heads for key, record in self._of(head).items()}
        return {key: record for key, record in found.items() if key.startswith(prefix)}

    def _of(self, head: str) -> dict[str, Record]:
        if head not in self._parsed:
            text = self._texts[head]
            self._parsed[head] = dict(files.priors_of(self._path, text))
        return self._parsed[head]

    @cached_property
    def _texts(self) -> dict[str, str]:
        """Table name -> its text, or the unnamed whole if it cannot be split."""
        headers = list(HEADER.finditer(self._text))
        bounds = [*(header.start() for header in headers), len(self._text)]
        texts = {"": self._text[: bounds[0]]}
        for header, (start, end) in zip(headers, pairwise(bounds), strict=True):
            texts[header[1]] = self._text[start:end]
        plain = len(ANY_HEADER.findall(self._text)) == len(headers) == len(texts) - 1
        if not plain or any(mark in self._text for mark in LONG_TEXTS):
            return {"": self._text}
        return texts

    @cached_property
    def _whole(self) -> Mapping[str, Record]:
        return files.priors_of(self._path, self._text)


@lru_cache(maxsize=16)
def _tables_of(path: Path, text: str) -> _Tables:
    """Parse the tables of a text; cached for all catalogs."""
    return _Tables(path, text)


def is_within(prefix: str, head: str) -> bool:
    """Return whether keys with this prefix can be in the table with this header.

    >>> is_within("a.b.", "a"), is_within("a.b.", ""), is_within("a.b.", "c")
    (True, True, False)
    """
    return not head or prefix.startswith(f"{head}.")
