"""The best plans of training and of serving: rows, JSON, a table and what binds."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from estimator.core.units import in_percent
from estimator.question.inputs import option_of
from estimator.show.terminal import print_line, print_table

if TYPE_CHECKING:
    from estimator.studies.search.plan import Plan, PlanAnswer
    from estimator.studies.search.serving_plan import ServingPlan

AIMS = {"cost": "cost", "time": "time", "co2e": "CO2e", "energy": "energy"}
"""What a plan may minimize -> its name in a sentence."""


def designs_text(count: int) -> str:
    """Count designs.

    >>> designs_text(1), designs_text(2772)
    ('1 design', '2,772 designs')
    """
    return f"{count:,} design{'s' * (count != 1)}"


def plan_row(plan: "Plan | ServingPlan", stated: Mapping[str, Any], level: float) -> dict[str, Any]:
    """One plan as a row with units in its keys; `stated` is what its question states."""
    from estimator.answer.report import bounds

    row: dict[str, Any] = {**stated, "probability": plan.probability}
    for name, quantity in plan.quantities.items():
        row |= {f"{name}_{bound}": one for bound, one in bounds(quantity, level).items()}
    return row


def plan_json(
    plan: "Plan | ServingPlan", stated: Mapping[str, Any], level: float
) -> dict[str, Any]:
    """One plan as an object; `stated` is what its question states."""
    from estimator.answer.report import bounds

    return {
        "inputs": dict(stated),
        "probability": plan.probability,
        "limits_hold": dict(plan.holds),
        "results": {name: bounds(one, level) for name, one in plan.quantities.items()},
    }


def print_plans(
    answer: "PlanAnswer[Any]", confidence: float, sentence: str, header: Sequence[str], cells: Any
) -> None:
    """Print the best plan, or the nearest one, in a sentence, and all as a table.

    Parameters
    ----------
    answer : PlanAnswer
        With a plan or a nearest one.
    confidence : float
        Probability with which all limits were to hold [1].
    sentence : str
        The first plan in words.
    header, cells : sequence of str, iterable of sequences of str
        Of the table.
    """
    first = answer.plans[0] if answer.plans else answer.nearest
    assert first is not None
    if answer.plans:
        print_line(f"{sentence}; all limits hold with {in_percent(first.probability)} probability")
    else:
        print_line(
            f"No plan keeps all limits with {in_percent(confidence)}; the nearest does with "
            f"{in_percent(first.probability)}: {sentence}"
        )
    print_table(header, cells)


def print_binding(gains: Mapping[str, float], options: Mapping[str, str], aim: str) -> None:
    """Print what relaxing each limit by a tenth buys; `options` names the option of a quantity."""
    for quantity, gain in gains.items():
        bought = f"saves {in_percent(gain, 1)} of the {AIMS[aim]}"
        if math.isinf(gain):
            bought = "makes a plan possible"
        print_line(f"{option_of(options[quantity])} binds: 10 % more {bought}")


def gains_json(gains: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """What relaxing each limit by a tenth buys; infinity is a first plan at all."""
    return {
        name: {"gain": None if math.isinf(gain) else gain, "first_plan": math.isinf(gain)}
        for name, gain in gains.items()
    }
