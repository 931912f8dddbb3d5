"""PUE, grid, water and electricity of a site at the time of a run."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from estimator.catalog import Catalog, Place, Record, once
from estimator.core.notice import Notice
from estimator.core.site import Site
from estimator.core.uncertainty import Uncertain, spread_between, z_score
from estimator.core.units import CENTRAL
from estimator.question.provenance import Found, of_all, recorded, uncertain_record

DRIFT_EXPONENT = 0.65
"""Elasticity of a figure's uncertainty to its age in years [1].

Figures of one grid 1, 2, 4, 7 and 10 years apart differ by 9, 13, 19, 30 and 42% (one standard
deviation, from the 80% quantile; 45 countries and the world in `countries.csv`, 2012 to 2025).
"""

OPERATORS = {"aws": "aws", "gcp": "google", "azure": "microsoft", "oci": "oracle"}
"""First part of a cloud region's id -> operator."""

PROVIDERS = {"aws": "AWS", "google": "GCP", "microsoft": "Azure", "oracle": "Oracle"}
"""Cloud operator -> name in the rental offers."""

WHAT = {"pue": ("pue", "PUE"), "co2e_kg_per_kwh": ("carbon_intensity", "carbon intensity")}
"""Site quantity -> input that overrides it, and its name in a message."""

DISAGREEMENT = 2.0
"""Published figures of one grid this many times apart are reported (assumed)."""

OFFSITE = "site.offsite_l_per_kwh"
"""Priors of the water used to generate a kWh, by country and worldwide."""

DRY = Record(
    value=0.0,
    unit="L/kWh",
    basis="assumed",
    source="twenty-watts-assumption",
    note="no cooling outside the device",
)

WORLD = "world"
"""Site with the default grid."""


def read_site(name: str, year: float | None = None) -> Site:
    """Read a country, cloud region, operator or site from the shipped profiles.

    >>> read_site("fr").name
    'France'
    >>> read_site("us", 2015).co2e_kg_per_kwh.mid
    0.5049
    """
    return find_site(name, Catalog.open(), year=year).value


@once
def find_site(
    name: str, catalog: Catalog, *, bare: bool = False, year: float | None = None
) -> Found[Site]:
    """Find a site with its grid; unknown figures are assumed with a notice.

    No name means a typical site. A bare device needs no cooling, so its PUE is one. With a year,
    PUE and grid are of the closest year on record. Values in the scenario override these;
    `Notice.field` names the input that would.
    """
    time = None if year is None else int(year)
    history = catalog.history(name) if name else []
    place = history[-1] if history else None
    pue = _bare_pue() if bare else _pue(history, time, catalog)
    grid = _carbon_intensity(history, time, catalog)
    water = _wue(place, bare=bare)
    offsite = _offsite_water(place, catalog)
    electricity = _electricity(place, catalog)
    site = Site(
        name="unnamed site" if place is None else place.name,
        pue=pue.value,
        co2e_kg_per_kwh=grid.value,
        wue_l_per_kwh=None if water is None else water.value,
        offsite_l_per_kwh=offsite.value,
        electricity_usd_per_kwh=electricity.value,
    )
    known = (pue, grid, *(() if water is None else (water,)), offsite, electricity)
    return of_all(site, *known)


def provider_at(name: str, catalog: Catalog) -> str:
    """Return the provider whose offers apply at a site, or an empty string.

    >>> provider_at("gcp us-central1", Catalog.open()), provider_at("fr", Catalog.open())
    ('GCP', '')
    """
    if not catalog.knows_place(name):
        return ""
    place = catalog.place(name)
    if place.kind not in ("cloud-region", "operator"):
        return ""
    operator = place.id.partition("-")[0]
    return PROVIDERS.get(OPERATORS.get(operator, operator), "")


def nearest_entry(history: Sequence[Place], key: str, year: int | None) -> Place | None:
    """Return a site's entry that has a number, closest to a year or the newest.

    Ties go to the newer entry; an entry without a year counts for every year.
    """
    having = [entry for entry in history if key in entry.records]
    if not having or year is None:
        return having[-1] if having else None
    return min(reversed(having), key=lambda entry: _years_off(entry, year))


def widened(record: Record, spreads: Sequence[float]) -> Record:
    """Record with further independent uncertainties.

    Parameters
    ----------
    record : Record
    spreads : sequence of float
        Log standard deviations [1].
    """
    if record.value <= 0 or record.low == 0:
        return record
    own = float(uncertain_record(record, "").log_sd)
    spread = float(np.exp(z_score(CENTRAL) * np.hypot.reduce([own, *spreads])))
    return replace(record, low=record.value / spread, high=record.value * spread)


def _years_off(entry: Place, year: int | None) -> int:
    return 0 if year is None or entry.year is None else abs(entry.year - year)


def _of_time(
    entry: Place, key: str, year: int | None, prior: Record
) -> tuple[Record, tuple[Notice, ...]]:
    """Record of an entry; a different year widens the interval and gets a notice."""
    record, off = entry.records[key], _years_off(entry, year)
    if not off or year is None or entry.year is None:
        return record, ()
    field, what = WHAT[key]
    values = {"what": what, "year": str(entry.year), "wanted": str(year), "place": entry.name}
    notice = Notice("other_year", field, values)
    return widened(record, [_log_sd(prior) * off**DRIFT_EXPONENT]), (notice,)


