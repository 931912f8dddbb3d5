"""Law of step time: recorded programs, each predicted from others, and simulated worlds."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from estimator.calibration.conditions import REFERENCE_STEP_S, Conditions, one_after_another
from estimator.calibration.law import (
    MEDIANS,
    OPERATION_S,
    OTHER_COUNTS,
    SDS,
    TRAFFIC_SLOPE,
    USUAL_COUNTS,
    USUAL_STEP_FLOP,
    StepLaw,
    UsualCounts,
    with_counts,
)
from estimator.calibration.measured_utilization import components_of
from estimator.catalog import Catalog
from estimator.core.uncertainty import z_score
from estimator.core.units import CENTRAL
from estimator.networks.kinds import network_kind

RECORDED = Path(__file__).parents[1] / "golden" / "counted_programs.csv"
"""Counts and time per step of PyTorch 2.13 training programs on two cores of an Intel Xeon
(Sapphire Rapids). Programs of set 1 were known when the law was set; those of set 2 were written
without a look at it, and measured before the traffic of products was counted.
"""

FP32, BF16, MEMORY = 345.7e9, 2.185e12, 13.9e9
"""Fastest products on these cores [FLOP/s], and the sum of two vectors [B/s]."""

CATALOG = Catalog.open()
PROCESSOR = components_of(CATALOG, CATALOG.device("amd-epyc-2-cores"))
Z80 = z_score(CENTRAL)
WIDE = 5.0
"""Standard deviation of a prior too wide to matter [1]."""


def recorded():
    """Return the programs' conditions, step times relative to the peak, and sets."""
    with RECORDED.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    peaks = np.array([{"fp32": FP32, "bf16": BF16}[row["precision"]] for row in rows])
    flop, operations, traffic, time_s = (
        np.array([float(row[name]) for row in rows])
        for name in ("flop", "operations", "traffic_bytes", "time_s")
    )
    kinds = [network_kind(row["kind"], row["arch"]) for row in rows]
    ideal_s = flop / peaks
    where = Conditions(
        device=np.full(len(rows), "cpu"),
        host=np.full(len(rows), "here"),
        precision=np.array([row["precision"] for row in rows]),
        kind=np.array([kind.group for kind in kinds]),
        family=np.array([kind.family for kind in kinds]),
        size=np.log(ideal_s / REFERENCE_STEP_S),
        program=np.array([row["name"] for row in rows]),
        operations=operations / flop,
        traffic=traffic / flop,
        peak=peaks,
        bandwidth=np.full(len(rows), MEMORY),
    )
    return where, time_s / ideal_s, np.array([int(row["set"]) for row in rows])


def law(where, slowdown, noise_sd=0.03):
    """Return the law after runs that took `slowdown` times their products' time at the peak."""
    return StepLaw(
        where=where,
        log_ratio=-np.log(slowdown),
        prior_sd=np.full(len(slowdown), WIDE),
        noise_sd=np.full(len(slowdown), noise_sd),
        components=PROCESSOR,
    )


def posterior(known, where):
    """Return the log of step time relative to the peak, and its standard deviation."""
    found = known.posterior(where, np.full(len(where.size), WIDE))
    return -found.log_shift, found.log_sd


def errors(where, slowdown, known, asked):
    """Return the log of predicted over measured time, and its standard deviation."""
    mean, sd = posterior(law(where.part(known), slowdown[known]), where.part(asked))
    return mean - np.log(slowdown[asked]), sd


def uncounted(where):
    """Return the same runs with only the FLOPs of their steps known."""
    unknown = np.full(len(where.size), np.nan)
    return replace(where, operations=unknown, traffic=unknown)


def test_each_recorded_program_after_the_others():
    """Two of the programs mostly wait for their data."""
    where, slowdown, _ = recorded()
    every = np.arange(len(slowdown))
    found = [errors(where, slowdown, every != at, every == at) for at in every]
    error, sd = np.concatenate(found, axis=1)
    off = np.abs(np.expm1(error))
    assert np.median(off) < 0.2
    assert np.quantile(off, 0.9) < 0.7
    assert 0.74 <= np.mean(np.abs(error) < Z80 * sd) <= 0.95


def test_one_run_already_helps_and_programs_that_came_later_are_inside():
    """The priors alone predict well, as networks reach a similar share of the peak everywhere."""
    where, slowdown, sets = recorded()
    for known in (np.arange(len(sets)) == 0, sets == 1):
        error, sd = errors(where, slowdown, known, sets == 2)
        assert np.median(np.abs(np.expm1(error))) < 0.25
        assert np.mean(np.abs(error) < Z80 * sd) >= 0.7


