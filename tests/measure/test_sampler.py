"""The thread that reads meters: prompt, uneven, cheap, and not to be stopped by a meter."""

import itertools
import threading
import time

import pytest

from estimator.measure import sampler as sampler_module
from estimator.measure.sampler import (
    FAILURES_IN_A_ROW,
    FREE_S,
    MOST_OF_A_CORE,
    Sampler,
)
from estimator.runs.energy import summarise
from estimator.runs.meter import DeviceLost, Meter, MeterError, Sample

BUSY = MeterError("busy")


class SteadyMeter(Meter):
    """A recorded trace of constant power, with a counter."""

    name, trust, device, simulated = "steady power", "sampled", None, True

    def __init__(self, component="gpu:0", power_w=200.0, fails_at=(), error=BUSY):
        self.component = component
        self.power_w = power_w
        self.fails_at = fails_at
        self.error = error
        self.reads = []
        self.read_often = threading.Event()

    def read(self, *, with_counter):
        count = len(self.reads)
        self.reads.append(with_counter)
        if count >= 20:
            self.read_often.set()
        if count in self.fails_at:
            raise self.error
        now_s = time.monotonic()
        energy_j = self.power_w * now_s if with_counter else None
        return Sample(time_s=now_s, power_w=self.power_w, energy_j=energy_j)


class HangingMeter(SteadyMeter):
    """Answers once, and then no more until it is let go."""

    def __init__(self):
        super().__init__("gpu:1")
        self.hangs = threading.Event()
        self.let_go = threading.Event()

    def read(self, *, with_counter):
        if self.reads:
            self.hangs.set()
            self.let_go.wait(60)
        return super().read(with_counter=with_counter)


def sampled(meters, until, **more):
    sampler = Sampler(meters, rate_hz=more.pop("rate_hz", 500.0), **more)
    sampler.start()
    assert until.wait(60)
    return sampler, sampler.stop()


def test_the_samples_of_each_component_come_in_order_and_integrate_to_the_energy():
    meters = [SteadyMeter("gpu:0", 200.0), SteadyMeter("cpu", 50.0)]
    sampler, samples = sampled(meters, meters[1].read_often)
    assert set(samples) == {"gpu:0", "cpu"}
    assert sampler.notes == ()
    for component, power_w in [("gpu:0", 200), ("cpu", 50)]:
        times = [one.time_s for one in samples[component]]
        assert times == sorted(times)
        energy = summarise(
            component, "steady", "sampled", samples[component], duration_s=times[-1] - times[0]
        ).energy
        assert energy.mean_w == pytest.approx(power_w)


def test_the_counter_is_read_at_both_ends_and_rarely_between():
    meter = SteadyMeter()
    sampled([meter], meter.read_often, counter_every_s=3600.0)
    assert meter.reads[0]
    assert meter.reads[-1]
    assert sum(meter.reads) == 2


def test_the_counter_is_read_again_when_it_is_due():
    meter = SteadyMeter()
    sampled([meter], meter.read_often, counter_every_s=0.0)
    assert all(meter.reads)


def test_a_counter_that_is_all_there_is_can_be_read_in_every_round():
    packages, board = SteadyMeter("cpu"), SteadyMeter("gpu:0")
    sampled([packages, board], board.read_often, counter_every_s=3600.0, often={"cpu"})
    assert all(packages.reads)
    assert sum(board.reads) == 2


def test_a_run_too_short_for_the_rate_still_has_both_ends():
    meter = SteadyMeter()
    sampler = Sampler([meter], rate_hz=0.001)
    sampler.start()
    samples = sampler.stop()["gpu:0"]
    assert meter.reads == [True, True]
    assert samples[-1].energy_j > samples[0].energy_j


def test_stopping_does_not_wait_for_the_next_round():
    meter = SteadyMeter()
    sampler = Sampler([meter], rate_hz=0.001)
    sampler.start()
    sampler.stop()
    assert not [one for one in threading.enumerate() if one.name == "sampler"]


def test_the_waits_are_uneven():
    meter = SteadyMeter()
    _, samples = sampled([meter], meter.read_often, rate_hz=100.0)
    times = [one.time_s for one in samples["gpu:0"]]
    waits = [after - before for before, after in itertools.pairwise(times)][:-1]
    assert max(waits) > 1.05 * min(waits)
    assert min(waits) >= 0.74 / 100


