"""Sufficient statistics of the measured runs: like timings are one, and nothing is lost by it."""

import dataclasses
import math
import sqlite3

import pytest

from estimator.runs import open_store, read_observations, read_runs
from estimator.runs.documents import in_memory
from estimator.runs.observations import MOST_OTHERS, OWN_SLOWED_SD, SLOWED_SD, observed, slowed
from estimator.runs.record import (
    FORECAST,
    Condition,
    Host,
    MeasuredDevice,
    MeasuredRun,
    Timing,
)
from estimator.runs.schema import VERSION
from tests.runs.stored import FIGURES_BEFORE, INDEXES_BEFORE, KEPT_ANSWERS_BEFORE

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


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs.sqlite"


def test_like_timings_are_their_geometric_mean():
    (one,) = observed(in_memory([run(1, time_s=1.9), run(2, time_s=2.1)]), "my-cpu", MOST)
    assert one.timing.time_s == pytest.approx(math.sqrt(1.9 * 2.1))
    assert (one.runs, one.timings) == (2, 2)
    assert one.noise_sd == pytest.approx(0.1 / math.sqrt(25 * 2))
    assert one.run == "r00002"


def test_steps_of_other_sizes_and_programs_stay_apart():
    other = run(3)
    other = dataclasses.replace(
        other, timings=(dataclasses.replace(other.timings[0], style="written out"),)
    )
    found = observed(in_memory([run(1), run(2, flop=1e13), other]), "my-cpu", MOST)
    assert len(found) == 3
    assert {one.program for one in found} == {"1e+06 parameters", "program written out"}


def test_what_steps_do_is_the_geometric_mean_of_those_that_tell_it():
    def moving(number, traffic_bytes):
        timing = dataclasses.replace(run().timings[0], operations=1e3, traffic_bytes=traffic_bytes)
        return run(number, timings=(timing,))

    (one,) = observed(in_memory([moving(1, 2e10), moving(2, 8e10), run(3)]), "my-cpu", MOST)
    assert one.traffic == pytest.approx(4e10 / 1e12)
    assert one.operations == pytest.approx(1e3 / 1e12)
    (one,) = observed(in_memory([run(1), moving(2, 0.0)]), "my-cpu", MOST)
    assert one.traffic is None


def test_what_a_device_cannot_have_done_is_kept_and_left_out():
    runs = [run(1), run(2, time_s=1e-4)]
    (one,) = observed(in_memory(runs), "my-cpu", MOST)
    assert one.run == "r00001"


def test_a_disturbance_is_common_to_the_timings_of_a_run():
    disturbed = run(1, conditions=(Condition(component="cpu", others=0.2),))
    several = dataclasses.replace(disturbed, timings=disturbed.timings * 4)
    for whole in (disturbed, several):
        (one,) = observed(in_memory([whole]), "my-cpu", MOST)
        assert one.noise_sd == pytest.approx(OWN_SLOWED_SD * math.log(1.25), rel=0.01)
        assert one.timing.time_s == pytest.approx(0.8)
        assert one.reasons == ("others used 20 % of it",)


def test_a_timing_that_others_slowed_throughout_is_held_to_be_faster_and_counts_little():
    """With half of the machine it may have taken twice as long, or four times, or no longer."""
    quiet = run(1, origin="bench")
    slow = [
        dataclasses.replace(one, repetitions=0, rejected=8, others=0.5) for one in quiet.timings
    ]
    (alone,) = observed(in_memory([quiet]), "my-cpu", MOST)
    (one,) = observed(in_memory([dataclasses.replace(quiet, timings=tuple(slow))]), "my-cpu", MOST)
    assert one.timing.time_s == pytest.approx(alone.timing.time_s / 2)
    assert one.noise_sd == pytest.approx(SLOWED_SD * math.log(2), rel=0.03)
    assert one.reasons == ("others used the machine in every repetition",)


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
    (alone,) = observed(in_memory([run(1)]), "my-cpu", MOST)
    (one,) = observed(in_memory([run(1, conditions=(condition,))]), "my-cpu", MOST)
    assert one.timing.time_s == pytest.approx(alone.timing.time_s / factor)
    assert one.noise_sd >= max(others, OWN_SLOWED_SD * math.log(factor))


