"""Plans of training and of serving as rows and as JSON: both print the same of a plan."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from estimator.search.plan import Plan
    from estimator.search.serving_plan import ServingPlan


def plan_row(plan: "Plan | ServingPlan", stated: Mapping[str, Any], level: float) -> dict[str, Any]:
    """One plan as a row with units in its keys; `stated` is what its question states."""
    from estimator.estimation.answer_summary import bounds

    row: dict[str, Any] = {**stated, "probability": plan.probability}
    for name, quantity in plan.quantities.items():
        row |= {f"{name}_{bound}": one for bound, one in bounds(quantity, level).items()}
    return row


def plan_json(
    plan: "Plan | ServingPlan", stated: Mapping[str, Any], level: float
) -> dict[str, Any]:
    """One plan as an object; `stated` is what its question states."""
    from estimator.estimation.answer_summary import bounds

    return {
        "inputs": dict(stated),
        "probability": plan.probability,
        "limits_hold": dict(plan.holds),
        "results": {name: bounds(one, level) for name, one in plan.quantities.items()},
    }


def gains_json(gains: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """What relaxing each limit by a tenth buys; infinity is a first plan at all."""
    return {
        name: {"gain": None if math.isinf(gain) else gain, "first_plan": math.isinf(gain)}
        for name, gain in gains.items()
    }