class RareMeter(SteadyMeter):
    """Tells its counter when that is asked for, and nothing else."""

    def read(self, *, with_counter):
        sample = super().read(with_counter=with_counter)
        return Sample(time_s=sample.time_s, energy_j=sample.energy_j)


def test_a_reading_that_tells_nothing_is_not_kept():
    meter = RareMeter()
    _, samples = sampled([meter], meter.read_often, counter_every_s=3600.0)
    assert [one.energy_j is not None for one in samples["gpu:0"]] == [True, True]


def test_a_reading_that_fails_now_and_then_is_counted_and_the_meter_kept():
    meter = SteadyMeter(fails_at={3, 5})
    sampler, samples = sampled([meter], meter.read_often)
    assert len(samples["gpu:0"]) == len(meter.reads) - 2
    assert sampler.notes == ("gpu:0: 2 readings failed, the last because busy",)


def test_a_meter_that_keeps_failing_is_dropped_and_the_others_go_on():
    bad, good = SteadyMeter("gpu:0", fails_at=range(1000)), SteadyMeter("cpu")
    sampler, samples = sampled([bad, good], good.read_often)
    assert samples["gpu:0"] == []
    assert len(samples["cpu"]) > 20
    assert len(bad.reads) == FAILURES_IN_A_ROW
    assert sampler.notes == ("gpu:0: no longer read: busy",)


@pytest.mark.parametrize("error", [DeviceLost("fell off the bus")])
def test_a_lost_device_is_dropped_at_once_and_what_it_told_is_kept(error):
    lost, good = SteadyMeter("gpu:0", fails_at=range(4, 1000), error=error), SteadyMeter("cpu")
    sampler, samples = sampled([lost, good], good.read_often)
    assert len(samples["gpu:0"]) == 4
    assert len(lost.reads) == 5
    assert sampler.notes == ("gpu:0: no longer read: fell off the bus",)


def test_a_file_that_cannot_be_read_is_a_failure_like_any_other():
    meter = SteadyMeter(fails_at={1}, error=OSError("Input/output error"))
    sampler, _ = sampled([meter], meter.read_often)
    assert sampler.notes == ("gpu:0: 1 readings failed, the last because Input/output error",)


def test_a_meter_that_hangs_does_not_hold_up_the_end(monkeypatch):
    monkeypatch.setattr("estimator.measure.sampler.PATIENCE_S", 0.05)
    meter = HangingMeter()
    sampler, samples = sampled([meter], meter.hangs)
    assert len(samples["gpu:1"]) == 1
    assert sampler.notes == ("gpu:1: the meter does not respond and was abandoned",)
    meter.let_go.set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_a_meter_that_nobody_foresaw_is_said_at_the_end():
    meter = SteadyMeter(fails_at={3}, error=TypeError("unforeseen"))
    sampler = Sampler([meter], rate_hz=500.0)
    sampler.start()
    sampler._thread.join(60)
    assert len(sampler.stop()["gpu:0"]) == 3
    assert sampler.notes == ("sampling stopped early: readings are missing",)


def test_what_is_read_is_handed_over_as_it_comes_and_nothing_is_missing():
    handed = []
    meters = [SteadyMeter("gpu:0"), SteadyMeter("cpu")]
    _, samples = sampled(
        meters, meters[1].read_often, counter_every_s=0.01, on_samples=handed.append
    )
    assert len(handed) > 1
    for component, found in samples.items():
        assert [one for batch in handed for key, one in batch if key == component] == found


def test_a_full_disk_does_not_stop_the_sampling_and_is_said_once():
    calls = []

    def refuse(batch):
        calls.append(batch)
        raise OSError(28, "No space left on device")

    meter = SteadyMeter()
    sampler, samples = sampled([meter], meter.read_often, counter_every_s=0.0, on_samples=refuse)
    assert len(calls) > 2
    assert len(samples["gpu:0"]) == len(meter.reads)
    assert sampler.notes == (
        "readings could not be saved as they came: [Errno 28] No space left on device",
    )


class TalkingMeter(SteadyMeter):
    """Has something to say of its readings."""

    notes = ("gpu:0: the whole board",)


