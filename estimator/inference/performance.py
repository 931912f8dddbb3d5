"""What does a serving set-up deliver: latency, throughput, power and energy of a token, at once.

Everything broadcasts: one set-up, or a million.
"""

from dataclasses import dataclass, replace

import numpy as np

from estimator.inference.batching import Pace, chosen_pace, static_pace, steady_pace
from estimator.inference.capacity import most_sequences
from estimator.inference.power import Draw, board_power_w
from estimator.inference.step import (
    DecodeCosts,
    Engine,
    Flag,
    Layout,
    Machine,
    Number,
    Served,
    StepTime,
    decode_costs,
    kept_values,
    overlapped_s,
    prefill_times,
    visited_share,
)


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What is asked of a set-up.

    Parameters
    ----------
    sequences, input_tokens, output_tokens : float or array
        Sequences in flight on all devices [1]; tokens read and written by each. [token]
    cached_share : float or array
        Share of the input that a prefix cache already holds [1].
    tokens_per_pass, drafted : float or array
        With speculative decoding: tokens that a pass yields, and drafts that it checks beside
        the one token of plain decoding [token].
    draft_share : float or array
        Parameters of the draft model over those that a token visits [1].
    """

    sequences: Number
    input_tokens: Number
    output_tokens: Number
    cached_share: Number = 0.0
    tokens_per_pass: Number = 1.0
    drafted: Number = 0.0
    draft_share: Number = 0.0

    @property
    def tokens_in_flight(self) -> Number:
        """Mean tokens of a sequence in flight: all that it read, half of what it writes [token]."""
        return self.input_tokens + 0.5 * self.output_tokens


@dataclass(frozen=True, kw_only=True)
class Performance:
    """Steady state of all devices together.

    Parameters
    ----------
    passes : Passes
        Of which it is.
    pace : Pace
        Latencies of a request and rates of one replica of the attention layers.
    step : StepTime
        Parts of a decode step.
    prefill_s : float or array
        Time to read one input alone, to its first token [s].
    output_tokens_per_s : float or array
        Of all devices.
    device_power_w, device_energy_per_output_token_j : float or array
        Of all devices, boards alone.
    """

    passes: "Passes"
    pace: Pace
    step: StepTime
    prefill_s: Number
    output_tokens_per_s: Number
    device_power_w: Number
    device_energy_per_output_token_j: Number


@dataclass(frozen=True, kw_only=True)
class Board:
    """Power limit and idle power of one device [W], and how the way between them is spent."""

    tdp_w: Number
    idle_w: Number
    draw: Draw


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A model on devices under an engine.

    Parameters
    ----------
    model, machine, engine, board, layout : Served, Machine, Engine, Board, Layout
    static_batches : bool or array of bool
        Whether sequences begin and end together, and do not make room one by one.
    """

    model: Served
    machine: Machine
    engine: Engine
    board: Board
    layout: Layout
    static_batches: Flag = False


@dataclass(frozen=True, kw_only=True)
class Passes:
    """What passes of a set-up take under its traffic, by the sequences in flight.

    Parameters
    ----------
    setup, traffic : Setup, Traffic
    costs : DecodeCosts
        Of a decode step.
    prefill : StepTime
        Of the passes that read one input alone.
    riding_s : float or array
        What one input adds to the decode steps of others [s].
    """

    setup: Setup
    traffic: Traffic
    costs: DecodeCosts
    prefill: StepTime
    riding_s: Number

    def step(self, sequences: Number) -> StepTime:
        """Time of a decode step with some sequences in flight on all devices."""
        rows = _rows(self.setup.layout, self.traffic, sequences)
        return self.costs.at(rows)

    def pace(self, sequences: Number, step: StepTime) -> Pace:
        """Pace of one replica, a step taking so long."""
        traffic = self.traffic
        each = sequences / self.setup.layout.data_parallel
        drafting = 1.0 + traffic.drafted * traffic.draft_share
        token_s = step.total_s * drafting / traffic.tokens_per_pass
        first_s = self._first_s(each, step, token_s)
        steady = steady_pace(each, traffic.output_tokens, token_s, self.riding_s, *first_s)
        static = np.asarray(self.setup.static_batches)
        if not static.any():
            return steady
        read_s = overlapped_s(each * self.riding_s, step.overhead_s)
        batch = static_pace(each, traffic.output_tokens, token_s, read_s)
        return chosen_pace(static, batch, steady)

    def _first_s(self, each: Number, step: StepTime, token_s: Number) -> tuple[Number, Number]:
        """Time to a first token behind no other prompt, and median time behind others [s].

        A prompt is read after the step under way, and shares the steps in which it is read.
        """
        engine = self.setup.engine
        begun = each / self.traffic.output_tokens
        steps_s = engine.waiting_steps * (token_s + begun * self.riding_s)
        alone_s = engine.request_s + self.prefill.total_s + step.total_s + steps_s
        waves_s = each * (engine.queue_s + engine.wave_share * self.riding_s)
        return alone_s, waves_s + 0.5 * begun * self.riding_s

    def output_tokens_per_s(self, sequences: Number) -> Number:
        """Output tokens of all devices in a second with some sequences in flight."""
        pace = self.pace(sequences, self.step(sequences))
        return self.setup.layout.data_parallel * pace.output_tokens_per_s


