"""What of a device serving depends on."""

import pytest

from estimator.catalog import Catalog
from estimator.serving.devices import find_serving_device
from estimator.serving.engines import CUDA, SERVER
from estimator.serving.formats import FORMATS

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
    assert device.peak_flop_per_s(FORMATS[weights], engine) == pytest.approx(peak, rel=1e-3)
