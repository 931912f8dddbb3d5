"""Boards of NVIDIA through the real binding, against a stub of their driver's library in C.

That proves binding, units, windows and errors; of the truth of real sensors it proves nothing.
"""

import ctypes
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pynvml
import pytest

from estimator.measure.meters.nvml import NvmlMeter, open_nvml
from estimator.measure.meters.open import open_meters
from estimator.runs import read_runs
from estimator.runs.energy import summarise
from estimator.runs.meter import DeviceLost, MeterError, Sample
from estimator.runs.record import as_plain
from tests.stub_nvml import build_stub

ROOT = Path(__file__).parents[2]
UUIDS = [f"GPU-{at}a5a7f29-c714-06ba-23ef-cedbc44248d{at}" for at in range(2)]
REFUSALS = {3: "Not Supported", 4: "Insufficient Permissions", 13: "Function Not Found"}


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """The library as of today, and one that lacks what old drivers lack."""
    return {
        "new": build_stub(tmp_path_factory.mktemp("new")),
        "old": build_stub(tmp_path_factory.mktemp("old"), "-DOLD_DRIVER"),
    }


class Stub:
    """The library in this process, its settings, and its clock."""

    def __init__(self, path, monkeypatch):
        self.library = ctypes.CDLL(str(path))
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(pynvml, "nvmlLib", self.library)
        monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
        self.now_s = self._value(ctypes.c_double, "fake_nvml_time_s")
        self.now_s.value = 1000.0
        clock = SimpleNamespace(monotonic=lambda: self.now_s.value)
        monkeypatch.setattr("estimator.measure.meters.nvml.time", clock)
        self.users = self._value(ctypes.c_int, "fake_nvml_users")
        self.calls = self._value(ctypes.c_int, "fake_nvml_calls")
        self.calls_after_end = self._value(ctypes.c_int, "fake_nvml_calls_after_end")
        self.calls.value = self.calls_after_end.value = self.users.value = 0

    def _value(self, kind, name):
        return kind.in_dll(self.library, name)

    def set(self, **settings):
        for name, value in settings.items():
            self._monkeypatch.setenv(f"FAKE_NVML_{name}", str(value))


@pytest.fixture
def stub(libraries, monkeypatch):
    """Today's driver; whatever a test does, nobody asks it after its end."""
    made = Stub(libraries["new"], monkeypatch)
    yield made
    assert made.calls_after_end.value == 0


@pytest.fixture
def old(libraries, monkeypatch):
    return Stub(libraries["old"], monkeypatch)


@pytest.fixture
def board(tmp_path):
    """Open the only board; close it after the test."""
    opened = []

    def open_(**more):
        meters, notes = open_nvml({}, root=more.pop("root", tmp_path))
        opened.extend(meters)
        assert notes == []
        (meter,) = meters
        return meter

    yield open_
    for meter in opened:
        meter.close()


def says(meter, words):
    return any(words in note for note in meter.notes)


def readings(stub, meter, seconds, seed=0):
    """Read as the sampler does: at uneven times, the counter at the ends and once a second."""
    dice = random.Random(seed)
    samples = [meter.read(with_counter=True)]
    end_s = counted_s = stub.now_s.value
    end_s += seconds
    while stub.now_s.value < end_s:
        stub.now_s.value += 0.1 * dice.uniform(0.75, 1.25)
        due = stub.now_s.value - counted_s >= 1
        counted_s = stub.now_s.value if due else counted_s
        samples.append(meter.read(with_counter=due))
    return [*samples, meter.read(with_counter=True)]


def reported(meter, samples):
    duration_s = samples[-1].time_s - samples[0].time_s
    limit_w = meter.device.power_limit_w
    return summarise(
        meter.component, meter.name, meter.trust, samples, duration_s=duration_s, limit_w=limit_w
    )


# What a board is and tells


