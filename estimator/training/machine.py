"""Device figures that determine utilization: peak, memory, link and network."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np

from estimator.catalog import Device
from estimator.question.hardware import node_devices
from estimator.training.mechanism import REFERENCE_BALANCE
from estimator.training.parallelism import NETWORK_SHARE, TrainingMachine

HALF = ("bf16", "fp16", "tf32", "fp32")
"""Formats of 16 bits or more, for work that does not use fewer bits."""

USUAL_MEMORY_BYTES = 16e9
"""Default device memory [B]."""

BUSES = ((2025, 128e9), (2020, 64e9), (2012, 32e9), (0, 16e9))
"""Year of release -> bus of boards from then on [B/s]: PCIe 5.0 (RTX 50), 4.0 (RTX 30), 3.0 (GTX
600) and 2.0, 16 lanes, both directions; PCI-SIG.
"""

USUAL_BUS_YEAR = 2019
"""Default release year of a device."""

WHOLE_MACHINE = ("tpu",)
"""Device types whose link spans the whole machine."""

COMPILED = ("tpu",)
"""Device types that run compiled graphs with fused elementwise work."""

WELL_PUBLISHED = ("gpu-datacenter", "gpu-workstation", "superchip")
"""Device types of most published runs."""

VECTOR_FORMATS = ("fp32", "fp64")
"""Formats without matrix units on GPUs, except as in `_has_matrix_units`."""

PACKED = 2.2
"""Without TF32, a 16-bit peak up to this multiple of fp32 means vector units [1]: P100."""


def find_machine(device: Device, precision: str) -> TrainingMachine:
    """Return the figures of a device; without a bandwidth, a balanced machine's.

    Without a link on record, the device communicates over the bus.
    """
    peak = device.peaks[precision].value
    sixteen = max((device.peaks[name].value for name in HALF if name in device.peaks), default=peak)

    def value(key: str, otherwise: float) -> float:
        return device.records[key].value if key in device.records else otherwise

    link = value("link_bytes_per_s", bus_bytes_per_s(device))
    return TrainingMachine(
        peak_flop_per_s=peak,
        peak_16_bit_flop_per_s=min(sixteen, peak),
        memory_bytes_per_s=value("memory_bytes_per_s", peak / REFERENCE_BALANCE),
        memory_bytes=value("memory_bytes", USUAL_MEMORY_BYTES),
        link_bytes_per_s=link,
        network_bytes_per_s=link if device.kind in WHOLE_MACHINE else NETWORK_SHARE * link,
        matrix_units=float(_has_matrix_units(device, precision)),
        compiled=float(device.kind in COMPILED),
        node_devices=node_devices(device),
        rare=float(device.kind not in WELL_PUBLISHED),
        launched=float(_is_gpu(device)),
    )


def stacked(machines: Sequence[TrainingMachine]) -> TrainingMachine:
    """Stack several machines into one with array fields."""
    return TrainingMachine(
        **{
            field.name: np.array([getattr(machine, field.name) for machine in machines])
            for field in fields(TrainingMachine)
        }
    )


def bus_bytes_per_s(device: Device) -> float:
    """Return a device's bus bandwidth by release year, for devices without a link [B/s]."""
    year = int(device.released[:4]) if device.released else USUAL_BUS_YEAR
    return next(rate for first, rate in BUSES if year >= first)


def _is_gpu(device: Device) -> bool:
    return device.kind.startswith("gpu") or device.kind == "superchip"


def _has_matrix_units(device: Device, precision: str) -> bool:
    """Return whether a device has matrix units for a format.

    GPUs use vector units for fp32, and for 16 bits if that peak is hardly higher. Other devices
    consist of matrix units.
    """
    if not _is_gpu(device):
        return True
    peaks = device.peaks
    if precision in VECTOR_FORMATS:
        return False
    if "tf32" in peaks or "fp32" not in peaks:
        return True
    return peaks[precision].value > PACKED * peaks["fp32"].value
