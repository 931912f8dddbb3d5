"""Division of devices into prefill and decode pools, and the layout of each.

If only the total is given, several divisions are tried for the highest throughput at the given
load. A pool without parallel sizes has the fastest layout for its phase.
"""

from dataclasses import replace

import numpy as np

from estimator.core.notice import Notice, Value
from estimator.core.rows import Floats, Mask, either, rows_of, rows_where
from estimator.inference.capacity import USABLE_SHARE, weight_bytes
from estimator.inference.layouts import impossible_layouts, laid_out
from estimator.inference.pools import PrefillPool
from estimator.inference.setups import ServingTable, filled

POOLED = ("prefill_", "decode_")
"""Prefixes of the names of pool inputs."""

SIZES = ("tensor_parallel", "data_parallel", "expert_parallel")
"""Parallel sizes of a pool, by default the whole setup's."""

SHARES = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875)
"""Shares of the devices that are tried for prefill [1]."""

NETWORK_BYTES_PER_S = 50e9
"""Rate of a device's network adapter, 400 Gb/s one way, as in DGX H100 and B200 systems (NVIDIA's
data sheets): the link between pools without a fast link [B/s].
"""


def divided(table: ServingTable) -> tuple[ServingTable, dict[int, Notice]]:
    """Divide the devices of a table into pools; return reasons for rows that have none, too."""
    given, errors = table.asked_numbers, _refused(table)
    prompts, answers = _counts(table)
    open_ = np.isnan(prompts)
    best, fits, why = _pools(table, np.where(open_, 1.0, prompts), np.where(open_, 1.0, answers))
    fits &= ~open_
    rate = np.full(table.count, -1.0)
    for share in SHARES if open_.any() else ():
        tried = np.clip(np.round(share * given["devices"]), 1.0, given["devices"] - 1.0)
        tried = np.where(open_ & (given["devices"] >= 2.0), tried, best.prefill.devices)
        rest = np.where(open_, np.maximum(given["devices"] - tried, 1.0), best.layout.devices)
        found, fitting, reasons = _pools(table, tried, rest)
        done = np.where(fitting, found.performance.output_tokens_per_s, -1.0)
        better = open_ & (done > rate)
        rate, fits = np.where(better, done, rate), fits | (better & fitting)
        best = replace(
            best,
            layout=either(better, found.layout, best.layout),
            prefill=either(better, found.prefill, best.prefill),
        )
        why = {row: one for row, one in why.items() if not better[row]}
        why |= {row: one for row, one in reasons.items() if better[row]}
    total = np.where(open_, given["devices"], best.devices)
    smaller = np.minimum(best.prefill.devices, best.layout.devices)
    largest_pair = np.where(open_, np.floor(given["devices"] / 2.0), smaller)
    for row in rows_where(~fits).tolist():
        errors.setdefault(row, _too_small(table, row, float(total[row]), float(largest_pair[row])))
    return best, {**why, **errors}


def _too_small(table: ServingTable, row: int, devices: float, each: float) -> Notice:
    """Return why pools of a row, each of so many devices at most, do not hold the model."""
    memory_bytes = USABLE_SHARE * np.asarray(table.machine.memory_bytes)[row]
    weights = weight_bytes(rows_of(table.model, row), rows_of(table.layout, row))
    fewest = float(np.ceil(weights / memory_bytes))
    values: dict[str, Value] = {"device": table.named_of(row).device.device.name}
    if each < fewest:
        values |= {"fewest": fewest, "both": 2.0 * fewest}
        return Notice("serving_pool_too_small", "devices", values)
    return Notice("serving_pools_full", "devices", {**values, "devices": devices})


