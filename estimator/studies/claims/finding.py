"""Result of a recomputation, with its claim and verdict."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

import numpy as np

from estimator.catalog import Source
from estimator.catalog.claim_records import ClaimRecord
from estimator.core.phrase import Phrase
from estimator.core.uncertainty import Uncertain
from estimator.core.units import digits, human_quantity
from estimator.question.scenario import Scenario, link
from estimator.studies.claims.verdict import OFF, UNCHECKED, Interval, verdict


@dataclass(frozen=True)
class Assumption:
    """Assumption of a claim, and whether it is met."""

    text: Phrase
    met: bool


@dataclass(frozen=True)
class Figure:
    """Further number of a finding.

    Parameters
    ----------
    name, unit : str
        Name and unit.
    value : Uncertain
        Median and uncertainty.
    """

    name: str
    unit: str
    value: Uncertain

    @property
    def interval(self) -> Interval:
        """Central 80% interval."""
        return interval_of(self.value)


@dataclass(frozen=True, kw_only=True)
class Promise:
    """Quantity of the linked scenario, and its factor to the claimed number."""

    quantity: str
    factor: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Result of a recomputation.

    Parameters
    ----------
    value : Uncertain
        Recomputed number, in the unit of the claim.
    words : mapping of str to str
        Numbers in the formula and in the record's sentences, as text with units.
    met : tuple of bool
        Whether each assumption of the record is met.
    figures : tuple of Figure
        Further numbers of the case.
    scenario : Scenario, optional
        The same case as a scenario.
    promise : Promise, optional
        Result of the scenario that is the recomputed number.
    page, query : str, mapping
        Page that shows the case, if it is not a scenario.
    """

    value: Uncertain
    words: Mapping[str, str]
    met: tuple[bool, ...] = ()
    figures: tuple[Figure, ...] = ()
    scenario: Scenario | None = None
    promise: Promise | None = None
    page: str = ""
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Claim with its recomputation, authors, and primary sources."""

    record: ClaimRecord
    finding: Finding
    claimed_by: tuple[Source, ...]
    sources: tuple[Source, ...]

    @cached_property
    def interval(self) -> Interval:
        """Recomputed number with its central 80% interval."""
        return interval_of(self.finding.value)

    @property
    def factor(self) -> float:
        """Recomputed over claimed number [1]."""
        return self.interval.mid / self.record.claimed.value

    @cached_property
    def verdict(self) -> str:
        """Verdict from the numbers."""
        if self.record.refusal:
            return UNCHECKED
        claimed, met = self.record.claimed.value, all(self.finding.met)
        return verdict(claimed, self.record.relation, self.interval, assumptions_met=met)

    @property
    def verdict_text(self) -> str:
        """Verdict as text, with the factor if it is off."""
        if self.verdict != OFF:
            return self.verdict
        apart = max(self.factor, 1 / self.factor)
        return f"off by ×{digits(apart)}"

    @property
    def link(self) -> str:
        """Link that opens the same case in the app: an optional page and a query string."""
        if self.finding.scenario is not None:
            return link(self.finding.scenario)
        return f"{self.finding.page}?{urlencode(self.finding.query)}"

    @property
    def formula(self) -> Phrase:
        """Formula with its numbers."""
        return self._say(self.record.formula)

    @property
    def refusal(self) -> tuple[Phrase, ...]:
        """Reason why the claim cannot be checked, if so."""
        return (self._say(self.record.refusal),) if self.record.refusal else ()

    @property
    def why(self) -> tuple[Phrase, ...]:
        """Reasons for the verdict, the most important first."""
        return tuple(map(self._say, self.record.why))

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """Assumptions of the claim."""
        texts = map(self._say, self.record.assumptions)
        return tuple(Assumption(*pair) for pair in zip(texts, self.finding.met, strict=True))

    def _say(self, text: str) -> Phrase:
        return Phrase(text, self.finding.words)

    def reasons(self) -> tuple[Phrase, ...]:
        """Return all reasons for the verdict: refusal, unmet assumptions, explanation."""
        unmet = tuple(assumption.text for assumption in self.assumptions if not assumption.met)
        return (*self.refusal, *unmet, *self.why)

    def as_json(self) -> dict[str, Any]:
        """Return the claim as JSON with stable keys."""
        record, finding = self.record, self.finding
        return {
            "id": record.id,
            "title": record.title,
            "as_told": record.as_told,
            "source": [source.title for source in self.claimed_by],
            "told": {
                "value": record.claimed.value,
                "unit": record.unit,
                "relation": record.relation,
                "basis": record.claimed.basis,
            },
            "recomputed": {
                "quantity": record.quantity,
                "unit": record.unit,
                **vars(self.interval),
            },
            "verdict": self.verdict,
            "factor": self.factor,
            "why": " ".join(str(phrase) for phrase in self.reasons()),
            "assumptions": [
                {"text": str(assumption.text), "met": assumption.met}
                for assumption in self.assumptions
            ],
            "formula": str(self.formula),
            "also": [
                {"name": one.name, "unit": one.unit, **vars(one.interval)}
                for one in finding.figures
            ],
            "primary_sources": [
                {"id": one.id, "title": one.title, "date": one.date, "url": one.url or ""}
                for one in self.sources
            ],
            "link": self.link,
        }


def interval_of(value: Uncertain) -> Interval:
    """Return the median and central 80% interval of a quantity."""
    low, high = value.interval()
    return Interval(
        low=float(np.asarray(low)), mid=float(np.asarray(value.mid)), high=float(np.asarray(high))
    )


def median(value: Uncertain, unit: str) -> str:
    """Format the median of a quantity in a human-friendly unit."""
    return human_quantity(float(value.mid), unit)
