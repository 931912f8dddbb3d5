"""What does an estimate answer for a usual run of a kind of network on a device?"""

from dataclasses import replace

from estimator.calibration.posterior import USUAL_WORKS
from estimator.catalog import Catalog, Device
from estimator.core.uncertainty import Uncertain
from estimator.estimation.scenario_estimate import answer_scenario
from estimator.scenario.scenario import Scenario
from estimator.utilization.mechanism import WELL_KNOWN_FLOP


def usual_question(device: Device, group: str, precision: str) -> Scenario:
    """Question for a run of usual work, the size of its steps unspecified."""
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
    """Utilization that an estimate answers with the measured runs, and without them [1]."""
    question = usual_question(device, group, precision)
    now = answer_scenario(question, catalog)
    before = answer_scenario(replace(question, calibration="ignore"), catalog)
    return now.estimate["utilization"], before.estimate["utilization"]
