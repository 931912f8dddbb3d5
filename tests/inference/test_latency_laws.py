"""Laws of latencies under load, over models, devices, engines and traffic."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from estimator.catalog import Catalog
from estimator.core.messages import message
from estimator.inference.quantities import answer_serving
from estimator.inference.question import ServingQuestion

CATALOG = Catalog.open()
SET_UPS = st.fixed_dictionaries(
    {
        "preset": st.sampled_from(["llama-3.1-8b", "qwen3-30b-a3b", "gpt-oss-20b"]),
        "hardware": st.sampled_from(["h100", "b200", "mi300x", "l40s"]),
        "software": st.sampled_from(["vllm", "sglang", ""]),
        "input_tokens": st.floats(16.0, 8000.0),
        "output_tokens": st.floats(2.0, 1500.0),
    }
)
SLACK = 1.0 + 1e-9


def asked(*questions):
    answer = answer_serving(questions, CATALOG)
    assume(not answer.errors)
    return {name: np.asarray(one.mid) for name, one in answer.ranges.items()}


@settings(max_examples=40)
@given(set_up=SET_UPS, rate=st.floats(0.01, 20.0))
def test_more_replicas_never_slow_the_first_token_at_the_same_rate(set_up, rate):
    one = ServingQuestion(**set_up, devices=1.0, request_rate=rate, data_parallel=1.0)
    two = replace(one, devices=2.0, data_parallel=2.0)
    first = asked(one, two)["time_to_first_token_s"]
    assert first[1] <= first[0] * SLACK


@settings(max_examples=40)
@given(set_up=SET_UPS, flying=st.floats(1.0, 300.0), longer=st.floats(1.0, 4.0))
def test_longer_prompts_never_shorten_the_first_token(set_up, flying, longer):
    short = ServingQuestion(**set_up, devices=2.0, tensor_parallel=2.0, concurrency=flying)
    long = replace(short, input_tokens=longer * set_up["input_tokens"])
    first = asked(short, long)["time_to_first_token_s"]
    assert first[0] <= first[1] * SLACK


@settings(max_examples=40)
@given(set_up=SET_UPS, flying=st.floats(1.0, 300.0), split=st.booleans())
def test_later_percentiles_are_never_shorter(set_up, flying, split):
    pools = {"prefill_devices": 2.0, "decode_devices": 2.0} if split else {"devices": 4.0}
    found = asked(ServingQuestion(**set_up, concurrency=flying, **pools))
    for name in ("time_to_first_token", "request"):
        median, late, latest = (found[f"{name}{end}_s"][0] for end in ("", "_p90", "_p99"))
        assert median <= late * SLACK <= latest * SLACK**2
    assert found["inter_token_s"][0] <= found["inter_token_p90_s"][0] * SLACK


@pytest.mark.parametrize(
    ("hardware", "software", "make"),
    [("h100", "mlx", "Apple"), ("mi300x", "tensorrt-llm", "NVIDIA")],
)
def test_a_program_that_a_device_cannot_run_is_refused(hardware, software, make):
    question = ServingQuestion(preset="llama-3.1-8b", hardware=hardware, software=software)
    (why,) = answer_serving([question], CATALOG).errors.values()
    assert f"runs on {make} devices only" in message(why)