def test_a_board_is_described_by_its_driver(stub, board):
    meter = board()
    device = meter.device
    assert (meter.component, device.key, device.kind) == ("gpu:0", "gpu:0", "gpu")
    assert (device.name, device.uuid) == ("NVIDIA H100 80GB HBM3", UUIDS[0])
    assert device.memory_bytes == 80 * 2**30
    assert (device.power_limit_w, device.default_limit_w) == (500, 700)
    assert device.shares_board is None
    assert meter.software == {"nvidia-driver": "550.54.15"}
    assert meter.simulated


def test_a_board_is_read_in_our_units(stub, board):
    stub.set(TRACE="constant:312.5", REASONS="0x24")
    sample = board().read(with_counter=True)
    assert (sample.time_s, sample.power_w, sample.energy_j) == (1000, 312.5, 312500)
    assert (sample.temperature_c, sample.clock_hz) == (62, 1.755e9)
    assert (sample.busy, sample.memory_busy) == (0.8, 0.4)
    assert sample.throttled_by == ("power limit", "heat")


def test_between_readings_of_the_counter_only_power_is_asked_for(stub, board):
    meter = board()
    before = stub.calls.value
    assert meter.read(with_counter=False) == Sample(time_s=1000, power_w=300)
    assert stub.calls.value == before + 1


@pytest.mark.parametrize("kind", [1, 3])
def test_a_field_is_read_from_the_union_by_its_type(stub, board, kind):
    stub.set(TRACE="constant:432.1", TYPE=kind)
    assert board().read(with_counter=False).power_w == 432.1


def test_a_field_of_an_unknown_type_gives_way_to_the_plain_reading(stub, board):
    stub.set(TRACE="constant:432.1", TYPE=77)
    meter = board()
    assert meter.read(with_counter=False).power_w == 432.1
    assert says(meter, "mean of the last second")


def test_idling_and_settings_are_no_throttling_but_a_held_clock_is_said(stub, board):
    stub.set(REASONS="0x1")
    meter = board()
    assert meter.read(with_counter=True).throttled_by == ()
    assert not says(meter, "held at a setting")
    stub.set(REASONS="0x3")
    assert meter.read(with_counter=True).throttled_by == ()
    assert says(meter, "gpu:0: the clock is held at a setting")


# Energy


