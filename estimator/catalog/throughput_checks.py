"""Is every row of the throughput tables sound: its source, device and numbers."""

from collections.abc import Iterator, Mapping
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
from estimator.workload.formulas import FLOP_PER_PARAM_AND_TOKEN

FILE = "runs/published_throughput.csv"

RANGES: Mapping[str, tuple[float, float]] = {
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
"""Column -> the range outside which a number is a slip of the pen."""

SLACK = 1.06
"""Rounding of the numbers in print: FLOPs by size and tokens over those reported [1]."""


def throughput_problems(catalog: Catalog) -> Iterator[Problem]:
    """Visit every row; what is not fit for use says why in its column `fit`."""
    known = {source.id for source in catalog.sources()}
    check = partial(_cell_problems, catalog, known)
    yield from row_problems(FILE, catalog.published_throughput(), check)


def _cell_problems(catalog: Catalog, known: set[str], row: Row) -> CellProblems:
    yield from word_problems(row, "source", known, "source")
    if catalog.find_device(row["accelerator"]) is None:
        yield "accelerator", f"unknown device {row['accelerator']!r}", "name one on record"
    if row["fit"] != "yes" and not row["fit"].startswith("no: "):
        yield "fit", f"neither yes nor a reason: {row['fit']!r}", "write yes, or no: and why"
    unsound = list(range_problems(row, RANGES))
    yield from unsound
    if not unsound and row["fit"] == "yes":
        yield from _contradictions(row)


def _contradictions(row: Row) -> CellProblems:
    """Compare the FLOPs that a source counts with those of its parameters and tokens."""
    tokens, counted = row["tokens_per_s_per_chip"], row["tflops_per_chip_reported"]
    samples = row["samples_per_s_per_chip"] and row["flops_per_sample_forward"]
    if not (tokens or counted or row["mfu_reported"] or samples):
        yield "row", "no rate", "give one, or write why it is not fit"
    if tokens and counted and not row["counts_recomputation"]:
        params = float(row["params_active"] or row["params_total"])
        least = FLOP_PER_PARAM_AND_TOKEN * params * float(tokens) / 1e12
        if least > SLACK * float(counted):
            message = f"its parameters and tokens make {least:.0f} TFLOP/s, more than reported"
            yield "tflops_per_chip_reported", message, "mend one of them"
