"""Device properties that inference depends on: memory, links, peaks, power, engine."""

from dataclasses import dataclass
from types import MappingProxyType

from estimator.catalog import Catalog, Device
from estimator.core.messages import refuse
from estimator.inference.device_names import (
    find_named_device,
    stated_memory_bytes,
    states_board_computer,
)
from estimator.inference.engines import (
    BOARD_GPU,
    CPU,
    CUDA,
    EAGER,
    INTEL_GPU,
    METAL,
    OTHER_GPU,
    SERVER,
    SGLANG,
    VENDOR,
)
from estimator.inference.formats import HALF, SIXTEEN, WeightFormat
from estimator.question.hardware import node_devices
from estimator.training.machine import bus_bytes_per_s

SERVER_KINDS = ("gpu-datacenter", "superchip", "tpu", "asic", "wafer", "server")
PROCESSOR_KINDS = ("cpu", "edge", "npu-phone")

SOFTWARE = MappingProxyType(
    {
        "vendor": VENDOR,
        "edge-llm": CUDA,
        "tensorrt": VENDOR,
        "trt": VENDOR,
        "mlperf": VENDOR,
        "nim": VENDOR,
        "typical": SERVER,
        "vllm": SERVER,
        "sglang": SGLANG,
        "tgi": SERVER,
        "lmdeploy": SERVER,
        "mlc": SERVER,
        "research": EAGER,
        "transformers": EAGER,
        "accelerate": EAGER,
        "llama.cpp": CUDA,
        "llamacpp": CUDA,
        "llama-bench": CUDA,
        "ollama": CUDA,
        "lm studio": CUDA,
        "koboldcpp": CUDA,
        "mlx": METAL,
        "exllama": CUDA,
        "autoawq": EAGER,
        "autogptq": EAGER,
        "auto-gptq": EAGER,
        "gptqmodel": EAGER,
        "bitsandbytes": EAGER,
        "pytorch": EAGER,
    }
)
"""Word in a program's name -> engine; llama.cpp's engine depends on the device."""


RUNS_ON = MappingProxyType({"tensorrt": "NVIDIA", "trt": "NVIDIA", "mlx": "Apple"})
"""Word in the name of a single-vendor program -> vendor."""


INTEL_LIBRARIES = ("sycl", "ipex", "openvino")
"""Words in the names of programs that use the matrix units of Intel GPUs."""

SHADER_HALF = 2.0
"""FP16 over FP32 rate of Intel vector units [1]: Arc A770, 39.3 and 19.7 TFLOP/s as published."""


@dataclass(frozen=True, kw_only=True)
class Products:
    """Matrix-product rates of a program's weights on a device.

    Parameters
    ----------
    peak_flop_per_s, pair_flop_per_s, unpacked_bytes : float
        See `Machine`.
    """

    peak_flop_per_s: float
    pair_flop_per_s: float
    unpacked_bytes: float


def engine_of(software: str) -> int | None:
    """Return the engine that a program's name implies, or None."""
    return next((code for word, code in SOFTWARE.items() if word in software.casefold()), None)


def make_needed(software: str) -> str | None:
    """Return the vendor whose devices a program needs, or None."""
    named = (make for word, make in RUNS_ON.items() if word in software.casefold())
    return next(named, None)