@pytest.mark.parametrize("trace", ["constant:312.5", "sine:300:200:0.5", "square:350:60:0.4"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_integral_and_counter_agree_with_a_known_trace_within_one_percent(stub, board, trace, seed):
    stub.set(TRACE=trace)
    meter = board()
    samples = readings(stub, meter, 60, seed)
    summary = reported(meter, samples)
    mean_w = {"constant": 312.5, "sine": 300.0, "square": 205.0}[trace.partition(":")[0]]
    whole_s = 60.0
    truth_j = mean_w * whole_s
    past_s = samples[-1].time_s - samples[0].time_s - whole_s
    assert 0 <= past_s < 0.125
    energy = summary.energy
    assert (energy.meter, energy.trust) == ("nvml counter", "counter")
    assert energy.energy_j == pytest.approx(truth_j, rel=0.01, abs=500 * past_s)
    assert energy.check_j == pytest.approx(energy.energy_j, rel=0.01)
    assert energy.coverage == pytest.approx(1)


def test_a_board_without_a_counter_is_integrated(stub, board):
    stub.set(TRACE="sine:300:200:0.5", FAIL="nvmlDeviceGetTotalEnergyConsumption=3")
    meter = board()
    summary = reported(meter, readings(stub, meter, 60))
    assert (summary.energy.meter, summary.energy.trust) == ("nvml power", "sampled")
    assert summary.energy.mean_w == pytest.approx(300, rel=0.01)
    assert says(meter, "does not tell energy counter (Not Supported)")


def test_a_counter_that_publishes_now_and_then_is_right_over_a_window(stub, board):
    stub.set(TRACE="constant:400", COUNTER="coarse:0.1")
    meter = board()
    energy = reported(meter, readings(stub, meter, 60)).energy
    assert energy.mean_w == pytest.approx(400, rel=0.01)
    assert energy.check_j == pytest.approx(energy.energy_j, rel=0.01)


def test_a_stuck_counter_gives_way_to_the_integral(stub, board):
    stub.set(TRACE="constant:400", COUNTER="stuck")
    meter = board()
    summary = reported(meter, readings(stub, meter, 20))
    assert (summary.energy.trust, summary.energy.mean_w) == ("sampled", pytest.approx(400))
    assert any("counter did not move" in note for note in summary.notes)


@pytest.mark.parametrize("how", ["back:1010", "wrap:4000"])
def test_a_counter_that_falls_back_costs_that_second_only(stub, board, how):
    stub.set(TRACE="constant:300", COUNTER=how)
    meter = board()
    summary = reported(meter, readings(stub, meter, 20))
    assert summary.energy.mean_w == pytest.approx(300, rel=0.01)
    assert summary.energy.duration_s == pytest.approx(19, abs=1.3)
    assert any("went backwards" in note for note in summary.notes)


def test_the_state_is_reported_of_the_whole_run_though_it_is_read_seldom(stub, board):
    stub.set(REASONS="0x4")
    meter = board()
    samples = readings(stub, meter, 10)
    stub.set(REASONS="0")
    samples += readings(stub, meter, 10)
    state = reported(meter, samples).condition
    assert (state.clock_hz, state.temperature_c, state.busy) == (1.755e9, 62, pytest.approx(0.8))
    assert state.reasons == ("power limit",)
    assert state.throttled == pytest.approx(0.5, abs=0.05)


# Opening


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (12, "no NVIDIA driver here .* a container needs --gpus all"),
        (9, "not loaded: sudo modprobe nvidia"),
        (18, "updated while the older one is still loaded: restart"),
        (4, "does not let this user ask: look at the rights of /dev/nvidia"),
        (17, "keeps this process from the NVIDIA driver"),
        (13, "too old"),
        (999, "does not answer: Unknown Error"),
        (20, "does not answer: Insufficient Memory"),
    ],
)
def test_a_driver_that_does_not_open_is_one_line_with_the_remedy(stub, code, words):
    stub.set(FAIL=f"nvmlInitWithFlags={code}")
    with pytest.raises(MeterError, match=words) as caught:
        open_nvml({})
    assert "\n" not in str(caught.value)
    assert stub.users.value == 0


def test_a_driver_without_boards_is_said(stub):
    stub.set(COUNT=0)
    with pytest.raises(MeterError, match=r"driver 550\.54\.15 is here, but no board"):
        open_nvml({})
    assert stub.users.value == 0


def test_an_old_distribution_that_hides_the_binding_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", ModuleType("pynvml"))
    with pytest.raises(MeterError, match="pip uninstall pynvml"):
        open_nvml({})


def test_a_missing_binding_is_one_line_with_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(MeterError, match="pip install nvidia-ml-py"):
        open_nvml({})


def test_a_machine_without_a_driver_has_a_line_and_its_other_meters(stub, tmp_path):
    stub.set(FAIL="nvmlInitWithFlags=12")
    meters, notes = open_meters(root=tmp_path, environment={})
    for meter in meters:
        meter.close()
    assert not [meter for meter in meters if meter.component.startswith("gpu")]
    assert notes[0].startswith("gpu: no NVIDIA driver here")


def test_visible_boards_only_are_opened(stub):
    stub.set(COUNT=2)
    for value, keys in {"1": ["gpu:1"], UUIDS[0]: ["gpu:0"], "1,0": ["gpu:1", "gpu:0"]}.items():
        meters, notes = open_nvml({"CUDA_VISIBLE_DEVICES": value})
        assert [meter.component for meter in meters] == keys
        assert notes == []
        for meter in meters:
            meter.close()
    assert open_nvml({"CUDA_VISIBLE_DEVICES": ""})[0] == []
    assert stub.users.value == 0


