"""Capacity: the devices that serve a rate of requests, within latency goals and caps."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache, partial
from html import escape
from shlex import quote
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from estimator.inference.measured_loads import known_loads
from estimator.inference.question import ServingQuestion
from estimator.runs.store_state import store_state
from estimator.show.notices import by_weight
from estimator.studies.search.plan import PlanAnswer
from estimator.studies.search.serving_plan import (
    COUNTS,
    LOAD,
    OBJECTIVES,
    ServingPlan,
    ServingRequest,
    best_serving_plans,
    served_devices,
)
from estimator.system.data_folder import data_directory
from estimator.web.plan.shares import (
    AIM,
    AIMS,
    ANY,
    CARBON,
    CONFIDENCE,
    ENERGY,
    MONEY,
    PLANS,
    SLIDES,
    Limited,
    as_json,
    cap,
    cell,
    draw_binding,
    draw_shares,
    few_of,
    figures_of,
    limits_of,
    most_devices,
)
from estimator.web.serve.inputs import (
    ANYWHERE,
    CALIBRATION,
    CARRIES,
    FORMATS,
    INPUT,
    USUAL,
    asked,
    bounds,
    formats_called,
    labels,
    model_names,
)
from estimator.web.shared import share, style
from estimator.web.shared.amounts import amount, localised
from estimator.web.shared.charts import Row
from estimator.web.shared.frame import Frame
from estimator.web.shared.html_table import anchor, draw_table
from estimator.web.shared.kit import PageQuestion
from estimator.web.shared.language import N_, _
from estimator.web.shared.notices import label_of_control, shown, shown_all
from estimator.web.shared.profiles import hardware_names, kept, open_catalog, place_names
from estimator.web.shared.scenario import ModelName
from estimator.web.shared.site import INFERENCE, Page
from estimator.web.shared.url_state import Choice, LinkParameters, Typed

LIMITED = {
    "latency": Limited(quantity="inter_token_s", label=N_("time per token"), unit="s", factor=1e-3),
    "first": Limited(
        quantity="time_to_first_token_s",
        label=N_("time to the first token"),
        unit="s",
        factor=1e-3,
    ),
    "budget": MONEY,
    "carbon": CARBON,
    "energy": ENERGY,
}
"""Control -> what it limits."""

LOADED = Limited(quantity=LOAD, label=N_("load"), unit="share")
"""Requests that arrive over those that can be served, always below one."""

OPTIONS = {
    "model": "--preset",
    "rate": "--request-rate",
    "input": "--input-tokens",
    "output": "--output-tokens",
    "budget": "--budget",
    "carbon": "--carbon-cap",
    "energy": "--energy-cap",
    "days": "--days",
    "aim": "--minimize",
    "confidence": "--confidence",
    "pue": "--pue",
}
"""Control -> option of `plan --task serving` that takes its value as it is."""

GOALS = {"latency": "--latency-goal", "first": "--first-token-goal"}
"""Control in milliseconds -> option in seconds."""


@kept
def known_devices() -> tuple[str, ...]:
    """Devices that a plan can choose from."""
    return (ANY, *served_devices(open_catalog()))


def _has_runs(values: Mapping[str, Any]) -> bool:
    return any(map(known_loads(open_catalog()).runs_on, known_devices()))


LIMITS, CHOICES = N_("Requests, and further limits"), N_("Choices")
PARAMETERS = LinkParameters(
    "capacity",
    asked(ModelName, "model", tuple(model_names()), new=True, called=model_names),
    asked(Typed, "rate", 20.0, *bounds("rate"), required=True),
    Typed(
        "latency",
        usual=30.0,
        low=1e-3,
        high=1e6,
        label=N_("Time per token [ms], empty for none"),
        help=N_("Longest time between two tokens of an answer; people read about 10 a second."),
    ),
    cap("budget", 5e3),
    Typed(
        "days",
        usual=30.0,
        low=1e-3,
        high=1e5,
        required=True,
        label=N_("Days of the service"),
        help=N_("Budget, energy and emissions are counted over these days."),
    ),
    AIM,
    Typed(
        "first",
        usual=None,
        low=1e-3,
        high=1e9,
        label=N_("Time to the first token [ms], empty for none"),
        help=N_("Longest time from the question to the first token, the queue included."),
        section=LIMITS,
    ),
    asked(Typed, "input", 500.0, *bounds("input"), required=True, section=LIMITS),
    asked(Typed, "output", 300.0, *bounds("output"), required=True, section=LIMITS),
    cap("carbon", None, LIMITS),
    cap("energy", None, LIMITS),
    replace(CONFIDENCE, section=LIMITS),
    asked(
        Choice,
        "hardware",
        known_devices(),
        called=hardware_names,
        rest=N_("any on offer"),
        section=CHOICES,
    ),
    most_devices(COUNTS[-1], COUNTS[-1], CHOICES),
    asked(Choice, "precision", FORMATS, called=formats_called, section=CHOICES),
    asked(
        Choice,
        "site",
        (ANYWHERE, *place_names()),
        called=place_names,
        rest=N_("unspecified"),
        section=CHOICES,
    ),
    asked(Typed, "pue", None, *bounds("pue"), section=CHOICES),
    Choice(
        "calibration",
        tuple(CALIBRATION),
        label=N_("Measured runs of these devices"),
        help=N_("Correct the prediction by runs measured on these devices, or ignore them."),
        called=lambda: CALIBRATION,
        section=CHOICES,
        when=_has_runs,
    ),
)


def request_of(values: Row) -> ServingRequest:
    """Request that the controls ask."""
    question = ServingQuestion(
        preset=values["model"],
        request_rate=float(values["rate"]),
        input_tokens=float(values["input"]),
        output_tokens=float(values["output"]),
        precision="" if values["precision"] == USUAL else values["precision"],
        site="" if values["site"] == ANYWHERE else values["site"],
        pue=values["pue"],
    )
    chosen = values["hardware"]
    devices = served_devices(open_catalog()) if chosen == ANY else (chosen,)
    return ServingRequest(
        question=question,
        choices={
            "hardware": devices,
            "devices": tuple(count for count in COUNTS if count <= values["devices"]),
        },
        limits=limits_of(values, LIMITED),
        days=float(values["days"]),
        minimize=values["aim"],
        count=PLANS,
    )


@lru_cache(maxsize=64)
def answered(
    values: tuple[tuple[str, Any], ...], state: tuple[Any, ...]
) -> PlanAnswer[ServingPlan]:
    """Plan; the same question of the same store is answered once."""
    given, catalog = dict(values), open_catalog()
    calibration = known_loads(catalog).corrected if given["calibration"] == "use" else None
    return best_serving_plans(request_of(given), catalog, calibration=calibration)


def _answer(values: Row) -> PlanAnswer[ServingPlan]:
    return answered(tuple(values.items()), store_state(data_directory()))


def _draw(values: Row, answer: PlanAnswer[ServingPlan], frame: Frame) -> None:
    """Draw the sentence, the picture, the table, and what stands in the way."""
    request = request_of(values)
    few = few_of(answer, frame)
    style.sentence(escape(_sentence(values, request, answer, frame)))
    if frame.show != "table":
        most = {LOAD: 1.0, **request.limits.most}
        draw_shares(few, _name, [*LIMITED.values(), LOADED], most, frame, "capacity_plans")
    if frame.shows("table"):
        _table(values, few, frame)
    if frame.shows("binds"):
        aim = OBJECTIVES[request.minimize]
        draw_binding(answer, request.limits, list(LIMITED.values()), aim, frame)
    if not frame.slide:
        if few:
            st.subheader(_("Assumptions of the first plan"), anchor=False)
            style.first_assumptions(shown_all(by_weight(few[0].notes), label_of))
        style.caption(
            _(
                "{designs} designs examined: {refused} cannot serve these requests. All limits "
                "hold together with the probability asked; intervals of 80%."
            ).format(
                designs=localised(f"{answer.designs:,}"), refused=localised(f"{answer.refused:,}")
            )
        )
        st.subheader(_("On the command line"), anchor=False)
        st.code(command(values), language=None, wrap_lines=True)


def _question(values: Row) -> str:
    """Say what is planned, in a few words."""
    return _("{model} for {rate} requests a second, the {aim} way").format(
        model=open_catalog().preset(values["model"]).name,
        rate=amount(values["rate"], "1"),
        aim=_(AIMS[values["aim"]]),
    )


def _sentence(
    values: Row, request: ServingRequest, answer: PlanAnswer[ServingPlan], frame: Frame
) -> str:
    """Say the best plan, or the nearest one; for what, the title of a slide has said."""
    best = answer.plans[0] if answer.plans else answer.nearest
    assert best is not None
    said = {
        "plan": style.bold(_name(best)),
        "model": open_catalog().preset(values["model"]).name,
        "rate": amount(values["rate"], "1"),
        "aim": _(AIMS[request.minimize]),
        "figures": _figures(best, request.days),
        "probability": amount(best.probability, "share"),
        "confidence": amount(request.limits.confidence, "share"),
    }
    if answer.plans and frame.slide:
        text = _("{plan}: {figures}. All limits are met with a probability of {probability}.")
    elif answer.plans:
        text = _(
            "{plan} serves {rate} requests of {model} a second, the {aim} plan: {figures}. "
            "All limits are met with a probability of {probability}."
        )
    else:
        text = _(
            "No plan keeps all limits with {confidence}. The nearest does with {probability}: "
            "{plan}, {figures}."
        )
    return text.format(**said)


def _figures(plan: ServingPlan, days: float) -> str:
    """Say what a plan takes: its latencies, and what it takes in its days."""
    taken = plan.quantities
    parts = [
        _("{time} per token, {first} to the first").format(
            time=figures_of(taken, [LIMITED["latency"]]),
            first=figures_of(taken, [LIMITED["first"]]),
        ),
        _("{amounts} in {days}").format(
            amounts=figures_of(taken, [LIMITED[name] for name in ("budget", "energy", "carbon")]),
            days=amount(days, "day"),
        ),
    ]
    return ", ".join(parts)


def _name(plan: ServingPlan) -> str:
    """Name a plan: how many of what, in which weights."""
    chosen = plan.question
    device = hardware_names().get(chosen.hardware, chosen.hardware)
    return f"{localised(f'{chosen.devices or 1.0:,.0f}')} × {device}, {plan.weights}"


def _table(values: Row, plans: tuple[ServingPlan, ...], frame: Frame) -> None:
    """Draw the plans with their figures, each with the link that opens it on Serve."""
    rows = []
    for plan in plans:
        cells = [cell(plan.quantities, one) for one in (*LIMITED.values(), LOADED)]
        name = _name(plan)
        opened = name if frame.slide else anchor(f"serve?{_serve_query(values, plan)}", name)
        flying = amount(plan.concurrency, "1")
        rows.append((opened, flying, *cells, amount(plan.probability, "share")))
    labels = [_(one.label) for one in (*LIMITED.values(), LOADED)]
    draw_table((_("Plan"), _("concurrent answers"), *labels, _("limits met")), rows)


def _serve_query(values: Row, plan: ServingPlan) -> str:
    """Link of the page Serve to a plan."""
    return urlencode(
        {
            "model": values["model"],
            "hardware": plan.question.hardware,
            "devices": f"{plan.question.devices or 1.0:.0f}",
            "precision": values["precision"],
            "rate": PARAMETERS.query(values)["rate"],
            "input": f"{values['input']:.0f}",
            "output": f"{values['output']:.0f}",
            "site": values["site"],
            "pue": PARAMETERS.query(values)["pue"],
            "calibration": values["calibration"],
        }
    )


def command(values: Row) -> str:
    """Return the command that asks the same."""
    query = PARAMETERS.query(values)
    words = ["twenty-watts plan --task serving"]
    words += [f"{option} {quote(query[name])}" for name, option in OPTIONS.items() if query[name]]
    words += [
        f"{option} {values[name] / 1e3:g}"
        for name, option in GOALS.items()
        if values[name] is not None
    ]
    for name, usual in (("hardware", ANY), ("precision", USUAL), ("site", ANYWHERE)):
        words += [] if values[name] == usual else [f"--{name} {quote(values[name])}"]
    counts = [f"{count:g}" for count in COUNTS if count <= values["devices"]]
    words += [] if len(counts) == len(COUNTS) else [f"--devices {','.join(counts)}"]
    words += [] if values["calibration"] == "use" else ["--calibration ignore"]
    return " ".join(words)


def _inputs(plan: ServingPlan) -> Row:
    chosen = plan.question
    weights = {"weights": plan.weights, "concurrency": plan.concurrency}
    return {"hardware": chosen.hardware, "devices": chosen.devices, **weights}


def _as_json(answer: PlanAnswer[ServingPlan]) -> Row:
    return as_json(answer, _inputs, "designs", "refused")


LABELS = labels(PARAMETERS) | {"devices": N_("Devices at most")}
"""Input of a question -> label of the control that sets it."""


label_of = partial(label_of_control, LABELS, "plan")
"""Name of an input on this page; what has no control is set on the command line."""


QUESTION = PageQuestion(
    inputs=PARAMETERS,
    answer=_answer,
    view=_draw,
    title=_question,
    slides=SLIDES,
    files=lambda values, found: (share.json("capacity", lambda: _as_json(found)),),
    worded=lambda notice: shown(notice, label_of),
    named={of: name for name, of in INPUT.items()},
)
PAGE = Page(
    path="capacity",
    title=N_("Capacity"),
    group=INFERENCE,
    draw=QUESTION.draw,
    slides=SLIDES,
    inputs=PARAMETERS,
    carries=CARRIES,
)
