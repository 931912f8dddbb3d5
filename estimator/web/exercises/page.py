"""Exercises: questions whose answers the product computes, hidden until asked, and a glossary."""

import math
import re
from html import escape

import streamlit as st

from estimator.question.inputs import read_number
from estimator.studies.claims.exercises import Exercise, exercises
from estimator.studies.claims.glossary import GLOSSARY
from estimator.web.shared import share, style, widgets
from estimator.web.shared.amounts import amount, sentence
from estimator.web.shared.frame import Frame
from estimator.web.shared.language import N_, _, current
from estimator.web.shared.profiles import kept, open_catalog
from estimator.web.shared.site import LEARN, Page, controls
from estimator.web.shared.url_state import LinkParameters, Number, UrlState

COUNT = 12
SLIDE_PX = 520
"""Room for the glossary on a slide at fs=1.4 [px]."""

PARAMETERS = LinkParameters(
    "exercises",
    Number(
        "number",
        1.0,
        low=1.0,
        high=float(COUNT),
        whole=True,
        help=N_("Exercise that the slide shows."),
    ),
)
STATE = UrlState("exercises", PARAMETERS)


@kept
def computed() -> tuple[Exercise, ...]:
    """Return the exercises, answered once per server."""
    return exercises(open_catalog())


def draw(frame: Frame) -> None:
    """Draw every exercise with its answer folded, or one of them on a slide; then the glossary."""
    values = share.begin(STATE)
    found = computed()
    if frame.show == "one":
        style.slide_title(_("Exercise {n}").format(n=values["number"]))
        _exercise(int(values["number"]), found[int(values["number"]) - 1])
    elif frame.show == "glossary":
        with st.container(height=SLIDE_PX, border=False):  # longer than a slide: it scrolls
            _glossary()
    else:
        style.sentence(escape(_("{n} exercises; the answers are computed.").format(n=len(found))))
        for number, one in enumerate(found, start=1):
            st.subheader(_("Exercise {n}").format(n=number), anchor=False)
            _exercise(number, one)
        _glossary()
    with controls(frame):
        widgets.number(PARAMETERS, "number", _("Exercise on the slide"))
    files = (
        share.printable("exercises", lambda: printable(found)),
        share.printable(
            "exercises-key", lambda: printable(found, key=True), _("Key to print, apart")
        ),
    )
    query = PARAMETERS.query(values)
    share.finish(STATE, query, frame, SLIDES, title=_("Exercises"), files=files)


TOLERANCE = 0.05
"""An answer this far from the computed one is right: rounding on the way [1]."""

EXPONENT = re.compile(r"\s*[·×*]\s*10\s*\^?\s*")


def _exercise(number: int, one: Exercise) -> None:
    """Draw a question, a field for its answer, and the answer folded."""
    style.sentence(escape(sentence(one.question)))
    label = _("Your answer [{unit}]").format(unit=one.unit) if one.unit != "1" else _("Your answer")
    text = st.text_input(
        label,
        key=f"exercises_answer_{number}",
        help=_("A number, such as 3.6e5 or 3.6·10^5; five percent off still count as right."),
    )
    if text.strip():
        st.caption(_(verdict(text, one.answer)))
    with st.expander(_("Show the answer")):
        answer = amount(one.answer, one.unit)
        st.html(f'<p class="tw"><b>{escape(answer)}</b><br>{escape(sentence(one.steps))}</p>')


def verdict(text: str, answer: float) -> str:
    """Judge the answer of a reader, marked for translation.

    >>> verdict("355", 355.4), verdict("3.1 · 10^5", 3.114e6), verdict("many", 1.0)
    ('Right.', 'Right but for a power of ten.', 'Not a number: write 3.6e5.')
    """
    try:
        given = read_number("answer", EXPONENT.sub("e", text.strip()))
    except ValueError:
        return N_("Not a number: write 3.6e5.")
    if given == 0 or given * answer < 0:
        return N_("Not yet.")
    off = math.log10(given / answer)
    near = math.log10(1 + TOLERANCE)
    if abs(off) <= near:
        return N_("Right.")
    return N_("Right but for a power of ten.") if abs(off - round(off)) <= near else N_("Not yet.")


def printable(found: tuple[Exercise, ...], *, key: bool = False) -> str:
    """Return a page to print on A4: the questions with room for answers, or the key to them."""
    rule = f"<p>{escape(_('Answer:'))} ____________________________</p>"
    items = "".join(
        f"<li><p>{escape(sentence(one.question))}</p>"
        + (
            f"<p><b>{escape(amount(one.answer, one.unit))}</b> {escape(sentence(one.steps))}</p>"
            if key
            else rule
        )
        + "</li>"
        for one in found
    )
    title = escape(_("Exercises: the key") if key else _("Exercises"))
    return share.PAGE.format(language=current(), title=title, body=f"<ol>{items}</ol>")


def _glossary() -> None:
    """Draw the words of the field in plain language."""
    st.subheader(_("Glossary"), anchor=False)
    rows = "".join(
        f"<tr><td>{escape(_(term))}</td><td>{escape(sentence(meaning))}</td></tr>"
        for term, meaning in GLOSSARY.items()
    )
    st.html(f'<div class="tw"><table class="tw-inputs"><tbody>{rows}</tbody></table></div>')


SLIDES = {"one": N_("one exercise, its answer folded"), "glossary": N_("the glossary")}
PAGE = Page(
    path="exercises",
    title=N_("Exercises"),
    group=LEARN,
    draw=draw,
    slides=SLIDES,
    inputs=PARAMETERS,
)
