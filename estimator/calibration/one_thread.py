"""Linear algebra on one thread: small matrices are slower on many.

A BLAS that splits a matrix of a few hundred rows over threads waits for them longer than it
computes; beside other busy processes a hundred times longer. Only our own small problems are kept
to one thread: a benchmark, and a program that is measured, have all of them.
"""

import threading
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

P = ParamSpec("P")
R = TypeVar("R")


_TURN = threading.RLock()
"""The limit is one of the whole process: two threads that overlap would leave it behind."""


@lru_cache(maxsize=1)
def _controller() -> "ThreadpoolController":
    """Find the libraries once: numpy has loaded its own by then."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def on_one_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Call a function with the linear algebra on one thread, one call at a time."""

    @wraps(function)
    def limited(*args: P.args, **named: P.kwargs) -> R:
        with _TURN, _controller().limit(limits=1, user_api="blas"):
            return function(*args, **named)

    return limited
