"""Effect of a power limit: less power, more time."""

import numpy as np

from estimator.core.hardware import Hardware
from estimator.core.notice import Notice
from estimator.core.power import capped
from estimator.core.uncertainty import Number, Uncertain
from estimator.core.units import S_PER_H, digits
from estimator.core.work import Workload

EXPONENT = "power.cap_exponent"
"""Prior of the elasticity of throughput to the dynamic power under a limit."""


def under_limit(
    limit_w: Number,
    workload: Workload,
    hardware: Hardware,
    utilization: Uncertain | None,
    exponent: Uncertain,
) -> tuple[Hardware, Uncertain | None, list[tuple[Notice, ...]]]:
    """Return devices and utilization under the power limit, with notices for each run.

    A timed run keeps its time.
    """
    timed = workload.device_hours is not None
    before = _reached(workload, hardware) if utilization is None else utilization
    after, reached = capped(hardware, before, limit_w, exponent, slows=not timed)
    binds = np.atleast_1d(after.load.mid != hardware.load.mid)
    columns = np.broadcast_arrays(binds, limit_w, before.mid, reached.mid)
    notices = [_limit_notices(*map(float, row)) for row in zip(*columns, strict=True)]
    return after, None if utilization is None else reached, notices


def _limit_notices(binds: float, limit_w: float, before: float, after: float) -> tuple[Notice, ...]:
    if not binds:
        return (Notice("power_limit_idle", "power_cap", {"limit": digits(limit_w)}),)
    longer = (before / after - 1) * 100
    if not longer:
        return ()
    values = {
        "limit": digits(limit_w),
        "longer": longer,
        "before": digits(before),
        "after": digits(after),
    }
    return (Notice("power_limit_slows", "power_cap", values),)


def _reached(workload: Workload, hardware: Hardware) -> Uncertain:
    """Return a timed run's utilization, or a busy device's if its work is unknown [1]."""
    if workload.training_flop is None or workload.device_hours is None:
        return hardware.full_utilization
    return workload.training_flop / (hardware.peak_flop_per_s * workload.device_hours * S_PER_H)
