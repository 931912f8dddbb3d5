"""Verdict on whether a model fits in memory, in words."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from estimator.answer.report import Report
from estimator.core.messages import Names
from estimator.core.units import GIB, human, in_percent

if TYPE_CHECKING:
    from estimator.memory.fit import Remedy

MISSING = "without activations, which are not modelled"


def verdict(report: Report, names: Names) -> str:
    """Say in one line whether a memory need fits, and with which inputs it would."""
    found, facts, details = report.bounds("total_bytes"), report.facts, report.details
    need = human(found["mid"], "B")
    if "memory_bytes" not in facts:
        caveat = f"{MISSING}: " if details["without_activations"] else ""
        return f"{caveat}needs {need} {places(report.inputs['devices'])}"
    capacity = facts["memory_bytes"]
    held = f"{human(capacity, 'B')} ({capacity / GIB:,.4g} GiB)"
    of = f"{need}, {in_percent(found['mid'] / capacity)} of {held}"
    if facts["fits"]:
        caveat = f" {MISSING}" if details["without_activations"] else ""
        if found["high"] <= capacity:
            return f"fits{caveat}: {of}, on each {details['device']}"
        return f"probably fits{caveat}, but tightly: {of}, and up to {human(found['high'], 'B')}"
    caveat = f", even {MISSING}" if details["without_activations"] else ""
    saving = written(facts.get("fits_with", {}), names)
    same = f"; fits with {saving}" if saving else ""
    if facts["least_devices"] is None:
        way = f": {remedy_text(details['remedy'], names)}" if details["remedy"] else ""
        return f"does not fit{caveat}: {of}; not on any number of devices this way{same or way}"
    least = f"{facts['least_devices']:,.0f} devices"
    return f"does not fit{caveat}: {of}; needs at least {least}{same}"


def places(devices: float) -> str:
    """Say where a need per device is.

    >>> places(1.0), places(1024.0)
    ('on one device', 'on each of 1,024 devices')
    """
    return "on one device" if devices == 1 else f"on each of {devices:,.0f} devices"


def remedy_text(remedy: "Remedy", names: Names) -> str:
    """Say what makes a model fit that no number of devices holds as it was asked."""
    plural = "" if remedy.devices == 1 else "s"
    changes = written(remedy.changes, names)
    return f"with {changes} from {remedy.devices:,.0f} device{plural} on"


def written(changes: Mapping[str, Any], names: Names) -> str:
    """Write changed inputs: `--zero 3 --recompute full` on the command line."""
    values = {
        name: f"{value:g}" if isinstance(value, float) else value for name, value in changes.items()
    }
    return " ".join(f"{names(name)} {value}" for name, value in values.items())
