"""Measurement: the only package that accesses live devices and telemetry.

The package can be called as a function: ``estimator.measure(...)`` is
`estimator.measure.training_run.measure`.
"""

import sys
from contextlib import AbstractContextManager
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from estimator.measure.session import Session


class _Callable(ModuleType):
    """Package that is also a function."""

    def __call__(self, **given: Any) -> "AbstractContextManager[Session]":
        from estimator.measure import training_run

        return training_run.measure(**given)


sys.modules[__name__].__class__ = _Callable
