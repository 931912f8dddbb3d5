"""Measurement of training steps inside a with block, which never interferes with training."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from estimator.measure.recorder import recorded
from estimator.measure.session import LOCAL_RANK, LOCAL_SIZE, RANK, REPORT, WORLD_SIZE, Session


@contextmanager
def measure(**given: Any) -> Iterator[Session]:
    """Measure the training steps inside a with block, and store the run.

    With several processes, as under torchrun, the first reports the steps, and the first on each
    machine measures its devices.

    Parameters
    ----------
    given
        As for `Session`: `flop` or `params` and `tokens` of one step, `precision`, `kind`, ...

    Yields
    ------
    Session
        Call its `step` at the end of each step.

    Examples
    --------
    >>> with measure(flop=1e9, precision="fp32", kind="other") as run:  # doctest: +SKIP
    ...     for batch in batches:
    ...         train(batch)
    ...         run.step()
    """
    session = Session(**given)
    session.ranks = max(1, _number(WORLD_SIZE))
    session.machines = max(1, session.ranks // max(1, _number(LOCAL_SIZE)))
    wrapped = os.environ.get(REPORT)
    if _number(LOCAL_RANK):
        yield session
    elif wrapped:
        owner = os.getpid()
        try:
            yield session
        finally:
            if not _number(RANK) and os.getpid() == owner:
                try:
                    session.report(Path(wrapped))
                except Exception as error:  # noqa: BLE001 - as in `_out_of_the_way`
                    _say_failed(error)
    else:
        with _out_of_the_way(lambda: recorded(session, tells=not _number(RANK))):
            yield session


@contextmanager
def _out_of_the_way(make: Callable[[], AbstractContextManager[object]]) -> Iterator[None]:
    """Measure around a training run without ever stopping or failing it.

    The only place that catches every error of meters, drivers, disks and our own. Errors of the
    training pass through.
    """
    inner: AbstractContextManager[object] | None = None
    try:
        inner = make()
        inner.__enter__()
    except Exception as error:  # noqa: BLE001 - see above
        inner = None
        _say_failed(error)
    raised: BaseException | None = None
    try:
        yield
    except BaseException as error:
        raised = error
        raise
    finally:
        try:
            if inner is not None:
                inner.__exit__(type(raised) if raised else None, raised, None)
        except Exception as error:  # noqa: BLE001 - see above
            if error is not raised:
                _say_failed(error)


def _say_failed(error: Exception) -> None:
    """Report on stderr that measuring failed and training is unaffected."""
    with suppress(OSError, ValueError):
        sys.stderr.write(
            f"twenty-watts: measuring failed ({type(error).__name__}: {error}); the training goes "
            "on unmeasured\n"
        )


def _number(name: str) -> int:
    """Return a number of the environment, 0 by default."""
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else 0
