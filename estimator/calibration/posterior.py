"""Expected utilization of a device before and after calibration."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from estimator.calibration.conditions import REFERENCE_STEP_S
from estimator.calibration.correction import Known, below_peak, bounded, steady_prior
from estimator.calibration.measured_utilization import (
    UNKNOWN_SIZE,
    CalibrationObservation,
    after_runs,
    conditions_on,
    family_of,
    network_group,
)
from estimator.calibration.next_run import formats, nominal
from estimator.catalog import Device
from estimator.core.uncertainty import Uncertain
from estimator.networks.kinds import GROUPS

USUAL_WORKS = {
    "decoder": ("language", "dense decoder"),
    "transformer": ("vision", "ViT encoder"),
    "convolution": ("vision", "CNN"),
    "depthwise": ("vision", "CNN, depthwise"),
    "unet": ("diffusion", "U-Net"),
    "recurrent": ("language", "SSM"),
    "other": ("other", ""),
}
"""Group of networks -> typical workload type and architecture."""

ALWAYS_SHOWN = ("decoder", "transformer", "convolution", "unet")
"""Groups that are always listed, measured or not."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One kind of network in one number format on one device.

    Parameters
    ----------
    step_s : float
        Time at the peak of the predicted steps, the median of the measured ones; NaN if unknown
        [s].
    """

    group: str
    precision: str
    observations: tuple[CalibrationObservation, ...]
    step_s: float
    before: Uncertain
    now: Uncertain


def measured_precisions(known: Known, device: Device) -> list[str]:
    """Return a device's formats, measured ones first by number of timings."""
    counts = Counter(one.timing.precision or "" for one in known.of(device)[0])
    rest = [name for name in formats(device) if name not in counts]
    return [name for name, _ in counts.most_common()] + rest


def has_precisions(known: Known, device: Device) -> bool:
    """Return whether `measured_precisions` has any, mostly without reading runs."""
    return bool(formats(device)) or bool(known.of(device)[0])


def cells(known: Known, device: Device, precision: str) -> list[Cell]:
    """Return all measured or typical kinds of networks in one number format.

    Empty for a device with a fixed utilization, such as a brain.
    """
    groups = _by_group(known, device, precision)
    shown = [name for name in GROUPS if name in groups or name in ALWAYS_SHOWN]
    found = [cell(known, device, name, precision, groups.get(name, ())) for name in shown]
    return [one for one in found if one.before.loadings]


def _by_group(
    known: Known, device: Device, precision: str
) -> dict[str, list[CalibrationObservation]]:
    groups: dict[str, list[CalibrationObservation]] = {}
    for one in known.of(device)[0]:
        if one.timing.precision == precision:
            groups.setdefault(network_group(one.timing.kind, one.timing.arch), []).append(one)
    return {name: groups[name] for name in GROUPS if name in groups}


def cell(
    known: Known,
    device: Device,
    group: str,
    precision: str,
    observations: Sequence[CalibrationObservation],
) -> Cell:
    """Return the expectation of runs like the median measured one."""
    middle = _middle(observations)
    if middle is None:
        before = steady_prior(nominal(*USUAL_WORKS[group], precision), device, known.catalog)
        family, size = "", UNKNOWN_SIZE
    else:
        before, family, size = middle.expected, family_of(middle), middle.size
    where = conditions_on(
        device, [precision], [group], [size], families=[family], host=known.measured.host
    )
    evidence = known.of(device)[1]
    after = after_runs(before, evidence, where)
    return Cell(
        group=group,
        precision=precision,
        observations=tuple(observations),
        step_s=float(np.exp(size) * REFERENCE_STEP_S),
        before=bounded(before),
        now=below_peak(after),
    )


def main_cell(known: Known, device: Device) -> Cell | None:
    """Return the cell with the most timings, or None without any or with a fixed utilization."""
    names = dict.fromkeys(one.timing.precision or "" for one in known.of(device)[0])
    groups = {
        (group, name): found
        for name in names
        for group, found in _by_group(known, device, name).items()
    }
    if not groups:
        return None
    (group, name), found = max(groups.items(), key=lambda item: len(item[1]))
    main = cell(known, device, group, name, found)
    return main if main.before.loadings else None


def _middle(observations: Sequence[CalibrationObservation]) -> CalibrationObservation | None:
    """Return the observation with the median step size."""
    if not observations:
        return None
    ordered = sorted(observations, key=lambda one: (np.isnan(one.size), one.size))
    known = sum(not np.isnan(one.size) for one in ordered) or len(ordered)
    return ordered[(known - 1) // 2]
