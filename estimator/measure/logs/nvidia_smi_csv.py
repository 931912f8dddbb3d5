"""Boards in a log of ``nvidia-smi --query-gpu=timestamp,power.draw --format=csv -l 1``.

Power is integrated as for any meter. With utilization.gpu in the log, idle time before and after
the work is left out.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from estimator.catalog import Catalog
from estimator.core.units import in_percent
from estimator.measure.cluster.dcgm import UNKNOWN_BOARD_LIMIT_W, limit_w
from estimator.measure.cluster.nodes import digest, gathered
from estimator.measure.logs.log_file import LogFile, Row, moment_of, number, table_of
from estimator.measure.logs.logged_run import LoggedRun
from estimator.measure.meters.nvml_readings import HELD_DOWN_BY
from estimator.runs.energy import EnergySummary, summarise
from estimator.runs.meter import Sample
from estimator.runs.record import Host, MeasuredDevice

POWER = ("power.draw.instant", "power.draw", "power.draw.average")
BOARD = ("uuid", "gpu_uuid", "index", "pci.bus_id", "gpu_bus_id", "serial")
NAME = ("name", "gpu_name")
CLOCK = ("clocks.current.sm", "clocks.sm", "clocks.current.graphics", "clocks.gr")
REASONS = ("clocks_event_reasons.active", "clocks_throttle_reasons.active")
BUSY, MEMORY_BUSY, HEAT = "utilization.gpu", "utilization.memory", "temperature.gpu"
HZ_PER_MHZ = 1e6
HOTTEST_C, FASTEST_MHZ = 200.0, 1e5
"""Largest plausible temperature and clock [degC] [MHz]."""

AT_WORK = 0.05
"""Busy share below which a board is idle in a sample [1]."""

WORTH_A_NOTE = 0.02
"""Idle share at the ends of the log that gets a note [1]."""

MOST_BOARDS = 4096


def is_nvidia_smi(log: LogFile) -> bool:
    """Return whether the first line is an nvidia-smi header with power."""
    names = _names(log.first_line.split(","))
    return "timestamp" in names and bool(names & set(POWER))


def _names(cells: Sequence[str]) -> set[str]:
    return {_plain(cell) for cell in cells}


def _plain(cell: str) -> str:
    """Column name without its unit: power.draw [W] is power.draw."""
    return re.sub(r"\s*\[.*\]$", "", cell.strip())


def read_nvidia_smi(log: LogFile, catalog: Catalog, hardware: str | None) -> list[LoggedRun]:
    """Read the only run of a log; `hardware` names the boards if the log does not."""
    table = table_of(log)
    names_of = {key: _plain(key) for key in {key for row in table for key in row}}
    rows = [{names_of[key]: value for key, value in row.items()} for row in table]
    rows, unsorted = _by_time(rows)
    groups = _by_board(log, rows)
    series = {board: _samples(some) for board, some in groups.items()}
    series = {board: samples for board, samples in series.items() if len(samples) > 1}
    if not series:
        raise log.refused("fewer than two samples of a board: log for longer (-l 1)")
    begin, end, notes = _window(series)
    names = {board: _first(groups[board], NAME) or hardware for board in series}
    if not all(names.values()):
        raise log.refused("does not name the boards: query name, or set --hardware")
    devices, summaries = _summaries(series, names, (begin, end), catalog)
    uuids = sorted(series)
    versions = {row["driver_version"] for row in rows if row.get("driver_version")}
    software = {"nvidia-driver": versions.pop()[:40]} if len(versions) == 1 else {}
    return [
        LoggedRun(
            identity=("nvidia-smi", rows[0]["timestamp"], *uuids),
            wall_s=end - begin,
            started=datetime.fromtimestamp(begin, UTC),
            host=Host(
                id=digest("nvidia-smi", *uuids)[:16],
                cpu="unknown processor",
                system="unknown",
                software=software,
            ),
            devices=tuple(devices),
            energy=tuple(one.energy for one in summaries if one.energy is not None),
            conditions=tuple(one.condition for one in summaries if one.condition is not None),
            notes=(*unsorted, *notes, *gathered(note for one in summaries for note in one.notes)),
        )
    ]


def _by_time(rows: list[Row]) -> tuple[list[Row], tuple[str, ...]]:
    """Rows with a time, sorted, with a note if the log is unordered."""
    moments = [(moment_of(row.get("timestamp", "")), row) for row in rows]
    known = [(moment, row) for moment, row in moments if moment is not None]
    ordered = sorted(known, key=lambda one: one[0])
    note = "the times of the log go back: its samples are put in order"
    notes = (note,) if [at for at, _ in ordered] != [at for at, _ in known] else ()
    return [row for _, row in ordered], notes


def _by_board(log: LogFile, rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows of each board, in log order."""
    column = next((name for name in BOARD if rows and name in rows[0]), None)
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault("" if column is None else row.get(column, ""), []).append(row)
    if not groups:
        raise log.refused("no sample with a time: query timestamp")
    if len(groups) > MOST_BOARDS:
        raise log.refused(f"{len(groups):,} boards: is the column {column} one of boards?")
    if column is None:
        times = [row["timestamp"] for row in rows]
        if len({row.get("name", "") for row in rows}) > 1 or len(set(times)) < len(times):
            raise log.refused("does not tell the boards apart: query index or uuid")
    return groups


