"""How is a run written into the tables and read back.

Its whole record is one JSON text; beside it stands what runs are searched by, and whose it is.
"""

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from estimator.measure.record import MeasuredRun, as_plain, read_run
from estimator.runs.process import Process, this_process


def insert(database: sqlite3.Connection, run: MeasuredRun, process: Process | None) -> bool:
    """Put a run in unless there is one of its id."""
    whose: Mapping[str, Any] = vars(process) if process else {}
    keys = ("machine", "boot", "space", "pid", "born")
    done = database.execute(
        "INSERT INTO run (id, started, state, document, machine, boot, space, pid, born, heard_s) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        (run.id, run.started, run.state, _text(run), *map(whose.get, keys), time.time()),
    )
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
    if not done.rowcount and not only_running:
        insert(database, run, this_process())


def _text(run: MeasuredRun) -> str:
    return json.dumps(as_plain(run), allow_nan=False, separators=(",", ":"))


def read_all(path: Path, rows: Iterable[Any]) -> tuple[list[MeasuredRun], list[str]]:
    """Read runs; one that cannot be read, of another version perhaps, becomes a note."""
    found, notes = [], []
    for run_id, document in rows:
        try:
            found.append(read_run(json.loads(document)))
        except ValueError as error:
            notes.append(f"{path}: run {run_id} is left out, it cannot be read: {error}")
    return found, notes
