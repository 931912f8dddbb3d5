"""The parts of the page that are drawn by themselves: a changed input draws few of them again.

The answer comes first. What is folded and the controls look the same whatever the answer is, unless
one of them is open and shows something of it, or a problem, a refusal or measured runs come or go.
"""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from estimator.answer.scenario_estimate import Answer
from estimator.web.estimate.calibrated import AppliedRuns
from estimator.web.estimate.inputs import Asked
from estimator.web.shared.parts import follow, redraw
from estimator.web.shared.site import CONTENTS
from estimator.web.shared.tables import Others

SWITCH, PICTURE, DETAILS, CONTROLS = "switch", "picture", "details", "controls"
"""Names of the parts after the answer, in their order on the page."""

PICKED = (CONTENTS, SWITCH)
"""Parts that a choice of the picture changes, besides the picture."""

OPEN = {DETAILS: "open_details", CONTROLS: "open_controls"}
"""Part -> the key of the control that says which of its sections are open; their contents depend on
the answer."""

_DRAWN = "_estimate_drawn"
_PICTURE = "_estimate_picture"


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """The answer that is shown, from which the other parts are drawn.

    Parameters
    ----------
    answer : Answer
    asked : Asked
        What the widgets say.
    query : dict of str to str
        State of the page as its link writes it.
    others : Others, optional
        The same work on other devices, where it was answered with it.
    applied_runs : AppliedRuns, optional
        What measured runs change in it.
    refusal : str
        Why this is the last valid answer, and not to what is asked; empty otherwise.
    """

    answer: Answer
    asked: Asked
    query: dict[str, str]
    others: Others | None
    applied_runs: AppliedRuns | None
    refusal: str

    @property
    def marks(self) -> tuple[object, ...]:
        """What the other parts show of it, open or not."""
        problems = tuple(sorted(self.asked.problems.items()))
        return problems, self.refusal, self.applied_runs is not None


def keep(drawn: Drawn) -> None:
    """Keep the answer that is shown for the other parts."""
    st.session_state[_DRAWN] = drawn


def shown() -> Drawn:
    """Return the answer that is shown."""
    drawn: Drawn = st.session_state[_DRAWN]
    return drawn


def keep_picture(picture: Callable[[], None]) -> None:
    """Keep the picture that is worked out, until its part draws it."""
    st.session_state[_PICTURE] = picture


def picture() -> Callable[[], None]:
    """Return what draws the picture of the answer that is shown."""
    drawing: Callable[[], None] = st.session_state[_PICTURE]
    return drawing


def remember(part: str) -> None:
    """Remember what of the answer a part shows."""
    st.session_state[f"_estimate_{part}"] = shown().marks


def arrange() -> None:
    """Say what a change draws again, once all parts are there, and when a section is opened."""
    answered = dict.fromkeys((CONTENTS, CONTROLS), (CONTENTS, *_opened(), PICTURE))
    follow({**answered, SWITCH: (*PICKED, *_opened(), PICTURE)})


def outdated(*parts: str) -> bool:
    """Whether one of the parts shows something else of the answer than it would now."""
    return any(st.session_state[f"_estimate_{part}"] != shown().marks for part in parts)


def changed() -> None:
    """Draw the answer again, and of the rest what is open: an input has changed."""
    redraw(CONTENTS, *_opened(), PICTURE)


def changed_picture() -> None:
    """Draw another picture: what it shows is read with the question."""
    redraw(*PICKED, *_opened(), PICTURE)


def changed_controls() -> None:
    """Draw all of it again: another input than the one that was changed shows something else."""
    redraw(*PICKED, *OPEN, PICTURE)


def _opened() -> list[str]:
    """Parts of which something is open that depends on the answer."""
    state = st.session_state
    return [part for part, key in OPEN.items() if state.get(key)]
