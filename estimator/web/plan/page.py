"""Plan: the best few ways to do a run under a budget, a deadline, a carbon and an energy cap."""

import json
import math
from functools import lru_cache
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from estimator.scenario.scenario import link
from estimator.search.exploration import KINDS_OF_PRICE, PLACES
from estimator.search.limits import Limits
from estimator.search.plan import (
    OBJECTIVES,
    PLANNED_COUNTS,
    Plan,
    PlanAnswer,
    Request,
    best_plans,
    planned_devices,
    share_of_limit,
)
from estimator.search.space import Space
from estimator.web.plan.charts import shares_of_limits
from estimator.web.shared import figures, share, style
from estimator.web.shared.amounts import amount, localised, span
from estimator.web.shared.frame import Frame
from estimator.web.shared.html_table import anchor, draw_table
from estimator.web.shared.language import N_, _
from estimator.web.shared.profiles import hardware_names, kept, open_catalog, place_names
from estimator.web.shared.site import Page, controls
from estimator.web.shared.url_state import Choice, Number, Parameters, Typed, UrlState

Row = dict[str, Any]
ANY = "any"
AIMS = {
    "cost": N_("cheapest"),
    "time": N_("fastest"),
    "co2e": N_("cleanest"),
    "energy": N_("thriftiest"),
}
LIMITED = {
    "budget": ("cost_usd", N_("cost"), "USD"),
    "days": ("wall_hours", N_("time"), "hour"),
    "carbon": ("co2e_kg", N_("CO2e"), "kgCO2e"),
    "energy": ("energy_kwh", N_("energy"), "kWh"),
}
"""Control -> quantity, label, unit."""

FACTORS = {"days": 24.0}
"""Control -> factor from its unit to that of the quantity."""

LAST = "_plan_valid"
"""Values that were answered last, in the session."""

PLANS = 5
ON_SLIDE = 2


@kept
def known_devices() -> tuple[str, ...]:
    """Devices that a plan can choose from."""
    return (ANY, *planned_devices(open_catalog()))


@kept
def known_places() -> tuple[str, ...]:
    """All usual places, or one."""
    return (ANY, *place_names())


PARAMETERS = Parameters(
    "plan",
    Typed("params", usual=7e9, low=1e3, high=1e15, required=True),
    Typed("tokens", usual=140e9, low=1.0, high=1e17, required=True),
    Typed("budget", usual=10e3, low=1e-3, high=1e15),
    Typed("days", usual=14.0, low=1e-4, high=1e6),
    Typed("carbon", usual=1e3, low=1e-6, high=1e15),
    Typed("energy", usual=None, low=1e-6, high=1e15),
    Choice("aim", tuple(AIMS)),
    Number("confidence", 0.8, low=0.05, high=0.99),
    Choice("hardware", known_devices()),
    Number("devices", 1024.0, low=1.0, high=4096.0, whole=True),
    Choice("site", known_places()),
    Choice("offers", ("on-demand", ANY)),
)
STATE = UrlState("plan", PARAMETERS)


def draw(frame: Frame) -> None:
    """Draw the best plan in a sentence, the best few in a picture and a table, and what binds."""
    values = STATE.arrive()
    style.notices(STATE.notices)
    problems = list(PARAMETERS.problems(st.session_state).values())
    answer, refusal = answered(tuple(values.items()))
    shown = values if answer is not None else st.session_state.get(LAST, {})
    if refusal:
        problems.append(refusal)
        answer = answered(tuple(shown.items()))[0] if shown else None
    if frame.slide:
        style.slide_title(_question(shown or values))
    if answer is None:
        style.notices(problems)
    else:
        st.session_state[LAST] = shown
        with style.last_valid("; ".join(problems)):
            _draw_answer(request_of(shown), answer, frame)
    with controls(frame):
        _controls()
    query = PARAMETERS.query(values)
    if not frame.slide:
        files = (share.json("plan", lambda: json.dumps(_as_json(answer, "; ".join(problems)))),)
        share.draw(SLIDES, query, title=_question(values), files=files)
    STATE.leave(query, embedded=frame.embedded)
    style.marker(query)


