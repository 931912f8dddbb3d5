"""Widgets to scenario and back, read before they are drawn.

Every widget is keyed by its field of `Scenario`; text is parsed as on the command line. A page can
thus answer first and draw the widgets afterwards, with the answer's assumptions.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from estimator.answer.scenario_estimate import Answer
from estimator.catalog import Catalog, Device, Preset
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
"""Opening scenario: a model of 7 billion parameters on 64 H100s in the United States."""

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
"""Opening fine-tuning scenario: 50,000 examples of 1,000 tokens on a consumer GPU."""

ENTRIES = {
    "train": N_("Train"),
    "finetune": N_("Fine-tune"),
    "timed": N_("Already timed"),
}
"""Entries of the page."""

WAYS = {
    "size": N_("Size"),
    "preset": N_("Known run"),
    "flop": N_("FLOPs"),
    "samples": N_("Samples"),
    "hours": N_("Device-hours"),
    "config": "config.json",
}
"""Ways to give the amount of work."""

OF_ENTRY = {
    "train": ("size", "preset", "flop", "samples", "config"),
    "finetune": ("preset", "size", "samples", "config"),
    "timed": ("hours",),
}
"""Entry -> its ways."""

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
"""Fields of a way or an entry."""

OF_ALL = tuple(
    name for name, described in INPUTS.items() if name not in WORK and not described.local
)
"""Fields of every way."""

TYPED = NUMBERS - {"devices", "interval"}
"""Numbers typed as text, such as 7B."""

OF_FILE = ("config", "tokens", "seq_len")
OF_CONFIG = ("config_text", "config_tokens", "config_seq_len")


OF_PAGE = ("picture", "view")
WIDGETS = (
    *("entry", "way", "finetune", *OF_CONFIG, *OF_PAGE),
    *dict.fromkeys((*OF_ALL, *(field for fields in OF_WAY.values() for field in fields))),
)
"""Widget keys of the page."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Inputs of the widgets.

    Parameters
    ----------
    held : dict of str to object
        Widget -> what it holds.
    scenario : Scenario
        With the last good value where a text cannot be read.
    problems : dict of str to str
        Widget -> one line on what cannot be read.
    """

    held: dict[str, Any]
    scenario: Scenario
    problems: dict[str, str]

    @property
    def view(self) -> str:
        """Quantity of the device comparison."""
        return str(self.held["view"])

    @property
    def picture(self) -> str:
        """Selected chart of the page."""
        return str(self.held["picture"])


def asked_for(scenario: Scenario, picture: str = "devices", view: str = "energy_kwh") -> Asked:
    """Return the widget values for a scenario."""
    held: dict[str, Any] = {name: shown(name, getattr(scenario, name, None)) for name in WIDGETS}
    held |= {"entry": entry_of(scenario), "way": way_of(scenario)}
    held |= {"finetune": scenario.finetune or "full", "picture": picture, "view": view}
    of_config = dict.fromkeys(OF_CONFIG, "")
    if scenario.config is not None:
        texts = (scenario.config, held["tokens"], held["seq_len"])
        of_config = dict(zip(OF_CONFIG, texts, strict=True))
    return Asked(held=held | of_config, scenario=scenario, problems={})


def way_of(scenario: Scenario) -> str:
    """Return the way in which a scenario specifies its work.

    >>> way_of(DEFAULT), way_of(Scenario(device_hours=8.0)), way_of(Scenario(preset="gpt-3"))
    ('size', 'hours', 'preset')
    """
    ways = {"preset": "preset", "config": "config", "flop": "flop", "samples": "sample_flop"}
    for way, field in {**ways, "size": "params"}.items():
        if getattr(scenario, field) is not None:
            return way
    return "hours"


def entry_of(scenario: Scenario) -> str:
    """Return the entry of a scenario.

    >>> entry_of(DEFAULT), entry_of(FINETUNE), entry_of(Scenario(device_hours=8.0))
    ('train', 'finetune', 'timed')
    """
    if scenario.finetune is not None:
        return "finetune"
    return "timed" if way_of(scenario) == "hours" else "train"


def complete(scenario: Scenario, catalog: Catalog) -> Scenario:
    """Set every field shown by a widget, so that a copied link depends on no defaults.

    Fields whose explicit value would change the interval stay unset.

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
        devices=scenario.devices or _usual_devices(preset, device),
        precision=named_precision(scenario.precision or "", device)
        or usual_precision(device, preset),
        calibration=scenario.calibration or DEFAULT.calibration,
        attempts=scenario.attempts or DEFAULT.attempts,
        price_kind=scenario.price_kind or DEFAULT.price_kind,
        pay=scenario.pay or DEFAULT.pay,
        interval=scenario.interval or DEFAULT.interval,
    )


def shown(name: str, value: float | str | None) -> float | str | None:
    """Return the value of a field's widget."""
    if name == "devices":
        return None if value is None else int(value)
    if name in TYPED:
        return "" if value is None else short_number(float(value))
    return value


def unread(name: str, text: str) -> str:
    """Message that a text is not a number for an input."""
    label = _(INPUTS[name].label).partition(" [")[0]
    notice = _("“{name}” is not a number: {given}; write it like 7e9 or 7B")
    return notice.format(name=label, given=shortened(text))


