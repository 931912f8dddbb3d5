"""Limits of a training or inference plan: controls, amounts, and the gain from raising them."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, TypeVar

from estimator.core.uncertainty import Uncertain
from estimator.studies.search.limits import Limits
from estimator.studies.search.plan import PlanAnswer, TrainingPlan
from estimator.studies.search.serving_plan import ServingPlan
from estimator.web.shared.amounts import amount, span
from estimator.web.shared.html_table import Html
from estimator.web.shared.language import N_, _
from estimator.web.shared.url_state import Number, Typed

Found = TypeVar("Found", TrainingPlan, ServingPlan)
ANY = "any"


@dataclass(frozen=True, kw_only=True)
class Limited:
    """A quantity that a plan may limit.

    Parameters
    ----------
    quantity, label, unit : str
        Its name, what a page calls it (marked by `N_`), and its unit.
    factor : float
        From the unit of its control to its own [1].
    """

    quantity: str
    label: str
    unit: str
    factor: float = 1.0


MONEY = Limited(quantity="cost_usd", label=N_("cost"), unit="USD")
CARBON = Limited(quantity="co2e_kg", label=N_("CO2e"), unit="kgCO2e")
ENERGY = Limited(quantity="energy_kwh", label=N_("energy"), unit="kWh")

CAPS = {
    "budget": (N_("Budget [USD], empty for none"), N_("Maximum total cost.")),
    "carbon": (
        N_("CO2e [kg], empty for none"),
        N_("Maximum emissions, hardware included."),
    ),
    "energy": (N_("Energy [kWh], empty for none"), N_("Maximum total electricity.")),
}
"""Limit that any plan may have -> its label and its tooltip."""

LEAST_CAP = {"budget": 1e-3, "carbon": 1e-6, "energy": 1e-6}
"""Least amount of a limit, in its unit."""

CONFIDENCE = Number(
    "confidence",
    0.8,
    low=0.05,
    high=0.99,
    slides=True,
    label=N_("Probability that all limits are met"),
    help=N_("A higher probability leaves a larger margin for uncertainty."),
)


def cap(name: str, usual: float | None, section: str = "") -> Typed:
    """Limit that any plan may have."""
    label, tooltip = CAPS[name]
    least = LEAST_CAP[name]
    return Typed(name, usual, low=least, high=1e15, label=label, help=tooltip, section=section)


def most_devices(usual: float, most: float, section: str) -> Number:
    """Most devices that a plan may use."""
    return Number(
        "devices",
        usual,
        low=1.0,
        high=most,
        whole=True,
        label=N_("Devices at most"),
        help=N_("Larger plans are left out."),
        section=section,
    )


def as_json(
    answer: PlanAnswer[Found], inputs: Callable[[Found], dict[str, Any]], *counts: str
) -> dict[str, Any]:
    """Plans with their inputs, chances and medians, and some counts of the answer."""
    plans = [
        {
            **inputs(plan),
            "probability": plan.probability,
            "results": {name: float(one.mid) for name, one in plan.quantities.items()},
        }
        for plan in answer.plans
    ]
    return {"plans": plans, **{name: getattr(answer, name) for name in counts}}


def limits_of(values: Mapping[str, Any], limited: Mapping[str, Limited]) -> Limits:
    """Limits that the controls set, to hold with the probability that they ask."""
    most = {
        one.quantity: values[name] * one.factor
        for name, one in limited.items()
        if values[name] is not None
    }
    return Limits(most=most, confidence=float(values["confidence"]))


def quantity_cell(
    quantities: Mapping[str, Uncertain], one: Limited, most: Mapping[str, float]
) -> str:
    """Median of a quantity, below it its interval and its share of the limit, if it has one."""
    if one.quantity not in quantities:
        return _("unknown")
    value = quantities[one.quantity]
    low, mid, high = float(value.interval()[0]), float(value.mid), float(value.interval()[1])
    below = "" if low == high else span(low, high, one.unit)
    if one.quantity in most:
        share = amount(mid / most[one.quantity], "share")
        below += "; " if below else ""
        below += _("{share} of the limit").format(share=share)
    return Html(f"<b>{escape(amount(mid, one.unit))}</b><small>{escape(below)}</small>")


def binding(
    answer: PlanAnswer[Any], limits: Limits, limited: Mapping[str, Limited], aim: str
) -> list[str]:
    """Say which limit prevents a better plan, and what a tenth more of it saves of the aim."""
    if not limits.most:
        return [_("No limit is set.")]
    labels = {one.quantity: _(one.label) for one in limited.values()}
    lines = []
    for quantity, gain in answer.gains.items():
        if math.isinf(gain):
            text = _("{limit}: 10% more makes a plan possible")
        else:
            text = _("{limit}: 10% more saves {gain} of the {aim}")
        said = {"gain": amount(gain, "share")} if math.isfinite(gain) else {}
        lines.append(text.format(limit=labels[quantity], aim=labels[aim], **said))
    if lines:
        return lines
    if answer.plans:
        return [_("Raising any one limit by 10% saves nothing.")]
    return [_("Raising any one limit by 10% does not make a plan possible.")]
