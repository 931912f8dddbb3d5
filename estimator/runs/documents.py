"""How is a run written into the tables and read back.

Its whole record is one JSON text; beside it stands what runs are searched by, and whose it is.
"""

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from estimator.runs import figures, observations
from estimator.runs.process import Process, this_process
from estimator.runs.record import MeasuredRun, as_plain, read_run
from estimator.runs.record_bounds import check_values
from estimator.runs.schema import migrate

FORMAT = 1
"""Of the documents: what stands in them and how; one without a number is of the first."""


SERVED = '"served":[{'
"""What the document of a run that measured a server holds, and of hardly another."""


def insert(database: sqlite3.Connection, run: MeasuredRun, process: Process | None) -> bool:
    """Put a run in unless there is one of its id."""
    whose: Mapping[str, Any] = vars(process) if process else {}
    keys = ("machine", "boot", "space", "pid", "born")
    done = database.execute(
        "INSERT INTO run (id, started, state, document, machine, boot, space, pid, born, heard_s) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        (run.id, run.started, run.state, _text(run), *map(whose.get, keys), time.time()),
    )
    if done.rowcount:
        _summarise(database, run)
    return done.rowcount > 0


def replace_or_insert(
    database: sqlite3.Connection, run: MeasuredRun, *, only_running: bool = False
) -> None:
    """Write a run over the one of its id; put it in if it could not be begun."""
    text = (run.started, run.state, _text(run), run.id)
    sure = " AND state = 'running'" if only_running else ""
    done = database.execute(
        f"UPDATE run SET started = ?, state = ?, document = ? WHERE id = ?{sure}", text
    )
    if done.rowcount:
        _summarise(database, run)
    elif not only_running:
        insert(database, run, this_process())


def in_memory(runs: Iterable[MeasuredRun]) -> sqlite3.Connection:
    """Make the tables of runs that are in no store, without their documents.

    Of a run that is there twice the last counts.
    """
    database = sqlite3.connect(":memory:", check_same_thread=False)
    migrate(database)
    for run in {run.id: run for run in runs}.values():
        database.execute(
            "INSERT INTO run (id, started, state, document) VALUES (?, ?, ?, '')",
            (run.id, run.started, run.state),
        )
        _summarise(database, run)
    return database


def summarise_all(database: sqlite3.Connection) -> None:
    """Sum up the runs that an older version put in; to be called for writing."""
    rows = database.execute(
        "SELECT id, document FROM run WHERE summarised = 0 ORDER BY started, key"
    ).fetchall()
    for run_id, document in rows:
        with suppress(ValueError):
            _summarise(database, read_document(document, run_id))


def _summarise(database: sqlite3.Connection, run: MeasuredRun) -> None:
    """Write what calibrations and lists need of a run, so that they need not read its document."""
    (key,) = database.execute("SELECT key FROM run WHERE id = ?", (run.id,)).fetchone()
    observations.insert(database, key, run)
    figures.insert(database, key, run)


def _text(run: MeasuredRun) -> str:
    plain = {"format": FORMAT, **as_plain(run)}
    return json.dumps(plain, allow_nan=False, separators=(",", ":"))


def read_document(text: str, run_id: str) -> MeasuredRun:
    """Read a run back from its document.

    Raises
    ------
    ValueError
        If it is broken, of a newer format or of another run, or holds what cannot be.
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
    """Read runs; one that cannot be read, of another version perhaps, becomes a note."""
    found, notes = [], []
    for run_id, document in rows:
        try:
            found.append(read_document(document, run_id))
        except ValueError as error:
            notes.append(f"{path}: run {run_id} is left out, it cannot be read: {error}")
    return found, notes
