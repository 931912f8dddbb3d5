"""The benchmark: its timing protocol, its work with known FLOPs, and the profile made of it."""

import dataclasses
import random
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.catalog import Catalog
from estimator.catalog.checks import sound
from estimator.catalog.measured_profiles import keep_profile
from estimator.catalog.records import most_possible
from estimator.measure.bench import benchmark, numpy_engine
from estimator.measure.bench import timing as protocol
from estimator.measure.bench.benchmark import (
    Bench,
    Effort,
)
from estimator.measure.bench.cpu_profile import (
    merged,
    processor_id,
    profile_of,
    source_id,
    source_of,
)
from estimator.measure.bench.numpy_engine import NumpyEngine, perceptron
from estimator.measure.bench.run import usual_step_s
from estimator.measure.bench.timing import Thoroughness, timed
from estimator.measure.bench.workloads import Job, matrix_flop, perceptron_flop, spread_out
from estimator.measure.step_counter import Operations
from estimator.runs.record import Host, MeasuredDevice, MeasuredRun, Timing

BRIEF = Thoroughness(
    warm_up_s=0.0,
    window_s=0.1,
    repetitions=1,
    trials=2,
    most_trials=3,
    pause_s=0.001,
    patience_s=0.0,
)
HOST = Host(id="abc", cpu="Test(R) CPU @ 2GHz", cores=3, system="Linux", software={})


class Calm:
    def read(self):
        return 0.0


class Crowded:
    """Others use the machine in every second slice."""

    def __init__(self):
        self.count = 0

    def read(self):
        self.count += 1
        return 0.5 if self.count % 2 else 0.0


class Clock:
    """Time that passes only where somebody waits, and a little whenever it is read."""

    def __init__(self):
        self.now_s = 1000.0

    def monotonic(self):
        self.now_s += 1e-6
        return self.now_s

    def sleep(self, time_s):
        self.now_s += time_s


CLOCK = Clock()


@pytest.fixture(autouse=True)
def own_time(monkeypatch):
    """How busy the machine is changes nothing."""
    monkeypatch.setattr(protocol, "time", CLOCK)
    monkeypatch.setattr(benchmark, "time", CLOCK)


@pytest.fixture(autouse=True)
def short_slices(monkeypatch):
    """Real slices are long enough to tell who used the machine: not needed here."""
    monkeypatch.setattr(protocol, "SLICE_S", 0.02)


def nothing():
    return None


def test_a_known_wait_is_timed_rightly():
    found = timed(lambda: CLOCK.sleep(0.02), nothing, contention=Calm(), effort=BRIEF)
    assert found.time_s == pytest.approx(0.02, rel=1e-3)
    assert found.rejected == 0
    assert len(found.windows) in (2, 3)
    assert all(end > begin for begin, end in found.windows)


def test_work_is_done_before_the_clock_stops():
    """A device that only takes orders is waited for: else it would look endlessly fast."""
    owed = []
    found = timed(
        lambda: owed.append(0.01),
        lambda: [CLOCK.sleep(owed.pop()) for _ in range(len(owed))],
        contention=Calm(),
        effort=BRIEF,
    )
    assert found.time_s == pytest.approx(0.01, rel=1e-3)


def test_repetitions_that_others_disturb_are_counted_and_left_out():
    found = timed(lambda: CLOCK.sleep(0.02), nothing, contention=Crowded(), effort=BRIEF)
    assert found.rejected > 0
    assert found.repetitions > 0
    assert found.others is None


def test_where_all_are_disturbed_that_is_said():
    crowd = Calm()
    crowd.read = lambda: 0.9
    found = timed(lambda: CLOCK.sleep(0.05), nothing, contention=crowd, effort=BRIEF)
    assert found.repetitions == 0
    assert found.rejected > 0
    assert found.time_s == pytest.approx(0.05, rel=1e-3)
    assert found.others == pytest.approx(0.9)


def test_uneven_work_has_a_spread():
    waits = iter([0.03] * 2 + [0.02, 0.06] * 50)
    found = timed(lambda: CLOCK.sleep(next(waits)), nothing, contention=Calm(), effort=BRIEF)
    assert found.log_sd > 0.1


@given(width=st.integers(1, 64), depth=st.integers(1, 5), batch=st.integers(1, 64))
def test_perceptron_flops_are_those_of_its_products(width, depth, batch):
    forward = depth
    of_weights = depth
    of_values = depth - 1
    products = forward + of_weights + of_values
    assert perceptron_flop(width, depth, batch) == products * 2 * batch * width * width


def test_the_perceptron_learns():
    step = perceptron(width=16, depth=3, batch=8, random=np.random.default_rng(0))
    losses = [step() for _ in range(200)]
    assert losses[-1] < 0.5 * losses[0]


