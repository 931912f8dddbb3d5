"""User's case before any lever: network, load, and device."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from estimator.catalog import Catalog, Device, Preset
from estimator.core.uncertainty import Number
from estimator.core.units import BITS_PER_BYTE
from estimator.inference.formats import FORMATS as FORMATS_SERVED
from estimator.networks.huggingface import model_ledger
from estimator.studies.levers.inference import Load, Roof, Step, StoredDecoder, step

FORMATS = ((4.0, ("fp4",)), (8.0, ("fp8", "int8")), (16.0, ("bf16", "fp16", "tf32", "fp32")))
"""Width of the products -> device formats, the first available counts [bit]."""

GPUS = ("gpu-datacenter", "gpu-workstation", "gpu-consumer", "superchip")
AMPERE = "2020-05"
"""First release date of NVIDIA tensor cores with 2:4 sparsity (A100, May 2020)."""

BYTES_16_BIT = 2.0
SCALE_BITS = FORMATS_SERVED["int4"].bits - 4.0
"""Scales per weight of fewer than 8 bits, as in inference [bit]."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """Network on a device.

    Parameters
    ----------
    network, load : StoredDecoder, Load
        Network and its load.
    preset, hardware : str
        Ids of the model and of the device.
    device : str
        Name of the device, for people.
    peaks : mapping of str to float
        Format -> dense peak [FLOP/s].
    memory_bytes, bytes_per_s : float
        Memory of the device and its bandwidth [B, B/s].
    skips_2_4 : bool
        Whether 2:4 sparsity doubles its peak.
    """

    network: StoredDecoder
    load: Load
    preset: str
    hardware: str
    device: str
    peaks: Mapping[str, float]
    memory_bytes: float
    bytes_per_s: float
    skips_2_4: bool

    def product_format(self) -> str:
        """Return the narrowest device format for weights and activations.

        Weights narrower than the activations are widened for products.
        """
        bits = float(np.maximum(self.network.weight_bits, self.network.activation_bits))
        for width, names in FORMATS:
            known = [name for name in names if name in self.peaks]
            if bits <= width and known:
                return known[0]
        return max(self.peaks, key=lambda name: self.peaks[name])

    def roof(self) -> Roof:
        """Return the device's peak and bandwidth in that format."""
        return Roof(
            peak_flop_per_s=self.peaks[self.product_format()],
            bytes_per_s=self.bytes_per_s,
            skips_2_4=self.skips_2_4,
        )

    def step(self) -> Step:
        """Estimate one decode step."""
        return step(self.network, self.load, self.roof())

    def needed_bytes(self) -> Number:
        """Return the memory of weights with their scales, and of caches [B]."""
        scales = np.where(np.asarray(self.network.weight_bits) < 8.0, SCALE_BITS, 0.0)
        return self.network.memory_bytes(self.load) + self.network.params * scales / BITS_PER_BYTE

    def on(self, network: StoredDecoder) -> "Case":
        """Return the case with another network."""
        return replace(self, network=network)


def case_of(preset: str, hardware: str, load: Load, catalog: Catalog) -> Case:
    """Read a case from the profiles.

    Raises
    ------
    ValueError
        If the preset has no size, or no memory, bandwidth or peak of the device is on record.
    """
    device = catalog.device(hardware)
    for key in ("memory_bytes", "memory_bytes_per_s"):
        if key not in device.records:
            raise ValueError(f"{key} of {device.name} is unknown: take another device")
    if not device.peaks:
        raise ValueError(f"no peak of {device.name} is known: take another device")
    return Case(
        network=network_of(preset, catalog),
        load=load,
        preset=catalog.preset(preset).id,
        hardware=device.id,
        device=device.name,
        peaks={name: record.value for name, record in device.peaks.items()},
        memory_bytes=device.records["memory_bytes"].value,
        bytes_per_s=device.records["memory_bytes_per_s"].value,
        skips_2_4=skips_2_4(device),
    )


def network_of(preset: str, catalog: Catalog) -> StoredDecoder:
    """Read a network from a preset: its size, and its cache if the architecture is known."""
    found = catalog.preset(preset)
    if "params" not in found.records:
        raise ValueError(f"{found.name} has no size on record: take another preset")
    params = found.records["params"].value
    active = found.records.get("active_params")
    return StoredDecoder(
        params=params,
        active_share=1.0 if active is None else active.value / params,
        cache_values=catalog.once(f"cache of {found.id}", lambda: _cache_values(found)),
    )


def _cache_values(preset: Preset) -> float:
    """Return the cached values per token, zero for an unknown architecture [1]."""
    if not preset.config:
        return 0.0
    return model_ledger(preset.config).kv_cache_bytes_per_token() / BYTES_16_BIT


def skips_2_4(device: Device) -> bool:
    """Return whether a device supports 2:4 sparsity."""
    recent = (device.released or "") >= AMPERE
    return device.vendor == "NVIDIA" and device.kind in GPUS and recent
