"""What of a device does the utilization depend on: its peak, memory, link and network."""

from estimator.catalog import Device
from estimator.layout import NETWORK_SHARE, Machine
from estimator.utilization import REFERENCE_BALANCE

HALF = ("bf16", "fp16", "tf32", "fp32")
"""Formats of 16 bit or more, for what does not run at fewer bits."""

USUAL_MEMORY_BYTES = 16e9
"""Memory of a device that does not tell its own [B]."""

BUS_BYTES_PER_S = 32e9
"""Link of a device without one of its own: PCIe 3.0, 16 lanes, both ways [B/s]."""

WHOLE_MACHINE = ("tpu",)
"""Kinds of device whose link spans the whole machine, not one node."""


def find_machine(device: Device, precision: str) -> Machine:
    """What the utilization depends on; without a bandwidth, that of a balanced machine is meant.

    A device without a link on record passes its values over the bus.
    """
    peak = device.peaks[precision].value
    sixteen = max((device.peaks[name].value for name in HALF if name in device.peaks), default=peak)

    def value(key: str, otherwise: float) -> float:
        return device.records[key].value if key in device.records else otherwise

    link = value("link_bytes_per_s", BUS_BYTES_PER_S)
    return Machine(
        peak_flop_per_s=peak,
        peak_16_bit_flop_per_s=min(sixteen, peak),
        memory_bytes_per_s=value("memory_bytes_per_s", peak / REFERENCE_BALANCE),
        memory_bytes=value("memory_bytes", USUAL_MEMORY_BYTES),
        link_bytes_per_s=link,
        network_bytes_per_s=link if device.kind in WHOLE_MACHINE else NETWORK_SHARE * link,
    )
