"""CSV records: kept byte for byte for writing back, and parsed into text columns.

pyarrow reads a thousand lines at a time. If a line is not one record (multi-line cells, short rows,
invalid UTF-8), the block is read record by record.
"""

import csv
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from typing import TextIO

import numpy as np
import pyarrow as pa
import pyarrow.csv

from estimator.core.rows import Floats, Places
from estimator.question.table import UNSPECIFIED, Words

NO_UTF_8 = re.compile("[\ud800-\udfff]")
"""Invalid UTF-8 bytes, kept as lone surrogates."""

QUOTED = re.compile('[",\r\n]').search
"""Search for a character that requires quoting."""

BESIDE = np.frombuffer(b',\n"', dtype=np.uint8)
"""Bytes allowed next to an opening or closing quote."""

MOST_LETTERS = csv.field_size_limit()
"""Longest accepted line [1]."""


@dataclass(frozen=True)
class TextColumn:
    """Column of text.

    Parameters
    ----------
    cells : pyarrow.StringArray
        Cells, null where empty.

    Examples
    --------
    >>> column = TextColumn.of(["8", "", "1e3"])
    >>> column.numbers().tolist(), column.texts(), column.words().distinct
    ([8.0, nan, 1000.0], ['8', '', '1e3'], ('8', '1e3'))
    """

    cells: pa.StringArray

    @classmethod
    def of(cls, texts: Sequence[str]) -> "TextColumn":
        """Build a column from texts."""
        return cls(pa.array([text or None for text in texts], pa.string()))

    @property
    def empty(self) -> int:
        """Number of empty cells [1]."""
        return int(self.cells.null_count)

    def texts(self) -> list[str]:
        """Return the cells as text."""
        return [text or "" for text in self.cells.to_pylist()]

    def words(self) -> Words:
        """Return the distinct texts in order of appearance, and a code per row."""
        encoded = self.cells.dictionary_encode()
        codes: Places = encoded.indices.fill_null(UNSPECIFIED).to_numpy().astype(np.intp)
        return Words(tuple(encoded.dictionary.to_pylist()), codes)

    def numbers(self) -> Floats | None:
        """Return the cells as numbers, NaN where empty, or None if any is not a number."""
        try:
            values = self.cells.cast(pa.float64())
        except pa.ArrowInvalid:
            return None
        return np.array(values.to_numpy(zero_copy_only=False), dtype=np.float64)


@dataclass(frozen=True)
class Block:
    """Block of table rows.

    Parameters
    ----------
    texts : list of str
        Rows as written back; rows of another width are cut or padded.
    columns : list of TextColumn
        Requested columns; a refused row has empty cells.
    refused : mapping of int to str
        Row -> reason why it cannot be read.
    """

    texts: list[str]
    columns: list[TextColumn]
    refused: dict[int, str]


class Records:
    """Records of CSV lines, as text with cells, or in blocks.

    A line without quotes is its own record; blank lines are skipped.

    Raises
    ------
    ValueError
        If a line is not CSV; with its number.
    """

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines, self._number = lines, 0
        self._ahead: deque[str] = deque()
        self._taken: list[str | None] = []
        self._quoted = csv.reader(iter(self._noted, None), strict=True)

    def __iter__(self) -> Iterator[tuple[str, list[str]]]:
        """Yield each record as text and cells."""
        while (line := self._line()) is not None:
            text = line.rstrip("\r\n")
            if '"' in text:
                yield self._quoted_record(line)
            elif len(text) > MOST_LETTERS:
                raise ValueError(f"line {self._number} is longer than {MOST_LETTERS:,} letters")
            elif text:
                yield text, text.split(",")

    def blocks(self, width: int, places: Sequence[int], size: int) -> Iterator[Block]:
        """Iterate over rows in blocks.

        Parameters
        ----------
        width : int
            Cells per row.
        places : sequence of int
            Indices of the cells to read.
        size : int
            Lines per block.
        """
        while lines := list(islice(self._lines, size)):
            texts = [text for line in lines if (text := line.rstrip("\r\n"))]
            columns = _columns(texts, width, places)
            if columns is not None:
                self._number += len(lines)
                block = Block(texts, columns, {})
            else:
                self._ahead.extend(lines)
                block = _block(self._of_lines_ahead(), width, places)
            if block.texts:
                yield block

    def _of_lines_ahead(self) -> list[tuple[str, list[str]]]:
        """Return the records that start in the lines read ahead."""
        records, found = iter(self), []
        while self._ahead and (record := next(records, None)) is not None:
            found.append(record)
        return found

    def _line(self) -> str | None:
        line = self._ahead.popleft() if self._ahead else next(self._lines, None)
        self._number += line is not None
        return line

    def _noted(self) -> str | None:
        """Add the next line to the current record."""
        self._taken.append(self._line())
        return self._taken[-1]

    def _quoted_record(self, line: str) -> tuple[str, list[str]]:
        """Record that begins with a line and continues as its quotes require."""
        number = self._number
        self._ahead.appendleft(line)
        self._number -= 1
        self._taken.clear()
        try:
            cells = next(self._quoted)
        except csv.Error as error:
            if self._taken[-1] is None:
                raise ValueError(f"line {number} opens a quote that is never closed") from None
            if "expected after" in str(error):
                raise ValueError(
                    f"line {number} has text after a closing quote: quote the whole cell, and "
                    "double the quotes inside it"
                ) from None
            raise ValueError(f"line {number} cannot be read as CSV: {error}") from None
        return "".join(filter(None, self._taken)).rstrip("\r\n"), cells