def test_without_a_run_the_prior_answers():
    where, slowdown, _ = recorded()
    none = np.zeros(len(slowdown), dtype=bool)
    known = law(where.part(none), slowdown[none])
    assert known.weights.shape == (0,)
    error, sd = errors(where, slowdown, none, ~none)
    assert np.all(np.isfinite(error))
    assert np.all(sd > 0.2)


def with_parts(where, dispatch, moved):
    """Set the dispatch and traffic time of runs, relative to their products' time."""
    return replace(
        where,
        operations=dispatch / OPERATION_S / where.peak,
        traffic=moved * where.bandwidth / where.peak,
    )


def test_the_parameters_of_a_world_are_found():
    """Operations are twice as slow as usual, memory at two thirds, products at half of the peak."""
    random = np.random.default_rng(3)
    where, _, _ = recorded()
    parts = np.exp(random.standard_normal((2, len(where.size))))
    where = with_parts(where, *parts)
    formats = np.where(where.precision == "fp32", 2.0, 2.5)
    slowdown = formats + 2.0 * parts[0] + 1.5 * parts[1]
    slowdown *= np.exp(0.02 * random.standard_normal(len(slowdown)))
    known = law(where, slowdown)
    for dispatch, moved, expected in ((0.0, 0.0, 2.0), (1.0, 0.0, 4.0), (0.0, 1.0, 3.5)):
        new = {name: np.array([f"new {name}"]) for name in ("program", "kind", "family")}
        asked = replace(where.part(np.array([0])), **new)
        mean, _ = posterior(known, with_parts(asked, np.array([dispatch]), np.array([moved])))
        assert mean[0] == pytest.approx(np.log(expected), abs=0.2)


def test_a_run_of_the_same_program_says_most():
    where, slowdown, _ = recorded()
    asked, known = where.part(np.array([5])), law(where, slowdown)
    mean, same_sd = posterior(known, asked)
    _, other_sd = posterior(known, replace(asked, program=np.array(["x"])))
    assert same_sd[0] < 0.6 * PROCESSOR.style < other_sd[0]
    assert mean[0] == pytest.approx(np.log(slowdown[5]), abs=0.1)


def test_without_counts_the_interval_is_wider_and_holds_the_programs():
    """Predict each recorded program from the others, with only its FLOPs known."""
    where, slowdown, _ = recorded()
    every = np.arange(len(slowdown))
    for blank in (where, uncounted(where)):
        found = []
        for at in every:
            known = law(blank.part(every != at), slowdown[every != at])
            mean, sd = posterior(known, uncounted(where).part(every == at))
            found.append((mean[0] - np.log(slowdown[at]), sd[0], posterior(known, where)[1][at]))
        error, sd, counted_sd = np.array(found).T
        assert np.mean(sd > counted_sd) > 0.9
        assert np.median(np.abs(np.expm1(error))) < 0.35
        assert 0.74 <= np.mean(np.abs(error) < Z80 * sd) <= 0.95


def test_usual_counts_are_those_of_the_recorded_programs():
    where, _, _ = recorded()
    flop = REFERENCE_STEP_S * np.exp(where.size) * where.peak
    usual = UsualCounts(*np.array([USUAL_COUNTS.get(kind, OTHER_COUNTS) for kind in where.kind]).T)
    traffic = usual.traffic * (flop / USUAL_STEP_FLOP) ** TRAFFIC_SLOPE
    for apart in (
        np.log(where.traffic / traffic) / usual.traffic_sd,
        np.log(where.operations * flop / usual.operations) / usual.operations_sd,
    ):
        assert abs(np.mean(apart)) < 0.5
        assert 0.7 < np.std(apart) < 1.3


def test_programs_of_users_take_longer_than_a_benchmark_and_share_that():
    where, slowdown, _ = recorded()
    bench = replace(where, own=np.zeros(len(slowdown), dtype=np.bool_))
    asked = replace(where.part(np.array([0])), program=np.array(["new"]))
    after_bench, after_own = law(bench, slowdown), law(where, slowdown)
    (bench_mean,), (bench_sd,) = posterior(after_bench, asked)
    (own_mean,), (own_sd,) = posterior(after_own, asked)
    assert bench_mean > own_mean
    assert bench_sd > own_sd


