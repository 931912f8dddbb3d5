"""Suggested next measurements, with their commands and their effect on the interval."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product

import numpy as np

from estimator.calibration.conditions import Conditions, Floats
from estimator.calibration.correction import Known, steady_prior
from estimator.calibration.gaussian_process import Evidence
from estimator.calibration.measured_utilization import (
    UNKNOWN_SIZE,
    Target,
    conditions_on,
    network_family,
    network_group,
    size_of,
    text_array,
    whole_size,
)
from estimator.catalog import Catalog, Device
from estimator.core.phrase import Phrase, say
from estimator.core.uncertainty import z_score
from estimator.core.units import CENTRAL, digits
from estimator.networks.kinds import network_kind
from estimator.question.hardware import TRAINING_PRECISIONS
from estimator.runs.record import Timing

WORKS = (
    ("language", "dense decoder"),
    ("language", "encoder"),
    ("vision", "CNN"),
    ("diffusion", "U-Net"),
)
"""Workload types and architectures, one per group of networks."""

BENCHED_WORKS = (("language", "dense decoder"), ("vision", "CNN"), ("other", "perceptron"))
"""Families whose steps `calibrate bench` times."""

BENCHED_FORMATS = {"cpu": ("fp32", "bf16"), "gpu": ("fp32", "tf32", "bf16", "fp16")}
"""Device type -> number formats that `calibrate bench` times."""

BENCHED_KINDS = {
    "cpu": "cpu",
    "gpu-datacenter": "gpu",
    "gpu-consumer": "gpu",
    "gpu-workstation": "gpu",
    "superchip": "gpu",
}
"""Device types that `calibrate bench` supports."""

THIS_PROGRAM = "the program in question"
"""Placeholder for the program to be predicted."""

BENCHED_STEPS_S = (0.002, 0.02, 0.2)
"""Step times of the benchmark at the peak [s]."""


@dataclass(frozen=True, kw_only=True)
class CandidateRuns:
    """Runs that could be measured or are to be predicted.

    Parameters
    ----------
    prior_sd : array of shape (n,)
        Log standard deviation of the prior of each run [1].
    """

    where: Conditions
    prior_sd: Floats


def uncertainty_of(evidence: Evidence, wanted: CandidateRuns) -> float:
    """Return the root-mean-square log standard deviation of runs after the evidence [1].

    It is a standard deviation of the logarithm, as in `Posterior`.
    """
    log_sd = evidence.posterior(wanted.where, wanted.prior_sd).log_sd
    return float(np.sqrt(np.mean(log_sd**2)))


def uncertainty_left(
    evidence: Evidence, plans: Sequence[CandidateRuns], wanted: CandidateRuns
) -> Floats:
    """Return the uncertainty of the wanted runs after each plan on its own.

    Returns
    -------
    array of shape (m,)
        Log standard deviations [1].
    """
    return np.array(
        [uncertainty_of(evidence.with_run(one.where, one.prior_sd), wanted) for one in plans],
        dtype=np.float64,
    )


@dataclass(frozen=True, kw_only=True)
class NextRun:
    """Suggested measurement.

    Parameters
    ----------
    way : str
        "bench", "forecast" (a training program of the user), or "own" (a part of the run to be
        predicted).
    """

    way: str
    text: Phrase
    command: str
    runs: CandidateRuns


@dataclass(frozen=True, kw_only=True)
class Worth:
    """Uncertainty that a plan would leave.

    Parameters
    ----------
    factor_now, factor_left : float
        Bounds of the interval over its median, before and after [1].
    narrower : float
        Relative reduction of the interval's log width [1].
    """

    plan: NextRun
    factor_now: float
    factor_left: float
    narrower: float


def next_runs(known: Known, device: Device, target: Target | str) -> list[Worth]:
    """Suggest the next measurements, most informative first.

    Parameters
    ----------
    target : Target or str
        Run to be predicted, or a number format for all kinds of `WORKS` in it.

    Returns
    -------
    list of Worth
        Suggestions; empty for a device without training formats or with an exact utilization.
    """
    plans = list(_plans(known, device))
    wanted = _wanted(known, device, target)
    if plans and isinstance(target, Target):
        own = _own(target, wanted)
        plans = [own, *(one for one in plans if one.command != own.command)]
    _, evidence = known.of(device)
    now, z = uncertainty_of(evidence, wanted), z_score(CENTRAL)
    if now == 0 or not plans:
        return []
    left = uncertainty_left(evidence, [one.runs for one in plans], wanted)
    return [
        Worth(
            plan=plans[place],
            factor_now=float(np.exp(z * now)),
            factor_left=float(np.exp(z * left[place])),
            narrower=float(1.0 - left[place] / now),
        )
        for place in np.argsort(left, kind="stable")
    ]


def best_of_each_way(found: Sequence[Worth], count: int) -> list[Worth]:
    """Shorten a list, keeping the best of each kind of measurement."""
    first = {one.plan.way: one for one in reversed(found)}
    rest = [one for one in found if one is not first[one.plan.way]]
    kept = [*first.values(), *rest[: max(0, count - len(first))]]
    return sorted(kept, key=lambda one: -one.narrower)


def formats(device: Device) -> list[str]:
    """Return the training formats for which the device's profile has a peak."""
    return [name for name in TRAINING_PRECISIONS if name in device.peaks]


