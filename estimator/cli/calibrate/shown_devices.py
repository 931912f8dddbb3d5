"""What `calibrate show` says of each device: worked out once, then kept until something changes.

The fit takes several times as long as all the rest of the command, and rests on the runs, our
program, the profiles and the machine alone. As long as none of them changes, its answer is read
back from the store.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from estimator.cli.options import catalog_of

if TYPE_CHECKING:
    from estimator.calibration.correction import Known
    from estimator.calibration.devices import DeviceReport, WorkReport
    from estimator.catalog import Catalog
    from estimator.runs import Overview
    from estimator.runs.figures import DeviceFigures, Peaks, Used


PACKAGE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class ShownDevices:
    """Devices of the runs, as plain values.

    Parameters
    ----------
    devices : list of dict
        As `--json` prints them.
    notes : list of str
        One line for each thing that the user should know.
    used : callable, optional
        Whether a device is one of those asked for; None for all.
    stored : Overview, optional
        Runs, where they had to be read; None where they are still to be.
    """

    devices: Sequence[dict[str, Any]]
    notes: Sequence[str]
    used: "Used | None"
    stored: "Overview | None" = None


def shown_devices(options: argparse.Namespace, most: int | None) -> ShownDevices:
    """What was measured of each device, and what is expected of it; so many runs are read."""
    from estimator.runs import Kept, keep_answer, kept_answer, overview

    question = _question(options)
    kept = Kept() if question is None else kept_answer(question)
    answer, stored = _parsed(kept.content), None
    if answer is None:
        catalog = catalog_of(options)
        used = _used(options.hardware, catalog)
        stored = overview(_peaks(catalog), used=used, most=most)
        answer = _worked_out(stored, catalog)
        if question is not None:
            keep_answer(question, kept, json.dumps(answer))
    meant = answer["meant"]
    chosen = None if meant is None else {(hardware, name) for hardware, name in meant}
    return ShownDevices(
        devices=[_aged(device) for device in answer["devices"]],
        notes=(*kept.notes, *answer["notes"]),
        stored=stored,
        used=None if chosen is None else lambda hardware, name: (hardware, name) in chosen,
    )


def only_runs(options: argparse.Namespace) -> ShownDevices:
    """The same without a device, for a list of runs alone."""
    return ShownDevices(devices=(), notes=(), used=_used(options.hardware, catalog_of(options)))


def _used(hardware: str | None, catalog: "Catalog") -> "Used | None":
    """Whether a device is the one asked for; None where none is."""
    if hardware is None:
        return None
    from estimator.calibration.devices import used_device

    return used_device(hardware, catalog)


def _parsed(content: str | None) -> dict[str, Any] | None:
    """Answer that was kept; None if there is none."""
    return None if content is None else dict(json.loads(content))


def _aged(device: dict[str, Any]) -> dict[str, Any]:
    """The same with the age of today."""
    from estimator.runs.figures import days_since

    return device | {"age_days": days_since(device["newest"], datetime.now(UTC))}


def _question(options: argparse.Namespace) -> str | None:
    """All that the answer depends on beside the runs, as a text; None while that changes."""
    from estimator.runs import store_path

    if options.profiles == "" or not store_path().exists():
        return None
    from importlib.util import find_spec

    from estimator.catalog.profile_folders import further_directories, shipped_directory
    from estimator.measure.host_id import host_id
    from estimator.system.file_states import digest_of

    numpy = find_spec("numpy")
    if numpy is None or numpy.origin is None:
        return None
    folders = (shipped_directory(), *further_directories(options.profiles))
    files = digest_of((PACKAGE, numpy.origin, *folders))
    if files is None:
        return None
    return repr((sys.version, host_id(), files, [str(one) for one in folders], options.hardware))


def _peaks(catalog: "Catalog") -> "Peaks":
    """How to find the peaks of a device; an empty store needs no more."""

    def peaks(hardware: str) -> Mapping[str, float]:
        from estimator.calibration.devices import peaks_of

        return peaks_of(catalog)(hardware)

    return peaks


def _worked_out(stored: "Overview", catalog: "Catalog") -> dict[str, Any]:
    """Fit the devices that were summed up."""
    devices, notes = _fitted(stored.devices, catalog) if stored.devices else ([], [])
    return {"devices": devices, "notes": notes, "meant": stored.meant}


def _fitted(
    figures: "Sequence[DeviceFigures]", catalog: "Catalog"
) -> tuple[list[dict[str, Any]], list[str]]:
    """Devices with what is expected of them, and what counts less."""
    from estimator.answer.usual_run import usual_utilizations
    from estimator.calibration.correction import known_runs
    from estimator.calibration.devices import reports_of

    known = known_runs(catalog)
    reports = reports_of(
        figures,
        known,
        lambda device, groups, precision: usual_utilizations(device, groups, precision, catalog),
    )
    notes = [line for one in reports for line in _less_counted(one.measured.hardware, known)]
    notes += [line for one in figures for line in _without_peak(one, catalog)]
    return [_device(one) for one in reports], notes


def _without_peak(measured: "DeviceFigures", catalog: "Catalog") -> list[str]:
    """Say whether the training that was timed on a device corrects no estimate."""
    from estimator.cli.calibrate.measured_run import peak_missing

    timed = {one.precision for one in measured.work if one.what == "training"}
    line = peak_missing(measured.hardware, timed - {""}, catalog)
    return [line] if line and not measured.simulated else []


def _less_counted(hardware: str, known: "Known") -> tuple[str, ...]:
    """Say which runs of a device count less, and why."""
    from estimator.calibration.notices import less_counted
    from estimator.core.messages import rendered
    from estimator.question.inputs import option_of

    name = known.catalog.find_device(hardware)
    if name is None:
        return ()
    return rendered(less_counted(*known.of(known.catalog.device(name))), option_of)


def _device(report: "DeviceReport") -> dict[str, Any]:
    shown = {name: _bounds(value) for name, value in _device_values(report).items()}
    return {**known_values(shown), "work": [_work(one) for one in report.work]}


def _device_values(report: "DeviceReport") -> dict[str, Any]:
    measured, expected = report.measured, report.expected
    return {
        "hardware": measured.hardware or "unnamed",
        "name": measured.name,
        "simulated": measured.simulated,
        "runs": measured.runs,
        "oldest": measured.oldest,
        "newest": measured.newest,
        "age_days": report.age_days,
        "utilization": expected.now,
        "utilization_before": expected.before,
        "utilization_steady": expected.steady,
        "utilization_of": report.expected_of,
        "utilization_measured": measured.utilization,
        "power_w": measured.power_w,
        "idle_w": measured.idle_w,
    }


def _work(work: "WorkReport") -> dict[str, Any]:
    measured = asdict(work.measured)
    measured.pop("arch")
    expected = {
        "expected": work.expected.now,
        "expected_before": work.expected.before,
        "expected_steady": work.expected.steady,
    }
    return known_values(measured | {name: _bounds(value) for name, value in expected.items()})


def _bounds(value: Any) -> Any:
    """Low, mid and high of a span; any other value as it is."""
    from estimator.runs.figures import Span

    return asdict(value) if isinstance(value, Span) else value


def known_values(shown: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is unknown."""
    return {key: value for key, value in shown.items() if value is not None and value != ""}
