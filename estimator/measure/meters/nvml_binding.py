"""Calls of NVIDIA's driver: never after its shutdown, every error raised.

The only module that uses the binding, `pynvml` from nvidia-ml-py, which has no types.
"""

import importlib
import threading
from enum import IntEnum
from typing import Any

from estimator.runs.meter import DeviceLost, MeterError

SIMULATED = "twenty_watts_simulated_nvml"
"""Symbol that marks a simulated driver library."""

PATIENCE_S = 2.0
"""Time to wait for a pending call before the driver is left open [s]."""

UNION_BY_TYPE = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
"""Union member that contains a field's value, by its type."""


class Code(IntEnum):
    """Return codes of the driver, as in nvml.h."""

    SUCCESS = 0
    UNINITIALIZED = 1
    INVALID_ARGUMENT = 2
    NOT_SUPPORTED = 3
    NO_PERMISSION = 4
    NOT_FOUND = 6
    DRIVER_NOT_LOADED = 9
    LIBRARY_NOT_FOUND = 12
    FUNCTION_NOT_FOUND = 13
    GPU_IS_LOST = 15
    RESET_REQUIRED = 16
    OPERATING_SYSTEM = 17
    LIB_RM_VERSION_MISMATCH = 18
    ARGUMENT_VERSION_MISMATCH = 25
    GPU_NOT_FOUND = 28
    UNKNOWN = 999


NOT_REPORTED = {
    Code.SUCCESS,
    Code.INVALID_ARGUMENT,
    Code.NOT_SUPPORTED,
    Code.NO_PERMISSION,
    Code.NOT_FOUND,
    Code.FUNCTION_NOT_FOUND,
    Code.ARGUMENT_VERSION_MISMATCH,
}
"""Codes for values that the board or driver does not provide to us. Success without a value is one,
as the binding raises it.
"""

LOST = {Code.UNINITIALIZED, Code.GPU_IS_LOST, Code.RESET_REQUIRED, Code.GPU_NOT_FOUND}

REMEDIES = {
    Code.LIBRARY_NOT_FOUND: (
        "no NVIDIA driver here (libnvidia-ml is missing); a container needs --gpus all"
    ),
    Code.DRIVER_NOT_LOADED: (
        "the NVIDIA driver is installed but not loaded: sudo modprobe nvidia, or restart"
    ),
    Code.LIB_RM_VERSION_MISMATCH: (
        "the NVIDIA driver was updated while the older one is still loaded: restart the machine"
    ),
    Code.NO_PERMISSION: (
        "the NVIDIA driver does not let this user ask: look at the rights of /dev/nvidia*"
    ),
    Code.OPERATING_SYSTEM: (
        "the system keeps this process from the NVIDIA driver: a container needs --gpus all"
    ),
    Code.FUNCTION_NOT_FOUND: "the NVIDIA driver is too old to be asked: update it",
}

SHADOWED = (
    "an old distribution named pynvml hides nvidia-ml-py: "
    "pip uninstall pynvml && pip install --force-reinstall nvidia-ml-py"
)


class NotReported(MeterError):
    """Value that this board or driver does not provide, or not to this user."""

    def __init__(self, message: str, code: int = Code.NOT_SUPPORTED) -> None:
        super().__init__(message)
        self.code = code


class Unclear(MeterError):
    """The driver's "unknown error": a missing value, or a lost board."""


class Driver:
    """Driver, open until closed; it counts its users itself."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nvml = _binding()
        try:
            self._nvml.nvmlInit()
        except self._nvml.NVMLError as error:
            unforeseen = f"the NVIDIA driver does not answer: {error}"
            raise MeterError(REMEDIES.get(error.value, unforeseen)) from error
        self._open = True

    @property
    def simulated(self) -> bool:
        """Return whether a stub replaces the driver."""
        return hasattr(self._nvml.nvmlLib, SIMULATED)

    def ask(self, name: str, *arguments: object) -> Any:
        """Call a function of the binding."""
        with self._lock:
            if not self._open:
                raise DeviceLost("the NVIDIA driver was let go")
            try:
                return getattr(self._nvml, name)(*arguments)
            except self._nvml.NVMLError as error:
                raise _error(error.value, str(error)) from error

    def tells(self, name: str, *arguments: object) -> Any:
        """Call a function; None if it has no answer for us, DeviceLost as in `ask`."""
        try:
            return self.ask(name, *arguments)
        except DeviceLost:
            raise
        except MeterError:
            return None

    def field(self, handle: object, number: int, scope: int = 0) -> float:
        """Read one field of a board, which has its own code and type; errors as in `ask`."""
        (field,) = self.ask("nvmlDeviceGetFieldValues", handle, [(number, scope)])
        if field.nvmlReturn != Code.SUCCESS:
            raise _error(field.nvmlReturn, str(self._nvml.NVMLError(field.nvmlReturn)))
        if field.valueType >= len(UNION_BY_TYPE):
            raise NotReported(f"a value of the unknown type {field.valueType}")
        return float(getattr(field.value, UNION_BY_TYPE[field.valueType]))

    def close(self) -> None:
        """Release the driver; closing twice is no error.

        If a call does not return, the driver stays open until the process ends.
        """
        if not self._lock.acquire(timeout=PATIENCE_S):
            return
        try:
            if self._open:
                self._open = False
                self._nvml.nvmlShutdown()
        except self._nvml.NVMLError:
            return
        finally:
            self._lock.release()


def _binding() -> Any:
    """Import the binding; MeterError if it is missing or replaced by another."""
    try:
        nvml: Any = importlib.import_module("pynvml")
    except ImportError as error:
        raise MeterError("nvidia-ml-py is not installed: pip install nvidia-ml-py") from error
    if not hasattr(nvml, "_nvmlGetFunctionPointer"):
        raise MeterError(SHADOWED)
    return nvml


def _error(code: int, words: str) -> MeterError:
    """Convert a driver error to ours."""
    if code in LOST:
        return DeviceLost(f"the board is lost: {words}")
    if code in NOT_REPORTED:
        return NotReported(words, code)
    return Unclear(words) if code == Code.UNKNOWN else MeterError(words)
