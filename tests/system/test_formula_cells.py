"""A cell of others that a spreadsheet would run is text in every table; numbers stay numbers."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.system.formula_cells import without_formula, without_formulas

RUN_BY_A_SPREADSHEET = (
    '=HYPERLINK("http://x","y")',
    "+1+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\uff1d1+1",
    "-A1",
)
PLAIN = ("-1", "+1.5e-3", "-1,234.5", "-12 %", "-inf", "-", "--", "gpt-3", "a=b", "", "x@y", "3")


@pytest.mark.parametrize("cell", RUN_BY_A_SPREADSHEET)
def test_a_formula_is_text_and_stays_the_same_when_it_is_read_again(cell):
    assert without_formula(cell) == f"'{cell}" == without_formula(f"'{cell}")


@pytest.mark.parametrize("cell", PLAIN)
def test_numbers_and_words_stay(cell):
    assert without_formula(cell) == cell


@given(st.floats(allow_nan=False) | st.integers() | st.none() | st.booleans())
def test_every_number_stays(number):
    assert without_formula(str(number)) == str(number)
    assert without_formula(number) is number


cells = st.sampled_from((*RUN_BY_A_SPREADSHEET, *PLAIN)) | st.text("=-+@\"',\n a1", max_size=6)


@given(st.lists(st.lists(cells, min_size=2, max_size=4), min_size=1, max_size=4))
def test_records_are_those_of_safe_cells(rows):
    def record(row):
        out = io.StringIO()
        csv.writer(out).writerow(row)
        return out.getvalue().removesuffix("\r\n")

    found = without_formulas([record(row) for row in rows])
    assert list(found) == [record(list(map(without_formula, row))) for row in rows]
