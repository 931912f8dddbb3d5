"""Time of one engine step: a roofline of reading, computing and waiting.

A decode step generates one token for every sequence in flight. It reads the weights once (in a
mixture, only the active experts), and the cache of every sequence. Reading and computing overlap;
launches, scheduling and collectives do not [1]_:

    t_step = r (+) c + t_launch + t_exchange
    a (+) b = max(a, b) + min(a, b)^2 / (2 max(a, b))
    r = weights / shard x (1 / (e_read B) + 1 / ceiling) + n cache / (e_cache B)
    c = (2 params (n + half_rows) / (peak e_matrix) + n pairs(context) / (peak_16 e_pair)) / shard
    visited experts = 1 - (1 - k / experts)^n
    t_launch = step + layers x layer + n x sequence
    t_exchange = 2 layers (2 (d - 1) / d x n x hidden x 2 B / (e_link link / 2) + latency(d))
    t_first = t_step of the input's rows, without caches, in passes of so many tokens
        + passes x bytes of packed weights and of their 16 bits / (e_read B), where first unpacked

with n sequences in flight, B the memory bandwidth and d devices; replicas that share experts add
their all-to-all to t_exchange. A program that launches its kernels one by one from the host does so
while earlier ones run: the slower of the two sets the pace, and
t_step = (r (+) c) (+) (t_launch + t_exchange).

References
----------
.. [1] R. Pope et al., "Efficiently scaling transformer inference", 2022, arXiv:2211.05102, sec. 2.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Number = float | npt.NDArray[np.float64]
"""A float, or an array that broadcasts with the others."""

Flag = bool | npt.NDArray[np.bool_]
"""A bool, or an array that broadcasts with the others."""

BYTES_OF_ACTIVATION = 2.0
"""Bytes per value sent between devices [B]."""

COLLECTIVES_PER_LAYER = 2.0
"""All-reduces per layer with split attention and feed-forward blocks [1]."""


SERVER_PASS_TOKENS = 8192.0
"""Prompt tokens per pass of servers on data-center devices: `max_num_batched_tokens` of vLLM,
`max_num_tokens` of TensorRT-LLM [token].
"""


@dataclass(frozen=True, kw_only=True)
class Served:
    """Parameters, memory reads and work of a model in generation.

    Parameters
    ----------
    dense_params, routed_params, table_params : float or array
        Parameters used by every token, routed experts' parameters, and input tables' parameters,
        which are stored but not read as a whole [1].
    experts, experts_per_token : float or array
        Routed experts per layer, and active ones per token; 1 and 1 in a dense model [1].
    layers, hidden, cache_heads : float or array
        Layers, width of states exchanged between devices, and heads over which a cache can be
        split.
    cache_values, window_values, window, state_values : float or array
        Values stored per token in full-attention layers and in windowed layers; the window [token];
        values stored per sequence of any length [1].
    pair_flop, window_pair_flop : float or array
        FLOPs per query-key pair, summed over the full-attention and the windowed layers [FLOP].
    latent_pair_flop : float or array
        Additional FLOPs per pair if keys and values stay latent, as in decode [FLOP].
    """

    dense_params: Number
    layers: Number
    hidden: Number
    routed_params: Number = 0.0
    table_params: Number = 0.0
    experts: Number = 1.0
    experts_per_token: Number = 1.0
    cache_heads: Number = 8.0
    cache_values: Number = 0.0
    window_values: Number = 0.0
    window: Number = 1.0
    state_values: Number = 0.0
    pair_flop: Number = 0.0
    window_pair_flop: Number = 0.0
    latent_pair_flop: Number = 0.0

    @property
    def visited_params(self) -> Number:
        """Active parameters per token [1]."""
        return self.dense_params + self.routed_params * self.experts_per_token / self.experts


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Device parameters for inference.

    Parameters
    ----------
    peak_flop_per_s, pair_flop_per_s : float or array
        Dense peak in the format of the weights' arithmetic, and of attention [FLOP/s].
    bytes_per_s, memory_bytes : float or array
        Memory bandwidth [B/s] and size [B].
    link_bytes_per_s : float or array
        To the other devices, both ways together.
    tdp_w, idle_w : float or array
        Power limit and idle power, NaN where unknown [W].
    linked_devices : float or array
        Devices behind one fast link [1].
    unpacked_bytes : float or array
        Bytes per weight that is unpacked before long prompts, 0 if none [B].
    """

    peak_flop_per_s: Number
    pair_flop_per_s: Number
    bytes_per_s: Number
    memory_bytes: Number
    link_bytes_per_s: Number
    tdp_w: Number
    idle_w: Number
    linked_devices: Number
    unpacked_bytes: Number = 0.0


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Efficiency of an inference program on a device.

    Parameters
    ----------
    read_share, cache_share, expert_share : float or array
        Share of memory bandwidth reached when reading weights, caches and experts [1].
    ceiling_bytes_per_s : float or array
        Bandwidth limit of small matrices on devices with the widest memory [B/s].
    matrix_share : float or array
        Share of the peak reached by large matrix products [1].
    pair_share : float or array, optional
        Share of the peak reached by attention products; None for `matrix_share` [1].
    half_rows : float or array
        Rows at which a matrix product reaches half of that share [token].
    layer_s, step_s, sequence_s : float or array
        Fixed time of a step per layer, per step and per sequence: launches, scheduling, sampling
        [s].
    latent_layer_s : float or array
        Additional fixed time per layer with latent attention [s].
    collective_s, link_share : float or array
        Latency of a collective [s], and share of the link bandwidth that it reaches [1].
    pass_tokens, tile_rows : float or array
        Most prompt tokens per pass, and rows at which an expert's products reach half of their rate
        in it [token].
    launches_ahead : bool or array of bool
        Whether the host launches kernels while earlier ones run, so that the slower of the two sets
        the pace.
    request_s, queue_s : float or array
        Time of a request outside all steps (connection, tokenizer, scheduler), and additional time
        per request in flight, as one process handles them all [s].
    waiting_steps, wave_share : float or array
        Steps that end before a prompt is processed and its first token delivered; share of requests
        in flight whose prompts come first, as clients start and finish in waves [1].
    reserved_share : float or array
        Share of the output for which a request reserves memory when admitted [1].
    """

    read_share: Number
    cache_share: Number
    expert_share: Number
    ceiling_bytes_per_s: Number
    matrix_share: Number
    half_rows: Number
    layer_s: Number
    step_s: Number
    sequence_s: Number
    collective_s: Number
    link_share: Number
    pass_tokens: Number = SERVER_PASS_TOKENS
    tile_rows: Number = 0.0
    launches_ahead: Flag = False
    pair_share: Number | None = None
    latent_layer_s: Number = 0.0
    request_s: Number = 0.0
    queue_s: Number = 0.0
    waiting_steps: Number = 0.0
    wave_share: Number = 0.0
    reserved_share: Number = 0.5


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Layout of a model over devices, and its number formats.

    Parameters
    ----------
    devices, data_parallel, expert_shard, stages : float or array
        Total devices, attention replicas, devices that split the experts (at least as many as split
        a layer), and pipeline stages per replica [1].
    dense_bytes, expert_bytes, cache_bytes : float or array
        Bytes per dense weight, expert weight and cached value [B].
    """

    devices: Number = 1.0
    data_parallel: Number = 1.0
    expert_shard: Number = 1.0
    stages: Number = 1.0
    dense_bytes: Number = 2.0
    expert_bytes: Number = 2.0
    cache_bytes: Number = 2.0

    @property
    def dense_shard(self) -> Number:
        """Devices over which a layer's matrices are split [1]."""
        return self.devices / (self.data_parallel * self.stages)


