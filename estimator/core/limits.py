"""Limit checks of whole arrays, naming the first offending value."""

from typing import NoReturn

import numpy as np
import numpy.typing as npt

from estimator.core.bounds import LIMITS
from estimator.core.messages import message, refusal
from estimator.core.notice import Notice
from estimator.core.rows import Floats
from estimator.core.uncertainty import Quantity, Uncertain


def within_limits(name: str, value: Quantity, called: str = "") -> None:
    """Refuse impossible values: NaN, infinite, non-positive, or absurdly large.

    Parameters
    ----------
    name : str
        A key of `core.bounds.LIMITS`.
    value : Quantity
        Value in its unit.
    called : str
        Input that the value comes from, if any; the refusal then carries a notice.

    Raises
    ------
    ValueError
        With name, rule and value in one line.

    Examples
    --------
    >>> within_limits("pue", 0.9)
    Traceback (most recent call last):
    ...
    ValueError: pue must be at least 1, got 0.9
    """
    least, most, meaning = LIMITS[name]
    single = value.mid if isinstance(value, Uncertain) else value
    if isinstance(single, float) and least <= single <= most:
        return
    numbers = _numbers(value)
    if numbers.size == 0 or (least <= numbers.min() and numbers.max() <= most):
        return
    code, bad = "above_limit", numbers > most
    if not np.all(np.isfinite(numbers)):
        code, bad = "not_finite", ~np.isfinite(numbers)
    elif np.any(numbers < least):
        positive = 0 < least <= 1 and np.any(numbers <= 0)
        code, bad = "not_positive" if positive else "below_limit", numbers < least
    values = {"value": _first(numbers, bad), "least": least, "most": most, "meaning": meaning}
    _refuse(Notice(code, called or name, values), as_input=bool(called))


def is_share(name: str, value: Quantity, *, as_input: bool = False) -> None:
    """Refuse a share outside (0, 1]; with a notice if it is an input.

    >>> is_share("utilization", 1.5)
    Traceback (most recent call last):
    ...
    ValueError: utilization must be in (0, 1], got 1.5
    """
    numbers = _numbers(value)
    if numbers.size == 0 or (numbers.min() > 0 and numbers.max() <= 1):
        return
    valid = (numbers > 0) & (numbers <= 1)
    notice = Notice("not_a_share", name, {"value": _first(numbers, ~valid)})
    _refuse(notice, as_input=as_input)


def _numbers(value: Quantity) -> Floats:
    return np.asarray(value.mid if isinstance(value, Uncertain) else value, dtype=np.float64)


def _first(numbers: Floats, bad: npt.ArrayLike) -> float:
    return float(numbers[np.asarray(bad)].flat[0])


def _refuse(notice: Notice, *, as_input: bool) -> NoReturn:
    raise refusal(notice) if as_input else ValueError(message(notice))
