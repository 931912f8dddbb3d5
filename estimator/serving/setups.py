"""Which numbers do set-ups name: questions resolved once per distinct word, then as arrays.

What a question leaves open is assumed here, and every assumption is a note of its row.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from estimator.catalog import Catalog
from estimator.core.messages import refuse
from estimator.core.notice import Notice
from estimator.core.power import DEVICES_PER_NODE
from estimator.core.site import Site
from estimator.core.uncertainty import Uncertain
from estimator.scenario.provenance import Found, noted
from estimator.scenario.scenario import inline_config, is_inline
from estimator.scenario.site import find_site
from estimator.serving.capacity import devices_needed, most_sequences, weight_bytes
from estimator.serving.device_price import DevicePrice, find_device_price
from estimator.serving.devices import ServingDevice, find_serving_device
from estimator.serving.engines import EAGER, IS_LOCAL, LOCAL, SERVER, VENDOR, Parameters
from estimator.serving.formats import FORMATS, WeightFormat, weight_format
from estimator.serving.model_names import find_preset, stated_format, stated_size
from estimator.serving.performance import Board, Layout, Setup, Traffic
from estimator.serving.question import NUMBERS, ServingQuestion
from estimator.serving.replicas import REPLICA_SHARE, usual_replicas
from estimator.serving.served_model import ServedModel, from_config, from_size
from estimator.serving.step import Machine, Number, Served
from estimator.workload.huggingface import read_config

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

MOST_REMEMBERED = 4096
"""Look-ups remembered at a time [1]."""

LOCAL_INPUT_TOKENS = 64.0
"""A prompt at one's own machine, where it is unspecified [token]."""

OUTPUT_TOKENS = 400.0
"""An answer of unspecified length: chats of the measured rows write 350 to 900 [token]."""

NATIVE_MXFP4 = "gpt-oss"
"""Models that are published in MXFP4: experts packed, the rest in 16 bit."""

LOCAL_OUTER_BITS = 8.5
"""llama.cpp keeps what is not an expert of such a model in Q8_0 [bit]."""

DRAFT_ACCEPTANCE = 0.7
"""Probability that a draft is accepted, where it is unspecified [1]: 0.6 to 0.9 in print."""

HALF_AND_MORE = ("bf16", "fp16", "tf32", "fp32")
"""Formats that every device has in one form or another."""

SAME_SIZE = 0.3
"""A preset whose size is off the given one by more, as a logarithm, is another model [1]."""

INPUT_LOG_SD, OUTPUT_LOG_SD, SEQUENCES_LOG_SD, SATURATED_LOG_SD = 0.8, 0.7, 1.0, 0.35
"""How unsure unspecified traffic is; a vendor's table states saturated throughput [1]."""


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """One question with everything that it names, and what had to be assumed."""

    question: ServingQuestion
    model: ServedModel
    device: ServingDevice
    weights: WeightFormat
    cache_bytes: float
    engine: int
    devices: float
    data_parallel: float
    expert_shard: float
    stages: float
    site: Site
    price: DevicePrice | None
    notes: tuple[Notice, ...] = ()

    @property
    def program_open(self) -> bool:
        """Whether neither the program of a server nor its load is stated."""
        asked = self.question
        return self.engine == SERVER and not asked.software and asked.concurrency is None


@dataclass(frozen=True, kw_only=True)
class Named:
    """What the words of a question name, whatever its counts; fields as in `Resolved`.

    `notes` are what the words alone have assumed, without those of the site.
    """

    model: ServedModel
    device: ServingDevice
    weights: WeightFormat
    cache_bytes: float
    engine: int
    site: Found[Site]
    notes: tuple[Notice, ...]


NAMING = (
    *("hardware", "model", "config", "params_total", "params_active", "precision"),
    *("kv_precision", "software", "region", "pue"),
)
"""Fields of a question on which `Named` rests."""

_naming = attrgetter(*NAMING)


class LookUps:
    """Devices, sites, prices and known models by name, remembered with the catalog."""

    def __init__(self, catalog: Catalog) -> None:
        remembered = lru_cache(maxsize=MOST_REMEMBERED)
        self.device = remembered(lambda name: find_serving_device(catalog, name))
        self.site = remembered(lambda name, pue, bare: _site(catalog, name, pue, bare=bare))
        self.price = remembered(
            lambda name, given, many: find_device_price(
                self.device(name).device, catalog, given=given, many=many
            )
        )
        self.preset = remembered(
            lambda identity, name: from_config(catalog.preset(identity).config, name)
        )


