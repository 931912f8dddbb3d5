"""Design spaces: inputs with one value, a list or a range, and their product.

A space is a TOML table of `Scenario` inputs. A single value is fixed, a list is swept as given, a
table is a range::

    params = 7e9
    tokens = "140B"
    hardware = ["h100", "a100", "v100"]
    devices = { from = 8, to = 1024, scale = "log2" }
    pue = { from = 1.05, to = 1.6, steps = 12 }

The designs are numbered, so that any part of them can be made on its own, anywhere, in any order.
"""

import hashlib
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from estimator.catalog.records import nearest
from estimator.core.messages import refusal
from estimator.core.notice import Refusal
from estimator.core.rows import Places
from estimator.question.columns import fields_of
from estimator.question.inputs import Input, option_of, read_number
from estimator.question.scenario import INPUTS, OF_METER, Scenario
from estimator.question.table import check_number
from estimator.system.whole_files import read_bounded

MOST_DESIGNS = 10**10
"""Most designs of one space [1]."""

LARGEST_BYTES = 64 * 2**20
"""Largest file of a space [B]."""

MOST_VALUES = 10**7
"""Most values of one range [1]."""

SPELLINGS = fields_of(Scenario, without=OF_METER)
"""Accepted name of an input in a space -> input."""

RANGE_KEYS = {"from", "to", "steps", "step", "scale"}
SCALES = ("linear", "log", "log2")

Value = float | str


@dataclass(frozen=True, kw_only=True)
class Space:
    """Product of the values of its inputs.

    Parameters
    ----------
    values : mapping of str to sequence
        Input of `Scenario` -> its values, one or more; the last input varies fastest.
    """

    values: Mapping[str, tuple[Value, ...]]

    def __post_init__(self) -> None:
        if self.size > MOST_DESIGNS:
            most = f"{MOST_DESIGNS:.0e}"
            raise ValueError(f"{self.size:.3g} designs exceed the maximum of {most}: sweep fewer")

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Number of values of each input [1]."""
        return tuple(len(values) for values in self.values.values())

    @property
    def size(self) -> int:
        """Number of designs [1]."""
        return math.prod(self.shape)

    @property
    def swept(self) -> tuple[str, ...]:
        """Inputs with more than one value."""
        return tuple(name for name, values in self.values.items() if len(values) > 1)

    @cached_property
    def fingerprint(self) -> str:
        """Short digest of the space, equal for the same designs in the same order."""
        text = repr(sorted(self.values.items())) + repr(list(self.values))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def designs(self, start: int, stop: int) -> dict[str, Places]:
        """Return the value index of each input, for designs `start` to `stop`.

        Returns
        -------
        dict of str to array of int, shape (stop - start,)

        >>> Space(values={"devices": (1.0, 2.0), "pue": (1.1, 1.2, 1.3)}).designs(2, 5)["pue"]
        array([2, 0, 1])
        """
        numbers = np.unravel_index(np.arange(start, min(stop, self.size)), self.shape)
        return dict(zip(self.values, numbers, strict=True))

    def apart_from(self, name: str, numbers: Places) -> Places:
        """Return an index shared by designs that differ in one input only.

        Unique for each design if no other input is swept.

        >>> space = Space(values={"devices": (1.0, 2.0), "site": ("us", "fr")})
        >>> space.apart_from("site", np.arange(4))
        array([0, 0, 1, 1])
        """
        if not set(self.swept) - {name}:
            return numbers
        at = np.array(np.unravel_index(numbers, self.shape))
        kept = [place for place, one in enumerate(self.values) if one != name]
        shape = tuple(self.shape[place] for place in kept)
        return np.asarray(np.ravel_multi_index(tuple(at[kept]), shape), dtype=np.intp)

    def scenario(self, number: int) -> Scenario:
        """Return one design as a scenario."""
        if not 0 <= number < self.size:
            raise ValueError(f"design must be between 0 and {self.size - 1}, got {number}")
        chosen = self.designs(number, number + 1)
        return Scenario(**{name: self.values[name][at[0]] for name, at in chosen.items()})


def read_space(path: Path) -> Space:
    """Read a space from a TOML file.

    Raises
    ------
    ValueError
        If the file is not TOML, an input is unknown, or its values cannot be read; with file, input
        and rule.
    OSError
        If the file cannot be read.
    """
    try:
        table = tomllib.loads(read_bounded(path, LARGEST_BYTES).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: not a valid TOML file: {error}") from None
    try:
        return space_of(table)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def space_of(table: Mapping[str, Any]) -> Space:
    """Build a space from a table of inputs: one value, a list, or a range each.

    Raises
    ------
    ValueError
        If an input is unknown, its values cannot be read, or there are more than `MOST_DESIGNS`.

    >>> space_of({"params": "7B", "devices": {"from": 1, "to": 8, "scale": "log2"}}).size
    4
    """
    names = [option_of(name)[2:].replace("-", "_") for name in INPUTS]
    named = {name: SPELLINGS.get(name.replace("-", "_"), "") for name in table}
    for name, known in named.items():
        if not known:
            close = " or ".join(nearest(name, list(SPELLINGS)))
            remedy = f"did you mean {close}?" if close else f"use one of {', '.join(names)}"
            raise ValueError(f"unknown input {name!r}: {remedy}")
        if list(named.values()).count(known) > 1:
            raise ValueError(f"the input {name!r} is given under two names: remove one")
    try:
        values = {known: _values(name, table[name]) for name, known in named.items()}
    except Refusal as error:
        spelling = next(name for name, known in named.items() if known == error.notice.field)
        raise refusal(replace(error.notice, field=spelling)) from None
    space = Space(values=values)
    if not space.values:
        raise ValueError("the space is empty: set each input to a value, a list or a range")
    return space


def _declared(name: str) -> Input:
    """Find an input's declaration under any of its names."""
    return INPUTS[SPELLINGS[name.replace("-", "_")]]


