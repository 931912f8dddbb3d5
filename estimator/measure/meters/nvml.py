"""Power and condition of NVIDIA boards, from their driver (NVML).

Instantaneous power is sampled often and the board's energy counter rarely; both are stored
separately. Values that a board does not report are absent and named.
"""

import os
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from estimator.measure.meters.cuda_visible import VisibleBoard, visible
from estimator.measure.meters.gpu_processes import Users
from estimator.measure.meters.nvml_binding import Driver, Unclear
from estimator.measure.meters.nvml_readings import (
    HELD_DOWN_BY,
    USER_CLOCKS,
    Way,
    averages,
    describe,
    module_limits_w,
    module_w,
    usual_w,
    ways_of,
)
from estimator.runs.meter import DeviceLost, Meter, MeterError, Sample
from estimator.runs.record import MeasuredDevice

VITAL = ("power", "energy counter")
"""Quantities of which a board must report one."""


class NvmlMeter(Meter):
    """NVIDIA board."""

    def __init__(self, index: int, root: Path = Path("/")) -> None:
        self.component = f"gpu:{index}"
        self._driver = Driver()
        try:
            self._open(index, root)
        except MeterError:
            self._driver.close()
            raise

    def _open(self, index: int, root: Path) -> None:
        """Determine what the board reports."""
        self.simulated = self._driver.simulated
        version = str(self._driver.ask("nvmlSystemGetDriverVersion"))
        self.software = {"nvidia-driver": version}
        self._handle = self._driver.ask("nvmlDeviceGetHandleByIndex", index)
        device = describe(self._driver, index)
        self._ways, self._missing = ways_of(self._driver, self._handle)
        power = self._ways.get("power")
        if power is None and "energy counter" not in self._ways:
            why = self._missing["power"]
            raise MeterError(f"{device.name} tells neither power nor energy ({why}): not measured")
        self._said = self._limits(power, device)
        if power is module_w:
            limit_w, default_w = module_limits_w(self._driver, self._handle)
            device = replace(device, power_limit_w=limit_w, default_limit_w=default_w)
        self.device = device
        self.name = "nvml counter" if power is None else "nvml power"
        self.trust = "counter" if power is None else "sampled"
        self._users = Users(self._driver, self._handle, root)
        self._readings = 0
        self._failed: Counter[str] = Counter()
        self._last_failure: dict[str, str] = {}

    def _limits(self, power: Way | None, device: MeasuredDevice) -> list[str]:
        """Return limits of the meter known before any reading."""
        said = []
        if self._missing:
            words = (f"{what} ({why})" for what, why in self._missing.items())
            said.append(f"the driver does not tell {', '.join(words)}")
        if device.shares_board is not None:
            said.append(f"board shared out ({device.shares_board}): it is measured as a whole")
        if power is module_w:
            said.append("power is the whole module's, processor and memory included")
        if power is usual_w and averages(self._driver, self._handle):
            said.append("power is a mean of the last second: short peaks are not seen")
        return said

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on its readings."""
        failed = [
            f"{what}: {count} of {self._readings} readings failed, the last because "
            f"{self._last_failure[what]}"
            for what, count in self._failed.items()
        ]
        return tuple(
            f"{self.component}: {one}" for one in (*self._said, *self._users.notes, *failed)
        )

    def read(self, *, with_counter: bool) -> Sample:
        """Power; with the counter also the state and other users of the board."""
        self._readings += 1
        before_s = time.monotonic()
        power_w = self._read("power", vital=True)
        energy_j = self._read("energy counter", vital=True) if with_counter else None
        time_s = (before_s + time.monotonic()) / 2
        if power_w is None and energy_j is None and ("power" in self._ways or with_counter):
            failures = [self._last_failure[what] for what in VITAL if what in self._last_failure]
            raise MeterError("; ".join(dict.fromkeys(failures)))
        sample = Sample(time_s=time_s, power_w=power_w, energy_j=energy_j)
        return self._with_state(sample) if with_counter else sample

    def _with_state(self, sample: Sample) -> Sample:
        """Add slow-changing and expensive-to-query fields."""
        busy, memory_busy = self._read("utilisation") or (None, None)
        bits = self._read("throttle reasons") or 0
        if bits & USER_CLOCKS and (said := "the clock is held at a setting") not in self._said:
            self._said.append(said)
        return replace(
            sample,
            temperature_c=self._read("temperature"),
            clock_hz=self._read("clock"),
            busy=busy,
            memory_busy=memory_busy,
            throttled_by=tuple(word for bit, word in HELD_DOWN_BY.items() if bits & bit),
            others=self._users.share(busy),
        )

    def close(self) -> None:
        """Release the driver; closing twice is no error."""
        self._driver.close()

    def _read(self, quantity: str, *, vital: bool = False) -> Any:
        """Read a quantity; None if not reported or temporarily failing.

        An unknown error on a vital quantity means that the board is gone.
        """
        way = self._ways.get(quantity)
        if way is None:
            return None
        try:
            return way(self._driver, self._handle)
        except DeviceLost:
            raise
        except MeterError as error:
            if vital and isinstance(error, Unclear):
                raise DeviceLost(f"the board is lost: {error}") from error
            self._failed[quantity] += 1
            self._last_failure[quantity] = str(error)
            return None


def open_nvml(
    environment: Mapping[str, str] = os.environ, *, root: Path = Path("/")
) -> tuple[list[NvmlMeter], list[str]]:
    """Open meters of the boards that CUDA may use.

    Returns
    -------
    list of NvmlMeter
        One per board, however it is divided; `close` them.
    list of str
        Which boards are not measured, and why.
    """
    boards, notes = _boards(environment)
    meters = []
    for board in boards:
        try:
            meters.append(NvmlMeter(board.index, root))
        except MeterError as error:
            notes.append(f"gpu:{board.index}: {error}")
    return meters, notes


def _boards(environment: Mapping[str, str]) -> tuple[list[VisibleBoard], list[str]]:
    """Responding boards that CUDA may use, and why others are missing."""
    driver = Driver()
    found: list[VisibleBoard] = []
    notes: list[str] = []
    try:
        count = driver.ask("nvmlDeviceGetCount")
        for index in range(count):
            try:
                found.append(_board(driver, index))
            except MeterError as error:
                notes.append(f"gpu:{index}: {error}")
        if count == 0:
            version = driver.tells("nvmlSystemGetDriverVersion")
            raise MeterError(f"the NVIDIA driver {version} is here, but no board")
    finally:
        driver.close()
    chosen, more = visible(found, environment)
    return chosen, notes + (more if found else [])


def _board(driver: Driver, index: int) -> VisibleBoard:
    """Identify a board and its partitions."""
    handle = driver.ask("nvmlDeviceGetHandleByIndex", index)
    parts = []
    for at in range(driver.tells("nvmlDeviceGetMaxMigDeviceCount", handle) or 0):
        part = driver.tells("nvmlDeviceGetMigDeviceHandleByIndex", handle, at)
        parts.append(None if part is None else driver.tells("nvmlDeviceGetUUID", part))
    return VisibleBoard(
        index=index,
        name=driver.ask("nvmlDeviceGetName", handle),
        uuid=driver.ask("nvmlDeviceGetUUID", handle),
        slices=tuple(part for part in parts if part is not None),
    )
