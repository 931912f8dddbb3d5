"""A table for people as text, where all of it fits into its lines.

It looks as rich draws it, which wraps what does not fit; rich takes half as long as an estimate to
be imported and to lay out a few cells.
"""

from collections.abc import Iterable, Sequence

BETWEEN = " " * 3
"""Between two columns: their padding, and the place of a divider."""

LINE = "─"
NARROW = frozenset("–—…‘’“”•→≈≤≥−₂·×²³µ")
"""Letters beyond Latin ones that are as wide as those."""

LATIN_END = "\u0300"
BOLD, ITALIC, PLAIN = "\x1b[1m", "\x1b[3m", "\x1b[0m"


def table_text(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    title: str = "",
    *,
    width: int,
    styled: bool = False,
) -> str | None:
    """Lay out a table, its first column left and the others right.

    Parameters
    ----------
    header, rows, title
        Texts of one line each.
    width : int
        Letters of a line.
    styled : bool
        With the codes of a terminal for a bold header and an italic title.

    Returns
    -------
    str or None
        None where a line would have to be wrapped, a letter may be wider than others, or a column
        is empty.
    """
    body = [list(row) for row in rows]
    if any(len(row) != len(header) for row in body):
        return None
    widths = [max(map(len, column)) for column in zip(header, *body, strict=True)]
    inner = sum(widths) + len(BETWEEN) * (len(widths) - 1)
    texts = [title, *header, *(cell for row in body for cell in row)]
    fits = all(widths) and inner + 2 <= width and len(title) <= inner + 2
    if not fits or not all(map(_is_plain, texts)):
        return None
    blank = " " * (inner + 2)
    lines = [blank, f" {_head(header, widths, styled=styled)} ", f" {LINE * inner} "]
    lines += [f" {BETWEEN.join(_padded(row, widths))} " for row in body]
    if title:
        shown = title.ljust(inner + 2)
        lines.insert(0, f"{ITALIC}{shown}{PLAIN}" if styled else shown)
    return "\n".join([*lines, blank, ""])


def _is_plain(text: str) -> bool:
    """Whether every letter takes one place, and no space is at an end, where it may be cut."""
    if text.isascii():
        return text.isprintable() and text == text.strip()
    narrow = all(letter < LATIN_END or letter in NARROW for letter in text)
    return narrow and text.isprintable() and text == text.strip()


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        cell.rjust(width) if place else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]


def _head(header: Sequence[str], widths: Sequence[int], *, styled: bool) -> str:
    cells = _padded(header, widths)
    if not styled:
        return BETWEEN.join(cells)
    space = f"{BOLD} {PLAIN}"
    return f"{space} {space}".join(f"{BOLD}{cell}{PLAIN}" for cell in cells)
