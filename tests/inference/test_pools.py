"""Separate devices for prefill and decode: laws, divisions and refusals."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimator.catalog import Catalog
from estimator.core.messages import message
from estimator.inference.quantities import answer_serving
from estimator.inference.question import ServingQuestion
from estimator.inference.resolver import resolve_valid

CATALOG = Catalog.open()
ASKED = ServingQuestion(
    preset="llama-3.1-70b",
    hardware="h100",
    precision="fp8",
    software="vllm",
    concurrency=64.0,
    input_tokens=4096.0,
    output_tokens=512.0,
)


def answered(**changed):
    return answer_serving([replace(ASKED, **changed)], CATALOG)


def refusal(**changed):
    (why,) = answered(**changed).errors.values()
    return message(why)


@settings(max_examples=25)
@given(
    flying=st.floats(1.0, 400.0),
    prompt=st.floats(16.0, 16_000.0),
    answer=st.floats(2.0, 2_000.0),
    devices=st.sampled_from([4.0, 8.0]),
    software=st.sampled_from(["vllm", "sglang", "tensorrt-llm"]),
    preset=st.sampled_from(["llama-3.1-70b", "qwen3-235b-a22b"]),
)
def test_with_an_infinite_link_and_free_pools_disaggregation_is_never_worse(
    flying, prompt, answer, devices, software, preset
):
    """A pool as large as all devices were, for either part, that costs nothing to add."""
    sizes = {"tensor_parallel": devices, "expert_parallel": devices if "qwen" in preset else None}
    load = {"concurrency": flying, "input_tokens": prompt, "output_tokens": answer}
    shared = replace(ASKED, preset=preset, software=software, devices=devices, **load, **sizes)
    split = replace(shared, devices=None, prefill_devices=devices, decode_devices=devices)
    together = resolve_valid([shared], CATALOG).performance
    apart = _linked(resolve_valid([split], CATALOG)).performance
    assert apart.pace.inter_token_s <= together.pace.inter_token_s * (1 + 1e-9)
    assert apart.output_tokens_per_s >= together.output_tokens_per_s


def _linked(table):
    return replace(table, prefill=replace(table.prefill, link_bytes_per_s=np.full(1, np.inf)))


def test_requests_in_flight_are_their_rate_times_their_time():
    found = answered(prefill_devices=8.0, decode_devices=8.0).table.performance
    pace, replicas = found.pace, found.passes.setup.layout.data_parallel
    request_s = pace.time_to_first_token_s + 511.0 * pace.inter_token_s
    assert replicas * pace.requests_per_s * request_s == pytest.approx(64.0)


def test_a_request_that_is_alone_waits_for_no_other():
    one = replace(ASKED, concurrency=1.0, input_tokens=16_000.0, output_tokens=2.0)
    split = replace(one, prefill_devices=4.0, decode_devices=4.0)
    found = answer_serving([split], CATALOG).table.performance
    passes, step = found.passes, found.step
    engine, pool = passes.setup.engine, passes.pool
    waves_s = (engine.queue_s + engine.wave_share * pool.busy_s) / pool.replicas
    assert found.pace.time_to_first_token_s == pytest.approx(pool.alone_s(step.total_s) + waves_s)


def test_a_slower_link_delays_the_first_token_by_the_cache_it_carries():
    asked = replace(ASKED, concurrency=1.0, prefill_devices=4, decode_devices=4)
    table = resolve_valid([asked], CATALOG)
    times = []
    for rate in (1e9, 1e12):
        pool = replace(table.prefill, link_bytes_per_s=np.full(1, rate))
        done = replace(table, prefill=pool).performance
        times.append(float(done.pace.time_to_first_token_s[0]))
    cache_bytes = 80 * 2 * 8 * 128 * 4096
    links = min(4.0 / float(table.prefill.layout.data_parallel[0]), 8.0)
    assert times[0] - times[1] == pytest.approx(cache_bytes / links * (1e-9 - 1e-12), rel=2e-3)


def test_the_division_that_is_found_serves_more_than_others():
    best = answered(disaggregated=True, devices=16.0)
    prompts = float(best.table.prefill.devices[0])
    assert best.table.devices[0] == 16.0
    for other in (2.0, 14.0):
        tried = answered(prefill_devices=other, decode_devices=16.0 - other)
        if not tried.errors and other != prompts:
            assert best.mid("output_tokens_per_s") >= tried.mid("output_tokens_per_s")


def test_all_devices_of_both_pools_are_paid_and_drawn():
    small, large = (answered(prefill_devices=one, decode_devices=8.0) for one in (8.0, 16.0))
    cost = "cost_per_million_output_tokens_usd"
    ratio = large.mid(cost) / small.mid(cost) * large.mid("output_tokens_per_s")
    assert ratio / small.mid("output_tokens_per_s") == pytest.approx(24.0 / 16.0)
    assert large.mid("device_power_w") > small.mid("device_power_w")


def test_a_table_may_have_rows_with_pools_and_without():
    questions = [ASKED, replace(ASKED, prefill_devices=8.0, decode_devices=8.0)]
    both = answer_serving(questions, CATALOG)
    for row, question in enumerate(questions):
        alone = answer_serving([question], CATALOG)
        for name, values in both.ranges.items():
            assert values.mid[row] == pytest.approx(alone.mid(name), nan_ok=True), name


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"disaggregated": True, "devices": 1.0}, "needs 2 devices"),
        ({"disaggregated": True, "devices": 2.0, "precision": "bf16"}, "both together 4"),
        ({"prefill_devices": 1.0, "decode_devices": 9.0, "precision": "bf16"}, "each pool needs 2"),
        (
            {"disaggregated": True, "devices": 4.0, "data_parallel": 2.0, "precision": "bf16"},
            "no division of 4",
        ),
        ({"prefill_devices": 4.0, "decode_devices": 4.0, "devices": 9.0}, "two pools of 9"),
        ({"decode_devices": 8.0, "devices": 8.0}, "0 devices for prefill and 8 for decode"),
        ({"prefill_devices": 4.0, "prefill_tensor_parallel": 3.0}, "does not divide"),
        ({"disaggregated": True, "software": "llama.cpp"}, "is for servers"),
    ],
)
def test_pools_that_cannot_be_are_refused_in_one_line(changed, word):
    assert word in refusal(**changed)


def test_the_devices_named_by_a_refusal_of_pools_are_the_fewest_that_are_answered():
    asked = {"preset": "deepseek-v3", "disaggregated": True, "devices": 16.0}
    said = re.search(r"each pool needs 9 × .* both together (\d+)", refusal(**asked))
    assert not answered(**asked | {"devices": float(said[1])}).errors
    assert "each pool needs 9" in refusal(**asked | {"devices": float(said[1]) - 1.0})