def performance(setup: Setup, traffic: Traffic) -> Performance:
    """Latency, throughput, power and energy of a set-up under its traffic.

    Parameters
    ----------
    setup : Setup
    traffic : Traffic
        Their fields broadcast together.
    """
    layout, passes = setup.layout, passes_of(setup, traffic)
    running = _running(setup, traffic)
    step = passes.step(running)
    pace = passes.pace(running, step)
    request_s = running / layout.data_parallel / pace.requests_per_s
    admission_s = (traffic.sequences / running - 1.0) * request_s
    pace = replace(pace, time_to_first_token_s=pace.time_to_first_token_s + admission_s)
    rate = layout.data_parallel * pace.output_tokens_per_s
    power_w = layout.devices * _board_w(setup, replace(traffic, sequences=running), step, rate)
    return Performance(
        passes=passes,
        pace=pace,
        step=step,
        prefill_s=passes.prefill.total_s,
        output_tokens_per_s=rate,
        device_power_w=power_w,
        device_energy_per_output_token_j=power_w / rate,
    )


def passes_of(setup: Setup, traffic: Traffic) -> Passes:
    """What passes take, by the sequences in flight."""
    device = setup.model, setup.machine, setup.engine, setup.layout
    fresh = traffic.input_tokens * (1.0 - traffic.cached_share)
    prefill, riding_s = prefill_times(*device, fresh)
    return Passes(
        setup=setup,
        traffic=traffic,
        costs=decode_costs(*device, traffic.tokens_in_flight),
        prefill=prefill,
        riding_s=riding_s,
    )


def _running(setup: Setup, traffic: Traffic) -> Number:
    """Sequences that the memory holds at a time; the others wait to be admitted [1]."""
    reserved = traffic.input_tokens + setup.engine.reserved_share * traffic.output_tokens
    most = most_sequences(setup.model, setup.layout, setup.machine.memory_bytes, reserved)
    return np.minimum(traffic.sequences, np.maximum(most, 1.0))


def _rows(layout: Layout, traffic: Traffic, sequences: Number) -> Number:
    """Rows of a pass of one replica: its sequences, shared by its stages, with their drafts [1]."""
    each = sequences / layout.data_parallel
    return np.maximum(each / np.minimum(layout.stages, each), 1.0) * (1.0 + traffic.drafted)


def _board_w(setup: Setup, traffic: Traffic, step: StepTime, rate: Number) -> Number:
    """Mean power of one board: bytes and FLOPs that each device gets through in a second."""
    model, machine, layout = setup.model, setup.machine, setup.layout
    shard = layout.dense_shard
    steps_per_s = rate / traffic.sequences / traffic.tokens_per_pass
    tokens = _rows(layout, traffic, traffic.sequences) * layout.expert_shard / shard
    visited = visited_share(model.experts, model.experts_per_token, tokens)
    weights = model.dense_params * layout.dense_bytes / shard
    weights = weights + model.routed_params * visited * layout.expert_bytes / layout.expert_shard
    cached = kept_values(model, traffic.tokens_in_flight) * layout.cache_bytes * traffic.sequences
    per_step = weights / layout.stages * np.minimum(layout.stages, traffic.sequences)
    read = (per_step + cached / layout.devices) * steps_per_s
    fresh = traffic.input_tokens * (1.0 - traffic.cached_share) / traffic.output_tokens
    written = (1.0 + traffic.drafted) / traffic.tokens_per_pass
    flop_per_s = 2.0 * model.visited_params * (written + fresh) * rate / layout.devices
    draw = setup.board.draw.over_time(step.waiting_s * steps_per_s)
    awake = draw.awake * np.minimum(layout.stages, traffic.sequences) / layout.stages
    return board_power_w(
        setup.board.tdp_w,
        setup.board.idle_w,
        replace(draw, awake=awake),
        memory_rate=read / machine.bytes_per_s,
        arithmetic_rate=flop_per_s / machine.peak_flop_per_s,
    )
