"""Sufficient statistics of similar timings in the measured runs, for calibration.

Similar timings share device, host, number format, network, program, step size, and pace within a
factor.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from estimator.core.units import in_percent
from estimator.runs.record import FORECAST, Condition, MeasuredRun, Timing

THROTTLED_WEIGHT = 0.5
"""Log standard deviation of a run throttled all the time [1]."""

SHARED_WEIGHT = 1.0
"""Log standard deviation per share of the device that others used [1]."""

ALWAYS_SHARED = 0.3
"""Least log standard deviation of a timing disturbed in every repetition [1]."""

SLOWED_SD = 0.7
"""Log standard deviation per log of the slowdown from fair sharing [1]. With one to six busy
programs on two cores, thirteen jobs slowed by that factor to the power of 1.0 to 1.5 on average:
little if limited by memory or one thread, tenfold if threads wait for each other.
"""

OWN_SLOWED_SD = 1.2
"""Same value for a run that uses all steps, while a benchmark discards the worst. Of 14 PyTorch
trainings with up to ten busy programs on two cores, 13 slowed by that factor to the power of 1.7 to
4.5, as their threads wait for each other.
"""

MOST_OTHERS = 0.95
"""Share in others' use above which the rest is uninformative [1]."""

LIMITED_WEIGHT = 1.0 / 3.0
"""Log standard deviation per log of a lowered power limit, as the clock follows it [1]."""

WORTH_A_WORD = 0.02
"""Least uncertainty of a disturbance that is reported [1]."""

COVERED = 0.8
"""Coverage of a run below which its mean power is not used [1]."""

BUCKETS = 2.0
"""Step-size buckets per unit of natural logarithm [1]."""

SMALLEST_STEP_FLOP = 1e7
"""Smallest training step used for calibration, as smaller ones are mostly overhead [FLOP]."""

NAMED = "program "
"""Key prefix of a named program."""

MOST_FINE = 300
"""Kinds of timings per device above which programs are merged."""


class TimingRow(NamedTuple):
    """Timing of training; rows with the same keys are merged to their mean.

    The keys are `hardware` to `pace`; `params` to `tokens` are those of the first merged row.
    """

    hardware: str
    host: str
    precision: str
    kind: str
    arch: str
    own: bool
    steps: bool
    devices: int
    explained: bool
    program: str
    bucket: int
    pace: int

    params: float | None
    hidden: float | None
    seq_len: float | None
    tokens: float | None

    started: str
    run: str
    label: str
    reasons: str
    """Disturbances of the run, a line each."""

    runs: float
    whole: float
    log_flop: float
    log_time: float
    variance: float
    log_power: float | None
    log_operations: float | None
    log_traffic: float | None


COARSE = TimingRow._fields.index("program")
FIRST = TimingRow._fields.index("params")
STARTED = TimingRow._fields.index("started")
EXPLAINED = TimingRow._fields.index("explained")
SUMMED = TimingRow._fields.index("runs")
"""Field indices: first program key, first non-key, run, and first summed field."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """Merged timings of some runs on one device.

    Parameters
    ----------
    timing : Timing
        Geometric mean of their time and work, mean of their features.
    run, started : str
        Id and start of the newest run.
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
    noise_sd : float
        Standard deviation of the logarithm of their mean: spread and disturbances [1].
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
    noise_sd: float
    reasons: tuple[str, ...]
    power_w: float | None
    operations: float | None
    traffic: float | None


def timing_rows(run: MeasuredRun) -> list[TimingRow]:
    """Return the rows of a finished run, none if simulated."""
    if run.state == "running" or run.simulated:
        return []
    rows = list(_rows(run))
    alike = Counter(row[:FIRST] for row in rows)
    of_device = Counter(row.hardware for row in rows if row.explained)
    return [
        row._replace(runs=1.0 / alike[row[:FIRST]], whole=1.0 / max(1, of_device[row.hardware]))
        for row in rows
    ]


def observed(
    rows: Iterable[Sequence[Any]], hardware: str, most: Mapping[str, float]
) -> list[Observation]:
    """Return merged timings on a device.

    Parameters
    ----------
    most : mapping of str to float
        Number format -> logarithm of the highest rate that one device can have reached [FLOP/s]:
        what claims more is left out.
    """
    ours = [row for row in rows if row[0] == hardware and row[EXPLAINED]]
    groups = _groups(ours, lambda row: tuple(row[:FIRST]))
    if many := len(groups) > MOST_FINE:
        groups = _groups(ours, _coarse)
    found = (_observation(group, many=many) for group in groups)
    return [one for one in found if _possible(one, most)]


