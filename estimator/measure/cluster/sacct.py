"""Slurm's accounting of a job: ``sacct -P --noconvert``."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from estimator.runs.meter import MeterError
from estimator.runs.record import State

FIELDS = (
    *("JobID", "State", "ExitCode", "Start", "End", "ElapsedRaw", "NNodes", "NodeList"),
    *("AllocTRES", "ConsumedEnergyRaw"),
)
NEEDED = ("JobID", "State", "Start", "ElapsedRaw", "AllocTRES")
COMMAND = f"sacct -P --noconvert --format={','.join(FIELDS)} -j JOB"

ANSWERS_WITHIN_S = 60.0
JOB_ID = re.compile(r"\d+([_+]\d+)?")

STATES: Mapping[str, State] = {
    "COMPLETED": "finished",
    "FAILED": "failed",
    "OUT_OF_MEMORY": "failed",
    "NODE_FAIL": "failed",
    "BOOT_FAIL": "failed",
    "LAUNCH_FAILED": "failed",
    "CANCELLED": "interrupted",
    "TIMEOUT": "interrupted",
    "DEADLINE": "interrupted",
    "PREEMPTED": "interrupted",
    "REVOKED": "interrupted",
}
"""sacct(1) state of a finished job -> state of the run."""

NONE_BEFORE = 2.0**63
"""Counts from here on mean "not set" in Slurm: NO_VAL64 and INFINITE64 of slurm.h."""

SHOWN_JOBS = 8


@dataclass(frozen=True, kw_only=True)
class Row:
    """Line of a job or job step.

    Parameters
    ----------
    job : str
        Id of the job: "123", "123_4" in an array, "123+1" in a heterogeneous job.
    step : str
        "batch", "extern", "0" and so on; empty for the job itself.
    """

    job: str
    step: str
    reported: Mapping[str, str]

    @property
    def elapsed_s(self) -> float:
        """Run time without suspensions [s], 0 if it did not run."""
        return count(self.reported.get("ElapsedRaw", "")) or 0.0

    @property
    def start_s(self) -> float | None:
        """Start time in UTC [s since 1970], or None if it did not run."""
        try:
            began = datetime.fromisoformat(self.reported.get("Start", ""))
        except ValueError:
            return None
        return (began if began.tzinfo else began.replace(tzinfo=UTC)).timestamp()

    @property
    def energy_j(self) -> float | None:
        """Accounted energy [J], or None if there is none."""
        reported = count(self.reported.get("ConsumedEnergyRaw", ""))
        return reported or self.tres.get("energy") or None

    @property
    def tres(self) -> dict[str, float]:
        """Allocated resources: "gres/gpu:h100" -> 8, "node" -> 1 and so on."""
        return read_tres(self.reported.get("AllocTRES", ""))


def count(text: str) -> float | None:
    """Number of a column, or None if missing."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < NONE_BEFORE else None


def read_tres(text: str) -> dict[str, float]:
    """Parse trackable resources, without those that have units, such as memory.

    >>> read_tres("billing=8,cpu=8,gres/gpu:h100=2,gres/gpu=2,mem=64G,node=1")
    {'billing': 8.0, 'cpu': 8.0, 'gres/gpu:h100': 2.0, 'gres/gpu': 2.0, 'node': 1.0}
    """
    pairs = (part.partition("=") for part in text.split(",") if "=" in part)
    return {name: value for name, _, reported in pairs if (value := count(reported)) is not None}


def read_sacct(text: str) -> list[Row]:
    """Parse sacct's output with its header."""
    lines = [line for line in text.lstrip("\ufeff").splitlines() if line.strip()]
    header = lines[0].rstrip("\r").split("|") if lines else []
    missing = [name for name in NEEDED if name not in header]
    if len(missing) == len(NEEDED):
        raise MeterError(f"this is not sacct output with its header; create it with {COMMAND}")
    if missing:
        raise MeterError(f"column {', '.join(missing)} missing; create the file with {COMMAND}")
    return [_row(header, line, number) for number, line in enumerate(lines[1:], 2)]


def _row(header: Sequence[str], line: str, number: int) -> Row:
    cells = line.split("|")
    if len(cells) != len(header):
        raise MeterError(
            f"line {number} has {len(cells)} columns, and the header {len(header)}: leave out "
            f"columns that may hold a | (JobName, Comment)"
        )
    reported = {name: cell.strip() for name, cell in zip(header, cells, strict=True) if name}
    job, _, step = reported["JobID"].partition(".")
    return Row(job=job, step=step, reported=reported)


def ask_sacct(job: str) -> str:
    """Query sacct on this machine for a job, with times in UTC."""
    if not JOB_ID.fullmatch(job):
        raise MeterError(f"{job!r} is not a job id such as 123, 123_4 or 123+1")
    command = [job if word == "JOB" else word for word in COMMAND.split()]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=ANSWERS_WITHIN_S,
            env={**os.environ, "TZ": "UTC", "SLURM_TIME_FORMAT": "standard"},
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except FileNotFoundError:
        raise MeterError(
            f"sacct is not installed here; on the cluster, run {COMMAND.replace('JOB', job)} > "
            f"job.txt, then import with --slurm job.txt"
        ) from None
    except subprocess.TimeoutExpired:
        raise MeterError(f"sacct did not answer within {ANSWERS_WITHIN_S:.0f} s") from None
    except OSError as error:
        raise MeterError(f"sacct cannot be run: {error.strerror or error}") from error
    if done.returncode:
        complaint = next((line for line in done.stderr.splitlines() if line.strip()), "no reason")
        raise MeterError(f"sacct failed: {complaint}")
    return done.stdout


def choose(rows: Sequence[Row], job: str | None) -> list[Row]:
    """Rows of one job, the job first; for a requeued job, its last run."""
    known = list(dict.fromkeys(row.job for row in rows if not row.step))
    if job is None or job not in known:
        job = _only(known, job)
    mine = [row for row in rows if row.job == job]
    starts = [at for at, row in enumerate(mine) if not row.step]
    ended = _last(mine, starts)
    state = ended[0].reported["State"].partition(" ")[0].rstrip("+")
    if state not in STATES:
        raise MeterError(f"job {job} is {state or 'in no state'}: import it once it is over")
    if not ended[0].elapsed_s or ended[0].start_s is None:
        raise MeterError(f"job {job} is {state} and never ran")
    return ended


def _last(mine: Sequence[Row], starts: Sequence[int]) -> list[Row]:
    """Rows from the last line of the job itself to the next."""
    last = max(starts, key=lambda at: (mine[at].start_s or 0.0, at))
    after = next((at for at in starts if at > last), len(mine))
    return list(mine[last:after])


def _only(known: Sequence[str], job: str | None) -> str:
    """Return the only matching job; MeterError lists the choices."""
    parts = list(known if job is None else _parts(known, job))
    if len(parts) == 1:
        return parts[0]
    if not parts:
        what = "no job" if job is None else f"no job {job}"
        raise MeterError(
            f"sacct reports {what}: check the id, the cluster, and your permission to see the job"
        )
    some = ", ".join(parts[:SHOWN_JOBS]) + (" and more" if len(parts) > SHOWN_JOBS else "")
    one = "an array" if any("_" in part for part in parts) else "several jobs"
    one = "a heterogeneous job" if any("+" in part for part in parts) else one
    raise MeterError(f"this is {one}; choose a part with --slurm-job: {some}")


def _parts(known: Sequence[str], job: str) -> Iterator[str]:
    """Yield array tasks or heterogeneous components of a job id."""
    for one in known:
        if re.fullmatch(rf"{re.escape(job)}[_+].+", one):
            yield one
