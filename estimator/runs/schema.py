"""How do the tables of the store look, and how does an older file become a newer one.

Every entry of `MIGRATIONS` takes a file one version further; a new file goes through all of them.
They are never edited once released: a change of the tables is one more entry, and so is a change of
the rules by which observations are made. What such an entry makes anew goes out of the older ones.
"""

import sqlite3

from estimator.runs import figures, kept_answers, observations

APPLICATION = 0x57617474
"""What marks a file as ours in its header: "Watt"."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE run (
            key INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            started TEXT NOT NULL,
            state TEXT NOT NULL,
            document TEXT NOT NULL,
            machine TEXT,
            boot TEXT,
            space TEXT,
            pid INTEGER,
            born TEXT,
            heard_s REAL
        )
        """,
        """
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
        """,
        "CREATE INDEX sample_of_run ON sample (run, component, time_s)",
    ),
    (
        """
        CREATE TABLE meter (
            run INTEGER NOT NULL REFERENCES run (key) ON DELETE CASCADE,
            component TEXT NOT NULL,
            name TEXT NOT NULL,
            trust TEXT NOT NULL,
            PRIMARY KEY (run, component)
        )
        """,
        "ALTER TABLE run ADD COLUMN thinned INTEGER NOT NULL DEFAULT 0",
    ),
    (),
    (),
    figures.TABLES,
    kept_answers.TABLES,
    (),
    (*figures.INDEXES, *figures.CHANGED),
    (),
    (
        "DROP TABLE IF EXISTS observation",
        "DROP TABLE IF EXISTS alike",
        *observations.TABLES,
        "DELETE FROM part",
        "DELETE FROM figure",
        "UPDATE run SET summarised = 0",
    ),
)

VERSION = len(MIGRATIONS)

OBSERVED_SINCE = 10
"""Version from which on observations as of today stand beside the runs: earlier ones, to which all
forecasts without a name are of one program, are dropped, and made anew when the file is brought
up."""


class ForeignFile(ValueError):
    """A file of a newer version, or of another program: it must not be touched."""


def version_of(database: sqlite3.Connection) -> int:
    """Return the version of the tables; 0 of a new file.

    Raises
    ------
    ForeignFile
        If they are not ours, or of a version that is not known yet.
    """
    # The mark last: a file that another process makes meanwhile has it as soon as it has tables.
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


def migrate(database: sqlite3.Connection) -> None:
    """Bring the tables to the newest version; to be called within a transaction for writing."""
    for number, statements in enumerate(MIGRATIONS[version_of(database) :], version_of(database)):
        for statement in statements:
            database.execute(statement)
        database.execute(f"PRAGMA user_version = {number + 1}")
    database.execute(f"PRAGMA application_id = {APPLICATION}")
