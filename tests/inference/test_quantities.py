"""Answers about serving: golden figures from print, refusals, and what is left open."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest

from estimator.answer.scenario_estimate import answer_scenario
from estimator.core.messages import message, render
from estimator.inference.engines import ENGINES, NAMES, fitted, from_line, to_line
from estimator.inference.figures import (
    compared_with_api,
    energy_parts,
    memory,
    request_times,
    results,
    roofline,
    single,
)
from estimator.inference.quantities import answer_serving
from estimator.inference.question import ServingQuestion
from estimator.inference.queueing import concurrency_of_rates, flying_quantile
from estimator.inference.resolver import resolve_valid
from estimator.question.hardware import choose_precision, find_hardware
from estimator.question.inputs import option_of
from estimator.question.scenario import Scenario
from estimator.question.site import find_site
from estimator.show.csv_table import SERVED_COLUMNS, serve_csv


def interval(catalog, quantity, **asked):
    answer = answer_serving([ServingQuestion(**asked)], catalog)
    assert not answer.errors, answer.errors
    low, high = answer.ranges[quantity].interval(0.8)
    return low[0], answer.ranges[quantity].mid[0], high[0]


def said_of(catalog, **asked):
    """What is assumed of the one row of a question."""
    return answer_serving([ServingQuestion(**asked)], catalog).notices.of(0)


def answer_of(catalog, **asked):
    """The one row that answers a question."""
    return single(answer_serving([ServingQuestion(**asked)], catalog))[0]


ALONE = {"devices": 1, "concurrency": 1}
APPLE = ALONE | {"preset": "llama-2-7b", "precision": "Q4_0", "input_tokens": 1}
APPLE |= {"output_tokens": 128}
PI = ALONE | {"hardware": "raspberry-pi-5-16", "input_tokens": 50, "output_tokens": 300}
OFFLINE = {"preset": "llama-2-70b", "devices": 1, "precision": "fp8"}
OFFLINE |= {"input_tokens": 294, "output_tokens": 294}
MEASURED = (
    # llama.cpp discussion 4167: tokens/s of one sequence
    (61.19, None, APPLE | {"hardware": "apple-m1-max"}),
    (94.27, None, APPLE | {"hardware": "apple-m2-ultra"}),
    (66.31, None, APPLE | {"hardware": "apple-m3-max"}),
    (21.91, None, APPLE | {"hardware": "apple-m2"}),
    # geerlingguy/ai-benchmarks issue 7, aidatatools/ollama-benchmark pull request 9: tokens/s in
    # Ollama's format of each model, without tuned memory banks
    (4.51, 1.5, PI | {"preset": "llama-3.2-3b", "precision": "Q4_K_M"}),
    (2.05, 1.5, PI | {"preset": "llama-3.1-8b", "precision": "Q4_K_M"}),
    (1.35, 1.5, PI | {"preset": "llama-2-13b", "precision": "Q4_0"}),
    (3.054, 1.5, PI | {"preset": "qwen-1.8b", "precision": "Q4_0", "hardware": "raspberry-pi-4"}),
    # MLPerf Inference 4.1-0045, 4.1-0046, 4.1-0002 and 5.0-0001: tokens/s offline
    (4488, None, OFFLINE | {"hardware": "h200-sxm", "software": "vendor"}),
    (34_864.2, 1.5, OFFLINE | {"hardware": "h200-sxm", "devices": 8, "software": "vendor"}),
    (23_514.8, 1.5, OFFLINE | {"hardware": "mi300x", "devices": 8, "software": "vllm"}),
    (33_928.1, 1.5, OFFLINE | {"hardware": "mi325x", "devices": 8, "software": "vllm"}),
)
"""Tokens per second, the most that the median may be off, and the question; none was fitted."""


@pytest.mark.parametrize(("tokens_per_s", "most", "asked"), MEASURED)
def test_a_measured_speed_is_within_the_interval(catalog, tokens_per_s, most, asked):
    if "concurrency" in asked:
        found = [1.0 / seconds for seconds in interval(catalog, "inter_token_s", **asked)]
    else:
        found = interval(catalog, "output_tokens_per_s", **asked)
    low, median, high = sorted(found)
    assert low < tokens_per_s < high
    assert most is None or 1.0 / most < median / tokens_per_s < most


def test_bloom_s_requests_take_what_was_measured_with_its_idle_machines(catalog):
    """914 kWh for 230,768 requests in 18 days on 16 A100: Luccioni et al. 2022, sec. 4.4.

    Most of it kept the model in memory; the meter saw no cooling.
    """
    asked = {"preset": "bloom-176b", "precision": "bf16", "software": "research", "pue": 1.0}
    asked |= {"hardware": "a100-sxm-40", "devices": 16, "output_tokens": 60}
    rate = 230_768 / (18 * 86_400)
    low, _, high = interval(catalog, "energy_per_request_wh", **asked, request_rate=rate)
    assert low < 914e3 / 230_768 < high


LLAMA_70B = {"preset": "llama-2-70b", "devices": 8, "precision": "fp8", "software": "vllm"}


def layout_of(catalog, **asked):
    """The one row of a question that is answered, and what was said of it."""
    answer = answer_serving([ServingQuestion(**asked)], catalog)
    return single(answer)[0], [note.code for note in answer.notices.of(0)]


@pytest.mark.parametrize("hardware", ["h200-sxm", "h100"])
@pytest.mark.parametrize(
    "load", [{}, {"concurrency": 4}, {"concurrency": 512}, {"concurrency": 2048}]
)
def test_an_unspecified_layout_is_the_fastest(catalog, hardware, load):
    """None that could be stated instead ends 5% more requests."""
    asked = {"hardware": hardware, "input_tokens": 294, "output_tokens": 294, **LLAMA_70B, **load}
    row, said = layout_of(catalog, **asked)
    assert {"serving_layers_split", "serving_replicas_assumed"} & set(said)
    stated = [
        answer_serving([ServingQuestion(**asked, data_parallel=replicas)], catalog)
        for replicas in (1, 2, 4, 8)
    ]
    rates = [one.ranges["output_tokens_per_s"].mid[0] for one in stated if not one.errors]
    chosen = interval(catalog, "output_tokens_per_s", **asked)[1]
    assert chosen >= max(rates) / 1.06
    if load == {"concurrency": 4}:
        assert row.data_parallel == 1


def test_a_stated_layout_is_kept(catalog):
    asked = {"hardware": "h200-sxm", "concurrency": 512, "input_tokens": 294, **LLAMA_70B}
    row, said = layout_of(catalog, **asked, tensor_parallel=8)
    assert row.data_parallel == 1
    assert not {"serving_layers_split", "serving_replicas_assumed"} & set(said)


def test_few_requests_per_second_split_layers_and_many_make_replicas(catalog):
    asked = {"hardware": "h200-sxm", "input_tokens": 294, "output_tokens": 294, **LLAMA_70B}
    few, _ = layout_of(catalog, **asked, request_rate=0.1)
    many, _ = layout_of(catalog, **asked, request_rate=60.0)
    assert few.data_parallel == 1 < many.data_parallel


@pytest.mark.parametrize("concurrency", [18_432, 36_864])
def test_a_rack_shares_experts_behind_its_one_link(catalog, concurrency):
    """Whatever is in flight: what the memory does not hold waits."""
    asked = {"preset": "deepseek-r1", "hardware": "gb300", "devices": 72, "precision": "fp4"}
    asked |= {"software": "tensorrt-llm", "input_tokens": 1024, "output_tokens": 1024}
    row, said = layout_of(catalog, **asked, concurrency=concurrency)
    assert row.expert_shard == 72.0 and row.data_parallel > 8.0
    assert "serving_experts_shared" in said


def test_first_tokens_and_requests_have_late_quantiles(catalog):
    asked = {"preset": "llama-3.1-8b", "hardware": "h100", "devices": 1, "concurrency": 64}
    answer = answer_serving([ServingQuestion(**asked, input_tokens=1000)], catalog)
    mids = {name: found.mid[0] for name, found in answer.ranges.items()}
    for quantity in ("time_to_first_token", "request"):
        median, late, last = (mids[f"{quantity}{part}_s"] for part in ("", "_p90", "_p99"))
        assert median < late < last
    assert mids["prefill_s"] < mids["time_to_first_token_s"] < mids["request_s"]
    assert mids["inter_token_s"] <= mids["inter_token_p90_s"]


def test_an_unspecified_layout_widens_the_interval(catalog):
    asked = {"hardware": "h200-sxm", "concurrency": 512, **LLAMA_70B}
    low, _, high = interval(catalog, "output_tokens_per_s", **asked)
    fixed = interval(catalog, "output_tokens_per_s", **asked, data_parallel=8, tensor_parallel=1)
    assert high / low > 1.1 * fixed[2] / fixed[0]


def test_sequences_beyond_the_memory_leave_the_replicas_of_a_full_server(catalog):
    """Not one replica over all devices, which would write a third of the tokens per second."""
    asked = {"preset": "Qwen/Qwen3-14B", "hardware": "h100", "devices": 8}
    asked |= {"input_tokens": 8192, "output_tokens": 16}
    few, many = (
        interval(catalog, "output_tokens_per_s", **asked, concurrency=concurrency)[1]
        for concurrency in (300, 512)
    )
    assert few <= many


DEEPSEEK = {"preset": "deepseek-v3", "hardware": "h200", "precision": "bf16", "data_parallel": 4}
LLAMA = {"preset": "llama-2-7b", "hardware": "h100"}
REFUSED = (
    ({"preset": "llama-2-70b", "hardware": "h100", "devices": 1}, "2 would hold them"),
    (DEEPSEEK | {"devices": 32}, "setting expert_parallel to 32"),
    (DEEPSEEK | {"devices": 8}, "64 would hold them"),
    (LLAMA | {"expert_parallel": 2}, "dense"),
    ({"preset": "nothing-known", "hardware": "h100"}, "unknown model"),
    ({"preset": "mistral", "hardware": "h100"}, "did you mean mistral-7b"),
    ({"preset": "llama-2-7b", "hardware": "no such card"}, "unknown hardware"),
    (LLAMA | {"precision": "fp3"}, "unknown weight format"),
    (LLAMA | {"devices": 2, "tensor_parallel": 4}, "need 4 devices"),
    (LLAMA | {"devices": 1, "concurrency": 1e6}, "do not fit"),
    (LLAMA | {"devices": 64, "input_tokens": 1e6}, "exceed the"),
    (LLAMA | {"request_rate": 1e6}, "exceed"),
    (LLAMA | {"output_tokens": 0.0}, "output_tokens must be positive"),
    (LLAMA | {"output_tokens": 1e9}, "output_tokens must be at most 1e+08"),
)


@pytest.mark.parametrize(("asked", "reason"), REFUSED)
def test_what_cannot_be_is_refused_in_one_line(catalog, asked, reason):
    refused = message(answer_serving([ServingQuestion(**asked)], catalog).errors[0])
    assert reason in refused
    assert "\n" not in refused


@pytest.mark.parametrize("quantity", ["input_tokens", "price", "devices", "data_parallel"])
def test_a_note_names_the_input_as_the_rim_does(catalog, quantity):
    asked = ServingQuestion(preset="llama-2-70b", hardware="apple-m2-ultra", output_tokens=10)
    if quantity == "data_parallel":
        asked = ServingQuestion(preset="llama-3-8b", hardware="h100", devices=4)
    notes = answer_serving([asked], catalog).notices.of(0)
    (note,) = [one for one in notes if one.field == quantity]
    assert quantity in message(note)
    assert option_of(quantity) in render(note, option_of)
    assert not re.search(rf"set {quantity}\b", render(note, option_of))


@pytest.mark.parametrize(
    ("asked", "field"),
    [({"software": "banana"}, "software"), ({"active_params": 1e9}, "active_params")],
)
def test_what_is_not_used_as_it_is_said_is_noted(catalog, asked, field):
    llama = {"preset": "llama-3-8b", "hardware": "h100"}
    plain, noted = (
        {one.field for one in said_of(catalog, **llama, **more)} for more in ({}, asked)
    )
    assert field in noted - plain


@pytest.mark.parametrize("software", ["vLLM 0.9", "ollama", "research", "TensorRT-LLM"])
def test_a_known_program_needs_no_note(catalog, software):
    said = said_of(catalog, preset="llama-3-8b", hardware="h100", software=software)
    assert "serving_software_unknown" not in {one.code for one in said}


@pytest.mark.parametrize(
    ("hardware", "weights"), [("h100", "bf16"), ("t4", "fp16"), ("v100", "fp16"), ("m2", "q4_k_m")]
)
def test_unspecified_weights_are_in_a_format_that_the_device_multiplies(catalog, hardware, weights):
    asked = {"preset": "llama-3.2-1b", "hardware": hardware}
    row = answer_of(catalog, **asked)
    (assumed,) = (one for one in said_of(catalog, **asked) if one.code == "serving_weights_assumed")
    assert row.weights.name.casefold() == assumed.values["weights"].casefold() == weights


@pytest.mark.parametrize(
    ("preset", "hardware", "weights"),
    [("deepseek-v3", "h200", "fp8"), ("deepseek-r1", "m2-ultra", "Q4_K_M")],
)
def test_unspecified_weights_of_a_published_quantized_model_are_as_published(
    catalog, preset, hardware, weights
):
    """A person's own machine runs a smaller copy; given formats are taken as they are."""
    asked = {"preset": preset, "hardware": hardware}
    row = answer_of(catalog, **asked, devices=8.0)
    assert row.weights.name == weights
    notices = said_of(catalog, **asked, devices=8.0)
    said = {note.code for note in notices if note.field == "precision"}
    assert ("serving_weights_published" in said) == (weights == "fp8")
    given = answer_of(catalog, **asked, precision="bf16", devices=16.0)
    assert given.weights.name == "bf16"


