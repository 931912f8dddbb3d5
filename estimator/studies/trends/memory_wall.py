"""Growth of FLOP/s against bandwidth and memory, and devices needed to store a model."""

from dataclasses import dataclass

import numpy as np

from estimator.catalog import Catalog
from estimator.core.rows import Mask
from estimator.core.uncertainty import Uncertain, z_score
from estimator.core.units import CENTRAL
from estimator.studies.trends.growth import GrowthRate
from estimator.studies.trends.records import (
    Series,
    device_bandwidth,
    device_memory,
    device_peak,
    model_size,
    training_compute,
)

TWO_YEARS = 2.0
BYTES_PER_PARAM = 2.0
"""Bytes per 16-bit weight [B]."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """Largest model of a year, and largest device memory of that year.

    Parameters
    ----------
    year : int
        Year.
    model, device : str
        Names of both.
    params, memory_bytes : float
        Size of the model and of the memory [parameter, B].
    devices : float
        Devices needed to store its 16-bit weights [1].
    """

    year: int
    model: str
    device: str
    params: float
    memory_bytes: float
    devices: float


def wall(catalog: Catalog) -> dict[str, GrowthRate]:
    """Return the growth rates behind the memory wall, from record-setting devices and models."""
    return {
        "training compute": training_compute(catalog).front().trend(),
        "parameters": model_size(catalog).front().trend(),
        "FLOP/s of a device": device_peak(catalog).trend(),
        "memory of a device": device_memory(catalog).trend(),
        "bandwidth of the memory": device_bandwidth(catalog).trend(),
    }


def faster(one: GrowthRate, other: GrowthRate, years: float = TWO_YEARS) -> Uncertain:
    """Return the relative growth of two quantities over some years, with independent errors [1]."""
    difference = one.rate - other.rate
    half = np.hypot(one.rate_high - one.rate, other.rate_high - other.rate)
    log_sd = float(np.log(2) * years * half / z_score(CENTRAL))
    return Uncertain(2.0 ** (difference * years), {"fit": log_sd} if log_sd else {})


def holders(catalog: Catalog) -> list[Held]:
    """Return the number of devices needed to store each new largest model, by year."""
    models, memories = model_size(catalog).front(), device_memory(catalog)
    found = {}
    for label, when, params in zip(models.labels, models.years, models.values, strict=True):
        place = _largest_until(memories, when)
        if place is not None:
            memory = float(memories.values[place])
            found[int(when)] = Held(
                year=int(when),
                model=label,
                device=memories.labels[place],
                params=float(params),
                memory_bytes=memory,
                devices=float(np.ceil(params * BYTES_PER_PARAM / memory)),
            )
    return list(found.values())


def _largest_until(series: Series, when: float) -> int | None:
    """Return the index of the largest value up to a date."""
    known: Mask = series.years <= when + 0.5
    if not known.any():
        return None
    return int(np.argmax(np.where(known, series.values, -np.inf)))
