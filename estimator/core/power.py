"""Power that a device draws under load, with its host and network.

Power is idle plus load. The load, a share of the way from idle to the power limit, follows the
share of the time that the device is busy: the utilization over that which the same network reaches
where nothing waits. A network bound by the memory keeps a device as busy at a tenth of the peak as
another at four tenths, and draws as much; one that waits for others draws less, but far more than
in proportion, because memory, clocks and leakage go on.

Where only the hours of a run are known, its device waits for the host that feeds it. The host needs
as long for a sample of a small network as of a large one, the device in proportion to parameters
over speed: the odds of being busy are the parameters over those that keep the host just as long.
"""

from dataclasses import dataclass, replace

import numpy as np

from estimator.core.hardware import Hardware
from estimator.core.limits import within_limits
from estimator.core.messages import refuse
from estimator.core.rows import Mask
from estimator.core.uncertainty import (
    Loadings,
    Number,
    Quantity,
    Uncertain,
    total,
    uncertain,
    z_score,
)
from estimator.core.work import DEVICES, FACILITY

LOAD_EXPONENT = 0.4637
"""Elasticity of the load to the share of the time that a device is busy [1], fitted to runs with a
meter (`estimator.validation.power_fit`; a test fits it again)."""

REFERENCE_PEAK = 1e14
"""Peak of the device for which `power.waiting_params` is given [FLOP/s]: about a V100's."""

RUN_ODDS_EXPONENT = 0.36
"""Growth of the odds that a device is busy with the devices of a run [1], assumed: half of the time
on one, 0.8 on 64, 0.96 on ten thousand, for what is costly is kept busy."""

LONGEST_ALONE_H = 720.0
"""Most hours that one device is taken to work on a run whose devices are unknown [h]: a month."""

MOST_CAP = 3.0
"""A cap above so many power limits is a typing error [1]."""


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


def odds_by_network(
    params: Number, peak_flop_per_s: Number, waiting_params: Uncertain
) -> Uncertain:
    """Odds that a device is busy rather than waiting for the host, by the size of its network [1].

    Parameters
    ----------
    params : float or array
        Parameters that compute on each sample [1].
    peak_flop_per_s : float or array
        Peak of the device [FLOP/s].
    waiting_params : Uncertain
        Parameters whose samples take a device of `REFERENCE_PEAK` as long as the host [1].

    >>> odds_by_network(86e6, 1e14, Uncertain(86e6)).mid
    1.0
    """
    return params * REFERENCE_PEAK / (waiting_params * peak_flop_per_s)


def odds_by_run(devices: Number, device_hours: Number) -> Number:
    """Odds that a device is busy rather than waiting, where nothing is known of its network [1].

    >>> float(odds_by_run(1.0, 10.0))
    1.0
    """
    return np.maximum(devices, device_hours / LONGEST_ALONE_H) ** RUN_ODDS_EXPONENT


def busy_share(odds: Uncertain) -> Uncertain:
    """Share of the time that a device is busy, by the odds of that [1].

    >>> busy_share(Uncertain(3.0)).mid
    0.75
    """
    waiting = 1.0 / (1.0 + odds.mid)
    return Uncertain(odds.mid * waiting, _scaled(odds.loadings, waiting))


def node_power(
    hardware: Hardware, *, utilization: Quantity | None, devices: Number, network_share: Uncertain
) -> Power:
    """Mean power of a working device with its share of the node and the network.

    Parameters
    ----------
    hardware : Hardware
        With `tdp_w` and `idle_w` known.
    utilization : float, array or Uncertain, optional
        Share of the peak that the run reaches [1]; without it, the device is busy, more or less.
    devices : float or array
        Number of devices of the run [1].
    network_share : Uncertain
        Power of the network over that of the nodes, for runs that need more than one [1].

    Raises
    ------
    ValueError
        If the power of the device is not known.
    """
    idle, reach = _idle_and_reach(hardware)
    device = total((idle, _load(hardware, utilization) * reach))
    node = device * hardware.host_factor
    beyond_node = np.where(devices > hardware.node_devices, network_share.mid, 0.0)[()]
    whole = node * total((1.0, Uncertain(beyond_node, network_share.loadings)))
    return Power(idle_w=idle, device_w=device, node_w=node, whole_w=whole)


def limit_power(
    hardware: Hardware, devices: Number, network_share: Uncertain, pue: Uncertain, metered: str
) -> Uncertain:
    """Power that a meter reads for each device where all run at their power limit [W].

    Parameters
    ----------
    hardware : Hardware
        With `tdp_w` known.
    devices : float or array
        Number of devices of the run [1].
    network_share : Uncertain
        Power of the network over that of the nodes, for runs that need more than one [1].
    pue : Uncertain
        Power usage effectiveness of the site [1].
    metered : str
        Boundary of the meter, one of `METERED`.

    Raises
    ------
    ValueError
        If the power of the device is not known.
    """
    idle, reach = _idle_and_reach(hardware)
    power = total((idle, reach))
    if metered != DEVICES:
        power = power * hardware.host_factor
    if metered == FACILITY:
        beyond_node = np.where(devices > hardware.node_devices, network_share.mid, 0.0)[()]
        power = pue * power * total((1.0, Uncertain(beyond_node, network_share.loadings)))
    return power