Rows = list[Sequence[Any]]


def _groups(rows: Rows, key: Callable[[Sequence[Any]], tuple[Any, ...]]) -> list[Rows]:
    """Group rows by key, in order of appearance."""
    groups: dict[tuple[Any, ...], Rows] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return list(groups.values())


def _coarse(row: Sequence[Any]) -> tuple[Any, ...]:
    """Return a key for programs of one architecture with step sizes within a factor of e^2."""
    *same, bucket, _pace = row[:FIRST]
    return (*same[:COARSE], round(bucket / 4))


def devices_of_programs(rows: Iterable[Sequence[Any]]) -> frozenset[str]:
    """Return the ids of the devices with measurements of named programs."""
    own = TimingRow._fields.index("own")
    return frozenset(
        row[0] for row in rows if row[own] and row[EXPLAINED] and row[COARSE].startswith(NAMED)
    )


def _possible(one: Observation, most: Mapping[str, float]) -> bool:
    timing = one.timing
    limit = most.get(timing.precision or "")
    rate = (timing.flop or 0.0) / timing.devices / timing.time_s
    return limit is not None and math.log(rate) <= limit


def _observation(rows: Rows, *, many: bool) -> Observation:
    first, count = TimingRow._make(rows[0]), len(rows)
    columns = zip(*(row[SUMMED:] for row in rows), strict=True)
    runs, whole, log_flop, log_time, variance, *partly_known = columns
    power_w, operations, traffic = map(_geometric_mean, partly_known)
    started, run, label, reasons = max(tuple(row[STARTED:SUMMED]) for row in rows)
    flop = math.exp(sum(log_flop) / count) * first.devices
    timing = Timing(
        what="training",
        component="",
        devices=first.devices,
        precision=first.precision or None,
        kind=first.kind or None,
        arch=first.arch or None,
        label=label or None,
        flop=flop,
        time_s=math.exp(sum(log_time) / count),
        repetitions=2 if first.steps else 1,
        params=first.params,
        hidden=first.hidden,
        seq_len=first.seq_len,
        tokens=first.tokens,
    )
    return Observation(
        timing=timing,
        run=run,
        started=started,
        host=first.host,
        program="" if many else first.program,
        many=many,
        own=first.own,
        runs=sum(runs),
        whole=sum(whole),
        timings=count,
        noise_sd=math.sqrt(sum(variance)) / count,
        reasons=tuple(reasons.splitlines()),
        power_w=power_w,
        operations=operations,
        traffic=traffic,
    )


def _geometric_mean(logs: Iterable[float | None]) -> float | None:
    """Average the rows that have a value, or return None."""
    known = [log for log in logs if log is not None]
    return math.exp(sum(known) / len(known)) if known else None


def _rows(run: MeasuredRun) -> Iterator[TimingRow]:
    """Yield the training timings of a run on whole devices, except for small steps."""
    for device in run.devices:
        if device.hardware is None or device.shares_board is not None:
            continue
        for timing in run.timings:
            large = not timing.flop or timing.flop >= SMALLEST_STEP_FLOP * timing.devices
            if timing.what == "training" and timing.component == device.key and large:
                yield _row(run, timing, device.hardware)


def slowed(share: float) -> float:
    """Return the slowdown from other programs under fair sharing [1].

    >>> slowed(0.5)
    2.0
    """
    return 1.0 / (1.0 - min(share, MOST_OTHERS))


def leaves_out_disturbed(run: MeasuredRun, timing: Timing) -> bool:
    """Return whether disturbed repetitions were discarded, as in a benchmark."""
    return timing.others is not None or run.origin == "bench"


def taken_by_others(run: MeasuredRun, timing: Timing) -> float:
    """Share of its device that others took from a timing [1]."""
    if leaves_out_disturbed(run, timing):
        return timing.others or 0.0
    found = (one for one in run.conditions if one.component == timing.component)
    return max(map(contended, found), default=0.0)


def contended(condition: Condition) -> float:
    """Share of a device that others used beyond its idle capacity [1].

    >>> contended(Condition(component="cpu", busy=0.75, others=0.5))
    0.25
    """
    busy = 1.0 if condition.busy is None else condition.busy
    return max(0.0, (condition.others or 0.0) - max(0.0, 1.0 - busy))


