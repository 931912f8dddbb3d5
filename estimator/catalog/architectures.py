"""Architectures on record: one table of models, found by hub name.

A row has the shape fields of a Hugging Face config.json, and published training tokens if known.
Parameters are counted from it, and checked by `profiles check`.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from estimator.catalog.records import (
    Preset,
    ProfileError,
    Record,
    model_names,
    name_key,
    offer,
    read_record,
)
from estimator.catalog.schema import PRESET_FIELDS, PRESET_KINDS
from estimator.catalog.toml_files import read_text

FILE = "architectures.json"
SOURCE = "hugging-face-configs"
NEEDS: Mapping[str, type | tuple[type, ...]] = {
    "name": str,
    "hub": str,
    "year": int,
    "kind": str,
    "arch": str,
    "params": int,
    "config": dict,
}
MAY: Mapping[str, type | tuple[type, ...]] = {
    "active_params": int,
    "aliases": list,
    "tokens": (int, float),
    "tokens_run": str,
    "note": str,
}
"""Allowed keys of a row; `tokens_run` is the published run that states the tokens."""


def read_architectures(path: Path) -> dict[str, Preset]:
    """Read the table; refuse rows with missing, unknown or mistyped keys."""
    if not path.is_file():
        return {}
    try:
        table = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise ProfileError(path, "JSON", str(error), "correct the syntax there") from error
    return {item: _preset(path, item, row) for item, row in _rows(path, table)}


def hub_names(preset: Preset) -> Iterator[str]:
    """Yield the normalised names of a model, hub names also without owner.

    >>> row = {"name": "Qwen3 14B", "hub": "Qwen/Qwen3-14B", "year": 2025, "kind": "language"}
    >>> row |= {"arch": "dense decoder", "params": 14_768_307_200, "config": {}}
    >>> sorted(set(hub_names(_preset(Path("a.json"), "qwen3-14b", row))))
    ['qwen/qwen314b', 'qwen314b']
    """
    for name in (preset.id, preset.name, *preset.aliases):
        yield from map(name_key, model_names(name))


def _rows(path: Path, table: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield id and row; refuse anything but a table of tables."""
    if not isinstance(table, dict):
        raise ProfileError(path, "JSON", "not a table", "write {id: {name, hub, ...}}")
    for item, row in table.items():
        if not isinstance(row, dict):
            raise ProfileError(path, item, "not a table", "write {name, hub, ...}")
        yield item, row


def _preset(path: Path, item: str, row: Mapping[str, Any]) -> Preset:
    """Build a preset from its row."""
    for key in NEEDS:
        if key not in row:
            raise ProfileError(path, f"{item}.{key}", "missing", f"add {key}")
    for key, value in row.items():
        wanted = NEEDS.get(key) or MAY.get(key)
        if wanted is None:
            raise ProfileError(path, f"{item}.{key}", "unknown key", offer(key, [*NEEDS, *MAY]))
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise ProfileError(path, f"{item}.{key}", f"{value!r} is of the wrong type", "fix it")
    if row["kind"] not in PRESET_KINDS:
        message = f"unknown kind {row['kind']!r}"
        raise ProfileError(path, f"{item}.kind", message, offer(row["kind"], PRESET_KINDS))
    return Preset(
        id=item,
        name=row["name"],
        kind=row["kind"],
        aliases=(row["hub"], *(str(alias) for alias in row.get("aliases", ()))),
        arch=row["arch"],
        year=row["year"],
        note=row.get("note"),
        records=dict(_records(path, item, row)),
        hardware=None,
        precision=None,
        as_run={},
        config={"source": SOURCE, **row["config"]},
    )


def _records(path: Path, item: str, row: Mapping[str, Any]) -> Iterator[tuple[str, Record]]:
    """Yield the numbers of a row: counted parameters, published or assumed tokens."""
    counted = {"unit": "parameter", "basis": "derived", "source": SOURCE}
    for key in ("params", "active_params"):
        if key in row:
            table = {"value": row[key], **counted, "where": "counted from the architecture"}
            yield key, read_record(str(path), f"{item}.{key}", table, PRESET_FIELDS[key])
    if "tokens" in row:
        stated = {"basis": "assumed", "source": "unconfirmed"}
        if "tokens_run" in row:
            source = "published-runs-collection"
            stated = {"basis": "published", "source": source, "where": row["tokens_run"]}
        table = {"value": row["tokens"], "unit": "token", **stated}
        yield "tokens", read_record(str(path), f"{item}.tokens", table, PRESET_FIELDS["tokens"])
