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

BLOCK_ROWS = 20_000
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

    Blank lines are left out; a line that is no CSV is refused by its number.
    """
    taken: list[str] = []

    def noted() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line

    reader = csv.reader(noted())
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ValueError(f"line {reader.line_num} cannot be read as CSV: {error}") from None
        text = "".join(taken).rstrip("\r\n")
        taken.clear()
        if text:
            yield text, cells


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