def test_of_unlike_boards_those_that_may_be_meant_are_all_opened(stub):
    stub.set(COUNT=2, NAME="NVIDIA GeForce GTX 1080;NVIDIA GeForce RTX 4090")
    meters, (note,) = open_nvml({"CUDA_VISIBLE_DEVICES": "0"})
    assert [meter.device.name[-4:] for meter in meters] == ["1080", "4090"]
    assert "CUDA_DEVICE_ORDER=PCI_BUS_ID" in note
    for meter in meters:
        meter.close()


def test_a_board_lost_before_the_start_does_not_keep_the_other_from_being_measured(stub):
    stub.set(COUNT=2, FAIL="nvmlDeviceGetHandleByIndex_v2@0=15")
    (meter,), (note,) = open_nvml({})
    assert meter.component == "gpu:1"
    assert note == "gpu:0: the board is lost: GPU is lost"
    meter.close()


def test_boards_that_all_fail_are_reported_each(stub):
    stub.set(COUNT=2, FAIL="nvmlDeviceGetHandleByIndex_v2=4")
    meters, notes = open_nvml({})
    assert (meters, len(notes)) == ([], 2)
    assert all("Insufficient Permissions" in note for note in notes)
    assert stub.users.value == 0


# Capabilities


QUANTITIES = {
    "energy counter": "nvmlDeviceGetTotalEnergyConsumption",
    "clock": "nvmlDeviceGetClockInfo",
    "utilisation": "nvmlDeviceGetUtilizationRates",
}


@pytest.mark.parametrize("code", [2, 3, 4, 13, 999])
@pytest.mark.parametrize("quantity", QUANTITIES)
def test_what_a_board_does_not_tell_is_absent_and_named(stub, board, quantity, code):
    stub.set(FAIL=f"{QUANTITIES[quantity]}={code}")
    meter = board()
    sample = meter.read(with_counter=True)
    values = {
        "energy counter": sample.energy_j,
        "clock": sample.clock_hz,
        "utilisation": sample.busy,
    }
    assert {name for name, value in values.items() if value is None} == {quantity}
    assert sample.power_w == 300
    assert says(meter, f"does not tell {quantity} ({REFUSALS.get(code, '')}")


def test_what_is_not_told_is_not_asked_for_again(stub, board):
    meter = board()
    before = stub.calls.value
    meter.read(with_counter=True)
    calls = stub.calls.value - before
    stub.set(FAIL="nvmlDeviceGetClockInfo=3,nvmlDeviceGetTemperatureV=3")
    poorer = board()
    before = stub.calls.value
    poorer.read(with_counter=True)
    assert stub.calls.value - before == calls - 1
    assert poorer.read(with_counter=True).temperature_c == 61


def test_an_old_driver_is_read_by_the_names_it_knows(old, board):
    old.set(REASONS="0x80", TRACE="constant:150")
    meter = board()
    sample = meter.read(with_counter=True)
    assert (sample.power_w, sample.energy_j) == (150, 150000)
    assert (sample.temperature_c, sample.throttled_by) == (61, ("power brake",))
    assert meter.device.shares_board is None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"ARCH": 9, "CC": 9}, True),
        ({"ARCH": 7, "CC": 8}, False),
        ({"ARCH": 5, "CC": 7}, False),
        ({"FAIL": "field186=3,nvmlDeviceGetArchitecture=13"}, False),
    ],
)
def test_a_mean_of_a_second_is_said_where_the_power_of_the_moment_is_missing(
    stub, board, settings, said
):
    stub.set(**{"FAIL": "field186=3", **settings})
    meter = board()
    assert meter.read(with_counter=False).power_w == 300
    assert says(meter, "mean of the last second") == said


def test_a_power_of_zero_is_not_believed(stub, board):
    stub.set(TRACE="constant:0")
    meter = board()
    assert meter.read(with_counter=True).power_w is None
    assert says(meter, "does not tell power (power reads 0 W)")


