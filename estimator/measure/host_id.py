"""Id of this user's store in records: stable, random, and without names.

Copies of a system image share the machine id, so it is not used. A store with runs under a hash of
it keeps that id, so that they stay this machine's.
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
    """Return the id stored with the runs, created on the first call."""
    kept = data_directory() / ID_FILE
    return text_of(kept) or _new_id(kept, root)


def _new_id(kept: Path, root: Path) -> str:
    """Create a random id, stored if possible."""
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
    """Hash of the machine id, used by older stores, or empty."""
    for place in ("etc/machine-id", "var/lib/dbus/machine-id"):
        if re.fullmatch("[0-9a-f]{32}", number := text_of(root / place)):
            import hashlib

            return hashlib.sha256(f"{SALT} {number}".encode()).hexdigest()[:16]
    return ""


def measured_here() -> str | None:
    """Return the profile of the device last timed on this machine, or None."""
    here, at = host_id(), TimingRow._fields.index
    rows = [row for row in read_timings() if row[at("host")] == here and row[at("explained")]]
    newest = max(rows, key=lambda row: str(row[at("started")]), default=None)
    return None if newest is None else str(newest[at("hardware")])


SAME_WORK = 0.01
"""Log difference in step FLOPs below which the work is the same [1]."""

SAME_STEPS = 0.7
"""Log difference in step time above which steps of unknown work count as different, for example
because of another batch size [1]. Assumed.
"""

KNOWN_OF_STEPS = ("explained", "devices", "params", "hidden", "seq_len", "tokens")
"""Fields in which steps of unknown work must agree to be equal."""


def drift_here() -> Strength:
    """Return this machine's drift: how much the times of equal steps differ between runs.

    Steps of unknown work count as equal if they belong to one program, have the same known batch
    and network, and take similar times.
    """
    here = host_id()
    rows = [TimingRow._make(row) for row in read_timings()]
    groups: dict[tuple[str, str, str], list[TimingRow]] = {}
    for row in sorted(rows, key=lambda row: row.started):
        if row.host == here and row.own and row.steps and row.program:
            groups.setdefault((row.hardware, row.precision, row.program), []).append(row)
    return learned(
        [
            (1.0, math.exp(after.log_time - before.log_time))
            for rows in groups.values()
            for before, after in pairwise(rows)
            if _same_steps(before, after)
        ]
    )


def _same_steps(before: TimingRow, after: TimingRow) -> bool:
    if not before.explained or not after.explained:
        alike = all(getattr(before, name) == getattr(after, name) for name in KNOWN_OF_STEPS)
        return alike and abs(after.log_time - before.log_time) < SAME_STEPS
    return abs(after.log_flop - before.log_flop) < SAME_WORK
