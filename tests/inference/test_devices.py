"""What of a device serving depends on."""

import numpy as np
import pytest

from estimator.catalog import Catalog
from estimator.inference.devices import find_serving_device
from estimator.inference.engines import CUDA, INTEL_GPU, SERVER
from estimator.inference.formats import FORMATS

CATALOG = Catalog.open()


@pytest.mark.parametrize(
    ("name", "engine", "weights", "peak"),
    [
        ("RTX 3090", CUDA, "q4_k_m", 142e12),
        ("RTX 3090", SERVER, "bf16", 71e12),
        ("RTX 3060", CUDA, "f16", 50.95e12),
        ("Titan RTX", CUDA, "q4_k_m", 130.5e12),
        ("A40", CUDA, "q4_k_m", 149.7e12),
        ("GTX 1080 Ti", CUDA, "q4_k_m", 11.34e12),
    ],
)
def test_products_added_up_in_fp16_take_geforce_boards_half_as_long(
    name: str, engine: int, weights: str, peak: float
) -> None:
    """NVIDIA's white paper on GA102, appendix A: 71 with FP32, 142 TFLOP/s with FP16 sums."""
    device = find_serving_device(CATALOG, name)
    found = device.peak_flop_per_s(FORMATS[weights], engine)
    assert found == pytest.approx(peak * (device.sustained if engine == CUDA else 1.0), rel=1e-3)


@pytest.mark.parametrize(
    ("name", "software", "unpacks"),
    [
        ("RTX 3090", "llama.cpp", False),
        ("RTX 3090", "llama.cpp b1431, cuBLAS", True),
        ("Tesla V100 PCIe 16GB", "llama.cpp", True),
        ("Tesla P100 PCIe 16GB", "llama.cpp", True),
        ("GTX 1080 Ti", "llama.cpp", False),
        ("Tesla P40", "llama.cpp", False),
    ],
)
def test_packed_weights_are_unpacked_first_where_llama_cpp_says_so(
    name: str, software: str, unpacks: bool
) -> None:
    """Its pull request 8075: no integer matrix units but FP16 ones, or a P100 or older."""
    device = find_serving_device(CATALOG, name)
    found = device.products(FORMATS["q4_k_m"], CUDA, software)
    assert found.unpacked_bytes == (2.0 if unpacks else 0.0)
    assert device.products(FORMATS["f16"], CUDA, software).unpacked_bytes == 0.0


def test_vulkan_leaves_the_matrix_units_of_arc_idle():
    device = find_serving_device(CATALOG, "Arc A770")
    vulkan, sycl = (
        device.products(FORMATS["q4_k_m"], INTEL_GPU, name).peak_flop_per_s
        for name in ("llama.cpp, Vulkan", "llama.cpp, SYCL")
    )
    assert vulkan == pytest.approx(39.3e12, rel=0.01)
    assert sycl == device.peak_flop_per_s(FORMATS["q4_k_m"], INTEL_GPU)


PRODUCTS = {
    **{"t4": 42.3, "v100s-pcie-32": 88.92, "rtx-2080": 39.03, "rtx-3080-ti": 75.56},
    **{"rtx-3090": 75.7, "a6000": 120.49, "rtx-a4000": 65.44, "a10g": 69.47, "a40": 119.18},
    **{"a100-pcie-40": 241.49, "a100-sxm-80": 258.74, "a800-sxm-80": 266.04, "l4": 68.83},
    **{"rtx-4060-ti-16": 59.38, "rtx-4070-super": 75.3, "rtx-4090": 165.08, "l40s": 264.02},
    **{"h100-pcie": 458.03, "h100-sxm": 760.0, "h200-sxm": 759.4, "h20": 141.73},
    **{"rtx-5090": 231.0, "rtx-pro-6000": 315.51, "rtx-pro-6000-server": 312.78},
    "b200": 1627.64,
}
"""Board -> FP16 products as printed, the fastest of their sizes [TFLOP/s]
(`torch-performance-test-data`)."""


def test_the_power_limit_says_what_share_of_its_peak_a_board_reaches():
    """The shipped constant is the fit of the table, and predicts a board by the others."""
    boards = [find_serving_device(CATALOG, name) for name in PRODUCTS]
    peak = np.array([one.device.peaks["fp16"].value for one in boards])
    share = np.log(np.minimum(1e12 * np.array([*PRODUCTS.values()]) / peak, 1.0))
    promised = peak / np.array([one.device.records["tdp_w"].value for one in boards])
    halves = np.geomspace(1e12, 1e13, 1001)
    errors = -np.log1p(promised / halves[:, None]) - share
    known = CATALOG.prior("serving.half_peak_per_limit")
    assert known.value == pytest.approx(halves[np.square(errors).sum(axis=1).argmin()], rel=5e-3)
    sustained = np.log([one.sustained for one in boards])
    assert sustained == pytest.approx(-np.log1p(promised / known.value))
    blind = [
        errors[np.square(np.delete(errors, row, axis=1)).sum(axis=1).argmin(), row]
        for row in range(len(boards))
    ]
    by_mean = (share - share.mean()) * len(boards) / (len(boards) - 1)
    assert np.std(blind) < 0.7 * np.std(by_mean)


def test_a_device_of_unknown_limit_is_not_slowed_down():
    assert find_serving_device(CATALOG, "apple-m1-pro-14-core").sustained == 1.0


@pytest.mark.parametrize(("weights", "unpacked"), [("fp4", False), ("fp8", False), ("int4", True)])
def test_weights_are_unpacked_only_where_products_take_16_bits(
    weights: str, *, unpacked: bool
) -> None:
    device = find_serving_device(CATALOG, "Jetson AGX Thor")
    assert device.engine("TensorRT Edge-LLM", FORMATS[weights]) == CUDA
    assert (device.products(FORMATS[weights], CUDA, "").unpacked_bytes > 0.0) is unpacked
