"""The URL is the state: read when a visitor arrives or goes back, written when a control moves."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from itertools import combinations
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import streamlit as st

from estimator.answer import Answer, answer_scenario
from estimator.catalog import Catalog
from estimator.scenario import Scenario, from_link
from estimator.tables import COMPARED
from estimator.web.inputs import DEFAULT, Asked, State, complete, gather, load

SECTIONS = ("figures", "parts", "doubts", "devices", "formula")
"""What `show` in a link can restrict the page to: the figures alone, or with one section."""

DEFAULT_VIEW = "energy_kwh"
SCALES = (1.0, 2.0)
"""Smallest and largest text size that `fs` in a link can ask for [1]."""


@dataclass(frozen=True, kw_only=True)
class View:
    """How the page is to look: not part of the scenario, but of the link.

    Parameters
    ----------
    show : str
        One of `SECTIONS`, or empty for the whole page.
    scale : float
        Text size over the usual one [1].
    embedded : bool
        In a frame of another page: the URL is read and never written.
    """

    show: str
    scale: float
    embedded: bool


def view() -> View:
    """View that the URL asks for; what it does not know is ignored."""
    query = st.query_params
    try:
        scale = min(max(float(query.get("fs", "1")), SCALES[0]), SCALES[1])
    except ValueError:
        scale = SCALES[0]
    show = query.get("show", "")
    return View(
        show=show if show in SECTIONS else "",
        scale=scale if scale == scale else SCALES[0],
        embedded=bool(st.context.is_embedded),
    )


def arrive(state: State, catalog: Catalog) -> Asked:
    """What is asked: by the widgets, or by a URL that was opened, reloaded or gone back to.

    A request that was on its way while the URL was written still carries the old URL; it is told
    from going back by the widget that it changed.
    """
    query = dict(st.query_params)
    if "_scenario" not in state or ("way" not in state and query):
        _open(query, state, catalog)
    elif "way" not in state:
        load(state["_scenario"], state)
        state["view"], state["_seen"], state["_written"] = state["_view"], query, query
    asked = gather(state, state["_scenario"], catalog)
    if query != state["_seen"] and asked == state["_asked"]:
        _open(query, state, catalog)
        asked = gather(state, state["_scenario"], catalog)
    state["_asked"] = asked
    return asked


def leave(answer: Answer, state: State, *, embedded: bool) -> None:
    """Write the URL if the scenario or the view changed; each change is a step of the history."""
    address = as_query(answer, state)
    if not embedded and address != state.get("_written", address):
        st.query_params.from_dict(address)
        state["_seen"] = address
    state["_written"], state["_view"] = address, state["view"]


def as_query(answer: Answer, state: State) -> dict[str, str]:
    """All of the page as query parameters: the scenario, the chart chosen, and the view."""
    kept = {name: st.query_params[name] for name in ("show", "fs") if name in st.query_params}
    return {**dict(parse_qsl(answer.link[1:])), "view": state["view"], **kept}


def address_of(query: Mapping[str, str], **more: str) -> str:
    """Full URL of the page with a query."""
    url = urlsplit(st.context.url or "")
    return url._replace(path=url.path or "/", query=urlencode({**more, **query})).geturl()


def repaired(scenario: Scenario, catalog: Catalog) -> tuple[Scenario, list[str]]:
    """A scenario that can be answered, as near as possible, and why some of it was left out."""
    reason = refusal(scenario, catalog)
    if reason is None:
        return complete(scenario, catalog), []
    said: dict[str, Any] = {**scenario.said()}
    for count in (1, 2):
        for names in combinations(said, count):
            rest = replace(scenario, **dict.fromkeys(names))
            if refusal(rest, catalog) is None:
                return complete(rest, catalog), [
                    refusal(replace(rest, **{name: said[name]}), catalog) or reason
                    for name in names
                ]
    return DEFAULT, [reason, "nothing of it could be used: the default is shown"]


def refusal(scenario: Scenario, catalog: Catalog) -> str | None:
    """Why a scenario cannot be answered, in one line; None if it can."""
    try:
        answer_scenario(complete(scenario, catalog), catalog)
    except ValueError as error:
        return str(error)
    return None


def _open(query: Mapping[str, str], state: State, catalog: Catalog) -> None:
    """Make the widgets say what a URL says."""
    said, notices = from_link(query)
    known = {"v", "view", "show", "fs", *(item.name for item in fields(Scenario))}
    notices += [f"{name} is nothing that this page knows" for name in query if name not in known]
    if said.samples is not None:
        notices.append("samples are for the command line only: they are left out")
    scenario, more = (DEFAULT, []) if said == Scenario() else repaired(said, catalog)
    state["_scenario"], state["_notices"] = scenario, (*notices, *more)
    state["_seen"] = dict(query)
    state["view"] = query["view"] if query.get("view") in COMPARED else DEFAULT_VIEW
    load(scenario, state)
    state.pop("_written", None)
