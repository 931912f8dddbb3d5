"""Page Plan: best ways to do a run under budget, deadline, carbon and energy limits."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from html import escape
from typing import Any

from estimator.answer.scenario_estimate import answer_scenarios
from estimator.question.scenario import link
from estimator.runs.store_state import State, store_state
from estimator.studies.search.exploration import KINDS_OF_PRICE, PLACES
from estimator.studies.search.plan import (
    OBJECTIVES,
    PLANNED_COUNTS,
    PlanAnswer,
    Request,
    TrainingPlan,
    best_plans,
    planned_devices,
)
from estimator.studies.search.space import Space
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
from estimator.web.shared import scenario, share, style
from estimator.web.shared.amounts import amount, localised
from estimator.web.shared.charts import Row
from estimator.web.shared.frame import Frame
from estimator.web.shared.html_table import anchor, column_row, draw_columns
from estimator.web.shared.kit import PageQuestion
from estimator.web.shared.language import N_, _
from estimator.web.shared.navigation import TRAIN
from estimator.web.shared.notices import shown_all
from estimator.web.shared.profiles import (
    cached_per_server,
    hardware_names,
    open_catalog,
    place_names,
)
from estimator.web.shared.url_state import Choice, LinkParameters, Typed, short_number

AIMS = {
    "cost": N_("cheapest"),
    "time": N_("fastest"),
    "co2e": N_("cleanest"),
    "energy": N_("thriftiest"),
}
PLANS, ON_SLIDE = 4, 3
"""Plans side by side at most [1]."""

TIME = Limited(quantity="wall_hours", label=N_("time"), unit="hour", factor=24.0)
LIMITED = {"budget": MONEY, "days": TIME, "carbon": CARBON, "energy": ENERGY}
"""Control -> what it limits."""


@cached_per_server
def known_devices() -> tuple[str, ...]:
    """Devices that a plan can choose from."""
    return (ANY, *planned_devices(open_catalog()))


@cached_per_server
def known_places() -> tuple[str, ...]:
    """All common sites, or one."""
    return (ANY, *place_names())


CHOICES = N_("Choices")
PARAMETERS = LinkParameters(
    "plan",
    scenario.params(7e9),
    scenario.tokens(140e9),
    cap("budget", 10e3),
    Typed(
        "days",
        usual=14.0,
        low=1e-4,
        high=1e6,
        label=N_("Days, empty for none"),
        help=N_("Maximum duration in days."),
    ),
    cap("carbon", 1e3),
    cap("energy", None),
    Choice(
        "aim",
        tuple(AIMS),
        label=N_("Aim"),
        help=N_("Quantity that the best plan minimizes within all limits."),
        called=lambda: AIMS,
    ),
    CONFIDENCE,
    scenario.hardware(known_devices(), rest=N_("any on offer"), section=CHOICES),
    most_devices(1024.0, 4096.0, CHOICES),
    scenario.site(known_places(), rest=N_("any of seven countries"), section=CHOICES),
    Choice(
        "pay",
        ("rent", "own", ANY),
        label=N_("Pay"),
        help=N_("Rent devices by the hour, or depreciate your own and pay for electricity."),
        called=lambda: {
            "rent": N_("rent"),
            "own": N_("own: purchase price and electricity"),
            ANY: N_("either, whichever is better"),
        },
        section=CHOICES,
    ),
    Choice(
        "offers",
        ("on-demand", ANY),
        label=N_("Rental offers"),
        help=N_("Only on-demand offers, or also spot and reserved ones."),
        called=lambda: {"on-demand": N_("on-demand"), ANY: N_("any kind")},
        section=CHOICES,
    ),
)


def request_of(values: Row) -> Request:
    """Request from the controls."""
    hardware = values["hardware"]
    space = Space(
        values={
            "params": (values["params"],),
            "tokens": (values["tokens"],),
            "hardware": planned_devices(open_catalog()) if hardware == ANY else (hardware,),
            "devices": tuple(count for count in PLANNED_COUNTS if count <= values["devices"]),
            "site": PLACES if values["site"] == ANY else (values["site"],),
            "pay": ("rent", "own") if values["pay"] == ANY else (values["pay"],),
            "price_kind": KINDS_OF_PRICE if values["offers"] == ANY else (values["offers"],),
        }
    )
    limits = limits_of(values, LIMITED)
    return Request(space=space, limits=limits, minimize=values["aim"], count=PLANS)


def _answered(values: Row) -> PlanAnswer[TrainingPlan]:
    """Plan with the current measured runs."""
    return answered(tuple(values.items()), store_state(data_directory()))


@lru_cache(maxsize=64)
def answered(values: tuple[tuple[str, Any], ...], _runs: State) -> PlanAnswer[TrainingPlan]:
    """Plan, cached until a measured run changes."""
    return best_plans(request_of(dict(values)), open_catalog())


def _draw(values: Row, answer: PlanAnswer[TrainingPlan], frame: Frame) -> None:
    """Draw the sentence, the chart, the table, and the binding limits."""
    request = request_of(values)
    every = answer.plans or ((answer.nearest,) if answer.nearest else ())
    style.sentence(escape(_sentence(request, answer)))
    if not every:
        return
    _columns(every[: ON_SLIDE if frame.slide else PLANS], request, frame)
    style.assumptions(binding(answer, request.limits, LIMITED, OBJECTIVES[request.minimize]))
    if not frame.slide:
        style.notices(_few_offers(every))
        style.caption(
            _(
                "{designs} designs examined: {large} do not fit in memory, {refused} cannot be "
                "estimated. All limits are met together with the probability asked; intervals of "
                "80%."
            ).format(
                designs=localised(f"{answer.designs:,}"),
                large=localised(f"{answer.too_large:,}"),
                refused=localised(f"{answer.refused:,}"),
            )
        )


def _question(values: Row) -> str:
    """Short description of the plan's purpose."""
    return _("{params} parameters on {tokens} tokens, the {aim} way").format(
        params=amount(values["params"], "1"),
        tokens=amount(values["tokens"], "1"),
        aim=_(AIMS[values["aim"]]),
    )


