"""Work of a run: FLOPs, or device time already spent."""

from dataclasses import dataclass

from estimator.core.limits import within_limits
from estimator.core.uncertainty import EXACTLY_ONE, Uncertain

DEVICES, NODES, FACILITY = METERED = ("devices", "nodes", "facility")
"""Boundaries of an energy meter, each within the next."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Training run, described by its work.

    Parameters
    ----------
    training_flop : Uncertain, optional
        FLOPs of the model for the whole final run, with two per multiply-add [FLOP].
    device_hours : Uncertain, optional
        Device time of the final run, if known [h]; energy, cost and CO2e then follow from it, and
        the utilization is only shown.
    attempts : Uncertain
        Compute of all runs over the final run's: failed runs, searches, ablations [1].
    metered_kwh : Uncertain, optional
        Metered energy of the final run [kWh].
    metered : str
        Boundary of the meter: devices, nodes or facility.

    Raises
    ------
    ValueError
        If both work and hours are missing, or a number is invalid.
    """

    training_flop: Uncertain | None = None
    device_hours: Uncertain | None = None
    attempts: Uncertain = EXACTLY_ONE
    metered_kwh: Uncertain | None = None
    metered: str = FACILITY

    def __post_init__(self) -> None:
        if self.training_flop is None and self.device_hours is None:
            raise ValueError("a workload needs training_flop or device_hours, got neither")
        for name in ("training_flop", "device_hours", "attempts"):
            value = getattr(self, name)
            if value is not None:
                within_limits(name, value)
