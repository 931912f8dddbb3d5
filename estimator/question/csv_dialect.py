"""Spreadsheet dialects: semicolons or tabs between cells, decimal commas."""

import csv
import re
from collections.abc import Iterable, Iterator
from io import StringIO
from itertools import chain
from typing import Protocol

WITH_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?")
WITH_POINT = re.compile(r"[+-]?\d+\.\d+([eE][+-]?\d+)?")
BY_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")
"""Number whose separator may mark thousands or decimals."""


class TableOut(Protocol):
    """Output of a table."""

    def write(self, text: str, /) -> object:
        """Write complete records."""

    def writelines(self, texts: Iterable[str], /) -> object:
        """Write complete records, one text after another."""


class Dialect:
    r"""Dialect of a table, normalised on reading and restored on writing.

    Parameters
    ----------
    lines : iterator of str
        Lines of the table; the first determines the delimiter.

    Examples
    --------
    >>> dialect = Dialect(iter(["name;price", "A;2,5", 'B;"0,75"']))
    >>> list(dialect.lines)
    ['name,price\n', 'A,2.5\n', 'B,0.75\n']
    """

    def __init__(self, lines: Iterator[str]) -> None:
        first = next(lines, "")
        self.separator = max(",;\t", key=first.count)
        self._mark = ""
        whole = chain([first], lines) if first else lines
        self.lines = whole if self.separator == "," else self._as_commas(whole)

    def writer(self, out: TableOut) -> TableOut:
        """Return an output that converts records to the table's dialect."""
        return out if self.separator == "," else _Written(out, self)

    def spelled(self, cell: str) -> str:
        """Format a cell in the table's dialect."""
        return cell.replace(".", ",") if self._mark == "," and WITH_POINT.fullmatch(cell) else cell

    def _as_commas(self, lines: Iterator[str]) -> Iterator[str]:
        """Convert lines to commas between cells and decimal points."""
        reader = csv.reader(lines, delimiter=self.separator, strict=True)
        try:
            for cells in reader:
                read = (self._plain_number(cell, reader.line_num) for cell in cells)
                yield from StringIO(_record(read, ","))
        except csv.Error as error:
            raise ValueError(f"line {reader.line_num} cannot be read as CSV: {error}") from None

    def _plain_number(self, cell: str, line: int) -> str:
        """Convert a cell to a decimal point; refuse ambiguous thousands separators."""
        comma, point = WITH_COMMA.fullmatch(cell), WITH_POINT.fullmatch(cell)
        if not comma and not point:
            return cell
        clear = not BY_THOUSANDS.fullmatch(cell)
        if not self._mark and (clear or (comma and self.separator == ";")):
            self._mark = "," if comma else "."
        if not clear and self._mark != ("," if comma else "."):
            whole = re.sub("[.,]", "", cell)
            raise ValueError(f"line {line}: {cell} has two readings: write {whole} or {cell}0")
        return cell.replace(",", ".")


class _Written:
    """Output that converts records to the dialect of a table."""

    def __init__(self, out: TableOut, dialect: Dialect) -> None:
        self._out, self._dialect = out, dialect

    def write(self, text: str) -> None:
        for cells in csv.reader(StringIO(text)):
            self._out.write(_record(map(self._dialect.spelled, cells), self._dialect.separator))

    def writelines(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.write(text)


def _record(cells: Iterable[str], separator: str) -> str:
    """Format cells as one record."""
    out = StringIO()
    csv.writer(out, delimiter=separator, lineterminator="\n").writerow(cells)
    return out.getvalue()
