"""Power that a device draws under load, with its host and network.

Power is idle plus load. The load, a share of the range from idle to the power limit, follows the
busy share of the time: utilization over the same network's without waiting. A memory-bound
network at a tenth of the peak keeps a device as busy as another at four tenths and draws the same
power. A waiting device draws less, but more than in proportion, as memory, clocks and leakage
continue.

If only the hours are known, the device may wait for its host. The host's time per sample is
constant, the device's proportional to parameters over speed, so the odds of being busy are the
parameters over those at which both times are equal.
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
"""Elasticity of the load to the busy share [1], fitted to metered runs
(`estimator.validation.power_fit`; a test repeats the fit).
"""

REFERENCE_PEAK = 1e14
"""Peak of the reference device of `power.waiting_params` [FLOP/s], about a V100's."""

RUN_ODDS_EXPONENT = 0.36
"""Elasticity of the busy odds to the device count [1], assumed: 0.5 on one device, 0.8 on 64, 0.96
on ten thousand, as expensive hardware is kept busy.
"""

LONGEST_ALONE_H = 720.0
"""Longest time that one device is assumed to work on a run of unknown devices [h]: a month."""

MOST_CAP = 3.0
"""Multiple of the power limit above which a cap is a typing error [1]."""


@dataclass(frozen=True, kw_only=True)
class Power:
    """Mean power of one device and its share of node and network.

    Parameters
    ----------
    idle_w, device_w, node_w, whole_w : Uncertain
        Power of the idle device, of the working device, with its share of the node, and with its
        share of the network; each includes the previous one [W].
    """

    idle_w: Uncertain
    device_w: Uncertain
    node_w: Uncertain
    whole_w: Uncertain

    def parts_w(self) -> dict[str, Number]:
        """Return the parts that add up to the median power [W]."""
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
    """Return the odds that a device is busy rather than waiting, from network size [1].

    Parameters
    ----------
    params : float or array
        Parameters used per sample [1].
    peak_flop_per_s : float or array
        Peak of the device [FLOP/s].
    waiting_params : Uncertain
        Network size at which device and host take equally long per sample, at `REFERENCE_PEAK` [1].

    >>> odds_by_network(86e6, 1e14, Uncertain(86e6)).mid
    1.0
    """
    return params * REFERENCE_PEAK / (waiting_params * peak_flop_per_s)


def odds_by_run(devices: Number, device_hours: Number) -> Number:
    """Return the odds that a device is busy rather than waiting, if the network is unknown [1].

    >>> float(odds_by_run(1.0, 10.0))
    1.0
    """
    return np.maximum(devices, device_hours / LONGEST_ALONE_H) ** RUN_ODDS_EXPONENT


def busy_share(odds: Uncertain) -> Uncertain:
    """Convert odds to the busy share of the time [1].

    >>> busy_share(Uncertain(3.0)).mid
    0.75
    """
    waiting = 1.0 / (1.0 + odds.mid)
    return Uncertain(odds.mid * waiting, _scaled(odds.loadings, waiting))