@dataclass(frozen=True, kw_only=True)
class StepTime:
    """Parts of one pass on its busiest device: reading, computing, and overhead [s]."""

    read_s: Number
    compute_s: Number
    overhead_s: Number
    launches_ahead: Flag = False

    @property
    def busy_s(self) -> Number:
        """Time of overlapping compute and reads [s]."""
        return overlapped_s(self.read_s, self.compute_s)

    @property
    def waiting_s(self) -> Number:
        """Time waiting for launches and other overhead that is not hidden [s]."""
        if not np.any(self.launches_ahead):
            return self.overhead_s
        busy = self.busy_s
        left = overlapped_s(busy, self.overhead_s) - busy
        return np.where(self.launches_ahead, left, self.overhead_s)

    @property
    def total_s(self) -> Number:
        """Time of the whole pass [s]."""
        return self.busy_s + self.waiting_s


OVERLAP_RIM = 0.5
"""Time that the shorter of two equal streams adds to the longer, relative to it [1]."""


def overlapped_s(one: Number, other: Number) -> Number:
    """Return the time of two streams that overlap [s]."""
    longer, shorter = np.maximum(one, other), np.minimum(one, other)
    return longer + OVERLAP_RIM * shorter * shorter / longer


def visited_share(experts: Number, experts_per_token: Number, tokens: Number) -> Number:
    """Return the expected share of experts that a number of tokens activates.

    >>> float(visited_share(128.0, 8.0, 1.0)), round(float(visited_share(128.0, 8.0, 64.0)), 3)
    (0.0625, 0.984)
    """
    missed = np.log1p(-np.minimum(experts_per_token / experts, 1.0 - 1e-12))
    return -np.expm1(tokens * missed)


