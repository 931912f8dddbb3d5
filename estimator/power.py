"""What does a device draw while it works, with its host and its network.

Power is idle plus load. The load, a share of the way from idle to the power limit, follows the
utilization slowly: a device at half the utilization draws far more than half the power, because
memory, clocks and leakage go on.
"""

from dataclasses import dataclass

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


@dataclass(frozen=True, kw_only=True)
class Power:
    """Mean power of one device and its share of node and network.

    Parameters
    ----------
    idle_w, device_w, node_w, whole_w : Uncertain
        Idle device, working device, device with its share of the node, and of the network, each
        containing the one before [W].
    """

    idle_w: Uncertain
    device_w: Uncertain
    node_w: Uncertain
    whole_w: Uncertain

    def parts_w(self) -> dict[str, Number]:
        """Part -> median, adding up to the median of the whole [W]."""
        idle, device, node = self.idle_w.mid, self.device_w.mid, self.node_w.mid
        return {
            "device, idle": idle,
            "device, working": device - idle,
            "host": node - device,
            "network": self.whole_w.mid - node,
        }


def node_power(
    hardware: Hardware, *, utilization: Quantity, devices: Number, network_share: Uncertain
) -> Power:
    """Mean power of a working device with its share of the node and the network.

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
    node = device * hardware.host_factor
    beyond_node = np.where(np.asarray(devices) > DEVICES_PER_NODE, network_share.mid, 0.0)[()]
    whole = node * total((1.0, Uncertain(beyond_node, network_share.loadings)))
    return Power(idle_w=idle, device_w=device, node_w=node, whole_w=whole)
