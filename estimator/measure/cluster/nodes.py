"""Host, work and notes of runs imported from a cluster.

Node names are not stored, as a record may be shared; nodes are numbered in name order.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from estimator.runs.energy import COVERED_ENOUGH
from estimator.runs.record import Energy, Host, MeasuredDevice, Timing, Trust

SALT = "twenty-watts cluster"

LONGEST_NUMBER = 18
"""Most digits of a number in a name [1]."""

NAMED = 3
"""Most components named in a note."""


def host_of(nodes: Iterable[str], *, cores: int | None = None, driver: str | None = None) -> Host:
    """Nodes of one cluster as a host; names that differ only by numbers are merged."""
    stems = sorted({re.sub(r"\d+", "", short_name(node)) for node in nodes})
    return Host(
        id=digest(SALT, *stems)[:16],
        cpu="unknown processor",
        cores=cores,
        system="Linux",
        software={} if driver is None else {"nvidia-driver": driver},
    )


def digest(*words: str) -> str:
    """Hash of some words that does not reveal them."""
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


def short_name(node: str) -> str:
    """Lower-case name of a node without port and domain.

    >>> [short_name(one) for one in ("GPU-07.hpc.example:9400", "10.0.0.7:9100")]
    ['gpu-07', '10.0.0.7']
    """
    name = re.sub(r":\d+$", "", node.strip()).lower()
    return name if re.fullmatch(r"[\d.]+", name) else name.partition(".")[0]


def in_order(nodes: Iterable[str]) -> list[str]:
    """Names of nodes in natural order: node9 before node10."""

    def key(node: str) -> list[tuple[int, int, str]]:
        parts = [(one, number_in(one)) for one in re.findall(r"\d+|\D+", node)]
        return [(1, 0, one) if number is None else (0, number, "") for one, number in parts]

    return sorted(set(nodes), key=key)


def number_in(text: str) -> int | None:
    """Number in a server's label, or None.

    >>> number_in("07"), number_in("\u00b2"), number_in("9" * 5000)
    (7, None, None)
    """
    return int(text) if text.isdecimal() and len(text) <= LONGEST_NUMBER else None


def training(
    work: Mapping[str, Any],
    devices: Sequence[MeasuredDevice],
    energy: Sequence[Energy],
    *,
    wall_s: float,
    label: str | None,
) -> tuple[tuple[Timing, ...], list[str]]:
    """Return the whole run as one timing if its work has a `flop`, or the reasons why not."""
    if work.get("flop") is None or not devices:
        return (), []
    if len({one.hardware or one.name for one in devices}) > 1:
        return (), ["devices of several kinds shared the work: no utilization is derived"]
    if any(one.shares_board for one in devices):
        return (), ["the work ran on partitions of GPUs: no utilization is derived"]
    power_w, trust = mean_power_w(energy, [one.key for one in devices]) or (None, None)
    timing = Timing(
        what="training",
        component=devices[0].key,
        devices=len(devices),
        time_s=wall_s,
        repetitions=1,
        label=label,
        power_w=power_w,
        trust=trust,
        **work,
    )
    return (timing,), []


def mean_power_w(energy: Sequence[Energy], keys: Sequence[str]) -> tuple[float, Trust] | None:
    """Mean power per device, if all were measured most of the time [W]."""
    chosen = [one for one in energy if one.component in set(keys)]
    sound = [one for one in chosen if one.trust != "modelled" and one.coverage >= COVERED_ENOUGH]
    if not keys or len(sound) < len(keys):
        return None
    counted = all(one.trust == "counter" for one in sound)
    mean_w = sum(one.mean_w for one in sound) / len(sound)
    return mean_w, "counter" if counted else "sampled"


def gathered(notes: Iterable[str]) -> list[str]:
    """Merge equal notes on several components.

    >>> gathered(["gpu:0: 2 gaps", "gpu:1: 2 gaps", "a note"])
    ['gpu:0, gpu:1: 2 gaps', 'a note']
    """
    groups: dict[str, list[str]] = {}
    for note in notes:
        component, colon, rest = note.partition(": ")
        alike = rest if colon and " " not in component else note
        groups.setdefault(alike, []).append(component if alike == rest else "")
    return [f"{_listed(names)}: {rest}" if names[0] else rest for rest, names in groups.items()]


def _listed(names: Sequence[str]) -> str:
    named = list(dict.fromkeys(names))
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    return ", ".join(named[:NAMED]) + more