def node_power(
    hardware: Hardware, *, utilization: Quantity | None, devices: Number, network_share: Uncertain
) -> Power:
    """Return the mean power of a working device, with its share of node and network power.

    Parameters
    ----------
    hardware : Hardware
        Device with known `tdp_w` and `idle_w`.
    utilization : float, array or Uncertain, optional
        Share of the peak that the run reaches [1]; without it, the busy share is uncertain.
    devices : float or array
        Number of devices of the run [1].
    network_share : Uncertain
        Network power over node power, for runs on more than one node [1].

    Raises
    ------
    ValueError
        If the power of the device is unknown.
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
    """Return the metered power per device with all devices at their power limit [W].

    Parameters
    ----------
    hardware : Hardware
        Device with known `tdp_w`.
    devices : float or array
        Number of devices of the run [1].
    network_share : Uncertain
        Network power over node power, for runs on more than one node [1].
    pue : Uncertain
        Power usage effectiveness of the site [1].
    metered : str
        Boundary of the meter, one of `METERED`.

    Raises
    ------
    ValueError
        If the power of the device is unknown.
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
    """Return a device under a power cap, and its utilization.

    A run above the cap draws the cap, and its throughput falls with the remaining dynamic power:
    (cap - idle) / (draw - idle) to the power of the exponent. Dynamic power is proportional to
    clock times voltage squared, and voltage follows the clock, so the exponent of compute-bound
    work is near 1/3. Host power is unchanged. Below the cap nothing changes.

    Parameters
    ----------
    hardware : Hardware
        Device with known `tdp_w` and `idle_w`.
    utilization : Uncertain
        Utilization without the power limit [1].
    cap_w : float or array
        Power limit per device [W].
    exponent : Uncertain
        Elasticity of throughput to dynamic power [1].
    slows : bool
        False for a run timed under the limit, whose utilization already includes it.

    Returns
    -------
    Hardware, Uncertain
        Device with load and host factor under the limit, and the utilization under it [1].

    Raises
    ------
    ValueError
        If the device's power is unknown, or the limit is not above idle or implausibly high.
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
    """Return node power over device power when a cap leaves host power unchanged [1]."""
    times = draw.mid / cap_w
    capped_factor = 1.0 + (factor.mid - 1.0) * times
    own = Uncertain(capped_factor, _scaled(factor.loadings, factor.mid * times / capped_factor))
    return own * Uncertain(1.0, _scaled(draw.loadings, 1.0 - 1.0 / capped_factor))


def _idle_and_reach(hardware: Hardware) -> tuple[Uncertain, Uncertain]:
    """Return idle power, and the range from idle to the power limit [W]."""
    if hardware.tdp_w is None or hardware.idle_w is None:
        raise refuse("power_unknown", device=hardware.name)
    tdp, idle = hardware.tdp_w, hardware.idle_w
    return idle, Uncertain(np.maximum(tdp.mid - idle.mid, 0.0), tdp.loadings)


def _load(hardware: Hardware, utilization: Quantity | None) -> Uncertain:
    """Share of that range at a utilization [1]."""
    load = hardware.load * _activity(hardware, utilization)
    return Uncertain(np.minimum(load.mid, 1.0), load.loadings)


def _activity(hardware: Hardware, utilization: Quantity | None) -> Uncertain:
    """Return the load relative to a device that never waits, at most one [1]."""
    if utilization is None:
        return hardware.unknown_busy**LOAD_EXPONENT
    busy = uncertain(utilization) / hardware.full_utilization
    return Uncertain(np.minimum(busy.mid, 1.0), busy.loadings) ** LOAD_EXPONENT


def _slower(share: Uncertain, exponent: Uncertain) -> Uncertain:
    """Return throughput relative to no power limit; the 95% quantile is below 1."""
    log_mid = np.log(np.minimum(share.mid, 1.0)) * exponent.mid
    elastic = Uncertain(np.exp(log_mid), _scaled(share.loadings, exponent.mid))
    slower = elastic * Uncertain(1.0, _scaled(exponent.loadings, log_mid))
    bounds = np.maximum(z_score(0.95) * slower.log_sd, -log_mid)
    kept = np.where(bounds > 0, -log_mid / np.where(bounds > 0, bounds, 1.0), 0.0)[()]
    return Uncertain(slower.mid, _scaled(slower.loadings, kept))


def check_cap(hardware: Hardware, cap_w: Number) -> None:
    """Refuse a cap below idle or implausibly high.

    Raises
    ------
    ValueError
        If the device's power is unknown, or the limit is not above idle or implausibly high.
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
    """Select elementwise, keeping each element's own uncertainty."""
    loadings = {
        name: np.where(chosen, yes.loadings.get(name, 0.0), no.loadings.get(name, 0.0))[()]
        for name in {**yes.loadings, **no.loadings}
    }
    return Uncertain(np.where(chosen, yes.mid, no.mid)[()], loadings)
