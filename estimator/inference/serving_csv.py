"""A table of set-ups: rows read, answered by the thousand, written with their results."""

from collections.abc import Iterator, Sequence

import numpy as np

from estimator.answer.scenario_csv import Counts, header_of, misspelled
from estimator.catalog import Catalog
from estimator.core.messages import Names, render, rendered
from estimator.core.uncertainty import Uncertain, z_score
from estimator.inference.engines import fitted
from estimator.inference.quantities import (
    QUANTITIES,
    Calibration,
    ServingAnswer,
    answer_questions,
)
from estimator.inference.question import COLUMNS, INPUTS, ServingQuestion
from estimator.inference.resolver import Resolver
from estimator.question.columns import CellReader, fields_of
from estimator.question.csv_dialect import TableOut
from estimator.question.csv_records import Records, csv_cell
from estimator.system.formula_cells import without_formulas

BLOCK_ROWS = 2_000
"""Rows answered together [1]."""

ENDS = ("low", "mid", "high")
RESULT_COLUMNS = (
    *(f"{name}_{end}" for name in QUANTITIES for end in ENDS),
    "warnings",
    "error",
)
MODELS = ("model", "config", "params_total")
"""At least one of them gives the model of a row."""

FIELDS = fields_of(ServingQuestion)
"""Column -> input."""


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
    records = Records(lines)
    text, cells = next(iter(records), ("", []))
    header = _header(cells)
    (text,) = without_formulas([text])
    out.write(f"{text},{','.join(RESULT_COLUMNS)}\n")
    resolver = Resolver(catalog, fitted(catalog))
    reader = CellReader(ServingQuestion, header, catalog)
    rows = refused = 0
    for block in records.blocks(len(header), reader.places, BLOCK_ROWS):
        answer = answer_questions(reader.table(block), resolver, calibration=calibration)
        texts = without_formulas(block.texts)
        for given, results in zip(texts, result_rows(answer, level), strict=True):
            out.write(f"{given},{','.join(map(csv_cell, results))}\n")
        refused += len(answer.errors)
        rows += len(block.texts)
    said = tuple(misspelled(header, FIELDS))
    return Counts(rows=rows, answered=rows - refused, refused=refused, notes=said)


def column_of(name: str) -> str:
    """Return the documented column of an input.

    >>> column_of("params"), column_of("site")
    ('params_total', 'site')
    """
    return INPUTS[name].column if name in INPUTS else name


def result_rows(
    answer: ServingAnswer, level: float, names: Names = column_of
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


def _header(cells: Sequence[str]) -> list[str]:
    """First row, or a refusal of the whole table."""
    header = header_of(cells, RESULT_COLUMNS)
    asked = {FIELDS.get(column) for column in header}
    if "hardware" not in asked:
        raise ValueError(f"the table has no column 'hardware'; known are {', '.join(COLUMNS)}")
    if not asked & {FIELDS[column] for column in MODELS}:
        raise ValueError(f"the table names no model: add one of {', '.join(MODELS)}")
    return header
