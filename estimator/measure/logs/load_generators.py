"""Results of load generators: AIPerf and GenAI-Perf, GuideLLM, trtllm-bench, InferenceX.

Each format is a row of `GENERATORS`: the location of results in the JSON, identifying paths, and
the path of each quantity with its unit factor. Paths are dot-joined keys; of several, the first
with a value counts. Percentiles come first, as loads are compared by median.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from estimator.measure.logs.log_file import LogFile, json_of, positive, value_at
from estimator.measure.logs.logged_run import LoggedRun
from estimator.measure.logs.serving_benchmark import MOST_RUNS, S_PER_MS, leave_out_unsteady
from estimator.runs.record import ServedLoad

Paths = tuple[str, ...]

FIGURES = ("output_tokens_per_s", "inter_token_s", "time_to_first_token_s")
"""Quantities that a load is compared by."""


@dataclass(frozen=True, kw_only=True)
class Generator:
    """Load generator format.

    Parameters
    ----------
    program : str
        Server, where a result does not name one.
    known_by : tuple of str
        Paths of every result.
    results : str
        Path of the list of results; empty where the whole is one, or a list of them.
    numbers : mapping of str to tuple
        Quantity, field of `ServedLoad`, or `wall_s`, `request_s`, `requests_per_s`, `per_device`
        -> paths, and the factor to its unit.
    words : mapping of str to tuple of str
        Field of `ServedLoad` -> paths.
    refused : mapping of str to str
        Path -> why a result with a value there calibrates nothing.
    """

    program: str
    known_by: Paths
    numbers: Mapping[str, tuple[Paths, float]]
    results: str = ""
    words: Mapping[str, Paths] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


DRAFTS = "speculative decoding was on: such a benchmark calibrates nothing here"

GENERATORS: Mapping[str, Generator] = {
    # ai-dynamo/aiperf `profile_export_aiperf.json`; triton-inference-server/perf_analyzer
    # `profile_export_genai_perf.json` (JsonExporter)
    "aiperf": Generator(
        program="vllm",
        known_by=("output_token_throughput.avg", "request_latency.avg"),
        numbers={
            "output_tokens_per_s": (("output_token_throughput.avg",), 1.0),
            "inter_token_s": (("inter_token_latency.p50", "inter_token_latency.avg"), S_PER_MS),
            "time_to_first_token_s": (
                ("time_to_first_token.p50", "time_to_first_token.avg"),
                S_PER_MS,
            ),
            "concurrency": (("input_config.loadgen.concurrency",), 1.0),
            "input_tokens": (("input_sequence_length.avg",), 1.0),
            "output_tokens": (("output_sequence_length.avg",), 1.0),
            "requests": (("request_count.avg",), 1.0),
            "requests_per_s": (("request_throughput.avg",), 1.0),
            "request_s": (("request_latency.avg",), S_PER_MS),
            "wall_s": (("benchmark_duration.avg",), 1.0),
        },
        words={"model": ("input_config.endpoint.model_names.0", "input_config.model.0")},
    ),
    # vllm-project/guidellm, schemas of `benchmarks.json`
    "guidellm": Generator(
        program="vllm",
        results="benchmarks",
        known_by=("metrics.output_tokens_per_second", "metrics.request_totals"),
        numbers={
            "output_tokens_per_s": (("metrics.output_tokens_per_second.successful.mean",), 1.0),
            "inter_token_s": (("metrics.inter_token_latency_ms.successful.median",), S_PER_MS),
            "time_to_first_token_s": (
                ("metrics.time_to_first_token_ms.successful.median",),
                S_PER_MS,
            ),
            "concurrency": (("metrics.request_concurrency.successful.mean",), 1.0),
            "input_tokens": (("metrics.prompt_token_count.successful.mean",), 1.0),
            "output_tokens": (("metrics.output_token_count.successful.mean",), 1.0),
            "requests": (("metrics.request_totals.successful",), 1.0),
            "wall_s": (("duration",), 1.0),
        },
        words={"model": ("config.backend.model", "benchmarker.backend.model")},
    ),
    # NVIDIA/TensorRT-LLM tensorrt_llm/bench/dataclasses/reporting.py, `--report_json`
    "trtllm-bench": Generator(
        program="tensorrt-llm",
        known_by=("performance.system_output_throughput_tok_s", "request_info", "world_info"),
        numbers={
            "output_tokens_per_s": (("performance.system_output_throughput_tok_s",), 1.0),
            "inter_token_s": (
                ("streaming_metrics.tpot_percentiles.p50", "streaming_metrics.avg_tpot_ms"),
                S_PER_MS,
            ),
            "time_to_first_token_s": (
                ("streaming_metrics.ttft_percentiles.p50", "streaming_metrics.avg_ttft_ms"),
                S_PER_MS,
            ),
            "concurrency": (("request_info.avg_num_concurrent_requests",), 1.0),
            "input_tokens": (("request_info.avg_input_length",), 1.0),
            "output_tokens": (("request_info.avg_output_length",), 1.0),
            "requests": (("request_info.num_requests",), 1.0),
            "wall_s": (("performance.total_latency_ms",), S_PER_MS),
            "tensor_parallel": (("world_info.tp_size",), 1.0),
            "expert_parallel": (("world_info.ep_size",), 1.0),
        },
        words={
            "model": ("engine.model",),
            "precision": ("engine.quantization", "engine.dtype"),
            "kv_precision": ("engine.kv_cache_dtype",),
        },
        refused={"decoding_stats": DRAFTS},
    ),
    # SemiAnalysisAI/InferenceX utils/process_result.py, `agg_*.json`: seconds, and rates per GPU
    "inferencex": Generator(
        program="vllm",
        known_by=("output_tput_per_gpu", "conc", "isl", "osl"),
        numbers={
            "per_device": (("output_tput_per_gpu",), 1.0),
            "inter_token_s": (("median_tpot", "mean_tpot"), 1.0),
            "time_to_first_token_s": (("median_ttft", "mean_ttft"), 1.0),
            "concurrency": (("conc",), 1.0),
            "input_tokens": (("isl",), 1.0),
            "output_tokens": (("osl",), 1.0),
            "tensor_parallel": (("tp",), 1.0),
            "expert_parallel": (("ep",), 1.0),
        },
        words={"model": ("model",), "precision": ("precision",), "program": ("framework",)},
        refused={"disagg": "prefill and decode ran on separate devices: not calibrated from yet"},
    ),
}
"""Format name -> its paths."""

NO_DRAFTS = ("none", "")
"""InferenceX values for runs without drafting."""

QUANTIZED = {"nvfp4": "fp4", "fp8_block_scales": "fp8", "trt": "tensorrt-llm"}
"""Word in these formats -> ours."""


def generator_of(log: LogFile) -> str | None:
    """Format name of a log, or None."""
    if log.text.lstrip()[:1] not in ("{", "["):
        return None
    last = {
        name: [path.rpartition(".")[2] for path in one.known_by] for name, one in GENERATORS.items()
    }
    likely = [name for name, keys in last.items() if all(f'"{key}"' in log.text for key in keys)]
    if not likely:
        return None
    try:
        found = json_of(log)
    except ValueError:
        return None
    return next((name for name in likely if _results(found, GENERATORS[name])), None)


def is_load_generator(log: LogFile) -> bool:
    """Return whether a log is the result of a load generator."""
    return generator_of(log) is not None


def read_load_generator(log: LogFile) -> list[LoggedRun]:
    """Read the results of a file, each as a run."""
    name = generator_of(log)
    if name is None:
        raise log.refused(f"no result of {', '.join(GENERATORS)}")
    found = json_of(log)
    results = _results(found, GENERATORS[name])
    log.check_count(len(results), MOST_RUNS, "runs")
    return [_run(log, name, one) for one in results]


def _results(found: object, generator: Generator) -> list[Mapping[str, Any]]:
    """Results in a document that have all required paths."""
    if generator.results:
        found = value_at(found, generator.results)
    some = found if isinstance(found, list) else [found]
    flat = [value_at(one, "records") or one for one in some]
    return [
        one
        for one in flat
        if isinstance(one, Mapping)
        and all(value_at(one, path) is not None for path in generator.known_by)
    ]


def _run(log: LogFile, name: str, result: Mapping[str, Any]) -> LoggedRun:
    """Convert one result to a run."""
    generator = GENERATORS[name]
    for path, why in generator.refused.items():
        if value_at(result, path):
            raise log.refused(why)
    if str(result.get("spec_decoding") or "").casefold() not in NO_DRAFTS:
        raise log.refused(DRAFTS)
    numbers = _numbers(result, generator)
    words: dict[str, Any] = {
        name: next((said for path in paths if (said := _word(value_at(result, path)))), "")
        for name, paths in generator.words.items()
    }
    notes = [] if words.get("program") else [f"assuming {generator.program}; set --software"]
    words["program"] = words.get("program") or generator.program
    flying = numbers.get("concurrency")
    measured = {name: numbers[name] for name in FIGURES if name in numbers}
    leave_out_unsteady(measured, numbers.get("requests"), flying, notes)
    if not measured:
        raise log.refused("no figure of a steady state: send more requests, and stream them")
    sizes = ("concurrency", "input_tokens", "output_tokens", "requests", "tensor_parallel")
    given: dict[str, Any] = {name: numbers.get(name) for name in (*sizes, "expert_parallel")}
    load = ServedLoad(
        component="",
        **words,
        **given,
        measured=measured,
    )
    return LoggedRun(
        identity=(name, json.dumps(result, sort_keys=True, default=str)),
        wall_s=numbers.get("wall_s"),
        served=(load,),
        notes=tuple(notes),
    )


def _numbers(result: Mapping[str, Any], generator: Generator) -> dict[str, float]:
    """Numbers of a result in our units, derived ones included."""
    found = {}
    for name, (paths, factor) in generator.numbers.items():
        known = (positive(value_at(result, path)) for path in paths)
        value = next((value for value in known if value is not None), None)
        if value is not None:
            found[name] = value * factor
    if "per_device" in found and "tensor_parallel" in found:
        found["output_tokens_per_s"] = found["per_device"] * found["tensor_parallel"]
    if "concurrency" not in found and {"requests_per_s", "request_s"} <= found.keys():
        found["concurrency"] = found["requests_per_s"] * found["request_s"]
    if "wall_s" not in found and {"requests", "requests_per_s"} <= found.keys():
        found["wall_s"] = found["requests"] / found["requests_per_s"]
    return found


def _word(value: object) -> str:
    """Word of a result in our terms, empty if missing."""
    plain = " ".join(value.split())[:200] if isinstance(value, str) else ""
    return QUANTIZED.get(plain.casefold(), plain)
