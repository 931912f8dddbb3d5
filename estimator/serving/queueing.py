"""How many requests are in flight at a rate of arrivals, and how long do they wait.

By Little's law [1]_, requests in flight are their rate times their time in service; that time grows
with their number, so it is found by looking between ever nearer loads. Waiting beyond a limit on
the sequences follows Sakasegawa's approximation of a queue with many servers [2]_.

    n = rate x service(n)
    busy = rate x service / places
    mean wait = service x busy^(sqrt(2 (places + 1)) - 1) / (places (1 - busy))
    share that waits = busy^sqrt(2 (places + 1))
    wait(p) = mean wait / share x ln(share / (1 - p)), 0 where share <= 1 - p

References
----------
.. [1] J. Little, "A proof for the queuing formula L = lambda W", 1961, Operations Research 9(3).
.. [2] H. Sakasegawa, "An approximation formula L_q", 1977, Ann. Inst. Statist. Math. 29.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from estimator.core.notice import Notice, Value
from estimator.serving.capacity import devices_needed
from estimator.serving.performance import Setup, Traffic, output_tokens_per_s
from estimator.serving.step import Number

Floats = npt.NDArray[np.float64]

if TYPE_CHECKING:
    from estimator.serving.engines import Parameters
    from estimator.serving.setups import Resolved

LEAST_LOAD, POINTS = 1e-6, 24
"""Least load looked at, and how many are before the search goes on between two of them [1]."""

ROUNDS, CLOSE = 40, 1e-10
"""Rounds of that search at most, and the logarithm of a rate over another that counts as none."""


def concurrency_of_rates(
    rows: Sequence["Resolved"], requests_per_s: Sequence[float], parameters: "Parameters"
) -> list[float | Notice]:
    """Sequences in flight at which requests end as fast as they arrive, for each set-up [1].

    A set-up that cannot serve them with all that its memory holds is why not.
    """
    from estimator.serving.setups import table_of

    if not rows:
        return []
    table, rates = table_of(rows), np.array(requests_per_s)
    setup, traffic = table.setup(parameters), table.traffic(parameters)
    tokens = traffic.input_tokens + 0.5 * np.asarray(traffic.output_tokens)
    most = np.minimum(table.most_sequences(tokens), 1e6)
    served = partial(_served_per_s, setup, traffic)
    fastest = served(np.where(most > 0, most, 1.0))
    found = _least_load(served, rates, np.where(most > 0, most, 1.0))
    memory, layout = np.asarray(table.machine.memory_bytes), table.layout
    needed = np.broadcast_to(devices_needed(table.model, layout, memory, 1.0, tokens), (len(rows),))

    def answer(place: int, row: "Resolved") -> float | Notice:
        if most[place] <= 0:
            return does_not_fit(row, float(needed[place]))
        if rates[place] > fastest[place]:
            values = {"rate": float(rates[place]), "most": float(fastest[place])}
            return Notice("serving_too_many_requests", "request_rate", values)
        return float(found[place])

    return [answer(place, row) for place, row in enumerate(rows)]


def _least_load(served: Callable[[Floats], Floats], rates: Floats, most: Floats) -> Floats:
    """Least load at which as many requests end as arrive, of several set-ups at once.

    Between the two of some loads where the rate is passed, by the Illinois rule in logarithms.
    """
    loads = np.geomspace(np.full(most.shape, LEAST_LOAD), most, POINTS)
    above = np.log(served(loads) / rates)
    first = np.maximum((above >= 0).argmax(axis=0), 1)
    each = np.arange(most.size)
    low, high = np.log(loads[first - 1, each]), np.log(loads[first, each])
    under, over = above[first - 1, each], above[first, each]
    passed = (under < 0) & (over >= 0)
    found = np.where(under >= 0, low, np.where(passed, high, np.log(most)))
    best = np.where(passed, over, 0.0)
    side = np.zeros(most.shape)
    for _ in range(ROUNDS):
        if not (best > CLOSE).any():
            break
        steep = np.where(passed, over - under, 1.0)
        middle = np.where(passed, high - over * (high - low) / steep, found)
        now = np.log(served(np.exp(middle)) / rates)
        nearer = passed & (np.abs(now) < best)
        found, best = np.where(nearer, middle, found), np.where(nearer, np.abs(now), best)
        short = now < 0
        again = side == np.where(short, -1.0, 1.0)
        under = np.where(short, now, np.where(again, 0.5 * under, under))
        over = np.where(short, np.where(again, 0.5 * over, over), now)
        low, high = np.where(short, middle, low), np.where(short, high, middle)
        side = np.where(short, -1.0, 1.0)
    return np.asarray(np.exp(found))


def does_not_fit(row: "Resolved", needed: float, sequences: float | None = None) -> Notice:
    """Say that the devices cannot hold the weights, or so many sequences beside them."""
    values: dict[str, Value] = {"devices": row.devices, "device": row.device.device.name}
    values["needed"] = needed
    if sequences is None:
        return Notice("serving_weights_do_not_fit", "devices", values)
    return Notice("serving_sequences_do_not_fit", "devices", {**values, "sequences": sequences})


def waiting_s(service_s: float, requests_per_s: float, sequences: float, quantile: float) -> float:
    """Time that a request waits for one of some places, with a probability at most that [s].

    >>> waiting_s(1.0, 5.0, 10.0, 0.5), waiting_s(1.0, 9.0, 10.0, 0.9) > 0.5
    (0.0, True)
    """
    busy = min(requests_per_s * service_s / sequences, 1.0 - 1e-9)
    mean = service_s * busy ** (np.sqrt(2.0 * (sequences + 1.0)) - 1.0)
    mean = mean / (sequences * (1.0 - busy))
    waits = busy ** np.sqrt(2.0 * (sequences + 1.0))
    if waits <= 1.0 - quantile:
        return 0.0
    return float(mean / waits * np.log(waits / (1.0 - quantile)))


def flying_quantile(mean: Number, quantile: float) -> Number:
    """Sequences in flight as a request sees them on the mean of its life, with a probability [1].

    Requests that arrive at random and stay equally long are a Poisson number with the covariance
    m (1 - t / T) at a distance t, so their mean over one life T has the variance 2 m / 3 [3]_.

    References
    ----------
    .. [3] D. R. Cox and V. Isham, "Point processes", 1980, section 3: the queue M/D/infinity.

    >>> round(float(flying_quantile(96.0, 0.9)), 2), float(flying_quantile(0.01, 0.5))
    (106.25, 1.0)
    """
    deviation = NormalDist().inv_cdf(quantile)
    return np.maximum(mean + deviation * np.sqrt(2.0 * np.asarray(mean) / 3.0), 1.0)


def _served_per_s(setup: Setup, traffic: Traffic, sequences: Floats) -> Floats:
    """Requests that end per second at some sequences in flight; less than one is idle in part."""
    written = output_tokens_per_s(setup, replace(traffic, sequences=np.maximum(sequences, 1.0)))
    rate = np.asarray(written / traffic.output_tokens)
    return np.asarray(rate * np.minimum(sequences, 1.0))
