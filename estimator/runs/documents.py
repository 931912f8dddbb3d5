"""Runs as documents: each is one JSON text, with columns derived from it that are read faster."""

import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from estimator.runs.observations import timing_rows
from estimator.runs.record import MeasuredRun, as_plain, read_run
from estimator.runs.record_bounds import check_values

FORMAT = 1
"""Version of the documents' layout; a document without a number has the first."""

SERVED = '"served":[{'
"""Text in the document of every run that measured a server."""

WHOLE_RUN = "run"
"""Name of the mean power over a run, besides the names of `Timing.what`."""

CHECKED = 8
"""Hexadecimal digits of the checksum in front of a derived column."""


class RunFigure(NamedTuple):
    """Rate and power of one timing of a device, or its mean power over a run.

    Parameters
    ----------
    hardware : str
        Id of its profile, or the name by its driver.
    what, precision, kind, arch : str
        As in `Timing`; empty where unknown.
    rate : float, optional
        Of one device [FLOP/s].
    power_w : float, optional
        Measured mean power of one device [W].
    """

    hardware: str
    what: str
    precision: str
    kind: str
    arch: str
    rate: float | None
    power_w: float | None


class RunFigures(NamedTuple):
    """Figures of all devices of a run."""

    started: str
    simulated: bool
    devices: Sequence[Sequence[str]]
    """Profile, or name where there is none, and name of each."""
    figures: Sequence[Sequence[Any]]
    """Fields of `RunFigure`."""


def figures_of(run: MeasuredRun) -> RunFigures:
    """Return the figures of a run."""
    found = []
    for device in run.devices:
        hardware = device.hardware or device.name
        for timing in run.timings:
            if timing.component == device.key:
                work = (timing.what, timing.precision or "", timing.kind or "", timing.arch or "")
                device_s = timing.time_s * timing.devices
                rate = None if timing.flop is None else timing.flop / device_s
                power_w = None if timing.trust == "modelled" else timing.power_w
                found.append(RunFigure(hardware, *work, rate, power_w))
        for energy in run.energy if run.origin != "bench" else ():
            if energy.component == device.key and energy.trust != "modelled" and energy.duration_s:
                found.append(RunFigure(hardware, WHOLE_RUN, "", "", "", None, energy.mean_w))
    devices = [(device.hardware or device.name, device.name) for device in run.devices]
    return RunFigures(run.started, run.simulated, devices, found)


def columns_of(run: MeasuredRun) -> dict[str, str]:
    """Return the document of a run and what is derived from it, as columns of the store."""
    document = {"format": FORMAT, **as_plain(run)}
    found = {"document": json.dumps(document, allow_nan=False, separators=(",", ":"))}
    for column, derive in DERIVED.items():
        text = json.dumps(derive(run), separators=(",", ":"))
        found[column] = f"{_checksum(text)}{text}"
    return found


DERIVED: dict[str, Callable[[MeasuredRun], Any]] = {
    "figures": figures_of,
    "timings": timing_rows,
}
"""Columns that lists and calibrations read in place of the documents."""

Read = Callable[..., list[Any]]
"""Return the rows that answer a query with its values."""


def read_derived(path: Path, read: Read, column: str) -> tuple[dict[str, Any], list[str]]:
    """Read a derived column; where it is missing or damaged, from the document.

    Returns
    -------
    derived : dict of str to list
        Id of each run -> its value, in the order in which they were stored.
    notes : list of str
        One line for each run that cannot be read.
    """
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
        texts |= {run.id: json.dumps(DERIVED[column](run)) for run in runs}
    known = {run_id: text for run_id, text in texts.items() if text is not None}
    plain = json.loads(f"[{','.join(known.values())}]")
    return dict(zip(known, plain, strict=True)), notes


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode('utf-8', 'surrogatepass')):0{CHECKED}x}"


def read_document(text: str, run_id: str) -> MeasuredRun:
    """Read a run back from its document.

    Raises
    ------
    ValueError
        If it is broken, of a newer format or of another run, or has impossible values.
    """
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
    """Read runs from rows of id and document; note those that cannot be read."""
    found, notes = [], []
    for run_id, document in rows:
        try:
            found.append(read_document(document, run_id))
        except ValueError as error:
            notes.append(f"{path}: run {run_id} is left out, it cannot be read: {error}")
    return found, notes
