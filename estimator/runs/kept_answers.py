"""Answers about all runs of a store, kept in it until a run changes.

The store counts the changes of its runs. An answer names the count that it was worked out at, and
is read back only while the count is still the same; it stands in the same file, so that a program
that is killed, or writes at the same time, cannot leave one behind that fits other runs.
"""

import sqlite3
import zlib
from dataclasses import dataclass

_CHANGED = """
    CREATE TRIGGER run_counted_{name} AFTER {event} ON run BEGIN
        UPDATE change SET number = number + 1;
    END
"""

TABLES = (
    "CREATE TABLE change (number INTEGER NOT NULL)",
    "INSERT INTO change VALUES (0)",
    """
    CREATE TABLE answer (
        question TEXT PRIMARY KEY,
        number INTEGER NOT NULL,
        digest INTEGER NOT NULL,
        content TEXT NOT NULL
    )
    """,
    _CHANGED.format(name="insert", event="INSERT"),
    _CHANGED.format(name="delete", event="DELETE"),
    _CHANGED.format(name="update", event="UPDATE OF key, id, started, state, document, summarised"),
)
"""Tables of the store; `schema.MIGRATIONS` takes them in."""

MOST = 20
"""Answers kept at once [1]."""

READ = "SELECT number FROM change"
FIND = "SELECT content, digest FROM answer WHERE question = ? AND number = ?"


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What a store has kept of a question.

    Parameters
    ----------
    content : str, optional
        The answer; None if there is none to these runs.
    number : int, optional
        Changes of the runs so far, at which an answer is to be kept; None if none can be.
    notes : tuple of str
        What the user should know of the store.
    """

    content: str | None = None
    number: int | None = None
    notes: tuple[str, ...] = ()


def whole(rows: list[tuple[object, ...]]) -> str | None:
    """Content of an answer that was found; None if there is none, or it is damaged."""
    for content, digest in rows:
        if isinstance(content, str) and _digest(content) == digest:
            return content
    return None


def keep(database: sqlite3.Connection, question: str, number: int, content: str) -> None:
    """Keep an answer, unless the runs have changed since; answers to other runs are dropped."""
    (now,) = database.execute(READ).fetchone()
    database.execute("DELETE FROM answer WHERE number != ?", (now,))
    if number != now:
        return
    database.execute(
        "INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?)",
        (question, number, _digest(content), content),
    )
    database.execute(
        "DELETE FROM answer WHERE rowid NOT IN "
        "(SELECT rowid FROM answer ORDER BY rowid DESC LIMIT ?)",
        (MOST,),
    )


def _digest(content: str) -> int:
    return zlib.crc32(content.encode("utf-8", "surrogatepass"))
