"""Published runs as arrays, parsed as `batch` does, for fits and validation."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from estimator.answer.named_device import NamedDevice, find_device
from estimator.catalog import Catalog
from estimator.core.rows import Floats, Mask, Texts, rows_of
from estimator.core.units import S_PER_H
from estimator.question.columns import STAGED, staged
from estimator.question.hardware import value_bytes
from estimator.question.workload_columns import training_flop
from estimator.training.features import (
    features_of_rows,
    fitted_model,
    kinds_of_rows,
    shipped_spreads,
    software_of_rows,
    spread_groups,
)
from estimator.training.machine import stacked
from estimator.training.mechanism import expected_utilization, thin_places, thinness
from estimator.validation.throughput import steady_rows
from estimator.validation.utilization_fit import PublishedArrays

NUMBERS = (
    *("train_flops_reported", "flops_per_sample_forward", "samples_processed", "params_total"),
    *("params_active", "tokens_processed", "layers", "hidden", "vocab", "seq_len", "year"),
    *("accelerator_count", "accelerator_hours"),
)

BATCH = "batch_per_step"
"""Column of sequences, samples or images per step."""
"""Columns that hold what fit and prediction need."""

USABLE_TIERS = ("A", "B")
"""Tiers of runs with trustworthy time and hardware."""

MOST_OF_PEAK = 0.8
"""Utilization above which a run must be mislabelled [1]."""

BENCHMARK = re.compile(r"MLPerf (?:HPC )?v[\d.]+ (?:HPC )?(\w+)")
"""Name prefix of a benchmark submission."""

SINGLE_PAPERS = "individual_paper"
"""Source group of runs without a common software stack."""


@dataclass(frozen=True, kw_only=True)
class PublishedRuns:
    """Usable published runs, with their groups.

    Parameters
    ----------
    runs : PublishedArrays
        Runs for the fit.
    tables : PublishedArrays
        Throughput table rows for the fit, never scored.
    rows : sequence of dict
        Rows of the table.
    own_variance : array
        Variance due to omitted inputs, excluding the variance of similar runs [1].
    stacks : array of str
        Software collection, benchmark across submitters, or model line of each run.
    groups, devices : array of str
        Kind of network and device of each run.
    like : array of str
        Group of networks with the same uncertainty; vendor code is separate.
    left_out : dict
        Reason -> number of unusable rows.
    """

    runs: PublishedArrays
    tables: PublishedArrays
    rows: Sequence[dict[str, str]]
    own_variance: Floats
    stacks: Texts
    groups: Texts
    devices: Texts
    like: Texts
    left_out: dict[str, int]


def usable_runs(catalog: Catalog) -> PublishedRuns:
    """Return runs with reported time and hardware, and FLOPs independent of the time."""
    left_out: Counter[str] = Counter()
    rows: list[dict[str, str]] = []
    devices: list[NamedDevice] = []
    for row in catalog.published_runs():
        reason = _unusable(row)
        if not reason:
            try:
                devices.append(find_device(row["accelerator"], row["precision"], catalog))
            except ValueError:
                reason = "device or precision not on record"
        if reason:
            left_out[reason] += 1
        else:
            rows.append(row)
    return _as_arrays(rows, devices, left_out, catalog)


def _unusable(row: dict[str, str]) -> str:
    if row["validation_tier"] not in USABLE_TIERS:
        return "tier C, D or X: time or hardware not trusted"
    if row["flops_independent_of_time"] == "no":
        return "circular: its FLOPs were derived from its time"
    if row["flops_independent_of_time"] != "yes":
        return "unknown whether its FLOPs were derived from its time"
    if not row["accelerator_hours"]:
        return "no device time"
    return ""


def _as_arrays(
    rows: Sequence[dict[str, str]],
    devices: Sequence[NamedDevice],
    left_out: Counter[str],
    catalog: Catalog,
) -> PublishedRuns:
    """Return the rows with known work as arrays; count the others as excluded."""
    spreads = shipped_spreads(catalog)
    numbers = _numbers(rows)
    kinds = kinds_of_rows(*([row[name] for row in rows] for name in ("domain", "arch", "name")))
    flop = training_flop(numbers, kinds)
    machine = stacked([one.machine for one in devices])
    ideal_h = flop / machine.peak_flop_per_s / S_PER_H
    known = _plausible(ideal_h, numbers["accelerator_hours"], left_out)
    features = features_of_rows(
        numbers,
        kinds,
        flop=flop,
        value_bytes=np.array([value_bytes(one.precision) for one in devices]),
        spreads=spreads,
        rare_device=machine.rare,
    )
    count = numbers["accelerator_count"]
    every = PublishedArrays(
        flop=flop,
        devices=np.where(np.isnan(count), 1.0, count),
        device_hours=numbers["accelerator_hours"],
        machine=machine,
        features=features,
        family=np.array([row["family"] for row in rows]),
        stack=np.array([stack_of(row) for row in rows]),
    )
    runs: PublishedArrays = rows_of(every, known)
    expected = expected_utilization(
        fitted_model(catalog), features, machine, flop=flop, devices=every.devices
    )
    like = spread_groups(kinds, numbers["software"])
    of_like = np.array([spreads.groups[group] for group in like.tolist()])
    of_like *= thinness(thin_places(flop, features, machine.rare), spreads.growth)
    return PublishedRuns(
        runs=runs,
        own_variance=(expected.log_sd**2 - of_like**2)[known],
        tables=steady_rows(catalog, spreads),
        rows=[row for row, has in zip(rows, known, strict=True) if has],
        stacks=runs.stack,
        groups=np.array([kind.spread_group for kind in kinds])[known],
        devices=np.array([one.device.id for one in devices])[known],
        like=like[known],
        left_out=dict(left_out),
    )


def _numbers(rows: Sequence[dict[str, str]]) -> dict[str, Floats]:
    """Return the numbers of the rows, NaN in empty cells."""
    words = ([row[name] for row in rows] for name in ("software", "framework", "name"))
    return {
        **{name: _column(rows, name) for name in NUMBERS},
        "batch": _column(rows, BATCH),
        "software": software_of_rows(*words),
    }


def _plausible(ideal_h: Floats, reported_h: Floats, left_out: Counter[str]) -> Mask:
    """Return the plausible rows with known work; count the others as excluded."""
    known = ~np.isnan(ideal_h)
    left_out["no FLOPs, and no data to derive them from"] += int(np.sum(~known))
    impossible = known & (ideal_h > MOST_OF_PEAK * reported_h)
    left_out[f"more than {MOST_OF_PEAK:g} of the peak: a wrong label"] += int(np.sum(impossible))
    return known & ~impossible


def stack_of(row: Mapping[str, str]) -> str:
    """Return a run's benchmark, software collection or model line.

    >>> stack_of({"name": "MLPerf v4.0 bert HPE 8x H100", "source_group": "mlperf"})
    'mlperf bert'
    """
    benchmark = BENCHMARK.match(row["name"])
    if benchmark:
        return f"mlperf {benchmark[1]}"
    collection = row["source_group"]
    return row["family"] if collection in ("", SINGLE_PAPERS) else collection


def _column(rows: Sequence[dict[str, str]], name: str) -> Floats:
    """Return a numeric column, NaN if empty or invalid, with the middle of stages."""
    read = staged if name in (*STAGED, BATCH) else str
    return np.array([row_number({name: read(row[name])}, name) for row in rows])


def row_number(row: dict[str, str], name: str, default: float = float("nan")) -> float:
    """Parse one cell as a number, with a default if empty or invalid."""
    try:
        return float(row[name])
    except ValueError:
        return default