def test_the_first_step_follows_the_slope_of_the_loss(monkeypatch):
    """One step of Adam moves each weight by the rate against the sign of its slope."""
    monkeypatch.setattr(numpy_engine, "RATE", 1e-4)
    step = perceptron(width=6, depth=2, batch=64, random=np.random.default_rng(3))
    first, second = step(), step()
    assert second < first


class Products(np.ndarray):
    """Arrays that count the FLOPs of their products."""

    done: ClassVar[list[int]] = []

    def __array_ufunc__(self, function, method, *inputs, **options):
        plain = [np.asarray(one) for one in inputs]
        if function is np.matmul:
            self.done.append(2 * plain[0].shape[0] * plain[0].shape[1] * plain[1].shape[1])
        if "out" in options:
            options["out"] = tuple(np.asarray(one) for one in options["out"])
        return getattr(function, method)(*plain, **options).view(Products)

    def __array_function__(self, function, types, inputs, options):
        found = super().__array_function__(function, types, inputs, options)
        return found.view(Products) if isinstance(found, np.ndarray) else found


class Counting:
    def standard_normal(self, shape, dtype):
        return np.random.default_rng(1).standard_normal(shape, dtype=dtype).view(Products)


def test_the_perceptron_does_the_products_that_its_flops_count(monkeypatch):
    monkeypatch.setattr(Products, "done", [])
    perceptron(width=8, depth=3, batch=5, random=Counting())()
    assert sum(Products.done) == perceptron_flop(8, 3, 5)


def test_every_job_of_numpy_can_be_done():
    engine = NumpyEngine()
    jobs = [job for job in (*engine.matrix(), *engine.copies(), *engine.training())]
    assert {job.what for job in jobs} == {"matrix", "copy", "training"}
    small = [job for job in jobs if job.held_bytes < 2e6]
    assert len(small) >= 4
    for job in small:
        job.prepare()()
    assert {job.precision for job in engine.matrix()} == {"fp32", "fp64"}
    assert engine.matrix()[0].flop == matrix_flop(256)


@given(st.lists(st.integers(), max_size=30), st.integers(2, 8))
def test_sizes_are_spread_over_the_whole_range(items, most):
    picked = spread_out(items, most)
    assert len(picked) == min(len(items), most)
    if items:
        assert (picked[0], picked[-1]) == (items[0], items[-1])


class Sleeper:
    """An engine whose work is a wait of known length: 1 GFLOP/s."""

    component = "cpu"
    name = "sleeper 1.0"

    @staticmethod
    def _job(what, flop, precision="fp32", kind=None):
        return Job(
            what=what,
            label=f"{what} of {flop:g}",
            precision=precision,
            prepare=lambda: lambda: CLOCK.sleep(flop / 1e9),
            flop=flop,
            kind=kind,
            held_bytes=1e6,
        )

    def matrix(self):
        return [self._job("matrix", 1e7), self._job("matrix", 2e7, "fp64")]

    def copies(self):
        return [
            Job(
                what="copy",
                label="copy",
                precision="fp32",
                prepare=lambda: lambda: CLOCK.sleep(0.01),
                moved_bytes=1e7,
            )
        ]

    def training(self):
        sizes = (1e6, 2e7, 4e7, 6e7, 8e7, 1e12)
        return [self._job("training", flop, kind="vision") for flop in sizes]

    def operations(self, step):
        return Operations(count=100.0, traffic_bytes=48e6)

    def finish(self):
        pass


class Meter:
    def power_w(self, windows):
        return 42.0, "counter"

    def temperature_c(self):
        return None


EFFORT = Effort(job=BRIEF, brief=BRIEF, sizes=3, idle_s=0.05, cool_s=0.0)


def bench(**reported):
    reported.setdefault("effort", EFFORT)
    return Bench(
        engine=Sleeper(),
        contention=Calm(),
        memory_bytes=1e9,
        usual_s=0.05,
        dice=random.Random(1),
        **reported,
    )


def test_a_benchmark_measures_products_memory_and_steps_of_training():
    found = list(bench().measure())
    timings = [progress.timing for progress in found]
    assert [one.what for one in timings] == ["matrix"] * 2 + ["copy"] + ["training"] * 3
    assert [one.flop for one in timings[3:]] == [2e7, 6e7, 4e7], "around 50 ms"
    assert all(one.power_w is None for one in timings)
    assert timings[0].flop / timings[0].time_s == pytest.approx(1e9, rel=1e-3)
    assert [progress.left for progress in found][-3:] == [2, 1, 0]
    assert found[-1].left_s == 0.0


