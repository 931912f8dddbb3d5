"""Records behind each trend, with their source rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from estimator.catalog import Catalog, Device
from estimator.core.rows import Floats, Places
from estimator.networks.formulas import FLOP_PER_PARAM_AND_TOKEN, TRAINING_OVER_FORWARD
from estimator.studies.trends.growth import GrowthRate, growth, running_records

CHIPS = ("gpu-datacenter", "tpu", "superchip", "asic")
"""Device types that large networks are trained on."""

TRAINED_IN = ("bf16", "fp16", "tf32", "fp32")
"""Training formats, of which a device's fastest counts."""

TRUSTED = ("A", "B", "C", "D")
"""Tiers of published runs that count; X is distrusted."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """Records of one quantity.

    Parameters
    ----------
    name, unit : str
        What is recorded.
    labels, rows : tuple of str
        Name and location of each record.
    years, values : array of shape (n,)
        Dates and values [year, `unit`].
    """

    name: str
    unit: str
    labels: tuple[str, ...]
    rows: tuple[str, ...]
    years: Floats
    values: Floats

    def trend(self) -> GrowthRate:
        """Fit an exponential to all records."""
        return growth(self.years, self.values)

    def front(self) -> "Series":
        """Keep the records that exceed all earlier ones."""
        return self.at(running_records(self.years, self.values))

    def at(self, places: Places) -> "Series":
        """Return the records at some indices."""
        return Series(
            name=self.name,
            unit=self.unit,
            labels=tuple(self.labels[place] for place in places),
            rows=tuple(self.rows[place] for place in places),
            years=self.years[places],
            values=self.values[places],
        )


def training_compute(catalog: Catalog) -> Series:
    """Return the training compute of the published runs, reported or from size and data."""
    return _of_runs(catalog, "training compute", "FLOP", _training_flop)


def model_size(catalog: Catalog) -> Series:
    """Return the parameter counts of the published runs' models."""
    return _of_runs(catalog, "parameters", "parameter", lambda row: _number(row["params_total"]))


def device_peak(catalog: Catalog) -> Series:
    """Return the dense peak of each accelerator in its training format."""
    return _of_devices(catalog, "peak of a device", "FLOP/s", _peak)


def device_memory(catalog: Catalog) -> Series:
    """Return the memory of each accelerator."""
    return _of_devices(catalog, "memory of a device", "B", _recorded("memory_bytes"))


def device_bandwidth(catalog: Catalog) -> Series:
    """Return the memory bandwidth of each accelerator."""
    return _of_devices(catalog, "bandwidth of the memory", "B/s", _recorded("memory_bytes_per_s"))


def device_efficiency(catalog: Catalog) -> Series:
    """Return the peak of each accelerator over its power limit."""
    return _of_devices(catalog, "peak per watt", "FLOP/s/W", _over(_peak, _recorded("tdp_w")))


def device_per_dollar(catalog: Catalog) -> Series:
    """Return the peak of each accelerator over its launch price, if known."""
    price = _recorded("launch_price_usd")
    return _of_devices(catalog, "peak per dollar", "FLOP/s/USD", _over(_peak, price))


def quantum_volume(catalog: Catalog, maker: str | None = None) -> Series:
    """Return the quantum volumes reached, by one maker or all."""
    series = _of_table(catalog, "quantum_volume.csv", "quantum_volume", ("maker", "machine"))
    if maker is None:
        return series
    return series.at(np.flatnonzero([label.startswith(f"{maker} ") for label in series.labels]))


def estimated_compute(catalog: Catalog) -> Series:
    """Return third-party estimates of the training compute of closed models."""
    return _of_table(catalog, "frontier_runs.csv", "training_flop", ("run",), "FLOP")


def decimal_year(text: str) -> float:
    """Parse a date as a decimal year; missing parts are taken as the middle.

    >>> decimal_year("2020"), round(decimal_year("2020-07"), 2), decimal_year("2020-01-01")
    (2020.5, 2020.54, 2020.0)
    """
    parts = [float(part) for part in text.split("-")]
    if len(parts) == 1:
        return parts[0] + 0.5
    day = parts[2] - 1 if len(parts) > 2 else 15.0
    return parts[0] + (parts[1] - 1) / 12 + day / 365.25


def _of_runs(
    catalog: Catalog, name: str, unit: str, read: Callable[[Mapping[str, str]], float | None]
) -> Series:
    found = []
    for line, row in enumerate(catalog.published_runs(), start=2):
        value = read(row)
        if row["validation_tier"] in TRUSTED and row["year"] and value is not None:
            found.append((row["name"], line, float(row["year"]) + 0.5, value))
    return Series(
        name=name,
        unit=unit,
        labels=tuple(label for label, *_ in found),
        rows=tuple(f"runs/published_runs.csv, line {line}" for _, line, *_ in found),
        years=np.array([year for *_, year, _ in found]),
        values=np.array([value for *_, value in found]),
    )


def _of_table(
    catalog: Catalog, table: str, column: str, names: tuple[str, ...], unit: str = "1"
) -> Series:
    rows = catalog.table(table)
    return Series(
        name=column.replace("_", " "),
        unit=unit,
        labels=tuple(" ".join(row[name] for name in names) for row in rows),
        rows=tuple(f"{table}, line {line}" for line, _ in enumerate(rows, start=2)),
        years=np.array([decimal_year(row["date"]) for row in rows]),
        values=np.array([float(row[column]) for row in rows]),
    )


def _of_devices(
    catalog: Catalog, name: str, unit: str, read: Callable[[Device], float | None]
) -> Series:
    found = []
    for device in catalog.devices():
        value = read(device)
        if device.kind in CHIPS and device.released and value is not None:
            found.append((device, value))
    return Series(
        name=name,
        unit=unit,
        labels=tuple(device.name for device, _ in found),
        rows=tuple(f"hardware/{device.id}.toml" for device, _ in found),
        years=np.array([decimal_year(device.released or "") for device, _ in found]),
        values=np.array([value for _, value in found]),
    )


def _training_flop(row: Mapping[str, str]) -> float | None:
    """Compute as reported, otherwise from parameters and tokens, or samples."""
    reported = _number(row["train_flops_reported"])
    if reported is not None:
        return reported
    params = _number(row["params_active"]) or _number(row["params_total"])
    tokens = _number(row["tokens_processed"])
    if params is not None and tokens is not None:
        return FLOP_PER_PARAM_AND_TOKEN * params * tokens
    forward, samples = _number(row["flops_per_sample_forward"]), _number(row["samples_processed"])
    if forward is not None and samples is not None:
        return TRAINING_OVER_FORWARD * forward * samples
    return None


def _peak(device: Device) -> float | None:
    """Return the highest dense peak among the formats used for unscaled training."""
    known = [device.peaks[name].value for name in TRAINED_IN if name in device.peaks]
    return max(known, default=None)


def _recorded(key: str) -> Callable[[Device], float | None]:
    return lambda device: device.records[key].value if key in device.records else None


def _over(
    above: Callable[[Device], float | None], below: Callable[[Device], float | None]
) -> Callable[[Device], float | None]:
    def ratio(device: Device) -> float | None:
        top, bottom = above(device), below(device)
        return None if top is None or bottom is None else top / bottom

    return ratio


def _number(text: str) -> float | None:
    return float(text) if text else None
