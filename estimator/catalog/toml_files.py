"""Readers of TOML files: device, preset, site; unknown keys are refused."""

import pickle
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from estimator.catalog.records import (
    Device,
    Place,
    Preset,
    ProfileError,
    Record,
    Source,
    offer,
    read_record,
    text_of,
)
from estimator.catalog.schema import (
    AS_RUN_FIELDS,
    DEVICE_FIELDS,
    DEVICE_HEAD,
    DEVICE_KINDS,
    ENTRIES,
    PEAK_FIELDS,
    PLACE_FIELDS,
    PLACE_HEAD,
    PRESET_FIELDS,
    PRESET_HEAD,
    PRESET_KINDS,
    SOURCE_KEYS,
    Field,
)
from estimator.system.whole_files import read_bounded

Guard = Callable[[Path, str, Record], None]

LISTS = ("aliases", "same_silicon")
"""Header keys that are lists of texts."""

LONGEST_KEPT = 2**20
"""Longest text parsed once per process; longer ones are not profiles [character]."""

LARGEST_BYTES = 256 * 2**20
"""Largest file of a profile folder or of shared runs [B]: 70,000 runs of a dozen timings each."""


def look_at_directory(directory: Path) -> None:
    """Refuse an unreadable directory, or misspelled names in it."""
    for folder, known in ((directory, ENTRIES["."]), (directory / "sites", ENTRIES["sites"])):
        if folder != directory and not folder.is_dir():
            continue
        try:
            entries = sorted(folder.iterdir())
        except OSError as error:
            raise ProfileError(
                folder,
                "directory",
                error.strerror or "unreadable",
                "pass a readable directory with the layout of profiles/",
            ) from error
        for entry in entries:
            if entry.name in known and not (entry.is_file() or entry.is_dir()):
                raise _irregular(entry)
            data = entry.is_dir() or entry.suffix in (".toml", ".csv")
            if data and entry.name not in known and not entry.name.startswith("."):
                raise unknown(folder, entry.name, "no profile", known)
    for entry in sorted(directory.glob("*/*.toml")):
        if not (entry.is_file() or entry.is_dir()):
            raise _irregular(entry)


def _irregular(path: Path) -> ProfileError:
    """Refuse a pipe, device or broken link in place of a profile."""
    return ProfileError(path, "file", "not a regular file", "pass a readable UTF-8 file")


def digest(directory: Path) -> str:
    """Hash the content of all files in a directory to seven hexadecimal digits."""
    import hashlib

    content = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        if path.suffix in (".toml", ".csv"):
            content.update(path.relative_to(directory).as_posix().encode())
            content.update(read_text(path).encode())
    return content.hexdigest()[:7]


def unknown(path: Path, key: str, message: str, known: Sequence[str]) -> ProfileError:
    """Refuse an unknown word and suggest the closest known one."""
    word = key.rpartition(".")[2] if path.suffix == ".toml" else key.rpartition(", ")[2]
    return ProfileError(path, key, message, offer(word, known))


