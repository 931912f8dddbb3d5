"""How wide are the columns of a table on a terminal, and what stands there where none fit."""

from collections.abc import Iterable, Sequence
from itertools import chain, repeat, zip_longest

from rich.cells import cell_len

BETWEEN = 3
"""Letters between two columns: their padding, and the place of a divider."""

EDGES = 2
"""Letters beside the first and the last column."""


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
    natural = [max(map(_longest_line, column)) for column in columns]
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
