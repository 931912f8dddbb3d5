"""What do the measured runs say of the power of a device: evidence from counters and samples."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from estimator.calibration import Circumstances, Evidence, Shares
from estimator.calibration_lookup import (
    UNKNOWN_SIZE,
    Lesson,
    Measured,
    common_noise,
    disturbance_of,
    keys_of,
    network_group,
    text_array,
)
from estimator.catalog import Device
from estimator.measure.record import MeasuredRun, Timing
from estimator.uncertainty import Uncertain

BUSY_ENOUGH = 0.5
"""A device that ran something for less of the time does not tell its power at work [1]."""

UNKNOWN_WORK_SD = 0.15
"""Doubt of the power of a run whose work is not known, its device being seen busy [1]."""

COVERED = 0.8
"""Readings that cover less of a run do not tell its mean power [1]."""


@dataclass(frozen=True, kw_only=True)
class PowerLesson:
    """One measurement of the power of a device at work.

    Parameters
    ----------
    run : MeasuredRun
    timing : Timing
        What it worked on.
    power_w : float
        Mean power of the device alone [W].
    expected_w : Uncertain
        What the prior expected at the utilization reached [W].
    noise_sd : float
        Doubt of not knowing that utilization, standard deviation of the logarithm [1].
    """

    run: MeasuredRun
    timing: Timing
    power_w: float
    expected_w: Uncertain
    noise_sd: float = 0.0


def power_lessons(
    measured: Measured,
    device: Device,
    found: Sequence[Lesson],
    expected_w: Callable[[float | None], Uncertain | None],
) -> list[PowerLesson]:
    """What measured runs say of the power of a device: by a counter or by samples, never modelled.

    Parameters
    ----------
    measured : Measured
    device : Device
    found : sequence of Lesson
        On its utilization.
    expected_w : callable
        What the prior expects where the device is busy for such a share of the time, None where
        that is not known [W]; None where it expects nothing.
    """
    told: list[PowerLesson] = []
    for one in found:
        lesson = _lesson(one.run, one.timing, expected_w(one.reached / float(one.expected.mid)))
        told += [] if lesson is None else [lesson]
    explained = {one.run.id for one in found}
    for run in measured.runs:
        if run.simulated or run.id in explained:
            continue
        for timing in _unexplained(run, device):
            lesson = _lesson(run, timing, expected_w(None))
            told += [] if lesson is None else [replace(lesson, noise_sd=UNKNOWN_WORK_SD)]
    return told


def _lesson(run: MeasuredRun, timing: Timing, expected: Uncertain | None) -> PowerLesson | None:
    power_w = measured_power_w(run, timing)
    if power_w is None or expected is None or not expected.loadings:
        return None
    return PowerLesson(run=run, timing=timing, power_w=power_w, expected_w=expected)


def _unexplained(run: MeasuredRun, device: Device) -> Iterator[Timing]:
    """A run on a device of which nobody said what it did: its power alone tells something."""
    busy = {one.component: one.busy for one in run.conditions}
    for key in sorted(keys_of(run, device)):
        if (busy.get(key) or 0.0) >= BUSY_ENOUGH and not run.timings:
            yield Timing(what="training", component=key, time_s=run.wall_s, repetitions=1)


def measured_power_w(run: MeasuredRun, timing: Timing) -> float | None:
    """Mean power of the device of a timing, while it ran or over the run [W]; None if unknown."""
    if timing.power_w is not None:
        return None if timing.trust == "modelled" else timing.power_w
    for one in run.energy:
        measured = one.trust != "modelled" and one.coverage >= COVERED
        if one.component == timing.component and measured:
            return one.mean_w
    return None


def power_evidence_of(found: Sequence[PowerLesson], device: Device, shares: Shares) -> Evidence:
    """Lessons on the power as arrays for the fit."""
    prior_sd = np.array([float(one.expected_w.log_sd) for one in found], dtype=float)
    places = [(one.run, one.timing, disturbance_of(one.run, one.timing)[0]) for one in found]
    unexplained = np.array([one.noise_sd for one in found], dtype=float)
    return Evidence(
        where=Circumstances(
            device=text_array(device.id for _ in found),
            host=text_array(one.run.host.id for one in found),
            precision=text_array(one.timing.precision or "" for one in found),
            kind=text_array(network_group(one.timing.kind, one.timing.arch) for one in found),
            size=np.full(len(found), UNKNOWN_SIZE),
        ),
        log_ratio=np.array(
            [np.log(one.power_w / one.expected_w.mid) for one in found], dtype=float
        ),
        prior_sd=prior_sd,
        noise_sd=np.hypot(unexplained, common_noise(places, prior_sd, shares)),
        shares=shares,
    )
