"""Do two versions answer alike? What one version answered is asked again of another.

`python -m tests.benchmarks.answers compare` asks again what `tests/golden/answers.json.xz` holds;
`... write FILE` records the answers of this version, `... compare FILE` compares with those.
Recorded are estimates, memory, serving, plans and sweeps drawn over all inputs, every golden
config, every published run as a table, the scores, the claims, and the numbers on every page by its
link. Measured runs of this machine do not count. Printed for each command: answers and numbers, how
many of them differ by more than 1e-9, and the largest difference. A command whose words changed
or that fails now differs, too.
"""

import argparse
import csv
import json
import lzma
import math
import os
import random
import re
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from estimator.catalog import Catalog
from estimator.inference.question import INPUTS as SERVING_INPUTS
from estimator.memory.request import MemoryQuestion
from estimator.question.inputs import option_of
from estimator.question.scenario import INPUTS
from tests.in_process import Done, run

ROOT = Path(__file__).parents[2]
BASELINE = ROOT / "tests" / "golden" / "answers.json.xz"
"""Answers of the version before the house was rebuilt."""

ESTIMATES, MEMORIES, SERVED = 400, 150, 200
CLOSE = 1e-9
"""Numbers closer than this share of the larger are the same [1]."""

WORKS = (
    "--flop 3e23",
    "--params 7e9 --tokens 2e12",
    "--params 4.67e10 --active-params 1.29e10 --tokens 1e12 --layers 32",
    "--samples 1e9 --sample-flop 8e9",
    "--device-hours 1e5",
    "--preset gpt-3",
    "--preset llama-3-8b --tokens 5e7 --finetune lora",
)
FIXED = (
    "validate --json",
    "validate --task memory --json",
    "validate --task serving --json",
    "claims --json",
    "batch profiles/runs/published_runs.csv -o -",
)
PLANS = (
    "--preset gpt-3 --budget 5000000",
    "--preset gpt-3 --deadline 720 --minimize cost",
    "--params 7e9 --tokens 1e12 --budget 200000 --minimize time",
    "--params 7e9 --tokens 1e12 --hardware h100,a100 --site us,fr,pl --carbon-cap 20000",
    "--flop 1e22 --deadline 100 --confidence 0.9 --minimize co2e",
    "--flop 1e21 --budget 3000 --deadline 200 --minimize energy --precision bf16,fp8",
    "--config tests/golden/networks/albert-base-v2.json --tokens 1e10 --budget 10000",
    "--params 70e9 --tokens 1e12 --hardware h100,b200 --tensor-parallel 1,2,4,8 --budget 2e6",
    "--task serving --preset llama-3-8b --request-rate 20 --latency 0.05",
    "--task serving --preset llama-2-70b --request-rate 5 --budget 30",
)
SPACES = (
    "params = 7e9\ntokens = '140B'\nhardware = ['h100', 'a100', 'v100']\n"
    "devices = { from = 8, to = 1024, scale = 'log2' }\n",
    "params = 7e9\ntokens = 1e12\nhardware = 'h100'\ndevices = 64\n"
    "pue = { from = 1.05, to = 1.6, steps = 12 }\nsite = ['us', 'fr', 'pl']\n",
    "preset = 'gpt-3'\nhardware = ['v100', 'h100']\ndevices = [512, 1024]\n"
    "precision = ['fp16', 'fp32']\n",
    "flop = { from = 1e18, to = 1e24, steps = 7, scale = 'log' }\nhardware = ['h100', 'tpu-v4']\n",
    "params = 70e9\ntokens = 1e12\nhardware = 'b200'\ndevices = 1024\n"
    "tensor_parallel = [1, 2, 4, 8]\npipeline_parallel = [1, 4]\n",
    "params = 7e9\ntokens = 1e11\nhardware = 'a100'\ndevices = 32\n"
    "batch_tokens = { from = 1e5, to = 1e7, steps = 5, scale = 'log' }\n",
    "samples = 1e9\nsample_flop = 8e9\nhardware = ['v100', 't4']\ndevices = [1, 8]\n"
    "kind = ['vision', 'speech']\n",
    "params = 7e9\ntokens = 1e11\nhardware = 'h100'\ndevices = 8\nprice = [1, 2, 4]\n"
    "power_cap = [300, 500, 700]\n",
    "device_hours = [1e3, 1e5]\nhardware = ['h100', 'a100']\ndevices = 64\nsite = ['de', 'se']\n",
    "params = 1e9\ntokens = 1e10\nhardware = 'rtx-4090'\ndevices = 1\n"
    "finetune = ['full', 'lora', 'qlora']\n",
)
MODES = (
    (
        "",
        (
            "micro_batch",
            "seq_len",
            "optimizer",
            "recomputation",
            "zero",
            "states",
            "loss",
            "dropout",
            "attention",
        ),
    ),
    (
        "--finetune lora",
        ("lora_rank", "micro_batch", "seq_len", "recomputation", "train_embeddings"),
    ),
    ("--finetune qlora", ("lora_rank", "micro_batch", "adapter_precision", "optimizer")),
    ("--inference", ("context", "micro_batch", "kv_precision", "weights", "prefill_tokens")),
    ("", ("micro_batch", "fused_backward", "offload", "offload_activations", "accumulation")),
)
"""Options of a kind of question about memory, and the inputs that go with it."""

