"""Sensitivity of the answer: single inputs, one or two swept, or a small space in full.

All are designs of one workload in one table, without duplicate computation.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from estimator.answer.estimate_table import estimate_table
from estimator.answer.questions import Questions, resolve
from estimator.catalog import Catalog
from estimator.core.messages import refusal
from estimator.core.rows import Floats, Mask, one_of
from estimator.core.uncertainty import z_score
from estimator.core.units import CENTRAL
from estimator.question.scenario import NUMBERS, Scenario
from estimator.question.table import Table, Words, setups_of
from estimator.studies.search.designs import QUANTITIES, memory, product_table
from estimator.studies.search.pareto import pareto_front
from estimator.studies.search.plan import PLANNED_COUNTS, planned_devices
from estimator.studies.search.space import Value

PLACES = ("us", "gb", "de", "fr", "se", "in", "jp")
"""Default sites of a search, from clean to carbon-intensive grids."""

KINDS_OF_PRICE = ("on-demand", "spot", "reserved")
"""Price types of a search."""

RANGES: Mapping[str, tuple[float, float]] = {
    "utilization": (0.05, 0.7),
    "pue": (1.0, 2.0),
    "price": (0.5, 12.0),
    "carbon_intensity": (0.02, 1.0),
}
"""Input -> typical range, in the unit of the input."""

SCALED = ("params", "tokens")
"""Inputs swept around their value."""

MANTISSAS = (1, 1.5, 2, 3, 4, 5, 7)
"""Round numbers per decade [1]."""

ROUNDING = 1e-9
"""Relative difference below which numbers are equal [1]."""

DECADE = 10.0
"""Factor of a sweep to either side [1]."""

WORDS = ("hardware", "site", "price_kind")
"""Inputs swept over words."""

SWEPT = ("devices", *SCALED, *RANGES, *WORDS)
"""Inputs that can be explored."""

SWING = (0.5, 2.0)
"""Factors by which counts and prices are varied [1]."""

SWUNG = {"utilization": (0.2, 0.5), "pue": (1.05, 1.6)}
"""Input -> low and high value of its variation, in the unit of the input."""

Column = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Swing:
    """Effect of varying one input on a quantity.

    Parameters
    ----------
    name : str
        Input of `Scenario`.
    values : (Value, Value)
        Values with the smallest and the largest result.
    low, high : float
        The quantity at these values, in the unit of its name.
    """

    name: str
    values: tuple[Value, Value]
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Rows of the table with the same varied inputs."""

    names: tuple[str, ...]
    changed: Table[Scenario]
    places: slice


