"""Numbers for people: every size reads back as what it was, to three digits."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.core.units import human, human_count

POWERS = {"Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "": 0}
POWERS |= {"m": -3, "µ": -6, "n": -9}
"""SI prefixes, SI brochure, 9th edition, 2019, table 7."""

WORDS = {"trillion": 1e12, "billion": 1e9, "million": 1e6, "": 1.0}


def sizes(least, most):
    """Numbers of every size between two powers of ten."""
    return st.builds(
        lambda digits, power: digits * 10.0**power,
        st.floats(1.0, 9.99) | st.sampled_from([1.0, 9.99, 9.994, 9.996]),
        st.integers(least, most),
    )


@given(sizes(-9, 26))
def test_a_number_with_a_prefix_reads_back(value):
    number, prefix = re.fullmatch(r"([\d.,]+) (\D?)W", human(value, "W")).groups()
    read = float(number.replace(",", "")) * 10.0 ** POWERS[prefix]
    assert read == pytest.approx(value, rel=0.006)
    assert 1 <= float(number.replace(",", "")) < 1000 or prefix == "Y"


@given(sizes(0, 14))
def test_a_count_in_words_reads_back(value):
    number, word = re.fullmatch(r"([\d.,]+) ?(\w*)", human_count(value)).groups()
    assert float(number.replace(",", "")) * WORDS[word] == pytest.approx(value, rel=0.006)
    assert word == "trillion" or float(number.replace(",", "")) < (1000 if word else 1e6)
