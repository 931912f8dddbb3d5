"""A table of scenarios: read rows, estimate them by the thousand, write them with their results.

Rows stream through in chunks, so a file of any length runs in bounded memory. Each chunk is a
`ScenarioTable`, answered like any other.
"""

import csv
import gc
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from io import StringIO
from itertools import islice
from operator import itemgetter
from typing import TextIO

import numpy as np

from estimator.catalog import Catalog
from estimator.core.messages import rendered
from estimator.core.notice import Notice
from estimator.core.uncertainty import z_score
from estimator.estimation.estimate_table import TableResult, estimate_table
from estimator.estimation.resolver import Resolver
from estimator.scenario.columns import DEVICE_COLUMNS, FIELDS, NOT_READ, WORK_COLUMNS, CellReader
from estimator.scenario.scenario import column_of
from estimator.scenario.scenario_table import ScenarioTable, Words

CHUNK_ROWS = 5_000
"""Rows estimated together [1]."""

RESULTS = (
    "utilization",
    "device_hours",
    "wall_hours",
    "energy_kwh",
    "cost_usd",
    "co2e_kg",
    "water_l",
)
"""Quantities written with `_low`, `_mid` and `_high`."""

RESULT_COLUMNS = (
    "training_flop",
    *(f"{name}_{end}" for name in RESULTS for end in ("low", "mid", "high")),
    "warnings",
    "error",
)

WORK_FIELDS = {FIELDS[name] for name in WORK_COLUMNS}
"""Fields that those columns fill."""

NO_UTF_8 = re.compile("[\udc80-\udcff]")
"""Bytes that were not UTF-8, kept as lone surrogates."""


MOST_LETTERS = csv.field_size_limit()
"""Longest line that is read; a longer one is no row of a table."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """How many rows were read, answered and refused [1].

    Also of which devices measured runs were used, and why some of them could not be read.
    """

    rows: int
    answered: int
    refused: int
    calibrated: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def estimate_csv(
    lines: Iterator[str],
    out: TextIO,
    catalog: Catalog,
    *,
    level: float,
    calibrated: bool = True,
    carbon_profile: str = "",
) -> Summary:
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
        Whether measured runs are used.
    carbon_profile : str
        CSV file of hourly carbon intensities for all rows.

    Returns
    -------
    Summary

    Raises
    ------
    ValueError
        If the table has no header, no device column, no work column, or a column twice.
    """
    z = z_score(level)
    records = records_of(lines)
    first = next(records, ("", []))
    header = _header(first[1])
    out.write(f"{first[0]},{','.join(RESULT_COLUMNS)}\n")
    rows = refused = 0
    resolver = Resolver(catalog, calibrated=calibrated)
    said = _columns_read(header)
    reader = CellReader(said, catalog)
    stream = _rows(records, header, said)
    with _no_search_for_cycles():
        while chunk := list(islice(stream, CHUNK_ROWS)):
            texts, cells, reasons = zip(*chunk, strict=True)
            bad = {row: Notice("text", "", {"text": one}) for row, one in enumerate(reasons) if one}
            table = reader.table(cells, bad)
            if carbon_profile:
                table = _profiled(table, carbon_profile)
            result = estimate_table(table, catalog, resolver=resolver)
            out.writelines(_written(texts, result, z))
            refused += len(result.errors)
            rows += len(chunk)
    return Summary(
        rows=rows,
        answered=rows - refused,
        refused=refused,
        calibrated=tuple(resolver.measured.calibrated_devices()),
        notes=(*_ignored(header), *resolver.measured.notes),
    )


def _ignored(header: Sequence[str]) -> tuple[str, ...]:
    """Name the inputs of the scenario that no column gives, if the header has any."""
    names = [name for name in header if name in NOT_READ]
    if not names:
        return ()
    column = "column" if len(names) == 1 else "columns"
    return (f"{column} {', '.join(names)} ignored: without effect on the result",)


