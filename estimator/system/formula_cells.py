"""CSV cells that a spreadsheet would run as a formula.

Tables contain text from others: names of runs, programs and devices, and passed-through columns. An
apostrophe keeps such a cell text, as OWASP recommends ("CSV Injection").
"""

import csv
import re
from bisect import bisect_right
from collections.abc import Sequence
from io import StringIO
from itertools import accumulate
from typing import Any

FIRST_LETTERS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""First characters of a possible formula; the last four are full-width."""

PLAIN = re.compile(
    r"[+-]?(\d[\d., ]*|[.,]\d+)(e[+-]?\d+)?\s*%?|[+-](inf|nan|infinity)|[+-]+", re.IGNORECASE
)
"""Signed numbers and dashes, which stay unchanged."""

KINDS = bytes(
    ord("," if byte in b',"\0' else "=" if byte in b"=+-@\t\r\n\xef" else " ")
    for byte in range(256)
)
"""Byte -> `,` before a cell, `=` at the start of a possible formula, otherwise a blank.

All full-width first characters begin with the byte EF in UTF-8.
"""

PLAIN_CELL = re.compile(
    rf'(?<=")(?:{PLAIN.pattern})(?="(?:[,\0]|\Z))|(?<!")(?:{PLAIN.pattern})(?=[,\0]|\Z)'.encode(),
    re.IGNORECASE,
)
"""Pattern of a whole cell that stays unchanged."""


def without_formula(cell: Any) -> Any:
    """Return a cell that a spreadsheet shows but does not run.

    >>> without_formula("=HYPERLINK(A1)"), without_formula("-1.5e-3"), without_formula("gpt-3")
    ("'=HYPERLINK(A1)", '-1.5e-3', 'gpt-3')
    """
    if not isinstance(cell, str) or not cell.startswith(FIRST_LETTERS) or PLAIN.fullmatch(cell):
        return cell
    return f"'{cell}"


def without_formulas(records: Sequence[str]) -> Sequence[str]:
    """Return CSV records without formulas; others stay byte for byte.

    >>> without_formulas(['a,"=1+1",-2', '"b, c",-,d'])
    ["a,'=1+1,-2", '"b, c",-,d']
    """
    data = ("\0" + "\0".join(records)).encode("utf-8", "surrogatepass")
    found = (hit.start() + 1 for hit in re.finditer(b",=", data.translate(KINDS)))
    suspects = [place for place in found if not PLAIN_CELL.match(data, place)]
    if not suspects:
        return records
    sizes = (len(record.encode("utf-8", "surrogatepass")) + 1 for record in records)
    ends = list(accumulate(sizes, initial=1))[1:]
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
