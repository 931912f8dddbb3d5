"""Are the measured peaks of memory sound: model, task, numbers and source of every row."""

from collections.abc import Iterator, Mapping

from estimator.catalog.catalog import Catalog
from estimator.catalog.records import Problem, offer

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
    for line, row in enumerate(catalog.memory_cases(), start=2):
        for key, message, remedy in _row_problems(row, catalog, known):
            yield Problem(file=FILE, key=f"line {line}, {key}", message=message, remedy=remedy)


def _row_problems(
    row: Mapping[str, str], catalog: Catalog, known: set[str]
) -> Iterator[tuple[str, str, str]]:
    """Yield column, message and remedy."""
    if row["source"] not in known:
        yield "source", f"unknown source {row['source']!r}", offer(row["source"], sorted(known))
    if row["use"] != "yes":
        if not row["use"].startswith("no: "):
            yield "use", f"neither yes nor a reason: {row['use']!r}", "write yes, or no: and why"
        return
    if row["model"] not in catalog.preset_names():
        yield "model", f"unknown preset {row['model']!r}", "name one on record"
    if row["task"] not in TASKS:
        yield "task", f"unknown task {row['task']!r}", offer(row["task"], TASKS)
    if row["counted"] not in COUNTED:
        yield "counted", f"unknown word {row['counted']!r}", offer(row["counted"], COUNTED)
    for name, (least, most) in RANGES.items():
        if row[name] and not _within(row[name], least, most):
            yield name, f"not a number within {least:g} to {most:g}: {row[name]!r}", "mend it"
    if not row["peak_gib"]:
        yield "peak_gib", "empty", "fill it in, or say why the row is not used"


def _within(cell: str, least: float, most: float) -> bool:
    """Tell whether a cell is a number in a range."""
    try:
        return least <= float(cell) <= most
    except ValueError:
        return False
