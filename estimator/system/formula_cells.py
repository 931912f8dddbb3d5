"""Cells of CSV that a spreadsheet would run as a formula.

Text of others ends up in tables: names of runs, programs and devices, and every column of a batch
that passes through. An apostrophe keeps such a cell text, as OWASP recommends ("CSV Injection").
"""

import csv
import re
from collections.abc import Sequence
from io import StringIO
from typing import Any

FIRST_LETTERS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""A cell that begins with one of these may be a formula; the last four are full-width."""

PLAIN = re.compile(
    r"[+-]?(\d[\d., ]*|[.,]\d+)(e[+-]?\d+)?\s*%?|[+-](inf|nan|infinity)|[+-]+", re.IGNORECASE
)
"""Numbers with a sign, and dashes for nothing: these stay as they are."""

MARKS = (*"=@\t\r\uff1d\uff0b\uff0d\uff20", ",-", ",+", '"-', '"+', "\n-", "\n+", '"\n')
"""Records after a line break contain one of these if a cell begins with one of the letters."""


def without_formula(cell: Any) -> Any:
    """Return a cell that a spreadsheet shows and does not run; what is no text stays.

    >>> without_formula("=HYPERLINK(A1)"), without_formula("-1.5e-3"), without_formula("gpt-3")
    ("'=HYPERLINK(A1)", '-1.5e-3', 'gpt-3')
    """
    if not isinstance(cell, str) or not cell.startswith(FIRST_LETTERS) or PLAIN.fullmatch(cell):
        return cell
    return f"'{cell}"


def without_formulas(records: Sequence[str]) -> Sequence[str]:
    """Return records of CSV whose cells a spreadsheet does not run; others stay letter by letter.

    >>> without_formulas(['a,"=1+1",-2', '"b, c",-,d'])
    ["a,'=1+1,-2", '"b, c",-,d']
    """
    if not _may_hold_formulas("\n".join(records)):
        return records
    return [_rewritten(record) if _may_hold_formulas(record) else record for record in records]


def _may_hold_formulas(text: str) -> bool:
    text = f"\n{text}"
    return any(mark in text for mark in MARKS)


def _rewritten(record: str) -> str:
    """Record with its formulas as text."""
    cells = [cell for row in csv.reader(StringIO(record, newline="")) for cell in row]
    safe = [without_formula(cell) for cell in cells]
    if safe == cells:
        return record
    out = StringIO()
    csv.writer(out).writerow(safe)
    return out.getvalue().removesuffix("\r\n")