def request_of(values: Row) -> Request:
    """Request that the controls ask."""
    hardware = values["hardware"]
    space = Space(
        values={
            "params": (values["params"],),
            "tokens": (values["tokens"],),
            "hardware": planned_devices(open_catalog()) if hardware == ANY else (hardware,),
            "devices": tuple(count for count in PLANNED_COUNTS if count <= values["devices"]),
            "site": PLACES if values["site"] == ANY else (values["site"],),
            "price_kind": KINDS_OF_PRICE if values["offers"] == ANY else (values["offers"],),
        }
    )
    most = {
        quantity: values[name] * FACTORS.get(name, 1.0)
        for name, (quantity, _label, _unit) in LIMITED.items()
        if values[name] is not None
    }
    limits = Limits(most=most, confidence=float(values["confidence"]))
    return Request(space=space, limits=limits, minimize=values["aim"], count=PLANS)


@lru_cache(maxsize=64)
def answered(values: tuple[tuple[str, Any], ...]) -> tuple[PlanAnswer | None, str]:
    """Plans, or why there are none; the same question is answered once."""
    try:
        return best_plans(request_of(dict(values)), open_catalog()), ""
    except ValueError as error:
        return None, str(error)


def _draw_answer(request: Request, answer: PlanAnswer, frame: Frame) -> None:
    """Draw the sentence, the picture, the table, and what stands in the way."""
    shown = answer.plans or ((answer.nearest,) if answer.nearest else ())
    style.sentence(escape(_sentence(request, answer)))
    if not shown:
        return
    if frame.show in ("", "plans"):
        _picture(request, shown[:ON_SLIDE] if frame.slide else shown, frame)
    if frame.show in ("", "table"):
        _table(request, shown[:ON_SLIDE] if frame.slide else shown, frame)
    if frame.show in ("", "binds"):
        if not frame.slide:
            st.subheader(_("What binds"), anchor=False)
        style.assumptions(_binding(request, answer))
    if not frame.slide:
        style.caption(
            _(
                "{designs} designs looked at: {large} do not fit in memory, {refused} cannot be "
                "estimated. All limits hold together with the probability asked; intervals of 80 %."
            ).format(
                designs=localised(f"{answer.designs:,}"),
                large=localised(f"{answer.too_large:,}"),
                refused=localised(f"{answer.refused:,}"),
            )
        )


def _question(values: Row) -> str:
    """Say what is planned, in a few words."""
    return _("{params} parameters on {tokens} tokens, the {aim} way").format(
        params=amount(values["params"], "1"),
        tokens=amount(values["tokens"], "1"),
        aim=_(AIMS[values["aim"]]),
    )


def _sentence(request: Request, answer: PlanAnswer) -> str:
    """Say the best plan, or the nearest one."""
    if not answer.plans and answer.nearest is None:
        return _("No plan: no design fits in the memory of its devices.")
    best = answer.plans[0] if answer.plans else answer.nearest
    assert best is not None
    said = {
        "aim": _(AIMS[request.minimize]),
        "plan": _name(best),
        "figures": ", ".join(
            amount(float(best.quantities[name].mid), unit)
            for name, _label, unit in LIMITED.values()
            if name in best.quantities
        ),
        "probability": amount(best.probability, "share"),
        "confidence": amount(request.limits.confidence, "share"),
    }
    if answer.plans and request.limits.most:
        text = _("{plan} is the {aim} plan: {figures}. All limits hold with {probability}.")
    elif answer.plans:
        text = _("{plan} is the {aim} plan: {figures}.")
    else:
        text = _(
            "No plan keeps all limits with {confidence}. The nearest does with {probability}: "
            "{plan}, {figures}."
        )
    return text.format(**said)


def _name(plan: Plan) -> str:
    """Name a plan: how many of what, where."""
    scenario = plan.scenario
    device = hardware_names().get(str(scenario.hardware), str(scenario.hardware))
    place = place_names().get(str(scenario.site), str(scenario.site))
    return f"{localised(f'{scenario.devices or 1.0:,.0f}')} × {device}, {place}"


