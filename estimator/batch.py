"""A table of scenarios: read rows, estimate them by the thousand, write them with their results.

Rows stream through in blocks, so a file of any length runs in bounded memory. Within a block, rows
that share a device, a precision and a place are one call of the core.
"""

import csv
import gc
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from io import StringIO
from itertools import islice
from operator import itemgetter
from typing import TextIO

from estimator.batch_block import Block
from estimator.batch_cells import READ_COLUMNS, WORK_COLUMNS, Cells
from estimator.batch_finder import Finder
from estimator.catalog import Catalog
from estimator.uncertainty import z_score

BLOCK_ROWS = 5_000
"""Rows estimated together [1]."""

RESULTS = (
    "utilization",
    "device_hours",
    "wall_hours",
    "energy_kwh",
    "cost_usd",
    "co2e_kg",
)
"""Quantities written with `_low`, `_mid` and `_high`."""

RESULT_COLUMNS = (
    "training_flop",
    *(f"{name}_{end}" for name in RESULTS for end in ("low", "mid", "high")),
    "warnings",
    "error",
)

NO_UTF_8 = re.compile("[\udc80-\udcff]")
"""Bytes that were not UTF-8, kept as lone surrogates."""


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How many rows were read, answered and refused [1].

    Also of which devices measured runs told, and why some of them could not be read.
    """

    rows: int
    answered: int
    refused: int
    calibrated: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def estimate_table(
    lines: Iterator[str], out: TextIO, catalog: Catalog, *, level: float, calibrated: bool = True
) -> Tally:
    """Estimate every row of a CSV table.

    Parameters
    ----------
    lines : iterator of str
        The table, with a header line.
    out : text file
        Takes the input columns, then `RESULT_COLUMNS`.
    catalog : Catalog
        The profiles.
    level : float
        Probability inside the intervals [1].
    calibrated : bool
        Whether the measured runs are heard.

    Returns
    -------
    Tally

    Raises
    ------
    ValueError
        If the table has no header, no device column, no work column, or a column twice.
    """
    z = z_score(level)
    records = _records(lines)
    first = next(records, ("", []))
    header = _header(first[1])
    out.write(f"{first[0]},{','.join(RESULT_COLUMNS)}\n")
    rows = refused = 0
    finder = Finder(catalog, calibrated=calibrated)
    told = [name for name in header if name in READ_COLUMNS]
    table = _rows(records, header, told)
    with _no_search_for_cycles():
        while block := list(islice(table, BLOCK_ROWS)):
            texts, cells, reasons = zip(*block, strict=True)
            results = Block(Cells(told, cells, reasons), finder).results(RESULTS, z)
            for text, (numbers, warnings, error) in zip(texts, results, strict=True):
                out.write(f"{text},{numbers},{_cell(warnings)},{_cell(error)}\n")
                refused += bool(error)
            rows += len(block)
    return Tally(
        rows=rows,
        answered=rows - refused,
        refused=refused,
        calibrated=tuple(finder.measured.taught()),
        notes=finder.measured.notes,
    )


@contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    """Let reference counts alone free the rows: they hold no cycles, and the search takes time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _rows(
    records: Iterator[tuple[str, list[str]]], header: Sequence[str], told: Sequence[str]
) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Every row as it is written back, its cells that are read, and why it is refused, if it is.

    The other cells are let go at once: a block of them would not fit the cache.
    """
    width, blank = len(header), ("",) * len(told)
    pick = itemgetter(*(header.index(name) for name in told))
    for text, cells in records:
        if len(cells) != width:
            reason = f"the row has {len(cells)} cells, the header {width}"
            yield _fitted(cells, width), blank, reason
        elif not text.isascii() and NO_UTF_8.search(text):
            yield text, blank, "the row holds bytes that are not UTF-8: save it as UTF-8"
        else:
            yield text, pick(cells), ""


def _header(cells: Sequence[str]) -> list[str]:
    """First row, or a refusal of the whole table."""
    header = [name.strip() for name in cells]
    if not any(header):
        raise ValueError("the table is empty: its first line must name the columns")
    if len(header) == 1 and ";" in header[0]:
        raise ValueError("the columns are separated by semicolons: save the table with commas")
    twice = [name for name, count in Counter(header).items() if count > 1 and name]
    if twice:
        raise ValueError(f"the column {twice[0]!r} stands twice: rename one")
    clash = [name for name in header if name in RESULT_COLUMNS]
    if clash:
        raise ValueError(f"the column {clash[0]!r} is one that batch writes: rename it")
    if "accelerator" not in header:
        raise ValueError("the table has no column 'accelerator': add one that names the device")
    if not any(name in header for name in WORK_COLUMNS):
        listed = ", ".join(WORK_COLUMNS)
        raise ValueError(f"the table has no column that says how much work: add one of {listed}")
    return header


def _records(lines: Iterator[str]) -> Iterator[tuple[str, list[str]]]:
    """Every record as it stands and as cells, so that the input is written back to the byte.

    A line without quotes is its own record; blank lines are left out; what is no CSV is refused by
    the number of its line.
    """
    number, most = 0, csv.field_size_limit()
    for line in lines:
        number += 1
        text = line.rstrip("\r\n")
        if '"' not in text:
            if len(text) > most:
                raise ValueError(f"line {number} is longer than {most:,} letters")
            if text:
                yield text, text.split(",")
            continue
        taken = [line]
        try:
            cells = next(csv.reader(_noted(line, lines, taken)))
        except csv.Error as error:
            raise ValueError(f"line {number} cannot be read as CSV: {error}") from None
        number += len(taken) - 1
        yield "".join(taken).rstrip("\r\n"), cells


def _noted(first: str, rest: Iterator[str], taken: list[str]) -> Iterator[str]:
    """Pass on a line and as many after it as its quotes need, noting them."""
    yield first
    for line in rest:
        taken.append(line)
        yield line


def _fitted(cells: Sequence[str], width: int) -> str:
    """Cells of a ragged row as CSV, cut or filled up to the header."""
    return _row([*cells[:width], *[""] * (width - len(cells))])


@lru_cache(maxsize=4096)
def _cell(text: str) -> str:
    return _row([text]) if text else ""


def _row(cells: Sequence[str]) -> str:
    out = StringIO()
    csv.writer(out, lineterminator="").writerow(cells)
    return out.getvalue()
