"""`claims`: claims about the limits of deep learning, recomputed."""

import argparse
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from estimator.cli.options import add_output, catalog_of, shape_of
from estimator.core.units import format_range, human_quantity
from estimator.show.terminal import print_shaped

if TYPE_CHECKING:
    from estimator.show.text import Block
    from estimator.studies.claims.finding import Claim
    from estimator.studies.claims.verdict import Interval

EXAMPLES = """examples:
  twenty-watts claims
  twenty-watts claims gpt3-v100
  twenty-watts claims alphago-lee --json
  twenty-watts claims --csv
"""

VERDICTS = {
    "holds": "holds",
    "holds-if": "true under an assumption",
    "cannot-be-checked": "cannot be checked",
}


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "claims",
        help="recompute claims about the limits of deep learning",
        description="Recompute claims about the limits of deep learning, made in lectures, and "
        "give each a verdict based on the numbers, with sources and intervals.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "id", nargs="?", metavar="ID", help="claim to show with its formula and sources"
    )
    add_output(parser, interval=False)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Recompute one claim, or all."""
    from estimator.studies.claims.ledger import claim, claims

    catalog = catalog_of(options)
    found = claims(catalog) if options.id is None else [claim(options.id, catalog)]
    alone = options.id is not None
    print_shaped(
        shape_of(options),
        data=lambda: found[0].as_json() if alone else [claim.as_json() for claim in found],
        rows=lambda: map(_row, found),
        text=lambda: _argument(found[0]) if alone else _overview(found),
    )
    return 0


def _row(one: "Claim") -> dict[str, Any]:
    """Return a claim's machine-readable row."""
    record, interval = one.record, one.interval
    return {
        "id": record.id,
        "as_told": record.as_told,
        "told": record.claimed.value,
        "relation": record.relation,
        "quantity": record.quantity,
        "unit": record.unit,
        **vars(interval),
        "verdict": one.verdict,
        "factor": one.factor,
        "why": " ".join(str(phrase) for phrase in one.reasons()),
        "primary_sources": ", ".join(record.sources),
        "link": one.link,
    }


def _cells(one: "Claim") -> tuple[str, ...]:
    """Return a claim's table row, for people."""
    unit = one.record.unit
    mid, claimed = (human_quantity(x, unit) for x in (one.interval.mid, one.record.claimed.value))
    prefix = {"equal": "", "at least": "≥ ", "at most": "≤ "}[one.record.relation]
    return one.record.id, prefix + claimed, mid, _range(one.interval, unit), _verdict(one)


def _overview(found: Iterable["Claim"]) -> Iterator["Block"]:
    """Print all claims as a table."""
    from estimator.show.text import TextTable

    header = ("claim", "as claimed", "recomputed", "80% interval", "verdict")
    yield TextTable(header=header, rows=[_cells(claim) for claim in found], whole=("claim",))
    yield "For the formula and sources of a claim: twenty-watts claims ID"


def _argument(one: "Claim") -> Iterator["Block"]:
    """Print one claim with formula, verdict and sources."""
    from estimator.show.text import TextTable

    record = one.record
    speakers = "; ".join(source.title for source in one.claimed_by)
    yield f"{record.title}: {_verdict(one)}"
    yield ""
    yield f"Claim: {record.as_told}. ({speakers})"
    _, claimed, mid, interval, _ = _cells(one)
    yield f"Compared: {record.quantity}: claimed {claimed}, recomputed {mid} ({interval})"
    yield f"Formula: {one.formula}"
    yield ""
    for phrase in one.reasons():
        yield str(phrase)
    rows = [
        (
            figure.name,
            human_quantity(figure.interval.mid, figure.unit),
            _range(figure.interval, figure.unit),
        )
        for figure in one.finding.figures
    ]
    if rows:
        yield TextTable(header=("", "median", "80% interval"), rows=rows)
    for source in one.sources:
        yield f"Source: {source.title}{', ' + source.url if source.url else ''}"
    yield f"The same in the app: twenty-watts app --open '{one.link}'"


def _range(interval: "Interval", unit: str) -> str:
    low, high = (human_quantity(bound, unit) for bound in (interval.low, interval.high))
    return "given" if low == high else format_range(low, high)


def _verdict(one: "Claim") -> str:
    """Describe the verdict."""
    return VERDICTS.get(one.verdict, one.verdict_text)
