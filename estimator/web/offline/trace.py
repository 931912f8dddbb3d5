"""From the core's own functions to Vega expressions: run them once on numbers that take notes.

A `Traced` number is a float that also knows the expression it came from. The core is called with
such numbers in the place of what a slider moves, and whatever it returns says how it was computed:
one step of arithmetic a line, each a signal of the figure. There is no second set of formulas.
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
"""Operation of numpy -> how Vega writes it."""

WORD = re.compile(r"\w+")
"""Names and numbers within an expression."""


@dataclass
class Tape:
    """Steps of arithmetic in their order: name -> expression of earlier names."""

    steps: dict[str, str] = field(default_factory=dict)
    known: dict[str, str] = field(default_factory=dict)

    def variable(self, name: str, value: float) -> Traced:
        """Return a number that the reader of the figure moves."""
        return Traced(value, name, self)

    def step(self, value: float, expression: str) -> Traced:
        """Note one step; the same expression twice is one step."""
        if expression not in self.known:
            self.known[expression] = f"s{len(self.known)}"
            self.steps[self.known[expression]] = expression
        return Traced(value, self.known[expression], self)

    def needed(self, names: Iterable[str]) -> dict[str, str]:
        """Steps that some names rest on, in their order."""
        wanted = set(names)
        for name, expression in reversed(self.steps.items()):
            if name in wanted:
                wanted |= set(WORD.findall(expression))
        return {name: text for name, text in self.steps.items() if name in wanted}


class Traced(float):
    """A float that knows the name of its expression on a tape."""

    name: str
    tape: Tape

    def __new__(cls, value: float, name: str, tape: Tape) -> Traced:
        """Make a number with its name."""
        made = super().__new__(cls, value)
        made.name, made.tape = name, tape
        return made

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **_options: Any) -> Any:
        """Note an operation of numpy."""
        if method != "__call__" or ufunc.__name__ not in OPERATIONS:
            return NotImplemented
        return self._noted(ufunc.__name__, ufunc, *inputs)

    def __array_function__(self, function: Any, _types: Any, args: Any, _options: Any) -> Any:
        """Note a choice by `numpy.where`."""
        if function is not np.where or len(args) != 3:
            return NotImplemented
        texts = [written(one) for one in args]
        value = float(args[1]) if float(args[0]) else float(args[2])
        return self.tape.step(value, "({} ? {} : {})".format(*texts))

    def _noted(self, operation: str, compute: Callable[..., Any], *inputs: Any) -> Traced:
        value = float(compute(*(float(one) for one in inputs)))
        text = OPERATIONS[operation].format(*(written(one) for one in inputs))
        return self.tape.step(value, text)

    def __getitem__(self, _key: Any) -> Traced:
        """Return itself: what `[()]` is to a number without axes."""
        return self

    def __hash__(self) -> int:
        return hash((float(self), self.name))


def written(value: Any) -> str:
    """Write a number as Vega reads it: its name, or all of its digits.

    >>> written(0.1), written(np.float64(3e23))
    ('0.1', '3e+23')
    """
    return value.name if isinstance(value, Traced) else repr(float(value))


def _define(method: str, operation: str, *, swapped: bool = False) -> None:
    """Give the number one operator of Python."""
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
