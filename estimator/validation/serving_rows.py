"""Inference measurements to compare with predictions, one case per configuration."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

METRICS = {
    "inter-token latency, median": ("median_gap_s", 1e-3),
    "output throughput, all devices": ("output_tokens_per_s", 1.0),
    "output throughput": ("output_tokens_per_s", 1.0),
    "mean power, all boards": ("device_power_w", 1.0),
    "energy per output token": ("device_energy_per_output_token_j", 1.0),
    "decode speed": ("decode_tokens_per_s", 1.0),
    "decode speed, 1024 tokens generated": ("decode_tokens_per_s", 1.0),
    "decode speed tg128": ("decode_tokens_per_s", 1.0),
    "prefill speed, 1024-token prompt": ("prefill_tokens_per_s", 1.0),
    "prefill speed pp512": ("prefill_tokens_per_s", 1.0),
    "prefill speed": ("prefill_tokens_per_s", 1.0),
}
"""Metric of the table -> quantity and unit factor. Others test nothing: peak wall power is an upper
bound, mixed tasks name no model.
"""

TOKENS = {"prefill speed, 1024-token prompt": (1024.0, 1.0), "prefill speed pp512": (512.0, 1.0)}
DECODED = {"decode speed, 1024 tokens generated": 1024.0, "decode speed tg128": 128.0}


LINES = (
    ("gpt-oss", "gpt-oss"),
    ("minimax", "MiniMax"),
    ("deepseek", "DeepSeek"),
    ("mixtral", "Mixtral"),
    ("mistral", "Mistral"),
    ("gemma", "Gemma"),
    ("qwen3.*a\\d+b", "Qwen3 mixtures"),
    ("qwen3", "Qwen3 dense"),
    ("qwen2", "Qwen2"),
    ("llama.?3", "Llama 3"),
    ("llama.?2", "Llama 2"),
    ("llama", "Llama 1"),
)
"""Pattern of a model name -> model line; rows of one line are not independent."""


@dataclass(frozen=True, kw_only=True)
class ServingCase:
    """Measured configuration, as a user would describe it.

    Fields are texts of the table; `version` is empty if not stated; `counted` is false if a device
    count is missing; `measured` maps quantities to values.
    """

    model: str
    line: str
    params_total: float | None
    params_active: float | None
    hardware: str
    devices: float
    precision: str
    framework: str
    source: str
    concurrency: float | None
    input_tokens: float | None
    output_tokens: float | None
    tensor_parallel: float | None
    expert_parallel: float | None
    data_parallel: float | None
    version: str = ""
    prefill_devices: float | None = None
    prefill_tensor_parallel: float | None = None
    prefill_data_parallel: float | None = None
    prefill_expert_parallel: float | None = None
    decode_devices: float | None = None
    decode_tensor_parallel: float | None = None
    decode_data_parallel: float | None = None
    decode_expert_parallel: float | None = None
    counted: bool = True
    measured: dict[str, float] = field(default_factory=dict)


def serving_cases(rows: Iterable[Mapping[str, str]]) -> list[ServingCase]:
    """Return the configurations of language models with their measurements, in order."""
    cases: dict[tuple[object, ...], ServingCase] = {}
    for row in rows:
        if row["metric"] not in METRICS or not row["params"] or not row["devices"].isdigit():
            continue
        if _looks_wrong(row):
            continue
        case = _case(row)
        key = tuple(value for name, value in vars(case).items() if name != "measured")
        quantity, factor = METRICS[row["metric"]]
        cases.setdefault(key, case).measured[quantity] = float(row["value"]) * factor
    return list(cases.values())


KNOWN_AS = {
    "MiniMaxAI/MiniMax-M2.5": "minimax-m2",
    "nvidia/DeepSeek-V3.1-NVFP4": "deepseek-v3",
}
"""Model of the engine table -> preset of the same size."""


def engine_cases(rows: Iterable[Mapping[str, str]]) -> list[ServingCase]:
    """Return the configurations of engines with shared prefill and decode devices."""
    return [_engine_case(row) for row in rows if row["mode"] == "aggregated"]


POOLS = ("prefill", "decode")
"""Pools with their own devices."""


def pool_cases(rows: Iterable[Mapping[str, str]]) -> list[ServingCase]:
    """Return the configurations of engines with separate pools.

    A worker is a model on as many devices as its parallel sizes state, with experts split over all.
    By default, one worker of each kind.
    """
    cases = []
    for row in rows:
        if row["mode"] == "disaggregated" and row["concurrency"]:
            sizes: dict[str, Any] = {}
            for pool in POOLS:
                tensor = _number(row[f"{pool}_tensor_parallel"]) or 1.0
                attention = _number(row[f"{pool}_attention_data_parallel"]) or 1.0
                replicas = attention * (_number(row[f"{pool}_workers"]) or 1.0)
                sizes |= {
                    f"{pool}_devices": tensor * replicas,
                    f"{pool}_tensor_parallel": tensor,
                    f"{pool}_data_parallel": replicas,
                    f"{pool}_expert_parallel": tensor * attention if attention > 1.0 else 1.0,
                }
            whole = sizes["prefill_devices"] + sizes["decode_devices"]
            case = replace(_engine_case({**row, "devices": str(whole)}), **sizes)
            cases.append(replace(case, counted=all(row[f"{pool}_workers"] for pool in POOLS)))
    return cases


def _engine_case(row: Mapping[str, str]) -> ServingCase:
    name = KNOWN_AS.get(row["model"], row["model"])
    flying, written = float(row["concurrency"]), float(row["output_tokens"])
    token_s, first_s = float(row["tpot_ms"]) * 1e-3, float(row["ttft_ms"]) * 1e-3
    return ServingCase(
        model=name,
        line=model_line(name),
        params_total=None,
        params_active=None,
        hardware=row["hardware"],
        devices=float(row["devices"]),
        precision=row["precision"],
        framework=row["engine"],
        source=row["source"],
        concurrency=flying,
        input_tokens=float(row["input_tokens"]),
        output_tokens=written,
        tensor_parallel=_number(row["tensor_parallel"]),
        expert_parallel=_number(row["expert_parallel"]),
        data_parallel=_number(row["data_parallel"]),
        version=row["engine_version"],
        measured={
            "inter_token_s": token_s,
            "time_to_first_token_s": first_s,
            "closed_loop_tokens_per_s": flying * written / (first_s + (written - 1.0) * token_s),
        },
    )


def _number(cell: str) -> float | None:
    return float(cell) if cell else None


def _looks_wrong(row: Mapping[str, str]) -> bool:
    """Return whether a row is one of two unreliable prefill values, far below the 4-bit ones."""
    unreliable = row["hardware"].startswith(("A100 SXM", "L40S"))
    return unreliable and row["precision"] == "F16" and row["metric"].startswith("prefill")


def _case(row: Mapping[str, str]) -> ServingCase:
    batch = row["batch_or_concurrency"]
    running = re.search(r"([\d.]+) running", batch)
    alone = re.fullmatch(r"\d+", batch.strip())
    given_in, given_out = TOKENS.get(row["metric"], (None, None))
    decoded = DECODED.get(row["metric"])
    return ServingCase(
        model=row["model"],
        line=model_line(row["model"]),
        params_total=float(row["params"]),
        params_active=float(row["active_params"] or row["params"]),
        hardware=row["hardware"],
        devices=float(row["devices"]),
        precision=row["precision"],
        framework=row["framework"],
        source=row["source"],
        concurrency=float(running.group(1)) if running else float(batch) if alone else None,
        input_tokens=given_in if given_in else 1.0 if decoded else _tokens(row["input_tokens"]),
        output_tokens=given_out or decoded or _tokens(row["output_tokens"]),
        tensor_parallel=_tensor_parallel(row),
        expert_parallel=_parallel("EP", batch),
        data_parallel=_parallel("DP", batch),
    )


def model_line(name: str) -> str:
    """Parse the model line from a name.

    >>> model_line("Qwen/Qwen3-30B-A3B-Instruct-2507"), model_line("Llama 3.2:3b")
    ('Qwen3 mixtures', 'Llama 3')
    """
    folded = name.casefold()
    return next((line for pattern, line in LINES if re.search(pattern, folded)), name)


def _tensor_parallel(row: Mapping[str, str]) -> float | None:
    """Return the tensor-parallel size; earlier TensorRT-LLM tables use tensor parallelism only."""
    batch = row["batch_or_concurrency"]
    if row["source"].startswith("TensorRT-LLM") and "P" not in batch:
        return float(row["devices"])
    return _parallel("TP", batch)


def _parallel(name: str, text: str) -> float | None:
    found = re.search(rf"{name}(\d+)", text)
    return float(found.group(1)) if found else None


def _tokens(text: str) -> float | None:
    """Parse the first number of a cell such as `615 mean`; None if missing or zero."""
    found = re.search(r"(?<![\w.])(\d+(\.\d+)?)", text)
    return float(found.group(1)) or None if found else None
