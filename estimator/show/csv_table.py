"""Tables of questions: rows read, answered in chunks, and written back with their results.

Rows are streamed, so a file of any length needs bounded memory. Each chunk is a `Table`, answered
by one `Report`.
"""

import gc
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

import numpy as np

from estimator.answer.estimate_table import estimate_table
from estimator.answer.notices import WITHOUT_EFFECT
from estimator.answer.report import Report
from estimator.answer.training_report import table_report
from estimator.calibration.correction import known_runs
from estimator.catalog import Catalog
from estimator.core.messages import Names, render
from estimator.core.notice_table import NoticeTable
from estimator.core.rows import Floats, Places
from estimator.core.uncertainty import z_score
from estimator.inference.quantities import QUANTITIES, Calibration, answer_questions
from estimator.inference.question import ServingQuestion
from estimator.inference.report import set_ups_report
from estimator.question.columns import CellReader, fields_of
from estimator.question.csv_dialect import TableOut
from estimator.question.csv_records import Records, csv_cell
from estimator.question.inputs import Question
from estimator.question.scenario import NOT_READ, Scenario
from estimator.question.table import Table, Words
from estimator.show.number_text import rows_in_text
from estimator.system.formula_cells import without_formulas

CHUNK_ROWS = 10_000
"""Rows answered together [1]."""

WRITTEN_ROWS = 1_000
"""Rows formatted together, which keeps their numbers in the cache [1]."""

RESULTS = (
    "utilization",
    "device_hours",
    "wall_hours",
    "energy_kwh",
    "cost_usd",
    "co2e_kg",
    "water_l",
)
"""Training quantities written with `_low`, `_mid` and `_high`."""

FIELDS = fields_of(Scenario, NOT_READ)
"""Column of a training table -> input."""

SERVING_FIELDS = fields_of(ServingQuestion)
"""Column of an inference table -> input."""

WORK_COLUMNS = (
    "train_flops_reported",
    "tokens_processed",
    "samples_processed",
    "accelerator_hours",
    "preset",
)
"""Columns of which at least one must define the work of a row."""

DEVICES = ("hardware", "preset")
"""Inputs of which at least one must define the device."""

MODELS = ("model", "config", "params_total")
"""Columns of which at least one must define the model of a row."""

MISSPELLED = 0.85
"""Similarity above which a column name may be a misspelling [1]."""


def result_columns(mids: Sequence[str], quantities: Sequence[str]) -> tuple[str, ...]:
    """Return the result columns: medians, bounds, warnings and error."""
    ends = (f"{name}_{end}" for name in quantities for end in ("low", "mid", "high"))
    return (*mids, *ends, "warnings", "error")


RESULT_COLUMNS = result_columns(("training_flop",), RESULTS)
"""Result columns of a training table."""

SERVED_COLUMNS = result_columns((), QUANTITIES)
"""Result columns of an inference table."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Summary of an answered table.

    Parameters
    ----------
    rows, answered, refused : int
        Number of rows [1].
    notes : tuple of str
        Notes on the whole table.
    calibrated : tuple of str
        Devices whose measured runs were used.
    """

    rows: int
    answered: int
    refused: int
    notes: tuple[str, ...] = ()
    calibrated: tuple[str, ...] = ()


def estimate_csv(
    lines: Iterator[str],
    out: TableOut,
    catalog: Catalog,
    *,
    level: float,
    calibrated: bool = True,
    carbon_profile: str = "",
) -> Counts:
    """Estimate every row of a CSV table of training runs.

    Parameters
    ----------
    lines : iterator of str
        Lines of the table, starting with the header.
    out : text file
        Receives the input columns, then `RESULT_COLUMNS`.
    catalog : Catalog
        Profiles.
    level : float
        Probability inside the intervals [1].
    calibrated : bool
        Whether measured runs are used.
    carbon_profile : str
        CSV file of hourly carbon intensities for all rows.

    Raises
    ------
    ValueError
        If the table has no header, no device or work column, or a repeated column.
    """
    z_score(level)
    known = known_runs(catalog, calibrated=calibrated)

    def answered(table: Table[Scenario]) -> Report:
        if carbon_profile:
            table = _profiled(table, carbon_profile)
        return table_report(estimate_table(table, catalog, known=known), RESULTS, level)

    written = _ResultsWriter(out, ("training_flop",), RESULTS)
    header, rows, refused = _answered(
        lines, written, (Scenario, NOT_READ), catalog, _check_training, answered
    )
    return Counts(
        rows=rows,
        answered=rows - refused,
        refused=refused,
        calibrated=tuple(known.calibrated_devices()),
        notes=(*_ignored(header), *known.notes),
    )


