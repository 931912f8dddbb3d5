"""A whole benchmark of this processor, with few small jobs: stored, kept on Ctrl-C, then used."""

import argparse
import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from estimator.answer.scenario_estimate import answer_scenario
from estimator.answer.training_report import estimate_report
from estimator.calibration.notices import CALIBRATED
from estimator.catalog import Catalog
from estimator.catalog.checks import sound
from estimator.cli.calibrate.bench import _print as print_bench
from estimator.core.units import human
from estimator.measure.bench import numpy_engine
from estimator.measure.bench import run as bench_run
from estimator.measure.bench import timing as protocol
from estimator.measure.bench.benchmark import Effort
from estimator.measure.bench.cpu_profile import merged
from estimator.measure.bench.run import BenchQuestion, RecordedDevice, benchmark, left_aside
from estimator.measure.bench.timing import Thoroughness
from estimator.question.scenario import Scenario
from estimator.runs import open_store
from estimator.runs.meter import Sample
from estimator.runs.observations import slowed
from estimator.runs.record import MeasuredDevice, Timing
from estimator.show import values


def as_json(answer):
    """JSON of an estimate."""
    return values.as_json(estimate_report(answer))


ROOT = Path(__file__).parents[2]
BRIEF = Thoroughness(
    warm_up_s=0.0,
    window_s=0.05,
    repetitions=1,
    trials=1,
    most_trials=1,
    pause_s=0.001,
    patience_s=0.0,
)
NUMPY = BenchQuestion(engine="numpy")


