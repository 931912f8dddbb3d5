"""What devices pass to each other: hand-worked cases, laws, and what telling it buys."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.answer.scenario_estimate import answer_scenario
from estimator.networks.kinds import network_kind
from estimator.question.scenario import Scenario
from estimator.training.features import features_of_rows, fitted_model, shipped_spreads
from estimator.training.machine import find_machine
from estimator.training.mechanism import log_utilization
from estimator.training.parallelism import TrainingLayout, traffic
from tests.training.stated import A100, features_of

COPIES = TrainingLayout(
    params=1e9,
    active_params=1e9,
    batch_tokens=1e6,
    recomputation=0.0,
    tensor_parallel=1.0,
    pipeline_parallel=1.0,
)
SHARED = replace(COPIES, params=175e9, active_params=175e9, tensor_parallel=8.0)
SAID = {"params": 7e10, "tokens": 1e12, "hardware": "h100", "devices": 512.0}


def passed(layout, devices, hidden=4096.0, machine=A100):
    return traffic(layout, machine, hidden=hidden, seq_len=2048.0, value_bytes=2.0, devices=devices)


def utilization(catalog, **said):
    answer = answer_scenario(Scenario(**(SAID | said)), catalog)
    return answer.inputs["utilization"]


def test_gradients_take_the_time_of_a_ring_all_reduce():
    devices = 64
    ring_s = 2 * (devices - 1) / devices * 1e9 * 2 / 25e9
    work_s = 6 * 1e9 * 1e6 / (devices * 312e12)
    assert float(passed(COPIES, devices).gradients) == pytest.approx(ring_s / work_s)


@pytest.mark.parametrize(
    ("device", "inside"), [("h100", 8), ("b200", 8), ("gb200", 72), ("gb300", 72), ("vr200", 72)]
)
def test_gradients_stay_on_the_fast_link_of_a_node_or_a_rack(catalog, device, inside):
    """NVIDIA, "GB200 NVL72" and its successors: 72 GPUs behind one NVLink switch."""
    machine = find_machine(catalog.device(device), "bf16")
    slow = replace(machine, network_bytes_per_s=machine.network_bytes_per_s / 100)
    near, far = (
        [float(passed(COPIES, devices, machine=one).gradients) for one in (slow, machine)]
        for devices in (inside, inside + 1)
    )
    assert near[0] == near[1]
    assert far[0] > 10 * far[1]


def test_partial_results_of_a_layer_are_four_all_reduces():
    hidden, tokens, sharing = 12288.0, 2048.0, 8
    ring_s = 4 * 2 * (sharing - 1) / sharing * tokens * hidden * 2 / 600e9
    work_s = 72 * hidden**2 * tokens / sharing / 312e12
    specified = passed(SHARED, 64, hidden)
    assert float(specified.layers) == pytest.approx(ring_s / work_s)


@pytest.mark.parametrize(("stages", "parts", "idle"), [(8.0, 64.0, 7 / 64), (4.0, 4.0, 0.75)])
def test_a_pipeline_idles_for_the_other_stages(stages, parts, idle):
    specified = replace(COPIES, pipeline_parallel=stages, micro_batches=parts, virtual_stages=1.0)
    assert float(passed(specified, 64).bubble) == pytest.approx(idle)


def test_one_device_passes_nothing():
    alone = passed(replace(COPIES, tensor_parallel=np.nan), 1)
    assert (float(alone.gradients), float(alone.layers), float(alone.bubble)) == (0, 0, 0)


@given(st.floats(1e7, 1e12), st.integers(2, 10_000), st.floats(1.1, 10))
def test_a_larger_batch_hides_more(params, devices, factor):
    small = replace(COPIES, params=params, active_params=params, batch_tokens=512.0 * devices)
    large = replace(small, batch_tokens=small.batch_tokens * factor)
    assert passed(large, devices).gradients < passed(small, devices).gradients
    assert passed(large, devices).updates_per_byte < passed(small, devices).updates_per_byte


@given(st.floats(1e8, 1e12), st.floats(1.5, 40))
def test_experts_pass_more_for_the_same_work(params, sparsity):
    dense = replace(COPIES, params=params, active_params=params)
    sparse = replace(dense, active_params=params / sparsity, expert_parallel=8.0)
    assert passed(sparse, 64).layers > passed(dense, 64).layers
    assert passed(sparse, 64).gradients > passed(dense, 64).gradients


def test_what_is_reported_narrows_the_interval(catalog):
    width = {}
    for specified in (
        {},
        {"recomputation": "full"},
        {"recomputation": "full", "batch_tokens": 4e6},
        {"recomputation": "full", "batch_tokens": 4e6, "tensor_parallel": 8.0},
        {"recomputation": "full", "batch_tokens": 4e6, "tensor_parallel": 8.0, "width": 8192.0},
    ):
        item = utilization(catalog, **specified)
        width[len(specified)] = np.log(item.high / item.low)
    assert sorted(width.values(), reverse=True) == [width[count] for count in sorted(width)]
    assert width[4] < 0.95 * width[0]


def test_size_and_tokens_alone_leave_more_doubt(catalog):
    """What is not said widens the interval instead of being assumed in silence."""
    said = {"params": 7e10, "tokens": 1e12, "hardware": "h100"}
    widths = []
    for more in ({}, {"devices": 512.0}, {"devices": 512.0, "seq_len": 4096.0, "width": 8192.0}):
        item = answer_scenario(Scenario(**said, **more), catalog).inputs["utilization"]
        widths.append(np.log(item.high / item.low))
    assert widths[0] > 1.03 * widths[1] > 1.03 * widths[2]


def test_recomputation_and_bubbles_cost_time(catalog):
    none, full = (utilization(catalog, recomputation=word).value for word in ("none", "full"))
    assert 1.1 < none / full < 4 / 3
    specified = {"pipeline_parallel": 8.0, "tensor_parallel": 8.0}
    many, few = (
        utilization(catalog, micro_batches=count, **specified).value for count in (64.0, 8.0)
    )
    assert many > 1.25 * few


def test_more_sharing_than_devices_is_refused(catalog):
    with pytest.raises(ValueError, match="needs 1024 devices, not 512"):
        utilization(catalog, tensor_parallel=8.0, pipeline_parallel=128.0)
    with pytest.raises(ValueError, match=r"tensor_parallel must be a whole number, got 1\.5"):
        utilization(catalog, tensor_parallel=1.5)


def test_sharing_that_does_nothing_is_named(catalog):
    said = Scenario(**SAID, utilization=0.4, tensor_parallel=8.0)
    assert "tensor_parallel has no effect here" in answer_scenario(said, catalog).warnings


def test_a_batch_that_matters_is_not_assumed_in_silence(catalog):
    def warnings(**more):
        return " ".join(answer_scenario(Scenario(**(SAID | more)), catalog).warnings)

    assert "set batch_tokens" in warnings(devices=4096.0)
    assert "set batch_tokens" not in warnings(devices=4096.0, batch_tokens=1.6e7)
    assert "set batch_tokens" not in warnings(devices=64.0)


def test_thin_evidence_is_reported(catalog):
    little = Scenario(flop=1e15, hardware="a100", devices=1.0, kind="diffusion")
    warnings = " ".join(answer_scenario(little, catalog).warnings)
    assert "few runs below 100 PFLOP" in warnings
    assert "few runs of networks of this kind (unet)" in warnings


def test_recomputation_repeats_the_all_reduces_of_the_forward_pass():
    again = replace(SHARED, recomputation=1.0)
    assert float(passed(again, 64).layers) == pytest.approx(1.5 * float(passed(SHARED, 64).layers))


def test_a_rack_of_devices_behind_one_link_exchanges_gradients_over_it():
    rack = passed(COPIES, 64, machine=replace(A100, node_devices=72.0))
    faster = A100.link_bytes_per_s / A100.network_bytes_per_s
    assert float(rack.gradients) == pytest.approx(float(passed(COPIES, 64).gradients) / faster)


def test_interleaved_stages_shorten_the_bubble_in_proportion():
    pipeline = replace(SHARED, pipeline_parallel=8.0, micro_batches=64.0)
    plain, interleaved, usual = (
        float(passed(replace(pipeline, virtual_stages=stages), 512.0).bubble)
        for stages in (1.0, 4.0, np.nan)
    )
    assert plain == pytest.approx(7 / 64)
    assert interleaved == pytest.approx(plain / 4)
    assert interleaved < usual < plain


NARAYANAN = (
    *((1.7e9, 2304, 1, 1, 32, 512, 137), (3.6e9, 3072, 2, 1, 64, 512, 138)),
    *((7.5e9, 4096, 4, 1, 128, 512, 142), (18.4e9, 6144, 8, 1, 256, 1024, 135)),
    *((39.1e9, 8192, 8, 2, 512, 1536, 138), (76.1e9, 10240, 8, 4, 1024, 1792, 140)),
    *((145.6e9, 12288, 8, 8, 1536, 2304, 148), (310.1e9, 16384, 8, 16, 1920, 2160, 155)),
    *((529.6e9, 20480, 8, 35, 2520, 2520, 163), (1008e9, 25600, 8, 64, 3072, 3072, 163)),
)
"""Parameters, width, tensor and pipeline parallel sizes, A100s, sequences of a step and TFLOP/s a
device with recomputation: D. Narayanan et al. 2021, arXiv:2104.04473, table 1. Not among the rows
that the model was fitted to."""


def test_steps_of_megatron_are_met_within_8_percent_with_their_layout(catalog):
    params, hidden, tensor, stages, devices, sequences, reported = np.array(NARAYANAN).T
    numbers = {
        "hidden": hidden,
        "seq_len": np.full(len(params), 2048.0),
        "year": np.full(len(params), 2021.0),
        "params_total": params,
        "batch_tokens": sequences * 2048,
        "recomputation": np.ones(len(params)),
        "tensor_parallel": tensor,
        "pipeline_parallel": stages,
        "micro_batches": sequences * tensor * stages / devices,
        "software": np.ones(len(params)),
    }
    unknown = np.full(len(params), np.nan)
    silent = dict.fromkeys(("tensor_parallel", "pipeline_parallel", "micro_batches"), unknown)
    flop = 6 * params * sequences * 2048
    reached = reported * 1e12 * 3 / 4 / A100.peak_flop_per_s

    def errors(said):
        features = features_of_rows(
            said,
            [network_kind("language", "dense decoder")] * len(params),
            flop=flop,
            value_bytes=2.0,
            spreads=shipped_spreads(catalog),
        )
        steady = replace(features, steady=1.0)
        expected = log_utilization(fitted_model(catalog), steady, A100, flop=flop, devices=devices)
        return np.abs(reached / np.exp(expected) - 1.0)

    assert np.median(errors(numbers)) < 0.08
    assert errors(numbers).max() < 0.2
    assert np.median(errors(numbers)) < max(np.median(errors(numbers | silent)) + 0.015, 0.06)


def test_unspecified_micro_batches_are_sequences_of_a_replica():
    """MT-NLG: 1,920 sequences over 8 replicas of 35 stages."""
    specified = replace(
        SHARED, pipeline_parallel=35.0, batch_tokens=1920 * 2048.0, virtual_stages=1.0
    )
    assert float(passed(specified, 2240).bubble) == pytest.approx(34 / 240)


def test_an_unspecified_layer_is_shared_by_a_node_at_most():
    small = replace(COPIES, tensor_parallel=np.nan, pipeline_parallel=np.nan)
    large = replace(small, params=175e9, active_params=175e9)
    assert float(passed(small, 64).layers) == 0.0
    assert float(passed(large, 64).layers) == float(passed(SHARED, 64).layers)


def test_devices_that_share_experts_exchange_the_gradients_of_their_part():
    sparse = replace(COPIES, params=8e9)
    alone, shared = (passed(replace(sparse, expert_parallel=n), 64) for n in (1.0, 8.0))
    assert float(shared.gradients / alone.gradients) == pytest.approx((1 + 7 / 8) / 8)
    assert float(shared.updates_per_byte / alone.updates_per_byte) == pytest.approx((1 + 7 / 8) / 8)


def test_experts_of_an_unknown_number_of_devices_are_spread_as_usual(catalog):
    """Their width is that of a dense network of the parameters that work on a token."""
    said = {"params_total": [671e9] * 2, "params_active": [37e9] * 2}
    said["accelerator_count"] = [np.nan, 4.0]
    found = features_of(catalog, "language", ["MoE"] * 2, flop=1e24, **said)
    assert found.layout.expert_parallel.tolist() == pytest.approx([8.0, np.nan], nan_ok=True)
    assert found.hidden == pytest.approx(7168, rel=0.05), "that of DeepSeek-V3"


def test_a_token_crosses_the_network_once_for_each_node_of_its_experts():
    """Two nodes: all eight experts of a token in the other one half the time, one copy enough."""
    sparse = replace(COPIES, params=8e9, expert_parallel=8.0)
    inside, across = (
        float(passed(replace(sparse, expert_parallel=experts), 64).layers)
        for experts in (8.0, 16.0)
    )
    copies = (2 * (1 - 0.5**8)) * 0.5 / 8
    slower = A100.link_bytes_per_s / A100.network_bytes_per_s
    assert across / inside == pytest.approx(1.0 + copies * slower / (7 / 8))
