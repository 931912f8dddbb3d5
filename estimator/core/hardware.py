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
        For people.
    peak_flop_per_s : Uncertain
        Dense peak at the precision of the run [FLOP/s].
    tdp_w, idle_w : Uncertain, optional
        Power limit and idle power of the device alone [W].
    load : Uncertain
        Share of the way from idle to the power limit of a device that never waits [1].
    host_factor : Uncertain
        Power of the whole node over that of its devices [1].
    price_usd : Uncertain, optional
        What its life takes off the purchase price of the device, its share of server and network
        included [USD].
    embodied_co2e_kg : Uncertain, optional
        Emissions of making the device and its share of the server [kgCO2e].
    lifetime_h : Uncertain
        Hours of use over which price and making are spread [h].
    full_utilization : Uncertain
        Share of the peak that such a network reaches on it without waiting for others: work bound
        by the memory keeps a device busy at a low one [1].
    node_devices : float or array
        Devices that one fast link connects, a node or a rack: more need a network [1].
    unknown_busy : Uncertain
        Busy share of the time of a run of which only the hours are known [1].
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
        If there is nothing to stack.
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
