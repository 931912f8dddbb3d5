"""How do commands print: JSON, CSV, tables for people, and notes on stderr."""

import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal


def print_json(value: object) -> None:
    """Print one JSON value, indented."""
    import json

    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def print_csv(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print rows under the union of their keys, in the order in which they appear."""
    import csv

    listed = list(rows)
    columns = list(dict.fromkeys(key for row in listed for key in row))
    writer = csv.DictWriter(sys.stdout, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(listed)


def print_table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    title: str = "",
    *,
    whole: Sequence[str] = (),
) -> None:
    """Print a table for people; the first column left, the others right, `whole` ones unbroken.

    On a terminal too narrow for the columns' words, each row is printed as a list instead.
    """
    from estimator.cli.table_text import table_text

    body, line = [tuple(row) for row in rows], _line()
    if sys.stdout.isatty():
        width = line[0] if line else shutil.get_terminal_size().columns
        text = _for_terminal(header, body, title, width=width, whole=whole)
    else:
        text = line and table_text(header, body, title, width=line[0], whole=whole)
    if text:
        sys.stdout.write(text)
    else:
        _print_by_rich(header, body, title, whole)


def _for_terminal(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    title: str,
    *,
    width: int,
    whole: Sequence[str],
) -> str | None:
    """Lay out a table on a terminal, or as lists where it is too narrow; None is for rich."""
    from estimator.cli.table_text import lists_text, needed_width, terminal_text

    if needed_width(header, rows, whole) > width:
        return lists_text(header, rows, title)
    if _line() is None:
        return None
    return terminal_text(header, rows, title, width=width, whole=whole)


LINE = 120
"""Letters of a line that is no terminal's."""


def _line() -> tuple[int, bool] | None:
    """Letters of a line, and whether it may be styled; None where rich finds that out."""
    encoding = (sys.stdout.encoding or "utf-8").lower()
    forced = {"FORCE_COLOR", "TTY_COMPATIBLE"} & set(os.environ)
    if sys.platform == "win32" or forced or not encoding.startswith("utf"):
        return None
    if not sys.stdout.isatty():
        return LINE, False
    if "COLUMNS" in os.environ or os.environ.get("TERM", "").lower() in ("dumb", "unknown"):
        return None
    for stream in (0, 1, 2):
        with suppress(OSError):
            columns = os.get_terminal_size(stream).columns
            return (columns, True) if columns else None
    return None


def _print_by_rich(
    header: Sequence[str], rows: Sequence[Sequence[str]], title: str, whole: Sequence[str]
) -> None:
    """Print a table that is beyond `table_text`."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False)
    for place, name in enumerate(header):
        side: Literal["left", "right"] = "right" if place else "left"
        table.add_column(name, justify=side, overflow="fold", no_wrap=name in whole)
    for row in rows:
        table.add_row(*row)
    width = None if sys.stdout.isatty() else LINE
    console = Console(width=width, highlight=False, markup=False, emoji=False)
    console.print(table)


def print_line(text: str = "") -> None:
    """Print one line of the answer."""
    sys.stdout.write(text + "\n")


def note(text: str, *, quiet: bool = False) -> None:
    """Tell something beside the answer, on stderr."""
    if not quiet:
        sys.stderr.write(f"note: {text}\n")


def note_reasons(reasons: Mapping[str, int], what: str, *, quiet: bool) -> None:
    """Say why designs are missing, the most common reasons first: "3 left out: ..."."""
    common = sorted(reasons.items(), key=lambda item: -item[1])
    for reason, count in common[:SHOWN_REASONS]:
        note(f"{count:,} {what}: {reason}", quiet=quiet)
    if len(common) > SHOWN_REASONS:
        note(f"{len(common) - SHOWN_REASONS:,} more reasons are not shown", quiet=quiet)


SHOWN_REASONS = 5
"""Reasons shown at most [1]."""


def error_text(error: ValueError) -> str:
    """Say an error in the words of the command line."""
    from estimator.core.messages import reason, render
    from estimator.scenario.scenario import option_of

    return render(reason(error), option_of)
