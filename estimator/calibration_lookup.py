"""What do the measured runs say of a device: evidence for its utilization and its power."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from estimator.calibration import Circumstances, Evidence, Floats, Posterior, Shares, step_size
from estimator.catalog import Catalog, Device
from estimator.measure.job import SMALLEST_STEP_FLOP
from estimator.measure.placing import can_be
from estimator.measure.record import Condition, MeasuredRun, Timing
from estimator.network_kind import network_kind
from estimator.uncertainty import Uncertain
from estimator.utilization_lookup import KNOWN_KINDS

THROTTLED_WEIGHT = 0.5
"""Doubt that a run throttled all the time brings, as a standard deviation of the logarithm [1]."""

SHARED_WEIGHT = 1.0
"""Doubt per share of the device that others used, likewise [1]."""

ALWAYS_SHARED = 0.3
"""Doubt of a timing in all of whose repetitions others used the machine, likewise [1]."""

CAPPED_WEIGHT = 1.0 / 3.0
"""Doubt per logarithm of a lowered power limit: as much as the clock follows it, likewise [1]."""

WORTH_A_WORD = 0.02
"""A disturbance that brings less doubt is not told [1]."""

UNKNOWN_SIZE = float("nan")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The runs that a calibration may rest on, and where it will be used.

    Parameters
    ----------
    runs : sequence of MeasuredRun
        Shipped, imported and measured here.
    host : str
        Id of this host; runs on others tell less.
    """

    runs: Sequence[MeasuredRun] = ()
    host: str = ""


NOTHING_MEASURED = Measured()


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """One timing of a measured run that speaks for a device.

    Parameters
    ----------
    run : MeasuredRun
    timing : Timing
    reached : float
        Share of the peak [1].
    expected : Uncertain
        What the prior expected [1].
    size : float
        Of its steps; NaN if unknown [1].
    disturbance : float
        Standard deviation of the logarithm that its conditions add [1].
    reasons : tuple of str
        What disturbed it.
    """

    run: MeasuredRun
    timing: Timing
    reached: float
    expected: Uncertain
    size: float
    disturbance: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Target:
    """A run to predict, as far as its calibration depends on it.

    Parameters
    ----------
    precision, kind, arch, name : str
        Number format, kind of work, architecture and name in words.
    step_flop : float, optional
        Work of one step and device [FLOP]; None if unknown.
    """

    precision: str
    kind: str
    arch: str = ""
    name: str = ""
    step_flop: float | None = None


Expected = Callable[[Timing], Uncertain]
"""What the prior expects of the utilization of steady steps."""


def lessons(measured: Measured, device: Device, expected: Expected) -> list[Lesson]:
    """What measured runs say of the utilization of a device."""
    return [
        lesson
        for run in measured.runs
        if not run.simulated
        for lesson in _lessons_of(run, device, expected)
    ]


def _lessons_of(run: MeasuredRun, device: Device, expected: Expected) -> Iterator[Lesson]:
    ours = keys_of(run, device)
    for timing in run.timings:
        peak = device.peaks.get(timing.precision or "")
        work = timing.flop
        if timing.what != "training" or timing.component not in ours or peak is None:
            continue
        if work is None or work < SMALLEST_STEP_FLOP * timing.devices:
            continue
        ideal_s = work / (timing.devices * peak.value)
        if not can_be(work / timing.devices / timing.time_s, peak):
            continue
        disturbance, reasons = disturbance_of(run, timing)
        yield Lesson(
            run=run,
            timing=timing,
            reached=ideal_s / timing.time_s,
            expected=expected(timing),
            size=float(step_size(ideal_s)) if is_of_steps(timing) else UNKNOWN_SIZE,
            disturbance=disturbance,
            reasons=reasons,
        )


def keys_of(run: MeasuredRun, device: Device) -> set[str]:
    """Keys of a run's devices that this profile describes; of a divided board it does not."""
    whole = [one for one in run.devices if one.shares_board is None]
    return {one.key for one in whole if one.hardware == device.id}


def is_of_steps(timing: Timing) -> bool:
    """Whether it is of repeated steps, and not of one whole run."""
    return timing.repetitions + timing.rejected > 1


def disturbance_of(run: MeasuredRun, timing: Timing) -> tuple[float, tuple[str, ...]]:
    """How far the conditions of a timing differ from those of a quiet device, and in what.

    A benchmark leaves out by itself what others disturbed, unless that was all.
    """
    told: dict[str, float] = {}
    for condition in run.conditions:
        if condition.component == timing.component:
            told |= _condition_doubts(condition, shared=run.origin != "bench")
    if not timing.repetitions:
        told["others used the machine in every repetition"] = ALWAYS_SHARED
    for one in run.devices:
        limit, usual = one.power_limit_w, one.default_limit_w
        if one.key == timing.component and limit and usual and limit < usual:
            told[f"power limit {limit:.0f} of {usual:.0f} W"] = CAPPED_WEIGHT * np.log(
                usual / limit
            )
    strong = {reason: doubt for reason, doubt in told.items() if doubt >= WORTH_A_WORD}
    return float(np.sqrt(sum(doubt**2 for doubt in strong.values()))), tuple(strong)


