"""What does owning a device use up: price, server, network, and how the value declines.

A device is bought, worked for its life and sold or kept for less. What its life uses up is the
value lost meanwhile, (1 - decline)^years being left, and each hour of work bears the same part of
it: the mean over a life, since the age of the device at the time of a run is seldom known. In its
first year a device loses more than that, in its last year less. Straight-line writing-off, which
takes the whole price, is the limit of a steep decline.
"""

from dataclasses import replace

import numpy as np

from estimator.catalog import Catalog, Device
from estimator.checks import within_limits
from estimator.hardware import Hardware
from estimator.power import DEVICES_PER_NODE
from estimator.scenario import Scenario
from estimator.trail import Trail
from estimator.uncertainty import Uncertain, total

WHOLE = ("server", "supercomputer", "wafer", "brain", "soc", "npu-phone")
"""Kinds of device whose price is that of the whole machine."""

LEFT_OUT = (
    "owning counts the value lost over the life, server, network and electricity; staff, building, "
    "repairs and interest are left out"
)


def used_up_price(
    device: Device,
    catalog: Catalog,
    trail: Trail,
    *,
    given: float | None = None,
    devices: float = 1.0,
) -> Uncertain | None:
    """Part of the price, server and network included, that its life uses up [USD].

    None where no price is given or on record.
    """
    key = "launch_price_usd"
    if given is not None:
        within_limits("device_price", given)
        price = trail.given(key, given, "USD")
    elif key in device.records:
        price = trail.record(key, device.records[key], "price")
    else:
        return None
    if device.kind not in WHOLE:
        price = price * trail.prior(catalog, "ownership.server_price_factor", "server price")
        if devices > DEVICES_PER_NODE:
            share = trail.prior(catalog, "ownership.network_price_share", "server price")
            price = price * total((1.0, share))
    return price * value_lost(
        trail.prior(catalog, "ownership.lifetime_years", "lifetime"),
        trail.prior(catalog, "ownership.value_lost_per_year", "value decline"),
    )


def value_lost(years: Uncertain, per_year: Uncertain) -> Uncertain:
    """Share of the price that is lost over a life, to first order in the doubts [1].

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


def owned(
    scenario: Scenario,
    device: Device,
    hardware: Hardware,
    devices: float,
    catalog: Catalog,
    trail: Trail,
) -> Hardware:
    """Device at the price and in the number that the scenario says, if it is to be owned."""
    given = scenario.device_price
    if scenario.pay != "own":
        if given is not None:
            within_limits("device_price", given)
            trail.warn("the purchase price is not used: --pay own counts it")
        return hardware
    trail.warn(LEFT_OUT)
    price = used_up_price(device, catalog, trail, given=given, devices=devices)
    return replace(hardware, price_usd=price)
