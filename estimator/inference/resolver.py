"""Resolution of names and defaults, each distinct word looked up once.

Words name a model, device, weights, engine and site; the numbers of all questions become columns.
Defaults for unspecified inputs are set here, each with a notice.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from estimator.catalog import Catalog
from estimator.core.bounds import FEW
from estimator.core.messages import reason, refusal, refuse
from estimator.core.notice import Notice, Refusal
from estimator.core.rows import (
    Floats,
    Places,
    either,
    few,
    first_rows,
    nowhere,
    rows_of,
    rows_where,
)
from estimator.core.site import Site
from estimator.core.uncertainty import Uncertain
from estimator.inference.capacity import devices_needed
from estimator.inference.devices import (
    ServingDevice,
    engine_of,
    find_serving_device,
    make_needed,
)
from estimator.inference.engines import LOCAL, SERVERS, Parameters, fitted
from estimator.inference.formats import FORMATS, HALF, WeightFormat, weight_format
from estimator.inference.layouts import impossible_layouts, laid_out
from estimator.inference.model_names import find_preset, stated_format, stated_size
from estimator.inference.pool_layouts import POOLED, divided
from estimator.inference.question import ServingQuestion
from estimator.inference.served_model import ServedModel, from_config, from_size
from estimator.inference.setups import NamedSetup, ServingTable, filled, table_of
from estimator.networks.config_file import config_name, config_of
from estimator.question.hardware import find_device_price
from estimator.question.provenance import Found, given_value
from estimator.question.site import find_site
from estimator.question.table import Table, Words

LOADS = ("concurrency", "request_rate", "users")
"""Inputs that each state how many requests are in flight."""

MOST_READ = 4096
"""Most configs cached at a time [1]."""

NATIVE_MXFP4 = "gpt-oss"
"""Models published in MXFP4: packed experts, the rest in 16 bits."""

LOCAL_OUTER_BITS = 8.5
"""Bits per non-expert weight of such a model in llama.cpp, Q8_0 [bit]."""

HALF_AND_MORE = ("bf16", "fp16", "tf32", "fp32")
"""Formats that every device supports in some form."""

SAME_SIZE = 0.3
"""Log size difference above which a preset is a different model [1]."""

Mask = npt.NDArray[np.bool_]
FindModel = Callable[[str, str, float | None, float | None], ServedModel]


class Naming(NamedTuple):
    """Fields of a question that `NamedSetup` depends on, words and numbers."""

    hardware: str
    preset: str
    config: str
    precision: str
    kv_precision: str
    software: str
    site: str
    params: float | None
    active_params: float | None
    pue: float | None


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """Resolved questions and their layouts.

    Parameters
    ----------
    table : ServingTable
        One row per question that is not refused.
    rows : array of int
        Question index of each row.
    errors : mapping of int to Notice
        Question -> reason why it is refused.
    """

    table: ServingTable
    rows: Places
    errors: dict[int, Notice]

    def without(self, refused: Mapping[int, Notice]) -> "Resolution":
        """Return the resolution with some rows of its table refused."""
        if not refused:
            return self
        kept = _others(self.rows.size, refused)
        errors = {int(self.rows[row]): why for row, why in refused.items()}
        return Resolution(
            table=self.table.part(kept), rows=self.rows[kept], errors={**self.errors, **errors}
        )


def _others(count: int, refused: Iterable[int]) -> Places:
    """Return the rows that are not refused."""
    fine = np.ones(count, dtype=np.bool_)
    fine[list(refused)] = False
    return rows_where(fine)


def _device(name: str, catalog: Catalog) -> ServingDevice:
    return catalog.look_up(("serving device", name), lambda: find_serving_device(catalog, name))


def _preset(identity: str, name: str, catalog: Catalog) -> ServedModel:
    return catalog.look_up(
        ("served preset", identity, name),
        lambda: from_config(catalog.preset(identity).config, name),
    )


def _price(
    hardware: str, site: str, given: float | None, many: bool, catalog: Catalog
) -> Found[Uncertain] | None:
    device = _device(hardware, catalog).device
    return catalog.look_up(
        ("price", hardware, site, given, many),
        lambda: find_device_price(device, catalog, paid=given, many=many, site=site),
    )


def find_named(asked: Naming, catalog: Catalog, find_model: FindModel) -> NamedSetup:
    """Resolve the words of a question.

    Raises
    ------
    ValueError
        If a name is unknown, or the combination is impossible.
    """
    notes: list[Notice] = []
    device = _device(asked.hardware, catalog)
    model = find_model(asked.preset, asked.config, asked.params, asked.active_params)
    notes += [  # those of a config are sentences
        Notice("text", "config", {"text": one}) if isinstance(one, str) else one
        for one in model.warnings
    ]
    if not model.shape_known:
        notes.append(Notice("serving_layers_assumed", "params"))
    if asked.params is not None and asked.params < FEW:
        notes.append(Notice("too_few", "params", {"value": asked.params}))
    if asked.active_params is not None and asked.params is None:
        notes.append(Notice("no_effect", "active_params"))
    make = make_needed(asked.software)
    if make is not None and make != device.device.vendor:
        values = {"word": asked.software, "device": device.device.name, "make": make}
        raise refuse("serving_program_elsewhere", "software", **values)
    program_known = not asked.software or engine_of(asked.software) is not None
    if not program_known:
        notes.append(Notice("serving_software_unknown", "software", {"word": asked.software}))
    weights = _weights(asked, device, model, notes)
    engine = device.engine(asked.software, weights)
    weights = _native(weights, model, engine)
    narrow = device.arithmetic(weights, engine) not in HALF
    wanted = weights.arithmetic[0]
    if wanted not in HALF_AND_MORE and wanted not in device.device.peaks:
        values = {"device": device.device.name, "arithmetic": wanted}
        notes.append(Notice("serving_weights_unpacked", "precision", values))
    inside = device.is_server and engine not in LOCAL
    return NamedSetup(
        model=model,
        device=device,
        weights=weights,
        products=device.products(weights, engine, asked.software),
        cache_bytes=_cache_bytes(asked, narrow=narrow and engine in SERVERS),
        engine=engine,
        site=_site(asked.site, asked.pue, catalog, bare=not inside),
        notes=tuple(notes),
        program_known=program_known,
    )


def find_model(
    name: str, config: str, params: float | None, active: float | None, *, catalog: Catalog
) -> ServedModel:
    """Return the model from a name, config, parameters and active parameters.

    Raises
    ------
    ValueError, OSError
        If the model is unknown, or its config cannot be read.
    """
    if config:
        return from_config(config_of(config), name or config_name(config))
    preset = find_preset(catalog, name) if name else None
    if preset is not None and preset.config:
        try:
            found = _preset(preset.id, name, catalog)
            if params is None or abs(math.log(found.params / params)) < SAME_SIZE:
                return found
        except ValueError:
            if params is None:
                raise
    if preset is not None and params is None and "params" in preset.records:
        known = preset.records
        active = known["active_params"].value if "active_params" in known else None
        return from_size(known["params"].value, active, name)
    if params is not None:
        return from_size(params, active, name)
    return _of_name(name, catalog)


def resolve(
    asked: Table[ServingQuestion], catalog: Catalog, parameters: Parameters | None = None
) -> Resolution:
    """Resolve all questions; refused ones do not affect the others.

    Parameters
    ----------
    asked : Table of ServingQuestion
    catalog : Catalog
    parameters : Parameters, optional
        Of the engines; those fitted to measured rows by default.
    """
    loads = np.sum([asked.states(name) for name in LOADS], axis=0)
    idle = asked.states("think_s") & ~asked.states("users")
    errors = {
        **dict.fromkeys(rows_where(loads > 1).tolist(), Notice("serving_two_loads", LOADS[1])),
        **dict.fromkeys(rows_where(idle).tolist(), Notice("serving_no_users", "think_s")),
        **asked.errors,
    }
    rows = _others(asked.count, errors)
    asked = asked.part(rows) if errors else asked
    named, named_at, unknown = _names(asked, catalog)
    if unknown:
        errors |= {int(rows[place]): why for place, why in unknown.items()}
        known = rows_where(named_at >= 0)
        asked, named_at, rows = asked.part(known), named_at[known], rows[known]
    table = table_of(
        asked, named, named_at, catalog, fitted(catalog) if parameters is None else parameters
    )
    table = laid_out(table, _devices(table))
    impossible = impossible_layouts(table)
    table = _with_pools(table, impossible)
    found = Resolution(table=table, rows=rows, errors=errors).without(impossible)
    return replace(found, table=_priced(found.table))


def resolve_valid(
    questions: Sequence[ServingQuestion], catalog: Catalog, parameters: Parameters | None = None
) -> ServingTable:
    """Resolve some questions, all of which must be valid.

    Raises
    ------
    Refusal
        The first reason why one of them cannot be.
    """
    found = resolve(Table.of(ServingQuestion, questions), catalog, parameters)
    if found.errors:
        raise refusal(found.errors[min(found.errors)])
    return found.table


def _with_pools(table: ServingTable, impossible: dict[int, Notice]) -> ServingTable:
    """Return the table with requested pools, and reasons for failures.

    Pool errors replace those of the row on shared devices.
    """
    given = table.asked_numbers
    pools = [name for name in given if name.startswith(POOLED)]
    asked = np.any([~np.isnan(given[name]) for name in pools], axis=0)
    asked |= table.asked.number("disaggregated") > 0.0
    rows = rows_where(asked)
    if not rows.size:
        return table
    for row in rows.tolist():
        impossible.pop(row, None)
    found, errors = divided(table.part(rows))
    impossible |= {int(rows[place]): why for place, why in errors.items()}
    at = np.zeros(table.count, dtype=np.intp)
    at[rows] = np.arange(rows.size)
    split = {
        name: either(asked, rows_of(getattr(found, name), at), getattr(table, name))
        for name in ("layout", "layout_chosen", "prefill")
    }
    return replace(table, **split)


def _names(
    asked: Table[ServingQuestion], catalog: Catalog
) -> tuple[list[NamedSetup], Places, dict[int, Notice]]:
    """Return the setups of each row, with each combination resolved once, and errors.

    Each config file is read once, and again for another table, as it may have changed.
    """
    words = [asked.word(name) for name in Naming._fields[:NAMING_WORDS]]
    numbers = [asked.number(name) for name in Naming._fields[NAMING_WORDS:]]
    keys = (*(word.codes for word in words), *map(_codes, numbers))
    first, at = first_rows(*keys)
    words_said = [_words(one, first) for one in words]
    numbers_said = [_numbers(one, first) for one in numbers]
    find = lru_cache(maxsize=MOST_READ)(partial(find_model, catalog=catalog))
    named: list[NamedSetup] = []
    errors: dict[int, Notice] = {}
    number = nowhere(first.size)
    for place, said in enumerate(zip(*words_said, *numbers_said, strict=True)):
        naming = Naming._make(said)
        named_once = partial(find_named, naming, catalog, find)
        try:
            found = named_once() if naming.config else catalog.look_up(naming, named_once)
        except (ValueError, OSError) as error:
            why = _reason(error)
            errors |= dict.fromkeys(rows_where(at == place).tolist(), why)
            continue
        number[place] = len(named)
        named.append(found)
    return named, number[at], errors


def _priced(table: ServingTable) -> ServingTable:
    """Return the table with each row's device price."""
    hardware, site = (table.asked.word(name) for name in ("hardware", "site"))
    given = table.asked_numbers["price"]
    many = table.devices > table.node_devices
    first, at = first_rows(hardware.codes, site.codes, _codes(given), many.astype(np.intp))
    words = (_words(hardware, first), _words(site, first))
    said = (*words, _numbers(given, first), many[first].tolist())
    prices = [_price(*one, table.catalog) for one in zip(*said, strict=True)]
    return replace(table, prices=prices, price_at=at)