@pytest.fixture(scope="module", autouse=True)
def small():
    """Little work; what other tests use of the machine meanwhile is not held against it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "SLICE_S", 0.01)
        patch.setattr(protocol, "OTHERS_ALLOWED", 1.0)
        patch.setattr(bench_run, "FAST", Effort(job=BRIEF, sizes=2, idle_s=0.0, cool_s=0.0))
        patch.setattr(numpy_engine, "MATRIX_SIZES", (256, 512))
        patch.setattr(numpy_engine, "VECTOR_SIZES", (100_000, 200_000))
        patch.setattr(numpy_engine, "PERCEPTRONS", ((512, 256), (768, 384)))
        patch.setattr(bench_run, "SHORT", BRIEF)
        yield


@pytest.fixture(autouse=True)
def data(monkeypatch, tmp_path):
    """The folder of a user who has measured nothing yet."""
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture(scope="module")
def whole(small, tmp_path_factory):
    """A benchmark: its run, its device, what was said meanwhile, and the folder it left.

    And how many of its timings were in the store whenever something was said.
    """
    folder, seen, stored = tmp_path_factory.mktemp("benchmark") / "data", [], []

    def look(progress):
        seen.append(progress)
        with open_store() as store:
            stored.append(len(store.runs()[0].timings))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWENTY_WATTS_DATA", str(folder))
        run, hardware = benchmark(NUMPY, look)
    return run, hardware, seen, stored, folder


@pytest.fixture
def benched(whole, data):
    """Run, device and messages of the benchmark; what it left is in the folder of the user."""
    *found, _, folder = whole
    shutil.copytree(folder, data)
    return found


def test_a_benchmark_is_stored_and_makes_a_profile_that_estimates_use(benched):
    run, hardware, seen = benched
    assert run.state == "finished"
    assert len(seen) == len(run.timings) >= 7
    with open_store() as store:
        assert store.runs() == [run]
    catalog = sound(Catalog.open())
    fastest = max(
        one.flop / one.time_s
        for one in run.timings
        if one.what in ("matrix", "training") and one.precision == "fp32"
    )
    assert catalog.device(hardware).peaks["fp32"].value == pytest.approx(fastest, rel=1e-3)

    work = {"flop": 1e15, "hardware": hardware, "kind": "other", "precision": "fp32"}
    plain = answer_scenario(Scenario(**work, calibration="ignore"), catalog)
    calibrated = answer_scenario(Scenario(**work), catalog)
    before, after = (as_json(one)["results"]["device_hours"] for one in (plain, calibrated))
    assert after["high"] / after["low"] < 0.95 * before["high"] / before["low"]
    assert as_json(plain)["results"]["utilization"]["basis"] == "prior"
    assert as_json(calibrated)["results"]["utilization"]["basis"] == CALIBRATED
    note = calibrated.inputs["utilization"].note
    assert "of 1 measured run;" in note
    assert calibrated.inputs["utilization"].date == run.started[:10]


def test_on_a_machine_in_use_the_peak_is_a_range_and_that_is_said(monkeypatch):
    monkeypatch.setattr(protocol, "OTHERS_ALLOWED", -1.0)
    run, hardware = benchmark(NUMPY, lambda progress: None)
    assert all(not one.repetitions and one.others is not None for one in run.timings)
    every = len(run.timings)
    assert any(
        f"of the machine throughout {every} of {every} timings" in line for line in run.notes
    )
    alone = max(
        one.flop / one.time_s * slowed(one.others or 0.0)
        for one in run.timings
        if one.what in ("matrix", "training") and one.precision == "fp32"
    )
    peak = sound(Catalog.open()).device(hardware).peaks["fp32"]
    assert peak.value == pytest.approx(alone, rel=1e-3)


def test_the_calibrated_utilization_moves_towards_the_measured_steps():
    """Recorded timings as if of another processor, their steps at a share of its peak."""
    catalog = Catalog.open()
    hardware = "epyc-7742"
    recorded = catalog.calibrations()[0].run
    devices = tuple(dataclasses.replace(one, hardware=hardware) for one in recorded.devices)
    peak = catalog.device(hardware).peaks["fp32"].value
    steps = [one for one in recorded.timings if one.what == "training" and one.kind == "other"]

    def answered(reached):
        timings = tuple(dataclasses.replace(one, time_s=one.flop / reached / peak) for one in steps)
        with open_store() as store:
            store.forget(run.id for run in store.runs())
            store.add(dataclasses.replace(recorded, devices=devices, timings=timings))
        work = {"flop": 1e15, "kind": "other", "precision": "fp32", "step_flop": steps[-1].flop}
        return answer_scenario(Scenario(**work, hardware=hardware), catalog).inputs

    found = {reached: answered(reached) for reached in (0.02, 0.2, 0.8)}
    moved = [one["utilization"].value for one in found.values()]
    before = found[0.8]["utilization.prior"].value
    assert moved[0] < moved[1] < moved[2]
    assert moved[0] < before < moved[2]


def test_ctrl_c_keeps_what_was_measured():
    def stop(progress):
        if progress.timing.what == "copy":
            raise KeyboardInterrupt

    run, hardware = benchmark(NUMPY, stop)
    assert run.state == "interrupted"
    assert any("Ctrl-C" in note for note in run.notes)
    assert {one.what for one in run.timings} == {"matrix", "copy"}
    assert Catalog.open().device(hardware).peaks
    with open_store() as store:
        assert [one.state for one in store.runs()] == ["interrupted"]


@pytest.mark.parametrize("step", ["_engine", "_bench"])
def test_ctrl_c_before_anything_was_timed_leaves_nothing(step, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(bench_run, step, stop)
    with pytest.raises(KeyboardInterrupt):
        benchmark(NUMPY, lambda progress: None)
    with open_store() as store:
        assert store.runs() == []


def test_a_later_benchmark_of_less_takes_nothing_from_the_profile(benched):
    """One number format only, and stopped after its smallest product."""

    def stop(progress):
        if progress.timing.what == "matrix":
            raise KeyboardInterrupt

    hardware = benched[1]
    before = Catalog.open().device(hardware)
    less, _ = benchmark(dataclasses.replace(NUMPY, precisions=["fp32"]), stop)
    after = Catalog.open().device(hardware)
    assert {one.precision for one in less.timings} == {"fp32"}
    assert set(after.peaks) == set(before.peaks) == {"fp32", "fp64"}
    assert after.records["memory_bytes_per_s"] == before.records["memory_bytes_per_s"]
    fastest = max(one.flop / one.time_s for one in less.timings)
    peak = max(before.peaks["fp32"].value, fastest)
    assert after.peaks["fp32"].value == pytest.approx(peak, rel=1e-3)


def test_what_was_timed_is_on_disk_before_the_end(whole):
    """A kill -9 in the middle loses nothing that was finished."""
    *_, stored, _ = whole
    assert stored == list(range(1, len(stored) + 1)) and len(stored) >= 7


@pytest.mark.parametrize(
    ("changed", "reported"),
    [
        ({"device": "gpu:7"}, "no device 'gpu:7' to measure: there is cpu"),
        ({"precisions": ["fp8"]}, "has no fp8 on cpu: it has fp32, fp64"),
    ],
)
def test_what_cannot_be_measured_is_refused_and_leaves_no_run(changed, reported):
    with pytest.raises(ValueError, match=reported):
        benchmark(dataclasses.replace(NUMPY, **changed), lambda progress: None)
    with open_store() as store:
        assert store.runs() == []


def test_boards_that_are_not_measured_are_said():
    cpu = MeasuredDevice(key="cpu", kind="cpu", name="c")
    boards = [MeasuredDevice(key=f"gpu:{at}", kind="gpu", name="NVIDIA H100") for at in (0, 1)]
    assert left_aside("cpu", [cpu]) == left_aside("gpu:0", [cpu, boards[0]]) == []
    (line,) = left_aside("cpu", [cpu, *boards])
    assert line.startswith("only cpu is measured, gpu:0, gpu:1 not: boards need a PyTorch")
    (line,) = left_aside("gpu:0", [cpu, *boards])
    assert line.endswith("gpu:1 not: each by itself: --device gpu:1")


def test_a_run_on_a_stub_teaches_nothing(benched):
    run, hardware, _ = benched
    with open_store() as store:
        store.forget([run.id])
        store.add(dataclasses.replace(run, simulated=True))
    answer = answer_scenario(
        Scenario(flop=1e15, hardware=hardware, kind="other", precision="fp32"), Catalog.open()
    )
    assert answer.inputs["utilization"].basis != CALIBRATED


class Read:
    """A recording of a board whose driver tells who else uses it once a second."""

    def __init__(self, *shares):
        self.shares = shares

    def samples(self):
        found = [Sample(time_s=at / 10, others=one) for at, one in enumerate(self.shares)]
        return {"gpu:0": found}


class Quiet:
    def read(self):
        return 0.01


@pytest.mark.parametrize(
    ("shares", "expected"),
    [((0.4, None, None), 0.4), ((0.4, 0.0, None), 0.01), ((None,), 0.01), ((), 0.01)],
)
def test_others_on_the_board_disturb_as_those_on_the_processor_do(shares, expected):
    seen = RecordedDevice(host=Quiet(), recording=Read(*shares), component="gpu:0")
    assert seen.read() == expected


def test_bench_teaches_by_its_help():
    done = subprocess.run(
        [sys.executable, "-m", "estimator", "calibrate", "bench", "--help"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0
    assert "--minutes" in done.stdout
    assert "Ctrl-C stops early and keeps what has been" in done.stdout


def test_what_it_measured_and_bought_is_said_in_ten_lines(benched, capsys):
    run, hardware, _ = benched
    for verbose in (False, True):
        options = argparse.Namespace(json=False, verbose=verbose, quiet=False)
        print_bench(run, hardware, options)
        found = capsys.readouterr()
        lines = found.out.splitlines()
        if verbose:
            assert len(lines) > len(run.timings)
        else:
            assert 8 <= len(lines) <= 10
            assert len(found.err.splitlines()) <= 3
    assert "GFLOP/s in fp32" in found.out or "MFLOP/s in fp32" in found.out
    assert lines[-1].startswith("next: twenty-watts forecast")
    device = Catalog.open().device(hardware)
    (said,) = [line for line in lines if line.startswith("peak: ")]
    for name, peak in device.peaks.items():
        assert f"{human(peak.value, 'FLOP/s')} in {name}" in said
    assert f"memory: {human(device.records['memory_bytes_per_s'].value, 'B/s')}" in found.out
    (decoder,) = [line for line in lines if line.startswith("  perceptron, ")]
    before, after = decoder.split(": ")[1].split(" -> ")
    assert before != after


def test_a_higher_peak_of_an_earlier_benchmark_is_said_to_be_kept(benched, capsys):
    run, hardware, _ = benched
    slower = [
        dataclasses.replace(one, time_s=2.0 * one.time_s) if one.precision == "fp32" else one
        for one in run.timings
    ]
    again = dataclasses.replace(run, id="20991231T000000Z-00000000", timings=tuple(slower))
    bench_run.keep_processor(again)
    print_bench(again, hardware, argparse.Namespace(json=False, verbose=False, quiet=True))
    kept = human(Catalog.open().device(hardware).peaks["fp32"].value, "FLOP/s")
    lines = capsys.readouterr().out.splitlines()
    assert f"kept from an earlier benchmark: {kept} in fp32" in lines


def record(value, where):
    return {"value": value, "unit": "W", "where": where}


def test_of_two_benchmarks_the_higher_peak_and_the_newer_idle_power_hold():
    before = {
        "peak_flop_per_s": {"fp32": record(9.0, "old"), "bf16": record(5.0, "old")},
        "tdp_w": record(200.0, "old"),
        "idle_w": record(50.0, "old"),
    }
    fresh = {
        "peak_flop_per_s": {"fp32": record(8.0, "new"), "fp64": record(4.0, "new")},
        "tdp_w": record(210.0, "new"),
        "idle_w": record(40.0, "new"),
    }
    found = merged(fresh, before)
    peaks = {name: one["where"] for name, one in found["peak_flop_per_s"].items()}
    assert peaks == {"fp32": "old", "bf16": "old", "fp64": "new"}
    assert (found["tdp_w"]["value"], found["idle_w"]["value"]) == (210.0, 40.0)
    assert merged(fresh, {}) == fresh


def test_what_many_timings_have_in_common_is_one_note_with_its_count():
    disturbed = Timing(
        what="training",
        component="cpu",
        time_s=1.0,
        repetitions=0,
        rejected=9,
        others=0.4,
    )
    single = dataclasses.replace(disturbed, repetitions=1, others=None)
    spread = dataclasses.replace(disturbed, repetitions=9, others=None, log_sd=0.3)
    idle = dataclasses.replace(single, what="idle", rejected=0)
    lines = bench_run.summary([disturbed] * 5 + [single] * 3 + [spread] * 2 + [idle])
    assert len(lines) == 4
    assert lines[0].startswith("67% of the repetitions rejected"), "45 of 67"
    assert "other programs used 40% of the machine throughout 5 of 11 timings" in lines[1]
    assert lines[2].startswith("3 of 11 timings have a single undisturbed repetition")
    assert lines[3].startswith("2 of 11 timings spread by more than 10%")
    (line,) = bench_run.summary([disturbed])
    assert line.startswith("other programs used 40%"), "its repetitions are used all the same"