@dataclass(frozen=True, kw_only=True)
class ServingDevice:
    """Device with the figures that inference needs.

    Parameters
    ----------
    device : Device
        Profile of the device.
    bytes_per_s, memory_bytes, link_bytes_per_s : float
        From the profile; memory size from the name if it states one.
    tdp_w, idle_w : float or None
        Power limit and idle power, None if unknown; without idle power on record, a typical share
        of the limit [W].
    linked_devices : float
        Devices on one fast link [1].
    sustained : float
        Share of the peak that the power limit allows in large matrix products [1].
    board_computer : bool
        Whether its name indicates a single-board computer as host.
    """

    device: Device
    bytes_per_s: float
    memory_bytes: float | None
    link_bytes_per_s: float
    tdp_w: float | None
    idle_w: float | None
    linked_devices: float = 8.0
    sustained: float = 1.0
    board_computer: bool = False

    @property
    def is_server(self) -> bool:
        """Return whether it is a data-center device that serves many users at once."""
        return self.device.kind in SERVER_KINDS

    def local_engine(self) -> int:
        """Return the engine for local inference on this device: llama.cpp or similar."""
        device = self.device
        if device.kind in PROCESSOR_KINDS and device.vendor not in ("Apple", "NVIDIA"):
            return CPU
        if device.vendor == "Apple":
            return METAL
        if device.vendor == "NVIDIA":
            return CUDA
        if device.vendor == "Intel":
            return INTEL_GPU
        return BOARD_GPU if self.board_computer else OTHER_GPU

    def engine(self, software: str, weights: WeightFormat) -> int:
        """Choose the engine from the program name, or from the weight format and device."""
        named, local = engine_of(software), self.local_engine()
        if named in (CUDA, METAL) or (named is None and weights.packed_by):
            return local
        if named is not None:
            return local if local == CPU and named != EAGER else named
        return SERVER if self.is_server else local

    def arithmetic(self, weights: WeightFormat, engine: int) -> str:
        """Return the device format in which an engine multiplies these weights.

        On devices with 4-bit products, a vendor's engine multiplies MXFP4 by 8-bit activations;
        elsewhere, and in other engines, it is unpacked to 16 bits [1]_.

        Raises
        ------
        ValueError
            If the device has no format that multiplies them.

        References
        ----------
        .. [1] NVIDIA, "Deployment guide for GPT-OSS on TensorRT-LLM", support matrix of the
           mixtures: MXFP8 activations on B200 to GB300, BF16 on H200.
        """
        peaks = self.device.peaks
        if engine == VENDOR and weights.name == "mxfp4" and {"fp4", "fp8"} <= peaks.keys():
            return "fp8"
        wanted = next((name for name in weights.arithmetic if name in peaks), None)
        if wanted is None:
            raise refuse(
                "serving_no_arithmetic",
                "precision",
                device=self.device.name,
                weights=weights.name,
                known=tuple(sorted(peaks)) or "none",
            )
        return wanted

    def products(self, weights: WeightFormat, engine: int, software: str) -> Products:
        """Return the matrix-product rates of such weights in a program.

        On CUDA, llama.cpp multiplies packed weights as integers. With cuBLAS, or on GPUs without
        integer matrix units (V100, P100), it first unpacks them to 16 bits [1]_. On Arc, its Vulkan
        back end does not benefit from the matrix units [2]_, but programs on Intel's own libraries
        do.

        References
        ----------
        .. [1] J. Gaessler, "CUDA: use MMQ instead of cuBLAS by default", llama.cpp pull request
           8075 of 2024-06; earlier builds unpack for long inputs everywhere.
        .. [2] llama.cpp issue 12690, 2025, and pull request 22461, 2026: 7.8 TFLOP/s of a B580 in
           BF16 with its matrix units, 117 in print.
        """
        peaks, said = self.device.peaks, software.casefold()
        rate, pairs = self.peak_flop_per_s(weights, engine), self.pair_flop_per_s(weights, engine)
        half, single = (peaks[name].value if name in peaks else 0.0 for name in ("fp16", "fp32"))
        unpacked, widened = 0.0, self.arithmetic(weights, engine) in HALF
        if engine == CUDA and widened and weights.bits < SIXTEEN.bits:
            no_integers = "int8" not in peaks and half > single
            unpacked = SIXTEEN.dense_bytes if "cublas" in said or no_integers else 0.0
        elif engine == INTEL_GPU and single and not any(one in said for one in INTEL_LIBRARIES):
            rate, pairs = min(rate, SHADER_HALF * single), min(pairs, SHADER_HALF * single)
        return Products(peak_flop_per_s=rate, pair_flop_per_s=pairs, unpacked_bytes=unpacked)

    def peak_flop_per_s(self, weights: WeightFormat, engine: int) -> float:
        """Return the peak rate at which an engine multiplies these weights [FLOP/s].

        16-bit and packed weights use the fastest format that represents them, since FP16 on Pascal
        GPUs is 64 times slower than FP32. On CUDA, llama.cpp multiplies in INT8 and accumulates in
        FP16, at half the pure INT8 rate on every GPU since Turing; accumulating in FP32, as
        profiles state it, halves the rate on GeForce. Low power limits slow some GPUs; the server
        engines are fitted, limits included.
        """
        peaks, wanted = self.device.peaks, self.arithmetic(weights, engine)
        rate = peaks[wanted].value if wanted not in HALF else _fastest_half(self.device)
        if engine != CUDA:
            return rate
        if wanted in HALF and "int8" in peaks:
            rate = max(rate, 0.5 * peaks["int8"].value)
        return self.sustained * rate

    def pair_flop_per_s(self, weights: WeightFormat, engine: int) -> float:
        """Return the peak rate of attention products, which always use 16 bits [FLOP/s]."""
        packed = self.arithmetic(weights, engine) not in HALF
        wide = packed and any(name in self.device.peaks for name in HALF)
        return self.peak_flop_per_s(SIXTEEN if wide else weights, engine)


def find_serving_device(catalog: Catalog, name: str) -> ServingDevice:
    """Find a serving device by its common name.

    Raises
    ------
    ValueError
        If the device or its memory bandwidth is unknown.
    """
    if not name.strip():
        raise refuse("serving_no_device", "hardware")
    device = find_named_device(catalog, name)
    records = device.records
    if "memory_bytes_per_s" not in records:
        raise refuse("serving_bandwidth_unknown", "hardware", device=device.name)

    def value(key: str) -> float | None:
        return records[key].value if key in records else None

    memory = value("memory_bytes")
    stated = stated_memory_bytes(name)
    return ServingDevice(
        device=device,
        bytes_per_s=records["memory_bytes_per_s"].value,
        memory_bytes=memory if stated is None else max(stated, memory or 0.0),
        link_bytes_per_s=value("link_bytes_per_s") or bus_bytes_per_s(device),
        tdp_w=value("tdp_w"),
        idle_w=_idle_w(device, catalog),
        linked_devices=node_devices(device),
        sustained=_sustained(device, catalog),
        board_computer=states_board_computer(name),
    )


def _idle_w(device: Device, catalog: Catalog) -> float | None:
    records = device.records
    if "idle_w" in records:
        return records["idle_w"].value
    if "tdp_w" not in records:
        return None
    return catalog.prior("power.idle_share").value * records["tdp_w"].value


def _sustained(device: Device, catalog: Catalog) -> float:
    """Share of the peak that the power limit allows, 1 if either is unknown [1].

    A GPU with more peak per watt of its limit lowers its clock further: the share is 1 / (1 + peak
    / limit / half), where `half` is the peak per watt that halves it.
    """
    limit = device.records.get("tdp_w")
    if limit is None or not any(name in device.peaks for name in HALF):
        return 1.0
    half = catalog.prior("serving.half_peak_per_limit").value
    return 1.0 / (1.0 + _fastest_half(device) / limit.value / half)


def _fastest_half(device: Device) -> float:
    """Return the peak of the fastest 16-bit format [FLOP/s]."""
    return max(device.peaks[name].value for name in HALF if name in device.peaks)