def serve_csv(
    lines: Iterator[str],
    out: TableOut,
    catalog: Catalog,
    *,
    level: float,
    calibration: Calibration | None = None,
) -> Counts:
    """Answer every row of a CSV table of inference setups.

    Parameters
    ----------
    lines, out, catalog, level
        As in `estimate_csv`; `SERVED_COLUMNS` are added.
    calibration : callable, optional
        As in `answer_serving`.

    Raises
    ------
    ValueError
        If the table is no CSV, has no header, device or model column, or a repeated column.
    """
    z_score(level)

    def answered(table: Table[ServingQuestion]) -> Report:
        found = answer_questions(table, catalog, calibration=calibration)
        return set_ups_report(found, table.count, level)

    written = _ResultsWriter(out, (), QUANTITIES)
    header, rows, refused = _answered(
        lines, written, (ServingQuestion, ()), catalog, _check_serving, answered
    )
    notes = tuple(misspelled(header, SERVING_FIELDS))
    return Counts(rows=rows, answered=rows - refused, refused=refused, notes=notes)


def served_rows(report: Report, names: Names) -> list[dict[str, str]]:
    """Return the results of an inference table as texts, one row per question."""
    numbers = _numbers(report, (), QUANTITIES)
    numbers[list(report.errors)] = np.nan
    cells = [line.split(",") for line in rows_in_text(numbers)]
    assert isinstance(report.notices, NoticeTable)
    found = []
    for row, values in enumerate(cells):
        error = report.errors.get(row)
        said = (
            ()
            if error
            else dict.fromkeys(render(notice, names) for notice in report.notices.of(row))
        )
        ends = ("; ".join(said), render(error, names) if error else "")
        found.append(dict(zip(SERVED_COLUMNS, (*values, *ends), strict=True)))
    return found


@dataclass(frozen=True)
class _ResultsWriter:
    """Writer of result rows: `mids` have only a median, `names` are the interface's input names."""

    out: TableOut
    mids: Sequence[str]
    quantities: Sequence[str]
    names: Names = str

    def rows(self, texts: Sequence[str], report: Report) -> Iterator[str]:
        """Return the input rows with numbers, warnings and error; no numbers if refused."""
        numbers = _numbers(report, self.mids, self.quantities)
        assert isinstance(report.notices, NoticeTable)
        warnings, at = self._warnings(report.notices)
        ends = [warnings[which] for which in at.tolist()]
        for row, error in report.errors.items():
            numbers[row], ends[row] = np.nan, f",,{csv_cell(render(error, self.names))}\n"
        for first in range(0, len(texts), WRITTEN_ROWS):
            some = slice(first, first + WRITTEN_ROWS)
            rows = zip(texts[some], rows_in_text(numbers[some]), ends[some], strict=True)
            yield "".join([f"{text},{values}{end}" for text, values, end in rows])

    def _warnings(self, notices: NoticeTable) -> tuple[list[str], Places]:
        """Return each distinct row ending with warnings, and each row's index into them."""
        sets, at = notices.distinct()
        every = {id(notice): notice for found in sets for notice in found}
        sentences = {one: render(notice, self.names) for one, notice in every.items()}
        texts = (
            "; ".join(dict.fromkeys([sentences[id(notices)] for notices in found]))
            for found in sets
        )
        return [f",{csv_cell(text)},\n" for text in texts], at


def _numbers(report: Report, mids: Sequence[str], quantities: Sequence[str]) -> Floats:
    """Return the results by row: medians, then low, median and high of each quantity."""
    columns = [report.quantities[name].mid for name in mids]
    for name in quantities:
        quantity = report.quantities[name]
        low, high = quantity.interval(report.level)
        columns += [low, quantity.mid, high]
    return np.column_stack(columns)


def _answered(
    lines: Iterator[str],
    written: _ResultsWriter,
    asked: tuple[type[Any], Collection[str]],
    catalog: Catalog,
    check: Callable[[Sequence[str]], None],
    answered: Callable[[Table[Any]], Report],
) -> tuple[list[str], int, int]:
    """Answer a table in chunks; return its header, and counts of rows and refusals [1]."""
    (question, without), columns = asked, result_columns(written.mids, written.quantities)
    records = Records(lines)
    text, cells = next(iter(records), ("", []))
    header = header_of(cells, columns)
    check(header)
    (text,) = without_formulas([text])
    written.out.write(f"{text},{','.join(columns)}\n")
    reader: CellReader[Question] = CellReader(question, header, catalog, without)
    documented = {name: declared.column for name, declared in question.inputs.items()}
    named = {**documented, **reader.columns}
    written = replace(written, names=lambda name: named.get(name, name))
    rows = refused = 0
    with _no_search_for_cycles():
        for block in records.blocks(len(header), reader.places, CHUNK_ROWS):
            report = answered(reader.table(block))
            written.out.writelines(written.rows(without_formulas(block.texts), report))
            refused += len(report.errors)
            rows += len(block.texts)
    return header, rows, refused


