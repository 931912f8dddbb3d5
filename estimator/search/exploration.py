"""What moves the answer: one input at a time, one or two swept, and every design of a small space.

All of it are designs of one workload that go through the one path; nothing is computed twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product, repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from estimator.catalog import Catalog
from estimator.core.messages import message
from estimator.core.rows import Places
from estimator.core.uncertainty import z_score
from estimator.core.units import CENTRAL
from estimator.estimation.estimate_table import estimate_table
from estimator.scenario.scenario import NUMBERS, Scenario
from estimator.scenario.scenario_table import ScenarioTable, setups_of
from estimator.search.designs import QUANTITIES, memory
from estimator.search.pareto import pareto_front
from estimator.search.plan import PLANNED_COUNTS, planned_devices
from estimator.search.space import Value

PLACES = ("us", "gb", "de", "fr", "se", "in", "jp")
"""Places that a search looks at where none is named: from clean grids to dirty ones."""

KINDS_OF_PRICE = ("on-demand", "spot", "reserved")
"""Rental offers that a search chooses from."""

RANGES: Mapping[str, tuple[float, float]] = {
    "utilization": (0.05, 0.7),
    "pue": (1.0, 2.0),
    "price": (0.3, 12.0),
    "carbon_intensity": (0.02, 1.0),
}
"""Input -> its usual range, in the unit of the input."""

SCALED = ("params", "tokens")
"""Inputs that are swept around their value."""

DECADE = 10.0
"""How far they are swept to either side [1]."""

WORDS = ("hardware", "site", "price_kind")
"""Inputs that are swept over words."""

SWEPT = ("devices", *SCALED, *RANGES, *WORDS)
"""Inputs that can be explored."""

SWING = {"devices": (0.5, 2.0), "params": (0.5, 2.0), "tokens": (0.5, 2.0)}
"""Input -> how far it is moved, as factors of its value [1]."""

SWUNG = {"utilization": (0.2, 0.5), "pue": (1.05, 1.6), "price": (1.0, 4.0)}
"""Input -> the values between which it is moved, in the unit of the input."""

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Column = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Swing:
    """One input moved alone, and what that does to a quantity.

    Parameters
    ----------
    name : str
        Input of `Scenario`.
    values : (Value, Value)
        The values that give the least and the most.
    low, high : float
        The quantity there, in the unit of its name.
    """

    name: str
    values: tuple[Value, Value]
    low: float
    high: float


@dataclass(frozen=True)
class _Rows:
    """Rows of one table that belong together: what they change, and where they begin.

    `setups` numbers those that differ in place and money alone.
    """

    changed: Mapping[str, Sequence[Value]]
    count: int
    setups: Places
    start: int = 0

    @property
    def places(self) -> slice:
        """Which rows of the table they are."""
        return slice(self.start, self.start + self.count)


class Exploration:
    """What moves the answer, and designs around it: all of them rows of one table.

    Parameters
    ----------
    base : Scenario
        What is kept.
    swept : sequence of tuple of str
        Inputs of `SWEPT` that are swept together: one, or two different ones.
    steps : sequence of int
        Values of each input that is a number, for each sweep [1].
    places : tuple of str
        Where designs may stand.
    catalog : Catalog

    Raises
    ------
    ValueError
        If the base itself cannot be estimated.
    """

    def __init__(
        self,
        base: Scenario,
        swept: Sequence[tuple[str, ...]],
        steps: Sequence[int],
        places: tuple[str, ...],
        catalog: Catalog,
    ) -> None:
        self._moved = [(name, one) for name in SWEPT for one in _moved(base, name, catalog)]
        sweeps = [
            {name: explored_values(base, name, count, catalog) for name in names}
            for names, count in zip(swept, steps, strict=True)
        ]
        chosen: list[Mapping[str, tuple[Value, ...]]] = [
            *sweeps,
            {"hardware": planned_devices(catalog), "devices": PLANNED_COUNTS, "site": places},
        ]
        parts = [_swung(base, self._moved), *map(_product, chosen)]
        starts = np.cumsum([0, *(part.count for part in parts)]).tolist()
        self._parts = [
            replace(part, start=start) for part, start in zip(parts, starts, strict=False)
        ]
        self._result = estimate_table(_stacked(base, self._parts), catalog)
        if 0 in self._result.errors:
            raise ValueError(message(self._result.errors[0]))

    def swings(self, quantity: str) -> tuple[float, tuple[Swing, ...]]:
        """Median of a quantity, and how far each input alone moves it, the widest first.

        Raises
        ------
        ValueError
            If the base does not have the quantity.
        """
        mids = self._bounds[quantity][:, 1]
        if np.isnan(mids[0]):
            raise ValueError(f"{quantity} is unknown for this scenario")
        found = []
        for name in SWEPT:
            places = [at for at, (one, _) in enumerate(self._moved, start=1) if one == name]
            known = [at for at in places if not np.isnan(mids[at])]
            if known:
                least, most = min(known, key=mids.__getitem__), max(known, key=mids.__getitem__)
                ends = (self._moved[least - 1][1], self._moved[most - 1][1])
                low, high = float(mids[least]), float(mids[most])
                found.append(Swing(name=name, values=ends, low=low, high=high))
        return float(mids[0]), tuple(sorted(found, key=lambda one: one.low / one.high))

    def sweep(self, number: int) -> dict[str, Column]:
        """Every quantity of one of the sweeps, those left out that do not fit in memory.

        Returns
        -------
        dict of str to array
            A column for each input swept, the least memory [B], and low, mid and high of each
            quantity.
        """
        return self._columns(self._parts[1:-1][number])

    def designs(self) -> dict[str, Column]:
        """Every device, count and place: what each takes, and whether it is beaten by none.

        Returns
        -------
        dict of str to array
            As `sweep`, and `pareto`: none takes less time, money and CO2e at once.
        """
        table = self._columns(self._parts[-1])
        costs = [table[f"{name}_mid"] for name in ("wall_hours", "cost_usd", "co2e_kg")]
        return {**table, "pareto": pareto_front(np.column_stack(costs))}

    @cached_property
    def _bounds(self) -> dict[str, Floats]:
        z = z_score(CENTRAL)
        return {name: self._result.bounds(name, z) for name in QUANTITIES}

    @cached_property
    def _memory(self) -> tuple[Floats, Mask]:
        """Least bytes that each row must hold, and whether it can be estimated and held."""
        needed_bytes, held_bytes = memory(self._result)
        fits = ~(needed_bytes > held_bytes)
        fits[list(self._result.errors)] = False
        return needed_bytes, fits

    def _columns(self, part: _Rows) -> dict[str, Column]:
        needed_bytes, fits = self._memory
        kept = fits[part.places]
        columns: dict[str, Column] = {
            name: np.array(values)[kept] for name, values in part.changed.items()
        }
        columns["memory_bytes_mid"] = needed_bytes[part.places][kept]
        for name in QUANTITIES:
            bounds = self._bounds[name][part.places][kept]
            for place, end in enumerate(("low", "mid", "high")):
                columns[f"{name}_{end}"] = bounds[:, place]
        return columns


def explored_values(
    base: Scenario, name: str, steps: int, catalog: Catalog
) -> tuple[float, ...] | tuple[str, ...]:
    """Values over which an input is swept."""
    if name == "devices":
        return PLANNED_COUNTS
    if name in RANGES:
        return tuple(np.linspace(*RANGES[name], steps).tolist())
    if name in SCALED:
        middle = getattr(base, name)
        if middle is None:
            raise ValueError(f"{name} is unspecified, and is swept around its value")
        return tuple(np.geomspace(middle / DECADE, middle * DECADE, steps).tolist())
    return _words(name, catalog)


def _moved(base: Scenario, name: str, catalog: Catalog) -> tuple[Value, ...]:
    """Values to which an input is moved alone."""
    if name in SWUNG:
        return SWUNG[name]
    if name in SWING:
        middle = getattr(base, name)
        return () if middle is None else tuple(max(middle * one, 1.0) for one in SWING[name])
    return _words(name, catalog) if name in WORDS else ()


def _words(name: str, catalog: Catalog) -> tuple[str, ...]:
    if name == "hardware":
        return planned_devices(catalog)
    return PLACES if name == "site" else KINDS_OF_PRICE


def _swung(base: Scenario, moved: Sequence[tuple[str, Value]]) -> _Rows:
    """The scenario itself, and then with one input moved in each row."""
    changed = {}
    for name in dict.fromkeys(name for name, _ in moved):
        own = getattr(base, name)
        changed[name] = [own, *(value if one == name else own for one, value in moved)]
    return _Rows(changed, 1 + len(moved), np.arange(1 + len(moved)))


def _product(values: Mapping[str, tuple[Value, ...]]) -> _Rows:
    """All combinations of some values, the last input varying fastest."""
    rows = list(product(*values.values()))
    places = np.indices(tuple(map(len, values.values()))).reshape(len(values), -1)
    setups = setups_of(dict(zip(values, places, strict=True)), len(rows))
    return _Rows(dict(zip(values, zip(*rows, strict=True), strict=True)), len(rows), setups)


def _stacked(base: Scenario, parts: Sequence[_Rows]) -> ScenarioTable:
    """Rows of several parts as one table, with what the scenario says where they change nothing."""
    said = base.said()
    columns = {}
    for name in dict.fromkeys([*said, *(name for part in parts for name in part.changed)]):
        own = said.get(name)
        cells = [cell for part in parts for cell in part.changed.get(name, repeat(own, part.count))]
        columns[name] = cells if name in NUMBERS else [cell or "" for cell in cells]
    setups = np.concatenate([part.start + part.setups for part in parts])
    return replace(ScenarioTable.of_columns(**columns), setups=setups)
