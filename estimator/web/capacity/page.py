"""Page Capacity: devices that serve users or a request rate within latency goals and limits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from html import escape
from typing import Any
from urllib.parse import urlencode

from estimator.inference.measured_loads import known_loads
from estimator.inference.question import ServingQuestion
from estimator.runs.store_state import store_state
from estimator.show.notices import by_weight
from estimator.studies.search.plan import PlanAnswer
from estimator.studies.search.serving_plan import (
    COUNTS,
    LATENCIES,
    LOAD,
    OBJECTIVES,
    ServingPlan,
    ServingRequest,
    latency_of,
    served_devices,
    serving_plans_by_aim,
)
from estimator.system.data_folder import data_directory
from estimator.web.plan.limits import (
    ANY,
    CARBON,
    CONFIDENCE,
    ENERGY,
    MONEY,
    Limited,
    as_json,
    binding,
    cap,
    limits_of,
    most_devices,
    quantity_cell,
)
from estimator.web.serve.inputs import CARRIES, INPUT, control_of, labels, question_of
from estimator.web.serve.inputs import PARAMETERS as SERVED
from estimator.web.shared import share, style
from estimator.web.shared.amounts import amount, localised
from estimator.web.shared.charts import Row
from estimator.web.shared.frame import Frame
from estimator.web.shared.html_table import Html, anchor, column_row, draw_columns
from estimator.web.shared.kit import PageQuestion
from estimator.web.shared.language import N_, _
from estimator.web.shared.navigation import INFERENCE
from estimator.web.shared.notices import label_of_control, sentence_of, shown_all
from estimator.web.shared.profiles import cached_per_server, hardware_names, open_catalog
from estimator.web.shared.url_state import Choice, LinkParameters, Typed

AIMS = {"cost": N_("cheapest"), "time": N_("fastest"), "co2e": N_("least CO2e")}
"""Aim that a column is for -> its head."""

DEAREST = 3.0
"""Cost of the fastest and the cleanest plan over the cheapest at most, without a budget [1]."""

Plans = dict[str, PlanAnswer[ServingPlan]]
"""Aim -> the plans for it."""

TOKEN = Limited(quantity="inter_token_s", label=N_("time per token"), unit="s", factor=1e-3)
OF_REQUEST = {
    "first": (LATENCIES[0], N_("time to the first token, {percent}"), 1e-3),
    "request": (LATENCIES[1], N_("total request time, {percent}"), 1.0),
}
"""Control -> the latency that it limits, its label, and the factor from the control's unit to s."""

KEPT = {
    "first": N_("{percent} get their first token within {time}"),
    "request": N_("{percent} are answered within {time}"),
}
"""Control -> the goal in a sentence."""

PERCENT = {"90": N_("90% of requests"), "50": N_("half of requests"), "99": N_("99% of requests")}
"""Percentile -> the requests that stay within a goal."""

LOADED = Limited(quantity=LOAD, label=N_("load"), unit="share")
"""Arriving over possible requests, always below one."""

FIRST = ("budget", "first", "request", "carbon", "weights", "tightest")
"""Rows of the plans that decide; the others are folded."""


@cached_per_server
def known_devices() -> tuple[str, ...]:
    """Devices that a plan can choose from."""
    return (ANY, *served_devices(open_catalog()))


def _has_runs(values: Mapping[str, Any]) -> bool:
    return any(map(known_loads(open_catalog()).runs_on, known_devices()))


def _by_users(values: Mapping[str, Any]) -> bool:
    """Whether the users decide how many requests arrive: a rate goes before them."""
    return values["rate"] is None


LIMITS, CHOICES = N_("Requests, and further limits"), N_("Choices")


def _as_served(name: str, section: str = "") -> Any:
    """Input that the page Inference declares."""
    return replace(SERVED.declared(name), section=section, when=None)


