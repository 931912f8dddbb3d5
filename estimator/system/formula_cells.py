"""Cells of CSV that a spreadsheet would run as a formula.

Text of others ends up in tables: names of runs, programs and devices, and every column of a batch
that passes through. An apostrophe keeps such a cell text, as OWASP recommends ("CSV Injection").
"""

import csv
import re
from bisect import bisect_right
from collections.abc import Sequence
from io import StringIO
from itertools import accumulate
from typing import Any

FIRST_LETTERS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""A cell that begins with one of these may be a formula; the last four are full-width."""

PLAIN = re.compile(
    r"[+-]?(\d[\d., ]*|[.,]\d+)(e[+-]?\d+)?\s*%?|[+-](inf|nan|infinity)|[+-]+", re.IGNORECASE
)
"""Numbers with a sign, and dashes for nothing: these stay as they are."""

SUSPECT = re.compile(rf'[{re.escape("".join(FIRST_LETTERS))}](?<=[,"\0].)', re.DOTALL)
"""First letter of a cell that may be a formula, after a comma, a quote or a record."""

PLAIN_CELL = re.compile(
    rf'(?<=")(?:{PLAIN.pattern})(?="(?:[,\0]|\Z))|(?<!")(?:{PLAIN.pattern})(?=[,\0]|\Z)',
    re.IGNORECASE,
)
"""A whole cell that stays as it is."""


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
    text = "\0" + "\0".join(records)
    found = (hit.start() for hit in SUSPECT.finditer(text))
    suspects = [place for place in found if not PLAIN_CELL.match(text, place)]
    if not suspects:
        return records
    ends = list(accumulate((len(record) + 1 for record in records), initial=1))[1:]
    safe = list(records)
    for row in {bisect_right(ends, place) for place in suspects}:
        safe[row] = _rewritten(safe[row])
    return safe


def _rewritten(record: str) -> str:
    """Record with its formulas as text."""
    cells = [cell for row in csv.reader(StringIO(record, newline="")) for cell in row]
    safe = [without_formula(cell) for cell in cells]
    if safe == cells:
        return record
    out = StringIO()
    csv.writer(out).writerow(safe)
    return out.getvalue().removesuffix("\r\n")