@pytest.mark.parametrize(("took_s", "then"), [(0.2, 3e6), (0.01, 7.5e7)])
def test_sizes_are_measured_on_both_sides_of_usual_steps(took_s, then):
    """First the one foreseen to take 50 ms; where it took longer a smaller one, else a larger."""
    found, key = bench(), ("fp32", "vision")
    found._best["fp32"] = 1e9
    small, usual, large = (
        Sleeper._job("training", flop, kind="vision") for flop in (3e6, 1.5e7, 7.5e7)
    )
    assert found._most_informative(key, [small, usual, large]) is usual
    found._times_s[key] = [took_s]
    found._reached[key] = 1.5e7 / took_s
    assert found._most_informative(key, [small, large]).flop == then


def test_the_usual_step_is_that_of_the_priors():
    for component, device in (("cpu", "processor"), ("gpu:0", "accelerator")):
        priors = Catalog.open().priors_under(f"calibration.{device}.")
        assert usual_step_s(component) == priors["usual_step_s"].value


def test_time_that_is_short_leaves_out_the_rest_and_says_so():
    """What fits is measured; the budget counts from the beginning."""
    short = bench(effort=dataclasses.replace(EFFORT, minutes=1e-9))
    assert [one.timing.what for one in short.measure()] == ["matrix"] * 2 + ["copy"]
    (line,) = short.notes
    assert line.startswith("3 of 3 training steps did not fit in the time")


def test_what_a_library_cannot_run_here_is_left_out_and_said():
    def refused():
        raise RuntimeError("no primitive for this\nmore of it")

    limited = bench()
    limited.engine = Sleeper()
    jobs = [dataclasses.replace(one, prepare=refused) for one in Sleeper().training()[1:2]]
    limited.engine.training = lambda: [*jobs, *Sleeper().training()[2:5]]
    found = [one.timing for one in limited.measure() if one.timing.what == "training"]
    assert [one.flop for one in found] == [4e7, 6e7]
    assert "cannot run here (no primitive for this)" in limited.notes[0]


def test_with_a_meter_it_measures_power_at_rest_too():
    found = [progress.timing for progress in bench(meter=Meter()).measure()]
    assert found[0].what == "idle"
    assert {one.power_w for one in found} == {42.0}


def test_the_spread_of_one_trial_is_not_known():
    once = Thoroughness(
        warm_up_s=0.0, window_s=0.01, repetitions=1, trials=1, most_trials=1, pause_s=0.01
    )
    found = timed(lambda: CLOCK.sleep(0.3), nothing, contention=Calm(), effort=once)
    assert found.log_sd is None


def test_number_formats_can_be_chosen():
    found = [progress.timing for progress in bench(precisions=["fp64"]).measure()]
    assert {one.precision for one in found if one.what == "matrix"} == {"fp64"}
    assert not [one for one in found if one.what == "training"]


def test_jobs_that_do_not_fit_into_the_memory_are_left_out():
    small = bench()
    small.memory_bytes = 1e6
    assert [progress.timing.what for progress in small.measure()] == ["copy"]


def measured_run(*timings, memory_bytes=8e9):
    device = MeasuredDevice(key="cpu", kind="cpu", name=HOST.cpu, memory_bytes=memory_bytes)
    return MeasuredRun(
        id="r1",
        origin="bench",
        started="2026-11-21T10:00:00Z",
        wall_s=60.0,
        state="finished",
        host=HOST,
        devices=(device,),
        timings=timings,
    )


def timing(what, time_s, **reported):
    return Timing(what=what, component="cpu", time_s=time_s, repetitions=9, **reported)


RUN = measured_run(
    timing("matrix", 1.0, flop=1e11, precision="fp32"),
    timing("matrix", 1.0, flop=2e11, precision="fp32", power_w=80.0, trust="counter"),
    timing("matrix", 1.0, flop=5e10, precision="fp64", power_w=90.0, trust="modelled"),
    timing("copy", 0.01, moved_bytes=1e9),
    timing("copy", 1.0, moved_bytes=2e10),
    timing("idle", 5.0, power_w=11.0, trust="sampled"),
)


def test_a_processor_gets_the_profile_that_was_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path))
    sources = {source_id(HOST): source_of(HOST, "2026-11-21")}
    keep_profile(processor_id(HOST), profile_of(RUN, RUN.devices[0]), sources)
    device = sound(Catalog.open()).device(processor_id(HOST))
    assert {name: record.value for name, record in device.peaks.items()} == {
        "fp32": 2e11,
        "fp64": 5e10,
    }
    assert device.records["memory_bytes_per_s"].value == 2e10
    assert device.records["tdp_w"].value == 80.0
    assert device.records["idle_w"].value == 11.0
    assert device.peaks["fp32"].basis == "measured"
    assert device.peaks["fp32"].source == "measured-abc"


def test_power_that_was_not_measured_is_not_in_the_profile():
    run = measured_run(timing("matrix", 1.0, flop=1e11, precision="fp32"), memory_bytes=None)
    table = profile_of(run, run.devices[0])
    assert "tdp_w" not in table
    assert "memory_bytes" not in table


