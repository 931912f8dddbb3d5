"""Numbers of a claim, as quantities with ranges."""

from dataclasses import dataclass

from estimator.catalog import Catalog, Record
from estimator.catalog.claim_records import ClaimRecord
from estimator.core.uncertainty import Uncertain, spread_between


@dataclass(frozen=True)
class Facts:
    """Numbers for a recomputation: the claim's own, and the catalog."""

    claim: ClaimRecord
    catalog: Catalog

    def __getitem__(self, key: str) -> float:
        """Return the value of one fact, in its own unit."""
        return self.claim.facts[key].value

    def most(self, key: str) -> float:
        """Return the upper end of a fact's range."""
        record = self.claim.facts[key]
        return record.value if record.high is None else record.high

    def uncertain(self, key: str) -> Uncertain:
        """Return a fact with its range as an interval."""
        return as_uncertain(self.claim.facts[key], key)

    @property
    def claimed(self) -> float:
        """Number as claimed, in the unit of the claim."""
        return self.claim.claimed.value


def as_uncertain(record: Record, source: str) -> Uncertain:
    """Convert a record with its range; a missing bound equals the value."""
    low = record.value if record.low is None else record.low
    high = record.value if record.high is None else record.high
    if low == high:
        return Uncertain(record.value)
    if record.low is None or record.high is None:
        return spread_between(low, high, source)
    return spread_between(low, high, source, mid=record.value)
