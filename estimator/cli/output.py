"""How do commands print: JSON, CSV, tables for people, and notes on stderr."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pathlib import Path


def print_json(value: object) -> None:
    """Print one JSON value, indented."""
    import json

    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    if printable(text) != text:
        text = json.dumps(value, indent=2, allow_nan=False)
    sys.stdout.write(text + "\n")


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
    *,
    whole: Sequence[str] = (),
) -> None:
    """Print a table for people; the first column left, the others right, `whole` ones unbroken.

    On a terminal too narrow for the columns' words, each row is printed as a list instead.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from estimator.cli.columns import column_widths, lists_text

    header = [printable(name) for name in header]
    whole = [printable(name) for name in whole]
    body = [tuple(printable(cell) for cell in row) for row in rows]
    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else LINE, highlight=False, markup=False, emoji=False)
    widths = column_widths(header, body, console.width, whole) if terminal else [None] * len(header)
    if widths is None:
        sys.stdout.write(printable(lists_text(header, body)))
        return
    table = Table(box=SIMPLE_HEAD, show_header=any(header), pad_edge=False)
    for place, (name, width) in enumerate(zip(header, widths, strict=True)):
        side: Literal["left", "right"] = "right" if place else "left"
        table.add_column(name, justify=side, overflow="fold", no_wrap=name in whole, width=width)
    for row in body:
        table.add_row(*row)
    console.print(table)


LINE = 120
"""Letters of a line that is no terminal's."""


def print_line(text: str = "") -> None:
    """Print one line of the answer."""
    sys.stdout.write(printable(text) + "\n")


PLAIN = str.maketrans({"×": "x", "≥": ">=", "≤": "<=", "µ": "u", "−": "-", "–": "-", "·": "*"})
"""Signs of the answers, as a terminal without them has to show them."""


def printable(text: str) -> str:
    """Text as stdout can show it: where its encoding lacks a sign, the nearest plain one."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(PLAIN).encode(encoding, "replace").decode(encoding)
    return text


def note(text: str, *, quiet: bool = False) -> None:
    """Tell something beside the answer, on stderr."""
    if not quiet:
        sys.stderr.write(f"note: {harmless(text)}\n")


def harmless(text: str) -> str:
    r"""Text without what a terminal obeys: others may have written parts of it.

    >>> harmless("the server warns: \x1b[2Jgone")
    'the server warns: ?[2Jgone'
    """
    return "".join(char if char.isprintable() or char in SPACES else "?" for char in text)


SPACES = "\u00a0\u202f"
"""Spaces that do not count as printable and are in our own texts."""


def note_reasons(reasons: Mapping[str, int], what: str, *, quiet: bool) -> None:
    """Say why designs are missing, the most common reasons first: "3 left out: ..."."""
    common = sorted(reasons.items(), key=lambda item: -item[1])
    for reason, count in common[:SHOWN_REASONS]:
        note(f"{count:,} {what}: {reason}", quiet=quiet)
    if len(common) > SHOWN_REASONS:
        note(f"{len(common) - SHOWN_REASONS:,} more reasons are not shown", quiet=quiet)


SHOWN_REASONS = 5
"""Reasons shown at most [1]."""


def refuse_missing_folder(output: "Path") -> None:
    """Refuse a file to write whose folder is not there, before any work is done for it."""
    if not output.parent.is_dir():
        raise ValueError(f"{output}: there is no folder {output.parent}: make it first")


def error_text(error: ValueError) -> str:
    """Say an error in the words of the command line."""
    if isinstance(error, UnicodeEncodeError):
        signs = ascii(error.object[error.start : error.end])
        return f"stdout in {error.encoding} has no sign for {signs}: set PYTHONIOENCODING=utf-8"
    from estimator.core.messages import reason, render
    from estimator.question.scenario import option_of

    return render(reason(error), option_of)
