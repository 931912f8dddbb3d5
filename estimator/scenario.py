"""What does the user ask: one scenario, in the words of the command line and of the link.

The command line, the page and a link fill the same dataclass; `answer_scenario` answers it.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from estimator.network_kind import KINDS
from estimator.units import CENTRAL

SHARING = ("tensor_parallel", "pipeline_parallel", "expert_parallel", "micro_batches")
"""Fields that say how the devices share the work."""

LINK_VERSION = "1"

FILES = ("config", "carbon_profile", "start")
"""Fields that are a file of the user, or mean nothing without it: no link carries them."""


def _say(
    help_text: str, *, unit: str = "", example: str = "", choices: tuple[str, ...] = ()
) -> Any:
    """Describe an optional answer of the user: its meaning, unit, an example, the choices."""
    return field(
        default=None,
        metadata={"help": help_text, "unit": unit, "example": example, "choices": choices},
    )


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One question; a field left None was not said, and what is then assumed is told.

    Numbers are in the unit of the field's metadata; names are looked up in the profiles.
    """

    preset: str | None = _say("a published run or model by name", example="gpt-3")
    flop: float | None = _say("FLOPs of the whole training run", unit="FLOP", example="3.14e23")
    params: float | None = _say("parameters of the model", unit="parameters", example="7e9")
    active_params: float | None = _say(
        "parameters that work on one token, for a mixture of experts",
        unit="parameters",
        example="37e9",
    )
    tokens: float | None = _say("tokens seen in training, epochs included", example="2e12")
    samples: float | None = _say("sequences, images or clips seen, with --config", example="1e8")
    seq_len: float | None = _say("tokens in a sequence", example="4096")
    width: float | None = _say("width of the network, its hidden size", example="4096")
    arch: str | None = _say("architecture in free words", example="'MoE decoder', CNN, encoder")
    config: str | None = _say("a Hugging Face config.json", example="config.json")
    device_hours: float | None = _say(
        "the run is already timed: energy, cost and CO2 follow", unit="h", example="1.08e6"
    )
    kind: str | None = _say("kind of work, which sets the utilization expected", choices=KINDS)
    finetune: str | None = _say(
        "adapt an existing model instead of training it", choices=("full", "lora")
    )
    attempts: float | None = _say(
        "all runs over the final one: failed runs and experiments included", example="1.5"
    )
    hardware: str | None = _say("device by id, alias or NVML name", example="h100")
    devices: float | None = _say("number of devices", example="64")
    precision: str | None = _say(
        "number format of the matrix work",
        choices=("fp64", "fp32", "tf32", "fp16", "bf16", "fp8", "fp4", "int8", "equivalent"),
    )
    utilization: float | None = _say(
        "share of the dense peak reached (MFU) in (0, 1]; predicted if not given", example="0.4"
    )
    calibration: str | None = _say(
        "measured runs of such a device: heard, or ignored as if there were none",
        choices=("use", "ignore"),
    )
    batch_tokens: float | None = _say(
        "tokens of one step of the optimizer", unit="tokens", example="4e6"
    )
    recomputation: str | None = _say(
        "activations that are computed again on the way back, to save memory",
        choices=("none", "selective", "full"),
    )
    tensor_parallel: float | None = _say("devices that share each layer", example="8")
    pipeline_parallel: float | None = _say("stages that share the layers", example="4")
    expert_parallel: float | None = _say("devices that share the experts of a mixture", example="8")
    micro_batches: float | None = _say(
        "parts of a batch that follow each other through the stages", example="32"
    )
    power_cap: float | None = _say(
        "power limit set on each device: less power, more time; the utilization is without it",
        unit="W",
        example="250",
    )
    site: str | None = _say("country, cloud region, operator or place", example="fr")
    year: float | None = _say(
        "year of the run: its grid, PUE and rents; the newest on record if not given",
        example="2020",
    )
    carbon_intensity: float | None = _say(
        "carbon intensity of the electricity", unit="kgCO2e/kWh", example="0.429"
    )
    carbon_profile: str | None = _say(
        "CSV file of hourly carbon intensities that repeat: time or hour, and co2e_kg_per_kwh or "
        "co2e_g_per_kwh; 24 to 8784 rows",
        example="grid.csv",
    )
    start: float | None = _say(
        "hour of the --carbon-profile at which the run starts, 0 if not given",
        unit="h",
        example="18",
    )
    pue: float | None = _say("power usage effectiveness of the site, from 1", example="1.1")
    wue: float | None = _say("water usage effectiveness of the site", unit="L/kWh", example="0.2")
    electricity_price: float | None = _say(
        "price of electricity, for --pay own", unit="USD/kWh", example="0.12"
    )
    price: float | None = _say("rent of one device", unit="USD/h", example="2.5")
    price_kind: str | None = _say(
        "which rental offers to take", choices=("on-demand", "spot", "reserved")
    )
    device_price: float | None = _say(
        "purchase price of one device, for --pay own", unit="USD", example="27000"
    )
    pay: str | None = _say(
        "rent the devices, or own them (amortised price and electricity)", choices=("rent", "own")
    )
    interval: float | None = _say(
        f"probability inside low..high in (0, 1), {CENTRAL:g} if not given", example="0.9"
    )

    def said(self) -> dict[str, float | str]:
        """Return what the user said, in the order of the fields."""
        answers = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: answer for name, answer in answers.items() if answer is not None}


