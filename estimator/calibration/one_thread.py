"""Single-threaded linear algebra for small matrices.

A multithreaded BLAS spends longer synchronizing than computing on a few hundred rows, up to a
hundred times longer next to other busy processes. Only small internal problems are limited;
benchmarks and measured programs keep all threads.
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
"""Lock on the process-wide thread limit, as overlapping threads would leave it set."""


@lru_cache(maxsize=1)
def _controller() -> "ThreadpoolController":
    """Return the thread controller, created once numpy has loaded its libraries."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def on_one_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Wrap a function to run its linear algebra on one thread, one call at a time."""

    @wraps(function)
    def limited(*args: P.args, **named: P.kwargs) -> R:
        with _TURN, _controller().limit(limits=1, user_api="blas"):
            return function(*args, **named)

    return limited
