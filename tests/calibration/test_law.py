"""The law of four numbers: recorded programs, each after others, and worlds in which it holds."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from estimator.calibration.conditions import Conditions
from estimator.calibration.gaussian_process import Evidence
from estimator.calibration.law import PROGRAM_SD, step_law
from estimator.core.uncertainty import z_score
from estimator.core.units import CENTRAL
from estimator.networks.kinds import network_kind
from tests.calibration.test_simulated_worlds import PARTS

RECORDED = Path(__file__).parents[1] / "golden" / "counted_programs.csv"
"""Training programs in PyTorch 2.13 on one core of an Intel Xeon (Sapphire Rapids), processor time
of a step. The rows of `set` 2 were written before, and measured after the law was settled."""

FP32, BF16, MEMORY = 145.1e9, 79.0e9, 12.09e9
"""Fastest products of that core [FLOP/s], and the sum of two vectors [B/s]."""

PROCESSOR = replace(PARTS, level=0.83, level_sd=0.6)
Z80 = z_score(CENTRAL)


def recorded():
    """Conditions of the recorded programs, time of a step over that at the peak, and their set."""
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
        size=np.log(ideal_s),
        program=np.array([row["name"] for row in rows]),
        dispatch=operations * 4e-6 / ideal_s,
        moved=traffic / MEMORY / ideal_s,
    )
    return where, time_s / ideal_s, np.array([int(row["set"]) for row in rows])


def law(where, slowdown):
    """The law after some runs that took so many times the time of their products at the peak."""
    expected, _ = PROCESSOR.prior(np.zeros(len(slowdown)), np.ones(len(slowdown)), where.speed)
    return step_law(
        Evidence(
            where=where,
            log_ratio=-np.log(slowdown) - expected,
            prior_sd=np.full(len(slowdown), 0.6),
            noise_sd=np.full(len(slowdown), 0.03),
            components=PROCESSOR,
        )
    )


def errors(where, slowdown, known, asked):
    """Logarithm of the time foretold over that measured, and its standard deviation."""
    found = law(where.part(known), slowdown[known]).posterior(
        where.part(asked), np.zeros(np.count_nonzero(asked))
    )
    return -found.log_shift - np.log(slowdown[asked]), found.log_sd


def test_each_recorded_program_after_the_others():
    where, slowdown, _ = recorded()
    every = np.arange(len(slowdown))
    found = [errors(where, slowdown, every != at, every == at) for at in every]
    error, sd = np.concatenate(found, axis=1)
    off = np.abs(np.expm1(error))
    assert np.median(off) < 0.18
    assert np.quantile(off, 0.9) < 0.4
    assert 0.74 <= np.mean(np.abs(error) < Z80 * sd) <= 0.95


def test_one_run_already_helps_and_programs_that_came_later_are_inside():
    """The priors hold most of the law: the steps of networks reach about as much everywhere."""
    where, slowdown, sets = recorded()
    for known in (np.arange(len(sets)) == 0, sets == 1):
        error, sd = errors(where, slowdown, known, sets == 2)
        assert np.median(np.abs(np.expm1(error))) < 0.25
        assert np.mean(np.abs(error) < Z80 * sd) >= 0.7


def test_the_four_numbers_of_a_world_are_found():
    """Operations twice as slow as usual, memory at two thirds, products at half of the peak."""
    random = np.random.default_rng(3)
    where, _, _ = recorded()
    parts = np.exp(random.standard_normal((2, len(where.size))))
    where = replace(where, dispatch=parts[0], moved=parts[1])
    formats = np.where(where.precision == "fp32", 2.0, 2.5)
    slowdown = formats + 2.0 * where.dispatch + 1.5 * where.moved
    slowdown *= np.exp(0.02 * random.standard_normal(len(slowdown)))
    known = law(where, slowdown)
    for dispatch, moved, expected in ((0.0, 0.0, 2.0), (1.0, 0.0, 4.0), (0.0, 1.0, 3.5)):
        asked = replace(
            where.part(np.array([0])),
            program=np.array(["new"]),
            kind=np.array(["unheard"]),
            family=np.array(["of"]),
            dispatch=np.array([dispatch]),
            moved=np.array([moved]),
        )
        found = known.posterior(asked, np.zeros(1))
        assert -found.log_shift[0] == pytest.approx(np.log(expected), abs=0.2)


def test_a_run_of_the_same_program_says_most():
    where, slowdown, _ = recorded()
    asked = where.part(np.array([5]))
    same = law(where, slowdown).posterior(asked, np.zeros(1))
    other = law(where, slowdown).posterior(replace(asked, program=np.array(["x"])), np.zeros(1))
    assert same.log_sd[0] < 0.6 * PROGRAM_SD < other.log_sd[0]
    assert -same.log_shift[0] == pytest.approx(np.log(slowdown[5]), abs=0.1)


def test_runs_without_counts_teach_nothing_and_accelerators_have_no_law():
    where, slowdown, _ = recorded()
    half = np.arange(len(slowdown)) % 2 == 0
    blank = replace(where, dispatch=np.where(half, where.dispatch, np.nan))
    every, fewer = law(blank, slowdown), law(where.part(half), slowdown[half])
    found = [one.posterior(where, np.zeros(len(half))).log_shift for one in (every, fewer)]
    assert found[0] == pytest.approx(found[1], abs=1e-9)
    assert np.array_equal(every.knows(blank), half)
    assert step_law(replace(every.evidence, components=PARTS)) is None
