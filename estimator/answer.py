"""Answer a scenario: look up what it names, say what is assumed, and estimate."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from estimator.calibration_answer import calibrated_power
from estimator.calibration_lookup import Target
from estimator.cap_lookup import under_cap
from estimator.catalog import Catalog, Device, Preset
from estimator.chain import Estimate, Run, estimate
from estimator.checks import LIMITS, is_share, within_limits
from estimator.hardware import Hardware
from estimator.lookup import (
    BUSY_SHARE,
    SELF_CONTAINED,
    choose_precision,
    find_hardware,
    find_price,
)
from estimator.memory_answer import fit_warning
from estimator.ownership_lookup import owned
from estimator.scenario import FIELD_LIMITS, NUMBERS, SHARING, Scenario, check_choices, link
from estimator.schedule import Schedule
from estimator.schedule_lookup import on_schedule, with_profile
from estimator.site import Site
from estimator.site_lookup import find_site
from estimator.trail import Input, Trail
from estimator.uncertainty import EXACTLY_ZERO, Uncertain, z_score
from estimator.units import CENTRAL
from estimator.utilization_answer import Asked, find_full_utilization, find_utilization
from estimator.work_lookup import Work, find_work
from estimator.workload.work import Workload

REPORTED_PLACE = ("pue", "co2e_kg_per_kwh")
"""What a published run tells of the place it ran at."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An estimate with the question, every input as resolved, and what to know about it.

    Parameters
    ----------
    scenario : Scenario
        As asked.
    device : Device
        The profile behind the hardware.
    precision : str
        Number format of the run.
    work : Work
        What was found of the work.
    target : Target
        The run as far as its calibration depends on it.
    hardware, site, run
        What the core was given.
    estimate : Estimate
        What it gave.
    inputs : mapping of str to Input
        Each number used, with its unit, basis, source and date.
    warnings : tuple of str
        What was assumed, and what could not be had.
    plan : Schedule, optional
        When the run starts and when it should, where a carbon profile was given.
    """

    scenario: Scenario
    device: Device
    precision: str
    work: Work
    target: Target
    hardware: Hardware
    site: Site
    run: Run
    estimate: Estimate
    inputs: Mapping[str, Input]
    warnings: tuple[str, ...]
    plan: Schedule | None = None

    @property
    def level(self) -> float:
        """Probability inside the intervals [1]."""
        return CENTRAL if self.scenario.interval is None else self.scenario.interval

    @property
    def workload(self) -> Workload:
        """What the core was given to do."""
        return self.work.workload

    @property
    def link(self) -> str:
        """Query string that opens this scenario in the app; a config goes as its FLOPs."""
        flop, facts, scenario = self.workload.training_flop, self.work, self.scenario
        if self.plan is not None:
            scenario = replace(scenario, carbon_intensity=self.plan.co2e_kg_per_kwh)
        if scenario.config is None or flop is None:
            return link(scenario)
        found = replace(
            scenario,
            flop=float(flop.mid),
            params=facts.params,
            width=facts.hidden,
            kind=facts.kind,
            arch=facts.arch or None,
        )
        return link(replace(found, config=None, tokens=None, samples=None, finetune=None))


def answer_scenario(scenario: Scenario, catalog: Catalog) -> Answer:
    """Answer one scenario.

    Raises
    ------
    ValueError
        One line: what is missing or not admissible, why, and what to say instead.
    """
    check_choices(scenario)
    _check_numbers(scenario)
    if scenario.interval is not None:
        z_score(scenario.interval)
    trail = Trail()
    work = find_work(scenario, catalog, trail)
    device = _device(scenario, work.preset, catalog, trail)
    precision = choose_precision(device, _precision(scenario, work.preset, device))
    hardware = find_hardware(device, precision, catalog, trail)
    placed, hourly = with_profile(scenario)
    placed = _as_reported(placed, work.preset, device, trail)
    year = _year(scenario, work.preset, device, trail)
    site = find_site(placed, catalog, trail, bare=device.kind in SELF_CONTAINED, year=year)
    asked = Asked(
        scenario=scenario,
        work=work,
        device=device,
        precision=precision,
        devices=_devices(scenario, work.preset, device, trail),
        year=year,
    )
    hardware, run = _run(asked, hardware, catalog, trail)
    for line in fit_warning(scenario, work.preset, device, float(run.devices), catalog):
        trail.warn(line)
    result = estimate(work.workload, hardware, site, run)
    site, plan = on_schedule(scenario, hourly, result["wall_hours"], site, trail)
    if plan is not None:
        result = estimate(work.workload, hardware, site, run)
    for reason in result.absent.values():
        trail.warn(reason)
    _say_what_does_not_fit(scenario, result, trail)
    return Answer(
        scenario=scenario,
        device=device,
        precision=precision,
        work=work,
        target=asked.target,
        hardware=hardware,
        site=site,
        run=run,
        estimate=result,
        inputs=trail.inputs,
        warnings=tuple(trail.warnings),
        plan=plan,
    )


def _run(asked: Asked, hardware: Hardware, catalog: Catalog, trail: Trail) -> tuple[Hardware, Run]:
    """How the work is run and paid, and the device as it is owned and capped."""
    scenario, work, device = asked.scenario, asked.work, asked.device
    utilization = find_utilization(asked, catalog, trail)
    full = find_full_utilization(asked, catalog)
    known = utilization is not None or work.workload.training_flop is not None
    if not known and hardware.unknown_busy.loadings:
        trail.prior(catalog, BUSY_SHARE, "busy share")
    if utilization is not None and scenario.utilization is None:
        full = Uncertain(full.mid, utilization.loadings)
    hardware = replace(hardware, full_utilization=full)
    if asked.taught:
        hardware = calibrated_power(hardware, utilization, (device, asked.target), catalog, trail)
    hardware = owned(scenario, device, hardware, asked.devices, catalog, trail)
    if scenario.power_cap is not None:
        hardware, utilization = under_cap(
            scenario.power_cap, work.workload, hardware, utilization, catalog, trail
        )
    return hardware, Run(
        devices=asked.devices,
        utilization=utilization,
        network_share=_network_share(device, catalog, trail),
        price_usd_per_h=find_price(scenario, device, catalog, trail, year=scenario.year),
        own=scenario.pay == "own",
    )


def _check_numbers(scenario: Scenario) -> None:
    """Refuse a number that cannot be, whether or not this scenario would use it."""
    if scenario.utilization is not None:
        is_share("utilization", scenario.utilization)
    for name in NUMBERS - {"interval"}:
        value = getattr(scenario, name)
        limits = FIELD_LIMITS.get(name, name)
        if value is not None and limits in LIMITS:
            within_limits(limits, value)


def _say_what_does_not_fit(scenario: Scenario, result: Estimate, trail: Trail) -> None:
    """Warn of what cannot be true together, and of options that had no effect."""
    if "utilization" in result and np.any(result["utilization"].mid > 1):
        share = float(np.max(result["utilization"].mid))
        trail.warn(f"these FLOPs do not fit into these hours: {share:.0%} of the peak is needed")
    timed = scenario.device_hours is not None
    idle = {
        "--utilization": timed and scenario.utilization is not None,
        **{
            f"--{name.replace('_', '-')}": (timed or scenario.utilization is not None)
            and getattr(scenario, name) is not None
            for name in ("batch_tokens", "recomputation", *SHARING)
        },
        "--price": scenario.pay == "own" and scenario.price is not None,
        "--price-kind": scenario.pay == "own" and scenario.price_kind is not None,
        "--electricity-price": scenario.pay != "own" and scenario.electricity_price is not None,
    }
    for option, has_no_effect in idle.items():
        if has_no_effect:
            trail.warn(f"{option} has no effect here")


def _device(scenario: Scenario, preset: Preset | None, catalog: Catalog, trail: Trail) -> Device:
    """Device as named; a preset brings the one it ran on."""
    if scenario.hardware is not None:
        return catalog.device(scenario.hardware)
    if preset is None or preset.hardware is None:
        raise ValueError("no device given: say --hardware h100; `profiles list` shows all")
    trail.warn(f"no device given: {preset.hardware}, which {preset.name} ran on, is taken")
    return catalog.device(preset.hardware)


def _as_reported(
    scenario: Scenario, preset: Preset | None, device: Device, trail: Trail
) -> Scenario:
    """A preset on its own hardware, at no other place, ran where it says it ran."""
    said = (scenario.site, scenario.pue, scenario.carbon_intensity)
    if preset is None or device.id != preset.hardware or any(item is not None for item in said):
        return scenario
    ran = {key: preset.as_run[key].value for key in REPORTED_PLACE if key in preset.as_run}
    if ran:
        trail.warn("PUE and grid as reported for this run are taken: --site sets another place")
    return replace(scenario, pue=ran.get("pue"), carbon_intensity=ran.get("co2e_kg_per_kwh"))


def _precision(scenario: Scenario, preset: Preset | None, device: Device) -> str | None:
    """Format as asked; on the hardware a preset ran on, the one it used."""
    if scenario.precision is not None or preset is None or preset.precision not in device.peaks:
        return scenario.precision
    return preset.precision if device.id == preset.hardware else None


def _devices(scenario: Scenario, preset: Preset | None, device: Device, trail: Trail) -> float:
    """Count as given; a preset on its own hardware brings the count it ran on; else one."""
    if scenario.devices is not None:
        within_limits("devices", scenario.devices)
        if scenario.devices != int(scenario.devices):
            raise ValueError(f"devices must be a whole number, got {scenario.devices:g}")
        trail.given("devices", scenario.devices, "1")
        return scenario.devices
    if preset is not None and "devices" in preset.as_run and device.id == preset.hardware:
        trail.record("devices", preset.as_run["devices"], "devices")
        return preset.as_run["devices"].value
    trail.warn("one device assumed: --devices sets how many share the work")
    return 1.0


def _network_share(device: Device, catalog: Catalog, trail: Trail) -> Uncertain:
    if device.kind in SELF_CONTAINED:
        return EXACTLY_ZERO
    return trail.prior(catalog, "power.network_share", "network")


def _year(scenario: Scenario, preset: Preset | None, device: Device, trail: Trail) -> float | None:
    """Year of the run: as said, or of a preset on the hardware it ran on; else the present."""
    if scenario.year is not None:
        trail.given("year", scenario.year, "year")
        return scenario.year
    return float(preset.year) if preset is not None and device.id == preset.hardware else None
