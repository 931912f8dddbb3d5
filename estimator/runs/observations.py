"""What a calibration needs of the measured runs: sufficient statistics of like timings.

Each timing adds to the sums of the timings like it (same device, host, number format, network,
program, size of step, and pace to a factor), which stand in the store beside the runs. A
calibration reads the sums alone, so ten thousand runs cost it as little as ten.
"""

import json
import math
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from estimator.core.units import in_percent
from estimator.runs.record import FORECAST, Condition, MeasuredRun, Timing

THROTTLED_WEIGHT = 0.5
"""Uncertainty of a run throttled all the time, as a standard deviation of the logarithm [1]."""

SHARED_WEIGHT = 1.0
"""Uncertainty per share of the device that others used, likewise [1]."""

ALWAYS_SHARED = 0.3
"""Least uncertainty of a timing that others disturbed in every repetition, likewise [1]."""

SLOWED_SD = 0.7
"""Uncertainty per logarithm of the factor by which others slowed a timing, were the machine shared
fairly, likewise [1]. Beside one to six busy programs on two cores thirteen jobs took longer by that
factor to the power of 1.0 to 1.5 in the mean: little where the memory or one thread holds them up,
tenfold where threads wait for each other."""

OWN_SLOWED_SD = 1.2
"""The same of a run that takes its steps as they come, where a benchmark leaves the worst out. Of
14 trainings in PyTorch beside up to ten busy programs on two cores 13 took longer by that factor to
the power of 1.7 to 4.5, as their threads wait for each other."""

MOST_OTHERS = 0.95
"""With more of the machine in others' use the rest tells nothing [1]."""

LIMITED_WEIGHT = 1.0 / 3.0
"""Uncertainty per logarithm of a lowered power limit: as the clock follows it, likewise [1]."""

WORTH_A_WORD = 0.02
"""A disturbance that brings less uncertainty is left out [1]."""

BUSY_ENOUGH = 0.5
"""A device that ran something for less of the time does not show its power under load [1]."""

COVERED = 0.8
"""Readings that cover less of a run do not show its mean power [1]."""

BUCKETS = 2.0
"""Sizes of steps that differ by less than e to the power of one over this are alike [1]."""

SMALLEST_STEP_FLOP = 1e7
"""Below this a step of training is overhead more than work: no size to calibrate at [FLOP]."""

EXPLAINED, UNEXPLAINED = "training", "unexplained"
"""A timing of known work; the power of a device at unknown work."""

KEYS = (
    "level",
    "hardware",
    "what",
    "host",
    "precision",
    "kind",
    "arch",
    "program",
    "own",
    "steps",
    "devices",
    "bucket",
    "pace",
)
"""What like timings have in common; `level` is 0 for single programs, 1 for many as one."""

FIRST = ("params", "hidden", "seq_len", "tokens")
"""What is taken from the first of them."""

SUMS = (
    *("runs", "whole", "log_flop", "log_time", "spread", "disturbed", "powered", "log_power"),
    *("counted", "log_steps", "known", "log_operations", "log_traffic"),
)
"""What is summed over them."""

NAMED = "program "
"""How the key of a program begins that has a name."""

FINE, COARSE = 0, 1

MOST_FINE = 300
"""With more kinds of timings of a device than these, those of many programs count as one."""

_CHANGE = """
    CREATE TRIGGER observation_{name} AFTER {event} ON observation BEGIN
        UPDATE alike SET count = count {sign} 1, {sums}, newest = {newest}
        WHERE key IN ({row}.fine, {row}.coarse);
        DELETE FROM alike WHERE key IN ({row}.fine, {row}.coarse) AND count <= 0;
    END
"""


def _trigger(event: str, sign: str, row: str, newest: str) -> str:
    sums = ", ".join(f"{name} = {name} {sign} {row}.{name}" for name in SUMS)
    return _CHANGE.format(
        name=event.lower(), event=event, sign=sign, sums=sums, row=row, newest=newest
    )