def test_unspecified_concurrency_widens_the_interval(catalog):
    asked = {"preset": "llama-3-8b", "hardware": "h100", "devices": 1, "input_tokens": 200}
    asked |= {"output_tokens": 300}
    open_ = interval(catalog, "output_tokens_per_s", **asked)
    given = interval(catalog, "output_tokens_per_s", **asked, concurrency=64)
    assert open_[2] / open_[0] > 1.1 * given[2] / given[0]


def test_a_cache_of_unstated_format_may_have_16_bits(catalog):
    """On a server that computes in 8 bits; many long prompts, so that the cache is most read."""
    asked = {"preset": "llama-2-7b", "hardware": "h100", "devices": 1, "precision": "fp8"}
    asked |= {"software": "vllm", "concurrency": 32, "input_tokens": 3000, "output_tokens": 500}
    open_ = interval(catalog, "inter_token_s", **asked, cached_share=0.0)
    eight, sixteen = (
        interval(catalog, "inter_token_s", **asked, cached_share=0.0, kv_precision=word)
        for word in ("fp8", "bf16")
    )
    assert open_[1] == pytest.approx(eight[1])
    assert sixteen[1] > 1.4 * eight[1]
    assert open_[2] / open_[0] > 1.1 * eight[2] / eight[0]


