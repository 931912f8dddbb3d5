"""Sharing of a page: link, downloads, slides, and snippets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from json import dumps
from shlex import quote
from typing import Any, TypeVar
from urllib.parse import urlsplit

import segno
import streamlit as st

from estimator.web.shared import snippets, style
from estimator.web.shared.language import ENGLISH, N_, _, current, spoken
from estimator.web.shared.tables import csv_text
from estimator.web.shared.url_state import Query, address_of, versioned

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
    """Rows or a table as a CSV file."""
    return File(
        label=_(label), name=f"{name}.csv", mime="text/csv", content=lambda: csv_text(rows())
    )


def json(name: str, content: Callable[[], Any]) -> File:
    """Numbers as a JSON file."""
    return File(
        label=_("Download JSON"),
        name=f"{name}.json",
        mime="application/json",
        content=lambda: dumps(content(), indent=2),
    )


def printable(name: str, content: Callable[[], str], label: str = "") -> File:
    """Printable content of the page, as an HTML file."""
    label = label or _("Printable page")
    return File(label=label, name=f"{name}.html", mime="text/html", content=content)


def draw(
    slides: Mapping[str, str],
    query: Query,
    *,
    title: str,
    files: Sequence[File] = (),
    offline: File | None = None,
    controls: str = "",
) -> None:
    """Draw the link of the page and its downloads, with slides and snippets folded.

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
    controls : str
        Controls that stand on copied slides, as their link names them; all are behind a button.
    """
    st.subheader(_("Share and export"), anchor=False)
    link = {**versioned(query), **({} if current() == ENGLISH else {"lang": current()})}
    address = address_of(link)
    st.code(address, language=None, wrap_lines=True)
    if is_local(address):
        style.caption(
            _(
                "This address works on this computer only. Send the file or the command instead, "
                "or ask whoever runs the server for its public name."
            )
        )
        st.code(_command(address), language=None, wrap_lines=True)
    else:
        with style.folded(_("QR code"), key="fold_qr") as fold:
            if fold.open:
                st.html(f'<div class="tw">{qr_code(address)}</div>')
    shown = (*files, offline or _page_file(title, link, address))
    with st.container(horizontal=True):
        for file in shown:
            _download(file)
    if slides:
        text = _("Slides, and copy for reveal.js, Quarto, Jupyter, PowerPoint …")
        with style.folded(text, key="fold_slides") as fold:
            if fold.open:
                _copies(slides, link, title, {"controls": controls} if controls else {})
            if fold.open and offline is not None:
                _offline(offline, title)


def cite(texts: Mapping[str, str]) -> None:
    """Draw texts for a paper, by markup."""
    for tab, text in zip(st.tabs(list(texts)), texts.values(), strict=True):
        tab.code(text, language="latex", wrap_lines=True)


LOCAL = ("localhost", "127.0.0.1", "::1", "0.0.0.0", None)
"""Host names that only work on this computer."""


def is_local(address: str) -> bool:
    """Return whether an address works on this computer only.

    >>> is_local("http://localhost:8501/brain"), is_local("https://watts.example.org/brain")
    (True, False)
    """
    return urlsplit(address).hostname in LOCAL


def qr_code(address: str) -> str:
    """Return an address as a QR code, dark on light on any page.

    An image, as Streamlit removes SVG elements from HTML.

    >>> qr_code("https://watts.example.org/")[:56]
    '<img class="qr" alt="QR code" src="data:image/svg+xml;ch'
    """
    code = segno.make_qr(address, error="l")
    source = code.svg_data_uri(dark="#000", light="#fff", omitsize=True)
    return f'<img class="qr" alt="{escape(_("QR code"))}" src="{source}">'


def _command(address: str) -> str:
    """Return the command that opens an address on another machine."""
    url = urlsplit(address)
    place = f"{url.path.strip('/')}?{url.query}"
    return f"twenty-watts app --open {quote(place)}"


def _page_file(title: str, link: Query, address: str) -> File:
    """Return a file with the scenario in words and a link to it."""
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>" for name, text in link.items()
    )
    body = f"<h1>{escape(title)}</h1><table>{rows}</table>"
    body += f'<p><a href="{escape(address)}">{escape(address)}</a></p>'
    body += f"<p><code>{escape(_command(address))}</code></p>"
    label = _("Scenario as one HTML file")
    text = document(title, body)
    return File(label=label, name="scenario.html", mime="text/html", content=lambda: text)


def document(title: str, body: str) -> str:
    """Return a printable A4 document with an HTML body."""
    return DOCUMENT.format(language=current(), title=escape(title), body=body)


DOCUMENT = """<!doctype html>
<html lang="{language}"><meta charset="utf-8"><title>{title}</title>
<style>
@page {{ size: A4; margin: 1.6cm; }}
body {{ font: 11pt/1.45 system-ui, sans-serif; max-width: 45rem; margin: 2rem auto; padding: 0 1rem;
       overflow-wrap: anywhere; }}
