"""The controls of a scenario, as drawn: one widget per field, its key the field's name."""

import re
from collections.abc import Callable
from dataclasses import fields

import streamlit as st

from estimator.answer import Answer, answer_scenario
from estimator.network_kind import KINDS
from estimator.scenario import SHARING, Scenario
from estimator.units import digits
from estimator.web import inputs, style
from estimator.web.inputs import Asked
from estimator.web.profiles import (
    hardware_names,
    open_catalog,
    place_names,
    precisions,
    preset_names,
)

LABELS = {
    "preset": "Model or run",
    "params": "Parameters",
    "tokens": "Training tokens",
    "active_params": "Active parameters (mixture of experts)",
    "flop": "Training FLOPs",
    "device_hours": "Device-hours already spent",
    "finetune": "Fine-tuning",
    "kind": "Kind of work",
    "arch": "Architecture in words",
    "width": "Width (hidden size)",
    "attempts": "All runs over the final one",
    "hardware": "Device",
    "devices": "Devices",
    "precision": "Number format",
    "utilization": "Utilization (share of the peak)",
    "power_cap": "Power cap of a device [W]",
    "batch_tokens": "Tokens of a step",
    "recomputation": "Activations computed again",
    "calibration": "Measured runs of this device",
    "tensor_parallel": "Devices that share a layer",
    "pipeline_parallel": "Stages of layers",
    "expert_parallel": "Devices that share the experts",
    "micro_batches": "Parts of a batch",
    "site": "Country, cloud region or operator",
    "year": "Year of the run",
    "carbon_profile": "Hourly carbon intensity of your grid",
    "start": "Starts at hour",
    "pue": "PUE",
    "carbon_intensity": "Carbon intensity [kgCO2e/kWh]",
    "wue": "Water (WUE) [L/kWh]",
    "price": "Rent [USD per device-hour]",
    "price_kind": "Rental offers",
    "device_price": "Purchase price of a device [USD]",
    "pay": "Pay",
    "electricity_price": "Electricity [USD/kWh]",
    "interval": "Probability inside the intervals",
    "config": "config.json",
    "samples": "Samples",
    "seq_len": "Tokens in a sequence",
}
"""What a control is called, by field."""

RESOLVED = {
    "carbon_intensity": "co2e_kg_per_kwh",
    "wue": "wue_l_per_kwh",
    "electricity_price": "electricity_usd_per_kwh",
    "price": "price_usd_per_h",
    "device_price": "launch_price_usd",
}
"""Field -> name of the input that it overrides, where the two differ."""

HELP = {item.name: str(item.metadata["help"]) for item in fields(Scenario)}
MAX_CONFIG_MB = 10
"""A config.json is a few kB; what is larger is something else [MB]."""

INTERVALS = (0.5, 0.8, 0.9, 0.95)


def draw(answer: Answer, asked: Asked, *, measured: bool) -> None:
    """Draw all controls, with what was taken where nothing was said.

    That of the measured runs of the device stands in sight where there are any.
    """
    style.brand("Twenty Watts", "what training takes, beside a brain")
    st.subheader("Work", anchor=False)
    st.pills(
        "Say the work by",
        list(inputs.WAYS),
        format_func=inputs.WAYS.__getitem__,
        required=True,
        key="way",
        on_change=_changed_way,
        label_visibility="collapsed",
    )
    _WORK[st.session_state["way"]](answer, asked)
    st.subheader("Hardware", anchor=False)
    _select("hardware", hardware_names(), on_change=_changed_hardware)
    left, right = st.columns([2, 3])
    left.number_input(LABELS["devices"], min_value=1, step=1, key="devices", help=HELP["devices"])
    with right:
        _select("precision", precisions(answer.device))
    _number("utilization", answer, asked)
    if measured:
        _select("calibration", _CALIBRATION)
    st.subheader("Place", anchor=False)
    _select("site", place_names(), placeholder="not said: world average")
    with st.expander("Assumptions"):
        _assumptions(answer, asked)
        if not measured:
            _select("calibration", _CALIBRATION)
    if st.context.is_embedded:
        st.button("Reset to the slide", key="reset", on_click=_reopen)
    else:
        st.button("Reset", key="reset", on_click=_reset, help="All inputs; going back undoes it")


def spoken(text: str) -> str:
    """Say a message of the core in the words of the page instead of the command line's.

    >>> spoken("PUE is not known here: 1.25 assumed; --pue sets it")
    'PUE is not known here: 1.25 assumed; “PUE” sets it'
    """
    text = text.replace(" `profiles list` shows all", "")
    text = text.replace("give its tdp_w in a profile", "a profile with its power limit tells it")
    return _FLAG.sub(lambda flag: _label(flag["name"].replace("-", "_")), text)


_FLAG = re.compile(r"--(?P<name>[a-z]+(-[a-z]+)*)( (fr|gpt-3|h100|[0-9.]+(e[0-9]+)?)\b)?")
"""An option of the command line, with its example."""


def _label(field: str) -> str:
    return f"“{LABELS.get(field, field).partition(' [')[0]}”"


def _preset(answer: Answer, asked: Asked) -> None:
    _select("preset", preset_names(), on_change=_changed_preset)
    _number("tokens", answer, asked, placeholder="as published")


