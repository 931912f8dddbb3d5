"""Steps that a program tells of find the devices that did them, and what they drew meanwhile."""

import dataclasses
import json
import time

import numpy as np
import pytest

from estimator.calibration.measured_utilization import Measured, Steady, calibration_observations
from estimator.catalog import Catalog
from estimator.catalog.records import MOST_OF_PEAK, Record, most_possible
from estimator.core.uncertainty import Uncertain
from estimator.measure.attribution import (
    PARTS,
    UNKNOWN,
    implausible,
    placed,
    used_devices,
)
from estimator.measure.command import REPORT
from estimator.measure.recorder import LEAST_S, Recording
from estimator.measure.session import Reported, Session
from estimator.measure.training_run import measure
from estimator.runs import open_store, read_runs
from estimator.runs.meter import Sample
from estimator.runs.record import Condition, Host, MeasuredDevice, MeasuredRun, Timing

HOST = Host(id="h", cpu="c", cores=8, system="Linux", software={})
CPU = MeasuredDevice(key="cpu", kind="cpu", name="c")


def board(number, **more):
    return MeasuredDevice(
        key=f"gpu:{number}", kind="gpu", name="NVIDIA H100 80GB HBM3", hardware="h100-sxm", **more
    )


def run_of(devices, conditions=(), timings=()):
    return MeasuredRun(
        id="r",
        origin="run",
        started="2026-11-01T10:00:00Z",
        wall_s=100.0,
        state="finished",
        host=HOST,
        devices=(CPU, *devices),
        conditions=tuple(conditions),
        timings=tuple(timings),
    )


def busy(number, share, others=None):
    return Condition(component=f"gpu:{number}", busy=share, others=others)


def timing(**more):
    words = {"what": "training", "component": "", "time_s": 1.0, "repetitions": 20}
    return Timing(**{**words, "flop": 1e14, "precision": "bf16", **more})


def reported(devices=None, **more):
    return Reported(timing=timing(**more), devices=devices, began_s=10.0, ended_s=20.0)


class Recorded:
    """A meter whose readings are all there already."""

    name, trust, device, simulated = "nvml power", "sampled", None, False

    def __init__(self, component, trust="sampled"):
        self.component, self.trust = component, trust


TWO = (board(2), board(10))


def test_the_busy_boards_did_the_work_in_the_order_of_their_numbers():
    assert used_devices(run_of(TWO, [busy(2, 0.9), busy(10, 0.8)])) == ["gpu:2", "gpu:10"]
    assert used_devices(run_of(TWO, [busy(2, 0.0), busy(10, 0.8)])) == ["gpu:10"]
    assert used_devices(run_of(TWO, [busy(2, 0.0), busy(10, 0.01)])) == ["cpu"]
    assert used_devices(run_of([])) == ["cpu"]


def test_a_board_that_only_others_use_did_none_of_the_work():
    run = run_of(TWO, [busy(2, 0.9), busy(10, 0.95, others=0.95)])
    assert used_devices(run) == ["gpu:2"]
    found, _ = placed(reported(), run)
    assert (found.component, found.devices) == ("gpu:2", 1)


def test_where_boards_do_not_tell_how_busy_they_are_the_processor_is_not_credited():
    run = run_of(TWO, [busy(2, 0.0)])
    assert used_devices(run) == []
    assert placed(reported(), run) == (None, [UNKNOWN])
    assert placed(reported(component="gpu:10"), run)[0].component == "gpu:10"


def test_what_the_program_says_of_its_devices_holds():
    run = run_of(TWO, [busy(2, 0.9), busy(10, 0.8)])
    assert placed(reported(), run)[0].devices == 2
    assert placed(reported(devices=16), run)[0].devices == 16
    assert placed(reported(devices=1, component="cpu"), run)[0].component == "cpu"


def test_ranks_are_boards_and_a_processor_is_one_however_many_it_has():
    ranks = dataclasses.replace(reported(), ranks=16, machines=2)
    on_boards, on_processors = run_of(TWO, [busy(2, 0.9), busy(10, 0.8)]), run_of([])
    assert placed(ranks, on_boards)[0].devices == 16
    assert placed(ranks, on_processors)[0].devices == 2
    assert placed(dataclasses.replace(ranks, devices=8), on_boards)[0].devices == 8


def test_a_part_of_a_divided_board_tells_nothing_of_the_board():
    run = run_of([board(0, shares_board="MIG")], [busy(0, 0.9)])
    assert placed(reported(), run) == (None, [PARTS])


