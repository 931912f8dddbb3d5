"""Widgets to scenario and back: one state, read before anything is drawn.

Every widget is keyed by the field of `Scenario` that it says; text is read like on the command
line. What a widget says is kept in the session state, so a page can answer first and draw the
widgets afterwards, with the numbers that the answer took where nothing was said.
"""

from dataclasses import dataclass, replace
from typing import Any

from estimator.answer.scenario_estimate import Answer
from estimator.catalog import Catalog, Preset
from estimator.core.messages import reason
from estimator.core.units import CENTRAL, significant
from estimator.networks.formulas import TRAINING_OVER_FORWARD
from estimator.question.hardware import named_precision
from estimator.question.inputs import read_number
from estimator.question.scenario import INPUTS, NUMBERS, Scenario
from estimator.question.workload import compact_config, read_network
from estimator.web.shared.frame import shortened
from estimator.web.shared.language import N_, _
from estimator.web.shared.notices import shown as sentence_of
from estimator.web.shared.profiles import usual_precision
from estimator.web.shared.url_state import State, short_number

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

FINETUNE = replace(
    DEFAULT,
    params=None,
    preset="llama-3-8b",
    finetune="lora",
    tokens=50e6,
    hardware="rtx-4090",
    devices=1.0,
    pay="own",
    pue=1.0,
    recomputation="full",
)
"""What fine-tuning opens with: 50,000 examples of 1,000 tokens on a card at home, which holds them
as activations are recomputed, and where nothing cools but the room."""

ENTRIES = {
    "train": N_("Train"),
    "finetune": N_("Fine-tune"),
    "timed": N_("Already timed"),
}
"""Ways into the page."""

WAYS = {
    "size": N_("Size"),
    "preset": N_("Known run"),
    "flop": N_("FLOPs"),
    "samples": N_("Samples"),
    "hours": N_("Device-hours"),
    "config": "config.json",
}
"""Ways to give how much work it is."""

OF_ENTRY = {
    "train": ("size", "preset", "flop", "samples", "config"),
    "finetune": ("preset", "size", "samples", "config"),
    "timed": ("hours",),
}
"""Entry -> the ways that it offers."""

OF_WAY = {
    "size": ("params", "tokens", "active_params", "device_hours"),
    "preset": ("preset", "tokens", "device_hours"),
    "flop": ("flop", "params", "active_params", "tokens", "samples", "sample_flop", "device_hours"),
    "samples": ("sample_flop", "samples", "params", "active_params", "tokens", "device_hours"),
    "hours": ("device_hours",),
    "config": ("samples", "device_hours"),
}
"""Way -> fields that give the work."""

WORK = frozenset(
    ("preset", "params", "tokens", "active_params", "flop", "config", "samples", "sample_flop")
) | {"device_hours", "finetune"}
"""Fields that belong to a way or an entry."""

OF_ALL = tuple(
    name for name, described in INPUTS.items() if name not in WORK and not described.local
)
"""Fields that every way has."""

TYPED = NUMBERS - {"devices", "interval"}
"""Numbers that are typed as text, such as 7B."""

