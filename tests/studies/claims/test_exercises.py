"""The answers of the exercises against arithmetic done by hand."""

import math
from functools import cache

import pytest

from estimator.catalog import Catalog
from estimator.studies.claims.exercises import exercises

BY_HAND = [
    3.14e23 / 28e12 / 31557600,
    3.14e23 / 28e12 / 3600 * 1.5,
    20 * 20 * 8766 / 1000,
    200e6 / 60 / 86400,
    29471e12 / 8766,
    20.0,
    7e9 * 4 / 8,
    4096 * 11008 / (4096 + 11008),
    4 / 3,
    73e9,
    6 * 7e9 * 2e12 / (0.4 * 989.4e12) / 3600,
    700 / 989.4e12 / (1.380649e-23 * 310 * math.log(2)),
]


@cache
def found():
    """The exercises, answered once a worker that asks for them."""
    return exercises(Catalog.open())


def test_there_are_at_least_ten_exercises():
    assert len(found()) == len(BY_HAND) >= 10


@pytest.mark.parametrize(("number", "by_hand"), list(enumerate(BY_HAND)))
def test_an_answer_is_that_of_arithmetic_by_hand(number, by_hand):
    assert found()[number].answer == pytest.approx(by_hand, rel=0.1)
