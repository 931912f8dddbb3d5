"""Many questions at once, a column per input and a row per question.

A numeric column has NaN where unspecified. A text column has codes into its distinct texts, so that
each is looked up once. Inputs are validated here, and nowhere later.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np

from estimator.core.limits import is_share, within_limits
from estimator.core.messages import reason, refuse
from estimator.core.notice import Notice
from estimator.core.rows import Floats, Mask, Places, first_rows, nowhere, rows_where, unknown
from estimator.core.uncertainty import z_score
from estimator.question.inputs import REGISTRY, Asked, Input, Question

Known = TypeVar("Known")

RECOMPUTED_SHARE = {"none": 0.0, "selective": 0.1, "full": 1.0}
"""Share of the forward pass recomputed [1]; selective recomputes only the attention scores,
Korthikanti et al. 2022, arXiv:2205.05198, sec. 5.
"""

NOT_OF_SETUP = frozenset(
    name for name, known in REGISTRY.items() if known.group in ("place", "money") and name != "year"
)
"""Inputs that affect neither the time of a run nor its device power."""

UNSPECIFIED = -1
"""Code of an unspecified text."""


@dataclass(frozen=True)
class Words:
    """Text column: distinct texts, and a code per row.

    Parameters
    ----------
    distinct : tuple of str
    codes : array of int
        Index of each row's text, `UNSPECIFIED` if it has none.

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
        """Factorize a column; an empty text is unspecified."""
        cells = list(cells)
        distinct = [cell for cell in dict.fromkeys(cells) if cell]
        numbers = {"": UNSPECIFIED, **{cell: code for code, cell in enumerate(distinct)}}
        codes = np.array([numbers[cell] for cell in cells], dtype=np.intp)
        return cls(tuple(distinct), codes)

    @classmethod
    def none(cls, count: int) -> "Words":
        """Return an empty column."""
        return cls((), nowhere(count))

    @classmethod
    def concatenate(cls, columns: Iterable["Words"]) -> "Words":
        """Concatenate columns.

        >>> Words.concatenate([Words.of(["h100", ""]), Words.of(["v100", "h100"])]).rows()
        ['h100', '', 'v100', 'h100']
        """
        numbers: dict[str, int] = {}
        codes = []
        for column in columns:
            own = [numbers.setdefault(word, len(numbers)) for word in column.distinct]
            codes.append(np.array([*own, UNSPECIFIED], dtype=np.intp)[column.codes])
        return cls(tuple(numbers), np.concatenate(codes))

    def rows(self) -> list[str]:
        """Return the text of each row, empty if unspecified."""
        if not self.distinct:
            return [""] * self.codes.size
        words = (*self.distinct, "")
        return [words[code] for code in self.codes.tolist()]

    def take(self, rows: Places) -> "Words":
        """Return the column of some rows."""
        return Words(self.distinct, self.codes[rows])

    def replaced(self, into: Sequence[str]) -> "Words":
        """Return the column with its distinct texts replaced; empty means unspecified."""
        column = Words.of(into)
        codes: Places = np.append(column.codes, UNSPECIFIED)[self.codes]
        return Words(column.distinct, codes)


