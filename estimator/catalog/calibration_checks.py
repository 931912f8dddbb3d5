"""Checks of the packaged measured runs against the profiles: names, dates, formats."""

from collections.abc import Iterator
from functools import partial

from estimator.catalog.catalog import Catalog
from estimator.catalog.records import Problem, is_past, offer, unknown_word
from estimator.catalog.schema import CALIBRATIONS, PRECISIONS
from estimator.catalog.shared_runs import read_overlay
from estimator.runs.record import MeasuredRun


def calibration_problems(catalog: Catalog) -> Iterator[Problem]:
    """Check every measured run of every layer, assuming that its file can be read."""
    devices = catalog.device_names()
    seen: dict[str, str] = {}
    for path in catalog.calibration_files():
        file = f"{CALIBRATIONS}/{path.name}"
        problem = partial(Problem, file)
        overlay = read_overlay(path, catalog.source_ids)
        for name in overlay.hardware:
            remedy = f"move it to hardware/{name}.toml, for it is not read here"
            yield problem(f"hardware.{name}", "a profile", remedy)
        for run in overlay.runs:
            if run.id in seen:
                yield problem(run.id, f"is in {seen[run.id]}, too", "remove it from one of them")
            seen[run.id] = file
            yield from _run_problems(file, run, devices)


def _run_problems(file: str, run: MeasuredRun, devices: dict[str, str]) -> Iterator[Problem]:
    """Check one run against the devices, the number formats and the calendar."""
    problem = partial(Problem, file)
    if not is_past(run.started[:10]):
        yield problem(f"{run.id} started", f"{run.started} is in the future", "correct the date")
    if run.simulated:
        message = "measured with a simulated device"
        yield problem(f"{run.id} simulated", message, "remove it")
    keys = {device.key for device in run.devices}
    for device in run.devices:
        key = f"{run.id} {device.key}"
        yield from unknown_word(file, key, "device", device.hardware, devices)
    for timing in run.timings:
        if timing.component not in keys:
            message = f"no device {timing.component!r} in this run"
            yield problem(f"{run.id} timings", message, offer(timing.component, keys))
        place = f"{run.id} timings"
        yield from unknown_word(file, place, "precision", timing.precision, PRECISIONS)
