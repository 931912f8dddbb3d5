"""Inputs of the page Estimate: a control for each field of a scenario, and what sets others."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from math import inf
from typing import Any

from estimator.answer.scenario_estimate import Answer
from estimator.catalog import Catalog, Device, Preset
from estimator.core.units import CENTRAL, significant
from estimator.networks.formulas import TRAINING_OVER_FORWARD
from estimator.question.hardware import named_precision
from estimator.question.scenario import INPUTS, NUMBERS, Scenario
from estimator.web.shared import scenario as shared
from estimator.web.shared.language import N_
from estimator.web.shared.profiles import (
    hardware_names,
    place_names,
    preset_names,
    usual_precision,
)
from estimator.web.shared.scenario import ConfigText
from estimator.web.shared.tables import COMPARED
from estimator.web.shared.url_state import Choice, LineOfText, Number, Parameter, Typed

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
    "config": ("config", "tokens", "samples", "device_hours"),
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

OF_PAGE = ("picture", "view")
"""Inputs that change the chart, and not the answer."""

ALWAYS = ("calibration", "price_kind", "pay", "finetune")
"""Choices without an unspecified option."""

DEFAULT_VIEW = "energy_kwh"

PICTURES = {
    "devices": N_("Other devices"),
    "parts": N_("Energy by part"),
    "doubts": N_("Sources of uncertainty"),
}
"""Charts of the page, one of which is shown."""

CHART_ONLY = N_("Changes the chart below, not the result.")

WORDS = {
    "selective": N_("selective: the attention scores"),
    "full": N_("full: every layer"),
    "use": N_("correct the prediction"),
    "ignore": N_("are ignored"),
    "own": N_("own: purchase price and electricity"),
    "vendor": N_("vendor: a reference or a benchmark submission"),
    "typical": N_("typical: a usual stack"),
    "research": N_("research code"),
    "steady": N_("steady state"),
    "run": N_("the whole run, overheads included"),
}
"""Choice -> its label on the page."""

METHODS = {
    "full": N_("full: all weights"),
    "lora": N_("LoRA: adapters only"),
    "qlora": N_("QLoRA: adapters over 4-bit weights"),
}

HELP = {
    "samples": N_("Sequences, images or clips that the model sees in training."),
    "sample_flop": N_("FLOPs of one forward pass of one sample."),
    "kv_heads": N_("Key-value heads: fewer than attention heads in grouped-query attention."),
    "image_size": N_("Side of the images in pixels, for vision models."),
    "power_cap": N_("Power limit set on each device: lower power, longer run."),
    "device_price": N_("Purchase price of one device, where devices are owned."),
    "electricity_price": N_("Price of electricity, where devices are owned."),
    "metered": N_("Hosts, network and cooling are added if the meter missed them."),
    "energy_uncertainty": N_("Error of the meter as a share: 0.05 is 5%."),
    "hardware": shared.WORDS["hardware"][1],
    "utilization": N_(
        "Share of the dense peak that the model's own FLOPs reach (MFU). Empty: predicted."
    ),
    "interval": N_("Probability that the intervals cover the true value."),
    "config": N_("Text of the file that describes the architecture; it stays on this server."),
    "finetune": N_("Trained weights; adapters need less memory."),
}
"""Input -> tooltip, where the help of the command line names options."""

MOST_DEVICES = 1e9


def _declared(name: str) -> Parameter:
    """Control of a field of a scenario."""
    described = INPUTS[name]
    said: dict[str, Any] = {"label": described.label, "help": HELP.get(name, described.help)}
    if name == "hardware":
        return Choice(name, hardware_names(), DEFAULT.hardware, called=hardware_names, **said)
    if name == "preset":
        return Choice(name, preset_names(), "gpt-3", called=preset_names, **said)
    if name == "site":
        left = N_("unspecified: world average")
        return Choice(name, ("", *place_names()), called=place_names, rest=left, **said)
    if name == "devices":
        return Number(name, 64.0, 1.0, MOST_DEVICES, whole=True, optional=True, **said)
    if name == "interval":
        return Number(name, CENTRAL, 0.01, 0.999, step=0.05, **said)
    if name == "config":
        return ConfigText(name, **said)
    if name in NUMBERS:
        return Typed(name, low=-inf, high=inf, **said)
    if not described.choices:
        return LineOfText(name, **said)
    words = {one: WORDS.get(one, one) for one in described.choices}
    if name == "finetune":
        words = METHODS
    options = tuple(words) if name in ALWAYS else ("", *words)
    left = N_("unspecified")
    return Choice(name, options, called=lambda: words, rest=left, **said)


KNOWN: tuple[Parameter, ...] = (
    Choice(
        "entry",
        tuple(ENTRIES),
        label=N_("Scenario type"),
        help=N_("Train a model, fine-tune a model, or start from measured device-hours."),
        called=lambda: ENTRIES,
    ),
    Choice(
        "way",
        tuple(WAYS),
        label=N_("Specify the workload by"),
        help=N_("How to describe the workload. The fields below depend on it."),
        called=lambda: WAYS,
    ),
    Choice("picture", tuple(PICTURES), label=N_("Picture"), help=CHART_ONLY),
    Choice("view", COMPARED, DEFAULT_VIEW, label=N_("Compare by"), help=CHART_ONLY),
    *map(_declared, dict.fromkeys((*sorted(WORK), *OF_ALL))),
)
"""Controls of the page."""

Values = dict[str, Any]
"""Input -> its value; of a number that is left open None, of words an empty text."""


def values_of(scenario: Scenario, look: Mapping[str, Any] | None = None) -> Values:
    """Return the values of the controls for a scenario; `look` is what only changes the chart."""
    values: Values = {one.name: one.parse(None)[0] for one in KNOWN}
    for name in (*WORK, *OF_ALL):
        given = getattr(scenario, name)
        if given is not None:
            values[name] = int(given) if name == "devices" else given
        elif name not in ("preset", "hardware", "interval", *ALWAYS):
            values[name] = None if name in NUMBERS else ""
    ways = {"entry": entry_of(scenario), "way": way_of(scenario)}
    return values | ways | {name: one for name, one in (look or {}).items() if name in OF_PAGE}


def scenario_of(values: Values) -> Scenario:
    """Return the scenario that the controls ask.

    Raises
    ------
    ValueError
        In one line: a config.json is asked for, and it or what it is trained on is missing.
    """
    way = values["way"]
    if way == "config" and not values["config"]:
        raise ValueError("paste or upload the config.json of a model")
    if way == "config" and values["tokens"] is None and values["samples"] is None:
        raise ValueError("enter the training tokens")
    said = {name: values[name] for name in (*OF_WAY[way], *OF_ALL) if values[name] != ""}
    if values["entry"] == "finetune":
        said["finetune"] = values["finetune"]
    devices = None if values["devices"] is None else float(values["devices"])
    return Scenario(**said | {"devices": devices})


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
        devices=_usual_devices(preset, device) if scenario.devices is None else scenario.devices,
        precision=named_precision(scenario.precision or "", device)
        or usual_precision(device, preset),
        **{name: getattr(DEFAULT, name) for name in SHOWN if getattr(scenario, name) is None},
    )


SHOWN = ("calibration", "attempts", "price_kind", "pay", "interval")
"""Fields with a default that a control shows."""


SETTING = frozenset(("entry", "way", "preset", "hardware"))
"""Controls that set others."""


def settled(values: Values, moved: Collection[str], answered: Answer, catalog: Catalog) -> Values:
    """Return all values after a change: an entry, workload, run or device sets others."""
    entry = values["entry"]
    if "entry" in moved:
        scenario = usual_in(entry, answered.scenario)
        if entry == "timed":
            scenario = replace(convert(answered, "hours"), finetune=None)
        method = {"finetune": "qlora"} if entry == "finetune" else {}
        return values_of(scenario, values) | method
    if "way" in moved:
        return _said_another_way(values, answered, catalog)
    if "preset" in moved and entry != "finetune":
        return values | of_preset(values["preset"], catalog)
    if "hardware" in moved:
        return values | of_hardware(values["hardware"], catalog)
    return values


def _said_another_way(values: Values, answered: Answer, catalog: Catalog) -> Values:
    """Keep the work when its way changes."""
    entry, way = values["entry"], values["way"]
    if way == "config" or (entry == "finetune" and way == "samples"):
        return values
    if entry == "finetune":
        return values | {"params": 8e9, "preset": FINETUNE.preset}
    own = {name: values[name] for name in ("entry", "finetune")}
    said = values_of(convert(answered, way), values) | own | {"way": way}
    return said | of_preset(said["preset"], catalog) if way == "preset" else said


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


def of_preset(name: str, catalog: Catalog) -> Values:
    """Device, count and precision of a preset's run, where known."""
    preset = catalog.preset(name)
    found: Values = {"preset": name, **dict.fromkeys(("tokens", "device_hours", "utilization"))}
    if preset.hardware is None:
        return found
    count = _usual_devices(preset, catalog.device(preset.hardware))
    found |= {"hardware": preset.hardware, "devices": None if count is None else int(count)}
    return found | of_hardware(preset.hardware, catalog, preset)


def of_hardware(name: str, catalog: Catalog, preset: Preset | None = None) -> Values:
    """Default precision of a new device; clears the old one's price."""
    precision = usual_precision(catalog.device(name), preset)
    return {"precision": precision, "price": None, "device_price": None}


def _usual_devices(preset: Preset | None, device: Device) -> float | None:
    """Device count of a preset's run, if this is its device."""
    if preset is None or not preset.ran_on(device) or "devices" not in preset.as_run:
        return None
    return float(int(preset.as_run["devices"].value))
