"""Correction of predicted power by measurements."""

from dataclasses import replace

import numpy as np

from estimator.core.hardware import Hardware
from estimator.core.power import node_power
from estimator.core.uncertainty import EXACTLY_ZERO, Number, Quantity, Uncertain

SMALLEST_W = 1e-3
"""Least power above idle of a working device [W]."""


def device_power_w(hardware: Hardware, utilization: Quantity | None) -> Uncertain:
    """Return the mean device power at a utilization, or over its range if unknown [W].

    Raises
    ------
    ValueError
        If the device's power is unknown.
    """
    power = node_power(hardware, utilization=utilization, devices=1.0, network_share=EXACTLY_ZERO)
    return power.device_w


def corrected_power(
    hardware: Hardware, utilization: Quantity | None, *, log_shift: Number, left: Number
) -> Hardware:
    """Shift a device's mean power at a utilization, and reduce its uncertainty.

    Only the load changes; power limit and idle power stay.

    Parameters
    ----------
    hardware : Hardware
        Device with known `tdp_w` and `idle_w`.
    utilization : float or Uncertain, optional
        Approximate utilization at which power was measured [1], None if unknown.
    log_shift : float or array
        Logarithm of measured over expected power [1].
    left : float or array
        Remaining share of the mean power's uncertainty, in [0, 1].

    Raises
    ------
    ValueError
        If the device's power is unknown.

    Examples
    --------
    >>> from estimator.question.hardware import read_hardware
    >>> v100 = read_hardware("v100")
    >>> moved = corrected_power(v100, 0.3, log_shift=-0.1, left=0.5)
    >>> ratio = device_power_w(moved, 0.3) / device_power_w(v100, 0.3)
    >>> bool(abs(np.log(ratio.mid) + 0.1) < 1e-9)
    True
    """
    drawn = device_power_w(hardware, utilization)
    idle, limit = hardware.idle_w, hardware.tdp_w
    if idle is None or limit is None:
        raise ValueError(f"the power of {hardware.name} is not known: give its tdp_w in a profile")
    working = np.maximum(drawn.mid - idle.mid, SMALLEST_W)
    wanted = np.maximum(drawn.mid * np.exp(log_shift) - idle.mid, SMALLEST_W)
    moved = replace(hardware, load=hardware.load * (wanted / working))
    wider = device_power_w(moved, utilization).log_sd / np.where(drawn.log_sd > 0, drawn.log_sd, 1)
    kept = left / np.where(wider > 0, wider, 1.0)[()]
    return replace(
        moved,
        load=_narrowed(moved.load, kept),
        idle_w=_narrowed(idle, kept),
        tdp_w=_narrowed(limit, kept),
        unknown_busy=_narrowed(hardware.unknown_busy, kept),
    )


def _narrowed(quantity: Uncertain, left: Number) -> Uncertain:
    loadings = {name: load * left for name, load in quantity.loadings.items()}
    return Uncertain(quantity.mid, loadings)
