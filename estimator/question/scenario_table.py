"""Many questions at once: a column per input, a row per scenario; one question is one row.

A number is a column of floats, NaN where a row leaves it unspecified. A word is a column of codes
into the distinct words, so that what they name is looked up once. Numbers are checked here, at the
entrance, and nowhere after it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from estimator.core.limits import LIMITS, is_share, within_limits
from estimator.core.messages import reason, refuse
from estimator.core.notice import Notice
from estimator.core.rows import Floats, Mask, Places, first_rows, nowhere, rows_where, unknown
from estimator.core.uncertainty import z_score
from estimator.question.scenario import (
    CHECKED,
    CHOICES,
    INPUTS,
    NUMBERS,
    Scenario,
    check_choices,
    limits_of,
)

RECOMPUTED_SHARE = {"none": 0.0, "selective": 0.1, "full": 1.0}
"""Share of the forward pass that is computed again [1]; selective: the attention scores alone,
Korthikanti et al. 2022, arXiv:2205.05198, sec. 5."""

NOT_OF_SETUP = frozenset(
    name for name, known in INPUTS.items() if known.group in ("place", "money") and name != "year"
)
"""Inputs that change neither how long a run takes nor what its devices draw."""

UNSPECIFIED = -1
"""Code of a word that a row leaves out."""


@dataclass(frozen=True)
class Words:
    """Column of words: the distinct ones, and which of them each row says.

    Parameters
    ----------
    distinct : tuple of str
    codes : array of int
        `UNSPECIFIED` where a row says none.

    Examples
    --------
    >>> column = Words.of(["h100", "v100", "h100", ""])
    >>> column.distinct, column.codes.tolist(), column.rows()
    (('h100', 'v100'), [0, 1, 0, -1], ['h100', 'v100', 'h100', ''])
    """

    distinct: tuple[str, ...]
    codes: Places

    @classmethod
    def of(cls, cells: Iterable[str]) -> "Words":
        """Factorise a column; an empty text is unspecified."""
        cells = list(cells)
        distinct = [cell for cell in dict.fromkeys(cells) if cell]
        numbers = {"": UNSPECIFIED, **{cell: code for code, cell in enumerate(distinct)}}
        codes = np.array([numbers[cell] for cell in cells], dtype=np.intp)
        return cls(tuple(distinct), codes)

    @classmethod
    def none(cls, count: int) -> "Words":
        """Return a column that no row fills."""
        return cls((), nowhere(count))

    @classmethod
    def joined(cls, columns: Iterable["Words"]) -> "Words":
        """Columns one below the other.

        >>> Words.joined([Words.of(["h100", ""]), Words.of(["v100", "h100"])]).rows()
        ['h100', '', 'v100', 'h100']
        """
        numbers: dict[str, int] = {}
        codes = []
        for column in columns:
            own = [numbers.setdefault(word, len(numbers)) for word in column.distinct]
            codes.append(np.array([*own, UNSPECIFIED], dtype=np.intp)[column.codes])
        return cls(tuple(numbers), np.concatenate(codes))

    def rows(self) -> list[str]:
        """Word of each row, empty where there is none."""
        if not self.distinct:
            return [""] * self.codes.size
        words = (*self.distinct, "")
        return [words[code] for code in self.codes.tolist()]

    def take(self, rows: Places) -> "Words":
        """Return the column of some rows."""
        return Words(self.distinct, self.codes[rows])


@dataclass(frozen=True, kw_only=True)
class ScenarioTable:
    """Scenarios by column; each is a row.

    Parameters
    ----------
    count : int
        Rows.
    numbers : mapping of str to array
        Field of `Scenario` that is a number -> its column, NaN where unspecified; a column that is
        missing is unspecified in every row. `recomputation` is the share computed again [1].
    words : mapping of str to Words
        The other fields.
    errors : mapping of int to Notice
        Row -> why it is refused already.
    notices : mapping of int to tuple of Notice
        Row -> notice of what was found while reading it.
    setups : array of int, optional
        Which set-up each row is: rows of one differ in `NOT_OF_SETUP` alone, so that their time and
        power are worked out once. None: each row is one of its own.

    Examples
    --------
    >>> table = ScenarioTable.of_columns(
    ...     hardware=["v100", "h100", "b200"], flop=1e21, devices=[8.0, 8.0, 16.0], site="fr"
    ... )
    >>> table.count, table.row(2).devices, table.row(0).site
    (3, 16.0, 'fr')
    """

    count: int
    numbers: Mapping[str, Floats] = field(default_factory=dict)
    words: Mapping[str, Words] = field(default_factory=dict)
    errors: Mapping[int, Notice] = field(default_factory=dict)
    notices: Mapping[int, tuple[Notice, ...]] = field(default_factory=dict)
    setups: Places | None = None

    @classmethod
    def of(cls, scenarios: Sequence[Scenario]) -> "ScenarioTable":
        """Scenarios as a table; one that cannot be is refused in its row."""
        errors: dict[int, Notice] = {}
        for row, scenario in enumerate(scenarios):
            try:
                check_scenario(scenario)
            except ValueError as error:
                errors[row] = reason(error)
        given = [scenario.given() for scenario in scenarios]
        names = (
            given[0] if len(given) == 1 else dict.fromkeys(name for one in given for name in one)
        )
        cells: dict[str, list[Any]] = {name: [one.get(name) for one in given] for name in names}
        for name in filter(is_number, cells):
            cells[name] = [None if row in errors else one for row, one in enumerate(cells[name])]
        numbers, words = columns_of(cells)
        return cls(count=len(given), numbers=numbers, words=words, errors=errors)

    @classmethod
    def of_columns(cls, **columns: Any) -> "ScenarioTable":
        """Columns as a table: arrays or sequences of one length, and single values for all rows.

        Raises
        ------
        ValueError
            If a name is no field of `Scenario`, or the lengths differ.
        """
        lengths = {len(one) for one in columns.values() if _is_column(one)}
        if len(lengths) > 1:
            raise ValueError(f"columns must be of one length, got {sorted(lengths)}")
        unknown = [name for name in columns if name not in INPUTS]
        if unknown:
            raise ValueError(f"{unknown[0]} is no input of a scenario")
        count = lengths.pop() if lengths else 1
        numbers, words = columns_of(
            {name: given if _is_column(given) else [given] for name, given in columns.items()}
        )
        return cls(
            count=count,
            numbers={name: np.broadcast_to(one, (count,)) for name, one in numbers.items()},
            words={
                name: Words(one.distinct, np.broadcast_to(one.codes, (count,)))
                for name, one in words.items()
            },
        ).checked()

    def checked(self) -> "ScenarioTable":
        """Return the table with every row refused that holds a number or a word that cannot be."""
        errors = dict(self.errors)
        numbers = dict(self.numbers)
        for name, column in self.numbers.items():
            impossible = []
            for row in _outside(name, column).tolist():
                try:
                    _check_number(name, float(column[row]))
                except ValueError as error:
                    errors.setdefault(row, reason(error))
                    impossible.append(row)
            if impossible:
                numbers[name] = np.array(column)
                numbers[name][impossible] = np.nan
        for name in filter(self.words.__contains__, CHECKED):
            words, choices = self.words[name], CHECKED[name]
            bad = [word not in choices for word in words.distinct]
            if any(bad):
                for row in rows_where(np.array([*bad, False])[words.codes]).tolist():
                    word = words.distinct[words.codes[row]]
                    values = {"choices": choices, "word": word}
                    errors.setdefault(row, Notice("no_choice", name, values))
        return replace(self, numbers=numbers, errors=errors)

    def number(self, name: str) -> Floats:
        """Column of a number, NaN where a row leaves it out."""
        column = self.numbers.get(name)
        return self._unspecified if column is None else column

    def word(self, name: str) -> Words:
        """Column of a word."""
        column = self.words.get(name)
        return self._no_words if column is None else column

    def states(self, name: str) -> Mask:
        """Whether each row specifies an input."""
        if name in self.words:
            return self.words[name].codes >= 0
        return ~np.isnan(self.number(name))

    def states_word(self, name: str, *words: str) -> Mask:
        """Which rows specify one of some words for an input."""
        column = self.words.get(name)
        if column is None or not set(words) & set(column.distinct):
            return np.zeros(self.count, dtype=np.bool_)
        return np.isin(
            column.codes, [column.distinct.index(w) for w in words if w in column.distinct]
        )

    def row(self, row: int) -> Scenario:
        """Return the scenario of a row."""
        given: dict[str, Any] = {}
        for name, column in self.numbers.items():
            value = float(column[row])
            if value == value:
                given[name] = _word_of_share(value) if name == "recomputation" else value
        for name, words in self.words.items():
            if words.codes[row] >= 0:
                given[name] = words.distinct[words.codes[row]]
        return Scenario(**given)

    @cached_property
    def _unspecified(self) -> Floats:
        return unknown(self.count)

    @cached_property
    def _no_words(self) -> Words:
        return Words.none(self.count)


def columns_of(
    cells: Mapping[str, Sequence[Any]],
) -> tuple[dict[str, Floats], dict[str, Words]]:
    """Columns of numbers and of words, by input, of cells as Python has them.

    Raises
    ------
    ValueError
        If the share computed again is a word that is none.
    """
    numbers: dict[str, Floats] = {}
    words: dict[str, Words] = {}
    for name, some in cells.items():
        if name == "recomputation":
            numbers[name] = np.array([_share_of(one) for one in some], dtype=np.float64)
        elif name in NUMBERS:
            numbers[name] = np.asarray(some, dtype=np.float64)
        else:
            words[name] = Words.of("" if one is None else str(one) for one in some)
    return numbers, words


def is_number(name: str) -> bool:
    """Whether an input is a column of numbers; how much is computed again is one, too."""
    return name in NUMBERS or name == "recomputation"


def _share_of(cell: float | str | None) -> float | None:
    """Share computed again [1], of itself or in words."""
    if not isinstance(cell, str):
        return cell
    if cell not in RECOMPUTED_SHARE:
        raise refuse("no_choice", "recomputation", choices=CHOICES["recomputation"], word=cell)
    return RECOMPUTED_SHARE[cell]


def _is_column(given: Any) -> bool:
    """Whether an input is given for each row, not once for all."""
    dimensions = getattr(given, "ndim", None)
    if dimensions is not None:
        return bool(dimensions)
    return isinstance(given, Sequence) and not isinstance(given, str)


def setups_of(places: Mapping[str, Places], count: int) -> Places:
    """Which set-up each of some rows is, from the place of each input's value among those it takes.

    Rows that differ in `NOT_OF_SETUP` alone are of one set-up.
    """
    own = [at for name, at in places.items() if name not in NOT_OF_SETUP]
    return first_rows(*own)[1] if own else np.zeros(count, dtype=np.intp)


def check_scenario(scenario: Scenario) -> None:
    """Refuse a number or a word that cannot be, whether or not the answer would use it.

    Raises
    ------
    ValueError
        Input, rule and value in one line.
    """
    for name, value in scenario.given().items():
        if not isinstance(value, str):
            _check_number(name, value)
    check_choices(scenario)
    _check_work(scenario)


def _check_work(scenario: Scenario) -> None:
    """Refuse a question that says its work in ways that exclude each other, as rows may."""
    ways = [name for name in ("flop", "params", "config") if getattr(scenario, name) is not None]
    if ways == ["flop", "params"] and scenario.tokens is None:
        ways = ["flop"]
    if len(ways) > 1:
        raise refuse("mutually_exclusive", ways[0], second_input=ways[1])
    if scenario.preset is not None and ways:
        raise refuse("preset_says_work", ways[0])
    if scenario.active_params is not None and scenario.params is None:
        raise refuse("active_needs_params", "params")


def _check_number(name: str, value: float) -> None:
    """Refuse a number outside its limits, or a count that is not whole."""
    if name == "interval":
        z_score(value)
        return
    if name == "utilization":
        is_share(name, value, as_input=True)
    least, most, _ = LIMITS[limits_of(name)]
    if not least <= value <= most:
        within_limits(limits_of(name), value, name)
    if INPUTS[name].whole and value % 1:
        raise refuse("not_whole", name, value=value)


def _outside(name: str, column: Floats) -> Places:
    """Rows whose number may be refused."""
    if name == "interval":
        return rows_where(~np.isnan(column))
    least, most, _ = LIMITS[limits_of(name)]
    bad = (column < least) | (column > most)
    if INPUTS[name].whole:
        bad |= np.floor(column) < column
    return rows_where(bad)


def _word_of_share(share: float) -> str:
    """Recomputation in words, the nearest."""
    return min(RECOMPUTED_SHARE, key=lambda word: abs(RECOMPUTED_SHARE[word] - share))