def lines_of(file: TextIO) -> Iterator[str]:
    """Yield the lines of a file, each of limited length.

    Raises
    ------
    ValueError
        If a line is longer than any row of a table.
    """
    number = 0
    while line := file.readline(MOST_LETTERS + 1):
        number += 1
        if len(line) > MOST_LETTERS:
            raise ValueError(f"line {number} is longer than {MOST_LETTERS:,} letters")
        yield line


def _columns(texts: list[str], width: int, places: Sequence[int]) -> list[TextColumn] | None:
    """Split lines into columns if each is certainly one record, otherwise None.

    Dummy rows before and after absorb a byte-order mark and an unclosed quote.
    """
    guard = "-" + "," * (width - 1)
    text = "\n".join([guard, *texts, guard])
    if "\r" in text or text.count("\n") != len(texts) + 1:
        return None
    if max(map(len, texts), default=0) > MOST_LETTERS:
        return None
    names = [str(place) for place in range(width)]
    read = [names[place] for place in places]
    try:
        data = text.encode()
        if not _quotes_at_ends(data):
            return None
        table = pyarrow.csv.read_csv(
            pa.BufferReader(data),
            pyarrow.csv.ReadOptions(
                use_threads=False, column_names=names, block_size=len(data) + 1
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=read,
                column_types=dict.fromkeys(read, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                check_utf8=False,
            ),
        )
    except (UnicodeEncodeError, pa.ArrowInvalid):
        return None
    if table.num_rows != len(texts) + 2:
        return None
    return [TextColumn(column.combine_chunks()[1:-1]) for column in table.columns]


def _quotes_at_ends(data: bytes) -> bool:
    """Return whether quotes are only at cell ends, or doubled inside cells.

    Other quotes need a record reader, as text may follow a closing quote.
    """
    letters = np.frombuffer(data, dtype=np.uint8)
    quotes = np.flatnonzero(letters == ord('"'))
    if len(quotes) % 2:
        return False
    opened, closed = letters[quotes[::2] - 1], letters[quotes[1::2] + 1]
    return bool(np.isin(opened, BESIDE).all() and np.isin(closed, BESIDE).all())


def _block(records: list[tuple[str, list[str]]], width: int, places: Sequence[int]) -> Block:
    """Return the records as a block; refuse wrong widths and invalid UTF-8."""
    texts, rows, refused = [], [], {}
    for row, (text, cells) in enumerate(records):
        if len(cells) != width:
            refused[row] = f"the row has {len(cells)} cells, the header {width}"
        elif not text.isascii() and NO_UTF_8.search(text):
            refused[row] = "the row holds bytes that are not UTF-8: save it as UTF-8"
        texts.append(text if len(cells) == width else _fitted(cells, width))
        rows.append(("",) * width if row in refused else cells)
    columns = [TextColumn.of([cells[place] for cells in rows]) for place in places]
    return Block(texts, columns, refused)


def _fitted(cells: Sequence[str], width: int) -> str:
    """Write the cells of a ragged row as CSV, cut or padded to the header's width."""
    out = StringIO()
    csv.writer(out).writerow([*cells[:width], *[""] * (width - len(cells))])
    return out.getvalue().removesuffix("\r\n")


def csv_cell(text: str) -> str:
    """Format text as a CSV cell.

    >>> csv_cell("plain"), csv_cell('of "many", or few')
    ('plain', '"of ""many"", or few"')
    """
    return '"' + text.replace('"', '""') + '"' if QUOTED(text) else text
