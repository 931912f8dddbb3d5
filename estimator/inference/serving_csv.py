"""A table of set-ups: rows read, answered by the thousand, written with their results."""

import csv
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from estimator.answer.scenario_csv import Counts, header_of, misspelled
from estimator.catalog import Catalog
from estimator.core.messages import Names, in_python, reason, render, rendered
from estimator.core.notice import Notice
from estimator.core.uncertainty import Uncertain, z_score
from estimator.inference.engines import fitted
from estimator.inference.quantities import (
    QUANTITIES,
    Calibration,
    ServingAnswer,
    answer_serving,
)
from estimator.inference.question import COLUMNS, ServingQuestion, read
from estimator.inference.resolver import Resolver
from estimator.question.csv_dialect import TableOut
from estimator.question.csv_records import Records
from estimator.system.formula_cells import without_formula

BLOCK_ROWS = 2_000
"""Rows answered together [1]."""

ENDS = ("low", "mid", "high")
RESULT_COLUMNS = (
    *(f"{name}_{end}" for name in QUANTITIES for end in ENDS),
    "warnings",
    "error",
)
MODELS = ("model", "config", "params_total")


def answer_table(
    lines: Iterator[str],
    out: TableOut,
    catalog: Catalog,
    *,
    level: float,
    calibration: Calibration | None = None,
) -> Counts:
    """Answer every row of a CSV table, in bounded memory.

    Parameters
    ----------
    lines : iterator of str
        The table, with a header line.
    out : text file
        Takes the input columns, then `RESULT_COLUMNS`.
    catalog : Catalog
    level : float
        Probability inside the intervals [1].
    calibration : callable, optional
        As for `answer_serving`.

    Raises
    ------
    ValueError
        If the table lacks a header, a device or a model column, has a column twice, or is no CSV.
    """
    z_score(level)
    records = (cells for _, cells in Records(lines))
    header = _header(next(records, []))
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*map(without_formula, header), *RESULT_COLUMNS])
    resolver = Resolver(catalog, fitted(catalog))
    rows = refused = 0
    while block := list(islice(records, BLOCK_ROWS)):
        asked = [_question(header, record) for record in block]
        answer = answer_serving(asked, catalog, resolver=resolver, calibration=calibration)
        for record, results in zip(block, result_rows(answer, level), strict=True):
            given = map(without_formula, record[: len(header)])
            fitted_record = [*given, *[""] * (len(header) - len(record))]
            writer.writerow([*fitted_record, *results])
            refused += bool(results[-1])
        rows += len(block)
    said = tuple(misspelled(header, COLUMNS))
    return Counts(rows=rows, answered=rows - refused, refused=refused, notes=said)


def result_rows(
    answer: ServingAnswer, level: float, names: Names = in_python
) -> Iterator[list[str]]:
    """Cells of `RESULT_COLUMNS` for every question; inputs are named as the columns are."""
    columns = []
    for name in QUANTITIES:
        found = answer.ranges.get(name) or Uncertain(np.array([]))
        low, high = found.interval(level)
        columns += [low, found.mid, high]
    cells = np.array(columns).T if answer.ranges else np.empty((0, len(columns)))
    place = 0
    for question in range(len(answer.rows)):
        if question in answer.errors:
            yield [*[""] * len(columns), "", render(answer.errors[question], names)]
            continue
        numbers = [f"{value:.6g}" if np.isfinite(value) else "" for value in cells[place]]
        yield [*numbers, "; ".join(rendered(answer.notes[place], names)), ""]
        place += 1


def _question(header: Sequence[str], record: Sequence[str]) -> ServingQuestion | Notice:
    if len(record) != len(header):
        text = f"the row has {len(record)} cells, the header {len(header)}"
        return Notice("text", "", {"text": text})
    try:
        return read(ServingQuestion, dict(zip(header, record, strict=True)))
    except ValueError as error:
        return reason(error)


def _header(cells: Sequence[str]) -> list[str]:
    """First row, or a refusal of the whole table."""
    header = header_of(cells, RESULT_COLUMNS)
    if "hardware" not in header:
        raise ValueError(f"the table has no column 'hardware'; known are {', '.join(COLUMNS)}")
    if not any(name in header for name in MODELS):
        raise ValueError(f"the table names no model: add one of {', '.join(MODELS)}")
    return header
