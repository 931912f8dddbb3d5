"""A table of scenarios: read rows, estimate them by the thousand, write them with their results.

Rows stream through in blocks, so a file of any length runs in bounded memory. Within a block, rows
that share a device, a precision and a place are one call of the core.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
    reader = csv.reader(lines)
    header = _header(reader)
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*header, *RESULT_COLUMNS])
    rows = refused = 0
    finder = Finder(catalog)
    for cells in _blocks(reader):
        block = Block(header, cells, finder)
        results = block.results(RESULTS, z)
        writer.writerows(results)
        rows += len(cells)
        refused += sum(1 for row in results if row[-1])
    return Tally(rows=rows, answered=rows - refused, refused=refused)


def _header(reader: Iterator[Sequence[str]]) -> list[str]:
    """First row, or a refusal of the whole table."""
    header = [name.strip() for name in next(reader, [])]
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


def _blocks(reader: Iterator[list[str]]) -> Iterator[list[list[str]]]:
    """Rows by the block; blank lines are left out, a broken line is refused by its number."""
    numbered = _readable(reader)
    while block := list(islice(numbered, BLOCK_ROWS)):
        yield block


def _readable(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    number = 1
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ValueError(f"line {number + 1} of the table cannot be read: {error}") from None
        number += 1
        if row:
            yield row
