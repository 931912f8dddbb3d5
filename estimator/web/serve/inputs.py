"""Parameters, controls and question of the page Inference."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from estimator.catalog.api_prices import ApiPrice
from estimator.inference.measured_loads import known_loads
from estimator.inference.question import INPUTS, ServingQuestion
from estimator.networks.config_file import config_name
from estimator.question.inputs import Input
from estimator.web.shared import scenario, style, widgets
from estimator.web.shared.kit import Values
from estimator.web.shared.language import N_, _
from estimator.web.shared.notices import label_of_control
from estimator.web.shared.profiles import (
    cached_per_server,
    devices_with,
    hardware_names,
    led_by,
    open_catalog,
    place_names,
)
from estimator.web.shared.scenario import ConfigText, ModelName, with_hub_name
from estimator.web.shared.url_state import (
    Choice,
    LinkParameters,
    Number,
    Typed,
)

WRITING = ("dense decoder", "MoE decoder", "SSM")
"""Architectures that generate tokens."""

USUAL = "usual"
ANYWHERE, ANY = "anywhere", "any"
FIRST_MODEL, FIRST_DEVICE = "llama-3.1-8b", "h100-sxm"
FORMATS = (USUAL, "bf16", "fp8", "int4", "mxfp4", "Q4_K_M", "Q8_0")
MATCHING, TYPED = "matching", "typed"
"""API price: on record for the model, or typed."""

API_USD = 0.6
"""Default API price per million output tokens [USD]."""


@cached_per_server
def model_names() -> dict[str, str]:
    """Id -> name of each language model with a config, a well-known one first."""
    found = {
        preset.id: with_hub_name(preset)
        for preset in open_catalog().presets()
        if preset.kind == "language" and preset.config and preset.arch in WRITING
    }
    return {FIRST_MODEL: found[FIRST_MODEL], **found}


@cached_per_server
def known_devices() -> tuple[str, ...]:
    """Devices with known memory bandwidth."""
    return led_by(FIRST_DEVICE, devices_with("memory_bytes_per_s"))


CALIBRATION = {"use": N_("correct the prediction"), "ignore": N_("are ignored")}
"""Use of measured server runs -> label."""

LONGEST_CONFIG = 6_000
"""Longest config.json in a link [character]."""

INPUT = {
    "input": "input_tokens",
    "output": "output_tokens",
    "rate": "request_rate",
    "think": "think_s",
    "model": "preset",
    "offer": "api",
    "api": "api_price_out",
    "apiin": "api_price_in",
    "training": "training_kwh",
    "daily": "tokens_per_day",
}
"""Link parameter -> input of a question, where they differ."""


def described(name: str) -> Input:
    """Declaration of a parameter's input."""
    return INPUTS[INPUT.get(name, name)]


HELP = {
    "model": N_("Language model to serve. Type to search: a name, with or without dashes."),
    "devices": N_("Number of devices that serve together. 0: the fewest that fit the model."),
    "precision": N_("Number format of the weights. As usual: the format of the published model."),
    "concurrency": N_("Concurrent answers on all devices together."),
    "input": N_("Length of the whole prompt. 1000 words: about 1300."),
    "output": N_("Length of the answer, hidden reasoning included."),
    "rate": N_("Arriving requests per second; they determine the concurrency."),
    "users": N_("Simultaneous users: each waits for an answer, then pauses."),
    "think": N_("Time that a user reads and types before the next request. Empty: 30 s, assumed."),
    "offer": N_("Price of an API to compare with: on record for this model, or typed below."),
    "api": N_("API price per million output tokens."),
    "apiin": N_("API price per million input tokens; 0 ignores them."),
    "training": N_("Electricity used to train this model; 0: unknown."),
    "daily": N_("Output tokens of all users per day."),
    "calibration": N_("Correct the prediction by runs measured on this device, or ignore them."),
    **{name: tooltip for name, (_label, tooltip) in scenario.WORDS.items()},
}
"""Parameter -> its tooltip."""


def control_of(
    kind: type[Any], name: str, *args: Any, least: float | None = None, **more: Any
) -> Any:
    """Declare the control of an input, with its label, limits and tooltip; `least` is ours."""
    if kind is not Choice and kind is not ModelName:
        low, high = described(name).limit.range
        args = (*args, low if least is None else least, high)
    more = {"label": described(name).label, "help": HELP[name]} | more
    return kind(name, *args, **more)


FURTHER = N_("Request rate, site, prices, lifetime")


def _has_runs(values: Mapping[str, Any]) -> bool:
    return bool(known_loads(open_catalog()).runs_on(values["hardware"]))


