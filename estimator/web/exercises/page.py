"""Page Exercises: questions with computed answers, hidden until requested, and a glossary."""

import math
import re
from datetime import UTC, datetime
from functools import lru_cache, partial
from html import escape
from urllib.parse import urlencode

import streamlit as st

from estimator.question.inputs import read_number
from estimator.studies.claims.exercises import Exercise, exercises
from estimator.studies.claims.glossary import GLOSSARY
from estimator.web.shared import share, style
from estimator.web.shared.amounts import amount, localised, sentence
from estimator.web.shared.frame import Frame
from estimator.web.shared.html_table import anchor, draw_table
from estimator.web.shared.inline import unbroken
from estimator.web.shared.kit import PageQuestion, Values, title
from estimator.web.shared.language import ENGLISH, N_, _, current
from estimator.web.shared.navigation import LEARN
from estimator.web.shared.profiles import open_catalog
from estimator.web.shared.url_state import LinkParameters, Number, address_of

COUNT = 12
SLIDE_PX = 520
"""Height of the glossary on a slide at fs=1.4 [px]."""

PARAMETERS = LinkParameters(
    "exercises",
    Number(
        "seed",
        0.0,
        low=0.0,
        high=99_999_999.0,
        whole=True,
        label=N_("Sheet number"),
        help=N_(
            "Every number gives a sheet with different values, for example one per student; 0 is "
            "the lecture’s own sheet."
        ),
    ),
    Number(
        "sheets",
        1.0,
        low=1.0,
        high=300.0,
        whole=True,
        label=N_("Sheets to print"),
        help=N_("How many sheets the printable file and its key contain, starting from this one."),
    ),
    Number(
        "number",
        1.0,
        low=1.0,
        high=float(COUNT),
        whole=True,
        label=N_("Exercise on the slide"),
        help=N_("Which exercise the slide shows."),
    ),
)


@lru_cache(maxsize=512)
def computed(seed: int) -> tuple[Exercise, ...]:
    """Return the exercises of a sheet, computed once."""
    return exercises(open_catalog(), seed)


def _draw(values: Values, found: tuple[Exercise, ...], frame: Frame) -> None:
    """Draw every exercise with a folded answer, or one on a slide; then the glossary."""
    if frame.show == "one":
        _exercise(values["seed"], values["number"], found[values["number"] - 1])
        return
    if frame.show == "glossary":
        with st.container(height=SLIDE_PX, border=False):  # longer than a slide: it scrolls
            _glossary()
        return
    text = _("{n} exercises; the answers are computed.")
    style.sentence_of(text, n=len(found))
    for number, one in enumerate(found, start=1):
        st.subheader(_("Exercise {n}").format(n=number), anchor=False)
        _exercise(values["seed"], number, one)
    _glossary()


TOLERANCE = 0.05
"""Relative tolerance of a right answer, for intermediate rounding [1]."""

EXPONENT = re.compile(r"\s*[·×*]\s*10\s*\^?\s*")


def _exercise(seed: int, number: int, one: Exercise) -> None:
    """Draw a question, its answer field, the folded answer, and a link into the app."""
    style.sentence(escape(sentence(one.question)))
    left, right = st.columns([1, 2])
    with left:
        unit = "" if one.unit == "1" else localised(one.unit)
        text = st.text_input(
            _("Your answer [{unit}]").format(unit=unit) if unit else _("Your answer"),
            key=f"exercises_answer_{seed}_{number}",
            help=_("A number, such as 3.6e5 or 3.6·10^5; five percent off still count as right."),
        )
        if text.strip():
            st.caption(_(verdict(text, one.answer)))
    with right, st.expander(_("Show the answer")):
        answer = amount(one.answer, one.unit)
        st.html(
            f'<p class="tw"><b>{escape(answer)}</b><br>{unbroken(escape(sentence(one.steps)))}</p>'
            f'<p class="tw tw-links">{anchor(one.link, _("Check in the app"))}</p>'
        )


