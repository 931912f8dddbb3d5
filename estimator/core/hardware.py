"""Hardware: peak, power, memory and price of a device.

One device at one precision; the profiles have all precisions, with sources.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from estimator.core.limits import within_limits
from estimator.core.uncertainty import EXACTLY_ONE, Number, Uncertain

REFERENCE_UTILIZATION = Uncertain(0.3)
"""Utilization of a device that never waits, if the network is unknown [1]."""


DEVICES_PER_NODE = 8.0
"""Devices of a typical node, which need no network [1]."""


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """One device, or several stacked along a leading axis.

    None means unknown; results that need it are left out, with the reason.

    Parameters
    ----------
    name : str
        Name for people.
    peak_flop_per_s : Uncertain
        Dense peak at the precision of the run [FLOP/s].
    tdp_w, idle_w : Uncertain, optional
        Power limit and idle power of the device itself [W].
    load : Uncertain
        Load of a device that never waits, as a share of the range from idle to the power limit [1].
    host_factor : Uncertain
        Node power over the power of its devices [1].
    price_usd : Uncertain, optional
        Depreciation of the purchase price over the device's life, with its share of server and
        network [USD].
    embodied_co2e_kg : Uncertain, optional
        Embodied emissions of the device and its share of the server [kgCO2e].
    lifetime_h : Uncertain
        Hours of use over which purchase and embodied emissions are spread [h].
    full_utilization : Uncertain
        Utilization of such a network on it when it never waits; memory-bound work keeps a device
        busy at a low utilization [1].
    node_devices : float or array
        Devices on one fast link, a node or a rack; more devices need a network [1].
    unknown_busy : Uncertain
        Busy share of the time for a run with only device-hours known [1].
    on_grid : bool
        Whether its energy is electricity; a brain lives on food.
    """

    name: str
    peak_flop_per_s: Uncertain
    load: Uncertain
    host_factor: Uncertain
    lifetime_h: Uncertain
    tdp_w: Uncertain | None = None
    idle_w: Uncertain | None = None
    price_usd: Uncertain | None = None
    embodied_co2e_kg: Uncertain | None = None
    full_utilization: Uncertain = REFERENCE_UTILIZATION
    unknown_busy: Uncertain = EXACTLY_ONE
    node_devices: Number = DEVICES_PER_NODE
    on_grid: bool = True

    def __post_init__(self) -> None:
        within_limits("peak_flop_per_s", self.peak_flop_per_s)
        if self.tdp_w is not None:
            within_limits("tdp_w", self.tdp_w)


def stack(devices: Sequence[Hardware]) -> Hardware:
    """Stack several devices, each field of shape (n, 1), to broadcast against work (m,).

    A field missing in any device is left out for all.

    Raises
    ------
    ValueError
        If there are no devices.
    """
    if not devices:
        raise ValueError("stack needs at least one device, got none")
    stacked: dict[str, Uncertain] = {}
    for field in fields(Hardware):
        values = [getattr(device, field.name) for device in devices]
        if all(isinstance(value, Uncertain) for value in values):
            stacked[field.name] = _column(values)
    return Hardware(
        name=", ".join(device.name for device in devices),
        on_grid=all(device.on_grid for device in devices),
        node_devices=np.array([[device.node_devices] for device in devices], dtype=np.float64),
        **stacked,
    )


def _column(values: Sequence[Uncertain]) -> Uncertain:
    names = {name for value in values for name in value.loadings}
    loadings = {
        name: np.array([[value.loadings.get(name, 0.0)] for value in values], dtype=np.float64)
        for name in sorted(names)
    }
    return Uncertain(np.array([[value.mid] for value in values], dtype=np.float64), loadings)