class Resolver:
    """Looks up what questions name, each distinct word once.

    Parameters
    ----------
    catalog : Catalog
    parameters : Parameters
        Of the engines.
    """

    def __init__(self, catalog: Catalog, parameters: Parameters) -> None:
        self.catalog = catalog
        self.parameters = parameters
        self._found = catalog.once("look-ups of serving", lambda: LookUps(catalog))
        self._model = lru_cache(maxsize=MOST_REMEMBERED)(self._find_model)
        self._known: dict[tuple[object, ...], Named] = {}

    def resolve(self, asked: ServingQuestion) -> Resolved:
        """Everything that one question names.

        Raises
        ------
        ValueError
            If a name is unknown, or what is asked cannot be.
        """
        named = self._named(asked)
        notes = list(named.notes)
        devices = _devices(asked, named, notes)
        replicas = self._replicas(asked, named, devices)
        if replicas is not None:
            notes.append(_layout_note(devices, replicas))
        layout = _layout(asked, replicas or asked.data_parallel or 1.0, named, devices)
        return Resolved(
            question=asked,
            model=named.model,
            device=named.device,
            weights=named.weights,
            cache_bytes=named.cache_bytes,
            engine=named.engine,
            devices=layout[0],
            data_parallel=layout[1],
            expert_shard=layout[2],
            stages=layout[3],
            site=named.site.value,
            price=self._found.price(
                asked.hardware, asked.price_usd_per_h, layout[0] > DEVICES_PER_NODE
            ),
            notes=(*notes, *named.site.notices),
        )

    def _named(self, asked: ServingQuestion) -> Named:
        """What the words of a question name, looked up when they are first met."""
        key = _naming(asked)
        if key not in self._known:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[key] = self._find_named(asked)
        return self._known[key]

    def _find_named(self, asked: ServingQuestion) -> Named:
        notes: list[Notice] = []
        device = self._found.device(asked.hardware)
        model = self._model(asked.model, asked.config, asked.params_total, asked.params_active)
        notes += [_as_notice(text) for text in model.warnings]
        if not model.shape_known:
            notes.append(Notice("serving_layers_assumed", "params_total"))
        weights = self._weights(asked, device, notes)
        engine = device.engine(asked.software, weights)
        weights = _native(weights, model, engine)
        device.peak_flop_per_s(weights)
        wanted = weights.arithmetic[0]
        if wanted not in HALF_AND_MORE and wanted not in device.device.peaks:
            values = {"device": device.device.name, "arithmetic": wanted}
            notes.append(Notice("serving_weights_unpacked", "precision", values))
        inside = device.is_server and engine not in LOCAL
        return Named(
            model=model,
            device=device,
            weights=weights,
            cache_bytes=_cache_bytes(asked, weights, engine),
            engine=engine,
            site=self._found.site(asked.region, asked.pue, not inside),
            notes=tuple(notes),
        )

    def _find_model(
        self, name: str, config: str, params: float | None, active: float | None
    ) -> ServedModel:
        if config:
            if is_inline(config):
                keys = inline_config(config)
                return from_config(keys, name or str(keys.get("model_type", "")))
            return from_config(read_config(config), name or config)
        preset = find_preset(self.catalog, name) if name else None
        if preset is not None and preset.config:
            try:
                found = self._found.preset(preset.id, name)
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
        return _of_name(name)

    def _replicas(self, asked: ServingQuestion, named: Named, devices: float) -> float | None:
        """Replicas where the layout is left open, None where it is given or there is no choice."""
        fixed = asked.tensor_parallel or asked.data_parallel or asked.expert_parallel
        alone = named.engine in LOCAL or named.engine == EAGER or devices <= 1.0
        memory = named.device.memory_bytes
        if fixed is not None or alone or memory is None:
            return None
        formats = Layout(
            devices=devices,
            dense_bytes=named.weights.dense_bytes,
            expert_bytes=named.weights.expert_bytes,
            cache_bytes=named.cache_bytes,
        )
        usual = self.parameters.of("input_tokens")
        read = usual if asked.input_tokens is None else asked.input_tokens
        tokens = read + 0.5 * (asked.output_tokens or OUTPUT_TOKENS)
        return usual_replicas(named.model.numbers, formats, memory, asked.concurrency, tokens)

    def _weights(
        self, asked: ServingQuestion, device: ServingDevice, notes: list[Notice]
    ) -> WeightFormat:
        if asked.precision:
            return weight_format(asked.precision)
        stated = stated_format(asked.model)
        if stated is not None:
            return weight_format(stated)
        if NATIVE_MXFP4 in asked.model.casefold():
            return FORMATS["mxfp4"]
        name = "bf16" if device.is_server else "q4_k_m"
        values = {"weights": FORMATS[name].name}
        notes.append(Notice("serving_weights_assumed", "precision", values))
        return FORMATS[name]


