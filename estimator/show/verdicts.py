"""Verdict on whether a model fits in memory."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from estimator.answer.report import Report
from estimator.core.messages import Names
from estimator.core.units import GIB, human, in_percent

if TYPE_CHECKING:
    from estimator.memory.fit import Remedy

MISSING = "without activations, which are not modelled"


def verdict(report: Report, names: Names) -> str:
    """One-line verdict on whether a memory need fits, or which inputs would make it fit."""
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
    fails = "does not fit" if found["low"] > capacity else "probably does not fit"
    saving = format_changes(facts.get("fits_with", {}), names)
    same = f"; fits with {saving}" if saving else ""
    if facts["least_devices"] is None:
        way = f": {remedy_text(details['remedy'], names)}" if details["remedy"] else ""
        return f"{fails}{caveat}: {of}; not on any number of devices this way{same or way}"
    least = f"{facts['least_devices']:,.0f} devices"
    return f"{fails}{caveat}: {of}; needs at least {least}{same}"


def places(devices: float) -> str:
    """Format the devices of a per-device need.

    >>> places(1.0), places(1024.0)
    ('on one device', 'on each of 1,024 devices')
    """
    return "on one device" if devices == 1 else f"on each of {devices:,.0f} devices"


def remedy_text(remedy: "Remedy", names: Names) -> str:
    """Format the changes that make a model fit."""
    plural = "" if remedy.devices == 1 else "s"
    changes = format_changes(remedy.changes, names)
    return f"with {changes} from {remedy.devices:,.0f} device{plural} on"


def format_changes(changes: Mapping[str, Any], names: Names) -> str:
    """Format changed inputs: `--zero 3 --recompute full` on the command line."""
    values = {
        name: f"{value:g}" if isinstance(value, float) else value for name, value in changes.items()
    }
    return " ".join(f"{names(name)} {value}" for name, value in values.items())
