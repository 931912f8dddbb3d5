"""Log formats: recognized by content, and read into runs."""

from collections.abc import Callable, Mapping

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

Reader = Callable[[LogFile], list[LoggedRun]]

FORMATS: Mapping[str, tuple[Callable[[LogFile], bool], Reader]] = {
    "boamps": (is_boamps, read_boamps),
    "cyclonedx": (is_cyclonedx, read_cyclonedx),
    "trainer-state": (is_trainer_state, read_trainer_state),
    "serving-benchmark": (is_serving_benchmark, read_serving_benchmark),
    "load-generator": (is_load_generator, read_load_generator),
    "llama-bench": (is_llama_bench, read_llama_bench),
    "mlperf": (is_mlperf, read_mlperf),
    "codecarbon": (is_codecarbon, read_codecarbon),
    "metrics": (is_step_times, read_step_times),
}
"""Format -> detection and reader, the most specific first."""

NVIDIA_SMI = "nvidia-smi"
"""Format whose reader needs profiles, too."""


def format_of(log: LogFile) -> str | None:
    """Name of a log's format, or None."""
    if is_nvidia_smi(log):
        return NVIDIA_SMI
    return next((name for name, (fits, _) in FORMATS.items() if fits(log)), None)


def logged_runs(
    log: LogFile, name: str, catalog: Catalog, hardware: str | None = None
) -> list[LoggedRun]:
    """Read the runs of a log in a format; `hardware` names the boards where it does not."""
    if name == NVIDIA_SMI:
        return read_nvidia_smi(log, catalog, hardware)
    return FORMATS[name][1](log)
