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
from estimator.question.provenance import Found, of_all, prior, recorded, uncertain_record

TRAINING_PRECISIONS = ("bf16", "fp16", "tf32", "fp32", "equivalent", "fp64")
"""Formats that training uses by default: the fastest of the device is taken."""

SELF_CONTAINED = ("brain",)
"""Kinds of device that need neither cooling nor a network beyond themselves."""

WITH_NETWORK = (*SELF_CONTAINED, "supercomputer")
"""Kinds of device whose power is that of all their parts, the network among them."""

PROCESSORS = ("cpu", "soc", "npu-phone", "edge")
"""Kinds of device for which no published training runs are at hand."""

METERED_KINDS = ("gpu-datacenter", "gpu-workstation", "gpu-consumer", "superchip", "asic")
"""Kinds of device whose power is very uncertain where only the hours are known: those of which
meters were read in small and large runs, and what is taken like them."""

BUSY_SHARE = "power.busy_share"
"""Prior: busy share of the time where only the hours are known."""

HOST_LED_ODDS = "power.host_led_odds"
"""Prior: odds that a device is busy, over others, where the host leads the work."""

WAITING_PARAMS = "power.waiting_params"
"""Prior: parameters that keep a device as long as its host, where hours and size are known."""

SAME_TIME = 0.5
"""Offers count as of one time within this [year]."""

OTHER_FORMAT_NAMES = {
    "nvfp4": "fp4",
    "mxfp8": "fp8",
    "bfloat16": "bf16",
    **{f"float{bits}": f"fp{bits}" for bits in (8, 16, 32, 64)},
}
"""Formats as vendors and frameworks write them -> as the profiles do."""

FORMATS = (
    f"{'|'.join(OTHER_FORMAT_NAMES)}|fp64|fp32|tf32|fp16|bf16|fp8|fp4|int8|equivalent|mixed|amp"
)
"""Pattern of number formats in free text."""

EITHER = " or "
"""Stands between formats of which it is not known which one ran."""

FRESH_YEARS = 1.5
"""Rental offers this much older than the newest one are history [year]."""


def choose_precision(device: Device, asked: str | None) -> str:
    """Number format of the run: as asked, or the fastest of the device that trains, else FP32.

    Raises
    ------
    ValueError
        If the device lacks it; the message names the ones it has.
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
    """Formats that a free text names, as the profiles name them.

    >>> formats_in("bfloat16 or FP32 AMP")
    ['bf16', 'fp32', 'amp']
    """
    return [OTHER_FORMAT_NAMES.get(word, word) for word in re.findall(FORMATS, text.lower())]


def named_precision(text: str, device: Device) -> str | None:
    """Precision that a free text names; None where it says nothing or only "mixed".

    Mixed precision is the fastest 16-bit or TF32 format of the device; of several formats named,
    the fastest that the device has, or the slowest of those between which the text leaves it open.
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
    """Device out of the shipped profiles, by id, alias or NVML name.

    Raises
    ------
    ValueError
        If it is not known (the nearest names are offered), or lacks the precision.

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
    """The numbers of a device at one precision, the missing ones from priors of its kind."""
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
        **numbers,
    )
    return of_all(hardware, peak, *optional.values(), life_h, load, host)


def node_devices(device: Device) -> float:
    """Return how many devices one fast link connects: those of a rack, or of a usual node [1]."""
    records = device.records
    return records["rack_devices"].value if "rack_devices" in records else DEVICES_PER_NODE


def value_bytes(precision: str) -> float:
    """Bytes of a value in memory at a number format: 2 up to 16 bit, else 4 [B]."""
    return 4.0 if precision in ("fp32", "tf32", "fp64") else 2.0


def _host_factor(device: Device, load: Uncertain, catalog: Catalog) -> Found[Uncertain]:
    """Node over device; for a TPU what makes its system power come out, where that was measured.

    Only system power was ever measured on TPUs, and what their ratings hold differs.
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
    """Making the device and its share of the server; None where not even the kind has a figure."""
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
    """Record with the range that sources span; where one tells, as far as they differ elsewhere."""
    if record.low is not None or record.high is not None:
        return record
    spread = catalog.prior("embodied.single_source_spread")
    low, high = spread.low or 1.0, spread.high or 1.0
    return replace(record, low=record.value * low, high=record.value * high)


def fixed_utilization(device: Device, catalog: Catalog) -> Found[Uncertain] | None:
    """Utilization of a brain, a processor or a wafer, whose runs are not published, else None."""
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
    """Rent per device-hour by the newest offers of a kind; None where there are none.

    With a year, the offers of that time count instead of the newest; with a provider, its own,
    or those of all where it has none.
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
    record = _price_record(offers, catalog)
    return recorded("price_usd_per_h", record, "price", notices=tuple(notices))


def _price_record(fresh: Sequence[Price], catalog: Catalog) -> Record:
    """Median of offers of one time, with their range as spread."""
    amounts = sorted(price.price_usd_per_h for price in fresh)
    middle = median_of(amounts)
    single = catalog.prior("price.single_quote_spread")
    low = min(amounts[0], middle * (single.low or 1.0))
    high = max(amounts[-1], middle * (single.high or 1.0))
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
        Offers. [1]
    date_from, date_to : str
        The oldest and the newest of their dates.
    provider : str
        Whose they are, where they are all of one.
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
    """Offers that `find_price` takes the median of; None where there are none."""
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
    """Offers of a kind and a time: of the provider, or of all where it has none.

    A memory variant that nobody offers any more takes the offers of the variant that is.
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
    """The newest offers, or those nearest to a year."""
    if year is None:
        newest = max(price.date_to for price in offers)
        return [price for price in offers if _year(newest) - _year(price.date_to) <= FRESH_YEARS]
    nearest = min(_years_from(price, year) for price in offers)
    return [price for price in offers if _years_from(price, year) <= nearest + SAME_TIME]


def _years_from(price: Price, year: float) -> float:
    """Years between the middle of a year and the time an offer stood; 0 within it."""
    middle = year + 0.5
    return max(_year(price.date_from) - middle, middle - _year(price.date_to), 0.0)


@lru_cache(maxsize=4096)
def _year(text: str) -> float:
    """Year with its fraction, of a date that may end at the year or the month."""
    parts = [int(part) for part in text.split("-")]
    return parts[0] + (parts[1] if len(parts) > 1 else 6.5) / 12
