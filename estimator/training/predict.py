"""Expected utilization of runs: features, fitted model and uncertainty."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from estimator.catalog import Catalog, Device
from estimator.core.notice import Notice
from estimator.core.notice_table import NoticeTable
from estimator.core.rows import Floats, Mask, Places, of_each, rows_of
from estimator.core.uncertainty import Number, Uncertain
from estimator.networks.kind_columns import of_each_kind
from estimator.networks.kinds import EXPERTS, SPEECH, NetworkKind
from estimator.question.provenance import SourcedNumber
from estimator.training.features import (
    features_of_rows,
    fitted_model,
    shipped_spreads,
)
from estimator.training.machine import stacked
from estimator.training.mechanism import (
    RunFeatures,
    attention_part,
    busy_time,
    expected_ahead,
    launched,
    launching,
)
from estimator.training.parallelism import TrainingMachine

KNOWN_KINDS = ("gpu-datacenter", "gpu-consumer", "gpu-workstation", "superchip", "tpu")
"""Device types of published runs, with single runs on others."""

FEW_FLOP = 1e17
"""Work below which hardly any run is published [FLOP]."""

FEW_TOKENS = 4096.0
"""Tokens per step and device below which the batch limits the utilization [token]."""

SAID_OF_SCORES = 0.1
"""Attention share above which causal kernels get a notice [1]."""

FEW_RUNS = ("depthwise", "unet", "recurrent", "other", EXPERTS, SPEECH)
"""Network kinds with few published runs."""

MOST_DEVICES = 25_000
"""Approximate device count of the largest published runs [1]."""

SHARED = ("tensor_parallel", "pipeline_parallel", "expert_parallel")
"""Parallel sizes, all one on a single device."""


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Runs to predict, as arrays.

    Parameters
    ----------
    numbers : mapping of str to array
        Columns as in `features_of_rows`; accelerator_count is NaN if only assumed, causal if not
        given.
    kinds : sequence of NetworkKind
        Network kind of each run.
    machine : TrainingMachine
        Device figures that determine the utilization.
    flop, devices : array
        Work [FLOP] and number of devices [1].
    value_bytes : float or array
        Bytes per value in memory [B].
    steady : float or array
        Flag: predict a steady-state rate, without start-up and overheads.
    launches : float or array
        Launch time of the steps over the typical one [1].
    """

    numbers: Mapping[str, Floats]
    kinds: Sequence[NetworkKind]
    machine: TrainingMachine
    flop: Floats
    devices: Number
    value_bytes: Number
    steady: Number = 0.0
    launches: Number = 1.0


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """Predicted utilization with its uncertainty.

    Parameters
    ----------
    own : Uncertain
        Utilization of the runs [1].
    ahead : Uncertain
        The same with the host always ahead of the device [1].
    lone : Uncertain
        Utilization of steady steps on one device, which waits for neither other devices nor the
        host [1].
    launch_s : array
        Time for the host to launch the operations of a step [s].
    features : RunFeatures
    """

    own: Uncertain
    ahead: Uncertain
    lone: Uncertain
    launch_s: Floats
    features: RunFeatures


def predicted_utilization(runs: Runs, catalog: Catalog) -> Predicted:
    """Return the utilization expected by the fitted model."""
    model = fitted_model(catalog)
    features = features_of_rows(
        runs.numbers,
        runs.kinds,
        flop=runs.flop,
        value_bytes=runs.value_bytes,
        spreads=shipped_spreads(catalog),
        rare_device=runs.machine.rare,
    )
    shared = {name: _and_alone(getattr(features.layout, name), runs.flop.shape) for name in SHARED}
    both = replace(
        features,
        steady=_and_alone(runs.steady, runs.flop.shape),
        layout=replace(features.layout, **shared),
    )
    expected = expected_ahead(
        model,
        both,
        runs.machine,
        flop=runs.flop,
        devices=_and_alone(runs.devices, runs.flop.shape),
        busy=busy_time(model, features, runs.machine),
    )
    ahead, lone = (rows_of(expected, place) for place in range(2))
    late = launching(
        model,
        replace(features, launch_s=features.launch_s * runs.launches),
        runs.machine,
        flop=runs.flop,
        devices=runs.devices,
        log_ahead=np.log(ahead.mid),
    )
    return Predicted(
        own=launched(ahead, late),
        ahead=ahead,
        lone=lone,
        launch_s=of_each(late.step_s, runs.flop.shape),
        features=features,
    )


