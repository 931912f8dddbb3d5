"""What does a device draw while it works, with its host and its network.

Power is idle plus load. The load, a share of the way from idle to the power limit, follows the
utilization slowly: a device at half the utilization draws far more than half the power, because
memory, clocks and leakage go on.
"""

import numpy as np

from estimator.hardware import Hardware
from estimator.uncertainty import Number, Quantity, Uncertain, total, uncertain

REFERENCE_UTILIZATION = 0.3
"""Utilization at which `Hardware.load` is stated [1]."""

LOAD_EXPONENT = 0.2
"""Elasticity of the load to the utilization [1].

Fitted by eye to nine MLPerf Training v4.0 runs on H100 with measured wall power at implied
utilizations of 0.11 to 0.37 (MLCommons results repository, power submissions, 2024) and to the
V100 of GPT-3 at 0.20 (Patterson et al. 2021, arXiv:2104.10350, table 4).
"""

DEVICES_PER_NODE = 8
"""Up to this many devices share a node and need no network outside it [1]."""


def power_parts(
    hardware: Hardware, *, utilization: Quantity, devices: Number, network_share: Uncertain
) -> dict[str, Uncertain]:
    """Mean power of one device and its share of the node and the network, by part [W].

    Parameters
    ----------
    hardware : Hardware
        With `tdp_w` and `idle_w` known.
    utilization : float, array or Uncertain
        Share of the peak that the run reaches [1].
    devices : float or array
        Number of devices of the run [1].
    network_share : Uncertain
        Power of the network over that of the nodes, for runs that need more than one [1].

    Raises
    ------
    ValueError
        If the power of the device is not known.
    """
    if hardware.tdp_w is None or hardware.idle_w is None:
        raise ValueError(f"the power of {hardware.name} is not known: give its tdp_w in a profile")
    relative = uncertain(utilization) / REFERENCE_UTILIZATION
    load = hardware.load * relative**LOAD_EXPONENT
    load = Uncertain(np.minimum(load.mid, 1.0), load.loadings)
    idle = hardware.idle_w
    reach = Uncertain(np.maximum(hardware.tdp_w.mid - idle.mid, 0.0), hardware.tdp_w.loadings)
    working = load * reach
    device = total((idle, working))
    host = device * _beyond_one(hardware.host_factor)
    network = total((device, host)) * network_share * np.where(devices > DEVICES_PER_NODE, 1.0, 0.0)
    return {"device, idle": idle, "device, working": working, "host": host, "network": network}


def _beyond_one(factor: Uncertain) -> Uncertain:
    """Factor less one; the doubt of the factor is now that of the excess, to first order."""
    excess = np.maximum(factor.mid - 1.0, 0.0)
    scale = np.where(excess > 0, factor.mid / np.where(excess > 0, excess, 1.0), 0.0)[()]
    return Uncertain(excess, {name: load * scale for name, load in factor.loadings.items()})