def verdict(text: str, answer: float) -> str:
    """Verdict on a reader's answer, marked for translation.

    >>> verdict("355", 355.4), verdict("3.1 · 10^5", 3.114e6), verdict("many", 1.0)
    ('Right.', 'Correct except for a power of ten.', 'Not a number: write 3.6e5.')
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
    return (
        N_("Correct except for a power of ten.")
        if abs(off - round(off)) <= near
        else N_("Not yet.")
    )


def printable(seed: int, sheets: int, page: str = "") -> str:
    """Return A4 sheets, each with its own numbers and space for answers.

    `page` is the URL of this page, known only while it is drawn.
    """
    rule = f"<p>{escape(_('Answer:'))} ____________________________</p>"
    sections = []
    for number in range(seed, seed + sheets):
        items = "".join(
            f"<li>{unbroken(escape(sentence(one.question)))}{rule}</li>" for one in computed(number)
        )
        head = _("Exercises, sheet {n}").format(n=number)
        name = f"<p>{escape(_('Name:'))} ____________________________</p>"
        sections.append(
            f"<section><h1>{escape(head)}</h1>{name}<ol>{items}</ol>{_foot(number, page)}</section>"
        )
    return share.document(_("Exercises"), "".join(sections))


def _foot(seed: int, page: str) -> str:
    """Footer of a sheet: where to check it, data version, and date."""
    spoken = {} if current() == ENGLISH else {"lang": current()}
    query = PARAMETERS.query(PARAMETERS.from_link({"seed": str(seed)})[0]) | spoken
    address = f"{page}?{urlencode(query)}"
    code = "" if share.is_local(address) else share.qr_code(address)
    said = _("Twenty Watts, data {version}, {date}.").format(
        version=open_catalog().data_version, date=datetime.now(UTC).date().isoformat()
    )
    check = _("Check in the app")
    link = f'{escape(check)}: <a href="{escape(address)}">{escape(address)}</a>'
    return f"<footer>{code}<p>{link}<br>{escape(said)}</p></footer>"


def key(seed: int, sheets: int) -> str:
    """Return the answers to the same sheets, with steps for the first."""
    steps = "".join(
        f"<li>{unbroken(escape(sentence(one.question)))} "
        f"<b>{unbroken(escape(amount(one.answer, one.unit)))}</b><br>"
        f"{unbroken(escape(sentence(one.steps)))}</li>"
        for one in computed(seed)
    )
    heads = "".join(f"<th>{place}</th>" for place in range(1, COUNT + 1))
    rows = "".join(
        f"<tr><th>{number}</th>"
        + "".join(f"<td>{escape(amount(one.answer, one.unit))}</td>" for one in computed(number))
        + "</tr>"
        for number in range(seed, seed + sheets)
    )
    head = _("Key to the exercises, sheet {n}").format(n=seed)
    table = f"<table><tr><th>{escape(_('Sheet'))}</th>{heads}</tr>{rows}</table>"
    body = f"<h1>{escape(head)}</h1><ol>{steps}</ol>{table if sheets > 1 else ''}"
    return share.document(head, body)


def _glossary() -> None:
    """Draw the glossary."""
    st.subheader(_("Glossary"), anchor=False)
    rows = [(_(term), sentence(meaning)) for term, meaning in GLOSSARY.items()]
    draw_table((_("Term"), _("Meaning")), rows)


SLIDES = {"one": N_("one exercise, its answer folded"), "glossary": N_("the glossary")}
QUESTION = PageQuestion(
    inputs=PARAMETERS,
    answer=lambda values: computed(values["seed"]),
    view=_draw,
    title=title(N_("Exercises")),
    heading=lambda values, frame: (
        _("Exercise {n}").format(n=values["number"]) if frame.show == "one" else ""
    ),
    slides=SLIDES,
    files=lambda values, found: (
        share.printable(
            "exercises", partial(printable, values["seed"], values["sheets"], address_of({}))
        ),
        share.printable(
            "exercises-key",
            lambda: key(values["seed"], values["sheets"]),
            _("Answer key to print"),
        ),
    ),
)
PAGE = QUESTION.page(N_("Exercises"), LEARN)
