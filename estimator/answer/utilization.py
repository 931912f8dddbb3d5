"""Expected utilization of a group's rows, before and after calibration."""

from dataclasses import dataclass

import numpy as np

from estimator.answer.named_device import NamedDevice
from estimator.answer.notices import (
    say_of_devices,
    say_of_heavy_counts,
    say_of_launches,
    say_of_measured,
    say_of_unused_counts,
    say_of_waiting,
)
from estimator.answer.questions import Questions
from estimator.calibration.correction import Corrected, Rows, calibrated_utilization, launches_of
from estimator.calibration.measured_utilization import assumed_step_flop, large_step_flop
from estimator.core.hardware import REFERENCE_UTILIZATION
from estimator.core.rows import Floats, Places, few, one_of, squeezed
from estimator.core.uncertainty import Number, Uncertain
from estimator.question.hardware import value_bytes
from estimator.question.scenario import SHARING, column_of
from estimator.training.mechanism import MOST_EXPECTED, within_bound
from estimator.training.predict import (
    Runs,
    machines_of,
    predicted_utilization,
    say_thin_evidence,
)

FEATURES = ("width", "seq_len", "layers", "params", "active_params")
OF_STEP = ("batch", "step_flop")
LAYOUT = ("recomputation", *SHARING, "virtual_stages")


@dataclass(frozen=True, kw_only=True)
class Expected:
    """Utilization of a group before and after calibration, and of a single device [1].

    Parameters
    ----------
    prior : Uncertain
        Expectation from published runs.
    corrected : Corrected
        Expectation after calibration.
    full : float or array
        Utilization of steady steps on one device that waits for no other.
    """

    prior: Uncertain
    corrected: Corrected
    full: Number


@dataclass(frozen=True, kw_only=True)
class Devices:
    """Distinct devices of a group, the device of each row, and what calibrates them."""

    named: list[NamedDevice]
    at: Places
    rows: Rows


def devices_of(asked: Questions, rows: Places) -> Devices:
    """Return a group's devices as inputs for calibration."""
    which, at = few(asked.named_at[rows])
    named = [asked.named[one] for one in which.tolist()]
    return Devices(
        named=named,
        at=at,
        rows=Rows(
            devices=[one.device for one in named],
            precisions=[one.precision for one in named],
            at=at,
            kinds=asked.work.kinds.take(rows),
            step_flop=_step_flop(asked, rows, named, at),
            flop=asked.flop[rows] / asked.devices[rows],
            params=asked.work.numbers["params"][rows],
            programs=asked.table.word("program").take(rows),
            operations=asked.table.number("step_operations")[rows] / asked.step_flop[rows],
            traffic=asked.table.number("step_traffic")[rows] / asked.step_flop[rows],
        ),
    )


def _step_flop(asked: Questions, rows: Places, named: list[NamedDevice], at: Places) -> Floats:
    """Return the FLOPs per step on each device [FLOP]."""
    large = np.array([large_step_flop(one.device, one.precision) for one in named])
    return assumed_step_flop(
        asked.step_flop[rows], asked.flop[rows], asked.devices[rows], large[at]
    )


def expected_of(asked: Questions, rows: Places, devices: Devices) -> Expected:
    """Return the expected utilization of rows, whether or not it is given."""
    fixed, lone, launches = devices.named[0].fixed, REFERENCE_UTILIZATION, None
    asks = ~asked.timed[rows] & np.isnan(asked.given_utilization[rows])
    if fixed is not None:
        prior = fixed.value
    else:
        runs = _runs(asked, rows, devices)
        found = predicted_utilization(runs, asked.catalog)
        prior, lone, launches = found.own, found.lone, launches_of(found)
        say_thin_evidence(asked.notices, rows, runs, found.features, asks)
        say_of_devices(asked, rows[asks])
    most = MOST_EXPECTED if fixed is None else 1.0
    before = within_bound(prior, most)
    if asked.ignore[rows[0]]:
        nothing = np.zeros(rows.shape, dtype=np.bool_)
        corrected = Corrected(
            utilization=before,
            measured=nothing,
            reached=np.zeros(rows.shape),
            by_counts=nothing,
        )
    else:
        measured = asked.known
        corrected = calibrated_utilization(prior, devices.rows, measured, launches, most=most)
        if fixed is None and corrected.measured.any():
            lone = calibrated_utilization(lone, devices.rows, measured).utilization
        say_of_measured(asked, rows, corrected, asks)
    say_of_unused_counts(asked, rows, corrected, asks)
    say_of_heavy_counts(asked, rows, devices.rows, corrected)
    if fixed is None:
        say_of_launches(asked, rows, found, asks & ~corrected.measured)
        say_of_waiting(asked, rows, found, asks)
    return Expected(prior=before, corrected=corrected, full=lone.mid)


def _runs(asked: Questions, rows: Places, devices: Devices) -> Runs:
    """Return the rows as inputs of the utilization model."""
    table = asked.table
    numbers = {column_of(name): asked.work.numbers[name][rows] for name in FEATURES}
    numbers |= {name: table.numbers[name][rows] for name in LAYOUT if name in table.numbers}
    counted = np.where(asked.devices_known, asked.devices, np.nan)
    numbers |= {
        "year": asked.software_year[rows],
        "causal": asked.causal[rows],
        "accelerator_count": counted[rows],
        "batch_tokens": asked.batch_tokens[rows],
    }
    numbers |= {column_of(name): asked.work.numbers[name][rows] for name in ("samples", "tokens")}
    numbers |= {name: table.numbers[name][rows] for name in OF_STEP if name in table.numbers}
    numbers["software"] = asked.software[rows]
    sizes = np.array([value_bytes(one.precision) for one in devices.named])
    return Runs(
        numbers=numbers,
        kinds=asked.work.kinds.take(rows),
        machine=machines_of([one.machine for one in devices.named], devices.at),
        flop=asked.flop[rows],
        devices=asked.devices[rows],
        value_bytes=sizes[devices.at],
        steady=asked.steady[rows].astype(np.float64) if asked.steady.any() else 0.0,
    )


def utilization_of(asked: Questions, rows: Places, expected: Expected | None) -> Uncertain | None:
    """Return the utilization, given or expected; None if the run is timed."""
    first = int(rows[0])
    if not np.isnan(asked.given_utilization[first]):
        return Uncertain(squeezed(asked.given_utilization[rows]))
    if expected is None or asked.timed[first]:
        return None
    found = expected.corrected.utilization
    return found if rows.size > 1 else one_of(found, 0)
