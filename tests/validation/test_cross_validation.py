"""The blind score: computed, never typed in; no family sees itself; the baselines beside it."""

import math

import numpy as np
import pytest

from estimator.core.rows import rows_of
from estimator.core.uncertainty import z_score
from estimator.core.units import CENTRAL
from estimator.training.features import prior_model, shipped_spreads
from estimator.validation.cross_validation import (
    Blind,
    as_answered,
    constant_utilization,
    folds,
    log_hours_ratio,
    score,
    spread_of,
)
from estimator.validation.held_out import blind_runs
from estimator.validation.published_runs import usable_runs
from estimator.validation.utilization_fit import (
    concatenate_runs,
    fitted_logs,
    parameter_covariance,
    prediction_variance,
)


@pytest.fixture(scope="module")
def published(catalog):
    return usable_runs(catalog)


@pytest.fixture(scope="module")
def blind(catalog):
    return blind_runs(catalog, "family")


@pytest.fixture(scope="module")
def by_stack(catalog):
    return blind_runs(catalog, "stack")


def large_language(published):
    domains = np.array([row["domain"] for row in published.rows])
    language = np.char.startswith(domains, "language") | np.char.startswith(domains, "code")
    return language & (published.runs.flop >= 1e20)


def test_the_blind_error_is_below_the_constant_baseline(published, blind):
    ours = score(blind, published.runs.family)
    constant = score(constant_utilization(published.runs, 0.30, 0.5), published.runs.family)
    assert ours.count > 200
    assert ours.median_error <= 0.30
    assert ours.median_error <= 0.75 * constant.median_error
    assert ours.family_median_error < constant.family_median_error
    assert 0.74 <= ours.coverage <= 0.86


def test_large_language_runs_are_predicted_better_than_by_a_constant(published, blind):
    chosen = large_language(published)
    family = published.runs.family[chosen]
    ours = score(rows_of(blind, chosen), family)
    baseline = rows_of(constant_utilization(published.runs, 0.30, 0.5), chosen)
    assert ours.median_error <= 0.22
    assert ours.median_error < 0.75 * score(baseline, family).median_error
    assert 0.65 <= ours.coverage <= 0.92


def test_a_family_never_sees_itself(catalog, published, blind):
    """Fitting without its part gives the error that was told for it."""
    runs, tables, prior = published.runs, published.tables, prior_model(catalog)
    (part,) = [part for part in folds(runs.family) if "llama" in part]
    own = np.isin(runs.family, part)
    assert "llama" in tables.family
    others = concatenate_runs(rows_of(runs, ~own), rows_of(tables, ~np.isin(tables.family, part)))
    again = log_hours_ratio(prior, others, rows_of(runs, own))
    assert again == pytest.approx(blind.log_ratio[own], abs=0.02)


def test_every_family_is_held_out_as_a_whole_and_once(published):
    for held in (published.runs.family, published.runs.stack):
        names = [name for part in folds(held) for name in part]
        assert sorted(names) == sorted(set(held.tolist()))


def test_circular_rows_are_left_out_and_counted(published):
    assert any(reason.startswith("circular") for reason in published.left_out)
    for row in published.rows:
        assert row["validation_tier"] in ("A", "B")
        assert row["flops_independent_of_time"] == "yes"


def test_the_shipped_spreads_are_those_of_errors_without_the_whole_stack(
    catalog, published, by_stack
):
    """Who asks runs software of his own: a stack that the fit has not seen."""
    shipped = shipped_spreads(catalog)
    again = spread_of(by_stack.log_ratio, published.runs, published.like)
    for group, spread in shipped.groups.items():
        assert spread == pytest.approx(again.of_group(group), rel=0.02), group
    assert shipped.growth.per_decade == pytest.approx(again.growth.per_decade, rel=0.01)
    rare = again.growth.where_rare
    assert shipped.growth.where_rare == pytest.approx(rare, rel=0.01)


def test_many_runs_of_one_recipe_do_not_narrow_a_small_group(published):
    """Small errors of one large family, large ones of six others: the next is like the six."""
    own = published.groups == "recurrent"
    runs, groups = rows_of(published.runs, own), published.groups[own]
    recipe = runs.family == "nvidia_deeplearningexamples:gnmt"
    assert recipe.sum() > np.sum(~recipe)
    found = spread_of(np.where(recipe, 0.05, 1.0), runs, groups).of(runs, groups)
    assert np.all(found[~recipe] * z_score(CENTRAL) > 0.5)


