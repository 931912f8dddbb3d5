"""Hourly carbon intensity from a user's grid profile."""

import csv
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import numpy as np

from estimator.core.bounds import LIMITS
from estimator.core.rows import Floats
from estimator.system.whole_files import read_bounded

INTENSITIES = {"co2e_kg_per_kwh": 1.0, "co2e_g_per_kwh": 1e-3}
"""Column -> factor to kgCO2e/kWh."""

TIMES = ("time", "hour")
FEWEST, MOST = 24, 8784
"""Hours of a profile, from a day to a leap year [h]."""

LARGEST_BYTES = 4_000_000
"""Largest accepted file [B]."""


def check_start(start_h: float, hourly: Floats) -> None:
    """Refuse a start outside the profile's hours."""
    if not 0 <= start_h < len(hourly):
        raise ValueError(
            f"start must be an hour of the profile, 0 to {len(hourly) - 1}, got {start_h:g}"
        )


def read_profile(path: str) -> Floats:
    """Read hourly carbon intensities from a CSV file [kgCO2e/kWh]; see `profile_of`."""
    try:
        text = read_bounded(Path(path), LARGEST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no CSV file in UTF-8") from None
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    return profile_of(path, text.splitlines(keepends=True))


def profile_of(path: str, text: Iterable[str]) -> Floats:
    """Parse hourly carbon intensities from the lines of a CSV file [kgCO2e/kWh].

    Columns: `co2e_kg_per_kwh` or `co2e_g_per_kwh`, and `time` (ISO 8601) or `hour` (0, 1, 2 ...);
    24 to 8,784 hourly rows.

    Raises
    ------
    ValueError
        With file, line and the expected content.
    """
    lines = _lines(path, text)
    header = [name.strip() for name in lines[0][1]] if lines else []
    amounts = [name for name in header if name in INTENSITIES]
    times = [name for name in header if name in TIMES]
    if len(amounts) != 1 or len(times) != 1:
        wanted = f"one of {', '.join(INTENSITIES)} and one of {', '.join(TIMES)}"
        raise ValueError(f"{path}: the columns must be {wanted}")
    rows = lines[1:]
    if not FEWEST <= len(rows) <= MOST:
        found = f"more than {MOST}" if len(rows) > MOST else str(len(rows))
        raise ValueError(f"{path}: {FEWEST} to {MOST} rows an hour apart are needed, got {found}")
    for line, cells in rows:
        if len(cells) != len(header):
            raise ValueError(f"{path}: line {line} has {len(cells)} cells, not {len(header)}")
    _check_hours(path, times[0], [(line, row[header.index(times[0])]) for line, row in rows])
    place = header.index(amounts[0])
    factor = INTENSITIES[amounts[0]]
    return np.array([factor * _intensity(path, line, row[place], factor) for line, row in rows])


def _lines(path: str, text: Iterable[str]) -> Sequence[tuple[int, list[str]]]:
    """Yield the non-blank rows with their numbers, at most one more than allowed."""
    try:
        reader = csv.reader(text, strict=True)
        filled = ((reader.line_num, cells) for cells in reader if any(map(str.strip, cells)))
        return list(islice(filled, MOST + 2))
    except (csv.Error, UnicodeDecodeError):
        raise ValueError(f"{path} is no CSV file in UTF-8") from None


def _intensity(path: str, line: int, cell: str, factor: float) -> float:
    """Parse one cell within the limits, in the unit of the file."""
    least, most, _ = LIMITS["co2e_kg_per_kwh"]
    try:
        value = float(cell)
    except ValueError:
        raise ValueError(f"{path}: line {line} is not a number: {cell[:40]!r}") from None
    if not least <= value * factor <= most:
        raise ValueError(
            f"{path}: line {line} must be between {least / factor:g} and {most / factor:g}, "
            f"got {cell.strip()[:40]}"
        )
    return value


def _check_hours(path: str, column: str, cells: Sequence[tuple[int, str]]) -> None:
    """Refuse rows that are not an hour apart."""
    known = [_hour(path, column, line, cell) for line, cell in cells]
    steps = zip(known, known[1:], cells[1:], strict=False)
    for before, after, (line, cell) in steps:
        if (before.tzinfo is None) != (after.tzinfo is None):
            raise ValueError(f"{path}: line {line}: times with and without a zone: {cell[:40]!r}")
        if after - before != timedelta(hours=1):
            raise ValueError(f"{path}: line {line} is not an hour after the one before it")


def _hour(path: str, column: str, line: int, cell: str) -> datetime:
    """Parse the time of a row; hour numbers count from a fixed day."""
    try:
        if column == "time":
            return datetime.fromisoformat(cell.strip())
        return datetime(2024, 1, 1) + timedelta(hours=int(cell))
    except (ValueError, OverflowError):
        wanted = "a time like 2024-01-31T13:00" if column == "time" else "a whole hour"
        raise ValueError(f"{path}: line {line} must be {wanted}, got {cell[:40]!r}") from None
