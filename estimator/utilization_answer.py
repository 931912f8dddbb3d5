"""Which share of the peak will a run reach: as said, or as published and measured runs tell."""

from dataclasses import dataclass, replace

from estimator.busy_lookup import full_utilization
from estimator.calibration_answer import calibrated_utilization
from estimator.calibration_lookup import Target
from estimator.catalog import Catalog, Device
from estimator.lookup import fixed_utilization
from estimator.scenario import SHARING, Scenario
from estimator.trail import Trail
from estimator.uncertainty import Uncertain
from estimator.utilization_lookup import RunFacts, predicted_utilization, told_sharing
from estimator.work_lookup import Work
from estimator.workload.formulas import FLOP_PER_PARAM_AND_TOKEN


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A scenario whose work and devices are known.

    Parameters
    ----------
    scenario : Scenario
    work : Work
    device : Device
    precision : str
        Number format.
    devices : float
        How many share the work [1].
    year : float, optional
        Of the run; None: of today.
    """

    scenario: Scenario
    work: Work
    device: Device
    precision: str
    devices: float
    year: float | None

    @property
    def taught(self) -> bool:
        """Whether measured runs correct what is expected."""
        return self.scenario.calibration != "ignore"

    @property
    def name(self) -> str:
        """Name of the work in words; may be empty."""
        return "" if self.work.preset is None else self.work.preset.name

    @property
    def target(self) -> Target:
        """The run as far as its calibration depends on it."""
        return Target(
            precision=self.precision,
            kind=self.work.kind,
            arch=self.work.arch,
            name=self.name,
            step_flop=self._step_flop,
        )

    @property
    def _step_flop(self) -> float | None:
        """Work of one step and device, where the batch is told [FLOP]."""
        batch_tokens = self.scenario.batch_tokens
        if batch_tokens is None or self.work.params is None:
            return None
        return FLOP_PER_PARAM_AND_TOKEN * self.work.params * batch_tokens / self.devices

    def facts(self, trail: Trail) -> RunFacts | None:
        """What is told of the run; None where its work is not known."""
        flop = self.work.workload.training_flop
        if flop is None:
            return None
        sharing = told_sharing(self.scenario, self.work.preset, self.devices, trail)
        return RunFacts(
            kind=self.work.kind,
            arch=self.work.arch,
            name=self.name,
            flop=float(flop.mid),
            devices=self.devices,
            params=self.work.params,
            hidden=self.work.hidden,
            seq_len=self.work.seq_len,
            year=self.year,
            told={**self.work.counted, **sharing},
        )


def find_utilization(asked: Asked, catalog: Catalog, trail: Trail) -> Uncertain | None:
    """Utilization as given, or predicted and calibrated [1].

    None where the work is not known, or is timed already.
    """
    if asked.scenario.utilization is not None:
        return trail.given("utilization", asked.scenario.utilization, "1")
    if asked.work.workload.device_hours is not None:
        return None
    prior = _prior(asked, catalog, trail)
    if prior is None or not asked.taught:
        return prior
    return calibrated_utilization(prior, asked.device, asked.target, catalog, trail)


def _prior(asked: Asked, catalog: Catalog, trail: Trail) -> Uncertain | None:
    """What published runs let expect."""
    fixed = fixed_utilization(asked.device, catalog, trail)
    if fixed is not None:
        return fixed
    facts = asked.facts(trail)
    if facts is None:
        return None
    return predicted_utilization(facts, asked.device, asked.precision, catalog, trail)


def find_full_utilization(asked: Asked, catalog: Catalog) -> Uncertain:
    """Utilization of steady steps on one device, for its power: `full_utilization`."""
    unshared = replace(asked, scenario=replace(asked.scenario, **dict.fromkeys(SHARING)))
    where = asked.device, asked.target
    return full_utilization(unshared.facts(Trail()), where, catalog, taught=asked.taught)