def test_a_table_answers_its_rows_and_gives_the_others_their_reason(catalog):
    table = (
        "name,model,params_total,hardware,devices,concurrency,note\n"
        "a,Qwen/Qwen3-14B,14e9,NVIDIA H100,1,8,kept\n"
        "b,,70e9,RTX 4090,1,1,\n"
        "c,llama-3-8b,,NVIDIA B200,1,many,\n"
    )
    out = io.StringIO()
    summary = serve_csv(iter(table.splitlines(keepends=True)), out, catalog, level=0.8)
    lines = out.getvalue().splitlines()
    assert (summary.rows, summary.answered, summary.refused) == (3, 1, 2)
    assert lines[0].endswith(",".join(SERVED_COLUMNS))
    assert lines[1].startswith("a,Qwen/Qwen3-14B,14e9,NVIDIA H100,1,8,kept,")
    assert "would hold them" in lines[2]
    assert "concurrency is not a number: 'many'" in lines[3]


def test_a_table_is_read_by_the_documented_columns_and_by_those_of_before(catalog):
    def answered(header):
        lines = iter([f"{header}\n", "llama-3-8b,h100,2,16,fr,1.5\n"])
        out = io.StringIO()
        serve_csv(lines, out, catalog, level=0.8)
        return out.getvalue().splitlines()[1]

    documented = answered("model,hardware,devices,concurrency,site,price")
    assert documented == answered(
        "preset,accelerator,accelerator_count,concurrency,region,price_usd_per_h"
    )
    assert documented != answered("preset,hardware,devices,concurrency,region,note")
    assert documented.endswith(",")


