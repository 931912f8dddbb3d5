"""Id of this user's store in records: stable, random, and without names.

Every copy of a system image has the same machine id, so that is no identity. A store with runs
under a digest of it keeps that, so its runs stay runs on this machine.
"""

import math
import re
from itertools import pairwise
from pathlib import Path

from estimator.measure.drift import Strength, learned
from estimator.runs import read_runs, read_timings
from estimator.runs.observations import TimingRow
from estimator.system.data_folder import data_directory
from estimator.system.system_files import text_of

SALT = "twenty-watts host"
ID_FILE = "host-id"


def host_id(root: Path = Path("/")) -> str:
    """Return the id kept beside the store; one is made on the first call."""
    kept = data_directory() / ID_FILE
    return text_of(kept) or _new_id(kept, root)


def _new_id(kept: Path, root: Path) -> str:
    """Random number, kept in a file where that can be written."""
    import secrets

    digest = _digest(root)
    known = digest and any(run.host.id == digest for run in read_runs()[0])
    number = digest if known else secrets.token_hex(8)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with kept.open("x", encoding="ascii") as file:
            file.write(number)
    except FileExistsError:
        return text_of(kept) or number
    except OSError:
        return number
    return number


def _digest(root: Path) -> str:
    """Digest of the machine's number, the id in older stores; empty where there is none."""
    for place in ("etc/machine-id", "var/lib/dbus/machine-id"):
        if re.fullmatch("[0-9a-f]{32}", number := text_of(root / place)):
            import hashlib

            return hashlib.sha256(f"{SALT} {number}".encode()).hexdigest()[:16]
    return ""


def measured_here() -> str | None:
    """Return the profile of the device that was timed last on this machine; None before one was."""
    here, at = host_id(), TimingRow._fields.index
    rows = [row for row in read_timings() if row[at("host")] == here and row[at("explained")]]
    newest = max(rows, key=lambda row: str(row[at("started")]), default=None)
    return None if newest is None else str(newest[at("hardware")])


SAME_WORK = 0.01
"""Steps whose FLOPs differ by less, in the logarithm, do the same work [1]."""


def drift_here() -> Strength:
    """Return the drift of this machine: how far runs of the same steps differ in time."""
    here = host_id()
    rows = [TimingRow._make(row) for row in read_timings()]
    groups: dict[tuple[str, str, str], list[TimingRow]] = {}
    for row in sorted(rows, key=lambda row: row.started):
        if row.host == here and row.own and row.steps and row.explained and row.program:
            groups.setdefault((row.hardware, row.precision, row.program), []).append(row)
    return learned(
        [
            (1.0, math.exp(after.log_time - before.log_time))
            for rows in groups.values()
            for before, after in pairwise(rows)
            if abs(after.log_flop - before.log_flop) < SAME_WORK
        ]
    )
