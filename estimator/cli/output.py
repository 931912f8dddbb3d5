"""How do commands print: JSON, CSV, tables for people, and notes on stderr."""

import sys
from collections.abc import Iterable, Mapping, Sequence
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
    """Print a table for people; the first column left, the others right, `whole` ones unbroken."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False)
    for place, name in enumerate(header):
        side: Literal["left", "right"] = "right" if place else "left"
        table.add_column(name, justify=side, overflow="fold", no_wrap=name in whole)
    for row in rows:
        table.add_row(*row)
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False, markup=False)
    console.print(table)


def print_line(text: str = "") -> None:
    """Print one line of the answer."""
    sys.stdout.write(text + "\n")


def note(text: str, *, quiet: bool = False) -> None:
    """Tell something beside the answer, on stderr."""
    if not quiet:
        sys.stderr.write(f"note: {text}\n")


def error_text(error: ValueError) -> str:
    """Say an error in the words of the command line."""
    from estimator.core.messages import reason, render
    from estimator.scenario.scenario import option_of

    return render(reason(error), option_of)
