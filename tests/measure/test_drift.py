"""The drift of a machine's pace: the closed form against drawn flicker noise."""

import math

import numpy as np
import pytest

from estimator.core.uncertainty import student_quantile
from estimator.measure.drift import (
    BLOCK,
    EQUAL,
    MOST_LEARNED,
    MOST_OWN,
    NOTHING_LEARNED,
    STRENGTH_DOF,
    STRENGTH_SD,
    between,
    learned,
    strength,
)
from estimator.measure.host_id import drift_here
from estimator.measure.session import forecast
from estimator.runs import open_store
from tests.measured_runs import measured
from tests.measured_runs import steps as steps_of_program


def flicker(random, count, steps, sd):
    """Draw some series of flicker noise of a strength, from its spectrum.

    A circle of many more steps is drawn, so that its closing is far away: power sd^2 / f at each
    frequency in both directions is the autocovariance -2 sd^2 ln t up to a constant, so half of it
    here.
    """
    length = 16 * steps
    frequency = np.fft.rfftfreq(length)[1:]
    size = np.sqrt(0.5 * sd**2 / frequency * length)
    spectrum = np.zeros((count, length // 2 + 1), dtype=np.complex64)
    parts = spectrum.view(np.float32).reshape(count, -1, 2)[:, 1:]
    parts[:] = random.standard_normal(parts.shape, dtype=np.float32)
    spectrum[:, 1:] *= (size / math.sqrt(2.0)).astype(np.float32)
    return np.fft.irfft(spectrum, length)[:, :steps].astype(float)


@pytest.mark.parametrize("seen, ahead", [(64, 64), (64, 960), (512, 128)])
def test_windows_of_flicker_noise_differ_as_the_closed_form_says(seen, ahead):
    noise = flicker(np.random.default_rng(1), 4000, seen + ahead, 1.0)
    apart = noise[:, :seen].mean(axis=1) - noise[:, seen:].mean(axis=1)
    assert np.var(apart) == pytest.approx(between(seen, ahead), rel=0.08)


@pytest.mark.parametrize("sd", [0.01, 0.03, 0.08])
def test_the_strength_of_a_long_run_is_found(sd):
    noise = flicker(np.random.default_rng(2), 200, 64 * BLOCK, sd)
    found = [strength(np.exp(series)).value for series in noise]
    expected = (STRENGTH_DOF * STRENGTH_SD**2 + MOST_OWN * sd**2) / (STRENGTH_DOF + MOST_OWN)
    assert np.mean(found) == pytest.approx(expected, rel=0.1)


def test_few_steps_say_nothing_of_the_drift():
    found = strength([0.1, 0.4] * 10)
    assert found.value == pytest.approx(STRENGTH_SD**2)
    assert found.differences == STRENGTH_DOF


def width(steps_seen, steps):
    """Width of the forecast of a run over what is ahead, as a logarithm."""
    found = forecast([0.1] * steps_seen, steps)
    return math.log((found.high_s - found.seen_s) / (found.low_s - found.seen_s))


def test_longer_ahead_is_less_sure_and_longer_seen_is_surer():
    assert width(20, 36_000) > width(20, 600)
    assert width(200, 36_000) < width(20, 36_000)


@pytest.mark.parametrize("steps", [80, 2000])
def test_four_of_five_runs_that_drift_end_in_their_interval(steps):
    """On machines that differ in their drift as assumed; of 800 runs at 80%: 1.4 points."""
    random = np.random.default_rng(3)
    sds = STRENGTH_SD * np.sqrt(STRENGTH_DOF / random.chisquare(STRENGTH_DOF, 800))
    runs = np.exp(flicker(random, 800, steps, 1.0) * sds[:, None]) * 0.5
    runs *= np.exp(0.02 * random.standard_normal(runs.shape))
    inside = 0
    for times in runs:
        found = forecast(times[:20].tolist(), steps)
        inside += found.low_s <= times.sum() <= found.high_s
    assert 0.76 < inside / len(runs) < 0.86


def test_a_machine_whose_stored_runs_differ_much_is_less_sure_and_one_that_keeps_pace_surer():
    usual = strength([0.1] * 20).value
    calm, jumpy = (learned([(1.0, factor)] * 99) for factor in (1.001, 1.5))
    assert calm.differences == jumpy.differences == MOST_LEARNED
    assert (
        strength([0.1] * 20, calm).value < usual / 3 < 3 * usual < strength([0.1] * 20, jumpy).value
    )
    near, far = (forecast([0.1] * 20, 600, one) for one in (calm, jumpy))
    assert near.high_s - near.low_s < 0.3 * (far.high_s - far.low_s)


def test_a_machine_that_others_use_is_less_sure_of_its_pace():
    """By a quarter of the logarithm of what they slow it, whatever else is unknown."""
    alone, beside = (forecast([0.1] * 20, 600, slowdown=factor) for factor in (1.0, 4.0))
    sds = [
        math.log((one.high_s - one.seen_s) / (one.mid_s - one.seen_s)) for one in (alone, beside)
    ]
    student = student_quantile(0.9, STRENGTH_DOF)
    assert sds[1] ** 2 - sds[0] ** 2 == pytest.approx((student * 0.25 * math.log(4.0)) ** 2)


@pytest.mark.parametrize(
    ("flop", "other"),
    [
        (99e12, {"flop": 198e12}),
        (None, {"time_s": 3.0}),
        (None, {"time_s": 1.5, "tokens": 4096.0}),
    ],
)
def test_stored_runs_of_a_program_teach_the_drift_of_the_machine(
    flop, other, tmp_path, monkeypatch
):
    """Steps with other FLOPs do not, nor, if FLOPs are unknown, with another time or batch."""
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path))
    assert drift_here() == NOTHING_LEARNED
    changes = [{"time_s": 1.0}, {"time_s": 1.2}, {"time_s": 1.2, **other}]
    with open_store() as store:
        for number, changed in enumerate(changes):
            step = steps_of_program(0.5, **{"flop": flop, "style": "mine.py", **changed})
            started = f"2026-11-18T1{number}:00:00Z"
            store.add(measured(f"run {number}", step, origin="run", started=started))
    found = drift_here()
    assert found.differences == 1.0
    assert found.value == pytest.approx(np.log(1.2) ** 2 / EQUAL)
