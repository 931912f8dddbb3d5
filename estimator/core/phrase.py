"""A sentence with its figures, kept apart until it is shown, so that it can be translated."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Phrase:
    """A template and the figures that go into it, each as text with its unit.

    >>> str(Phrase("{share} of the peak", {"share": "22%"}))
    '22% of the peak'
    """

    template: str
    values: Mapping[str, str]

    def __str__(self) -> str:
        return self.template.format(**self.values)


def say(template: str, **values: str) -> Phrase:
    """Put a sentence together."""
    return Phrase(template, values)