@dataclass(frozen=True, kw_only=True)
class Table(Generic[Asked]):
    """Table of questions of one type, by column.

    Parameters
    ----------
    question : type
        Dataclass of a row; its fields are the columns.
    count : int
        Number of rows.
    numbers : mapping of str to array
        Numeric input -> column, NaN where unspecified; a missing column is unspecified in every
        row. `recomputation` is the recomputed share [1].
    words : mapping of str to Words
        Other inputs.
    errors : mapping of int to Notice
        Row -> reason why it is refused.
    notices : mapping of int to tuple of Notice
        Row -> notices from reading it.
    setups : array of int, optional
        Setup index of each row; rows of one setup differ only in `NOT_OF_SETUP`, so that time and
        power are computed once. None if every row has its own.

    Examples
    --------
    >>> from estimator.question.scenario import Scenario
    >>> table = Table.of_columns(
    ...     Scenario, hardware=["v100", "h100", "b200"], flop=1e21, devices=[8.0, 8.0, 16.0]
    ... )
    >>> table.count, table.row(2).devices, table.row(0).hardware
    (3, 16.0, 'v100')
    """

    question: type[Asked]
    count: int
    numbers: Mapping[str, Floats] = field(default_factory=dict)
    words: Mapping[str, Words] = field(default_factory=dict)
    errors: Mapping[int, Notice] = field(default_factory=dict)
    notices: Mapping[int, tuple[Notice, ...]] = field(default_factory=dict)
    setups: Places | None = None

    @classmethod
    def of(cls, question: type[Asked], questions: Sequence[Asked]) -> "Table[Asked]":
        """Build a table from questions; an invalid one gets an error in its row."""
        errors: dict[int, Notice] = {}
        for row, asked in enumerate(questions):
            try:
                check_question(asked)
            except ValueError as error:
                errors[row] = reason(error)
        given = [asked.specified_inputs() for asked in questions]
        names = (
            given[0] if len(given) == 1 else dict.fromkeys(name for one in given for name in one)
        )
        cells: dict[str, list[Any]] = {name: [one.get(name) for one in given] for name in names}
        for name in cells:
            if errors and is_number(question.inputs[name]):
                cells[name] = [
                    None if row in errors else one for row, one in enumerate(cells[name])
                ]
        numbers, words = columns_of(question, cells)
        return cls(question=question, count=len(given), numbers=numbers, words=words, errors=errors)

    @classmethod
    def of_columns(cls, question: type[Asked], /, **columns: Any) -> "Table[Asked]":
        """Build a table from columns: arrays of one length, or single values for all rows.

        Raises
        ------
        ValueError
            If a name is not an input of the question, or lengths differ.
        """
        lengths = {len(one) for one in columns.values() if _is_column(one)}
        if len(lengths) > 1:
            raise ValueError(f"columns must be of one length, got {sorted(lengths)}")
        others = [name for name in columns if name not in question.inputs]
        if others:
            raise ValueError(f"{others[0]} is no input of a {question.__name__}")
        count = lengths.pop() if lengths else 1
        numbers, words = columns_of(
            question,
            {name: given if _is_column(given) else [given] for name, given in columns.items()},
        )
        return cls(
            question=question,
            count=count,
            numbers={name: np.broadcast_to(one, (count,)) for name, one in numbers.items()},
            words={
                name: Words(one.distinct, np.broadcast_to(one.codes, (count,)))
                for name, one in words.items()
            },
        ).checked()

    @classmethod
    def of_choices(
        cls, asked: Asked, choices: Mapping[str, Sequence[float | str]]
    ) -> "Table[Asked]":
        """Build a table of all combinations of input values; the last varies fastest.

        >>> from estimator.question.scenario import Scenario
        >>> asked = Scenario(flop=1e21, devices=8.0)
        >>> table = Table.of_choices(asked, {"hardware": ("h100", "b200"), "pue": (1.1, 1.5)})
        >>> table.count, table.number("pue").tolist(), table.row(2).hardware
        (4, [1.1, 1.5, 1.1, 1.5], 'b200')
        """
        shape = tuple(map(len, choices.values()))
        count = math.prod(shape)
        places = np.unravel_index(np.arange(count), shape) if shape else ()
        table = cls.of(type(asked), [asked]).part(np.zeros(count, dtype=np.intp))
        numbers, words = columns_of(type(asked), choices)
        at = dict(zip(choices, places, strict=True))
        return replace(
            table,
            numbers={**table.numbers, **{name: one[at[name]] for name, one in numbers.items()}},
            words={**table.words, **{name: one.take(at[name]) for name, one in words.items()}},
        ).checked()

    def checked(self) -> "Table[Asked]":
        """Return the table with errors in rows with invalid values."""
        errors = dict(self.errors)
        numbers = dict(self.numbers)
        for name, column in self.numbers.items():
            declared = self.question.inputs[name]
            impossible = []
            for row in _outside(declared, column).tolist():
                try:
                    check_number(declared, float(column[row]))
                except ValueError as error:
                    errors.setdefault(row, reason(error))
                    impossible.append(row)
            if impossible:
                numbers[name] = np.array(column)
                numbers[name][impossible] = np.nan
        for name, words in self.words.items():
            declared = self.question.inputs[name]
            bad = [_is_no_choice(declared, word) for word in words.distinct]
            if any(bad):
                for row in rows_where(np.array([*bad, False])[words.codes]).tolist():
                    word = words.distinct[words.codes[row]]
                    values = {"choices": declared.choices, "word": word}
                    errors.setdefault(row, Notice("no_choice", name, values))
        return replace(self, numbers=numbers, errors=errors)

    def part(self, rows: Places) -> "Table[Asked]":
        """Return the table of some rows."""
        return Table(
            question=self.question,
            count=rows.size,
            numbers={name: column[rows] for name, column in self.numbers.items()},
            words={name: words.take(rows) for name, words in self.words.items()},
            errors=_of_rows(self.errors, rows),
            notices=_of_rows(self.notices, rows),
        )

    def changed(self, **numbers: Floats) -> "Table[Asked]":
        """Return the table with some numeric columns replaced."""
        return replace(self, numbers={**self.numbers, **numbers})

    def number(self, name: str) -> Floats:
        """Return a numeric column, NaN where unspecified."""
        column = self.numbers.get(name)
        return self._unspecified if column is None else column

    def word(self, name: str) -> Words:
        """Return a text column."""
        column = self.words.get(name)
        return self._no_words if column is None else column

    def states(self, name: str) -> Mask:
        """Return the rows that specify an input."""
        if name in self.words:
            return self.words[name].codes >= 0
        return ~np.isnan(self.number(name))

    def states_word(self, name: str, *words: str) -> Mask:
        """Return the rows that set an input to one of several words."""
        column = self.words.get(name)
        if column is None or not set(words) & set(column.distinct):
            return np.zeros(self.count, dtype=np.bool_)
        return np.isin(
            column.codes, [column.distinct.index(w) for w in words if w in column.distinct]
        )

    def row(self, row: int) -> Asked:
        """Return the question of a row."""
        given: dict[str, Any] = {}
        for name, column in self.numbers.items():
            value = float(column[row])
            if value == value:
                given[name] = _value_of(self.question.inputs[name], value)
        for name, words in self.words.items():
            if words.codes[row] >= 0:
                given[name] = words.distinct[words.codes[row]]
        return self.question(**given)

    @cached_property
    def _unspecified(self) -> Floats:
        return unknown(self.count)

    @cached_property
    def _no_words(self) -> Words:
        return Words.none(self.count)


