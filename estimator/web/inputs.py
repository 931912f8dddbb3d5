"""Widgets to scenario and back: one state, read before anything is drawn.

Every widget is keyed by the field of `Scenario` that it says; text is read like on the command
line. What a widget says is kept in the session state, so a page can answer first and draw the
widgets afterwards, with the numbers that the answer took where nothing was said.
"""

from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from typing import Any

from estimator.answer import Answer
from estimator.catalog import Catalog, Preset
from estimator.scenario import Scenario, read_number
from estimator.units import CENTRAL
from estimator.web.config_text import work_of_config
from estimator.web.profiles import usual_precision

State = MutableMapping[Any, Any]

DEFAULT = Scenario(
    params=7e9,
    tokens=2e12,
    hardware="h100-sxm",
    devices=64.0,
    precision="bf16",
    calibration="use",
    site="us",
    attempts=1.0,
    price_kind="on-demand",
    pay="rent",
    interval=CENTRAL,
)
"""What the page opens with: a model of 7 billion parameters on 64 H100 in the United States."""

WAYS = {
    "size": "Size",
    "preset": "Known run",
    "flop": "FLOPs",
    "hours": "Device-hours",
    "config": "config.json",
}
"""Ways to say how much work it is."""

OF_WAY = {
    "size": ("params", "tokens", "active_params", "finetune", "device_hours"),
    "preset": ("preset", "tokens", "finetune", "device_hours"),
    "flop": ("flop", "params", "device_hours"),
    "hours": ("device_hours",),
    "config": (),
}
"""Way -> fields that say the work."""

OF_ALL = (
    "kind",
    "arch",
    "width",
    "seq_len",
    "attempts",
    "hardware",
    "devices",
    "precision",
    "utilization",
    "calibration",
    "batch_tokens",
    "recomputation",
    "tensor_parallel",
    "pipeline_parallel",
    "expert_parallel",
    "micro_batches",
    "power_cap",
    "site",
    "year",
    "carbon_intensity",
    "pue",
    "wue",
    "electricity_price",
    "price",
    "price_kind",
    "device_price",
    "pay",
    "interval",
)
TYPED = frozenset(
    (
        "params",
        "width",
        "seq_len",
        "active_params",
        "tokens",
        "flop",
        "device_hours",
        "attempts",
        "utilization",
        "batch_tokens",
        "tensor_parallel",
        "pipeline_parallel",
        "expert_parallel",
        "micro_batches",
        "power_cap",
        "year",
        "carbon_intensity",
        "pue",
        "wue",
        "electricity_price",
        "price",
        "device_price",
    )
)
"""Numbers that are typed as text, such as 7B."""

