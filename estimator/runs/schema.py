"""Tables of the store, and the migration from any earlier version."""

import sqlite3

APPLICATION = 0x57617474
"""Application id in the header of our files: "Watt"."""

VERSION = 14
"""Version of the tables and of the rules for derived columns."""

RUN = """
    CREATE TABLE {name} (
        key INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        state TEXT NOT NULL,
        document TEXT NOT NULL,
        figures TEXT,
        timings TEXT,
        process TEXT,
        meters TEXT NOT NULL DEFAULT '{{}}',
        heard_s REAL
    )
"""
"""Table of runs. Figures and timings are derived from the document; the columns after them apply to
unfinished runs.
"""

SAMPLE = """
    CREATE TABLE sample (
        run INTEGER NOT NULL REFERENCES run (key) ON DELETE CASCADE,
        component TEXT NOT NULL,
        time_s REAL NOT NULL,
        power_w REAL,
        energy_j REAL,
        temperature_c REAL,
        clock_hz REAL,
        busy REAL,
        memory_busy REAL,
        throttled_by TEXT,
        others REAL
    )
"""

CHANGED = """
    CREATE TRIGGER run_changed AFTER UPDATE OF document ON run BEGIN
        UPDATE run SET figures = NULL, timings = NULL WHERE key = NEW.key;
    END
"""
"""Trigger that clears derived columns when a document changes."""

INDEXES = (
    "CREATE INDEX IF NOT EXISTS sample_of_run ON sample (run, component, time_s)",
    "CREATE INDEX IF NOT EXISTS run_by_state ON run (state)",
)

AS_NOW = """
    CREATE TEMP VIEW run AS
    SELECT key, id, state, document, NULL AS figures, NULL AS timings FROM main.run
"""
"""View that presents an earlier version's file as a current one."""


class ForeignFile(ValueError):
    """File of a newer version or another program, which must not be changed."""


def version_of(database: sqlite3.Connection) -> int:
    """Return the version of the tables, 0 for a new file."""
    # The mark last: a file that another process is making has it as soon as it has tables.
    holds_tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    version: int = database.execute("PRAGMA user_version").fetchone()[0]
    mark = database.execute("PRAGMA application_id").fetchone()[0]
    if mark != APPLICATION and (mark or version or holds_tables):
        raise ForeignFile("is a database of another program: name another folder")
    if version > VERSION:
        raise ForeignFile(
            f"was written by a newer Twenty Watts (version {version} of the tables, this one knows "
            f"{VERSION}): update this one"
        )
    return version


def bring_up(database: sqlite3.Connection) -> None:
    """Create the tables, or migrate an earlier version.

    Call within a write transaction without foreign keys, so that samples stay.
    """
    version = version_of(database)
    if version == VERSION:
        return
    if version:
        _carry_over(database)
    else:
        database.execute(RUN.format(name="run"))
        database.execute(SAMPLE)
    for statement in (*INDEXES, CHANGED):
        database.execute(statement)
    database.execute(f"PRAGMA user_version = {VERSION}")
    database.execute(f"PRAGMA application_id = {APPLICATION}")


def _carry_over(database: sqlite3.Connection) -> None:
    """Keep the documents and samples of an earlier version; other columns are derived when read."""
    tables = _names(database, "table") - {"run", "sample"}
    database.execute(RUN.format(name="carried"))
    database.execute(
        "INSERT INTO carried (key, id, state, document) SELECT key, id, state, document FROM run"
    )
    for trigger in _names(database, "trigger"):
        database.execute(f'DROP TRIGGER "{trigger}"')
    for table in (*tables, "run"):
        database.execute(f'DROP TABLE "{table}"')
    database.execute("ALTER TABLE carried RENAME TO run")


def _names(database: sqlite3.Connection, kind: str) -> set[str]:
    """Return the names of tables or triggers that can be dropped."""
    rows = database.execute(
        "SELECT name FROM sqlite_master WHERE type = ? AND name NOT LIKE 'sqlite_%'", (kind,)
    )
    return {str(name) for (name,) in rows}