class Exploration:
    """Sensitivities, and designs around the scenario, as rows of one table.

    Parameters
    ----------
    base : Scenario
        Scenario that stays fixed otherwise.
    swept : sequence of tuple of str
        Inputs of `SWEPT` to sweep together: one, or two different ones.
    steps : sequence of int
        Values of each input that is a number, for each sweep [1].
    places : tuple of str
        Sites to consider.
    catalog : Catalog

    Raises
    ------
    ValueError
        If the base scenario cannot be estimated.
    """

    def __init__(
        self,
        base: Scenario,
        swept: Sequence[tuple[str, ...]],
        steps: Sequence[int],
        places: tuple[str, ...],
        catalog: Catalog,
    ) -> None:
        asked = resolve(Table.of(Scenario, [base]), catalog)
        if asked.errors:
            raise refusal(asked.errors[0])
        self._given = {"price_kind": KINDS_OF_PRICE[0], **base.specified_inputs(), **_price(asked)}
        self._moved = [
            (name, change) for name in SWEPT for change in _moved(self._given, name, catalog)
        ]
        sweeps = [
            {name: explored_values(base, name, count, catalog) for name in names}
            for names, count in zip(swept, steps, strict=True)
        ]
        chosen: list[Mapping[str, tuple[Value, ...]]] = [
            *sweeps,
            {"hardware": planned_devices(catalog), "devices": PLANNED_COUNTS, "site": places},
        ]
        names = [(), *map(tuple, chosen)]
        changed = [_swung(base, self._moved), *map(_product, chosen)]
        ends = np.cumsum([table.count for table in changed]).tolist()
        self._parts = [
            _Part(names=some, changed=one, places=slice(end - one.count, end))
            for some, one, end in zip(names, changed, ends, strict=True)
        ]
        self._result = estimate_table(_stacked(base, self._parts), catalog)

    @cached_property
    def _own(self) -> dict[str, Value]:
        """Input -> its value in the scenario, given or resolved."""
        group, place = self._result.group_of(0)
        found = {**self._given, "pue": float(one_of(group.site.pue, place).mid)}
        if group.run.utilization is not None:
            found["utilization"] = float(one_of(group.run.utilization, place).mid)
        return found

    def swings(self, quantity: str) -> tuple[float, tuple[Swing, ...]]:
        """Return a quantity's median and the effect of each input on its own, widest first.

        The input's own value is included, so each range covers the median.

        Raises
        ------
        ValueError
            If the base scenario lacks the quantity.
        """
        mids = self._bounds[quantity][:, 1]
        if np.isnan(mids[0]):
            raise refusal(self._result.group_of(0)[0].estimate.absent[quantity])
        found = []
        for name in SWEPT:
            places = [at for at, (one, _) in enumerate(self._moved, start=1) if one == name]
            places += [0] if name in self._own else []
            known = [at for at in places if not np.isnan(mids[at])]
            if set(known) - {0}:
                least, most = min(known, key=mids.__getitem__), max(known, key=mids.__getitem__)
                ends = (self._value(name, least), self._value(name, most))
                low, high = float(mids[least]), float(mids[most])
                found.append(Swing(name=name, values=ends, low=low, high=high))
        return float(mids[0]), tuple(sorted(found, key=lambda one: one.low / one.high))

    def interval(self, quantity: str) -> tuple[float, float]:
        """Return a quantity's interval for the unchanged scenario."""
        low, _mid, high = self._bounds[quantity][0]
        return float(low), float(high)

    def _value(self, name: str, place: int) -> Value:
        """Return an input's value in a row of single changes; row 0 is the scenario."""
        return self._moved[place - 1][1] if place else self._own[name]

    def sweep(self, number: int) -> dict[str, Column]:
        """Return all quantities of one sweep, except designs that do not fit in memory.

        Returns
        -------
        dict of str to array
            A column for each input swept, the least memory [B], and low, mid and high of each
            quantity.
        """
        return self._columns(self._parts[1:-1][number])

    def designs(self) -> dict[str, Column]:
        """Return results for every device, count and site, and whether each is Pareto-optimal.

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
        """Least memory of each row [byte], and whether it can be estimated and fits."""
        needed_bytes, held_bytes = memory(self._result)
        fits = ~(needed_bytes > held_bytes)
        fits[list(self._result.errors)] = False
        return needed_bytes, fits

    def _columns(self, part: _Part) -> dict[str, Column]:
        needed_bytes, fits = self._memory
        kept = fits[part.places]
        columns: dict[str, Column] = {}
        for name in part.names:
            if name in NUMBERS:
                columns[name] = part.changed.number(name)[kept]
            else:
                column = part.changed.word(name)
                columns[name] = np.array(column.distinct)[column.codes[kept]]
        columns["memory_bytes_mid"] = needed_bytes[part.places][kept]
        for name in QUANTITIES:
            bounds = self._bounds[name][part.places][kept]
            for place, end in enumerate(("low", "mid", "high")):
                columns[f"{name}_{end}"] = bounds[:, place]
        return columns


def explored_values(
    base: Scenario, name: str, steps: int, catalog: Catalog
) -> tuple[float, ...] | tuple[str, ...]:
    """Return the values to sweep an input over."""
    if name == "devices":
        return PLANNED_COUNTS
    if name in RANGES:
        return _round_values(*RANGES[name], steps)
    if name in SCALED:
        middle = getattr(base, name)
        if middle is None:
            raise ValueError(f"{name} is unspecified and varied around its assumed value")
        return _round_logarithmic(middle / DECADE, middle * DECADE, steps)
    return _words(name, catalog)


def _round_values(low: float, high: float, steps: int) -> tuple[float, ...]:
    """Return multiples of a round number between two bounds, up to a maximum count.

    >>> _round_values(1.0, 2.0, 6)
    (1.0, 1.2, 1.4, 1.6, 1.8, 2.0)
    """
    least = (high - low) / max(steps - 1, 1)
    power = 10.0 ** math.floor(math.log10(least))
    step = next(
        one * power for one in (1.0, 2.0, 5.0, 10.0) if one * power > least * (1 - ROUNDING)
    )
    first, last = math.ceil(low / step - ROUNDING), math.floor(high / step + ROUNDING)
    return tuple(float(f"{number * step:.6g}") for number in range(first, last + 1))


def _round_logarithmic(low: float, high: float, steps: int) -> tuple[float, ...]:
    """Return round numbers between two bounds at roughly equal ratios.

    >>> _round_logarithmic(3e9, 3e10, 8)
    (3000000000.0, 4000000000.0, 5000000000.0, 7000000000.0, 10000000000.0, 15000000000.0, \
20000000000.0, 30000000000.0)
    """
    if steps > len(MANTISSAS) * math.log10(high / low) + 2:
        values = np.geomspace(low, high, steps).tolist()
        return tuple(dict.fromkeys(float(f"{value:.1e}") for value in values))
    first, last = math.floor(math.log10(low)), math.floor(math.log10(high))
    every = (
        float(f"{mantissa}e{power}") for power in range(first, last + 1) for mantissa in MANTISSAS
    )
    return tuple(value for value in every if low * (1 - ROUNDING) <= value <= high * (1 + ROUNDING))


def _price(asked: Questions) -> dict[str, Value]:
    """Return the rental price of the only row's device [USD/h]; none if owned."""
    if asked.owned[0] or not asked.rent_known[0]:
        return {}
    offered = asked.rents[asked.rent_at[0]]
    given = asked.given_rent[0]
    return {"price": float(given if offered is None or given == given else offered.value.mid)}


