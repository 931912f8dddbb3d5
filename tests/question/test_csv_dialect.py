"""Tables of spreadsheets are read, and written back as they came."""

import csv
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.question.csv_dialect import Dialect

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8)


def read(text):
    return list(csv.reader(Dialect(iter(StringIO(text, newline=""))).lines))


def written_back(text):
    out = StringIO()
    dialect = Dialect(iter(StringIO(text, newline="")))
    dialect.writer(out).writelines(["".join(dialect.lines)])
    return out.getvalue()


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=4), st.sampled_from(";\t"))
def test_words_come_back_whatever_they_hold(rows, separator):
    """Line breaks, quotes and both marks inside cells among them; numbers are another test."""
    out = StringIO()
    named = [("left", "right"), *((f"a{left}", f"b{right}") for left, right in rows)]
    csv.writer(out, delimiter=separator).writerows(named)
    assert read(out.getvalue()) == [list(row) for row in named]
    assert written_back(out.getvalue()) == out.getvalue().replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        ("A;2,5", ["A", "2.5"]),
        ("A;-0,429", ["A", "-0.429"]),
        ("A;7,5e9", ["A", "7.5e9"]),
        ("A;1,500", ["A", "1.500"]),
        ("1,5;1,500", ["1.5", "1.500"]),
        ("0.5;1.500", ["0.5", "1.500"]),
        ("A;7.5e9", ["A", "7.5e9"]),
        ("A;1,2,3", ["A", "1,2,3"]),
        ("A;1.234.567", ["A", "1.234.567"]),
    ],
)
def test_a_decimal_comma_is_a_point(row, cells):
    assert read(f"name;price\n{row}\n")[1] == cells
    assert written_back(f"name;price\n{row}\n") == f"name;price\n{row}\n"


@pytest.mark.parametrize(
    "table",
    ["A;B\nx;1.500\n", "A;B\n1,5;1.500\n", "A\tB\nx\t1,500\n", "A;B\n0.5;1,500\n"],
)
def test_a_number_that_may_be_a_thousand_times_as_much_is_refused(table):
    """What German spreadsheets write for 1500 is 1.5 to others."""
    with pytest.raises(
        ValueError, match=r"line \d: 1[.,]500 has two readings: write 1500 or 1[.,]5000"
    ):
        read(table)


def test_a_table_with_commas_is_left_alone():
    text = 'name,price\n"A;B","2,5"\n'
    assert read(text) == [["name", "price"], ["A;B", "2,5"]]
    assert written_back(text) == text


def test_an_open_quote_names_its_line():
    with pytest.raises(ValueError, match="line 2 cannot be read as CSV"):
        read('name;price\n"A;2,5\n')
