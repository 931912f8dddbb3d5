"""`calibrate show`: measurements of each device, and their runs."""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from estimator.cli.options import add_output, catalog_of, whole
from estimator.core.units import (
    S_PER_DAY,
    digits,
    format_range,
    human,
    human_duration,
    human_percent,
)
from estimator.show.terminal import harmless, note, print_csv, print_json, print_line, print_table

if TYPE_CHECKING:
    from estimator.calibration.correction import Known
    from estimator.calibration.devices import DeviceReport
    from estimator.catalog import Catalog
    from estimator.runs import Overview
    from estimator.runs.figures import DeviceFigures, WorkFigures
    from estimator.runs.record import Energy, MeasuredRun, ServedLoad

Bounds = dict[str, float]
"""Low, mid and high."""

EXAMPLES = """examples:
  twenty-watts calibrate show
  twenty-watts calibrate show --hardware h100 --json
  twenty-watts calibrate show --runs --csv
Columns: utilization (expected) is what `estimate` predicts for the workload type and number format
with the most timings, with its 80% interval, the work in the column "of", and an unspecified step
size; utilization_before (before) is the same from published runs only. All other columns are
measured: mid is the median, low and high the range. Energy modeled from the load is marked as
modeled. Runs are listed newest first.
"""

SHOWN = 30
"""Default number of runs in a printed table; files contain all."""

SHARES = ("utilization", "utilization_before")

FACTS = (
    *("hardware", "name", "simulated", "runs", "oldest", "newest", "age_days"),
    *("utilization_of", "utilization_flop"),
)

