"""How is a table laid out in letters: how wide its columns are, and what stands where none fit."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat, zip_longest
from unicodedata import category, east_asian_width

BETWEEN = 3
"""Letters between two columns: their padding, and the place of a divider."""

EDGES = 2
"""Letters beside the first and the last column."""

NO_WIDTH = ("Mn", "Me", "Cf")
"""Categories of signs that take no room of their own: accents, joiners."""


def column_widths(
    header: Sequence[str], rows: Sequence[Sequence[str]], line: int, whole: Sequence[str] = ()
) -> list[int] | None:
    """Width of each column so that no word is broken; None where the line is too narrow.

    Parameters
    ----------
    header, rows
        Texts; cells may have several lines.
    line : int
        Letters of a line.
    whole : sequence of str
        Columns whose cells are not broken into several lines.

    >>> column_widths(["", "80 % interval"], [["wall time", "105 years to 270 years"]], 24)
    [5, 13]
    """
    columns = list(zip_longest(header, *rows, fillvalue=""))
    natural = _natural_widths(columns)
    least = [
        most if name in whole else max(map(_longest_word, column))
        for name, column, most in zip(header, columns, natural, strict=True)
    ]
    spare = line - EDGES - BETWEEN * (len(columns) - 1) - sum(least)
    if spare < 0:
        return None
    wanted = sum(natural) - sum(least)
    if spare >= wanted:
        return natural
    return [few + spare * (most - few) // wanted for few, most in zip(least, natural, strict=True)]


def narrowed_widths(
    header: Sequence[str], rows: Sequence[Sequence[str]], line: int, whole: Sequence[str] = ()
) -> list[int]:
    """Width of each column where words may be broken: the last of the widest gives way first.

    Parameters as for `column_widths`; a line longer than that holds what is not to be broken.

    >>> narrowed_widths(["", "a", "b"], [["name", "a" * 30, "b" * 20]], 40)
    [4, 14, 14]
    """
    widths = _natural_widths(list(zip_longest(header, *rows, fillvalue="")))
    free = [at for at, name in enumerate(header) if name not in whole]
    excess = _width_of_line(widths) + EDGES - line
    while excess > 0 and any(widths[at] > 1 for at in free):
        widest = max(free, key=lambda at: (widths[at] + (0 < at < len(widths) - 1), at))
        widths[widest] -= 1
        excess -= 1
    return widths


def table_text(header: Sequence[str], rows: Iterable[Sequence[str]], widths: Sequence[int]) -> str:
    """Lay out a table: a line under the header if it says anything, the first column on the left.

    >>> print(table_text(["", "time"], [["a100", "5 h"]], [4, 4]).replace(" ", "."), end="")
    <BLANKLINE>
    ........time
    .───────────
    .a100....5.h
    <BLANKLINE>
    """
    heads = [*_row_lines(header, widths, -1), " " + "─" * _width_of_line(widths)]
    body = chain.from_iterable(_row_lines(row, widths) for row in rows)
    return "\n".join(["", *(heads if any(header) else ()), *body, "", ""])


def _row_lines(row: Sequence[str], widths: Sequence[int], order: int = 1) -> list[str]:
    """Lines of one row, its cells broken where they are wider; `order` -1 ends all on the last."""
    cells = [
        list(chain.from_iterable(_broken(part, width) for part in cell.split("\n")))[::order]
        for cell, width in zip(row, widths, strict=True)
    ]
    lines = []
    for parts in zip_longest(*cells, fillvalue=""):
        room = [" " * (width - cell_len(part)) for part, width in zip(parts, widths, strict=True)]
        rest = zip(room[1:], parts[1:], strict=True)
        shown = [parts[0] + room[0], *(space + part for space, part in rest)]
        lines.append((" " + (" " * BETWEEN).join(shown)).rstrip())
    return lines[::order]


def _broken(text: str, width: int) -> Iterator[str]:
    """Break a line between words, and a word that no line holds anywhere."""
    line = ""
    for word in re.findall(r"\s*\S+\s*", text):
        if cell_len(line + word.rstrip()) > width and line:
            yield line.rstrip()
            line = ""
        line += word
        while cell_len(line.rstrip()) > width:
            ends = range(len(line) - 1, 1, -1)
            fits = next((end for end in ends if cell_len(line[:end]) <= width), 1)
            yield line[:fits]
            line = line[fits:]
    yield line.rstrip()


def lists_text(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
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
    lines = []
    for row in rows:
        lines += ["", " ".join(row[0].split())]
        for name, cell in zip(names, row[1:], strict=False):
            for label, part in zip(chain([name], repeat("")), cell.splitlines(), strict=False):
                lines.append(f"  {label:<{longest}}  {part}")
    return "\n".join([*lines, "", ""])


def cell_len(text: str) -> int:
    """How many letters wide a text is on a terminal.

    >>> cell_len("日本"), cell_len("e\u0301")
    (4, 1)
    """
    if text.isascii():
        return len(text)
    return sum(
        0 if category(char) in NO_WIDTH else 1 + (east_asian_width(char) in "WF") for char in text
    )


def _width_of_line(widths: Sequence[int]) -> int:
    return sum(widths) + BETWEEN * (len(widths) - 1)


def _natural_widths(columns: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(_longest_line, column)) for column in columns]


def _longest_line(cell: str) -> int:
    return max(map(cell_len, cell.split("\n")))


def _longest_word(cell: str) -> int:
    return max(map(cell_len, cell.split()), default=0)
