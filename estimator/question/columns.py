"""What do the rows of a table ask: scenarios by column, and why some are refused."""

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from estimator.catalog import Catalog
from estimator.core.limits import LIMITS
from estimator.core.notice import Notice
from estimator.core.rows import Floats, Places, unknown
from estimator.networks.kinds import kind_of_domain
from estimator.question.scenario import (
    INPUT_OF,
    INPUTS,
    NOT_READ,
    column_of,
    limits_of,
    read_number,
)
from estimator.question.scenario_table import RECOMPUTED_SHARE, ScenarioTable, Words, is_number

if TYPE_CHECKING:
    from estimator.question.csv_records import Block, TextColumn

FIELDS: Mapping[str, str] = {
    **{spelled: name for spelled, name in INPUT_OF.items() if name not in NOT_READ},
    **{column_of(name): name for name in INPUTS if name not in NOT_READ},
}
"""Column -> field of the scenario; every other column passes through."""

STAGED = ("seq_len", "batch")
"""Inputs that change in the course of a run: "128 then 512"."""

PART = re.compile(r"\d+(?:\.\d*)?(?:[eE][+-]?\d+)?")


def staged(cell: str) -> str:
    """Cell with the geometric mean of its numbers where it lists several, else as it is.

    >>> staged("128 then 512"), staged("2048"), staged("long")
    ('256', '2048', 'long')
    """
    found = [float(number) for number in PART.findall(cell)]
    if len(found) < 2 or min(found) <= 0:
        return cell
    return f"{math.exp(sum(map(math.log, found)) / len(found)):.6g}"


WORK_COLUMNS = (
    "train_flops_reported",
    "tokens_processed",
    "samples_processed",
    "accelerator_hours",
    "preset",
)
"""At least one of them says how much work a row is."""

DEVICE_COLUMNS = ("accelerator", "hardware", "preset")
"""At least one of them names the device."""


class CellReader:
    """Reads the cells of rows of one table; what they name is remembered from chunk to chunk.

    Parameters
    ----------
    names : sequence of str
        Columns, out of `FIELDS`.
    catalog : Catalog
        Knows the places.
    """

    def __init__(self, names: Sequence[str], catalog: Catalog) -> None:
        self.names, self.catalog = names, catalog

    def table(self, block: "Block") -> ScenarioTable:
        """Rows as scenarios.

        Parameters
        ----------
        block : Block
            A column for each name.
        """
        count = len(block.texts)
        refused = {row: Notice("text", "", {"text": why}) for row, why in block.refused.items()}
        reading = _Reading(count, refused)
        numbers: dict[str, Floats] = {}
        words: dict[str, Words] = {}
        for column, cells in zip(self.names, block.columns, strict=True):
            name = FIELDS[column]
            if is_number(name):
                numbers[name] = reading.number(name, column, cells)
            else:
                words[name] = self._words(name, column, cells.words(), reading)
        return ScenarioTable(
            count=count,
            numbers=numbers,
            words=words,
            errors=reading.errors,
            notices={row: tuple(found) for row, found in reading.notices.items()},
        ).checked()

    def _words(self, name: str, column: str, said: Words, reading: "_Reading") -> Words:
        """One column of words, read as freely as people write them."""
        if column == "domain":
            return _mapped(
                said, [kind_of_domain(text) if text.strip() else "" for text in said.distinct]
            )
        if name == "site":
            places = [self._place(text) for text in said.distinct]
            nowhere = {
                code: Notice("site_unknown", "site", {"name": text.strip()[:40]})
                for code, (text, place) in enumerate(zip(said.distinct, places, strict=True))
                if text.strip() and not place
            }
            for row, code in enumerate(said.codes.tolist() if nowhere else ()):
                if code in nowhere:
                    reading.notices.setdefault(row, []).append(nowhere[code])
            return _mapped(said, places)
        return _mapped(said, [text.strip() for text in said.distinct])

    def _place(self, region: str) -> str:
        """Name of a place in a free text; empty where none is known."""
        names = (
            region.strip(),
            *re.findall(r"\(([^()]+)\)", region),
            region.partition("(")[0].strip(),
        )
        return next((name for name in names if name and self.catalog.knows_place(name)), "")


class _Reading:
    """Errors and notices of the rows that are being read."""

    def __init__(self, count: int, errors: dict[int, Notice]) -> None:
        self.count, self.errors = count, errors
        self.notices: dict[int, list[Notice]] = {}

    def number(self, name: str, column: str, cells: "TextColumn") -> Floats:
        """One column as numbers, NaN where a cell is empty; a bad cell refuses its row."""
        if cells.empty == self.count:
            return unknown(self.count)
        values = cells.numbers()
        if values is None or np.count_nonzero(np.isnan(values)) > cells.empty:
            values = self._cells(name, column, cells.texts())
        least, most, _ = LIMITS[limits_of(name)]
        for row in np.flatnonzero((values < least) | (values > most)).tolist():
            text = cells.cells[row].as_py()[:40]
            reason = f"{column} must be between {least:g} and {most:g}, got {text}"
            self._unread(name, row, reason)
            values[row] = np.nan
        return values

    def _cells(self, name: str, column: str, texts: Sequence[str]) -> Floats:
        """Numbers of a column with other texts, each read once; NaN with a notice for others."""
        known = {text: _number_in(name, text) for text in set(texts)}
        bad = {text for text, value in known.items() if value != value and text.strip()}
        for row, text in enumerate(texts if bad else ()):
            if text in bad:
                self._unread(name, row, f"{column} is not a number: {text[:40]!r}")
        return np.array([known[text] for text in texts])

    def _unread(self, name: str, row: int, reason: str) -> None:
        """Refuse the row of a cell that is needed; a refinement is left out with a notice."""
        if INPUTS[name].refines:
            notice = Notice("left_out", name, {"reason": reason})
            self.notices.setdefault(row, []).append(notice)
        else:
            self.errors.setdefault(row, Notice("text", name, {"text": reason}))


def _number_in(name: str, text: str) -> float:
    """Number that a cell says; NaN where it is empty or says none."""
    cleaned = staged(text.strip()) if name in STAGED else text.strip()
    if name == "recomputation" and cleaned in RECOMPUTED_SHARE:
        return RECOMPUTED_SHARE[cleaned]
    with suppress(ValueError):
        return float(cleaned) if cleaned else np.nan
    with suppress(ValueError):
        return read_number(name, cleaned)
    return np.nan


def _mapped(said: Words, into: Sequence[str]) -> Words:
    """Column with other words in place of its distinct ones; empty: unspecified."""
    column = Words.of(into)
    codes: Places = np.append(column.codes, -1)[said.codes]
    return Words(column.distinct, codes)
