"""Trends: the fit by an independent route, records that name their row, the wall and who holds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.catalog import Catalog
from estimator.studies.trends.growth import growth, running_records
from estimator.studies.trends.memory_wall import faster, holders, wall
from estimator.studies.trends.records import (
    device_efficiency,
    device_peak,
    estimated_compute,
    quantum_volume,
    training_compute,
)

CATALOG = Catalog.open()


def test_the_fit_is_that_of_numpy():
    series = training_compute(CATALOG)
    slope = np.polyfit(series.years, np.log2(series.values), 1)[0]
    assert series.trend().rate == pytest.approx(slope)


@given(rate=st.floats(min_value=0.1, max_value=5.0), seed=st.integers(0, 1000))
def test_the_interval_is_as_wide_as_the_scatter(rate, seed):
    random = np.random.default_rng(seed)
    years = np.linspace(0, 10, 30)
    quiet = growth(years, 2 ** (rate * years + random.normal(0, 0.1, 30)))
    noisy = growth(years, 2 ** (rate * years + random.normal(0, 1.0, 30)))
    assert quiet.rate_high - quiet.rate_low < noisy.rate_high - noisy.rate_low
    assert quiet.rate == pytest.approx(rate, abs=0.1)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    random = np.random.default_rng(1)
    years = np.linspace(0, 5, 8)
    fits = [growth(years, 2 ** (years + random.normal(0, 1, 8))) for _ in range(2000)]
    inside = np.mean([fit.rate_low <= 1.0 <= fit.rate_high for fit in fits])
    assert inside == pytest.approx(0.8, abs=0.03)


def test_records_exceed_all_before_them():
    series = training_compute(CATALOG).front()
    assert np.all(np.diff(series.values) > 0) and np.all(np.diff(series.years) >= 0)
    assert series.labels[0] == "AlexNet"
    places = running_records(np.array([1.0, 1.0, 2.0]), np.array([3.0, 5.0, 4.0]))
    assert places.tolist() == [1]


def test_published_training_compute_doubles_within_a_year():
    _, mid, _ = training_compute(CATALOG).front().trend().doubling_years()
    assert 0.25 < mid < 1.0


def test_hardware_grows_as_others_found():
    _, mid, _ = device_peak(CATALOG).trend().factor(2.0)
    assert mid == pytest.approx(3.0, rel=0.25)
    assert device_efficiency(CATALOG).trend().doubling_years()[1] < 3


def test_compute_outgrows_bandwidth():
    grown = wall(CATALOG)
    ratio = faster(grown["FLOP/s of a device"], grown["bandwidth of the memory"])
    assert ratio.interval()[0] > 1


def test_every_record_names_the_row_it_comes_from():
    series = quantum_volume(CATALOG)
    assert series.labels[0] == "IBM Raleigh"
    assert series.rows[0] == "quantum_volume.csv, line 2"


def test_estimates_of_closed_models_enter_no_fit():
    estimated = estimated_compute(CATALOG)
    assert "GPT-4" in estimated.labels and np.all(estimated.values > 1e25)
    assert not set(estimated.labels) & set(training_compute(CATALOG).labels)


def test_the_devices_that_hold_a_model_do_hold_it():
    for held in holders(CATALOG):
        assert held.devices * held.memory_bytes >= 2 * held.params
        assert (held.devices - 1) * held.memory_bytes < 2 * held.params


def test_too_few_records_are_refused():
    with pytest.raises(ValueError, match="at least three"):
        growth(np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="positive"):
        growth(np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, 2.0]))