TABLES = (
    f"""
    CREATE TABLE alike (
        key INTEGER PRIMARY KEY,
        {", ".join(f"{name} NOT NULL" for name in KEYS)},
        {", ".join(f"{name} REAL" for name in FIRST)},
        {", ".join(f"{name} REAL NOT NULL DEFAULT 0" for name in SUMS)},
        count INTEGER NOT NULL DEFAULT 0,
        newest TEXT NOT NULL DEFAULT '',
        UNIQUE ({", ".join(KEYS)})
    )
    """,
    f"""
    CREATE TABLE observation (
        run INTEGER NOT NULL REFERENCES run (key) ON DELETE CASCADE,
        fine INTEGER NOT NULL,
        coarse INTEGER NOT NULL,
        newest TEXT NOT NULL,
        {", ".join(f"{name} REAL NOT NULL" for name in SUMS)}
    )
    """,
    "CREATE INDEX alike_of_device ON alike (hardware, level)",
    "CREATE INDEX observation_of_run ON observation (run)",
    "CREATE INDEX observation_alike ON observation (fine, newest)",
    _trigger("INSERT", "+", "NEW", "max(newest, NEW.newest)"),
    _trigger(
        "DELETE",
        "-",
        "OLD",
        "coalesce((SELECT max(newest) FROM observation WHERE fine = alike.key), newest)",
    ),
)
"""Tables of the store; `schema.MIGRATIONS` takes them in."""

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Observation:
    """Like timings of some runs on one device, as one.

    Parameters
    ----------
    timing : Timing
        Geometric mean of their time and work, mean of their features.
    run, started : str
        Id and start of the newest run.
    host : str
        Id of the host.
    program : str
        What tells programs of one kind apart; empty where nothing does.
    many : bool
        Whether these are of many programs alike.
    own : bool
        Whether these are programs of the user, and not those of a benchmark.
    runs : float
        How many have such timings.
    whole : float
        The same, each run counted once over all observations of the device.
    timings : int
        How many.
    steps : float, optional
        Geometric mean of the number of steps of a whole run; None where no run tells it [1].
    noise_sd : float
        Standard deviation of the logarithm of their mean: spread and disturbances [1].
    reasons : tuple of str
        What disturbed the newest.
    power_w : float, optional
        Mean power of one device, where a meter measured it [W].
    operations, traffic : float, optional
        Operations of its steps [1], and what those beside the products read and write [B], for each
        FLOP: geometric means; None where no run tells them.
    """

    timing: Timing
    run: str
    started: str
    host: str
    program: str
    many: bool
    own: bool
    runs: float
    whole: float
    timings: int
    steps: float | None
    noise_sd: float
    reasons: tuple[str, ...]
    power_w: float | None
    operations: float | None
    traffic: float | None


class Misdated(ValueError):
    """What is kept of some newest run has no date: a fault of the disk, unseen by SQLite."""


def insert(database: sqlite3.Connection, key: int, run: MeasuredRun) -> None:
    """Write the timings of a run that is over; those written of it before are replaced.

    Parameters
    ----------
    database : sqlite3.Connection
    key : int
        Of the run in its table.
    run : MeasuredRun
    """
    database.execute("DELETE FROM observation WHERE run = ?", (key,))
    if run.state == "running" or run.simulated:
        return
    rows = list(_rows(run))
    places = [(_alike(database, row), _alike(database, _coarse(row))) for row in rows]
    beside = Counter(fine for fine, _ in places)
    of_device = Counter(row["hardware"] for row in rows)
    names = ", ".join(SUMS)
    marks = ", ".join("?" * len(SUMS))
    for (fine, coarse), row in zip(places, rows, strict=True):
        row["runs"], row["whole"] = 1.0 / beside[fine], 1.0 / of_device[row["hardware"]]
        database.execute(
            f"INSERT INTO observation (run, fine, coarse, newest, {names}) "
            f"VALUES (?, ?, ?, ?, {marks})",
            (key, fine, coarse, row["newest"], *(row[name] for name in SUMS)),
        )


