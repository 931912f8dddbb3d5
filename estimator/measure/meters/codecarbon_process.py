"""Process that only reads this machine's power with CodeCarbon.

Separate from the job and from us, because CodeCarbon takes over a second of CPU time to start,
reads configuration that could make it write files or send data, and replaces log handlers. Here it
has no configuration, an empty home, and no network.

Each input line requests the energy so far; each answer is a line of JSON. The end of the input ends
the process.
"""

import json
import os
import shutil
import sys
import threading
import time
from queue import SimpleQueue
from typing import Any, TextIO

HIDDEN = ("codecarbon_", "slurm_", "cuda_", "rocr_", "hip_", "http_proxy", "https_proxy")
"""Lower-case prefixes of environment variables hidden from CodeCarbon."""

NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostby", "socket.sendto")
"""Prefixes of refused audit events."""

POLITENESS = 10
NEVER_S = 1e6
"""Measurement interval that never elapses, as it measures on request [s]."""


class NetworkRefused(OSError):
    """CodeCarbon tried to use the network."""


class CodeCarbonStart:
    """Handler of CodeCarbon's output with its totals."""

    def __init__(self) -> None:
        self.totals: dict[str, float] = {}

    def out(self, total: Any, _delta: Any) -> None:
        """Store the energies since the start."""
        self.totals = {
            "time_s": time.monotonic(),
            "cpu_kwh": float(total.cpu_energy),
            "dram_kwh": float(total.ram_energy),
            "gpu_kwh": float(total.gpu_energy),
        }

    def live_out(self, _total: Any, _delta: Any) -> None:
        """Ignore intermediate reports."""

    def task_out(self, _data: Any, _experiment_name: str) -> None:
        """Ignore tasks."""

    def exit(self) -> None:
        """Do nothing."""


def main(folder: str, gpus: list[int]) -> None:
    """Serve until the input ends, in an empty temporary folder."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    if hasattr(os, "nice"):
        os.nice(POLITENESS)
    seclude(folder)
    refused = refuse_network()
    questions: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=listen, args=(questions, folder), daemon=True).start()
    try:
        serve(gpus, questions, answers, refused)
    except ImportError as error:
        tell(answers, {"error": f"CodeCarbon cannot be imported: {error}"})
    end(folder)


def listen(questions: SimpleQueue[str], folder: str) -> None:
    """Forward the requests, and end the process with the input."""
    for question in sys.stdin:
        questions.put(question)
    end(folder)


def end(folder: str) -> None:
    """Remove the folder and exit."""
    os.chdir(os.path.dirname(folder))
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def seclude(folder: str) -> None:
    """Hide the configuration, and use the empty folder as home and working directory."""
    for name in list(os.environ):
        if name.lower().startswith(HIDDEN):
            del os.environ[name]
    os.environ.update(HOME=folder, USERPROFILE=folder, CODECARBON_LOG_LEVEL="critical")
    os.chdir(folder)


def refuse_network() -> list[str]:
    """Refuse all network access from now on, listing the attempts."""
    refused: list[str] = []

    def guard(event: str, _arguments: tuple[Any, ...]) -> None:
        if event.startswith(NETWORK):
            refused.append(event)
            raise NetworkRefused(f"{event} is refused here")

    sys.addaudithook(guard)
    return refused


def serve(
    gpus: list[int], questions: SimpleQueue[str], answers: TextIO, refused: list[str]
) -> None:
    """Start a tracker, report its assumptions, and answer each request."""
    answer = CodeCarbonStart()
    tracker = started(gpus, answer)
    if not answer.totals:
        tell(answers, {"error": "CodeCarbon did not start and gave no reason"})
        return
    tell(answers, assumptions(tracker))
    while questions.get():
        answer.totals = {}
        tracker.flush()
        if refused:
            tell(answers, {"error": f"CodeCarbon reached for the network: {refused[0]}"})
            return
        tell(answers, answer.totals or {"error": "CodeCarbon failed and gave no reason"})


def started(gpus: list[int], answer: CodeCarbonStart) -> Any:
    """Start a tracker with all arguments set explicitly."""
    from codecarbon import OfflineEmissionsTracker

    tracker: Any = OfflineEmissionsTracker(
        country_iso_code="USA",
        force_carbon_intensity_g_co2e_kwh=0.0,
        measure_power_secs=NEVER_S,
        api_call_interval=-1,
        output_methods=[],
        output_handlers=[answer],
        output_dir=os.getcwd(),
        emissions_endpoint=False,
        electricitymaps_api_token="",
        tracking_mode="machine",
        log_level="critical",
        pue=1.0,
        wue=0.0,
        gpu_ids=gpus,
        force_cpu_power=None,
        force_ram_power=None,
        force_mode_cpu_load=False,
        rapl_include_dram=False,
        rapl_prefer_psys=False,
        allow_multiple_runs=True,
    )
    tracker.start()
    tracker.flush()
    return tracker


def assumptions(tracker: Any) -> dict[str, Any]:
    """Return how CodeCarbon obtains its values."""
    from importlib.metadata import version

    answer: dict[str, Any] = {"version": version("codecarbon")}
    for part in getattr(tracker, "_hardware", ()):
        kind = type(part).__name__
        if kind == "CPU":
            answer |= {"cpu": getattr(part, "_mode", None), "full_w": getattr(part, "_tdp", None)}
        elif kind == "RAM":
            answer["dram_w"] = float(part.total_power().W)
        elif kind != "GPU":
            answer["cpu"] = kind
    return answer


def tell(answers: TextIO, what: dict[str, Any]) -> None:
    """Write one answer."""
    answers.write(f"{json.dumps(what)}\n")
    answers.flush()


if __name__ == "__main__":
    main(sys.argv[1], [int(word) for word in sys.argv[2:]])
