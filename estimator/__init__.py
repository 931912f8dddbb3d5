"""What will it take to train this network: time, energy, money, CO2, and how sure are you?

The public names; each is imported when it is first used, so that importing the package stays
instant.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from estimator import measure
    from estimator.answer import Answer, answer_scenario
    from estimator.catalog import Catalog
    from estimator.chain import Estimate, Run, estimate
    from estimator.hardware import Hardware, stack
    from estimator.lookup import read_hardware
    from estimator.scenario import Scenario
    from estimator.site import Site
    from estimator.site_lookup import read_site
    from estimator.uncertainty import Uncertain, spread_between
    from estimator.workload.work import Workload

_HOME = {
    "Answer": "answer",
    "Catalog": "catalog",
    "Estimate": "chain",
    "Hardware": "hardware",
    "Run": "chain",
    "Scenario": "scenario",
    "Site": "site",
    "Uncertain": "uncertainty",
    "Workload": "workload.work",
    "answer_scenario": "answer",
    "estimate": "chain",
    "read_hardware": "lookup",
    "read_site": "site_lookup",
    "spread_between": "uncertainty",
    "stack": "hardware",
}

__all__ = [
    "Answer",
    "Catalog",
    "Estimate",
    "Hardware",
    "Run",
    "Scenario",
    "Site",
    "Uncertain",
    "Workload",
    "answer_scenario",
    "estimate",
    "measure",
    "read_hardware",
    "read_site",
    "spread_between",
    "stack",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import a public name from its module when it is first asked for."""
    if name == "measure":
        return import_module("estimator.measure")
    if name not in _HOME:
        raise AttributeError(f"module 'estimator' has no attribute {name!r}")
    return getattr(import_module(f"estimator.{_HOME[name]}"), name)


def __dir__() -> "list[str]":
    return sorted([*__all__, "__version__"])
