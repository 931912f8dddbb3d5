"""What is asked about serving: every input, declared once.

The fields of `ServingQuestion` are the columns of a table of set-ups; `Item` and `Comparison` hold
what is asked beside it. Options, limits, columns and labels follow from the declarations.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from estimator.question import scenario
from estimator.question.declaration import Description, declared, inputs_of, option_in, refuse

Asked = TypeVar("Asked")


def _as_in_training(name: str, *, default: Any = None, **instead: Any) -> Any:
    """Declare an input as a scenario does, by its option there."""
    option = name.replace("_", "-")
    described = replace(scenario.INPUTS[name], option=option, column="", limits="", **instead)
    return field(default=default, metadata={"input": described})


@dataclass(frozen=True, kw_only=True)
class ServingQuestion:
    """One set-up to serve from; what is None or empty is unspecified.

    Numbers are in the unit of the field's metadata; names are looked up in the profiles.
    """

    model: str = declared(
        "preset or hub name",
        "Model",
        "model",
        default="",
        example="llama-3-8b, Qwen/Qwen3-14B",
        option="preset",
    )
    config: str = _as_in_training("config", default="", label="Model", group="model")
    params_total: float | None = declared(
        "parameters, if there is no preset",
        "",
        "model",
        bounds=(1e3, 1e16),
        example="8B",
        option="params",
    )
    params_active: float | None = _as_in_training(
        "active_params", group="model", bounds=(1e3, 1e16), unit=""
    )
    hardware: str = _as_in_training("hardware", default="", label="Hardware")
    devices: float | None = declared(
        "number of devices (default: the fewest that hold the model)",
        "Devices",
        "hardware",
        bounds=(1.0, 1e6),
        whole=True,
    )
    precision: str = declared(
        "weights: bf16, fp8, int4, awq, mxfp4, Q4_K_M ...", "Weights", "model", default=""
    )
    kv_precision: str = declared(
        "format of the key-value cache: bf16, fp8 (default: as usual)", "", "model", default=""
    )
    software: str = declared(
        "how tuned the server is (vendor, typical, research), or its program: vllm, llama.cpp ...",
        "",
        "hardware",
        default="",
    )
    concurrency: float | None = declared(
        "sequences in flight on all devices",
        "Concurrent answers",
        "traffic",
        bounds=(0.01, 1e7),
    )
    request_rate: float | None = declared(
        "requests per second, which decide how many are in flight",
        "Requests per second",
        "traffic",
        bounds=(1e-9, 1e7),
    )
    input_tokens: float | None = declared(
        "tokens per prompt", "Tokens per prompt", "traffic", bounds=(0.0, 1e8)
    )
    output_tokens: float | None = declared(
        "tokens per answer", "Tokens per answer", "traffic", bounds=(1.0, 1e8)
    )
    tensor_parallel: float | None = _as_in_training("tensor_parallel", bounds=(1.0, 1e5))
    expert_parallel: float | None = _as_in_training("expert_parallel", bounds=(1.0, 1e5))
    data_parallel: float | None = declared(
        "replicas of the attention layers", "", "parallelism", bounds=(1.0, 1e5), whole=True
    )
    region: str = _as_in_training("site", default="", label="Place")
    pue: float | None = _as_in_training(
        "pue", label="PUE, empty for the PUE of the place", bounds=(1.0, 10.0)
    )
    price_usd_per_h: float | None = _as_in_training(
        "price",
        label="Rental price of one device [USD/h], empty for the price on record",
        bounds=(0.0, 1e6),
    )
    cached_share: float | None = declared(
        "share of prompt tokens found in the prefix cache", "", "traffic", bounds=(0.0, 1.0)
    )
    draft_tokens: float | None = declared(
        "tokens drafted at a time in speculative decoding", "", "traffic", bounds=(0.0, 64.0)
    )
    draft_acceptance: float | None = declared(
        "probability that a draft is accepted", "", "traffic", bounds=(0.0, 1.0)
    )
    draft_params: float | None = declared(
        "parameters of the draft model", "", "traffic", bounds=(1e3, 1e16)
    )
    duty_cycle: float | None = declared(
        "share of the time that reserved machines are serving", "", "traffic", bounds=(1e-4, 1.0)
    )

    def __post_init__(self) -> None:
        _check_numbers(self)
        if self.concurrency is not None and self.request_rate is not None:
            raise refuse("serving_two_loads", "request_rate")


@dataclass(frozen=True, kw_only=True)
class Item:
    """What one item asks of a network that does not write token by token."""

    steps: float | None = declared(
        "steps of a diffusion model (default: 1)", "", "items", bounds=(1.0, 1e6)
    )
    guidance: float | None = declared(
        "passes per step: 2 with classifier-free guidance (default: 1)",
        "",
        "items",
        bounds=(1.0, 100.0),
    )
    image_size: float | None = declared("image side", "", "items", bounds=(1.0, 1e6), unit="pixels")
    positions: float | None = declared(
        "tokens, patches or frames per item, if there is no image size",
        "",
        "items",
        bounds=(1.0, 1e9),
    )

    def __post_init__(self) -> None:
        _check_numbers(self)

    @property
    def passes(self) -> float:
        """Times that the network runs [1]."""
        return (self.steps or 1.0) * (self.guidance or 1.0)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What the tokens of an answer are held against."""

    latency_goal: float | None = declared(
        "maximum time per output token", "", "comparison", bounds=(1e-9, 1e6), unit="s"
    )
    api: str = declared(
        "an API on record", "API", "comparison", default="", example="groq-gpt-oss-120b"
    )
    api_price_out: float | None = declared(
        "price per million output tokens, instead of --api",
        "API price per million output tokens [USD]",
        "comparison",
        bounds=(1e-9, 1e6),
        unit="USD",
        aliases=("api-price",),
    )
    api_price_in: float | None = declared(
        "price per million input tokens (default: not counted)",
        "API price per million input tokens [USD]",
        "comparison",
        bounds=(0.0, 1e6),
        unit="USD",
    )
    training_kwh: float | None = declared(
        "energy used by training",
        "Energy of training [kWh]",
        "comparison",
        bounds=(0.0, 1e15),
        unit="kWh",
    )
    tokens_per_day: float | None = declared(
        "output tokens per day, with --training-kwh",
        "Output tokens served a day",
        "comparison",
        bounds=(1.0, 1e20),
    )
    service_days: float | None = declared(
        "days in service, for training + serving (default: 365)",
        "",
        "comparison",
        bounds=(1e-3, 1e6),
    )

    def __post_init__(self) -> None:
        _check_numbers(self)


