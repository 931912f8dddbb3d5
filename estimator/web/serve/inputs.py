"""What the page Serve asks: its parameters, its controls, and the question they make."""

from dataclasses import dataclass
from functools import partial

import streamlit as st

from estimator.catalog.api_prices import ApiPrice
from estimator.core.notice import Notice
from estimator.inference.question import INPUTS, ServingQuestion
from estimator.networks.config_file import config_name, is_inline
from estimator.question.inputs import Input
from estimator.web.shared import style, widgets
from estimator.web.shared.language import N_, _
from estimator.web.shared.notices import label_of_control, shown
from estimator.web.shared.profiles import (
    devices_with,
    hardware_names,
    kept,
    led_by,
    open_catalog,
    place_names,
)
from estimator.web.shared.url_state import (
    Choice,
    LineOfText,
    LinkParameters,
    Number,
    Typed,
    UrlState,
)
from estimator.web.shared.valid import Values

WRITING = ("dense decoder", "MoE decoder", "SSM")
"""Architectures that write token by token."""

USUAL = "usual"
ANYWHERE = "anywhere"
FIRST_MODEL, FIRST_DEVICE = "llama-3.1-8b", "h100-sxm"
FORMATS = (USUAL, "bf16", "fp8", "int4", "mxfp4", "Q4_K_M", "Q8_0")
MATCHING, TYPED = "matching", "typed"
"""Price of an API: that on record for the model, or the one typed."""

API_USD = 0.6
"""Price of an API that the page opens with, per million output tokens [USD]."""


@kept
def model_names() -> dict[str, str]:
    """Id -> name of each language model with a config, a well-known one first."""
    found = {
        preset.id: preset.name
        for preset in open_catalog().presets()
        if preset.kind == "language" and preset.config and preset.arch in WRITING
    }
    return {FIRST_MODEL: found[FIRST_MODEL], **found}


@kept
def known_devices() -> tuple[str, ...]:
    """Devices whose memory bandwidth is on record."""
    return led_by(FIRST_DEVICE, devices_with("memory_bytes_per_s"))


CALIBRATION = {"use": N_("correct the prediction"), "ignore": N_("are ignored")}
"""What measured loads of a device do."""

LONGEST_CONFIG = 6_000
"""A link carries no longer config.json [characters]."""


@dataclass(frozen=True)
class ConfigLink(LineOfText):
    """A config.json as its text; a link names no file of the server."""

    def read(self, text: str | None) -> tuple[str, str]:
        """Config that a link says, and what is wrong with it."""
        config, notice = super().read(text)
        if not config or is_inline(config):
            return config, notice
        return self.usual, shown(Notice("config_not_json", self.name))


INPUT = {
    "input": "input_tokens",
    "output": "output_tokens",
    "rate": "request_rate",
    "model": "preset",
    "offer": "api",
    "api": "api_price_out",
    "apiin": "api_price_in",
    "training": "training_kwh",
    "daily": "tokens_per_day",
}
"""Parameter of a link -> the input of a question that it says, where its name is another."""


def described(name: str) -> Input:
    """Declaration of the input that a parameter says."""
    return INPUTS[INPUT.get(name, name)]


def bounds(name: str, least: float | None = None) -> tuple[float, float]:
    """Least and most of a parameter: those of its input, or the least that the page allows."""
    low, high = described(name).limit.range
    return (low if least is None else least), high


PARAMETERS = LinkParameters(
    "serve",
    Choice("model", tuple(model_names())),
    Choice("hardware", known_devices()),
    Number("devices", 0.0, *bounds("devices", 0.0), whole=True),
    Choice("precision", FORMATS),
    Number("concurrency", 32.0, *bounds("concurrency", 1.0), whole=True),
    Number("input", 500.0, *bounds("input", 1.0), whole=True),
    Number("output", 300.0, *bounds("output"), whole=True),
    Choice("site", (ANYWHERE, *place_names())),
    Number("api", API_USD, *bounds("api")),
    Number("rate", 0.0, *bounds("rate", 0.0)),
    Choice("offer", (MATCHING, TYPED, *open_catalog().api_prices())),
    Number("apiin", 0.0, *bounds("apiin")),
    Typed("pue", None, *bounds("pue")),
    Typed("price", None, *bounds("price")),
    Number("training", 0.0, *bounds("training")),
    Number("daily", 1e9, *bounds("daily")),
    Choice("calibration", tuple(CALIBRATION)),
    ConfigLink("config", longest=LONGEST_CONFIG),
)
STATE = UrlState("serve", PARAMETERS)