def _of_rows(known: Mapping[int, Known], rows: Places) -> dict[int, Known]:
    return {at: known[row] for at, row in enumerate(rows.tolist()) if row in known} if known else {}


def columns_of(
    question: type[Question], cells: Mapping[str, Sequence[Any]]
) -> tuple[dict[str, Floats], dict[str, Words]]:
    """Split Python values by input into columns of numbers and of texts.

    Raises
    ------
    ValueError
        If the recomputed share is not one of its words.
    """
    numbers: dict[str, Floats] = {}
    words: dict[str, Words] = {}
    for name, some in cells.items():
        if name == "recomputation":
            numbers[name] = np.array([_share_of(one) for one in some], dtype=np.float64)
        elif is_number(question.inputs[name]):
            numbers[name] = np.asarray(some, dtype=np.float64)
        else:
            words[name] = Words.of("" if one is None else str(one) for one in some)
    return numbers, words


def is_number(declared: Input) -> bool:
    """Return whether an input is a numeric column, as are flags and recomputation."""
    return declared.number or declared.flag or declared.name == "recomputation"


def _share_of(cell: float | str | None) -> float | None:
    """Parse the recomputed share [1] from a number or word."""
    if not isinstance(cell, str):
        return cell
    if cell not in RECOMPUTED_SHARE:
        choices = REGISTRY["recomputation"].choices
        raise refuse("no_choice", "recomputation", choices=choices, word=cell)
    return RECOMPUTED_SHARE[cell]


def _value_of(declared: Input, value: float) -> float | str | bool:
    """Return a cell's value for a question; recomputation becomes the nearest word."""
    if declared.name == "recomputation":
        return min(RECOMPUTED_SHARE, key=lambda word: abs(RECOMPUTED_SHARE[word] - value))
    return bool(value) if declared.flag else value


def _is_column(given: Any) -> bool:
    """Return whether an input differs by row."""
    dimensions = getattr(given, "ndim", None)
    if dimensions is not None:
        return bool(dimensions)
    return isinstance(given, Sequence) and not isinstance(given, str)


def setups_of(places: Mapping[str, Places], count: int) -> Places:
    """Return the setup index of each row, from the index of each input's value.

    Rows that differ only in `NOT_OF_SETUP` share a setup.
    """
    own = [at for name, at in places.items() if name not in NOT_OF_SETUP]
    return first_rows(*own)[1] if own else np.zeros(count, dtype=np.intp)


def check_question(asked: Question) -> None:
    """Refuse an invalid number or word, even if unused.

    Raises
    ------
    ValueError
        With input, rule and value, in one line.
    """
    for name, value in asked.specified_inputs().items():
        declared = asked.inputs.get(name)
        if declared is None or declared.flag:
            continue
        if declared.number:
            check_number(declared, value)
        elif declared.choices:
            check_choice(declared, value)
    asked.check()


def check_choices(asked: Question) -> None:
    """Refuse a word outside the choices of its input.

    Raises
    ------
    ValueError
        With input, word and choices.
    """
    for name, declared in asked.inputs.items():
        check_choice(declared, getattr(asked, name))


def check_choice(declared: Input, word: str | None) -> None:
    """Refuse a word outside the choices of one input."""
    if word and _is_no_choice(declared, word):
        raise refuse("no_choice", declared.name, choices=declared.choices, word=word)


def check_number(declared: Input, value: float) -> None:
    """Refuse a number outside its limits, or a fractional count.

    >>> check_number(REGISTRY["output_tokens"], 0.0)
    Traceback (most recent call last):
    ...
    estimator.core.notice.Refusal: output_tokens must be positive, got 0
    """
    if declared.name == "interval":
        z_score(value)
        return
    if declared.name == "utilization":
        is_share("utilization", value, as_input=True)
    least, most, _ = declared.limit
    if not least <= value <= most:
        within_limits(declared.limits or declared.name, value, declared.name)
    if declared.whole and value % 1:
        raise refuse("not_whole", declared.name, value=value)


def _is_no_choice(declared: Input, word: str) -> bool:
    return bool(declared.choices) and not declared.open_choices and word not in declared.choices


def _outside(declared: Input, column: Floats) -> Places:
    """Return the rows with a number that may be invalid."""
    if declared.flag:
        return rows_where(np.zeros(column.size, dtype=np.bool_))
    if declared.name == "interval":
        return rows_where(~np.isnan(column))
    least, most, _ = declared.limit
    bad = (column < least) | (column > most)
    if declared.whole:
        bad |= np.floor(column) < column
    return rows_where(bad)
