"""How is a table laid out in letters: its columns, and a list where they do not fit."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat, zip_longest

from rich.cells import cell_len, chop_cells

BETWEEN = 3
"""Letters between two columns: their padding, and the place of a divider."""

EDGES = 2
"""Letters beside the first and the last column."""

WIDEST_SIGN = 2
"""Letters that one sign takes at most."""


def column_widths(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    line: int,
    whole: Sequence[str] = (),
    *,
    fold: bool = False,
) -> list[int] | None:
    """Width of each column, the widest giving way first; None where the line is too narrow.

    Parameters
    ----------
    header, rows
        Texts; cells may have several lines.
    line : int
        Letters of a line.
    whole : sequence of str
        Columns whose cells are not broken into several lines.
    fold : bool
        Whether words may be broken.

    >>> column_widths(["", "80 % interval"], [["wall time", "105 years to 270 years"]], 24)
    [9, 10]
    """
    columns = list(zip_longest(header, *rows, fillvalue=""))
    natural = [max(map(_longest_line, column)) for column in columns]
    words = [WIDEST_SIGN if fold else max(map(_longest_word, column)) for column in columns]
    least = [
        most if name in whole else word
        for name, word, most in zip(header, words, natural, strict=True)
    ]
    room = line - EDGES - BETWEEN * (len(columns) - 1)
    for most in range(min(room, max(natural)), -1, -1):
        widths = [min(full, max(few, most)) for few, full in zip(least, natural, strict=True)]
        if sum(widths) <= room:
            return widths
    return None


def table_text(header: Sequence[str], rows: Iterable[Sequence[str]], widths: Sequence[int]) -> str:
    """Lay out a table in columns, the first to the left, the others to the right.

    >>> print(table_text(["", "time"], [["a100", "5 h"], ["h100", "2 to 3 h"]], [4, 6]), end="")
    <BLANKLINE>
              time
     ─────────────
     a100      5 h
     h100   2 to 3
                 h
    <BLANKLINE>
    """
    lines: list[str] = []
    if any(header):
        head = [_wrapped(name, width) for name, width in zip(header, widths, strict=True)]
        tallest = max(map(len, head))
        lines += _side_by_side([[""] * (tallest - len(cell)) + cell for cell in head], widths)
        lines.append(" " + "─" * (sum(widths) + BETWEEN * (len(widths) - 1)))
    for row in rows:
        cells = [_wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
        lines += _side_by_side(cells, widths)
    return "\n".join(["", *lines, "", ""])


def _side_by_side(cells: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    """Lines of one row, its cells from the top."""
    for first, *others in zip_longest(*cells, fillvalue=""):
        parts = [first + " " * (widths[0] - cell_len(first))]
        for part, width in zip(others, widths[1:], strict=True):
            parts.append(" " * (width - cell_len(part)) + part)
        yield " " + (" " * BETWEEN).join(parts).rstrip()


def _wrapped(cell: str, width: int) -> list[str]:
    """Lines of a cell, broken between words where that is needed, and within where it must be."""
    lines = []
    for line in cell.split("\n"):
        if cell_len(line) <= width:
            lines.append(line.strip())
            continue
        rest = ""
        for word in line.split():
            longer = f"{rest} {word}".strip()
            if cell_len(longer) <= width:
                rest = longer
                continue
            *full, rest = [*([rest] if rest else []), *chop_cells(word, width)]
            lines += full
        lines.append(rest)
    return lines


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


def _longest_line(cell: str) -> int:
    return max(map(cell_len, cell.split("\n")))


def _longest_word(cell: str) -> int:
    return max(map(cell_len, cell.split()), default=0)
