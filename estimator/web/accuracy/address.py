"""Filters of the page "Accuracy": in the URL, in the widgets, and on the runs."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from estimator.validation.held_out import HeldOut
from estimator.web.accuracy.groups import (
    DIMENSIONS,
    GENERATIONS,
    OTHER_DEVICES,
    Chosen,
    generations_of,
    works_of,
    years_of,
)
from estimator.web.shared.language import N_, _
from estimator.web.shared.url_state import Choice, Number, Query, State

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
    """Selected runs, and the grouping of the error chart.

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


def every(report: HeldOut) -> Filters:
    """Filters that leave all runs."""
    years = years_of(report)
    return Filters(work=ALL, device=ALL, first=int(years.min()), last=int(years.max()), by="work")


def chosen(report: HeldOut, filters: Filters) -> Chosen:
    """Runs that pass the filters."""
    years = years_of(report)
    kept: Chosen = (years >= filters.first) & (years <= filters.last)
    if filters.work != ALL:
        kept = kept & (works_of(report) == filters.work)
    if filters.device != ALL:
        kept = kept & (generations_of(report) == DEVICES[filters.device])
    return kept


def works(report: HeldOut) -> list[str]:
    """Kinds of work to choose from."""
    return [ALL, *(str(name) for name in np.unique(works_of(report)))]


def as_query(filters: Filters) -> dict[str, str]:
    """Filters as query parameters, none left to a default."""
    years = {"from": str(filters.first), "to": str(filters.last)}
    return {"work": filters.work, "device": filters.device, **years, "by": filters.by}


def read(query: Query, report: HeldOut) -> tuple[Filters, list[str]]:
    """Filters that a URL asks for, and what of it could not be used."""
    usual = every(report)
    low, high = usual.first, usual.last
    words = (Choice("work", works(report)), Choice("device", DEVICES), Choice("by", DIMENSIONS))
    years = (
        Number("from", low, low=low, high=high, whole=True),
        Number("to", high, low=low, high=high, whole=True),
    )
    said = [word.read(query.get(word.name)) for word in words]
    dated = [year.read(query.get(year.name)) for year in years]
    notices = [notice for _value, notice in (*said, *dated) if notice]
    first, last = (int(year) for year, _notice in dated)
    if first > last:
        text = _("“from” is {first}, after {last}: the years are swapped")
        notices.append(text.format(first=first, last=last))
        first, last = last, first
    work, device, by = (word for word, _notice in said)
    return Filters(work=work, device=device, first=first, last=last, by=by), notices


@dataclass(frozen=True)
class FiltersCodec:
    """Codec of the filters for links and widgets."""

    report: Callable[[], HeldOut]

    def names(self) -> Collection[str]:
        """Names that a link may have."""
        return NAMES

    def widget_keys(self) -> Collection[str]:
        """Keys of the widgets."""
        return [*KEYS.values(), YEARS]

    def read(self, query: Query) -> tuple[Filters, list[str]]:
        """Filters that a link asks for, and what of it could not be used."""
        return read(query, self.report())

    def shown(self, value: Filters) -> Mapping[str, Any]:
        """Widget -> what it holds for some filters."""
        held = {key: getattr(value, name) for name, key in KEYS.items()}
        return held | {YEARS: (value.first, value.last)}

    def gather(self, state: State, last: Filters) -> Filters:
        """Filters that the widgets ask for."""
        held = {**self.shown(last)}
        held |= {key: state[key] for key in held if key in state}
        first, last_year = held[YEARS]
        said = {name: held[key] for name, key in KEYS.items()}
        return Filters(first=int(first), last=int(last_year), **said)