OF_CONFIG = ("config_text", "config_tokens", "config_seq_len")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the widgets say.

    Parameters
    ----------
    scenario : Scenario
        With the last good value where a text cannot be read.
    problems : dict of str to str
        Widget -> one line on what cannot be read.
    notes : tuple of str
        What the reader of a config.json must know.
    """

    scenario: Scenario
    problems: dict[str, str]
    notes: tuple[str, ...] = ()


def way_of(scenario: Scenario) -> str:
    """How a scenario says its work.

    >>> way_of(DEFAULT), way_of(Scenario(device_hours=8.0)), way_of(Scenario(preset="gpt-3"))
    ('size', 'hours', 'preset')
    """
    for way, field in (("preset", "preset"), ("flop", "flop"), ("size", "params")):
        if getattr(scenario, field) is not None:
            return way
    return "hours"


def complete(scenario: Scenario, catalog: Catalog) -> Scenario:
    """Say everything that a widget shows, so that a copied link leaves nothing to defaults.

    Raises
    ------
    ValueError
        If a name is not known.
    """
    ways = ("preset", "flop", "params", "device_hours")
    if all(getattr(scenario, name) is None for name in ways):
        scenario = replace(scenario, params=DEFAULT.params, tokens=DEFAULT.tokens)
    preset = None if scenario.preset is None else catalog.preset(scenario.preset)
    usual = DEFAULT.hardware if preset is None or preset.hardware is None else preset.hardware
    device = catalog.device(scenario.hardware or str(usual))
    return replace(
        scenario,
        preset=None if preset is None else preset.id,
        hardware=device.id,
        site=None if scenario.site is None else catalog.place(scenario.site).id,
        devices=scenario.devices or _usual_devices(preset, device.id),
        precision=scenario.precision or usual_precision(device, preset),
        calibration=scenario.calibration or DEFAULT.calibration,
        attempts=scenario.attempts or DEFAULT.attempts,
        price_kind=scenario.price_kind or DEFAULT.price_kind,
        pay=scenario.pay or DEFAULT.pay,
        interval=scenario.interval or DEFAULT.interval,
        samples=None,
    )


def load(scenario: Scenario, state: State) -> None:
    """Make the widgets say a scenario."""
    state["way"] = way_of(scenario)
    for name in {*OF_ALL, *(field for fields in OF_WAY.values() for field in fields)}:
        state[name] = shown(name, getattr(scenario, name))
    for name in OF_CONFIG:
        state[name] = state.get(name) or ""


def shown(name: str, value: float | str | None) -> float | str | None:
    """What the widget of a field shows for a value."""
    if name == "devices":
        return int(value or 1)
    if name in TYPED:
        return "" if value is None else short(float(value))
    return value


def short(value: float) -> str:
    """Write a number as people type it, exactly.

    >>> short(7e9), short(3.14e23), short(0.277), short(1.08e6), short(2048.0)
    ('7B', '3.14e23', '0.277', '1.08M', '2048')
    """
    plain = f"{value:.15g}".replace("e+", "e")
    scaled = [f"{value / 10.0**power:.15g}{suffix}" for power, suffix in _SUFFIXES]
    texts = [text for text in (plain, *scaled) if "e-" not in text or text == plain]
    exact = [text for text in texts if read_number("", text) == value]
    return min(exact, key=len) if exact else repr(value)


_SUFFIXES = ((6, "M"), (9, "B"), (12, "T"))


def gather(state: State, last: Scenario, catalog: Catalog) -> Asked:
    """Read the widgets; where a text cannot be read, the last good value stands."""
    said: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name in (*OF_WAY[state["way"]], *OF_ALL):
        value = state.get(name)
        if name == "devices":
            said[name] = None if value is None else float(value)
        elif name not in TYPED:
            said[name] = value or None
        elif value:
            try:
                said[name] = read_number(name, value)
            except ValueError as error:
                problems[name] = str(error)
                said[name] = getattr(last, name)
    notes: tuple[str, ...] = ()
    if state["way"] == "config":
        try:
            text, tokens, seq_len = (state[name] for name in OF_CONFIG)
            found, notes = work_of_config(text, tokens, seq_len, catalog)
            said |= {name: value for name, value in found.items() if said.get(name) is None}
        except ValueError as error:
            problems["config_text"] = str(error)
            said |= {name: getattr(last, name) for name in OF_WAY[way_of(last)]}
    return Asked(scenario=Scenario(**said), problems=problems, notes=notes)


_NO_WORK: dict[str, None] = dict.fromkeys(
    ("preset", "params", "active_params", "tokens", "flop", "finetune", "device_hours")
)


def convert(answer: Answer, way: str) -> Scenario:
    """Say the same work in another way, as far as it can be."""
    plain = replace(answer.scenario, **_NO_WORK)
    inputs, known = answer.inputs, answer.estimate.quantities
    if way == "hours":
        return replace(plain, device_hours=_rounded(float(known["device_hours"].mid)))
    if way == "flop" and "training_flop" in known:
        return replace(plain, flop=_rounded(float(known["training_flop"].mid)))
    if way == "preset":
        return replace(plain, preset=answer.scenario.preset or "gpt-3")
    if "params" in inputs and "tokens" in inputs:
        return replace(plain, params=inputs["params"].value, tokens=inputs["tokens"].value)
    return replace(plain, params=DEFAULT.params, tokens=DEFAULT.tokens)


def take_preset(state: State, catalog: Catalog) -> None:
    """Set the device, count and precision to those that a preset ran on, where they are known."""
    preset = catalog.preset(state["preset"])
    state["tokens"] = state["device_hours"] = state["utilization"] = ""
    state["finetune"] = None
    if preset.hardware is not None:
        state["hardware"] = preset.hardware
        state["devices"] = int(_usual_devices(preset, preset.hardware))
        take_hardware(state, catalog, preset)


def take_hardware(state: State, catalog: Catalog, preset: Preset | None = None) -> None:
    """Choose the usual precision of a new device, and forget the price of the old one."""
    state["precision"] = usual_precision(catalog.device(state["hardware"]), preset)
    state["price"] = state["device_price"] = ""


def _usual_devices(preset: Preset | None, device_id: str) -> float:
    """Count that a preset ran on, if this is its device; else one."""
    if preset is None or preset.hardware != device_id or "devices" not in preset.as_run:
        return 1.0
    return float(int(preset.as_run["devices"].value))


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