def _plans(known: Known, device: Device) -> Iterator[NextRun]:
    yield from _benchmarks(known, device)
    for (kind, arch), precision in product(WORKS, formats(device)):
        yield NextRun(
            way="forecast",
            text=say(
                "a training run of your own, {kind} ({arch}), in {precision}",
                kind=kind,
                arch=arch,
                precision=precision,
            ),
            command=_watched(kind, arch, precision),
            runs=runs_of(known, device, [(kind, arch, precision, UNKNOWN_SIZE)]),
        )


def _own(target: Target, wanted: CandidateRuns) -> NextRun:
    """Suggest measuring part of the run to be predicted."""
    return NextRun(
        way="own",
        text=say("a few minutes of the very run that is to be predicted, on one device or a few"),
        command=_watched(target.kind, target.arch, target.precision),
        runs=wanted,
    )


def _watched(kind: str, arch: str, precision: str) -> str:
    options = f'--kind {kind} --arch "{arch}"' if arch else f"--kind {kind}"
    return f"twenty-watts forecast {options} --precision {precision} -- python train.py"


def _benchmarks(known: Known, device: Device) -> Iterator[NextRun]:
    place = BENCHED_KINDS.get(device.kind)
    for precision in BENCHED_FORMATS.get(place or "", ()):
        if precision not in device.peaks:
            continue
        steps_of = product(BENCHED_WORKS, BENCHED_STEPS_S)
        steps = [
            (kind, arch, precision, _size(device, precision, s)) for (kind, arch), s in steps_of
        ]
        where = " --device cpu" if place == "cpu" else ""
        yield NextRun(
            way="bench",
            text=say(
                "the benchmark in {precision}: steps of {families} families, small to large, "
                "two minutes",
                precision=precision,
                families=str(len(BENCHED_WORKS)),
            ),
            command=f"twenty-watts calibrate bench --precision {precision}{where}",
            runs=runs_of(known, device, steps, own=False),
        )


def _size(device: Device, precision: str, step_s: float) -> float:
    """Log size of a step that takes `step_s` at the peak [1]."""
    return size_of(device, precision, device.peaks[precision].value * step_s)


Steps = tuple[str, str, str, float]
"""Workload type, architecture, number format, and log size [1]."""


def runs_of(
    known: Known, device: Device, steps: Sequence[Steps], *, own: bool = True
) -> CandidateRuns:
    """Return candidate runs on a device here, of the user's programs or of the benchmark."""
    where = conditions_on(
        device,
        precisions=[precision for _, _, precision, _ in steps],
        kinds=[network_group(kind, arch) for kind, arch, _, _ in steps],
        sizes=[size for _, _, _, size in steps],
        families=[network_family(kind, arch) for kind, arch, _, _ in steps],
        host=known.measured.host,
    )
    return CandidateRuns(
        where=replace(where, own=np.full(len(steps), own)),
        prior_sd=np.array([_prior_sd(known.catalog, device.id, step[:3]) for step in steps]),
    )


def nominal(kind: str, arch: str, precision: str) -> Timing:
    """Return the timing with only workload type, architecture and format known."""
    return Timing(
        what="training",
        component="",
        precision=precision,
        kind=kind,
        arch=arch,
        time_s=1.0,
        repetitions=2,
    )


@lru_cache(maxsize=4096)
def _prior_sd(catalog: Catalog, device: str, what: tuple[str, str, str]) -> float:
    return float(steady_prior(nominal(*what), catalog.device(device), catalog).log_sd)


def _wanted(known: Known, device: Device, target: Target | str) -> CandidateRuns:
    """Return the runs to be predicted: the target, or all kinds of networks in one format."""
    if isinstance(target, str):
        return runs_of(known, device, [(*work, target, UNKNOWN_SIZE) for work in WORKS])
    size = UNKNOWN_SIZE
    if target.step_flop is not None:
        size = size_of(device, target.precision, target.step_flop)
    alike = runs_of(known, device, [(target.kind, target.arch, target.precision, size)])
    kind = network_kind(target.kind, target.arch, target.name)
    where = replace(
        alike.where,
        kind=text_array([kind.group]),
        family=text_array([kind.family]),
        whole=whole_size(device, target),
        program=text_array([THIS_PROGRAM]),
    )
    return replace(alike, where=where)


def factor_text(factor: float) -> str:
    """Format the upper bound of an interval over its middle.

    >>> factor_text(1.4142)
    '× 1.41'
    """
    return f"× {digits(factor)}"