def _moved(own: Mapping[str, Value], name: str, catalog: Catalog) -> tuple[Value, ...]:
    """Return the values for varying one input."""
    if name in SWUNG:
        return SWUNG[name]
    middle = own.get(name)
    if name == "price" and isinstance(middle, float):
        return tuple(middle * factor for factor in SWING)
    if name in ("devices", *SCALED) and isinstance(middle, float):
        return tuple(max(middle * factor, 1.0) for factor in SWING)
    return _words(name, catalog) if name in WORDS else ()


def _words(name: str, catalog: Catalog) -> tuple[str, ...]:
    if name == "hardware":
        return planned_devices(catalog)
    return PLACES if name == "site" else KINDS_OF_PRICE


def _swung(base: Scenario, moved: Sequence[tuple[str, Value]]) -> Table[Scenario]:
    """Return the scenario, followed by one row per single change."""
    count = 1 + len(moved)
    changed: dict[str, list[Value | None]] = {}
    for row, (name, value) in enumerate(moved, start=1):
        changed.setdefault(name, [getattr(base, name)] * count)[row] = value
    return product_table(changed, {}, np.arange(count))


def _product(values: Mapping[str, tuple[Value, ...]]) -> Table[Scenario]:
    """Combine values of several inputs, the last varying fastest."""
    places = np.indices(tuple(map(len, values.values()))).reshape(len(values), -1)
    at = dict(zip(values, places, strict=True))
    return product_table(values, at, setups_of(at, places.shape[1]))


def _stacked(base: Scenario, parts: Sequence[_Part]) -> Table[Scenario]:
    """Join the rows of several parts, with the scenario's values where unchanged."""
    own, tables = Table.of(Scenario, [base]), [part.changed for part in parts]
    numbers = {
        name: np.concatenate(
            [table.numbers.get(name, np.repeat(own.number(name), table.count)) for table in tables]
        )
        for name in dict.fromkeys(name for table in (own, *tables) for name in table.numbers)
    }
    words = {
        name: Words.concatenate(
            table.words.get(name, own.word(name).take(np.zeros(table.count, dtype=np.intp)))
            for table in tables
        )
        for name in dict.fromkeys(name for table in (own, *tables) for name in table.words)
    }
    setups = [part.places.start + part.changed.setups for part in parts]
    count = parts[-1].places.stop
    table = Table(
        question=Scenario, count=count, numbers=numbers, words=words, setups=np.concatenate(setups)
    )
    return table.checked()
