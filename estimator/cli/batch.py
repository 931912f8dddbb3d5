"""`batch`: a table of scenarios, one result row per input row."""

import argparse
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, TextIO

from estimator.cli.options import add_calibration, add_profiles, catalog_of, level_of
from estimator.core.units import rows_text
from estimator.question.scenario import INPUTS, NOT_READ, column_of
from estimator.show.terminal import note

if TYPE_CHECKING:
    from pathlib import Path

    from estimator.show.csv_table import Counts

TABLE_TEXT: Any = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
"""Encoding of tables; invalid UTF-8 bytes are preserved."""

DASH = "-"
"""Name of the standard input or output."""

OTHER_TABLES = (".json", ".jsonl", ".ods", ".parquet", ".xls", ".xlsx")
"""Suffixes of table formats other than CSV."""

PATIENCE_S = 2.0
"""Silence of a pipe before a notice [s]."""

SHOWN = 5
"""Most devices named in the summary."""

EXAMPLES = """examples:
  twenty-watts batch runs.csv -o estimates.csv
  twenty-watts batch runs.csv -o - --interval 0.9 | head
  twenty-watts batch servers.csv -o served.csv --task serving
  sqlite3 -csv -header runs.db "select * from runs" | twenty-watts batch - -o -
"""

COLUMNS = """columns (a device and a workload are required):
{training}
columns with --task serving (a device and a model are required):
{serving}
Cells may be separated by commas, semicolons or tabs, and numbers may have decimal commas; the
output uses the same format. Numbers may be written 7e9, 7B, 300k. Other columns are copied to the
output. accelerator_hours, if given, replaces the predicted duration. A row that cannot be estimated
gets the reason in its column `error` and does not affect other rows.
"""