@pytest.mark.parametrize("counted", [True, False])
def test_four_of_five_programs_of_drawn_worlds_are_inside(counted):
    """Worlds are drawn from the priors, each with eight measured programs and a new one."""
    random, inside, worlds = np.random.default_rng(11), 0, 300
    where, _, _ = recorded()
    for _ in range(worlds):
        chosen = where.part(random.permutation(len(where.size))[:9])
        known = chosen if counted else uncounted(chosen)
        parameters = MEDIANS + SDS * random.standard_normal(len(SDS))
        drawn_from = law(known, np.ones(9))
        steps = drawn_from._steps(known, parameters)
        apart = drawn_from._covariance(known, drawn_from.likeness, steps, steps)
        np.fill_diagonal(apart, drawn_from._own_variance(known, steps) + 1e-9)
        drawn = steps.log_time + np.linalg.cholesky(apart) @ random.standard_normal(9)
        seen = np.exp(drawn + 0.03 * random.standard_normal(9))
        mean, sd = posterior(law(known.part(np.arange(8)), seen[:8]), known.part(np.array([8])))
        inside += abs(mean[0] - drawn[8]) < Z80 * sd[0]
    assert inside / worlds == pytest.approx(CENTRAL, abs=0.06)


def test_one_program_that_waits_for_its_data_does_not_move_the_others():
    """It takes a hundred times as long as its work; a benchmark network keeps full weight."""
    where, slowdown, _ = recorded()
    every, asked = np.arange(len(slowdown)), where.part(np.array([0]))
    known, rest = where.part(every > 0), slowdown[1:]
    rare = np.where(np.arange(len(rest)) == 7, 100.0, 1.0) * rest
    (plain,), _ = posterior(law(known, rest), asked)
    (beside,), _ = posterior(law(known, rare), asked)
    assert beside == pytest.approx(plain, abs=0.1)
    bench = replace(known, own=np.zeros(len(rest), dtype=np.bool_))
    assert np.all(law(bench, rare).weights == 1.0)
    assert law(known, rare).weights[7] < 0.1


@pytest.mark.parametrize("slower", [5.0, 100.0])
def test_a_program_that_is_far_off_the_others_is_predicted_like_its_own_runs(slower):
    """Its earlier runs explain how it differs from the others."""
    where, slowdown, _ = recorded()
    apart = np.where(np.arange(len(slowdown)) == 7, slower, 1.0) * slowdown
    (mean,), (sd,) = posterior(law(where, apart), where.part(np.array([7])))
    assert law(where, apart).weights[7] < 0.5
    assert mean == pytest.approx(np.log(apart[7]), abs=0.15)
    assert sd < 0.6 * PROCESSOR.style


def test_a_program_keeps_the_counts_of_its_measured_steps():
    """Its next run by name need not state them; a new program gets the usual counts."""
    where, slowdown, _ = recorded()
    every = np.arange(len(slowdown))
    known = law(where, slowdown)
    mean, sd = posterior(known, uncounted(where))
    counted, counted_sd = posterior(known, where)
    assert mean == pytest.approx(counted)
    assert sd == pytest.approx(counted_sd)
    larger = replace(uncounted(where), size=where.size + np.log(4.0))
    found = with_counts(larger, where)
    assert found.operations == pytest.approx(where.operations / 4.0)
    assert np.all((found.traffic < where.traffic) & (found.traffic > where.traffic / 4.0))
    assert np.all(np.isnan(with_counts(larger, where.part(every < 0)).operations))


@pytest.mark.parametrize("larger", [1.0, 30.0])
def test_a_program_whose_runs_disagree_is_predicted_like_the_nearest(larger):
    """Of equal steps, the prediction is between both and in doubt; other programs stay as they are.

    Of other sizes, each size is predicted like its own run.
    """
    where, slowdown, _ = recorded()
    both = one_after_another([where, where.part(np.array([7]))])
    pair = [7, len(slowdown)]
    larger_sizes = np.log(larger) * (np.arange(len(both.size)) == len(slowdown))
    both = replace(both, size=both.size + larger_sizes)
    apart = np.append(slowdown, 25.0 * slowdown[7])
    known = law(both, apart)
    mean, sd = posterior(known, both)
    rest, _ = posterior(law(where, slowdown), where)
    if larger == 1.0:
        assert np.log(apart[7]) + 0.5 < mean[7] < np.log(apart[-1]) - 0.5
        assert sd[7] > 2.0 * PROCESSOR.style
    else:
        assert mean[pair] == pytest.approx(np.log(apart[pair]), abs=0.8)
    assert np.delete(mean, pair) == pytest.approx(np.delete(rest, 7), abs=0.15)
