"""Current power and load of the devices, read on demand and cached briefly.

Without viewers nothing is read; viewers share the readings.
"""

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from estimator.runs.energy import summarise
from estimator.runs.meter import DeviceLost, Meter, MeterError, Sample
from estimator.runs.record import MeasuredDevice, MeasuredRun, Trust

SOONEST_S = 1.0
"""Least interval between readings, as counters are inaccurate when read often [s]."""

KEPT_S = 600.0
"""Time that readings are kept [s]."""

FAILURES_IN_A_ROW = 10
"""Consecutive failures after which a meter is dropped."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """Recent power of one component.

    Parameters
    ----------
    ago_s, power_w : tuple of float
        Times before the last reading, the oldest first [s], and power then [W].
    busy, temperature_c : float, optional
        As in `Condition`, at the last reading that reports it.
    """

    component: str
    name: str
    meter: str
    trust: Trust | None
    simulated: bool
    ago_s: tuple[float, ...]
    power_w: tuple[float, ...]
    energy_kwh: float | None
    span_s: float
    busy: float | None = None
    temperature_c: float | None = None
    throttled_by: tuple[str, ...] = ()


class LiveMeters:
    """Meters that are read on demand.

    Examples
    --------
    >>> LiveMeters([], ["gpu: no driver"]).look(), LiveMeters([], ["gpu: no driver"]).notes
    ((), ('gpu: no driver',))
    """

    def __init__(self, meters: Sequence[Meter], notes: Sequence[str] = ()) -> None:
        self._meters = list(meters)
        self._notes = list(notes)
        self._samples: dict[str, deque[Sample]] = {one.component: deque() for one in meters}
        self._failed = dict.fromkeys(self._samples, 0)
        self._read_s = float("-inf")
        self._turn = threading.Lock()

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on meters that fail or are missing."""
        return tuple(self._notes)

    def look(self) -> tuple[Course, ...]:
        """Read all meters if the last reading is old, and return recent readings."""
        with self._turn:
            now_s = time.monotonic()
            if now_s - self._read_s >= SOONEST_S:
                self._read_s = now_s
                for meter in tuple(self._meters):
                    self._read(meter)
            return tuple(
                course(
                    meter.component,
                    tuple(self._samples[meter.component]),
                    device=meter.device,
                    meter=(meter.name, meter.trust),
                    simulated=meter.simulated,
                )
                for meter in self._meters
                if self._samples[meter.component]
            )

    def close(self) -> None:
        """Release all meters."""
        with self._turn:
            for meter in self._meters:
                meter.close()
            self._meters.clear()

    def _read(self, meter: Meter) -> None:
        """Read one meter; drop it if lost or repeatedly failing."""
        kept = self._samples[meter.component]
        try:
            kept.append(meter.read(with_counter=True))
        except (MeterError, OSError) as error:
            self._failed[meter.component] += 1
            lost = isinstance(error, DeviceLost)
            if lost or self._failed[meter.component] >= FAILURES_IN_A_ROW:
                self._meters.remove(meter)
                self._notes.append(f"{meter.component}: no longer read: {error}")
                meter.close()
            return
        self._failed[meter.component] = 0
        while kept[-1].time_s - kept[0].time_s > KEPT_S:
            kept.popleft()


def courses(
    run: MeasuredRun,
    samples: Mapping[str, Sequence[Sample]],
    meters: Mapping[str, tuple[str, Trust]],
) -> tuple[Course, ...]:
    """Return the recent power of a run's components.

    Parameters
    ----------
    meters : mapping
        Component -> name and trust of its meter.
    """
    named = {one.key: one for one in run.devices}
    return tuple(
        course(
            component,
            readings,
            device=named.get(component),
            meter=meters.get(component),
            simulated=run.simulated,
        )
        for component, readings in samples.items()
        if readings
    )


def course(
    component: str,
    samples: Sequence[Sample],
    *,
    device: MeasuredDevice | None = None,
    meter: tuple[str, Trust] | None = None,
    simulated: bool = False,
) -> Course:
    """Return the recent power of one component, for the last `KEPT_S`."""
    end_s, span_s = samples[-1].time_s, samples[-1].time_s - samples[0].time_s
    powers = _powers([one for one in samples if end_s - one.time_s <= KEPT_S])
    name, trust = meter or ("", None)
    energy = None
    if span_s > 0:
        energy = summarise(component, name, trust or "sampled", samples, duration_s=span_s).energy
    return Course(
        component=component,
        name="" if device is None else device.name,
        meter=name if energy is None or meter is None else energy.meter,
        trust=trust if energy is None or meter is None else energy.trust,
        simulated=simulated,
        ago_s=tuple(end_s - at for at, _ in powers),
        power_w=tuple(power_w for _, power_w in powers),
        energy_kwh=None if energy is None else energy.energy_kwh,
        span_s=span_s,
        busy=_last([one.busy for one in samples]),
        temperature_c=_last([one.temperature_c for one in samples]),
        throttled_by=samples[-1].throttled_by,
    )


def _powers(samples: Sequence[Sample]) -> list[tuple[float, float]]:
    """Time and power, as read or from counter differences."""
    read = [(one.time_s, one.power_w) for one in samples if one.power_w is not None]
    if read:
        return read
    counted = [(one.time_s, one.energy_j) for one in samples if one.energy_j is not None]
    return [
        (later_s, (later_j - before_j) / (later_s - before_s))
        for (before_s, before_j), (later_s, later_j) in pairwise(counted)
        if later_s > before_s and later_j >= before_j
    ]


def _last(values: Sequence[float | None]) -> float | None:
    """Return the last known value."""
    return next((value for value in reversed(values) if value is not None), None)