QUANTITIES = (
    "utilization",
    "utilization_before",
    "utilization_measured",
    "power_w",
    "idle_w",
)


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "show",
        help="show measured devices and runs",
        description="Show what has been measured on each device, and the runs it comes from.",
        epilog=EXAMPLES,
    )
    parser.add_argument("--hardware", metavar="NAME", help="show only runs on this device")
    parser.add_argument("--runs", action="store_true", help="print only the list of runs")
    parser.add_argument(
        "--most",
        metavar="N",
        help=f"list the newest N runs (default: {SHOWN}; all with --json and --csv)",
    )
    add_output(parser, interval=False)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print devices and runs."""
    catalog = catalog_of(options)
    stored = stored_runs(options.hardware, _most(options), catalog)
    if not stored.runs:
        from estimator.runs import check_folder

        check_folder()
    if options.hardware is not None and not stored.runs:
        catalog.device(options.hardware)  # a name that no run has is that of a device
    devices, notes = ([], []) if options.runs else shown_devices(stored.devices, catalog)
    for line in dict.fromkeys((*stored.notes, *notes)):
        note(line, quiet=options.quiet)
    runs, older = stored.runs, stored.older
    if options.json:
        listed = [_run_json(run) for run in runs]
        print_json({"runs": listed} if options.runs else {"devices": devices, "runs": listed})
    elif options.csv:
        rows = map(_run_row, runs) if options.runs else map(_device_row, devices)
        print_csv(rows)
    else:
        _print_for_people(runs, devices, options.hardware)
    if older:
        number = "1 older run is" if older == 1 else f"{older:,} older runs are"
        note(f"{number} not listed: --most {older + len(runs)}", quiet=options.quiet)
    return 0


def _most(options: argparse.Namespace) -> int | None:
    """Return the number of runs to list, or None for all."""
    if options.most is None:
        return None if options.json or options.csv else SHOWN
    return min(whole("most", options.most), sys.maxsize)


def _print_for_people(
    runs: "Sequence[MeasuredRun]", devices: Sequence[dict[str, Any]], hardware: str | None
) -> None:
    if not runs:
        print_line("Nothing measured yet" + (f" on {hardware}." if hardware else "."))
        return
    header = ["device", "runs", "newest", "of", "expected", "before", "power", "idle"]
    _print_filled(header, map(_device_cells, devices))
    header = ["device", "work", "format", "kind", "runs", "measured", "power"]
    works = [(device["hardware"], work) for device in devices for work in device["work"]]
    _print_filled(header, (_work_cells(*one) for one in works), said=len(devices) == 1)
    header = ["run", "model", "format", "in flight", "output", "first token", "per token", "power"]
    _print_filled(header, (_load_cells(run, load) for run in runs for load in run.served))
    header = ["run", "state", "origin", "devices", "time", "energy", "label"]
    names = {", ".join(_names(run)) for run in runs}
    _print_filled(header, map(_run_cells, runs), said=len(devices) == 1 and len(names) == 1)


LONGEST = 40
"""Longest device name that is never wrapped [character]."""

DEVICE_COLUMNS = ("device", "devices")


def _print_filled(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, said: bool = False
) -> None:
    """Print a table, if it has rows, without empty columns.

    Parameters
    ----------
    said : bool
        Leave the devices out, as a table above shows the only one.
    """
    columns = {
        name: [harmless(cell) for cell in cells]
        for name, cells in zip(header, zip(*rows, strict=True), strict=False)
        if any(cells) and not (said and name in DEVICE_COLUMNS)
    }
    short = [
        name for name in DEVICE_COLUMNS if all(len(c) <= LONGEST for c in columns.get(name, ()))
    ]
    if columns:
        print_table(list(columns), zip(*columns.values(), strict=True), whole=("run", *short))


def _device_row(device: dict[str, Any]) -> dict[str, Any]:
    row = {name: device.get(name, "") for name in FACTS}
    unknown = dict.fromkeys(("low", "mid", "high"), "")
    for quantity in QUANTITIES:
        span = device.get(quantity, unknown)
        row |= {f"{quantity}_{bound}": value for bound, value in span.items()}
    return row


def _run_json(run: "MeasuredRun") -> dict[str, Any]:
    from estimator.runs.record import without_unknown

    shown = {
        "id": run.id,
        "started": run.started,
        "state": run.state,
        "origin": run.origin,
        "hardware": _names(run),
        "wall_s": run.wall_s,
        "energy_kwh": {component.component: component.energy_kwh for component in run.energy},
        "meters": {
            one.component: {"meter": one.meter, "trust": one.trust, "coverage": one.coverage}
            for one in run.energy
        },
        "timings": len(run.timings),
        "served": [without_unknown(asdict(load)) for load in run.served] or None,
        "simulated": run.simulated,
        "label": run.label,
        "notes": list(run.notes),
    }
    return known_values(shown)


def _run_row(run: "MeasuredRun") -> dict[str, Any]:
    shown = _run_json(run)
    shown["served"] = len(shown.pop("served", ()))
    shown |= {key: "; ".join(shown[key]) for key in ("hardware", "notes")}
    energy, meters = shown.pop("energy_kwh"), shown.pop("meters")
    return {
        **shown,
        **{f"energy_kwh_{component}": value for component, value in energy.items()},
        **{f"trust_{component}": one["trust"] for component, one in meters.items()},
    }


def _names(run: "MeasuredRun") -> list[str]:
    return list(dict.fromkeys(device.hardware or device.name for device in run.devices))


def _run_cells(run: "MeasuredRun") -> list[str]:
    energy = ", ".join(map(_energy, run.energy))
    state = f"{run.state}, simulated" if run.simulated else run.state
    time = human_duration(run.wall_s)
    return [run.id, state, run.origin, ", ".join(_names(run)), time, energy, label_of(run)]


def label_of(run: "MeasuredRun") -> str:
    """Return the label of a run, with the program if runs share the label."""
    from estimator.runs.record import FORECAST

    programs = dict.fromkeys(timing.style for timing in run.timings if timing.style)
    if run.label == FORECAST and programs:
        return f"{FORECAST} of {', '.join(programs)}"
    if run.origin == "bench":
        return f"benchmark, {len(run.timings)} timings"
    return run.label or ""


def _rate(load: "ServedLoad") -> str:
    value = load.measured.get("output_tokens_per_s")
    return "" if value is None else f"{digits(value)} tokens/s"


def _load_cells(run: "MeasuredRun", load: "ServedLoad") -> list[str]:
    """Return the table cells of one server measurement, blank where not measured."""

    def figure(name: str, unit: str) -> str:
        value = load.measured.get(name)
        return "" if value is None else human(value, unit)

    flying = "" if load.concurrency is None else f"{load.concurrency:.3g}"
    return [
        run.id,
        load.model,
        load.precision,
        flying,
        _rate(load),
        figure("time_to_first_token_s", "s"),
        figure("inter_token_s", "s"),
        figure("device_power_w", "W"),
    ]


def _energy(one: "Energy") -> str:
    shown = f"{one.component} {human(1000.0 * one.energy_kwh, 'Wh')}"
    return f"{shown} modelled" if one.trust == "modelled" else shown


def _device_cells(device: dict[str, Any]) -> list[str]:
    days = device["age_days"]
    age = "today" if days < 1 else f"{human_duration(days * S_PER_DAY)} ago"
    name = f"{device['hardware']} (simulated)" if device["simulated"] else device["hardware"]
    return [
        name,
        str(device["runs"]),
        age,
        _work_of(device),
        *(_share(device.get(name)) for name in SHARES),
        _watts(device.get("power_w")),
        _watts(device.get("idle_w")),
    ]


def _work_of(device: dict[str, Any]) -> str:
    """Return the work that the expected utilization applies to, empty if there is none."""
    if "utilization_of" not in device:
        return ""
    return f"{device['utilization_of']}, {human(device['utilization_flop'], 'FLOP')}"


def _work_cells(hardware: str, work: dict[str, Any]) -> list[str]:
    kind = [hardware, *(work.get(name, "") for name in ("what", "precision", "kind"))]
    runs, share = str(work["runs"]), _share(work.get("utilization"))
    return [*kind, runs, share, _watts(work.get("power_w"))]


def _share(span: Bounds | None) -> str:
    return _ranged(span, human_percent)


def _watts(span: Bounds | None) -> str:
    return _ranged(span, lambda value: human(value, "W"))


def _ranged(span: Bounds | None, said: Callable[[float], str]) -> str:
    if span is None:
        return ""
    middle = said(span["mid"])
    low, high = said(span["low"]), said(span["high"])
    return middle if low == high else f"{middle} ({format_range(low, high)})"


def stored_runs(hardware: str | None, most: int | None, catalog: "Catalog") -> "Overview":
    """Summarize the store, optionally for one device."""
    from estimator.runs import overview

    def peaks(device: str) -> Mapping[str, float]:
        from estimator.calibration.devices import peaks_of  # an empty store needs no fit

        return peaks_of(catalog)(device)

    if hardware is None:
        return overview(peaks, most=most)
    from estimator.calibration.devices import used_device

    return overview(peaks, used=used_device(hardware, catalog), most=most)


def shown_devices(
    figures: "Sequence[DeviceFigures]", catalog: "Catalog"
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return measured devices for `--json`, and notes on runs that count less."""
    if not figures:
        return [], []
    from estimator.calibration.correction import known_runs
    from estimator.calibration.devices import reports_of

    known = known_runs(catalog)
    reports = reports_of(figures, known)
    notes = [line for report in reports for line in _less_counted(report.measured.hardware, known)]
    notes += [line for figure in figures for line in _without_peak(figure, catalog)]
    return [_device(report, catalog) for report in reports], notes


