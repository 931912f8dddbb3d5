"""Meters: repeated readings of a component's power or energy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from estimator.runs.record import MeasuredDevice, Trust


class MeterError(RuntimeError):
    """Unavailable or unreadable meter: what is missing and how to get it, in one line."""


class DeviceLost(MeterError):
    """Lost device, for which no later reading can succeed."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Reading of one component, None where not measured.

    Parameters
    ----------
    time_s : float
        When it was read, on the monotonic clock [s].
    power_w : float, optional
        Power at that time [W].
    energy_j : float, optional
        Counter of energy since some start [J]; wraps are already undone.
    temperature_c, clock_hz, busy, memory_busy : float, optional
        As in `Condition`.
    throttled_by : tuple of str
        What holds the clock down just now.
    others : float, optional
        Share of the device, or of the time on it, that other processes use [1].
    """

    time_s: float
    power_w: float | None = None
    energy_j: float | None = None
    temperature_c: float | None = None
    clock_hz: float | None = None
    busy: float | None = None
    memory_busy: float | None = None
    throttled_by: tuple[str, ...] = ()
    others: float | None = None


class Meter(Protocol):
    """Component and how it is read.

    Attributes
    ----------
    name : str
        As in `Energy.meter`, for samples of power; a counter may add its own word.
    device : MeasuredDevice or None
        The device it belongs to; None for "dram", "host" and the like.
    """

    component: str
    name: str
    trust: Trust
    device: MeasuredDevice | None
    simulated: bool

    def read(self, *, with_counter: bool) -> Sample:
        """Read it now, with the expensive counter only on request.

        Raises
        ------
        MeterError
            If this reading failed; DeviceLost if every later one will, too.
        """
        ...

    def close(self) -> None:
        """Release it; closing twice is no error."""
        ...


@runtime_checkable
class Annotated(Protocol):
    """Meter with notes on its readings.

    Attributes
    ----------
    notes : tuple of str
        Each beginning with the component.
    """

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on its readings."""
        ...


@runtime_checkable
class CounterOnly(Protocol):
    """Meter with only an energy counter, which needs no reading in between."""

    only_counts: bool


@runtime_checkable
class Assisted(Protocol):
    """Meter answered by another process of ours, which uses processor time.

    Attributes
    ----------
    assistance_s : float
        What its answers have taken so far [s].
    """

    @property
    def assistance_s(self) -> float:
        """Processor time of its answers so far [s]."""
        ...


@runtime_checkable
class Driven(Protocol):
    """Meter that depends on a driver version.

    Attributes
    ----------
    software : mapping of str to str
        Name -> version, as in `Host.software`.
    """

    software: Mapping[str, str]
