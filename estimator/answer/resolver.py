"""What do words name: device with its precision, and its rent; each looked up once."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar, cast

from estimator.calibration.correction import Known, known_runs
from estimator.calibration.measured_utilization import NOTHING_MEASURED
from estimator.catalog import Catalog, Device
from estimator.catalog.device_names import chips_of_slice
from estimator.core.hardware import Hardware
from estimator.core.messages import reason, refusal, refuse
from estimator.core.notice import Notice
from estimator.core.uncertainty import Uncertain
from estimator.question.hardware import (
    WITH_NETWORK,
    choose_precision,
    find_hardware,
    find_price,
    fixed_utilization,
    formats_in,
    named_precision,
)
from estimator.question.provenance import Found
from estimator.question.site import provider_at
from estimator.training.machine import find_machine
from estimator.training.parallelism import TrainingMachine

Answer = TypeVar("Answer")

MOST_SUGGESTIONS = 30
"""Unknown devices for which near names are looked for, which takes longer than an estimate [1]."""

MOST_REMEMBERED = 5_000
"""Look-ups remembered at a time, so that a table of any length runs in bounded memory [1]."""


@dataclass(frozen=True, kw_only=True)
class Named:
    """What a device and a precision in words stand for.

    Parameters
    ----------
    device : Device
        The profile.
    precision : str
        Number format of the run.
    found : Found of Hardware
        Numbers of the device at it.
    machine : TrainingMachine
        What the utilization depends on.
    fixed : Found of Uncertain, optional
        Utilization of a device that the model does not cover [1].
    notices : tuple of Notice
        What was assumed.
    chips : int
        Devices that the name stands for: those of a slice of TPUs [1].
    """

    device: Device
    precision: str
    found: Found[Hardware]
    machine: TrainingMachine
    fixed: Found[Uncertain] | None
    notices: tuple[Notice, ...]
    chips: int = 1

    @property
    def hardware(self) -> Hardware:
        """Numbers of the device."""
        return self.found.value

    @property
    def with_network(self) -> bool:
        """Whether its power holds that of the network."""
        return self.device.kind in WITH_NETWORK

    @cached_property
    def like(self) -> Hashable:
        """What devices share that one call can answer: what is known of them."""
        hardware = self.hardware
        optional = (hardware.tdp_w, hardware.idle_w, hardware.embodied_co2e_kg)
        kind = "" if self.fixed is None else self.device.kind
        return kind, self.with_network, *(number is not None for number in optional)


class Resolver:
    """Look-ups by the text that names something, remembered with the catalog; refusals, too.

    Parameters
    ----------
    catalog : Catalog
    calibrated : bool
        Whether measured runs are used.
    """

    def __init__(self, catalog: Catalog, *, calibrated: bool = True) -> None:
        self.catalog = catalog
        self._calibrated = calibrated
        self._found: dict[Hashable, object] = catalog.once("look-ups of words", dict)
        self._unknown = 0

    def named(self, accelerator: str, precision: str) -> Named:
        """What a device and a precision in words stand for.

        Raises
        ------
        ValueError
            If the device is not known, or lacks the precision.
        """
        key = "named", accelerator, precision
        return self._once(key, lambda: self._named(accelerator, precision))

    @cached_property
    def measured(self) -> Known:
        """The measured runs, which correct what is expected."""
        if not self._calibrated:
            return Known(self.catalog, NOTHING_MEASURED)
        return known_runs(self.catalog)

    def provider(self, site: str) -> str:
        """Provider whose offers a place takes; empty where it is none of theirs."""
        return self._once(("provider", site), lambda: provider_at(site, self.catalog))

    def rent(
        self, device: Device, kind: str, year: float | None, provider: str
    ) -> Found[Uncertain] | None:
        """Rent with its provenance, by the kind of offer."""
        key = "rent", device.id, kind, year, provider
        return self._once(
            key,
            lambda: find_price(device, self.catalog, kind=kind, year=year, provider=provider),
        )

    def _named(self, accelerator: str, precision: str) -> Named:
        if not accelerator.strip():
            raise ValueError("accelerator is empty: name the device")
        if self._unknown > MOST_SUGGESTIONS and self.catalog.find_device(accelerator) is None:
            raise refuse("unknown_hardware", name=repr(accelerator[:40]))
        try:
            device = self.catalog.device(accelerator.strip())
        except ValueError:
            self._unknown += 1
            raise
        return replace(self._at_precision(device, precision), chips=chips_of_slice(accelerator))

    def _at_precision(self, device: Device, precision: str) -> Named:
        asked = named_precision(precision, device)
        chosen = choose_precision(device, asked)
        values = {"precision": chosen, "device": device.name}
        sole = set(device.peaks) == {"equivalent"}
        exact = sole or (asked is not None and asked in formats_in(precision))
        return Named(
            device=device,
            precision=chosen,
            found=find_hardware(device, chosen, self.catalog),
            machine=find_machine(device, chosen),
            fixed=fixed_utilization(device, self.catalog),
            notices=() if exact else (Notice("precision_assumed", "precision", values),),
        )

    def _once(self, key: Hashable, find: Callable[[], Answer]) -> Answer:
        """Look something up the first time it is named; a refusal is remembered, too."""
        if len(self._found) > MOST_REMEMBERED:
            self._found.clear()
        if key not in self._found:
            try:
                self._found[key] = find()
            except ValueError as error:
                self._found[key] = reason(error)
        found = self._found[key]
        if isinstance(found, Notice):
            raise refusal(found)
        return cast(Answer, found)
