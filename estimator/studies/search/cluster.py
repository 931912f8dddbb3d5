"""Distribution of a sweep over the workers of a Dask cluster.

Dask is an optional extra, `pip install twenty-watts[dask]`. Workers need this package and receive
the space; they use their own machine's profiles and measured runs. Parts of a lost worker are
computed again by another.
"""

from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import islice
from typing import Any

import pyarrow as pa

from estimator.studies.search.space import Space
from estimator.studies.search.sweep import Evaluate, Runner, bounds

PATIENCE_S = 30
"""Timeout of a scheduler [s]."""

RETRIES = 3
"""Retries of a failed part [1]."""

AHEAD = 3
"""Parts in flight per worker, so that none waits [1]."""


def on_cluster(address: str, evaluate: Evaluate) -> Runner:
    """Return a runner on the workers of a scheduler.

    Raises
    ------
    ValueError
        If Dask is not installed, or no scheduler answers, or it has no workers.
    """
    try:
        distributed: Any = import_module("distributed")
    except ModuleNotFoundError:
        raise ValueError("--dask needs the package distributed: pip install distributed") from None
    try:
        import_module("distributed.comm").get_address_host_port(address, strict=True)
        client: Any = distributed.Client(address, timeout=PATIENCE_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"no Dask scheduler responds at {address}: {error}") from None
    workers = len(client.scheduler_info(n_workers=-1)["workers"])
    if not workers:
        client.close()
        raise ValueError(f"the Dask scheduler at {address} has no workers: start at least one")

    def run(space: Space, numbers: Sequence[int]) -> Iterator[tuple[int, pa.Table]]:
        def handed_out(number: int) -> Any:
            first, last = bounds(number)
            words = (evaluate, space, number, first, last)
            return client.submit(_part, *words, retries=RETRIES, pure=False)

        waiting = iter(numbers)
        with client:
            first = [handed_out(number) for number in islice(waiting, AHEAD * workers)]
            made = distributed.as_completed(first, loop=client.loop, with_results=True)
            for _, result in made if first else ():
                yield result
                for number in islice(waiting, 1):
                    made.add(handed_out(number))

    return run


def _part(
    evaluate: Evaluate, space: Space, number: int, start: int, stop: int
) -> tuple[int, pa.Table]:
    """Evaluate one part; return it with its number."""
    return number, evaluate(space, start, stop)
