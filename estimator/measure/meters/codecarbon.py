"""Host power from CodeCarbon, where no better meter is available.

Mostly a formula of the load and an assumed full-load power: modelled, so not a measurement. Only
its energy over the covered time is used.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import estimator
from estimator.core.units import J_PER_KWH
from estimator.runs.meter import DeviceLost, Meter, MeterError, Sample
from estimator.runs.record import MeasuredDevice, Trust

ANSWER_S = 0.25
"""Time to wait for an answer [s]; a later one counts at the next reading."""

GOODBYE_S = 2.0
"""Time for the process to end by itself [s]."""

TRUST_OF: Mapping[str, Trust] = {
    "intel_rapl": "counter",
    "windows_emi": "counter",
    "intel_power_gadget": "sampled",
    "AppleSiliconChip": "sampled",
}
"""CodeCarbon method -> trust; all other methods are modelled."""


class Tracker:
    """CodeCarbon tracker in its own process, for one time window.

    It starts immediately, as its first seconds have no data.
    """

    def __init__(self, gpus: Sequence[int] = ()) -> None:
        command = [sys.executable, "-P", "-m", "estimator.measure.meters.codecarbon_process"]
        home = str(Path(estimator.__file__).parents[1])
        path = os.pathsep.join([home, *filter(None, [os.environ.get("PYTHONPATH")])])
        self._folder = ""
        try:
            self._folder = tempfile.mkdtemp(prefix="twenty-watts-codecarbon-")
            self._process = subprocess.Popen(
                [*command, self._folder, *map(str, gpus)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": path},
                text=True,
                start_new_session=True,
            )
        except OSError as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise MeterError(f"CodeCarbon cannot be started: {error}") from error
        self.assumed: Mapping[str, Any] = {}
        self._totals: Mapping[str, float] = {}
        self._failure: str | None = None
        self._asked_s = 0.0
        self._closed = False
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._listen, name="codecarbon", daemon=True)
        self._reader.start()

    def totals(self) -> Mapping[str, float]:
        """Query the energies so far, empty before it is ready [kWh]."""
        with self._news:
            if (
                self._failure is None
                and self.assumed
                and time.monotonic() - self._asked_s > ANSWER_S
            ):
                before = self._totals
                self._ask()
                self._news.wait_for(
                    lambda: self._totals is not before or self._failure is not None, ANSWER_S
                )
            if self._failure is not None:
                raise DeviceLost(self._failure)
            return self._totals

    def close(self) -> None:
        """End the process; closing twice is no error."""
        if self._closed:
            return
        self._closed = True
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.close()
        except OSError:
            process.kill()
        try:
            process.wait(GOODBYE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._reader.join(GOODBYE_S)
        process.stdout.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _ask(self) -> None:
        self._asked_s = time.monotonic()
        assert self._process.stdin is not None
        try:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            self._failure = "CodeCarbon's process has ended"

    def _listen(self) -> None:
        """Read the process's output until it ends."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if not line.endswith("\n"):
                break
            answer = json.loads(line)
            with self._news:
                if "error" in answer:
                    self._failure = answer["error"]
                elif "version" in answer:
                    self.assumed = answer
                else:
                    self._totals = answer
                self._news.notify_all()
        with self._news:
            self._failure = self._failure or "CodeCarbon's process has ended"
            self._news.notify_all()


class CodeCarbonMeter(Meter):
    """Component of a tracker.

    Attributes
    ----------
    trust : str
        Modelled, until a reading shows that CodeCarbon has found something that measures.
    """

    name = "codecarbon"
    only_counts = dear = True

    def __init__(self, component: str, tracker: Tracker, device: MeasuredDevice | None) -> None:
        self.component = component
        self.device = device
        self._tracker = tracker
        self.trust = "sampled" if component.startswith("gpu") else "modelled"
        self._key = f"{component.partition(':')[0]}_kwh"
        self._noted_s = 0.0

    @property
    def notes(self) -> tuple[str, ...]:
        """Assumptions, known once it has begun."""
        answer = self._tracker.assumed
        if not answer or self.trust != "modelled":
            return ()
        by = f"{self.component}: modelled by CodeCarbon {answer['version']}, not measured"
        if self.component == "dram":
            return (f"{by}: {answer.get('dram_w', 0):.3g} W always, guessed from its size",)
        if self._way == "cpu_load":
            return (f"{by}: {answer['full_w']} W x (0.1 + 0.9 load^3) of the whole machine",)
        return (f"{by}: by {self._way}",)

    def read(self, *, with_counter: bool) -> Sample:
        """Energy since the start; empty if not requested or not new."""
        if not with_counter:
            return Sample(time_s=time.monotonic())
        totals = self._tracker.totals()
        time_s = totals.get("time_s", 0.0)
        if time_s <= self._noted_s:
            return Sample(time_s=time.monotonic())
        self._noted_s = time_s
        if self.component == "cpu":
            self.trust = TRUST_OF.get(self._way, "modelled")
        return Sample(time_s=time_s, energy_j=totals[self._key] * J_PER_KWH)

    def close(self) -> None:
        """End the tracker; closing twice is no error."""
        self._tracker.close()

    @property
    def _way(self) -> str:
        return str(self._tracker.assumed.get("cpu"))


def open_codecarbon(
    components: Sequence[str], *, gpus: Sequence[int] = (), processor: str = "processor"
) -> list[CodeCarbonMeter]:
    """Create meters of some components with one tracker, which starts at once.

    Parameters
    ----------
    gpus : sequence of int
        Numbers of boards, as their driver counts: reported together, as one component.
    """
    tracker = Tracker(gpus)
    cpu = MeasuredDevice(key="cpu", kind="cpu", name=processor)
    meters = [
        CodeCarbonMeter(component, tracker, cpu if component == "cpu" else None)
        for component in components
    ]
    if gpus:
        meters.append(CodeCarbonMeter(f"gpu:{','.join(map(str, gpus))}", tracker, None))
    return meters
