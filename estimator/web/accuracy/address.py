"""Filters of the page "How right are we?": in the URL, in the widgets, and on the runs."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from estimator.validation.report import Report
from estimator.web.accuracy.groups import (
    DIMENSIONS,
    GENERATIONS,
    OTHER_DEVICES,
    Chosen,
    generations_of,
    works_of,
    years_of,
)
from estimator.web.shared.frame import shortened
from estimator.web.shared.language import N_
from estimator.web.shared.url_state import Query, State

ALL = "all"
DEVICES = {ALL: N_("all devices")} | {
    name.partition(",")[0].partition(" ")[0].lower(): name for name in (*GENERATIONS, OTHER_DEVICES)
}
"""Slug of a device generation -> its name."""

KEYS = {"work": "accuracy_work", "device": "accuracy_device", "by": "accuracy_by"}
YEARS = "accuracy_years"
"""Widgets, by the name in the URL where there is one."""

NAMES = ("work", "device", "from", "to", "by")
"""Names in a link."""


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
        notices.append(f"{name} is {shortened(said)}, and only {', '.join(known)} are known")
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
    return filters, notices


@dataclass(frozen=True)
class FiltersCodec:
    """How the filters stand in a link and in the widgets."""

    report: Callable[[], Report]

    def names(self) -> Collection[str]:
        """Names that a link may have."""
        return NAMES

    def present(self, state: State) -> bool:
        """Whether the widgets hold filters."""
        return YEARS in state

    def read(self, query: Query) -> tuple[Filters, list[str]]:
        """Filters that a link asks for, and what of it could not be used."""
        return read(query, self.report())

    def show(self, value: Filters, state: State) -> None:
        """Make the widgets show some filters."""
        choose(value, state)

    def gather(self, state: State, last: Filters) -> Filters:
        """Filters that the widgets ask for."""
        first, last_year = state[YEARS]
        said = {name: state[key] for name, key in KEYS.items()}
        return Filters(first=int(first), last=int(last_year), **said)


def choose(filters: Filters, state: State) -> None:
    """Make the widgets show some filters."""
    for name, key in KEYS.items():
        state[key] = getattr(filters, name)
    state[YEARS] = (filters.first, filters.last)
