"""Inference setups as arrays: names resolved, layouts, and traffic."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from estimator.catalog import Catalog
from estimator.catalog.device_names import chips_of_slice
from estimator.core.notice import Notice, Value
from estimator.core.notice_table import NoticeTable
from estimator.core.rows import (
    Floats,
    Places,
    nowhere,
    rows_of,
    rows_where,
)
from estimator.core.site import Site
from estimator.core.uncertainty import Uncertain
from estimator.inference.capacity import most_sequences, weight_bytes
from estimator.inference.devices import Products, ServingDevice
from estimator.inference.engines import EAGER, IS_LOCAL, SERVER, VENDOR, Parameters
from estimator.inference.formats import WeightFormat
from estimator.inference.performance import Performance, Setup, Traffic, performance
from estimator.inference.pools import NO_POOL, PrefillPool
from estimator.inference.question import ServingQuestion
from estimator.inference.served_model import ServedModel
from estimator.inference.step import Layout, Machine, Number, Served
from estimator.question.hardware import node_devices
from estimator.question.provenance import Found
from estimator.question.table import Table

Mask = npt.NDArray[np.bool_]
Thing = TypeVar("Thing", bound=Hashable)

REPLICA_SHARE = 0.6
"""Share of device memory that weights may fill if each replica serves many [1]."""

LOCAL_INPUT_TOKENS = 64.0
"""Default prompt on a local machine [token]."""

OUTPUT_TOKENS = 400.0
"""Default output length [token]; chats of the measured rows write 350 to 900."""

THINK_S = 30.0
"""Pause of a user between an answer and the next request, where it is unspecified [s]: assumed.
Reading 300 tokens takes a minute at 238 words a minute (Brysbaert 2019, J. Memory and Language
109), part of which passes while they are written."""

MOST_PLACES = 4096.0
"""Sequences that servers run at once at most [1]."""

DRAFT_ACCEPTANCE = 0.7
"""Default probability that a draft token is accepted [1]: 0.6 to 0.9 as published."""

INPUT_LOG_SD, OUTPUT_LOG_SD, SEQUENCES_LOG_SD, SATURATED_LOG_SD = 0.8, 0.7, 1.0, 0.35
"""Log standard deviations of unspecified traffic [1]; vendor tables state saturated throughput."""


@dataclass(frozen=True, kw_only=True)
class NamedSetup:
    """Resolved words of a question, independent of its counts.

    Parameters
    ----------
    model, device, weights, products, cache_bytes, engine
        Model, device, weight format with its arithmetic, bytes per cached value [B], and engine
        code.
    site : Found of Site
    notes : tuple of Notice
        Assumptions made when resolving names, except the site's.
    program_known : bool
        Whether the program name, if given, is a known engine.
    """

    model: ServedModel
    device: ServingDevice
    weights: WeightFormat
    products: Products
    cache_bytes: float
    engine: int
    site: Found[Site]
    notes: tuple[Notice, ...]
    program_known: bool = True

    @cached_property
    def cells(self) -> tuple[float | None, ...]:
        """Column values of the setup, in the order of `_CELLS`."""
        numbers, device, weights = self.model.numbers, self.device, self.weights
        return (
            *(float(getattr(numbers, name)) for name in _SERVED),
            self.products.peak_flop_per_s,
            self.products.pair_flop_per_s,
            device.bytes_per_s,
            device.memory_bytes or np.inf,
            device.link_bytes_per_s,
            device.tdp_w or None,
            device.idle_w or None,
            device.linked_devices,
            self.products.unpacked_bytes,
            weights.dense_bytes,
            weights.expert_bytes,
            self.cache_bytes,
            weights.bits,
            weights.nested,
            self.model.longest_context,
        )


_SERVED = tuple(Served.__dataclass_fields__)
_MACHINE = tuple(Machine.__dataclass_fields__)
_FORMATS = ("dense_bytes", "expert_bytes", "cache_bytes")
_CELLS = (*_SERVED, *_MACHINE, *_FORMATS, "expert_bits", "nested", "longest_context")


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """One resolved question."""

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
    price: Found[Uncertain] | None


@dataclass(frozen=True, kw_only=True)
class ServingTable:
    """Setups as arrays of one length.

    Parameters
    ----------
    catalog : Catalog
    parameters : Parameters
        Of the engines.
    asked : Table of ServingQuestion
        Questions, with the request rate converted to sequences in flight.
    named : sequence of NamedSetup
        Resolved names of several rows.
    named_at : array of int
        Index of each row into `named`.
    prices, price_at
        Prices per device-hour, None if not on record, and each row's index.
    model, machine, layout : Served, Machine, Layout
    layout_chosen : array of bool
        Whether the layout was left open.
    engines : array of int
        Engine code of each row.
    expert_bits : array
        Bits per expert weight [bit].
    nested : array of bool
        Whether weights take longer to unpack.
    longest_context : array
        Context length that the model was made for, NaN if unknown [token].
    prefill : PrefillPool
        Prefill devices, in addition to `layout`.
    """

    catalog: Catalog
    parameters: Parameters
    asked: Table[ServingQuestion]
    named: Sequence[NamedSetup]
    named_at: Places
    prices: Sequence[Found[Uncertain] | None]
    price_at: Places
    model: Served
    machine: Machine
    layout: Layout
    layout_chosen: Mask
    engines: npt.NDArray[np.int64]
    expert_bits: Floats
    nested: Mask
    longest_context: Floats
    prefill: PrefillPool = NO_POOL

    @property
    def devices(self) -> Floats:
        """Devices of each row, including prefill devices [1]."""
        return np.asarray(self.layout.devices + self.prefill.devices)

    @property
    def split(self) -> Mask:
        """Return whether prefill has its own devices."""
        return np.broadcast_to(np.asarray(self.prefill.devices) > 0.0, self.count)

    @property
    def count(self) -> int:
        """Number of rows."""
        return self.asked.count

    def named_of(self, row: int) -> NamedSetup:
        """Return the resolved names of a row."""
        return self.named[int(self.named_at[row])]

    @cached_property
    def asked_numbers(self) -> Mapping[str, Floats]:
        """Numbers of the questions, NaN where unspecified."""
        inputs = ServingQuestion.inputs.items()
        return {name: self.asked.number(name) for name, declared in inputs if declared.number}

    @cached_property
    def node_devices(self) -> Floats:
        """Devices per node or rack of each row [1]."""
        return self.of_named(lambda one: node_devices(one.device.device), np.float64)

    @cached_property
    def sites(self) -> tuple[list[Site], Places]:
        """Distinct sites of the setups, and the index by row."""
        return self.each_of([one.site.value for one in self.named])

    def of_named(
        self, value: Callable[[NamedSetup], Any], dtype: npt.DTypeLike | None = None
    ) -> npt.NDArray[Any]:
        """Look up what each row names, once per distinct name."""
        return np.array([value(one) for one in self.named], dtype=dtype)[self.named_at]

    def each_of(self, things: Sequence[Thing]) -> tuple[list[Thing], Places]:
        """Return the distinct values of an attribute of `named`, and each row's index."""
        numbers: dict[Thing, int] = {}
        codes = [numbers.setdefault(one, len(numbers)) for one in things]
        return list(numbers), np.array(codes, dtype=np.intp)[self.named_at]

    def row(self, row: int) -> Resolved:
        """Return one row."""
        named, layout = self.named_of(row), rows_of(self.layout, row)
        return Resolved(
            question=self.asked.row(row),
            model=named.model,
            device=named.device,
            weights=named.weights,
            cache_bytes=named.cache_bytes,
            engine=named.engine,
            devices=float(self.devices[row]),
            data_parallel=float(layout.data_parallel),
            expert_shard=float(layout.expert_shard),
            stages=float(layout.stages),
            site=named.site.value,
            price=self.prices[int(self.price_at[row])],
        )

    def notices(self) -> NoticeTable:
        """Return the assumptions of each row."""
        said, devices = NoticeTable(self.count), self.devices
        said.coded([one.notes for one in self.named], self.named_at)
        chips, assumed = self.chips, np.isnan(self.asked_numbers["devices"]) & ~self.split
        whole = (devices > 1.0) & (devices == chips)
        said.of_values(assumed & whole, "slice_assumed", "devices", count=devices)
        said.of_values(assumed & ~whole, "serving_devices_assumed", "devices", count=devices)
        said.of_values(devices % chips > 0, "slice_in_part", "devices", count=chips)
        layout, chosen = self.layout, rows_where(self.layout_chosen)
        sparse = np.asarray(self.model.routed_params) > 0
        linked = np.where(sparse, self.machine.linked_devices, np.inf)
        sizes = (layout.devices, layout.data_parallel, layout.expert_shard, linked)
        said.of_rows(chosen, _layout_note, *(np.asarray(size)[chosen] for size in sizes))
        said.coded([one.site.notices for one in self.named], self.named_at)
        pools = {"prefill": self.prefill.devices, "decode": layout.devices}
        said.of_values(self.split, "serving_pools", "prefill_devices", **pools)
        read = self.asked.notices
        said.each(np.array(list(read), dtype=np.intp), list(read.values()))
        return said

    @property
    def chips(self) -> Floats:
        """Chips of each row's TPU slice, 1 for a single device [1]."""
        names = self.asked.word("hardware")
        sizes = [*(float(chips_of_slice(name)) for name in names.distinct), 1.0]
        return np.array(sizes)[names.codes]

    def part(self, rows: Places) -> "ServingTable":
        """Return the table of some rows."""
        cut: dict[str, Any] = {
            item.name: rows_of(getattr(self, item.name), rows)
            for item in fields(self)
            if item.name not in ("catalog", "parameters", "asked")
        }
        return replace(self, asked=self.asked.part(rows), **cut)

    def under(self, **numbers: Floats) -> "ServingTable":
        """Return the same setups with other numbers."""
        return replace(self, asked=self.asked.changed(**numbers))

    @property
    def input_tokens(self) -> Floats:
        """Return the prompt length [token]."""
        usual = np.where(self.local, LOCAL_INPUT_TOKENS, self.parameters.of("input_tokens"))
        return np.maximum(filled(self.asked_numbers["input_tokens"], usual), 1.0)

    @property
    def output_tokens(self) -> Floats:
        """Output length [token]."""
        return filled(self.asked_numbers["output_tokens"], OUTPUT_TOKENS)

    @property
    def think_s(self) -> Floats:
        """Pause of a user between an answer and the next request [s]."""
        return filled(self.asked_numbers["think_s"], THINK_S)

    @property
    def tokens_in_flight(self) -> Floats:
        """Mean context in flight, with unspecified inputs counted as short [token]."""
        return np.nan_to_num(self.asked_numbers["input_tokens"], nan=0.0) + 0.5 * self.output_tokens

    @property
    def program_open(self) -> Mask:
        """Mask of server rows with neither program nor load given."""
        unstated = self.asked.word("software").codes < 0
        return np.asarray(
            (self.engines == SERVER) & unstated & np.isnan(self.asked_numbers["concurrency"])
        )

    @property
    def local(self) -> Mask:
        """Mask of rows on a single user's own machine."""
        return IS_LOCAL[self.engines]

    @cached_property
    def setup(self) -> Setup:
        """Return the setups with engines of given parameters."""
        return Setup(
            model=self.model,
            machine=self.machine,
            engine=self.parameters.engine(
                self.engines,
                sparse=np.asarray(self.model.routed_params) > 0,
                expert_bits=self.expert_bits,
                nested=self.nested,
                stages=self.layout.stages,
            ),
            layout=self.layout,
            draw=self.parameters.draw_of(self.engines),
            static_batches=self.engines == EAGER,
            prefill=self.prefill,
        )

    @cached_property
    def traffic(self) -> Traffic:
        """Return the traffic, with defaults for what is unspecified."""
        given, read, written = self.asked_numbers, self.input_tokens, self.output_tokens
        full = np.clip(
            self.most_sequences(read + 0.5 * written),
            1.0,
            self.parameters.of("saturated_sequences") * np.asarray(self.layout.data_parallel),
        )
        drafted = filled(given["draft_tokens"], 0.0)
        accepted = filled(given["draft_acceptance"], DRAFT_ACCEPTANCE)
        return Traffic(
            sequences=filled(given["concurrency"], np.where(self.local, 1.0, full)),
            input_tokens=read,
            output_tokens=written,
            cached_share=filled(given["cached_share"], 0.0),
            tokens_per_pass=tokens_per_pass(drafted, accepted),
            drafted=drafted,
            draft_share=filled(given["draft_params"], 0.0) / np.asarray(self.model.visited_params),
        )

    @cached_property
    def performance(self) -> Performance:
        """Return the steady state of the setups under their traffic."""
        return performance(self.setup, self.traffic)

    def open_log_sd(self) -> dict[str, Floats]:
        """Return the log standard deviation of each traffic field, 0 where given [1]."""
        saturated = np.where(self.engines == VENDOR, SATURATED_LOG_SD, SEQUENCES_LOG_SD)
        open_ = {name: np.isnan(values) for name, values in self.asked_numbers.items()}
        return {
            "input_tokens": np.where(open_["input_tokens"], INPUT_LOG_SD, 0.0),
            "output_tokens": np.where(open_["output_tokens"], OUTPUT_LOG_SD, 0.0),
            "sequences": np.where(open_["concurrency"] & ~self.local, saturated, 0.0),
        }

    def other_layout(self) -> Layout:
        """Return alternatives for an unspecified layout: half the replicas, or 2."""
        layout, memory = self.layout, np.asarray(self.machine.memory_bytes)
        devices, replicas = np.asarray(layout.devices), np.asarray(layout.data_parallel)
        others = np.where(replicas > 1.0, np.ceil(replicas / 2.0), 2.0)
        shared = np.asarray(layout.expert_shard) > devices / replicas
        weights = np.asarray(weight_bytes(self.model, layout))
        room = weights <= REPLICA_SHARE * memory * devices / 2.0
        open_ = self.layout_chosen & (devices % others == 0) & ((replicas > 1.0) | room)
        others = np.where(open_, others, replicas)
        shard = np.where(shared, layout.expert_shard, devices / others)
        return replace(
            layout,
            data_parallel=others,
            expert_shard=np.where(open_, shard, layout.expert_shard),
        )

    def most_sequences(self, tokens: Number) -> Floats:
        """Return the most sequences of a given length that fit next to the weights [1]."""
        memory = self.machine.memory_bytes
        return np.asarray(most_sequences(self.model, self.layout, memory, tokens))

    def places(self, tokens: Number) -> Floats:
        """Return the most sequences of a given length that run at once [1]."""
        return np.clip(self.most_sequences(tokens), 1.0, MOST_PLACES)


