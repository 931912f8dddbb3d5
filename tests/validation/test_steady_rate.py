"""Steps of published throughput tables against predictions that have not seen their family."""

import numpy as np
import pytest

from estimator.catalog import Catalog
from estimator.validation.steady_rate import (
    GIVEN,
    NOT_GIVEN,
    layout_given,
    steady_rates,
    without_layout,
)


@pytest.fixture(scope="module")
def rates():
    return steady_rates(Catalog.open())


def test_all_rows_fit_for_use_are_scored_by_kind(rates):
    scores = rates.scores()
    assert scores["all"].count == len(rates.rows) > 800
    assert scores["all"].median_error <= 0.24
    assert 0.72 <= scores["all"].coverage <= 0.90
    assert {"network: convolution", "network: decoder", "network: transformer"} <= set(scores)


def test_the_layout_makes_no_table_worse(rates):
    scores = rates.scores()
    given, silent = scores[GIVEN], scores[NOT_GIVEN]
    assert given.count == silent.count > 300
    assert given.median_error <= silent.median_error


def test_the_steady_rate_of_language_models_is_met_within_a_quarter(rates):
    scores = rates.scores()
    assert scores["network: decoder"].median_error < 0.25
    assert 0.8 < scores["network: decoder"].bias < 1.25


def test_without_its_layout_a_row_predicts_like_one_that_never_said(rates):
    laid_out = layout_given(rates.runs)
    assert not layout_given(without_layout(rates.runs)).any()
    ours, silent = rates.blind.log_ratio, rates.without_layout.log_ratio
    assert np.allclose(ours[~laid_out], silent[~laid_out])
    assert not np.allclose(ours[laid_out], silent[laid_out])


def test_experts_on_several_nodes_are_met_as_well_as_those_on_one(rates):
    experts = rates.runs.features.layout.expert_parallel
    nodes = experts > rates.runs.machine.node_devices
    assert nodes.sum() >= 4
    assert np.abs(rates.blind.log_ratio[nodes]).max() < np.log(2.5)
