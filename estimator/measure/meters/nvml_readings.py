"""Quantities of a board, each read from NVIDIA's driver.

A quantity has several ways, the best first: drivers and boards differ in which they know.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from estimator.measure.meters.nvml_binding import Driver, NotReported
from estimator.runs.meter import DeviceLost, MeterError
from estimator.runs.record import MeasuredDevice

Way = Callable[[Driver, Any], Any]

POWER_INSTANT, LIMIT_DEFAULT, LIMIT_IN_FORCE = 186, 189, 190
"""Fields of power, as nvml.h numbers them [mW]."""

WHOLE_MODULE = 1
"""Scope of a field: the module, processor and memory included."""

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
"""Reasons that hold the clock down, as nvml.h numbers them; idling and settings are none."""

AMPERE = 7
GA100 = (8, 0)
"""Before and with this one the plain power reading is of the moment, later a mean of a second."""

VIRTUAL = (2, 3, 4)
"""Modes of virtualization in which the board is shared out; passing it through whole is none."""


def instant_w(driver: Driver, handle: Any) -> float:
    """Power at the moment [W]."""
    return _some_w(driver.field(handle, POWER_INSTANT))


def usual_w(driver: Driver, handle: Any) -> float:
    """Power, on newer boards as a mean of the last second [W]."""
    return _some_w(driver.ask("nvmlDeviceGetPowerUsage", handle))


def module_w(driver: Driver, handle: Any) -> float:
    """Power of the module that the board is part of [W]."""
    return _some_w(driver.field(handle, POWER_INSTANT, WHOLE_MODULE))


def counter_j(driver: Driver, handle: Any) -> float:
    """Energy since the driver was loaded [J]."""
    return float(driver.ask("nvmlDeviceGetTotalEnergyConsumption", handle)) / 1e3


def temperature_c(driver: Driver, handle: Any, name: str = "nvmlDeviceGetTemperatureV") -> float:
    """Temperature of the chip [degC]."""
    return float(driver.ask(name, handle, CORE_SENSOR))


def clock_hz(driver: Driver, handle: Any) -> float:
    """Clock of the processors [Hz]."""
    return 1e6 * float(driver.ask("nvmlDeviceGetClockInfo", handle, CORE_CLOCK))


def use(driver: Driver, handle: Any) -> tuple[float, float]:
    """Share of time in which anything ran, and in which memory was read or written [1]."""
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
"""Ways to read each, the best first; a function that the driver renamed, by its new name first."""


def ways_of(driver: Driver, handle: Any) -> tuple[dict[str, Way], dict[str, str]]:
    """Ask for each quantity once.

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
    """Tell what board this is, without measuring anything."""
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
    """Power limits of the whole module, in force and out of the box [W]."""
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
    """Return whether this board's usual power reading is a mean of the last second."""
    design = driver.tells("nvmlDeviceGetArchitecture", handle)
    capability = driver.tells("nvmlDeviceGetCudaComputeCapability", handle)
    return design is not None and design >= AMPERE and capability != GA100


def _some_w(power_mw: float) -> float:
    """Power in watts; a board that is on never draws nothing."""
    if power_mw == 0:
        raise NotReported("power reads 0 W")
    return power_mw / 1e3


def _limit_w(driver: Driver, handle: Any, *names: str) -> float | None:
    """Limit by the first of these functions that tells one [W]."""
    answer = (driver.tells(name, handle) for name in names)
    return next((limit_mw / 1e3 for limit_mw in answer if limit_mw), None)


def _shared_by(driver: Driver, handle: Any) -> str | None:
    """By what the board is divided, if it is."""
    mode = driver.tells("nvmlDeviceGetMigMode", handle)
    if mode is not None and mode[0] == 1:
        return "MIG"
    return "vGPU" if driver.tells("nvmlDeviceGetVirtualizationMode", handle) in VIRTUAL else None
