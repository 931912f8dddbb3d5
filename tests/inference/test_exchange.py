"""What devices send each other in a step: by hand, as in MPI's textbook algorithms."""

from dataclasses import replace

import pytest

from estimator.inference.step import Layout, Served, decode_costs
from tests.inference.test_step import ENGINE as SERVING
from tests.inference.test_step import MACHINE

MODEL = Served(dense_params=7e9, layers=32.0, hidden=4096.0, cache_values=65536.0)
ENGINE = replace(SERVING, sequence_s=0.0, link_share=0.5)


def sent_s(model, layout, rows):
    """Time that sending takes: what a link of a tenth of the speed adds, over nine."""
    slow = replace(MACHINE, link_bytes_per_s=MACHINE.link_bytes_per_s / 10)
    fast_s, slow_s = (
        float(decode_costs(model, machine, ENGINE, layout, 100.0).at(rows).total_s)
        for machine in (MACHINE, slow)
    )
    return (slow_s - fast_s) / 9


@pytest.mark.parametrize("devices", [2, 4, 8])
def test_a_layer_sums_two_rows_over_its_devices_in_a_ring(devices):
    """Each device sends 2 (n - 1) / n of a sum; attention and products make two a layer."""
    layout = Layout(devices=float(devices), expert_shard=float(devices))
    row_bytes = 4096 * 2
    each_way_per_s = 900e9 / 2 * 0.5
    expected_s = 32 * 2 * 2 * (devices - 1) / devices * row_bytes / each_way_per_s
    assert sent_s(MODEL, layout, 64.0) == pytest.approx(64 * expected_s, rel=1e-6)


def test_one_device_sends_nothing():
    assert sent_s(MODEL, Layout(), 64.0) == 0


def test_latency_grows_with_the_logarithm_of_the_devices():
    """Latency of two collectives a layer, at no rows, by the steps of a tree."""

    def latency_s(devices):
        layout = Layout(devices=float(devices), expert_shard=float(devices))
        quick = replace(ENGINE, collective_s=0.0)
        with_s, without_s = (
            float(decode_costs(MODEL, MACHINE, engine, layout, 100.0).at(1.0).total_s)
            for engine in (ENGINE, quick)
        )
        return with_s - without_s

    assert latency_s(2) == pytest.approx(32 * 2 * 8e-6)
    assert latency_s(8) == pytest.approx(2 * latency_s(2))
    assert latency_s(1) == 0