def _row(run: MeasuredRun, timing: Timing, hardware: str) -> TimingRow:
    noise_sd, reasons = disturbance_of(run, timing)
    alike = sum(one.component == timing.component for one in run.timings) or 1
    steps = is_of_steps(timing)
    log_flop = math.log(timing.flop / timing.devices) if timing.flop else None
    log_time = math.log(timing.time_s / slowed(taken_by_others(run, timing)))
    power_w = measured_power_w(run, timing)
    done = _for_each_flop(timing)
    return TimingRow(
        hardware=hardware,
        host=run.host.id,
        precision=timing.precision or "",
        kind=timing.kind or "",
        arch=timing.arch or "",
        own=run.origin != "bench",
        steps=steps,
        devices=timing.devices,
        explained=log_flop is not None,
        program=program_of(timing, run),
        bucket=round(BUCKETS * log_flop) if steps and log_flop is not None else 0,
        pace=round(BUCKETS * (log_flop - log_time)) if log_flop is not None else 0,
        params=timing.params,
        hidden=timing.hidden,
        seq_len=timing.seq_len,
        tokens=timing.tokens,
        started=run.started,
        run=run.id,
        label=timing.label or run.label or "",
        reasons="\n".join(reasons),
        runs=1.0,
        whole=1.0,
        log_flop=log_flop or 0.0,
        log_time=log_time,
        variance=(timing.log_sd or 0.0) ** 2 / max(1, timing.repetitions) + noise_sd**2 * alike,
        log_power=math.log(power_w) if power_w else None,
        log_operations=done[0] if done else None,
        log_traffic=done[1] if done else None,
    )


def _for_each_flop(timing: Timing) -> tuple[float, float] | None:
    """Log operations [1] and traffic [B] per FLOP of a step, or None."""
    if not (timing.flop and timing.operations and timing.traffic_bytes):
        return None
    log_flop = math.log(timing.flop)
    return math.log(timing.operations) - log_flop, math.log(timing.traffic_bytes) - log_flop


def program_of(timing: Timing, run: MeasuredRun) -> str:
    """Return the key of a program: its name, parameters, or run label."""
    if timing.style and run.origin == "bench":
        return timing.style
    label = "" if run.label == FORECAST else run.label  # which any program may have
    return program_key(timing.params, timing.style or "") or label or ""


def program_key(params: float | None, name: str = "") -> str:
    """Return the key of a program from its name or parameters, empty if unknown.

    >>> program_key(124.4e6), program_key(124.4e6, "my-gpt"), program_key(None)
    ('1.24e+08 parameters', 'program my-gpt', '')
    """
    if name:
        return f"{NAMED}{name}"
    return "" if not params or math.isnan(params) else f"{params:.3g} parameters"


def is_of_steps(timing: Timing) -> bool:
    """Return whether it times repeated steps rather than one whole run."""
    return timing.repetitions + timing.rejected > 1


def measured_power_w(run: MeasuredRun, timing: Timing) -> float | None:
    """Return the mean device power during a timing or the run [W], or None."""
    if timing.power_w is not None:
        return None if timing.trust == "modelled" else timing.power_w
    for one in run.energy:
        measured = one.trust != "modelled" and one.coverage >= COVERED
        if one.component == timing.component and measured and one.duration_s > 0:
            return one.mean_w
    return None


def disturbance_of(run: MeasuredRun, timing: Timing) -> tuple[float, tuple[str, ...]]:
    """Return the disturbance of a timing, and the reasons."""
    found: dict[str, float] = {}
    apart = math.log(slowed(taken_by_others(run, timing)))
    apart *= SLOWED_SD if leaves_out_disturbed(run, timing) else OWN_SLOWED_SD
    for condition in run.conditions:
        if condition.component == timing.component:
            throttled, others = condition.throttled or 0.0, condition.others or 0.0
            found[f"throttled {in_percent(throttled)} of the time"] = THROTTLED_WEIGHT * throttled
            if run.origin != "bench":
                found[f"other programs used {in_percent(others)} of the device"] = max(
                    apart, SHARED_WEIGHT * others
                )
    if not timing.repetitions:
        found["other programs used the machine in every repetition"] = max(ALWAYS_SHARED, apart)
    for one in run.devices:
        limit, usual = one.power_limit_w, one.default_limit_w
        if one.key == timing.component and limit and usual and limit < usual:
            found[f"power limit {limit:.0f} of {usual:.0f} W"] = LIMITED_WEIGHT * math.log(
                usual / limit
            )
    strong = {reason: noise for reason, noise in found.items() if noise >= WORTH_A_WORD}
    return math.sqrt(sum(noise**2 for noise in strong.values())), tuple(strong)
