"""Verdict on whether a model fits in memory."""

from typing import TYPE_CHECKING

from estimator.answer.report import Report
from estimator.core.messages import Names
from estimator.core.units import GIB, human, in_percent

if TYPE_CHECKING:
    from estimator.memory.savings import Remedy

MISSING = "without activations, which are not modelled"


def verdict(report: Report, names: Names) -> str:
    """Return a one-line verdict: whether the memory fits, or which inputs would make it fit."""
    found, facts, details = report.bounds("total_bytes"), report.facts, report.details
    need = human(found["mid"], "B")
    if "memory_bytes" not in facts:
        caveat = f"{MISSING}: " if details["without_activations"] else ""
        return f"{caveat}needs {need} {places(report.inputs['devices'])}"
    capacity = facts["memory_bytes"]
    held = f"{human(capacity, 'B')} ({capacity / GIB:,.4g} GiB)"
    share = in_percent(found["mid"] / capacity)
    of = f"{need}, {share} of {held}"
    if facts["fits"]:
        caveat = f" {MISSING}" if details["without_activations"] else ""
        if found["high"] <= capacity:
            return f"fits{caveat}: {of}, on each {details['device']}"
        likely = "may just fit{}" if share == "100%" else "probably fits{}, but tightly"
        return f"{likely.format(caveat)}: {of}, and up to {human(found['high'], 'B')}"
    caveat = f", even {MISSING}" if details["without_activations"] else ""
    unlikely = "may not quite fit" if share == "100%" else "probably does not fit"
    fails = "does not fit" if found["low"] > capacity else unlikely
    ways = " or ".join(remedy_text(remedy, names) for remedy in details["remedies"])
    remedy = f"fits {ways}" if ways else "no number of devices or saving of memory is enough"
    return f"{fails}{caveat}: {of}; {remedy}"


def places(devices: float) -> str:
    """Format the devices of a per-device need.

    >>> places(1.0), places(1024.0)
    ('on one device', 'on each of 1,024 devices')
    """
    return "on one device" if devices == 1 else f"on each of {devices:,.0f} devices"


def remedy_text(remedy: "Remedy", names: Names) -> str:
    """Format the changes that make a model fit: `on 43 devices with --recomputation full`."""
    parts = [] if remedy.devices is None else [f"on {remedy.devices:,.0f} devices"]
    values = {
        name: f"{value:g}" if isinstance(value, float) else value
        for name, value in remedy.changes.items()
    }
    changes = " ".join(f"{names(name)} {value}" for name, value in values.items())
    return " ".join((*parts, f"with {changes}") if changes else parts)
