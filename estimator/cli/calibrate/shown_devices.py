"""Measured devices as `calibrate show` prints them: measurements, and fitted expectations."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from estimator.calibration.correction import Known
    from estimator.calibration.devices import DeviceReport, WorkReport
    from estimator.catalog import Catalog
    from estimator.runs import Overview
    from estimator.runs.figures import DeviceFigures


def stored_runs(hardware: str | None, most: int | None, catalog: "Catalog") -> "Overview":
    """Summarize the store, optionally for a single device."""
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
    """Return the notice if a device's training timings correct no estimate."""
    from estimator.cli.calibrate.measured_run import peak_missing

    timed = {one.precision for one in measured.work if one.what == "training"}
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
    """Convert a span to low, mid and high; return any other value unchanged."""
    from estimator.runs.figures import Span

    return asdict(value) if isinstance(value, Span) else value


def known_values(shown: dict[str, Any]) -> dict[str, Any]:
    """Remove unknown values."""
    return {key: value for key, value in shown.items() if value is not None and value != ""}
