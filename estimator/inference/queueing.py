"""Concurrency at an arrival rate or for a number of users, and waiting time.

By Little's law [1]_, requests in flight are the rate times the service time, which itself grows
with concurrency; a root search finds the load. Users pause between an answer and their next
request, so their rate falls as service slows (interactive response time law [5]_). Waiting for a
place follows Sakasegawa's approximation of a multi-server queue [2]_.

    n = rate x service(n)
    rate = users / (pause + service(n))
    busy = rate x service / places
    share that waits = busy^(sqrt(2 (places + 1)) - 1)
    mean wait of those = service / (places (1 - busy))
    wait(p) = mean wait of those x ln(share / (1 - p)), 0 where share <= 1 - p

References
----------
.. [1] J. Little, "A proof for the queuing formula L = lambda W", 1961, Operations Research 9(3).
.. [2] H. Sakasegawa, "An approximation formula L_q", 1977, Ann. Inst. Statist. Math. 29.
.. [5] P. Denning, J. Buzen, "The operational analysis of queueing network models", 1978, Computing
   Surveys 10(3).
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from estimator.core.notice import Notice, Value
from estimator.core.rows import Floats, Mask, rows_of, rows_where
from estimator.inference.capacity import devices_needed, most_sequences
from estimator.inference.performance import Passes, passes_of
from estimator.inference.step import Number

if TYPE_CHECKING:
    from estimator.inference.setups import ServingTable

ROUNDS, CLOSE = 60, 1e-12
"""Most iterations of the load search, and its tolerance on the log rate [1]."""

MOST_LOAD = 1e6
"""Highest concurrency searched [1]."""


def concurrency_of_rates(table: "ServingTable") -> tuple[Floats, dict[int, Notice]]:
    """Return the concurrency that each row's request rate or users lead to [1].

    NaN with a reason if the setup cannot serve it within its memory.
    """
    tokens = np.asarray(table.traffic.tokens_in_flight)
    most = np.minimum(table.most_sequences(tokens), MOST_LOAD)
    holds = most > 0
    served = partial(_served_per_s, passes_of(table.setup, table.traffic))
    most = np.where(holds, most, 1.0)
    alone, fastest = served(np.ones(table.count)), served(most)
    arriving = partial(arrivals_per_s, table)
    at_most, at_least = arriving(1.0 / alone), arriving(most / fastest)
    possible = holds & (at_least <= fastest)
    busy = possible & (at_most > alone)
    found = _load_of_rates(served, arriving, busy, most, (alone, fastest))
    flying = np.where(busy, found, at_most / alone)
    memory = np.asarray(table.machine.memory_bytes)
    needed = np.asarray(devices_needed(table.model, table.layout, memory, 1.0, tokens))
    refused: dict[int, Notice] = {}
    for row in rows_where(~possible).tolist():
        if not holds[row]:
            refused[row] = does_not_fit(table, row, float(needed[row]))
        elif np.isnan(table.asked_numbers["users"][row]):
            values = {"rate": float(at_least[row]), "most": float(fastest[row])}
            refused[row] = Notice("serving_too_many_requests", "request_rate", values)
        else:
            users = float(table.asked_numbers["users"][row])
            values = {"users": users, "most": users * float(fastest[row] / at_least[row])}
            refused[row] = Notice("serving_too_many_users", "users", values)
    return np.where(possible, flying, np.nan), refused


def arrivals_per_s(table: "ServingTable", service_s: Floats) -> Floats:
    """Return the arrival rate at a service time: given, or from users who pause [1/s]."""
    users = table.asked_numbers["users"] / (table.think_s + service_s)
    return np.where(np.isnan(users), table.asked_numbers["request_rate"], users)


def _load_of_rates(
    served: Callable[[Floats], Floats],
    arriving: Callable[[Floats], Floats],
    busy: Mask,
    most: Floats,
    ends: tuple[Floats, Floats],
) -> Floats:
    """Load between one and the maximum that serves the arrivals of each busy row.

    `ends` are the rates served at both; `arriving` is the arrival rate at a service time. Service
    time is nearly linear in the load, so the root of load minus rate times service time is found
    in a few iterations [4]_.

    References
    ----------
    .. [4] N. Anderson, A. Bjorck, "A new high order method of regula falsi type for computing a
       root of an equation", 1973, BIT 13, p. 253.
    """
    low, high = np.ones(most.shape), most
    under = 1.0 - arriving(low / ends[0]) / ends[0]
    over = high * (1.0 - arriving(high / ends[1]) / ends[1])
    under, over = np.where(busy, under, 0.0), np.where(busy, over, 0.0)
    found, best = low, np.where(under < 0, np.inf, 0.0)
    side = np.zeros(most.shape)
    for _ in range(ROUNDS):
        if not (best > CLOSE).any():
            break
        apart = np.where(best > CLOSE, over - under, 1.0)
        middle = np.where(best > CLOSE, high - over * (high - low) / apart, found)
        rate = served(middle)
        rates = arriving(middle / rate)
        off = np.abs(np.log(rate / rates))
        nearer = off < best
        found, best = np.where(nearer, middle, found), np.where(nearer, off, best)
        now = middle * (1.0 - rates / rate)
        short = now < 0
        again = side == np.where(short, -1.0, 1.0)
        replaced = np.where(short, under, over)
        left = 1.0 - now / np.where(replaced == 0, 1.0, replaced)
        kept = np.where(again, np.where(left > 0, left, 0.5), 1.0)
        under = np.where(short, now, kept * under)
        over = np.where(short, kept * over, now)
        low, high = np.where(short, middle, low), np.where(short, high, middle)
        side = np.where(short, -1.0, 1.0)
    return found


def does_not_fit(
    table: "ServingTable", row: int, needed: float, sequences: float | None = None
) -> Notice:
    """Return the notice that weights or sequences do not fit in memory."""
    device = table.named_of(row).device.device.name
    devices = float(np.asarray(table.layout.devices)[row])
    values: dict[str, Value] = {"devices": devices, "device": device, "needed": needed}
    if sequences is None and _fits_shared(table, row):
        return Notice("serving_experts_do_not_fit", "expert_parallel", values)
    if sequences is None:
        return Notice("serving_weights_do_not_fit", "devices", values)
    return Notice("serving_sequences_do_not_fit", "devices", {**values, "sequences": sequences})


def fewest_devices(table: "ServingTable", row: int) -> float:
    """Return the least power-of-two device count whose memory fits a row's weights once [1]."""
    model, layout = rows_of(table.model, row), rows_of(table.layout, row)
    once = replace(layout, data_parallel=1.0, expert_shard=layout.devices, stages=1.0)
    memory = np.asarray(table.machine.memory_bytes)[row]
    return float(devices_needed(model, once, memory, 0.0, 0.0))


