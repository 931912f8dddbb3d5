"""Devices and rental prices found by name."""

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property

from estimator.catalog import Catalog, Device
from estimator.catalog.device_names import chips_of_slice
from estimator.core.hardware import Hardware
from estimator.core.messages import refuse
from estimator.core.notice import Notice
from estimator.core.uncertainty import Uncertain
from estimator.question.hardware import (
    WITH_NETWORK,
    choose_precision,
    find_hardware,
    fixed_utilization,
    formats_in,
    named_precision,
)
from estimator.question.provenance import Found
from estimator.training.machine import find_machine
from estimator.training.parallelism import TrainingMachine


@dataclass(frozen=True, kw_only=True)
class NamedDevice:
    """Device and precision found by name.

    Parameters
    ----------
    device : Device
        Profile of the device.
    precision : str
        Number format of the run.
    found : Found of Hardware
        Figures of the device at this precision.
    machine : TrainingMachine
        Figures that determine the utilization.
    fixed : Found of Uncertain, optional
        Utilization of a device type that the model does not cover [1].
    notices : tuple of Notice
        Assumptions.
    chips : int
        Number of devices that the name stands for, such as the chips of a TPU slice [1].
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
        """Specification of the device."""
        return self.found.value

    @property
    def with_network(self) -> bool:
        """Return whether the device's power includes the network."""
        return self.device.kind in WITH_NETWORK

    @cached_property
    def like(self) -> Hashable:
        """Key shared by devices that can be estimated in one call."""
        hardware = self.hardware
        optional = (hardware.tdp_w, hardware.idle_w, hardware.embodied_co2e_kg)
        kind = "" if self.fixed is None else self.device.kind
        return kind, self.with_network, *(number is not None for number in optional)


def find_device(
    name: str, precision: str, catalog: Catalog, *, suggest: bool = True
) -> NamedDevice:
    """Return the device and precision that a name stands for.

    With `suggest` off, an unknown device is refused without suggestions, which take longer to find
    than an estimate.

    Raises
    ------
    ValueError
        If the device is unknown, or does not support the precision.
    """
    if not suggest and catalog.find_device(name) is None:
        raise refuse("unknown_hardware", name=repr(name[:40]))
    return catalog.look_up(
        ("device", name, precision), lambda: _find_device(name, precision, catalog)
    )


def _find_device(name: str, precision: str, catalog: Catalog) -> NamedDevice:
    if not name.strip():
        raise ValueError("accelerator is empty: enter the name of a device")
    device = catalog.device(name.strip())
    asked = named_precision(precision, device)
    chosen = choose_precision(device, asked)
    values = {"precision": chosen, "device": device.name}
    sole = set(device.peaks) == {"equivalent"}
    exact = sole or (asked is not None and asked in formats_in(precision))
    return NamedDevice(
        device=device,
        precision=chosen,
        found=find_hardware(device, chosen, catalog),
        machine=find_machine(device, chosen),
        fixed=fixed_utilization(device, catalog),
        notices=() if exact else (Notice("precision_assumed", "precision", values),),
        chips=chips_of_slice(name),
    )
