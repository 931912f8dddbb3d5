"""Do two versions answer alike? The commands that one version answered are asked again of another.

`python -m tests.benchmarks.answers write FILE` in the one, then `... compare FILE` in the other:
estimates drawn over all inputs, memory and serving drawn over some, every golden config, every
published run as a table, the score, the claims and a plan. Nothing measured here counts. Printed
by command: how many answers and numbers, how many of them differ by more than 1e-9, and the largest
difference. A command whose words changed or that fails now differs, too.
"""

import argparse
import csv
import json
import math
import os
import random
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from estimator.catalog import Catalog
from estimator.scenario.scenario import INPUTS, option_of
from tests.in_process import run

ROOT = Path(__file__).parents[2]
ESTIMATES, MEMORIES, SERVED = 400, 100, 100
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
    "plan --preset gpt-3 --budget 5000000 --json",
    f"batch {ROOT / 'profiles' / 'runs' / 'published_runs.csv'} -o -",
)

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
    models = [preset.id for preset in catalog.presets() if preset.config]
    places = [place.id for place in catalog.places()]
    for _ in range(ESTIMATES):
        words = ["estimate --json --quiet --devices 512", draw.choice(WORKS)]
        words.append(f"--hardware {draw.choice(devices)}")
        for name, known in DRAWN.items():
            value = draw.choice(known.choices) if known.choices else _first(known.example)
            words += [f"{option_of(name)} {shlex.quote(value)}"] if draw.random() < SHARE else []
        yield " ".join(words)
    for _ in range(MEMORIES):
        rest = draw.choice(("--inference", "--finetune lora", "--recompute full", ""))
        yield (
            f"memory {draw.choice(models)} --hardware {draw.choice(devices)} --json --quiet "
            f"--devices {2 ** draw.randrange(5)} --batch {draw.choice((1, 8))} {rest}"
        )
    for _ in range(SERVED):
        yield (
            f"serve-cost --preset {draw.choice(models)} --hardware {draw.choice(devices)} --json "
            f"--quiet --concurrency {draw.choice((1, 32))} --site {draw.choice(places)}"
        )
    for path in sorted((ROOT / "tests" / "golden").glob("*/*.json")):
        yield f"model {path.relative_to(ROOT)} --json --quiet"
    yield from FIXED


def _first(example: str) -> str:
    """First of the values that an example lists."""
    return example.split(",")[0].strip("'")


def answered(command: str) -> dict[str, Any]:
    """Exit code, and every value of the answer by its place in it."""
    done = run(*shlex.split(command))
    if done.returncode:
        return {"exit code": done.returncode, "error": done.stderr.strip()}
    if done.stdout.startswith(("{", "[")):
        return dict(_leaves("", json.loads(done.stdout)))
    rows = csv.reader(done.stdout.splitlines())
    return {
        f"{row}:{column}": cell
        for row, cells in enumerate(rows)
        for column, cell in enumerate(cells)
    }


def _leaves(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
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
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TWENTY_WATTS_DATA"] = folder
        if options.action == "write":
            answers = {command: answered(command) for command in commands()}
            options.file.write_text(json.dumps(answers), encoding="utf-8")
            return
        asked = json.loads(options.file.read_text(encoding="utf-8"))
        header = ("command", "answers", "differ", "values", "largest", "where")
        for row in (header, *compared(asked)):
            sys.stdout.write("{:<12}{:>8}{:>8}{:>9}{:>9}  {}\n".format(*row))


if __name__ == "__main__":
    main()
