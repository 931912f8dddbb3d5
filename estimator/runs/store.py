"""Store of measured runs: begun, sampled, finished, listed and deleted.

A run is stored from its start, and its samples every second, so an interruption loses at most that.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from estimator.runs import documents, samples
from estimator.runs.connection import (
    BRIEF_S,
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFile,
    folder_error,
    open_for_reading,
)
from estimator.runs.documents import DEVICE, FigureRow, Read, columns_of, read_derived
from estimator.runs.figures import DeviceFigures, Peaks, Used, sum_up_devices
from estimator.runs.meter import Meter, Sample
from estimator.runs.process import Process, is_gone, this_process
from estimator.runs.record import Condition, Energy, MeasuredRun, Trust
from estimator.runs.schema import AS_NOW, VERSION, ForeignFile, version_of
from estimator.system.data_folder import data_directory

FILE = "runs.sqlite"
WAIT_S = 10.0
"""Wait for another program that writes [s]."""

BATCH_S = 1.0
"""Interval between writes of samples [s]."""

BUFFER = 100_000
"""Most unwritten samples in memory [1]."""

DOCUMENTS = "SELECT id, document FROM run ORDER BY key"

NOTE = "cut off while it was measured"

Reading = tuple[str, Sample]
"""Component and its sample."""


@dataclass
class _Buffer:
    """Unwritten samples of a run."""

    readings: list[Reading] = field(default_factory=list)
    written_s: float = 0.0


def store_path() -> Path:
    """Return the path of the store, which may not exist."""
    return data_directory() / FILE


def open_store(path: Path | None = None, *, wait_s: float = WAIT_S) -> "Store":
    """Open or create the store of measured runs.

    Raises
    ------
    StoreError
        If it is not accessible: no permission, no space, locked too long, or a newer version.
    """
    store = Store(StoreFile(path or store_path(), wait_s))
    try:
        with suppress(StoreDamaged):
            store.mark_interrupted()
    except BaseException:
        store.close()
        raise
    return store


def check_folder() -> None:
    """Check that the store's folder can be read, or made where it does not exist.

    A temporary folder next to it shows that, as permissions do not cover read-only file systems.

    Raises
    ------
    StoreError
        If it cannot.
    """
    from tempfile import TemporaryDirectory

    folder = data_directory()
    try:
        if folder.is_dir():
            next(folder.iterdir(), None)
            return
        existing = next(one for one in (folder, *folder.parents) if one.exists())
        TemporaryDirectory(dir=existing).cleanup()
    except OSError as error:
        raise folder_error(folder, error) from error


def store_or_reason() -> tuple["Store | None", list[str]]:
    """Open the store, or return the reason for running without it."""
    try:
        store = open_store()
    except StoreError as error:
        return None, [str(error)]
    return store, list(store.notes)


def read_runs(path: Path | None = None) -> tuple[list[MeasuredRun], list[str]]:
    """Read all runs, oldest first, without changing anything."""
    path = path or store_path()
    rows, why_not = _ask(path, lambda read: read(DOCUMENTS))
    runs, notes = _oldest_first(path, rows)
    return runs, [*why_not, *notes]


def read_served(path: Path | None = None) -> list[MeasuredRun]:
    """Read the runs that measured a server, oldest first, none if unreadable."""
    path = path or store_path()
    query = "SELECT id, document FROM run WHERE state != 'running' AND instr(document, ?)"
    rows, _ = _ask(path, lambda read: read(f"{query} ORDER BY key", documents.SERVED))
    return [run for run in _oldest_first(path, rows)[0] if run.served]


def read_timings(path: Path | None = None) -> list[Sequence[Any]]:
    """Read the timings of all runs as `TimingRow` fields, none if unreadable."""
    path = path or store_path()
    return _ask(path, lambda read: read_derived(path, read, "timings")[0])[0]


def readable(path: Path | None = None) -> list[str]:
    """Return why the store cannot be read in one line, empty if it can."""
    return _ask(path or store_path(), lambda read: read("SELECT id FROM run WHERE key = 0"))[1]


def _oldest_first(path: Path, rows: Iterable[Any]) -> tuple[list[MeasuredRun], list[str]]:
    """Read runs from their documents, with notes on unreadable ones."""
    runs, notes = documents.read_all(path, rows)
    return sorted(runs, key=lambda run: run.started), notes


def _ask(path: Path, ask: Callable[[Read], list[Any]]) -> tuple[list[Any], list[str]]:
    """Query the store read-only; return the result, and notes on failure."""
    if not path.exists():
        return [], []
    try:
        with closing(open_for_reading(path)) as database:
            version = version_of(database)
            if 0 < version < VERSION:
                database.execute(AS_NOW)
            answer = ask(lambda query, *values: database.execute(query, values).fetchall())
            return answer if version else [], []
    except ForeignFile as error:
        return [], [f"measured runs are left out: {path} {error}"]
    except (sqlite3.Error, OSError) as error:
        return [], [f"measured runs are left out: {path}: {error}"]


def _look_up(path: Path, ask: Callable[[Read], list[Any]]) -> tuple[list[Any], list[str]]:
    """Query the store, and mark interrupted runs if it is writable."""
    if not path.exists():
        return [], []
    try:
        with open_store(path) as store:
            return ask(store.read), store.notes
    except StoreDamaged as error:
        return [], [str(error)]
    except OSError:
        return _ask(path, ask)


def look_up(path: Path | None = None) -> tuple[list[MeasuredRun], list[str]]:
    """Read all runs, oldest first, and mark interrupted ones if the store is writable.

    Returns
    -------
    runs : list of MeasuredRun
        None if there is no store; none is made.
    """
    path = path or store_path()
    rows, why_not = _look_up(path, lambda read: read(DOCUMENTS))
    runs, notes = _oldest_first(path, rows)
    return runs, [*why_not, *notes]


@dataclass(frozen=True, kw_only=True)
class Overview:
    """Summary of the store's contents.

    Parameters
    ----------
    runs : sequence of MeasuredRun
        The newest, newest first.
    """

    devices: Sequence[DeviceFigures] = ()
    runs: Sequence[MeasuredRun] = ()
    older: int = 0
    notes: Sequence[str] = ()


def overview(
    peaks: Peaks | None,
    *,
    used: Used | None = None,
    most: int | None = None,
    path: Path | None = None,
) -> Overview:
    """Summarize the store; interrupted runs are marked as by `look_up`.

    Parameters
    ----------
    peaks : callable, optional
        Id of a device -> number format -> its peak [FLOP/s]; by default no device is summed up.
    used : callable, optional
        Selects devices: only runs that used one of them count.
    """
    path = path or store_path()
    found, why_not = _look_up(path, lambda read: [_overview(path, read, peaks, used, most)])
    answer: Overview = found[0] if found else Overview()
    return replace(answer, notes=list(dict.fromkeys((*why_not, *answer.notes))))


def _overview(
    path: Path, read: Read, peaks: Peaks | None, used: Used | None, most: int | None
) -> Overview:
    rows, notes = read_derived(path, read, "figures")
    if used is not None:
        devices = [one for one in map(FigureRow._make, rows) if one.what == DEVICE]
        meant = {pair for pair in {(one.hardware, one.name) for one in devices} if used(*pair)}
        chosen = {one.id for one in devices if (one.hardware, one.name) in meant}
        rows = [row for row in rows if row[0] in chosen]
    started = {row[0]: row[1] for row in rows}
    newest = sorted(started, key=started.__getitem__)[::-1][:most]
    query = "SELECT id, document FROM run WHERE id IN (SELECT value FROM json_each(?))"
    texts = dict(read(query, json.dumps(newest)))
    runs, unread = documents.read_all(path, [(run_id, texts[run_id]) for run_id in newest])
    return Overview(
        devices=() if peaks is None else sum_up_devices(rows, peaks),
        runs=runs,
        older=len(started) - len(newest),
        notes=[*notes, *unread],
    )


def new_run_id() -> str:
    """Create a run id from its start in UTC and random digits."""
    import secrets

    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


class Store:
    """Runs of one file. Threads may share it; other programs open their own."""

    def __init__(self, connection: StoreFile) -> None:
        self._connection = connection
        self._buffers: dict[str, _Buffer] = {}
        self._turn = threading.RLock()
        self.notes = connection.notes

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write pending samples and close the file; closing twice is no error."""
        try:
            for run_id in list(self._buffers):
                self._flush(run_id)
        finally:
            self._buffers.clear()
            self._connection.close()

    def begin(self, run: MeasuredRun, meters: Sequence[Meter] = ()) -> None:
        """Insert a running run of this process.

        Parameters
        ----------
        meters : sequence of Meter
            What will be sampled: should the run be cut off, its summary names them.
        """
        if run.state != "running":
            raise ValueError(f"a run that begins must be running, got {run.state!r}")
        is_new = run.id not in self._buffers
        self._buffers.setdefault(run.id, _Buffer(written_s=time.monotonic()))
        named = {meter.component: (meter.name, meter.trust) for meter in meters}
        with self._connection.writing() as database:
            if not _insert(database, run, this_process(), named):
                if is_new:
                    del self._buffers[run.id]
                raise ValueError(f"a run {run.id} is in the store already")

    def append(self, run_id: str, readings: Iterable[Reading]) -> None:
        """Add samples to a running run; they are written every second.

        While another program locks the file they are kept for later.

        Raises
        ------
        StoreError
            If they cannot be written. They are kept, up to a number, and tried again.
        """
        with self._turn:
            if run_id not in self._buffers and self._state(run_id) != "running":
                raise ValueError(f"no run {run_id!r} goes on in {self._connection.path}")
            buffer = self._buffers.setdefault(run_id, _Buffer(written_s=time.monotonic()))
            buffer.readings.extend(readings)
            if time.monotonic() - buffer.written_s < BATCH_S:
                return
            buffer.written_s = time.monotonic()
            try:
                self._flush(run_id, BRIEF_S)
            finally:
                del buffer.readings[:-BUFFER]

    def update(self, run: MeasuredRun) -> None:
        """Replace the record of a running run, so that a kill does not lose it."""
        with self._connection.writing() as database:
            _replace_or_insert(database, run)

    def finish(self, run: MeasuredRun) -> None:
        """Store the result of a run, and thin its samples for a chart.

        Raises
        ------
        ValueError
            If it is still running, or has a result already. One that was taken for cut off may
            have its result late.
        """
        if run.state == "running":
            raise ValueError("a finished run cannot be in the state 'running'")
        if self._state(run.id) in ("finished", "failed"):
            raise ValueError(f"run {run.id} has a result already")
        self._flush(run.id)
        with self._connection.writing() as database:
            _replace_or_insert(database, run)
            samples.thin(database, run.id)
        self._buffers.pop(run.id, None)
        self._connection.shrink()

    def add(self, run: MeasuredRun) -> bool:
        """Insert a finished run; return False if its id exists."""
        return bool(self.add_all([run]))

    def add_all(self, runs: Iterable[MeasuredRun]) -> int:
        """Insert finished runs, all or none; return how many were new."""
        with self._connection.writing() as database:
            return sum(_insert(database, run) for run in runs)

    def read(self, query: str, *values: str) -> list[Any]:
        """Return the rows of a query."""
        return self._connection.read(query, values)

    def runs(self) -> list[MeasuredRun]:
        """Return all runs, oldest first; unreadable ones are in `notes`."""
        found, notes = _oldest_first(self._connection.path, self.read(DOCUMENTS))
        self._note(notes)
        return found

    def _note(self, notes: Iterable[str]) -> None:
        self.notes.extend(note for note in notes if note not in self.notes)

    def run(self, run_id: str) -> MeasuredRun:
        """Return one run; ValueError if unknown."""
        rows = self._connection.read("SELECT document FROM run WHERE id = ?", (run_id,))
        if not rows:
            raise ValueError(f"no run {run_id!r} in {self._connection.path}")
        return documents.read_document(str(rows[0][0]), run_id)

    def unreadable(self) -> dict[str, str]:
        """Return id -> document of the unreadable runs."""
        rows = self.read(DOCUMENTS)
        read = {run.id for run in documents.read_all(self._connection.path, rows)[0]}
        return {run_id: document for run_id, document in rows if run_id not in read}

    def _state(self, run_id: str) -> str | None:
        """Return a run's stored state, or None if unknown."""
        rows = self._connection.read("SELECT state FROM run WHERE id = ?", (run_id,))
        return str(rows[0][0]) if rows else None

    def samples(self, run_id: str) -> dict[str, list[Sample]]:
        """Return the samples of a run by component, oldest first."""
        self._flush(run_id)
        return samples.read(self._connection.read(samples.QUERY, (run_id,)))

    def meters(self, run_id: str) -> dict[str, tuple[str, Trust]]:
        """Return component -> name and trust of the meters of a run begun here."""
        rows = self.read("SELECT meters FROM run WHERE id = ?", run_id)
        return {key: (name, trust) for key, (name, trust) in json.loads(rows[0][0]).items()}

    def forget(self, run_ids: Iterable[str]) -> int:
        """Delete runs with their samples, all or none; return how many."""
        wanted = list(dict.fromkeys(run_ids))
        self.mark_interrupted()
        with self._connection.writing() as database:
            for run_id in wanted:
                found = database.execute("SELECT state FROM run WHERE id = ?", (run_id,))
                state = found.fetchone()
                if state is None:
                    raise ValueError(f"no run {run_id!r} in {self._connection.path}")
                if state[0] == "running":
                    raise ValueError(f"run {run_id} is still running: stop it first")
                database.execute("DELETE FROM run WHERE id = ?", (run_id,))
        self._connection.shrink()
        return len(wanted)

    def mark_interrupted(self) -> list[str]:
        """Find runs whose process is gone, and summarise their samples."""
        rows = self.read("SELECT id, process, heard_s FROM run WHERE state = 'running'")
        marked = []
        for run_id, process, heard_s in rows:
            try:
                over = _is_over(process, heard_s)
            except (TypeError, ValueError):
                over = True
                self._note([f"{self._connection.path}: run {run_id} has a damaged process record"])
            marked += [run_id] * over
        for run_id in marked:
            self._mark_interrupted(run_id)
        return marked

    def _mark_interrupted(self, run_id: str) -> None:
        rows = self._connection.read("SELECT id, document FROM run WHERE id = ?", (run_id,))
        found, notes = documents.read_all(self._connection.path, rows)
        self._note(notes)
        for run in found:
            try:
                whole = _with_summary(run, self.samples(run_id), self.meters(run_id))
            except (TypeError, ValueError) as error:
                why = f"run {run_id} has no summary, its samples are damaged: {error}"
                self._note([f"{self._connection.path}: {why}"])
                whole = _with_summary(run, {}, {})
            with self._connection.writing() as database:
                _replace_or_insert(database, whole, only_running=True)

    def _flush(self, run_id: str, brief_s: float | None = None) -> None:
        """Write the pending samples of a run; a brief wait ignores locks."""
        with self._turn:
            buffer = self._buffers.get(run_id)
            if buffer is None or not buffer.readings:
                return
            try:
                with self._connection.writing(brief_s) as database:
                    samples.write(database, run_id, buffer.readings)
            except StoreBusy:
                if brief_s is None:
                    raise
            else:
                buffer.readings.clear()


