"""Disaggregated prefill and decode on separate pools of devices.

One prefill replica processes a prompt and sends its KV cache to the decode pool, whose steps
contain no prefill. Of N requests in flight, n are decoding:

    rate = n / ((answer - 1) t_token(n))
    N = n + rate (t_request + t_read + t_send + t_step + t_wait)
    busy = rate t_busy / replicas
    t_wait = (1 - 1 / N) busy / (2 (1 - busy)) t_busy + N / replicas (queue + wave x t_busy)

so n is the zero of a rising function, found by bisection. Prompts of a pass share the reading of
the weights, which makes t_busy of a prompt among others shorter than t_read alone; its service is
even, so it waits as in a queue M/D/1 [1]_, behind the N - 1 others only [2]_. The cache of a prompt
leaves by the links of the devices over which it is split.

References
----------
.. [1] L. Kleinrock, "Queueing systems", vol. 1, 1975, eq. 5.63.
.. [2] M. Reiser, S. Lavenberg, "Mean-value analysis of closed multichain queuing networks", 1980,
   Journal of the ACM 27(2), p. 313.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from estimator.core.rows import Floats
from estimator.inference.step import (
    Engine,
    Layout,
    Machine,
    Number,
    Served,
    StepTime,
    kept_values,
    prefill_times,
)

ROUNDS = 48
"""Bisection steps for the number of decoding sequences [1]."""

LEAST_TOKENS = 1e-6
"""Output tokens after the first of a one-token request [token]."""


@dataclass(frozen=True, kw_only=True)
class PrefillPool:
    """Devices that only do prefill.

    Parameters
    ----------
    devices : float or array
        Devices of the pool, 0 if prefill and decode share devices [1].
    layout : Layout
        Layout of the pool, arbitrary without devices.
    link_bytes_per_s : float or array
        Bandwidth from one device of the pool to the decode pool, one way.
    """

    devices: Number
    layout: Layout
    link_bytes_per_s: Number = np.inf


NO_POOL = PrefillPool(devices=0.0, layout=Layout())
"""Prefill on the decode devices."""


@dataclass(frozen=True, kw_only=True)
class PoolTimes:
    """Time of a prompt in a prefill pool.

    Parameters
    ----------
    read : StepTime
        Time of a prompt without others.
    busy_s, sent_s : float or array
        Time of one replica per prompt among others, and time to send its cache [s].
    engine : Engine
    replicas : float or array
        Replicas of the pool, each processing one prompt at a time [1].
    """

    read: StepTime
    busy_s: Number
    sent_s: Number
    engine: Engine
    replicas: Number

    def alone_s(self, step_s: Number) -> Number:
        """Return the time to first token without other prompts, before a step of `step_s` [s]."""
        return self.engine.request_s + self.read.total_s + self.sent_s + step_s

    def waiting_s(self, flying: Number, requests_per_s: Number) -> Number:
        """Wait behind other prompts, infinite if they arrive faster than they finish [s]."""
        engine = self.engine
        busy = requests_per_s * self.busy_s / self.replicas
        others = busy * np.maximum(1.0 - 1.0 / flying, 0.0)
        queue_s = np.where(
            busy < 1.0, 0.5 * others / np.maximum(1.0 - busy, 1e-12) * self.busy_s, np.inf
        )
        waves_s = flying / self.replicas * (engine.queue_s + engine.wave_share * self.busy_s)
        return queue_s + waves_s


def pool_times(
    model: Served,
    machine: Machine,
    engine: Engine,
    pool: PrefillPool,
    tokens: tuple[Number, Number],
) -> PoolTimes:
    """Return the time of a prompt in a pool, by its new and cached tokens."""
    fresh, cached = tokens
    layout = pool.layout
    read, riding_s = prefill_times(model, machine, engine, layout, fresh)
    shared_s = np.maximum(read.total_s - riding_s, 0.0)
    links = np.minimum(layout.dense_shard, model.cache_heads)
    cache_bytes = kept_values(model, cached) * layout.cache_bytes
    return PoolTimes(
        read=read,
        busy_s=riding_s + np.minimum(fresh / engine.pass_tokens, 1.0) * shared_s,
        sent_s=cache_bytes / (links * pool.link_bytes_per_s),
        engine=engine,
        replicas=layout.data_parallel,
    )


def decoding_sequences(
    times: PoolTimes,
    flying: Number,
    most: Number,
    later_tokens: Number,
    step_s: Callable[[Number], Number],
    token_s: Callable[[Number], Number],
) -> Floats:
    """Return how many sequences are decoding for the requests in flight, limited by memory [1].

    Parameters
    ----------
    times : PoolTimes
    flying, most, later_tokens : float or array
        Requests in flight, sequences that fit in the decode pool, and tokens after the first.
    step_s, token_s : callable
        Time of a decode step, and of one sequence's token, as functions of the number of decoding
        sequences [s].
    """
    low = np.zeros(np.broadcast(flying, most, later_tokens).shape)
    high = np.minimum(flying, most) + low
    for _ in range(ROUNDS):
        middle = 0.5 * (low + high)
        rate = middle / (later_tokens * token_s(middle))
        first_s = times.alone_s(step_s(middle)) + times.waiting_s(flying, rate)
        short = middle + rate * first_s < flying
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return np.asarray(low)