def _size(answer: Answer, asked: Asked) -> None:
    left, right = st.columns(2)
    with left:
        _number("params", answer, asked, placeholder="7B")
    with right:
        _number("tokens", answer, asked, placeholder="2T")


def _flop(answer: Answer, asked: Asked) -> None:
    _number("flop", answer, asked, placeholder="3.14e23")
    _number("params", answer, asked, placeholder="not needed")


def _hours(answer: Answer, asked: Asked) -> None:
    _number("device_hours", answer, asked, placeholder="1.08M")


def _config(answer: Answer, asked: Asked) -> None:
    st.text_area(
        "config.json of a Hugging Face model",
        key="config_text",
        height=120,
        placeholder='{"model_type": "llama", "hidden_size": 4096, ...}',
    )
    st.file_uploader(
        "or as a file",
        type="json",
        max_upload_size=MAX_CONFIG_MB,
        key="config_file",
        on_change=_changed_file,
    )
    left, right = st.columns(2)
    left.text_input("Training tokens", key="config_tokens", placeholder="2T")
    right.text_input("Tokens in a sequence", key="config_seq_len", placeholder="2048")
    _problem("config_text", asked)


_WORK: dict[str, Callable[[Answer, Asked], None]] = {
    "preset": _preset,
    "size": _size,
    "flop": _flop,
    "hours": _hours,
    "config": _config,
}


def _assumptions(answer: Answer, asked: Asked) -> None:
    """Draw what most visitors leave alone."""
    way = st.session_state["way"]
    _number("attempts", answer, asked)
    _select("kind", {kind: kind for kind in KINDS}, placeholder="as the work says")
    st.text_input(LABELS["arch"], key="arch", help=HELP["arch"], placeholder="as the kind says")
    for name in ("width", "seq_len"):
        _number(name, answer, asked, placeholder="as usual")
    if way == "size":
        _number("active_params", answer, asked, placeholder="all of them")
    if "finetune" in inputs.OF_WAY[way]:
        _select("finetune", _FINETUNE, placeholder="no: trained from scratch")
    if way not in ("hours", "config"):
        _number("device_hours", answer, asked, placeholder="not timed yet")
    for name in ("batch_tokens", *SHARING):
        _number(name, answer, asked, placeholder="not told")
    _select("recomputation", _RECOMPUTATION, placeholder="not told")
    _number("power_cap", answer, asked, placeholder="none")
    _number("year", answer, asked, placeholder="now: the newest on record")
    _select("pay", {"rent": "rent", "own": "own: purchase price and electricity"})
    _select("price_kind", {kind: kind for kind in ("on-demand", "spot", "reserved")})
    for name in ("price", "device_price", "electricity_price", "pue", "carbon_intensity", "wue"):
        _number(name, answer, asked)
    levels = sorted({*INTERVALS, answer.level})
    _select("interval", {level: f"{level * 100:.3g} %" for level in levels})


_RECOMPUTATION = {
    "none": "none",
    "selective": "selective: the attention scores",
    "full": "full: every layer",
}

_CALIBRATION = {"use": "correct the prediction", "ignore": "are ignored"}

_FINETUNE = {"full": "full: all weights", "lora": "LoRA: adapters only"}


def _select(
    name: str,
    options: dict[str, str] | dict[float, str],
    *,
    placeholder: str | None = None,
    on_change: Callable[[], None] | None = None,
) -> None:
    """One choice; with a placeholder it may be left open."""
    st.selectbox(
        LABELS[name],
        list(options),
        index=None if placeholder else 0,
        format_func=options.__getitem__,
        placeholder=placeholder,
        key=name,
        help=HELP[name],
        on_change=on_change,
    )


def _number(name: str, answer: Answer, asked: Asked, *, placeholder: str = "") -> None:
    """One number as text, with what is taken if nothing is typed."""
    st.text_input(
        LABELS[name],
        key=name,
        placeholder=placeholder or _taken(name, answer),
        help=HELP[name],
    )
    _problem(name, asked)


def _problem(name: str, asked: Asked) -> None:
    if name in asked.problems:
        style.problem(asked.problems[name])


def _taken(name: str, answer: Answer) -> str:
    """What the answer took for a number that was not said."""
    item = answer.inputs.get(RESOLVED.get(name, name))
    if item is None:
        return "not known"
    return f"{digits(item.value)} ({item.basis})"


def _changed_way() -> None:
    """Keep the work while the way of saying it changes."""
    state = st.session_state
    way = state["way"]
    if way == "config":
        return
    answer = answer_scenario(state["_scenario"], open_catalog())
    inputs.load(inputs.convert(answer, way), state)
    if way == "preset":
        _changed_preset()


def _changed_preset() -> None:
    inputs.take_preset(st.session_state, open_catalog())


def _changed_hardware() -> None:
    inputs.take_hardware(st.session_state, open_catalog())


def _reset() -> None:
    """Say the default again; the step can be undone by going back."""
    inputs.load(inputs.DEFAULT, st.session_state)


def _reopen() -> None:
    """Say again what the address of the frame says, which is never written."""
    del st.session_state["_scenario"]


def _changed_file() -> None:
    """Put an uploaded file into the text box."""
    upload = st.session_state["config_file"]
    if upload is not None:
        st.session_state["config_text"] = upload.getvalue().decode("utf-8", errors="replace")
