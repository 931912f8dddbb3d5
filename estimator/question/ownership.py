"""Cost of owning a device: price, server, network and depreciation.

A device loses value over its life, keeping (1 - decline)^years of its price. Every hour of work
bears the lifetime mean of the loss, since the device's age at a run is rarely known; the actual
loss is higher in the first year and lower in the last. Full straight-line depreciation is the limit
of a steep decline.
"""

import numpy as np

from estimator.catalog import Catalog, Device
from estimator.core.uncertainty import Uncertain, total
from estimator.core.units import H_PER_YEAR
from estimator.question.provenance import Found, given_value, of_all, prior, recorded

WHOLE = ("server", "supercomputer", "wafer", "brain", "soc", "npu-phone")
"""Device types whose price includes the whole machine."""

PURCHASE_PRICE = "launch_price_usd"
"""Number of a device that owning it starts from."""


def used_up_price(
    device: Device,
    catalog: Catalog,
    *,
    paid: float | None = None,
    many: bool = False,
) -> Found[Uncertain] | None:
    """Return the depreciation of a device over its life, with its server and network [USD].

    None without a price. Devices of more than one node also pay for their share of the network.
    """
    if paid not in (None, 1.0):
        return _used_up_price(device, catalog, paid=paid, many=many)
    return catalog.once(
        f"used-up price {device.id} {paid} {many}",
        lambda: _used_up_price(device, catalog, paid=paid, many=many),
    )


def _used_up_price(
    device: Device, catalog: Catalog, *, paid: float | None, many: bool
) -> Found[Uncertain] | None:
    key = PURCHASE_PRICE
    if paid is not None:
        price = given_value(key, paid, "USD")
    elif key in device.records:
        price = recorded(key, device.records[key], "price")
    else:
        return None
    parts, whole = [price], price.value
    if device.kind not in WHOLE:
        server = prior(catalog, "ownership.server_price_factor", "server price")
        parts, whole = [*parts, server], whole * server.value
        if many:
            share = prior(catalog, "ownership.network_price_share", "server price")
            parts, whole = [*parts, share], whole * total((1.0, share.value))
    years = prior(catalog, "ownership.lifetime_years", "lifetime")
    decline = prior(catalog, "ownership.value_lost_per_year", "value decline")
    return of_all(whole * value_lost(years.value, decline.value), *parts, years, decline)


def find_lifetime_h(catalog: Catalog) -> Found[Uncertain]:
    """Return the hours that a device works over its life [h]."""
    years = prior(catalog, "ownership.lifetime_years", "lifetime")
    busy = prior(catalog, "ownership.busy_share", "lifetime")
    return of_all(years.value * busy.value * H_PER_YEAR, years, busy)


def value_lost(years: Uncertain, per_year: Uncertain) -> Uncertain:
    """Share of the price lost over a life, to first order in the loadings [1].

    >>> round(float(value_lost(Uncertain(4.0), Uncertain(0.28)).mid), 3)
    0.731
    """
    rate = -np.log1p(-per_year.mid)
    left = np.exp(-rate * years.mid)
    by_years = years.mid * rate * left / (1 - left)
    by_rate = years.mid * per_year.mid * left / (1 - per_year.mid) / (1 - left)
    return Uncertain(
        1 - left,
        {
            **{name: load * by_years for name, load in years.loadings.items()},
            **{name: load * by_rate for name, load in per_year.loadings.items()},
        },
    )
