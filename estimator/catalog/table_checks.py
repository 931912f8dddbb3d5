"""Validation of the tables of published and measured numbers, a problem per cell."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from estimator.catalog.catalog import Catalog
from estimator.catalog.records import Problem, is_past, offer
from estimator.networks.formulas import FLOP_PER_PARAM_AND_TOKEN, LORA_SHARE

Row = Mapping[str, str]
CellProblems = Iterator[tuple[str, str, str]]
"""Column, message and remedy of each invalid cell."""

Ranges = Mapping[str, tuple[float, float]]
"""Column -> range outside which a number is a typing error; an empty cell is unknown."""

THROUGHPUT: Ranges = {
    "year": (2012.0, 2100.0),
    "params_total": (1e6, 1e14),
    "params_active": (1e6, 1e14),
    "seq_len": (1.0, 1e7),
    "chips": (1.0, 1e6),
    "global_batch_sequences": (1.0, 1e7),
    "micro_batch": (1.0, 1e6),
    "tokens_per_s_per_chip": (1e-3, 1e8),
    "tflops_per_chip_reported": (1.0, 1e4),
    "mfu_reported": (0.01, 0.9),
    "mfu_reported_peak_tflops": (10.0, 1e5),
}

SLACK = 1.06
"""Tolerance for rounding in print: FLOPs from size and tokens over those reported [1]."""

SCOPES = ("devices", "parts", "node")
"""Scope of a power meter: devices; devices, CPU and memory; or the whole node."""

TASKS = ("full", "lora", "qlora", "pretrain", "inference")
COUNTED = ("", "allocated", "reserved", "nvidia-smi")
MEMORY: Ranges = {
    "peak_gib": (0.1, 1e4),
    "seq_len": (1.0, 1e7),
    "batch": (1.0, 1e5),
    "devices": (1.0, 1e6),
    "lora_rank": (1.0, 1e4),
    "prefill_tokens": (1.0, 1e8),
}

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

COMPRESSION: Ranges = {
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


def table_problems(catalog: Catalog, *files: str) -> Iterator[Problem]:
    """Check every row of some or all of `TABLES`."""
    known = set(catalog.source_ids())
    for file in files or TABLES:
        for line, row in enumerate(catalog.table(file), start=2):
            yield from row_problems(file, line, word_problems(row, "source", known, "source"))
            yield from row_problems(file, line, TABLES[file](row, catalog))


def row_problems(file: str, line: int, cells: CellProblems) -> Iterator[Problem]:
    """Add file and line to cell problems."""
    for key, message, remedy in cells:
        yield Problem(file, f"line {line}, {key}", message, remedy)


def word_problems(row: Row, column: str, words: Iterable[str], what: str) -> CellProblems:
    """Yield a problem for an unknown word, with the closest known one."""
    if row[column] not in words:
        yield column, f"unknown {what} {row[column]!r}", offer(row[column], sorted(words))


def range_problems(row: Row, ranges: Ranges) -> CellProblems:
    """Yield a problem for each number outside its range."""
    for column, (least, most) in ranges.items():
        if row[column] and not within(row[column], least, most):
            yield column, f"not a number within {least:g} to {most:g}: {row[column]!r}", "fix it"


def device_problems(row: Row, column: str, catalog: Catalog) -> CellProblems:
    """Yield a problem for a device without a profile."""
    if catalog.find_device(row[column]) is None:
        yield column, f"unknown device {row[column]!r}", "use a name on record"


def within(cell: str, least: float, most: float) -> bool:
    """Return whether a cell is a number in a range."""
    try:
        return least <= float(cell) <= most
    except ValueError:
        return False


def _throughput(row: Row, catalog: Catalog) -> CellProblems:
    """Check throughput rows; unused ones state the reason in `fit`."""
    yield from device_problems(row, "accelerator", catalog)
    yield from _use_problems(row, "fit")
    unsound = list(range_problems(row, THROUGHPUT))
    yield from unsound
    if not unsound and row["fit"] == "yes":
        yield from _contradictions(row)


def _use_problems(row: Row, column: str) -> CellProblems:
    if row[column] != "yes" and not row[column].startswith("no: "):
        yield column, f"neither yes nor a reason: {row[column]!r}", "write yes, or no: and why"


def _contradictions(row: Row) -> CellProblems:
    """Compare a source's FLOPs with those from parameters and tokens."""
    tokens, counted = row["tokens_per_s_per_chip"], row["tflops_per_chip_reported"]
    samples = row["samples_per_s_per_chip"] and row["flops_per_sample_forward"]
    if not (tokens or counted or row["mfu_reported"] or samples):
        yield "row", "no rate", "add one, or give the reason why the row is not fitted"
    if tokens and counted and not row["counts_recomputation"]:
        params = float(row["params_active"] or row["params_total"])
        share = LORA_SHARE if "lora" in row["model"].lower() else 1.0
        least = share * FLOP_PER_PARAM_AND_TOKEN * params * float(tokens) / 1e12
        if least > SLACK * float(counted):
            message = f"its parameters and tokens imply {least:.0f} TFLOP/s, more than reported"
            yield "tflops_per_chip_reported", message, "correct one of them"


def _power(row: Row, catalog: Catalog) -> CellProblems:
    yield from word_problems(row, "scope", SCOPES, "scope")
    unknown = list(device_problems(row, "hardware", catalog))
    yield from unknown
    if unknown:
        return
    limit = catalog.device(row["hardware"]).records["tdp_w"].value
    if not 0.1 * limit < float(row["power_w"]) < 3 * limit:
        yield "power_w", "not within 0.1 to 3 times the power limit", "use the value per device"


def _memory(row: Row, catalog: Catalog) -> CellProblems:
    """Check memory rows; unused ones state the reason in `use`."""
    yield from _use_problems(row, "use")
    if row["use"] != "yes":
        return
    if row["model"] not in catalog.preset_names():
        yield "model", f"unknown preset {row['model']!r}", "use a name on record"
    yield from word_problems(row, "task", TASKS, "task")
    yield from word_problems(row, "counted", COUNTED, "word")
    yield from range_problems(row, MEMORY)
    if not row["peak_gib"]:
        yield "peak_gib", "empty", "fill it in, or give the reason why the row is not used"


def _compression(row: Row, _: Catalog) -> CellProblems:
    for column, words in (("lever", LEVERS), ("kind", KINDS), ("better", DIRECTIONS)):
        yield from word_problems(row, column, words, "word")
    yield from range_problems(row, COMPRESSION)
    for column in ("before", "after", "model", "task", "metric"):
        if not row[column]:
            yield column, "missing", "fill it in, or remove the row"


def _dated(ranges: Ranges, row: Row, _: Catalog) -> CellProblems:
    """Check rows of a date and numbers."""
    if not is_past(row["date"]):
        yield "date", f"not a past date: {row['date']!r}", "write 2020, 2020-05 or 2020-05-14"
    yield from range_problems(row, ranges)


TABLES: Mapping[str, Callable[[Row, Catalog], CellProblems]] = {
    "runs/published_throughput.csv": _throughput,
    "runs/power_facts.csv": _power,
    "runs/memory_cases.csv": _memory,
    "compression.csv": _compression,
    "quantum_volume.csv": partial(_dated, {"quantum_volume": (2.0, 2.0**60)}),
    "frontier_runs.csv": partial(_dated, {"training_flop": (1e20, 1e30)}),
}
"""Table -> check of one of its rows."""
