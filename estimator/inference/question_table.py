"""Many questions about serving at once: a column per field, a row per question."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

import numpy as np

from estimator.core.messages import refuse
from estimator.core.rows import Floats, Places
from estimator.inference.question import NUMBERS, WORDS, ServingQuestion, check_number
from estimator.question.scenario_table import Words

LOADS = ("concurrency", "request_rate")
"""Fields of which a question has one."""

_numbers_of = attrgetter(*NUMBERS)


@dataclass(frozen=True, kw_only=True)
class QuestionTable:
    """Questions by column; each is a row.

    Parameters
    ----------
    count : int
        Rows.
    numbers : mapping of str to array
        Every field of `ServingQuestion` that is a number, NaN where a row leaves it unspecified.
    words : mapping of str to Words
        The other fields.

    Examples
    --------
    >>> asked = ServingQuestion(model="llama-3-8b", concurrency=8)
    >>> table = QuestionTable.of_choices(asked, {"hardware": ("h100", "b200"), "devices": (1, 2)})
    >>> table.count, table.numbers["devices"].tolist(), table.row(2).hardware
    (4, [1.0, 2.0, 1.0, 2.0], 'b200')
    """

    count: int
    numbers: Mapping[str, Floats]
    words: Mapping[str, Words]

    @classmethod
    def of(cls, questions: Sequence[ServingQuestion]) -> "QuestionTable":
        """Questions as a table."""
        cells = np.array([_numbers_of(one) for one in questions], dtype=np.float64)
        columns = np.ascontiguousarray(cells.reshape(len(questions), len(NUMBERS)).T)
        words = {name: Words.of([getattr(one, name) for one in questions]) for name in WORDS}
        numbers = dict(zip(NUMBERS, columns, strict=True))
        return cls(count=len(questions), numbers=numbers, words=words)

    @classmethod
    def of_choices(
        cls, question: ServingQuestion, choices: Mapping[str, Sequence[float | str]]
    ) -> "QuestionTable":
        """Every combination of some values for fields of a question; the last varies fastest.

        Raises
        ------
        Refusal
            If a value is outside its limits, or two fields exclude each other.
        """
        for name in filter(NUMBERS.__contains__, choices):
            for value in choices[name]:
                check_number(name, float(value))
        if all(name in choices or getattr(question, name) is not None for name in LOADS):
            raise refuse("serving_two_loads", "request_rate")
        shape = tuple(map(len, choices.values()))
        count = math.prod(shape)
        places = np.unravel_index(np.arange(count), shape) if shape else ()
        table = cls.of([question]).part(np.zeros(count, dtype=np.intp))
        numbers, words = dict(table.numbers), dict(table.words)
        for (name, values), at in zip(choices.items(), places, strict=True):
            if name in numbers:
                numbers[name] = np.array(values, dtype=np.float64)[at]
            else:
                words[name] = Words.of(map(str, values)).take(at)
        return cls(count=count, numbers=numbers, words=words)

    def part(self, rows: Places) -> "QuestionTable":
        """Return the table of some rows."""
        return QuestionTable(
            count=rows.size,
            numbers={name: column[rows] for name, column in self.numbers.items()},
            words={name: words.take(rows) for name, words in self.words.items()},
        )

    def changed(self, **numbers: Floats) -> "QuestionTable":
        """Return the table with other columns of numbers."""
        return replace(self, numbers={**self.numbers, **numbers})

    def row(self, row: int) -> ServingQuestion:
        """Return the question of a row."""
        numbers = {name: float(column[row]) for name, column in self.numbers.items()}
        said = {name: value for name, value in numbers.items() if value == value}
        return ServingQuestion(**self.words_of(row), **said)  # type: ignore[arg-type]

    def words_of(self, row: int) -> dict[str, str]:
        """Return the words of a row, those that it specifies."""
        codes = ((name, words, int(words.codes[row])) for name, words in self.words.items())
        return {name: words.distinct[code] for name, words, code in codes if code >= 0}
