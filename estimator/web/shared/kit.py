"""Page declared by its inputs, one call of the core, and views of the answer.

    QUESTION = PageQuestion(
        inputs=LinkParameters("NAME", Choice("field", ("all", "energy"), label=..., help=...)),
        answer=core_function,  # values of the inputs -> answer; refuses by a `ValueError`
        view=draw_answer,  # draws it in a frame
        title=title,  # the scenario in words
        slides={"chart": N_("what is on the slide")},
    )
    PAGE = QUESTION.page(N_("Name"), LEARN)

The kit reads the link and the controls, answers once, draws the result, the controls with their
tooltips, and what is to be shared. Where the controls ask what cannot be answered, it draws the
answer to the last valid input, dimmed and marked so, with the reason above it and at the control.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import streamlit as st

from estimator.core.messages import reason
from estimator.core.notice import Notice
from estimator.web.shared import scenario, share, style, widgets
from estimator.web.shared.frame import Frame
from estimator.web.shared.language import _
from estimator.web.shared.navigation import Page
from estimator.web.shared.notices import sentence_of
from estimator.web.shared.site import controls
from estimator.web.shared.url_state import LinkParameters

Found = TypeVar("Found")
Values = dict[str, Any]


def _no_files(values: Values, found: Any) -> Sequence[share.File]:
    return ()


@dataclass(frozen=True, kw_only=True)
class PageQuestion(Generic[Found]):
    """Inputs of a page, the function that answers them, and its views.

    Parameters
    ----------
    inputs : LinkParameters
    answer : callable
        Values of the inputs -> answer. Raises ValueError where they cannot be answered.
    view : callable
        Draws an answer in a frame.
    title : callable
        Scenario in words, of values: title of links and frames.
    slides : mapping of str to str
        Slides of the page.
    above : callable, optional
        Draws controls above the answer, of values and frame.
    heading : callable, optional
        Title of a slide, of values and frame, where it is not `title`; an empty one is not drawn.
    controls : callable, optional
        Draws the controls, of values, problems by control, and the answer; all in order if absent.
    files : callable
        Downloads, of values and the answer.
    query : callable, optional
        Values as a link writes them, where that is not all of them.
    worded : callable
        Sentence of a refusal, in the words of the page.
    named : mapping of str to str
        Input of the core -> control that asks for it, where its name is another.
    implied : callable, optional
        What an answer hands to other pages besides the inputs of this one.
    shares : bool
        Whether what is to be shared is drawn below the answer; otherwise the view draws it.
    """

    inputs: LinkParameters
    answer: Callable[[Values], Found]
    view: Callable[[Values, Found, Frame], None]
    title: Callable[[Values], str]
    slides: Mapping[str, str]
    above: Callable[[Values, Frame], None] | None = None
    heading: Callable[[Values, Frame], str] | None = None
    controls: Callable[[Values, Mapping[str, str], Found | None], None] | None = None
    files: Callable[[Values, Found], Sequence[share.File]] = _no_files
    query: Callable[[Values], dict[str, str]] | None = None
    worded: Callable[[Notice], str] = sentence_of
    named: Mapping[str, str] = field(default_factory=dict)
    implied: Callable[[Found], dict[str, str]] | None = None
    shares: bool = True

    def page(self, title: str, group: str, carries: Mapping[str, str] | None = None) -> Page:
        """Return the page of the site, its title and group marked by `N_`."""
        return Page(
            path=self.inputs.page,
            title=title,
            group=group,
            draw=self.draw,
            slides=self.slides,
            controls=[one.name for one in self.inputs.known if one.label],
            inputs=self.inputs,
            carries=carries or {},
        )

    def draw(self, frame: Frame) -> None:
        """Draw the answer, controls and sharing; write the URL."""
        asked = self.inputs.arrive()
        style.notices(self.inputs.notices)
        if self.above is not None:
            self.above(asked, frame)
        values, found, problems, said = self._answered(asked)
        if frame.slide:
            headed = self.title(values) if self.heading is None else self.heading(values, frame)
            if headed:
                style.slide_title(headed)
            if frame.controls and self.controls is None:
                widgets.draw_abreast(self.inputs, frame.controls)
        if found is None:
            style.notices(said)
        else:
            usual = f"_{self.inputs.page}_valid" not in st.session_state
            with style.last_valid("; ".join(said), usual=usual):
                self.view(values, found, frame)
        with controls(frame):
            if self.controls is None:
                on_slide = frame.controls if frame.slide else ()
                widgets.draw_all(self.inputs, problems, dict.fromkeys(on_slide))
            else:
                self.controls(asked, problems, found)
        query = (self.query or self.inputs.query)(asked)
        if self.shares and not frame.slide:
            files = () if found is None else self.files(values, found)
            share.draw(self.slides, query, title=self.title(values), files=files)
        self.inputs.leave(query, embedded=frame.embedded)
        implied = {} if self.implied is None or found is None else self.implied(found)
        style.marker(query, scenario.handed_on(query, frame.carried) | implied)

    def _answered(
        self, asked: Values
    ) -> tuple[Values, Found | None, Mapping[str, str], Sequence[str]]:
        """Answer the inputs, or the last valid ones: values, answer, problems."""
        place = f"_{self.inputs.page}_valid"
        problems = dict(self.inputs.problems(st.session_state))
        said = [*problems.values()]
        try:
            found = self.answer(asked)
        except ValueError as error:
            refused = reason(error)
            sentence = self.worded(refused)
            said.append(sentence)
            problems.setdefault(self.named.get(refused.field, refused.field), sentence)
        else:
            st.session_state[place] = asked
            return asked, found, problems, said
        values = st.session_state.get(place) or self.inputs.from_link({})[0]
        with suppress(ValueError):
            return values, self.answer(values), problems, said
        return values, None, problems, said


def title(text: str) -> Callable[[Values], str]:
    """Fixed title of a page, marked by `N_`."""
    return lambda values: _(text)
