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


def measure(**given: Any) -> "AbstractContextManager[Session]":
    """Measure the training steps inside a with block; see `measure.training_run.measure`."""
    from estimator.measure import training_run

    return training_run.measure(**given)


def trainer_callback(session: "Session") -> Any:
    """Callback for the Hugging Face Trainer; see `estimator.measure.callbacks`."""
    from estimator.measure import callbacks

    return callbacks.trainer_callback(session)


def lightning_callback(session: "Session") -> Any:
    """Callback for the Lightning Trainer; see `estimator.measure.callbacks`."""
    from estimator.measure import callbacks

    return callbacks.lightning_callback(session)


class _Callable(ModuleType):
    """Package that is also a function."""

    def __call__(self, **given: Any) -> "AbstractContextManager[Session]":
        return measure(**given)


sys.modules[__name__].__class__ = _Callable
