"""Links from a scenario to its sensitivities and its alternatives at the same cost."""

from urllib.parse import urlencode

from estimator.answer.scenario_estimate import Answer
from estimator.core.units import significant
from estimator.question.hardware import TRAINING_PRECISIONS
from estimator.web.shared.html_table import Html, anchor
from estimator.web.shared.language import _
from estimator.web.shared.profiles import place_names
from estimator.web.shared.url_state import short_number

LIMITED = {
    "budget": ("cost_usd", 1.0),
    "days": ("wall_hours", 1 / 24.0),
    "carbon": ("co2e_kg", 1.0),
}
"""Limit of the page Plan -> quantity, and unit conversion."""


def further_links(answer: Answer) -> list[Html]:
    """Links to Explore and Plan for runs they support: a dense model by size."""
    scenario = answer.scenario
    if scenario.params is None or scenario.tokens is None:
        return []
    if scenario.active_params is not None or scenario.finetune is not None:
        return []
    work = {"params": scenario.params, "tokens": scenario.tokens}
    plan = work | {
        limit: significant(float(answer.estimate[name].mid) * factor)
        for limit, (name, factor) in LIMITED.items()
        if name in answer.estimate
    }
    query = {name: short_number(value) for name, value in plan.items()}
    explored = {name: query[name] for name in work}
    explored |= {"hardware": answer.device.id, "devices": f"{answer.run.devices:.0f}"}
    if "cost_usd" not in answer.estimate:
        explored["quantity"] = "wall_hours"
    if scenario.site in place_names():
        explored["site"] = scenario.site
    links = [anchor(f"plan?{urlencode(query)}", _("Plan it within the same money, time and CO2e"))]
    if answer.precision in TRAINING_PRECISIONS:
        links.insert(0, anchor(f"explore?{urlencode(explored)}", _("Explore its sensitivities")))
    return links
