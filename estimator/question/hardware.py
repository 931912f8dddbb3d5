"""Device, price and utilization that a scenario names, from the profiles."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from estimator.catalog import Catalog, Device, Price, Record, once
from estimator.core.hardware import DEVICES_PER_NODE, Hardware
from estimator.core.messages import refuse
from estimator.core.notice import Notice
from estimator.core.rows import median_of
from estimator.core.uncertainty import Uncertain, total
from estimator.question.ownership import find_lifetime_h, used_up_price
from estimator.question.provenance import (
    Found,
    given_value,
    of_all,
    prior,
    recorded,
    uncertain_record,
)
from estimator.question.site import provider_at

TRAINING_PRECISIONS = ("bf16", "fp16", "tf32", "fp32", "equivalent", "fp64")
"""Default training formats; the fastest that the device supports is used."""

SELF_CONTAINED = ("brain",)
"""Device types that need no electricity, no cooling and no network."""

WITH_NETWORK = (*SELF_CONTAINED, "supercomputer")
"""Device types whose power includes all parts and the network."""

PROCESSORS = ("cpu", "soc", "npu-phone", "edge")
"""Device types without published training runs."""

METERED_KINDS = ("gpu-datacenter", "gpu-workstation", "gpu-consumer", "superchip", "asic")
"""Device types with power metered in small and large runs, or similar ones; uncertain if only hours
are known.
"""

BUSY_SHARE = "power.busy_share"
"""Prior of the busy share of the time if only hours are known."""

HOST_LED_ODDS = "power.host_led_odds"
"""Prior of the odds that a device is busy in host-bound work, relative to other work."""

WAITING_PARAMS = "power.waiting_params"
"""Prior of the parameters at which device and host time are equal, if hours and size are known."""

SAME_TIME = 0.5
"""Age difference within which offers count as simultaneous [year]."""

OTHER_FORMAT_NAMES = {
    "nvfp4": "fp4",
    "mxfp8": "fp8",
    "bfloat16": "bf16",
    **{f"float{bits}": f"fp{bits}" for bits in (8, 16, 32, 64)},
}
"""Vendor or framework name of a format -> name in the profiles."""

FORMATS = (
    f"{'|'.join(OTHER_FORMAT_NAMES)}|fp64|fp32|tf32|fp16|bf16|fp8|fp4|int8|equivalent|mixed|amp"
)
"""Pattern of number formats in free text."""

EITHER = " or "
"""Separator between alternative formats."""

FEW_OFFERS = 4
"""Fewer offers than this make a price less certain [1]."""

FRESH_YEARS = 1.5
"""Age beyond which rental offers are historical, relative to the newest [year]."""


def choose_precision(device: Device, asked: str | None) -> str:
    """Return the run's number format, by default the device's fastest training format.

    Raises
    ------
    ValueError
        If the device does not support it; lists the supported ones.
    """
    if asked is not None:
        if asked not in device.peaks:
            known = tuple(sorted(device.peaks))
            raise refuse("no_peak", "precision", device=device.name, asked=asked, known=known)
        return asked
    trainable = [name for name in TRAINING_PRECISIONS if name in device.peaks]
    if not trainable:
        has = tuple(sorted(device.peaks)) or "none"
        raise refuse("no_training_format", "precision", device=device.name, known=has)
    return max(trainable, key=lambda name: (device.peaks[name].value, name == "fp32"))


def formats_in(text: str) -> list[str]:
    """Find the number formats in a free text, by profile name.

    >>> formats_in("bfloat16 or FP32 AMP")
    ['bf16', 'fp32', 'amp']
    """
    return [OTHER_FORMAT_NAMES.get(word, word) for word in re.findall(FORMATS, text.lower())]


def named_precision(text: str, device: Device) -> str | None:
    """Parse the precision in a free text; None if absent or only "mixed".

    Mixed precision means the fastest 16-bit or TF32 format of the device. Of several formats, the
    fastest that the device has counts, or the slowest of stated alternatives.
    """
    formats = formats_in(text)
    plain = [word for word in formats if word not in ("mixed", "amp")]
    has = [word for word in plain if word in device.peaks]
    mixed = len(plain) < len(formats)
    if mixed and not has:
        has = [word for word in ("bf16", "fp16", "tf32") if word in device.peaks]
    if has:
        choose = min if EITHER in text.lower() else max
        return choose(has, key=lambda word: device.peaks[word].value)
    if text.strip() and not formats:
        raise refuse("no_precision", "precision", word=text.strip()[:40])
    return plain[0] if plain else None


def read_hardware(name: str, precision: str | None = None) -> Hardware:
    """Read a device from the shipped profiles, by id, alias or NVML name.

    Raises
    ------
    ValueError
        If the device is unknown (suggests the closest names) or does not support the precision.

    Examples
    --------
    >>> read_hardware("v100", "fp16").peak_flop_per_s.mid
    125000000000000.0
    """
    catalog = Catalog.open()
    device = catalog.device(name)
    return find_hardware(device, choose_precision(device, precision), catalog).value


@once
def find_hardware(device: Device, precision: str, catalog: Catalog) -> Found[Hardware]:
    """Return the hardware figures of a device at one precision, with priors for missing ones."""
    kind = device.kind
    peak = recorded(f"peak_flop_per_s.{precision}", device.peaks[precision], "peak")
    life_h = find_lifetime_h(catalog)
    load = prior(catalog, f"power.load.{kind}", "power")
    host = _host_factor(device, load.value, catalog)
    optional: dict[str, Found[Uncertain]] = {}
    if "tdp_w" in device.records:
        optional["tdp_w"] = recorded("tdp_w", device.records["tdp_w"], "power limit")
        optional["idle_w"] = _idle_w(device, optional["tdp_w"].value, catalog)
    making = _embodied_co2e_kg(device, catalog)
    if making is not None:
        optional["embodied_co2e_kg"] = making
    price = used_up_price(device, catalog)
    if price is not None:
        optional["price_usd"] = price
    numbers = {name: found.value for name, found in optional.items()}
    if kind in METERED_KINDS:
        numbers["unknown_busy"] = uncertain_record(catalog.prior(BUSY_SHARE), "busy share")
    hardware = Hardware(
        name=device.name,
        peak_flop_per_s=peak.value,
        load=load.value,
        host_factor=host.value,
        lifetime_h=life_h.value,
        node_devices=node_devices(device),
        on_grid=kind not in SELF_CONTAINED,
        **numbers,
    )
    return of_all(hardware, peak, *optional.values(), life_h, load, host)


def node_devices(device: Device) -> float:
    """Return how many devices share a fast link: a rack's, or a typical node's [1]."""
    records = device.records
    return records["rack_devices"].value if "rack_devices" in records else DEVICES_PER_NODE


def value_bytes(precision: str) -> float:
    """Return the bytes per value in a number format [B]: 2 up to 16 bits, otherwise 4."""
    return 4.0 if precision in ("fp32", "tf32", "fp64") else 2.0


def _host_factor(device: Device, load: Uncertain, catalog: Catalog) -> Found[Uncertain]:
    """Return node power over device power; for a TPU, from its measured system power.

    Only the system power of TPUs was ever measured, and their ratings have different scopes.
    """
    records = device.records
    if device.kind != "tpu" or not {"system_power_w", "tdp_w"} <= set(records):
        return prior(catalog, f"power.host_factor.{device.kind}", "host")
    system = recorded("system_power_w", records["system_power_w"], "host")
    tdp_w = Uncertain(records["tdp_w"].value)
    idle_w = float(_idle_w(device, tdp_w, catalog).value.mid)
    chip_w = idle_w + float(load.mid) * (float(tdp_w.mid) - idle_w)
    factor = float(system.value.mid) / chip_w
    if system.value.loadings:
        return of_all(Uncertain(factor, system.value.loadings), system)
    spread = prior(catalog, "power.system_spread", "host")
    return of_all(Uncertain(factor, spread.value.loadings), system, spread)


def _idle_w(device: Device, tdp_w: Uncertain, catalog: Catalog) -> Found[Uncertain]:
    if "idle_w" in device.records:
        return recorded("idle_w", device.records["idle_w"], "idle power")
    share = prior(catalog, "power.idle_share", "idle power")
    return of_all(tdp_w * share.value, share)


def _embodied_co2e_kg(device: Device, catalog: Catalog) -> Found[Uncertain] | None:
    """Return the embodied emissions of a device with its share of the server, or None."""
    priors = catalog.priors()
    fallback = f"embodied.device.{device.kind}"
    if "embodied_co2e_kg" in device.records:
        record = _of_all_sources(device.records["embodied_co2e_kg"], catalog)
        own = recorded("embodied_co2e_kg", record, "embodied")
    elif fallback in priors:
        own = prior(catalog, fallback, "embodied")
    else:
        return None
    share = f"embodied.server_share.{device.kind}"
    if share not in priors:
        return own
    server = prior(catalog, share, "embodied")
    return of_all(total((own.value, server.value)), own, server)


def _of_all_sources(record: Record, catalog: Catalog) -> Record:
    """Record with the range of its sources; a single source gets a typical range."""
    if record.low is not None or record.high is not None:
        return record
    spread = catalog.prior("embodied.single_source_spread")
    low, high = spread.low or 1.0, spread.high or 1.0
    return replace(record, low=record.value * low, high=record.value * high)


def fixed_utilization(device: Device, catalog: Catalog) -> Found[Uncertain] | None:
    """Return the utilization of a device type without published runs, such as a brain, or None."""
    if device.kind == "brain":
        record = Record(
            value=1.0,
            unit="1",
            basis="assumed",
            source="carlsmith-2020",
            note="the equivalent rate is already what a brain delivers",
        )
        return recorded("utilization", record, "utilization")
    if device.kind in PROCESSORS:
        return recorded("utilization", catalog.prior("utilization.processor"), "utilization")
    if device.kind == "wafer":
        return recorded("utilization", catalog.prior("utilization.wafer"), "utilization")
    return None


def find_price(
    device: Device,
    catalog: Catalog,
    *,
    kind: str = "",
    year: float | None = None,
    provider: str = "",
) -> Found[Uncertain] | None:
    """Return the rental price per device-hour from the newest offers of a type, or None.

    `year` selects offers of that time; `provider` selects its own offers if it has any. Few offers
    of others widen the interval.
    """
    offers = _offers(device, catalog, kind, year, provider)
    if not offers:
        return None
    off = 0.0 if year is None else min(_years_from(offer, year) for offer in offers)
    notices: list[Notice] = []
    if off > FRESH_YEARS and year is not None:
        values = {"device": device.name, "count": float(round(off)), "year": year}
        notices.append(Notice("old_rents", "year", values))
    if provider and offers[0].provider != provider:
        elsewhere = {"device": device.name, "provider": provider}
        notices.append(Notice("rents_elsewhere", "price", elsewhere))
    few = len(offers) < FEW_OFFERS and offers[0].provider != provider
    if few:
        few_offers = {"device": device.name, "count": float(len(offers))}
        notices.append(Notice("few_offers", "price", few_offers))
    record = _price_record(offers, "few_offers" if few else "single_quote", catalog)
    return recorded("price_usd_per_h", record, "price", notices=tuple(notices))


def find_device_price(
    device: Device, catalog: Catalog, *, paid: float | None, many: bool, site: str = ""
) -> Found[Uncertain] | None:
    """Return the price of a device-hour: as paid, by on-demand offers, or of ownership [USD/h].

    None if no price is on record. A cloud region uses its own provider's offers. Owned devices of
    more than one node also pay for their share of the network; electricity is not included.
    """
    if paid is not None:
        return given_value("price_usd_per_h", paid, "USD/h")
    rent = find_price(device, catalog, provider=provider_at(site, catalog))
    if rent is not None:
        return rent
    bought, life_h = used_up_price(device, catalog, many=many), find_lifetime_h(catalog)
    return None if bought is None else of_all(bought.value / life_h.value, bought, life_h)


def _price_record(fresh: Sequence[Price], least: str, catalog: Catalog) -> Record:
    """Return the median of simultaneous offers; its spread is at least a prior."""
    amounts = sorted(price.price_usd_per_h for price in fresh)
    middle = median_of(amounts)
    spread = catalog.prior(f"price.{least}_spread")
    low = min(amounts[0], middle * (spread.low or 1.0))
    high = max(amounts[-1], middle * (spread.high or 1.0))
    providers = ", ".join(sorted({price.provider for price in fresh}))
    return Record(
        value=middle,
        unit="USD/h",
        basis="published" if len(fresh) > 1 else fresh[0].basis,
        source=fresh[0].source,
        sources=tuple(sorted({price.source for price in fresh} - {fresh[0].source})),
        low=low,
        high=high,
        date=max(price.date_to for price in fresh),
        note=f"median of {len(fresh)} {fresh[0].kind} offers: {providers}",
    )


@dataclass(frozen=True, kw_only=True)
class Offers:
    """Number and dates of the rental offers behind a price.

    Parameters
    ----------
    count : int
        Number of offers [1].
    date_from, date_to : str
        Dates of the oldest and newest offer.
    provider : str
        Provider, if all offers come from one.
    """

    count: int
    date_from: str
    date_to: str
    provider: str


def offers_behind(
    device: Device,
    catalog: Catalog,
    *,
    kind: str = "",
    year: float | None = None,
    provider: str = "",
) -> Offers | None:
    """Return the offers behind the median of `find_price`, or None."""
    offers = _offers(device, catalog, kind, year, provider)
    if not offers:
        return None
    dates = [price.date_to for price in offers]
    sellers = {price.provider for price in offers}
    return Offers(
        count=len(offers),
        date_from=min(dates),
        date_to=max(dates),
        provider=sellers.pop() if len(sellers) == 1 else "",
    )


def _offers(
    device: Device, catalog: Catalog, kind: str, year: float | None, provider: str
) -> list[Price]:
    """Return the offers of a price type and time, from the provider if it has any.

    A memory variant without offers uses those of another variant.
    """
    prices = [price for name in device.variants for price in catalog.prices(name)]
    of_kind = [price for price in prices if price.kind == (kind or "on-demand")]
    every = _fresh(of_kind, year) if of_kind else []
    newest = max((_year(price.date_to) for price in every), default=0.0)
    offered = {price.device for price in every if newest - _year(price.date_to) <= SAME_TIME}
    chosen = {device.id} & offered or offered
    fresh = [price for price in every if price.device in chosen]
    return [price for price in fresh if price.provider == provider] or fresh


def _fresh(offers: Sequence[Price], year: float | None) -> list[Price]:
    """Return the newest offers, or the ones closest to a year."""
    if year is None:
        newest = max(price.date_to for price in offers)
        return [price for price in offers if _year(newest) - _year(price.date_to) <= FRESH_YEARS]
    nearest = min(_years_from(price, year) for price in offers)
    return [price for price in offers if _years_from(price, year) <= nearest + SAME_TIME]


def _years_from(price: Price, year: float) -> float:
    """Return the years between an offer and the middle of a year, 0 within it."""
    middle = year + 0.5
    return max(_year(price.date_from) - middle, middle - _year(price.date_to), 0.0)


@lru_cache(maxsize=4096)
def _year(text: str) -> float:
    """Convert a date, possibly without month or day, to a decimal year."""
    parts = [int(part) for part in text.split("-")]
    return parts[0] + (parts[1] if len(parts) > 1 else 6.5) / 12
