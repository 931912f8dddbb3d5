"""Sweeps: each design of a space estimated once, in parts of bounded memory.

Parts are computed in any order, here or by Dask workers, and stored on disk; at the end they are
joined to one table with the Pareto front marked.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from estimator.core.rows import Floats
from estimator.studies.search.pareto import pareto_front
from estimator.studies.search.parts import Parts
from estimator.studies.search.space import Space

PART_DESIGNS = 100_000
"""Designs per part [1]."""

COSTS = {
    "time": "wall_hours_mid",
    "cost": "cost_usd_mid",
    "energy": "energy_kwh_mid",
    "co2e": "co2e_kg_mid",
    "memory": "memory_bytes_mid",
}
"""Cost of a Pareto front -> its column."""

LEFT_OUT = b"left_out"
"""Metadata key of the counts of designs left out, by reason."""

Evaluate = Callable[[Space, int, int], pa.Table]
"""Callable that estimates a range of designs."""

Runner = Callable[[Space, Sequence[int]], Iterator[tuple[int, pa.Table]]]
"""Callable that computes numbered parts in any order."""


@dataclass(frozen=True, kw_only=True)
class Swept:
    """Outcome of a sweep.

    Parameters
    ----------
    designs, rows : int
        Designs in the space, and rows in the table [1].
    front : int
        Designs on the Pareto front [1]; 0 if not requested.
    left_out : mapping of str to int
        Reason for exclusion -> number of designs.
    """

    designs: int
    rows: int
    front: int
    left_out: Mapping[str, int]


def in_process(evaluate: Evaluate) -> Runner:
    """Return a runner that computes the parts in sequence."""

    def run(space: Space, numbers: Sequence[int]) -> Iterator[tuple[int, pa.Table]]:
        for number in numbers:
            yield number, evaluate(space, *bounds(number))

    return run


def bounds(number: int) -> tuple[int, int]:
    """Return the first design of a part, and the first of the next."""
    return number * PART_DESIGNS, (number + 1) * PART_DESIGNS


def sweep(
    space: Space,
    parts: Parts,
    run: Runner,
    *,
    costs: Sequence[str] = (),
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Swept:
    """Estimate every design of a space, and write one table.

    Parameters
    ----------
    space : Space
    parts : Parts
        Folder of the parts, and the final file; existing parts are kept.
    run : Runner
        Runner that computes parts.
    costs : sequence of str
        Keys of `COSTS`; if given, a column `pareto` marks designs that no other design dominates in
        them.
    progress : callable
        Called with the number of finished parts and of all parts.

    Raises
    ------
    ValueError
        If a cost is unknown, or the parts on disk are from another sweep.
    """
    unknown = [name for name in costs if name not in COSTS]
    if unknown:
        raise ValueError(f"no Pareto front in {unknown[0]!r}: choose from {', '.join(COSTS)}")
    parts.open()
    count = math.ceil(space.size / PART_DESIGNS)
    done = parts.done()
    progress(len(done), count)
    for number, table in run(space, [part for part in range(count) if part not in done]):
        parts.write(number, table)
        done.add(number)
        progress(len(done), count)
    front = _front(parts, [COSTS[name] for name in costs]) if costs else None
    left_out: Counter[str] = Counter()
    for table in parts.tables():
        left_out.update(json.loads((table.schema.metadata or {}).get(LEFT_OUT, b"{}")))
    rows = parts.join(_marked(parts.tables(), front))
    on_front = 0 if front is None else len(front)
    return Swept(designs=space.size, rows=rows, front=on_front, left_out=dict(left_out))


def with_left_out(table: pa.Table, left_out: Mapping[str, int]) -> pa.Table:
    """Store the counts of designs left out in a part's metadata."""
    return table.replace_schema_metadata({LEFT_OUT: json.dumps(dict(left_out)).encode()})


def _front(parts: Parts, columns: Sequence[str]) -> npt.NDArray[np.int64]:
    """Find the Pareto-optimal designs with only a front and one part in memory."""
    numbers = np.empty(0, dtype=np.int64)
    costs = np.empty((0, len(columns)))
    for table in parts.tables():
        numbers = np.concatenate((numbers, table["design"].to_numpy()))
        costs = np.concatenate((costs, np.column_stack([_floats(table, name) for name in columns])))
        kept = pareto_front(costs)
        numbers, costs = numbers[kept], costs[kept]
    return np.sort(numbers)


def _floats(table: pa.Table, name: str) -> Floats:
    """Return a part's column, NaN where empty."""
    if name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    return np.asarray(table[name].to_numpy(zero_copy_only=False), dtype=np.float64)


def _marked(tables: Iterator[pa.Table], front: npt.NDArray[np.int64] | None) -> Iterator[pa.Table]:
    """Yield the parts without metadata and with the front marked."""
    for table in tables:
        bare: Any = table.replace_schema_metadata(None)
        if front is not None:
            bare = bare.append_column("pareto", pa.array(np.isin(table["design"], front)))
        yield bare
