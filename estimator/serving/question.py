"""What is asked about serving: one row of a table, as a user writes it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from estimator.scenario import scenario

if TYPE_CHECKING:
    from estimator.core.notice import Refusal

LIMITS = {
    "params_total": (1e3, 1e16),
    "params_active": (1e3, 1e16),
    "devices": (1.0, 1e6),
    "concurrency": (0.01, 1e7),
    "request_rate": (1e-9, 1e7),
    "input_tokens": (0.0, 1e8),
    "output_tokens": (1.0, 1e8),
    "tensor_parallel": (1.0, 1e5),
    "expert_parallel": (1.0, 1e5),
    "data_parallel": (1.0, 1e5),
    "pue": (1.0, 10.0),
    "price_usd_per_h": (0.0, 1e6),
    "cached_share": (0.0, 1.0),
    "draft_tokens": (0.0, 64.0),
    "draft_acceptance": (0.0, 1.0),
    "draft_params": (1e3, 1e16),
    "duty_cycle": (1e-4, 1.0),
}
"""Least and most of every number; what lies outside is a slip of the pen."""

NUMBERS = tuple(LIMITS)

LIMITS_BESIDE = {
    "steps": (1.0, 1e6),
    "guidance": (1.0, 100.0),
    "image_size": (1.0, 1e6),
    "positions": (1.0, 1e9),
    "latency_goal": (1e-9, 1e6),
    "api_price_in": (0.0, 1e6),
    "api_price_out": (1e-9, 1e6),
    "training_kwh": (0.0, 1e15),
    "tokens_per_day": (1.0, 1e20),
    "service_days": (1e-3, 1e6),
}
"""Least and most of the numbers that are given beside a question: items and comparisons."""

WHOLE = ("devices", "tensor_parallel", "expert_parallel", "data_parallel")
"""Numbers that count things that cannot be shared."""

RENAMED = {
    "model": "preset",
    "params_total": "params",
    "params_active": "active-params",
    "region": "site",
    "price_usd_per_h": "price",
}
"""Fields whose option on the command line has another name, as in `estimate`."""


@dataclass(frozen=True, kw_only=True)
class ServingQuestion:
    """One set-up to serve from; what is None or empty is unspecified.

    Parameters
    ----------
    model, config : str
        Preset or hub name; path of a `config.json`.
    params_total, params_active : float
        Parameters where there is no preset; those that a token uses of a mixture. [1]
    hardware, devices, precision, kv_precision, software
        Device, how many, weight and cache formats, and the program or how tuned it is.
    concurrency, request_rate : float
        Sequences in flight [1], or requests that arrive [1/s].
    input_tokens, output_tokens : float
        Tokens of a request. [token]
    tensor_parallel, expert_parallel, data_parallel : float
        How devices share the model. [1]
    region, pue, price_usd_per_h
        Place, its PUE [1] and the price of a device-hour [USD/h].
    cached_share, draft_tokens, draft_acceptance, draft_params : float
        Share of inputs that a prefix cache holds; drafts of speculative decoding, the probability
        that one is accepted, and the parameters of the draft model. [1]
    duty_cycle : float
        Share of the time that the machines serve; they idle for the rest. [1]
    """

    name: str = ""
    model: str = ""
    config: str = ""
    params_total: float | None = None
    params_active: float | None = None
    hardware: str = ""
    devices: float | None = None
    precision: str = ""
    kv_precision: str = ""
    software: str = ""
    concurrency: float | None = None
    request_rate: float | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None
    tensor_parallel: float | None = None
    expert_parallel: float | None = None
    data_parallel: float | None = None
    region: str = ""
    pue: float | None = None
    price_usd_per_h: float | None = None
    cached_share: float | None = None
    draft_tokens: float | None = None
    draft_acceptance: float | None = None
    draft_params: float | None = None
    duty_cycle: float | None = None

    def __post_init__(self) -> None:
        for name in NUMBERS:
            value = getattr(self, name)
            if value is not None:
                check_number(name, value)
        self._check_load()

    def changed(self, **values: Any) -> "ServingQuestion":
        """Return the question with other values, which alone are checked."""
        for name, value in values.items():
            if value is not None and name in LIMITS:
                check_number(name, value)
        other = object.__new__(ServingQuestion)
        vars(other).update({**vars(self), **values})
        other._check_load()
        return other

    def _check_load(self) -> None:
        if self.concurrency is not None and self.request_rate is not None:
            raise _refuse("serving_two_loads", "request_rate")


COLUMNS = tuple(item.name for item in fields(ServingQuestion))
"""Columns of a table of set-ups."""

WORDS = tuple(name for name in COLUMNS if name not in LIMITS)


def check_number(name: str, value: float) -> None:
    """Refuse a number outside its limits.

    >>> check_number("output_tokens", 0)
    Traceback (most recent call last):
    ...
    estimator.core.notice.Refusal: output_tokens must be between 1 and 1e+08, got 0
    """
    least, most = LIMITS[name] if name in LIMITS else LIMITS_BESIDE[name]
    if not (math.isfinite(value) and least <= value <= most):
        raise _refuse("out_of_range", name, least=least, most=most, value=value)
    if name in WHOLE and value != int(value):
        raise _refuse("not_whole", name, value=value)


def _refuse(code: str, name: str, **values: Any) -> "Refusal":
    """Refuse an input; the sentences are imported when one is needed, for help goes without."""
    from estimator.core.messages import refuse

    return refuse(code, name, **values)


def option_of(field: str) -> str:
    """Option of the command line that sets a field.

    >>> option_of("params_total"), option_of("request_rate")
    ('--params', '--request-rate')
    """
    return "--" + RENAMED.get(field, field).replace("_", "-")


def read_number(name: str, text: str) -> float | None:
    """Number as people write it, None for an empty cell.

    >>> read_number("params_total", "7 billion"), read_number("input_tokens", "1_000")
    (7000000000.0, 1000.0)
    """
    if not text.strip():
        return None
    try:
        return scenario.read_number(name, text.replace(" ", ""))
    except ValueError:
        raise _refuse("not_a_number", name, text=text.strip()[:40]) from None


def question_of(cells: Mapping[str, str]) -> ServingQuestion:
    """Question of one row of a table.

    Raises
    ------
    Refusal
        If a number is none, or outside its limits.
    """
    words = {name: (cells.get(name) or "").strip() for name in WORDS}
    numbers = {name: read_number(name, cells.get(name) or "") for name in NUMBERS}
    return ServingQuestion(**words, **numbers)  # type: ignore[arg-type]
