"""Cost of an item not generated token by token: an image, video, label or hour.

An item takes one or more network passes: the steps of a diffusion model, doubled by guidance, or
one pass of a classifier or encoder. A pass multiplies every weight for all positions of a batch, so
large batches are compute-bound.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from estimator.catalog import Catalog
from estimator.catalog.device_names import chips_of_slice
from estimator.core.messages import refuse
from estimator.core.notice import Notice
from estimator.core.uncertainty import Uncertain
from estimator.core.units import J_PER_KWH, S_PER_H
from estimator.inference.capacity import USABLE_SHARE
from estimator.inference.model_names import find_preset
from estimator.inference.power import board_power_w
from estimator.inference.quantities import MODEL, UNKNOWN, cost_of, lacking, node_factor
from estimator.inference.question import Item, ServingQuestion
from estimator.inference.resolver import resolve_valid
from estimator.inference.served_model import from_size
from estimator.inference.setups import Resolved, ServingTable
from estimator.inference.step import Engine, Machine, Number
from estimator.networks.config_file import config_of
from estimator.networks.fields import MAX_LAYERS, Fields
from estimator.networks.huggingface import architecture
from estimator.networks.image_side import side_seen
from estimator.networks.ledger import Architecture, Inputs, takes
from estimator.question.hardware import node_devices
from estimator.question.table import check_question

LAYERS = 40.0
"""Default layer count of a network without one in its config [1]; launches are a small part of a
pass.
"""

ITEM_LOG_SD = 0.4
"""Log standard deviation of an item's time [1], from 17 held-out image and video rows of ML.ENERGY.
"""

POWER_LOG_SD = 0.2

OF_TOKENS = (
    *("request_rate", "users", "think_s", "input_tokens", "output_tokens", "cached_share"),
    "kv_precision",
    *("draft_tokens", "draft_acceptance", "draft_params"),
    *("tensor_parallel", "expert_parallel", "data_parallel", "duty_cycle"),
)
"""Inputs that apply to token generation but not to items; each device runs a whole network."""


def item_pass_s(
    flop: Number, weight_bytes: Number, machine: Machine, engine: Engine, *, layers: Number
) -> Number:
    """Return the time of one pass of a batch on one device [s].

    Parameters
    ----------
    flop : float or array
        FLOPs of the pass for the whole batch [FLOP].
    weight_bytes : float or array
        Weight memory, read once per pass [B].
    machine, engine : Machine, Engine
    layers : float or array
        Layers, launched one after another [1].
    """
    compute_s = flop / (machine.peak_flop_per_s * engine.matrix_share)
    read_s = weight_bytes / (machine.bytes_per_s * engine.read_share)
    return np.maximum(compute_s, read_s) + layers * engine.layer_s + engine.step_s


@dataclass(frozen=True, kw_only=True)
class ItemAnswer:
    """Cost of an item: quantities, resolved setup, and assumptions."""

    ranges: Mapping[str, Uncertain]
    row: Resolved
    notes: tuple[Notice, ...]


def answer_item(asked: ServingQuestion, item: Item, catalog: Catalog) -> ItemAnswer:
    """Estimate latency, rate, energy, cost and CO2e of items.

    Parameters
    ----------
    asked : ServingQuestion
        Question whose `concurrency` is the batch.
    item : Item
    catalog : Catalog

    Raises
    ------
    ValueError
        If a name is unknown, the item size is missing, the weights do not fit in one device, or an
        input has no effect.
    """
    check_question(item)
    for field in OF_TOKENS:
        if getattr(asked, field) not in (None, ""):
            raise refuse("serving_not_for_items", field)
    work = _work(asked, item, catalog)
    sized = replace(
        asked,
        preset="",
        config="",
        params=work.params,
        active_params=None,
        software=asked.software or "research",
        devices=asked.devices or float(chips_of_slice(asked.hardware)),
    )
    table = resolve_valid([sized], catalog)
    row = table.row(0)
    machine, engine = table.machine, table.setup.engine
    batch = asked.concurrency or 1.0
    held = work.params * row.weights.dense_bytes
    _check_fit(held, row)
    pass_s = item_pass_s(work.flop * batch, held, machine, engine, layers=np.array([work.layers]))
    batch_s = item.passes * pass_s
    rate = row.devices * batch / batch_s
    power = row.devices * board_power_w(
        machine.tdp_w,
        machine.idle_w,
        table.parameters.draw,
        memory_rate=held / pass_s / machine.bytes_per_s,
        arithmetic_rate=work.flop * batch / pass_s / machine.peak_flop_per_s,
    )
    return ItemAnswer(
        ranges=_ranges(catalog, table, np.asarray(batch_s), np.asarray(rate), np.asarray(power)),
        row=row,
        notes=tuple(_notes(asked, item, work, table)),
    )


def _check_fit(held_bytes: float, row: Resolved) -> None:
    """Refuse weights that do not fit on one device, if its memory is known."""
    device = row.device.device
    known = device.records.get("memory_bytes")
    if known is not None and held_bytes > USABLE_SHARE * known.value:
        weights, memory = held_bytes / 1e9, known.value / 1e9
        raise refuse(
            "serving_item_does_not_fit",
            "precision",
            weights=weights,
            memory=memory,
            device=device.name,
        )


def _notes(
    asked: ServingQuestion, item: Item, work: "_Work", table: ServingTable
) -> Iterator[Notice]:
    """Yield the assumptions about the item and setup, and missing device data."""
    if work.of_diffusion and item.passes == 1:
        yield Notice("serving_one_pass", "steps")
    if asked.concurrency is None:
        yield Notice("serving_one_item", "concurrency")
    if asked.devices is None:
        chips = float(chips_of_slice(asked.hardware))
        code = "devices_assumed" if chips == 1.0 else "slice_assumed"
        yield Notice(code, "devices", {"count": chips})
    if not asked.software:
        yield Notice("serving_plain_software", "software")
    for notice in table.notices().of(0):
        if notice.code != "serving_layers_assumed" or work.sized:
            yield notice
    yield from lacking(table, 0)


def _ranges(
    catalog: Catalog, table: ServingTable, batch_s: Any, rate: Any, power: Any
) -> dict[str, Uncertain]:
    row = table.row(0)
    several = row.devices > node_devices(row.device.device)
    node = node_factor(catalog, row.device.device.kind, several=several)
    time = Uncertain(batch_s, {MODEL: ITEM_LOG_SD})
    device_j = Uncertain(power / rate, {MODEL: ITEM_LOG_SD, "power": POWER_LOG_SD})
    joule = device_j * node * row.site.pue
    kwh = joule * (1000.0 / J_PER_KWH)
    found = {
        "item_s": time,
        "items_per_s": Uncertain(rate, time.loadings),
        "device_power_w": Uncertain(power, {"power": POWER_LOG_SD}),
        "device_energy_per_item_j": device_j,
        "energy_per_item_j": joule,
        "co2e_per_1000_items_kg": kwh * (row.site.co2e_kg_per_kwh or UNKNOWN),
    }
    hours = Uncertain(1000.0 * row.devices / rate / S_PER_H, time.loadings)
    cost = cost_of(table, hours, np.asarray(kwh.mid))
    return found if row.price is None else found | {"cost_per_1000_items_usd": cost}


@dataclass(frozen=True, kw_only=True)
class _Work:
    """FLOPs per pass of an item, parameters, and sequential layers.

    `of_diffusion` marks a diffusion network, `sized` a network with only its size known.
    """

    flop: float
    params: float
    layers: float
    of_diffusion: bool = False
    sized: bool = False


def _work(asked: ServingQuestion, item: Item, catalog: Catalog) -> _Work:
    config: Mapping[str, Any] | None = None
    preset = find_preset(catalog, asked.preset) if asked.preset else None
    if asked.config:
        config = config_of(asked.config)
    elif preset is not None and preset.config:
        config = preset.config
    if config is None:
        if asked.params is None or item.positions is None:
            raise refuse("serving_item_unknown", "preset")
        return _of_size(asked.params, asked.active_params, item.positions)
    for field in ("params", "active_params"):
        if getattr(asked, field) is not None:
            raise refuse("changes_nothing", field)
    network = architecture(config)
    _check_sizes(config, network, item)
    side = None if item.image_size is None else side_seen(config, item.image_size)
    ledger = network.ledger(Inputs(image_size=side, seq_len=item.positions))
    stated = "num_hidden_layers" if "num_hidden_layers" in config else "num_layers"
    layers = float(Fields(config).size_or_none(stated, most=MAX_LAYERS) or LAYERS)
    return _Work(
        flop=float(ledger.forward_flop),
        params=float(ledger.params_total),
        layers=layers,
        of_diffusion="_class_name" in config,
    )


def _check_sizes(config: Mapping[str, Any], network: Architecture, item: Item) -> None:
    """Refuse item sizes that have no effect or a different one than intended."""
    if item.positions is not None and "_class_name" in config:
        raise refuse("serving_positions_of_pictures", "positions")
    for field, given in (("image_size", item.image_size), ("seq_len", item.positions)):
        if given is not None and not takes(network, field):
            raise refuse("changes_nothing", "positions" if field == "seq_len" else field)


def _of_size(params: float, active: float | None, positions: float) -> _Work:
    """Return the work of a transformer of which only the size is known, with full attention."""
    model = from_size(params, active).numbers
    flop = 2.0 * (active or params) * positions + float(model.pair_flop) * positions * positions
    return _Work(flop=flop, params=params, layers=float(model.layers), sized=True)
