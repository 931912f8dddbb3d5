"""Results of llama.cpp's benchmark: ``llama-bench -o json`` or ``-o jsonl``.

A write-only test (tg) times the tokens of one sequence, a read-only test (pp) the prompt. Results
with layers on the CPU are refused, as they are a different setup.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from estimator.core.units import NS_PER_S
from estimator.measure.cluster.nodes import digest
from estimator.measure.logs.log_file import LogFile, json_of, moment_of, number, positive
from estimator.measure.logs.log_file import text_of as text
from estimator.measure.logs.logged_run import LoggedRun
from estimator.runs.record import Host, MeasuredDevice, ServedLoad

NEEDED = ("n_prompt", "n_gen", "avg_ts", "model_type")
ALL_LAYERS = 99
"""Layer count from which, or at -1, all layers are on the board."""

MOST_TESTS = 10_000
SIZES = {"small": "S", "medium": "M", "large": "L"}

Test = Mapping[str, Any]


def is_llama_bench(log: LogFile) -> bool:
    """Return whether a text has the keys of llama-bench's tests."""
    head = log.text.lstrip()[:1]
    return head in ("[", "{") and all(f'"{key}"' in log.text for key in NEEDED)


def read_llama_bench(log: LogFile) -> list[LoggedRun]:
    """Read the tests, grouped to a run per model and machine."""
    groups: dict[tuple[str, ...], list[Test]] = {}
    for test in _tests(log):
        keys = ("model_filename", "model_type", "gpu_info", "cpu_info", "n_gpu_layers", "type_k")
        groups.setdefault(tuple(str(test.get(key)) for key in keys), []).append(test)
    if not groups:
        raise log.refused("no test of llama-bench")
    return [_run(log, tests) for tests in groups.values()]


def _tests(log: LogFile) -> list[Test]:
    """Parse a list of tests, or one per line."""
    if log.text.lstrip().startswith("["):
        found = json_of(log)
    else:
        lines = [line for line in log.text.splitlines() if line.strip()]
        found = [json_of(LogFile(name=log.name, text=one, modified="")) for one in lines]
    tests: list[Test] = [
        one for one in found if isinstance(one, dict) and all(key in one for key in NEEDED)
    ]
    log.check_count(len(tests), MOST_TESTS, "tests")
    return tests


def _run(log: LogFile, tests: Sequence[Test]) -> LoggedRun:
    """Tests of one model on one machine."""
    loads = [load for test in tests if (load := _load(test)) is not None]
    if not loads:
        raise log.refused("no test that only reads or only writes (pp, tg)")
    times = [_time_s(test) for test in tests]
    return LoggedRun(
        identity=("llama-bench", json.dumps(list(tests), sort_keys=True, default=str)),
        wall_s=max(1.0, sum(times)),
        started=_date(tests[0]),
        host=_host(tests[0]),
        devices=tuple(_devices(log, tests[0])),
        served=tuple(loads),
    )


def _load(test: Test) -> ServedLoad | None:
    """One test, or None if of another type."""
    read, written = positive(test["n_prompt"]), positive(test["n_gen"])
    rate, depth = positive(test["avg_ts"]), number(test.get("n_depth")) or 0.0
    if rate is None or (read is None) == (written is None) or (read and depth):
        return None
    if written is not None:
        measured = {"inter_token_s": 1.0 / rate}
    else:
        measured = {"time_to_first_token_s": (read or 0.0) / rate}
    file = re.split(r"[/\\]", text(test, "model_filename") or "")[-1]
    return ServedLoad(
        component="",
        model=re.sub(r"\.gguf$", "", file, flags=re.IGNORECASE),
        params_total=positive(test.get("model_n_params")),
        precision=format_of_type(str(test["model_type"])),
        kv_precision=_cache(test),
        program="llama.cpp",
        concurrency=1.0,
        input_tokens=read or max(1.0, depth),
        output_tokens=written or 1.0,
        requests=float(len(_samples(test))) or None,
        measured=measured,
    )


def format_of_type(text: str) -> str:
    """Weight format in a model description.

    >>> format_of_type("qwen2 1B Q2_K - Medium"), format_of_type("llama 7B Q4_0")
    ('Q2_K_M', 'Q4_0')
    >>> format_of_type("llama 8B Q4_K - Small"), format_of_type("gpt-oss 20B MXFP4 MoE")
    ('Q4_K_S', 'MXFP4')
    """
    found = re.search(r"\b(I?Q\d\w*|[BT]?F\d+|MXFP4)\b(?: - (small|medium|large))?", text, re.I)
    if found is None:
        return ""
    size = SIZES.get((found[2] or "").lower())
    return f"{found[1]}_{size}" if size else found[1]


def _cache(test: Test) -> str:
    """Cache format, if not 16 bits."""
    kind = text(test, "type_k") or "f16"
    return "" if kind in ("f16", "bf16") else kind


def _samples(test: Test) -> list[Any]:
    samples = test.get("samples_ns")
    return samples if isinstance(samples, list) else []


def _time_s(test: Test) -> float:
    """Time of all repetitions of a test [s]."""
    known = [positive(one) or 0.0 for one in _samples(test)]
    return sum(known) / NS_PER_S or (positive(test.get("avg_ns")) or 0.0) / NS_PER_S


def _date(test: Test) -> datetime | None:
    return moment_of(str(test.get("test_time", "")))


def _devices(log: LogFile, test: Test) -> list[MeasuredDevice]:
    """Boards with all layers, or the CPU."""
    layers = number(test.get("n_gpu_layers"))
    boards, processor = text(test, "gpu_info"), text(test, "cpu_info")
    on_board = boards is not None and "CPU" not in str(test.get("backends", "")).split(",")
    if on_board and layers is not None and 0 <= layers < ALL_LAYERS:
        raise log.refused(
            f"n_gpu_layers is {layers:.0f}: some layers may have run on the processor; "
            "measure with -ngl 99"
        )
    if on_board and boards is not None:
        names = [one.strip() for one in boards.split(",")]
        return [
            MeasuredDevice(key=f"gpu:{at}", kind="gpu", name=name) for at, name in enumerate(names)
        ]
    return [MeasuredDevice(key="cpu", kind="cpu", name=processor)] if processor else []


def _host(test: Test) -> Host:
    parts = [str(test.get(key)) for key in ("cpu_info", "gpu_info")]
    build = text(test, "build_commit")
    return Host(
        id=digest("llama-bench", *parts)[:16],
        cpu=text(test, "cpu_info") or "unknown processor",
        system="unknown",
        software={} if build is None else {"llama.cpp": build},
    )
