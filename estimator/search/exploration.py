"""What moves the answer: one input at a time, one or two swept, and every design of a small space.

All of it are designs of one workload that go through the one path; nothing is computed twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from estimator.catalog import Catalog
from estimator.core.messages import message
from estimator.core.units import CENTRAL
from estimator.estimation.estimate_table import estimate_table
from estimator.scenario.scenario import Scenario
from estimator.scenario.scenario_table import ScenarioTable
from estimator.search.designs import Evaluation
from estimator.search.pareto import pareto_front
from estimator.search.plan import PLANNED_COUNTS, planned_devices
from estimator.search.space import Space, Value

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


def swings(base: Scenario, quantity: str, catalog: Catalog) -> tuple[float, tuple[Swing, ...]]:
    """Median of a quantity, and how far each input alone moves it, the widest first.

    Raises
    ------
    ValueError
        If the base itself cannot be estimated, or does not have the quantity.
    """
    moved: list[tuple[str, Value]] = []
    for name in SWEPT:
        moved += [(name, value) for value in _moved(base, name, catalog)]
    rows = [base, *(_changed(base, name, value) for name, value in moved)]
    result = estimate_table(ScenarioTable.of(rows), catalog)
    if 0 in result.errors:
        raise ValueError(message(result.errors[0]))
    mids = np.asarray(result[quantity].mid)
    if np.isnan(mids[0]):
        raise ValueError(f"{quantity} is unknown for this scenario")
    found = []
    for name in SWEPT:
        places = [at for at, (one, _) in enumerate(moved, start=1) if one == name]
        known = [at for at in places if not np.isnan(mids[at])]
        if known:
            least, most = min(known, key=mids.__getitem__), max(known, key=mids.__getitem__)
            ends = (moved[least - 1][1], moved[most - 1][1])
            low, high = float(mids[least]), float(mids[most])
            found.append(Swing(name=name, values=ends, low=low, high=high))
    return float(mids[0]), tuple(sorted(found, key=lambda one: one.low / one.high))


def swept(base: Scenario, names: tuple[str, ...], steps: int, catalog: Catalog) -> pa.Table:
    """Every quantity over the values of one input or of several, with its interval.

    Parameters
    ----------
    base : Scenario
        What is kept.
    names : tuple of str
        Of `SWEPT`, different ones.
    steps : int
        Values of each input that is a number [1].
    catalog : Catalog

    Returns
    -------
    pyarrow.Table
        A column for each input, and low, mid and high of each quantity.
    """
    return _table(base, {name: explored_values(base, name, steps, catalog) for name in names})


def designs(base: Scenario, places: tuple[str, ...], catalog: Catalog) -> pa.Table:
    """Every device, count and place: what each takes, and whether it is beaten by none.

    Returns
    -------
    pyarrow.Table
        As `swept`, and `pareto`: none takes less time, money and CO2e at once.
    """
    chosen: dict[str, tuple[Any, ...]] = {
        "hardware": planned_devices(catalog),
        "devices": PLANNED_COUNTS,
        "site": places,
    }
    table = _table(base, chosen)
    costs = [_numbers(table, f"{name}_mid") for name in ("wall_hours", "cost_usd", "co2e_kg")]
    return table.append_column("pareto", pa.array(pareto_front(np.column_stack(costs))))


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


def _changed(base: Scenario, name: str, value: Value) -> Scenario:
    changed: dict[str, Any] = {name: value}
    return replace(base, **changed)


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


def _table(base: Scenario, chosen: Mapping[str, tuple[Any, ...]]) -> pa.Table:
    """Designs of a space around a scenario, those that do not fit left out."""
    values: dict[str, tuple[Value, ...]] = {
        name: (value,) for name, value in base.said().items() if name not in chosen
    }
    space = Space(values={**values, **chosen})
    table = Evaluation(level=CENTRAL)(space, 0, space.size)
    for name in chosen:
        if name in table.column_names:
            place, column = table.column_names.index(name), table[name]
            plain = column.cast(column.type.value_type)
            table = table.set_column(place, name, plain)
        else:
            only = pa.array([space.values[name][0]] * table.num_rows)
            table = table.append_column(name, only)
    return table


def _numbers(table: pa.Table, name: str) -> Floats:
    return np.asarray(table[name].to_numpy(zero_copy_only=False), dtype=np.float64)
