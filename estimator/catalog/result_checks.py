"""Are the tables of results sound: compression, and the quantum volumes reached."""

from collections.abc import Iterator, Mapping

from estimator.catalog.catalog import Catalog
from estimator.catalog.records import Problem, is_past, offer

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
    for line, row in enumerate(catalog.compression(), start=2):
        for key, message, remedy in _compression(row, known):
            yield Problem(
                file=COMPRESSION, key=f"line {line}, {key}", message=message, remedy=remedy
            )
    for line, row in enumerate(catalog.quantum_volumes(), start=2):
        for key, message, remedy in _quantum(row, known):
            yield Problem(file=QUANTUM, key=f"line {line}, {key}", message=message, remedy=remedy)


def _compression(row: Mapping[str, str], known: set[str]) -> Iterator[tuple[str, str, str]]:
    """Yield column, message and remedy."""
    if row["source"] not in known:
        yield "source", f"unknown source {row['source']!r}", offer(row["source"], sorted(known))
    for column, words in (("lever", LEVERS), ("kind", KINDS), ("better", DIRECTIONS)):
        if row[column] not in words:
            yield column, f"unknown word {row[column]!r}", offer(row[column], words)
    for column, (least, most) in RANGES.items():
        if row[column] and not _within(row[column], least, most):
            yield column, f"not a number within {least:g} to {most:g}", "mend it"
    for column in ("before", "after", "model", "task", "metric"):
        if not row[column]:
            yield column, "missing", "fill it, or drop the row"


def _quantum(row: Mapping[str, str], known: set[str]) -> Iterator[tuple[str, str, str]]:
    """Yield column, message and remedy."""
    if row["source"] not in known:
        yield "source", f"unknown source {row['source']!r}", offer(row["source"], sorted(known))
    if not is_past(row["date"]):
        yield "date", f"no past date: {row['date']!r}", "write 2020-05"
    if not _within(row["quantum_volume"], 2.0, 2.0**60):
        yield "quantum_volume", "not a number of at least 2", "mend it"


def _within(text: str, least: float, most: float) -> bool:
    try:
        return least <= float(text) <= most
    except ValueError:
        return False