def model_name(values: Values) -> str:
    """Name of the model: of a known one, or the family that a config.json states."""
    if not values["config"]:
        return open_catalog().preset(values["model"]).name
    try:
        return config_name(values["config"])
    except ValueError:
        return "config.json"


def _drop_config() -> None:
    """Serve the known model again."""
    st.session_state[STATE.key("config")] = ""


def question_of(values: Values) -> ServingQuestion:
    """Question that the controls ask."""
    return ServingQuestion(
        preset="" if values["config"] else values["model"],
        config=values["config"],
        hardware=values["hardware"],
        devices=float(values["devices"]) or None,
        precision="" if values["precision"] == USUAL else values["precision"],
        concurrency=None if values["rate"] else float(values["concurrency"]),
        request_rate=float(values["rate"]) or None,
        input_tokens=float(values["input"]),
        output_tokens=float(values["output"]),
        site="" if values["site"] == ANYWHERE else values["site"],
        pue=values["pue"],
        price=values["price"],
    )


def offer(values: Values) -> ApiPrice | None:
    """List price to compare with, None for the price typed."""
    known = open_catalog().api_prices()
    if values["offer"] in known:
        return known[values["offer"]]
    if values["offer"] == TYPED or float(values["api"]) != API_USD:
        return None
    if values["config"]:
        return None
    return next((one for one in known.values() if one.preset == values["model"]), None)


def draw_controls(values: Values) -> None:
    """Draw the controls."""
    if values["config"]:
        style.caption(
            _("The model is that of a config.json: {name}.").format(name=model_name(values))
        )
        st.button(_("Choose a known model"), key="serve_known", on_click=_drop_config)
    else:
        _choose("model", model_names())
    _choose("hardware", hardware_names())
    _number("devices", hint=_("0: the fewest that hold it"))
    _choose("precision", {USUAL: N_("as usual")})
    for name in ("concurrency", "input", "output"):
        _number(name)
    _choose("site", place_names(), _("unspecified"))
    with st.expander(_("Request rate, site, prices, lifetime")):
        _further_controls()


def _further_controls() -> None:
    """Draw the controls of what stands beside the answer."""
    known = open_catalog().api_prices()
    named = {MATCHING: N_("on record for this model"), TYPED: N_("the prices below")}
    named |= {name: f"{one.name} ({one.date})" for name, one in known.items()}
    _number("rate", hint=_("0: fixed concurrency"))
    _choose("offer", named)
    _number("api", 0.1)
    _number("apiin", 0.1)
    widgets.typed(PARAMETERS, {name: described(name).label for name in ("pue", "price")})
    _number("training", 1e5, hint=_("0: unknown"))
    _number("daily", 1e8)


def _choose(name: str, names: widgets.Names, rest: str = "") -> None:
    widgets.choose(PARAMETERS, name, _(described(name).label), names, rest)


def _number(name: str, step: float = 1, *, hint: str = "") -> None:
    text = _(described(name).label)
    widgets.number(PARAMETERS, name, f"{text} ({hint})" if hint else text, step)


def labels(parameters: LinkParameters) -> dict[str, str]:
    """Input of a question -> label of the control that sets it, of a page with such parameters."""
    names = {INPUT.get(name, name) for name in parameters.names()}
    return {name: one.label for name, one in INPUTS.items() if name in names}


label_of = partial(label_of_control, labels(PARAMETERS), "serve-cost")
"""Name of an input on this page; what has no control is set on the command line."""
