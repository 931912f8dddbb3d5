"""Best plans of training and inference, as JSON, rows, or text with binding limits."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from estimator.answer.report import Report
from estimator.core.messages import Names
from estimator.core.units import in_percent
from estimator.show.quantities import amount
from estimator.show.text import Block, TextTable
from estimator.show.values import as_json, as_row
from estimator.studies.search.plan import PlanAnswer

HEADS: Mapping[str, str] = {
    "wall_hours": "time",
    "inter_token_s": "per token",
    "time_to_first_token_s": "first token",
    "time_to_first_token_p90_s": "first token, p90",
    "time_to_first_token_p99_s": "first token, p99",
    "request_s": "request",
    "request_p90_s": "request, p90",
    "request_p99_s": "request, p99",
    "load": "load",
    "cost_usd": "cost",
    "energy_kwh": "energy",
    "co2e_kg": "CO2e",
}
"""Quantity of a plan -> column header."""


@dataclass(frozen=True, kw_only=True)
class Plans:
    """Plans to print.

    Parameters
    ----------
    answer : PlanAnswer
        Answer of the planner.
    reports : sequence of Report
        Reports of the plans, or of the closest design if there is no plan; empty if nothing fits.
    aim : str
        Quantity to minimize: cost, time, co2e or energy.
    confidence : float
        Required probability of meeting all limits [1].
    limited : mapping of str to str
        Limited quantity -> input that limits it.
    """

    answer: PlanAnswer[Any]
    reports: Sequence[Report]
    aim: str
    confidence: float
    limited: Mapping[str, str]


def plans_json(plans: Plans, names: Names, counts: Sequence[str]) -> dict[str, Any]:
    """Return all plans, the limits that bind, and how many designs were searched."""
    answer = plans.answer
    shown = [as_json(report, names) for report in plans.reports]
    return {
        "plans": shown if answer.plans else [],
        "nearest": shown[0] if shown and not answer.plans else None,
        "relaxing_by_a_tenth": {
            name: {"gain": None if math.isinf(gain) else gain, "first_plan": math.isinf(gain)}
            for name, gain in answer.gains.items()
        },
        **{name: getattr(answer, name) for name in counts},
    }


def plans_rows(plans: Plans, names: Names) -> list[dict[str, Any]]:
    """Return the table of plans, one row each."""
    return [as_row(report, names) for report in plans.reports] if plans.answer.plans else []


def plans_text(
    plans: Plans, names: Names, sentence: str, quantities: Sequence[str]
) -> Iterator[Block]:
    """Yield the best or closest plan as a sentence, all as a table, and binding limits.

    Parameters
    ----------
    plans : Plans
        Plans with at least one report; `details["leading"]` has its leading cells by header.
    names : function
        Returns the option of an input.
    sentence : str
        First plan in words.
    quantities : sequence of str
        Columns of the table.
    """
    answer, first = plans.answer, plans.reports[0]
    sure = in_percent(first.facts["probability"])
    if answer.plans:
        yield f"{sentence}; all limits are met with a probability of {sure}"
    else:
        wanted = in_percent(plans.confidence)
        text = f"No plan meets all limits with a probability of {wanted}"
        yield f"{text}; the closest reaches {sure}: {sentence}"
    yield TextTable(
        header=[*first.details["leading"], *(HEADS[name] for name in quantities), "limits met"],
        rows=[
            [
                *report.details["leading"].values(),
                *(cell(report, name) for name in quantities),
                in_percent(report.facts["probability"]),
            ]
            for report in plans.reports
        ],
    )
    aim = "CO2e" if plans.aim == "co2e" else plans.aim
    for quantity, gain in answer.gains.items():
        bought = f"saves {in_percent(gain, 1)} of the {aim}"
        if math.isinf(gain):
            bought = "makes a plan possible"
        yield f"{names(plans.limited[quantity])}: 10% more {bought}"


def cell(report: Report, name: str) -> str:
    """Return the median of a quantity of a plan."""
    if name not in report.quantities:
        return "unknown"
    mid = report.mid(name)
    return in_percent(mid) if name == "load" else amount(name, mid)


def designs_text(count: int) -> str:
    """Format a number of designs.

    >>> designs_text(1), designs_text(2772)
    ('1 design', '2,772 designs')
    """
    return f"{count:,} design{'s' * (count != 1)}"