def check_choices(scenario: Scenario) -> None:
    """Refuse a word that is none of a field's choices; the precision is left to the device.

    Raises
    ------
    ValueError
        Field, word and the choices.
    """
    for item in fields(Scenario):
        word, choices = getattr(scenario, item.name), item.metadata["choices"]
        if word is not None and choices and item.name != "precision" and word not in choices:
            raise ValueError(f"{item.name} must be one of {', '.join(choices)}, got {word!r}")


NUMBERS = frozenset(item.name for item in fields(Scenario) if "float" in str(item.type))
"""Fields that hold a number."""


def read_number(name: str, text: str) -> float:
    """Read one number as people write it; unlike `float`, refuse what is not finite.

    Raises
    ------
    ValueError
        Name, text and what would be read.

    Examples
    --------
    >>> read_number("params", "175e9"), read_number("tokens", "300B"), read_number("devices", "10k")
    (175000000000.0, 300000000000.0, 10000.0)
    """
    cleaned = text.strip()
    if re.fullmatch(r"\d{1,3}([,_]\d{3})+(\.\d*)?[kMBGT]?", cleaned):
        cleaned = cleaned.replace(",", "").replace("_", "")
    factors = {"k": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}
    factor = factors.get(cleaned[-1:], 1.0)
    try:
        number = float(cleaned[:-1] if factor != 1.0 else cleaned) * factor
    except ValueError:
        raise ValueError(f"{name} is not a number: {text!r}; write it like 7e9 or 7B") from None
    if not math.isfinite(number):
        raise ValueError(f"{name} must be a finite number, got {text}")
    return number


FIELD_LIMITS = {
    **dict.fromkeys(SHARING, "devices"),
    "batch_tokens": "tokens",
    "flop": "training_flop",
    "width": "width",
    "carbon_intensity": "co2e_kg_per_kwh",
    "wue": "wue_l_per_kwh",
    "price": "price_usd_per_h",
    "electricity_price": "electricity_usd_per_kwh",
}
"""Field -> its limits, where they go by another name."""


def link(scenario: Scenario) -> str:
    """Query string that opens the same scenario in the app: all that was said, and a version.

    >>> link(Scenario(preset="gpt-3", hardware="h100", devices=1024.0))
    '?v=1&preset=gpt-3&hardware=h100&devices=1024'
    """
    said = {name: _written(value) for name, value in scenario.said().items()}
    for name in FILES:
        said.pop(name, None)
    return "?" + urlencode({"v": LINK_VERSION, **said})


def from_link(query: Mapping[str, str]) -> tuple[Scenario, list[str]]:
    """Read a link; what cannot be read is left out and told, never guessed.

    >>> from_link({"v": "1", "hardware": "h100", "devices": "many"})[1]
    ["devices is not a number: 'many'; write it like 7e9 or 7B"]
    """
    said: dict[str, Any] = {}
    notices: list[str] = []
    if query.get("v", LINK_VERSION) != LINK_VERSION:
        notices.append(f"this link is of version {query['v']}, not {LINK_VERSION}: check it")
    for item in fields(Scenario):
        if item.name not in query or item.name in FILES:
            continue
        text, choices = query[item.name], item.metadata["choices"]
        if choices and text not in choices:
            notices.append(f"{item.name} {text!r} is none of {', '.join(choices)}")
            continue
        try:
            said[item.name] = read_number(item.name, text) if item.name in NUMBERS else text
        except ValueError as error:
            notices.append(str(error))
    return Scenario(**said), notices


def _written(value: float | str) -> str:
    """Write a number shortly and exactly, without a plus sign."""
    if isinstance(value, str):
        return value
    exact = Decimal(repr(value)).normalize()
    return min(f"{exact:f}", str(exact).lower().replace("e+", "e"), key=len)