ANY_MODE = ("counted", "tensor_parallel")

PAGES = (
    "estimate?preset=gpt-3&hardware=v100&devices=1",
    "estimate?params=7e9&tokens=2e12&hardware=h100&devices=64&site=fr",
    "compare?a=preset%3Dgpt-3%26hardware%3Dv100&b=preset%3Dgpt-3%26hardware%3Dh100",
    "explore?",
    "plan?",
    "models?",
    "models?hardware=b200",
    "serve?",
    "serve?model=llama-3-8b&hardware=h100&concurrency=16",
    "capacity?",
    "claims?",
    "brain?",
    "levers?",
    "scaling?",
    "trends?",
    "depth?",
    "exercises?",
    "accuracy?",
    "method?",
    "calibrate?",
    "hardware?",
)
"""Links: path and query of pages."""

NUMBER = re.compile(r"\d[\d,.]*(?:e[+-]?\d+)?")

DRAWN = {
    name: known
    for name, known in INPUTS.items()
    if known.group != "work" and not known.local and name not in ("hardware", "devices")
}
SHARE = 0.12
"""How often each further input is given [1]."""


def commands() -> Iterator[str]:
    """Commands to ask, drawn alike each time from what the version that writes them knows."""
    draw, catalog = random.Random(8), Catalog.open()
    devices = [
        one.id for one in catalog.devices() if {"fp16", "tdp_w"} <= {*one.peaks, *one.records}
    ]
    writers = [
        preset.id for preset in catalog.presets() if "CausalLM" in json.dumps(preset.config or "")
    ]
    places = [place.id for place in catalog.places()]
    for _ in range(ESTIMATES):
        words = ["estimate --json --quiet --devices 512", draw.choice(WORKS)]
        words.append(f"--hardware {draw.choice(devices)}")
        for name, known in DRAWN.items():
            value = draw.choice(known.choices) if known.choices else _first(known.example)
            words += [f"{option_of(name)} {shlex.quote(value)}"] if draw.random() < SHARE else []
        yield " ".join(words)
    for _ in range(MEMORIES):
        mode, names = draw.choice(MODES)
        of_memory = {name: MemoryQuestion.inputs[name] for name in (*names, *ANY_MODE)}
        yield (
            f"memory {draw.choice(writers)} --hardware {draw.choice(devices)} --json --quiet "
            f"--devices {2 ** draw.randrange(5)} {mode}{_further(draw, of_memory, option_of)}"
        )
    of_serving = {
        name: known
        for name, known in SERVING_INPUTS.items()
        if name not in ("preset", "config", "hardware", "params", "active_params")
        and known.group not in ("items", "comparison")
    }
    for _ in range(SERVED):
        yield (
            f"serve-cost --preset {draw.choice(writers)} --hardware {draw.choice(devices)} --json "
            f"--quiet --site {draw.choice(places)}"
            f"{_further(draw, of_serving, option_of)}"
        )
    yield from (f"plan {words} --json --quiet" for words in PLANS)
    yield from (f"sweep {shlex.quote(space)}" for space in SPACES)
    yield from (f"page {link}" for link in PAGES)
    for path in sorted((ROOT / "tests" / "golden").glob("*/*.json")):
        yield f"model {path.relative_to(ROOT)} --json --quiet"
    yield from FIXED


EXAMPLES = {
    "concurrency": "1,8,64,256",
    "request_rate": "0.5,5",
    "input_tokens": "100,1000,8000",
    "output_tokens": "50,300,2000",
    "precision": "fp8,int4,awq,Q4_K_M,bf16",
    "kv_precision": "fp8,bf16",
    "software": "vendor,typical,research,vllm,llama.cpp,sglang,tensorrt-llm",
    "site": "us,fr,pl",
    "devices": "1,2,4,8,16",
    "sharding": "fsdp,zero2,none",
    "data_parallel": "1,2,4",
    "cached_share": "0,0.5,0.9",
    "draft_tokens": "4",
    "draft_acceptance": "0.7",
    "draft_params": "1e9",
    "duty_cycle": "0.3,0.8",
    "pue": "1.1,1.5",
    "price": "1,3",
    "lora_rank": "8,64",
    "micro_batch": "1,4,16",
    "seq_len": "512,2048",
    "context": "1024,8192",
    "prefill_tokens": "512,8192",
    "tensor_parallel": "1,2",
    "zero": "0,1,2,3",
}
"""Values to draw from where a declaration has no example."""


