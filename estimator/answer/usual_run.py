"""Estimate of a typical run of a workload type on a device."""

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


def usual_utilization(
    device: Device, group: str, precision: str, catalog: Catalog
) -> tuple[Uncertain, Uncertain]:
    """Return the utilization of a group of networks with and without measured runs [1].

    Raises
    ------
    ValueError
        If it cannot be estimated, with the reason.
    """
    question = usual_question(device, group, precision)
    without = replace(question, calibration="ignore")
    result = estimate_table(Table.of(Scenario, [question, without]), catalog)
    for notice in result.errors.values():
        raise refusal(notice)
    found = result["utilization"]
    return rows_of(found, 0), rows_of(found, 1)