NAMING_WORDS = 7
"""Number of leading fields of `Naming` that are words [1]."""


def _words(words: Words, rows: Places) -> list[str]:
    return words.take(rows).rows()


def _numbers(column: Floats, rows: Places) -> list[float | None]:
    return [value if value == value else None for value in column[rows].tolist()]


def _codes(column: Floats) -> Places:
    """Code the value of each row, zero in empty columns."""
    if np.isnan(column).all():
        return np.zeros(column.size, dtype=np.intp)
    return few(column)[1]


def _reason(error: ValueError | OSError) -> Notice:
    """Return why a question is refused."""
    if isinstance(error, Refusal) and error.notice.code != "text":
        return error.notice
    return Notice("text", "", {"text": " ".join(str(error).split())})


def _weights(
    asked: Naming, device: ServingDevice, model: ServedModel, notes: list[Notice]
) -> WeightFormat:
    """Return the weight format: given, in the model's name or checkpoint, or the default."""
    if asked.precision:
        return weight_format(asked.precision)
    stated = stated_format(asked.preset)
    if stated is not None:
        return weight_format(stated)
    if NATIVE_MXFP4 in asked.preset.casefold():
        return FORMATS["mxfp4"]
    if model.published_in and device.is_server:
        published = FORMATS[model.published_in]
        notes.append(Notice("serving_weights_published", "precision", {"weights": published.name}))
        return published
    name = _usual_weights(device)
    values = {"weights": FORMATS[name].name}
    notes.append(Notice("serving_weights_assumed", "precision", values))
    return FORMATS[name]


