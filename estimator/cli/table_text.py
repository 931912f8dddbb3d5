"""A table for people as text, laid out as rich does it, in a fraction of the time.

What rich is needed for is left to it: letters of other widths, tables wider than any wrapping makes
fit, headers of several lines in bold.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise, repeat, zip_longest

BETWEEN = " " * 3
"""Between two columns: their padding, and the place of a divider."""

LINE = "─"
NARROW = frozenset("–—…‘’“”•→≈≤≥−₂·×²³µ")
"""Letters beyond Latin ones that are as wide as those."""

LATIN_END = "\u0300"
BOLD, ITALIC, PLAIN = "\x1b[1m", "\x1b[3m", "\x1b[0m"


WORD = re.compile(r"\s*\S+\s*")


def table_text(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    title: str = "",
    *,
    width: int,
    whole: Sequence[str] = (),
    styled: bool = False,
) -> str | None:
    """Lay out a table, its first column left and the others right.

    Parameters
    ----------
    header, rows, title
        Texts; cells may have several lines.
    width : int
        Letters of a line.
    whole : sequence of str
        Columns whose cells are not broken into several lines.
    styled : bool
        With the codes of a terminal for a bold header and an italic title.

    Returns
    -------
    str or None
        None where only rich can do it.
    """
    body = [list(row) for row in rows]
    if not _is_plain_table(header, body, title):
        return None
    natural = [max(map(_longest, column)) for column in zip(header, *body, strict=True)]
    room = width - 2 - len(BETWEEN) * (len(natural) - 1)
    widths = _narrowed(natural, [name not in whole for name in header], room)
    cramped = any(one < min(2, most) for one, most in zip(widths, natural, strict=True))
    if cramped or not all(natural) or sum(widths) > room:
        return None
    if styled and len(list(_broken(header, widths))) > 1:
        return None
    return _drawn(header, body, title, widths, styled=styled)


def terminal_text(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    title: str = "",
    *,
    width: int,
    whole: Sequence[str] = (),
) -> str | None:
    """Lay out a table for a terminal that has its `needed_width`: no word is broken, as rich would.

    None where only rich can do it.
    """
    body = [list(row) for row in rows]
    if not _is_plain_table(header, body, title):
        return None
    natural = [max(map(_longest, column)) for column in zip(header, *body, strict=True)]
    room = width - 2 - len(BETWEEN) * (len(natural) - 1)
    widths = _narrowed(natural, [name not in whole for name in header], room)
    widths = _no_word_broken(widths, _least_widths(header, body, whole))
    return _drawn(header, body, title, widths, styled=True) if sum(widths) <= room else None


def _is_plain_table(header: Sequence[str], body: Sequence[Sequence[str]], title: str) -> bool:
    """Whether it is a rectangle of letters that each take one place."""
    cells = [*header, *(cell for row in body for cell in row)]
    texts = [title, *(line for cell in cells for line in cell.split("\n"))]
    return all(len(row) == len(header) for row in body) and all(map(_is_plain, texts))


def _drawn(
    header: Sequence[str],
    body: Sequence[Sequence[str]],
    title: str,
    widths: Sequence[int],
    *,
    styled: bool,
) -> str | None:
    """Draw a table with columns of these widths; None where its title is longer."""
    inner = sum(widths) + len(BETWEEN) * (len(widths) - 1)
    if len(title) > inner + 2:
        return None
    blank = " " * (inner + 2)
    first = map(_bold if styled else BETWEEN.join, _broken(header, widths, at_bottom=True))
    lines = [blank, *(f" {line} " for line in first), f" {LINE * inner} "]
    lines += [f" {BETWEEN.join(line)} " for row in body for line in _broken(row, widths)]
    if title:
        shown = title.ljust(inner + 2)
        lines.insert(0, f"{ITALIC}{shown}{PLAIN}" if styled else shown)
    return "\n".join([*lines, blank, ""])


def needed_width(
    header: Sequence[str], rows: Iterable[Sequence[str]], whole: Sequence[str] = ()
) -> int:
    """Letters of a line in which a table needs to break no word, and no cell of a `whole` column.

    >>> needed_width(["", "80 % interval"], [["wall time", "105 years to 270 years"]])
    17
    """
    least = _least_widths(header, list(rows), whole)
    return sum(least) + len(BETWEEN) * (len(least) - 1) + 2


def lists_text(header: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> str:
    """Lay out a table as one list for each row, for a line too narrow for its columns.

    >>> print(lists_text(["device", "time", "cost"], [["a100", "5 h", "3 $"]]), end="")
    <BLANKLINE>
    a100
      time  5 h
      cost  3 $
    <BLANKLINE>
    """
    names = [" ".join(name.split()) for name in header[1:]]
    longest = max(map(len, names), default=0)
    lines = [title] if title else []
    for row in rows:
        lines += ["", " ".join(row[0].split())]
        for name, cell in zip(names, row[1:], strict=False):
            for label, part in zip(chain([name], repeat("")), cell.splitlines(), strict=False):
                lines.append(f"  {label:<{longest}}  {part}")
    return "\n".join([*lines, "", ""])


def _least_widths(
    header: Sequence[str], rows: Sequence[Sequence[str]], whole: Sequence[str]
) -> list[int]:
    """Letters of each column's longest word, or of the longest line where none is broken."""
    return [
        max(_longest(cell) if name in whole else _longest_word(cell) for cell in column)
        for name, column in zip(header, zip_longest(header, *rows, fillvalue=""), strict=True)
    ]


