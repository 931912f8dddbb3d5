"""How many serving scenarios a second on one core: a million rows through the core, in blocks.

Once with one set-up under a million loads, and once with every row a set-up of its own: model,
device, weight format and layout differ from row to row, as in a table.
"""

import io
import time
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from itertools import cycle, product
from typing import Any

import numpy as np

from estimator.catalog import Catalog
from estimator.inference.performance import Setup, Traffic, performance
from estimator.inference.question import ServingQuestion
from estimator.inference.resolver import resolve_valid
from estimator.inference.setups import ServingTable
from estimator.show.csv_table import serve_csv

ROWS, BLOCK = 1_000_000, 16_384
BATCH_ROWS = 40_000
MODELS = ("qwen3-30b-a3b", "llama-3-8b", "llama-2-70b", "gpt-oss-20b", "Qwen/Qwen3-14B")
DEVICES = ("h100", "h200-sxm", "b200", "mi300x", "a100-sxm-80")
FORMATS = ("bf16", "fp8", "int4")


def main() -> None:
    """Print the time of a million rows, with one set-up and with many."""
    catalog = Catalog.open()
    known = resolve_valid(list(questions()), catalog)
    one = known.part(np.zeros(1, dtype=np.intp))
    for title, table in (("one set-up", one), (f"{known.count} set-ups mixed", known)):
        spent = min(seconds(table) for _ in range(3))
        rate = ROWS / spent / 1e6
        print(f"{ROWS:,} serving scenarios, {title}: {spent:.2f} s, {rate:.2f} million a second")

    lines, times = list(table_lines()), []
    for _ in range(4):
        begun = time.process_time()
        serve_csv(iter(lines), io.StringIO(), catalog, level=0.8)
        times.append(time.process_time() - begun)
    rate = BATCH_ROWS / min(times)
    print(f"batch --task serving: {rate:,.0f} rows a second of one core (at least 50,000)")


def table_lines() -> Iterator[str]:
    """Lines of a CSV table of set-ups, each under a load of its own."""
    random = np.random.default_rng(1)
    loads = random.integers(1, 1000, (BATCH_ROWS, 3)).tolist()
    yield "name,model,hardware,devices,precision,concurrency,input_tokens,output_tokens\n"
    for row, (asked, load) in enumerate(zip(cycle(questions()), loads, strict=False)):
        names = f"r{row},{asked.preset},{asked.hardware},8,{asked.precision}"
        yield f"{names},{','.join(map(str, load))}\n"


def questions() -> Iterator[ServingQuestion]:
    """Set-ups that differ in model, device and weights."""
    for model, device, weights in product(MODELS, DEVICES, FORMATS):
        yield ServingQuestion(preset=model, hardware=device, devices=8, precision=weights)


def seconds(table: ServingTable) -> float:
    """Time of a million rows that repeat some set-ups, each under a load of its own [s]."""
    random = np.random.default_rng(0)
    flying, read, written = np.exp(random.uniform(0, 7, (3, ROWS))).round() + 1
    setup, usual = table.setup, table.traffic
    places = random.integers(0, table.count, ROWS)
    spent = 0.0
    for begin in range(0, ROWS, BLOCK):
        part = slice(begin, begin + BLOCK)
        given = (setup, usual) if table.count == 1 else taken((setup, usual), places[part])
        load = {"sequences": flying[part], "input_tokens": read[part]}
        load |= {"output_tokens": written[part]}
        started = time.perf_counter()
        found = performance(given[0], replace(given[1], **load))
        spent += time.perf_counter() - started
        if not np.isfinite(found.output_tokens_per_s).all():
            raise ArithmeticError("a scenario without an answer")
    return spent


def taken(parts: tuple[Setup, Traffic], places: Any) -> tuple[Setup, Traffic]:
    """Rows of all arrays of a set-up and its traffic."""
    setup, usual = (_rows(part, places) for part in parts)
    return setup, usual


def _rows(value: Any, places: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        inner = {item.name: _rows(getattr(value, item.name), places) for item in fields(value)}
        return replace(value, **inner)
    return value[places] if np.ndim(value) == 1 else value


if __name__ == "__main__":
    main()
