"""Filters of the page "How right are we?": in the URL, in the widgets, and on the runs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import streamlit as st

from estimator.validation_report import Report
from estimator.web.accuracy_groups import (
    DIMENSIONS,
    GENERATIONS,
    OTHER_DEVICES,
    Chosen,
    generations_of,
    works_of,
    years_of,
)
from estimator.web.inputs import State

ALL = "all"
DEVICES = {ALL: "all devices"} | {
    name.partition(",")[0].partition(" ")[0].lower(): name for name in (*GENERATIONS, OTHER_DEVICES)
}
"""Slug of a device generation -> its name."""

KEYS = {"work": "accuracy_work", "device": "accuracy_device", "by": "accuracy_by"}
YEARS = "accuracy_years"
"""Widgets, by the name in the URL where there is one."""


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which runs are looked at, and how the chart of errors groups them.

    Parameters
    ----------
    work, device : str
        Kind of work and device generation, or `ALL`.
    first, last : int
        Years, both included [year].
    by : str
        One of `DIMENSIONS`.
    """

    work: str
    device: str
    first: int
    last: int
    by: str


def every(report: Report) -> Filters:
    """Filters that leave all runs."""
    years = years_of(report)
    return Filters(work=ALL, device=ALL, first=int(years.min()), last=int(years.max()), by="work")


def chosen(report: Report, filters: Filters) -> Chosen:
    """Runs that pass the filters."""
    years = years_of(report)
    kept: Chosen = (years >= filters.first) & (years <= filters.last)
    if filters.work != ALL:
        kept = kept & (works_of(report) == filters.work)
    if filters.device != ALL:
        kept = kept & (generations_of(report) == DEVICES[filters.device])
    return kept


def works(report: Report) -> list[str]:
    """Kinds of work to choose from."""
    return [ALL, *(str(name) for name in np.unique(works_of(report)))]


def as_query(filters: Filters) -> dict[str, str]:
    """Filters as query parameters, none left to a default."""
    said = asdict(filters)
    return {
        "work": said["work"],
        "device": said["device"],
        "from": str(said["first"]),
        "to": str(said["last"]),
        "by": said["by"],
    }


def read(query: Mapping[str, str], report: Report) -> tuple[Filters, list[str]]:
    """Filters that a URL asks for, and what of it could not be used."""
    notices: list[str] = []
    usual = every(report)

    def word(name: str, known: Mapping[str, str] | list[str], default: str) -> str:
        said = query.get(name, default)
        if said in known:
            return said
        notices.append(f"{name} is {said}, and only {', '.join(known)} are known")
        return default

    def year(name: str, default: int) -> int:
        said = query.get(name, str(default))
        if said.isascii() and said.isdigit() and usual.first <= int(said) <= usual.last:
            return int(said)
        notices.append(f"{name} is no year from {usual.first} to {usual.last}")
        return default

    first, last = year("from", usual.first), year("to", usual.last)
    if first > last:
        notices.append(f"from is {first}, after {last}")
        first, last = last, first
    filters = Filters(
        work=word("work", works(report), ALL),
        device=word("device", DEVICES, ALL),
        first=first,
        last=last,
        by=word("by", DIMENSIONS, usual.by),
    )
    known = {*as_query(usual), "show", "fs"}
    notices += [f"{name} is nothing that this page knows" for name in query if name not in known]
    return filters, notices


def arrive(state: State, report: Report) -> Filters:
    """What is asked: by the widgets, or by a URL that was opened, reloaded or gone back to."""
    query = dict(st.query_params)
    if "_accuracy" not in state or (YEARS not in state and query):
        _open(query, state, report)
    elif YEARS not in state:
        choose(state["_accuracy"], state)
        state["_accuracy_seen"] = state["_accuracy_written"] = query
    asked = _gather(state)
    if query != state["_accuracy_seen"] and asked == state["_accuracy"]:
        _open(query, state, report)
        asked = _gather(state)
    if asked != state["_accuracy"]:
        state["_accuracy"], state["_accuracy_notices"] = asked, []
    return asked


def leave(filters: Filters, state: State, *, embedded: bool) -> None:
    """Write the URL if a filter changed; each change is a step of the history."""
    kept = {name: st.query_params[name] for name in ("show", "fs") if name in st.query_params}
    address = {**as_query(filters), **kept}
    if not embedded and address != state.get("_accuracy_written", address):
        st.query_params.from_dict(address)
        state["_accuracy_seen"] = address
    state["_accuracy_written"] = address


def _open(query: Mapping[str, str], state: State, report: Report) -> None:
    """Make the widgets say what a URL says."""
    state["_accuracy"], state["_accuracy_notices"] = read(query, report)
    state["_accuracy_seen"] = dict(query)
    choose(state["_accuracy"], state)
    state.pop("_accuracy_written", None)


def choose(filters: Filters, state: State) -> None:
    """Make the widgets say some filters."""
    for name, key in KEYS.items():
        state[key] = getattr(filters, name)
    state[YEARS] = (filters.first, filters.last)


def _gather(state: State) -> Filters:
    first, last = state[YEARS]
    said = {name: state[key] for name, key in KEYS.items()}
    return Filters(first=int(first), last=int(last), **said)
