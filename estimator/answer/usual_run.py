"""Estimate of a typical run of a workload type on a device."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from estimator.answer.estimate_table import estimate_table
from estimator.catalog import Catalog, Device
from estimator.core.messages import refusal
from estimator.core.rows import rows_of
from estimator.core.uncertainty import Uncertain
from estimator.core.units import S_PER_H
from estimator.question.hardware import PROCESSORS
from estimator.question.scenario import Scenario
from estimator.question.table import Table
from estimator.training.mechanism import WELL_KNOWN_FLOP

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

HOUR_SHARE = 0.3
"""Share of the peak at which the run of `hour_flop` takes an hour [1]."""


@dataclass(frozen=True, kw_only=True)
class UsualRun:
    """Utilization of a typical run with and without measured runs [1]."""

    now: Uncertain
    before: Uncertain


def hour_flop(device: Device, precision: str) -> float:
    """Return the work of an hour at `HOUR_SHARE` of the peak [FLOP]."""
    return HOUR_SHARE * S_PER_H * device.peaks[precision].value


def usual_flop(device: Device, precision: str) -> float:
    """Return the work of a typical run [FLOP]: on a processor, an hour's."""
    if device.kind in PROCESSORS:
        return hour_flop(device, precision)
    return WELL_KNOWN_FLOP


def usual_runs(
    device: Device, groups: Sequence[str], precision: str, catalog: Catalog
) -> list[UsualRun]:
    """Estimate a typical run with unspecified step size, one per group of networks.

    Raises
    ------
    ValueError
        If it cannot be estimated, with the reason.
    """
    flop = usual_flop(device, precision)
    works = [USUAL_WORKS[group] for group in groups]
    questions = [
        Scenario(flop=flop, kind=kind, arch=arch or None, precision=precision, hardware=device.id)
        for kind, arch in works
    ]
    without = [replace(question, calibration="ignore") for question in questions]
    result = estimate_table(Table.of(Scenario, [*questions, *without]), catalog)
    for notice in result.errors.values():
        raise refusal(notice)
    found = result["utilization"]
    return [
        UsualRun(now=rows_of(found, row), before=rows_of(found, len(groups) + row))
        for row in range(len(groups))
    ]
