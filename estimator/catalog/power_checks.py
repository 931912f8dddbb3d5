"""Is every measured power sound: its source, device, meter and number."""

from collections.abc import Iterator

from estimator.catalog.catalog import Catalog
from estimator.catalog.records import Problem, offer

FILE = "runs/power_facts.csv"

SCOPES = ("devices", "parts", "node")
"""What a meter saw: the devices; with processors and memory; all of the node."""


def power_fact_problems(catalog: Catalog) -> Iterator[Problem]:
    """Visit every row."""
    known = {source.id for source in catalog.sources()}
    for line, row in enumerate(catalog.power_facts(), start=2):
        for key, message, remedy in _row_problems(row, catalog, known):
            yield Problem(file=FILE, key=f"line {line}, {key}", message=message, remedy=remedy)


def _row_problems(
    row: dict[str, str], catalog: Catalog, known: set[str]
) -> Iterator[tuple[str, str, str]]:
    """Yield column, message and remedy."""
    if row["source"] not in known:
        yield "source", f"unknown source {row['source']!r}", offer(row["source"], sorted(known))
    if row["scope"] not in SCOPES:
        yield "scope", f"unknown scope {row['scope']!r}", offer(row["scope"], SCOPES)
    if catalog.find_device(row["hardware"]) is None:
        yield "hardware", f"unknown device {row['hardware']!r}", "name one on record"
        return
    limit = catalog.device(row["hardware"]).records["tdp_w"].value
    if not 0.1 * limit < float(row["power_w"]) < 3 * limit:
        yield "power_w", "not within 0.1 to 3 times the power limit", "give it for one device"
