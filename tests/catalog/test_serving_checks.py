"""Rows of measured serving: a slip of the pen in any column is found."""

import pytest

from estimator.catalog import Catalog
from estimator.catalog.serving_checks import CONDITIONS, ENERGY, POWER, RATE, measured_row_problems

CATALOG = Catalog.open()
ROWS = CATALOG.table("runs/serving_measured.csv")


def run_with_power():
    """Rows of the first run whose power, throughput and energy were all measured."""
    first = next(row for row in ROWS if row["metric"] == POWER)
    return [
        dict(row)
        for row in ROWS
        if row["metric"] in (POWER, RATE, ENERGY)
        and all(row[name] == first[name] for name in CONDITIONS)
    ]


def test_the_rows_as_shipped_are_sound():
    assert len(ROWS) > 2000
    assert list(measured_row_problems(ROWS, CATALOG)) == []


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("model", ""),
        ("hardware", "NVIDIA H1000"),
        ("unit", "tokens per second"),
        ("value", "-3"),
        ("value", "nan"),
        ("params", "70B"),
        ("url", "leaderboard"),
        ("date", "2999-01-01"),
        ("date", "soon"),
        ("confidence", "sure"),
        ("source", ""),
    ],
)
def test_a_slip_of_the_pen_is_found_in_its_column(column, cell):
    row = {**ROWS[0], column: cell}
    found = list(measured_row_problems([row], CATALOG))
    assert [problem.key for problem in found] == [f"line 2, {column}"]


def test_a_power_that_contradicts_energy_and_throughput_is_found():
    rows = run_with_power()
    assert {row["metric"] for row in rows} == {POWER, RATE, ENERGY}
    assert list(measured_row_problems(rows, CATALOG)) == []
    for row in rows:
        if row["metric"] == POWER:
            row["value"] = str(1.5 * float(row["value"]))
    (problem,) = measured_row_problems(rows, CATALOG)
    assert "W by energy and rate" in problem.message