@pytest.mark.parametrize("beside", [{}, {"concurrency": 8.0}, {"input_tokens": 100.0}])
def test_a_server_that_idles_half_of_the_time_is_as_sure_beside_other_rows(catalog, beside):
    """What another row leaves open says nothing of a row that states half a sequence in flight."""
    half = ServingQuestion(preset="llama-3-8b", hardware="h100", concurrency=0.5)
    other = ServingQuestion(preset="llama-3-8b", hardware="h100", **beside)
    alone, both = answer_serving([half], catalog), answer_serving([half, other], catalog)
    for name, found in alone.ranges.items():
        assert both.ranges[name].mid[0] == pytest.approx(found.mid[0], nan_ok=True), name
        assert both.ranges[name].log_sd[0] == pytest.approx(found.log_sd[0], nan_ok=True), name


def test_a_rate_of_requests_and_its_concurrency_are_one_state(catalog):
    asked = {"preset": "llama-3-8b", "hardware": "h100", "devices": 1}
    asked |= {"input_tokens": 300, "output_tokens": 200}
    question = ServingQuestion(**asked, request_rate=10.0)
    table = resolve_valid([question], catalog)
    (flying,), refused = concurrency_of_rates(table)
    assert not refused
    rate = interval(catalog, "output_tokens_per_s", **asked, concurrency=flying)[1]
    assert rate / 200 == pytest.approx(10.0, rel=1e-3)


