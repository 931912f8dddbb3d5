"""Which runs were measured here: begun, sampled, finished, looked at and forgotten.

A run is in the store from its beginning on, and so are its samples, a second at a time; what was
measured when the program or the machine is stopped is there the next time that the store is opened.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from estimator.runs import documents, interrupted, kept_answers, samples
from estimator.runs.connection import (
    BRIEF_S,
    Connection,
    StoreBusy,
    StoreDamaged,
    StoreError,
    open_for_reading,
)
from estimator.runs.figures import DeviceFigures, Figures, Peaks, Used, rows_from
from estimator.runs.kept_answers import Kept
from estimator.runs.meter import Meter, Sample
from estimator.runs.observations import (
    Misdated,
    Observation,
    devices_of_programs,
    misdated,
    observed,
)
from estimator.runs.process import Process, is_gone, this_process
from estimator.runs.record import MeasuredRun, Trust
from estimator.runs.schema import OBSERVED_SINCE, VERSION, ForeignFile, version_of
from estimator.system.data_folder import data_directory

FILE = "runs.sqlite"
WAIT_S = 10.0
"""How long to wait for another program that writes [s]."""

BATCH_S = 1.0
"""How often samples are written; a kill loses no more than these [s]."""

BUFFER = 100_000
"""So many samples are held when they cannot be written."""

Found = TypeVar("Found")

Reading = tuple[str, Sample]
"""Component and what was read of it."""


@dataclass
class _Buffer:
    """Samples of a run that are still to be written."""

    readings: list[Reading] = field(default_factory=list)
    written_s: float = 0.0
    since_thinned: int = 0


def store_path() -> Path:
    """Return where the store is, or would be."""
    return data_directory() / FILE


def open_store(path: Path | None = None, *, wait_s: float = WAIT_S) -> "Store":
    """Open the store of measured runs, made if need be.

    Parameters
    ----------
    path : Path, optional
        Its file; by default runs.sqlite in `data_directory`.
    wait_s : float
        How long to wait for another program that writes [s].

    Raises
    ------
    StoreError
        If it cannot be had: no right, no room, locked for too long, or of a newer version.
    """
    store = Store(Connection(path or store_path(), wait_s))
    try:
        with suppress(StoreDamaged):
            store.mark_interrupted()
    except BaseException:
        store.close()
        raise
    return store


def store_or_reason() -> tuple["Store | None", list[str]]:
    """Open the store, for a run that goes on without one; what the user should know of it."""
    try:
        store = open_store()
    except StoreError as error:
        return None, [str(error)]
    return store, list(store.notes)


def read_runs(path: Path | None = None) -> tuple[list[MeasuredRun], list[str]]:
    """Read all runs, oldest first, without making or changing anything.

    Returns
    -------
    runs : list of MeasuredRun
        None if there is no store.
    notes : list of str
        One line for each run that cannot be read, or for the store.
    """
    rows, why_not = _documents(path)
    runs, notes = documents.read_all(path or store_path(), rows)
    return runs, [*why_not, *notes]


def read_served(path: Path | None = None) -> list[MeasuredRun]:
    """Read the runs that measured a server, oldest first; none where they cannot be read."""
    rows, _ = _documents(path, "state != 'running' AND instr(document, ?)", documents.SERVED)
    return [run for run in documents.read_all(path or store_path(), rows)[0] if run.served]


def read_observations(
    hardware: str,
    most: Mapping[str, float],
    *,
    path: Path | None = None,
) -> list[Observation]:
    """Like timings on a device in the store, as one each; none where it cannot be read.

    Arguments as for `estimator.runs.observations.observed`; `readable` says why it cannot.
    """
    return _of_timings(path, lambda one: observed(one, hardware, most), [])


def read_devices_of_programs(path: Path | None = None) -> frozenset[str]:
    """Ids of the devices on which named programs were measured; none where it cannot be read."""
    return _of_timings(path, devices_of_programs, frozenset())


def readable(path: Path | None = None) -> list[str]:
    """Say in one line why the store cannot be read, or not as fast; empty where it can be."""

    def asked(database: sqlite3.Connection, version: int) -> bool:
        if version:
            database.execute("SELECT count(*) FROM run WHERE key = 0").fetchone()
        return version >= OBSERVED_SINCE and misdated(database)

    damaged, why_not = _asked(path, asked, False)
    where = path or store_path()
    what = "a date beside the measured runs is damaged: those of their records count"
    return [f"{where}: {what}"] if damaged else why_not


def runs_of_older_version() -> int:
    """Count the runs that are summed up anew when the store is opened next; 0 if it is current."""
    query = "SELECT count(*) FROM run"
    found, _ = _asked(
        None,
        lambda one, version: one.execute(query).fetchone() if 0 < version < VERSION else (0,),
        (0,),
    )
    return int(found[0])


def _documents(path: Path | None, which: str = "1", *values: str) -> tuple[list[Any], list[str]]:
    """Id and document of some runs, oldest first, and why they cannot be read."""
    query = f"SELECT id, document FROM run WHERE {which} ORDER BY started, key"
    nothing: list[Any] = []
    return _asked(
        path,
        lambda one, version: one.execute(query, values).fetchall() if version else nothing,
        nothing,
    )


def _of_timings(
    path: Path | None, ask: Callable[[sqlite3.Connection], Found], nothing: Found
) -> Found:
    """What like timings of a store say; of an older or damaged one from its records."""

    def asked(database: sqlite3.Connection, version: int) -> Found:
        if version >= OBSERVED_SINCE:
            with suppress(Misdated):
                return ask(database)
        return ask(documents.in_memory(read_runs(path)[0]))

    return _asked(path, asked, nothing)[0]


def _asked(
    path: Path | None, ask: Callable[[sqlite3.Connection, int], Found], nothing: Found
) -> tuple[Found, list[str]]:
    """Answer of a store and the version of its tables, which may be none; nothing is changed.

    `nothing`, and in one line why, where it cannot be read; `nothing` where there is no store.
    """
    path = path or store_path()
    if not path.exists():
        return nothing, []
    try:
        with closing(open_for_reading(path)) as database:
            return ask(database, version_of(database)), []
    except ForeignFile as error:
        return nothing, [f"measured runs are left out: {path} {error}"]
    except (sqlite3.Error, OSError) as error:
        return nothing, [f"measured runs are left out: {path}: {error}"]


def look_up(path: Path | None = None) -> tuple[list[MeasuredRun], list[str]]:
    """Read all runs, oldest first, and mark those that were cut off, where that can be written.

    Returns
    -------
    runs : list of MeasuredRun
        None if there is no store; none is made.
    notes : list of str
        One line for each run that cannot be read, or for the store.
    """
    path = path or store_path()
    if not path.exists():
        return [], []
    try:
        with open_store(path) as store:
            return store.runs(), list(store.notes)
    except StoreDamaged as error:
        return [], [str(error)]
    except OSError:
        return read_runs(path)


@dataclass(frozen=True, kw_only=True)
class Overview:
    """What the store holds, in short.

    Parameters
    ----------
    devices : sequence of DeviceFigures
        What was measured of each.
    runs : sequence of MeasuredRun
        The newest, newest first.
    older : int
        How many are not among them.
    meant : list of (str, str), optional
        Profile, or name where there is none, and name of the devices that are meant; None for all.
    notes : list of str
        One line for each run that cannot be read, or for the store.
    """

    devices: Sequence[DeviceFigures] = ()
    runs: Sequence[MeasuredRun] = ()
    older: int = 0
    meant: Sequence[tuple[str, str]] | None = None
    notes: Sequence[str] = ()


def overview(
    peaks: Peaks | None,
    *,
    used: Used | None = None,
    most: int | None = None,
    path: Path | None = None,
) -> Overview:
    """Sum up the store without reading all its runs; those cut off are marked as by `look_up`.

    Parameters
    ----------
    peaks : callable, optional
        Id of a device -> number format -> its peak [FLOP/s]; by default no device is summed up.
    used : callable, optional
        Which devices are meant: only runs that used one of them count.
    most : int, optional
        How many runs to read; by default all.
    path : Path, optional
        File of the store.
    """
    path = path or store_path()
    if not path.exists():
        return Overview()
    try:
        with open_store(path) as store:
            return store.overview(peaks, used=used, most=most)
    except StoreDamaged as error:
        return Overview(notes=[str(error)])
    except OSError:
        return _overview_read_only(path, peaks, used, most)


def kept_answer(question: str) -> Kept:
    """Look for an answer to a question about all runs of the store as they are now.

    Parameters
    ----------
    question : str
        With all that the answer depends on beside the runs.
    """
    if not store_path().exists():
        return Kept()
    try:
        with open_store() as store:
            return store.kept_answer(question)
    except StoreDamaged as error:
        return Kept(notes=(str(error),))
    except OSError:
        return Kept()


def keep_answer(question: str, kept: Kept, content: str) -> None:
    """Keep an answer for as long as no run changes, if that can be written.

    Parameters
    ----------
    question : str
    kept : Kept
        What `kept_answer` found before the answer was worked out.
    content : str
    """
    if kept.number is None:
        return
    with suppress(OSError), open_store(wait_s=BRIEF_S) as store:
        store.keep_answer(question, kept.number, content)


UNSUMMARISED = "SELECT id, document FROM run WHERE summarised = 0"
"""Runs whose figures are not in their columns: those that cannot be read, or were changed."""

MISDATED = """
    SELECT DISTINCT id FROM part CROSS JOIN run ON run.key = part.run
    WHERE julianday(part.started) IS NULL AND part.started <> run.started
