"""Log formats: recognized by content, and read into runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from estimator.catalog import Catalog
from estimator.measure.logs.codecarbon_csv import is_codecarbon, read_codecarbon
from estimator.measure.logs.energy_documents import (
    is_boamps,
    is_cyclonedx,
    read_boamps,
    read_cyclonedx,
)
from estimator.measure.logs.llama_bench import is_llama_bench, read_llama_bench
from estimator.measure.logs.load_generators import is_load_generator, read_load_generator
from estimator.measure.logs.log_file import LogFile
from estimator.measure.logs.logged_run import LoggedRun
from estimator.measure.logs.mlperf_log import is_mlperf, read_mlperf
from estimator.measure.logs.nvidia_smi_csv import is_nvidia_smi, read_nvidia_smi
from estimator.measure.logs.serving_benchmark import is_serving_benchmark, read_serving_benchmark
from estimator.measure.logs.step_times_csv import is_step_times, read_step_times
from estimator.measure.logs.trainer_state import is_trainer_state, read_trainer_state


@dataclass(frozen=True)
class LogReading:
    """Options that a reader may need in addition to the log."""

    catalog: Catalog
    hardware: str | None = None
    step_time_column: str | None = None


Reader = Callable[[LogFile, LogReading], list[LoggedRun]]

FORMATS: Mapping[str, tuple[Callable[[LogFile], bool], Reader]] = {
    "boamps": (is_boamps, lambda log, _: read_boamps(log)),
    "cyclonedx": (is_cyclonedx, lambda log, _: read_cyclonedx(log)),
    "trainer-state": (is_trainer_state, lambda log, _: read_trainer_state(log)),
    "serving-benchmark": (is_serving_benchmark, lambda log, _: read_serving_benchmark(log)),
    "load-generator": (is_load_generator, lambda log, _: read_load_generator(log)),
    "llama-bench": (is_llama_bench, lambda log, _: read_llama_bench(log)),
    "mlperf": (is_mlperf, lambda log, _: read_mlperf(log)),
    "codecarbon": (is_codecarbon, lambda log, _: read_codecarbon(log)),
    "nvidia-smi": (
        is_nvidia_smi,
        lambda log, by: read_nvidia_smi(log, by.catalog, by.hardware),
    ),
    "metrics": (is_step_times, lambda log, by: read_step_times(log, by.step_time_column)),
}
"""Format -> detection and reader, the most specific first."""


def format_of(log: LogFile) -> str | None:
    """Name of a log's format, or None."""
    return next((name for name, (fits, _) in FORMATS.items() if fits(log)), None)


def logged_runs(log: LogFile, name: str, by: LogReading) -> list[LoggedRun]:
    """Read the runs of a log in a format."""
    return FORMATS[name][1](log, by)