def _offers() -> dict[str, str]:
    known = open_catalog().api_prices()
    named = {MATCHING: N_("on record for this model"), TYPED: N_("the prices below")}
    return named | {name: f"{one.name} ({one.date})" for name, one in known.items()}


VIEWS = {
    "figures": N_("One answer"),
    "curve": N_("Latency against throughput"),
    "api": N_("Cost against an API"),
    "energy": N_("Energy"),
}
"""View of the page -> its name."""

PARAMETERS = LinkParameters(
    "serve",
    control_of(
        ModelName,
        "model",
        tuple(model_names()),
        new=True,
        called=model_names,
        when=lambda values: not values["config"],
    ),
    control_of(Choice, "hardware", known_devices(), called=hardware_names),
    control_of(Number, "devices", 0.0, least=0.0, whole=True, label=N_("Devices, 0 for automatic")),
    control_of(Choice, "precision", FORMATS, called=lambda: {USUAL: N_("as usual")}),
    control_of(Number, "concurrency", 32.0, least=1.0, whole=True),
    control_of(Number, "input", 500.0, least=1.0, whole=True),
    control_of(Number, "output", 300.0, whole=True),
    control_of(
        Choice, "site", (ANYWHERE, *place_names()), called=place_names, rest=N_("unspecified")
    ),
    Choice(
        "calibration",
        tuple(CALIBRATION),
        label=N_("Measured runs of this device"),
        help=HELP["calibration"],
        called=lambda: CALIBRATION,
        when=_has_runs,
    ),
    control_of(Number, "rate", 0.0, least=0.0, section=FURTHER),
    control_of(
        Choice,
        "offer",
        (MATCHING, TYPED, *open_catalog().api_prices()),
        called=_offers,
        section=FURTHER,
    ),
    control_of(Number, "api", API_USD, step=0.1, section=FURTHER),
    control_of(Number, "apiin", 0.0, step=0.1, section=FURTHER),
    control_of(Typed, "pue", None, section=FURTHER),
    control_of(Typed, "price", None, section=FURTHER),
    control_of(Number, "training", 0.0, step=1e5, section=FURTHER),
    control_of(Number, "daily", 1e9, step=1e8, section=FURTHER),
    ConfigText("config"),
    Choice("view", tuple(VIEWS), help=N_("Question that is answered.")),
)
CARRIES = {"model": "model", "devices": "", "price": "", "precision": ""}
"""Parameter -> name shared between pages; inference and training devices differ."""


def model_name(values: Values) -> str:
    """Name of the model: a known one, or the family in a config.json."""
    if values["config"]:
        return config_name(values["config"])
    return open_catalog().preset(values["model"]).name


def question_of(values: Values) -> ServingQuestion:
    """Question from the controls; what they leave open, and what a rate decides, is left out."""
    words = ("", None, 0, USUAL, ANYWHERE, ANY)
    asked: dict[str, Any] = {
        INPUT.get(name, name): float(one) if isinstance(one, int) else one
        for name, one in values.items()
        if one not in words
    }
    if "config" in asked:
        asked.pop("preset")
    if "request_rate" in asked:
        asked |= dict.fromkeys(("concurrency", "users", "think_s"))
    return ServingQuestion(
        **{name: asked[name] for name in ServingQuestion.inputs if name in asked}
    )


def offer(values: Values) -> ApiPrice | None:
    """List price to compare with, or None for a typed price."""
    known = open_catalog().api_prices()
    if values["offer"] in known:
        return known[values["offer"]]
    if values["offer"] == TYPED or float(values["api"]) != API_USD or values["config"]:
        return None
    return next((one for one in known.values() if one.preset == values["model"]), None)


def draw_controls(values: Values, problems: Mapping[str, str], found: object) -> None:
    """Draw the controls, below a link that drops the config.json."""
    if values["config"]:
        style.caption(
            _("The model is that of a config.json: {name}.").format(name=model_name(values))
        )
        known = values | {"config": ""}
        text = _("Choose a known model")
        tooltip = _("Serve a model on record instead of the config.json.")
        widgets.button(text, "serve_known", PARAMETERS.choose, known, tooltip=tooltip)
    widgets.draw_all(PARAMETERS, problems)


def labels(parameters: LinkParameters) -> dict[str, str]:
    """Input of a question -> label of its control on a page."""
    names = {INPUT.get(name, name) for name in parameters.names()}
    return {name: one.label for name, one in INPUTS.items() if name in names}


label_of = partial(label_of_control, labels(PARAMETERS))
"""Label of an input on this page."""