def gather(state: State, last: Asked, answered: Answer, catalog: Catalog) -> Asked:
    """Read the widgets; one that is not drawn keeps its value.

    Dependent widgets are set in `state`.

    Parameters
    ----------
    state : mapping
        Widget -> what it holds, of those drawn.
    last : Asked
        What was asked before.
    answered : Answer
        What was answered last.
    catalog : Catalog
    """
    held = last.held | {name: state[name] for name in WIDGETS if name in state}
    moved = {name for name in WIDGETS if held[name] != last.held[name]}
    if not moved:
        return last
    settled = _settled(held, moved, answered, catalog)
    for name in WIDGETS:
        if name in state and state[name] != settled[name]:
            state[name] = settled[name]
    return _read(settled, last)


def _read(held: dict[str, Any], last: Asked) -> Asked:
    """Scenario of widget values, with the last valid value for unreadable text."""
    said: dict[str, Any] = {}
    problems: dict[str, str] = {}
    way = held["way"]
    if held["entry"] == "finetune":
        said["finetune"] = held["finetune"]
    for name in (*OF_WAY[way], *OF_ALL):
        value = held[name]
        if name == "devices":
            said[name] = None if value is None else float(value)
        elif name not in TYPED:
            said[name] = value or None
        elif value:
            try:
                said[name] = read_number(name, value)
            except ValueError:
                problems[name] = unread(name, value)
                said[name] = getattr(last.scenario, name)
    if way == "config":
        try:
            text, tokens, seq_len = (held[name] for name in OF_CONFIG)
            sampled = bool(said.get("samples"))
            said |= scenario_of_config(text, tokens, seq_len, sampled=sampled)
        except ValueError as error:
            problems["config_text"] = sentence_of(reason(error))
            before = (*OF_WAY[way_of(last.scenario)], *OF_FILE)
            said |= {name: getattr(last.scenario, name) for name in before}
    return Asked(held=held, scenario=Scenario(**said), problems=problems)


def _settled(
    held: dict[str, Any], moved: Collection[str], answered: Answer, catalog: Catalog
) -> dict[str, Any]:
    """Return all widget values after a change; an entry, way, run or device sets others."""
    entry, page = held["entry"], {name: held[name] for name in OF_PAGE}
    if "entry" in moved:
        scenario = usual_in(entry, answered.scenario)
        if entry == "timed":
            scenario = replace(convert(answered, "hours"), finetune=None)
        method = {"finetune": "qlora"} if entry == "finetune" else {}
        return asked_for(scenario).held | page | method
    if held["way"] not in OF_ENTRY[entry]:
        held = held | {"way": OF_ENTRY[entry][0]}
    if "way" in moved:
        held = _said_another_way(held, answered, catalog)
    elif "preset" in moved and entry != "finetune" and held["preset"]:
        held = held | of_preset(held["preset"], catalog)
    elif "hardware" in moved:
        held = held | of_hardware(held["hardware"], catalog)
    return held


def _said_another_way(held: dict[str, Any], answered: Answer, catalog: Catalog) -> dict[str, Any]:
    """Keep the work when its way changes."""
    entry, way = held["entry"], held["way"]
    if way == "config" or (entry == "finetune" and way == "samples"):
        return held
    if entry == "finetune":
        size = way == "size"
        return held | {"params": "8B" if size else "", "preset": None if size else FINETUNE.preset}
    own = {name: held[name] for name in ("entry", "finetune", *OF_PAGE)}
    said = asked_for(convert(answered, way)).held | own | {"way": way}
    return said | of_preset(said["preset"], catalog) if way == "preset" else said


def scenario_of_config(
    text: str, tokens: str, seq_len: str, *, sampled: bool = False
) -> dict[str, float | str | None]:
    """Fields of a scenario that trains a config on tokens or samples.

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
    """Return the opening scenario of an entry, with the selected site and config."""
    usual = replace(FINETUNE if entry == "finetune" else DEFAULT, site=last.site)
    if last.config is None:
        return usual
    tokens = usual.tokens if last.samples is None else None
    of_config = replace(usual, preset=None, params=None, config=last.config, tokens=tokens)
    return replace(of_config, seq_len=last.seq_len, samples=last.samples)


USUAL_SAMPLE_FLOP = 4.1e9
"""Initial forward FLOPs per sample, an image in a ResNet-50 [FLOP]."""

_NO_WORK: dict[str, None] = dict.fromkeys(WORK)


def convert(answer: Answer, way: str) -> Scenario:
    """Convert the work to another way, as far as possible."""
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


def of_preset(name: str, catalog: Catalog) -> dict[str, Any]:
    """Device, count and precision of a preset's run, where known."""
    preset = catalog.preset(name)
    held: dict[str, Any] = {"preset": name, "tokens": "", "device_hours": "", "utilization": ""}
    if preset.hardware is None:
        return held
    devices = shown("devices", _usual_devices(preset, catalog.device(preset.hardware)))
    held |= {"hardware": preset.hardware, "devices": devices}
    return held | of_hardware(preset.hardware, catalog, preset)


def of_hardware(name: str, catalog: Catalog, preset: Preset | None = None) -> dict[str, Any]:
    """Default precision of a new device; clears the old one's price."""
    precision = usual_precision(catalog.device(name), preset)
    return {"precision": precision, "price": "", "device_price": ""}


def _usual_devices(preset: Preset | None, device: Device) -> float | None:
    """Device count of a preset's run, if this is its device."""
    if preset is None or not preset.ran_on(device) or "devices" not in preset.as_run:
        return None
    return float(int(preset.as_run["devices"].value))