def _and_alone(values: Number, shape: tuple[int, ...]) -> Floats:
    """Return the values of each run, then of the same runs on one device in steady state."""
    both = np.ones((2, *shape))
    both[0] = values
    return both


def alone(features: RunFeatures) -> RunFeatures:
    """Return the features of the same networks in steady state on one device."""
    return replace(
        features, steady=1.0, layout=replace(features.layout, **dict.fromkeys(SHARED, 1.0))
    )


def machines_of(several: Sequence[TrainingMachine], at: Places) -> TrainingMachine:
    """Look up the machine of each run by index."""
    if len(several) == 1:
        return several[0]
    each: TrainingMachine = rows_of(stacked(several), at)
    return each


def say_thin_evidence(
    notices: NoticeTable,
    rows: Places,
    runs: Runs,
    features: RunFeatures,
    asked: Mask,
) -> None:
    """Add notices where published runs are sparse or a batch was assumed.

    Parameters
    ----------
    notices : NoticeTable
        Notices of the whole table.
    rows : array of int
        Row of each run.
    runs, features
        The runs and their features.
    asked : array of bool
        Runs that use the prediction.
    """

    def mark(which: Mask, code: str, field: str, **values: Any) -> None:
        if which.any():
            mask = np.zeros(notices.count, dtype=np.bool_)
            mask[rows[which & asked]] = True
            notices.where(mask, Notice(code, field, values))

    devices = of_each(runs.devices, rows.shape)
    mark(devices > MOST_DEVICES, "beyond_published_devices", "devices", most=float(MOST_DEVICES))
    mark(runs.flop < FEW_FLOP, "little_work", "", flop=FEW_FLOP)
    groups = of_each_kind(runs.kinds, lambda kind: kind.spread_group)
    for group in FEW_RUNS:
        mark(groups == group, "few_runs_of_kind", "kind", group=group)
    skipped = of_each((1.0 - features.scores) * attention_part(features), rows.shape)
    assumed = np.isnan(runs.numbers["causal"]) & asked & (skipped >= SAID_OF_SCORES)
    notices.of_rows(
        rows[assumed],
        lambda share: Notice("causal_assumed", "attention_mask", {"share": share}),
        np.round(skipped[assumed], 2),
    )
    batch = of_each(features.layout.batch_tokens, rows.shape)
    small = np.isnan(runs.numbers["batch_tokens"]) & (batch < FEW_TOKENS * devices) & asked
    small &= of_each(np.asarray(runs.steady) == 0, rows.shape)
    if small.any():
        small &= of_each_kind(runs.kinds, lambda kind: kind.transformer)
        notices.of_rows(
            rows[small],
            lambda tokens: Notice("small_batch_assumed", "batch_tokens", {"tokens": tokens}),
            batch[small],
        )


def device_notices(device: Device) -> tuple[Notice, ...]:
    """Return notices on missing data of a device with predicted utilization."""
    found = []
    if device.kind not in KNOWN_KINDS:
        found.append(Notice("kind_of_device_unpublished", "hardware", {"kind": device.kind}))
    if "memory_bytes_per_s" not in device.records:
        found.append(Notice("bandwidth_unknown", "hardware", {"device": device.name}))
    return tuple(found)


def predicted_input(expected: Uncertain, group: str, catalog: Catalog) -> SourcedNumber:
    """Return the predicted utilization of one run, with its provenance."""
    low, high = expected.interval()
    return SourcedNumber(
        value=float(expected.mid),
        unit="1",
        basis="derived",
        source=catalog.prior("utilization.fitted.matrix_slowdown").source,
        low=float(low),
        high=float(min(high, 1.0)),
        note=f"model fitted to published runs, for a {group}; `validate` shows its errors",
    )
