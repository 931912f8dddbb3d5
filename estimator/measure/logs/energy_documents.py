"""Energy reports in BoAmps and CycloneDX documents, read as runs with known energy."""

import re
from typing import Any

from estimator.core.units import J_PER_KWH
from estimator.measure.logs.log_file import SHOWN, LogFile, json_of, moment_of, positive, value_at
from estimator.measure.logs.logged_run import LoggedRun
from estimator.runs.record import Energy, MeasuredDevice, Trust

COMPONENTS = {"devices": "gpu", "nodes": "host", "facility": "facility"}
"""Meter boundary -> component of a run."""

MOST_DEVICES = 100_000
"""Most devices recorded individually."""

PROPERTY = "twenty-watts:"
"""Prefix of our properties in a CycloneDX document."""


def is_boamps(log: LogFile) -> bool:
    """Return whether a text has the keys of a BoAmps report."""
    return _has(log, "measures", "powerConsumption")


def is_cyclonedx(log: LogFile) -> bool:
    """Return whether a text has the keys of a CycloneDX document with a model's energy."""
    return _has(log, "bomFormat", "energyConsumptions")


def _has(log: LogFile, *keys: str) -> bool:
    return log.text.lstrip().startswith("{") and all(f'"{key}"' in log.text for key in keys)


def read_boamps(log: LogFile) -> list[LoggedRun]:
    """Read the report as one run, from its first measure."""
    report = json_of(log)
    measures = _list(report, "measures")
    if not measures:
        raise log.refused("no measures")
    measure = measures[0]
    notes = [f"{len(measures)} measures in the report: the first counts"] * (len(measures) > 1)
    method = str(value_at(measure, "measurementMethod") or "")
    component: Any = next(
        (
            part
            for part in _list(report, "infrastructure.components")
            if str(value_at(part, "componentType")).casefold() not in ("cpu", "ram", "hdd", "ssd")
        ),
        {},
    )
    name = re.sub(r"^\d+ x ", "", str(value_at(component, "componentName") or ""))
    return [
        _run(
            log,
            energy_kwh=value_at(measure, "powerConsumption"),
            wall_s=value_at(measure, "measurementDuration"),
            started=value_at(measure, "measurementDateTime"),
            boundary=method,
            label=value_at(report, "task.algorithms.0.foundationModelName"),
            device=(name, value_at(component, "nbComponent")),
            notes=notes,
        )
    ]


def read_cyclonedx(log: LogFile) -> list[LoggedRun]:
    """Read each energy consumption of each model as one run."""
    found: list[LoggedRun] = []
    for component in _list(json_of(log), "components"):
        path = "modelCard.considerations.environmentalConsiderations.energyConsumptions"
        for used in _list(component, path):
            own = {
                str(value_at(one, "name")).removeprefix(PROPERTY): value_at(one, "value")
                for one in _list(used, "properties")
            }
            unit = value_at(used, "activityEnergyCost.unit")
            if unit not in (None, "kWh"):
                raise log.refused(f"an energy in {str(unit)[:SHOWN]!r}; CycloneDX has kWh only")
            found.append(
                _run(
                    log,
                    place=str(len(found) or ""),
                    energy_kwh=value_at(used, "activityEnergyCost.value"),
                    wall_s=own.get("duration_s"),
                    started=None,
                    boundary=str(own.get("boundary", "facility")),
                    label=value_at(component, "name"),
                    device=(str(own.get("hardware", "")), own.get("devices")),
                    notes=[],
                )
            )
    if not found:
        raise log.refused("no energyConsumptions in a modelCard")
    return found


def _run(  # noqa: PLR0913
    log: LogFile,
    *,
    energy_kwh: Any,
    wall_s: Any,
    started: Any,
    boundary: str,
    label: Any,
    device: tuple[str, Any],
    notes: list[str],
    place: str = "",
) -> LoggedRun:
    """Energy as a run, with its component from the meter's boundary."""
    energy, seconds = (positive(str(one)) for one in (energy_kwh, wall_s))
    if energy is None:
        raise log.refused("no energy in kWh")
    name, count = device
    devices = int(positive(str(count)) or 1)
    if devices > MOST_DEVICES:
        raise log.refused(f"{devices:,} devices; import runs of at most {MOST_DEVICES:,}")
    kind = next((one for one in COMPONENTS if one in boundary), "nodes")
    trust: Trust = "modelled" if "predicted" in boundary else "sampled"
    return LoggedRun(
        identity=("energy document", log.text, str(label) + place),
        wall_s=seconds,
        started=None if started is None else moment_of(str(started)),
        label=None if label is None else str(label),
        devices=tuple(
            MeasuredDevice(key=f"gpu:{at}", kind="gpu", name=name) for at in range(devices)
        )
        if name
        else (),
        energy=(
            Energy(
                component=COMPONENTS[kind],
                meter=boundary or "unknown",
                trust=trust,
                energy_j=energy * J_PER_KWH,
                duration_s=seconds or 1.0,
            ),
        ),
        notes=tuple(notes),
    )


def _list(part: Any, path: str) -> list[Any]:
    """List at a path, or empty."""
    found = value_at(part, path)
    return found if isinstance(found, list) else []