def _alike(database: sqlite3.Connection, row: Row) -> int:
    """Key of the timings like one, begun if there are none yet."""
    names = (*KEYS, *FIRST)
    database.execute(
        f"INSERT OR IGNORE INTO alike ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
        [row[name] for name in names],
    )
    where = " AND ".join(f"{name} = ?" for name in KEYS)
    found = database.execute(f"SELECT key FROM alike WHERE {where}", [row[name] for name in KEYS])
    return int(found.fetchone()[0])


def _coarse(row: Row) -> Row:
    """The same among programs of one kind whose steps differ in size by up to e squared."""
    return {
        **row,
        "level": COARSE,
        "program": "",
        "bucket": round(row["bucket"] / 4),
        "pace": round(row["pace"] / 2),
    }


def observed(
    database: sqlite3.Connection, hardware: str, most: Mapping[str, float]
) -> list[Observation]:
    """Like timings on a device, as one each.

    Parameters
    ----------
    database : sqlite3.Connection
        A store, or what `documents.in_memory` makes.
    hardware : str
        Id of its profile.
    most : mapping of str to float
        Number format -> logarithm of the highest rate that one device can have reached [FLOP/s]:
        what claims more is left out.

    Raises
    ------
    Misdated
        If one has no date.
    """
    (fine,) = database.execute(
        "SELECT count(*) FROM alike WHERE hardware = ? AND level = ?", (hardware, FINE)
    ).fetchone()
    level = FINE if fine <= MOST_FINE else COARSE
    names = (*KEYS, *FIRST, *SUMS, "count", "newest")
    rows = database.execute(
        f"SELECT {', '.join(names)} FROM alike WHERE hardware = ? AND level = ?",
        (hardware, level),
    )
    found = [dict(zip(names, row, strict=True)) for row in rows]
    if not all(_is_dated(row["newest"]) for row in found):
        raise Misdated
    return [_observation(row) for row in found if _possible(row, most)]


def misdated(database: sqlite3.Connection) -> bool:
    """Whether anything of a store is `Misdated`.

    SQLite leaves the few dates to Python that it does not know itself.
    """
    kept = "CASE WHEN json_valid(newest) THEN json_extract(newest, '$[0]') END"
    rows = database.execute(f"SELECT newest FROM alike WHERE julianday({kept}) IS NULL")
    return not all(_is_dated(newest) for (newest,) in rows)


def _is_dated(newest: str) -> bool:
    try:
        started, *_ = json.loads(newest)
        datetime.fromisoformat(started)
    except (ValueError, TypeError):
        return False
    return True


def devices_of_programs(database: sqlite3.Connection) -> frozenset[str]:
    """Ids of the devices on which programs were measured that have a name."""
    rows = database.execute(
        "SELECT DISTINCT hardware FROM alike WHERE level = ? AND own = 1 AND program LIKE ?",
        (FINE, f"{NAMED}%"),
    )
    return frozenset(name for (name,) in rows)


def _possible(row: Row, most: Mapping[str, float]) -> bool:
    rate = (row["log_flop"] - row["log_time"]) / row["count"]
    limit = most.get(row["precision"])
    return bool(row["what"] == UNEXPLAINED or (limit is not None and rate <= limit))


def _observation(row: Row) -> Observation:
    count, devices = row["count"], int(row["devices"])
    mean = {name: row[name] / count for name in ("log_flop", "log_time", "spread", "disturbed")}
    started, run, label, reasons = json.loads(row["newest"])
    explained = row["what"] == EXPLAINED
    timing = Timing(
        what="training",
        component="",
        devices=devices,
        precision=row["precision"] or None,
        kind=row["kind"] or None,
        arch=row["arch"] or None,
        label=label or None,
        flop=math.exp(mean["log_flop"]) * devices if explained else None,
        time_s=math.exp(mean["log_time"]),
        repetitions=2 if row["steps"] else 1,
        **{name: row[name] for name in FIRST},
    )
    return Observation(
        timing=timing,
        run=run,
        started=started,
        host=row["host"],
        program=row["program"],
        many=row["level"] == COARSE,
        own=bool(row["own"]),
        runs=row["runs"],
        whole=row["whole"],
        timings=count,
        steps=math.exp(row["log_steps"] / row["counted"]) if row["counted"] > 0.5 else None,
        noise_sd=math.sqrt(max(0.0, mean["spread"] + mean["disturbed"]) / count),
        reasons=tuple(reasons),
        power_w=math.exp(row["log_power"] / row["powered"]) if row["powered"] > 0.5 else None,
        operations=_mean(row, "log_operations"),
        traffic=_mean(row, "log_traffic"),
    )