def _site(catalog: Catalog, name: str, pue: float | None, *, bare: bool) -> Found[Site]:
    """Site by name, with the PUE where it is given, and what is assumed of it."""
    found = find_site(name.strip(), catalog, bare=bare)
    grid = any(notice.field == "carbon_intensity" for notice in found.notices)
    assumed = (Notice("serving_grid_assumed", "region"),) if grid else ()
    if pue is not None:
        return noted(replace(found.value, pue=Uncertain(pue)), *assumed)
    return noted(found.value, *assumed, *(one for one in found.notices if one.field == "pue"))


def _of_name(name: str) -> ServedModel:
    """Model of the size that its name states."""
    if not name:
        raise refuse("serving_no_model", "model")
    stated = stated_size(name)
    if stated is None or not stated[0] > 0:
        raise refuse("serving_model_unknown", "model", name=name)
    note = Notice("serving_size_of_name", "model", {"name": name, "params": stated[0]})
    return replace(from_size(*stated, name), warnings=(note,))


def _as_notice(warning: Notice | str) -> Notice:
    """Warning of a model as a notice; those of a config are sentences."""
    return Notice("text", "config", {"text": warning}) if isinstance(warning, str) else warning


def _native(weights: WeightFormat, model: ServedModel, engine: int) -> WeightFormat:
    """Experts that are published packed stay so, whatever 4-bit format a file is named for."""
    if NATIVE_MXFP4 not in model.name.casefold() or weights.bits > 6.0:
        return weights
    packed = FORMATS["mxfp4"]
    return replace(packed, outer_bits=LOCAL_OUTER_BITS) if engine in LOCAL else packed


def _cache_bytes(asked: ServingQuestion, weights: WeightFormat, engine: int) -> float:
    """Bytes of a cached value: as asked; a vendor's 8-bit engines keep 8-bit caches [B]."""
    if asked.kv_precision:
        return weight_format(asked.kv_precision, "kv_precision").bits / 8.0
    return 1.0 if engine == VENDOR and weights.bits <= 8.0 else 2.0


def _devices(asked: ServingQuestion, named: Named, notes: list[Notice]) -> float:
    if asked.devices is not None:
        return asked.devices
    product = (asked.tensor_parallel or 1.0) * (asked.data_parallel or 1.0)
    product = max(product, asked.expert_parallel or 1.0)
    memory = named.device.memory_bytes
    if memory is not None:
        kept = named.weights
        layout = Layout(dense_bytes=kept.dense_bytes, expert_bytes=kept.expert_bytes)
        asked_for = asked.concurrency or 1.0
        tokens = (asked.input_tokens or 0.0) + (asked.output_tokens or OUTPUT_TOKENS)
        least = devices_needed(named.model.numbers, layout, memory, asked_for, tokens)
        product = max(product, float(least))
    notes.append(Notice("serving_devices_assumed", "devices", {"count": product}))
    return product


def _layout_note(devices: float, replicas: float) -> Notice:
    """What was assumed of an unspecified layout."""
    if replicas == 1.0:
        return Notice("serving_layers_split", "tensor_parallel", {"devices": devices})
    values = {"replicas": replicas, "count": devices / replicas}
    return Notice("serving_replicas_assumed", "data_parallel", values)


