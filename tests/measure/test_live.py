"""Readings for those who look: shared, kept a while, and honest about what is not known."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from estimator.measure.live import FAILURES_IN_A_ROW, KEPT_S, LiveMeters, courses
from estimator.measure.meters.open import open_meters
from estimator.runs.meter import DeviceLost, Meter, MeterError, Sample
from tests.measured_runs import H100, measured


class Recorded(Meter):
    """A meter that plays a recording; an error in it is raised."""

    component, device, simulated = "gpu:0", H100, False

    def __init__(self, recording, name="nvml power", trust="sampled"):
        self.name, self.trust = name, trust
        self.recording, self.reads, self.closed = list(recording), 0, False

    def read(self, *, with_counter):
        assert with_counter
        self.reads += 1
        reported = self.recording.pop(0)
        if isinstance(reported, Exception):
            raise reported
        return reported

    def close(self):
        self.closed = True


@pytest.fixture
def clock(monkeypatch):
    """A clock that moves when told to."""
    now = [1000.0]
    reported = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr("estimator.measure.live.time", reported)
    return now


def looks(watch, clock, count, step_s=1.0):
    for _ in range(count):
        found = watch.look()
        clock[0] += step_s
    return found


def test_power_energy_and_state_are_reported(clock):
    samples = [
        Sample(
            time_s=1000.0 + at,
            power_w=300.0,
            energy_j=5e6 + 300.0 * at,
            busy=0.9,
            temperature_c=60.0,
        )
        for at in range(11)
    ]
    (one,) = looks(LiveMeters([Recorded(samples)]), clock, 11)
    assert one.name == "NVIDIA H100 80GB HBM3"
    assert one.power_w[-1] == 300.0
    assert one.energy_kwh == pytest.approx(3000.0 / 3.6e6)
    assert (one.span_s, one.ago_s[0], one.ago_s[-1]) == (10.0, 10.0, 0.0)
    assert (one.meter, one.trust) == ("nvml counter", "counter")
    assert (one.busy, one.temperature_c) == (0.9, 60.0)


def test_a_counter_alone_tells_power_between_its_readings(clock):
    samples = [Sample(time_s=1000.0 + at, energy_j=50.0 * at**2) for at in range(4)]
    (one,) = looks(LiveMeters([Recorded(samples, "rapl", "counter")]), clock, 4)
    assert one.power_w == (50.0, 150.0, 250.0)
    assert one.ago_s == (2.0, 1.0, 0.0)


def test_one_reading_is_no_energy(clock):
    (one,) = looks(LiveMeters([Recorded([Sample(time_s=1000.0, power_w=300.0)])]), clock, 1)
    assert one.power_w == (300.0,)
    assert one.energy_kwh is None


def test_many_who_look_at_once_read_once(clock):
    meter = Recorded([Sample(time_s=1000.0, power_w=300.0)])
    watch = LiveMeters([meter])
    with ThreadPoolExecutor(8) as people:
        found = list(people.map(lambda _: watch.look(), range(40)))
    assert meter.reads == 1
    assert all(one == found[0] for one in found)


def test_old_readings_are_dropped(clock):
    samples = [Sample(time_s=1000.0 + 100 * at, power_w=300.0) for at in range(20)]
    (one,) = looks(LiveMeters([Recorded(samples)]), clock, 20, step_s=100.0)
    assert one.ago_s[0] == KEPT_S


def test_a_lost_board_is_said_and_no_longer_read(clock):
    meter = Recorded([Sample(time_s=1000.0, power_w=300.0), DeviceLost("fell off the bus")])
    watch = LiveMeters([meter])
    assert looks(watch, clock, 3) == ()
    assert watch.notes == ("gpu:0: no longer read: fell off the bus",)
    assert meter.closed and meter.reads == 2


def test_a_meter_that_fails_now_and_then_is_kept_and_one_that_always_fails_is_not(clock):
    failing = [MeterError("busy"), Sample(time_s=1001.0, power_w=300.0)]
    now_and_then = LiveMeters([Recorded(failing * FAILURES_IN_A_ROW)])
    assert looks(now_and_then, clock, 2 * FAILURES_IN_A_ROW)
    always = LiveMeters([Recorded([MeterError("busy")] * FAILURES_IN_A_ROW)])
    looks(always, clock, FAILURES_IN_A_ROW + 3)
    assert always.notes == ("gpu:0: no longer read: busy",)


def test_closing_lets_the_meters_go():
    meter = Recorded([])
    watch = LiveMeters([meter], ["cpu: no counters"])
    watch.close()
    watch.close()
    assert meter.closed
    assert watch.look() == ()


def test_a_run_s_samples_of_a_modelled_meter_stay_modelled():
    run = measured("a", state="running")
    samples = {"cpu": [Sample(time_s=float(at), energy_j=8.0 * at) for at in range(5)], "dram": []}
    (one,) = courses(run, samples, {"cpu": ("codecarbon", "modelled")})
    assert (one.trust, one.meter, one.name) == ("modelled", "codecarbon", "")
    assert one.energy_kwh == pytest.approx(32.0 / 3.6e6)


def test_a_meter_of_which_nothing_is_reported_is_named_by_nobody():
    samples = {"gpu:7": [Sample(time_s=0.0, power_w=1.0), Sample(time_s=1.0, power_w=1.0)]}
    (one,) = courses(measured("a", state="running"), samples, {})
    assert (one.trust, one.meter) == (None, "")


def test_nothing_is_modelled_where_that_is_not_asked_for(tmp_path):
    meters, notes = open_meters(root=tmp_path, environment={}, modelled=False)
    assert [one for one in meters if one.trust == "modelled"] == []
    assert any("RAPL" in note for note in notes)
    for meter in meters:
        meter.close()