def _refused(table: ServingTable) -> dict[int, Notice]:
    """Return the rows that cannot be split into pools."""
    given, refused = table.asked_numbers, dict[int, Notice]()
    prompts, answers, whole = (
        given[name] for name in ("prefill_devices", "decode_devices", "devices")
    )
    prompts = np.where(np.isnan(prompts) & (answers >= whole), 0.0, prompts)
    answers = np.where(np.isnan(answers) & (prompts >= whole), 0.0, answers)
    both = prompts + answers
    for row in rows_where(given["devices"] < 2.0).tolist():
        refused[row] = Notice("serving_pools_need_two", "disaggregated")
    off = (both != whole) | (prompts == 0.0) | (answers == 0.0)
    for row in rows_where(~np.isnan(both - whole) & off).tolist():
        values = {
            "prefill": float(prompts[row]),
            "decode": float(answers[row]),
            "devices": float(whole[row]),
        }
        refused[row] = Notice("serving_pools_sum", "prefill_devices", values)
    for row in rows_where(table.local).tolist():
        device = table.named_of(row).device.device.name
        refused[row] = Notice("serving_pools_local", "disaggregated", {"device": device})
    return refused


def _counts(table: ServingTable) -> tuple[Floats, Floats]:
    """Return the devices of each pool, NaN where the split is to be found [1].

    Parallel sizes imply a pool's device count; an unspecified pool has the fewest devices that fit
    the model.
    """
    given, counts = table.asked_numbers, []
    for pool in POOLED:
        sizes = filled(_size(table, pool, SIZES[0]), 1.0) * filled(
            _size(table, pool, SIZES[1]), 1.0
        )
        stated = ~np.isnan([given[f"{pool}{name}"] for name in SIZES[:2]]).all(axis=0)
        counts.append(filled(given[f"{pool}devices"], np.where(stated, sizes, np.nan)))
    prompts, answers = counts
    total = given["devices"]
    prompts = filled(prompts, np.where(total > answers, total - answers, np.nan))
    answers = filled(answers, np.where(total > prompts, total - prompts, np.nan))
    fewest = np.asarray(table.layout.devices)
    known = ~np.isnan(total)
    prompts = np.where(np.isnan(prompts) & ~known, fewest, prompts)
    answers = np.where(np.isnan(answers) & ~known, fewest, answers)
    return np.where(np.isnan(answers), np.nan, prompts), np.where(
        np.isnan(prompts), np.nan, answers
    )


def _size(table: ServingTable, pool: str, name: str) -> Floats:
    """Return a pool's parallel size, by default the size of the whole setup."""
    return filled(table.asked_numbers[f"{pool}{name}"], table.asked_numbers[name])


def _pools(
    table: ServingTable, prompts: Floats, answers: Floats
) -> tuple[ServingTable, Mask, dict[int, Notice]]:
    """Lay out pools of given device counts, each for its phase.

    Returns the table with its pools, whether the model fits in each, and errors.
    """
    layouts, fits, errors = [], np.ones(table.count, dtype=np.bool_), dict[int, Notice]()
    for pool, count in zip(POOLED, (prompts, answers), strict=True):
        sizes = {name: _size(table, pool, name) for name in SIZES}
        tensor = sizes["tensor_parallel"]
        split = np.where(count % tensor == 0, count / tensor, np.nan)
        sizes["data_parallel"] = filled(sizes["data_parallel"], split)
        part = table.under(devices=count, **sizes)
        part = part.under(output_tokens=np.ones(table.count)) if pool == POOLED[0] else part
        part = laid_out(part, count)
        errors = impossible_layouts(part) | errors
        fits &= part.most_sequences(table.tokens_in_flight) >= part.layout.data_parallel
        layouts.append(part.layout)
    prefill, decode = layouts
    joined = prompts + answers <= table.machine.linked_devices
    fast = 0.5 * np.asarray(table.machine.link_bytes_per_s)
    link = np.where(joined, fast, np.minimum(fast, NETWORK_BYTES_PER_S))
    readers = PrefillPool(devices=prefill.devices, layout=prefill, link_bytes_per_s=link)
    alone = np.zeros(table.count, dtype=np.bool_)
    return replace(table, layout=decode, layout_chosen=alone, prefill=readers), fits, errors