def _columns() -> str:
    """Return the column names of a table, for the help."""
    from textwrap import fill

    from estimator.inference.question import COLUMNS as SERVING

    def listed(names: Iterable[str]) -> str:
        return fill(" ".join(names), 98, initial_indent="  ", subsequent_indent="  ")

    training = (column_of(name) for name in INPUTS if name not in NOT_READ)
    return COLUMNS.format(training=listed(training), serving=listed(SERVING))


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "batch",
        help="estimate a table of scenarios, one result row per input row",
        description="Estimate every row of a CSV table. Memory use does not grow with the table.",
        epilog=EXAMPLES + _columns(),
    )
    parser.add_argument(
        "table", metavar="IN.csv", help="input table with a header row; - for stdin"
    )
    parser.add_argument(
        "-o", "--output", metavar="OUT.csv", required=True, help="output table, or - for stdout"
    )
    parser.add_argument(
        "--task",
        choices=("training", "serving"),
        default="training",
        help="what the rows describe (default: training)",
    )
    parser.add_argument(
        "--interval",
        metavar="P",
        help="probability that an interval covers the true value (default: 0.8)",
    )
    add_calibration(parser, "runs on these devices")
    parser.add_argument(
        "--carbon-profile",
        metavar="FILE",
        help="CSV file of hourly carbon intensities for rows without grid_kg_per_kwh; runs start "
        "in its first hour",
    )
    parser.add_argument("--quiet", action="store_true", help="print no progress and no summary")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="print the summary as JSON on stdout")
    shape.add_argument(
        "--csv", action="store_true", help="write the table as CSV (the default and only format)"
    )
    add_profiles(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Estimate every row; the output appears only when complete."""
    from pathlib import Path

    from estimator.cli.serve_cost import calibration_of
    from estimator.question.csv_dialect import Dialect
    from estimator.show.csv_table import estimate_csv, serve_csv
    from estimator.show.terminal import print_json

    level = level_of(options)
    source = Path(options.table)
    _check_output(options.output, json=options.json)
    with (
        _opened(source, quiet=options.quiet) as lines,
        _written_whole(options.output, source) as whole,
    ):
        show = not options.quiet and sys.stderr.isatty() and options.table != DASH
        with _progress(source, lines, show=show) as seen:
            catalog, dialect = catalog_of(options), Dialect(seen)
            table, out = dialect.lines, dialect.writer(whole)
            if options.task == "serving":
                measured = calibration_of(options, catalog)
                counts = serve_csv(table, out, catalog, level=level, calibration=measured)
            else:
                counts = estimate_csv(
                    table,
                    out,
                    catalog,
                    level=level,
                    calibrated=options.calibration == "use",
                    carbon_profile=options.carbon_profile or "",
                )
    if options.json:
        print_json(vars(counts))
    for line in (*counts.notes, _text_of(counts)):
        note(line, quiet=options.quiet or options.json)
    return 0


def _check_output(output: str, *, json: bool) -> None:
    """Refuse an unsuitable output name before the work starts."""
    from pathlib import Path

    from estimator.cli.options import refuse_missing_folder

    if output == DASH and json:
        raise ValueError("-o - writes the table to stdout: omit --json or name a file")
    if output != DASH:
        refuse_missing_folder(Path(output))
    if Path(output).suffix.lower() in OTHER_TABLES:
        raise ValueError(f"{output}: the output is CSV, so its name must end in .csv")


def _text_of(counts: "Counts") -> str:
    """Return the number of rows answered, and the devices with measured runs."""
    text = f"{rows_text(counts.rows)}: {counts.answered:,} estimated, {counts.refused:,} refused"
    text += " (see the column `error`)" if counts.refused else ""
    if used := counts.calibrated:
        some = ", ".join(used[:SHOWN]) + (" ..." if len(used) > SHOWN else "")
        text += f"; measured runs of {some} are used: --calibration ignore leaves them out"
    return text


@contextmanager
def _opened(source: "Path", *, quiet: bool) -> Iterator[TextIO]:
    """Open the table; rows with invalid UTF-8 are refused individually."""
    if source.is_dir():
        raise ValueError(f"{source} is a directory: pass a CSV file")
    piped = str(source) == DASH
    if piped and sys.stdin is None:
        raise ValueError("stdin is closed: pipe a table in, or pass its path")
    with _waiting("stdin" if piped else str(source), quiet=quiet):
        raw: Any = sys.stdin.buffer if piped else source.open("rb")
        mark = raw.peek(2)[:2]
    with nullcontext() if piped else raw:
        if mark in (b"\xff\xfe", b"\xfe\xff"):
            yield TextIOWrapper(raw, encoding="utf-16", errors="replace", newline="")
        else:
            yield TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="")


@contextmanager
def _waiting(name: str, *, quiet: bool) -> Iterator[None]:
    """Print a notice if a pipe stays silent, as its writer may be slow or gone."""
    from threading import Timer

    waiting = f"waiting for {name}, nothing received so far; Ctrl-C stops"
    timer = Timer(PATIENCE_S, note, (waiting,), {"quiet": quiet})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def _written_whole(output: str, source: "Path") -> Iterator[TextIO]:
    """Write to a draft and move it into place at the end, or leave nothing behind.

    A pipe or device is written directly.
    """
    from pathlib import Path

    if output == DASH:
        yield sys.stdout
        return
    target = Path(output).resolve()
    if target.exists() and source.exists() and target.samefile(source):
        raise ValueError(f"{output} is the input file: choose another output file")
    if target.is_dir():
        raise ValueError(f"{output} is a directory: choose an output file")
    if target.exists() and not target.is_file():
        with target.open("w", **TABLE_TEXT) as out:
            yield out
        return
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with _at(output), draft.open("w", **TABLE_TEXT) as out:
            yield out
        if target.exists():
            draft.chmod(target.stat().st_mode & 0o777)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _at(output: str) -> Iterator[None]:
    """Name the requested file in errors of its draft."""
    try:
        yield
    except OSError as error:
        if error.filename is None or str(error.filename).endswith(".part"):
            raise ValueError(f"{output}: {error.strerror or error}") from None
        raise


@contextmanager
def _progress(source: "Path", lines: TextIO, *, show: bool) -> Iterator[Iterator[str]]:
    """Pass the lines on, with a progress bar on a terminal."""
    from estimator.question.csv_records import lines_of

    if not show:
        yield lines_of(lines)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn(source.name),
        BarColumn(),
        TextColumn("{task.percentage:.0f}%"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=source.stat().st_size)

        def advanced() -> Iterator[str]:
            for number, line in enumerate(lines_of(lines)):
                bar.advance(task, len(line))
                yield line
                if number % 100_000 == 0:
                    bar.refresh()

        yield advanced()
