"""Core model: work, hardware and site to time, energy, cost and CO2e.

    device time  = training FLOP / (peak FLOP/s x utilization)
    wall time    = device time / devices
    energy       = PUE x (device + host + network power) x device time x development overhead
    cost         = price x device time x development overhead, or amortised price + electricity
    CO2e         = carbon intensity x energy + embodied emissions x time / lifetime
    water        = on-site WUE x IT energy + water of generation x energy

Every number may be an array; all broadcast together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from estimator.core.brain import brain_years, power_in_brains
from estimator.core.hardware import Hardware
from estimator.core.limits import is_share, within_limits
from estimator.core.messages import message
from estimator.core.notice import Notice
from estimator.core.power import Power, node_power
from estimator.core.quantities import NamedQuantities
from estimator.core.site import Site
from estimator.core.uncertainty import EXACTLY_ZERO, Number, Uncertain, total
from estimator.core.units import S_PER_H, W_PER_KW
from estimator.core.work import DEVICES, FACILITY, Workload

Parts = Mapping[str, Number]
"""Part -> its median."""

ROUNDING = 1e-9
"""Rounding tolerance for a utilization above 1 [1]."""

OF_ELECTRICITY = ("operational_co2e_kg", "embodied_co2e_kg", "co2e_kg", "water_l")
"""Quantities that a device without electricity does not have."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """Devices, utilization and payment of a run.

    Parameters
    ----------
    devices : float or array
        Number of devices [1].
    utilization : Uncertain, optional
        Share of the peak over the whole run [1]; not needed for a timed workload.
    network_share : Uncertain
        Network power over node power, for runs on more than one node [1].
    price_usd_per_h : Uncertain, optional
        Rental price per device [USD/h]; if missing, `own` decides.
    own : bool
        Whether to pay amortised purchase price and electricity instead of rent.
    """

    devices: Number = 1.0
    utilization: Uncertain | None = None
    network_share: Uncertain = EXACTLY_ZERO
    price_usd_per_h: Uncertain | None = None
    own: bool = False

    def __post_init__(self) -> None:
        within_limits("devices", self.devices)
        if self.utilization is not None:
            is_share("utilization", self.utilization)
        if self.price_usd_per_h is not None:
            within_limits("price_usd_per_h", self.price_usd_per_h)


@dataclass(frozen=True, kw_only=True, repr=False)
class Estimate(NamedQuantities):
    """Time, energy, cost, CO2e and water of a run.

    Parameters
    ----------
    quantities : mapping of str to Uncertain
        Available quantities by name, which ends in the unit.
    absent : mapping of str to Notice
        Missing quantity -> reason, and the input that would provide it.
    breakdown : mapping of str to function
        Quantity -> function that computes its parts.
    """

    quantities: Mapping[str, Uncertain]
    absent: Mapping[str, Notice] = field(default_factory=dict)
    breakdown: Mapping[str, Callable[[], Parts]] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, Parts]:
        """Parts of each quantity, adding up to its median."""
        return {name: work_out() for name, work_out in self.breakdown.items()}

    def __getitem__(self, name: str) -> Uncertain:
        """Return one quantity; raise ValueError with the reason if it is missing."""
        if name not in self.quantities:
            if name in self.absent:
                raise ValueError(f"{name} is not known: {message(self.absent[name])}")
            raise ValueError(f"{name} is none of {', '.join(self.quantities)}")
        return self.quantities[name]


def estimate(workload: Workload, hardware: Hardware, site: Site, run: Run) -> Estimate:
    """Estimate time, energy, cost, CO2e and water of a training run, with uncertainty.

    Parameters
    ----------
    workload : Workload
        Work to be done.
    hardware : Hardware
        Device to run on.
    site : Site
        Site to run at.
    run : Run
        Number of devices, utilization and payment.

    Returns
    -------
    Estimate
        training_flop [FLOP], utilization [1], device_hours [h], wall_hours [h],
        power_w of the whole run with its site [W], energy_kwh [kWh], cost_usd [USD],
        co2e_kg, operational_co2e_kg and embodied_co2e_kg [kgCO2e], water_l [L],
        brain_years [year] and power_in_brains [1].

    Raises
    ------
    ValueError
        If a utilization is needed but missing, or timed work exceeds the peak.
    """
    time = _time(workload, hardware, run)
    spent_h = time["device_hours"] * workload.attempts
    utilization = time.quantities.get("utilization")
    power = None
    if hardware.tdp_w is not None and hardware.idle_w is not None:
        network = run.network_share
        power = node_power(
            hardware, utilization=utilization, devices=run.devices, network_share=network
        )
    if workload.metered_kwh is None:
        energy = _energy(spent_h, power, hardware, site, run)
    else:
        energy = _metered_energy(workload, spent_h, power, hardware, site, run)
    cost = _cost(spent_h, energy, hardware, site, run)
    if hardware.on_grid:
        impact = _merge(_emissions(spent_h, energy, hardware, site), _water(energy, site))
    else:
        reason = Notice("not_on_grid", "", {"device": hardware.name})
        impact = Estimate(quantities={}, absent=dict.fromkeys(OF_ELECTRICITY, reason))
    return _merge(time, energy, cost, impact)


def _time(workload: Workload, hardware: Hardware, run: Run) -> Estimate:
    """Estimate the device time from work, or the utilization from a timed run."""
    flop, utilization = workload.training_flop, run.utilization
    known: dict[str, Uncertain] = {}
    absent: dict[str, Notice] = {}
    if workload.device_hours is not None:
        device_h = workload.device_hours
        if flop is not None:
            reached = flop / (hardware.peak_flop_per_s * device_h * S_PER_H)
            rounded = (reached.mid > 1.0) & (reached.mid <= 1.0 + ROUNDING)
            utilization = replace(reached, mid=np.where(rounded, 1.0, reached.mid)[()])
            is_share("utilization", utilization)
    elif flop is None or utilization is None:
        raise ValueError("a workload in FLOPs needs a utilization: give Run(utilization=...)")
    else:
        device_h = flop / (hardware.peak_flop_per_s * utilization) / S_PER_H
    if flop is not None:
        known["training_flop"] = flop
    else:
        absent["training_flop"] = Notice("work_unknown", "flop")
    if utilization is not None:
        known["utilization"] = replace(utilization, most=np.minimum(utilization.most, 1.0))
    else:
        absent["utilization"] = Notice("work_unknown", "flop")
    known |= {"device_hours": device_h, "wall_hours": device_h / run.devices}
    return Estimate(quantities=known, absent=absent)


def _energy(
    spent_h: Uncertain, power: Power | None, hardware: Hardware, site: Site, run: Run
) -> Estimate:
    """Estimate the energy at the site's meter and its equivalent in brain years."""
    if power is None:
        return _without_power(hardware)
    it_kwh = power.whole_w * spent_h / W_PER_KW
    energy_kwh = site.pue * it_kwh
    power_w = site.pue * power.whole_w * run.devices

    def parts_kwh() -> Parts:
        hours = spent_h.mid / W_PER_KW
        parts = {name: part * hours for name, part in power.parts_w().items()}
        return parts | {"cooling and supply": energy_kwh.mid - it_kwh.mid}

    return _of_energy(energy_kwh, it_kwh, power_w, parts_kwh)


