"""The state of the page Estimate: a scenario, and the quantity devices are compared by."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any
from urllib.parse import parse_qsl

import streamlit as st

from estimator.answer.scenario_estimate import Answer, answer_scenario
from estimator.catalog import Catalog
from estimator.core.messages import reason as why
from estimator.question.scenario import INPUTS, Scenario, from_link, link
from estimator.web.estimate.inputs import (
    DEFAULT,
    KNOWN,
    OF_PAGE,
    SETTING,
    Values,
    complete,
    settled,
    values_of,
)
from estimator.web.shared.language import _
from estimator.web.shared.notices import sentence_of
from estimator.web.shared.profiles import open_catalog
from estimator.web.shared.url_state import LinkParameters, Query, State, widget_key

ANSWERED = "_scenario"
"""Session key of the last answered scenario."""


class ScenarioParameters(LinkParameters):
    """Inputs of the page; its link is the one of the scenario, which every command prints."""

    def names(self) -> list[str]:
        """Names in a link."""
        return [*INPUTS, *OF_PAGE]

    def from_link(self, query: Query) -> tuple[Values, list[str]]:
        """Scenario of a link, adjusted where needed."""
        said, found = from_link(query)
        notices = [
            self.problem(one.field, query[one.field]) if one.code == "unread" else sentence_of(one)
            for one in found
        ]
        scenario, more = DEFAULT, list[str]()
        if said != Scenario():
            answer, more = nearest(said, open_catalog())
            scenario = answer.scenario
        look = {name: self.declared(name).parse(query.get(name))[0] for name in OF_PAGE}
        return values_of(scenario, look), [*notices, *more]

    def gather(self, state: State, last: Values) -> Values:
        """Values that the controls hold; where one decides what others hold, these are set."""
        found = super().gather(state, last)
        moved = {name for name in SETTING if found[name] != last[name]}
        if not moved:
            return found
        catalog = open_catalog()
        answered = answer_scenario(st.session_state.get(ANSWERED, DEFAULT), catalog)
        values = settled(found, moved, answered, catalog)
        for one in self.known:
            key = widget_key(self.page, one.name)
            if key in state and values[one.name] != found[one.name]:
                state[key] = one.widget_value(values[one.name])
        return values

    def query(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Scenario that was answered last, and the look, as a link writes them."""
        scenario = st.session_state.get(ANSWERED, DEFAULT)
        look = {name: str(values[name]) for name in OF_PAGE}
        return {**dict(parse_qsl(link(scenario)[1:])), **look}


PARAMETERS = ScenarioParameters("estimate", *KNOWN)


def answer_link(query: Query, catalog: Catalog) -> tuple[Answer, list[str]]:
    """Answer a link, with notices on adjustments."""
    said, found = from_link(query)
    if said == Scenario():
        text = _("nothing in the link could be used, so the default is shown")
        return answer_scenario(DEFAULT, catalog), [*map(sentence_of, found), text]
    answer, more = nearest(said, catalog)
    return answer, [*map(sentence_of, found), *more]


def nearest(scenario: Scenario, catalog: Catalog) -> tuple[Answer, list[str]]:
    """Answer a scenario, or the closest valid one with notices."""
    found = completed(scenario, catalog)
    if isinstance(found, Answer):
        return found, []
    said: dict[str, Any] = {**scenario.specified_inputs()}
    for count in (1, 2):
        for names in combinations(said, count):
            rest = replace(scenario, **dict.fromkeys(names))
            nearby = completed(rest, catalog)
            if isinstance(nearby, Answer):
                whys = (completed(replace(rest, **{name: said[name]}), catalog) for name in names)
                return nearby, [why if isinstance(why, str) else found for why in whys]
    text = _("nothing in the link could be used, so the default is shown")
    return answer_scenario(DEFAULT, catalog), [found, text]


def completed(scenario: Scenario, catalog: Catalog) -> Answer | str:
    """Answer a scenario with all widget fields, or return the reason in one line."""
    try:
        return answer_scenario(complete(scenario, catalog), catalog)
    except ValueError as error:
        return sentence_of(why(error))
