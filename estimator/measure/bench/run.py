"""Benchmark as a stored run, with a CPU profile."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from estimator.catalog import Catalog
from estimator.catalog.measured_profiles import keep_profile
from estimator.core.units import in_percent
from estimator.measure.attribution import mean_power_w
from estimator.measure.bench import torch_engine
from estimator.measure.bench.benchmark import (
    FAST,
    FULL,
    FULL_MINUTES,
    Bench,
    Effort,
    Progress,
)
from estimator.measure.bench.cpu_profile import (
    merged,
    processor_id,
    profile_of,
    source_id,
    source_of,
)
from estimator.measure.bench.numpy_engine import NumpyEngine
from estimator.measure.bench.timing import SHORT
from estimator.measure.bench.torch_engine import TorchEngine
from estimator.measure.bench.workloads import BenchEngine, Job
from estimator.measure.command import interrupted_once, undisturbed
from estimator.measure.host import ContentionMeter
from estimator.measure.recorder import Recording
from estimator.measure.step_counter import Operations
from estimator.runs import open_store
from estimator.runs.meter import Meter, Sample
from estimator.runs.record import MeasuredDevice, MeasuredRun, State, Timing, Trust

SPREADS = 0.1
"""Log standard deviation above which a timing is reported as scattered [1]."""

MEMORY_IF_UNKNOWN = 4e9
"""Assumed memory of a device that does not report it [B]."""


@dataclass(frozen=True, kw_only=True)
class BenchQuestion:
    """Benchmark to run: devices, formats, time."""

    device: str | None = None
    engine: str | None = None
    precisions: Sequence[str] | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        if self.minutes is not None and not 0.5 <= self.minutes <= 600:
            raise ValueError(f"minutes must be between 0.5 and 600, got {self.minutes:g}")


def benchmark(
    question: BenchQuestion, report: Callable[[Progress], None]
) -> tuple[MeasuredRun, str]:
    """Measure one device, store the run, and write a CPU's profile.

    Returns
    -------
    MeasuredRun, str
        The run, interrupted if Ctrl-C was pressed; the id or name of the device for `estimate`.

    Raises
    ------
    StoreError
        If the result could not be kept: better known before ten minutes than after.
    KeyboardInterrupt
        If Ctrl-C was pressed before anything was timed; nothing is stored then.
    """
    with open_store() as store, interrupted_once():
        recording = Recording(origin="bench", store=store, notes=list(store.notes))
        recording.label = "benchmark"
        recording.start()
        try:
            engine = _engine(question, recording.devices)
        except (ValueError, KeyboardInterrupt):
            recording.drop()
            raise
        if question.device is None:
            recording.notes += left_aside(engine.component, recording.devices)
        timings: list[Timing] = []
        state: State = "finished"
        try:
            bench = _bench(question, engine, recording)
            for progress in bench.measure():
                timings.append(progress.timing)
                recording.update(timings)
                report(progress)
        except KeyboardInterrupt:
            if not timings:
                recording.drop()
                raise
            state = "interrupted"
            recording.notes.append("stopped by Ctrl-C: the timings so far are kept")
        with undisturbed():
            recording.notes += bench.notes + summary(timings)
            measured = recording.end(state=state, timings=lambda run: timings)
            return measured, _known_as(measured, engine)


def _engine(question: BenchQuestion, devices: Sequence[MeasuredDevice]) -> BenchEngine:
    """Return the engine of the benchmark: requested or installed."""
    has_torch = torch_engine.installed()
    engine = question.engine or ("torch" if has_torch else "numpy")
    if engine == "torch" and not has_torch:
        raise ValueError("PyTorch is not installed: pip install torch, or --engine numpy")
    boards = torch_engine.boards(devices) if engine == "torch" else {}
    key = question.device or next(iter(boards), "cpu")
    if key != "cpu" and key not in boards:
        has = ", ".join(["cpu", *boards])
        hint = "" if has_torch else "; boards need PyTorch: pip install torch"
        raise ValueError(f"no device {key!r} to measure: there is {has}{hint}")
    found: BenchEngine = NumpyEngine()
    if key in boards:
        found = TorchEngine(boards[key], key)
    elif engine == "torch":
        found = BothEngines(found, TorchEngine("cpu", "cpu"))
    formats = {job.precision for job in found.matrix()}
    for precision in question.precisions or ():
        if precision not in formats:
            raise ValueError(
                f"{engine} has no {precision} on {key}: it has {', '.join(sorted(formats))}"
            )
    return found


def left_aside(component: str, devices: Sequence[MeasuredDevice]) -> list[str]:
    """Return a note on other boards if the user did not choose a device."""
    others = [one.key for one in devices if one.kind == "gpu" and one.key != component]
    if not others:
        return []
    if component == "cpu":
        remedy = "boards need a PyTorch that can use them: pip install torch"
    else:
        remedy = f"each by itself: --device {others[0]}"
    return [f"only {component} is measured, {', '.join(others)} not: {remedy}"]


@dataclass(frozen=True)
class BothEngines:
    """numpy and PyTorch on the CPU, with perceptrons in both as two styles."""

    numpy: BenchEngine
    torch: BenchEngine
    component: str = "cpu"

    def matrix(self) -> list[Job]:
        """Matrix products of both libraries."""
        return [*self.numpy.matrix(), *self.torch.matrix()]

    def copies(self) -> list[Job]:
        """Vector sums in numpy."""
        return list(self.numpy.copies())

    def training(self) -> list[Job]:
        """Training steps: networks in PyTorch, perceptrons in both."""
        return [*self.torch.training(), *self.numpy.training()]

    def finish(self) -> None:
        """Do nothing, as both are synchronous."""

    def operations(self, step: Callable[[], object]) -> Operations | None:
        """Return the operations of a PyTorch step besides its products; None for numpy."""
        return self.torch.operations(step)


@dataclass(frozen=True, kw_only=True)
class RecordedDevice:
    """Readings of the benchmarked device, and other users of the machine."""

    recording: Recording
    component: str
    host: ContentionMeter

    @property
    def meter(self) -> Meter | None:
        """Meter that truly measures the device, or None."""
        for one in self.recording.meters:
            if one.component == self.component and one.trust != "modelled":
                return one
        return None

    def power_w(self, windows: Sequence[tuple[float, float]]) -> tuple[float, Trust] | None:
        """Mean power in past windows [W], with its trust, or None if not measured."""
        return None if self.meter is None else mean_power_w(self.meter, self._samples(), windows)

    def temperature_c(self) -> float | None:
        """Last temperature reading [degC], or None."""
        known = (one.temperature_c for one in reversed(self._samples()))
        return next((one for one in known if one is not None), None)

    def read(self) -> float | None:
        """Share used by others [1]: the larger of the newest CPU and board readings.

        None if neither is known.
        """
        shares = (one.others for one in reversed(self._samples()) if one.others is not None)
        known = [share for share in (self.host.read(), next(shares, None)) if share is not None]
        return max(known, default=None)

    def _samples(self) -> Sequence[Sample]:
        return self.recording.samples().get(self.component, [])


def effort_of(question: BenchQuestion) -> Effort:
    """Return the thoroughness and duration of a benchmark."""
    if question.minutes is None:
        return FAST
    return replace(FAST if question.minutes < FULL_MINUTES else FULL, minutes=question.minutes)


def summary(timings: Sequence[Timing]) -> list[str]:
    """Return notes on rejected and scattered timings, and remedies."""
    lines = []
    chosen = [one for one in timings if one.repetitions]  # the others use disturbed ones
    rejected = sum(one.rejected for one in chosen)
    every = rejected + sum(one.repetitions for one in chosen)
    if rejected:
        lines.append(
            f"{in_percent(rejected / every)} of the repetitions rejected, as other programs ran"
        )
    throughout = [one.others for one in timings if one.others is not None]
    if throughout:
        lines.append(
            f"other programs used {in_percent(median(throughout))} of the machine throughout "
            f"{len(throughout)} of {len(timings)} timings, which therefore count little: "
            "repeat the benchmark on an idle machine"
        )
    single = [one for one in timings if one.repetitions == 1 and one.rejected]
    if single:
        lines.append(
            f"{len(single)} of {len(timings)} timings have a single undisturbed "
            "repetition, so their spread is unknown: repeat the benchmark on an idle machine"
        )
    wide = [one for one in timings if (one.log_sd or 0.0) > SPREADS]
    if wide:
        lines.append(
            f"{len(wide)} of {len(timings)} timings spread by more than {in_percent(SPREADS)}: "
            "close other programs and repeat the benchmark; the better timing counts more"
        )
    return lines


def _bench(question: BenchQuestion, engine: BenchEngine, recording: Recording) -> Bench:
    """Benchmark of a device with the meters of a recording."""
    device = recording.device(engine.component)
    measured = RecordedDevice(
        recording=recording, component=engine.component, host=ContentionMeter()
    )
    effort = effort_of(question)
    if measured.meter is None:
        effort = replace(effort, job=SHORT)
    return Bench(
        engine=engine,
        contention=measured,
        memory_bytes=device.memory_bytes or MEMORY_IF_UNKNOWN,
        usual_s=usual_step_s(engine.component),
        meter=None if measured.meter is None else measured,
        effort=effort,
        precisions=question.precisions,
    )


def usual_step_s(component: str) -> float:
    """Return the typical step time on a CPU or accelerator, from the profiles [s]."""
    device = "processor" if component == "cpu" else "accelerator"
    step_s: float = Catalog.open().priors_under(f"calibration.{device}.")["usual_step_s"].value
    return step_s


def _known_as(measured: MeasuredRun, engine: BenchEngine) -> str:
    """Device id for `estimate`; writes a CPU's profile."""
    device = next(one for one in measured.devices if one.key == engine.component)
    if device.kind == "gpu":
        return device.hardware or device.name
    if any(one.what == "matrix" for one in measured.timings):
        return keep_processor(measured)
    return processor_id(measured.host)


def keep_processor(measured: MeasuredRun) -> str:
    """Write the profile of a benchmarked CPU; return its id."""
    device = next(one for one in measured.devices if one.key == "cpu")
    sources = {source_id(measured.host): source_of(measured.host, measured.started[:10])}
    name = processor_id(measured.host)
    keep_profile(name, profile_of(measured, device), sources, merged)
    return name
