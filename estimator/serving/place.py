"""What do power and hours cost at a place: PUE, grid, water, electricity and the price of a device.

Each as a factor with its spread: a median and the standard deviation of its logarithm.
"""

from dataclasses import dataclass
from statistics import median

import numpy as np

from estimator.catalog import Catalog, Device, Record
from estimator.core.messages import refuse
from estimator.core.notice import Notice
from estimator.core.uncertainty import z_score
from estimator.core.units import CENTRAL, H_PER_YEAR
from estimator.scenario.provenance import uncertain_record

FRESH_YEARS = 1.5
"""Offers this much older than the newest are history [year]."""


@dataclass(frozen=True, kw_only=True)
class Factor:
    """A positive number and the standard deviation of its logarithm [1]."""

    mid: float
    log_sd: float = 0.0
    source: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a set-up stands."""

    name: str
    pue: Factor
    co2e_kg_per_kwh: Factor
    electricity_usd_per_kwh: Factor
    water_l_per_kwh: Factor
    assumed: tuple[Notice, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Money:
    """Price of a device-hour [USD/h], None if neither rent nor purchase price is known."""

    price_usd_per_h: Factor | None
    owned: bool = False


def factor(record: Record) -> Factor:
    """Record as a factor; its range holds the central 80 %."""
    spread = float(uncertain_record(record, "").log_sd)
    return Factor(mid=record.value, log_sd=spread, source=record.source, note=record.note or "")


def find_place(
    catalog: Catalog, name: str, *, pue: float | None = None, in_data_center: bool = True
) -> Place:
    """Place by name, the world's average grid without one.

    Raises
    ------
    ValueError
        If the name is unknown.
    """
    assumed: list[Notice] = []
    records: dict[str, Record] = {}
    shown, iso = "an unnamed place", ""
    if name.strip():
        place = catalog.place(name)
        shown, iso = place.name, (place.iso2 or "").casefold()
        if place.iso2:
            records |= catalog.place(place.iso2).records
        records |= place.records
    if "co2e_kg_per_kwh" not in records:
        assumed.append(Notice("serving_grid_assumed", "region"))
    if pue is None and "pue" not in records and in_data_center:
        assumed.append(Notice("serving_pue_assumed", "pue"))
    return Place(
        name=shown,
        pue=_pue(catalog, records, pue, in_data_center=in_data_center),
        co2e_kg_per_kwh=_or_prior(catalog, records, "co2e_kg_per_kwh"),
        electricity_usd_per_kwh=_electricity(catalog, iso),
        water_l_per_kwh=_water(catalog, records, iso),
        assumed=tuple(assumed),
    )


def find_money(catalog: Catalog, device: Device, given: float | None) -> Money:
    """Price as given, else the newest rents on demand, else the purchase spread over its life."""
    if given is not None:
        return Money(price_usd_per_h=Factor(mid=given))
    offers = [offer for offer in catalog.prices(device.id) if offer.kind == "on-demand"]
    if offers:
        newest = max(_year(offer.date_to) for offer in offers)
        fresh = [one for one in offers if newest - _year(one.date_to) <= FRESH_YEARS]
        amounts = sorted(offer.price_usd_per_h for offer in fresh)
        single = catalog.prior("price.single_quote_spread")
        middle = median(amounts)
        low = min(amounts[0], middle * (single.low or 1.0))
        high = max(amounts[-1], middle * (single.high or 1.0))
        spread = float(np.log(high / low)) / (2.0 * z_score(CENTRAL))
        note = f"median of {len(fresh)} offers on demand, {newest:.0f}"
        rent = Factor(mid=middle, log_sd=spread, source=fresh[0].source, note=note)
        return Money(price_usd_per_h=rent)
    if "launch_price_usd" not in device.records:
        return Money(price_usd_per_h=None)
    price = factor(device.records["launch_price_usd"])
    life = factor(catalog.prior("ownership.lifetime_years"))
    busy = factor(catalog.prior("ownership.busy_share"))
    return Money(
        price_usd_per_h=Factor(
            mid=price.mid / (life.mid * busy.mid * H_PER_YEAR),
            log_sd=float(np.hypot(np.hypot(price.log_sd, life.log_sd), busy.log_sd)),
            source=price.source,
            note="purchase price over its life in use",
        ),
        owned=True,
    )


def _pue(
    catalog: Catalog, records: dict[str, Record], given: float | None, *, in_data_center: bool
) -> Factor:
    if given is not None:
        if not given >= 1.0:
            raise refuse("out_of_range", "pue", least=1.0, most=10.0, value=given)
        return Factor(mid=given)
    if not in_data_center:
        return Factor(mid=1.0, note="a computer of one's own needs no cooling plant")
    return _or_prior(catalog, records, "pue")


def _or_prior(catalog: Catalog, records: dict[str, Record], key: str) -> Factor:
    return factor(records[key] if key in records else catalog.prior(f"site.{key}"))


def _water(catalog: Catalog, records: dict[str, Record], iso: str) -> Factor:
    """Water of the power stations, and on site where it is known."""
    priors = catalog.priors()
    key = f"site.offsite_l_per_kwh.{iso}"
    offsite = factor(priors[key if key in priors else "site.offsite_l_per_kwh.world"])
    spread = factor(catalog.prior("site.offsite_spread")).log_sd
    on_site = records["wue_l_per_kwh"].value if "wue_l_per_kwh" in records else 0.0
    return Factor(mid=offsite.mid + on_site, log_sd=float(np.hypot(offsite.log_sd, spread)))


def _electricity(catalog: Catalog, iso: str) -> Factor:
    prices = catalog.electricity_prices()
    for sector in ("business", "industry", "household"):
        if (iso, sector) in prices:
            return factor(prices[iso, sector])
    return factor(catalog.prior("site.electricity_usd_per_kwh"))


def _year(date: str) -> float:
    parts = [int(part) for part in date.split("-")[:2]]
    return parts[0] + ((parts[1] if len(parts) > 1 else 6.5) - 0.5) / 12.0
