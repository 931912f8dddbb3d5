"""What does a power cap do to this run: less power, more time, and what to say about it."""

from estimator.catalog import Catalog
from estimator.hardware import Hardware
from estimator.power import capped
from estimator.trail import Trail
from estimator.uncertainty import Uncertain
from estimator.units import S_PER_H, digits
from estimator.workload.work import Workload

EXPONENT = "power.cap_exponent"
"""Prior: elasticity of the throughput to the dynamic power that a cap leaves."""


def under_cap(
    cap_w: float,
    workload: Workload,
    hardware: Hardware,
    utilization: Uncertain | None,
    catalog: Catalog,
    trail: Trail,
) -> tuple[Hardware, Uncertain | None]:
    """Device and utilization under the cap; a run already timed keeps its time.

    Raises
    ------
    ValueError
        If the power of the device is not known, or the cap is not above idle, or absurdly high.
    """
    cap = float(trail.given("power_cap", cap_w, "W").mid)
    timed = workload.device_hours is not None
    before = _reached(workload, hardware) if utilization is None else utilization
    exponent = trail.prior(catalog, EXPONENT, "power cap")
    after, reached = capped(hardware, before, cap, exponent, slows=not timed)
    slower = float(before.mid) / float(reached.mid) - 1
    if after.load.mid == hardware.load.mid:
        del trail.inputs[EXPONENT]
        trail.warn(f"the power cap of {digits(cap)} W is above what the run draws: no effect")
    elif slower:
        trail.warn(
            f"the power cap of {digits(cap)} W makes the run {slower * 100:.2g} % longer: "
            f"the utilization falls from {digits(float(before.mid))} to "
            f"{digits(float(reached.mid))}"
        )
    return after, None if utilization is None else reached


def _reached(workload: Workload, hardware: Hardware) -> Uncertain:
    """Utilization that a timed run reached; that of a busy device where its work is unknown [1]."""
    if workload.training_flop is None or workload.device_hours is None:
        return hardware.full_utilization
    return workload.training_flop / (hardware.peak_flop_per_s * workload.device_hours * S_PER_H)
