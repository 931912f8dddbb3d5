"""The model on one page: work, hardware and site to time, energy, cost and CO2.

    device time  = training FLOP / (peak FLOP/s x utilization)
    wall time    = device time / devices
    energy       = PUE x (device + host + network power) x device time x attempts
    cost         = price x device time x attempts, or amortised price + electricity
    CO2          = carbon intensity x energy + making the devices x time / lifetime
    water        = WUE x energy of the computers

Every number may be an array; all broadcast together.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from estimator.brain import brain_years, power_in_brains
from estimator.checks import is_share, within_limits
from estimator.hardware import Hardware
from estimator.power import REFERENCE_UTILIZATION, power_parts
from estimator.site import Site
from estimator.uncertainty import EXACTLY_ZERO, Number, Uncertain, total
from estimator.units import S_PER_H, W_PER_KW
from estimator.workload.work import Workload


@dataclass(frozen=True, kw_only=True)
class Run:
    """How the work is run and paid.

    Parameters
    ----------
    devices : float or array
        Number of devices [1].
    utilization : Uncertain, optional
        Share of the peak reached over the whole run [1]; not needed for a timed workload.
    network_share : Uncertain
        Power of the network over that of the nodes, beyond one node [1].
    price_usd_per_h : Uncertain, optional
        Rent of one device for an hour [USD/h]. Without it, `own` decides.
    own : bool
        Pay by amortised purchase price and electricity instead of rent.
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


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a run takes.

    Parameters
    ----------
    quantities : mapping of str to Uncertain
        Quantity, its name ending in its unit -> value. What cannot be had is not in it.
    absent : mapping of str to str
        Quantity that cannot be had -> why, and what to give.
    parts : mapping of str to mapping of str to float or array
        Quantity -> part -> amount, medians in the unit of the quantity, adding up to it.
    """

    quantities: Mapping[str, Uncertain]
    absent: Mapping[str, str]
    parts: Mapping[str, Mapping[str, Number]]

    def __getitem__(self, name: str) -> Uncertain:
        """Return one quantity; a ValueError tells why if it cannot be had."""
        if name not in self.quantities:
            reason = self.absent.get(name, f"it is none of {', '.join(self.quantities)}")
            raise ValueError(f"{name} is not known: {reason}")
        return self.quantities[name]

    def __contains__(self, name: str) -> bool:
        return name in self.quantities


def estimate(workload: Workload, hardware: Hardware, site: Site, run: Run) -> Estimate:
    """Time, energy, cost, CO2 and water of a training run, with their doubts.

    Parameters
    ----------
    workload : Workload
        What is to be done.
    hardware : Hardware
        The device it runs on.
    site : Site
        The place it runs at.
    run : Run
        How many devices, how well used, how paid.

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
        If the utilization is needed and not given.
    """
    time = _time(workload, hardware, run)
    spent_h = time["device_hours"] * workload.attempts
    energy = _energy(spent_h, time.quantities.get("utilization"), hardware, site, run)
    cost = _cost(spent_h, energy, hardware, site, run)
    emissions = _emissions(spent_h, energy, hardware, site)
    return _joined(time, energy, cost, emissions)


def _time(workload: Workload, hardware: Hardware, run: Run) -> Estimate:
    """From work to device time; or, for a timed workload, from both to the utilization."""
    flop, utilization = workload.training_flop, run.utilization
    known: dict[str, Uncertain] = {}
    absent: dict[str, str] = {}
    if workload.device_hours is not None:
        device_h = workload.device_hours
        if flop is not None:
            utilization = flop / (hardware.peak_flop_per_s * device_h * S_PER_H)
    elif flop is None or utilization is None:
        raise ValueError("a workload in FLOPs needs a utilization: give Run(utilization=...)")
    else:
        device_h = flop / (hardware.peak_flop_per_s * utilization) / S_PER_H
    if flop is not None:
        known["training_flop"] = flop
    else:
        absent["training_flop"] = "the run is given as device time: add its FLOPs or its size"
    if utilization is not None:
        known["utilization"] = utilization
    else:
        absent["utilization"] = "the run is given as device time: add its FLOPs or its size"
    known |= {"device_hours": device_h, "wall_hours": device_h / run.devices}
    return Estimate(quantities=known, absent=absent, parts={})


def _energy(
    spent_h: Uncertain, utilization: Uncertain | None, hardware: Hardware, site: Site, run: Run
) -> Estimate:
    """From device time to energy at the meter of the site, and what a brain makes of it."""
    if hardware.tdp_w is None or hardware.idle_w is None:
        reason = f"the power of {hardware.name} is not known: give its tdp_w in a profile"
        names = ("energy_kwh", "it_energy_kwh", "power_w", "brain_years", "power_in_brains")
        return Estimate(quantities={}, absent=dict.fromkeys(names, reason), parts={})
    parts_w = power_parts(
        hardware,
        utilization=REFERENCE_UTILIZATION if utilization is None else utilization,
        devices=run.devices,
        network_share=run.network_share,
    )
    node_w = total(parts_w.values())
    it_kwh = node_w * spent_h / W_PER_KW
    energy_kwh = site.pue * it_kwh
    power_w = site.pue * node_w * run.devices
    parts_kwh = {name: part.mid * spent_h.mid / W_PER_KW for name, part in parts_w.items()}
    parts_kwh["cooling and supply"] = energy_kwh.mid - it_kwh.mid
    return Estimate(
        quantities={
            "power_w": power_w,
            "it_energy_kwh": it_kwh,
            "energy_kwh": energy_kwh,
            "brain_years": brain_years(energy_kwh),
            "power_in_brains": power_in_brains(power_w),
        },
        absent={},
        parts={"energy_kwh": parts_kwh},
    )


def _cost(
    spent_h: Uncertain, energy: Estimate, hardware: Hardware, site: Site, run: Run
) -> Estimate:
    """Rent, or the amortised price with electricity."""
    if not run.own:
        if run.price_usd_per_h is None:
            return _without("cost_usd", f"no rental price of {hardware.name}: give --price")
        rent = run.price_usd_per_h * spent_h
        return Estimate(
            quantities={"cost_usd": rent}, absent={}, parts={"cost_usd": {"rent": rent.mid}}
        )
    if hardware.price_usd is None:
        return _without("cost_usd", f"no purchase price of {hardware.name} is known")
    if "energy_kwh" not in energy:
        return _without("cost_usd", energy.absent["energy_kwh"])
    if site.electricity_usd_per_kwh is None:
        return _without("cost_usd", f"no price of electricity at {site.name} is known")
    wear = hardware.price_usd * spent_h / hardware.lifetime_h
    electricity = site.electricity_usd_per_kwh * energy["energy_kwh"]
    return Estimate(
        quantities={"cost_usd": total((wear, electricity))},
        absent={},
        parts={"cost_usd": {"amortised hardware": wear.mid, "electricity": electricity.mid}},
    )


def _emissions(spent_h: Uncertain, energy: Estimate, hardware: Hardware, site: Site) -> Estimate:
    """Operational and embodied CO2, and water on site."""
    known: dict[str, Uncertain] = {}
    absent: dict[str, str] = {}
    if "energy_kwh" not in energy:
        reason = energy.absent["energy_kwh"]
        names = ("operational_co2e_kg", "embodied_co2e_kg", "co2e_kg", "water_l")
        return Estimate(quantities={}, absent=dict.fromkeys(names, reason), parts={})
    if site.wue_l_per_kwh is not None:
        known["water_l"] = site.wue_l_per_kwh * energy["it_energy_kwh"]
    else:
        absent["water_l"] = f"the water use (WUE) of {site.name} is not known: give --wue"
    if hardware.embodied_co2e_kg is not None:
        making = hardware.embodied_co2e_kg * spent_h / hardware.lifetime_h
        known["embodied_co2e_kg"] = making
    else:
        absent["embodied_co2e_kg"] = f"what making {hardware.name} emits is not known"
    if site.co2e_kg_per_kwh is not None:
        known["operational_co2e_kg"] = site.co2e_kg_per_kwh * energy["energy_kwh"]
        pieces = ("operational_co2e_kg", "embodied_co2e_kg")
        present = {name.split("_")[0]: known[name] for name in pieces if name in known}
        known["co2e_kg"] = total(present.values())
        parts = {"co2e_kg": {name: piece.mid for name, piece in present.items()}}
        return Estimate(quantities=known, absent=absent, parts=parts)
    reason = f"the carbon intensity at {site.name} is not known: give --carbon-intensity"
    return Estimate(
        quantities=known,
        absent=absent | {"operational_co2e_kg": reason, "co2e_kg": reason},
        parts={},
    )


def _without(name: str, reason: str) -> Estimate:
    return Estimate(quantities={}, absent={name: reason}, parts={})


def _joined(*pieces: Estimate) -> Estimate:
    quantities: dict[str, Uncertain] = {}
    absent: dict[str, str] = {}
    parts: dict[str, Mapping[str, Number]] = {}
    for piece in pieces:
        quantities |= piece.quantities
        absent |= piece.absent
        parts |= piece.parts
    return Estimate(quantities=quantities, absent=absent, parts=parts)