def _usual_weights(device: ServingDevice) -> str:
    """Return the default weight format: 16 bits on a server, 4 bits on a local machine."""
    if not device.is_server:
        return "q4_k_m"
    peaks = device.device.peaks
    return "fp16" if "fp16" in peaks and "bf16" not in peaks else "bf16"


def _site(name: str, pue: float | None, catalog: Catalog, *, bare: bool) -> Found[Site]:
    """Find a site by name, with the given PUE, and the assumptions."""
    found = find_site(name.strip(), catalog, bare=bare)
    grid = [notice for notice in found.notices if notice.field == "carbon_intensity"]
    assumed = tuple(
        Notice("serving_grid_assumed", "site") if notice.code.startswith("grid_assumed") else notice
        for notice in grid
    )
    if pue is None:
        unknown = (notice for notice in found.notices if notice.field == "pue")
        return replace(found, notices=(*assumed, *unknown))
    given = given_value("pue", pue, "1")
    site = replace(found.value, pue=given.value)
    return Found(value=site, inputs=found.inputs | given.inputs, notices=assumed)


def _of_name(name: str, catalog: Catalog) -> ServedModel:
    """Return a model of the size stated in its name."""
    if not name:
        raise refuse("serving_no_model", "preset")
    stated = stated_size(name)
    if stated is None or not stated[0] > 0:
        raise _unknown_model(name, catalog)
    note = Notice("serving_size_of_name", "preset", {"name": name, "params": stated[0]})
    return replace(from_size(*stated, name), warnings=(note,))


