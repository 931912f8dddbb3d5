"""Benchmarks of servers: shapes of real result files, constructed by hand after their programs."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimator.catalog import Catalog
from estimator.measure.logs.formats import format_of, logged_runs
from estimator.measure.logs.log_file import LogFile
from estimator.measure.logs.logged_run import Unlogged, measured_run
from estimator.runs import open_store, read_served
from estimator.runs.meter import MeterError
from estimator.runs.record import as_plain, read_run

VLLM = {
    "date": "20260501-123456",
    "backend": "vllm",
    "model_id": "Qwen/Qwen3-14B",
    "tokenizer_id": "Qwen/Qwen3-14B",
    "num_prompts": 640,
    "request_rate": "inf",
    "burstiness": 1.0,
    "max_concurrency": 64,
    "duration": 160.0,
    "completed": 640,
    "total_input_tokens": 640 * 512,
    "total_output_tokens": 640 * 256,
    "request_throughput": 4.0,
    "output_throughput": 1024.0,
    "mean_ttft_ms": 200.0,
    "median_ttft_ms": 150.0,
    "mean_tpot_ms": 60.0,
    "median_tpot_ms": 59.0,
    "mean_itl_ms": 60.0,
    "median_itl_ms": 58.0,
    "mean_e2el_ms": 15_500.0,
    "generated_texts": ["a secret"],
}

SGLANG = {
    "tag": None,
    "backend": "sglang",
    "dataset_name": "random",
    "request_rate": float("inf"),
    "max_concurrency": None,
    "duration": 100.0,
    "completed": 2000,
    "total_input_tokens": 2_000_000,
    "total_output_tokens": 500_000,
    "total_output_tokens_retokenized": 499_000,
    "output_throughput": 5000.0,
    "mean_e2e_latency_ms": 60_000.0,
    "median_ttft_ms": 30_000.0,
    "mean_tpot_ms": 40.0,
    "median_itl_ms": 35.0,
    "accept_length": None,
    "server_info": {"model_path": "meta-llama/Llama-3.1-8B-Instruct", "tp_size": 2},
}


def llama(**changed):
    return {
        "build_commit": "0e4a03622",
        "build_number": 6000,
        "cpu_info": "AMD Ryzen 9 7950X 16-Core Processor",
        "gpu_info": "NVIDIA GeForce RTX 4090",
        "backends": "CUDA",
        "model_filename": "models of someone/llama-3-8b.Q4_K_M.gguf",
        "model_type": "llama 8B Q4_K - Medium",
        "model_size": 4_912_898_304,
        "model_n_params": 8_030_261_248,
        "n_gpu_layers": 99,
        "type_k": "f16",
        "type_v": "f16",
        "n_prompt": 0,
        "n_gen": 128,
        "n_depth": 0,
        "test_time": "2026-05-01T10:00:00Z",
        "avg_ns": 1_000_000_000,
        "avg_ts": 128.0,
        "samples_ns": [1_000_000_000] * 5,
        "samples_ts": [128.0] * 5,
        **changed,
    }


LLAMA = [llama(), llama(n_prompt=512, n_gen=0, avg_ts=8000.0, samples_ns=[64_000_000] * 5)]


@pytest.fixture(scope="module")
def catalog():
    return Catalog.open()


def log_of(text):
    return LogFile(name="result.json", text=text, modified="2026-05-02T00:00:00+00:00")


@pytest.fixture
def imported(catalog):
    def runs(text, **added):
        log = log_of(text)
        found = logged_runs(log, format_of(log) or "none", catalog)
        return [measured_run(log, one, Unlogged(**added), catalog) for one in found]

    return runs


def test_a_result_of_vllm_is_a_served_load(imported):
    (run,) = imported(json.dumps(VLLM), hardware="h100", devices=1, load={"precision": "bf16"})
    (load,) = run.served
    assert load.measured == {
        "output_tokens_per_s": 1024.0,
        "inter_token_s": pytest.approx(0.058),
        "time_to_first_token_s": pytest.approx(0.15),
    }
    assert (load.model, load.precision, load.program) == ("Qwen/Qwen3-14B", "bf16", "vllm")
    assert load.concurrency == pytest.approx(62.0)  # 4 requests a second for 15.5 s each
    assert (load.input_tokens, load.output_tokens, load.requests) == (512, 256, 640)
    assert (run.started, run.wall_s, run.timings) == ("2026-05-01T12:34:56Z", 160.0, ())
    assert "secret" not in json.dumps(as_plain(run))
    assert read_run(as_plain(run)) == run


def test_requests_sent_at_once_say_no_time_to_the_first_token(imported):
    (run,) = imported(json.dumps(SGLANG), hardware="h100", devices=2, load={"precision": "bf16"})
    (load,) = run.served
    assert set(load.measured) == {"output_tokens_per_s", "inter_token_s"}
    assert load.concurrency == pytest.approx(200.0)  # 5,000 tokens a second, 40 ms each
    assert (load.tensor_parallel, load.devices, load.component) == (2.0, 2, "gpu:0")


def test_several_results_behind_each_other_are_several_runs(imported):
    text = "\n".join(json.dumps({**SGLANG, "duration": 100.0 + at}) for at in range(3))
    runs = imported(text, hardware="h100", devices=2, load={"precision": "bf16"})
    assert len({run.id for run in runs}) == 3


def test_llama_bench_times_reading_and_writing(imported):
    (run,) = imported(json.dumps(LLAMA))
    writes, reads = run.served
    assert writes.measured == {"inter_token_s": 1 / 128}
    assert reads.measured == {"time_to_first_token_s": 512 / 8000}
    assert (writes.precision, writes.model) == ("Q4_K_M", "llama-3-8b.Q4_K_M")
    assert (run.devices[0].hardware, writes.concurrency) == ("rtx-4090", 1.0)
    assert "someone" not in json.dumps(as_plain(run))
    lines = "\n".join(json.dumps(one) for one in LLAMA)
    assert imported(lines)[0].served == run.served


@pytest.mark.parametrize(
    ("text", "added", "says"),
    [
        (json.dumps(VLLM), {}, "set --hardware and --devices"),
        (json.dumps(VLLM), {"hardware": "h100", "devices": 1}, "set --precision"),
        (
            json.dumps({**VLLM, "model_id": None}),
            {"hardware": "h100", "devices": 1},
            "does not name the model: set --preset or --params",
        ),
        (json.dumps({**VLLM, "completed": 0}), {}, "no request was served"),
        (json.dumps({**SGLANG, "accept_length": 2.4}), {}, "speculative decoding was on"),
        (json.dumps([llama(n_gpu_layers=20)]), {}, "measure with -ngl 99"),
        (json.dumps([llama(n_prompt=512)]), {}, "no test that only reads or only writes"),
    ],
)
def test_a_benchmark_that_says_too_little_is_refused(imported, text, added, says):
    with pytest.raises(MeterError, match=says):
        imported(text, **added)


def test_a_benchmark_of_few_requests_has_no_throughput(imported):
    few = {**VLLM, "completed": 100, "duration": 25.0, "total_output_tokens": 25_600}
    (run,) = imported(json.dumps(few), hardware="h100", devices=1, load={"precision": "bf16"})
    assert "output_tokens_per_s" not in run.served[0].measured
    assert any("no steady state" in note for note in run.notes)


def test_a_served_run_is_found_in_the_store_and_teaches_no_training(tmp_path, imported):
    (run,) = imported(json.dumps(LLAMA))
    with open_store(tmp_path / "runs.sqlite") as store:
        assert store.add(run)
        assert not store.add(run)
    assert read_served(tmp_path / "runs.sqlite") == [run]
    assert read_served(tmp_path / "none.sqlite") == []


def percentiles(median, **more):
    return {"unit": "ms", "avg": 1.2 * median, "p50": median, "p99": 3.0 * median, **more}


AIPERF = {
    "request_count": {"unit": "requests", "avg": 640.0},
    "request_throughput": {"unit": "requests/sec", "avg": 4.0},
    "request_latency": percentiles(15_000.0, avg=16_000.0),
    "time_to_first_token": percentiles(150.0),
    "inter_token_latency": percentiles(59.0),
    "output_token_throughput": {"unit": "tokens/sec", "avg": 1024.0},
    "input_sequence_length": {"unit": "tokens", "avg": 512.0},
    "output_sequence_length": {"unit": "tokens", "avg": 256.0},
    "input_config": {"endpoint": {"model_names": ["Qwen/Qwen3-14B"]}},
}

SUCCESSFUL = {
    "output_tokens_per_second": {"mean": 1024.0},
    "inter_token_latency_ms": {"mean": 70.0, "median": 59.0},
    "time_to_first_token_ms": {"mean": 170.0, "median": 150.0},
    "request_concurrency": {"mean": 64.0},
    "prompt_token_count": {"mean": 512.0},
    "output_token_count": {"mean": 256.0},
}
GUIDELLM = {
    "metadata": {"version": 1},
    "benchmarks": [
        {
            "duration": 160.0,
            "config": {"backend": {"model": "Qwen/Qwen3-14B"}},
            "metrics": {
                "request_totals": {"successful": 640, "errored": 0},
                **{name: {"successful": one} for name, one in SUCCESSFUL.items()},
            },
        }
    ],
}

TRTLLM = {
    "engine": {"model": "Qwen/Qwen3-14B", "quantization": "FP8", "kv_cache_dtype": None},
    "world_info": {"tp_size": 1, "pp_size": 1, "ep_size": 1, "world_size": 1},
    "request_info": {
        "num_requests": 640,
        "avg_num_concurrent_requests": 64.0,
        "avg_input_length": 512.0,
        "avg_output_length": 256.0,
    },
    "performance": {"total_latency_ms": 160_000.0, "system_output_throughput_tok_s": 1024.0},
    "streaming_metrics": {
        "ttft_percentiles": {"p50": 150.0, "average": 170.0},
        "tpot_percentiles": {"p50": 59.0, "average": 60.0},
    },
}

INFERENCEX = {
    "hw": "h100",
    "conc": 64,
    "model": "Qwen/Qwen3-14B",
    "framework": "vllm",
    "precision": "fp8",
    "spec_decoding": "none",
    "disagg": False,
    "isl": 512,
    "osl": 256,
    "tp": 2,
    "ep": 1,
    "output_tput_per_gpu": 512.0,
    "median_ttft": 0.150,
    "median_tpot": 0.059,
}


@pytest.mark.parametrize(
    ("result", "program", "devices"),
    [
        (AIPERF, "vllm", 1),
        ({"records": AIPERF}, "vllm", 1),
        (GUIDELLM, "vllm", 1),
        (TRTLLM, "tensorrt-llm", 1),
        (INFERENCEX, "vllm", 2),
        ([INFERENCEX], "vllm", 2),
    ],
)
def test_load_generators_report_the_same_load_each_in_their_words(
    imported, result, program, devices
):
    """One load as each of them writes it, by the paths of its source."""
    (run,) = imported(
        json.dumps(result),
        devices=devices,
        wall_s=160.0,
        hardware="h100",
        load={"precision": "fp8"},
    )
    (load,) = run.served
    assert (load.model, load.program) == ("Qwen/Qwen3-14B", program)
    assert (load.concurrency, load.input_tokens, load.output_tokens) == (64.0, 512.0, 256.0)
    assert load.measured == {
        "output_tokens_per_s": 1024.0,
        "inter_token_s": pytest.approx(0.059),
        "time_to_first_token_s": pytest.approx(0.150),
    }


@pytest.mark.parametrize(
    ("result", "says"),
    [
        ({**INFERENCEX, "spec_decoding": "mtp"}, "speculative decoding was on"),
        ({**INFERENCEX, "disagg": True}, "separate devices"),
        ({**TRTLLM, "decoding_stats": {"mode": "mtp"}}, "speculative decoding was on"),
    ],
)
def test_load_generators_whose_load_calibrates_nothing_are_refused(imported, result, says):
    with pytest.raises(MeterError, match=says):
        imported(json.dumps(result), devices=1, wall_s=160.0, hardware="h100")


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("serving-benchmark", VLLM),
        ("llama-bench", LLAMA),
        ("load-generator", AIPERF),
        ("load-generator", GUIDELLM),
        ("load-generator", TRTLLM),
        ("load-generator", INFERENCEX),
    ],
    ids=["vllm", "llama", "aiperf", "guidellm", "trtllm", "inferencex"],
)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_result_is_refused_in_one_line(name, result, data, catalog):
    text = json.dumps(result)
    at, cut = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 40))
    odd = data.draw(st.sampled_from(["", "9" * 400, "NaN", "-1", "null", '"', "[[[", "1e999"]))
    log = log_of(text[:at] + odd + text[at + cut :])
    added = Unlogged(hardware="h100", devices=1, load={"precision": "bf16"})
    try:
        for one in logged_runs(log, name, catalog):
            measured_run(log, one, added, catalog)
    except (MeterError, ValueError) as error:
        assert "\n" not in str(error)