_INPUTS: Mapping[type[Any], Mapping[str, Description]] = {
    kind: inputs_of(kind) for kind in (ServingQuestion, Item, Comparison)
}

INPUTS: Mapping[str, Description] = {
    name: described for inputs in _INPUTS.values() for name, described in inputs.items()
}
"""Field -> its declaration."""

COLUMNS = ("name", *_INPUTS[ServingQuestion])
"""Columns of a table of set-ups; the name of a row passes through."""

NUMBERS = tuple(name for name, one in _INPUTS[ServingQuestion].items() if one.number)
WORDS = tuple(name for name, one in _INPUTS[ServingQuestion].items() if not one.number)


def check_number(name: str, value: float) -> None:
    """Refuse a number outside its limits: it is a typing error.

    >>> check_number("output_tokens", 0)
    Traceback (most recent call last):
    ...
    estimator.core.notice.Refusal: output_tokens must be between 1 and 1e+08, got 0
    """
    described = INPUTS[name]
    least, most = described.bounds
    if not (math.isfinite(value) and least <= value <= most):
        raise refuse("out_of_range", name, least=least, most=most, value=value)
    if described.whole and value != int(value):
        raise refuse("not_whole", name, value=value)


def option_of(field: str) -> str:
    """Option of the command line that sets a field.

    >>> option_of("params_total"), option_of("request_rate")
    ('--params', '--request-rate')
    """
    return option_in(INPUTS, field)


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
        raise refuse("not_a_number", name, text=text.strip()[:40]) from None


def read(kind: type[Asked], cells: Mapping[str, str | None]) -> Asked:
    """Inputs of a kind out of texts by name, as of a row of a table; an empty one is unspecified.

    Raises
    ------
    Refusal
        If a number is none, or outside its limits.

    Examples
    --------
    >>> read(Item, {"steps": "50", "guidance": "2", "image_size": ""}).passes
    100.0
    """
    said: dict[str, Any] = {}
    for name, described in _INPUTS[kind].items():
        text = cells.get(name) or ""
        said[name] = read_number(name, text) if described.number else text.strip()
    return kind(**said)


def _check_numbers(asked: Any) -> None:
    """Refuse what is outside its limits."""
    for name, described in _INPUTS[type(asked)].items():
        value = getattr(asked, name)
        if described.number and value is not None:
            check_number(name, value)
