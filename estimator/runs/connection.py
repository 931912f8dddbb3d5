"""Store file: opened, shared, and set aside if damaged."""

import errno
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from estimator.runs.schema import VERSION, ForeignFile, bring_up, version_of
from estimator.system.file_lock import hold_lock

POLL_S = 0.05
"""Time that SQLite waits for a lock before the clock is checked [s]."""

BRIEF_S = 0.5
"""Wait for another program while sampling or only reading [s]."""

BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
SIDES = ("-wal", "-shm", "")
"""Files of one store, in moving order."""

Found = TypeVar("Found")


class StoreError(OSError):
    """Unreadable or unwritable store, with reason and remedy in one line."""


def folder_error(folder: Path, error: OSError) -> StoreError:
    """Return the error that the store's folder can be neither read nor made."""
    return StoreError(
        f"{folder}: no folder for the measured runs can be read or made there "
        f"({error.strerror}): name another in TWENTY_WATTS_DATA"
    )


class StoreBusy(StoreError):
    """Another program locks the store for too long."""


class StoreDamaged(StoreError):
    """The file was damaged and set aside, and a new one is open."""


class StoreFile:
    """Open store file that threads use in turn."""

    def __init__(self, path: Path, wait_s: float) -> None:
        self.path = path
        self.wait_s = wait_s
        self.notes: list[str] = []
        self._turn = threading.RLock()
        self._database = self._opened()

    def close(self) -> None:
        """Close the file; closing twice is no error."""
        with self._turn:
            self._database.close()

    @contextmanager
    def writing(self, wait_s: float | None = None) -> Iterator[sqlite3.Connection]:
        """Run changes as one transaction."""
        with self._turn, self._explained():
            self._patiently(lambda: self._database.execute("BEGIN IMMEDIATE"), wait_s)
            try:
                yield self._database
                self._patiently(lambda: self._database.execute("COMMIT"), wait_s)
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def read(self, query: str, values: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        """Return the rows of a query."""
        with self._turn, self._explained():
            return self._patiently(lambda: self._database.execute(query, values).fetchall())

    def shrink(self) -> None:
        """Release the space of deleted rows, unless others use the store."""
        with self._turn, suppress(sqlite3.OperationalError):
            self._database.execute("PRAGMA incremental_vacuum").fetchall()

    def _patiently(self, action: Callable[[], Found], wait_s: float | None = None) -> Found:
        """Retry while others lock the file, until the time is up."""
        until_s = time.monotonic() + (self.wait_s if wait_s is None else wait_s)
        while True:
            try:
                return action()
            except sqlite3.OperationalError as error:
                if _code(error) not in BUSY or time.monotonic() >= until_s:
                    raise
                time.sleep(random.uniform(0.2, 1.0) * POLL_S)

    def _opened(self) -> sqlite3.Connection:
        """Open or create the file; set a damaged one aside."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise folder_error(self.path.parent, error) from error
        for _ in range(3):
            try:
                return self._prepared()
            except sqlite3.DatabaseError as error:
                if _code(error) in DAMAGED:
                    self._set_aside()
                elif _inode(self.path) == self._inode:  # else another program set it aside
                    raise self._refusal(error) from error
            except UnicodeDecodeError:  # SQLite quotes a damaged table's name, which is no text
                self._set_aside()
            except ForeignFile as error:
                raise StoreError(f"{self.path} {error}") from error
        raise StoreError(f"{self.path}: damaged again and again; is the disk failing?")

    def _prepared(self) -> sqlite3.Connection:
        self._inode = _inode(self.path)
        refuse_special(self.path)
        database = sqlite3.connect(
            self.path, timeout=POLL_S, isolation_level=None, check_same_thread=False
        )
        # Never the inode of a newer file than the open one: that must not be set aside for it.
        self._inode = self._inode or _inode(self.path)
        try:
            version = self._patiently(lambda: version_of(database))
            if not version:
                self._patiently(lambda: database.execute("PRAGMA auto_vacuum = INCREMENTAL"))
            self._patiently(lambda: database.execute("PRAGMA journal_mode = WAL").fetchall())
            database.execute("PRAGMA synchronous = NORMAL")
            if version < VERSION:
                self._patiently(lambda: database.execute("BEGIN IMMEDIATE"))
                bring_up(database)
                self._patiently(lambda: database.execute("COMMIT"))
            database.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            database.close()
            raise
        return database

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Convert SQLite errors to one line; continue with a new file after damage."""
        try:
            yield
        except sqlite3.Error as error:
            refusal = self._refusal(error)
            if _code(error) in DAMAGED:
                self._database.close()
                self._set_aside()
                refusal = StoreDamaged(self.notes[-1])
                self._database = self._opened()
            raise refusal from error

    def _refusal(self, error: sqlite3.Error) -> StoreError:
        """Build the error that explains why the file cannot be used, and the remedy."""
        code, extended = _code(error), getattr(error, "sqlite_errorcode", 0)
        if code in BUSY:
            return StoreBusy(
                f"{self.path}: in use by another program for more than {self.wait_s:g} s: try "
                "again later"
            )
        if code == sqlite3.SQLITE_FULL or extended == sqlite3.SQLITE_IOERR_WRITE:
            return StoreError(
                f"{self.path}: no room to write there: make room, or name a folder elsewhere in "
                "TWENTY_WATTS_DATA"
            )
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
            return StoreError(
                f"{self.path}: cannot be opened for writing ({error}): name another folder in "
                "TWENTY_WATTS_DATA"
            )
        return StoreError(f"{self.path}: {error}")

    def _set_aside(self) -> None:
        """Rename the damaged file, unless another program already has."""
        try:
            aside = set_aside(self.path, self._inode)
        except OSError as error:
            raise StoreError(
                f"{self.path} is damaged and cannot be renamed ({error.strerror}): move it away"
            ) from error
        name = aside.name if aside else "another name by another program"
        self.notes.append(f"{self.path} is damaged: it is kept as {name}, and a new one begun")


def set_aside(path: Path, inode: int) -> Path | None:
    """Rename a damaged store, or return None if the file was replaced since."""
    with hold_lock(path.with_name(path.name + ".lock")):
        if _inode(path) != inode:
            return None
        stamp = f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}"
        aside = path.with_name(f"{path.name}.corrupt-{stamp}")
        number = 1
        while aside.exists():
            number += 1
            aside = path.with_name(f"{path.name}.corrupt-{stamp}-{number}")
        for side in SIDES:
            with suppress(FileNotFoundError):
                os.rename(f"{path}{side}", f"{aside}{side}")
        return aside


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open the file read-only, also in a read-only folder."""
    refuse_special(path)
    last = sqlite3.OperationalError(os.strerror(errno.EACCES))
    ways = ["mode=ro"]
    if not _size(path.with_name(path.name + "-wal")):
        ways.append("mode=ro&immutable=1")
    for way in ways:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?{way}", uri=True, timeout=BRIEF_S)
        try:
            database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            database.close()
            last = error
            continue
        except UnicodeDecodeError as error:
            database.close()
            raise sqlite3.DatabaseError("its table names are damaged") from error
        except BaseException:
            database.close()
            raise
        return database
    raise last


def refuse_special(path: Path) -> None:
    """Refuse a folder, pipe or device in place of the file, as a pipe would block."""
    if path.exists() and not path.is_file():
        raise sqlite3.OperationalError("cannot be opened for writing: it is not a regular file")


def _code(error: sqlite3.Error) -> int:
    """Return the primary error code."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