def read_text(path: Path) -> str:
    """Read a file, or refuse it with the system's reason."""
    try:
        text = read_bounded(path, LARGEST_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ProfileError(
            path, "file", f"cannot be read ({why})", "make it a readable UTF-8 file"
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_head(path: Path) -> dict[str, Any]:
    """Read the keys before the first table: names and aliases, no numbers."""
    return _parse(path, read_text(path).partition("\n[")[0])


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file, or refuse it by line."""
    return _parse(path, read_text(path))


@lru_cache(maxsize=1024)
def _pickled(text: str) -> bytes:
    """Parse a text once for all catalogs; every reader gets its own copy."""
    return pickle.dumps(tomllib.loads(text))


def _parse(path: Path, text: str) -> dict[str, Any]:
    if len(text) > LONGEST_KEPT:
        return _parsed(path, lambda: tomllib.loads(text))
    return _parsed(path, lambda: pickle.loads(_pickled(text)))


def _parsed(path: Path, parse: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return parse()
    except (ValueError, RecursionError) as error:
        raise ProfileError(path, "TOML", str(error), "correct the syntax there") from error


def _records(
    path: Path, prefix: str, tables: Mapping[str, Any], fields: Mapping[str, Field], guard: Guard
) -> dict[str, Record]:
    """Read records, refusing a key that is not in ``fields``."""
    records: dict[str, Record] = {}
    for key, table in tables.items():
        if key not in fields:
            raise unknown(path, prefix + key, "unknown key", list(fields))
        records[key] = read_record(str(path), prefix + key, table, fields[key])
        guard(path, prefix + key, records[key])
    return records


def _text(head: Mapping[str, Any], key: str) -> str | None:
    """Return a text of the header, or None."""
    return text_of(head[key]) if key in head else None


def _table(path: Path, key: str, value: object) -> dict[str, Any]:
    """Return a table, or refuse another value."""
    if isinstance(value, dict):
        return value
    raise ProfileError(path, key, f"{value!r} is not a table", f"write [{key}]")


def _split(
    path: Path, content: dict[str, Any], head: Sequence[str], tables: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split a file into header and tables, refusing other keys."""
    for key, value in content.items():
        if key not in head and key not in tables:
            raise unknown(path, key, "unknown key", [*head, *tables])
        if key in head and key not in LISTS and isinstance(value, dict | list):
            raise ProfileError(path, key, f"{key} is not a string", f'write {key} = "..."')
    return (
        {key: value for key, value in content.items() if key in head},
        {key: value for key, value in content.items() if key in tables},
    )


def need(path: Path, head: Mapping[str, Any], key: str, known: Sequence[str] = ()) -> str:
    """Return a required text of the header, one of the known words if given."""
    if key not in head:
        raise ProfileError(path, key, "missing", f"add {key} = ... at the top")
    text = text_of(head[key])
    if known and text not in known:
        raise ProfileError(path, key, f"unknown {key} {text!r}", offer(text, known))
    return text


def texts(
    path: Path, head: Mapping[str, Any], key: str, item: str = "", *, required: bool = False
) -> tuple[str, ...]:
    """Return a list of texts, or refuse another value by its key under `item`."""
    found = head.get(key, None if required else [])
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise ProfileError(
            path, f"{item}{key}", "is not a list of strings", f'write {key} = ["..."]'
        )
    return tuple(found)


def read_device(device_id: str, paths: list[Path], guard: Guard) -> Device:
    """Read a device; later files add to earlier ones or override single records."""
    return device_from(device_id, [(path, read_toml(path)) for path in paths], guard)


def device_from(
    device_id: str, contents: Sequence[tuple[Path, dict[str, Any]]], guard: Guard
) -> Device:
    """Build a device from the contents of its files."""
    head: dict[str, Any] = {}
    peaks: dict[str, Record] = {}
    records: dict[str, Record] = {}
    allowed = ["peak_flop_per_s", *DEVICE_FIELDS]
    paths = [path for path, _ in contents]
    for path, content in contents:
        top, tables = _split(path, content, DEVICE_HEAD, allowed)
        head.update(top)
        peak = tables.pop("peak_flop_per_s", {})
        if not isinstance(peak, dict) or "value" in peak:
            raise ProfileError(
                path,
                "peak_flop_per_s",
                "no precision named",
                "write [peak_flop_per_s.fp16] or another precision",
            )
        peaks.update(_records(path, "peak_flop_per_s.", peak, PEAK_FIELDS, guard))
        records.update(_records(path, "", tables, DEVICE_FIELDS, guard))
    return Device(
        id=device_id,
        name=need(paths[-1], head, "name"),
        vendor=need(paths[-1], head, "vendor"),
        kind=need(paths[-1], head, "kind", DEVICE_KINDS),
        aliases=texts(paths[-1], head, "aliases"),
        released=_text(head, "released"),
        note=_text(head, "note"),
        peaks=peaks,
        records=records,
        same_silicon=texts(paths[-1], head, "same_silicon"),
    )


def read_preset(preset_id: str, paths: list[Path], guard: Guard) -> Preset:
    """Read a workload; later files add to earlier ones or override single records."""
    head: dict[str, Any] = {}
    run: dict[str, Any] = {}
    records: dict[str, Record] = {}
    as_run: dict[str, Record] = {}
    config: dict[str, Any] = {}
    for path in paths:
        top, tables = _split(
            path, read_toml(path), PRESET_HEAD, ["as_run", "config", *PRESET_FIELDS]
        )
        head.update(top)
        config = _table(path, "config", tables.pop("config", config))
        reported = dict(_table(path, "as_run", tables.pop("as_run", {})))
        run.update(
            {key: need(path, reported, key) for key in ("hardware", "precision") if key in reported}
        )
        reported = {key: value for key, value in reported.items() if key not in run}
        as_run.update(_records(path, "as_run.", reported, AS_RUN_FIELDS, guard))
        records.update(_records(path, "", tables, PRESET_FIELDS, guard))
    preset = Preset(
        id=preset_id,
        name=need(paths[-1], head, "name"),
        kind=need(paths[-1], head, "kind", PRESET_KINDS),
        aliases=texts(paths[-1], head, "aliases"),
        arch=str(head.get("arch", "")),
        year=_year(paths[-1], head),
        note=_text(head, "note"),
        records=records,
        hardware=run.get("hardware"),
        precision=run.get("precision"),
        as_run=as_run,
        config=config,
    )
    if not (preset.has_work or config):
        raise ProfileError(
            paths[-1],
            "training_flop",
            "the amount of work is missing",
            "add [training_flop], [device_hours], or [params] and [tokens]",
        )
    return preset


def _year(path: Path, head: Mapping[str, Any]) -> int:
    """Return the year, or refuse another value."""
    text = need(path, head, "year")
    if not text.isdigit():
        raise ProfileError(path, "year", f"year is {text!r}", "write year = 2024")
    return int(text)


def read_sources(path: Path) -> dict[str, Source]:
    """Read sources.toml, empty if it does not exist."""
    return sources_from(path, read_toml(path) if path.is_file() else {})


def sources_from(path: Path, content: Mapping[str, Any], prefix: str = "") -> dict[str, Source]:
    """Build sources from tables; ``prefix`` precedes their keys in a refusal."""
    sources: dict[str, Source] = {}
    for source_id, table in content.items():
        if not isinstance(table, Mapping):
            raise unknown(path, f"{prefix}{source_id}", "not a table", SOURCE_KEYS)
        for key in table:
            if key not in SOURCE_KEYS:
                raise unknown(path, f"{prefix}{source_id}.{key}", "unknown key", SOURCE_KEYS)
        sources[source_id] = Source(
            id=source_id,
            title=need(path, table, "title"),
            publisher=need(path, table, "publisher"),
            date=need(path, table, "date"),
            licence=need(path, table, "licence"),
            url=_text(table, "url"),
            note=_text(table, "note"),
        )
    return sources


def read_priors(path: Path, guard: Guard) -> dict[str, Record]:
    """Read dotted tables of records in any known unit, with optional notes."""
    priors = dict(_priors_once(path, read_text(path) if path.is_file() else ""))
    for dotted, record in priors.items():
        guard(path, dotted, record)
    return priors


@lru_cache(maxsize=16)
def _priors_once(path: Path, text: str) -> Mapping[str, Record]:
    """Read a text once for all catalogs; guards run separately."""
    return priors_of(path, text)


def priors_of(path: Path, text: str) -> dict[str, Record]:
    """Read dotted tables of records from a text or part of one."""
    priors: dict[str, Record] = {}

    def walk(prefix: str, table: Mapping[str, Any]) -> None:
        for key, inner in table.items():
            dotted = f"{prefix}{key}"
            if isinstance(inner, dict) and "value" not in inner:
                walk(f"{dotted}.", inner)
            elif not (key == "note" and isinstance(inner, str)):
                priors[dotted] = read_record(str(path), dotted, inner, None)

    walk("", _parsed(path, lambda: tomllib.loads(text)))
    return priors


def prior_keys(paths: Sequence[Path]) -> list[str]:
    """Return the dotted keys of the priors in some files, without checking their sources."""
    return [key for path in paths for key in read_priors(path, lambda *_: None)]


def read_places(path: Path, guard: Guard) -> list[Place]:
    """Read places.toml, empty if it does not exist."""
    places: list[Place] = []
    for place_id, table in (read_toml(path) if path.is_file() else {}).items():
        head, tables = _split(path, _table(path, place_id, table), PLACE_HEAD, list(PLACE_FIELDS))
        places.append(
            Place(
                id=place_id,
                name=need(path, head, "name"),
                kind="place",
                aliases=texts(path, head, "aliases"),
                iso2=_text(head, "iso2"),
                year=None,
                note=_text(head, "note"),
                records=_records(path, f"{place_id}.", tables, PLACE_FIELDS, guard),
            )
        )
    return places
