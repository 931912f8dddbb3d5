"""Which water factors does a scenario name: of the cooling on site and of the power stations."""

from estimator.catalog import Catalog, Place, Record
from estimator.trail import Trail
from estimator.uncertainty import Uncertain, spread_between

OFFSITE = "site.offsite_l_per_kwh"
"""Priors: water used in generating a kWh, by country and of the world."""

DRY = Record(
    value=0.0,
    unit="L/kWh",
    basis="assumed",
    source="twenty-watts-assumption",
    note="no cooling outside the device",
)


def find_wue(
    given: float | None, place: Place | None, trail: Trail, *, bare: bool = False
) -> Uncertain | None:
    """Water use on site per energy of the computers: as given, or of the place [L/kWh]."""
    key = "wue_l_per_kwh"
    if given is not None:
        return trail.given(key, given, "L/kWh")
    if place is not None and key in place.records:
        return trail.record(key, place.records[key], "water")
    return trail.record(key, DRY, "water") if bare else None


def find_offsite_water(place: Place | None, catalog: Catalog, trail: Trail) -> Uncertain:
    """Water of the electricity: of the country of the place, else of the world [L/kWh]."""
    key, doubt = "offsite_l_per_kwh", "water of electricity"
    priors = catalog.priors()
    country = "" if place is None or place.iso2 is None else place.iso2.lower()
    named = f"{OFFSITE}.{country}"
    if named not in priors:
        return trail.record(key, priors[f"{OFFSITE}.world"], doubt)
    spread = priors["site.offsite_spread"]
    quantity = trail.record(key, priors[named], doubt)
    return quantity * spread_between(spread.low or 1.0, spread.high or 1.0, doubt, mid=1.0)