def _values(name: str, cell: Any) -> tuple[Value, ...]:
    """Parse the values of one input."""
    if isinstance(cell, Mapping):
        return _range(name, cell)
    if isinstance(cell, str) or not isinstance(cell, Sequence):
        return (_value(name, cell),)
    if not cell:
        raise ValueError(f"{name} has an empty list: add values or omit it")
    values = tuple(_value(name, value) for value in cell)
    if len(set(values)) < len(values):
        raise ValueError(f"{name} lists a value twice")
    return values


def _value(name: str, cell: Any) -> Value:
    """Parse one value, a number if the input is one."""
    if isinstance(cell, bool) or not isinstance(cell, int | float | str):
        raise ValueError(f"{name} must be a number, a word, a list or a range, got {cell!r}")
    declared = _declared(name)
    if declared.number:
        return read_number(declared.name, str(cell))
    if not isinstance(cell, str):
        raise ValueError(f"{name} must be a word, got {cell!r}")
    return cell


def _range(name: str, cell: Mapping[str, Any]) -> tuple[Value, ...]:
    """Return the values of a linear or logarithmic range, including both ends."""
    if not _declared(name).number:
        raise ValueError(f"{name} accepts words, not a range: list them")
    wrong = set(cell) - RANGE_KEYS
    if wrong or not {"from", "to"} <= set(cell):
        raise ValueError(f"{name} must be a range like {{ from = 1, to = 64, steps = 7 }}")
    low, high = (float(_value(name, cell[end])) for end in ("from", "to"))
    scale = cell.get("scale", "linear")
    if scale not in SCALES:
        raise ValueError(f"the scale of {name} must be one of {', '.join(SCALES)}, got {scale!r}")
    if not low < high or (scale != "linear" and low <= 0):
        above = "0 < from < to" if scale != "linear" else "from < to"
        raise ValueError(f"the range of {name} must have {above}, got {low:g} to {high:g}")
    for end in (low, high):
        check_number(_declared(name), end)
    return tuple(_points(name, (low, high), scale, cell))


def _bounded(name: str, values: float) -> int:
    """Return the number of values in a range, within the limit."""
    if values > MOST_VALUES:
        raise ValueError(f"{name} has more than {MOST_VALUES:,} values: use fewer or larger steps")
    return int(values)


def _points(
    name: str, ends: tuple[float, float], scale: str, cell: Mapping[str, Any]
) -> Sequence[float]:
    low, high = ends
    if "step" in cell:
        step = float(_value(name, cell["step"]))
        if scale != "linear" or "steps" in cell or step <= 0:
            raise ValueError(f"{name} needs a positive step on a linear scale and no steps")
        last = _bounded(name, (high - low) / step * (1 + 1e-12))
        return [low + step * at for at in range(last + 1)]
    if scale == "log2" and "steps" not in cell:
        doublings = int(math.log2(high) - math.log2(low) + 1e-9)
        return [math.ldexp(low, at) for at in range(doublings + 1)]
    steps = cell.get("steps")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 2:
        raise ValueError(f"the range of {name} needs steps, a whole number from 2, or a step")
    _bounded(name, steps)
    spaced = np.linspace if scale == "linear" else np.geomspace
    points: list[float] = spaced(low, high, steps).tolist()
    return points
