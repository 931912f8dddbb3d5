"""Cost of owning a device: price, server, network and depreciation.

A device is bought, worked for its life and sold or kept for less. What its life uses up is the
value lost meanwhile, (1 - decline)^years being left, and each hour of work bears the same part of
it: the mean over a life, since the age of the device at the time of a run is seldom known. In its
first year a device loses more than that, in its last year less. Straight-line writing-off, which
takes the whole price, is the limit of a steep decline.
"""

import numpy as np

from estimator.catalog import Catalog, Device
from estimator.core.uncertainty import Uncertain, total
from estimator.core.units import H_PER_YEAR
from estimator.question.provenance import Found, given, of_all, prior, recorded

WHOLE = ("server", "supercomputer", "wafer", "brain", "soc", "npu-phone")
"""Kinds of device whose price is that of the whole machine."""


def used_up_price(
    device: Device,
    catalog: Catalog,
    *,
    paid: float | None = None,
    many: bool = False,
) -> Found[Uncertain] | None:
    """Part of the price, server and network included, that its life uses up [USD].

    None where no price is paid or on record. A device of many, more than a node holds, pays for
    its part of the network too.
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
    key = "launch_price_usd"
    if paid is not None:
        price = given(key, paid, "USD")
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
    """Hours that a device works over its life [h]."""
    years = prior(catalog, "ownership.lifetime_years", "lifetime")
    busy = prior(catalog, "ownership.busy_share", "lifetime")
    return of_all(years.value * busy.value * H_PER_YEAR, years, busy)


def value_lost(years: Uncertain, per_year: Uncertain) -> Uncertain:
    """Share of the price that is lost over a life, to first order in the loadings [1].

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
