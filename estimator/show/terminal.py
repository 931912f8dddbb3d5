"""Terminal output: data on stdout, notes on stderr."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, repeat, zip_longest
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from estimator.answer.report import Report
    from estimator.core.messages import Names
    from estimator.core.notice import Notice
    from estimator.core.uncertainty import Uncertain
    from estimator.show.text import Block


def print_report(
    report: "Report",
    names: "Names",
    shape: str,
    *,
    quiet: bool = False,
    verbose: bool = False,
) -> None:
    """Print a report, with the most important notices on stderr unless it is JSON.

    Parameters
    ----------
    report : Report
    names : function
        Returns the option of an input.
    shape : str
        Output format: json, csv or text.
    quiet, verbose : bool
        Whether to print no notices, or all.
    """
    from estimator.show.text import as_text
    from estimator.show.values import as_json, as_rows

    print_shaped(
        shape,
        data=lambda: as_json(report, names),
        rows=lambda: as_rows(report, names),
        text=lambda: as_text(report, names),
    )
    if shape == "json":
        return
    assert isinstance(report.notices, tuple)
    print_notices(report.notices, names, quantities=report.quantities, quiet=quiet, verbose=verbose)


def print_shaped(
    shape: str,
    *,
    data: Callable[[], object],
    rows: Callable[[], Iterable[Mapping[str, Any]]],
    text: "Callable[[], Iterable[Block]]",
) -> None:
    """Print an answer in the shape asked for: json, csv or text; only that one is made."""
    if shape == "json":
        print_json(data())
    elif shape == "csv":
        print_csv(rows())
    else:
        print_blocks(text())


def print_notices(
    notices: "Iterable[Notice]",
    names: "Names",
    *,
    quantities: "Mapping[str, Uncertain] | None" = None,
    quiet: bool = False,
    verbose: bool = False,
) -> None:
    """Print the most important notices and the number of others, or all if verbose."""
    from estimator.core.messages import rendered
    from estimator.show.notices import by_weight, first_lines

    lines = rendered(tuple(by_weight(notices, quantities)), names)
    for line in first_lines(lines, verbose=verbose):
        note(line, quiet=quiet)


def print_blocks(blocks: "Iterable[Block]") -> None:
    """Print lines and tables."""
    for block in blocks:
        if isinstance(block, str):
            print_line(block)
        else:
            print_table(block.header, block.rows, whole=block.whole)


def print_json(value: object) -> None:
    """Print one JSON value, indented."""
    import json

    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    if printable(text) != text:
        text = json.dumps(value, indent=2, allow_nan=False)
    sys.stdout.write(text + "\n")


def print_csv(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print rows under the union of their keys, in order of appearance."""
    import csv

    from estimator.system.formula_cells import without_formula

    listed = list(rows)
    columns = list(dict.fromkeys(key for row in listed for key in row))
    writer = csv.DictWriter(sys.stdout, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: without_formula(cell) for key, cell in row.items()} for row in listed)


def print_table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    whole: Sequence[str] = (),
) -> None:
    """Print a table with the first column left-aligned and `whole` ones unwrapped.

    On a terminal too narrow for the words, each row is printed as a list.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

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
"""Line length outside a terminal [character]."""


def print_line(text: str = "") -> None:
    """Print one line of the answer."""
    sys.stdout.write(printable(text) + "\n")


PLAIN = str.maketrans({"×": "x", "≥": ">=", "≤": "<=", "µ": "u", "−": "-", "–": "-", "·": "*"})
"""ASCII replacements for terminals without these characters."""


def printable(text: str) -> str:
    """Replace characters that stdout cannot encode."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(PLAIN).encode(encoding, "replace").decode(encoding)
    return text


def note(text: str, *, quiet: bool = False) -> None:
    """Print a note on stderr."""
    if not quiet:
        sys.stderr.write(f"note: {harmless(text)}\n")


def harmless(text: str) -> str:
    r"""Replace control characters, as others may have written parts of the text.

    >>> harmless("the server warns: \x1b[2Jgone")
    'the server warns: ?[2Jgone'
    """
    return "".join(char if char.isprintable() or char in SPACES else "?" for char in text)


SPACES = "\u00a0\u202f"
"""Non-breaking spaces used in our own texts."""


def note_reasons(reasons: Mapping[str, int], what: str, *, quiet: bool) -> None:
    """Print why designs are missing, the most common reasons first: "3 left out: ..."."""
    common = sorted(reasons.items(), key=lambda item: -item[1])
    for reason, count in common[:SHOWN_REASONS]:
        note(f"{count:,} {what}: {reason}", quiet=quiet)
    if len(common) > SHOWN_REASONS:
        note(f"{len(common) - SHOWN_REASONS:,} more reasons are not shown", quiet=quiet)


SHOWN_REASONS = 5
"""Most reasons shown [1]."""


BETWEEN = 3
"""Width between two columns: padding and divider [character]."""

EDGES = 2
"""Width around the outer columns [character]."""


SHORT = 9
"""Length of a number with its unit, which is not wrapped [character]."""


def column_widths(
    header: Sequence[str], rows: Sequence[Sequence[str]], line: int, whole: Sequence[str] = ()
) -> list[int] | None:
    """Return column widths that split no word, or None if the line is too narrow.

    Cells up to `SHORT` characters are not split either if there is space.

    Parameters
    ----------
    header, rows
        Texts; cells may have several lines.
    line : int
        Characters per line.
    whole : sequence of str
        Columns whose cells are not wrapped.

    >>> column_widths(["", "80% interval"], [["wall time", "105 years to 270 years"]], 24)
    [9, 10]
    """
    columns = list(zip_longest(header, *rows, fillvalue=""))
    natural = [max(map(_longest_line, column)) for column in columns]
    for short in (SHORT, 0):
        least = [
            most if name in whole else max(_longest_word(cell, short) for cell in column)
            for name, column, most in zip(header, columns, natural, strict=True)
        ]
        spare = line - EDGES - BETWEEN * (len(columns) - 1) - sum(least)
        if spare >= 0:
            break
    else:
        return None
    wanted = sum(natural) - sum(least)
    if spare >= wanted:
        return natural
    return [few + spare * (most - few) // wanted for few, most in zip(least, natural, strict=True)]


def lists_text(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a table as a list per row, for narrow lines.

    >>> print(lists_text(["device", "time", "cost"], [["a100", "5 h", "$3"]]), end="")
    <BLANKLINE>
    a100
      time  5 h
      cost  $3
    <BLANKLINE>
    """
    names = [" ".join(name.split()) for name in header[1:]]
    longest = max(map(len, names), default=0)
    lines = []
    for row in rows:
        lines += ["", " ".join(row[0].split())]
        for name, cell in zip(names, row[1:], strict=False):
            for label, part in zip(chain([name], repeat("")), cell.splitlines(), strict=False):
                lines.append(f"  {label:<{longest}}  {part}")
    return "\n".join([*lines, "", ""])


def _longest_line(cell: str) -> int:
    from rich.cells import cell_len

    return max(map(cell_len, cell.split("\n")))


def _longest_word(cell: str, short: int) -> int:
    """Return the length of the longest word, or of a cell of one `short` line."""
    from rich.cells import cell_len

    if cell_len(cell) <= short and "\n" not in cell:
        return cell_len(cell)
    return max(map(cell_len, cell.split()), default=0)
