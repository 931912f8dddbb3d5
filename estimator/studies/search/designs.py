"""Results of the designs in one part of a space, as a table.

Designs are rows of a `Table` and take the same path as every other question.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa

from estimator.answer.estimate_table import TableResult, estimate_table
from estimator.calibration.correction import Known, known_runs
from estimator.catalog import Catalog
from estimator.core.messages import message
from estimator.core.rows import Floats, Places
from estimator.core.uncertainty import Uncertain, z_score
from estimator.memory.training_state import memory_of, too_large
from estimator.question.scenario import Scenario
from estimator.question.table import Table, Words, columns_of, setups_of
from estimator.studies.search.space import Space, Value
from estimator.studies.search.sweep import with_left_out

QUANTITIES = ("wall_hours", "device_hours", "energy_kwh", "cost_usd", "co2e_kg", "water_l")
"""Results of each design in a table, as low, mid and high."""

CHUNK_DESIGNS = 10_000
"""Designs estimated at once [1]; larger chunks exceed the processor's cache."""

NO_ROOM = "weights and optimizer states do not fit in device memory"


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Picklable evaluation of designs.

    Parameters
    ----------
    level : float
        Probability inside the intervals [1].
    profiles : str
        User's profiles directory; empty for none.
    calibrated : bool
        Whether measured runs calibrate the predictions.
    keep_too_large : bool
        Whether to keep designs that do not fit in memory.
    """

    level: float = 0.8
    profiles: str = ""
    calibrated: bool = True
    keep_too_large: bool = False

    def __call__(self, space: Space, start: int, stop: int) -> pa.Table:
        """Evaluate a range of designs; those left out are counted by reason."""
        catalog = _catalog(self.profiles)
        known = known_runs(catalog, calibrated=self.calibrated)
        stop = min(stop, space.size)
        tables, left_out = [], Counter[str]()
        for first in range(start, stop, CHUNK_DESIGNS):
            table, reasons = self._chunk(space, first, min(first + CHUNK_DESIGNS, stop), known)
            tables.append(table)
            left_out.update(reasons)
        return with_left_out(pa.concat_tables(tables).unify_dictionaries(), left_out)

    def _chunk(
        self, space: Space, start: int, stop: int, known: Known
    ) -> tuple[pa.Table, Counter[str]]:
        """Return the results of some designs, and why others have none."""
        table = table_of(space, start, stop)
        result = estimate_table(table, known.catalog, known=known)
        reasons = Counter(message(notice) for notice in result.errors.values())
        kept = np.ones(table.count, dtype=np.bool_)
        kept[list(result.errors)] = False
        needed_bytes, held_bytes = memory(result)
        fits = ~(needed_bytes > held_bytes)
        if not self.keep_too_large:
            reasons[NO_ROOM] += int(np.count_nonzero(kept & ~fits))
            kept &= fits
        rows = np.flatnonzero(kept)
        columns: dict[str, pa.Array] = {"design": pa.array(start + rows)}
        chosen = space.designs(start, stop)
        for name in space.swept:
            values = pa.array(list(space.values[name]))
            columns[name] = pa.DictionaryArray.from_arrays(
                pa.array(chosen[name][rows].astype(np.int32)), values
            )
        columns["memory_bytes_mid"] = _column(needed_bytes[rows])
        z = z_score(self.level)
        for name in QUANTITIES:
            bounds = result.bounds(name, z)[rows]
            for place, end in enumerate(("low", "mid", "high")):
                columns[f"{name}_{end}"] = _column(bounds[:, place])
        return pa.table(columns), +reasons


def table_of(space: Space, start: int, stop: int) -> Table[Scenario]:
    """Return the designs of a space as scenarios, for a range of numbers."""
    chosen = space.designs(start, stop)
    setups = setups_of(chosen, min(stop, space.size) - start)
    return product_table(space.values, chosen, setups).checked()


def product_table(
    values: Mapping[str, Sequence[Value | None]], at: Mapping[str, Places], setups: Places
) -> Table[Scenario]:
    """Build the table of inputs from their values and each row's index.

    Without an index each row has its own value.
    """
    numbers, words = columns_of(Scenario, values)
    every = slice(None)
    return Table(
        question=Scenario,
        count=setups.size,
        numbers={name: column[at.get(name, every)] for name, column in numbers.items()},
        words={
            name: Words(column.distinct, column.codes[at.get(name, every)])
            for name, column in words.items()
        },
        setups=setups,
    )


def memory(result: TableResult) -> tuple[Floats, Floats]:
    """Return each design's minimum memory, and its devices' memory [byte]; NaN if unknown.

    Returns
    -------
    needed, held : array [B]
        Weights, gradients and optimizer states, sharded as far as possible, without activations and
        allocator overhead.
    """
    asked = result.questions
    params = asked.work.numbers["params"]
    needed, held = np.full(result.count, np.nan), np.full(result.count, np.nan)
    rows = np.flatnonzero(~np.isnan(params) & (asked.named_at >= 0))
    if rows.size:
        device_bytes = np.array([memory_of(device.device) for device in asked.named])
        held[rows] = device_bytes[asked.named_at[rows]] * asked.devices[rows]
        frozen_bytes = asked.frozen_bytes()[rows]
        _, needed[rows] = too_large(
            params[rows], held[rows], frozen_bytes=frozen_bytes, catalog=asked.catalog
        )
    return needed, held


def quantities(result: TableResult) -> Mapping[str, Uncertain]:
    """Estimate all quantities of a table of designs."""
    return {name: result[name] for name in QUANTITIES}


def _column(values: Floats) -> pa.Array:
    """Return numbers as a column, empty where unknown."""
    return pa.array(values, from_pandas=True)


@lru_cache(maxsize=4)
def _catalog(profiles: str) -> Catalog:
    return Catalog.open(profiles or None)
