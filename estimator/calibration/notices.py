"""Provenance and notices about the measured runs behind an answer."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import numpy as np

from estimator.calibration.correction import MOST_MEASURED, Known
from estimator.calibration.gaussian_process import Evidence
from estimator.calibration.measured_power import PowerObservation
from estimator.calibration.measured_utilization import (
    CalibrationObservation,
    conditions_on,
    run_counts,
)
from estimator.catalog import Device
from estimator.core.notice import Notice
from estimator.core.rows import median_of
from estimator.core.uncertainty import Uncertain
from estimator.core.units import format_range, in_percent
from estimator.question.provenance import SourcedNumber
from estimator.runs.observations import program_key
from estimator.training.predict import KNOWN_KINDS

CALIBRATED = "calibrated"
"""Basis of a number corrected by measured runs."""

MOST_REASONS = 3
"""Most reasons listed when several runs count less."""

NUMBER = re.compile(r"\d+(?:\.\d+)?%?")
"""Number in a reason, ignored when reasons are compared."""

WORTH_SAYING = 0.05
"""Least relative narrowing of an interval that is worth a notice [1]."""


def utilization_input(
    found: Sequence[CalibrationObservation], before: Uncertain, now: Uncertain
) -> SourcedNumber:
    """Return the calibrated utilization of one run, with its provenance."""
    runs, timings = run_counts(found)
    words = f"{timings} timing{'s' * (timings > 1)} of {runs} measured run{'s' * (runs > 1)}"
    left = in_percent(float(now.log_sd) / float(before.log_sd))
    return SourcedNumber(
        **_of_runs(found, now, most=1.0),
        unit="1",
        source=found[0].run if runs == 1 else f"{runs} measured runs",
        note=f"{words}; expected before: {float(before.mid):.3g}; interval now {left} as wide",
    )


def power_input(
    found: Sequence[PowerObservation], before: Uncertain, now: Uncertain, *, left: float
) -> SourcedNumber:
    """Return the calibrated device power of one run, with its provenance."""
    runs = sorted({one.run for one in found})
    return SourcedNumber(
        **_of_runs(found, now),
        unit="W",
        source=runs[0] if len(runs) == 1 else f"{len(runs)} measured runs",
        note=f"mean power of the device alone; expected before: {float(before.mid):.4g} W; "
        f"interval now {in_percent(left)} as wide",
    )


def _of_runs(
    found: Sequence[CalibrationObservation],
    now: Uncertain,
    *,
    most: float = math.inf,
) -> dict[str, Any]:
    """Return the fields shared by calibrated inputs, none above `most`."""
    low, high = now.interval()
    return {
        "value": float(now.mid),
        "basis": CALIBRATED,
        "low": float(low),
        "high": min(float(high), most),
        "date": max(one.started[:10] for one in found),
    }


def calibration_notices(known: Known, device: Device) -> tuple[Notice, ...]:
    """Return notices on the runs behind an answer, and those that count less."""
    found, evidence = known.of(device)
    ours = [one for one in found if one.host == known.measured.host]
    others = [one for one in found if one.host != known.measured.host]
    return (
        *_resting_on(ours, device, "on this machine"),
        *_resting_on(others, device, "on another machine"),
        *less_counted(found, evidence),
    )


def _resting_on(
    found: Sequence[CalibrationObservation], device: Device, where: str
) -> tuple[Notice, ...]:
    """Return the notice on number and age of the runs.

    On accelerators it includes their rate relative to published runs. Predictions for processors
    do not start from those but from `StepLaw`.
    """
    if not found:
        return ()
    values = {
        "count": float(run_counts(found)[0]),
        "where": where,
        "age": age_in_words(max(one.started for one in found)),
    }
    if device.kind not in KNOWN_KINDS:
        return (Notice("calibrated_processor", "calibration", values),)
    times = median_of(one.reached / float(one.expected.mid) for one in found)
    return (Notice("calibrated", "calibration", values | {"times": times}),)


def age_in_words(started: str) -> str:
    """Describe the age of an ISO 8601 time in days.

    >>> age_in_words(datetime.now(UTC).isoformat())
    'today'
    """
    days = (datetime.now(UTC).date() - datetime.fromisoformat(started).date()).days
    return "today" if days < 1 else f"{days} day{'s' * (days > 1)} old"


def less_counted(found: Sequence[CalibrationObservation], evidence: Evidence) -> tuple[Notice, ...]:
    """Return the notice on disturbed runs and outliers."""
    reasons: dict[str, dict[str, None]] = {}
    for one, weight in zip(found, evidence.weights.tolist(), strict=True):
        far_off = () if weight == 1.0 else (f"far off all the others, weight {in_percent(weight)}",)
        if one.reasons or far_off:
            reasons.setdefault(one.run, {}).update(dict.fromkeys((*one.reasons, *far_off)))
    if len(reasons) == 1:
        ((run, why),) = reasons.items()
        return (Notice("run_counts_less", "", {"run": run, "reasons": tuple(why)}),)
    if not reasons:
        return ()
    sorts: dict[str, list[str]] = {}
    for reason in chain.from_iterable(reasons.values()):
        sorts.setdefault(NUMBER.sub("", reason), []).append(reason)
    common = tuple(map(_in_one, sorted(sorts.values(), key=len, reverse=True)[:MOST_REASONS]))
    values = {"count": float(len(reasons)), "reasons": common}
    return (Notice("runs_count_less", "", values),)


def _in_one(alike: Sequence[str]) -> str:
    """Return reasons that differ in their numbers as one, with the range of each number.

    >>> _in_one(["throttled 5% of the time", "throttled 40% of the time"])
    'throttled 5 to 40% of the time (2 runs)'
    """
    columns = zip(*map(NUMBER.findall, alike), strict=True)
    ordered = (sorted(column, key=lambda one: float(one.rstrip("%"))) for column in columns)
    ranges = iter([format_range(some[0], some[-1]) for some in ordered])
    text = NUMBER.sub(lambda _: next(ranges), alike[0])
    return f"{text} ({len(alike)} run{'s' * (len(alike) > 1)})"


def size_notices(known: Known, device: Device, precision: str, group: str) -> tuple[Notice, ...]:
    """Return the notice on how much a step size would narrow the interval."""
    evidence = known.of(device)[1]
    if not len(evidence.log_ratio):
        return ()
    where = conditions_on(
        device, [precision] * 2, [group] * 2, [np.nan] * 2, host=known.measured.host
    )
    where = replace(where, size=np.array([np.nan, evidence.sizes.usual_size(where)[1]]))
    sd = np.full(2, median_of(evidence.prior_sd.tolist()))
    left = evidence.posterior(where, sd).log_sd
    narrower = float(1.0 - left[1] / left[0])
    return () if narrower < WORTH_SAYING else (step_size_unspecified(narrower),)


def step_size_unspecified(narrower: float) -> Notice:
    """Return the notice that a step size would narrow the interval by a share."""
    return Notice("step_size_unspecified", "step_flop", {"narrower": narrower})


def program_notice(known: Known, device: Device, program: str) -> Notice:
    """Return the notice that a program was measured only on other devices."""
    away = known.elsewhere(device)
    others = [] if away is None else away.devices_of(program_key(None, program))
    if not others:
        values = {"program": program, "device": device.name}
        return Notice("program_not_measured", "program", values)
    values = {"program": program, "device": device.name, "others": ", ".join(others)}
    return Notice("program_elsewhere", "program", values)


def above_peak(device: Device, reached: float) -> Notice:
    """Return the notice that measured runs exceed the peak."""
    values = {"share": reached, "device": device.name, "most": MOST_MEASURED}
    return Notice("measured_above_peak", "hardware", values)
