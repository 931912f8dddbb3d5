"""Share a page: its link, its numbers as files, its slides, and snippets to paste elsewhere."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from json import dumps
from typing import Any, TypeVar

import pandas as pd
import streamlit as st

from estimator.system.formula_cells import without_formula
from estimator.web.shared import snippets, style
from estimator.web.shared.frame import Frame
from estimator.web.shared.language import ENGLISH, N_, _, current
from estimator.web.shared.url_state import Query, UrlState, address_of, versioned

Asked = TypeVar("Asked")


@dataclass(frozen=True, kw_only=True)
class File:
    """Numbers of the page as a file.

    Parameters
    ----------
    label : str
        Text of the button, translated.
    name : str
        Name of the file.
    mime : str
        Its type.
    content : callable
        Called when the file is asked for.
    """

    label: str
    name: str
    mime: str
    content: Callable[[], str | bytes]


def csv(name: str, rows: Callable[[], Any], label: str = N_("Download CSV")) -> File:
    """Rows, or a table, as a CSV file."""

    def content() -> str:
        return str(pd.DataFrame(rows()).map(without_formula).to_csv(index=False))

    return File(label=_(label), name=f"{name}.csv", mime="text/csv", content=content)


def json(name: str, content: Callable[[], Any]) -> File:
    """Numbers as a JSON file."""
    return File(
        label=_("Download JSON"),
        name=f"{name}.json",
        mime="application/json",
        content=lambda: dumps(content(), indent=2),
    )


def printable(name: str, content: Callable[[], str]) -> File:
    """Contents of the page to print, as an HTML file."""
    label = _("Printable page")
    return File(label=label, name=f"{name}.html", mime="text/html", content=content)


def begin(state: UrlState[Asked]) -> Asked:
    """Begin a page: what is asked of it, and above it what of its link could not be used."""
    asked = state.arrive()
    style.notices(state.notices)
    return asked


def draw(
    slides: Mapping[str, str],
    query: Query,
    *,
    title: str,
    files: Sequence[File] = (),
    offline: File | None = None,
) -> None:
    """Draw the link of the page, its downloads, and folded, its slides and snippets.

    Parameters
    ----------
    slides : mapping of str to str
        The page's own: name in the link -> what is on it.
    query : mapping of str to str
        State of the page, as its link writes it.
    title : str
        What the page shows, in a few words: title of frames and links.
    files : sequence of File
        What can be downloaded.
    offline : File, optional
        A figure that needs no server, for slides without network.
    """
    st.subheader(_("Share and export"), anchor=False)
    spoken = {} if current() == ENGLISH else {"lang": current()}
    link = {**versioned(query), **spoken}
    st.code(address_of(link), language=None, wrap_lines=True)
    if files:
        with st.container(horizontal=True):
            for file in files:
                _download(file)
    if slides:
        text = _("Slides, and copy for reveal.js, Quarto, Jupyter, PowerPoint …")
        with style.folded(text, key="fold_slides") as fold:
            if fold.open:
                _copies(slides, link, title, offline)


def _copies(slides: Mapping[str, str], link: Query, title: str, offline: File | None) -> None:
    """Draw the slides with their links, and the snippets of the one that is chosen."""
    _slides(slides, link)
    chosen = st.selectbox(
        _("Slide"),
        list(slides),
        format_func=lambda name: _(slides[name]),
        key="share_slide",
    )
    look = snippets.slide_look(dark=st.context.theme.type == "dark")
    _snippets(address_of(link, **look, show=chosen), title)
    if offline is not None:
        _offline(offline, title)


def finish(
    state: UrlState[Any],
    query: Query,
    frame: Frame,
    slides: Mapping[str, str],
    *,
    title: str,
    files: Sequence[File] = (),
) -> None:
    """End a page: what `draw` draws, unless it is a slide; its URL, and its marker for tests."""
    if not frame.slide:
        draw(slides, query, title=title, files=files)
    leave(state, query, frame)


def leave(state: UrlState[Any], query: Query, frame: Frame) -> None:
    """Write the URL of a page, and its marker for tests."""
    state.leave(query, embedded=frame.embedded)
    style.marker(query)


def _offline(figure: File, title: str) -> None:
    """Draw the download of a figure without a server, and the slide that shows it."""
    style.caption(_("Without network: save this figure next to the deck, and paste its slide."))
    _download(figure)
    st.code(snippets.reveal(figure.name, title), language="html", wrap_lines=True)


def _download(file: File) -> None:
    """Draw the button of a file, whose content is worked out when it is pressed."""
    st.download_button(
        file.label, data=file.content, file_name=file.name, mime=file.mime, on_click="ignore"
    )


def _slides(slides: Mapping[str, str], link: Query) -> None:
    """List every slide of the page with its link."""
    rows = "".join(
        f'<li><a href="{escape(address_of(link, show=name, fs="1.4"))}" target="_blank" '
        f'rel="noopener">{escape(_(text))}</a> <code>show={escape(name)}</code></li>'
        for name, text in slides.items()
    )
    st.html(f'<ul class="tw tw-links">{rows}</ul>')
    style.caption(
        _(
            "Also in a link: fs=1.4 for larger text, controls=devices,hardware for controls on "
            "the slide, embed_options=dark_theme, lang=de. Snippets are light or dark as this "
            "page is."
        )
    )


def _snippets(address: str, title: str) -> None:
    """Draw one snippet per place to paste it."""
    tabs = st.tabs([_(name) for name, _writer, _language in snippets.WRITERS.values()])
    for tab, (_name, writer, language) in zip(tabs, snippets.WRITERS.values(), strict=True):
        tab.code(writer(address, title), language=language or None, wrap_lines=True)