def _metered_energy(
    workload: Workload,
    spent_h: Uncertain,
    power: Power | None,
    hardware: Hardware,
    site: Site,
    run: Run,
) -> Estimate:
    """Extrapolate the energy at the site's meter from a metered part of it."""
    assert workload.metered_kwh is not None
    metered_kwh = workload.metered_kwh * workload.attempts
    if workload.metered == FACILITY:
        energy_kwh, it_kwh = metered_kwh, metered_kwh / site.pue
    elif power is None:
        return _without_power(hardware)
    else:
        within = power.device_w if workload.metered == DEVICES else power.node_w
        it_kwh = metered_kwh * (power.whole_w / within)
        energy_kwh = site.pue * it_kwh
    power_w = energy_kwh / spent_h * W_PER_KW * run.devices

    def parts_kwh() -> Parts:
        if workload.metered == FACILITY:
            return {"metered": energy_kwh.mid}
        return {
            "metered": metered_kwh.mid,
            "host and network": it_kwh.mid - metered_kwh.mid,
            "cooling and supply": energy_kwh.mid - it_kwh.mid,
        }

    return _of_energy(energy_kwh, it_kwh, power_w, parts_kwh)


def _without_power(hardware: Hardware) -> Estimate:
    reason = Notice("power_unknown", "", {"device": hardware.name})
    names = ("energy_kwh", "it_energy_kwh", "power_w", "brain_years", "power_in_brains")
    return Estimate(quantities={}, absent=dict.fromkeys(names, reason))


def _of_energy(
    energy_kwh: Uncertain, it_kwh: Uncertain, power_w: Uncertain, parts_kwh: Callable[[], Parts]
) -> Estimate:
    return Estimate(
        quantities={
            "power_w": power_w,
            "it_energy_kwh": it_kwh,
            "energy_kwh": energy_kwh,
            "brain_years": brain_years(energy_kwh),
            "power_in_brains": power_in_brains(power_w),
        },
        breakdown={"energy_kwh": parts_kwh},
    )


