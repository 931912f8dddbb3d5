"""Style of the page beyond the theme: one stylesheet, and its HTML blocks."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import cache
from html import escape
from json import dumps
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from estimator.show.notices import SHOWN
from estimator.web.shared.charts import Look, unit_in_script
from estimator.web.shared.frame import Frame
from estimator.web.shared.inline import explained, unbroken
from estimator.web.shared.language import _, ngettext

FOLDER = Path(__file__).parent

MOST_NOTICES = 3
"""Most notices shown at once; the others are counted."""

ROOT_PX = 16

ACCENT = {"light": "#005B96", "dark": "#56B4E9"}
"""Link colour, as in the theme."""

FILL_FRAME = """<script>
(() => {
  const root = document.documentElement;
  const fit = () => { root.style.fontSize = %(root)s * %(unit)s + "px"; };
  addEventListener("resize", fit);
  fit();
})();
</script>"""
"""Script that scales a slide's text with its frame, like its charts."""

_BOLD = ("\x02", "\x03")
"""Markers of bold text, absent from inputs and unaffected by escaping."""

COMPONENTS = ("cpu", "gpu", "dram")
"""Machine components, as named by meters."""


def write_stylesheet(look: Look) -> None:
    """Write the style of the page in its look; text sizes follow the root."""
    silence = _(
        "The server of this page does not answer: the last result stays, and it is asked "
        "again. To start it: twenty-watts app"
    )
    values = {
        "root": f"{ROOT_PX * look.scale:g}px",
        "ink": look.colours["ink"],
        "paper": look.colours["paper"],
        "accent": ACCENT["dark" if look.dark else "light"],
        "inputs": dumps(_("Change the inputs"), ensure_ascii=False),
        "silence": dumps(silence, ensure_ascii=False),
    }
    said = "".join(f"--{name}: {value};" for name, value in values.items())
    st.html(f"<style>:root {{ {said} }}</style>")
    st.html(FOLDER / "style.css")
    if look.slide:
        st.html(FOLDER / "slide.css")


@cache
def script(name: str) -> str:
    """Return a script of this folder as HTML."""
    return f"<script>{(FOLDER / name).read_text(encoding='utf-8')}</script>"


def fill_frame(look: Look) -> None:
    """Scale a slide to its frame."""
    values = {"root": ROOT_PX * look.scale, "unit": unit_in_script()}
    st.html(FILL_FRAME % values, unsafe_allow_javascript=True)


def print_line(text: str) -> None:
    """Write the origin and date of a page, on paper only."""
    st.html(f'<p class="tw tw-print">{escape(text)}</p>')


def slide_foot(text: str) -> None:
    """Write the basis and date below a slide."""
    write(f'<p class="tw tw-slide-foot">{escape(text)}</p>')


def write_clicker_keys() -> None:
    """Return clicker keys to the surrounding deck."""
    st.html(script("clicker.js"), unsafe_allow_javascript=True)


def notices(lines: Iterable[str]) -> None:
    """Write notices above the page, if any."""
    shown = visible_lines(lines)
    items = "".join(f"<p>{escape(_sentence(line))}</p>" for line in shown)
    if items:
        write(f'<div class="tw tw-notice" role="alert">{items}</div>')


def visible_lines(lines: Iterable[str]) -> list[str]:
    """Return the first lines, and the number of others.

    >>> visible_lines("abcdef")
    ['a', 'b', 'c', 'and 3 more']
    """
    every = list(dict.fromkeys(lines))
    rest = len(every) - MOST_NOTICES
    more = ngettext("and {n} more", "and {n} more", rest).format(n=rest)
    return every[:MOST_NOTICES] + ([more] if rest > 0 else [])


@contextmanager
def block() -> Iterator[None]:
    """Combine the following output in one element, which browsers draw faster."""
    pieces: list[str] = []
    outer = _pieces.set(pieces)
    try:
        yield
    finally:
        _pieces.reset(outer)
    if pieces:
        write(f'<div class="tw-block">{"".join(pieces)}</div>')


def write(html: str) -> None:
    """Write HTML on the page, or into the current block."""
    pieces = _pieces.get()
    if pieces is None:
        st.html(html)
    else:
        pieces.append(html)


_pieces: ContextVar[list[str] | None] = ContextVar("_pieces", default=None)


@contextmanager
def last_valid(refusal: str, *, usual: bool = False) -> Iterator[None]:
    """Draw the following dimmed if it answers other inputs, with the reason.

    These are the last valid inputs, or the page's defaults.
    """
    if not refusal:
        yield
        return
    notices([refusal])
    mark = _("default settings of this page") if usual else _("as of the last valid input")
    badges([mark])
    with dimmed("result"):
        yield


def dimmed(name: str) -> AbstractContextManager[Any]:
    """Draw the following dimmed; the name is unique on the page."""
    container: AbstractContextManager[Any] = st.container(key=f"stale_{name}")
    return container


def slide_title(text: str) -> None:
    """Write the scenario above a slide."""
    write(f'<h1 class="tw tw-slide-title">{escape(text)}</h1>')


def sections(
    pictures: Mapping[str, Callable[..., None]],
    titles: Mapping[str, str],
    frame: Frame,
    *args: object,
) -> None:
    """Draw each chart under its title, or the slide's only."""
    for show, picture in pictures.items():
        if frame.shows(show):
            if not frame.slide:
                st.subheader(_(titles[show]), anchor=False)
            picture(*args, frame)


def bold(text: str) -> str:
    """Mark the answer in a sentence, before escaping."""
    return f"{_BOLD[0]}{text}{_BOLD[1]}"


def plain(text: str) -> str:
    """Text without the marks of `bold`."""
    return text.replace(_BOLD[0], "").replace(_BOLD[1], "")