def capped(
    hardware: Hardware,
    utilization: Uncertain,
    cap_w: Number,
    exponent: Uncertain,
    *,
    slows: bool = True,
) -> tuple[Hardware, Uncertain]:
    """Device under a power cap, and the utilization that it then reaches.

    Where the run would draw more than the cap, the device draws the cap, and its throughput falls
    with the dynamic power left: (cap - idle) / (draw - idle) to the power of the exponent. Dynamic
    power goes with the clock times the voltage squared, and the voltage with the clock, so the
    exponent of compute-bound work is near 1/3. The host draws what it drew. Elsewhere nothing
    changes.

    Parameters
    ----------
    hardware : Hardware
        With `tdp_w` and `idle_w` known.
    utilization : Uncertain
        Share of the peak that the run reaches without the cap [1].
    cap_w : float or array
        Power limit set on each device [W].
    exponent : Uncertain
        Elasticity of the throughput to the dynamic power [1].
    slows : bool
        False for a run timed under the cap: the utilization is what it reached.

    Returns
    -------
    Hardware, Uncertain
        With load and host factor under the cap; the utilization reached [1].

    Raises
    ------
    ValueError
        If the power of the device is not known, or the cap is not above idle, or absurdly high.
    """
    idle, reach = _idle_and_reach(hardware)
    check_cap(hardware, cap_w)
    left = Uncertain(cap_w - idle.mid, _scaled(idle.loadings, -idle.mid / (cap_w - idle.mid)))
    working = _load(hardware, utilization) * reach
    binds = np.asarray(left.mid < working.mid)
    reached = utilization
    if slows:
        reached = _where(binds, utilization * _slower(left / working, exponent), utilization)
    load = left / (reach * _activity(hardware, reached))
    host = _host_factor_of(hardware.host_factor, total((idle, working)), cap_w)
    return replace(
        hardware,
        load=_where(binds, load, hardware.load),
        host_factor=_where(binds, host, hardware.host_factor),
    ), reached


def _host_factor_of(factor: Uncertain, draw: Uncertain, cap_w: Number) -> Uncertain:
    """Node over device where the device draws the cap, and the host what it drew before [1]."""
    times = draw.mid / cap_w
    capped_factor = 1.0 + (factor.mid - 1.0) * times
    own = Uncertain(capped_factor, _scaled(factor.loadings, factor.mid * times / capped_factor))
    return own * Uncertain(1.0, _scaled(draw.loadings, 1.0 - 1.0 / capped_factor))


def _idle_and_reach(hardware: Hardware) -> tuple[Uncertain, Uncertain]:
    """Idle power, and the way from there to the power limit [W]."""
    if hardware.tdp_w is None or hardware.idle_w is None:
        raise refuse("power_unknown", device=hardware.name)
    tdp, idle = hardware.tdp_w, hardware.idle_w
    return idle, Uncertain(np.maximum(tdp.mid - idle.mid, 0.0), tdp.loadings)


def _load(hardware: Hardware, utilization: Quantity | None) -> Uncertain:
    """Share of that way at a utilization [1]."""
    load = hardware.load * _activity(hardware, utilization)
    return Uncertain(np.minimum(load.mid, 1.0), load.loadings)


def _activity(hardware: Hardware, utilization: Quantity | None) -> Uncertain:
    """Load over that of a device that never waits [1]; no run keeps it busier than that."""
    if utilization is None:
        return hardware.unknown_busy**LOAD_EXPONENT
    busy = uncertain(utilization) / hardware.full_utilization
    return Uncertain(np.minimum(busy.mid, 1.0), busy.loadings) ** LOAD_EXPONENT


def _slower(share: Uncertain, exponent: Uncertain) -> Uncertain:
    """Throughput over that without the power limit; at 95% it is slower."""
    log_mid = np.log(np.minimum(share.mid, 1.0)) * exponent.mid
    elastic = Uncertain(np.exp(log_mid), _scaled(share.loadings, exponent.mid))
    slower = elastic * Uncertain(1.0, _scaled(exponent.loadings, log_mid))
    bounds = np.maximum(z_score(0.95) * slower.log_sd, -log_mid)
    kept = np.where(bounds > 0, -log_mid / np.where(bounds > 0, bounds, 1.0), 0.0)[()]
    return Uncertain(slower.mid, _scaled(slower.loadings, kept))


def check_cap(hardware: Hardware, cap_w: Number) -> None:
    """Refuse a cap that no device could keep, or that is a typing error.

    Raises
    ------
    ValueError
        If the power of the device is not known, or the cap is not above idle, or absurdly high.
    """
    within_limits("power_cap", cap_w)
    idle, reach = _idle_and_reach(hardware)
    cap_w, idle_w, most_w = np.broadcast_arrays(cap_w, idle.mid, MOST_CAP * (idle.mid + reach.mid))
    for code, bad, bound in (
        ("power_limit_too_low", cap_w <= idle_w, idle_w),
        ("power_limit_too_high", cap_w > most_w, most_w),
    ):
        if np.any(bad):
            worst, edge = float(cap_w[bad].flat[0]), float(bound[bad].flat[0])
            raise refuse(code, "power_cap", times=MOST_CAP, edge=edge, value=worst)


def _scaled(loadings: Loadings, factor: Number) -> Loadings:
    return {name: load * factor for name, load in loadings.items()}


def _where(chosen: Mask, yes: Uncertain, no: Uncertain) -> Uncertain:
    """Take one or the other element by element, each with its own uncertainty."""
    loadings = {
        name: np.where(chosen, yes.loadings.get(name, 0.0), no.loadings.get(name, 0.0))[()]
        for name in {**yes.loadings, **no.loadings}
    }
    return Uncertain(np.where(chosen, yes.mid, no.mid)[()], loadings)