def test_a_superchip_tells_the_power_of_its_module_and_that_is_said(stub, board):
    stub.set(MODULE=1, FAIL="field186=3,nvmlDeviceGetPowerUsage=3", NAME="NVIDIA GH200 480GB")
    meter = board()
    assert meter.read(with_counter=True).power_w == 300
    assert (meter.device.power_limit_w, meter.device.default_limit_w) == (900, 900)
    assert says(meter, "the whole module's, processor and memory included")


def test_a_board_that_tells_neither_power_nor_energy_is_not_measured(stub):
    refused = ["field186", "nvmlDeviceGetPowerUsage", "nvmlDeviceGetTotalEnergyConsumption"]
    stub.set(COUNT=2, NAME="Orin (nvgpu);NVIDIA H100", FAIL=",".join(f"{x}@0=3" for x in refused))
    (meter,), (note,) = open_nvml({"CUDA_DEVICE_ORDER": "PCI_BUS_ID"})
    assert meter.component == "gpu:1"
    assert note == (
        "gpu:0: Orin (nvgpu) tells neither power nor energy (Not Supported): not measured"
    )
    meter.close()
    assert stub.users.value == 0


def test_a_board_with_a_counter_only_is_measured_by_it(stub, board):
    stub.set(TRACE="constant:250", FAIL="field186=3,nvmlDeviceGetPowerUsage=3")
    meter = board()
    assert (meter.name, meter.trust) == ("nvml counter", "counter")
    samples = readings(stub, meter, 20)
    assert {one.power_w for one in samples} == {None}
    energy = reported(meter, samples).energy
    assert (energy.meter, energy.trust) == ("nvml counter", "counter")
    assert energy.mean_w == pytest.approx(250, rel=1e-3)


# Boards in parts


def test_a_partitioned_board_is_one_meter_of_the_whole_and_said(stub, tmp_path):
    stub.set(COUNT=2, MIG=1, FAIL="nvmlDeviceGetUtilizationRates=3")
    part = "MIG-0b5a7f29-0000"
    (meter,), notes = open_nvml({"CUDA_VISIBLE_DEVICES": part}, root=tmp_path)
    assert notes == []
    assert (meter.component, meter.device.shares_board) == ("gpu:0", "MIG")
    assert says(meter, "board shared out (MIG): it is measured as a whole")
    assert meter.read(with_counter=True).busy is None
    meter.close()


@pytest.mark.parametrize(("mode", "shared"), [(0, None), (1, None), (2, "vGPU"), (3, "vGPU")])
def test_a_virtual_board_is_the_whole_board_and_one_passed_through_is_its_own(
    stub, board, mode, shared
):
    stub.set(VIRTUAL=mode)
    meter = board()
    assert meter.device.shares_board == shared
    assert says(meter, "board shared out (vGPU)") == (shared is not None)


# Bad luck while running


def test_a_board_lost_in_mid_run_is_lost_and_what_was_read_is_kept(stub, board):
    stub.set(TRACE="constant:300", LOST_AFTER=5)
    meter = board()
    samples = []
    with pytest.raises(DeviceLost, match="GPU is lost"):
        for _ in range(100):
            samples.append(meter.read(with_counter=len(samples) % 10 == 0))
            stub.now_s.value += 0.1
    summary = reported(meter, samples)
    assert summary.energy.mean_w == pytest.approx(300)
    assert summary.energy.duration_s > 3.9


def test_an_unknown_error_of_power_means_a_lost_board_and_of_the_clock_does_not(stub, board):
    meter = board()
    stub.set(FAIL="nvmlDeviceGetClockInfo=999")
    sample = meter.read(with_counter=True)
    assert (sample.power_w, sample.clock_hz) == (300, None)
    assert says(meter, "gpu:0: clock: 1 of 1 readings failed, the last because Unknown Error")
    stub.set(FAIL="field186=999")
    with pytest.raises(DeviceLost, match="the board is lost: Unknown Error"):
        meter.read(with_counter=False)