PARAMETERS = LinkParameters(
    "capacity",
    _as_served("model"),
    control_of(Typed, "users", 200.0, required=True, when=_by_users),
    control_of(Typed, "think", None, when=_by_users),
    replace(
        control_of(Typed, "rate", None),
        label=N_("Requests per second, instead of users"),
        help=N_("Requests that arrive each second, however long an answer takes."),
    ),
    Typed(
        "first",
        usual=2e3,
        low=1e-3,
        high=1e9,
        label=N_("Time to the first token [ms], empty for none"),
        help=N_("Longest time from the question to the first token, including queueing time."),
    ),
    Choice(
        "percentile",
        tuple(PERCENT),
        label=N_("Requests within the goal"),
        help=N_("Share of requests that must meet the goals for the first and last token."),
        called=lambda: PERCENT,
    ),
    cap("budget", None),
    Typed(
        "days",
        usual=30.0,
        low=1e-3,
        high=1e5,
        required=True,
        label=N_("Days of the service"),
        help=N_("Period of the budget, energy and emissions."),
    ),
    Typed(
        "request",
        usual=None,
        low=1e-6,
        high=1e9,
        label=N_("Time of a whole request [s], empty for none"),
        help=N_("Longest time from the question to the last token, including queueing time."),
        section=LIMITS,
    ),
    Typed(
        "latency",
        usual=None,
        low=1e-3,
        high=1e6,
        label=N_("Time per token [ms], empty for none"),
        help=N_("Longest time between two tokens of an answer; people read about 10 a second."),
        section=LIMITS,
    ),
    _as_served("input", LIMITS),
    _as_served("output", LIMITS),
    cap("carbon", None, LIMITS),
    cap("energy", None, LIMITS),
    replace(CONFIDENCE, section=LIMITS),
    control_of(
        Choice,
        "hardware",
        known_devices(),
        called=hardware_names,
        rest=N_("any on offer"),
        section=CHOICES,
    ),
    most_devices(COUNTS[-1], COUNTS[-1], CHOICES),
    _as_served("precision", CHOICES),
    _as_served("site", CHOICES),
    _as_served("pue", CHOICES),
    replace(
        _as_served("calibration", CHOICES),
        label=N_("Measured runs of these devices"),
        help=N_("Correct the prediction by runs measured on these devices, or ignore them."),
        when=_has_runs,
    ),
)


def limited(values: Row) -> dict[str, Limited]:
    """Control -> what it limits, at the percentile asked for."""
    percent = _(PERCENT[values["percentile"]])
    latencies = {
        name: Limited(
            quantity=latency_of(latency, values["percentile"]),
            label=_(label).format(percent=percent),
            unit="s",
            factor=factor,
        )
        for name, (latency, label, factor) in OF_REQUEST.items()
    }
    costs = {"budget": MONEY, "carbon": CARBON, "energy": ENERGY}
    return {**latencies, "latency": TOKEN, **costs}


def request_of(values: Row) -> ServingRequest:
    """Request from the controls."""
    chosen = values["hardware"]
    return ServingRequest(
        question=question_of({**values, "hardware": "", "devices": 0}),
        choices={
            "hardware": served_devices(open_catalog()) if chosen == ANY else (chosen,),
            "devices": tuple(count for count in COUNTS if count <= values["devices"]),
        },
        limits=limits_of(values, limited(values)),
        days=float(values["days"]),
        count=1,
    )


@lru_cache(maxsize=64)
def answered(values: tuple[tuple[str, Any], ...], state: tuple[Any, ...]) -> Plans:
    """Plan, cached by question and store."""
    given, catalog = dict(values), open_catalog()
    calibration = known_loads(catalog).corrected if given["calibration"] == "use" else None
    request, aims = request_of(given), tuple(AIMS)
    return serving_plans_by_aim(request, catalog, aims, dearest=DEAREST, calibration=calibration)


@dataclass(frozen=True, kw_only=True)
class Column:
    """A plan, what it is the best in, and the answer that says what limits it."""

    aims: tuple[str, ...]
    plan: ServingPlan
    answer: PlanAnswer[ServingPlan]

    @property
    def name(self) -> str:
        """How many of what."""
        asked = self.plan.question
        device = hardware_names().get(asked.hardware, asked.hardware)
        return f"{localised(f'{asked.devices or 1.0:,.0f}')} × {device}"


def columns(answers: Plans) -> list[Column]:
    """Return the plans in the order of their aims; one that is best in several has one column."""
    found: dict[ServingQuestion, Column] = {}
    for aim, answer in answers.items():
        plan = answer.plans[0] if answer.plans else answer.nearest
        assert plan is not None
        first = found.get(plan.question, Column(aims=(), plan=plan, answer=answer))
        found[plan.question] = replace(first, aims=(*first.aims, aim))
    return list(found.values())


