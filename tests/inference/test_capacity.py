"""What fits and who waits: by hand, by laws, and by textbook queues."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.inference.capacity import (
    devices_needed,
    held_bytes,
    longest_context,
    most_sequences,
    weight_bytes,
)
from estimator.inference.queueing import waiting_s
from estimator.inference.step import Layout, Served

DENSE = Served(
    dense_params=60e9, table_params=10e9, layers=80.0, hidden=8192.0, cache_values=163_840.0
)
"""A model of Llama 2 70B's size: 80 layers with keys and values of 8 heads of width 128."""

SPARSE = replace(DENSE, dense_params=20e9, routed_params=400e9, experts=64.0, experts_per_token=8.0)


def test_70_billion_weights_in_16_bit_are_140_gb_for_each_replica():
    assert weight_bytes(DENSE, Layout()) == pytest.approx(140e9)
    for replicas in (1.0, 2.0, 4.0):
        layout = Layout(devices=8.0, data_parallel=replicas, expert_shard=8.0 / replicas)
        assert held_bytes(DENSE, layout) == pytest.approx(replicas * 140e9)


def test_replicas_have_their_own_experts_unless_they_share_them():
    own = Layout(devices=16.0, data_parallel=2.0, expert_shard=8.0, expert_bytes=1.0)
    assert held_bytes(SPARSE, own) == pytest.approx(2 * 60e9 + 2 * 400e9)
    shared = replace(own, expert_shard=16.0)
    assert held_bytes(SPARSE, shared) == pytest.approx(2 * 60e9 + 400e9)
    staged = replace(own, devices=32.0, stages=2.0)
    assert held_bytes(SPARSE, staged) == held_bytes(SPARSE, own)


@given(
    st.sampled_from([DENSE, SPARSE]),
    st.floats(10e9, 200e9),
    st.floats(1.0, 1e4),
    st.floats(1.0, 1e5),
)
def test_the_least_devices_hold_the_sequences_and_half_of_them_do_not(
    model, memory_bytes, sequences, tokens
):
    one = Layout()
    count = float(devices_needed(model, one, memory_bytes, sequences, tokens))
    assert np.log2(count) == round(np.log2(count))
    # One copy of all, on a memory as large as that of all devices.
    fits = most_sequences(model, one, memory_bytes * count, tokens)
    assert fits >= sequences * (1 - 1e-9)
    if count > 1:
        assert most_sequences(model, one, memory_bytes * count / 2, tokens) < sequences


def test_the_longest_context_of_one_sequence_fills_the_memory():
    layout = Layout(devices=4.0, expert_shard=4.0)
    tokens = longest_context(DENSE, layout, 80e9)
    # 5% of the memory is kept free: (4 x 76 GB - 140 GB) / (163,840 values of two bytes).
    assert tokens == pytest.approx((304e9 - 140e9) / (2 * 163_840))
    assert most_sequences(DENSE, layout, 80e9, tokens) == pytest.approx(1.0)


@given(st.floats(0.05, 0.95), st.floats(0.01, 100.0), st.floats(0.5, 0.999))
def test_one_place_keeps_requests_waiting_as_the_queue_m_m_1(busy, service_s, quantile):
    """P(wait > t) = busy exp(-(1 - busy) t / service); L. Kleinrock, "Queueing Systems", 1975."""
    expected = max(0.0, np.log(busy / (1 - quantile)) * service_s / (1 - busy))
    found = float(waiting_s(service_s, busy / service_s, 1.0, quantile))
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("places", "busy"), [(4, 0.7), (16, 0.8), (64, 0.9)])
def test_several_places_keep_requests_waiting_nearly_as_the_queue_m_m_c(places, busy):
    """Erlang's formula by its recursion; the mean wait of those that wait is exact."""
    load, blocked = busy * places, 1.0
    for count in range(1, places + 1):
        blocked = load * blocked / (count + load * blocked)
    waits = blocked / (1 - busy * (1 - blocked))
    for quantile in (0.9, 0.99):
        expected = max(0.0, np.log(waits / (1 - quantile)) / (places * (1 - busy)))
        assert float(waiting_s(1.0, load, float(places), quantile)) == pytest.approx(
            expected, rel=0.25, abs=0.05
        )