def test_what_a_meter_says_of_its_readings_is_among_the_notes():
    meter = TalkingMeter(fails_at={2})
    sampler, _ = sampled([meter], meter.read_often)
    assert sampler.notes == (
        "gpu:0: 1 readings failed, the last because busy",
        "gpu:0: the whole board",
    )


def test_what_was_read_so_far_can_be_seen_while_it_goes_on():
    meter = SteadyMeter()
    sampler = Sampler([meter], rate_hz=500.0)
    sampler.start()
    assert meter.read_often.wait(60)
    so_far = sampler.so_far()["gpu:0"]
    assert len(so_far) >= 20
    assert sampler.stop()["gpu:0"][: len(so_far)] == so_far


def test_the_longer_a_run_the_lower_the_rate_but_never_below_one_a_second():
    sampler = Sampler([], rate_hz=10.0)
    now_s = time.monotonic()
    assert sampler._wait_s(now_s) == 0.1
    assert sampler._wait_s(now_s - 3600) == pytest.approx(0.6, rel=0.01)
    assert sampler._wait_s(now_s - 36000) == 1.0
    assert Sampler([], rate_hz=0.1)._wait_s(now_s - 36000) == 10


def test_the_processor_time_of_the_thread_is_known_and_only_its_own():
    meter = SteadyMeter()
    sampler, _ = sampled([meter], meter.read_often)
    assert 0 < sampler.cpu_s <= time.process_time()


def test_a_sampler_that_never_started_has_no_samples():
    assert Sampler([SteadyMeter()]).stop() == {"gpu:0": []}


def test_stopping_twice_gives_the_same():
    meter = SteadyMeter()
    sampler, samples = sampled([meter], meter.read_often)
    assert sampler.stop() == samples


def test_two_meters_of_one_component_are_refused():
    with pytest.raises(ValueError, match="one meter per component, got cpu, cpu"):
        Sampler([SteadyMeter("cpu"), SteadyMeter("cpu")])


def test_a_rate_must_be_positive():
    with pytest.raises(ValueError, match="rate_hz must be positive, got 0"):
        Sampler([], rate_hz=0)


def test_beside_a_job_dear_readings_are_made_less_often():
    now_s, spent_s = time.monotonic(), 1.0
    free = Sampler([], rate_hz=10.0)
    bound = Sampler([], rate_hz=10.0, most_of_a_core=MOST_OF_A_CORE)
    opened_s = time.thread_time()
    assert bound._wait_s(now_s, opened_s) == 0.1
    assert free._wait_s(now_s, opened_s - spent_s) == 0.1
    assert bound._wait_s(now_s, opened_s - spent_s) == 1.0
    long_s = (spent_s - FREE_S) / MOST_OF_A_CORE
    assert bound._wait_s(now_s - long_s - 5.0, opened_s - spent_s) < 0.5


class CountingMeter(SteadyMeter):
    """Tells its counter and nothing else, at a cost to another process."""

    only_counts = dear = True


def test_meters_that_only_count_are_read_when_that_is_due_only():
    meter = CountingMeter("cpu")
    sampler = Sampler([meter], rate_hz=500.0, counter_every_s=0.06)
    assert sampler._wait_s(time.monotonic()) == pytest.approx(0.08)
    both = Sampler([meter, SteadyMeter()], rate_hz=500.0, counter_every_s=0.06)
    assert both._wait_s(time.monotonic()) == 0.002
    often = Sampler([meter], rate_hz=500.0, counter_every_s=0.06, often=["cpu"])
    assert often._wait_s(time.monotonic()) == 0.002
    _, samples = sampled([meter], meter.read_often, counter_every_s=0.002)
    assert all(meter.reads)
    assert len(samples["cpu"]) == len(meter.reads)


def test_dear_answers_are_left_out_between_but_not_at_the_ends(monkeypatch):
    monkeypatch.setattr(sampler_module, "DEAR_EVERY_S", 3600.0)
    dear, steady = CountingMeter("cpu"), SteadyMeter()
    sampled([dear, steady], steady.read_often, counter_every_s=0.0, most_of_a_core=1.0)
    assert (dear.reads[0], dear.reads[-1], sum(dear.reads)) == (True, True, 2)
    assert all(steady.reads)