def _picture(request: Request, shown: tuple[Plan, ...], frame: Frame) -> None:
    """Draw each quantity of each plan as a share of its limit, with its interval."""
    rows = []
    for place, plan in enumerate(shown, start=1):
        for name, label, unit in LIMITED.values():
            limit = request.limits.most.get(name)
            if limit is None or name not in plan.quantities:
                continue
            low, mid, high = share_of_limit(plan.quantities[name], limit)
            figure_text = f"{_(label)}: {amount(float(plan.quantities[name].mid), unit)}"
            label_of = f"{place}. {_name(plan)}"
            rows.append(
                {
                    "plan": label_of,
                    "kind": _(label),
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
        pd.DataFrame(rows),
        frame.look,
        of=(_("share of the limit (1: the limit)"), names),
        height=min(per_plan_px * len(shown), 250.0 if frame.slide else 600.0),
        key="plan_plans",
        alt="; ".join(str(row["text"]) for row in rows),
    )


def _table(request: Request, shown: tuple[Plan, ...], frame: Frame) -> None:
    """Draw the plans with their figures, each with the link that opens it on Estimate."""
    rows = []
    for plan in shown:
        cells = [
            _with_span(plan.quantities[name], unit) if name in plan.quantities else _("unknown")
            for name, _label, unit in LIMITED.values()
        ]
        name = _name(plan)
        if plan.scenario.price_kind not in (None, "on-demand"):
            name = f"{name}, {_(plan.scenario.price_kind)}"
        opened = name if frame.slide else anchor(f"estimate{link(plan.scenario)}", name)
        rows.append((opened, *cells, amount(plan.probability, "share")))
    labels = [_(label) for _name, label, _unit in LIMITED.values()]
    draw_table((_("Plan"), *labels, _("limits hold")), rows)


def _with_span(value: Any, unit: str) -> str:
    low, high = (float(np.asarray(bound)) for bound in value.interval())
    return f"{amount(float(np.asarray(value.mid)), unit)} ({span(low, high, unit)})"


def _binding(request: Request, answer: PlanAnswer) -> list[str]:
    """Say which limit stands in the way of a better plan, and what a tenth more of it buys."""
    if not request.limits.most:
        return [_("No limit is set.")]
    lines = []
    for name, label, _unit in LIMITED.values():
        gain = answer.gains.get(name)
        if gain is None:
            continue
        if math.isinf(gain):
            text = _("{limit} binds: 10 % more makes a plan possible")
            lines.append(text.format(limit=_(label)))
        else:
            text = _("{limit} binds: 10 % more saves {gain} of the {aim}")
            aim = next(
                _(one) for it, one, _u in LIMITED.values() if it == OBJECTIVES[request.minimize]
            )
            lines.append(text.format(limit=_(label), gain=amount(gain, "share"), aim=aim))
    if lines:
        return lines
    if answer.plans:
        return [_("No limit binds: 10 % more of any of them buys nothing.")]
    return [_("10 % more of any one limit does not make a plan possible.")]


def _as_json(answer: PlanAnswer | None, refusal: str) -> Row:
    if answer is None:
        return {"error": refusal}
    return {
        "plans": [
            {
                "inputs": plan.scenario.said(),
                "probability": plan.probability,
                "results": {name: float(one.mid) for name, one in plan.quantities.items()},
            }
            for plan in answer.plans
        ],
        "designs": answer.designs,
        "too_large": answer.too_large,
        "refused": answer.refused,
    }


def _controls() -> None:
    """Draw the controls: the work, the limits, the choices."""
    st.text_input(_("Parameters"), key=STATE.key("params"))
    st.text_input(_("Training tokens"), key=STATE.key("tokens"))
    st.text_input(_("Budget [USD], empty for none"), key=STATE.key("budget"))
    st.text_input(_("Days, empty for none"), key=STATE.key("days"))
    st.text_input(_("CO2e [kg], empty for none"), key=STATE.key("carbon"))
    st.text_input(_("Energy [kWh], empty for none"), key=STATE.key("energy"))
    st.selectbox(
        _("Aim"), tuple(AIMS), format_func=lambda name: _(AIMS[name]), key=STATE.key("aim")
    )
    st.slider(_("Probability that all limits hold"), 0.05, 0.99, key=STATE.key("confidence"))
    with style.folded(_("Choices"), "plan_choices"):
        st.selectbox(
            _("Hardware"),
            known_devices(),
            format_func=lambda name: hardware_names().get(name, _("any on offer")),
            key=STATE.key("hardware"),
        )
        st.number_input(_("Devices at most"), 1, 4096, step=1, key=STATE.key("devices"))
        st.selectbox(
            _("Place"),
            known_places(),
            format_func=lambda name: place_names().get(name, _("any of seven countries")),
            key=STATE.key("site"),
        )
        st.selectbox(
            _("Rental offers"),
            ("on-demand", ANY),
            format_func=lambda name: _("on-demand") if name != ANY else _("any kind"),
            key=STATE.key("offers"),
        )


SLIDES = {
    "plans": N_("the best plans against their limits"),
    "table": N_("the best plans in figures"),
    "binds": N_("what binds, and what 10 % more buys"),
}
PAGE = Page(path="plan", title=N_("Plan"), draw=draw, slides=SLIDES)
