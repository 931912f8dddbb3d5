"""Rows of numbers as text: to the letter what `%.7g` writes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from estimator.show.number_text import rows_in_text

HALVES = st.builds(
    lambda digits, power, apart: np.nextafter((digits + 0.5) * 10.0**power, apart * 1e300),
    st.integers(10**6 - 1, 10**7 - 1),
    st.integers(-30, 30),
    st.sampled_from((-1, 0, 1)),
)
"""Numbers at or beside the half of their seventh digit."""


def one_by_one(numbers):
    return [",".join("" if one != one else f"{one:.7g}" for one in row) for row in numbers.tolist()]


@given(arrays(np.float64, array_shapes(min_dims=2, max_dims=2), elements=st.floats()))
def test_any_number_is_written_as_python_writes_it(numbers):
    assert rows_in_text(numbers) == one_by_one(numbers)


@given(st.lists(HALVES | st.builds(pow, st.just(10.0), st.integers(-20, 20)), min_size=1))
def test_numbers_on_the_edge_of_a_digit_are_rounded_as_python_rounds_them(numbers):
    table = np.array([numbers])
    assert rows_in_text(table) == one_by_one(table)


def test_every_power_of_ten_and_count_of_digits():
    digits = np.array([1.0, 1.2, 1.23, 1.234, 1.2345, 1.23456, 1.234567, 9.9999995])
    table = digits * 10.0 ** np.arange(-30, 30)[:, np.newaxis]
    assert rows_in_text(table) == one_by_one(table)


def test_a_hundred_thousand_rows_of_every_size():
    rng = np.random.default_rng(3)
    table = 10 ** rng.uniform(-12, 18, (100_000, 2))
    assert rows_in_text(table) == one_by_one(table)
