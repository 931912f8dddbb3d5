"""Quantities of a board, each read from NVIDIA's driver.

Each quantity has several methods, the best first, as drivers and boards differ.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from estimator.measure.meters.nvml_binding import Driver, NotReported
from estimator.runs.meter import DeviceLost, MeterError
from estimator.runs.record import MeasuredDevice

Way = Callable[[Driver, Any], Any]

POWER_INSTANT, LIMIT_DEFAULT, LIMIT_IN_FORCE = 186, 189, 190
"""Power fields, as numbered in nvml.h [mW]."""

WHOLE_MODULE = 1
"""Field scope of the whole module, CPU and memory included."""

CORE_SENSOR, CORE_CLOCK = 0, 1

USER_CLOCKS = 0x2
HELD_DOWN_BY: Mapping[int, str] = {
    0x4: "power limit",
    0x8: "hardware slowdown",
    0x20: "heat",
    0x40: "heat, by hardware",
    0x80: "power brake",
    0x200: "board limit",
    0x400: "reliability limit",
}
"""Reasons for a reduced clock in nvml.h; idle and settings are excluded."""

AMPERE = 7
GA100 = (8, 0)
"""Compute capability up to which plain power readings are instantaneous; later they are one-second
means.
"""

VIRTUAL = (2, 3, 4)
"""Virtualization modes with a shared board, unlike full pass-through."""


def instant_w(driver: Driver, handle: Any) -> float:
    """Instantaneous power [W]."""
    return _some_w(driver.field(handle, POWER_INSTANT))


def usual_w(driver: Driver, handle: Any) -> float:
    """Power, on newer boards a mean over the last second [W]."""
    return _some_w(driver.ask("nvmlDeviceGetPowerUsage", handle))


def module_w(driver: Driver, handle: Any) -> float:
    """Power of the module that the board belongs to [W]."""
    return _some_w(driver.field(handle, POWER_INSTANT, WHOLE_MODULE))


def counter_j(driver: Driver, handle: Any) -> float:
    """Energy since the driver was loaded [J]."""
    return float(driver.ask("nvmlDeviceGetTotalEnergyConsumption", handle)) / 1e3


def temperature_c(driver: Driver, handle: Any, name: str = "nvmlDeviceGetTemperatureV") -> float:
    """Temperature of the chip [degC]."""
    return float(driver.ask(name, handle, CORE_SENSOR))


def clock_hz(driver: Driver, handle: Any) -> float:
    """Core clock [Hz]."""
    return 1e6 * float(driver.ask("nvmlDeviceGetClockInfo", handle, CORE_CLOCK))


def use(driver: Driver, handle: Any) -> tuple[float, float]:
    """Shares of time with running kernels, and with memory access [1]."""
    answer = driver.ask("nvmlDeviceGetUtilizationRates", handle)
    return answer.gpu / 100, answer.memory / 100


def reasons(
    driver: Driver, handle: Any, name: str = "nvmlDeviceGetCurrentClocksEventReasons"
) -> int:
    """Return the reasons for a lower clock, as bits."""
    return int(driver.ask(name, handle))


QUANTITIES: Mapping[str, Sequence[Way]] = {
    "power": (instant_w, usual_w, module_w),
    "energy counter": (counter_j,),
    "temperature": (temperature_c, partial(temperature_c, name="nvmlDeviceGetTemperature")),
    "clock": (clock_hz,),
    "utilisation": (use,),
    "throttle reasons": (
        reasons,
        partial(reasons, name="nvmlDeviceGetCurrentClocksThrottleReasons"),
    ),
}
"""Methods to read each quantity, the best first; renamed functions by their new name first."""


def ways_of(driver: Driver, handle: Any) -> tuple[dict[str, Way], dict[str, str]]:
    """Probe each quantity once.

    Returns
    -------
    dict of str to Way
        Quantity -> the first way that answers.
    dict of str to str
        Quantity that has none -> why not.
    """
    found: dict[str, Way] = {}
    missing: dict[str, str] = {}
    for quantity, ways in QUANTITIES.items():
        for way in ways:
            try:
                way(driver, handle)
            except DeviceLost:
                raise
            except MeterError as error:
                missing.setdefault(quantity, str(error))
                continue
            found[quantity] = way
            missing.pop(quantity, None)
            break
    return found, missing


def describe(driver: Driver, index: int) -> MeasuredDevice:
    """Describe a board without measuring it."""
    handle = driver.ask("nvmlDeviceGetHandleByIndex", index)
    memory = driver.tells("nvmlDeviceGetMemoryInfo", handle)
    return MeasuredDevice(
        key=f"gpu:{index}",
        kind="gpu",
        name=driver.ask("nvmlDeviceGetName", handle),
        uuid=driver.tells("nvmlDeviceGetUUID", handle),
        memory_bytes=None if memory is None else float(memory.total),
        power_limit_w=_limit_w(
            driver, handle, "nvmlDeviceGetEnforcedPowerLimit", "nvmlDeviceGetPowerManagementLimit"
        ),
        default_limit_w=_limit_w(driver, handle, "nvmlDeviceGetPowerManagementDefaultLimit"),
        shares_board=_shared_by(driver, handle),
    )


def module_limits_w(driver: Driver, handle: Any) -> tuple[float | None, float | None]:
    """Power limits of the whole module, current and default [W]."""
    found: list[float | None] = []
    for field in (LIMIT_IN_FORCE, LIMIT_DEFAULT):
        try:
            found.append(driver.field(handle, field, WHOLE_MODULE) / 1e3)
        except DeviceLost:
            raise
        except MeterError:
            found.append(None)
    return found[0], found[1]


def averages(driver: Driver, handle: Any) -> bool:
    """Return whether the board's power reading is a one-second mean."""
    design = driver.tells("nvmlDeviceGetArchitecture", handle)
    capability = driver.tells("nvmlDeviceGetCudaComputeCapability", handle)
    return design is not None and design >= AMPERE and capability != GA100


def _some_w(power_mw: float) -> float:
    """Power in watts; zero is refused, as a running board always draws power."""
    if power_mw == 0:
        raise NotReported("power reads 0 W")
    return power_mw / 1e3


def _limit_w(driver: Driver, handle: Any, *names: str) -> float | None:
    """Limit from the first function that reports one [W]."""
    answer = (driver.tells(name, handle) for name in names)
    return next((limit_mw / 1e3 for limit_mw in answer if limit_mw), None)


def _shared_by(driver: Driver, handle: Any) -> str | None:
    """Return how the board is partitioned, if it is."""
    mode = driver.tells("nvmlDeviceGetMigMode", handle)
    if mode is not None and mode[0] == 1:
        return "MIG"
    return "vGPU" if driver.tells("nvmlDeviceGetVirtualizationMode", handle) in VIRTUAL else None
