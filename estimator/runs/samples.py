"""Samples in the store: all during a run, afterwards enough for a chart."""

import sqlite3
import time
from collections.abc import Iterable
from dataclasses import fields
from math import isfinite
from typing import Any

from estimator.runs.meter import Sample

KEPT = 20_000
"""Samples kept of a finished run."""

KEPT_EVERY_S = 1.0
"""Least interval of kept samples, by component [s]."""

FIELDS = tuple(item.name for item in fields(Sample))
"""Columns, named as the fields of a sample."""

QUERY = f"""
    SELECT component, {", ".join(FIELDS)}
    FROM sample JOIN run ON run = key WHERE id = ? ORDER BY component, time_s
"""

THIN = """
    DELETE FROM sample WHERE run = :run AND rowid NOT IN (
        SELECT rowid FROM (
            SELECT
                rowid,
                row_number() OVER (
                    PARTITION BY component, CAST(time_s / :step_s AS INTEGER)
                    ORDER BY energy_j IS NULL, time_s
                ) AS place,
                row_number() OVER (PARTITION BY component ORDER BY time_s) AS first,
                row_number() OVER (PARTITION BY component ORDER BY time_s DESC) AS last
            FROM sample WHERE run = :run
        ) WHERE 1 IN (place, first, last)
    )
"""
"""Keep one sample per step and component, preferably with a counter, and both ends."""


def write(
    database: sqlite3.Connection, run_id: str, readings: Iterable[tuple[str, Sample]]
) -> None:
    """Add samples to a run within a transaction; those of a deleted run are dropped."""
    key = _key(database, run_id)
    if key is None:
        return
    marks = ", ".join("?" * len(FIELDS))
    database.executemany(
        f"INSERT INTO sample (run, component, {', '.join(FIELDS)}) VALUES (?, ?, {marks})",
        [(key, component, *_columns(sample).values()) for component, sample in readings],
    )
    database.execute("UPDATE run SET heard_s = ? WHERE key = ?", (time.time(), key))


def read(rows: Iterable[Any]) -> dict[str, list[Sample]]:
    """Build the samples by component from the rows of `QUERY`."""
    found: dict[str, list[Sample]] = {}
    for component, *values in rows:
        read = dict(zip(FIELDS, values, strict=True))
        words = read.pop("throttled_by") or ""
        for name, value in read.items():
            if value is not None and not (isinstance(value, float) and isfinite(value)):
                raise ValueError(f"{name} must be a finite number, got {value!r:.40}")
        if not isinstance(words, str):
            raise ValueError(f"throttled_by must be text, got {words!r:.40}")
        throttled_by = tuple(filter(None, words.split("\n")))
        found.setdefault(component, []).append(Sample(**read, throttled_by=throttled_by))
    return found


def thin(database: sqlite3.Connection, run_id: str) -> None:
    """Keep few enough samples of a run, evenly, and the first and last of each component."""
    key = _key(database, run_id)
    spans = database.execute(
        "SELECT max(time_s) - min(time_s) FROM sample WHERE run = ? GROUP BY component", (key,)
    ).fetchall()
    step_s = max(KEPT_EVERY_S, sum(float(span) for (span,) in spans) / KEPT)
    database.execute(THIN, {"run": key, "step_s": step_s})


def _key(database: sqlite3.Connection, run_id: str) -> int | None:
    found = database.execute("SELECT key FROM run WHERE id = ?", (run_id,)).fetchone()
    return None if found is None else int(found[0])


def _columns(sample: Sample) -> dict[str, Any]:
    """Return the columns of a sample; words are joined by line breaks."""
    return {**vars(sample), "throttled_by": "\n".join(sample.throttled_by) or None}