h1 {{ font-size: 1.4rem; }}
th, td {{ padding: 0.2rem 0.8rem 0.2rem 0; vertical-align: top; text-align: left; }}
li {{ margin: 0.9rem 0; break-inside: avoid; }}
section + section {{ break-before: page; }}
section li {{ min-height: 3.1cm; }}
li p {{ margin: 0.4rem 0; }}
table {{ font-size: 0.75rem; overflow-wrap: normal; }}
ol + table {{ break-before: page; }}
.tw-amount {{ white-space: nowrap; }}
tr {{ break-inside: avoid; }}
footer {{ display: flex; gap: 1rem; align-items: center; font-size: 0.85rem; }}
.qr {{ width: 3cm; flex: none; }}
@media print {{ body {{ margin: 0; padding: 0; max-width: none; }} }}
</style>
{body}
</html>
"""
"""Template of a printable document."""


def _copies(slides: Mapping[str, str], link: Query, title: str, shown: Query) -> None:
    """Draw the slides with their links, and the snippets of the selected one."""
    _slides(slides, link, shown)
    chosen = st.selectbox(
        _("Slide"),
        list(slides),
        format_func=lambda name: _(slides[name]),
        key="share_slide",
    )
    look = snippets.slide_look(dark=st.context.theme.type == "dark")
    _snippets(address_of(link, **look, show=chosen, **shown), title)


def _offline(figure: File, title: str) -> None:
    """Draw the slide snippet of an offline figure."""
    style.caption(_("Without network: save this figure next to the deck, and paste its slide."))
    st.code(snippets.reveal(figure.name, title), language="html", wrap_lines=True)


def _download(file: File) -> None:
    """Draw the download button of a file, with content computed on click."""
    st.download_button(
        file.label,
        data=in_language(file.content),
        file_name=file.name,
        mime=file.mime,
        on_click="ignore",
    )


def in_language(content: Callable[[], Asked]) -> Callable[[], Asked]:
    """Keep the language of the page for content that another thread computes."""
    language = current()

    def computed() -> Asked:
        with spoken(language):
            return content()

    return computed


def _slides(slides: Mapping[str, str], link: Query, shown: Query) -> None:
    """List every slide of the page with its link."""
    rows = "".join(
        f'<li><a href="{escape(address_of(link, show=name, fs="1.4", **shown))}" target="_blank" '
        f'rel="noopener">{escape(_(text))}</a> <code>show={escape(name)}</code></li>'
        for name, text in slides.items()
    )
    st.html(f'<ul class="tw tw-links">{rows}</ul>')
    style.caption(
        _(
            "All inputs are behind a button on each slide. Also in a link: fs=1.4 for larger "
            "text, embed_options=dark_theme, lang=de. Snippets are light or dark as this page is."
        )
    )


def _snippets(address: str, title: str) -> None:
    """Draw one snippet per target."""
    tabs = st.tabs([_(name) for name, _writer, _language in snippets.WRITERS.values()])
    for tab, (_name, writer, language) in zip(tabs, snippets.WRITERS.values(), strict=True):
        tab.code(writer(address, title), language=language or None, wrap_lines=True)
