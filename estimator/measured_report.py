"""How is a measured run told to people: what it took, by which meter, and what disturbed it."""

from collections.abc import Iterator

from estimator.measure.record import Energy, MeasuredRun
from estimator.units import human, human_duration

TRUST = {
    "counter": "energy counter",
    "sampled": "power sampled",
    "modelled": "modelled from the load, not measured",
}


def lines(run: MeasuredRun) -> Iterator[str]:
    """Yield the summary line by line."""
    yield f"run {run.id}: {run.state} after {human_duration(run.wall_s)}"
    for one in run.energy:
        yield _energy(one)
    for device in sorted({one.key for one in run.devices} - {one.component for one in run.energy}):
        yield f"{device}: no meter, its energy is not known"
    for timing in run.timings:
        if timing.flop is not None:
            reached = human(timing.flop / timing.time_s / timing.devices, "FLOP/s")
            yield f"{timing.component}: {reached} reached by each of {timing.devices}"
    yield from run.notes


def _energy(one: Energy) -> str:
    told = f"{one.component}: {human(one.energy_kwh * 1e3, 'Wh')}, mean {one.mean_w:.4g} W"
    peak = "" if one.peak_w is None else f", peak {one.peak_w:.4g} W"
    covered = "" if one.coverage > 0.99 else f", covering {one.coverage:.0%} of the run"
    return f"{told}{peak} ({TRUST[one.trust]}, {one.meter}{covered})"
