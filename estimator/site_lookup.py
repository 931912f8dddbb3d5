"""Which numbers does a place name: PUE, grid, water and electricity, at the time of the run."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from estimator.catalog import Catalog, Place, Record
from estimator.scenario import Scenario
from estimator.site import Site
from estimator.trail import Trail, uncertain_record
from estimator.uncertainty import Uncertain, z_score
from estimator.units import CENTRAL
from estimator.water_lookup import find_offsite_water, find_wue

DRIFT_EXPONENT = 0.65
"""The doubt of a figure grows with this power of the years between it and the run [1].

Figures of one grid that lie 1, 2, 4, 7 and 10 years apart differ by 9, 13, 19, 30 and 42 % (one
standard deviation, by the 80 % quantile; 45 countries and the world of `countries.csv`, 2012 to
2025).
"""

OPERATORS = {"aws": "aws", "gcp": "google", "azure": "microsoft", "oci": "oracle"}
"""First part of the id of a cloud region -> whose it is."""

WORLD = "world"
"""Place whose grid stands for one that is not known."""


def read_site(name: str, year: float | None = None) -> Site:
    """Country, cloud region, operator or place out of the shipped profiles, now or in a year.

    >>> read_site("fr").name
    'France'
    >>> read_site("us", 2015).co2e_kg_per_kwh.mid
    0.5049
    """
    return find_site(Scenario(site=name), Catalog.open(), Trail(), year=year)


def find_site(
    scenario: Scenario,
    catalog: Catalog,
    trail: Trail,
    *,
    bare: bool = False,
    year: float | None = None,
) -> Site:
    """The place with its grid; what is not known of it is assumed, and said.

    A bare device, which needs no cooling, has a PUE of one unless another is given. With a year,
    PUE and grid are those of that time or of the nearest year on record, else the newest.
    """
    history = () if scenario.site is None else catalog.history(scenario.site)
    place = history[-1] if history else None
    time = None if year is None else int(year)
    return Site(
        name="an unnamed site" if place is None else place.name,
        pue=_bare_pue(trail)
        if bare and scenario.pue is None
        else _pue(scenario.pue, history, time, catalog, trail),
        co2e_kg_per_kwh=_carbon_intensity(scenario.carbon_intensity, history, time, catalog, trail),
        wue_l_per_kwh=find_wue(scenario.wue, place, trail, bare=bare),
        offsite_l_per_kwh=find_offsite_water(place, catalog, trail),
        electricity_usd_per_kwh=_electricity(scenario.electricity_price, place, catalog, trail),
    )


def nearest_entry(history: Sequence[Place], key: str, year: int | None) -> Place | None:
    """Entry of a place that has a number and lies nearest to a year; the newest without one.

    Of two as near the newer is taken; an entry without a year stands for every year.
    """
    having = [entry for entry in history if key in entry.records]
    if not having or year is None:
        return having[-1] if having else None
    return min(reversed(having), key=lambda entry: _years_off(entry, year))


def widened(record: Record, doubts: Sequence[float]) -> Record:
    """Record with further independent doubts beside its own range.

    Parameters
    ----------
    record : Record
    doubts : sequence of float
        Standard deviations of the logarithm [1].
    """
    own = float(uncertain_record(record, "").log_sd)
    spread = float(np.exp(z_score(CENTRAL) * np.hypot.reduce([own, *doubts])))
    return replace(record, low=record.value / spread, high=record.value * spread)


def _years_off(entry: Place, year: int | None) -> int:
    return 0 if year is None or entry.year is None else abs(entry.year - year)


def _of_time(
    entry: Place, key: str, what: str, year: int | None, prior: Record, trail: Trail
) -> Record:
    """Record of an entry; if it is of another year than the run, that is said and doubted."""
    record, off = entry.records[key], _years_off(entry, year)
    if not off:
        return record
    trail.warn(
        f"{what} of {entry.year} taken for a run of {year}: the nearest on record for {entry.name}"
    )
    return widened(record, [_log_sd(prior) * off**DRIFT_EXPONENT])


def _log_sd(prior: Record) -> float:
    """Standard deviation of the logarithm that a prior on a factor tells [1]."""
    return float(uncertain_record(prior, "").log_sd)


def _pue(
    given: float | None,
    history: Sequence[Place],
    year: int | None,
    catalog: Catalog,
    trail: Trail,
) -> Uncertain:
    if given is not None:
        return trail.given("pue", given, "1")
    entry = nearest_entry(history, "pue", year)
    drift = catalog.prior("site.pue_drift")
    if entry is not None:
        return trail.record("pue", _of_time(entry, "pue", "PUE", year, drift, trail), "PUE")
    fleet = _fleet(history, year, catalog)
    if fleet is not None:
        trail.warn(f"PUE of {history[-1].name} is not known: that of all of {fleet.name} is taken")
        record = _of_time(fleet, "pue", "PUE", year, drift, trail)
        record = widened(record, [_log_sd(catalog.prior("site.pue_region"))])
        return trail.record("pue", record, "PUE")
    record = catalog.prior("site.pue")
    trail.warn(f"PUE is not known here: {record.value:g} assumed; --pue or a cloud region sets it")
    return trail.record("pue", record, "PUE")


def _fleet(history: Sequence[Place], year: int | None, catalog: Catalog) -> Place | None:
    """Operator of a cloud region, where it tells the PUE of all its centres."""
    if not history or history[-1].kind != "cloud-region":
        return None
    operator = OPERATORS.get(history[-1].id.partition("-")[0])
    return None if operator is None else nearest_entry(catalog.history(operator), "pue", year)


def _bare_pue(trail: Trail) -> Uncertain:
    note = "no cooling and no losses outside the device"
    record = Record(
        value=1.0, unit="1", basis="assumed", source="twenty-watts-assumption", note=note
    )
    return trail.record("pue", record, "PUE")


def _carbon_intensity(
    given: float | None,
    history: Sequence[Place],
    year: int | None,
    catalog: Catalog,
    trail: Trail,
) -> Uncertain:
    key, doubt = "co2e_kg_per_kwh", "carbon intensity"
    if given is not None:
        return trail.given(key, given, "kgCO2e/kWh")
    place = history[-1] if history else None
    entry = nearest_entry(history, key, year)
    if entry is None and place is not None and place.iso2 is not None:
        entry = nearest_entry(catalog.history(place.iso2), key, year)
    if entry is None:
        record = _world_average(year, catalog)
        where = "no site given" if place is None else f"no carbon intensity for {place.name}"
        trail.warn(
            f"{where}: the world average, {record.value:.3g} kgCO2e/kWh, is assumed; "
            "--site fr or --carbon-intensity sets it"
        )
        return trail.record(key, record, doubt)
    drift = catalog.prior("site.grid_drift")
    record = _of_time(entry, key, doubt, year, drift, trail)
    if not uncertain_record(entry.records[key], doubt).loadings:
        record = widened(record, [_log_sd(catalog.prior("site.grid_spread"))])
    return trail.record(key, record, doubt)


def _world_average(year: int | None, catalog: Catalog) -> Record:
    """Prior of a grid not known; with a year, moved to the world's average of that time."""
    prior = catalog.prior("site.co2e_kg_per_kwh")
    entry = nearest_entry(catalog.history(WORLD), "co2e_kg_per_kwh", year)
    if year is None or entry is None:
        return prior
    world = entry.records["co2e_kg_per_kwh"]
    low, high = (
        None if bound is None else bound * world.value / prior.value
        for bound in (prior.low, prior.high)
    )
    return replace(prior, value=world.value, low=low, high=high, date=world.date)


def _electricity(
    given: float | None, place: Place | None, catalog: Catalog, trail: Trail
) -> Uncertain:
    key, doubt = "electricity_usd_per_kwh", "electricity price"
    if given is not None:
        return trail.given(key, given, "USD/kWh")
    if place is not None and "price_usd_per_kwh" in place.records:
        return trail.record(key, place.records["price_usd_per_kwh"], doubt)
    offered = catalog.electricity_prices()
    for sector in ("business", "industry", "household"):
        country = "" if place is None or place.iso2 is None else place.iso2.lower()
        if (country, sector) in offered:
            return trail.record(key, offered[country, sector], doubt)
    return trail.record(key, catalog.prior(f"site.{key}"), doubt)