def _without_peak(measured: "DeviceFigures", catalog: "Catalog") -> list[str]:
    """Return the notice if a device's training timings correct no estimate."""
    from estimator.cli.calibrate.measured_run import peak_missing

    timed = {work.precision for work in measured.work if work.what == "training"}
    line = peak_missing(measured.hardware, timed - {""}, catalog)
    return [line] if line and not measured.simulated else []


def _less_counted(hardware: str, known: "Known") -> tuple[str, ...]:
    """Return notices on a device's runs that count less."""
    from estimator.calibration.notices import less_counted
    from estimator.core.messages import rendered
    from estimator.question.inputs import option_of

    name = known.catalog.find_device(hardware)
    if name is None:
        return ()
    return rendered(less_counted(*known.of(known.catalog.device(name))), option_of)


def _device(report: "DeviceReport", catalog: "Catalog") -> dict[str, Any]:
    measured = report.measured
    shown = {
        "hardware": measured.hardware or "unnamed",
        "name": measured.name,
        "simulated": measured.simulated,
        "runs": measured.runs,
        "oldest": measured.oldest,
        "newest": measured.newest,
        "age_days": report.age_days,
        **_expected(report, catalog),
        "utilization_measured": measured.utilization,
        "power_w": measured.power_w,
        "idle_w": measured.idle_w,
    }
    plain = known_values({name: _bounds(value) for name, value in shown.items()})
    return {**plain, "work": [_work(work) for work in measured.work]}


def _expected(report: "DeviceReport", catalog: "Catalog") -> dict[str, Any]:
    """Return the expected utilization with and without the runs, and the work it applies to."""
    from estimator.answer.usual_run import usual_flop, usual_runs

    cell = report.cell
    if report.device is None or cell is None:
        return {}
    (found,) = usual_runs(report.device, [cell.group], cell.precision, catalog)
    now, before = (
        {"low": float(low), "mid": float(one.mid), "high": float(high)}
        for one in (found.now, found.before)
        for low, high in [one.interval()]
    )
    return {
        "utilization": now,
        "utilization_before": before,
        "utilization_of": f"{cell.group}, {cell.precision}",
        "utilization_flop": usual_flop(report.device, cell.precision),
    }


def _work(work: "WorkFigures") -> dict[str, Any]:
    measured = asdict(work)
    measured.pop("arch")
    return known_values(measured)


def _bounds(value: Any) -> Any:
    """Convert a span to low, mid and high; return any other value unchanged."""
    from estimator.runs.figures import Span

    return asdict(value) if isinstance(value, Span) else value


def known_values(shown: dict[str, Any]) -> dict[str, Any]:
    """Remove unknown values."""
    return {key: value for key, value in shown.items() if value is not None and value != ""}