def test_a_benchmark_leaves_out_by_itself_what_others_slowed():
    condition = Condition(component="cpu", busy=1.0, others=0.5)
    bench = run(1, origin="bench")
    beside = dataclasses.replace(bench, conditions=(condition,))
    assert observed(in_memory([beside]), "my-cpu", MOST) == observed(
        in_memory([bench]), "my-cpu", MOST
    )


@pytest.mark.parametrize("changed", [{"simulated": True}, {"state": "running"}])
def test_simulated_and_running_runs_are_none(changed):
    assert observed(in_memory([run(1, **changed)]), "my-cpu", MOST) == []


def test_the_store_answers_as_its_runs_do(path):
    runs = [run(number, time_s=2.0 + 0.01 * number) for number in range(1, 6)]
    with open_store(path) as store:
        store.add_all(runs)
    assert read_observations("my-cpu", MOST, path=path) == observed(
        in_memory(read_runs(path)[0]), "my-cpu", MOST
    )


def test_the_number_of_steps_is_that_of_whole_runs_of_the_user():
    def longer(number, repetitions, **changed):
        found = run(number, **changed)
        timing = dataclasses.replace(found.timings[0], repetitions=repetitions)
        return dataclasses.replace(found, timings=(timing,))

    runs = [longer(1, 100), longer(2, 400), longer(3, 7, state="interrupted")]
    runs += [longer(4, 7, label=FORECAST), longer(5, 7, origin="bench")]
    ours, bench = sorted(observed(in_memory(runs), "my-cpu", MOST), key=lambda one: -one.own)
    assert ours.steps == pytest.approx(200)
    assert bench.steps is None
    assert observed(in_memory([runs[2]]), "my-cpu", MOST)[0].steps is None


def test_a_run_that_is_forgotten_is_no_longer_observed(path):
    with open_store(path) as store:
        store.add_all([run(1), run(2)])
        store.forget(["r00002"])
    (one,) = read_observations("my-cpu", MOST, path=path)
    assert (one.run, one.runs) == ("r00001", 1)


OBSERVED = (
    "CREATE TABLE alike (key INTEGER); CREATE TABLE observation (run INTEGER);"
    "CREATE INDEX observation_of_run ON observation (run);"
)
"""Tables of observations as of version 3, as far as they are in the way."""

OLDER = {7: INDEXES_BEFORE}
OLDER[5] = f"{OLDER[7]} {KEPT_ANSWERS_BEFORE}"
OLDER[4] = f"{OLDER[5]} {FIGURES_BEFORE}"
OLDER[2] = f"{OLDER[4]} DROP TABLE observation; DROP TABLE alike;"
OLDER[3] = OLDER[2] + OBSERVED
"""Version of the tables -> what takes a store of today back to it."""


@pytest.mark.parametrize("version", OLDER)
def test_a_store_of_a_version_before_is_read_and_brought_up(path, version):
    with open_store(path) as store:
        store.add_all([run(1), run(2)])
    database = sqlite3.connect(path)
    database.executescript(f"{OLDER[version]} PRAGMA user_version = {version};")
    database.close()
    expected = observed(in_memory([run(1), run(2)]), "my-cpu", MOST)
    assert read_observations("my-cpu", MOST, path=path) == expected
    open_store(path).close()
    database = sqlite3.connect(path)
    assert database.execute("SELECT count(*) FROM observation").fetchone() == (2,)
    assert database.execute("SELECT count(*) FROM figure").fetchone() == (2,)
    assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)
    database.close()
    assert read_observations("my-cpu", MOST, path=path) == expected
