"""Report: the result type of every question."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from estimator.core.messages import Names, rendered
from estimator.core.notice import Notice
from estimator.core.notice_table import NoticeTable
from estimator.core.quantities import NamedQuantities
from estimator.core.uncertainty import Uncertain
from estimator.core.units import CENTRAL
from estimator.question.provenance import SourcedNumber


@dataclass(frozen=True, kw_only=True, repr=False)
class Report(NamedQuantities):
    """Result of a question, or of a table with one row per scenario.

    Parameters
    ----------
    question : str
        Type of question: training, inference, items, memory, network or plan.
    quantities : mapping of str to Uncertain
        Quantities by name, which ends in the unit; for a table, arrays with NaN where a row lacks
        it. Unknown quantities are absent.
    level : float
        Probability inside the intervals [1].
    inputs : mapping
        Inputs as used, by name.
    resolved : mapping of str to SourcedNumber, optional
        Numbers that the answer depends on, with unit, basis and source.
    notices : tuple of Notice, or NoticeTable
        Assumptions, and reasons why a quantity is absent; by row for a table.
    errors : mapping of int to Notice
        Row of a table -> reason why it is refused.
    breakdown : mapping of str to mapping
        Quantity -> part -> median, in the unit of the quantity.
    basis : mapping of str to str
        Quantity -> its basis, where bases differ between answers.
    facts : mapping
        Further numbers and words by name; plain numbers are also columns of a table.
    columns : tuple of str
        Inputs and facts that come first in a table row.
    details : mapping
        Details shown only in texts.
    """

    question: str
    quantities: Mapping[str, Uncertain]
    level: float = CENTRAL
    inputs: Mapping[str, Any] = field(default_factory=dict)
    resolved: Mapping[str, SourcedNumber] | None = None
    notices: tuple[Notice, ...] | NoticeTable = ()
    errors: Mapping[int, Notice] = field(default_factory=dict)
    breakdown: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    basis: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def mid(self, name: str) -> float:
        """Return a quantity's median, in the unit of its name."""
        return float(self.quantities[name].mid)

    def bounds(self, name: str) -> dict[str, float]:
        """Return low, mid and high of a quantity, in the unit of its name."""
        return bounds(self.quantities[name], self.level)

    def warnings(self, names: Names) -> tuple[str, ...]:
        """Return the notices as sentences that use the input names of an interface."""
        assert isinstance(self.notices, tuple)
        return rendered(self.notices, names)


def bounds(quantity: Uncertain, level: float) -> dict[str, float]:
    """Return low, mid and high of a single quantity."""
    low, high = quantity.interval(level)
    return {"low": float(low), "mid": float(quantity.mid), "high": float(high)}
