"""Log files of other programs: bounded in size, read as data only."""

import csv
import errno
import io
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from estimator.core.units import YEAR_3000_S
from estimator.runs.meter import MeterError
from estimator.runs.record import stamp
from estimator.system.whole_files import read_bounded

LARGEST_BYTES = 64 * 2**20
"""Largest log [B]."""

LONGEST_CELL = 131_072
"""Longest table cell [character]."""

SHOWN = 60
"""Longest foreign text repeated in a message [character]."""

EARLIEST, LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime.fromtimestamp(YEAR_3000_S, UTC)
"""Range of plausible times."""

MAGNITUDE = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([^\d\s.,'_]*)", re.ASCII)
"""Number with a unit; decimal commas and digit groups do not match."""

Row = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class LogFile:
    """Text of a log.

    Parameters
    ----------
    modified : str
        When it was last written, ISO 8601 in UTC.
    """

    name: str
    text: str
    modified: str

    @property
    def first_line(self) -> str:
        """First non-blank line, the header of a table."""
        return self.text.lstrip("\ufeff \r\n").partition("\n")[0]

    def refused(self, why: str) -> MeterError:
        """Error that names the file."""
        return MeterError(f"{self.name}: {why}")

    def check_count(self, count: int, most: int, things: str) -> None:
        """Refuse a log with too many items."""
        if count > most:
            raise self.refused(f"holds {count:,} {things}; import at most {most:,} at a time")


def read_log(path: Path) -> LogFile:
    """Read a whole file."""
    if path.exists() and not path.is_file():
        raise MeterError(f"{path} cannot be read: not a regular file")
    try:
        data = read_bounded(path, LARGEST_BYTES)
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        raise MeterError(f"{path} is larger than 64 MiB: import a part of it") from None
    if b"\0" in data[:4096] and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise MeterError(f"{path} holds binary data, no log")
    coding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    modified = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return LogFile(
        name=path.name, text=data.decode(coding, errors="replace"), modified=stamp(modified)
    )


def json_of(log: LogFile) -> Any:
    """Parse the whole text as JSON."""
    try:
        return json.loads(log.text)
    except RecursionError:
        raise log.refused("its JSON is nested too deeply") from None
    except ValueError as error:
        raise log.refused(f"no valid JSON: {str(error)[:SHOWN]}") from None


def table_of(log: LogFile) -> list[Row]:
    """Parse a CSV table with a header; spaces around cells are ignored.

    Repeated headers, as in concatenated logs, are skipped.
    """
    csv.field_size_limit(LONGEST_CELL)
    text = log.text.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")
    rows: list[Row] = []
    header: list[str] = []
    try:
        for cells in csv.reader(io.StringIO(text), skipinitialspace=True):
            plain = [cell.strip() for cell in cells]
            if not header:
                header = plain
                _refuse_twins(log, header)
            elif plain and plain != header:
                rows.append(dict(zip(header, plain, strict=False)))
    except csv.Error as error:
        raise log.refused(f"no valid CSV: {error}") from None
    return rows


def _refuse_twins(log: LogFile, header: Sequence[str]) -> None:
    twins = [name for name, times in Counter(header).items() if name and times > 1]
    if twins:
        raise log.refused(f"the column {twins[0][:SHOWN]!r} is there twice: leave one out")


def number(value: object, unit: str = "") -> float | None:
    """Finite number of a JSON value or cell without its unit, or None.

    Parameters
    ----------
    unit : str
        The only unit that may stand behind it; any may if empty.

    >>> number("297.57 W"), number("[N/A]"), number(12), number(float("nan"))
    (297.57, None, 12.0, None)
    >>> number("297,57 W"), number("1.234,5"), number("0.3 kW", "W"), number("300", "W")
    (None, None, None, 300.0)
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value) if abs(value) < 1e300 and math.isfinite(value) else None
    found = MAGNITUDE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or (unit and found[2] not in ("", unit)):
        return None
    known = float(found[1])
    return known if math.isfinite(known) and abs(known) < 1e300 else None


def positive(value: object) -> float | None:
    """Positive finite number, or None."""
    known = number(value)
    return known if known is not None and known > 0 else None


def text_of(table: Mapping[str, Any], key: str) -> str | None:
    """Short single-line text of a key, or None."""
    value = table.get(key)
    plain = " ".join(value.split())[:200] if isinstance(value, str) else ""
    return plain or None


def value_at(found: object, path: str) -> Any:
    """Value at a path of keys and indices joined by dots, or None.

    >>> value_at({"task": [{"name": "a"}]}, "task.0.name")
    'a'
    """
    for key in path.split("."):
        if isinstance(found, Mapping):
            found = found.get(key)
        elif isinstance(found, list) and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        else:
            return None
    return found


@lru_cache(maxsize=65_536)
def moment_of(text: str) -> datetime | None:
    """Parse a log time, UTC by default, or return None.

    >>> moment_of("2024/05/01 12:00:00.250")
    datetime.datetime(2024, 5, 1, 12, 0, 0, 250000, tzinfo=datetime.timezone.utc)
    """
    plain = text.strip().replace("/", "-")
    try:
        found = datetime.fromisoformat(plain)
    except ValueError:
        return None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return found.astimezone(UTC) if EARLIEST < found < LATEST else None
