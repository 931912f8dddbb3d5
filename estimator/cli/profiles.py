"""`profiles`: the data behind every number."""

import argparse
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from estimator.cli.options import add_output, catalog_of, open_catalog, shape_of
from estimator.core.units import amount, format_range
from estimator.show.terminal import print_shaped

if TYPE_CHECKING:
    from estimator.catalog import Catalog, Record
    from estimator.show.text import Block

COLUMNS = {
    "hardware": ("id", "name", "kind", "released", "aliases"),
    "workloads": ("id", "name", "kind", "year", "aliases"),
    "sites": ("id", "name", "kind", "year", "aliases"),
    "prices": ("device", "provider", "kind", "price_usd_per_h", "date_to", "source"),
    "sources": ("id", "title", "date", "licence"),
}
"""Table -> its columns."""

TABLES = ("hardware", "workloads", "sites", "prices", "priors", "sources")

EXAMPLES = """examples:
  twenty-watts profiles list hardware --search h100
  twenty-watts profiles show h100
  twenty-watts profiles show fr --json
  twenty-watts profiles show power.host_factor
  twenty-watts profiles check --profiles my-profiles
"""


def add_parser(commands: Any) -> None:
    """Add the command with its three verbs."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "profiles",
        help="browse and check the data behind every answer",
        description="Browse devices, workloads, sites and prices. Each number has a unit, source "
        "and date.",
        epilog=EXAMPLES,
    )
    verbs = parser.add_subparsers(title="verbs", metavar="list|show|check", required=True)
    lists = verbs.add_parser("list", help="list the profiles", description="List the profiles.")
    lists.add_argument("table", nargs="?", choices=TABLES, default="hardware")
    lists.add_argument(
        "--search", metavar="TEXT", help="only profiles that match these words, best match first"
    )
    shows = verbs.add_parser(
        "show",
        help="show one profile with its sources",
        description="Show one profile with its sources.",
    )
    shows.add_argument(
        "name",
        help="device, preset, site or source by id or alias, or priors by number or group",
    )
    checks = verbs.add_parser(
        "check", help="validate every profile", description="Check every number in all profiles."
    )
    for verb, function in ((lists, run_list), (shows, run_show), (checks, run_check)):
        add_output(verb, interval=False)
        verb.set_defaults(run=function)


def run_list(options: argparse.Namespace) -> int:
    """Print one table."""
    catalog = catalog_of(options)
    rows = _searched(catalog, options.table, options.search)
    if not rows:
        raise ValueError(f"no {options.table} with {options.search!r}: try `profiles list`")
    rows = [{key: value for key, value in row.items() if key != "aliases"} for row in rows]
    listed = _priors_text if options.table == "priors" else _rows_text
    print_shaped(
        shape_of(options),
        data=lambda: rows,
        rows=lambda: rows,
        text=lambda: listed(rows, catalog),
    )
    return 0


def _rows_text(rows: list[dict[str, Any]], _: "Catalog") -> Iterator["Block"]:
    from estimator.show.text import TextTable

    yield TextTable(header=list(rows[0]), rows=[list(map(str, row.values())) for row in rows])


def _priors_text(rows: list[dict[str, Any]], catalog: "Catalog") -> Iterator["Block"]:
    from estimator.show.text import TextTable

    priors = catalog.priors()
    found = [_for_people(catalog, row["number"], priors[row["number"]])[:4] for row in rows]
    header = ("number", "value", "range", "basis")
    yield TextTable(header=header, rows=found, whole=header)
    yield "For the reason and source of one or a group: profiles show NUMBER"


def run_show(options: argparse.Namespace) -> int:
    """Print one profile, every number with its source."""
    return show(catalog_of(options), options)


def show(catalog: "Catalog", options: argparse.Namespace) -> int:
    """Print one profile of a catalog in the requested format."""
    head, records = _profile(catalog, options.name)
    print_shaped(
        shape_of(options),
        data=lambda: {
            **head,
            "records": {key: _without_blanks(asdict(record)) for key, record in records.items()},
        },
        rows=lambda: [_record_row(catalog, key, record) for key, record in records.items()],
        text=lambda: _profile_text(head, records, catalog),
    )
    return 0


def _profile_text(
    head: dict[str, Any], records: "dict[str, Record]", catalog: "Catalog"
) -> Iterator["Block"]:
    from estimator.show.text import TextTable

    for key, value in head.items():
        yield f"{key}: {_cell_text(value)}"
    if not records:
        return
    header = ("number", "value", "range", "basis", "source", "date")
    yield TextTable(header=header, rows=[_for_people(catalog, *item) for item in records.items()])
    for key, record in records.items():
        remark = "; ".join(filter(None, (record.where, record.note)))
        if remark:
            yield f"{key}: {remark}"
    for name in dict.fromkeys(record.source for record in records.values()):
        source = catalog.source(name)
        known = (source.title, source.publisher, source.url)
        yield f"{name}: {', '.join(filter(None, known))}"


def run_check(options: argparse.Namespace) -> int:
    """Validate every number; print one line per problem."""
    from estimator.catalog.checks import problems

    catalog = open_catalog(options)
    found = problems(catalog)
    counts = {
        "hardware": len(catalog.devices()),
        "workloads": len(catalog.presets()),
        "sites": len(catalog.places()),
        "prices": len(catalog.prices()),
        "priors": len(catalog.priors()),
        "sources": len(catalog.sources()),
        "calibrations": len(catalog.calibrations()),
        "problems": len(found),
    }
    listed = [asdict(problem) for problem in found]
    counted = ", ".join(f"{count} {name}" for name, count in counts.items())
    print_shaped(
        shape_of(options),
        data=lambda: {**counts, "list": listed},
        rows=lambda: listed or [counts],
        text=lambda: [*map(str, found), counted],
    )
    return 1 if found else 0


def _searched(catalog: "Catalog", name: str, text: str | None) -> list[dict[str, Any]]:
    """Return the rows that match a search text, closest first, or all without one."""
    from estimator.catalog.search import search

    rows = _rows(catalog, name)
    if not text:
        return rows
    words = [
        [
            str(word)
            for value in row.values()
            for word in (value if type(value) is tuple else [value])
        ]
        for row in rows
    ]
    return [rows[number] for number in search(text, words)]


def _rows(catalog: "Catalog", name: str) -> list[dict[str, Any]]:
    if name == "priors":
        return [_record_row(catalog, key, record) for key, record in catalog.priors().items()]
    listed: dict[str, Callable[[], Iterable[Any]]] = {
        "hardware": catalog.devices,
        "workloads": catalog.presets,
        "sites": catalog.places,
        "prices": catalog.prices,
        "sources": catalog.sources,
    }
    found = [{key: getattr(record, key) for key in COLUMNS[name]} for record in listed[name]()]
    return [{key: "" if cell is None else cell for key, cell in row.items()} for row in found]


def _profile(catalog: "Catalog", name: str) -> tuple[dict[str, Any], dict[str, "Record"]]:
    """Find a device, preset, site, source or prior by name; return header and records."""
    if catalog.find_device(name) is None:
        if catalog.knows_preset(name):
            preset = catalog.preset(name)
            ran = {f"as_run.{key}": record for key, record in preset.as_run.items()}
            return _head(preset), {**preset.records, **ran}
        if catalog.knows_place(name):
            place = catalog.place(name)
            return _head(place), dict(place.records)
        if catalog.knows_source(name):
            return _head(catalog.source(name)), {}
        priors = {
            key: record
            for key, record in catalog.priors().items()
            if f"{key}.".startswith(f"{name}.")
        }
        if priors:
            return {}, priors
    device = catalog.device(name)  # one that is unknown is refused, with devices of a like name
    peaks = {f"peak_flop_per_s.{key}": record for key, record in device.peaks.items()}
    return _head(device), {**peaks, **device.records}


def _head(profile: Any) -> dict[str, Any]:
    """Return the fields of a profile other than its records."""
    known = _without_blanks(asdict(profile))
    return {key: known[key] for key in known if key not in ("peaks", "records", "as_run")}


def _record_row(catalog: "Catalog", key: str, record: "Record") -> dict[str, Any]:
    source = catalog.source(record.source)
    return {
        "number": key,
        "value": f"{record.value:.6g}",
        "unit": record.unit,
        "range": _range(record),
        "basis": record.basis,
        "source": source.title,
        "date": record.date or source.date,
    }


def _for_people(catalog: "Catalog", key: str, record: "Record") -> tuple[str, ...]:
    """Record as a table row in human units."""
    source = catalog.source(record.source)
    low = None if record.low is None else amount(record.low, record.unit)
    high = None if record.high is None else amount(record.high, record.unit)
    value = amount(record.value, record.unit)
    return key, value, _span(low, high), record.basis, record.source, record.date or source.date


def _span(low: str | None, high: str | None) -> str:
    """Format a range; a missing end is open."""
    if low is None:
        return "" if high is None else f"up to {high}"
    return f"from {low}" if high is None else format_range(low, high)


def _cell_text(value: object) -> str:
    """Format a header value: names with commas, an architecture as JSON."""
    import json

    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _range(record: "Record") -> str:
    """Format the range of a record; a missing end is open."""
    low = None if record.low is None else f"{record.low:.6g}"
    high = None if record.high is None else f"{record.high:.6g}"
    return _span(low, high)


def _without_blanks(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if value not in (None, "", ())}
