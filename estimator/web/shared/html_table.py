"""Plain table on a page: cells are text, or HTML of ours, such as a link."""

from collections.abc import Iterable, Sequence
from html import escape

import streamlit as st

from estimator.web.shared.inline import unbroken
from estimator.web.shared.language import ENGLISH, current


class Html(str):
    """Cell of trusted HTML; text of any other type is escaped."""

    __slots__ = ()


def draw_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Draw a table; cells are escaped unless they are `Html`.

    On a phone, a row becomes a list with column heads.
    """
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    body = "".join(f"<tr>{_cells(header, row)}</tr>" for row in rows)
    st.html(
        f'<div class="tw" style="overflow-x:auto"><table class="tw-inputs">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def draw_columns(label: str, heads: Sequence[str], rows: Iterable[str]) -> None:
    """Write things side by side under their heads; both are HTML, rows as of `column_row`."""
    written = "".join(f'<th scope="col">{head}</th>' for head in heads)
    st.html(
        f'<div class="tw tw-scroll" role="group" tabindex="0" aria-label="{escape(label)}">'
        f'<table class="tw-columns" style="--columns:{len(heads)}">'
        f"<thead><tr><td></td>{written}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def column_row(label: str, cells: Iterable[str]) -> str:
    """Return a row of `draw_columns` with its label."""
    shown = "".join(f"<td>{cell_html(cell)}</td>" for cell in cells)
    return f'<tr><th scope="row">{escape(label)}</th>{shown}</tr>'


def _cells(header: Sequence[str], row: Sequence[str]) -> str:
    """Cells of a row, each with its column head."""
    return "".join(
        f'<td data-head="{escape(head, quote=True)}">{cell_html(cell)}</td>'
        for head, cell in zip(header, row, strict=True)
    )


def cell_html(cell: str) -> str:
    """Content of a cell as HTML.

    >>> cell_html('<a href="x">no link of ours</a>')
    '&lt;a href=&quot;x&quot;&gt;no link of ours&lt;/a&gt;'
    """
    return cell if isinstance(cell, Html) else unbroken(escape(cell))


def anchor(address: str, text: str) -> Html:
    """Link as a cell; links to our pages keep the language."""
    if "://" not in address and current() != ENGLISH:
        address += f"{'&' if '?' in address else '?'}lang={current()}"
    return Html(f'<a href="{escape(address)}" target="_self">{escape(text)}</a>')
