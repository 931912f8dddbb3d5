"""Runs as JSON documents, with derived columns that are faster to read."""

import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from estimator.runs.observations import TimingRow, timing_rows
from estimator.runs.record import MeasuredRun, as_plain, read_run
from estimator.runs.record_bounds import check_values

FORMAT = 1
"""Version of the document layout, 1 by default."""

SERVED = '"served":[{'
"""Text in the document of every run that measured a server."""

RUN, DEVICE, WHOLE_RUN = "", "device", "run"
"""Values of `FigureRow.what` besides those of `Timing`: the run, a device, and the device's mean
power over the run.
"""

CHECKED = 8
"""Hexadecimal digits of the checksum before a derived column."""


class FigureRow(NamedTuple):
    """Run, device of a run, or rate and power of a timing.

    Parameters
    ----------
    hardware : str
        Id of the device's profile, or the name by its driver.
    name : str
        By its driver; of a device only.
    what, precision, kind, arch : str
        As in `Timing`; empty where unknown.
    power_w : float, optional
        Measured mean power of one device [W].
    """

    id: str
    started: str
    simulated: bool
    hardware: str = ""
    name: str = ""
    what: str = RUN
    precision: str = ""
    kind: str = ""
    arch: str = ""
    rate: float | None = None
    power_w: float | None = None


def figure_rows(run: MeasuredRun) -> list[FigureRow]:
    """Return the rows of a run, its devices and its timings."""
    row = FigureRow(run.id, run.started, run.simulated)
    found = [row]
    for device in run.devices:
        row = row._replace(hardware=device.hardware or device.name)
        found.append(row._replace(name=device.name, what=DEVICE))
        found += [
            row._replace(
                what=timing.what,
                precision=timing.precision or "",
                kind=timing.kind or "",
                arch=timing.arch or "",
                rate=timing.flop and timing.flop / (timing.time_s * timing.devices),
                power_w=None if timing.trust == "modelled" else timing.power_w,
            )
            for timing in run.timings
            if timing.component == device.key
        ]
        found += [
            row._replace(what=WHOLE_RUN, power_w=energy.mean_w)
            for energy in run.energy
            if energy.component == device.key and energy.trust != "modelled" and energy.duration_s
            if run.origin != "bench"
        ]
    return found


DERIVED: dict[str, tuple[int, Callable[[MeasuredRun], Iterable[Sequence[Any]]]]] = {
    "figures": (len(FigureRow._fields), figure_rows),
    "timings": (len(TimingRow._fields), timing_rows),
}
"""Derived column for lists and calibrations -> its field count and its rows."""

Read = Callable[..., list[Any]]
"""Callable that returns the rows of a query."""


def columns_of(run: MeasuredRun) -> dict[str, str]:
    """Return the document of a run and its derived columns."""
    document = {"format": FORMAT, **as_plain(run)}
    found = {"document": json.dumps(document, allow_nan=False, separators=(",", ":"))}
    for column in DERIVED:
        text = _derived_text(run, column)
        found[column] = f"{_checksum(text)}{text}"
    return found


def _derived_text(run: MeasuredRun, column: str) -> str:
    """Serialize all fields of all rows in sequence, the fastest form to read."""
    _, derive = DERIVED[column]
    return json.dumps([field for row in derive(run) for field in row], separators=(",", ":"))[1:-1]


def read_derived(path: Path, read: Read, column: str) -> tuple[list[Sequence[Any]], list[str]]:
    """Read a derived column, or derive it again if missing or damaged."""
    texts = {
        run_id: text[CHECKED:]
        if isinstance(text, str) and text[:CHECKED] == _checksum(text[CHECKED:])
        else None
        for run_id, text in read(f"SELECT id, {column} FROM run ORDER BY key")
    }
    notes: list[str] = []
    if wrong := [run_id for run_id, text in texts.items() if text is None]:
        query = "SELECT id, document FROM run WHERE id IN (SELECT value FROM json_each(?))"
        runs, notes = read_all(path, read(query, json.dumps(wrong)))
        texts |= {run.id: _derived_text(run, column) for run in runs}
    fields = iter(json.loads(f"[{','.join(filter(None, texts.values()))}]"))
    width, _ = DERIVED[column]
    return list(zip(*[fields] * width, strict=True)), notes


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode('utf-8', 'surrogatepass')):0{CHECKED}x}"


def read_document(text: str, run_id: str) -> MeasuredRun:
    """Read a run from its document."""
    plain = json.loads(text)
    number = plain.pop("format", FORMAT) if isinstance(plain, dict) else FORMAT
    if type(number) is not int or not 1 <= number <= FORMAT:
        raise ValueError(f"format must be 1 to {FORMAT}, got {number!r}: update Twenty Watts")
    run = read_run(plain)
    if run.id != run_id:
        raise ValueError(f"run.id: must be {run_id}, got {run.id}")
    check_values(run)
    return run


def read_all(path: Path, rows: Iterable[Any]) -> tuple[list[MeasuredRun], list[str]]:
    """Read runs from rows of id and document, with notes on unreadable ones."""
    found, notes = [], []
    for run_id, document in rows:
        try:
            found.append(read_document(document, run_id))
        except ValueError as error:
            notes.append(f"{path}: run {run_id} is left out, it cannot be read: {error}")
    return found, notes
