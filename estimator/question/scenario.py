"""Scenario: one training run as a question, and the link that encodes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from estimator.question.inputs import Input, Question, read_number, refuse

if TYPE_CHECKING:
    from estimator.core.notice import Notice

LINK_VERSION = "1"


@dataclass(frozen=True, kw_only=True)
class Scenario(Question):
    """Scenario; None means unspecified, and assumptions get a notice.

    `question.inputs` declares each field; names are looked up in the profiles.
    """

    preset: str | None = None
    params: float | None = None
    tokens: float | None = None
    active_params: float | None = None
    flop: float | None = None
    config: str | None = None
    samples: float | None = None
    sample_flop: float | None = None
    device_hours: float | None = None
    energy_kwh: float | None = None
    metered: str | None = None
    energy_uncertainty: float | None = None
    kind: str | None = None
    arch: str | None = None
    name: str | None = None
    width: float | None = None
    layers: float | None = None
    heads: float | None = None
    kv_heads: float | None = None
    vocab: float | None = None
    seq_len: float | None = None
    image_size: float | None = None
    finetune: str | None = None
    attempts: float | None = None
    hardware: str | None = None
    devices: float | None = None
    precision: str | None = None
    utilization: float | None = None
    calibration: str | None = None
    program: str | None = None
    power_cap: float | None = None
    software: str | None = None
    framework: str | None = None
    rate: str | None = None
    attention_mask: str | None = None
    batch_tokens: float | None = None
    batch: float | None = None
    step_flop: float | None = None
    step_operations: float | None = None
    step_traffic: float | None = None
    recomputation: str | None = None
    tensor_parallel: float | None = None
    pipeline_parallel: float | None = None
    expert_parallel: float | None = None
    micro_batches: float | None = None
    virtual_stages: float | None = None
    site: str | None = None
    year: float | None = None
    carbon_intensity: float | None = None
    carbon_profile: str | None = None
    start: float | None = None
    pue: float | None = None
    boards_only: bool | None = None
    wue: float | None = None
    price: float | None = None
    price_kind: str | None = None
    pay: str | None = None
    device_price: float | None = None
    electricity_price: float | None = None
    interval: float | None = None

    def check(self) -> None:
        """Refuse contradictory definitions of the work.

        Raises
        ------
        ValueError
            With both inputs, in one line.
        """
        ways = [name for name in ("flop", "params", "config") if getattr(self, name) is not None]
        if ways == ["flop", "params"] and self.tokens is None:
            ways = ["flop"]
        if len(ways) > 1:
            raise refuse("mutually_exclusive", ways[0], second_input=ways[1])
        if self.preset is not None and ways:
            raise refuse("preset_says_work", ways[0])
        if self.boards_only and self.pue is not None:
            raise refuse("pue_of_boards", "pue")
        if self.boards_only and self.metered in ("nodes", "facility"):
            raise refuse("metered_beyond_boards", "metered")
        if self.active_params is not None and self.params is None:
            raise refuse("active_needs_params", "params")


INPUTS: Mapping[str, Input] = Scenario.inputs
"""Field -> its declaration, in field order."""

NOT_READ = ("config", "carbon_profile", "start", "interval", "heads", "kv_heads")
"""Inputs without a column: files and their settings, and inputs without effect."""

NUMBERS = frozenset(name for name, declared in INPUTS.items() if declared.number)
"""Numeric fields."""

SHARING = ("tensor_parallel", "pipeline_parallel", "expert_parallel", "micro_batches")
"""Parallel-layout fields."""

OF_METER = ("energy_kwh", "metered", "energy_uncertainty")
"""Fields of the metered energy."""

OF_RUN = ("device_hours", *OF_METER)
"""Fields measured in a run, valid for its device only."""

WORK = ("preset", "params", "flop", "config", "samples")
"""Alternative fields that define the amount of work."""

BESIDE_PRODUCTS = ("step_operations", "step_traffic")
"""Fields of a step's work besides matrix products."""


def column_of(name: str) -> str:
    """Return the column of an input in a table of runs.

    >>> column_of("params"), column_of("pue")
    ('params_total', 'pue')
    """
    return INPUTS[name].column if name in INPUTS else name


def label_of(name: str) -> str:
    """Return the page label of an input, without its unit.

    >>> label_of("price"), label_of("pue")
    ('“Rent”', '“PUE”')
    """
    return f"“{(INPUTS[name].label if name in INPUTS else name).partition(' [')[0]}”"


def link(scenario: Scenario) -> str:
    """Return the app's query string for the scenario: all specified inputs and a version.

    A config is reduced to the keys that matter (`compact_config`); other files are left out.

    >>> link(Scenario(preset="gpt-3", hardware="h100", devices=1024.0))
    '?v=1&preset=gpt-3&hardware=h100&devices=1024'
    """
    said = {
        name: _format_input(value)
        for name, value in scenario.specified_inputs().items()
        if not INPUTS[name].local
    }
    from urllib.parse import urlencode

    return "?" + urlencode({"v": LINK_VERSION, **said})


def from_link(query: Mapping[str, str]) -> tuple[Scenario, list["Notice"]]:
    """Parse a link; unreadable parts are left out with a notice, never guessed.

    >>> scenario, notices = from_link({"v": "1", "hardware": "h100", "devices": "many"})
    >>> scenario.specified_inputs(), [notice.code for notice in notices]
    ({'hardware': 'h100'}, ['unread'])
    """
    from estimator.core.notice import Notice
    from estimator.networks.config_file import is_inline

    said: dict[str, Any] = {}
    notices: list[Notice] = []
    if query.get("v", LINK_VERSION) != LINK_VERSION:
        values = {"version": query["v"], "known": LINK_VERSION}
        notices.append(Notice("link_version", "", values))
    for name, declared in INPUTS.items():
        if name not in query or declared.local:
            continue
        text = query[name]
        if declared.choices and text not in declared.choices:
            notices.append(Notice("no_choice", name, {"word": text, "choices": declared.choices}))
        elif name == "config" and not is_inline(text):
            notices.append(Notice("config_in_link", name))
        else:
            try:
                if declared.flag:
                    said[name] = read_number(name, text) == 1 or None
                else:
                    said[name] = read_number(name, text) if name in NUMBERS else text
            except ValueError as error:
                notices.append(Notice("unread", name, {"reason": str(error)}))
    return Scenario(**said), notices


def _format_input(value: float | str | bool) -> str:
    """Format a number briefly and exactly, without a plus sign, and True as 1."""
    if isinstance(value, str):
        return value
    if value is True:
        return "1"
    from decimal import Decimal

    exact = Decimal(repr(value)).normalize()
    return min(f"{exact:f}", str(exact).lower().replace("e+", "e"), key=len)
