"""Kinds of networks measured on a device, by number format."""

from collections import Counter
from dataclasses import dataclass

from estimator.calibration.correction import Known
from estimator.calibration.measured_utilization import CalibrationObservation, network_group
from estimator.calibration.next_run import formats
from estimator.catalog import Device
from estimator.networks.kinds import GROUPS

ALWAYS_SHOWN = ("decoder", "transformer", "convolution", "unet")
"""Groups that are always listed, measured or not."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One kind of network in one number format on one device."""

    group: str
    precision: str
    observations: tuple[CalibrationObservation, ...]


def measured_precisions(known: Known, device: Device) -> list[str]:
    """Return a device's formats, measured ones first by number of timings."""
    counts = Counter(one.timing.precision or "" for one in known.of(device)[0])
    rest = [name for name in formats(device) if name not in counts]
    return [name for name, _ in counts.most_common()] + rest


def has_precisions(known: Known, device: Device) -> bool:
    """Return whether `measured_precisions` has any, mostly without reading runs."""
    return bool(formats(device)) or bool(known.of(device)[0])


def cells(known: Known, device: Device, precision: str) -> list[Cell]:
    """Return all measured or typical kinds of networks in one number format."""
    groups: dict[str, list[CalibrationObservation]] = {}
    for one in known.of(device)[0]:
        if one.timing.precision == precision:
            groups.setdefault(network_group(one.timing.kind, one.timing.arch), []).append(one)
    return [
        Cell(group=group, precision=precision, observations=tuple(groups.get(group, ())))
        for group in GROUPS
        if group in groups or group in ALWAYS_SHOWN
    ]


def main_cell(known: Known, device: Device) -> Cell | None:
    """Return the cell with the most timings, or None without any."""
    names = dict.fromkeys(one.timing.precision or "" for one in known.of(device)[0])
    measured = (one for name in names for one in cells(known, device, name) if one.observations)
    return max(measured, key=lambda one: len(one.observations), default=None)
