"""Summary of an interrupted run, from the samples on disk."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from estimator.runs.meter import Sample
from estimator.runs.record import Condition, Energy, MeasuredRun, Trust

NOTE = "cut off while it was measured"


def with_summary(
    run: MeasuredRun,
    samples: Mapping[str, Sequence[Sample]],
    meters: Mapping[str, tuple[str, Trust]],
) -> MeasuredRun:
    """Mark a run as interrupted and summarise its samples.

    Parameters
    ----------
    meters : mapping
        Component -> name and trust of its meter. One without is left out, and named in a note.
    """
    from estimator.runs.energy import summarise

    times_s = [sample.time_s for readings in samples.values() for sample in readings]
    span_s = max(times_s) - min(times_s) if times_s else 0.0
    limits_w = {device.key: device.power_limit_w for device in run.devices}
    energy: list[Energy] = []
    conditions: list[Condition] = []
    notes = [f"{NOTE}: {len(times_s)} samples over {span_s:.0f} s are what is left"]
    for component, readings in samples.items():
        if component not in meters:
            notes.append(f"{component}: no meter is named for its samples")
        elif span_s > 0:
            name, trust = meters[component]
            limit_w = limits_w.get(component)
            found = summarise(component, name, trust, readings, duration_s=span_s, limit_w=limit_w)
            energy += [found.energy] if found.energy else []
            conditions += [found.condition] if found.condition else []
            notes += found.notes
    return replace(
        run,
        state="interrupted",
        wall_s=max(run.wall_s, span_s),
        energy=(*run.energy, *energy),
        conditions=(*run.conditions, *conditions),
        notes=(*run.notes, *notes),
    )
