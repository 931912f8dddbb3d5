"""Measured figures of each device from this machine's runs."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from estimator.calibration.cells import Cell, main_cell
from estimator.calibration.correction import Known
from estimator.catalog import Catalog, Device
from estimator.runs.documents import figure_rows
from estimator.runs.figures import (
    DeviceFigures,
    Peaks,
    Used,
    days_since,
    sum_up_devices,
)
from estimator.runs.record import MeasuredRun


@dataclass(frozen=True, kw_only=True)
class DeviceReport:
    """Measured figures of one device.

    Parameters
    ----------
    cell : Cell, optional
        Network group and number format with the most timings; None if no timing informs an
        estimate.
    """

    measured: DeviceFigures
    age_days: float
    device: Device | None
    cell: Cell | None


def device_figures(runs: Sequence[MeasuredRun], catalog: Catalog) -> list[DeviceFigures]:
    """Return measured figures of each device by name, with peaks from the catalog."""
    return sum_up_devices([row for run in runs for row in figure_rows(run)], peaks_of(catalog))


def reports_of(
    figures: Iterable[DeviceFigures], known: Known, now: datetime | None = None
) -> list[DeviceReport]:
    """Return device reports from measured figures."""
    moment = now or datetime.now(UTC)
    return [_report(one, known, moment) for one in figures]


def _report(measured: DeviceFigures, known: Known, now: datetime) -> DeviceReport:
    found = None if measured.simulated else known.catalog.find_device(measured.hardware)
    device = None if found is None else known.catalog.device(found)
    return DeviceReport(
        measured=measured,
        age_days=days_since(measured.newest, now),
        device=device,
        cell=None if device is None else main_cell(known, device),
    )


def peaks_of(catalog: Catalog) -> Peaks:
    """Return a look-up for a device profile's peaks [FLOP/s]."""

    def peaks(hardware: str) -> dict[str, float]:
        found = catalog.find_device(hardware)
        if found is None:
            return {}
        return {name: record.value for name, record in catalog.device(found).peaks.items()}

    return peaks


def used_device(hardware: str, catalog: Catalog) -> Used:
    """Return a predicate for devices with this id, alias or name."""
    if not hardware.strip():
        raise ValueError("hardware contains no device")
    found = catalog.find_device(hardware)
    names = {hardware.casefold(), hardware if found is None else found}
    return lambda device, name: device in names or name.casefold() in names


def runs_of(hardware: str, catalog: Catalog) -> Callable[[MeasuredRun], bool]:
    """Return a predicate for runs on a device with this id, alias or name.

    Raises the errors of `used_device`.
    """
    used = used_device(hardware, catalog)
    return lambda run: any(used(one.hardware, one.name) for one in run.devices)
