"""How fast were steps in steady state: published tables of throughput as rows for the fit."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

import numpy as np
import numpy.typing as npt

from estimator.batch_finder import Finder
from estimator.catalog import Catalog
from estimator.layout import Machine
from estimator.network_kind import network_kind
from estimator.run_traits import Doubts, traits_of_rows
from estimator.units import S_PER_H
from estimator.utilization_fit import Runs
from estimator.workload.formulas import training_flop

Floats = npt.NDArray[np.float64]

USUAL_TOKENS_PER_CHIP = 32_768.0
"""Tokens of a step that a chip is given where a table does not tell [token]."""

RECOMPUTED = 4.0 / 3.0
"""FLOPs with one more forward pass over those without [1]."""

RECOMPUTATION = {"True": 1.0, "False": 0.0}
"""Cells of the table -> share of the layers that are computed again [1]."""

OTHER_AXES = ("PP",)
"""Where the sharing of layers is told and these are not, they are one."""

WHOLE_MODEL = ("FSDP", "ZeRO")
"""Words of a layout in which every device computes whole layers."""


def steady_rows(catalog: Catalog, doubts: Doubts) -> Runs:
    """Rows of the throughput tables that can be used, as if each had run for one hour.

    Parameters
    ----------
    catalog : Catalog
        The profiles.
    doubts : Doubts
        As for runs.

    Returns
    -------
    Runs
        With `steady` traits.
    """
    finder = Finder(catalog)
    rows = [row for row in catalog.published_throughput() if row["fit"] == "yes"]
    machines = [finder.named(row["accelerator"], row["precision"]).machine for row in rows]
    chips = np.array([float(row["chips"]) for row in rows])
    flop = np.array([rate(row) for row in rows]) * chips * S_PER_H
    numbers = _numbers(rows, chips)
    sparse = numbers["params_active"] < numbers["params_total"]
    kinds = [network_kind("language", "MoE decoder" if has else "decoder") for has in sparse]
    traits = traits_of_rows(numbers, kinds, flop=flop, value_bytes=2.0, spreads=doubts)
    return Runs(
        flop=flop,
        devices=chips,
        device_hours=chips,
        machine=Machine(
            **{
                field.name: np.array([getattr(machine, field.name) for machine in machines])
                for field in fields(Machine)
            }
        ),
        traits=replace(traits, steady=np.ones(len(rows))),
        family=np.array([row["family"] for row in rows]),
    )


def rate(row: Mapping[str, str]) -> float:
    """Model FLOPs that a chip did per second, as its source counts them [FLOP/s].

    >>> rate({"tflops_per_chip_reported": "408", "counts_recomputation": ""})
    408000000000000.0
    """
    if row["tflops_per_chip_reported"]:
        counted = float(row["tflops_per_chip_reported"]) * 1e12
        return counted / RECOMPUTED if row["counts_recomputation"] else counted
    if row["mfu_reported"]:
        return float(row["mfu_reported"]) * float(row["mfu_reported_peak_tflops"]) * 1e12
    params = float(row["params_active"] or row["params_total"])
    return float(training_flop(params=params, tokens=float(row["tokens_per_s_per_chip"])))


def _numbers(rows: Sequence[Mapping[str, str]], chips: Floats) -> dict[str, Floats]:
    """Columns as the traits of runs want them, NaN where a cell is empty."""

    def column(name: str) -> Floats:
        return np.array([float(row[name]) if row[name] else np.nan for row in rows])

    tensor, stages, interleaved = (
        np.array([degree(row["parallelism"], axis) for row in rows]) for axis in ("TP", "PP", "VP")
    )
    seq_len, batch = column("seq_len"), column("global_batch_sequences")
    batch_tokens = batch * seq_len
    copies = chips / (tensor * stages)
    chunks = np.where(np.isnan(interleaved), 1.0, interleaved)
    pieces = batch / copies / column("micro_batch") * chunks
    again = [
        "True" if row["counts_recomputation"] else row["activation_checkpointing"] for row in rows
    ]
    return {
        "hidden": np.full(len(rows), np.nan),
        "seq_len": seq_len,
        "year": column("year"),
        "params_total": column("params_total"),
        "params_active": column("params_active"),
        "batch_tokens": np.where(
            np.isnan(batch_tokens), USUAL_TOKENS_PER_CHIP * chips, batch_tokens
        ),
        "recomputation": np.array([RECOMPUTATION.get(cell, np.nan) for cell in again]),
        "tensor_parallel": tensor,
        "pipeline_parallel": stages,
        "micro_batches": np.where(pieces >= 1.0, pieces, np.nan),
    }


def degree(layout: str, axis: str) -> float:
    """Devices along one axis of a layout in words; NaN where it does not tell [1].

    >>> degree("TP4 PP8 CP1 VP6", "PP"), degree("FSDP FULL_SHARD", "TP"), degree("", "TP")
    (8.0, 1.0, nan)
    """
    found = re.search(rf"\b{axis}(\d+)", layout)
    if found:
        return float(found.group(1))
    told = any(word in layout for word in WHOLE_MODEL)
    return 1.0 if told or (axis in OTHER_AXES and "TP" in layout) else float("nan")