@pytest.mark.parametrize("code", [3, 4, 10, 20])
def test_a_failed_reading_of_power_leaves_the_counter_and_is_counted(stub, board, code):
    meter = board()
    stub.set(FAIL=f"field186={code}")
    sample = meter.read(with_counter=True)
    assert (sample.power_w, sample.energy_j) == (None, 300000)
    assert says(meter, "power: 1 of 1 readings failed")
    with pytest.raises(MeterError) as caught:
        meter.read(with_counter=False)
    assert not isinstance(caught.value, DeviceLost)
    stub.set(FAIL="")
    assert meter.read(with_counter=False).power_w == 300


def test_settings_that_change_in_mid_run_are_no_failure_of_power(stub, board):
    meter = board()
    stub.set(FAIL="nvmlDeviceGetUtilizationRates=3")
    assert meter.read(with_counter=True).power_w == 300
    assert says(meter, "utilisation: 1 of 1 readings failed, the last because Not Supported")


# The end


def test_after_its_end_a_meter_asks_nothing(stub, board):
    meter = board()
    meter.close()
    meter.close()
    assert stub.users.value == 0
    calls = stub.calls.value
    with pytest.raises(DeviceLost, match="let go"):
        meter.read(with_counter=True)
    assert stub.calls.value == calls


def test_the_end_of_one_meter_is_not_that_of_another(stub):
    stub.set(COUNT=2)
    (first, second), _ = open_nvml({})
    first.close()
    assert second.read(with_counter=True).power_w == 300
    second.close()
    assert stub.users.value == 0


def test_a_library_that_fails_to_end_is_no_error(stub, board):
    meter = board()
    stub.set(FAIL="nvmlShutdown=999")
    meter.close()
    stub.set(FAIL="")
    stub.library.nvmlShutdown()


def test_a_call_that_hangs_does_not_hang_the_end_and_the_driver_stays_open(
    stub, board, monkeypatch
):
    monkeypatch.setattr("estimator.measure.meters.nvml_binding.PATIENCE_S", 0.01)
    meter = board()
    hang, hangs = (
        ctypes.c_int.in_dll(stub.library, f"fake_nvml_{name}") for name in ("hang", "hangs")
    )
    samples = []
    hang.value = 1
    thread = threading.Thread(target=lambda: samples.append(meter.read(with_counter=False)))
    thread.start()
    while not hangs.value:
        time.sleep(0.001)
    meter.close()
    assert stub.users.value == 1
    hang.value = 0
    thread.join()
    assert [one.power_w for one in samples] == [300]
    meter.close()
    assert stub.users.value == 0


# Who else


@pytest.fixture
def processes(tmp_path):
    """A machine's list of processes: number -> parent and group."""

    def put(listed, space="pid:[4026531836]"):
        own = tmp_path / "proc" / "self" / "ns"
        own.mkdir(parents=True, exist_ok=True)
        (own / "pid").unlink(missing_ok=True)
        (own / "pid").symlink_to(space)
        for number, (parent, group) in listed.items():
            folder = tmp_path / "proc" / str(number)
            folder.mkdir(exist_ok=True)
            (folder / "stat").write_text(f"{number} (a) b) S {parent} {group} 1 0 -1\n")
        return tmp_path

    return put


CHILD, GRANDCHILD, STRANGER, OTHER = 900001, 900002, 900003, 900004


def family():
    """Parent and group of each process; the first is a child of the one that runs the test."""
    ours = {CHILD: (os.getpid(), 7), GRANDCHILD: (CHILD, 7)}
    return {**ours, STRANGER: (1, 8), OTHER: (1, 9), 1: (0, 1)}


def test_our_own_processes_and_their_children_are_not_others(stub, board, processes):
    stub.set(PIDS=f"{os.getpid()}:50,{GRANDCHILD}:40")
    meter = board(root=processes(family()))
    assert meter.read(with_counter=True).others == 0
    assert meter.read(with_counter=False).others is None
    assert meter.notes == ()


def test_processes_of_our_group_are_ours_though_their_parent_is_gone(stub, board, processes):
    stub.set(PIDS=f"{STRANGER}:40")
    meter = board(root=processes({**family(), STRANGER: (1, os.getpgrp())}))
    assert meter.read(with_counter=True).others == 0


