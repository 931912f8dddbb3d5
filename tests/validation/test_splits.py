"""Parts of the rows predicted from the others: nothing is seen of them, and the score holds."""

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from estimator.validation.cross_validation import Blind
from estimator.validation.energy import HOURS_ALONE, WORK_KNOWN, work_group
from estimator.validation.memory import peaks_of
from estimator.validation.power_readings import readings
from estimator.validation.published_runs import usable_runs
from estimator.validation.set_aside import BENCHMARKS, MODEL_LINES, set_aside_rates, set_aside_runs
from estimator.validation.splits import LONG, set_aside_scores
from tests.validation.splits import (
    crps,
    halves,
    later_scores,
    memory_scores,
    power_scores,
    run_scores,
    split_of,
    split_peaks,
    split_power,
)

LOUDER = 3.0
"""Factor on what was reported of the rows that are predicted [1]."""


def test_halves_are_whole_families_and_differ():
    names = np.repeat([f"family {number}" for number in range(20)], 3)
    one, other = halves(names, 2)
    assert len(set(names[one])) == len(set(names[~one])) == 10
    assert not set(names[one]) & set(names[~one])
    assert (one != other).any()


def test_the_ranked_probability_score_is_that_of_an_integral_and_is_proper():
    """Of the squared difference of the distributions; least for the spread that errors have."""
    at = np.linspace(-20.0, 20.0, 40_001)
    for error, spread in ((0.0, 0.3), (0.7, 0.4), (-2.0, 0.5)):
        below = np.array([NormalDist(error, spread).cdf(one) for one in at.tolist()])
        integral = np.sum((below - (at >= 0.0)) ** 2) * (at[1] - at[0])
        blind = Blind(log_ratio=np.array([error]), log_sd=np.array([spread]))
        assert crps(blind)[0] == pytest.approx(integral, abs=1e-3)
    errors = np.random.default_rng(3).normal(0.0, 0.4, 20_000)
    means = [
        np.mean(crps(Blind(log_ratio=errors, log_sd=np.full(len(errors), spread))))
        for spread in (0.2, 0.3, 0.4, 0.5, 0.6)
    ]
    assert np.argmin(means) == 2


def test_what_is_predicted_of_runs_does_not_depend_on_what_they_reported(catalog):
    published = usable_runs(catalog)
    (half,) = halves(published.runs.family, 1)
    hours = np.where(half, 1.0, LOUDER) * published.runs.device_hours
    louder = replace(published, runs=replace(published.runs, device_hours=hours))
    before, after = (split_of(catalog, one, half, "family") for one in (published, louder))
    assert after.blind.log_sd == pytest.approx(before.blind.log_sd)
    shift = before.blind.log_ratio - np.log(LOUDER)
    assert after.blind.log_ratio == pytest.approx(shift)


def test_what_is_predicted_of_peaks_does_not_depend_on_what_was_measured(catalog):
    peaks = peaks_of(catalog)
    (half,) = halves(peaks.sources, 1)
    louder = replace(peaks, log_peak=peaks.log_peak + np.where(half, 0.0, np.log(LOUDER)))
    before, after = (split_peaks(one, half) for one in (peaks, louder))
    assert after.blind.log_sd == pytest.approx(before.blind.log_sd)
    assert after.blind.log_ratio == pytest.approx(before.blind.log_ratio - np.log(LOUDER))


def test_what_is_predicted_of_power_does_not_depend_on_what_was_measured(catalog):
    found = readings(catalog)
    (half,) = halves(np.array([one.family for one in found]), 1)
    louder = [
        one if kept else replace(one, measured_w=LOUDER * one.measured_w)
        for one, kept in zip(found, half.tolist(), strict=True)
    ]
    before, after = (split_power(catalog, one, half).blind for one in (found, louder))
    shift = before.log_ratio - np.log(LOUDER)
    assert after.log_ratio == pytest.approx(shift, nan_ok=True)
    assert after.log_sd == pytest.approx(before.log_sd, nan_ok=True)
    assert {work_group(one) for one in found} == {HOURS_ALONE, WORK_KNOWN}


def test_half_of_the_families_predict_the_others(catalog):
    scores = run_scores(catalog, 3, "family")
    assert scores["all"].median_error <= 0.28
    assert 0.74 <= scores["all"].coverage <= 0.86
    assert scores["tier A"].median_error <= 0.23
    assert scores["language, 1e20 FLOP or more"].median_error <= 0.23
    assert 0.68 <= scores["all"].least_coverage < scores["all"].most_coverage <= 0.9


def test_half_of_the_sources_predict_the_peaks_of_the_others(catalog):
    scores = memory_scores(catalog, 20)
    assert 0.74 <= scores["published"].coverage <= 0.90
    for score in (scores["all"], scores["published"]):
        assert score.median_error <= 0.10
        assert score.too_low <= 0.10


def test_half_of_the_meters_predict_the_others(catalog):
    score = power_scores(catalog, 6)["all"]
    assert score.median_error <= 0.13
    assert 0.70 <= score.coverage <= 0.94


def test_earlier_runs_predict_later_ones(catalog):
    score = later_scores(catalog, 2022)["all"]
    assert score.rows > 300
    assert score.median_error <= 0.27
    assert 0.78 <= score.coverage <= 0.96, "spreads are those of unseen stacks: rather wide"
    assert score.crps <= 0.24


def test_groups_set_aside_are_met(catalog):
    published = usable_runs(catalog)
    aside = set_aside_runs(published.stacks)
    assert {*MODEL_LINES, *BENCHMARKS} == set(published.stacks[aside].tolist())
    long = set_aside_rates(np.asarray(published.tables.features.seq_len))
    assert 0 < np.sum(long) < len(long)
    scores = set_aside_scores(catalog)
    large = scores["language, 1e20 FLOP or more"]
    assert large.median_error <= 0.2 and large.coverage >= 0.74
    assert scores[LONG].median_error <= 0.3
    assert scores["mlperf rnnt"].coverage >= 0.74