def _unknown_model(name: str, catalog: Catalog) -> ValueError:
    """Build the error for an unknown model, with similar presets if any."""
    try:
        catalog.preset(name)
    except ValueError as error:
        if reason(error).code == "unknown_name":
            return error
    return refuse("serving_model_unknown", "preset", name=name)


def _native(weights: WeightFormat, model: ServedModel, engine: int) -> WeightFormat:
    """Return the weight format of a model published with packed experts.

    In a model without experts, an expert format packs all weights.
    """
    if weights.outer_bits is not None and not model.sparse:
        return replace(weights, outer_bits=None)
    if NATIVE_MXFP4 not in model.name.casefold() or weights.bits > 6.0:
        return weights
    packed = FORMATS["mxfp4"]
    return replace(packed, outer_bits=LOCAL_OUTER_BITS) if engine in LOCAL else packed


def _cache_bytes(asked: Naming, *, narrow: bool) -> float:
    """Return the bytes per cached value [B], by default 1 on servers computing in 8 bits."""
    if asked.kv_precision:
        return weight_format(asked.kv_precision, "kv_precision").bits / 8.0
    return 1.0 if narrow else 2.0


def _devices(table: ServingTable) -> Floats:
    """Return the device count: given, or the least that fits weights and cache equally split [1].

    A TPU slice uses all of its chips.
    """
    given = table.asked_numbers
    replicas, experts = filled(given["data_parallel"], 1.0), filled(given["expert_parallel"], 1.0)
    product = filled(given["tensor_parallel"], 1.0) * replicas
    layout = replace(
        table.layout,
        devices=replicas,
        data_parallel=replicas,
        expert_shard=np.where(experts > 1.0, replicas, 1.0),
    )
    tokens = np.nan_to_num(given["input_tokens"], nan=0.0) + table.output_tokens
    memory, flying = table.machine.memory_bytes, filled(given["concurrency"], 1.0)
    least = np.asarray(devices_needed(table.model, layout, memory, flying, tokens))
    equal = product * np.ceil(np.maximum(least, experts) / product)
    chips = table.chips
    return np.where(np.isnan(given["devices"]), chips * np.ceil(equal / chips), given["devices"])
