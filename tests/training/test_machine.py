"""What a device is to the utilization: by data sheets, and where they are silent."""

import pytest

from estimator.catalog import Catalog
from estimator.training.machine import bus_bytes_per_s, find_machine

CATALOG = Catalog.open()


def machine(device, precision):
    return find_machine(CATALOG.device(device), precision)


@pytest.mark.parametrize(
    ("device", "gb_per_s"),
    [("rtx-5090", 128), ("rtx-4090", 64), ("rtx-3080", 64), ("rtx-2080", 32), ("gtx-580", 16)],
)
def test_a_board_without_a_link_passes_values_over_the_bus_of_its_year(device, gb_per_s):
    """PCI-SIG: 16 lanes of PCIe 5.0, 4.0, 3.0 and 2.0, both ways."""
    found = CATALOG.device(device)
    assert "link_bytes_per_s" not in found.records
    assert bus_bytes_per_s(found) == gb_per_s * 1e9
    assert machine(device, next(iter(found.peaks))).link_bytes_per_s == gb_per_s * 1e9


@pytest.mark.parametrize("device", ["mi350x", "tpu-v3", "gaudi1"])
def test_an_accelerator_of_another_maker_has_the_link_on_record(device):
    assert machine(device, "bf16").link_bytes_per_s >= 250e9


@pytest.mark.parametrize(
    ("device", "precision", "units"),
    [
        ("v100", "fp16", True),  # tensor cores, 125 against 15.7 TFLOP/s
        ("v100", "fp32", False),
        ("p100", "fp16", False),  # twice the rate of fp32, on the same units
        ("a100", "tf32", True),
        ("a100", "fp32", False),
        ("tpu-v4", "bf16", True),
    ],
)
def test_a_gpu_multiplies_on_matrix_units_where_its_peak_says_so(device, precision, units):
    assert machine(device, precision).matrix_units == units


def test_a_tpu_has_one_link_for_all_and_a_gpu_a_slower_network():
    """Google TPU v4: a torus of all chips; NVIDIA DGX A100: 200 Gbit/s behind 600 GB/s."""
    tpu, gpu = machine("tpu-v4", "bf16"), machine("a100", "bf16")
    assert tpu.network_bytes_per_s == tpu.link_bytes_per_s
    assert gpu.network_bytes_per_s == pytest.approx(25e9)
    assert (tpu.compiled, gpu.compiled, tpu.launched, gpu.launched) == (1, 0, 0, 1)
    assert machine("gb200", "bf16").launched == 1


def test_formats_of_fewer_bits_do_not_speed_up_what_stays_in_16():
    eight, sixteen = machine("h100", "fp8"), machine("h100", "bf16")
    assert eight.peak_flop_per_s == pytest.approx(2 * sixteen.peak_flop_per_s, rel=0.01)
    assert eight.peak_16_bit_flop_per_s == sixteen.peak_flop_per_s
