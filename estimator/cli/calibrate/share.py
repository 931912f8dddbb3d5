"""`calibrate export` and `forget`: measured runs out of the store."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from estimator.cli.options import add_profiles, catalog_of, refuse_missing_folder
from estimator.show.terminal import harmless, note
from estimator.system.whole_files import write_whole

if TYPE_CHECKING:
    from estimator.catalog import Catalog
    from estimator.runs import Store
    from estimator.runs.record import MeasuredRun

EXPORT = """examples:
  twenty-watts calibrate export -o mine.toml
  twenty-watts calibrate export --hardware h100 > h100.toml
The file contains the measurements of each run, a general description of the host, and profiles of
measured devices that are not built in. Check its labels and notes before sharing it.
"""
LISTED = 20
"""Most runs listed before deletion."""

FORGET = """examples:
  twenty-watts calibrate forget 20261121T050924Z-7f3a9c01
  twenty-watts calibrate forget --hardware h100 --yes
The runs are first saved to a file, without their individual samples; `calibrate import` restores
them from it.
"""


def add_parser(verbs: Any) -> None:
    """Add the two verbs."""
    exports = _verb(
        verbs, "export", "export measured runs to a file that can be shared", EXPORT, run_export
    )
    exports.add_argument("--hardware", metavar="NAME", help="export only runs on this device")
    exports.add_argument(
        "-o", "--output", metavar="FILE.toml", default="-", help="file to write (default: stdout)"
    )
    forgets = _verb(verbs, "forget", "drop measured runs", FORGET, run_forget)
    which = forgets.add_mutually_exclusive_group(required=True)
    which.add_argument("ids", metavar="ID", nargs="*", default=[], help="runs, by id")
    which.add_argument("--hardware", metavar="NAME", help="all runs on this device")
    which.add_argument("--all", action="store_true", help="all runs")
    forgets.add_argument("--yes", action="store_true", help="do not ask for confirmation")


def _verb(verbs: Any, name: str, what: str, examples: str, run: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=what,
        description=f"{what[0].upper()}{what[1:]}.",
        epilog=examples,
    )
    parser.add_argument("--quiet", action="store_true", help="print no notes on stderr")
    add_profiles(parser)
    parser.set_defaults(run=run)
    return parser


def run_export(options: argparse.Namespace) -> int:
    """Write finished runs as TOML."""
    from pathlib import Path

    from estimator.runs import read_runs

    if options.output != "-":
        refuse_missing_folder(Path(options.output))
    catalog = catalog_of(options)
    runs, notes = read_runs()
    for line in notes:
        note(line, quiet=options.quiet)
    chosen = _chosen(runs, options.hardware, catalog)
    over = [run for run in chosen if run.state != "running"]
    if not over:
        raise ValueError("no measured run matches; `calibrate show` lists all")
    text = _overlay_text([_without_paths(run) for run in over])
    if options.output == "-":
        sys.stdout.write(text)
    else:
        write_whole(Path(options.output), text.encode())
    going = len(chosen) - len(over)
    left = f"; {going} left out: still running" if going else ""
    note(f"{_count(len(over), 'run')} exported{left}", quiet=options.quiet)
    return 0


def run_forget(options: argparse.Namespace) -> int:
    """Delete runs after writing them to a file that can restore them."""
    import json
    from datetime import UTC, datetime

    from estimator.runs import data_directory, open_store, store_path

    catalog = catalog_of(options)
    if not store_path().exists():
        raise ValueError("there are no measured runs to forget")
    with open_store() as store:
        runs, damaged = _to_forget(store, options, catalog)
        ids = [*(run.id for run in runs), *damaged]
        _ask(runs, len(ids), sure=options.yes)
        kept = data_directory() / f"forgotten-{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}-{os.getpid()}"
        undo, rest = kept.with_suffix(".toml"), kept.with_suffix(".json")
        if runs:
            write_whole(undo, _overlay_text(runs).encode())
        if damaged:
            write_whole(rest, f"{json.dumps(damaged, indent=2)}\n".encode())
        try:
            count = store.forget(ids)
        except BaseException:
            undo.unlink(missing_ok=True)
            rest.unlink(missing_ok=True)
            raise
        notes = list(store.notes)
    for line in () if damaged else notes:
        note(line, quiet=options.quiet)
    bring_back = [f"undo with: twenty-watts calibrate import {undo}"] if runs else []
    bring_back += [f"unreadable records are kept in {rest}"] if damaged else []
    note(f"{_count(count, 'run')} forgotten; {'; '.join(bring_back)}", quiet=options.quiet)
    return 0


def _to_forget(
    store: "Store", options: argparse.Namespace, catalog: "Catalog"
) -> "tuple[list[MeasuredRun], dict[str, str]]":
    """Return the runs to delete, and the records of unreadable ones."""
    damaged = store.unreadable() if options.hardware is None else {}
    if options.ids:
        ids = dict.fromkeys(options.ids)
        runs = [store.run(run_id) for run_id in ids if run_id not in damaged]
        return runs, {run_id: damaged[run_id] for run_id in ids if run_id in damaged}
    runs = _chosen(store.runs(), options.hardware, catalog)
    if not (runs or damaged):
        raise ValueError("no such run; `calibrate show` lists all")
    return runs, damaged


def _chosen(
    runs: "Sequence[MeasuredRun]", hardware: str | None, catalog: "Catalog"
) -> "list[MeasuredRun]":
    from estimator.calibration.devices import runs_of

    return list(runs if hardware is None else filter(runs_of(hardware, catalog), runs))


def _ask(runs: "Sequence[MeasuredRun]", count: int, *, sure: bool) -> None:
    """Ask for confirmation on a terminal; elsewhere require the option."""
    from estimator.cli.calibrate.show import label_of

    what = _count(count, "run")
    if sure:
        return
    if not sys.stdin.isatty():
        raise ValueError(f"this would delete {what}; confirm with --yes")
    for run in runs[:LISTED]:
        sys.stderr.write(harmless(f"{run.id}  {run.started}  {label_of(run)}") + "\n")
    sys.stderr.write(f"Forget {what}? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ValueError("nothing forgotten")


def _overlay_text(runs: "Sequence[MeasuredRun]") -> str:
    """Write runs with the measured profiles of their devices."""
    from estimator.catalog.measured_profiles import kept_profiles, kept_sources
    from estimator.catalog.shared_runs import overlay_text
    from estimator.catalog.toml_files import LARGEST_BYTES

    used = {device.hardware for run in runs for device in run.devices}
    profiles = {name: table for name, table in kept_profiles().items() if name in used}
    named = {
        source
        for table in profiles.values()
        for record in (*table.values(), *table.get("peak_flop_per_s", {}).values())
        if isinstance(record, dict)
        for source in (record.get("source"), *record.get("sources", ()))
    }
    sources = {name: table for name, table in kept_sources().items() if name in named}
    text = overlay_text(runs, profiles, sources)
    if len(text.encode()) > LARGEST_BYTES:
        raise ValueError(
            f"{len(runs):,} runs exceed the import limit of {LARGEST_BYTES / 1e6:.0f} MB; "
            "select a device with --hardware"
        )
    return text


def _without_paths(run: "MeasuredRun") -> "MeasuredRun":
    """Run without folder names in its notes, which may contain the user's name."""
    from pathlib import Path

    from estimator.runs import data_directory

    places = {str(data_directory()): "$TWENTY_WATTS_DATA", str(Path.home()): "~"}
    notes = []
    for line in run.notes:
        for place, word in places.items():
            if len(place) > 1:
                line = line.replace(place, word)
        notes.append(line)
    return replace(run, notes=tuple(notes))


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