def _condition_doubts(condition: Condition, *, shared: bool) -> dict[str, float]:
    throttled = condition.throttled or 0.0
    others = (condition.others or 0.0) if shared else 0.0
    return {
        f"throttled {throttled:.0%} of the time": THROTTLED_WEIGHT * throttled,
        f"others used {others:.0%} of it": SHARED_WEIGHT * others,
    }


def evidence_of(found: Sequence[Lesson], device: Device, shares: Shares) -> Evidence:
    """Lessons as arrays for the fit."""
    return Evidence(
        where=Circumstances(
            device=text_array(device.id for _ in found),
            host=text_array(one.run.host.id for one in found),
            precision=text_array(one.timing.precision or "" for one in found),
            kind=text_array(network_group(one.timing.kind, one.timing.arch) for one in found),
            size=np.array([one.size for one in found], dtype=np.float64),
        ),
        log_ratio=np.array([np.log(one.reached / one.expected.mid) for one in found], dtype=float),
        prior_sd=np.array([float(one.expected.log_sd) for one in found], dtype=float),
        noise_sd=_noise(found, shares),
        shares=shares,
    )


def _noise(found: Sequence[Lesson], shares: Shares) -> Floats:
    """Doubt of each measurement beside that between two of the same steps [1]."""
    spread = np.array([one.timing.log_sd or 0.0 for one in found])
    count = np.array([max(1, one.timing.repetitions) for one in found])
    places = [(one.run, one.timing, one.disturbance) for one in found]
    prior_sd = np.array([float(one.expected.log_sd) for one in found])
    noise: Floats = np.hypot(spread / np.sqrt(count), common_noise(places, prior_sd, shares))
    return noise


def common_noise(
    found: Sequence[tuple[MeasuredRun, Timing, float]], prior_sd: Floats, shares: Shares
) -> Floats:
    """Doubt that many measurements of a run do not take away, and that of whole runs [1].

    What disturbed a run disturbed all its timings alike: n of them together are in as much doubt
    as one. A whole run holds what befell it alone, which the steps of a run leave out.

    Parameters
    ----------
    found : sequence of MeasuredRun, Timing, float
        Each with the doubt that its conditions add [1].
    prior_sd : array
        Standard deviation of the logarithm that the prior stated [1].
    shares : Shares
    """
    alike = Counter((run.id, timing.component) for run, timing, _ in found)
    times = np.array([alike[run.id, timing.component] for run, timing, _ in found], dtype=float)
    disturbed = np.array([disturbance for _, _, disturbance in found], dtype=float)
    whole = np.array([not is_of_steps(timing) for _, timing, _ in found], dtype=bool)
    alone = np.where(whole, np.sqrt(shares.run) * prior_sd, 0.0)
    noise: Floats = np.hypot(disturbed * np.sqrt(times), alone)
    return noise


def posterior_of(
    evidence: Evidence,
    device: Device,
    target: Target,
    host: str,
    prior: Uncertain,
    *,
    whole_run: bool = True,
) -> Posterior:
    """What is expected of one run after the evidence."""
    size = UNKNOWN_SIZE
    if target.step_flop is not None:
        size = float(step_size(target.step_flop / device.peaks[target.precision].value))
    where = Circumstances(
        device=text_array([device.id]),
        host=text_array([host]),
        precision=text_array([target.precision]),
        kind=text_array([network_kind(target.kind, target.arch, target.name).group]),
        size=np.array([size]),
    )
    sd = np.array([float(prior.log_sd)])
    return evidence.posterior(where, sd, whole_run=whole_run)


def corrected(prior: Uncertain, posterior: Posterior) -> Uncertain:
    """Quantity after the evidence: moved, and each of its doubts smaller by the same factor."""
    sd = float(prior.log_sd)
    left = float(posterior.log_sd[0]) / sd if sd > 0 else 1.0
    return Uncertain(
        prior.mid * np.exp(float(posterior.log_shift[0])),
        {name: load * left for name, load in prior.loadings.items()},
    )


def shares_of(catalog: Catalog, device: Device) -> Shares:
    """Which part of the model's errors is common to whom, for such a device."""
    return _shares(catalog, "accelerator" if device.kind in KNOWN_KINDS else "processor")


def power_shares(catalog: Catalog) -> Shares:
    """The same for the power."""
    return _shares(catalog, "power")


def _shares(catalog: Catalog, name: str) -> Shares:
    prefix = f"calibration.{name}."
    return Shares(
        **{
            key.removeprefix(prefix): record.value
            for key, record in catalog.priors().items()
            if key.startswith(prefix)
        }
    )


def network_group(kind: str | None, arch: str | None) -> str:
    """Group of networks whose errors go together, from kind of work and architecture in words."""
    return network_kind(kind or "other", arch or "").group


def text_array(texts: Iterable[str]) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    """Texts as an array; an empty one keeps its type."""
    return np.array(list(texts), dtype=np.str_)