def test_one_that_was_ours_remains_ours_when_its_parent_ends(stub, board, processes):
    stub.set(PIDS=f"{GRANDCHILD}:40")
    meter = board(root=processes(family()))
    assert meter.read(with_counter=True).others == 0
    processes({GRANDCHILD: (1, 7)})
    assert meter.read(with_counter=True).others == 0


def test_others_have_the_share_of_time_that_the_driver_tells(stub, board, processes):
    stub.set(PIDS=f"{CHILD}:55,{STRANGER}:20,{OTHER}:10")
    meter = board(root=processes(family()))
    assert meter.read(with_counter=True).others == pytest.approx(0.3)
    stub.now_s.value += 1
    assert meter.read(with_counter=True).others == pytest.approx(0.3)
    assert meter.notes == ("gpu:0: up to 2 processes of others on the board",)


def test_others_that_only_hold_memory_take_no_time(stub, board, processes):
    stub.set(PIDS=f"{CHILD}:90,{STRANGER}:0")
    meter = board(root=processes(family()))
    assert meter.read(with_counter=True).others == 0
    assert says(meter, "up to 1 processes of others")


def test_a_process_that_is_hidden_from_us_is_another_ones(stub, board, processes):
    stub.set(PIDS="123456789:25")
    assert board(root=processes(family())).read(with_counter=True).others == 0.25


def test_where_the_driver_tells_no_shares_they_are_guessed_and_that_is_said(old, board, processes):
    old.set(PIDS=f"{CHILD}:55,{STRANGER}:20")
    meter = board(root=processes(family()))
    assert meter.read(with_counter=True).others == pytest.approx(0.8 / 2)
    assert says(meter, "their share of its time is guessed as equal")


def test_in_a_container_with_numbers_of_its_own_nobody_is_called_another(stub, board, processes):
    stub.set(PIDS=f"{STRANGER}:20")
    meter = board(root=processes(family(), space="pid:[4026532999]"))
    assert meter.read(with_counter=True).others is None
    assert says(meter, "gpu:0: who else computes on the board is not known: this container")


def test_a_driver_that_lists_no_processes_is_said(stub, board, processes):
    stub.set(FAIL="nvmlDeviceGetComputeRunningProcesses_v3=3")
    meter = board(root=processes(family()))
    assert meter.read(with_counter=True).others is None
    assert says(meter, "not known: the driver does not tell")


# The library as the system loads it


def python(libraries, *words, **settings):
    folder = str(libraries["new"].parent)
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, "LD_LIBRARY_PATH": folder, **settings},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def wrapped(libraries, tmp_path, script, **settings):
    """Record of a script that `calibrate run` wraps."""
    words = ["-m", "estimator", "calibrate", "run", "--"]
    job = [sys.executable, "-c", script]
    data = tmp_path / "data"
    done = python(libraries, *words, *job, TWENTY_WATTS_DATA=str(data), **settings)
    assert done.returncode == 0, done.stderr
    (run,) = read_runs(data / "runs.sqlite")[0]
    return as_plain(run)


def of(run, part, component):
    (one,) = [one for one in run[part] if one.get("component", one.get("key")) == component]
    return one


