"""Results of a server benchmark: ``vllm bench serve`` or SGLang's.

Both write one JSON object per run (vLLM with --save-result, SGLang one per line with
--output-file). Concurrency follows from Little's law [1]_ or, if all requests were sent at once,
from the tokens in decoding; time to first token then includes queueing and is left out.

References
----------
.. [1] J. D. C. Little, "A proof for the queuing formula L = lambda W", Operations Research 9, 1961.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from estimator.measure.logs.log_file import LogFile, positive
from estimator.measure.logs.log_file import text_of as text
from estimator.measure.logs.logged_run import LoggedRun
from estimator.runs.record import ServedLoad

NEEDED = ("duration", "completed", "output_throughput", "total_output_tokens")
LISTS = (
    "input_lens",
    "output_lens",
    "ttfts",
    "itls",
    "generated_texts",
    "errors",
    "output_details",
)
"""Keys of single requests, which are not stored."""

BLANK = re.compile(r"\s*")
MOST_RUNS = 1000
STEADY_REQUESTS = 4.0
"""Least requests over concurrency for a steady state [1]."""

SPECULATIVE = 1.05
"""Accepted tokens per step above which drafting was used [1]."""

SERVERS = ("vllm", "sglang", "tgi", "tensorrt-llm", "lmdeploy")
S_PER_MS = 1e-3

Result = Mapping[str, Any]


def is_serving_benchmark(log: LogFile) -> bool:
    """Return whether the first object of a text has the keys of a serving benchmark."""
    head = log.text.lstrip()
    return head.startswith("{") and all(f'"{key}"' in log.text for key in NEEDED)


def read_serving_benchmark(log: LogFile) -> list[LoggedRun]:
    """Read the runs of a result file, one per object."""
    results = _objects(log)
    if not results:
        raise log.refused("no result of a serving benchmark")
    log.check_count(len(results), MOST_RUNS, "runs")
    return [_run(log, one) for one in results]


def _objects(log: LogFile) -> list[Result]:
    """All consecutive JSON objects of a text."""
    decoder, at = json.JSONDecoder(), 0
    found: list[Result] = []
    plain = log.text.strip()
    try:
        while at < len(plain):
            one, end = decoder.raw_decode(plain, at)
            blank = BLANK.match(plain, end)
            at = end if blank is None else blank.end()
            if isinstance(one, dict) and all(key in one for key in NEEDED):
                found.append(one)
    except RecursionError:
        raise log.refused("its JSON is nested too deeply") from None
    except ValueError as error:
        raise log.refused(f"no valid JSON: {str(error)[:60]}") from None
    return found


def _run(log: LogFile, result: Result) -> LoggedRun:
    """Convert one result to a run."""
    duration = positive(result["duration"])
    completed, written = positive(result["completed"]), positive(result["total_output_tokens"])
    if duration is None or completed is None or written is None:
        raise log.refused("a benchmark in which no request was served")
    if (positive(result.get("accept_length")) or 1.0) > SPECULATIVE:
        raise log.refused("speculative decoding was on: such a benchmark calibrates nothing here")
    notes: list[str] = []
    if failed := positive(result.get("failed")):
        notes.append(f"{failed:.0f} requests failed, and count for nothing")
    measured, flying = _measured(result, completed / duration, notes)
    leave_out_unsteady(measured, completed, flying, notes)
    if not measured:
        raise log.refused("no figure of a steady state: send more requests")
    plain = {key: value for key, value in result.items() if key not in LISTS}
    read = positive(result.get("total_input_tokens"))
    load = ServedLoad(
        component="",
        **_served_by(result, notes),
        concurrency=flying,
        input_tokens=None if read is None else read / completed,
        output_tokens=written / completed,
        requests=completed,
        measured=measured,
    )
    return LoggedRun(
        identity=("serving benchmark", json.dumps(plain, sort_keys=True, default=str)),
        wall_s=duration,
        started=_date(result),
        served=(load,),
        notes=tuple(notes),
    )


def leave_out_unsteady(
    measured: dict[str, float], requests: float | None, flying: float | None, notes: list[str]
) -> None:
    """Drop the throughput of a benchmark with too few requests for a steady state."""
    if requests and flying and requests < STEADY_REQUESTS * flying:
        measured.pop("output_tokens_per_s", None)
        notes.append(
            f"{requests:.0f} requests at {flying:.3g} in flight are no steady state: the "
            "throughput is left out"
        )


def _measured(
    result: Result, request_rate: float, notes: list[str]
) -> tuple[dict[str, float], float | None]:
    """Steady-state quantities, and the mean concurrency."""
    throughput = positive(result["output_throughput"])
    latency = _seconds(result, "median_itl_ms", "median_tpot_ms", "mean_tpot_ms")
    first = _seconds(result, "median_ttft_ms", "mean_ttft_ms")
    limit, rate = positive(result.get("max_concurrency")), positive(result.get("request_rate"))
    whole = _seconds(result, "mean_e2el_ms", "mean_e2e_latency_ms")
    queued = limit is None and rate is None
    per_token = _seconds(result, "mean_tpot_ms", "mean_itl_ms") or latency
    flying = None
    if whole is not None and not queued:
        flying = min(request_rate * whole, limit or float("inf"))
    elif throughput is not None and per_token is not None:
        flying = min(throughput * per_token, limit or float("inf"))
    if queued and first is not None:
        notes.append("all requests were sent at once: the time to the first token is left out")
        first = None
    found = {
        "output_tokens_per_s": throughput,
        "inter_token_s": latency,
        "time_to_first_token_s": first,
    }
    return {name: value for name, value in found.items() if value is not None}, flying


def _seconds(result: Result, *keys: str) -> float | None:
    """First known of some times in milliseconds, converted to seconds [s]."""
    known = (positive(result.get(key)) for key in keys)
    return next((value * S_PER_MS for value in known if value is not None), None)


def _served_by(result: Result, notes: list[str]) -> dict[str, Any]:
    """Model, formats and program, as far as stated."""
    info = result.get("server_info")
    server: Result = info if isinstance(info, Mapping) else {}
    backend = (text(result, "backend") or text(result, "endpoint_type") or "").lower()
    software = next((name for name in SERVERS if name in backend), "")
    if not software:
        software = "sglang" if "total_output_tokens_retokenized" in result else "vllm"
        notes.append(f"assuming {software} as the server; set --software")
    kv = (text(server, "kv_cache_dtype") or "").replace("auto", "")
    return {
        "model": text(result, "model_id") or text(server, "model_path") or "",
        "precision": text(server, "quantization") or "",
        "kv_precision": "fp8" if kv.startswith("fp8") else "",
        "program": software,
        "tensor_parallel": positive(server.get("tp_size")),
    }


def _date(result: Result) -> datetime | None:
    """Return the date of the benchmark: vLLM writes 20260501-123456."""
    try:
        return datetime.strptime(str(result.get("date")), "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