def _insert(
    database: sqlite3.Connection,
    run: MeasuredRun,
    process: Process | None = None,
    meters: Mapping[str, tuple[str, Trust]] | None = None,
) -> bool:
    """Insert a run unless its id exists."""
    columns = columns_of(run) | {
        "id": run.id,
        "state": run.state,
        "process": None if process is None else json.dumps(vars(process)),
        "meters": json.dumps(meters or {}),
        "heard_s": time.time(),
    }
    done = database.execute(
        f"INSERT INTO run ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "
        "ON CONFLICT (id) DO NOTHING",
        list(columns.values()),
    )
    return done.rowcount > 0


def _replace_or_insert(
    database: sqlite3.Connection, run: MeasuredRun, *, only_running: bool = False
) -> None:
    """Update a run by id, or insert it if missing."""
    columns = columns_of(run)
    sure = " AND state = 'running'" if only_running else ""
    done = database.execute(
        f"UPDATE run SET state = ?, document = ? WHERE id = ?{sure}",
        (run.state, columns["document"], run.id),
    )
    if done.rowcount:
        derived = (columns["figures"], columns["timings"], run.id)
        database.execute("UPDATE run SET figures = ?, timings = ? WHERE id = ?", derived)
    elif not only_running:
        _insert(database, run, this_process())


