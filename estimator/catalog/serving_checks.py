"""Validation of the measured inference rows: device, numbers, unit, source and date."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from estimator.catalog.catalog import Catalog
from estimator.catalog.records import Problem, is_past
from estimator.catalog.table_checks import (
    CellProblems,
    Row,
    device_problems,
    range_problems,
    row_problems,
    within,
)

FILE = "runs/serving_measured.csv"
GRADES = "ABC"

UNITS: Mapping[str, tuple[float, float]] = {
    "token/s": (1e-3, 1e7),
    "Tokens/s": (1e-3, 1e7),
    "token/s/GPU": (1e-3, 1e6),
    "Samples/s": (1e-3, 1e8),
    "Queries/s": (1e-3, 1e8),
    "image/s": (1e-4, 1e6),
    "video/s": (1e-6, 1e4),
    "ms": (1e-3, 1e6),
    "Latency (ms)": (1e-3, 1e6),
    "W": (0.1, 1e6),
    "Watts": (0.1, 1e6),
    "J/token": (1e-4, 1e5),
    "J/image": (1e-2, 1e6),
    "J/video": (1.0, 1e8),
    "J/sample": (1e-6, 1e5),
    "J/query": (1e-3, 1e7),
    "millijoules": (1e-3, 1e7),
    "Wh": (1e-5, 1e4),
    "kWh": (1e-6, 1e4),
}
"""Unit -> range outside which a value is a typing error."""

WITHOUT_PROFILE = (
    "Raspberry Pi CM5 Cluster (10x 16GB) [CPU]",
    "NVIDIA V100/A100 shards of 8-32",
    "GCP c3-highcpu-44 (Sapphire Rapids), 22 threads",
)
"""Devices without a profile: a cluster, a mixture, and a part of a processor."""

RANGES = {"params": (1e6, 1e14), "active_params": (1e6, 1e14)}

POWER, RATE, ENERGY = (
    "mean power, all boards",
    "output throughput, all devices",
    "energy per output token",
)
TOLERANCE = 0.05
"""Tolerance of energy per token times tokens per second over the same run's power [1]."""

CONDITIONS = (
    "model",
    "hardware",
    "devices",
    "precision",
    "framework",
    "batch_or_concurrency",
    "output_tokens",
    "source",
    "date",
)


def serving_problems(catalog: Catalog) -> Iterator[Problem]:
    """Check all built-in rows."""
    yield from measured_row_problems(catalog.table(FILE), catalog)


def measured_row_problems(rows: Iterable[Row], catalog: Catalog) -> Iterator[Problem]:
    """Check every row, and each run's power against its energy and throughput."""
    runs: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
    for line, row in enumerate(rows, start=2):
        unsound = list(_cell_problems(row, catalog))
        yield from row_problems(FILE, line, iter(unsound))
        if unsound or row["metric"] not in (POWER, RATE, ENERGY):
            continue
        run = runs[tuple(row[name] for name in CONDITIONS)]
        run[row["metric"]] = float(row["value"])
        if len(run) == 3 and abs(run[ENERGY] * run[RATE] / run[POWER] - 1.0) > TOLERANCE:
            message = f"{run[ENERGY] * run[RATE]:.4g} W by energy and rate, {run[POWER]:.4g} W read"
            yield Problem(FILE, f"line {line}", message, "read it again")


def _cell_problems(row: Row, catalog: Catalog) -> CellProblems:
    for name in ("model", "hardware", "metric", "source"):
        if not row[name]:
            yield name, "empty", "fill it in"
    if row["hardware"] not in ("", *WITHOUT_PROFILE):
        yield from device_problems(row, "hardware", catalog)
    yield from _number_problems(row)
    if not row["url"].startswith("https://"):
        yield "url", f"no address: {row['url']!r}", "add the URL of the page"
    if not is_past(row["date"].partition(" ")[0]):
        yield "date", f"not a past date: {row['date']!r}", "write it as 2026-01-31, 2026-01 or 2026"
    if row["confidence"][:1] not in GRADES or not row["confidence"]:
        yield (
            "confidence",
            f"no grade: {row['confidence']!r}",
            "start with A, B or C and give the reason",
        )


def _number_problems(row: Row) -> CellProblems:
    """Yield column, message and remedy of the numbers and their unit."""
    if row["unit"] not in UNITS:
        yield "unit", f"unknown unit {row['unit']!r}", "use one that other rows have"
    elif not within(row["value"], *UNITS[row["unit"]]):
        yield "value", f"not within {UNITS[row['unit']]} {row['unit']}: {row['value']!r}", "fix it"
    yield from range_problems(row, RANGES)