def test_parameters_come_back_from_the_line_of_the_fit(catalog):
    values = fitted(catalog).values
    assert from_line(to_line(values)).values == pytest.approx(values)
    assert len(NAMES) == values.size


def test_energy_with_host_and_site_is_more_than_that_of_the_devices(catalog):
    rng = np.random.default_rng(3)
    asked = [
        ServingQuestion(params=float(size), hardware="h100", concurrency=float(flying), pue=1.2)
        for size, flying in zip(rng.uniform(1e9, 6e10, 20), rng.integers(1, 64, 20), strict=True)
    ]
    answer = answer_serving(asked, catalog)
    whole = answer.ranges["energy_per_output_token_j"].mid
    assert np.all(whole > 1.2 * answer.ranges["device_energy_per_output_token_j"].mid)


SERVED = {"preset": "llama-3.1-8b", "hardware": "h100", "devices": 1, "concurrency": 32}
SERVED |= {"input_tokens": 500, "output_tokens": 300}


def test_devices_are_a_multiple_of_the_stated_split_and_their_memories_add_up(catalog):
    """70e9 bf16 weights are 140 GB: two boards of 80 GB hold them."""
    asked = {"preset": "llama-2-70b", "precision": "bf16", "hardware": "h100", "output_tokens": 100}
    board_bytes = catalog.device("h100").records["memory_bytes"].value
    for split, devices in ((None, 2.0), (2.0, 2.0), (4.0, 4.0)):
        answer = answer_serving([ServingQuestion(**asked, tensor_parallel=split)], catalog)
        assert single(answer)[0].devices == devices
        assert memory(answer)["memory_bytes"] == pytest.approx(devices * board_bytes)


def test_the_parts_of_the_energy_add_up_to_the_whole(catalog):
    for asked in (SERVED, SERVED | {"devices": 16, "duty_cycle": 0.25, "pue": 1.4}):
        answer = answer_serving([ServingQuestion(**asked)], catalog)
        parts = energy_parts(answer, catalog)
        whole = answer.ranges["energy_per_output_token_j"].mid[0]
        assert sum(parts.values()) == pytest.approx(whole)
        assert min(parts.values()) >= 0.0
        assert (parts["network"] > 0) == (asked["devices"] > 8)
        assert (parts["reserved without work"] > 0) == ("duty_cycle" in asked)


def test_without_measured_runs_the_share_of_prompts_is_that_of_the_model(catalog):
    shares = []
    for written in (20, 200, 2000):
        answer = answer_serving([ServingQuestion(**SERVED | {"output_tokens": written})], catalog)
        pace = answer.table.performance.pace
        shares.append(roofline(answer)["prefill_share"])
        assert shares[-1] == pytest.approx(float(pace.prefill_share[0]))
    assert 1 > shares[0] > shares[1] > shares[2] > 0


def test_an_answer_takes_its_energy_from_the_battery_of_a_phone(catalog):
    asked = {"preset": "qwen2.5-1.5b", "hardware": "iPhone 16 Pro", "precision": "Q4_0"}
    found = results(answer_serving([ServingQuestion(**asked, output_tokens=200)], catalog), 0.8)
    share, charge = found["battery_share_per_request"], found["requests_per_charge"]
    assert share["mid"] == pytest.approx(found["energy_per_request_wh"]["mid"] / 13.94, rel=1e-3)
    assert charge["low"] == pytest.approx(1.0 / share["high"])
    assert share["low"] < share["mid"] < share["high"] < 0.05
    assert "battery_share_per_request" not in results(
        answer_serving([ServingQuestion(**SERVED)], catalog), 0.8
    )


