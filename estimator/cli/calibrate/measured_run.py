"""Summary of a measured run: results, meters, and disturbances."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from estimator.core.units import human, human_duration, in_percent
from estimator.runs.record import HOW_METERED, Energy, MeasuredRun, ServedLoad, Timing, Trust

if TYPE_CHECKING:
    from estimator.catalog import Catalog

MANY = 8
"""Components above which they are listed in groups."""


EARLIER = 5
"""Recent runs whose notes are not repeated."""


def brief_lines(run: MeasuredRun, *, corrects: bool) -> Iterator[str]:
    """Yield one line about a run, and its new notes.

    Parameters
    ----------
    corrects : bool
        Whether its work is known, so that it calibrates estimates.
    """
    from estimator.measure.recorder import LEAST_S, useful

    said = f"{run.label}: {run.state} after {human_duration(run.wall_s)}"
    if not useful(run):
        yield f"{said}, not stored: shorter than {LEAST_S:g} s"
        return
    measured = [component for component in run.energy if component.trust != "modelled"]
    energy = [f"{one.component} {human(one.energy_kwh * 1e3, 'Wh')}" for one in measured[:MANY]]
    shown = list(map(_reached, (timing for timing in run.timings if timing.flop is not None)))
    shown += [*map(_served, run.served), ", ".join(energy) or "energy not measured"]
    if not corrects:
        shown.append(
            "work unknown, so no estimate changes (specify it with --flop, or use forecast)"
        )
    yield "; ".join((said, *shown, f"stored as {run.id}"))
    yield from news_of(run)


def news_of(run: MeasuredRun) -> list[str]:
    """Return the notes of a run that no recent run has."""
    from estimator.runs import overview

    newest = overview(None, most=EARLIER).runs
    before = {line for one in newest if one.id != run.id for line in one.notes}
    return [line for line in run.notes if line not in before]


def _reached(timing: Timing) -> str:
    """Format the rate of a timing."""
    reached = human((timing.flop or 0.0) / timing.time_s / timing.devices, "FLOP/s")
    each = f" by each of {timing.devices} devices" if timing.devices > 1 else ""
    return f"{timing.component}: {reached} reached{each}"


def run_lines(run: MeasuredRun) -> Iterator[str]:
    """Yield the summary line by line."""
    yield f"run {run.id}: {run.state} after {human_duration(run.wall_s)}"
    if len(run.energy) > MANY:
        yield from _groups(run.energy)
    else:
        yield from map(_energy, run.energy)
    silent = sorted({one.key for one in run.devices} - {one.component for one in run.energy})
    if len(silent) > MANY:
        yield f"{len(silent)} devices: no meter of their own, so their energy is unknown"
    else:
        yield from (f"{device}: no meter reading, so its energy is unknown" for device in silent)
    yield from map(_reached, (timing for timing in run.timings if timing.flop is not None))
    yield from map(_served, run.served)
    yield from run.notes


def peak_missing(name: str, precisions: Iterable[str], catalog: "Catalog") -> str:
    """Return the notice that runs in formats without a known peak calibrate no estimate."""
    from estimator.calibration.devices import peaks_of

    known = peaks_of(catalog)(name)
    missing = sorted({precision for precision in precisions if precision not in known})
    if not missing:
        return ""
    return (
        f"{name}: no {' or '.join(missing)} peak on record, so its runs calibrate no "
        "estimate; `twenty-watts calibrate bench` measures a CPU's peak"
    )


SERVED = {
    "output_tokens_per_s": "token/s",
    "inter_token_s": "s a token",
    "time_to_first_token_s": "s to the first token",
    "device_power_w": "W",
    "device_energy_per_output_token_j": "J a token",
}
"""Quantity of a served load -> unit in a summary."""


def _served(load: ServedLoad) -> str:
    """Format one load of a server."""
    where = f"{load.devices} × {load.component}" if load.devices > 1 else load.component
    flying = "" if load.concurrency is None else f", {load.concurrency:.3g} in flight"
    figures = ", ".join(
        f"{load.measured[name]:.3g} {unit}"
        for name, unit in SERVED.items()
        if name in load.measured
    )
    return f"{where}: {load.model or 'model'} {load.precision}{flying}: {figures}"


def _energy(one: Energy) -> str:
    text = f"{one.component}: {human(one.energy_kwh * 1e3, 'Wh')}, mean {human(one.mean_w, 'W')}"
    peak = "" if one.peak_w is None else f", peak {human(one.peak_w, 'W')}"
    covered = "" if one.coverage > 0.99 else f", covering {in_percent(one.coverage)} of the run"
    return f"{text}{peak} ({HOW_METERED[one.trust]}, {one.meter}{covered})"


def _groups(energy: Sequence[Energy]) -> Iterator[str]:
    """Format the components with the same kind and meter together."""
    groups: dict[tuple[str, str, Trust], list[Energy]] = {}
    for one in energy:
        kind = one.component.rpartition("/")[2].partition(":")[0]
        groups.setdefault((kind, one.meter, one.trust), []).append(one)
    for (kind, meter, trust), some in groups.items():
        if len(some) == 1:
            yield _energy(some[0])
            continue
        total = human(sum(one.energy_kwh for one in some) * 1e3, "Wh")
        powers = [one.mean_w for one in some]
        mean = f"{sum(powers) / len(powers):.4g} W each ({min(powers):.4g} to {max(powers):.4g})"
        least = min(one.coverage for one in some)
        covered = "" if least > 0.99 else f", covering {in_percent(least)} of the run or more"
        yield f"{len(some)} {kind}: {total}, mean {mean} ({HOW_METERED[trust]}, {meter}{covered})"