def _draw(values: Row, answers: Plans, frame: Frame) -> None:
    """Draw the sentence, the plans side by side, and what they rest on."""
    every = columns(answers)
    style.sentence(escape(_sentence(values, every[0])))
    linked = not (frame.slide or frame.embedded)
    heads = [_head(values, one, linked=linked) for one in every]
    rows = _rows(values, every)
    draw_columns(_("Plans"), heads, [rows.pop(name) for name in FIRST])
    if frame.slide:
        return
    with style.folded(_("More figures for these plans"), "capacity_more") as fold:
        if fold.open:
            draw_columns(_("More figures for these plans"), heads, rows.values())
    style.first_assumptions(shown_all(by_weight(every[0].plan.notes), label_of))
    answer = every[0].answer
    style.caption(
        _(
            "{designs} designs examined: {refused} cannot serve these requests. Without a budget, "
            "plans cost up to {times} times the cheapest. Waiting for a place is part of the times "
            "of a request. All limits hold together with the probability asked; intervals of 80%."
        ).format(
            designs=localised(f"{answer.designs:,}"),
            refused=localised(f"{answer.refused:,}"),
            times=f"{DEAREST:g}",
        )
    )


def _load(values: Row) -> str:
    """Say who asks: users, or requests a second."""
    if _by_users(values):
        return _("{users} users").format(users=amount(values["users"], "1"))
    return _("{rate} requests a second").format(rate=amount(values["rate"], "1"))


def _question(values: Row) -> str:
    """Short description of the plan's purpose."""
    model = open_catalog().preset(values["model"]).name
    return _("{model} for {load}").format(model=model, load=_load(values))


def _sentence(values: Row, best: Column) -> str:
    """Sentence on the best or closest plan; a slide's title states its purpose."""
    shown = limited(values)
    percent = _(PERCENT[values["percentile"]])
    goals = [
        _(text).format(percent=percent, time=style.bold(_median(shown[name], best.plan)))
        for name, text in KEPT.items()
        if values[name] is not None
    ]
    if best.answer.plans:
        text = _("{plan} serves {load} of {model} at the lowest cost, {cost} in {days}{goals}.")
    else:
        text = _(
            "No plan meets all limits with a probability of {confidence}. The closest reaches "
            "{probability}: {plan}, {cost} in {days}{goals}."
        )
    return text.format(
        plan=style.bold(best.name),
        load=_load(values),
        model=open_catalog().preset(values["model"]).name,
        cost=style.bold(_median(MONEY, best.plan)),
        days=amount(values["days"], "day"),
        goals="".join(f"; {goal}" for goal in goals),
        probability=amount(best.plan.probability, "share"),
        confidence=amount(values["confidence"], "share"),
    )


def _head(values: Row, column: Column, *, linked: bool) -> str:
    """Return the head of a column: what it is best in, and its machines, with a link."""
    said = ", ".join(_(AIMS[aim]) for aim in column.aims)
    if not column.answer.plans:
        said = _("closest to the limits")
    plan, opened = column.plan, escape(column.name)
    if linked:
        shared = ("model", "precision", "input", "output", "site", "pue", "calibration")
        query = {name: one for name, one in PARAMETERS.query(values).items() if name in shared}
        query |= {
            "hardware": plan.question.hardware,
            "devices": f"{plan.question.devices or 1.0:.0f}",
            "rate": f"{plan.requests_per_s:.4g}",
        }
        opened = anchor(f"serve?{urlencode(query)}", column.name)
    return f"<b>{escape(f'{said[:1].upper()}{said[1:]}')}</b> {opened}"


