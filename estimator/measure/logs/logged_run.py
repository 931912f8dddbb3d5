"""Measured run from a log and the user's additions."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from estimator.catalog import Catalog
from estimator.measure.attribution import at_work, implausible
from estimator.measure.cluster import nodes
from estimator.measure.logs.log_file import LogFile
from estimator.measure.steady import SteadySteps
from estimator.runs.record import (
    Condition,
    Energy,
    Host,
    MeasuredDevice,
    MeasuredRun,
    ServedLoad,
    Timing,
    Trust,
    stamp,
)

SHORTEST_S = 1.0
"""Shortest run [s]; below is only start-up."""

PRECISION_IN_NAME = re.compile(r"(fp8|fp4|awq|gptq|int[48]|w[48]a|gpt-oss|q\d_)", re.IGNORECASE)
"""Formats that a model name may contain."""

LONGEST_S = 1e9
"""Longest run [s]; above is a typing error."""


@dataclass(frozen=True, kw_only=True)
class LoggedRun:
    """Run as its log describes it; missing facts are None.

    Parameters
    ----------
    identity : tuple of str
        What distinguishes it from all other runs, the same in every copy of the log.
    power_w : tuple of float and str, optional
        Mean power of one device while it worked [W], and its trust.
    flop, tokens, samples : float, optional
        Work of the whole run [FLOP], and what it went through.
    served : tuple of ServedLoad
        Loads of a server, their devices still to come; a run with such trained nothing.
    """

    identity: tuple[str, ...]
    wall_s: float | None = None
    started: datetime | None = None
    label: str | None = None
    host: Host | None = None
    devices: tuple[MeasuredDevice, ...] = ()
    energy: tuple[Energy, ...] = ()
    conditions: tuple[Condition, ...] = ()
    power_w: tuple[float, Trust] | None = None
    notes: tuple[str, ...] = ()
    flop: float | None = None
    tokens: float | None = None
    samples: float | None = None
    steps: SteadySteps | None = None
    all_steps: float | None = None
    served: tuple[ServedLoad, ...] = ()


Work = Callable[[LoggedRun], Mapping[str, Any]]
"""Callable for the work of a run as fields of `Timing`; the log's tokens and samples are defaults.
"""


@dataclass(frozen=True, kw_only=True)
class Unlogged:
    """Facts that the user adds to a log.

    Parameters
    ----------
    step_flop : float, optional
        Work of one step over all devices [FLOP].
    """

    hardware: str | None = None
    devices: int | None = None
    wall_s: float | None = None
    started: datetime | None = None
    label: str | None = None
    step_flop: float | None = None
    work: Work = field(default=lambda _run: {})
    load: Mapping[str, Any] = field(default_factory=dict)


def measured_run(log: LogFile, found: LoggedRun, added: Unlogged, catalog: Catalog) -> MeasuredRun:
    """Build a record of a logged run."""
    wall_s = _wall_s(log, found, added)
    devices = _devices(log, found, added, catalog)
    used = _used(log, found, added, devices)
    started, notes = _started(log, found, added, wall_s)
    served = tuple(placed_load(log, one, added.load, used) for one in found.served)
    timings, why_not = ((), []) if served else _timings(log, found, added, used, wall_s)
    host = found.host or _unknown_host(used)
    run = MeasuredRun(
        id=f"log-{nodes.digest(*found.identity)[:16]}",
        origin="log",
        started=stamp(started),
        wall_s=wall_s,
        state="finished",
        label=added.label or found.label,
        host=host,
        devices=tuple(devices),
        energy=found.energy,
        conditions=found.conditions,
        timings=timings,
        served=served,
        notes=(*found.notes, *notes, *why_not),
    )
    if not (run.timings or run.energy or run.served):
        raise log.refused("holds no energy, and the work is unknown: set --flop or --params")
    return replace(run, notes=(*run.notes, *implausible(run)))


def _wall_s(log: LogFile, found: LoggedRun, added: Unlogged) -> float:
    wall_s = added.wall_s or found.wall_s
    if wall_s is None:
        raise log.refused("does not say how long the run took: set --wall-hours")
    if not SHORTEST_S <= wall_s <= LONGEST_S:
        raise log.refused(f"a run of {wall_s:.3g} s is too short or too long to calibrate from")
    return wall_s


def _devices(
    log: LogFile, found: LoggedRun, added: Unlogged, catalog: Catalog
) -> list[MeasuredDevice]:
    """Devices of the log with their profiles, by default the user's."""
    profile = None if added.hardware is None else catalog.device(added.hardware)
    if found.devices:
        return [
            replace(one, hardware=profile.id if profile else catalog.find_device(one.name))
            for one in found.devices
        ]
    if profile is None:
        raise log.refused("does not say what it ran on: set --hardware and --devices")
    if added.devices is None:
        raise log.refused("does not say how many devices shared the work: set --devices")
    if not 1 <= added.devices <= 1_000_000:
        raise log.refused(f"--devices must be 1 to 1,000,000, got {added.devices}")
    if profile.kind == "cpu":
        keys = ["cpu", *(f"cpu:{at}" for at in range(1, added.devices))]
        one = MeasuredDevice(key="", kind="cpu", name=profile.name, hardware=profile.id)
    else:
        keys = [f"gpu:{at}" for at in range(added.devices)]
        one = MeasuredDevice(key="", kind="gpu", name=profile.name, hardware=profile.id)
    return [replace(one, key=key) for key in keys]