def busiest(share: Number, experts: Number, shard: Number) -> Number:
    """Return the load of the busiest device over the mean, with split experts [1].

    Each device's experts are active with probability `share`; the largest of n nearly normal counts
    is about sqrt(2 ln n) standard deviations above their mean.
    """
    mean = np.maximum(experts / shard * share, 1e-9)
    above = np.sqrt(2.0 * np.log(shard) * (1.0 - share) / mean)
    return np.minimum(1.0 + above, np.minimum(shard, 1.0 / np.maximum(share, 1e-9)))


def kept_values(model: Served, tokens: Number) -> Number:
    """Return the cached values of a sequence of a given length [1]."""
    inside = np.minimum(tokens, model.window)
    return model.cache_values * tokens + model.window_values * inside + model.state_values


@dataclass(frozen=True, kw_only=True)
class ExpertCosts:
    """Time of the routed experts of a step on the busiest device.

    Parameters
    ----------
    experts, experts_per_token, shard : float or array
        As in `Served`; devices that split the experts [1].
    tokens_per_row : float or array
        Tokens that one device's experts process per row of the attention layers [1].
    read_s, compute_s : float or array
        Time to read all experts of a device, and to compute their products at full rows [s].
    """

    experts: Number
    experts_per_token: Number
    shard: Number
    tokens_per_row: Number
    read_s: Number
    compute_s: Number

    def visited(self, rows: Number) -> Number:
        """Share of the busiest device's experts that are active [1]."""
        share = visited_share(self.experts, self.experts_per_token, rows * self.tokens_per_row)
        return share * busiest(share, self.experts, self.shard)


@dataclass(frozen=True, kw_only=True)
class DecodeCosts:
    """Time of a decode step: a constant, and a part per row.

    Parameters
    ----------
    read_s, compute_s, overhead_s : float or array
        Time independent of the number of rows [s].
    row_read_s, row_compute_s, row_overhead_s : float or array
        Time per row [s].
    experts : ExpertCosts or None
        Costs of experts, None if no model has any.
    launches_ahead : bool or array of bool
        See `Engine`.
    """

    read_s: Number
    compute_s: Number
    overhead_s: Number
    row_read_s: Number
    row_compute_s: Number
    row_overhead_s: Number
    experts: ExpertCosts | None
    launches_ahead: Flag = False

    def at(self, rows: Number) -> StepTime:
        """Return the time of one step with a number of rows [s]."""
        read_s = self.read_s + rows * self.row_read_s
        compute_s = self.compute_s + rows * self.row_compute_s
        if self.experts is not None:
            visited = self.experts.visited(rows)
            read_s = read_s + visited * self.experts.read_s
            compute_s = compute_s + visited * self.experts.compute_s
        overhead_s = self.overhead_s + rows * self.row_overhead_s
        return StepTime(
            read_s=read_s,
            compute_s=compute_s,
            overhead_s=overhead_s,
            launches_ahead=self.launches_ahead,
        )


def decode_costs(
    model: Served, machine: Machine, engine: Engine, layout: Layout, context_tokens: Number
) -> DecodeCosts:
    """Return the time of a step that generates one token per sequence, by its rows.

    Fields broadcast; `context_tokens` is the mean context in the cache. Each matrix product
    computes as if it had half_rows more rows.
    """
    return _step_costs(model, machine, engine, layout, context_tokens, engine.half_rows)


