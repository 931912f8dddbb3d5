"""Capacity: the devices that serve a rate of requests, within latency goals and caps."""

from functools import lru_cache, partial
from html import escape
from shlex import quote
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from estimator.core.messages import reason
from estimator.inference.measured_loads import known_loads
from estimator.inference.question import ServingQuestion
from estimator.runs.store_state import store_state
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
    AIMS,
    ANY,
    CAPS,
    CARBON,
    ENERGY,
    MONEY,
    PLANS,
    SLIDES,
    Limited,
    as_json,
    cell,
    draw_binding,
    draw_shares,
    few_of,
    figures_of,
    limits_of,
)
from estimator.web.serve.inputs import (
    ANYWHERE,
    CALIBRATION,
    FORMATS,
    USUAL,
    bounds,
    described,
    labels,
    model_names,
)
from estimator.web.shared import share, style, widgets
from estimator.web.shared.amounts import amount, localised
from estimator.web.shared.charts import Row
from estimator.web.shared.frame import Frame
from estimator.web.shared.html_table import anchor, draw_table
from estimator.web.shared.language import N_, _
from estimator.web.shared.notices import label_of_control, shown, shown_all
from estimator.web.shared.profiles import hardware_names, kept, open_catalog, place_names
from estimator.web.shared.site import INFERENCE, Page, controls
from estimator.web.shared.url_state import Choice, LinkParameters, Number, Typed, UrlState
from estimator.web.shared.valid import valid

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


PARAMETERS = LinkParameters(
    "capacity",
    Choice("model", tuple(model_names())),
    Typed("rate", 20.0, *bounds("rate"), required=True),
    Typed("latency", usual=30.0, low=1e-3, high=1e6),
    Typed("first", usual=None, low=1e-3, high=1e9),
    Typed("input", 500.0, *bounds("input"), required=True),
    Typed("output", 300.0, *bounds("output"), required=True),
    Typed("days", usual=30.0, low=1e-3, high=1e5, required=True),
    Typed("budget", usual=5e3, low=1e-3, high=1e15),
    Typed("carbon", usual=None, low=1e-6, high=1e15),
    Typed("energy", usual=None, low=1e-6, high=1e15),
    Choice("aim", tuple(AIMS)),
    Number("confidence", 0.8, low=0.05, high=0.99),
    Choice("hardware", known_devices()),
    Number("devices", COUNTS[-1], low=1.0, high=COUNTS[-1], whole=True),
    Choice("precision", FORMATS),
    Choice("site", (ANYWHERE, *place_names())),
    Typed("pue", None, *bounds("pue")),
    Choice("calibration", tuple(CALIBRATION)),
)
STATE = UrlState("capacity", PARAMETERS)


def draw(frame: Frame) -> None:
    """Draw the best plan in a sentence, the best few in a picture and a table, and what binds."""
    values = share.begin(STATE)
    known = valid(PARAMETERS, values, _answer, lambda error: shown(reason(error), label_of))
    if frame.slide:
        style.slide_title(_question(known.values))
    with known.drawn() as answer:
        if answer is not None:
            _draw_answer(known.values, answer, frame)
    with controls(frame):
        _controls()
    if not frame.slide:
        _draw_command(values)
    files = (share.json("capacity", lambda: known.as_json(_as_json)),)
    query = PARAMETERS.query(values)
    share.finish(STATE, query, frame, SLIDES, title=_question(values), files=files)


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
    asked, catalog = dict(values), open_catalog()
    calibration = known_loads(catalog).corrected if asked["calibration"] == "use" else None
    return best_serving_plans(request_of(asked), catalog, calibration=calibration)


def _answer(values: Row) -> PlanAnswer[ServingPlan]:
    return answered(tuple(values.items()), store_state(data_directory()))


def _draw_answer(values: Row, answer: PlanAnswer[ServingPlan], frame: Frame) -> None:
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
            st.subheader(_("What the first plan assumes"), anchor=False)
            style.assumptions(shown_all(few[0].notes, label_of))
        style.caption(
            _(
                "{designs} designs examined: {refused} cannot serve these requests. All limits "
                "hold together with the probability asked; intervals of 80%."
            ).format(
                designs=localised(f"{answer.designs:,}"), refused=localised(f"{answer.refused:,}")
            )
        )


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
        text = _("{plan}: {figures}. All limits hold with a probability of {probability}.")
    elif answer.plans:
        text = _(
            "{plan} serves {rate} requests of {model} a second, the {aim} plan: {figures}. "
            "All limits hold with a probability of {probability}."
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
    asked = plan.question
    device = hardware_names().get(asked.hardware, asked.hardware)
    return f"{localised(f'{asked.devices or 1.0:,.0f}')} × {device}, {plan.weights}"


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
    draw_table((_("Plan"), _("concurrent answers"), *labels, _("limits hold")), rows)


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


def _draw_command(values: Row) -> None:
    """Draw the command that asks the same."""
    st.subheader(_("On the command line"), anchor=False)
    st.code(command(values), language=None, wrap_lines=True)


def _inputs(plan: ServingPlan) -> Row:
    asked = plan.question
    weights = {"weights": plan.weights, "concurrency": plan.concurrency}
    return {"hardware": asked.hardware, "devices": asked.devices, **weights}


def _as_json(answer: PlanAnswer[ServingPlan]) -> Row:
    return as_json(answer, _inputs, "designs", "refused")


def _controls() -> None:
    """Draw the controls: the traffic, the goals and caps, the choices."""
    _choose("model", _(described("model").label), model_names())
    _typed("rate", "latency", "budget", "days")
    _choose("aim", _("Aim"), AIMS)
    with style.folded(_("Requests, and further limits"), "capacity_limits"):
        _typed("input", "output", "first", "carbon", "energy")
        widgets.slider(PARAMETERS, "confidence", _("Probability that all limits hold"))
    with style.folded(_("Choices"), "capacity_choices"):
        _choose("hardware", _(described("hardware").label), hardware_names(), _("any on offer"))
        widgets.number(PARAMETERS, "devices", _("Devices at most"))
        _choose("precision", _(described("precision").label), {USUAL: N_("as usual")})
        _choose("site", _(described("site").label), place_names(), _("unspecified"))
        _typed("pue")
        if any(map(known_loads(open_catalog()).runs_on, known_devices())):
            _choose("calibration", _("Measured runs of these devices"), CALIBRATION)


_choose = partial(widgets.choose, PARAMETERS)


def _typed(*names: str) -> None:
    widgets.typed(PARAMETERS, {name: TYPED[name] for name in names})


TYPED = {
    **{name: described(name).label for name in ("rate", "input", "output", "pue")},
    "latency": N_("Time per token [ms], empty for none"),
    "days": N_("Days of the service"),
    "first": N_("Time to the first token [ms], empty for none"),
    **CAPS,
}
"""Control that is typed -> its label."""

LABELS = labels(PARAMETERS) | {"devices": N_("Devices at most")}
"""Input of a question -> label of the control that sets it."""


label_of = partial(label_of_control, LABELS, "plan")
"""Name of an input on this page; what has no control is set on the command line."""


PAGE = Page(path="capacity", title=N_("Capacity"), group=INFERENCE, draw=draw, slides=SLIDES)