def _layout(
    asked: ServingQuestion, replicas: float, named: Named, devices: float
) -> tuple[float, float, float, float]:
    """Devices, data-parallel replicas, devices over which experts are split, pipeline stages."""
    experts = asked.expert_parallel or 1.0
    tensor = asked.tensor_parallel
    if experts > 1.0 and not named.model.sparse:
        raise refuse("serving_dense", "expert_parallel", model=named.model.name)
    if max(experts, (tensor or 1.0) * replicas) > devices:
        wanted = max(experts, (tensor or 1.0) * replicas)
        raise refuse("serving_sizes_exceed", "devices", needed=wanted, given=devices)
    if devices % replicas:
        raise refuse(
            "serving_unequal_replicas", "data_parallel", devices=devices, replicas=replicas
        )
    group = devices / replicas
    if named.engine in LOCAL or (named.engine == EAGER and tensor is None):
        return devices, replicas, 1.0, group
    if tensor is None or experts > 1.0:
        return devices, replicas, max(experts, group), 1.0
    if group % tensor:
        raise refuse("serving_unequal_shards", "tensor_parallel", shards=tensor, devices=group)
    return devices, replicas, tensor, group / tensor


@dataclass(frozen=True, kw_only=True)
class ServingTable:
    """Set-ups as arrays of one length.

    Parameters
    ----------
    rows : sequence of Resolved
    model, machine, layout : Served, Machine, Layout
    tdp_w, idle_w : array
        Of one device, NaN where unknown. [W]
    engines : array of int
        Codes of the engines.
    expert_bits : array
        Bits of a weight of an expert. [bit]
    given : mapping of str to array
        Numbers of the questions, NaN where unspecified.
    """

    rows: Sequence[Resolved]
    model: Served
    machine: Machine
    layout: Layout
    tdp_w: Floats
    idle_w: Floats
    engines: npt.NDArray[np.int64]
    expert_bits: Floats
    given: Mapping[str, Floats]

    @property
    def local(self) -> npt.NDArray[np.bool_]:
        """Whether one user's own program runs it."""
        return IS_LOCAL[self.engines]

    def setup(self, parameters: Parameters) -> Setup:
        """Set-ups under engines of some parameters."""
        return Setup(
            model=self.model,
            machine=self.machine,
            engine=parameters.engine(
                self.engines,
                sparse=np.asarray(self.model.routed_params) > 0,
                expert_bits=self.expert_bits,
                stages=self.layout.stages,
            ),
            board=Board(
                tdp_w=self.tdp_w, idle_w=self.idle_w, draw=parameters.draw_of(self.engines)
            ),
            layout=self.layout,
            request_s=parameters.request_s(self.engines),
        )

    def traffic(self, parameters: Parameters) -> Traffic:
        """Traffic, with what is usual where it is unspecified."""
        given = self.given
        usual = np.where(self.local, LOCAL_INPUT_TOKENS, parameters.of("input_tokens"))
        read = np.maximum(_filled(given["input_tokens"], usual), 1.0)
        written = _filled(given["output_tokens"], OUTPUT_TOKENS)
        full = np.clip(
            self.most_sequences(read + 0.5 * written),
            1.0,
            parameters.of("saturated_sequences") * np.asarray(self.layout.data_parallel),
        )
        drafted = _filled(given["draft_tokens"], 0.0)
        accepted = _filled(given["draft_acceptance"], DRAFT_ACCEPTANCE)
        return Traffic(
            sequences=_filled(given["concurrency"], np.where(self.local, 1.0, full)),
            input_tokens=read,
            output_tokens=written,
            cached_share=_filled(given["cached_share"], 0.0),
            tokens_per_pass=tokens_per_pass(drafted, accepted),
            drafted=drafted,
            draft_share=_filled(given["draft_params"], 0.0) / np.asarray(self.model.visited_params),
        )

    def open_log_sd(self) -> dict[str, Floats]:
        """Field of the traffic -> how unsure it is where unspecified, 0 where given [1]."""
        saturated = np.where(self.engines == VENDOR, SATURATED_LOG_SD, SEQUENCES_LOG_SD)
        open_ = {name: np.isnan(values) for name, values in self.given.items()}
        return {
            "input_tokens": np.where(open_["input_tokens"], INPUT_LOG_SD, 0.0),
            "output_tokens": np.where(open_["output_tokens"], OUTPUT_LOG_SD, 0.0),
            "sequences": np.where(open_["concurrency"] & ~self.local, saturated, 0.0),
        }

    def other_layout(self) -> Layout:
        """Layouts with the other choice where the question left it open.

        Split layers instead of replicas, and as many replicas as the weights allow instead of
        split layers.
        """
        weights = np.asarray(weight_bytes(self.model, self.layout))
        room = REPLICA_SHARE * np.asarray(self.machine.memory_bytes)
        group = np.exp2(np.ceil(np.log2(np.maximum(weights / room, 1.0))))
        layout, given = self.layout, self.given
        open_ = (
            np.isnan(given["tensor_parallel"])
            & np.isnan(given["data_parallel"])
            & np.isnan(given["expert_parallel"])
            & ~self.local
            & (np.asarray(layout.stages) == 1.0)
        )
        devices, chosen = np.asarray(layout.devices), np.asarray(layout.data_parallel)
        most = np.maximum(np.floor(devices / np.minimum(group, devices)), 1.0)
        replicas = np.where(open_, np.where(chosen > 1.0, 1.0, most), chosen)
        shard = np.where(open_, devices / replicas, layout.expert_shard)
        return replace(layout, data_parallel=replicas, expert_shard=shard)

    def most_sequences(self, tokens: Number) -> Floats:
        """Sequences of some tokens that the memory holds beside the weights [1]."""
        memory = self.machine.memory_bytes
        return np.asarray(most_sequences(self.model, self.layout, memory, tokens))


