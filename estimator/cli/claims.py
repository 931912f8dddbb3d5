"""`claims`: claims about the limits of deep learning, recomputed."""

import argparse
from typing import TYPE_CHECKING, Any

from estimator.cli.options import add_output, catalog_of
from estimator.core.units import human_quantity, joined
from estimator.show.terminal import print_csv, print_json, print_line, print_table

if TYPE_CHECKING:
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
    "holds-if": "holds under an assumption",
    "cannot-be-checked": "cannot be checked",
}


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "claims",
        help="claims on the limits of deep learning, recomputed",
        description="Recompute claims about the limits of deep learning from lectures, with "
        "sources, intervals and a verdict that follows from the numbers.",
        epilog=EXAMPLES,
    )
    parser.add_argument("id", nargs="?", metavar="ID", help="one claim, with its formula")
    add_output(parser, interval=False)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Recompute one claim, or all."""
    from estimator.studies.claims.ledger import claim, claims

    catalog = catalog_of(options)
    found = claims(catalog) if options.id is None else [claim(options.id, catalog)]
    if options.json:
        rows = [one.as_json() for one in found]
        print_json(rows if options.id is None else rows[0])
    elif options.csv:
        print_csv([_row(one) for one in found])
    elif options.id is None:
        header = ("claim", "as claimed", "recomputed", "80% interval", "verdict")
        print_table(header, [_cells(one) for one in found], whole=("claim",))
        print_line("One of them with its formula and sources: twenty-watts claims ID")
    else:
        _print_one(found[0])
    return 0


def _row(one: "Claim") -> dict[str, Any]:
    """Machine-readable row of a claim."""
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
    """Table row of a claim, for people."""
    unit = one.record.unit
    mid, claimed = (human_quantity(x, unit) for x in (one.interval.mid, one.record.claimed.value))
    prefix = {"equal": "", "at least": "≥ ", "at most": "≤ "}[one.record.relation]
    return one.record.id, prefix + claimed, mid, _range(one.interval, unit), _verdict(one)


def _print_one(one: "Claim") -> None:
    """Print the whole argument."""
    record = one.record
    speakers = "; ".join(source.title for source in one.claimed_by)
    print_line(f"{record.title}: {_verdict(one)}")
    print_line()
    print_line(f"Claim: {record.as_told}. ({speakers})")
    _, claimed, mid, interval, _ = _cells(one)
    print_line(f"Compared: {record.quantity}: claimed {claimed}, recomputed {mid} ({interval})")
    print_line(f"Formula: {one.formula}")
    print_line()
    for phrase in one.reasons():
        print_line(str(phrase))
    rows = [
        (
            figure.name,
            human_quantity(figure.interval.mid, figure.unit),
            _range(figure.interval, figure.unit),
        )
        for figure in one.finding.figures
    ]
    if rows:
        print_table(("", "median", "80% interval"), rows)
    for source in one.sources:
        print_line(f"Source: {source.title}{', ' + source.url if source.url else ''}")
    print_line(f"The same in the app: twenty-watts app --open '{one.link}'")


def _range(interval: "Interval", unit: str) -> str:
    low, high = (human_quantity(bound, unit) for bound in (interval.low, interval.high))
    return "exact" if low == high else joined(low, high)


def _verdict(one: "Claim") -> str:
    """Verdict as text."""
    return VERDICTS.get(one.verdict, one.verdict_text)