def _cost(
    spent_h: Uncertain, energy: Estimate, hardware: Hardware, site: Site, run: Run
) -> Estimate:
    """Estimate the rental cost, or depreciation plus electricity for owned devices."""
    if not run.own:
        if run.price_usd_per_h is None:
            return _without("cost_usd", Notice("rent_unknown", "price", {"device": hardware.name}))
        rent = run.price_usd_per_h * spent_h
        return Estimate(
            quantities={"cost_usd": rent}, breakdown={"cost_usd": lambda: {"rent": rent.mid}}
        )
    if hardware.price_usd is None:
        unknown = Notice("price_unknown", "device_price", {"device": hardware.name})
        return _without("cost_usd", unknown)
    if "energy_kwh" not in energy:
        return _without("cost_usd", energy.absent["energy_kwh"])
    if site.electricity_usd_per_kwh is None:
        unknown = Notice("electricity_unknown", "electricity_price", {"place": site.name})
        return _without("cost_usd", unknown)
    wear = hardware.price_usd * spent_h / hardware.lifetime_h
    electricity = site.electricity_usd_per_kwh * energy["energy_kwh"]
    return Estimate(
        quantities={"cost_usd": total((wear, electricity))},
        breakdown={
            "cost_usd": lambda: {"amortised hardware": wear.mid, "electricity": electricity.mid}
        },
    )


def _emissions(spent_h: Uncertain, energy: Estimate, hardware: Hardware, site: Site) -> Estimate:
    """Estimate operational and embodied CO2e."""
    known: dict[str, Uncertain] = {}
    absent: dict[str, Notice] = {}
    if "energy_kwh" not in energy:
        reason = energy.absent["energy_kwh"]
        names = ("operational_co2e_kg", "embodied_co2e_kg", "co2e_kg")
        return Estimate(quantities={}, absent=dict.fromkeys(names, reason))
    if hardware.embodied_co2e_kg is not None:
        making = hardware.embodied_co2e_kg * spent_h / hardware.lifetime_h
        known["embodied_co2e_kg"] = making
    else:
        absent["embodied_co2e_kg"] = Notice("embodied_unknown", "", {"device": hardware.name})
    if site.co2e_kg_per_kwh is not None:
        known["operational_co2e_kg"] = site.co2e_kg_per_kwh * energy["energy_kwh"]
        pieces = ("operational_co2e_kg", "embodied_co2e_kg")
        present = {name.split("_")[0]: known[name] for name in pieces if name in known}
        known["co2e_kg"] = total(present.values())
        return Estimate(
            quantities=known,
            absent=absent,
            breakdown={"co2e_kg": lambda: {name: piece.mid for name, piece in present.items()}},
        )
    reason = Notice("grid_unknown", "carbon_intensity", {"place": site.name})
    return Estimate(
        quantities=known,
        absent=absent | {"operational_co2e_kg": reason, "co2e_kg": reason},
    )


def _water(energy: Estimate, site: Site) -> Estimate:
    """Estimate the water use of cooling and power stations, where known."""
    if "energy_kwh" not in energy:
        return _without("water_l", energy.absent["energy_kwh"])
    known = site.water_l_per_it_kwh()
    where = {"place": site.name}
    if not known:
        return _without("water_l", Notice("water_unknown", "wue", where))
    absent = {
        "onsite_water_l": Notice("onsite_water_unknown", "wue", where),
        "offsite_water_l": Notice("offsite_water_unknown", "", where),
    }
    it_kwh = energy["it_energy_kwh"]
    return Estimate(
        quantities={"water_l": total(known.values()) * it_kwh},
        absent={name: why for name, why in absent.items() if name.split("_")[0] not in known},
        breakdown={
            "water_l": lambda: {place: rate.mid * it_kwh.mid for place, rate in known.items()}
        },
    )


def _without(name: str, reason: Notice) -> Estimate:
    return Estimate(quantities={}, absent={name: reason})


def _merge(*pieces: Estimate) -> Estimate:
    quantities: dict[str, Uncertain] = {}
    absent: dict[str, Notice] = {}
    breakdown: dict[str, Callable[[], Parts]] = {}
    for piece in pieces:
        quantities |= piece.quantities
        absent |= piece.absent
        breakdown |= piece.breakdown
    return Estimate(quantities=quantities, absent=absent, breakdown=breakdown)
