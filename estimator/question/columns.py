"""Rows of a CSV table as questions: numeric and text columns, and row errors."""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Generic

import numpy as np

from estimator.catalog import Catalog
from estimator.core.notice import Notice
from estimator.core.rows import Floats, unknown
from estimator.networks.kinds import kind_of_domain
from estimator.question.inputs import Asked, Input, read_number
from estimator.question.table import RECOMPUTED_SHARE, Table, Words, is_number

if TYPE_CHECKING:
    from estimator.question.csv_records import Block, TextColumn

STAGED = ("seq_len", "batch")
"""Inputs that may change in the course of a run, as in "128 then 512"."""

PART = re.compile(r"\d+(?:\.\d*)?(?:[eE][+-]?\d+)?")


def staged(cell: str) -> str:
    """Replace several numbers in a cell by their geometric mean.

    >>> staged("128 then 512"), staged("2048"), staged("long")
    ('256', '2048', 'long')
    """
    found = [float(number) for number in PART.findall(cell)]
    if len(found) < 2 or min(found) <= 0:
        return cell
    return f"{math.exp(sum(map(math.log, found)) / len(found)):.6g}"


def fields_of(question: type[Asked], without: Collection[str] = ()) -> Mapping[str, str]:
    """Return column -> input of a question; all other columns pass through."""
    return {
        spelling: name
        for name, declared in question.inputs.items()
        if name not in without
        for spelling in declared.spellings
    }


class CellReader(Generic[Asked]):
    """Reader that turns the rows of a table into questions.

    Parameters
    ----------
    question : type
        Type of the questions.
    header : sequence of str
        Columns of the table.
    catalog : Catalog
        Profiles, for the sites.
    without : collection of str
        Inputs that no column sets.

    Attributes
    ----------
    columns : dict of str to str
        Input -> its column; the documented one if there are several.
    places : list of int
        Indices of these columns in the header.
    """

    def __init__(
        self,
        question: type[Asked],
        header: Sequence[str],
        catalog: Catalog,
        without: Collection[str] = (),
    ) -> None:
        fields = fields_of(question, without)
        self._question, self._catalog = question, catalog
        self.columns: dict[str, str] = {}
        for column in header:
            name = fields.get(column)
            if name and (name not in self.columns or column == question.inputs[name].column):
                self.columns[name] = column
        if "metered" not in self.columns:
            self.columns.pop("energy_kwh", None)  # a result of other tables, its boundary unknown
        self.places = [header.index(column) for column in self.columns.values()]

    def table(self, block: "Block") -> Table[Asked]:
        """Parse rows as questions.

        Parameters
        ----------
        block : Block
            One column for each of `places`.
        """
        count = len(block.texts)
        refused = {row: Notice("text", "", {"text": why}) for row, why in block.refused.items()}
        reading = _Reading(count, refused)
        numbers: dict[str, Floats] = {}
        words: dict[str, Words] = {}
        for (name, column), cells in zip(self.columns.items(), block.columns, strict=True):
            declared = self._question.inputs[name]
            if is_number(declared):
                numbers[name] = reading.number(declared, column, cells)
            else:
                words[name] = self._words(name, column, cells.words(), reading)
        return Table(
            question=self._question,
            count=count,
            numbers=numbers,
            words=words,
            errors=reading.errors,
            notices={row: tuple(found) for row, found in reading.notices.items()},
        ).checked()

    def _words(self, name: str, column: str, said: Words, reading: "_Reading") -> Words:
        """Return one text column, normalized."""
        if column == "domain":
            return said.replaced(
                [kind_of_domain(text) if text.strip() else "" for text in said.distinct]
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
            return said.replaced(places)
        return said.replaced([text.strip() for text in said.distinct])

    def _place(self, region: str) -> str:
        """Name of a site in free text, empty if unknown."""
        names = (
            region.strip(),
            *re.findall(r"\(([^()]+)\)", region),
            region.partition("(")[0].strip(),
        )
        return next((name for name in names if name and self._catalog.knows_place(name)), "")


class _Reading:
    """Errors and notices of the current rows."""

    def __init__(self, count: int, errors: dict[int, Notice]) -> None:
        self.count, self.errors = count, errors
        self.notices: dict[int, list[Notice]] = {}

    def number(self, declared: Input, column: str, cells: "TextColumn") -> Floats:
        """Return a numeric column, NaN where empty; an invalid cell refuses its row."""
        if cells.empty == self.count:
            return unknown(self.count)
        values = cells.numbers()
        if values is None or np.count_nonzero(np.isnan(values)) > cells.empty:
            values = self._cells(declared, column, cells.texts())
        least, most = (0.0, 1.0) if declared.flag else declared.limit.range
        for row in np.flatnonzero((values < least) | (values > most)).tolist():
            text = cells.cells[row].as_py()[:40]
            reason = f"{column} must be between {least:g} and {most:g}, got {text}"
            self._unread(declared, row, reason)
            values[row] = np.nan
        return values

    def _cells(self, declared: Input, column: str, texts: Sequence[str]) -> Floats:
        """Parse a column of free-text numbers, each text once; NaN with a notice if invalid."""
        known = {text: _number_in(declared, text) for text in set(texts)}
        bad = {text for text, value in known.items() if value != value and text.strip()}
        for row, text in enumerate(texts if bad else ()):
            if text in bad:
                self._unread(declared, row, f"{column} is not a number: {text[:40]!r}")
        return np.array([known[text] for text in texts])

    def _unread(self, declared: Input, row: int, reason: str) -> None:
        """Refuse the row of a required cell; leave out an optional one with a notice."""
        if declared.refines:
            notice = Notice("left_out", declared.name, {"reason": reason})
            self.notices.setdefault(row, []).append(notice)
        else:
            self.errors.setdefault(row, Notice("text", declared.name, {"text": reason}))


YES_OR_NO = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
"""Cell text of a flag -> value."""


def _number_in(declared: Input, text: str) -> float:
    """Parse the number in a cell; NaN if empty."""
    name = declared.name
    if declared.flag:
        return YES_OR_NO.get(text.strip().casefold(), np.nan)
    cleaned = staged(text.strip()) if name in STAGED else text.strip()
    if name == "recomputation" and cleaned in RECOMPUTED_SHARE:
        return RECOMPUTED_SHARE[cleaned]
    with suppress(ValueError):
        return float(cleaned) if cleaned else np.nan
    with suppress(ValueError):
        return read_number(name, cleaned)
    return np.nan
