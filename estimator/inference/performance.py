"""Latency, throughput, power and energy per token of an inference setup.

Everything broadcasts, from one setup to a million.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from estimator.core.rows import either
from estimator.inference.batching import Pace, static_pace, steady_pace
from estimator.inference.capacity import most_sequences
from estimator.inference.pools import (
    LEAST_TOKENS,
    NO_POOL,
    PoolTimes,
    PrefillPool,
    decoding_sequences,
    pool_times,
)
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
    """Traffic of a setup.

    Parameters
    ----------
    sequences, input_tokens, output_tokens : float or array
        Sequences in flight on all devices [1]; input and output tokens of each [token].
    cached_share : float or array
        Share of the input found in the prefix cache [1].
    tokens_per_pass, drafted : float or array
        With speculative decoding, tokens yielded per pass, and drafts checked in addition to one
        plain token [token].
    draft_share : float or array
        Parameters of the draft model over active parameters [1].
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
        """Mean context of a sequence in flight: all input and half the output [token]."""
        return self.input_tokens + 0.5 * self.output_tokens


@dataclass(frozen=True, kw_only=True)
class Performance:
    """Steady state of all devices together.

    Parameters
    ----------
    passes : Passes
        Passes that it is computed from.
    pace : Pace
        Latencies of a request, and rates of one attention replica.
    step : StepTime
        Parts of a decode step.
    prefill_s : float or array
        Prefill time of one prompt without others, to its first token [s].
    output_tokens_per_s : float or array
        Output rate of all devices.
    device_power_w, device_energy_per_output_token_j : float or array
        Power and energy of all devices, without host.
    """

    passes: "Passes"
    pace: Pace
    step: StepTime
    prefill_s: Number
    output_tokens_per_s: Number
    device_power_w: Number
    device_energy_per_output_token_j: Number


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Model, devices, layout and engine.

    Parameters
    ----------
    model, machine, engine, layout, draw : Served, Machine, Engine, Layout, Draw
    static_batches : bool or array of bool
        Whether sequences start and end together instead of one by one.
    prefill : PrefillPool
        Prefill devices, in addition to `layout`, which then only decodes.
    """

    model: Served
    machine: Machine
    engine: Engine
    layout: Layout
    draw: Draw
    static_batches: Flag = False
    prefill: PrefillPool = NO_POOL

    @property
    def split(self) -> npt.NDArray[np.bool_]:
        """Return whether prefill has its own devices."""
        return np.asarray(np.asarray(self.prefill.devices) > 0.0)


@dataclass(frozen=True, kw_only=True)
class Passes:
    """Times of a setup's passes under its traffic, by concurrency.

    Parameters
    ----------
    setup, traffic : Setup, Traffic
    costs : DecodeCosts
        Costs of a decode step.
    prefill : StepTime
        Time of passes that prefill one prompt without others.
    riding_s : float or array
        Time that one prompt adds to decode steps of others [s].
    pool : PoolTimes or None
        Times of a prompt in a prefill pool, None if no setup has one.
    """

    setup: Setup
    traffic: Traffic
    costs: DecodeCosts
    prefill: StepTime
    riding_s: Number
    pool: PoolTimes | None = None

    def step(self, sequences: Number) -> StepTime:
        """Return the time of a decode step at a concurrency over all devices [s]."""
        return self._step_of(self.decoding(sequences))

    def _step_of(self, decoding: Number) -> StepTime:
        return self.costs.at(_rows(self.setup.layout, self.traffic, decoding))

    def _token_s(self, step: StepTime) -> Number:
        """Return the time per token of one sequence, with speculative decoding [s]."""
        drafting = 1.0 + self.traffic.drafted * self.traffic.draft_share
        return step.total_s * drafting / self.traffic.tokens_per_pass

    def decoding(self, sequences: Number) -> Number:
        """Return how many sequences are decoding; the others in flight are in prefill [1]."""
        if self.pool is None:
            return sequences
        found = decoding_sequences(
            self.pool,
            sequences,
            _most_running(self.setup, self.traffic),
            self._later_tokens,
            lambda some: self._step_of(some).total_s,
            lambda some: self._token_s(self._step_of(some)),
        )
        return np.where(self.setup.split, found, sequences)

    @property
    def _later_tokens(self) -> Number:
        """Output tokens after the first [token]."""
        return np.maximum(np.asarray(self.traffic.output_tokens) - 1.0, LEAST_TOKENS)

    def _split_pace(self, pool: PoolTimes, sequences: Number, step: StepTime) -> Pace:
        """Return the pace of one decode replica; requests queue before their first token."""
        token_s = self._token_s(step)
        rate = self.decoding(sequences) / (self._later_tokens * token_s)
        first_s = sequences / rate - self._later_tokens * token_s
        requests_per_s = rate / self.setup.layout.data_parallel
        return Pace(
            inter_token_s=token_s,
            median_gap_s=token_s,
            late_gap_s=token_s,
            time_to_first_token_s=first_s,
            queue_s=np.maximum(first_s - pool.alone_s(step.total_s), 0.0),
            output_tokens_per_s=requests_per_s * self.traffic.output_tokens,
            requests_per_s=requests_per_s,
            prefill_share=np.zeros_like(rate),
        )

    def pace(self, sequences: Number, step: StepTime) -> Pace:
        """Return the pace of one replica at a given step time."""
        if self.pool is not None:
            split = self._split_pace(self.pool, sequences, step)
            chosen: Pace = either(self.setup.split, split, self._shared_pace(sequences, step))
            return chosen
        return self._shared_pace(sequences, step)

    def _shared_pace(self, sequences: Number, step: StepTime) -> Pace:
        """Return the pace of one replica that runs prefill and decode."""
        traffic = self.traffic
        each = sequences / self.setup.layout.data_parallel
        token_s = self._token_s(step)
        first_s = self._first_s(each, step, token_s)
        steady = steady_pace(each, traffic.output_tokens, token_s, self.riding_s, *first_s)
        static = np.asarray(self.setup.static_batches)
        if not static.any():
            return steady
        read_s = overlapped_s(each * self.riding_s, step.overhead_s)
        batch = static_pace(each, traffic.output_tokens, token_s, read_s)
        chosen: Pace = either(static, batch, steady)
        return chosen

    def _first_s(self, each: Number, step: StepTime, token_s: Number) -> tuple[Number, Number]:
        """Return the time to first token without other prompts, and the median wait for them [s].

        Prefill begins after the current step and shares the following steps.
        """
        engine = self.setup.engine
        begun = each / self.traffic.output_tokens
        steps_s = engine.waiting_steps * (token_s + begun * self.riding_s)
        alone_s = engine.request_s + self.prefill.total_s + step.total_s + steps_s
        waves_s = each * (engine.queue_s + engine.wave_share * self.riding_s)
        return alone_s, waves_s + 0.5 * begun * self.riding_s

    @property
    def prefill_s(self) -> Number:
        """Time of one prefill without other requests [s]."""
        if self.pool is None:
            return self.prefill.total_s
        return np.where(self.setup.split, self.pool.read.total_s, self.prefill.total_s)

    def decoded(self, sequences: Number) -> Traffic:
        """Return the traffic of the decode devices if prefill runs elsewhere."""
        flying = replace(self.traffic, sequences=sequences)
        if self.pool is None:
            return flying
        cached = np.where(self.setup.split, 1.0, self.traffic.cached_share)
        return replace(flying, sequences=self.decoding(sequences), cached_share=cached)

    def output_tokens_per_s(self, sequences: Number) -> Number:
        """Return the output tokens per second of all devices at a concurrency."""
        pace = self.pace(sequences, self.step(sequences))
        return self.setup.layout.data_parallel * pace.output_tokens_per_s


def performance(setup: Setup, traffic: Traffic) -> Performance:
    """Estimate latency, throughput, power and energy of a setup under its traffic.

    Parameters
    ----------
    setup : Setup
    traffic : Traffic
        Traffic; its fields broadcast together.
    """
    layout, passes = setup.layout, passes_of(setup, traffic)
    running = _running(setup, traffic)
    step = passes.step(running)
    pace = passes.pace(running, step)
    request_s = running / layout.data_parallel / pace.requests_per_s
    admission_s = (traffic.sequences / running - 1.0) * request_s
    pace = replace(pace, time_to_first_token_s=pace.time_to_first_token_s + admission_s)
    rate = layout.data_parallel * pace.output_tokens_per_s
    power_w = layout.devices * _board_w(setup, passes.decoded(running), step, rate)
    if passes.pool is not None:
        power_w = power_w + _prefill_w(setup, passes.pool, traffic, rate)
    return Performance(
        passes=passes,
        pace=pace,
        step=step,
        prefill_s=passes.prefill_s,
        output_tokens_per_s=rate,
        device_power_w=power_w,
        device_energy_per_output_token_j=power_w / rate,
    )


def passes_of(setup: Setup, traffic: Traffic) -> Passes:
    """Return the times of passes, by concurrency."""
    device = setup.model, setup.machine, setup.engine, setup.layout
    fresh = traffic.input_tokens * (1.0 - traffic.cached_share)
    prefill, riding_s = prefill_times(*device, fresh)
    pool = None
    if np.any(setup.split):
        sizes = fresh, traffic.input_tokens
        pool = pool_times(setup.model, setup.machine, setup.engine, setup.prefill, sizes)
    return Passes(
        setup=setup,
        traffic=traffic,
        costs=decode_costs(*device, traffic.tokens_in_flight),
        prefill=prefill,
        riding_s=riding_s,
        pool=pool,
    )


def _running(setup: Setup, traffic: Traffic) -> Number:
    """Return how many sequences fit in memory at once; the others queue [1].

    With a prefill pool, requests that wait for memory count as in flight.
    """
    running = np.minimum(traffic.sequences, _most_running(setup, traffic))
    return np.where(setup.split, traffic.sequences, running) if np.any(setup.split) else running


def _most_running(setup: Setup, traffic: Traffic) -> Number:
    """Return the most sequences that fit in the memory of the decode devices [1]."""
    reserved = traffic.input_tokens + setup.engine.reserved_share * traffic.output_tokens
    most = most_sequences(setup.model, setup.layout, setup.machine.memory_bytes, reserved)
    return np.maximum(most, 1.0)


def _rows(layout: Layout, traffic: Traffic, sequences: Number) -> Number:
    """Return the rows per pass of one replica: sequences with drafts, over pipeline stages [1]."""
    each = sequences / layout.data_parallel
    return np.maximum(each / np.minimum(layout.stages, each), 1.0) * (1.0 + traffic.drafted)


def _board_w(setup: Setup, traffic: Traffic, step: StepTime, rate: Number) -> Number:
    """Return the mean power of one device, from its memory and compute rates [W]."""
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
    draw = setup.draw.over_time(step.waiting_s * steps_per_s)
    awake = draw.awake * np.minimum(layout.stages, traffic.sequences) / layout.stages
    return board_power_w(
        machine.tdp_w,
        machine.idle_w,
        replace(draw, awake=awake),
        memory_rate=read / machine.bytes_per_s,
        arithmetic_rate=flop_per_s / machine.peak_flop_per_s,
    )


def _prefill_w(setup: Setup, pool: PoolTimes, traffic: Traffic, rate: Number) -> Number:
    """Return the mean power of all prefill devices, 0 if there are none [W]."""
    model, machine, layout = setup.model, setup.machine, setup.prefill.layout
    prompts_per_s = rate / traffic.output_tokens
    busy = np.minimum(prompts_per_s * pool.busy_s / pool.replicas, 1.0)
    fresh = traffic.input_tokens * (1.0 - traffic.cached_share)
    flop_per_s = 2.0 * model.visited_params * fresh * prompts_per_s / layout.devices
    held = model.dense_params * layout.dense_bytes / layout.dense_shard
    held = held + model.routed_params * layout.expert_bytes / layout.expert_shard
    passes_per_s = prompts_per_s / pool.replicas * fresh / setup.engine.pass_tokens
    draw = setup.draw
    board_w = board_power_w(
        machine.tdp_w,
        machine.idle_w,
        replace(draw, awake=draw.awake * busy),
        memory_rate=held * passes_per_s / machine.bytes_per_s,
        arithmetic_rate=flop_per_s / machine.peak_flop_per_s,
    )
    return setup.prefill.devices * board_w
