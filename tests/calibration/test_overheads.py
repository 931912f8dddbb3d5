"""Runs whose steps were counted: worlds in which they take the time of products and the rest."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.calibration.conditions import Conditions
from estimator.calibration.gaussian_process import Evidence, condensed
from estimator.calibration.overheads import (
    log_slowdown,
    without_overheads,
)
from estimator.core.uncertainty import z_score
from estimator.core.units import CENTRAL
from tests.calibration.test_simulated_worlds import PARTS, PRIOR_SD

Z80 = z_score(CENTRAL)
PROGRAMS, TO_PREDICT = 24, 40
TRAFFIC_SD = 0.4
"""Time for a traffic over that at the bandwidth, standard deviation of the logarithm [1]: measured
programs take a third to all of it, which as an 80% interval is 0.43."""
SLOWDOWN_SD = 0.4
"""Slowdown of 87 steps of a benchmark in fp32 by what is beside their products, standard deviation
of the logarithm [1]."""
FEWEST = 3
"""Counted runs that tell what is usual on a device [1]."""


def conditions(traffic, *, device="here", size=0.0):
    count = len(traffic)
    return Conditions(
        device=np.array([device] * count),
        host=np.array(["host"] * count),
        precision=np.array(["fp32"] * count),
        kind=np.array(["convolution"] * count),
        program=np.array([f"{device} {at}" for at in range(count)]),
        size=np.full(count, size),
        beside=traffic,
    )


def errors(dice, traffic, weight=1.0):
    """What a program reaches over what is expected, in the logarithm: products, then traffic.

    Its time is `weight` times that at the bandwidth.
    """
    programs = dice.normal(0.0, np.hypot(PARTS.style, PARTS.beside), len(traffic))
    return -0.4 - log_slowdown(traffic + np.log(weight)) + programs


def evidence(traffic, log_ratio, **where):
    count = len(log_ratio)
    return Evidence(
        where=conditions(traffic, **where),
        log_ratio=log_ratio,
        prior_sd=np.full(count, PRIOR_SD),
        noise_sd=np.full(count, 0.02),
        components=PARTS,
    )


def asked(traffic):
    where = conditions(traffic)
    return replace(where, program=np.array([""] * len(traffic)))


def predicted(known, traffic):
    count = len(traffic)
    sd, log_prior = np.full(count, PRIOR_SD), np.full(count, -1.0)
    return known.posterior(asked(traffic), sd, log_prior=log_prior)


def test_unmeasured_programs_are_foretold_better_and_inside_as_often_as_said():
    """Forty worlds; traffic takes from a tenth to twice the time of the products."""
    dice = np.random.default_rng(7)
    off, off_without, inside = [], [], []
    for _ in range(40):
        traffic = dice.normal(-0.7, 0.8, PROGRAMS + TO_PREDICT)
        found = errors(dice, traffic, np.exp(dice.normal(0.0, TRAFFIC_SD)))
        known = evidence(traffic[:PROGRAMS], found[:PROGRAMS])
        ahead, true = traffic[PROGRAMS:], found[PROGRAMS:]
        plain = predicted(known, ahead)
        better = predicted(without_overheads(known), ahead)
        off.append(np.abs(better.log_shift - true))
        off_without.append(np.abs(plain.log_shift - true))
        inside.append(off[-1] < Z80 * better.log_sd)
    assert np.median(off) < 0.7 * np.median(off_without)
    assert 0.74 <= np.mean(inside) <= 0.9


def test_the_usual_traffic_changes_little_and_more_of_it_is_slower():
    dice = np.random.default_rng(3)
    traffic = dice.normal(-0.7, 0.8, PROGRAMS)
    known = without_overheads(evidence(traffic, errors(dice, traffic)))
    usual = np.log(np.expm1(known.usual["here"].slowdown))
    found = predicted(known, np.array([usual - 2.0, usual, usual + 2.0]))
    assert (np.diff(found.log_shift) < 0).all()
    assert found.log_sd[1] == min(found.log_sd)
    plain = predicted(evidence(traffic, errors(dice, traffic)), np.array([usual]))
    assert abs(found.log_shift[1] - plain.log_shift[0]) < 0.15


@given(st.floats(-6.0, 6.0), st.floats(0.01, 3.0))
def test_more_traffic_never_makes_a_run_faster(traffic, more):
    dice = np.random.default_rng(5)
    seen = dice.normal(-0.7, 0.8, 6)
    known = without_overheads(evidence(seen, errors(dice, seen)))
    found = predicted(known, np.array([traffic, traffic + more]))
    assert found.log_shift[1] <= found.log_shift[0]


def test_far_from_what_was_measured_the_interval_is_wider_as_its_weight_is_uncertain():
    dice = np.random.default_rng(5)
    seen = np.full(8, -3.0)
    known = without_overheads(evidence(seen, errors(dice, seen)))
    near, far = predicted(known, np.array([-3.0, 4.0])).log_sd
    share = 1.0 / (1.0 + np.exp(-4.0)) - known.usual["here"].share
    assert far == pytest.approx(np.hypot(near, TRAFFIC_SD * share), rel=0.05)


def test_runs_that_were_not_counted_have_the_usual_traffic_and_more_noise():
    dice = np.random.default_rng(5)
    traffic = dice.normal(-0.7, 0.8, 9)
    traffic[:4] = np.nan
    plain = evidence(traffic, np.zeros(9))
    known = without_overheads(plain).evidence
    assert (known.log_ratio[:4] == 0.0).all()
    assert known.noise_sd[:4] == pytest.approx(np.hypot(plain.noise_sd[:4], SLOWDOWN_SD))
    slowdown = log_slowdown(traffic[4:])
    assert known.log_ratio[4:] == pytest.approx(slowdown - slowdown.mean())
    assert (known.noise_sd[4:] == plain.noise_sd[4:]).all()


def test_of_smaller_steps_than_were_measured_products_take_no_larger_share():
    """Beside them counts the time that their operations take, and no trend on top of it."""
    dice = np.random.default_rng(5)
    seen = dice.normal(-0.7, 0.8, 9)
    known = without_overheads(evidence(seen, errors(dice, seen)))
    same = asked(np.full(2, 3.0))
    sd, log_prior = np.full(2, PRIOR_SD), np.full(2, -1.0)
    found = known.posterior(replace(same, size=np.array([0.0, -9.0])), sd, log_prior=log_prior)
    assert found.log_shift[0] == pytest.approx(found.log_shift[1])


def test_too_few_counted_runs_tell_nothing():
    traffic = np.full(10, np.nan)
    traffic[: FEWEST - 1] = -1.0
    assert without_overheads(evidence(traffic, np.zeros(10))) is None
    traffic[FEWEST - 1] = -1.0
    assert without_overheads(evidence(traffic, np.zeros(10))) is not None


def test_it_knows_runs_of_that_device_whose_size_and_traffic_are_known():
    known = without_overheads(evidence(np.zeros(5), np.zeros(5)))
    assert known.knows(conditions(np.array([0.0, np.nan]))).tolist() == [True, False]
    assert not known.knows(conditions(np.zeros(1), device="elsewhere")).any()
    assert not known.knows(conditions(np.zeros(1), size=np.nan)).any()


def test_programs_alike_that_count_as_one_keep_their_mean_traffic():
    traffic = np.concatenate([np.full(20, -1.0), np.full(20, np.nan), np.full(20, 1.0)])
    one = condensed(evidence(traffic, np.zeros(60)), 10)
    assert sorted(one.where.beside.tolist(), key=str) == [0.0, pytest.approx(np.nan, nan_ok=True)]
