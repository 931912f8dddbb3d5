"""Growth of FLOP/s against bandwidth and memory, and devices needed just to store a model."""

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
"""Weights in 16 bits [B]."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """The largest model of a year and the largest memory of a device of that year.

    Parameters
    ----------
    year : int
        Year.
    model, device : str
        Names of both.
    params, memory_bytes : float
        Size of the model and of the memory [parameter, B].
    devices : float
        Devices that hold its 16-bit weights and nothing else [1].
    """

    year: int
    model: str
    device: str
    params: float
    memory_bytes: float
    devices: float


def wall(catalog: Catalog) -> dict[str, GrowthRate]:
    """Growth of what the wall is made of, of the records that exceeded all before them."""
    return {
        "training compute": training_compute(catalog).front().trend(),
        "parameters": model_size(catalog).front().trend(),
        "FLOP/s of a device": device_peak(catalog).trend(),
        "memory of a device": device_memory(catalog).trend(),
        "bandwidth of the memory": device_bandwidth(catalog).trend(),
    }


def faster(one: GrowthRate, other: GrowthRate, years: float = TWO_YEARS) -> Uncertain:
    """Growth of one over that of another in so many years, as if their errors were apart [1]."""
    difference = one.rate - other.rate
    half = np.hypot(one.rate_high - one.rate, other.rate_high - other.rate)
    log_sd = float(np.log(2) * years * half / z_score(CENTRAL))
    return Uncertain(2.0 ** (difference * years), {"fit": log_sd} if log_sd else {})


def holders(catalog: Catalog) -> list[Held]:
    """For each year with a larger model than before: how many devices of then hold it."""
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
    """Place of the largest value not younger than a date."""
    known: Mask = series.years <= when + 0.5
    if not known.any():
        return None
    return int(np.argmax(np.where(known, series.values, -np.inf)))
