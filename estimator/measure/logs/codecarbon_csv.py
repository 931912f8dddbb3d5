"""Runs in CodeCarbon's emissions.csv, one per row.

Only energy over its covered time is used. For NVIDIA boards it has been the counter difference
since CodeCarbon 2. CPU and memory energy is mostly from formulas, so it counts as modelled and
calibrates nothing. The file's energies include the PUE, which is divided out.
"""

import re
from dataclasses import replace
from datetime import timedelta

from estimator.core.units import GIB, J_PER_KWH
from estimator.measure.cluster.nodes import digest
from estimator.measure.logs.log_file import LogFile, Row, moment_of, number, positive, table_of
from estimator.measure.logs.log_file import text_of as text
from estimator.measure.logs.logged_run import LONGEST_S, LoggedRun
from estimator.runs.record import Condition, Energy, Host, MeasuredDevice, Trust

NEEDED = {"run_id", "duration", "emissions", "cpu_energy", "gpu_energy"}
MOST_RUNS = 10_000
MOST_BOARDS = 4096
SHORTEST_S = 1.0

PART_LIMIT_W = {"cpu": 4000.0, "ram": 4000.0, "gpu": 2000.0}
"""Largest plausible power of the CPUs, memory, or one board [W]."""

MOST_PUE = 10.0
"""Largest plausible PUE [1]."""

COUNTED_SINCE = 2
"""CodeCarbon version since which board energy comes from counters."""


def is_codecarbon(log: LogFile) -> bool:
    """Return whether the header is CodeCarbon's."""
    return {cell.strip() for cell in log.first_line.split(",")} >= NEEDED


def read_codecarbon(log: LogFile) -> list[LoggedRun]:
    """Read the runs; repeated rows of a run count once, by the longest."""
    rows = table_of(log)
    whole = [row for row in rows if row.keys() >= NEEDED]
    if not whole:
        raise log.refused("no emissions.csv of CodeCarbon, or no run in it")
    longest: dict[str, Row] = {}
    for row in whole:
        duration = number(row.get("duration")) or 0.0
        key = row.get("run_id", "")
        if key and duration >= (number(longest.get(key, {}).get("duration")) or 0.0):
            longest[key] = row
    log.check_count(len(longest), MOST_RUNS, "runs")
    runs = [
        _run(row) for row in longest.values() if (number(row.get("duration")) or 0) >= SHORTEST_S
    ]
    if not runs:
        raise log.refused("no run of a second or more")
    if len(whole) < len(rows):
        cut = f"rows of {log.name} cut short, and left out: {len(rows) - len(whole)}"
        runs[0] = replace(runs[0], notes=(*runs[0].notes, cut))
    return runs


def _run(row: Row) -> LoggedRun:
    """Convert one row to a run."""
    wall_s = positive(row["duration"]) or 0.0
    ended = moment_of(row.get("timestamp", ""))
    devices = _boards(row)
    notes: list[str] = []
    energy = _energies(row, devices, wall_s, notes)
    boards = [one for one in energy if one.component.startswith("gpu")]
    power = (boards[0].mean_w / len(devices), boards[0].trust) if boards else None
    busy = number(row.get("gpu_utilization_percent"))
    return LoggedRun(
        identity=("codecarbon", row["run_id"]),
        wall_s=wall_s,
        started=None if ended is None else ended - timedelta(seconds=min(wall_s, LONGEST_S)),
        label=text(row, "project_name"),
        host=_host(row),
        devices=tuple(devices),
        energy=tuple(energy),
        conditions=tuple(
            Condition(component=one.key, busy=busy / 100)
            for one in devices
            if busy is not None and 0 < busy <= 100
        ),
        power_w=power,
        notes=tuple(notes),
    )


def _boards(row: Row) -> list[MeasuredDevice]:
    """Parse boards written as "2 x NVIDIA A100"."""
    model = text(row, "gpu_model")
    if model is None or ";" in model:
        return []
    counted = re.fullmatch(r"(\d{1,6}) x (.+)", model)
    count = int(counted[1]) if counted else int(number(row.get("gpu_count")) or 1)
    name = counted[2] if counted else model
    if not 1 <= count <= MOST_BOARDS:
        return []
    return [MeasuredDevice(key=f"gpu:{at}", kind="gpu", name=name) for at in range(count)]


def _energies(
    row: Row, devices: list[MeasuredDevice], wall_s: float, notes: list[str]
) -> list[Energy]:
    """Plausible energy of all boards, CPU and memory."""
    pue = number(row.get("pue")) or 1.0
    if not 1.0 <= pue <= MOST_PUE:
        notes.append(f"a PUE of {pue:g} cannot be: the energies, multiplied by it, are left out")
        return []
    if pue != 1.0:
        notes.append(f"energies divided by the PUE of {pue:g} that CodeCarbon multiplied them by")
    found = []
    for part, component in (("gpu", "gpu"), ("cpu", "cpu"), ("ram", "dram")):
        kwh = positive(row.get(f"{part}_energy"))
        if kwh is None or (part == "gpu" and not devices):
            continue
        energy_j = kwh * J_PER_KWH / pue
        most_w = PART_LIMIT_W[part] * (len(devices) if part == "gpu" else 1)
        if energy_j > most_w * wall_s:
            notes.append(f"{component}: implausible energy ignored: {energy_j / wall_s:.3g} W")
            continue
        single = part == "gpu" and len(devices) == 1
        found.append(
            Energy(
                component=devices[0].key if single else component,
                meter="codecarbon",
                trust=_trust(part, row),
                energy_j=energy_j,
                duration_s=wall_s,
            )
        )
    return found


def _trust(part: str, row: Row) -> Trust:
    """Return the trust in an energy, by CodeCarbon's method."""
    if "apple" in row.get("cpu_model", "").lower():
        return "modelled" if part == "ram" else "sampled"
    if part != "gpu":
        return "modelled"
    version = number(row.get("codecarbon_version", "").partition(".")[0]) or 0
    amd = re.search(r"amd|radeon|instinct", row.get("gpu_model", ""), re.IGNORECASE)
    return "sampled" if amd or version < COUNTED_SINCE else "counter"


def _host(row: Row) -> Host:
    """Machine identified by CPU, memory and boards, without its location."""
    parts = [row.get(key, "") for key in ("cpu_model", "cpu_count", "gpu_model", "os")]
    memory_gib = positive(row.get("ram_total_size"))
    software = {
        name: known
        for name, key in (("python", "python_version"), ("codecarbon", "codecarbon_version"))
        if (known := text(row, key))
    }
    cores = positive(row.get("cpu_count"))
    return Host(
        id=digest("codecarbon", *parts)[:16],
        cpu=text(row, "cpu_model") or "unknown processor",
        cores=int(cores) if cores and cores < 1e6 else None,
        system=(text(row, "os") or "unknown").partition("-")[0],
        memory_bytes=memory_gib * GIB if memory_gib and memory_gib < 1e9 else None,
        software=software,
    )