def test_an_api_is_charged_for_what_it_reads_and_writes(catalog):
    answer = answer_serving([ServingQuestion(**SERVED, price=2.0)], catalog)
    dear = compared_with_api(answer, input_usd=3.0, output_usd=15.0)
    assert dear["api_cost_per_million_output_tokens_usd"] == pytest.approx(15.0 + 3.0 * 500 / 300)
    even = dear["break_even_tokens_per_day"]
    assert even == pytest.approx(48.0 / 20.0 * 1e6)
    most = answer.ranges["output_tokens_per_s"].mid[0] * 86_400
    assert dear["own_cost_over_api"] == pytest.approx(48.0 / (20.0 * most / 1e6))
    cheap = compared_with_api(answer, input_usd=0.0, output_usd=0.001)
    assert "break_even_tokens_per_day" not in cheap
    assert cheap["own_cost_over_api"] > 1.0


def test_every_list_price_is_dated_and_of_a_model_that_can_be_served(catalog):
    prices = catalog.api_prices()
    assert len(prices) >= 10
    for price in prices.values():
        assert price.date
        assert catalog.source(price.source).url
        if price.preset:
            assert catalog.preset(price.preset).config
    with pytest.raises(ValueError, match="unknown API 'nothing'"):
        catalog.api_price("nothing")


@pytest.mark.parametrize("rate", [0.1, 5.0, 15.0, 19.0])
def test_more_requests_take_longer_and_the_slowest_tenth_longer_still(catalog, rate):
    asked = {**SERVED, "concurrency": None}
    times = [
        request_times(answer_serving([ServingQuestion(**asked, request_rate=one)], catalog))
        for one in (rate, 1.02 * rate)
    ]
    for name in ("request_s", "request_p50_s", "request_p90_s"):
        assert times[0][name] <= times[1][name] * (1.0 + 1e-9)
    assert times[0]["request_s"] <= times[0]["request_p50_s"] * (1.0 + 1e-9)
    assert times[0]["request_p50_s"] <= times[0]["request_p90_s"]


@pytest.mark.parametrize("hardware", ["h100", "h200"])
def test_a_request_takes_the_same_time_in_the_results_and_below_them(catalog, hardware):
    """DeepSeek-R1 on 16 H100: 19.9 s in the results, 23.4 s below them."""
    answer = answer_serving([ServingQuestion(preset="deepseek-r1", hardware=hardware)], catalog)
    found, result = request_times(answer), answer.ranges["request_s"].mid[0]
    assert found["request_s"] == pytest.approx(result)
    assert found["request_p50_s"] == pytest.approx(result)


@pytest.mark.parametrize(("tokens", "said"), [(40_000.0, False), (41_000.0, True)])
def test_a_question_longer_than_the_model_is_made_for_is_said(catalog, tokens, said):
    """Qwen3 14B: max_position_embeddings of 40,960."""
    asked = ServingQuestion(
        preset="qwen3-14b", hardware="h200", concurrency=1.0, input_tokens=tokens, output_tokens=100
    )
    codes = {one.code for one in answer_serving([asked], catalog).notices.of(0)}
    assert ("serving_beyond_context" in codes) == said


def test_a_memory_that_is_always_full_has_a_queue_without_end(catalog):
    """Llama 3 70B on two TPU v5p: more are asked for at once than fit."""
    asked = ServingQuestion(preset="llama-3-70b", hardware="tpu-v5p", devices=2.0)
    assert set(request_times(answer_serving([asked], catalog))) == {"request_s"}


def test_sequences_in_flight_vary_as_those_of_a_simulated_server():
    """Random arrivals that stay 10 s each: the 90th percentile of their mean over one stay."""
    random = np.random.default_rng(5)
    rate, stay, horizon = 9.6, 10.0, 40_000.0
    arrivals = np.sort(random.uniform(0.0, horizon, random.poisson(rate * horizon)))
    starts = arrivals[(arrivals > 20.0) & (arrivals < horizon - 20.0)][::50]
    grid = np.arange(0.0, stay, 0.25)
    counts = [
        np.mean(
            np.searchsorted(arrivals, one + grid) - np.searchsorted(arrivals, one + grid - stay)
        )
        for one in starts
    ]
    seen = np.quantile(counts, 0.9)
    assert flying_quantile(rate * stay, 0.9) == pytest.approx(seen, rel=0.02)


