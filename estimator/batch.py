"""A table of scenarios: read rows, estimate them by the thousand, write them with their results.

Rows stream through in blocks, so a file of any length runs in bounded memory. Within a block, rows
that share a device, a precision and a place are one call of the core.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import StringIO
from itertools import islice
from typing import TextIO

from estimator.batch_block import WORK_COLUMNS, Block
from estimator.batch_finder import Finder
from estimator.catalog import Catalog
from estimator.uncertainty import z_score

BLOCK_ROWS = 50_000
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


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How many rows were read, answered and refused [1]."""

    rows: int
    answered: int
    refused: int


def estimate_table(lines: Iterator[str], out: TextIO, catalog: Catalog, *, level: float) -> Tally:
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
    finder = Finder(catalog)
    while block := list(islice(records, BLOCK_ROWS)):
        results = Block(header, [cells for _, cells in block], finder).results(RESULTS, z)
        for (text, cells), (numbers, warnings, error) in zip(block, results, strict=True):
            whole = text if len(cells) == len(header) else _fitted(cells, len(header))
            out.write(f"{whole},{numbers},{_cell(warnings)},{_cell(error)}\n")
            refused += bool(error)
        rows += len(block)
    return Tally(rows=rows, answered=rows - refused, refused=refused)


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
    number = 0
    for line in lines:
        number += 1
        text = line.rstrip("\r\n")
        if '"' not in text:
            if len(text) > csv.field_size_limit():
                raise ValueError(f"line {number} is longer than {csv.field_size_limit():,} letters")
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
