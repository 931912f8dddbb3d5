"""Estimate of a typical run of a workload type on a device."""

from collections.abc import Sequence
from dataclasses import replace

from estimator.answer.estimate_table import estimate_table
from estimator.calibration.posterior import USUAL_WORKS
from estimator.catalog import Catalog, Device
from estimator.core.messages import refusal
from estimator.core.rows import rows_of
from estimator.core.uncertainty import Uncertain
from estimator.question.scenario import Scenario
from estimator.question.table import Table
from estimator.training.mechanism import WELL_KNOWN_FLOP


def usual_question(device: Device, group: str, precision: str) -> Scenario:
    """Build the scenario of a typical run with unspecified step size."""
    kind, arch = USUAL_WORKS[group]
    return Scenario(
        flop=WELL_KNOWN_FLOP,
        kind=kind,
        arch=arch or None,
        precision=precision,
        hardware=device.id,
    )


def usual_utilizations(
    device: Device, groups: Sequence[str], precision: str, catalog: Catalog
) -> dict[str, tuple[Uncertain, Uncertain]]:
    """Return the utilization with and without measured runs, by group of networks [1].

    Raises
    ------
    ValueError
        With the reason why one of them cannot be estimated.
    """
    questions = [usual_question(device, group, precision) for group in groups]
    without = [replace(question, calibration="ignore") for question in questions]
    result = estimate_table(Table.of(Scenario, [*questions, *without]), catalog)
    for notice in result.errors.values():
        raise refusal(notice)
    found = result["utilization"]
    return {
        group: (rows_of(found, row), rows_of(found, row + len(groups)))
        for row, group in enumerate(groups)
    }
