"""Plans against their limits, of a training run or of a service: picture, figures, what binds."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import streamlit as st

from estimator.core.uncertainty import Uncertain
from estimator.studies.search.limits import Limits
from estimator.studies.search.plan import PlanAnswer, TrainingPlan, share_of_limit
from estimator.studies.search.serving_plan import ServingPlan
from estimator.web.shared import charts, figures, style
from estimator.web.shared.amounts import amount, with_span
from estimator.web.shared.charts import SHAPES, Look, Spec
from estimator.web.shared.frame import Frame
from estimator.web.shared.language import N_, _
from estimator.web.shared.url_state import Choice, Number, Typed

Found = TypeVar("Found", TrainingPlan, ServingPlan)
ANY = "any"
PLANS = 5
ON_SLIDE = 3

SLIDE_PX, PAGE_PX = 300.0, 600.0
"""Height of the picture on a slide and on a page at most [px]."""

AIMS = {
    "cost": N_("cheapest"),
    "time": N_("fastest"),
    "co2e": N_("cleanest"),
    "energy": N_("thriftiest"),
}


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
    "budget": (N_("Budget [USD], empty for none"), N_("Money that it may cost in all.")),
    "carbon": (
        N_("CO2e [kg], empty for none"),
        N_("Emissions that it may cause, hardware included."),
    ),
    "energy": (N_("Energy [kWh], empty for none"), N_("Electricity that it may use in all.")),
}
"""Limit that any plan may have -> its label and its tooltip."""

LEAST_CAP = {"budget": 1e-3, "carbon": 1e-6, "energy": 1e-6}
"""Least amount of a limit, in its unit."""

AIM = Choice(
    "aim",
    tuple(AIMS),
    label=N_("Aim"),
    help=N_("What the best plan has least of, among those that keep all limits."),
    called=lambda: AIMS,
)
CONFIDENCE = Number(
    "confidence",
    0.8,
    low=0.05,
    high=0.99,
    slides=True,
    label=N_("Probability that all limits are met"),
    help=N_("A higher probability leaves more room for what is uncertain."),
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


SLIDES = {
    "plans": N_("the best plans against their limits"),
    "table": N_("the best plans in figures"),
    "binds": N_("what binds, and what 10% more buys"),
}


def few_of(answer: PlanAnswer[Found], frame: Frame) -> tuple[Found, ...]:
    """The best plans, or else the nearest one: as many as fit."""
    every = answer.plans or ((answer.nearest,) if answer.nearest else ())
    return every[:ON_SLIDE] if frame.slide else every


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


def draw_shares(
    plans: Sequence[Found],
    name: Callable[[Found], str],
    limited: Sequence[Limited],
    most: Mapping[str, float],
    frame: Frame,
    key: str,
) -> None:
    """Draw each quantity of each plan as a share of its limit; beside what binds, of the best."""
    drawn = plans[:1] if frame.show == "binds" else plans
    rows = []
    for place, plan in enumerate(drawn, start=1):
        label_of = f"{place}. {name(plan)}"
        for one in limited:
            if one.quantity not in most or one.quantity not in plan.quantities:
                continue
            quantity = plan.quantities[one.quantity]
            low, mid, high = share_of_limit(quantity, most[one.quantity])
            figure_text = f"{_(one.label)}: {amount(float(quantity.mid), one.unit)}"
            rows.append(
                {
                    "plan": label_of,
                    "kind": _(one.label),
                    "low": low,
                    "mid": mid,
                    "high": high,
                    "text": f"{label_of}: {figure_text}",
                }
            )
    if not rows:
        return
    names = tuple(dict.fromkeys(str(row["kind"]) for row in rows))
    per_plan_px = (26.0 + 16.0 * len(names)) * frame.look.scale
    figures.draw(
        shares_of_limits,
        rows,
        frame.look,
        of=(_("share of the limit"), names),
        height=min(per_plan_px * len(drawn), SLIDE_PX if frame.slide else PAGE_PX),
        key=key,
        alt="; ".join(str(row["text"]) for row in rows),
    )


def shares_of_limits(look: Look, title: str, names: tuple[str, ...]) -> Spec:
    """Points with intervals by plan and limit: columns plan, kind, low, mid, high, text."""
    y = charts.rows("plan", padding=0.1)
    apart = {"field": "kind", "type": "nominal", "sort": list(names)}
    offset = apart | {"scale": {"domain": ["", *names]}}
    x = charts.axis("x", "mid", title, log=True, unit="share")
    colour = charts.distinguished("kind", names, look.colours["series"], len(names))
    shape = charts.distinguished("kind", names, SHAPES, len(names))
    where = {"y": y, "yOffset": offset, "color": colour}
    text = charts.row_labels(
        look,
        {"y": y, "yOffset": {"datum": ""}},
        "plan",
        baseline="middle",
        dy=0.0,
        of=[{"aggregate": [], "groupby": ["plan"]}],
    )
    return charts.layered(
        look,
        4 * look.row_px,
        charts.full_line(look),
        charts.layer(
            "rule",
            {**where, "x": x | {"field": "low"}, "x2": {"field": "high"}},
            strokeWidth=3 * look.scale,
            opacity=0.75,
        ),
        charts.points(
            look, 110, {**where, "x": x, "shape": shape, "tooltip": charts.tooltip("text")}
        ),
        text,
    )


def cell(quantities: Mapping[str, Uncertain], one: Limited) -> str:
    """Median of a quantity with its interval."""
    if one.quantity not in quantities:
        return _("unknown")
    return with_span(quantities[one.quantity], one.unit)


def figures_of(quantities: Mapping[str, Uncertain], limited: Sequence[Limited]) -> str:
    """Quantities that are known with their intervals, in a row, for a headline."""
    known = [(one, quantities[one.quantity]) for one in limited if one.quantity in quantities]
    return ", ".join(
        _of_what(one, style.bold_with_span(quantity, one.unit)) for one, quantity in known
    )


def _of_what(limited: Limited, amount: str) -> str:
    """Name what an amount is of, where its unit does not say so."""
    return _("{amount} of CO2e").format(amount=amount) if limited.unit == "kgCO2e" else amount


def limits_of(values: Mapping[str, Any], limited: Mapping[str, Limited]) -> Limits:
    """Limits that the controls set, to hold with the probability that they ask."""
    most = {
        one.quantity: values[name] * one.factor
        for name, one in limited.items()
        if values[name] is not None
    }
    return Limits(most=most, confidence=float(values["confidence"]))


def draw_binding(
    answer: PlanAnswer[Any], limits: Limits, limited: Sequence[Limited], aim: str, frame: Frame
) -> None:
    """Draw which limit prevents a better plan, and what a tenth more of it buys."""
    if not frame.slide:
        st.subheader(_("Binding limit"), anchor=False)
    style.assumptions(_binding(answer, limits, limited, aim))


def _binding(
    answer: PlanAnswer[Any], limits: Limits, limited: Sequence[Limited], aim: str
) -> list[str]:
    """Say what binds; `aim` is the quantity that is minimized."""
    if not limits.most:
        return [_("No limit is set.")]
    lines = []
    for one in limited:
        gain = answer.gains.get(one.quantity)
        if gain is None:
            continue
        if math.isinf(gain):
            text = _("{limit} binds: 10% more makes a plan possible")
            lines.append(text.format(limit=_(one.label)))
        else:
            text = _("{limit} binds: 10% more saves {gain} of the {aim}")
            named = next(_(other.label) for other in limited if other.quantity == aim)
            lines.append(text.format(limit=_(one.label), gain=amount(gain, "share"), aim=named))
    if lines:
        return lines
    if answer.plans:
        return [_("No limit binds: 10% more of any of them buys nothing.")]
    return [_("10% more of any one limit does not make a plan possible.")]
