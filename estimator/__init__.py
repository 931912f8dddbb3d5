"""Time, energy, cost and CO2e of training and running networks, with intervals.

Public names are imported on first use, so that importing the package is instant.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from estimator import measure
    from estimator.answer.in_python import estimate
    from estimator.answer.report import Report
    from estimator.answer.scenario_estimate import Answer, answer_scenario
    from estimator.catalog import Catalog
    from estimator.core.estimate import Estimate, Run
    from estimator.core.hardware import Hardware, stack
    from estimator.core.site import Site
    from estimator.core.uncertainty import Uncertain, spread_between
    from estimator.core.work import Workload
    from estimator.measure.callbacks import lightning_callback, trainer_callback
    from estimator.question.hardware import read_hardware
    from estimator.question.scenario import Scenario
    from estimator.question.site import read_site
    from estimator.studies.in_python import prompt, serve_cost

_HOME = {
    "Answer": "answer.scenario_estimate",
    "Catalog": "catalog",
    "Estimate": "core.estimate",
    "Hardware": "core.hardware",
    "Report": "answer.report",
    "Run": "core.estimate",
    "Scenario": "question.scenario",
    "Site": "core.site",
    "Uncertain": "core.uncertainty",
    "Workload": "core.work",
    "answer_scenario": "answer.scenario_estimate",
    "estimate": "answer.in_python",
    "lightning_callback": "measure.callbacks",
    "prompt": "studies.in_python",
    "read_hardware": "question.hardware",
    "read_site": "question.site",
    "serve_cost": "studies.in_python",
    "spread_between": "core.uncertainty",
    "stack": "core.hardware",
    "trainer_callback": "measure.callbacks",
}

__all__ = [
    "Answer",
    "Catalog",
    "Estimate",
    "Hardware",
    "Report",
    "Run",
    "Scenario",
    "Site",
    "Uncertain",
    "Workload",
    "answer_scenario",
    "estimate",
    "lightning_callback",
    "measure",
    "prompt",
    "read_hardware",
    "read_site",
    "serve_cost",
    "spread_between",
    "stack",
    "trainer_callback",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import a public name from its module on first use."""
    if name == "measure":
        return import_module("estimator.measure")
    if name not in _HOME:
        raise AttributeError(f"module 'estimator' has no attribute {name!r}")
    return getattr(import_module(f"estimator.{_HOME[name]}"), name)


def __dir__() -> "list[str]":
    return sorted([*__all__, "__version__"])
