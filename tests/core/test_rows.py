"""Columns of a table: what each row has, found at once, is what a loop over the rows finds."""

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.core.notice import Notice
from estimator.core.notice_table import NoticeTable
from estimator.core.rows import by_row, few, filled, first_known, first_rows, median_of
from estimator.core.uncertainty import Uncertain

CODES = st.sampled_from([0, 1, 2, 7, 9_999, 10_000, 10_001, 2**40])


@st.composite
def columns(draw):
    """Up to five columns of codes, with more combinations than a number of 64 bits counts."""
    rows = draw(st.integers(1, 8))
    column = st.lists(CODES, min_size=rows, max_size=rows)
    return draw(st.lists(column, min_size=1, max_size=5))


@given(columns())
def test_equal_rows_have_one_first_row(keys):
    first, at = first_rows(*(np.array(codes, dtype=np.intp) for codes in keys))
    rows = list(zip(*keys, strict=True))
    assert [rows.index(row) for row in rows] == first[at].tolist()
    assert len(first) == len(set(rows))


@given(st.lists(st.integers(-20, 20) | st.integers(-(2**40), 2**40), min_size=1, max_size=9))
def test_few_values_are_the_distinct_ones_in_order(values):
    found, at = few(np.array(values, dtype=np.intp))
    assert found.tolist() == sorted(set(values))
    assert found[at].tolist() == values


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=9))
def test_the_median_is_that_of_python(values):
    assert median_of(values) == pytest.approx(statistics.median(values))


def test_a_row_has_the_quantity_that_it_names():
    one, two = Uncertain(1.0, {"a": 0.1}), Uncertain(2.0, {"b": 0.2})
    rows = by_row([one, two], np.array([1, 0, 1]))
    assert rows.mid.tolist() == [2.0, 1.0, 2.0]
    assert rows.loadings["a"].tolist() == [0.0, 0.1, 0.0]
    assert rows.loadings["b"].tolist() == [0.2, 0.0, 0.2]
    assert by_row([one, two], np.array([1])) is two


def test_given_numbers_are_exact_and_the_others_assumed():
    nan, assumed = np.nan, Uncertain(5.0, {"a": 0.3})
    rows = filled(np.array([1.0, nan]), assumed)
    assert (rows.mid.tolist(), rows.loadings["a"].tolist()) == ([1.0, 5.0], [0.0, 0.3])
    assert filled(np.array([nan, nan]), assumed) is assumed
    known = first_known(np.array([nan, nan, 1.0]), np.array([nan, 2.0, 9.0]), np.full(3, 3.0))
    assert known.tolist() == [3.0, 2.0, 1.0]


@given(
    st.lists(
        st.tuples(st.sampled_from(["where", "each", "coded"]), st.integers(0, 2**5 - 1)),
        max_size=80,
    )
)
def test_each_row_has_its_notices_in_the_order_in_which_they_came(steps):
    """Eighty layers are more combinations than a number of 64 bits counts."""
    table, expected = NoticeTable(5), [[] for _ in range(5)]
    for number, (how, bits) in enumerate(steps):
        mask = np.array([bits >> row & 1 for row in range(5)], dtype=np.bool_)
        rows = np.flatnonzero(mask)
        one, two = Notice(f"one {number}"), Notice(f"two {number}")
        if how == "where":
            table.where(mask, one)
            added = {row: [one] for row in rows}
        elif how == "each":
            table.each(rows, [(Notice(f"{number} of {row}"), two) for row in rows])
            added = {row: [Notice(f"{number} of {row}"), two] for row in rows}
        else:
            table.coded([(one,), (one, two)], np.where(mask, 1, -1))
            added = {row: [one, two] for row in rows}
        for row, notices in added.items():
            expected[row] += notices
    assert [list(table.of(row)) for row in range(5)] == expected
    sets, at = table.distinct()
    assert [list(sets[place]) for place in at] == expected
    assert len(sets) == len({tuple(notices) for notices in expected})


def test_rows_that_share_a_set_up_share_what_was_said_since():
    table, before, after = NoticeTable(3), Notice("before"), Notice("after")
    table.where(np.array([True, False, False]), before)
    since = table.layers
    table.where(np.array([True, False, False]), after)
    table.shared(since, np.array([0, 1, 2]), np.array([0, 0, 2]))
    assert [table.of(row) for row in range(3)] == [(before, after), (after,), ()]