OF_FILE = ("config", "tokens", "seq_len")
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
    view : str
        Quantity that devices are compared by.
    picture : str
        The one picture of the page.
    """

    scenario: Scenario
    problems: dict[str, str]
    view: str = "energy_kwh"
    picture: str = "devices"


def way_of(scenario: Scenario) -> str:
    """How a scenario says its work.

    >>> way_of(DEFAULT), way_of(Scenario(device_hours=8.0)), way_of(Scenario(preset="gpt-3"))
    ('size', 'hours', 'preset')
    """
    ways = {"preset": "preset", "config": "config", "flop": "flop", "samples": "sample_flop"}
    for way, field in {**ways, "size": "params"}.items():
        if getattr(scenario, field) is not None:
            return way
    return "hours"


def entry_of(scenario: Scenario) -> str:
    """Way into the page that a scenario belongs to.

    >>> entry_of(DEFAULT), entry_of(FINETUNE), entry_of(Scenario(device_hours=8.0))
    ('train', 'finetune', 'timed')
    """
    if scenario.finetune is not None:
        return "finetune"
    return "timed" if way_of(scenario) == "hours" else "train"


def complete(scenario: Scenario, catalog: Catalog) -> Scenario:
    """Say everything that a widget shows, so that a copied link leaves nothing to defaults.

    What the answer would take another interval for where it is said stays unsaid.

    Raises
    ------
    ValueError
        If a name is not known.
    """
    ways = ("preset", "flop", "params", "config", "sample_flop", "device_hours")
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
        precision=named_precision(scenario.precision or "", device)
        or usual_precision(device, preset),
        calibration=scenario.calibration or DEFAULT.calibration,
        attempts=scenario.attempts or DEFAULT.attempts,
        price_kind=scenario.price_kind or DEFAULT.price_kind,
        pay=scenario.pay or DEFAULT.pay,
        interval=scenario.interval or DEFAULT.interval,
    )


def load(scenario: Scenario, state: State) -> None:
    """Make the widgets say a scenario."""
    state["entry"], state["way"] = entry_of(scenario), way_of(scenario)
    for name in {*OF_ALL, *(field for fields in OF_WAY.values() for field in fields)}:
        state[name] = shown(name, getattr(scenario, name))
    state["finetune"] = scenario.finetune or "full"
    for name in OF_CONFIG:
        state[name] = state.get(name) or ""
    if scenario.config is not None:
        shown_of = (scenario.config, shown("tokens", scenario.tokens), state["seq_len"])
        state.update(zip(OF_CONFIG, shown_of, strict=True))


def shown(name: str, value: float | str | None) -> float | str | None:
    """What the widget of a field shows for a value."""
    if name == "devices":
        return None if value is None else int(value)
    if name in TYPED:
        return "" if value is None else short_number(float(value))
    return value


def unread(name: str, text: str) -> str:
    """Say that a text is no number for an input."""
    label = _(INPUTS[name].label).partition(" [")[0]
    notice = _("“{name}” is not a number: {given}; write it like 7e9 or 7B")
    return notice.format(name=label, given=shortened(text))


def gather(state: State, last: Scenario, catalog: Catalog) -> Asked:
    """Read the widgets; where a text cannot be read, the last good value stands."""
    said: dict[str, Any] = {}
    problems: dict[str, str] = {}
    entry = state["entry"]
    way = state.setdefault("way", way_of(last))
    way = way if way in OF_ENTRY[entry] else OF_ENTRY[entry][0]
    method = state.setdefault("finetune", last.finetune or "full")
    if entry == "finetune":
        said["finetune"] = method
    for name in (*OF_WAY[way], *OF_ALL):
        value = state.get(name)
        if name == "devices":
            said[name] = None if value is None else float(value)
        elif name not in TYPED:
            said[name] = value or None
        elif value:
            try:
                said[name] = read_number(name, value)
            except ValueError:
                problems[name] = unread(name, value)
                said[name] = getattr(last, name)
    if way == "config":
        try:
            text, tokens, seq_len = (state[name] for name in OF_CONFIG)
            sampled = bool(said.get("samples"))
            said |= scenario_of_config(text, tokens, seq_len, sampled=sampled)
        except ValueError as error:
            problems["config_text"] = sentence_of(reason(error))
            said |= {name: getattr(last, name) for name in (*OF_WAY[way_of(last)], *OF_FILE)}
    return Asked(scenario=Scenario(**said), problems=problems)


def scenario_of_config(
    text: str, tokens: str, seq_len: str, *, sampled: bool = False
) -> dict[str, float | str | None]:
    """Fields of the scenario that train the model of a config on so many tokens, or samples.

    Raises
    ------
    ValueError
        In one line: the text is no config of a known family, or the tokens are missing.
    """
    if not text.strip():
        raise ValueError("paste or upload the config.json of a model")
    length = read_number("seq_len", seq_len) if seq_len.strip() else None
    config = compact_config(text.strip())
    read_network(config, length)
    if not (tokens.strip() or sampled):
        raise ValueError("say the training tokens")
    seen = read_number("tokens", tokens) if tokens.strip() else None
    return {"config": config, "tokens": seen, "seq_len": length}


def usual_in(entry: str, last: Scenario) -> Scenario:
    """What an entry opens with, at the place and with the config that were chosen."""
    usual = replace(FINETUNE if entry == "finetune" else DEFAULT, site=last.site)
    if last.config is None:
        return usual
    tokens = usual.tokens if last.samples is None else None
    of_config = replace(usual, preset=None, params=None, config=last.config, tokens=tokens)
    return replace(of_config, seq_len=last.seq_len, samples=last.samples)


USUAL_SAMPLE_FLOP = 4.1e9
"""Forward FLOPs of an image in a ResNet-50, to begin with [FLOP]."""

_NO_WORK: dict[str, None] = dict.fromkeys(WORK)


def convert(answer: Answer, way: str) -> Scenario:
    """Say the same work in another way, as far as it can be."""
    plain = replace(answer.scenario, **_NO_WORK)
    inputs, known = answer.inputs, answer.estimate.quantities
    if way == "hours":
        return replace(plain, device_hours=significant(float(known["device_hours"].mid)))
    if way == "flop" and "training_flop" in known:
        return replace(plain, flop=significant(float(known["training_flop"].mid)))
    if way == "samples" and "training_flop" in known:
        seen = float(known["training_flop"].mid) / (TRAINING_OVER_FORWARD * USUAL_SAMPLE_FLOP)
        return replace(plain, samples=significant(seen), sample_flop=USUAL_SAMPLE_FLOP)
    if way == "preset":
        return replace(plain, preset=answer.scenario.preset or "gpt-3")
    if "params" in inputs and "tokens" in inputs:
        return replace(plain, params=inputs["params"].value, tokens=inputs["tokens"].value)
    return replace(plain, params=DEFAULT.params, tokens=DEFAULT.tokens)


def take_preset(state: State, catalog: Catalog) -> None:
    """Set the device, count and precision to those that a preset ran on, where they are known."""
    preset = catalog.preset(state["preset"])
    if state["entry"] == "finetune":
        return
    state["tokens"] = state["device_hours"] = state["utilization"] = ""
    if preset.hardware is not None:
        state["hardware"] = preset.hardware
        state["devices"] = shown("devices", _usual_devices(preset, preset.hardware))
        take_hardware(state, catalog, preset)


def take_hardware(state: State, catalog: Catalog, preset: Preset | None = None) -> None:
    """Choose the usual precision of a new device, and forget the price of the old one."""
    state["precision"] = usual_precision(catalog.device(state["hardware"]), preset)
    state["price"] = state["device_price"] = ""


def _usual_devices(preset: Preset | None, device_id: str) -> float | None:
    """Count that a preset ran on, if this is its device; else none."""
    if preset is None or preset.hardware != device_id or "devices" not in preset.as_run:
        return None
    return float(int(preset.as_run["devices"].value))
