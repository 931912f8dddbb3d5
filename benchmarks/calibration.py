"""How well does a calibration foretell steps of training that it has not seen?

`python -m benchmarks.calibration RUN` takes a stored benchmark of this processor (an id of
`calibrate show`, or a file of JSON), times networks of other shapes, and sets the predictions of
the calibrated and of the plain profile against them. Then it foretells whole runs from their first
twenty steps.
"""

import json
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from estimator.calibration_answer import steady_prior
from estimator.calibration_lookup import (
    Measured,
    Target,
    corrected,
    evidence_of,
    lessons,
    posterior_of,
    shares_of,
)
from estimator.catalog import Catalog, Device
from estimator.measure.host import Contention
from estimator.measure.job import Job
from estimator.measure.numpy_engine import NumpyEngine
from estimator.measure.protocol import Thoroughness, timed
from estimator.measure.record import MeasuredRun, Timing, read_run
from estimator.measure.session import Session
from estimator.measure.torch_engine import TorchEngine, installed
from estimator.runs import open_store

INSIDE, BEYOND = "inside", "beyond"
EFFORT = Thoroughness(
    warm_up_s=1.0, window_s=3.0, repetitions=16, trials=3, most_trials=6, patience_s=5.0
)
STEPS, SEEN = 80, 20


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One unseen kind of step, measured and foretold."""

    label: str
    precision: str
    family: str
    where: str
    measured_s: float
    calibrated_s: float
    low_s: float
    high_s: float
    plain_s: float
    undisturbed: bool


def unseen() -> list[Job]:
    """Shapes that the benchmark does not have."""
    engine = NumpyEngine()
    shapes = [(320, 3, 200), (768, 2, 300), (640, 6, 640), (1536, 3, 512), (3072, 3, 768)]
    shapes += [(4096, 3, 2048)]
    jobs = [engine.perceptron(*shape) for shape in shapes]
    if not installed():
        return jobs
    torch = TorchEngine("cpu", "cpu")
    for precision in ("fp32", "bf16"):
        decoders = [(3, 96, 96, 8), (3, 160, 128, 8), (6, 192, 192, 8), (5, 320, 256, 6)]
        decoders += [(8, 256, 384, 8), (10, 512, 384, 8)]
        convolutions = [(12, 32, 12), (24, 32, 16), (24, 56, 16), (40, 48, 24), (48, 80, 16)]
        convolutions += [(56, 96, 32)]
        jobs += [torch.decoder(*shape, precision) for shape in decoders]
        jobs += [torch.convolution(*shape, precision) for shape in convolutions]
    return jobs


def outcome(job: Job, run: MeasuredRun, device: Device, catalog: Catalog) -> Outcome:
    """Measure one job and foretell it from a benchmark."""
    found = timed(job.prepare(), lambda: None, contention=Contention(), effort=EFFORT)
    assert job.flop is not None and job.kind is not None
    told = Timing(
        what="training",
        component="cpu",
        precision=job.precision,
        kind=job.kind,
        arch=job.arch,
        flop=job.flop,
        time_s=found.time_s,
        repetitions=2,
    )
    known = lessons(
        Measured(runs=(run,), host=run.host.id),
        device,
        lambda timing: steady_prior(timing, device, catalog),
    )
    evidence = evidence_of(known, device, shares_of(catalog, device))
    prior = steady_prior(told, device, catalog)
    target = Target(precision=job.precision, kind=job.kind, arch=job.arch or "", step_flop=job.flop)
    posterior = posterior_of(evidence, device, target, run.host.id, prior, whole_run=False)
    now = corrected(prior, posterior)
    low, high = now.interval()
    ideal_s = job.flop / device.peaks[job.precision].value
    sizes = [
        one.timing.flop or 0.0
        for one in known
        if (one.timing.kind, one.timing.precision) == (job.kind, job.precision)
    ]
    inside = bool(sizes) and min(sizes) <= job.flop <= max(sizes)
    return Outcome(
        label=job.label,
        precision=job.precision,
        family=job.arch or job.kind,
        where=INSIDE if inside else BEYOND,
        measured_s=found.time_s,
        calibrated_s=ideal_s / float(now.mid),
        low_s=ideal_s / float(high),
        high_s=ideal_s / float(low),
        plain_s=ideal_s / float(prior.mid),
        undisturbed=found.repetitions > 0,
    )


def in_place(job: Job) -> tuple[float, bool]:
    """Error of a whole run foretold from its first steps [1], and whether its interval held it."""
    step = job.prepare()
    session = Session(flop=job.flop)
    begun = time.monotonic()
    for _ in range(SEEN):
        step()
        session.step()
    foretold = session.forecast(STEPS)
    for _ in range(STEPS - SEEN):
        step()
        session.step()
    taken_s = time.monotonic() - begun
    return abs(foretold.mid_s / taken_s - 1.0), foretold.low_s <= taken_s <= foretold.high_s


def summary(found: list[Outcome], name: str) -> str:
    """One line on some outcomes."""
    if not found:
        return f"{name}: none"
    error = np.array([abs(one.calibrated_s / one.measured_s - 1) for one in found])
    plain = np.array([abs(np.log(one.plain_s / one.measured_s)) for one in found])
    covered = np.mean([one.low_s <= one.measured_s <= one.high_s for one in found])
    return (
        f"{name}: {len(found)} kinds of step, median error {np.median(error):.1%}, "
        f"p90 {np.quantile(error, 0.9):.1%}, 80 % interval holds {covered:.0%}; "
        f"uncalibrated off by a factor of {np.exp(np.median(plain)):.2f}, p90 "
        f"{np.exp(np.quantile(plain, 0.9)):.2f}"
    )


def the_run(name: str) -> MeasuredRun:
    """The benchmark, out of the store or a file."""
    if Path(name).is_file():
        return read_run(json.loads(Path(name).read_text(encoding="utf-8")))
    with open_store() as store:
        return store.run(name)


def main() -> None:
    """Print every outcome, then the figures."""
    run, catalog = the_run(sys.argv[1]), Catalog.open()
    device = catalog.device(next(one.hardware or "" for one in run.devices if one.key == "cpu"))
    jobs = [job for job in unseen() if job.precision in device.peaks]
    random.Random(0).shuffle(jobs)
    found: list[Outcome] = []
    for job in jobs:
        one = outcome(job, run, device, catalog)
        found.append(one)
        print(
            f"{one.label}, {one.precision} ({one.where}"
            f"{'' if one.undisturbed else ', disturbed'}): measured {one.measured_s * 1e3:.1f} ms, "
            f"calibrated {one.calibrated_s * 1e3:.1f} ({one.low_s * 1e3:.1f} to "
            f"{one.high_s * 1e3:.1f}), plain {one.plain_s * 1e3:.1f}",
            flush=True,
        )
    for where in (INSIDE, BEYOND):
        print(summary([one for one in found if one.where == where], where))
    for family in sorted({one.family for one in found}):
        inside = [one for one in found if (one.family, one.where) == (family, INSIDE)]
        print(summary(inside, f"{INSIDE}, {family}"))
    runs = [in_place(job) for job in jobs if 5e8 < (job.flop or 0.0) < 2e10]
    errors = [error for error, _ in runs]
    print(
        f"in place, {STEPS} steps from {SEEN}: {len(runs)} runs, median error "
        f"{np.median(errors):.1%}, largest {max(errors):.1%}, 80 % interval holds "
        f"{np.mean([held for _, held in runs]):.0%}"
    )


if __name__ == "__main__":
    main()
