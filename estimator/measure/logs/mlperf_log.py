"""Result log of an MLPerf training benchmark: its :::MLLOG lines.

The run is timed from run_start to run_stop. Hardware and work are required as options, as the log
has no reliable field for them (submission_platform is free text).
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from estimator.core.units import YEAR_3000_S
from estimator.measure.logs.log_file import LogFile, number, positive
from estimator.measure.logs.logged_run import LoggedRun

LINE = re.compile(r":::MLLOG (\{.*\})")
"""Log line, possibly after the rank that wrote it."""

SAME_RUN_S = 60.0
"""Largest difference between the starts of one run's ranks [s]."""

Event = Mapping[str, Any]


def is_mlperf(log: LogFile) -> bool:
    """Return whether a text has MLPerf log lines."""
    return ":::MLLOG {" in log.text


def read_mlperf(log: LogFile) -> list[LoggedRun]:
    """Read the only run of a result log."""
    events = _events(log)
    start_ms = _moment(log, events, "run_start", min)
    stop_ms = _moment(log, events, "run_stop", max)
    values = {str(one.get("key")): one.get("value") for one in events}
    ends = [one for one in events if one.get("key") == "run_stop"]
    status = next((str(_inner(one).get("status"))[:40] for one in ends), "")
    benchmark = " ".join(str(values.get("submission_benchmark") or "").split())[:60]
    length = positive(values.get("max_sequence_length"))
    steps, samples = _most(ends, "step_num"), _most(events, "samples_count")
    batch = positive(values.get("global_batch_size"))
    if samples is None and steps is not None and batch is not None:
        samples = steps * batch
    notes = ["the log has no energy"]
    if status != "success":
        notes.append(f"the run ended with status {status!r}: what it timed counts all the same")
    platform = " ".join(str(values.get("submission_platform") or "").split())[:80]
    return [
        LoggedRun(
            identity=("mlperf", str(start_ms), str(stop_ms), benchmark, platform),
            wall_s=(stop_ms - start_ms) / 1e3,
            started=datetime.fromtimestamp(start_ms / 1e3, UTC),
            label=f"MLPerf {benchmark}" if benchmark else None,
            samples=samples,
            tokens=samples * length if samples and length else None,
            all_steps=steps or (samples / batch if samples and batch else None),
            notes=tuple(notes),
        )
    ]


def _events(log: LogFile) -> list[Event]:
    """Readable lines."""
    found: list[Event] = []
    for line in LINE.finditer(log.text):
        try:
            event = json.loads(line[1])
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict):
            found.append(event)
    return found


def _moment(log: LogFile, events: Sequence[Event], key: str, which: Any) -> float:
    """Time of an event [ms since 1970], the first or last of several ranks."""
    times = [number(one.get("time_ms")) for one in events if one.get("key") == key]
    known = [one for one in times if one is not None and 0 < one < YEAR_3000_S * 1e3]
    if not known:
        raise log.refused(f"no line {key}: is the log complete?")
    if max(known) - min(known) > SAME_RUN_S * 1e3:
        raise log.refused(f"several lines {key} at different times: import one run at a time")
    return float(which(known))


def _inner(event: Event) -> Mapping[str, Any]:
    inner = event.get("metadata")
    return inner if isinstance(inner, Mapping) else {}


def _most(events: Iterable[Event], key: str) -> float | None:
    """Highest count of an event."""
    counts = (positive(_inner(one).get(key)) for one in events)
    return max((one for one in counts if one is not None), default=None)
