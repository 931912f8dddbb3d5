"""Search for entries whose names contain a word, closest first."""

import re
from collections.abc import Iterable, Sequence

from estimator.catalog.device_names import plain
from estimator.catalog.records import model_names, name_key

SYNONYMS = {
    "gcp": "google cloud",
    "aws": "amazon web services",
    "azure": "microsoft",
    "cloud-region": "cloud region",
}
"""Common name -> abbreviation used in ids."""


def search(text: str, entries: Iterable[Sequence[str]]) -> list[int]:
    """Return the indices of the entries that match a text, the closest first.

    Order: exact name, name prefix, word prefixes, substrings. Where nothing matches, the publisher
    of a model is left out.

    Parameters
    ----------
    text : str
        Words, all of which must match.
    entries : iterable of sequences of str
        Names and other words of each entry, starting with its id.

    Examples
    --------
    >>> names = [["maia-100", "Microsoft Maia 100"], ["dgx-a100", "DGX A100"], ["a100-sxm", "A100"]]
    >>> search("a100", names), search("google region", [["gcp-us", "cloud-region"]])
    ([2, 1], [0])
    >>> search("me/Qwen3-32B", [["qwen3-32b", "Qwen3 32B", "Qwen/Qwen3-32B"]])
    [0]
    """
    entries = list(entries)
    scored = [
        (rank, number) for number, entry in enumerate(entries) if (rank := _rank(text, entry))
    ]
    bare = model_names(text)[-1]
    if not scored and bare != text:
        return search(bare, entries)
    return [number for _, number in sorted(scored)]


def _rank(text: str, entry: Sequence[str]) -> int:
    """Rank of an entry: 1 is closest, 0 is no match."""
    key = name_key(plain(text))
    keys = [name_key(plain(name)) for name in entry]
    asked = _words(text)
    if not asked:
        return 0
    if key in keys:
        return 1
    if any(name.startswith(key) for name in keys):
        return 2
    words = {word for name in entry for word in _words(name)}
    words |= {word for name in set(words) for word in _words(SYNONYMS.get(name, ""))}
    if all(any(word.startswith(part) for word in words) for part in asked):
        return 3
    return 4 if all(any(part in word for word in words) for part in asked) else 0


def _words(text: str) -> list[str]:
    """Split a name into words, without separators."""
    return re.findall(r"[^\s\-_/(),;:\[\]]+", plain(text))
