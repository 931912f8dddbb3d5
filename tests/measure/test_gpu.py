"""A live board of NVIDIA: its sensors and driver behave as the meters take for granted.

These are the only tests of real readings, and they are skipped where there is no board.
"""

import importlib
import os
import time
from itertools import pairwise

import pytest

from estimator.catalog import Catalog
from estimator.measure.meters.nvml import NvmlMeter, open_nvml
from estimator.measure.sampler import FREE_S, MOST_OF_A_CORE, Sampler
from estimator.runs.energy import summarise
from estimator.runs.meter import DeviceLost, MeterError

pytestmark = pytest.mark.gpu

WINDOW_S = 6.0


@pytest.fixture
def meter():
    """The first visible board, closed after the test."""
    try:
        meters, notes = open_nvml(os.environ)
    except MeterError as error:
        pytest.skip(f"needs a live board: {error}")
    if not meters:
        pytest.skip(f"needs a live board: {'; '.join(notes)}")
    if any(one.simulated for one in meters):
        pytest.skip("needs a live board, and this one is a stub")
    yield meters[0]
    for one in meters:
        one.close()


@pytest.fixture
def load(meter):
    """Something that keeps the board busy for some seconds."""
    torch = pytest.importorskip("torch", reason="needs PyTorch to load the board")
    if not torch.cuda.is_available():
        pytest.skip("needs a PyTorch that sees the board")
    found = importlib.import_module("estimator.measure.bench.torch_engine").boards([meter.device])
    place = found.get(meter.component, "cuda:0")
    one = torch.randn(8192, 8192, device=place, dtype=torch.float16)

    def run(seconds):
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            for _ in range(20):
                one @ one
            torch.cuda.synchronize(place)

    run(1.0)
    return run


def sampled(meter, during, **more):
    sampler = Sampler([meter], **more)
    begin_s = time.monotonic()
    sampler.start()
    during(WINDOW_S)
    samples = sampler.stop()[meter.component]
    assert not [note for note in sampler.notes if "readings failed" in note]
    duration_s = time.monotonic() - begin_s
    summary = summarise(
        meter.component,
        meter.name,
        meter.trust,
        samples,
        duration_s=duration_s,
        limit_w=meter.device.power_limit_w,
    )
    return summary, samples, sampler.cpu_s / duration_s


def test_the_board_is_on_record_under_the_name_its_driver_gives(meter):
    assert Catalog.open().find_device(meter.device.name) is not None, meter.device.name


def test_limits_memory_and_driver_are_plausible(meter):
    device = meter.device
    assert 50 <= device.power_limit_w <= 1.5 * device.default_limit_w
    assert 1e9 < device.memory_bytes < 1e12
    assert meter.software["nvidia-driver"][0].isdigit()


def test_a_reading_is_within_what_a_board_can_do(meter):
    sample = meter.read(with_counter=True)
    assert 1 < sample.power_w < 1.5 * meter.device.power_limit_w
    assert 5 < sample.temperature_c < 110
    assert 1e8 < sample.clock_hz < 5e9
    assert 0 <= sample.busy <= 1
    assert sample.energy_j > 0


def test_the_counter_never_falls_and_grows(meter):
    counts = []
    for _ in range(10):
        counts.append(meter.read(with_counter=True).energy_j)
        time.sleep(0.3)
    assert all(after >= before for before, after in pairwise(counts))
    assert counts[-1] > counts[0]


def test_integral_and_counter_agree_while_idle(meter):
    summary, _, _ = sampled(meter, time.sleep)
    assert summary.energy.check_j == pytest.approx(summary.energy.energy_j, rel=0.1)


def test_integral_and_counter_agree_under_load(meter, load):
    summary, _, _ = sampled(meter, load)
    assert summary.energy.trust == "counter"
    assert summary.energy.check_j == pytest.approx(summary.energy.energy_j, rel=0.1)
    assert summary.energy.coverage > 0.95


def test_idle_draws_less_than_load_and_load_is_seen(meter, load):
    busy, samples, _ = sampled(meter, load)
    time.sleep(3)
    idle, _, _ = sampled(meter, time.sleep)
    assert idle.energy.mean_w < 0.7 * busy.energy.mean_w
    assert max(one.busy for one in samples if one.busy is not None) > 0.9
    assert busy.condition.peak_temperature_c >= idle.condition.temperature_c - 5


def test_our_own_load_is_not_called_another_ones(meter, load):
    summary, samples, _ = sampled(meter, load)
    shares = [one.others for one in samples if one.others is not None]
    if not shares:
        pytest.skip("; ".join(meter.notes))
    assert summary.condition.others < 0.05


def test_sampling_keeps_to_its_share_of_a_core(meter, load):
    _, samples, share = sampled(meter, load, most_of_a_core=MOST_OF_A_CORE)
    assert len(samples) > 8 * WINDOW_S
    assert share * WINDOW_S < FREE_S + 0.005 * WINDOW_S


def test_after_its_end_a_meter_is_silent(meter):
    own = NvmlMeter(int(meter.component.removeprefix("gpu:")))
    own.close()
    with pytest.raises(DeviceLost):
        own.read(with_counter=True)
    assert meter.read(with_counter=False).power_w > 0
