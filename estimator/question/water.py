"""Water factors of a scenario: on-site cooling and power stations."""

from estimator.catalog import Catalog, Place, Record
from estimator.core.uncertainty import Uncertain, spread_between
from estimator.question.provenance import Found, of_all, recorded

OFFSITE = "site.offsite_l_per_kwh"
"""Priors of the water used to generate a kWh, by country and worldwide."""

DRY = Record(
    value=0.0,
    unit="L/kWh",
    basis="assumed",
    source="twenty-watts-assumption",
    note="no cooling outside the device",
)


def find_wue(place: Place | None, *, bare: bool = False) -> Found[Uncertain] | None:
    """On-site water per energy of the computers [L/kWh], or None if unknown."""
    key = "wue_l_per_kwh"
    if place is not None and key in place.records:
        return recorded(key, place.records[key], "water")
    return recorded(key, DRY, "water") if bare else None


def find_offsite_water(place: Place | None, catalog: Catalog) -> Found[Uncertain]:
    """Water of electricity generation by country, by default worldwide [L/kWh]."""
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