def _mean(row: Row, name: str) -> float | None:
    """Mean over those of which is known what their steps do."""
    return math.exp(row[name] / row["known"]) if row["known"] > 0.5 else None


def _rows(run: MeasuredRun) -> Iterator[Row]:
    """Every timing of training of a run, on whole boards; power alone where there is none."""
    for device in run.devices:
        if device.hardware is None or device.shares_board is not None:
            continue
        trained = [
            one
            for one in run.timings
            if one.what == "training" and one.component == device.key and one.flop
        ]
        for timing in trained:
            if timing.flop and timing.flop >= SMALLEST_STEP_FLOP * timing.devices:
                yield _row(run, timing, device.hardware, EXPLAINED)
        busy = {one.component: one.busy for one in run.conditions}
        idle = run.timings or run.served or not run.wall_s
        if not idle and (busy.get(device.key) or 0.0) >= BUSY_ENOUGH:
            whole = Timing(what="training", component=device.key, time_s=run.wall_s, repetitions=1)
            yield _row(run, whole, device.hardware, UNEXPLAINED)


def slowed(share: float) -> float:
    """Factor by which others who took such a share slow what runs, were it shared fairly [1].

    >>> slowed(0.5)
    2.0
    """
    return 1.0 / (1.0 - min(share, MOST_OTHERS))


def leaves_out_disturbed(run: MeasuredRun, timing: Timing) -> bool:
    """Whether what others disturbed was left out, unless that was all: by a benchmark."""
    return timing.others is not None or run.origin == "bench"


def taken_by_others(run: MeasuredRun, timing: Timing) -> float:
    """Share of its device that others took from a timing [1]."""
    if leaves_out_disturbed(run, timing):
        return timing.others or 0.0
    found = (one for one in run.conditions if one.component == timing.component)
    return max(map(contended, found), default=0.0)


def contended(condition: Condition) -> float:
    """Share of a device that others used while none of it was left [1].

    >>> contended(Condition(component="cpu", busy=0.75, others=0.5))
    0.25
    """
    busy = 1.0 if condition.busy is None else condition.busy
    return max(0.0, (condition.others or 0.0) - max(0.0, 1.0 - busy))


def _row(run: MeasuredRun, timing: Timing, hardware: str, what: str) -> Row:
    noise_sd, reasons = disturbance_of(run, timing)
    alike = sum(one.component == timing.component for one in run.timings) or 1
    steps = is_of_steps(timing)
    log_flop = math.log(timing.flop / timing.devices) if timing.flop else None
    log_time = math.log(timing.time_s / slowed(taken_by_others(run, timing)))
    power_w, count = measured_power_w(run, timing), steps_of_whole_run(run, timing)
    done = _for_each_flop(timing)
    spread = (timing.log_sd or 0.0) ** 2 / max(1, timing.repetitions)
    bucket = round(BUCKETS * log_flop) if steps and log_flop is not None else 0
    pace = round(BUCKETS * (log_flop - log_time)) if log_flop is not None else 0
    return {
        "level": FINE,
        "hardware": hardware,
        "what": what,
        "host": run.host.id,
        "precision": timing.precision or "",
        "kind": timing.kind or "",
        "arch": timing.arch or "",
        "program": program_of(timing, run),
        "own": int(run.origin != "bench"),
        "steps": int(steps),
        "devices": timing.devices,
        "bucket": bucket,
        "pace": pace,
        "newest": json.dumps([run.started, run.id, timing.label or run.label or "", reasons]),
        "log_flop": log_flop or 0.0,
        "log_time": log_time,
        "spread": spread,
        "disturbed": noise_sd**2 * alike,
        "powered": 1.0 if power_w else 0.0,
        "log_power": math.log(power_w) if power_w else 0.0,
        "counted": 1.0 if count else 0.0,
        "log_steps": math.log(count) if count else 0.0,
        "known": 1.0 if done else 0.0,
        "log_operations": done[0] if done else 0.0,
        "log_traffic": done[1] if done else 0.0,
        "params": timing.params,
        "hidden": timing.hidden,
        "seq_len": timing.seq_len,
        "tokens": timing.tokens,
    }


