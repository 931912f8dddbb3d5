"""Recording of a run: meters are read, samples stored and summarised.

Nothing here may stop or slow the measured job; failures become notes.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from estimator.core.units import in_percent
from estimator.measure.attribution import implausible, placed
from estimator.measure.bench.cpu_profile import processor_id
from estimator.measure.host import ContentionMeter, ProcessorShares, this_host
from estimator.measure.meters.open import open_meters
from estimator.measure.meters.rapl import RaplMeter
from estimator.measure.sampler import MOST_OF_A_CORE, Sampler
from estimator.measure.session import Reported, Session
from estimator.runs import Store, StoreError, new_run_id, store_or_reason
from estimator.runs.energy import summarise
from estimator.runs.meter import Meter, Sample
from estimator.runs.observations import contended, is_of_steps
from estimator.runs.record import (
    Condition,
    Energy,
    Host,
    MeasuredDevice,
    MeasuredRun,
    Origin,
    ServedLoad,
    State,
    Timing,
    stamp,
)

RAPL = RaplMeter.name
"""Meter with a cheap counter, which a benchmark with short trials reads often."""

WORTH_A_NOTE = 0.1
"""CPU share of others that gets a note [1]."""

SHORT_S = 2.0
"""Run length below which results are unreliable [s]."""

LEAST_S = 0.2
"""Least length of a stored run without timed steps [s]."""


@dataclass(kw_only=True)
class Recording:
    """Running recording.

    Parameters
    ----------
    store : Store, optional
        Where samples and result go; None: only in memory.
    of_steps : bool
        Store only a run with timings or metered energy.

    Attributes
    ----------
    lost : list of str
        Why something could not be stored: to be said however quiet it shall be.
    meter_notes : list of str
        What the meters cannot read, or read badly; `notes` are about all else.
    """

    origin: Origin
    label: str | None = None
    store: Store | None = None
    of_steps: bool = False
    notes: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list, init=False)
    meter_notes: list[str] = field(default_factory=list, init=False)
    meters: list[Meter] = field(default_factory=list, init=False)
    _sampler: Sampler | None = field(default=None, init=False)
    _contention: ContentionMeter | None = field(default=None, init=False)
    _begun: MeasuredRun | None = field(default=None, init=False)
    _started_s: float = field(default=0.0, init=False)

    @property
    def run_id(self) -> str:
        """Id of the run once started."""
        return "" if self._begun is None else self._begun.id

    def start(self) -> None:
        """Open the meters and begin to sample."""
        self.meters, missing = open_meters()
        self.meter_notes += missing
        host = this_host()
        drivers = {name: version for one in self.meters for name, version in one.software.items()}
        host = replace(host, software={**host.software, **drivers})
        processor = MeasuredDevice(
            key="cpu", kind="cpu", name=host.cpu, memory_bytes=host.memory_bytes
        )
        boards = [
            meter.device
            for meter in self.meters
            if meter.device is not None and meter.device.key != "cpu"
        ]
        devices, unknown = with_profiles((processor, *boards), host)
        self.notes += unknown
        self._begun = MeasuredRun(
            id=new_run_id(),
            origin=self.origin,
            started=stamp(datetime.now(UTC)),
            wall_s=0.0,
            state="running",
            label=self.label,
            host=host,
            devices=devices,
            simulated=any(meter.simulated for meter in self.meters),
        )
        begun = self._begun
        self._write(lambda store: store.begin(begun, self.meters))
        often = [one.component for one in self.meters if one.name == RAPL]
        self._sampler = Sampler(
            self.meters,
            often=often if self.origin == "bench" else (),
            most_of_a_core=None if self.origin == "bench" else MOST_OF_A_CORE,
            on_samples=self._keep,
        )
        self._contention = ContentionMeter(running_children=True)
        self._sampler.start()
        self._started_s = time.monotonic()

    @property
    def devices(self) -> tuple[MeasuredDevice, ...]:
        """Detected devices of this machine."""
        return () if self._begun is None else self._begun.devices

    def device(self, key: str) -> MeasuredDevice:
        """Device of this key; ValueError if no meter knows it."""
        known = self.devices
        for one in known:
            if one.key == key:
                return one
        raise ValueError(f"no device {key!r} is known here: {', '.join(one.key for one in known)}")

    def samples(self) -> dict[str, list[Sample]]:
        """Readings so far."""
        return {} if self._sampler is None else self._sampler.so_far()

    def update(self, timings: Sequence[Timing]) -> None:
        """Store the timings so far, so that a kill does not lose them."""
        if self._begun is not None:
            now = replace(self._begun, timings=tuple(timings), wall_s=self._age_s())
            self._write(lambda store: store.update(now))

    def drop(self) -> None:
        """End without a result, as nothing has run."""
        if self._sampler is not None:
            self._sampler.stop()
        for meter in self.meters:
            meter.close()
        self._forget()

    def _forget(self) -> None:
        """Remove the started run from the store."""
        if self._begun is not None:
            nothing = replace(self._begun, state="failed")
            self._write(lambda store: store.finish(nothing))
            self._write(lambda store: store.forget([nothing.id]))

    def so_far(self, timings: Callable[[MeasuredRun], Sequence[Timing]]) -> MeasuredRun:
        """Summarise a continuing run, without notes. Arguments as in `end`."""
        if self._begun is None:
            raise RuntimeError("the recording has not started")
        kept, wall_s = (list(self.notes), list(self.meter_notes)), self._age_s()
        energy, conditions = self._summarise(self.samples(), wall_s)
        run = replace(
            self._begun, wall_s=wall_s, energy=tuple(energy), conditions=tuple(conditions)
        )
        run = replace(run, timings=tuple(timings(run)))
        self.notes[:], self.meter_notes[:] = kept
        return run

    def end(
        self,
        *,
        state: State,
        exit_code: int | None = None,
        timings: Callable[[MeasuredRun], Sequence[Timing]] = lambda run: (),
        served: Callable[[MeasuredRun], Sequence[ServedLoad]] = lambda run: (),
    ) -> MeasuredRun:
        """Stop sampling, summarise, and store the result.

        Parameters
        ----------
        timings, served : callable
            Are handed the record with devices, energy and conditions, and say what was timed, and
            under which loads a server was measured.
        """
        if self._begun is None or self._sampler is None or self._contention is None:
            raise RuntimeError("the recording has not started")
        wall_s = self._age_s()
        energy, conditions = self._summarise(self._sampler.stop(), wall_s)
        run = replace(
            self._begun,
            wall_s=wall_s,
            state=state,
            exit_code=exit_code,
            energy=tuple(energy),
            conditions=tuple(conditions),
        )
        run = replace(run, timings=tuple(timings(run)), served=tuple(served(run)))
        metered = any(one.trust != "modelled" for one in energy)
        tells = bool(run.timings or run.served or metered)
        if self.origin != "bench" and tells:
            self.notes += [note for one in conditions for note in _contention_notes(one)]
        self.notes += implausible(run)
        self.meter_notes += self._sampler.notes
        run = self._with_notes(run)
        if useful(run) and (tells or not self.of_steps):
            self._write(lambda store: store.finish(run))
        else:
            self.notes.append(f"a run of {wall_s:.2g} s without timed steps is not stored")
            self._forget()
        for meter in self.meters:
            meter.close()
        return self._with_notes(run)

    def _with_notes(self, run: MeasuredRun) -> MeasuredRun:
        """Run with all notes so far, without duplicates."""
        return replace(run, notes=tuple(dict.fromkeys((*self.meter_notes, *self.notes))))

    def placed(self, run: MeasuredRun, reported: Sequence[Reported]) -> list[Timing]:
        """Reported steps on their devices, with power."""
        samples = self.samples()
        timings = []
        for one in reported:
            timing, why_not = placed(one, run, self.meters, samples)
            timings += [] if timing is None else [timing]
            self.notes += why_not
        return timings

    def _age_s(self) -> float:
        return time.monotonic() - self._started_s

    def _keep(self, readings: Sequence[tuple[str, Sample]]) -> None:
        """Pass samples to the store, which retries later if it cannot write."""
        self._write(lambda store: store.append(self.run_id, readings))

    def _write(self, change: Callable[[Store], object]) -> None:
        """Change the store; note each failure once, as the job continues."""
        if self.store is None:
            return
        try:
            change(self.store)
        except StoreError as error:
            if str(error) not in self.notes:
                self.notes.append(str(error))
                self.lost.append(str(error))

    def _summarise(
        self, samples: dict[str, list[Sample]], wall_s: float
    ) -> tuple[list[Energy], list[Condition]]:
        energy: list[Energy] = []
        conditions: list[Condition] = []
        if LEAST_S <= wall_s < SHORT_S:
            self.notes.append(f"a run of {wall_s:.1f} s is too short to be reliable: run it longer")
        for meter in self.meters:
            summary = summarise(
                meter.component,
                meter.name,
                meter.trust,
                samples.get(meter.component, []),
                duration_s=max(wall_s, 1e-6),
                limit_w=None if meter.device is None else meter.device.power_limit_w,
            )
            if summary.energy is not None or meter.trust != "modelled":
                self.meter_notes += summary.notes
            energy += [] if summary.energy is None else [summary.energy]
            conditions += [] if summary.condition is None else [summary.condition]
        shares = None if self._contention is None else self._contention.shares()
        return energy, _with_shares(conditions, shares)


def _with_shares(found: Sequence[Condition], shares: ProcessorShares | None) -> list[Condition]:
    """Conditions of the devices, with CPU use in total and by others."""
    known = next((one for one in found if one.component == "cpu"), Condition(component="cpu"))
    if shares is not None:
        known = replace(known, busy=shares.busy, others=shares.others)
    return [*(one for one in found if one.component != "cpu"), known]


def _contention_notes(condition: Condition) -> list[str]:
    """Return a note on CPU time used by other programs."""
    if condition.component != "cpu" or contended(condition) < WORTH_A_NOTE:
        return []
    others, busy = in_percent(condition.others or 0.0), in_percent(condition.busy or 1.0)
    return [
        f"cpu: other programs used {others} of it ({busy} busy in all): without them the run "
        "would be faster, so it counts less in calibration"
    ]


def useful(run: MeasuredRun) -> bool:
    """Return whether a run is worth storing: long enough, or with timed steps."""
    return run.wall_s >= LEAST_S or any(is_of_steps(one) for one in run.timings)


def with_profiles(
    devices: Sequence[MeasuredDevice], host: Host
) -> tuple[tuple[MeasuredDevice, ...], list[str]]:
    """Devices with their profile ids: boards by name, CPUs their own.

    Unreadable profiles are noted and stop nothing.
    """
    found = [replace(one, hardware=processor_id(host)) for one in devices if one.kind == "cpu"]
    boards = [one for one in devices if one.kind == "gpu"]
    if not boards:
        return tuple(found), []
    from estimator.catalog import Catalog, ProfileError

    try:
        catalog = Catalog.open()
        known = [one.hardware or catalog.find_device(one.name) for one in boards]
    except ProfileError as error:
        return (*found, *boards), [f"no profile of the boards is known: {error}"]
    return (
        *found,
        *(replace(one, hardware=name) for one, name in zip(boards, known, strict=True)),
    ), []


@contextmanager
def recorded(session: Session, *, tells: bool = True) -> Iterator[Recording]:
    """Record what runs inside a with block, with the steps that a session counts.

    A forked process leaves the run to its parent, as it only has copies of the sampling threads and
    their locks.

    Parameters
    ----------
    tells : bool
        Whether its steps are kept: another process of the same run may tell of them.
    """
    store, notes = store_or_reason()
    recording = Recording(origin="script", label=session.label, store=store, notes=notes)
    recording.start()
    owner = os.getpid()
    state: State = "failed"
    try:
        yield recording
        state = "finished"
    except KeyboardInterrupt:
        state = "interrupted"
        raise
    finally:
        if os.getpid() == owner:
            reported = session.reported() if tells else None
            recording.end(
                state=state,
                timings=lambda run: recording.placed(run, (reported,) if reported else ()),
            )
            if store is not None:
                store.close()