def _rows(values: Row, every: list[Column]) -> dict[str, str]:
    """Return the row of each figure, with the plans side by side."""
    shown = limited(values)
    most = limits_of(values, shown).most
    plans = [one.plan for one in every]
    found = {
        name: column_row(
            _(one.label), [quantity_cell(plan.quantities, one, most) for plan in plans]
        )
        for name, one in shown.items()
    }
    found["tightest"] = column_row(_("tightest limit"), [_binding(values, one) for one in every])
    further: dict[str, tuple[str, Callable[[ServingPlan], str]]] = {
        "weights": (_("weights and replicas"), _replicas),
        "price": (_("price of a device"), _price),
        "rate": (_("requests a second"), lambda plan: amount(plan.requests_per_s, "1")),
        "flying": (_("concurrent answers"), lambda plan: amount(plan.concurrency, "1")),
        "load": (_(LOADED.label), partial(_median, LOADED)),
        "met": (_("limits met"), lambda plan: amount(plan.probability, "share")),
    }
    rows = {name: column_row(label, map(cell, plans)) for name, (label, cell) in further.items()}
    return found | rows


def _median(one: Limited, plan: ServingPlan) -> str:
    """Median of a quantity."""
    return amount(float(plan.quantities[one.quantity].mid), one.unit)


def _price(plan: ServingPlan) -> str:
    """Price of a device-hour, and where it is from."""
    if plan.price is None:
        return _("unknown")
    price = _("{price}/h").format(price=amount(float(plan.price.value.mid), "USD"))
    source = open_catalog().source(plan.price.source)
    title = escape(source.title, quote=True)
    dated = f'<abbr tabindex="0" title="{title}">{escape(source.date)}</abbr>'
    return Html(f"{escape(price)}, {anchor(source.url, source.date) if source.url else dated}")


def _replicas(plan: ServingPlan) -> str:
    """Say what the devices are for: to hold the weights, or to serve the load."""
    devices = plan.question.devices or 1.0
    each = devices / plan.replicas
    if devices == 1.0:
        text = _("{weights}, fits in 1 device")
    elif each < plan.fewest_devices:
        text = _("{weights}, fits in {fewest}; {replicas} replicas share the experts")
    elif devices <= plan.fewest_devices:
        text = _("{weights}, needs {fewest} for its weights")
    elif plan.replicas == 1.0:
        text = _("{weights}, fits in {fewest}; the others make it faster")
    else:
        text = _("{weights}, fits in {fewest}; {replicas} replicas of {each}")
    counts = {"fewest": plan.fewest_devices, "replicas": plan.replicas, "each": each}
    written = {name: f"{count:g}" for name, count in counts.items()}
    return text.format(weights=plan.weights, **written)


def _binding(values: Row, column: Column) -> str:
    """Say which limit is met least surely, and what relaxing a limit buys for the first aim."""
    shown, holds = limited(values), column.plan.holds
    labels = {one.quantity: _(one.label) for one in (*shown.values(), LOADED)}
    tightest = min(holds, key=lambda name: holds[name])
    text = _("{limit}, met with {probability}")
    said = text.format(limit=labels[tightest], probability=amount(holds[tightest], "share"))
    if not column.answer.gains:
        return said
    aim = OBJECTIVES[column.aims[0]]
    gained = binding(column.answer, limits_of(values, shown), shown, aim)
    return "; ".join((said, *gained))


def _inputs(plan: ServingPlan) -> Row:
    chosen = plan.question
    weights = {"weights": plan.weights, "concurrency": plan.concurrency}
    replicas = {"replicas": plan.replicas, "requests_per_s": plan.requests_per_s}
    return {"hardware": chosen.hardware, "devices": chosen.devices, **weights, **replicas}


def _as_json(answers: Plans) -> Row:
    return {aim: as_json(found, _inputs, "designs", "refused") for aim, found in answers.items()}


LABELS = labels(PARAMETERS) | {"devices": N_("Devices at most")}
"""Input of a question -> label of its control."""

label_of = partial(label_of_control, LABELS)

SLIDES = {"plans": N_("the cheapest, the fastest and the cleanest plan")}
QUESTION = PageQuestion(
    inputs=PARAMETERS,
    answer=lambda values: answered(tuple(values.items()), store_state(data_directory())),
    view=_draw,
    title=_question,
    slides=SLIDES,
    files=lambda values, found: (share.json("capacity", lambda: _as_json(found)),),
    worded=lambda notice: sentence_of(notice, label_of),
    named={of: name for name, of in INPUT.items()},
)
PAGE = QUESTION.page(N_("Capacity"), INFERENCE, carries=CARRIES)
