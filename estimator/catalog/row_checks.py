"""How is a table of measured rows checked: each row by itself, a problem per cell."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from estimator.catalog.records import Problem, offer

Row = Mapping[str, str]
CellProblems = Iterator[tuple[str, str, str]]
"""Column, message and remedy of each cell that is not sound."""


def row_problems(
    file: str, rows: Iterable[Row], check: Callable[[Row], CellProblems]
) -> Iterator[Problem]:
    """Visit every row of a table with a header."""
    for line, row in enumerate(rows, start=2):
        for key, message, remedy in check(row):
            yield Problem(file, f"line {line}, {key}", message, remedy)


def word_problems(row: Row, column: str, words: Iterable[str], what: str) -> CellProblems:
    """Refuse a word that is none of those known, and offer the nearest."""
    if row[column] not in words:
        yield column, f"unknown {what} {row[column]!r}", offer(row[column], sorted(words))


def range_problems(row: Row, ranges: Mapping[str, tuple[float, float]]) -> CellProblems:
    """Refuse a number outside its range; an empty cell is unknown."""
    for column, (least, most) in ranges.items():
        if row[column] and not within(row[column], least, most):
            yield column, f"not a number within {least:g} to {most:g}: {row[column]!r}", "mend it"


def within(cell: str, least: float, most: float) -> bool:
    """Tell whether a cell is a number in a range."""
    try:
        return least <= float(cell) <= most
    except ValueError:
        return False