def _is_over(process: str | None, heard_s: float) -> bool:
    """Return whether the process of a run is gone."""
    return process is None or is_gone(Process(**json.loads(process)), time.time() - heard_s)


def _with_summary(
    run: MeasuredRun,
    samples: Mapping[str, Sequence[Sample]],
    meters: Mapping[str, tuple[str, Trust]],
) -> MeasuredRun:
    """Mark a run as interrupted and summarise its samples.

    Parameters
    ----------
    meters : mapping
        Component -> name and trust of its meter. One without is left out, and named in a note.
    """
    from estimator.runs.energy import summarise  # not for those who only read

    times_s = [sample.time_s for readings in samples.values() for sample in readings]
    span_s = max(times_s) - min(times_s) if times_s else 0.0
    limits_w = {device.key: device.power_limit_w for device in run.devices}
    energy: list[Energy] = []
    conditions: list[Condition] = []
    notes = [f"{NOTE}: {len(times_s)} samples over {span_s:.0f} s are what is left"]
    for component, readings in samples.items():
        if component not in meters:
            notes.append(f"{component}: no meter is named for its samples")
        elif span_s > 0:
            name, trust = meters[component]
            limit_w = limits_w.get(component)
            found = summarise(component, name, trust, readings, duration_s=span_s, limit_w=limit_w)
            energy += [found.energy] if found.energy else []
            conditions += [found.condition] if found.condition else []
            notes += found.notes
    return replace(
        run,
        state="interrupted",
        wall_s=max(run.wall_s, span_s),
        energy=(*run.energy, *energy),
        conditions=(*run.conditions, *conditions),
        notes=(*run.notes, *notes),
    )