@pytest.mark.parametrize(
    ("hardware", "engine"),
    [
        ("Pi 5 - 8GB (AMD RX 7600) [GPU]", "local-board"),
        ("Raspberry Pi 5 (AMD Pro W7700) [GPU]", "local-board"),
        ("AMD RX 7600", "local-gpu"),
        ("Intel 265K Custom PC (AMD Radeon AI Pro R9700) [GPU]", "local-gpu"),
        ("Arc B580", "local-intel"),
        ("Pi 500+ - 16GB (Intel Arc B580) [GPU]", "local-intel"),
        ("Pi CM5 - 16GB (Nvidia RTX 3080 Ti) [GPU]", "local-cuda"),
        ("Pi 5 - 16GB [CPU]", "local-cpu"),
    ],
)
def test_a_card_behind_a_board_computer_and_one_of_intel_have_engines_of_their_own(
    catalog, hardware, engine
):
    row = answer_of(catalog, params=3.2e9, hardware=hardware, precision="Q4_K_M")
    assert ENGINES[row.engine] == engine


def test_a_board_computer_launches_slower_than_a_computer(catalog):
    alone, board = (
        interval(catalog, "inter_token_s", params=3.2e9, hardware=name, precision="Q4_K_M")[1]
        for name in ("AMD RX 7600", "Pi 5 - 8GB (AMD RX 7600) [GPU]")
    )
    assert board > 1.3 * alone


def test_a_warm_phone_writes_about_half_as_fast_and_is_less_sure(catalog):
    asked = ServingQuestion(preset="qwen2.5-1.5b", hardware="iPhone 16 Pro", precision="Q4_0")
    found = results(answer_serving([asked], catalog), 0.8)
    cold, warm = found["output_tokens_per_s"], found["sustained_output_tokens_per_s"]
    assert 0.38 < warm["mid"] / cold["mid"] < 0.67
    assert warm["high"] / warm["low"] > cold["high"] / cold["low"]
    assert warm["low"] < 22.6 < warm["high"]
    other = ServingQuestion(preset="qwen2.5-1.5b", hardware="h100", precision="bf16")
    both = answer_serving([other, asked], catalog)
    assert np.isnan(both.ranges["sustained_output_tokens_per_s"].mid[0])
    assert "sustained_output_tokens_per_s" not in results(answer_serving([other], catalog), 0.8)


@pytest.mark.parametrize("name", ["", "fr", "gcp-us-central1", "google", "us"])
def test_a_site_and_a_rent_are_those_of_an_estimate(catalog, name):
    """PUE, carbon intensity and price of a device-hour, with their intervals."""
    row, _ = single(answer_serving([ServingQuestion(**SERVED, site=name)], catalog))
    scenario = Scenario(device_hours=1.0, hardware=SERVED["hardware"], site=name or None)
    estimate = answer_scenario(scenario, catalog)
    for key, found in (
        ("pue", row.site.pue),
        ("co2e_kg_per_kwh", row.site.co2e_kg_per_kwh),
        ("price_usd_per_h", row.price.value),
    ):
        known = estimate.run.price_usd_per_h if "price" in key else getattr(estimate.site, key)
        assert np.allclose(found.interval(), known.interval(), rtol=1e-12), key


def test_water_on_site_is_that_of_the_computers_as_in_an_estimate(catalog):
    place = next(one for one in catalog.places() if {"wue_l_per_kwh", "pue"} <= set(one.records))
    answer = answer_serving([ServingQuestion(**SERVED, site=place.id)], catalog)
    joule = answer.ranges["energy_per_output_token_j"].mid[0]
    litres = answer.ranges["water_per_million_output_tokens_l"].mid[0]
    site = find_site(place.id, catalog).value
    per_kwh = site.wue_l_per_kwh.mid / site.pue.mid + site.offsite_l_per_kwh.mid
    assert litres == pytest.approx(joule / 3.6 * per_kwh)