def test_tuned_and_other_code_are_covered_alike(published, by_stack):
    """Benchmark submissions and vendors' references scatter less; each interval says so."""
    tuned = np.asarray(published.runs.features.software) >= 1
    for chosen in (tuned, ~tuned):
        assert chosen.sum() >= 150
        reported = score(rows_of(by_stack, chosen), published.runs.family[chosen])
        assert 0.76 <= reported.coverage <= 0.88


def test_rare_kinds_of_device_are_covered(published, blind):
    """TPUs and other accelerators: their errors are larger, and the interval says so."""
    rare = np.asarray(published.runs.machine.rare) > 0
    assert rare.sum() >= 50
    reported = score(rows_of(blind, rare), published.runs.family[rare])
    assert 0.72 <= reported.coverage <= 0.88
    assert np.median(blind.log_sd[rare]) > 1.2 * np.median(blind.log_sd[~rare])


def test_rare_uses_of_transformers_are_covered(published, by_stack):
    """Speech, biology, diffusion transformers: predicted too fast as a rule, and less surely."""
    rare = np.asarray(published.runs.features.rare) > 0
    assert rare.sum() >= 25
    scored = score(rows_of(by_stack, rare), published.runs.family[rare])
    assert 0.74 <= scored.coverage <= 0.92


def test_the_score_is_that_of_answers_whose_intervals_end_at_their_bound(published, blind):
    reached = published.runs.log_utilization()
    answered = as_answered(blind, published.runs)
    ends = reached - answered.log_ratio + z_score(CENTRAL) * answered.log_sd
    assert ends.max() <= math.log(0.85)
    beyond = reached - blind.log_ratio + z_score(CENTRAL) * blind.log_sd > math.log(0.85)
    assert 0 < beyond.sum() < 0.1 * len(beyond)
    assert answered.log_ratio[~beyond] == pytest.approx(blind.log_ratio[~beyond])
    covered = [score(one, published.runs.family).coverage for one in (blind, answered)]
    assert covered[0] == pytest.approx(covered[1], abs=0.003), "the lower end is kept"


def test_a_perfect_prediction_scores_perfectly():
    perfect = Blind(log_ratio=np.zeros(4), log_sd=np.full(4, 0.1))
    reported = score(perfect, np.array(["a", "a", "b", "c"]))
    assert (reported.median_error, reported.bias, reported.coverage, reported.within_125) == (
        0,
        1,
        1,
        1,
    )
    assert reported.families == 3


def test_one_vote_a_family_is_not_one_vote_a_run():
    off = np.log(np.array([2.0, 2.0, 2.0, 1.1, 1.1]))
    reported = score(Blind(log_ratio=off, log_sd=np.ones(5)), np.array(["a", "a", "a", "b", "c"]))
    assert reported.median_error == pytest.approx(1.0)
    assert reported.family_median_error == pytest.approx(0.1)


def test_nothing_cannot_be_scored():
    with pytest.raises(ValueError, match="no runs to score"):
        score(Blind(log_ratio=np.array([]), log_sd=np.array([])), np.array([]))


def test_every_kind_of_network_is_covered(published, blind, by_stack):
    """80% in every kind of eight runs of four stacks, give or take twelve points, stacks unseen.

    Without the family alone no kind of eight runs is covered less than that.
    """
    for group in np.unique(published.groups):
        chosen = published.groups == group
        if chosen.sum() >= 8:
            family = published.runs.family[chosen]
            strict = score(rows_of(by_stack, chosen), family)
            run = max(0.12, 1.0 / strict.count) + 1e-9
            if len(set(published.stacks[chosen].tolist())) >= 4:
                most = math.ceil(CENTRAL * strict.count) / strict.count
                assert CENTRAL - run <= round(strict.coverage, 2), (group, strict.coverage)
                assert strict.coverage <= most + run, (group, strict.coverage)
            assert score(rows_of(blind, chosen), family).coverage >= CENTRAL - run, group


def test_a_kind_that_no_run_speaks_for_is_less_sure(catalog, published):
    """Without any depthwise run its parameter is left to the prior, and the interval is wider."""
    prior, runs = prior_model(catalog), published.runs
    of_kind = published.groups == "depthwise"
    variances = []
    for others in (runs, rows_of(runs, ~of_kind)):
        logs = fitted_logs(prior, others)
        covariance = parameter_covariance(prior, others, logs)
        variances.append(np.median(prediction_variance(rows_of(runs, of_kind), logs, covariance)))
    assert variances[1] > 5 * variances[0]
