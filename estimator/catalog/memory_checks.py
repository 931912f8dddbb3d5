"""Are the measured peaks of memory sound: model, task, numbers and source of every row."""

from collections.abc import Iterator
from functools import partial

from estimator.catalog.catalog import Catalog
from estimator.catalog.records import Problem
from estimator.catalog.row_checks import (
    CellProblems,
    Row,
    range_problems,
    row_problems,
    word_problems,
)

FILE = "runs/memory_cases.csv"
TASKS = ("full", "lora", "qlora", "pretrain", "inference")
COUNTED = ("", "allocated", "reserved", "nvidia-smi")
RANGES = {
    "peak_gib": (0.1, 1e4),
    "seq_len": (1.0, 1e7),
    "batch": (1.0, 1e5),
    "devices": (1.0, 1e6),
    "lora_rank": (1.0, 1e4),
    "prefill_tokens": (1.0, 1e8),
}
"""Range outside which a number is a slip of the pen."""


def memory_case_problems(catalog: Catalog) -> Iterator[Problem]:
    """Visit every row that is used; one that is not says why in its column `use`."""
    known = {source.id for source in catalog.sources()}
    check = partial(_cell_problems, catalog, known)
    yield from row_problems(FILE, catalog.memory_cases(), check)


def _cell_problems(catalog: Catalog, known: set[str], row: Row) -> CellProblems:
    yield from word_problems(row, "source", known, "source")
    if row["use"] != "yes":
        if not row["use"].startswith("no: "):
            yield "use", f"neither yes nor a reason: {row['use']!r}", "write yes, or no: and why"
        return
    if row["model"] not in catalog.preset_names():
        yield "model", f"unknown preset {row['model']!r}", "name one on record"
    yield from word_problems(row, "task", TASKS, "task")
    yield from word_problems(row, "counted", COUNTED, "word")
    yield from range_problems(row, RANGES)
    if not row["peak_gib"]:
        yield "peak_gib", "empty", "fill it in, or say why the row is not used"