def _further(draw: random.Random, inputs: Mapping[str, Any], option: Callable[[str], str]) -> str:
    """Options of some further inputs, each with a value out of its choices or examples."""
    words = []
    for name, known in inputs.items():
        if draw.random() >= SHARE:
            continue
        if known.flag:
            words.append(option(name))
            continue
        values = known.choices or (EXAMPLES.get(name) or known.example or "2").split(",")
        words += [option(name), shlex.quote(draw.choice(list(values)).strip(" '"))]
    return "".join(f" {word}" for word in words)


def _first(example: str) -> str:
    """First of the values that an example lists."""
    return example.split(",")[0].strip("'")


def answered(command: str) -> dict[str, Any]:
    """Exit code, and every value of the answer by its place in it."""
    name, *words = shlex.split(command)
    if name == "page":
        return dict(_numbers_of_page(*words))
    done = _swept(*words) if name == "sweep" else run(name, *words)
    if done.returncode:
        return {"exit code": done.returncode}
    if done.stdout.startswith(("{", "[")):
        return dict(_leaves("", json.loads(done.stdout)))
    rows = csv.reader(done.stdout.splitlines())
    return {
        f"{row}:{column}": cell
        for row, cells in enumerate(rows)
        for column, cell in enumerate(cells)
    }


def _swept(space: str) -> Done:
    """Designs of a space as a table."""
    with tempfile.TemporaryDirectory() as folder:
        path, table = Path(folder, "space.toml"), Path(folder, "designs.csv")
        path.write_text(space, encoding="utf-8")
        done = run("sweep", path, "-o", table, "--quiet")
        return replace(done, stdout=table.read_text("utf-8")) if not done.returncode else done


def _numbers_of_page(link: str) -> Iterator[tuple[str, str]]:
    """Numbers that a page shows, in their order."""
    from tests.web.markup import text_of, visited

    path, _, query = link.partition("?")
    text = text_of(visited(path, **dict(parse_qsl(query))))
    for place, number in enumerate(NUMBER.findall(text)):
        yield f"{place}", number


WORDS = ("warnings", "error", "errors", "reasons", "note")
"""Keys of sentences, which may be written anew."""


def _leaves(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in WORDS:
                continue
            yield from _leaves(f"{place}.{name}", inner)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(f"{place}[{number}]", inner)
    else:
        yield place, value


def difference(before: Any, now: Any) -> float:
    """How far two values are apart, over the larger; infinite for words that differ [1].

    >>> difference(2.0, 2.0), difference(1.0, 2.0), difference("fits", "does not")
    (0.0, 0.5, inf)
    """
    if before == now:
        return 0.0
    try:
        first, second = float(before), float(now)
    except (TypeError, ValueError):
        return math.inf
    if math.isnan(first) and math.isnan(second):
        return 0.0
    return abs(first - second) / max(abs(first), abs(second))


def compared(asked: dict[str, dict[str, Any]]) -> list[tuple[str, ...]]:
    """A row for each command: answers, those that differ, values, the largest difference, where."""
    rows: dict[str, list[tuple[float, str, int]]] = {}
    for command, before in asked.items():
        now = answered(command)
        missing = object()
        apart = {
            place: difference(before.get(place, missing), now.get(place, missing))
            for place in before | now
        }
        worst = max(apart, key=apart.__getitem__, default="")
        largest = apart.get(worst, 0.0)
        rows.setdefault(command.split()[0], []).append((largest, f"{command}: {worst}", len(apart)))
    return [
        (
            name,
            str(len(found)),
            str(sum(largest > CLOSE for largest, _, _ in found)),
            str(sum(values for _, _, values in found)),
            f"{max(found)[0]:.2g}",
            max(found)[1] if max(found)[0] > CLOSE else "",
        )
        for name, found in rows.items()
    ]


def main() -> None:
    """Write the answers of now into a file, or compare those of a file with them."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.answers")
    parser.add_argument("action", choices=("write", "compare"))
    parser.add_argument("file", type=Path, nargs="?", default=BASELINE)
    options = parser.parse_args()
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TWENTY_WATTS_DATA"] = folder
        if options.action == "write":
            answers = {command: answered(command) for command in commands()}
            options.file.write_bytes(lzma.compress(json.dumps(answers).encode(), preset=9))
            return
        asked = json.loads(lzma.decompress(options.file.read_bytes()))
        header = ("command", "answers", "differ", "values", "largest", "where")
        for row in (header, *compared(asked)):
            sys.stdout.write("{:<12}{:>8}{:>8}{:>9}{:>9}  {}\n".format(*row))


if __name__ == "__main__":
    main()
