"""Is this number admissible: each rule in one place, each refusal in one line.

Arrays are checked whole; the first offending value is named.
"""

from typing import NoReturn

import numpy as np
import numpy.typing as npt

from estimator.core.messages import message, refusal
from estimator.core.notice import Notice
from estimator.core.rows import Floats
from estimator.core.uncertainty import Quantity, Uncertain

LIMITS: dict[str, tuple[float, float, str]] = {
    # name: (least, most, what the bound means)
    "training_flop": (1.0, 1e36, "more than ten billion times the largest run known"),
    "step_operations": (1.0, 1e15, "a billion times the operations of a large network"),
    "traffic_bytes": (1.0, 1e26, "more than a million accelerators move in a year"),
    "params": (1.0, 1e18, "a million times the largest model known"),
    "active_params": (1.0, 1e18, "a million times the largest model known"),
    "tokens": (1.0, 1e20, "a million times the largest corpus known"),
    "samples": (1.0, 1e20, "a million times the largest corpus known"),
    "layers": (1.0, 1e6, "a thousand times the deepest network known"),
    "width": (1.0, 1e7, "a hundred times the widest network known"),
    "batch": (1.0, 1e9, "a thousand times the largest batch known"),
    "image_size": (1.0, 1e6, "far beyond any picture"),
    "utilization": (1e-6, 1.0, "a share of the peak"),
    "seq_len": (1.0, 1e9, "a thousand times the longest context known"),
    "year": (1950.0, 2100.0, "the year of the run"),
    "device_hours": (1e-9, 1e15, "more than all devices on Earth in a million years"),
    "devices": (1.0, 1e9, "more accelerators than exist"),
    "start": (0.0, 8784.0, "the hours of a leap year"),
    "recomputation": (0.0, 1.0, "the share of the forward pass that is computed again"),
    "pue": (1.0, 10.0, "the energy of the whole site over that of its computers"),
    "co2e_kg_per_kwh": (0.0, 5.0, "several times the dirtiest grid; 350 g/kWh are 0.35"),
    "wue_l_per_kwh": (0.0, 100.0, "many times the thirstiest site"),
    "offsite_l_per_kwh": (0.0, 1e3, "many times the thirstiest grid"),
    "price_usd_per_h": (0.0, 1e6, "per device and hour"),
    "device_price": (1e-3, 1e12, "more than any machine"),
    "electricity_usd_per_kwh": (0.0, 5.0, "many times the dearest electricity; 30 cents are 0.3"),
    "attempts": (1.0, 1e6, "all runs over the final one"),
    "lora_rank": (1.0, 1e6, "the rank of the adapters"),
    "prefill_tokens": (1.0, 1e12, "far beyond any batch of prompts"),
    "peak_flop_per_s": (1.0, 1e24, "a million exascale machines"),
    "tdp_w": (1e-6, 1e12, "half the electricity of the world"),
    "power_cap": (1e-6, 1e12, "half the electricity of the world"),
}


FEW = 1000
"""Parameters or tokens below which "7" was surely meant to be "7B" [1]."""


def within_limits(name: str, value: Quantity, called: str = "") -> None:
    """Refuse what cannot be: NaN, infinite, zero where it must be positive, absurdly large.

    Parameters
    ----------
    name : str
        A key of `LIMITS`.
    value : Quantity
        In its unit.
    called : str
        The input of a question that it is, if it is one: the refusal then carries a notice.

    Raises
    ------
    ValueError
        Name, rule and value in one line.

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
        positive = 0 < least < 1 or (least == 1.0 and np.any(numbers <= 0))
        code, bad = "not_positive" if positive else "below_limit", numbers < least
    values = {"value": _first(numbers, bad), "least": least, "most": most, "meaning": meaning}
    _refuse(Notice(code, called or name, values), as_input=bool(called))


def is_share(name: str, value: Quantity, *, as_input: bool = False) -> None:
    """Refuse a share that is not in (0, 1]; as the input of a question with a notice.

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