@pytest.mark.skipif(sys.platform != "linux", reason="how Linux finds libraries")
def test_a_wrapped_command_has_its_boards_measured_and_is_marked_as_simulated(libraries, tmp_path):
    run = wrapped(
        libraries,
        tmp_path,
        "import time; time.sleep(3)",
        CUDA_VISIBLE_DEVICES=UUIDS[1],
        FAKE_NVML_COUNT="2",
        FAKE_NVML_TRACE="constant:100,constant:250",
        FAKE_NVML_REASONS="0x4",
    )
    assert [one["key"] for one in run["devices"]] == ["cpu", "gpu:1"]
    device, energy = of(run, "devices", "gpu:1"), of(run, "energy", "gpu:1")
    assert (device["name"], device["uuid"]) == ("NVIDIA H100 80GB HBM3", UUIDS[1])
    assert (device["power_limit_w"], device["default_limit_w"]) == (500, 700)
    assert (energy["meter"], energy["trust"]) == ("nvml counter", "counter")
    assert energy["energy_j"] / energy["duration_s"] == pytest.approx(250, rel=0.001)
    assert energy["check_j"] == pytest.approx(energy["energy_j"], rel=0.01)
    state = of(run, "conditions", "gpu:1")
    assert (state["temperature_c"], state["clock_hz"], state["throttled"]) == (62, 1.755e9, 1)
    assert (state["busy"], state["reasons"]) == (pytest.approx(0.8), ["power limit"])
    assert run["simulated"]
    assert run["host"]["software"]["nvidia-driver"] == "550.54.15"


STEPS = """
import time
from estimator import measure
time.sleep(1.5)
with measure(flop=1e12, precision="bf16", kind="language") as run:
    for _ in range(20):
        time.sleep(0.1)
        run.step()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="how Linux finds libraries")
@pytest.mark.parametrize("by_itself", [False, True])
def test_the_steps_of_a_program_are_those_of_the_board_that_was_busy(
    libraries, tmp_path, by_itself
):
    """The program does not say where it computes: the second board is seen busy."""
    settings = {
        "CUDA_VISIBLE_DEVICES": UUIDS[1],
        "FAKE_NVML_COUNT": "2",
        "FAKE_NVML_TRACE": "constant:100,constant:250",
        "PYTHONPATH": str(ROOT),
    }
    if by_itself:
        data = str(tmp_path / "data")
        done = python(libraries, "-c", STEPS, TWENTY_WATTS_DATA=data, **settings)
        assert done.returncode == 0, done.stderr
        (stored,), _ = read_runs(tmp_path / "data" / "runs.sqlite")
        run = as_plain(stored)
    else:
        run = wrapped(libraries, tmp_path, STEPS, **settings)
    (timing,) = run["timings"]
    assert (timing["component"], timing["devices"]) == ("gpu:1", 1)
    assert 7 <= timing["repetitions"] <= 20  # less the steps before times were stationary
    assert timing["power_w"] == pytest.approx(250, rel=0.01)
    assert timing["trust"] in ("counter", "sampled")


@pytest.mark.skipif(sys.platform != "linux", reason="how Linux finds libraries")
def test_a_command_whose_board_is_lost_ends_well_and_keeps_what_was_read(libraries, tmp_path):
    lost = tmp_path / "lost"
    script = f"import time; time.sleep(1.5); open({str(lost)!r}, 'w').close(); time.sleep(1.5)"
    run = wrapped(libraries, tmp_path, script, FAKE_NVML_LOST_WHEN=str(lost))
    assert (run["state"], run["exit_code"]) == ("finished", 0)
    energy = of(run, "energy", "gpu:0")
    assert energy["energy_j"] / energy["duration_s"] == pytest.approx(300, rel=0.01)
    assert energy["coverage"] < 0.9
    assert "gpu:0: no longer read: the board is lost: GPU is lost" in run["notes"]


@pytest.mark.skipif(sys.platform != "linux", reason="how Linux finds libraries")
def test_a_library_that_is_none_counts_as_no_driver(tmp_path):
    (tmp_path / "libnvidia-ml.so.1").write_text("no library")
    script = (
        "from estimator.measure.meters.nvml import open_nvml\n"
        "try: open_nvml({})\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = python({"new": tmp_path / "libnvidia-ml.so.1"}, "-c", script)
    assert done.stdout.startswith("MeterError no NVIDIA driver here"), done.stderr


def test_a_meter_is_opened_by_its_number_too(stub, tmp_path):
    stub.set(COUNT=2)
    meter = NvmlMeter(1, tmp_path)
    assert meter.device.uuid == UUIDS[1]
    meter.close()
    with pytest.raises(MeterError):
        NvmlMeter(7, tmp_path)
    assert stub.users.value == 0