def _longest_word(cell: str) -> int:
    return max(map(len, cell.split()), default=0)


def _narrowed(widths: list[int], may_shrink: list[bool], room: int) -> list[int]:
    """Widths of the columns after the widest of those that may were made narrower.

    The padding of a column counts with it: two letters, of the first and the last column one.
    """
    padded = [width + (place > 0) + (place < len(widths) - 1) for place, width in enumerate(widths)]
    padding = [one - width for one, width in zip(padded, widths, strict=True)]
    excess = sum(widths) - room
    while excess > 0 and any(may_shrink):
        free = [width for width, may in zip(padded, may_shrink, strict=True) if may]
        widest = max(free)
        step = min(excess, widest - max((one for one in free if one < widest), default=0))
        at = [place for place, width in enumerate(padded) if may_shrink[place] and width == widest]
        left, before = excess, excess
        for number, place in enumerate(at):
            less = min(step, round(left / (len(at) - number)))
            padded[place] -= less
            left -= less
        excess = left
        if excess == before:
            break
    return [one - less for one, less in zip(padded, padding, strict=True)]


def _no_word_broken(widths: list[int], least: list[int]) -> list[int]:
    """Give each column its longest word, at the cost of those that have most to spare."""
    wide = [max(pair) for pair in zip(widths, least, strict=True)]
    for _ in range(sum(wide) - sum(widths)):
        spare = [one - low for one, low in zip(wide, least, strict=True)]
        if max(spare) > 0:
            wide[spare.index(max(spare))] -= 1
    return wide


def _broken(
    row: Sequence[str], widths: Sequence[int], *, at_bottom: bool = False
) -> Iterator[list[str]]:
    """Lines of a row, each cell padded: the first left, the others right."""
    cells = [_wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
    if at_bottom:
        most = max(map(len, cells))
        cells = [[""] * (most - len(cell)) + cell for cell in cells]
    for line in zip_longest(*cells, fillvalue=""):
        yield [
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]


def _wrapped(cell: str, width: int) -> list[str]:
    """Lines of a cell, broken between words, and within those that are too long."""
    if "\n" in cell:
        return [part for line in cell.split("\n") for part in _wrapped(line, width)]
    if len(cell) <= width:
        return [cell]
    ends = pairwise([0, *_breaks(cell, width), len(cell)])
    return [cell[start:end].rstrip() for start, end in ends]


def _longest(cell: str) -> int:
    """Letters of the longest line of a cell."""
    return max(map(len, cell.split("\n"))) if "\n" in cell else len(cell)


def _breaks(text: str, width: int) -> Iterator[int]:
    """Places at which new lines begin."""
    used = 0
    for word in WORD.finditer(text):
        start, end = word.span()
        needed = len(word[0].rstrip())
        if needed <= width - used:
            used += end - start
        elif needed > width:
            yield from (at for at in range(start, end, width) if at)
            used = (end - start - 1) % width + 1
        elif used and start:
            yield start
            used = end - start


def _is_plain(text: str) -> bool:
    """Whether every letter takes one place, and no space is at an end, where it may be cut."""
    if text.isascii():
        return text.isprintable() and text == text.strip()
    narrow = all(letter < LATIN_END or letter in NARROW for letter in text)
    return narrow and text.isprintable() and text == text.strip()


def _bold(cells: Sequence[str]) -> str:
    space = f"{BOLD} {PLAIN}"
    return f"{space} {space}".join(f"{BOLD}{cell}{PLAIN}" for cell in cells)