def _fits_shared(table: "ServingTable", row: int) -> bool:
    """Return whether the weights fit if all replicas share one copy of the experts."""
    model, layout = rows_of(table.model, row), rows_of(table.layout, row)
    shared = replace(layout, expert_shard=layout.devices)
    memory = np.asarray(table.machine.memory_bytes)[row]
    alone = layout.expert_shard < layout.devices and layout.stages == 1.0
    return bool(alone and most_sequences(model, shared, memory, 1.0) >= 1.0)


def waiting_s(
    service_s: Number, requests_per_s: Number, sequences: Number, quantile: float
) -> Floats:
    """Return a quantile of the wait for a free slot [s].

    >>> float(waiting_s(1.0, 5.0, 10.0, 0.5)), bool(waiting_s(1.0, 9.0, 10.0, 0.9) > 0.5)
    (0.0, True)
    """
    busy = np.minimum(np.asarray(requests_per_s * service_s / sequences), 1.0 - 1e-9)
    waits = busy ** (np.sqrt(2.0 * (sequences + 1.0)) - 1.0)
    mean_s = service_s / (sequences * (1.0 - busy))
    return np.asarray(mean_s * np.log(np.maximum(waits / (1.0 - quantile), 1.0)))


def flying_quantile(mean: Number, quantile: float) -> Number:
    """Return a quantile of the mean concurrency during one request [1].

    With random arrivals and constant service time T, concurrency is Poisson with covariance m (1 -
    t / T) at lag t, so its mean over T has variance 2 m / 3 [3]_.

    References
    ----------
    .. [3] D. R. Cox and V. Isham, "Point processes", 1980, section 3: the queue M/D/infinity.

    >>> round(float(flying_quantile(96.0, 0.9)), 2), float(flying_quantile(0.01, 0.5))
    (106.25, 1.0)
    """
    deviation = NormalDist().inv_cdf(quantile)
    return np.maximum(mean + deviation * np.sqrt(2.0 * np.asarray(mean) / 3.0), 1.0)


def _served_per_s(passes: Passes, sequences: Floats) -> Floats:
    """Return the requests completed per second at a concurrency; below one, partly idle."""
    written = passes.output_tokens_per_s(np.maximum(sequences, 1.0))
    return np.asarray(written / passes.traffic.output_tokens * np.minimum(sequences, 1.0))
