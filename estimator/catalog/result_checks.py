"""Are the tables of results sound: compression, and the quantum volumes reached."""

from collections.abc import Iterator, Mapping
from functools import partial

from estimator.catalog.catalog import Catalog
from estimator.catalog.records import Problem, is_past
from estimator.catalog.row_checks import (
    CellProblems,
    Row,
    range_problems,
    row_problems,
    within,
    word_problems,
)

COMPRESSION = "compression.csv"
QUANTUM = "quantum_volume.csv"

LEVERS = (
    "quantization-weights",
    "quantization-weights-activations",
    "kv-quantization",
    "pruning-unstructured",
    "pruning-2:4",
    "pruning-structured",
    "low-rank",
    "lora",
    "distillation",
    "low-precision-training",
    "smaller-model",
    "transfer-learning",
    "early-exit",
    "mixture-of-experts",
)
KINDS = ("quality", "speed")
DIRECTIONS = ("higher", "lower")

RANGES: Mapping[str, tuple[float, float]] = {
    "params": (1e4, 1e13),
    "before": (0.0, 1e9),
    "after": (0.0, 1e9),
    "bits": (1.0, 16.0),
    "kept_share": (1e-3, 1.0),
    "memory_ratio": (0.01, 100.0),
    "speedup": (0.01, 100.0),
    "energy_ratio": (0.01, 100.0),
    "year": (1990.0, 2100.0),
}
"""Column -> the range outside which a number is a slip of the pen; an empty cell is unknown."""


def result_problems(catalog: Catalog) -> Iterator[Problem]:
    """Visit every row of both tables."""
    known = {source.id for source in catalog.sources()}
    yield from row_problems(COMPRESSION, catalog.compression(), partial(_compression, known))
    yield from row_problems(QUANTUM, catalog.quantum_volumes(), partial(_quantum, known))


def _compression(known: set[str], row: Row) -> CellProblems:
    yield from word_problems(row, "source", known, "source")
    for column, words in (("lever", LEVERS), ("kind", KINDS), ("better", DIRECTIONS)):
        yield from word_problems(row, column, words, "word")
    yield from range_problems(row, RANGES)
    for column in ("before", "after", "model", "task", "metric"):
        if not row[column]:
            yield column, "missing", "fill it, or drop the row"


def _quantum(known: set[str], row: Row) -> CellProblems:
    yield from word_problems(row, "source", known, "source")
    if not is_past(row["date"]):
        yield "date", f"no past date: {row['date']!r}", "write 2020-05"
    if not within(row["quantum_volume"], 2.0, 2.0**60):
        yield "quantum_volume", "not a number of at least 2", "mend it"
