"""State of the page Estimate: a scenario and the quantity of the device comparison."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from itertools import combinations
from typing import Any
from urllib.parse import parse_qsl

import streamlit as st

from estimator.answer.scenario_estimate import Answer, answer_scenario
from estimator.catalog import Catalog
from estimator.core.messages import reason as why
from estimator.question.scenario import Scenario, from_link, link
from estimator.web.estimate.inputs import (
    DEFAULT,
    OF_PAGE,
    WIDGETS,
    Asked,
    asked_for,
    complete,
    gather,
    unread,
)
from estimator.web.shared.language import N_, _
from estimator.web.shared.notices import shown
from estimator.web.shared.profiles import open_catalog
from estimator.web.shared.tables import COMPARED
from estimator.web.shared.url_state import Query, State, UrlState, asked_of

DEFAULT_VIEW = "energy_kwh"

QLORA = "qlora"
"""Older link parameter for LoRA over 4-bit weights, `qlora=1` with `finetune=lora`."""

NOT_OF_SCENARIO = (*OF_PAGE, QLORA)
"""Link parameters of the page rather than the scenario."""

PICTURES = {
    "devices": N_("Other devices"),
    "parts": N_("Energy by part"),
    "doubts": N_("Sources of uncertainty"),
}
"""Charts of the page, one of which is shown."""


@dataclass(frozen=True)
class ScenarioCodec:
    """Codec of the scenario for links and widgets."""

    page: str = "estimate"

    def names(self) -> Collection[str]:
        """Fields of the scenario, and the compared quantity."""
        return {*NOT_OF_SCENARIO, *(item.name for item in fields(Scenario))}

    def widget_keys(self) -> Collection[str]:
        """Keys of the widgets."""
        return WIDGETS

    def read(self, query: Query) -> tuple[Asked, list[str]]:
        """Scenario of a link, adjusted where needed."""
        said, found = from_link(query)
        notices = [
            unread(one.field, query[one.field]) if one.code == "unread" else shown(one)
            for one in found
        ]
        if query.get(QLORA) == "1" and said.finetune == "lora":
            said = replace(said, finetune=QLORA)
        scenario, more = DEFAULT, list[str]()
        if said != Scenario():
            answer, more = nearest(said, open_catalog())
            scenario = answer.scenario
        view, picture = query.get("view", ""), query.get("picture", "")
        asked = asked_for(
            scenario,
            picture if picture in PICTURES else "devices",
            view if view in COMPARED else DEFAULT_VIEW,
        )
        return asked, [*notices, *more]

    def query(self, value: Asked) -> dict[str, str]:
        """Return all of the page as a link writes it."""
        return as_query(value)

    def problems(self, state: State) -> Mapping[str, str]:
        """Widget -> why its text cannot be read."""
        found: Asked = asked_of(self.page)
        return found.problems

    def shown(self, value: Asked) -> Mapping[str, Any]:
        """Widget values for a scenario."""
        return value.held

    def gather(self, state: State, last: Asked) -> Asked:
        """Scenario from the widgets."""
        catalog = open_catalog()
        answered = answer_scenario(st.session_state.get(ANSWERED, DEFAULT), catalog)
        return gather(state, last, answered, catalog)


ANSWERED = "_scenario"
"""Session key of the last answered scenario."""

STATE = UrlState(ScenarioCodec.page, ScenarioCodec())


def as_query(asked: Asked) -> dict[str, str]:
    """Query parameters of the page: scenario, chart and compared quantity."""
    scenario = st.session_state.get(ANSWERED, DEFAULT)
    look = {"picture": asked.picture, "view": asked.view}
    return {**dict(parse_qsl(link(scenario)[1:])), **look}


def answer_link(query: Query, catalog: Catalog) -> tuple[Answer, list[str]]:
    """Answer a link, with notices on adjustments."""
    said, found = from_link(query)
    if said == Scenario():
        return answer_scenario(DEFAULT, catalog), [*map(shown, found)]
    answer, more = nearest(said, catalog)
    return answer, [*map(shown, found), *more]


def nearest(scenario: Scenario, catalog: Catalog) -> tuple[Answer, list[str]]:
    """Answer a scenario, or the closest valid one with notices."""
    found = completed(scenario, catalog)
    if isinstance(found, Answer):
        return found, []
    said: dict[str, Any] = {**scenario.given()}
    for count in (1, 2):
        for names in combinations(said, count):
            rest = replace(scenario, **dict.fromkeys(names))
            nearby = completed(rest, catalog)
            if isinstance(nearby, Answer):
                return nearby, [
                    refusal(replace(rest, **{name: said[name]}), catalog) or found for name in names
                ]
    text = _("nothing of the link could be used, so the default is shown")
    return answer_scenario(DEFAULT, catalog), [found, text]


def refusal(scenario: Scenario, catalog: Catalog) -> str | None:
    """Reason why a scenario cannot be answered, in one line, or None."""
    found = completed(scenario, catalog)
    return found if isinstance(found, str) else None


def completed(scenario: Scenario, catalog: Catalog) -> Answer | str:
    """Answer a scenario with all widget fields, or return the reason in one line."""
    try:
        return answer_scenario(complete(scenario, catalog), catalog)
    except ValueError as error:
        return shown(why(error))