def _for_each_flop(timing: Timing) -> tuple[float, float] | None:
    """Logarithms of operations [1] and traffic [B] of a step for each FLOP; None if unknown."""
    if not (timing.flop and timing.operations and timing.traffic_bytes):
        return None
    log_flop = math.log(timing.flop)
    return math.log(timing.operations) - log_flop, math.log(timing.traffic_bytes) - log_flop


def program_of(timing: Timing, run: MeasuredRun) -> str:
    """What tells programs of one kind apart: a name, the parameters, or the label of the run."""
    if timing.style and run.origin == "bench":
        return timing.style
    label = "" if run.label == FORECAST else run.label  # which any program may have
    return program_key(timing.params, timing.style or "") or label or ""


def program_key(params: float | None, name: str = "") -> str:
    """What tells a program apart: its name, else its parameters; empty where neither is known.

    >>> program_key(124.4e6), program_key(124.4e6, "my-gpt"), program_key(None)
    ('1.24e+08 parameters', 'program my-gpt', '')
    """
    if name:
        return f"{NAMED}{name}"
    return "" if not params or math.isnan(params) else f"{params:.3g} parameters"


def is_of_steps(timing: Timing) -> bool:
    """Whether it is of repeated steps, and not of one whole run."""
    return timing.repetitions + timing.rejected > 1


def steps_of_whole_run(run: MeasuredRun, timing: Timing) -> int | None:
    """How many steps a program of the user took from its start to its end; None where unknown.

    Those of a benchmark or a forecast, and of a run that was cut off, say nothing of it.
    """
    whole = run.state == "finished" and run.origin != "bench" and run.label != FORECAST
    return timing.repetitions + timing.rejected if whole and is_of_steps(timing) else None


def measured_power_w(run: MeasuredRun, timing: Timing) -> float | None:
    """Mean power of the device of a timing, while it ran or over the run [W]; None if unknown."""
    if timing.power_w is not None:
        return None if timing.trust == "modelled" else timing.power_w
    for one in run.energy:
        measured = one.trust != "modelled" and one.coverage >= COVERED
        if one.component == timing.component and measured and one.duration_s > 0:
            return one.mean_w
    return None


def disturbance_of(run: MeasuredRun, timing: Timing) -> tuple[float, tuple[str, ...]]:
    """How far the conditions of a timing differ from those of a quiet device, and in what."""
    found: dict[str, float] = {}
    apart = math.log(slowed(taken_by_others(run, timing)))
    apart *= SLOWED_SD if leaves_out_disturbed(run, timing) else OWN_SLOWED_SD
    for condition in run.conditions:
        if condition.component == timing.component:
            throttled, others = condition.throttled or 0.0, condition.others or 0.0
            found[f"throttled {in_percent(throttled)} of the time"] = THROTTLED_WEIGHT * throttled
            if run.origin != "bench":
                found[f"others used {in_percent(others)} of it"] = max(
                    apart, SHARED_WEIGHT * others
                )
    if not timing.repetitions:
        found["others used the machine in every repetition"] = max(ALWAYS_SHARED, apart)
    for one in run.devices:
        limit, usual = one.power_limit_w, one.default_limit_w
        if one.key == timing.component and limit and usual and limit < usual:
            found[f"power limit {limit:.0f} of {usual:.0f} W"] = LIMITED_WEIGHT * math.log(
                usual / limit
            )
    strong = {reason: noise for reason, noise in found.items() if noise >= WORTH_A_WORD}
    return math.sqrt(sum(noise**2 for noise in strong.values())), tuple(strong)