def table_of(
    asked: Table[ServingQuestion],
    named: Sequence[NamedSetup],
    named_at: Places,
    catalog: Catalog,
    parameters: Parameters,
) -> ServingTable:
    """Return questions as arrays, without layouts and prices."""
    cells = np.array([one.cells for one in named], dtype=np.float64).reshape(-1, len(_CELLS))
    columns = dict(zip(_CELLS, np.ascontiguousarray(cells.T)[:, named_at], strict=True))
    engines = np.array([one.engine for one in named], dtype=np.int64)
    return ServingTable(
        catalog=catalog,
        parameters=parameters,
        asked=asked,
        named=named,
        named_at=named_at,
        prices=(),
        price_at=nowhere(asked.count),
        model=Served(**{name: columns[name] for name in _SERVED}),
        machine=Machine(**{name: columns[name] for name in _MACHINE}),
        layout=Layout(**{name: columns[name] for name in _FORMATS}),
        layout_chosen=np.zeros(asked.count, dtype=np.bool_),
        engines=engines[named_at],
        expert_bits=columns["expert_bits"],
        nested=columns["nested"] > 0.0,
        longest_context=columns["longest_context"],
    )


def _layout_note(devices: float, replicas: float, shard: float, linked: float) -> Notice:
    """Return the notice on the assumed layout; `linked` devices could share experts."""
    if replicas == 1.0 and devices > linked:
        beyond: dict[str, Value] = {"devices": devices, "linked": linked}
        return Notice("serving_experts_split", "data_parallel", beyond)
    if replicas == 1.0:
        return Notice("serving_layers_split", "tensor_parallel", {"devices": devices})
    values = {"replicas": replicas, "count": devices / replicas, "devices": devices}
    if shard > devices / replicas:
        return Notice("serving_experts_shared", "expert_parallel", values)
    return Notice("serving_replicas_assumed", "data_parallel", values)


def tokens_per_pass(drafted: Floats, acceptance: Floats) -> Floats:
    """Return the expected tokens per pass with speculative decoding [1]_.

    References
    ----------
    .. [1] Y. Leviathan et al., "Fast inference from transformers via speculative decoding", 2023,
       arXiv:2211.17192, eq. 1.

    >>> round(float(tokens_per_pass(np.array(4.0), np.array(0.8))), 4)
    3.3616
    """
    chance = np.minimum(acceptance, 1.0 - 1e-9)
    return np.asarray((1.0 - chance ** (drafted + 1.0)) / (1.0 - chance))


def filled(values: Floats, otherwise: Number) -> Floats:
    """Fill NaN values with a default."""
    return np.where(np.isnan(values), otherwise, values)
