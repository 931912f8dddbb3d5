"""Layout of devices with unspecified parallel sizes, chosen with the inference model.

Data-parallel attention replicas and tensor parallelism are searched together for the highest
throughput at the given load. Few sequences favour splitting every layer, high load favours
replicas, and on a rack the replicas share experts.
"""

from dataclasses import replace
from itertools import product

import numpy as np

from estimator.core.notice import Notice
from estimator.core.rows import Floats, Mask, either, rows_where
from estimator.inference.engines import EAGER
from estimator.inference.setups import ServingTable, filled
from estimator.inference.step import Layout

WORTH = 1.05
"""Least throughput gain that justifies more replicas or expert sharing [1]."""


def laid_out(table: ServingTable, devices: Floats) -> ServingTable:
    """Return the table with given device counts, in the fastest layouts where unspecified."""
    given = table.asked_numbers
    experts, tensor = filled(given["expert_parallel"], 1.0), given["tensor_parallel"]
    replicas = filled(given["data_parallel"], 1.0)
    group = devices / replicas
    whole = table.local | ((table.engines == EAGER) & np.isnan(tensor))
    by_expert = np.isnan(tensor) | (experts > 1.0)
    shard = np.where(by_expert, np.maximum(experts, group), tensor)
    layout = replace(
        table.layout,
        devices=devices,
        data_parallel=replicas,
        expert_shard=np.where(whole, 1.0, shard),
        stages=np.where(whole, group, np.where(by_expert, 1.0, group / tensor)),
    )
    sizes = ("tensor_parallel", "data_parallel", "expert_parallel")
    fixed = np.any([~np.isnan(given[name]) for name in sizes], axis=0)
    alone = table.local | (table.engines == EAGER) | (devices <= 1.0)
    chosen = ~(fixed | alone) & np.isfinite(np.asarray(table.machine.memory_bytes))
    table = replace(table, layout=layout, layout_chosen=chosen)
    rows = rows_where(chosen)
    if not rows.size:
        return table
    part = table if rows.size == table.count else table.part(rows)
    found = _fastest_layout(part)
    for name, values in (("data_parallel", replicas), ("expert_shard", layout.expert_shard)):
        values = np.array(values)
        values[rows] = getattr(found, name)
        layout = replace(layout, **{name: values})
    return replace(table, layout=layout)


def _fastest_layout(table: ServingTable) -> Layout:
    """Find the fastest layout of each row with a known device count, without pipeline stages.

    Replicas stay within one fast link if the weights allow it. If nothing fits, every layer is
    split over all devices.
    """
    devices = np.asarray(table.layout.devices)
    sparse = np.asarray(table.model.routed_params) > 0
    best = replace(table.layout, data_parallel=np.ones(table.count), expert_shard=devices)
    rate, fits = _rate(table, best)
    best_rate, found = np.where(fits, rate, 0.0), fits & (devices <= table.machine.linked_devices)
    groups = np.exp2(np.arange(np.floor(np.log2(devices.max(initial=1.0))), -1.0, -1.0))
    for group, shared in product(groups.tolist(), (False, True)):
        replicas = devices / group
        possible = (devices % group == 0) & (replicas > 1.0) & (sparse | (not shared))
        possible &= (devices if shared else group) <= table.machine.linked_devices
        if not possible.any():
            continue
        shard = np.where(shared, devices, group)
        tried = replace(
            table.layout,
            data_parallel=np.where(possible, replicas, 1.0),
            expert_shard=np.where(possible, shard, devices),
        )
        rate, fits = _rate(table, tried)
        better = possible & fits & ((rate > WORTH * best_rate) | ~found)
        best_rate, found = np.where(better, rate, best_rate), found | better
        best = either(better, tried, best)
    return best


def _rate(table: ServingTable, layout: Layout) -> tuple[Floats, Mask]:
    """Return the output tokens per second of all devices, and whether a sequence fits."""
    tried = replace(table, layout=layout)
    held = tried.most_sequences(tried.traffic.tokens_in_flight)
    rate = np.asarray(tried.performance.output_tokens_per_s)
    return rate, np.asarray(held >= layout.data_parallel)


def impossible_layouts(table: ServingTable) -> dict[int, Notice]:
    """Return why the devices of a row cannot share the model as specified, by row."""
    given, layout = table.asked_numbers, table.layout
    experts, tensor = filled(given["expert_parallel"], 1.0), given["tensor_parallel"]
    devices, replicas = np.asarray(layout.devices), np.asarray(layout.data_parallel)
    needed = np.maximum(experts, filled(tensor, 1.0) * replicas)
    group = devices / replicas
    dense = (experts > 1.0) & (np.asarray(table.model.routed_params) == 0)
    split = ~table.local & ~(experts > 1.0) & (np.nan_to_num(group % tensor) > 0)
    errors: dict[int, Notice] = {}
    for row in rows_where(dense | (needed > devices) | (devices % replicas > 0) | split).tolist():
        if dense[row]:
            values = {"model": table.named_of(row).model.name}
            errors[row] = Notice("serving_dense", "expert_parallel", values)
        elif needed[row] > devices[row]:
            sizes = {"needed": float(needed[row]), "given": float(devices[row])}
            errors[row] = Notice("serving_sizes_exceed", "devices", sizes)
        elif devices[row] % replicas[row]:
            shared = {"devices": float(devices[row]), "replicas": float(replicas[row])}
            errors[row] = Notice("serving_unequal_replicas", "data_parallel", shared)
        else:
            cut = {"shards": float(tensor[row]), "devices": float(group[row])}
            errors[row] = Notice("serving_unequal_shards", "tensor_parallel", cut)
    return errors
