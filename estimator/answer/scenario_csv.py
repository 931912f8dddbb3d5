"""A table of scenarios: read rows, estimate them by the thousand, write them with their results.

Rows stream through in chunks, so a file of any length runs in bounded memory. Each chunk is a
`Table`, answered like any other.
"""

import gc
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TextIO

import numpy as np

from estimator.answer.estimate_table import TableResult, estimate_table
from estimator.answer.notices import WITHOUT_EFFECT
from estimator.answer.resolver import Resolver
from estimator.catalog import Catalog
from estimator.core.messages import render
from estimator.core.notice_table import NoticeTable
from estimator.core.number_text import rows_in_text
from estimator.core.rows import Places
from estimator.core.uncertainty import z_score
from estimator.question.columns import CellReader, fields_of
from estimator.question.csv_dialect import TableOut
from estimator.question.csv_records import MOST_LETTERS, Records, csv_cell
from estimator.question.scenario import NOT_READ, Scenario, column_of
from estimator.question.table import Table, Words
from estimator.system.formula_cells import without_formulas

CHUNK_ROWS = 10_000
"""Rows estimated together [1]."""

WRITTEN_ROWS = 1_000
"""Rows made text together: their numbers stay in the cache [1]."""

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

MISSPELLED = 0.85
"""Names that are so much alike may be meant for one another [1]."""

FIELDS = fields_of(Scenario, NOT_READ)
"""Column -> input."""

WORK_COLUMNS = (
    "train_flops_reported",
    "tokens_processed",
    "samples_processed",
    "accelerator_hours",
    "preset",
)
"""At least one of them gives the amount of work of a row."""

DEVICES = ("hardware", "preset")
"""At least one of these inputs gives the device."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many rows were read, answered and refused [1], and notes on the whole table."""

    rows: int
    answered: int
    refused: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Summary(Counts):
    """Also of which devices measured runs were used."""

    calibrated: tuple[str, ...] = ()


def estimate_csv(
    lines: Iterator[str],
    out: TableOut,
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

    Raises
    ------
    ValueError
        If the table has no header, no device column, no work column, or a column twice.
    """
    z = z_score(level)
    records = Records(lines)
    text, cells = next(iter(records), ("", []))
    header = _header(cells)
    (text,) = without_formulas([text])
    out.write(f"{text},{','.join(RESULT_COLUMNS)}\n")
    rows = refused = 0
    resolver = Resolver(catalog, calibrated=calibrated)
    reader = CellReader(Scenario, header, catalog, NOT_READ)
    with _no_search_for_cycles():
        for block in records.blocks(len(header), reader.places, CHUNK_ROWS):
            table = reader.table(block)
            if carbon_profile:
                table = _profiled(table, carbon_profile)
            result = estimate_table(table, catalog, resolver=resolver)
            out.writelines(_written(without_formulas(block.texts), result, z))
            refused += len(result.errors)
            rows += len(block.texts)
    return Summary(
        rows=rows,
        answered=rows - refused,
        refused=refused,
        calibrated=tuple(resolver.measured.calibrated_devices()),
        notes=(*_ignored(header), *resolver.measured.notes),
    )


def _ignored(header: Sequence[str]) -> tuple[str, ...]:
    """Name the inputs of the scenario that no column gives, if the header has any."""
    ignored = [name for name in header if name in NOT_READ]
    idle = [name for name in ignored if name in WITHOUT_EFFECT]
    others = [name for name in ignored if name not in WITHOUT_EFFECT]
    return (
        *_said_of(idle, "without effect on the result"),
        *_said_of(others, "no input of a single row, see `batch --help` for those of all rows"),
        *misspelled(header, FIELDS, NOT_READ),
    )


def misspelled(
    header: Sequence[str], inputs: Collection[str], others: Collection[str] = ()
) -> Iterator[str]:
    """Name the columns that pass through and are spelled almost like an input."""
    open_inputs = [name for name in inputs if name not in header]
    for column in header:
        close = column not in (*inputs, *others) and get_close_matches(
            column.lower(), open_inputs, 1, MISSPELLED
        )
        if close:
            yield f"column {column} is not read: did you mean {close[0]}?"


def _said_of(names: Sequence[str], why: str) -> tuple[str, ...]:
    """Say why some columns are ignored, if there are any."""
    column = "column" if len(names) == 1 else "columns"
    return (f"{column} {', '.join(names)} ignored: {why}",) if names else ()


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


def _profiled(table: Table[Scenario], path: str) -> Table[Scenario]:
    """Rows under a carbon profile, but for those that give their own intensity."""
    own = ~np.isnan(table.number("carbon_intensity"))
    column = Words((path,), np.where(own, -1, 0))
    return replace(table, words={**table.words, "carbon_profile": column})


def _written(texts: Sequence[str], result: TableResult, z: float) -> Iterator[str]:
    """Rows as they stand with numbers, warnings and error; no number where one is refused."""
    columns = [result["training_flop"].mid, *(result.bounds(name, z) for name in RESULTS)]
    numbers = np.column_stack(columns)
    warnings, at = _warnings(result.notices)
    ends = [warnings[which] for which in at.tolist()]
    for row, error in result.errors.items():
        numbers[row], ends[row] = np.nan, f",,{csv_cell(render(error, column_of))}\n"
    for first in range(0, len(texts), WRITTEN_ROWS):
        some = slice(first, first + WRITTEN_ROWS)
        rows = zip(texts[some], rows_in_text(numbers[some]), ends[some], strict=True)
        yield "".join([f"{text},{values}{end}" for text, values, end in rows])


def _warnings(notices: NoticeTable) -> tuple[list[str], Places]:
    """Ends of the rows that are answered, and which of them each row has."""
    sets, at = notices.distinct()
    every = {id(notice): notice for found in sets for notice in found}
    sentences = {one: render(notice, column_of) for one, notice in every.items()}
    texts = ("; ".join(dict.fromkeys([sentences[id(one)] for one in found])) for found in sets)
    return [f",{csv_cell(text)},\n" for text in texts], at


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


def _header(cells: Sequence[str]) -> list[str]:
    """First row, or a refusal of the whole table."""
    header = header_of(cells, RESULT_COLUMNS)
    asked = {FIELDS.get(column) for column in header}
    if not asked & set(DEVICES):
        raise ValueError("the table has no column 'accelerator': add one that names the device")
    if not asked & {FIELDS[column] for column in WORK_COLUMNS}:
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
    twice = [name for name, count in Counter(header).items() if count > 1 and name]
    if twice:
        raise ValueError(f"the column {twice[0]!r} appears twice: rename one")
    clash = [name for name in header if name in results]
    if clash:
        raise ValueError(f"the column {clash[0]!r} is one that batch writes: rename it")
    return header
