"""Sufficient statistics of the measured runs: like timings are one, and nothing is lost by it."""

import dataclasses
import math

import pytest

from estimator.runs.observations import (
    MOST_FINE,
    MOST_OTHERS,
    OWN_SLOWED_SD,
    SLOWED_SD,
    observed,
    slowed,
    timing_rows,
)
from estimator.runs.record import (
    Condition,
    Host,
    MeasuredDevice,
    MeasuredRun,
    Timing,
)

MOST = {"fp32": math.log(1e15)}


def run(number=1, *, time_s=1.0, flop=1e12, **changed):
    timing = Timing(
        what="training",
        component="cpu",
        precision="fp32",
        kind="language",
        arch="decoder",
        flop=flop,
        time_s=time_s,
        log_sd=0.1,
        repetitions=25,
        params=1e6,
    )
    whole = MeasuredRun(
        id=f"r{number:05d}",
        origin="script",
        started=f"2026-11-01T10:{number % 60:02d}:00Z",
        wall_s=25.0,
        state="finished",
        host=Host(id="h", cpu="c", cores=2, system="Linux", software={}),
        devices=(MeasuredDevice(key="cpu", kind="cpu", name="c", hardware="my-cpu"),),
        timings=(timing,),
    )
    return dataclasses.replace(whole, **changed)


def seen(runs):
    return observed([row for one in runs for row in timing_rows(one)], "my-cpu", MOST)


def test_like_timings_are_their_geometric_mean():
    (one,) = seen([run(1, time_s=1.9), run(2, time_s=2.1)])
    assert one.timing.time_s == pytest.approx(math.sqrt(1.9 * 2.1))
    assert (one.runs, one.timings) == (2, 2)
    assert one.noise_sd == pytest.approx(0.1 / math.sqrt(25 * 2))
    assert one.run == "r00002"


def test_steps_of_other_sizes_and_programs_stay_apart():
    other = run(3)
    other = dataclasses.replace(
        other, timings=(dataclasses.replace(other.timings[0], style="written out"),)
    )
    found = seen([run(1), run(2, flop=1e13), other])
    assert len(found) == 3
    assert {one.program for one in found} == {"1e+06 parameters", "program written out"}


def test_what_steps_do_is_the_geometric_mean_of_those_that_tell_it():
    def moving(number, traffic_bytes):
        timing = dataclasses.replace(run().timings[0], operations=1e3, traffic_bytes=traffic_bytes)
        return run(number, timings=(timing,))

    (one,) = seen([moving(1, 2e10), moving(2, 8e10), run(3)])
    assert one.traffic == pytest.approx(4e10 / 1e12)
    assert one.operations == pytest.approx(1e3 / 1e12)
    (one,) = seen([run(1), moving(2, 0.0)])
    assert one.traffic is None


def test_what_a_device_cannot_have_done_is_kept_and_left_out():
    runs = [run(1), run(2, time_s=1e-4)]
    (one,) = seen(runs)
    assert one.run == "r00001"


def test_a_disturbance_is_common_to_the_timings_of_a_run():
    disturbed = run(1, conditions=(Condition(component="cpu", others=0.2),))
    several = dataclasses.replace(disturbed, timings=disturbed.timings * 4)
    for whole in (disturbed, several):
        (one,) = seen([whole])
        assert one.noise_sd == pytest.approx(OWN_SLOWED_SD * math.log(1.25), rel=0.01)
        assert one.timing.time_s == pytest.approx(0.8)
        assert one.reasons == ("other programs used 20% of the device",)


def test_a_timing_that_others_slowed_throughout_is_held_to_be_faster_and_counts_little():
    """With half of the machine it may have taken twice as long, or four times, or no longer."""
    quiet = run(1, origin="bench")
    slow = [
        dataclasses.replace(one, repetitions=0, rejected=8, others=0.5) for one in quiet.timings
    ]
    (alone,) = seen([quiet])
    (one,) = seen([dataclasses.replace(quiet, timings=tuple(slow))])
    assert one.timing.time_s == pytest.approx(alone.timing.time_s / 2)
    assert one.noise_sd == pytest.approx(SLOWED_SD * math.log(2), rel=0.03)
    assert one.reasons == ("other programs used the machine in every repetition",)


@pytest.mark.parametrize("others", [0.0, 0.5, 1.0])
def test_a_machine_is_never_wholly_in_use_by_others(others):
    assert 1.0 <= slowed(others) <= 1 / (1 - MOST_OTHERS) + 1e-9


@pytest.mark.parametrize(
    ("busy", "others", "factor"), [(1.0, 0.5, 2.0), (0.5, 0.4, 1.0), (0.8, 0.4, 1.25), (None, 0, 1)]
)
def test_a_run_beside_others_is_held_to_be_faster_as_far_as_the_device_was_full(
    busy, others, factor
):
    """What others used while some of the device was left held nothing up, but for its memory."""
    condition = Condition(component="cpu", busy=busy, others=others)
    (alone,) = seen([run(1)])
    (one,) = seen([run(1, conditions=(condition,))])
    assert one.timing.time_s == pytest.approx(alone.timing.time_s / factor)
    assert one.noise_sd >= max(others, OWN_SLOWED_SD * math.log(factor))


def test_a_benchmark_leaves_out_by_itself_what_others_slowed():
    condition = Condition(component="cpu", busy=1.0, others=0.5)
    bench = run(1, origin="bench")
    beside = dataclasses.replace(bench, conditions=(condition,))
    assert seen([beside]) == seen([bench])


@pytest.mark.parametrize("changed", [{"simulated": True}, {"state": "running"}])
def test_simulated_and_running_runs_are_none(changed):
    assert seen([run(1, **changed)]) == []


def test_beyond_many_kinds_of_timings_programs_alike_count_as_one():
    def other(number):
        timing = dataclasses.replace(run().timings[0], style=f"program {number}")
        return run(number, time_s=1.0 + number % 2 / 50, timings=(timing,))

    runs = [other(number) for number in range(MOST_FINE + 1)]
    assert len(seen(runs[:-1])) == MOST_FINE
    (one,) = seen(runs)
    assert one.many and one.program == ""
    assert one.runs == one.timings == MOST_FINE + 1
    assert one.timing.time_s == pytest.approx(1.0)


def test_a_run_counts_once_over_all_its_timings():
    several = dataclasses.replace(run(1), timings=run(1).timings * 3 + run(1, flop=1e13).timings)
    found = seen([several, run(2)])
    assert sorted(one.runs for one in found) == [1.0, pytest.approx(2.0)]
    assert sum(one.whole for one in found) == pytest.approx(2.0)
