"""Provenance of a number: unit, basis, source, date and assumptions."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Generic, TypeVar

from estimator.catalog import Catalog, Record
from estimator.core.notice import Notice
from estimator.core.uncertainty import Uncertain, spread_between

Thing = TypeVar("Thing")

GIVEN = "given"
"""Basis of a number given by the user."""


@dataclass(frozen=True, kw_only=True)
class SourcedNumber:
    """Number that an estimate depends on.

    Parameters
    ----------
    value, low, high : float
        Median and central 80%, in `unit`; equal if the number is exact.
    unit : str
        Unit as in the profiles; "1" for shares and counts.
    basis : str
        One of given, datasheet, measured, published, derived, assumed.
    source : str
        Source id in the profiles; empty if given by the user.
    date, note : str
        Date of the number, and a comment; may be empty.
    """

    value: float
    unit: str
    basis: str
    source: str = ""
    low: float | None = None
    high: float | None = None
    date: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Found(Generic[Thing]):
    """Result of a lookup, with the numbers behind it.

    Parameters
    ----------
    value
        Result of the look-up.
    inputs : mapping of str to SourcedNumber
        Numbers that the result depends on, by name.
    notices : tuple of Notice
        Assumptions.
    """

    value: Thing
    inputs: dict[str, SourcedNumber] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()

    @property
    def source(self) -> str:
        """Source of the first number, empty if the user gave it."""
        return next((one.source for one in self.inputs.values()), "")


def noted(value: Thing, *notices: Notice) -> Found[Thing]:
    """Attach notices to a value."""
    return Found(value=value, notices=notices)


def of_all(value: Thing, *parts: Found[Any]) -> Found[Thing]:
    """Combine a value with the inputs and notices of its parts."""
    inputs: dict[str, SourcedNumber] = {}
    notices: tuple[Notice, ...] = ()
    for part in parts:
        inputs |= part.inputs
        notices = (*notices, *part.notices)
    return Found(value=value, inputs=inputs, notices=notices)


def given_value(name: str, value: float, unit: str) -> Found[Uncertain]:
    """Wrap an exact number given by the user."""
    return Found(
        value=Uncertain(value), inputs={name: SourcedNumber(value=value, unit=unit, basis=GIVEN)}
    )


def recorded(
    name: str, record: Record, source: str, *, notices: tuple[Notice, ...] = ()
) -> Found[Uncertain]:
    """Wrap a number from the profiles, with its range as uncertainty."""
    return Found(
        value=uncertain_record(record, source), inputs={name: input_of(record)}, notices=notices
    )


def prior(catalog: Catalog, key: str, source: str) -> Found[Uncertain]:
    """Look up a prior in the profiles."""
    return recorded(key, catalog.prior(key), source)


def input_of(record: Record) -> SourcedNumber:
    """Wrap a profile record as an input."""
    return SourcedNumber(
        value=record.value,
        unit=record.unit,
        basis=record.basis,
        source=record.source,
        low=record.low,
        high=record.high,
        date=record.date or "",
        note=record.note or "",
    )


@lru_cache(maxsize=4096)
def uncertain_record(record: Record, uncertainty: str) -> Uncertain:
    """Return the uncertain number of a record; exact if its bounds are missing or equal.

    A single bound applies to both sides as a factor. A lower bound of zero is ignored, and a value
    of zero is exact.
    """
    low, high = record.low or None, record.high
    if record.value == 0 or (low is None and high is None):
        return Uncertain(record.value)
    low = record.value**2 / high if low is None and high is not None else low
    high = record.value**2 / low if high is None and low is not None else high
    if low is None or high is None or low == high:
        return Uncertain(record.value)
    return spread_between(low, high, uncertainty, mid=record.value)