def _sentence(request: Request, answer: PlanAnswer[TrainingPlan]) -> str:
    """Sentence on the best or closest plan."""
    if not answer.plans and answer.nearest is None:
        return _("No plan: no design fits in the memory of its devices.")
    best = answer.plans[0] if answer.plans else answer.nearest
    asked = request.space.values
    params, tokens = (amount(float(asked[name][0]), "1") for name in ("params", "tokens"))
    assert best is not None
    said = {
        "aim": _(AIMS[request.minimize]),
        "plan": style.bold(_name(best)),
        "figures": ", ".join(
            style.bold(amount(float(best.quantities[one.quantity].mid), one.unit))
            for one in (MONEY, TIME)
            if one.quantity in best.quantities
        ),
        "work": _("{params} parameters on {tokens} tokens").format(params=params, tokens=tokens),
        "probability": amount(best.probability, "share"),
        "confidence": amount(request.limits.confidence, "share"),
    }
    if answer.plans and request.limits.most:
        text = _(
            "{plan} is the {aim} plan for {work}: {figures}. All limits are met with a "
            "probability of {probability}."
        )
    elif answer.plans:
        text = _("{plan} is the {aim} plan for {work}: {figures}.")
    else:
        text = _(
            "No plan for {work} meets all limits with a probability of {confidence}. The closest "
            "reaches {probability}: {plan}, {figures}."
        )
    return text.format(**said)


def _name(plan: TrainingPlan) -> str:
    """Name of a plan: device count, device and site."""
    asked = plan.scenario
    device = hardware_names().get(str(asked.hardware), str(asked.hardware))
    place = place_names().get(str(asked.site), str(asked.site))
    return f"{localised(f'{asked.devices or 1.0:,.0f}')} × {device}, {place}"


def _columns(plans: Sequence[TrainingPlan], request: Request, frame: Frame) -> None:
    """Draw plans side by side, each with the link that opens it on Estimate."""
    heads = []
    for place, plan in enumerate(plans, start=1):
        name = _name(plan)
        opened = escape(name)
        if not (frame.slide or frame.embedded):
            opened = anchor(f"estimate{link(plan.scenario)}", name)
        heads.append(f"<b>{place}</b> {opened}")
    rows = [
        column_row(
            _(one.label),
            [quantity_cell(plan.quantities, one, request.limits.most) for plan in plans],
        )
        for one in LIMITED.values()
    ]
    shares = [amount(plan.probability, "share") for plan in plans]
    ways = [", ".join(_ways(plan)) for plan in plans]
    rows += [column_row(_("limits met"), shares), column_row(_("how"), ways)]
    draw_columns(_("Plan"), heads, rows)


def _ways(plan: TrainingPlan) -> Iterator[str]:
    """Say how the devices are paid for, and where else the plan keeps the limits."""
    if plan.scenario.pay == "own":
        yield _("owned")
    elif plan.scenario.price_kind is not None:
        yield _(plan.scenario.price_kind)
    if plan.also_in:
        places = ", ".join(place_names().get(site, site) for site in plan.also_in)
        yield _("also in {places}").format(places=places)


def _few_offers(shown: tuple[TrainingPlan, ...]) -> Iterator[str]:
    """Yield notices on plans with prices from few offers."""
    found = answer_scenarios([plan.scenario for plan in shown], open_catalog())
    answers = [one for one in found if not isinstance(one, ValueError)]
    every = (notice for one in answers for notice in one.notices)
    return shown_all(notice for notice in every if notice.code == "few_offers")


def _inputs(plan: TrainingPlan) -> Row:
    return {"inputs": plan.scenario.specified_inputs()}


def _as_json(answer: PlanAnswer[TrainingPlan]) -> Row:
    return as_json(answer, _inputs, "designs", "too_large", "refused")


def _implied(answer: PlanAnswer[TrainingPlan]) -> dict[str, str]:
    """Design of the best plan, for the other pages."""
    if not answer.plans:
        return {}
    best = answer.plans[0].scenario
    devices = short_number(best.devices or 1.0)
    return {"hardware": str(best.hardware), "devices": devices, "site": str(best.site)}


SLIDES = {"plans": N_("the best plans under their limits")}
QUESTION = PageQuestion(
    inputs=PARAMETERS,
    answer=_answered,
    view=_draw,
    title=_question,
    slides=SLIDES,
    files=lambda values, found: (share.json("plan", lambda: _as_json(found)),),
    implied=_implied,
)
PAGE = QUESTION.page(N_("Plan"), TRAIN, carries={"devices": ""})
