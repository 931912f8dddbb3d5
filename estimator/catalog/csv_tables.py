"""Sites and prices from CSV rows; errors name file, line and column."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from estimator.catalog.records import (
    Place,
    Price,
    ProfileError,
    Record,
    offer,
    place_key,
    read_record,
)
from estimator.catalog.schema import (
    COLUMNS,
    PLACE_FIELDS,
    PLACE_FILES,
    PRICE_FIELD,
    PRICE_KINDS,
    RANGED,
    Field,
)
from estimator.catalog.toml_files import Guard, read_text, unknown

Row = Mapping[str, str]


def read_rows(path: Path) -> tuple[tuple[int, Row], ...]:
    """Return line number and row of a table; refuse unknown columns and ragged rows."""
    return _rows_of(path, read_text(path))


@lru_cache(maxsize=64)
def _rows_of(path: Path, text: str) -> tuple[tuple[int, Row], ...]:
    """Parse a text once for all catalogs."""
    return tuple(each_row(path, text))


def each_row(path: Path, text: str) -> Iterator[tuple[int, Row]]:
    """Yield line number and row, up to the first unreadable one."""
    columns = COLUMNS[path.name]
    reader = csv.reader(text.splitlines())
    header = next(reader, [])
    for column in header:
        if column not in columns:
            raise unknown(path, f"line 1, {column}", "unknown column", columns)
    for cells in reader:
        if len(cells) != len(header):
            raise ProfileError(
                path,
                f"line {reader.line_num}",
                f"{len(cells)} cells under {len(header)} columns",
                "quote the cell that contains a comma",
            )
        yield reader.line_num, dict(zip(header, cells, strict=True))


def record_from_row(path: Path, line: int, row: Row, column: str, field: Field) -> Record:
    """Build the record of one column; low and high belong to the table's ranged column."""
    table: dict[str, Any] = {"unit": field.unit, "value": _number(row.get(column, ""))}
    if RANGED[path.name] == column:
        table |= {part: _number(row[part]) for part in ("low", "high") if row.get(part)}
    table |= {part: row[part] for part in ("basis", "source", "note") if row.get(part)}
    if row.get("year"):
        table["date"] = row["year"]
    return read_record(str(path), f"line {line}, {column}", table, field)


def _number(cell: str) -> float | str:
    """Parse a number, or leave the text for `read_record` to refuse."""
    try:
        return float(cell)
    except ValueError:
        return cell


@dataclass(frozen=True, kw_only=True)
class PlaceRow:
    """Row of a site, parsed on demand."""

    kind: str
    path: Path
    line: int
    row: Row

    @property
    def id(self) -> str:
        """Return the id of the site."""
        column = "iso2" if self.kind == "country" else "id"
        return place_key(filled(self.path, self.line, self.row, column))

    @property
    def names(self) -> tuple[str, ...]:
        """Return further names of the site."""
        row = self.row
        aliases = [row.get("iso3", ""), row.get("region", ""), *row.get("aliases", "").split(";")]
        aliases += [row.get("country", ""), row.get("name", "")]
        return tuple(alias.strip() for alias in aliases if alias.strip())


def read_place_rows(layer: Path) -> Iterator[PlaceRow]:
    """Yield the site rows of one directory."""
    for kind, name in PLACE_FILES.items():
        path = layer / name
        if path.is_file():
            for line, row in read_rows(path):
                yield PlaceRow(kind=kind, path=path, line=line, row=row)


def read_place(draft: PlaceRow, guard: Guard) -> Place:
    """Build a country, cloud region or operator from its row."""
    kind, path, line, row = draft.kind, draft.path, draft.line, draft.row
    records: dict[str, Record] = {}
    for column, field in PLACE_FIELDS.items():
        if row.get(column):
            records[column] = record_from_row(path, line, row, column, field)
            guard(path, f"line {line}, {column}", records[column])
    if not records:
        raise _refused(
            path, line, "row", "the row has no number", "fill a column, or remove the row"
        )
    year = row.get("year", "")
    name = _place_name(kind, path, line, row)
    return Place(
        id=draft.id,
        name=name,
        kind=kind,
        aliases=tuple(alias for alias in draft.names if alias != name),
        iso2=row.get("iso2") or None,
        year=int(year[:4]) if year else None,
        note=row.get("note") or None,
        records=records,
    )


def _place_name(kind: str, path: Path, line: int, row: Row) -> str:
    """Name of a region by provider, region and town; otherwise the row's name."""
    if kind != "cloud-region":
        return filled(path, line, row, "country" if kind == "country" else "name")
    town = filled(path, line, row, "location")
    return f"{row.get('provider', '')} {row.get('region', '')} ({town})".strip()


def price_from_row(path: Path, line: int, row: Row, guard: Guard) -> Price:
    """Build a price from its row."""
    record = record_from_row(path, line, row, "price_usd_per_h", PRICE_FIELD)
    guard(path, f"line {line}, price_usd_per_h", record)
    kind = filled(path, line, row, "kind")
    if kind not in PRICE_KINDS:
        raise _refused(path, line, "kind", f"unknown kind {kind!r}", offer(kind, PRICE_KINDS))
    return Price(
        device=filled(path, line, row, "device"),
        provider=filled(path, line, row, "provider"),
        instance=row.get("instance", ""),
        kind=kind,
        price_usd_per_h=record.value,
        date_from=filled(path, line, row, "date_from"),
        date_to=filled(path, line, row, "date_to"),
        basis=record.basis,
        source=record.source,
        note=record.note,
    )


def filled(path: Path, line: int, row: Row, column: str) -> str:
    """Return a cell that must not be empty."""
    if not row.get(column):
        raise _refused(path, line, column, "empty", "fill it in")
    return row[column]


def _refused(path: Path, line: int, column: str, message: str, remedy: str) -> ProfileError:
    return ProfileError(
        file=str(path), key=f"line {line}, {column}", message=message, remedy=remedy
    )