def _log_sd(prior: Record) -> float:
    """Log standard deviation of a prior on a factor [1]."""
    return float(uncertain_record(prior, "").log_sd)


def _pue(history: Sequence[Place], year: int | None, catalog: Catalog) -> Found[Uncertain]:
    entry = nearest_entry(history, "pue", year)
    drift = catalog.prior("site.pue_drift")
    if entry is not None:
        record, notices = _of_time(entry, "pue", year, drift)
        return recorded("pue", record, "PUE", notices=notices)
    fleet = _fleet(history, year, catalog)
    if fleet is not None:
        values = {"place": history[-1].name, "fleet": fleet.name}
        record, notices = _of_time(fleet, "pue", year, drift)
        record = widened(record, [_log_sd(catalog.prior("site.pue_region"))])
        notices = (Notice("pue_of_fleet", "pue", values), *notices)
        return recorded("pue", record, "PUE", notices=notices)
    record = catalog.prior("site.pue")
    notice = Notice("pue_assumed", "pue", {"value": record.value})
    return recorded("pue", record, "PUE", notices=(notice,))


def _fleet(history: Sequence[Place], year: int | None, catalog: Catalog) -> Place | None:
    """Return the operator of a cloud region, if it reports a fleet-wide PUE."""
    if not history or history[-1].kind != "cloud-region":
        return None
    operator = OPERATORS.get(history[-1].id.partition("-")[0])
    return None if operator is None else nearest_entry(catalog.history(operator), "pue", year)


def _bare_pue() -> Found[Uncertain]:
    note = "no cooling and no losses outside the device"
    record = Record(
        value=1.0, unit="1", basis="assumed", source="twenty-watts-assumption", note=note
    )
    return recorded("pue", record, "PUE")


def _carbon_intensity(
    history: Sequence[Place], year: int | None, catalog: Catalog
) -> Found[Uncertain]:
    key, source = "co2e_kg_per_kwh", "carbon intensity"
    place = history[-1] if history else None
    entry = nearest_entry(history, key, year)
    if entry is None and place is not None and place.iso2 is not None:
        entry = nearest_entry(catalog.history(place.iso2), key, year)
    if entry is None:
        record = _world_average(year, catalog)
        if place is None:
            values: dict[str, Any] = {"value": record.value}
            notice = Notice("grid_assumed_without_site", "carbon_intensity", values)
        else:
            values = {"value": record.value, "place": place.name}
            notice = Notice("grid_assumed", "carbon_intensity", values)
        return recorded(key, record, source, notices=(notice,))
    record, notices = _of_time(entry, key, year, catalog.prior("site.grid_drift"))
    own = entry.records[key]
    if not uncertain_record(own, source).loadings:
        record = widened(record, [_log_sd(catalog.prior("site.grid_spread"))])
    elif own.low and own.high and own.high > DISAGREEMENT * own.low:
        values = {"place": entry.name, "low": own.low, "high": own.high}
        notices = (*notices, Notice("grid_figures_differ", "carbon_intensity", values))
    return recorded(key, record, source, notices=notices)


def _world_average(year: int | None, catalog: Catalog) -> Record:
    """Return the prior of an unknown grid, shifted to the world average of a year."""
    prior = catalog.prior("site.co2e_kg_per_kwh")
    if year is None:
        return prior
    entry = nearest_entry(catalog.history(WORLD), "co2e_kg_per_kwh", year)
    if entry is None:
        return prior
    world = entry.records["co2e_kg_per_kwh"]
    low, high = (
        None if bound is None else bound * world.value / prior.value
        for bound in (prior.low, prior.high)
    )
    return replace(prior, value=world.value, low=low, high=high, date=world.date)


def _electricity(place: Place | None, catalog: Catalog) -> Found[Uncertain]:
    key, source = "electricity_usd_per_kwh", "electricity price"
    if place is not None and "price_usd_per_kwh" in place.records:
        return recorded(key, place.records["price_usd_per_kwh"], source)
    offered = catalog.electricity_prices()
    for sector in ("business", "industry", "household"):
        country = "" if place is None or place.iso2 is None else place.iso2.lower()
        if (country, sector) in offered:
            return recorded(key, offered[country, sector], source)
    return recorded(key, catalog.prior(f"site.{key}"), source)


def _wue(place: Place | None, *, bare: bool) -> Found[Uncertain] | None:
    """Return the on-site water per IT energy [L/kWh], or None if unknown."""
    key = "wue_l_per_kwh"
    if place is not None and key in place.records:
        return recorded(key, place.records[key], "water")
    return recorded(key, DRY, "water") if bare else None


def _offsite_water(place: Place | None, catalog: Catalog) -> Found[Uncertain]:
    """Return the water use of electricity generation by country, or worldwide [L/kWh]."""
    key, source = "offsite_l_per_kwh", "water of electricity"
    priors = catalog.priors()
    country = "" if place is None or place.iso2 is None else place.iso2.lower()
    named = f"{OFFSITE}.{country}"
    if named not in priors:
        return recorded(key, priors[f"{OFFSITE}.world"], source)
    spread = priors["site.offsite_spread"]
    found = recorded(key, priors[named], source)
    factor = spread_between(spread.low or 1.0, spread.high or 1.0, source, mid=1.0)
    return of_all(found.value * factor, found)
