"""Which utilization would a run reach if its devices never waited: that of one device alone."""

from dataclasses import replace

from estimator.calibration_answer import calibrated_utilization
from estimator.calibration_lookup import Target
from estimator.catalog import Catalog, Device
from estimator.hardware import REFERENCE_UTILIZATION
from estimator.lookup import fixed_utilization
from estimator.trail import Trail
from estimator.uncertainty import Uncertain
from estimator.utilization import Traits
from estimator.utilization_lookup import RunFacts, predicted_utilization

ALONE = {"tensor_parallel": 1.0, "pipeline_parallel": 1.0, "expert_parallel": 1.0}
"""Nothing is shared [1]."""


def alone(traits: Traits) -> Traits:
    """Traits of the same networks in steady steps on one device."""
    return replace(traits, steady=1.0, layout=replace(traits.layout, **ALONE))


def full_utilization(
    facts: RunFacts | None, where: tuple[Device, Target], catalog: Catalog, *, taught: bool
) -> Uncertain:
    """Share of the peak that steady steps reach on one device, by the model of the utilization.

    Parameters
    ----------
    facts : RunFacts, optional
        What is told of the run; None where its work is not known.
    where : Device, Target
        Its device, and the run as its calibration knows it.
    catalog : Catalog
    taught : bool
        Whether measured runs correct it.

    Returns
    -------
    Uncertain
        Without doubt: the power's own holds it [1]. The reference where nothing is known of the
        network, or published runs say nothing of such devices.
    """
    device, target = where
    if facts is None or fixed_utilization(device, catalog, Trail()) is not None:
        return REFERENCE_UTILIZATION
    lone = replace(facts, devices=1.0, steady=True, told={**facts.told, **ALONE})
    full = predicted_utilization(lone, device, target.precision, catalog, Trail())
    if taught:
        full = calibrated_utilization(full, device, target, catalog, Trail())
    return Uncertain(full.mid)