def _samples(rows: Sequence[Row]) -> list[Sample]:
    """Samples of one board."""
    power = next((name for name in POWER if name in rows[0]), "")
    found = []
    for row in rows:
        moment = moment_of(row["timestamp"])
        assert moment is not None
        clock = number(_first([row], CLOCK), "MHz")
        heat = number(row.get(HEAT))
        found.append(
            Sample(
                time_s=moment.timestamp(),
                power_w=number(row.get(power), "W"),
                temperature_c=heat if heat is not None and abs(heat) <= HOTTEST_C else None,
                clock_hz=clock * HZ_PER_MHZ if clock and 0 < clock <= FASTEST_MHZ else None,
                busy=_share(row.get(BUSY)),
                memory_busy=_share(row.get(MEMORY_BUSY)),
                throttled_by=_reasons(_first([row], REASONS)),
            )
        )
    return found


def _share(cell: str | None) -> float | None:
    percent = number(cell, "%")
    return percent / 100 if percent is not None and 0 <= percent <= 100 else None


def _reasons(cell: str | None) -> tuple[str, ...]:
    """Return the reasons for a lower clock, from the driver's mask."""
    if cell is None or not re.fullmatch(r"0x[0-9a-fA-F]{1,16}", cell):
        return ()
    mask = int(cell, 16)
    return tuple(reason for bit, reason in HELD_DOWN_BY.items() if mask & bit)


def _first(rows: Sequence[Row], columns: Sequence[str]) -> str | None:
    """First non-empty cell of these columns."""
    cells = (row.get(column, "") for column in columns for row in rows[:1])
    return next((cell for cell in cells if cell and not cell.startswith("[")), None)


def _window(series: Mapping[str, Sequence[Sample]]) -> tuple[float, float, list[str]]:
    """Window from first to last sample with a working board, or all if unknown."""
    every = [one for samples in series.values() for one in samples]
    first, last = min(one.time_s for one in every), max(one.time_s for one in every)
    active = [one.time_s for one in every if (one.busy or 0.0) >= AT_WORK]
    if all(one.busy is None for one in every):
        return first, last, ["the log has no utilization.gpu: all of its time counts as work"]
    if len(active) < 2 or max(active) <= min(active):
        return first, last, ["no board was at work"]
    idle = 1 - (max(active) - min(active)) / (last - first)
    notes = (
        [f"{in_percent(idle)} of the log, idle at its ends, left out"]
        if idle > WORTH_A_NOTE
        else []
    )
    return min(active), max(active), notes


def _summaries(
    series: Mapping[str, Sequence[Sample]],
    names: Mapping[str, str | None],
    window: tuple[float, float],
    catalog: Catalog,
) -> tuple[list[MeasuredDevice], list[EnergySummary]]:
    """Each board with its summary over the window."""
    begin, end = window
    devices, summaries = [], []
    for at, (board, samples) in enumerate(series.items()):
        name = names[board] or ""
        device = MeasuredDevice(
            key=f"gpu:{board}" if board.isdecimal() and len(board) < 5 else f"gpu:{at}",
            kind="gpu",
            name=name,
            hardware=catalog.find_device(name),
            uuid=board if board.startswith("GPU-") else None,
        )
        inside = [one for one in samples if begin <= one.time_s <= end]
        most_w = limit_w(device, catalog) if device.hardware else UNKNOWN_BOARD_LIMIT_W
        devices.append(device)
        summaries.append(
            summarise(
                device.key,
                "nvidia-smi power",
                "sampled",
                inside,
                duration_s=max(end - begin, 1e-9),
                limit_w=most_w,
            )
        )
    return devices, summaries