def sentence(html: str) -> None:
    """Write the answer in one sentence of escaped HTML."""
    marked = html.replace(_BOLD[0], "<b>").replace(_BOLD[1], "</b>")
    write(f'<p class="tw tw-sentence">{explained(unbroken(marked))}</p>')


def sentence_of(text: str, **values: object) -> None:
    """Write a plain sentence with its values."""
    sentence(escape(text.format(**values)))


def figures(cards: Iterable[str]) -> None:
    """Write the headline figures in rows of as many as fill them best, five at most."""
    every = list(cards)
    columns = next((one for one in (4, 3, 5) if len(every) % one == 0), 4)
    write(f'<dl class="tw tw-figures" style="--columns:{columns}">{"".join(every)}</dl>')


def figure(name: str, label: str, value: str, span: str, notes: Iterable[str]) -> str:
    """Headline figure: label, value, range, and notes."""
    number, _, unit = value.partition(" ")
    lines = "".join(f'<div class="tw-note">{_running(note)}</div>' for note in notes)
    return (
        f'<div class="tw-figure" data-quantity="{escape(name)}"><dt>{escape(label)}</dt>'
        f'<dd><div class="tw-value">{escape(number)}<small>{escape(unit)}</small></div>'
        f'<div class="tw-range">{_running(span)}</div>{lines}</dd></div>'
    )


def caption(text: str) -> None:
    """Write a caption under a chart."""
    write(f'<p class="tw tw-caption">{_running(text)}</p>')


def caption_html(html: str) -> None:
    """Write a caption of escaped HTML."""
    write(f'<p class="tw tw-caption">{explained(unbroken(html))}</p>')


def in_words(text: str) -> None:
    """Write a visually hidden description of a chart."""
    write(f'<p class="tw-in-words">{escape(text)}</p>')


def badges(texts: Iterable[str]) -> None:
    """Write badges on a result, if any."""
    items = "".join(f'<span class="tw-badge">{escape(text)}</span> ' for text in texts)
    if items:
        write(f'<div class="tw">{items}</div>')


def folded(label: str, key: str, on_change: Callable[[], None] | None = None) -> Any:
    """Foldable section; draw its content only if `.open`."""
    return st.expander(label, key=key, on_change=on_change or "rerun")


def opened(label: str, titles: Mapping[str, str], key: str) -> list[str]:
    """Draw section titles side by side, and return the open ones.

    One element, as browsers redraw each folded section with every answer.
    """
    chosen = st.pills(
        label,
        list(titles),
        format_func=lambda name: _(titles[name]),
        selection_mode="multi",
        key=key,
    )
    return [name for name in titles if name in chosen]


def section(title: str) -> None:
    """Write the title of an open section."""
    write(f'<h3 class="tw tw-section">{escape(title)}</h3>')


def assumptions(lines: Iterable[str]) -> None:
    """Write assumptions and omissions."""
    items = "".join(f"<p>{_running(_capitalised(line))}</p>" for line in lines)
    if items:
        write(f'<div class="tw tw-assumed">{items}</div>')


def first_assumptions(lines: Iterable[str]) -> None:
    """Write the first assumptions, and the others folded."""
    every = list(lines)
    assumptions(every[:SHOWN])
    if rest := every[SHOWN:]:
        items = "".join(f"<p>{_running(_capitalised(line))}</p>" for line in rest)
        title = ngettext("{n} more assumption", "{n} more assumptions", len(rest))
        summary = escape(title.format(n=len(rest)))
        write(f'<details class="tw tw-assumed"><summary>{summary}</summary>{items}</details>')


def brand(name: str, motto: str) -> None:
    """Write the product's name and motto."""
    write(f'<p class="tw tw-brand">{escape(name)}<small>{escape(motto)}</small></p>')


def page_name(group: str, title: str) -> None:
    """Write the page's name above its answer."""
    parts = " · ".join(escape(part) for part in dict.fromkeys((group, title)) if part)
    write(f'<h2 class="tw tw-page">{parts}</h2>')


def problem(text: str) -> None:
    """Write under a widget what cannot be read."""
    write(f'<p class="tw tw-problem" role="alert">{escape(text)}</p>')


def marker(query: Mapping[str, str], shares: Mapping[str, str] | None = None) -> None:
    """Write a hidden marker of the page's state for scripts.

    `shares` are the inputs that the menu passes to other pages.
    """
    implied = f' data-shares="{escape(urlencode(shares))}"' if shares else ""
    write(f'<span hidden data-scenario="{escape("?" + urlencode(query))}"{implied}></span>')


def _running(text: str) -> str:
    """Escape a text, explain its terms and keep its amounts together."""
    return explained(unbroken(escape(text)))


def _sentence(text: str) -> str:
    """Capitalise and end with a full stop, unless it ends otherwise.

    >>> _sentence("fs is adjusted to 2"), _sentence("did you mean h100?")
    ('Fs is adjusted to 2.', 'Did you mean h100?')
    """
    return f"{_capitalised(text)}{'' if text[-1:] in '.?!…' else '.'}"


def _capitalised(text: str) -> str:
    """Capitalise; machine components become acronyms, and keys stay.

    >>> _capitalised("gpu: no driver"), _capitalised("a PUE of 1.25 assumed")
    ('GPU: no driver', 'A PUE of 1.25 assumed')
    >>> _capitalised("hidden_size must be a positive integer")
    'hidden_size must be a positive integer'
    """
    if "_" in text.partition(" ")[0]:
        return text
    component, colon, rest = text.partition(":")
    if component in COMPONENTS:
        return f"{component.upper()}{colon}{rest}"
    return f"{text[:1].upper()}{text[1:]}"
