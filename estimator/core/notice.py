"""Notices of an answer: data until an interface renders them.

A notice has a `code`, the input that it is about (`field`), and values. Each interface renders it
with its own input names. The sentence of each code is in `messages.py` or `__init__.py` of the room
that raises it.
"""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

Value = float | str | tuple[str, ...]
"""Number in the unit of its name, a word, or several words."""

MESSAGES: dict[str, str | tuple[str, str]] = {}
"""Notice code -> sentence, or singular and plural, of the imported rooms."""

_NO_VALUES: Mapping[str, Any] = MappingProxyType({})


@dataclasses.dataclass(frozen=True)
class Notice:
    """Assumption, omission, or missing result.

    Parameters
    ----------
    code : str
        Key of `MESSAGES`.
    field : str
        Input that the notice is about, or that would change it; may be empty.
    values : mapping of str to Value
        Values in the sentence; `count` selects singular or plural.

    Examples
    --------
    >>> Notice("devices_assumed", "devices").code
    'devices_assumed'
    """

    code: str
    field: str = ""
    values: Mapping[str, Any] = dataclasses.field(default_factory=lambda: _NO_VALUES)

    def __hash__(self) -> int:
        return hash((self.code, self.field, *self.values.items()))


class Refusal(ValueError):
    """Question that cannot be answered, with the reason as a notice.

    Its text uses Python's input names; interfaces render the notice instead.
    """

    def __init__(self, notice: Notice, text: str) -> None:
        super().__init__(text)
        self.notice = notice


def add_messages(**sentences: str | tuple[str, str]) -> None:
    """Add the sentences of a room, by notice code.

    Raises
    ------
    ValueError
        If a code already has a different sentence.
    """
    for code, sentence in sentences.items():
        if MESSAGES.setdefault(code, sentence) != sentence:
            raise ValueError(f"two sentences for the notice {code}")
