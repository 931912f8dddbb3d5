"""Sentence with its numbers kept separate until display, for translation."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Phrase:
    """Template and its numbers as text with units.

    >>> str(Phrase("{share} of the peak", {"share": "22%"}))
    '22% of the peak'
    """

    template: str
    values: Mapping[str, str]

    def __str__(self) -> str:
        return self.template.format(**self.values)


def say(template: str, **values: str) -> Phrase:
    """Build a phrase."""
    return Phrase(template, values)