def _used(
    log: LogFile, found: LoggedRun, added: Unlogged, devices: Sequence[MeasuredDevice]
) -> list[MeasuredDevice]:
    """Devices that shared the work."""
    boards = [one for one in devices if one.kind == "gpu"] or list(devices)
    working = at_work(boards, found.conditions)
    if added.devices is None:
        return working
    if added.devices > len(boards):
        raise log.refused(f"has {len(boards)} devices, and --devices says {added.devices}")
    return (working + [one for one in boards if one not in working])[: added.devices]


def _started(
    log: LogFile, found: LoggedRun, added: Unlogged, wall_s: float
) -> tuple[datetime, list[str]]:
    """Return the start of the run: given, logged, or the file's date."""
    known = added.started or found.started
    if known is not None:
        return known, []
    ended = datetime.fromisoformat(log.modified)
    note = "the log has no date: the run is dated by the file's last change (--start sets it)"
    return ended - timedelta(seconds=wall_s), [note]


def _timings(
    log: LogFile,
    found: LoggedRun,
    added: Unlogged,
    used: Sequence[MeasuredDevice],
    wall_s: float,
) -> tuple[tuple[Timing, ...], list[str]]:
    """Run as one repetition of its work, or as steps if timed."""
    work = dict(added.work(found))
    flop = _flop(log, found, added, work)
    if flop is None:
        why = "its work is unknown, so it calibrates power alone; set --flop or --params"
        return (), [why]
    if work.get("precision") is None:
        raise log.refused("the number format of the work is unknown: set --precision")
    timings, why_not = nodes.training(
        {**work, "flop": flop}, used, found.energy, wall_s=wall_s, label=added.label or found.label
    )
    if found.power_w is not None and len(used) == len(found.devices):
        power_w, trust = found.power_w
        timings = tuple(replace(one, power_w=power_w, trust=trust) for one in timings)
    return tuple(_by_steps(one, found) for one in timings), why_not


def placed_load(
    log: LogFile, load: ServedLoad, stated: Mapping[str, Any], used: Sequence[MeasuredDevice]
) -> ServedLoad:
    """Load on its devices, with what the user states about it."""
    whole = replace(load, component=used[0].key, devices=len(used), **stated)
    if not (whole.model or whole.params_total):
        raise log.refused("does not name the model: set --preset or --params")
    if not whole.precision and not PRECISION_IN_NAME.search(whole.model):
        raise log.refused("does not state the format of the weights: set --precision")
    return whole


def _flop(log: LogFile, found: LoggedRun, added: Unlogged, work: Mapping[str, Any]) -> float | None:
    """Work of the whole run: given, from its steps, or logged [FLOP]."""
    if work.get("flop") is not None:
        return float(work["flop"])
    if added.step_flop is None:
        return found.flop
    if found.all_steps is None:
        raise log.refused(
            "has no number of steps, so --step-flop does not say the work: set --flop"
        )
    return added.step_flop * found.all_steps


def _by_steps(timing: Timing, found: LoggedRun) -> Timing:
    """Timing per step, if steps were timed."""
    steps, count = found.steps, found.all_steps
    if steps is None or not count or timing.flop is None:
        return timing
    return replace(
        timing,
        flop=timing.flop / count,
        time_s=steps.step_s,
        log_sd=steps.log_sd,
        repetitions=steps.steps,
        rejected=steps.warm_up,
        tokens=None if found.tokens is None else found.tokens / count,
        samples=None if found.samples is None else found.samples / count,
    )


def _unknown_host(used: Sequence[MeasuredDevice]) -> Host:
    """Host known only by its devices."""
    names = sorted({one.hardware or one.name for one in used})
    return Host(
        id=nodes.digest("unknown host", *names)[:16],
        cpu="unknown processor",
        system="unknown",
        software={},
    )
