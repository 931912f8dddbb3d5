"""What a page shows where its controls ask what cannot be answered: the last valid result."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import streamlit as st

from estimator.web.shared import style
from estimator.web.shared.url_state import Parameters

Found = TypeVar("Found")
Values = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Shown(Generic[Found]):
    """Values with their answer, if any, and what is wrong with those that the controls hold."""

    values: Values
    found: Found | None
    problems: list[str]

    @property
    def error(self) -> str:
        """All problems in one line."""
        return "; ".join(self.problems)

    @contextmanager
    def drawn(self) -> Iterator[Found | None]:
        """Draw the problems, and what follows dimmed where it is a last valid result."""
        if self.found is None:
            style.notices(self.problems)
            yield None
        else:
            with style.last_valid(self.error):
                yield self.found


def valid(
    parameters: Parameters,
    values: Values,
    answer: Callable[[Values], Found],
    worded: Callable[[ValueError], str] = str,
) -> Shown[Found]:
    """Answer the values; where they are refused, those that the session answered last.

    `answer` refuses by a `ValueError`, and `worded` says it in the words of the page.
    """
    state, place = st.session_state, f"_{parameters.page}_valid"
    problems = list(parameters.problems(state).values())
    found = None
    try:
        found = answer(values)
    except ValueError as error:
        problems.append(worded(error))
        values = state.get(place, values)
        with suppress(ValueError):
            found = answer(values) if place in state else None
    if found is not None:
        state[place] = values
    return Shown(values=values, found=found, problems=problems)
