"""Price of a device-hour, rented or owned."""

from dataclasses import dataclass, replace

from estimator.catalog import Catalog, Device
from estimator.core.notice import Notice
from estimator.core.uncertainty import Uncertain
from estimator.question.hardware import find_price
from estimator.question.ownership import find_lifetime_h, used_up_price
from estimator.question.site import provider_at


@dataclass(frozen=True, kw_only=True)
class DevicePrice:
    """Price of a device-hour.

    Parameters
    ----------
    usd_per_h : Uncertain
        Of one device [USD/h].
    source : str
        Id in the profiles' sources; empty where the price was given.
    owned : bool
        Whether it is what owning uses up, electricity not included.
    notices : tuple of Notice
        What was assumed of the offers.
    """

    usd_per_h: Uncertain
    source: str = ""
    owned: bool = False
    notices: tuple[Notice, ...] = ()


def find_device_price(
    device: Device, catalog: Catalog, *, given: float | None, many: bool, site: str = ""
) -> DevicePrice | None:
    """Return the given price, the newest on-demand offers, or the cost of ownership.

    None if no price is on record. A cloud region uses its own provider's offers. Owned devices of
    more than one node also pay for their share of the network.
    """
    if given is not None:
        return DevicePrice(usd_per_h=Uncertain(given))
    rent = find_price(device, catalog, provider=provider_at(site, catalog))
    if rent is not None:
        source = rent.inputs["price_usd_per_h"].source
        notices = tuple(replace(one, field="price") for one in rent.notices)
        return DevicePrice(usd_per_h=rent.value, source=source, notices=notices)
    bought = used_up_price(device, catalog, many=many)
    if bought is None:
        return None
    return DevicePrice(
        usd_per_h=bought.value / find_lifetime_h(catalog).value,
        source=bought.inputs["launch_price_usd"].source,
        owned=True,
    )
