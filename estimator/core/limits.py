"""Is this number admissible: each rule in one place, each refusal in one line.

Arrays are checked whole; the first offending value is named.
"""

import numpy as np
import numpy.typing as npt

from estimator.core.uncertainty import Quantity, Uncertain

LIMITS: dict[str, tuple[float, float, str]] = {
    # name: (least, most, what the bound means)
    "training_flop": (1.0, 1e36, "more than ten billion times the largest run known"),
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
    "co2e_kg_per_kwh": (0.0, 5.0, "several times the dirtiest grid"),
    "wue_l_per_kwh": (0.0, 100.0, "many times the thirstiest site"),
    "offsite_l_per_kwh": (0.0, 1e3, "many times the thirstiest grid"),
    "price_usd_per_h": (0.0, 1e6, "per device and hour"),
    "device_price": (1e-3, 1e12, "more than any machine"),
    "electricity_usd_per_kwh": (0.0, 100.0, "hundreds of times the usual price"),
    "attempts": (1.0, 1e6, "all runs over the final one"),
    "lora_rank": (1.0, 1e6, "the rank of the adapters"),
    "prefill_tokens": (1.0, 1e12, "far beyond any batch of prompts"),
    "peak_flop_per_s": (1.0, 1e24, "a million exascale machines"),
    "tdp_w": (1e-6, 1e12, "half the electricity of the world"),
    "power_cap": (1e-6, 1e12, "half the electricity of the world"),
}


def within_limits(name: str, value: Quantity, called: str = "") -> None:
    """Refuse what cannot be: NaN, infinite, zero where it must be positive, absurdly large.

    Parameters
    ----------
    name : str
        A key of `LIMITS`.
    value : Quantity
        In its unit.
    called : str
        What a refusal calls it, if not so.

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
    _refuse(called or name, numbers, ~np.isfinite(numbers), "must be a finite number")
    rule = "must be positive" if least < 1 and least > 0 else f"must be at least {least:g}"
    if least == 1.0 and np.any(numbers <= 0):
        rule = "must be positive"
    _refuse(called or name, numbers, numbers < least, rule)
    _refuse(called or name, numbers, numbers > most, f"must be at most {most:g} ({meaning})")


def is_share(name: str, value: Quantity) -> None:
    """Refuse a share that is not in (0, 1].

    >>> is_share("utilization", 1.5)
    Traceback (most recent call last):
    ...
    ValueError: utilization must be in (0, 1], got 1.5
    """
    numbers = _numbers(value)
    if numbers.size == 0 or (numbers.min() > 0 and numbers.max() <= 1):
        return
    valid = (numbers > 0) & (numbers <= 1)
    _refuse(name, numbers, ~valid, "must be in (0, 1]")


def _numbers(value: Quantity) -> npt.NDArray[np.float64]:
    return np.asarray(value.mid if isinstance(value, Uncertain) else value, dtype=np.float64)


def _refuse(name: str, numbers: npt.NDArray[np.float64], bad: npt.ArrayLike, rule: str) -> None:
    if np.any(bad):
        first = float(numbers[np.asarray(bad)].flat[0])
        raise ValueError(f"{name} {rule}, got {first:.10g}")