def test_the_power_is_that_of_the_steps_and_not_of_the_start_before_them():
    run = run_of(TWO, [busy(2, 0.9), busy(10, 0.8)])
    samples = {
        key: [Sample(time_s=at / 2, power_w=work if at >= 20 else 70.0) for at in range(42)]
        for key, work in (("gpu:2", 600.0), ("gpu:10", 500.0))
    }
    meters = [Recorded("gpu:2"), Recorded("gpu:10")]
    found, _ = placed(reported(), run, meters, samples)
    assert (found.power_w, found.trust) == (pytest.approx(550.0), "sampled")
    one_is_silent, _ = placed(reported(), run, meters[:1], samples)
    assert one_is_silent.power_w is None


def test_a_modelled_power_is_none():
    run = run_of([])
    samples = {"cpu": [Sample(time_s=float(at), power_w=8.0) for at in range(30)]}
    assert placed(reported(), run, [Recorded("cpu", "modelled")], samples)[0].power_w is None


def test_what_a_device_cannot_have_done_is_said_and_teaches_nothing():
    catalog = Catalog.open()
    device = catalog.device("h100-sxm")
    peak = device.peaks["bf16"].value

    def run(share, **more):
        one = timing(component="gpu:0", flop=share * peak, **more)
        return run_of([board(0)], timings=[one])

    def learnt(run):
        reached = Uncertain(np.array([0.4]), {"utilization": np.array([0.5])})
        expected = Steady(reached=reached, ahead=reached.mid)
        return calibration_observations(Measured(given=[run]), device, lambda seen: expected)

    assert implausible(run(0.5)) == []
    assert len(learnt(run(0.5))) == 1
    (line,) = implausible(run(1.1 * MOST_OF_PEAK))
    assert "1.12 times the peak of h100-sxm in bf16" in line
    assert learnt(run(1.1 * MOST_OF_PEAK)) == []
    (line,) = implausible(run(0.5, precision=None))
    assert "set --precision" in line
    divided = dataclasses.replace(run(0.5), devices=(board(0, shares_board="vGPU"),))
    assert learnt(divided) == []


@pytest.mark.parametrize("basis", ["datasheet", "measured"])
def test_no_device_does_more_than_its_peak(basis):
    """A peak that was measured is the fastest of products and of steps: to what it is known."""
    peak = Record(value=1e12, unit="FLOP/s", basis=basis, source="s")
    assert 1e12 <= most_possible(peak) < 1.05e12


@pytest.fixture
def data(tmp_path, monkeypatch):
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", REPORT):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def five_steps(step_s=0.0, **more):
    with measure(flop=1e9, precision="fp32", kind="other", **more) as run:
        for _ in range(5):
            time.sleep(step_s)
            run.step()
    return run


def test_of_the_ranks_of_a_machine_one_measures_and_of_all_ranks_one_tells(data, monkeypatch):
    for rank, local in ((0, 0), (1, 1), (2, 0), (3, 1)):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("LOCAL_RANK", str(local))
        monkeypatch.setenv("WORLD_SIZE", "4")
        monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
        assert five_steps(step_s=LEAST_S / 4).steps == 5
    first, third = read_runs()[0]
    assert [(one.component, one.devices) for one in first.timings] == [("cpu", 2)]
    assert third.timings == ()


def test_the_ranks_of_a_wrapped_command_tell_once(data, tmp_path, monkeypatch):
    report = tmp_path / "steps.jsonl"
    monkeypatch.setenv(REPORT, str(report))
    for rank in range(4):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("LOCAL_RANK", str(rank))
        five_steps(devices=4)
    (line,) = report.read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["devices"] == 4
    assert read_runs() == ([], [])


def test_the_steps_of_a_script_on_the_processor_are_the_processors(data):
    five_steps()
    ((run,), _) = read_runs()
    assert run.timings[0].component == "cpu"


def test_a_record_that_waits_for_the_store_holds_every_note(data):
    with open_store() as store:
        recording = Recording(origin="script", store=store)
        recording.start()
        own_session = Session(flop=1e9, component="gpu:0")
        own_session._ends_s = [1.0, 2.0, 3.0, 4.0]
        run = recording.end(state="finished", timings=lambda run: [own_session.timing()])
        assert any("--precision" in note for note in run.notes)
        assert store.run(run.id).notes == run.notes
