"""`estimate` in Python, from inputs as on the command line or from core objects."""

from collections.abc import Mapping
from typing import Any, overload

from estimator.answer.report import Report
from estimator.answer.scenario_estimate import answer_scenario
from estimator.answer.training_report import training_report
from estimator.catalog import Catalog
from estimator.core.estimate import Estimate, Run
from estimator.core.estimate import estimate as estimate_run
from estimator.core.hardware import Hardware
from estimator.core.site import Site
from estimator.core.work import Workload
from estimator.question.inputs import question_from
from estimator.question.scenario import Scenario

Given = str | float | bool | Mapping[str, Any] | None
"""Python value of an input; a config is a mapping."""


@overload
def estimate(workload: Workload, hardware: Hardware, site: Site, run: Run) -> Estimate: ...


@overload
def estimate(*, profiles: str | None = None, **inputs: Given) -> Report: ...


def estimate(*args: Any, profiles: str | None = None, **inputs: Any) -> Estimate | Report:
    """Estimate time, energy, cost, CO2e and water of a training run.

    Parameters
    ----------
    *args : Workload, Hardware, Site, Run
        Objects of the core model in this order, or as keywords `workload`, `hardware`, `site` and
        `run`. Their numbers may be arrays.
    profiles : str, optional
        Directory of your own profiles, which override the built-in ones.
    **inputs
        Inputs of the command `estimate` with underscores, such as `preset="gpt-3"`,
        `hardware="h100"`, `devices=64`, `site="fr"`, `config=...`, in the units of its help.

    Returns
    -------
    Estimate or Report
        Mapping of quantities, each an `Uncertain`. A report also has the inputs, notices and facts
        of `estimate --json`, with the same numbers.

    Raises
    ------
    ValueError
        If an input is unknown or invalid, or the scenario cannot be answered.

    Examples
    --------
    >>> result = estimate(preset="gpt-3", hardware="h100", devices=64, site="fr")
    >>> "energy_kwh" in result, round(float(result["training_flop"].mid) / 3.14e23, 2)
    (True, 1.0)
    """
    if args or isinstance(inputs.get("workload"), Workload):
        return estimate_run(*args, **inputs)
    catalog = Catalog.open(profiles)
    return training_report(answer_scenario(question_from(Scenario, inputs), catalog), catalog)
