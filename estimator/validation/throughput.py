"""Published steady-state throughput, as rows for the fit."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from estimator.answer.named_device import find_device
from estimator.catalog import Catalog
from estimator.core.rows import Floats
from estimator.core.units import S_PER_H
from estimator.networks.formulas import LORA_SHARE, TRAINING_OVER_FORWARD, training_flop
from estimator.networks.kinds import NetworkKind, kind_of_domain, network_kind
from estimator.question.hardware import value_bytes
from estimator.training.features import UtilizationSpread, features_of_rows, software_of_rows
from estimator.training.machine import stacked
from estimator.validation.utilization_fit import PublishedArrays

USUAL_TOKENS_PER_CHIP = 32_768.0
"""Default tokens per step and chip [token]."""

MOST_TOKENS = 4e6
"""Default maximum of tokens per step [token]; GPT-3, LLaMA and BLOOM took 3.2e6 to 4.2e6."""

RECOMPUTED = 4.0 / 3.0
"""FLOPs with an additional forward pass over FLOPs without it [1]."""

RECOMPUTATION = {"True": 1.0, "False": 0.0}
"""Table cell -> recomputed share of the layers [1]."""

OTHER_AXES = ("PP",)
"""Layout axes that default to 1 where tensor parallelism is stated."""

WHOLE_MODEL = ("FSDP", "ZeRO")
"""Words of a layout in which every device computes whole layers."""


def steady_rows(catalog: Catalog, spreads: UtilizationSpread) -> PublishedArrays:
    """Return the usable rows of the throughput tables, as runs of one hour."""
    return runs_of_rows(rows_with(catalog, "yes"), catalog, spreads)


def rows_with(catalog: Catalog, *uses: str) -> list[dict[str, str]]:
    """Return the table rows whose `fit` cell is one of some values."""
    return [row for row in catalog.table("runs/published_throughput.csv") if row["fit"] in uses]


def runs_of_rows(
    rows: Sequence[dict[str, str]], catalog: Catalog, spreads: UtilizationSpread
) -> PublishedArrays:
    """Return the table rows as one-hour runs in steady state."""
    named = [find_device(row["accelerator"], row["precision"], catalog) for row in rows]
    machine = stacked([one.machine for one in named])
    chips = np.array([float(row["chips"]) for row in rows])
    flop = np.array([rate(row) for row in rows]) * chips * S_PER_H
    features = features_of_rows(
        _numbers(rows, chips),
        [kind_of_row(row) for row in rows],
        flop=flop,
        value_bytes=np.array([value_bytes(one.precision) for one in named]),
        spreads=spreads,
        rare_device=machine.rare,
    )
    return PublishedArrays(
        flop=flop,
        devices=chips,
        device_hours=chips,
        machine=machine,
        features=replace(features, steady=np.ones(len(rows))),
        family=np.array([row["family"] for row in rows]),
        stack=np.array([row["family"] for row in rows]),
    )


def kind_of_row(row: Mapping[str, str]) -> NetworkKind:
    """Return a row's network kind, by default a dense or sparse decoder."""
    active, total = row["params_active"], row["params_total"]
    sparse = bool(active and total) and float(active) < float(total)
    usual = "MoE decoder" if sparse else "decoder"
    return network_kind(kind_of_domain(row["domain"]), row["arch"] or usual, row["model"])


def rate(row: Mapping[str, str]) -> float:
    """Return the model FLOP/s per chip as counted by the source [FLOP/s].

    >>> rate({"tflops_per_chip_reported": "408", "counts_recomputation": ""})
    408000000000000.0
    """
    if row["tflops_per_chip_reported"]:
        counted = float(row["tflops_per_chip_reported"]) * 1e12
        return counted / RECOMPUTED if row["counts_recomputation"] else counted
    if row["mfu_reported"]:
        return float(row["mfu_reported"]) * float(row["mfu_reported_peak_tflops"]) * 1e12
    share = LORA_SHARE if kind_of_row(row).lora else 1.0
    if row["flops_per_sample_forward"]:
        forward = float(row["flops_per_sample_forward"]) * float(row["samples_per_s_per_chip"])
        return TRAINING_OVER_FORWARD * forward * share
    params = float(row["params_active"] or row["params_total"])
    return share * float(training_flop(params=params, tokens=float(row["tokens_per_s_per_chip"])))


def _numbers(rows: Sequence[Mapping[str, str]], chips: Floats) -> dict[str, Floats]:
    """Return the columns as features of runs, NaN in empty cells."""

    def column(name: str) -> Floats:
        return np.array([float(row[name]) if row[name] else np.nan for row in rows])

    tensor, stages, virtual, experts = (
        np.array([degree(row["parallelism"], axis) for row in rows])
        for axis in ("TP", "PP", "VP", "EP")
    )
    seq_len, batch = column("seq_len"), column("global_batch_sequences")
    batch_tokens = batch * seq_len
    copies = chips / (tensor * stages)
    pieces = batch / copies / column("micro_batch")
    again = [
        "True" if row["counts_recomputation"] else row["activation_checkpointing"] for row in rows
    ]
    words = ("software", "framework", "source")
    return {
        "software": software_of_rows(*([row[name] for row in rows] for name in words)),
        "hidden": column("hidden"),
        "seq_len": seq_len,
        "year": column("year"),
        "params_total": column("params_total"),
        "params_active": column("params_active"),
        "batch_tokens": np.where(
            np.isnan(batch_tokens),
            np.minimum(USUAL_TOKENS_PER_CHIP * chips, MOST_TOKENS),
            batch_tokens,
        ),
        "recomputation": np.array([RECOMPUTATION.get(cell, np.nan) for cell in again]),
        "tensor_parallel": tensor,
        "pipeline_parallel": stages,
        "micro_batches": np.where(pieces >= 1.0, pieces, np.nan),
        "virtual_stages": virtual,
        "expert_parallel": experts,
    }


def degree(layout: str, axis: str) -> float:
    """Parse the devices along one axis from a layout text, NaN if not stated [1].

    >>> degree("TP4 PP8 CP1 VP6", "PP"), degree("FSDP FULL_SHARD", "TP"), degree("", "TP")
    (8.0, 1.0, nan)
    """
    found = re.search(rf"\b{axis}(\d+)", layout)
    if found:
        return float(found.group(1))
    stated = any(word in layout for word in WHOLE_MODEL)
    return 1.0 if stated or (axis in OTHER_AXES and "TP" in layout) else float("nan")