def crowded(what, time_s, **reported):
    """A timing in all of whose repetitions others used half of the machine."""
    return dataclasses.replace(timing(what, time_s, **reported), repetitions=0, others=0.5)


def test_a_peak_that_others_slowed_is_a_range_and_says_so(tmp_path, monkeypatch):
    """Half of the machine made 1e11: all of it makes 2e11, or even 4e11."""
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path))
    run = measured_run(
        crowded("matrix", 1.0, flop=1e11, precision="fp32"), crowded("copy", 1.0, moved_bytes=1e10)
    )
    sources = {source_id(HOST): source_of(HOST, "2026-11-21")}
    keep_profile(processor_id(HOST), profile_of(run, run.devices[0]), sources)
    device = sound(Catalog.open()).device(processor_id(HOST))
    peak, bandwidth = device.peaks["fp32"], device.records["memory_bytes_per_s"]
    assert (peak.low, peak.value, peak.high, peak.basis) == (1e11, 2e11, 4e11, "derived")
    assert (bandwidth.low, bandwidth.value, bandwidth.high) == (1e10, 2e10, 4e10)
    assert peak.note.startswith("Others used 50% of the machine in every repetition")
    assert most_possible(peak) >= 4e11, "runs on the quiet machine are not refused"


def test_an_undisturbed_product_wins_over_a_slower_one_corrected_for_others():
    run = measured_run(
        timing("matrix", 1.0, flop=1.5e11, precision="fp32"),
        crowded("matrix", 1.0, flop=1e11, precision="fp32"),
    )
    peak = profile_of(run, run.devices[0])["peak_flop_per_s"]["fp32"]
    assert (peak["value"], peak["basis"]) == (1.5e11, "measured")


@pytest.mark.parametrize("quiet_first", [True, False])
def test_an_undisturbed_peak_holds_against_a_higher_one_that_others_slowed(quiet_first):
    quiet = measured_run(timing("matrix", 1.0, flop=1.5e11, precision="fp32"))
    busy = measured_run(crowded("matrix", 1.0, flop=1e11, precision="fp32"))
    first, then = (profile_of(run, run.devices[0]) for run in (quiet, busy))
    table = merged(then, first) if quiet_first else merged(first, then)
    peak = table["peak_flop_per_s"]["fp32"]
    assert (peak["value"], peak["basis"]) == (1.5e11, "measured")
    assert "high" not in peak


@pytest.mark.parametrize("quiet_first", [True, False])
def test_more_than_an_undisturbed_peak_that_was_reached_beside_others_replaces_it(quiet_first):
    """A quiet but throttled machine made 1e11; a crowded one later 1.5e11, so that is possible."""
    quiet = measured_run(timing("matrix", 1.0, flop=1e11, precision="fp32"))
    busy = measured_run(crowded("matrix", 1.0, flop=1.5e11, precision="fp32"))
    first, then = (profile_of(run, run.devices[0]) for run in (quiet, busy))
    table = merged(then, first) if quiet_first else merged(first, then)
    peak = table["peak_flop_per_s"]["fp32"]
    assert (peak["low"], peak["value"], peak["basis"]) == (1.5e11, 3e11, "derived")


def test_products_end_when_their_share_of_the_time_is_over():
    """One of each format tells the peak; where others slow them, steps still have their time."""
    short = bench(effort=dataclasses.replace(EFFORT, minutes=1e-9))
    short.engine = Sleeper()
    sizes = (1e7, 2e7, 3e7)
    short.engine.matrix = lambda: [
        Sleeper._job("matrix", flop, name) for name in ("fp32", "fp64") for flop in sizes
    ]
    found = [one.timing for one in short.measure() if one.timing.what == "matrix"]
    assert [(one.precision, one.flop) for one in found] == [("fp32", 1e7), ("fp64", 1e7)]


def test_without_a_product_there_is_no_peak_and_no_profile():
    run = measured_run(timing("copy", 1.0, moved_bytes=1e9))
    with pytest.raises(ValueError, match="timed no matrix product"):
        profile_of(run, run.devices[0])


def test_a_format_of_fast_products_is_foreseen_to_train_little_faster():
    """Ten times the products: a step takes 1 / (0.1 + 0.7 / 0.3) of the time of the products."""
    foreseen = bench()
    foreseen._best.update({"fp32": 1e11, "bf16": 1e12, "fp64": 5e10})
    assert foreseen._foreseen("fp32") == pytest.approx(3e10)
    assert foreseen._foreseen("bf16") == pytest.approx(1e11 / (0.1 + 0.7 / 0.3))
    assert foreseen._foreseen("fp64") == pytest.approx(1.5e10)