def _step_costs(
    model: Served,
    machine: Machine,
    engine: Engine,
    layout: Layout,
    context_tokens: Number,
    expert_rows: Number,
) -> DecodeCosts:
    """Return the step time, with the rows at which expert products reach half their rate."""
    shard = layout.dense_shard
    per_byte_s = 1.0 / (engine.read_share * machine.bytes_per_s) + 1.0 / engine.ceiling_bytes_per_s
    dense = model.dense_params / shard
    cache_shard = np.minimum(shard, model.cache_heads)
    cache_bytes = kept_values(model, context_tokens) * layout.cache_bytes / cache_shard
    per_flop_s = 1.0 / (machine.peak_flop_per_s * engine.matrix_share)
    seen = np.minimum(context_tokens, model.window)
    pair_flop = model.pair_flop + model.latent_pair_flop
    pairs = pair_flop * context_tokens + model.window_pair_flop * seen
    pair_share = engine.matrix_share if engine.pair_share is None else engine.pair_share
    pairs_s = pairs / (machine.pair_flop_per_s * pair_share)
    layer_s = engine.layer_s + engine.latent_layer_s * np.greater(model.latent_pair_flop, 0.0)
    exchange_s, row_exchange_s = _exchange_costs(model, machine, engine, layout)
    experts, row_s = None, (2.0 * model.visited_params * per_flop_s + pairs_s) / shard
    if np.any(model.routed_params):
        held = model.routed_params / layout.expert_shard
        experts = ExpertCosts(
            experts=model.experts,
            experts_per_token=model.experts_per_token,
            shard=layout.expert_shard,
            tokens_per_row=layout.expert_shard / shard,
            read_s=held * layout.expert_bytes / engine.expert_share * per_byte_s,
            compute_s=2.0 * held * expert_rows * per_flop_s,
        )
    return DecodeCosts(
        read_s=dense * layout.dense_bytes * per_byte_s,
        compute_s=2.0 * dense * engine.half_rows * per_flop_s,
        overhead_s=engine.step_s + model.layers * layer_s + exchange_s,
        row_read_s=cache_bytes / (engine.cache_share * machine.bytes_per_s),
        row_compute_s=row_s,
        row_overhead_s=engine.sequence_s + row_exchange_s,
        experts=experts,
        launches_ahead=engine.launches_ahead,
    )


def prefill_times(
    model: Served, machine: Machine, engine: Engine, layout: Layout, input_tokens: Number
) -> tuple[StepTime, Number]:
    """Return the prefill time of one sequence on one replica, without and with others [s].

    Alone, its passes are steps of many rows without caches, the last of which yields the first
    token; with m passes, s pipeline stages work on m s / (m + s - 1) of them at a time. With
    others, prefill shares decode steps, which read and launch anyway: this is the added time [s].
    """
    bare = replace(
        model, cache_values=0.0, window_values=0.0, state_values=0.0, latent_pair_flop=0.0
    )
    quiet = replace(engine, sequence_s=0.0)
    costs = _step_costs(bare, machine, quiet, layout, 0.5 * input_tokens, engine.tile_rows)
    passes = np.maximum(input_tokens / engine.pass_tokens, 1.0)
    step = costs.at(input_tokens / passes)
    unpacking_s = _unpacking_s(model, machine, engine, layout)
    in_turn = (passes + layout.stages - 1.0) / layout.stages
    alone = replace(
        step,
        read_s=in_turn * step.read_s,
        compute_s=in_turn * step.compute_s,
        overhead_s=in_turn * (step.overhead_s + unpacking_s),
    )
    riding_s = passes * (step.compute_s + unpacking_s) + input_tokens * costs.row_overhead_s
    return alone, riding_s / layout.stages


def _unpacking_s(model: Served, machine: Machine, engine: Engine, layout: Layout) -> Number:
    """Return the time to unpack all weights, for engines that do so [s]."""
    first = np.greater(machine.unpacked_bytes, 0.0)
    dense = model.dense_params / layout.dense_shard * (layout.dense_bytes + machine.unpacked_bytes)
    held = model.routed_params / layout.expert_shard
    routed = held * (layout.expert_bytes + machine.unpacked_bytes)
    return first * (dense + routed) / (engine.read_share * machine.bytes_per_s)


def _exchange_costs(
    model: Served, machine: Machine, engine: Engine, layout: Layout
) -> tuple[Number, Number]:
    """Return the time of ring all-reduces, and all-to-all between replicas that share experts [s].

    A token goes to every other device with one of its experts and back. Latency of all layers, and
    time per row of a replica [s].
    """
    devices, shard = layout.expert_shard, layout.dense_shard
    shared = devices > shard
    reduced = np.where(shared, 0.5, 1.0) * COLLECTIVES_PER_LAYER * (shard - 1.0) / shard
    visited = visited_share(devices, 1.0, model.experts_per_token) * (devices - 1.0) / shard
    sent = 2.0 * (reduced + np.where(shared, visited, 0.0)) * model.hidden * BYTES_OF_ACTIVATION
    rate = machine.link_bytes_per_s / 2.0 * engine.link_share
    latency = engine.collective_s * np.minimum(devices - 1.0, 1.0) * (1.0 + np.log2(devices)) / 2.0
    return COLLECTIVES_PER_LAYER * model.layers * latency, model.layers * sent / rate
