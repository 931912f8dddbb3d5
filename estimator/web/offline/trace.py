"""Tracing of the core's functions to Vega expressions, with recording numbers.

A `Traced` number is a float with the expression it came from. The core is called with such numbers
in place of slider values, and its results record their arithmetic, one step per line, each a signal
of the figure. So there is no second set of formulas.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

BINARY = {
    "add": "({0} + {1})",
    "subtract": "({0} - {1})",
    "multiply": "({0} * {1})",
    "divide": "({0} / {1})",
    "power": "pow({0}, {1})",
    "minimum": "min({0}, {1})",
    "maximum": "max({0}, {1})",
    "greater": "({0} > {1})",
    "greater_equal": "({0} >= {1})",
    "less": "({0} < {1})",
    "less_equal": "({0} <= {1})",
    "equal": "({0} == {1})",
    "not_equal": "({0} != {1})",
}
UNARY = {
    "negative": "(-{0})",
    "sqrt": "sqrt({0})",
    "exp": "exp({0})",
    "log": "log({0})",
    "absolute": "abs({0})",
}
OPERATIONS = {**BINARY, **UNARY}
"""NumPy operation -> Vega expression."""

WORD = re.compile(r"\w+")
"""Pattern of names and numbers in an expression."""


@dataclass
class Tape:
    """Arithmetic steps in order: name -> expression of earlier names."""

    steps: dict[str, str] = field(default_factory=dict)
    known: dict[str, str] = field(default_factory=dict)

    def variable(self, name: str, value: float) -> Traced:
        """Return a number that the reader can change."""
        return Traced(value, name, self)

    def step(self, value: float, expression: str) -> Traced:
        """Record one step; equal expressions share a step."""
        if expression not in self.known:
            self.known[expression] = f"s{len(self.known)}"
            self.steps[self.known[expression]] = expression
        return Traced(value, self.known[expression], self)

    def needed(self, names: Iterable[str]) -> dict[str, str]:
        """Steps required for some names, in order."""
        wanted = set(names)
        for name, expression in reversed(self.steps.items()):
            if name in wanted:
                wanted |= set(WORD.findall(expression))
        return {name: text for name, text in self.steps.items() if name in wanted}


class Traced(float):
    """Float with the name of its expression on a tape."""

    name: str
    tape: Tape

    def __new__(cls, value: float, name: str, tape: Tape) -> Traced:
        """Create a number with its name."""
        made = super().__new__(cls, value)
        made.name, made.tape = name, tape
        return made

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **_options: Any) -> Any:
        """Record a NumPy operation."""
        if method != "__call__" or ufunc.__name__ not in OPERATIONS:
            return NotImplemented
        return self._noted(ufunc.__name__, ufunc, *inputs)

    def __array_function__(self, function: Any, _types: Any, args: Any, _options: Any) -> Any:
        """Record a selection with `numpy.where`."""
        if function is not np.where or len(args) != 3:
            return NotImplemented
        texts = [format_number(one) for one in args]
        value = float(args[1]) if float(args[0]) else float(args[2])
        return self.tape.step(value, "({} ? {} : {})".format(*texts))

    def _noted(self, operation: str, compute: Callable[..., Any], *inputs: Any) -> Traced:
        value = float(compute(*(float(one) for one in inputs)))
        text = OPERATIONS[operation].format(*(format_number(one) for one in inputs))
        return self.tape.step(value, text)

    def __getitem__(self, _key: Any) -> Traced:
        """Return self, like `array[()]` of a scalar."""
        return self

    def __hash__(self) -> int:
        return hash((float(self), self.name))


def format_number(value: Any) -> str:
    """Format a number for Vega: its name, or all digits.

    >>> format_number(0.1), format_number(np.float64(3e23))
    ('0.1', '3e+23')
    """
    return value.name if isinstance(value, Traced) else repr(float(value))


def _define(method: str, operation: str, *, swapped: bool = False) -> None:
    """Define one Python operator for traced numbers."""
    compute = getattr(np, operation)

    def operator(self: Traced, other: Any = None) -> Any:
        if operation in UNARY:
            return self._noted(operation, compute, self)
        if not isinstance(other, (int, float)):
            return NotImplemented
        pair = (other, self) if swapped else (self, other)
        return self._noted(operation, compute, *pair)

    setattr(Traced, method, operator)


for _name, _operation in (
    ("add", "add"),
    ("sub", "subtract"),
    ("mul", "multiply"),
    ("truediv", "divide"),
    ("pow", "power"),
):
    _define(f"__{_name}__", _operation)
    _define(f"__r{_name}__", _operation, swapped=True)
for _name, _operation in (
    ("gt", "greater"),
    ("ge", "greater_equal"),
    ("lt", "less"),
    ("le", "less_equal"),
    ("eq", "equal"),
    ("ne", "not_equal"),
    ("neg", "negative"),
    ("abs", "absolute"),
):
    _define(f"__{_name}__", _operation)
