"""Meters: repeated readings of a component's power or energy."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

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


class Meter:
    """Component and how it is read.

    Attributes
    ----------
    component, name : str
        As in `Energy`; of samples of power, a counter may add its own word to the name.
    device : MeasuredDevice or None
        The device it belongs to; None for "dram", "host" and the like.
    simulated : bool
        Whether a stub stands in for the device.
    only_counts : bool
        Whether it has nothing but a counter: between counters it need not be read.
    dear : bool
        Whether another process of ours answers, which takes time of a processor.
    software : mapping of str to str
        Drivers it asks -> their versions, as in `Host.software`.
    """

    component: str
    name: str
    trust: Trust
    device: MeasuredDevice | None = None
    simulated = False
    only_counts = False
    dear = False
    software: Mapping[str, str] = MappingProxyType({})

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on its readings so far, each beginning with the component."""
        return ()

    def read(self, *, with_counter: bool) -> Sample:
        """Read it now, with the expensive counter only on request.

        Raises
        ------
        MeterError
            If this reading failed; DeviceLost if every later one will, too.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Release it; closing twice is fine."""
