"""Last valid result of a page, shown when its inputs cannot be answered.

A link that asks it at once shows what the page opens with.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import streamlit as st

from estimator.core.messages import reason
from estimator.web.shared import style
from estimator.web.shared.notices import shown
from estimator.web.shared.url_state import LinkParameters

Found = TypeVar("Found")
Values = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Shown(Generic[Found]):
    """Values with their answer, if any, and what is wrong with those that the controls hold.

    `usual` says whether the values are those that the page opens with, in the place of others.
    """

    values: Values
    found: Found | None
    problems: list[str]
    usual: bool = False

    @property
    def error(self) -> str:
        """All problems in one line."""
        return "; ".join(self.problems)

    def as_json(self, written: Callable[[Found], Any]) -> Any:
        """The answer for scripts, or why there is none."""
        return {"error": self.error} if self.found is None else written(self.found)

    @contextmanager
    def drawn(self) -> Iterator[Found | None]:
        """Draw the problems, and what follows dimmed where it is a last valid result."""
        if self.found is None:
            style.notices(self.problems)
            yield None
        else:
            with style.last_valid(self.error, usual=self.usual):
                yield self.found


def valid(
    parameters: LinkParameters,
    values: Values,
    answer: Callable[[Values], Found],
    worded: Callable[[ValueError], str] = lambda error: shown(reason(error)),
) -> Shown[Found]:
    """Answer the values; where they are refused, those that the session answered last, or usual.

    `answer` refuses by a `ValueError`, and `worded` says it in the words of the page.
    """
    state, place = st.session_state, f"_{parameters.page}_valid"
    problems = list(parameters.problems(state).values())
    try:
        found = answer(values)
    except ValueError as error:
        problems.append(worded(error))
        return _instead(parameters, answer, problems)
    state[place] = values
    return Shown(values=values, found=found, problems=problems)


def _instead(
    parameters: LinkParameters, answer: Callable[[Values], Found], problems: list[str]
) -> Shown[Found]:
    """Answer what the session answered last, else what the page opens with."""
    place = f"_{parameters.page}_valid"
    usual = place not in st.session_state
    values = parameters.read({})[0] if usual else st.session_state[place]
    found = None
    with suppress(ValueError):
        found = answer(values)
    return Shown(values=values, found=found, problems=problems, usual=usual)
