"""Is every measured power sound: its source, device, meter and number."""

from collections.abc import Iterator
from functools import partial

from estimator.catalog.catalog import Catalog
from estimator.catalog.records import Problem
from estimator.catalog.row_checks import CellProblems, Row, row_problems, word_problems

FILE = "runs/power_facts.csv"

SCOPES = ("devices", "parts", "node")
"""What a meter saw: the devices; with processors and memory; all of the node."""


def power_fact_problems(catalog: Catalog) -> Iterator[Problem]:
    """Visit every row."""
    known = {source.id for source in catalog.sources()}
    check = partial(_cell_problems, catalog, known)
    yield from row_problems(FILE, catalog.power_facts(), check)


def _cell_problems(catalog: Catalog, known: set[str], row: Row) -> CellProblems:
    yield from word_problems(row, "source", known, "source")
    yield from word_problems(row, "scope", SCOPES, "scope")
    if catalog.find_device(row["hardware"]) is None:
        yield "hardware", f"unknown device {row['hardware']!r}", "name one on record"
        return
    limit = catalog.device(row["hardware"]).records["tdp_w"].value
    if not 0.1 * limit < float(row["power_w"]) < 3 * limit:
        yield "power_w", "not within 0.1 to 3 times the power limit", "give it for one device"