def table_of(rows: Sequence[Resolved]) -> ServingTable:
    """Resolved questions as arrays; what many rows name is read once."""
    models, of_model = _distinct([(row.model,) for row in rows])
    boards, of_board = _distinct([(row.device, row.weights) for row in rows])

    def served(name: str) -> Floats:
        return _column([float(getattr(one.numbers, name)) for (one,) in models])[of_model]

    def each(value: Callable[[ServingDevice, WeightFormat], float | None]) -> Floats:
        return _column([value(*board) for board in boards])[of_board]

    given = np.array([_numbers(row.question) for row in rows], dtype=np.float64).T
    return ServingTable(
        rows=rows,
        model=Served(**{name: served(name) for name in _SERVED}),
        machine=Machine(
            peak_flop_per_s=each(ServingDevice.peak_flop_per_s),
            bytes_per_s=each(lambda device, _: device.bytes_per_s),
            memory_bytes=each(lambda device, _: device.memory_bytes or np.inf),
            link_bytes_per_s=each(lambda device, _: device.link_bytes_per_s),
        ),
        layout=Layout(
            devices=_column([row.devices for row in rows]),
            data_parallel=_column([row.data_parallel for row in rows]),
            expert_shard=_column([row.expert_shard for row in rows]),
            stages=_column([row.stages for row in rows]),
            dense_bytes=each(lambda _, weights: weights.dense_bytes),
            expert_bytes=each(lambda _, weights: weights.expert_bytes),
            cache_bytes=_column([row.cache_bytes for row in rows]),
        ),
        tdp_w=each(lambda device, _: device.tdp_w or None),
        idle_w=each(lambda device, _: device.idle_w or None),
        engines=np.array([row.engine for row in rows], dtype=np.int64),
        expert_bits=each(lambda _, weights: weights.bits),
        given=dict(zip(NUMBERS, np.ascontiguousarray(given), strict=True)),
    )


def tokens_per_pass(drafted: Floats, acceptance: Floats) -> Floats:
    """Tokens that a pass yields with some drafts, each accepted with a probability [1]_.

    References
    ----------
    .. [1] Y. Leviathan et al., "Fast inference from transformers via speculative decoding", 2023,
       arXiv:2211.17192, eq. 1.

    >>> round(float(tokens_per_pass(np.array(4.0), np.array(0.8))), 4)
    3.3616
    """
    chance = np.minimum(acceptance, 1.0 - 1e-9)
    return np.asarray((1.0 - chance ** (drafted + 1.0)) / (1.0 - chance))


_SERVED = tuple(Served.__dataclass_fields__)


_numbers = attrgetter(*NUMBERS)


def _distinct(things: Sequence[tuple[Any, ...]]) -> tuple[list[tuple[Any, ...]], Places]:
    """Different things, and which of them each row has; the same object is the same thing."""
    found: dict[tuple[int, ...], int] = {}
    at = [found.setdefault(tuple(map(id, one)), len(found)) for one in things]
    first = {number: one for number, one in zip(reversed(at), reversed(things), strict=True)}
    return [first[number] for number in range(len(found))], np.array(at, dtype=np.intp)


def _column(cells: Sequence[float | None]) -> Floats:
    """Numbers as a column, NaN where there is none."""
    return np.array(cells, dtype=np.float64)


def _filled(values: Floats, otherwise: Number) -> Floats:
    return np.where(np.isnan(values), otherwise, values)