def lines_of(file: TextIO) -> Iterator[str]:
    """Lines of a file, none of them without end.

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


def _columns_read(header: Sequence[str]) -> list[str]:
    """Columns that say something; of two for one input, the one named for tables of runs."""
    found: dict[str, str] = {}
    for column in header:
        name = FIELDS.get(column)
        if name is not None and (name not in found or column == column_of(name)):
            found[name] = column
    return list(found.values())


def _profiled(table: ScenarioTable, path: str) -> ScenarioTable:
    """Rows under a carbon profile, but for those that give their own intensity."""
    own = ~np.isnan(table.number("carbon_intensity"))
    column = Words((path,), np.where(own, -1, 0))
    return replace(table, words={**table.words, "carbon_profile": column})


def _written(texts: Sequence[str], result: TableResult, z: float) -> Iterator[str]:
    """Rows as they stand with numbers, warnings and error; no number where one is refused."""
    columns = [result["training_flop"].mid, *(result.bounds(name, z) for name in RESULTS)]
    numbers = np.column_stack(columns)
    pattern = ",".join(["%.7g"] * numbers.shape[1])
    nothing = "," * (numbers.shape[1] - 1)
    sets, at = result.notices.distinct()
    warnings = [_cell("; ".join(rendered(notices, column_of))) for notices in sets]
    written = map(pattern.__mod__, map(tuple, numbers.tolist()))
    for row, (text, values, which) in enumerate(zip(texts, written, at.tolist(), strict=True)):
        if row in result.errors:
            error = _cell(rendered((result.errors[row],), column_of)[0])
            yield f"{text},{nothing},,{error}\n"
        else:
            yield f"{text},{values.replace('nan', '')},{warnings[which]},\n"


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
    records: Iterator[tuple[str, list[str]]], header: Sequence[str], read: Sequence[str]
) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Every row as it is written back, its cells that are read, and why it is refused, if it is.

    The other cells are let go at once: a block of them would not fit the cache.
    """
    width, blank = len(header), ("",) * len(read)
    places = [header.index(name) for name in read]
    pick = itemgetter(*places) if len(places) > 1 else lambda cells: (cells[places[0]],)
    for text, cells in records:
        if len(cells) == width and text.isascii():
            yield text, pick(cells), ""
        elif len(cells) != width:
            reason = f"the row has {len(cells)} cells, the header {width}"
            yield _fitted(cells, width), blank, reason
        elif NO_UTF_8.search(text):
            yield text, blank, "the row holds bytes that are not UTF-8: save it as UTF-8"
        else:
            yield text, pick(cells), ""


def _header(cells: Sequence[str]) -> list[str]:
    """First row, or a refusal of the whole table."""
    header = header_of(cells, RESULT_COLUMNS)
    if not any(name in header for name in DEVICE_COLUMNS):
        raise ValueError("the table has no column 'accelerator': add one that names the device")
    if not any(FIELDS.get(name) in WORK_FIELDS for name in header):
        listed = ", ".join(WORK_COLUMNS)
        raise ValueError(f"the table has no column that says how much work: add one of {listed}")
    return header


def header_of(cells: Sequence[str], results: Collection[str]) -> list[str]:
    """Names of the columns of a table, whatever it asks.

    Raises
    ------
    ValueError
        If there are none, if a name appears twice, or is that of a column to be written.
    """
    header = [name.strip() for name in cells]
    if not any(header):
        raise ValueError("the table is empty: its first line must name the columns")
    if len(header) == 1 and ";" in header[0]:
        raise ValueError("the columns are separated by semicolons: save the table with commas")
    twice = [name for name, count in Counter(header).items() if count > 1 and name]
    if twice:
        raise ValueError(f"the column {twice[0]!r} appears twice: rename one")
    clash = [name for name in header if name in results]
    if clash:
        raise ValueError(f"the column {clash[0]!r} is one that batch writes: rename it")
    return header


def records_of(lines: Iterator[str]) -> Iterator[tuple[str, list[str]]]:
    """Every record as it stands and as cells, so that the input is written back to the byte.

    A line without quotes is its own record; blank lines are left out; what is no CSV is refused by
    the number of its line.
    """
    number, most = 0, MOST_LETTERS
    first: list[str] = []
    taken: list[str] = []
    quoted = csv.reader(_noted(first, lines, taken))
    for line in lines:
        number += 1
        text = line.rstrip("\r\n")
        if '"' not in text:
            if len(text) > most:
                raise ValueError(f"line {number} is longer than {most:,} letters")
            if text:
                yield text, text.split(",")
            continue
        first.append(line)
        taken.clear()
        try:
            cells = next(quoted)
        except csv.Error as error:
            raise ValueError(f"line {number} cannot be read as CSV: {error}") from None
        if taken[-1] == "":
            raise ValueError(f"line {number} opens a quote that is never closed")
        number += len(taken) - 1
        yield "".join(taken).rstrip("\r\n"), cells


def _noted(first: list[str], rest: Iterator[str], taken: list[str]) -> Iterator[str]:
    """Pass on the first line of a record and as many after it as its quotes need, noting them."""
    while True:
        line = first.pop() if first else next(rest, "")
        taken.append(line)
        if not line:
            return
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
