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

from dataclasses import replace
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from estimator.core.messages import refusal, refuse
from estimator.core.notice import Notice, Value
from estimator.serving.capacity import devices_needed
from estimator.serving.performance import Setup, Traffic, performance
from estimator.serving.step import Number

Floats = npt.NDArray[np.float64]

if TYPE_CHECKING:
    from estimator.serving.engines import Parameters
    from estimator.serving.serving_table import Resolved

POINTS, ROUNDS = 200, 4
"""Loads looked at in each round of the search, which the next round looks between; 2e-8 is left."""


def concurrency_of_rate(row: "Resolved", requests_per_s: float, parameters: "Parameters") -> float:
    """Sequences in flight at which requests end as fast as they arrive [1].

    Raises
    ------
    ValueError
        If they arrive faster than the set-up can serve with all that its memory holds.
    """
    from estimator.serving.serving_table import table_of

    table = table_of([row])
    setup, traffic = table.setup(parameters), table.traffic(parameters)
    tokens = traffic.input_tokens + 0.5 * np.asarray(traffic.output_tokens)
    most = float(np.minimum(table.most_sequences(tokens), 1e6)[0])
    if most <= 0:
        memory, layout = np.asarray(table.machine.memory_bytes), table.layout
        needed = devices_needed(table.model, layout, memory, 1.0, tokens)
        raise refusal(does_not_fit(row, float(np.ravel(needed)[0])))
    fastest = float(_served_per_s(setup, traffic, np.array([most]))[0])
    if requests_per_s > fastest:
        raise refuse("serving_too_many_requests", "request_rate", rate=requests_per_s, most=fastest)
    low, high = 1e-6, most
    for _ in range(ROUNDS):
        loads = np.geomspace(low, high, POINTS)
        enough = np.flatnonzero(_served_per_s(setup, traffic, loads) >= requests_per_s)
        first = max(int(enough[0]) if enough.size else POINTS - 1, 1)
        low, high = float(loads[first - 1]), float(loads[first])
    return high


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
    found = performance(setup, replace(traffic, sequences=np.maximum(sequences, 1.0)))
    rate = np.asarray(found.output_tokens_per_s / traffic.output_tokens)
    return np.asarray(rate * np.minimum(sequences, 1.0))