"""
"""Runs beside whose document stands no date: a fault of the disk, which SQLite does not see."""

SUMMARISE_ANEW = "UPDATE run SET document = document WHERE id = ?"


def _overview_read_only(
    path: Path, peaks: Peaks | None, used: Used | None, most: int | None
) -> Overview:
    """Sum up a store that cannot be written, of an older version perhaps."""
    with (
        suppress(ForeignFile, sqlite3.Error, OSError),
        closing(open_for_reading(path)) as database,
    ):
        if version_of(database) == VERSION:
            changed, notes = documents.read_all(path, database.execute(UNSUMMARISED).fetchall())
            if not (changed or database.execute(MISDATED).fetchone()):
                found = _overview(path, Figures(rows_from(database), used), peaks, most)
                return replace(found, notes=(*notes, *found.notes))
    runs, notes = read_runs(path)
    by_id = {run.id: run for run in runs}
    with closing(documents.in_memory(runs)) as database:
        figures = Figures(rows_from(database), used)
        newest, older = figures.newest(most)
        return Overview(
            devices=() if peaks is None else figures.devices(peaks),
            runs=[by_id[run_id] for run_id, _ in newest],
            older=older,
            meant=figures.meant,
            notes=notes,
        )


def _overview(path: Path, figures: Figures, peaks: Peaks | None, most: int | None) -> Overview:
    rows, older = figures.newest(most)
    runs, notes = documents.read_all(path, rows)
    return Overview(
        devices=() if peaks is None else figures.devices(peaks),
        runs=runs,
        older=older,
        meant=figures.meant,
        notes=notes,
    )


def new_run_id() -> str:
    """Make an id for a run: when it began, in UTC, and something random."""
    import secrets

    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


class Store:
    """The runs of one file. Threads may share it; other programs open it for themselves.

    Attributes
    ----------
    notes : list of str
        What the user should know of the file: one line each.
    """

    def __init__(self, connection: Connection) -> None:
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
        """Write what is held and close the file; closing twice is no error."""
        try:
            for run_id in list(self._buffers):
                self._flush(run_id)
        finally:
            self._buffers.clear()
            self._connection.close()

    def begin(self, run: MeasuredRun, meters: Sequence[Meter] = ()) -> None:
        """Put in a run that goes on, as one of this process.

        Parameters
        ----------
        run : MeasuredRun
            With the state "running".
        meters : sequence of Meter
            What will be sampled: should the run be cut off, its summary names them.

        Raises
        ------
        ValueError
            If it is not running, or its id is taken.
        StoreError
            If it cannot be written.
        """
        if run.state != "running":
            raise ValueError(f"a run that begins must be running, got {run.state!r}")
        is_new = run.id not in self._buffers
        self._buffers.setdefault(run.id, _Buffer(written_s=time.monotonic()))
        with self._connection.writing() as database:
            if not documents.insert(database, run, this_process()):
                if is_new:
                    del self._buffers[run.id]
                raise ValueError(f"a run {run.id} is in the store already")
            database.executemany(
                "INSERT INTO meter SELECT key, ?, ?, ? FROM run WHERE id = ?",
                [(meter.component, meter.name, meter.trust, run.id) for meter in meters],
            )

    def append(self, run_id: str, readings: Iterable[Reading]) -> None:
        """Add samples to a run that goes on; they are written a second at a time.

        While another program holds the file they are kept and written later.

        Raises
        ------
        ValueError
            If no run of this id goes on.
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
        """Replace what is known of a run that goes on, so that a kill does not lose it."""
        with self._connection.writing() as database:
            documents.replace_or_insert(database, run)

    def finish(self, run: MeasuredRun) -> None:
        """Put in the result of a run, and thin its samples to what a picture needs.

        Raises
        ------
        ValueError
            If it is still running, or has a result already. One that was taken for cut off may
            have its result late.
        StoreError
            If it cannot be written.
        """
        if run.state == "running":
            raise ValueError("a run that is finished must not be running")
        if self._state(run.id) in ("finished", "failed"):
            raise ValueError(f"run {run.id} has a result already")
        self._flush(run.id)
        with self._connection.writing() as database:
            documents.replace_or_insert(database, run)
            samples.thin(database, run.id, step_s=samples.step_for_keeping(database, run.id))
        self._buffers.pop(run.id, None)
        self._connection.shrink()

    def add(self, run: MeasuredRun) -> bool:
        """Put in a run that is over; False if a run of its id is there already."""
        return bool(self.add_all([run]))

    def add_all(self, runs: Iterable[MeasuredRun]) -> int:
        """Put in runs that are over, all or none; return how many were not there already."""
        with self._connection.writing() as database:
            return sum(documents.insert(database, run, None) for run in runs)

    def runs(self) -> list[MeasuredRun]:
        """Return all runs, oldest first; one that cannot be read is named in `notes`."""
        rows = self._connection.read("SELECT id, document FROM run ORDER BY started, key")
        found, notes = documents.read_all(self._connection.path, rows)
        self.notes.extend(note for note in notes if note not in self.notes)
        return found

    def overview(self, peaks: Peaks | None, *, used: Used | None, most: int | None) -> Overview:
        """Sum up the runs; arguments as for the function of this name."""
        path = self._connection.path
        if damaged := self._connection.read(MISDATED):
            with self._connection.writing() as database:
                database.executemany(SUMMARISE_ANEW, damaged)
        why = "had a damaged date: that of its record counts"
        notes = [*(f"{path}: run {run_id} {why}" for (run_id,) in damaged), *self._summarise()]
        found = _overview(path, Figures(self._connection.read, used), peaks, most)
        self.notes.extend(note for note in (*notes, *found.notes) if note not in self.notes)
        return replace(found, notes=list(self.notes))

    def _summarise(self) -> list[str]:
        """Sum up runs that were changed by hand; name those that cannot be read."""
        rows = self._connection.read(UNSUMMARISED)
        changed, notes = documents.read_all(self._connection.path, rows)
        if changed:
            with self._connection.writing() as database:
                documents.summarise_all(database)
        return notes

    def kept_answer(self, question: str) -> Kept:
        """Look for an answer; see the function of this name."""
        self._summarise()
        ((number,),) = self._connection.read(kept_answers.READ)
        rows = self._connection.read(kept_answers.FIND, (question, number))
        return Kept(
            content=kept_answers.whole(rows), number=int(str(number)), notes=tuple(self.notes)
        )

    def keep_answer(self, question: str, number: int, content: str) -> None:
        """Keep an answer that was worked out at a number of changes."""
        with self._connection.writing() as database:
            kept_answers.keep(database, question, number, content)

    def run(self, run_id: str) -> MeasuredRun:
        """Return one run; ValueError if there is none of this id."""
        rows = self._connection.read("SELECT document FROM run WHERE id = ?", (run_id,))
        if not rows:
            raise ValueError(f"no run {run_id!r} in {self._connection.path}")
        return documents.read_document(str(rows[0][0]), run_id)

    def unreadable(self) -> dict[str, str]:
        """Return id -> document of the runs that cannot be read."""
        rows = self._connection.read("SELECT id, document FROM run ORDER BY started, key")
        found = {}
        for run_id, document in rows:
            try:
                documents.read_document(str(document), str(run_id))
            except ValueError:
                found[str(run_id)] = str(document)
        return found

    def _state(self, run_id: str) -> str | None:
        """State of a run as stored; None if there is none of this id."""
        rows = self._connection.read("SELECT state FROM run WHERE id = ?", (run_id,))
        return str(rows[0][0]) if rows else None

    def samples(self, run_id: str) -> dict[str, list[Sample]]:
        """Return the samples of a run by component, oldest first."""
        self._flush(run_id)
        return samples.read(self._connection.read(samples.QUERY, (run_id,)))

    def meters(self, run_id: str) -> dict[str, tuple[str, Trust]]:
        """Return the meters of a run that was begun here: component -> name and trust."""
        query = "SELECT component, name, trust FROM meter JOIN run ON run = key WHERE id = ?"
        rows: list[Any] = self._connection.read(query, (run_id,))
        return {component: (name, trust) for component, name, trust in rows}

    def forget(self, run_ids: Iterable[str]) -> int:
        """Take runs out with their samples, all or none; return how many.

        Raises
        ------
        ValueError
            If one is not there, or goes on just now.
        """
        wanted = list(dict.fromkeys(run_ids))
        self.mark_interrupted()
        with self._connection.writing() as database:
            for run_id in wanted:
                found = database.execute("SELECT state FROM run WHERE id = ?", (run_id,))
                state = found.fetchone()
                if state is None:
                    raise ValueError(f"no run {run_id!r} in {self._connection.path}")
                if state[0] == "running":
                    raise ValueError(f"run {run_id} goes on just now: stop it first")
                database.execute("DELETE FROM run WHERE id = ?", (run_id,))
        self._connection.shrink()
        return len(wanted)

    def mark_interrupted(self) -> list[str]:
        """Find the runs whose process is gone, and make their summaries from the samples.

        Returns
        -------
        list of str
            Their ids.
        """
        rows = self._connection.read(
            "SELECT id, document, machine, boot, space, pid, born, heard_s FROM run "
            "WHERE state = 'running'"
        )
        marked = [str(row[0]) for row in rows if row[2] is None or _is_over(row)]
        for run_id in marked:
            self._mark_interrupted(run_id)
        return marked

    def _mark_interrupted(self, run_id: str) -> None:
        with self._connection.writing() as database:
            samples.even_out(database, run_id)
        rows = self._connection.read("SELECT id, document FROM run WHERE id = ?", (run_id,))
        found, notes = documents.read_all(self._connection.path, rows)
        self.notes.extend(note for note in notes if note not in self.notes)
        for run in found:
            whole = interrupted.with_summary(run, self.samples(run_id), self.meters(run_id))
            with self._connection.writing() as database:
                documents.replace_or_insert(database, whole, only_running=True)

    def _flush(self, run_id: str, brief_s: float | None = None) -> None:
        """Write the samples held of a run; if time is brief, a lock is no reason to complain."""
        with self._turn:
            buffer = self._buffers.get(run_id)
            if buffer is None or not buffer.readings:
                return
            try:
                with self._connection.writing(brief_s) as database:
                    self._write(database, run_id, buffer)
            except StoreBusy:
                if brief_s is None:
                    raise
            else:
                buffer.readings.clear()

    def _write(self, database: sqlite3.Connection, run_id: str, buffer: _Buffer) -> None:
        samples.write(database, run_id, buffer.readings)
        buffer.since_thinned += len(buffer.readings)
        if buffer.since_thinned > samples.THIN_EVERY:
            newest_s = buffer.readings[-1][1].time_s
            samples.thin(database, run_id, before_s=newest_s - samples.WHOLE_S)
            buffer.since_thinned = 0


def _is_over(row: Sequence[Any]) -> bool:
    """Tell whether the process of a run is gone."""
    machine, boot, space, pid, born, alive_s = row[2:]
    process = Process(machine=machine, boot=boot, space=space, pid=pid, born=born)
    return is_gone(process, time.time() - alive_s)