def _ignored(header: Sequence[str]) -> tuple[str, ...]:
    """Return the notes on columns that are ignored."""
    ignored = [name for name in header if name in NOT_READ]
    idle = [name for name in ignored if name in WITHOUT_EFFECT]
    others = [name for name in ignored if name not in WITHOUT_EFFECT]
    return (
        *_said_of(idle, "no effect on the result"),
        *_said_of(others, "not a per-row input, see `batch --help`"),
        *misspelled(header, FIELDS, NOT_READ),
    )


def misspelled(
    header: Sequence[str], inputs: Collection[str], others: Collection[str] = ()
) -> Iterator[str]:
    """Yield columns that are ignored and spelled almost like an input."""
    for column, close in _close_inputs(header, inputs, others):
        yield f"column {column} is not read: did you mean {close}?"


def _close_inputs(
    header: Sequence[str], inputs: Collection[str], others: Collection[str] = ()
) -> Iterator[tuple[str, str]]:
    """Yield columns that are spelled almost like an input, with that input."""
    open_inputs = [name for name in inputs if name not in header]
    for column in header:
        close = column not in (*inputs, *others) and get_close_matches(
            column.lower(), open_inputs, 1, MISSPELLED
        )
        if close:
            yield column, close[0]


def _said_of(names: Sequence[str], why: str) -> tuple[str, ...]:
    column = "column" if len(names) == 1 else "columns"
    return (f"{column} {', '.join(names)} ignored: {why}",) if names else ()


def _profiled(table: Table[Scenario], path: str) -> Table[Scenario]:
    """Apply a carbon profile to rows without their own intensity."""
    own = ~np.isnan(table.number("carbon_intensity"))
    column = Words((path,), np.where(own, -1, 0))
    return replace(table, words={**table.words, "carbon_profile": column})


@contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    """Disable the cycle collector: rows have no cycles, and collection takes time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _check_training(header: Sequence[str]) -> None:
    """Refuse a training table without a device or work."""
    asked = {FIELDS.get(column) for column in header}
    work = {FIELDS[column] for column in WORK_COLUMNS}
    _check_needs(
        header,
        FIELDS,
        {
            "no column 'accelerator': add one that names the device": asked & set(DEVICES),
            "no column for the amount of work: add one of " + ", ".join(WORK_COLUMNS): asked & work,
        },
    )


def _check_serving(header: Sequence[str]) -> None:
    """Refuse an inference table without a device or model."""
    asked = {SERVING_FIELDS.get(column) for column in header}
    models = {SERVING_FIELDS[column] for column in MODELS}
    _check_needs(
        header,
        SERVING_FIELDS,
        {
            "no column 'hardware': add one that names the device": asked & {"hardware"},
            "no model column: add one of " + ", ".join(MODELS): asked & models,
        },
    )


def _check_needs(
    header: Sequence[str], known: Collection[str], needs: Mapping[str, Collection[str | None]]
) -> None:
    """Refuse a table that lacks anything, with all columns that are not read.

    `needs` maps what is said of a missing column to the columns that serve.
    """
    lacking = [said for said, found in needs.items() if not found]
    if not lacking:
        return
    hints = dict(_close_inputs(header, known))
    unread = [
        f"{column} (did you mean {hints[column]}?)" if column in hints else column
        for column in header
        if column not in known
    ]
    ending = f"; not read: {', '.join(unread)}" if unread else ""
    raise ValueError(f"the table has {', and '.join(lacking)}{ending}")


def header_of(cells: Sequence[str], results: Collection[str]) -> list[str]:
    """Validate and return the column names of a table.

    Raises
    ------
    ValueError
        If there are no columns, a name appears twice, or a name is also an output column.
    """
    header = [name.strip() for name in cells]
    if not any(header):
        raise ValueError("the table is empty: its first line must name the columns")
    twice = [name for name, count in Counter(header).items() if count > 1 and name]
    if twice:
        raise ValueError(f"the column {twice[0]!r} appears twice: rename one")
    clash = [name for name in header if name in results]
    if clash:
        raise ValueError(f"the column {clash[0]!r} is also an output column: rename it")
    return header
