"""Shared measured runs: one TOML file with the profiles of devices that are not built in.

The file is validated as a whole; one invalid value rejects all of it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from estimator import __version__
from estimator.catalog import toml_files as files
from estimator.catalog.records import Device, ProfileError, Record
from estimator.runs.record import MeasuredRun, as_plain, read_run, stamp
from estimator.runs.record_bounds import LARGEST as LARGEST_NUMBER
from estimator.runs.record_bounds import LARGEST_COUNT, LEAST, LONGEST_S, MOST_COUNTED

FORMAT = 1
HEAD = ("format", "product", "exported", "note")
TABLES = ("runs", "hardware", "sources")
LONGEST_TEXT = 2000
"""Longest valid label, name or note [1]."""

LARGEST = {
    **dict.fromkeys(("time_s", "duration_s", "wall_s"), LONGEST_S),
    **dict.fromkeys(("repetitions", "rejected", "devices", "cores"), LARGEST_COUNT),
    **MOST_COUNTED,
}
"""Name -> largest value: three hundred years, and impossible counts [s] [1] [B]."""

SHOWN = 200
"""Longest value shown in an error [character]."""

NAME = r"[a-z0-9]+([.-][a-z0-9]+)*"
RUN_NAME = r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}"
POSITIVE = (
    "time_s",
    "duration_s",
    "devices",
    "cores",
    "flop",
    "moved_bytes",
    "operations",
    "traffic_bytes",
)
SHARES = ("coverage", "busy", "memory_busy", "tensor_busy", "throttled", "others")
ANY_SIGN = ("temperature_c", "peak_temperature_c", "exit_code")
ROUNDING = 1e-6


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """Content of one shared file.

    Parameters
    ----------
    runs : tuple of MeasuredRun
    hardware : mapping
        Id -> profile, as in a file of profiles/hardware.
    sources : mapping
        Id -> source of these profiles, as in sources.toml.
    devices : mapping
        Parsed profiles.
    """

    runs: tuple[MeasuredRun, ...]
    hardware: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    devices: Mapping[str, Device] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SharedRun:
    """Measured run from the profiles.

    Parameters
    ----------
    run : MeasuredRun
    source : str
        File that contains it, relative to its directory of profiles.
    """

    run: MeasuredRun
    source: str


def overlay_text(
    runs: Iterable[MeasuredRun],
    hardware: Mapping[str, Mapping[str, Any]] | None = None,
    sources: Mapping[str, Mapping[str, Any]] | None = None,
) -> str:
    """Format runs, profiles and sources as TOML, without unknown values.

    Invalid characters become question marks.
    """
    import tomli_w

    content: dict[str, Any] = {
        "format": FORMAT,
        "product": f"twenty-watts {__version__}",
        "exported": stamp(datetime.now(UTC)),
        "runs": [as_plain(run) for run in runs],
    }
    content |= {"sources": sources} if sources else {}
    content |= {"hardware": hardware} if hardware else {}
    return tomli_w.dumps(content).encode("utf-8", "replace").decode("utf-8")


def read_overlay(path: Path, known_sources: Callable[[], Iterable[str]] = frozenset) -> Overlay:
    """Read and validate a file of measured runs.

    Parameters
    ----------
    path : Path
    known_sources : callable
        Returns ids that the profiles may cite in addition to the file's own sources and runs;
        called only if it contains profiles.

    Raises
    ------
    ProfileError
        With file and key of what cannot be read, is unknown or is impossible.
    """
    content = _content(path)
    tables = content.get("sources", {})
    sources = files.sources_from(path, _mapping(path, "sources", tables), "sources.")
    runs = tuple(_runs(path, content.get("runs", [])))
    hardware = _mapping(path, "hardware", content.get("hardware", {}))
    others = known_sources() if hardware else ()
    ids = {*sources, *others, *(f"run:{run.id}" for run in runs)}
    devices = {name: _device(path, name, table, ids) for name, table in hardware.items()}
    return Overlay(runs=runs, hardware=hardware, sources=tables, devices=devices)


def _content(path: Path) -> dict[str, Any]:
    """Parse the file and check its header."""
    if path.exists() and not path.is_file():
        raise ProfileError(path, "file", "not a regular file", "pass an exported file")
    content = files.read_toml(path)
    for key in content:
        if key not in HEAD and key not in TABLES:
            raise files.unknown(path, key, "unknown key", [*HEAD, *TABLES])
    version = content.get("format")
    if type(version) is not int or not 1 <= version <= FORMAT:
        message = f"must be 1 to {FORMAT}, got {_short(version)}" if version else "missing"
        raise ProfileError(path, "format", message, "export with this version, or update")
    return content


def _runs(path: Path, tables: object) -> Iterator[MeasuredRun]:
    """Read and validate the runs."""
    if not isinstance(tables, list):
        raise ProfileError(path, "runs", "must be a list of tables", "write [[runs]]")
    seen: set[str] = set()
    for at, table in enumerate(tables):
        try:
            run = read_run(table)
            for key, rule in implausible_values(run):
                raise ValueError(f"run.{key}: {rule}")
            if run.id in seen:
                raise ValueError(f"run.id: {run.id!r} is in this file twice")
        except (ValueError, OverflowError) as error:
            key, _, message = str(error).partition(": ")
            key = f"runs[{at}]{key.removeprefix('run')}"
            raise ProfileError(
                path, key, _short(message), "correct it, or remove this run"
            ) from error
        seen.add(run.id)
        yield run


def implausible_values(run: MeasuredRun) -> Iterator[tuple[str, str]]:
    """Yield values that no measurement can have."""
    if not re.fullmatch(RUN_NAME, run.id):
        yield "id", "must be up to 100 letters, digits, dots, colons and dashes"
    try:
        datetime.fromisoformat(run.started)
    except ValueError:
        yield "started", f"must be a time like 2026-11-21T05:00:00Z, got {run.started!r}"
    if run.state == "running":
        yield "state", "must be a finished run, got 'running'"
    for at, timing in enumerate(run.timings):
        if not timing.repetitions + timing.rejected:
            yield f"timings[{at}].repetitions", "must be positive where none was rejected, got 0"
    for key, value in _leaves("", as_plain(run)):
        rule = _broken_rule(key.rpartition(".")[2], value)
        if rule:
            yield key, rule


def _broken_rule(name: str, value: object) -> str | None:
    """Return the rule that a text or number of this name breaks, if any."""
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return f"must be at most {LONGEST_TEXT} letters, got {len(value)}"
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    if name in POSITIVE and value < LEAST:
        return f"must be positive, got {value}"
    if value < 0 and name not in ANY_SIGN:
        return f"must not be negative, got {value}"
    if name in SHARES and value > 1 + ROUNDING:
        return f"must be at most 1, got {value}"
    most = LARGEST.get(name, LARGEST_NUMBER)
    return f"must be at most {most:g}, got {value:g}" if abs(value) > most else None


def _leaves(prefix: str, value: object) -> Iterator[tuple[str, object]]:
    """Yield key and value of every scalar."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(f"{prefix}.{key}" if prefix else key, inner)
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _leaves(f"{prefix}[{at}]", inner)
    else:
        yield prefix, value


def _device(path: Path, name: str, table: object, sources: set[str]) -> Device:
    """Read a profile that may reference only these sources."""
    if not re.fullmatch(NAME, name) or len(name) > 100:
        remedy = "use lowercase letters, digits, dots and dashes"
        raise ProfileError(path, f"hardware.{_short(name)}", "odd id", remedy)
    content = dict(_mapping(path, f"hardware.{name}", table))

    def guard(_path: Path, key: str, record: Record) -> None:
        for source in (record.source, *record.sources):
            if source not in sources:
                message = f"unknown source {_short(source)}"
                remedy = "name a run of this file as run:ID, or add it to [sources]"
                raise ProfileError(path, f"hardware.{name}.{key}.source", message, remedy)

    return files.device_from(name, [(path, content)], guard)


def _mapping(path: Path, key: str, table: object) -> Mapping[str, Any]:
    if not isinstance(table, Mapping):
        raise ProfileError(path, key, "must be a table", f"write [{key}...]")
    return table


def _short(value: object) -> str:
    """Format a value for an error, truncated if long."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except ValueError:
        text = "a number with too many digits to show"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
