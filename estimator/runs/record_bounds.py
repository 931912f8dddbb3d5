"""Limits of the values in a run, exceeded only by faults.

Such a run is left out with a note and does not affect other answers.
"""

from collections.abc import Mapping
from datetime import datetime

from estimator.runs.record import MeasuredRun

Bounds = Mapping[str, tuple[float, float]]

LONGEST_S = 1e10
"""Three hundred years [s]."""

LARGEST_COUNT = 1e12
"""Largest count [1]."""

LARGEST = 1e40
"""Largest value of any other field, in its unit; its square is finite."""

LEAST = 1e-300
"""Smallest positive value; its logarithm is finite."""

MOST_COUNTED = {"operations": 1e15, "traffic_bytes": 1e26}
"""Largest counts per step [1] [B], as in `core.limits`, which is too slow to import here."""

TIMING: Bounds = {
    "time_s": (LEAST, LONGEST_S),
    "devices": (1, LARGEST_COUNT),
    **dict.fromkeys(("repetitions", "rejected"), (0, LARGEST_COUNT)),
    **dict.fromkeys(("flop", "moved_bytes", "log_sd", "power_w", "others"), (0.0, LARGEST)),
    **{name: (0.0, most) for name, most in MOST_COUNTED.items()},
    **dict.fromkeys(("params", "hidden", "seq_len", "tokens"), (0.0, LARGEST)),
}
ENERGY: Bounds = {"energy_j": (0.0, LARGEST), "duration_s": (LEAST, LONGEST_S)}
CONDITION: Bounds = dict.fromkeys(("busy", "others", "throttled"), (0.0, LARGEST))
DEVICE: Bounds = dict.fromkeys(("power_limit_w", "default_limit_w"), (0.0, LARGEST))
PARTS = {"timings": TIMING, "energy": ENERGY, "conditions": CONDITION, "devices": DEVICE}
"""Fields that answers are computed from -> their limits."""


def check_values(run: MeasuredRun) -> None:
    """Check the values that answers are computed from.

    Examples
    --------
    >>> from estimator.runs.record import Host
    >>> host = Host(id="h", cpu="c", system="Linux", software={})
    >>> check_values(MeasuredRun(
    ...     id="a", origin="run", started="today", wall_s=1.0, state="finished", host=host
    ... ))
    Traceback (most recent call last):
    ...
    ValueError: run.started: must be a time like 2026-11-21T05:00:00Z, got 'today'
    """
    try:
        datetime.fromisoformat(run.started)
    except ValueError:
        raise ValueError(
            f"run.started: must be a time like 2026-11-21T05:00:00Z, got {run.started!r}"
        ) from None
    _check("run", run, {"wall_s": (0.0, LONGEST_S)})
    for name, bounds in PARTS.items():
        for at, part in enumerate(getattr(run, name)):
            _check(f"run.{name}[{at}]", part, bounds)


def _check(place: str, part: object, bounds: Bounds) -> None:
    for name, (least, most) in bounds.items():
        value = getattr(part, name)
        if value is not None and not least <= value <= most:
            raise ValueError(f"{place}.{name}: must be {least:g} to {most:g}, got {value:g}")
