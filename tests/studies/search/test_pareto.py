"""Fronts against the definition, written out as a loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from estimator.studies.search.pareto import pareto_front


def by_definition(costs):
    return [
        not any((other <= one).all() and (other < one).any() for other in costs) for one in costs
    ]


@given(
    arrays(
        np.float64,
        st.tuples(st.integers(0, 40), st.integers(1, 5)),
        elements=st.integers(0, 6).map(float),
    )
)
def test_a_front_is_what_the_definition_says(costs):
    assert pareto_front(costs).tolist() == by_definition(costs)


@given(
    arrays(np.float64, (30, 3), elements=st.floats(0.1, 1e6)), st.sampled_from([0.125, 0.5, 1024.0])
)
def test_a_front_does_not_depend_on_units_or_order(costs, factor):
    """Powers of two do not round, so that designs that differ in the last digit stay different."""
    front = pareto_front(costs)
    assert (pareto_front(costs * [factor, 1.0, 1.0]) == front).all()
    assert (pareto_front(costs[::-1])[::-1] == front).all()


def test_a_design_with_an_unknown_cost_is_on_no_front():
    costs = np.array([[1.0, np.nan], [2.0, 3.0]])
    assert pareto_front(costs).tolist() == [False, True]


def test_equal_designs_share_their_fate():
    assert pareto_front(np.array([[1.0, 1.0], [1.0, 1.0], [2.0, 2.0]])).tolist() == [
        True,
        True,
        False,
    ]


def test_costs_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="shape"):
        pareto_front(np.zeros(3))
