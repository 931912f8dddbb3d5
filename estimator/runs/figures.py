"""What was measured of each device over all runs: counts, medians and ranges.

The figures of every run stand in columns beside its document, so that ten thousand runs are summed
up without reading one of them.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain
from typing import Any

from estimator.core.units import S_PER_DAY
from estimator.runs.record import MeasuredDevice, MeasuredRun

WHOLE_RUN = "run"
"""What the mean power over a run stands under, beside the names of `Timing.what`."""

IDLE = "idle"

TABLES = (
    """
    CREATE TABLE part (
        run INTEGER NOT NULL REFERENCES run (key) ON DELETE CASCADE,
        hardware TEXT NOT NULL,
        simulated INTEGER NOT NULL,
        name TEXT NOT NULL,
        started TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE figure (
        run INTEGER NOT NULL REFERENCES run (key) ON DELETE CASCADE,
        hardware TEXT NOT NULL,
        simulated INTEGER NOT NULL,
        what TEXT NOT NULL,
        precision TEXT NOT NULL,
        kind TEXT NOT NULL,
        arch TEXT NOT NULL,
        rate REAL,
        power_w REAL
    )
    """,
    "CREATE INDEX part_of_run ON part (run)",
    "CREATE INDEX part_of_device ON part (hardware, simulated, started, run)",
    "CREATE INDEX figure_of_run ON figure (run)",
    "CREATE INDEX figure_of_work ON figure (hardware, simulated, what, precision, kind, rate, run)",
    "CREATE INDEX power_of_work ON figure (hardware, simulated, what, precision, kind, power_w)"
    " WHERE power_w IS NOT NULL",
    "ALTER TABLE run ADD COLUMN summarised INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX run_by_time ON run (summarised, started)",
    "CREATE INDEX run_by_state ON run (state)",
    """
    CREATE TRIGGER run_changed AFTER UPDATE OF document ON run BEGIN
        DELETE FROM part WHERE run = NEW.key;
        DELETE FROM figure WHERE run = NEW.key;
        UPDATE run SET summarised = 0 WHERE key = NEW.key;
    END
    """,
)
"""Tables of the store; `schema.MIGRATIONS` takes them in. A run is summarised when its figures are
those of its document: not where that cannot be read."""

CHANGED = (
    "DROP TRIGGER run_changed",
    """
    CREATE TRIGGER run_changed AFTER UPDATE OF document ON run BEGIN
        DELETE FROM part WHERE run = NEW.key;
        DELETE FROM figure WHERE run = NEW.key;
        DELETE FROM observation WHERE run = NEW.key;
        UPDATE run SET summarised = 0 WHERE key = NEW.key;
    END
    """,
)
"""A run that can no longer be read teaches a calibration nothing either."""

INDEXES = (
    "CREATE INDEX run_of_device ON part (hardware, simulated, run)",
    "DROP INDEX figure_of_work",
    "CREATE INDEX run_of_work ON figure (hardware, simulated, what, precision, kind, run, rate)",
)
"""In this order distinct runs are counted without being sorted."""

Read = Callable[[str, tuple[object, ...]], Sequence[tuple[Any, ...]]]
"""Answers a query with its values."""

Peaks = Callable[[str], Mapping[str, float]]
"""Number format -> peak of a device, by the id of its profile [FLOP/s]."""

Used = Callable[[str | None, str], bool]
"""Whether a device is meant, by the id of its profile and the name by its driver."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """Median and range of some measurements, or middle and bounds of an 80 % interval."""

    low: float
    mid: float
    high: float


@dataclass(frozen=True, kw_only=True)
class WorkFigures:
    """One kind of work in one number format on one device, as measured.

    Parameters
    ----------
    what : str
        As in `Timing`.
    precision, kind : str
        Number format and kind of network; empty where there is none.
    arch : str
        Architecture of the first of them; empty where unknown.
    runs : int
        Runs that timed it.
    utilization : Span, optional
        Share of the peak [1]; None without a peak or an amount of work.
    power_w : Span, optional
        Of one device meanwhile [W]; None where none was measured.
    """

    what: str
    precision: str
    kind: str
    arch: str
    runs: int
    utilization: Span | None
    power_w: Span | None


@dataclass(frozen=True, kw_only=True)
class DeviceFigures:
    """What was measured of one device.

    Parameters
    ----------
    hardware : str
        Id of its profile, or the name by its driver where there is no profile.
    name : str
        As its driver names it.
    simulated : bool
        Measured on a stub, which proves nothing of a device.
    runs : int
    oldest, newest : str
        When the first and the last of them began.
    utilization : Span, optional
        In all training [1]; None where none was timed.
    power_w : Span, optional
        Of one device in training, else the mean power of the runs [W]; idle benchmarks and modelled
        power left out.
    idle_w : Span, optional
        At rest [W].
    work : tuple of WorkFigures
        Every kind of work by itself, idleness aside.
    """

    hardware: str
    name: str
    simulated: bool
    runs: int
    oldest: str
    newest: str
    utilization: Span | None
    power_w: Span | None
    idle_w: Span | None
    work: tuple[WorkFigures, ...]


def insert(database: sqlite3.Connection, key: int, run: MeasuredRun) -> None:
    """Write the figures of a run that is in the store under a key."""
    database.executemany(
        "INSERT INTO part VALUES (?, ?, ?, ?, ?)",
        [
            (key, one.hardware or one.name, run.simulated, one.name, run.started)
            for one in run.devices
        ],
    )
    rows = [row for one in run.devices for row in _figures(run, one)]
    database.executemany(
        "INSERT INTO figure VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", [(key, *row) for row in rows]
    )
    database.execute("UPDATE run SET summarised = 1 WHERE key = ?", (key,))


def _figures(run: MeasuredRun, device: MeasuredDevice) -> Iterator[tuple[object, ...]]:
    """Rate and power of each timing of a device, and its mean power over a run."""
    whose = (device.hardware or device.name, run.simulated)
    for one in run.timings:
        if one.component == device.key:
            rate = None if one.flop is None else one.flop / (one.time_s * one.devices)
            power_w = None if one.trust == "modelled" else one.power_w
            work = (one.what, one.precision or "", one.kind or "", one.arch or "")
            yield (*whose, *work, rate, power_w)
    for energy in run.energy if run.origin != "bench" else ():
        if energy.component == device.key and energy.trust != "modelled" and energy.duration_s:
            yield (*whose, WHOLE_RUN, "", "", "", None, energy.mean_w)


def rows_from(database: sqlite3.Connection) -> Read:
    """Answer queries from one database."""
    return lambda query, values: database.execute(query, values).fetchall()


@dataclass(frozen=True)
class Figures:
    """Runs of a store, summed up.

    Parameters
    ----------
    read : callable
        Answers a query.
    used : callable, optional
        Which devices are meant: only runs that used one of them count.
    """

    read: Read
    used: Used | None = None

    def devices(self, peaks: Peaks) -> list[DeviceFigures]:
        """Every device of the runs, by name."""
        chosen, values = self._chosen("run")
        found = self.read(
            "SELECT hardware, simulated, count(DISTINCT run) "
            f"FROM part WHERE {chosen} GROUP BY hardware, simulated",
            values,
        )
        return [self._device(row, peaks(row[0])) for row in sorted(found)]

    def newest(self, most: int | None) -> tuple[list[tuple[Any, ...]], int]:
        """Id and document of the newest runs, and how many older ones there are."""
        chosen, values = self._chosen("key")
        rows = self.read(
            f"SELECT id, document FROM run WHERE summarised = 1 AND {chosen} "
            "ORDER BY started DESC, key DESC LIMIT ?",
            (*values, -1 if most is None else most),
        )
        query = f"SELECT count(*) FROM run WHERE summarised = 1 AND {chosen}"
        return list(rows), int(self.read(query, values)[0][0]) - len(rows)

    def _chosen(self, key: str) -> tuple[str, tuple[object, ...]]:
        """Condition on the key of a run, and its values."""
        if self.meant is None:
            return "1", ()
        pairs = ", ".join(["(?, ?)"] * len(self.meant))
        within = f"SELECT run FROM part WHERE (hardware, name) IN (VALUES {pairs})"
        if not self.meant:
            return "0", ()
        return f"{key} IN ({within})", tuple(text for pair in self.meant for text in pair)

    @cached_property
    def meant(self) -> list[tuple[str, str]] | None:
        """Devices that are meant, by id or name of the profile, and name; None for all."""
        if self.used is None:
            return None
        named = self.read("SELECT DISTINCT hardware, name FROM part", ())
        return [(hardware, name) for hardware, name in named if self.used(hardware, name)]

    def _device(self, row: tuple[Any, ...], peaks: Mapping[str, float]) -> DeviceFigures:
        hardware, simulated, runs = row
        whose = (hardware, simulated)
        oldest, _ = self._end(whose, "ASC")
        newest, name = self._end(whose, "DESC")
        return DeviceFigures(
            hardware=hardware,
            name=name,
            simulated=bool(simulated),
            runs=runs,
            oldest=oldest,
            newest=newest,
            utilization=self._utilization(whose, peaks),
            power_w=self._power_w(*whose, "training") or self._power_w(*whose, WHOLE_RUN),
            idle_w=self._power_w(*whose, IDLE),
            work=tuple(self._work(whose, peaks)),
        )

    def _end(self, whose: tuple[str, int], way: str) -> tuple[str, str]:
        """Start and name of a device in the first or last of its runs."""
        chosen, values = self._chosen("run")
        ((started, name),) = self.read(
            f"SELECT started, name FROM part WHERE hardware = ? AND simulated = ? AND {chosen} "
            f"ORDER BY started {way}, run {way}, rowid {way} LIMIT 1",
            (*whose, *values),
        )
        return started, name

    def _work(self, whose: tuple[str, int], peaks: Mapping[str, float]) -> Iterator[WorkFigures]:
        """Every kind of work of a device."""
        chosen, values = self._chosen("run")
        found = self.read(
            "SELECT what, precision, kind, count(DISTINCT run) FROM figure "
            f"WHERE hardware = ? AND simulated = ? AND {chosen} GROUP BY what, precision, kind",
            (*whose, *values),
        )
        for what, precision, kind, runs in sorted(found):
            if what in (IDLE, WHOLE_RUN):
                continue
            within = (*whose, what, precision, kind)
            yield WorkFigures(
                what=what,
                precision=precision,
                kind=kind,
                arch=self._first_arch(within),
                runs=runs,
                utilization=_span(self._shares(peaks, precision, within)),
                power_w=self._power_w(*within),
            )

    def _first_arch(self, within: tuple[object, ...]) -> str:
        chosen, values = self._chosen("run")
        ((arch,),) = self.read(
            f"SELECT arch FROM figure WHERE {_like(within)} AND {chosen} "
            "ORDER BY run, rowid LIMIT 1",
            (*within, *values),
        )
        return str(arch)

    def _utilization(self, whose: tuple[str, int], peaks: Mapping[str, float]) -> Span | None:
        """Of all training, in the formats that have a peak."""
        shares = (self._shares(peaks, name, (*whose, "training", name)) for name in peaks)
        return _span(list(chain.from_iterable(shares)))

    def _shares(
        self, peaks: Mapping[str, float], precision: str, within: tuple[object, ...]
    ) -> list[float]:
        """Shares of the peak that some work reached; none without a peak."""
        if precision not in peaks:
            return []
        return [rate / peaks[precision] for rate in self._values("rate", within)]

    def _power_w(self, *within: object) -> Span | None:
        return _span(self._values("power_w", within))

    def _values(self, column: str, within: tuple[object, ...]) -> list[float]:
        """What is known of a column over some work of a device."""
        chosen, values = self._chosen("run")
        rows = self.read(
            f"SELECT {column} FROM figure "
            f"WHERE {_like(within)} AND {column} IS NOT NULL AND {chosen}",
            (*within, *values),
        )
        return [value for (value,) in rows]


def _like(within: tuple[object, ...]) -> str:
    """Condition on the first of the columns that tell work apart."""
    names = ("hardware", "simulated", "what", "precision", "kind")
    return " AND ".join(f"{name} = ?" for name in names[: len(within)])


def _span(values: list[float]) -> Span | None:
    """Median and range; None of nothing."""
    if not values:
        return None
    values.sort()
    middle = values[(len(values) - 1) // 2 : len(values) // 2 + 1]
    return Span(low=values[0], mid=sum(middle) / len(middle), high=values[-1])


def days_since(started: str, now: datetime) -> float:
    """Time since a run began [day]; a time without a zone is in UTC."""
    moment = datetime.fromisoformat(started)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (now - moment).total_seconds() / S_PER_DAY)
