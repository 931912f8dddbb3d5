"""Exercises: questions whose answers the product computes, hidden until asked, and a glossary."""

from html import escape

import streamlit as st

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
        _exercise(found[int(values["number"]) - 1])
    elif frame.show == "glossary":
        with st.container(height=SLIDE_PX, border=False):  # longer than a slide: it scrolls
            _glossary()
    else:
        style.sentence(escape(_("{n} exercises; the answers are computed.").format(n=len(found))))
        for number, one in enumerate(found, start=1):
            st.subheader(_("Exercise {n}").format(n=number), anchor=False)
            _exercise(one)
        _glossary()
    with controls(frame):
        widgets.number(PARAMETERS, "number", _("Exercise on the slide"))
    file = share.printable("exercises", lambda: printable(found))
    query = PARAMETERS.query(values)
    share.finish(STATE, query, frame, SLIDES, title=_("Exercises"), files=(file,))


def _exercise(one: Exercise) -> None:
    style.sentence(escape(sentence(one.question)))
    with st.expander(_("Show the answer")):
        answer = amount(one.answer, one.unit)
        st.html(f'<p class="tw"><b>{escape(answer)}</b><br>{escape(sentence(one.steps))}</p>')


def printable(found: tuple[Exercise, ...]) -> str:
    """Return a page to print: the questions, and the answers folded."""
    items = "".join(
        f"<li><p>{escape(sentence(one.question))}</p><details><summary>"
        f"{escape(_('Show the answer'))}</summary><p><b>{escape(amount(one.answer, one.unit))}</b> "
        f"{escape(sentence(one.steps))}</p></details></li>"
        for one in found
    )
    title = escape(_("Exercises"))
    return (
        f'<!doctype html><html lang="{current()}"><meta charset="utf-8"><title>{title}</title>'
        "<style>body{font:16px/1.5 sans-serif;max-width:45rem;margin:2rem auto;padding:0 1rem}"
        f"li{{margin:1rem 0}}</style><h1>{title}</h1><ol>{items}</ol></html>\n"
    )


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