def test_a_device_without_a_rent_costs_what_owning_it_uses_up_and_says_so(catalog):
    asked = ServingQuestion(preset="llama-3.1-8b", hardware="rtx-3090", precision="int4")
    answer = answer_serving([asked], catalog)
    row, _ = single(answer)
    assert "launch_price_usd" in row.price.inputs
    assert "serving_owned" in {notice.code for notice in answer.notices.of(0)}
    device = catalog.device("rtx-3090")
    hardware = find_hardware(device, choose_precision(device, None), catalog).value
    assert row.price.value.mid == pytest.approx(
        float(hardware.price_usd.mid / hardware.lifetime_h.mid)
    )


@pytest.mark.parametrize("hardware", ["rtx-4090", "h100"])
def test_a_format_of_experts_packs_all_weights_of_a_model_without_experts(catalog, hardware):
    asked = {"preset": "llama-3-8b", "hardware": hardware, "concurrency": 1.0}
    packed = interval(catalog, "inter_token_s", precision="mxfp4", **asked)
    assert packed[1] < 0.7 * interval(catalog, "inter_token_s", precision="bf16", **asked)[1]


@pytest.mark.parametrize(("hardware", "rack"), [("gb200", 72), ("h100", 8)])
def test_serving_within_a_rack_draws_no_network_power(catalog, hardware, rack):
    def network_factor(devices):
        load = {"concurrency": 64.0, "output_tokens": 300.0, "pue": 1.0}
        asked = ServingQuestion(params=8e9, hardware=hardware, devices=float(devices), **load)
        ranges = answer_serving([asked], catalog).ranges
        parts = ("energy_per_output_token_j", "device_energy_per_output_token_j")
        whole, device = (float(ranges[name].mid[0]) for name in parts)
        return whole / device

    assert network_factor(rack) == pytest.approx(network_factor(1))
    assert network_factor(2 * rack) > 1.02 * network_factor(rack)


IMAGE_CHAT = [
    ("Qwen/Qwen3-VL-32B-Instruct", "h100", 2, 31.95, 943.8, 1609.85),
    ("Qwen/Qwen3-VL-235B-A22B-Instruct", "b200", 8, 127.9, 937.8, 2746.6),
    ("meta-llama/Llama-4-Scout-17B-16E-Instruct", "h100", 4, 31.54, 413.8, 879.7),
]
"""Model, device, devices, sequences in flight, tokens of an answer, tokens per second: image chat
on the ML.ENERGY leaderboard v3, 2026-02-16."""


@pytest.mark.parametrize(("preset", "hardware", "devices", "flying", "written", "rate"), IMAGE_CHAT)
def test_unspecified_prompts_of_a_model_that_reads_images_may_hold_some(
    catalog, preset, hardware, devices, flying, written, rate
):
    asked = {"preset": preset, "hardware": hardware, "devices": devices, "software": "vllm"}
    asked |= {"concurrency": flying, "output_tokens": written, "precision": "bf16"}
    low, mid, high = interval(catalog, "output_tokens_per_s", **asked)
    assert low < rate < high
    asked["input_tokens"] = 500
    text_low, text_mid, text_high = interval(catalog, "output_tokens_per_s", **asked)
    assert mid < text_mid and high / low > text_high / text_low


def test_prompts_of_a_model_of_text_hold_no_images(catalog):
    asked = ServingQuestion(preset="llama-3-8b", hardware="h100", software="vllm", concurrency=8)
    sees = replace(asked, preset="Qwen/Qwen3-VL-8B-Instruct")
    codes = [
        {notice.code for notice in answer_serving([one], catalog).notices.of(0)}
        for one in (asked, sees)
    ]
    assert ["serving_images_possible" in one for one in codes] == [False, True]


def test_a_saturated_server_says_how_many_requests_and_how_its_experts_are_laid_out(catalog):
    asked = {"preset": "deepseek-r1", "precision": "fp8"}
    apart = answer_serving([ServingQuestion(**asked, hardware="h100", devices=16.0)], catalog)
    shared = answer_serving([ServingQuestion(**asked, hardware="h200", devices=8.0)], catalog)
    said = [{one.code: one.values for one in answer.notices.of(0)} for answer in (apart, shared)]
    few, many = (one["serving_saturated"]["count"] for one in said)
    assert many == pytest.approx(8 * few, abs=8)
    assert said[0]["serving_experts_split"] == {"devices": 16.0, "linked": 8.0}
    assert "serving_experts_shared" in said[1]
    assert apart.mid("energy_per_request_wh") > 4 * shared.mid("energy_per_request_wh")
