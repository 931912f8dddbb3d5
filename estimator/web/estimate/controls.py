"""Controls of a scenario, one widget per field, keyed by field."""

from collections.abc import Collection, Mapping
from contextlib import nullcontext

import streamlit as st

from estimator.answer.scenario_estimate import Answer
from estimator.core.units import digits
from estimator.question.scenario import INPUTS
from estimator.web.estimate import inputs
from estimator.web.estimate.inputs import Asked
from estimator.web.estimate.link import STATE
from estimator.web.shared import scenario, style, widgets
from estimator.web.shared.amounts import localised
from estimator.web.shared.language import N_, _
from estimator.web.shared.profiles import (
    hardware_names,
    place_names,
    precisions,
    preset_names,
)

Problems = Mapping[str, str]
"""Control -> what is wrong with it."""

INTERVALS = (0.5, 0.8, 0.9, 0.95)


def draw(
    answer: Answer,
    asked: Asked,
    problems: Problems,
    *,
    measured: bool,
    without: Collection[str] = (),
) -> None:
    """Draw the controls, with assumed values as placeholders.

    At most eight are visible, and the one for measured runs if there are any. Controls on a slide
    are left out.
    """
    _work(answer, asked, problems)
    in_sight = ("hardware", "devices", "site", *(("calibration",) if measured else ()))
    for name in in_sight:
        if name not in without:
            draw_one(name, answer, problems)
    drawn = {*inputs.WORK, *in_sight, *without}
    titles = {group: title for group, (title, _groups) in _SECTIONS.items()}
    opened = style.opened(_("More inputs"), titles, "open_controls")
    for section, (title, groups) in _SECTIONS.items():
        every = [name for name in inputs.OF_ALL if INPUTS[name].group in groups]
        names = [name for name in every if name not in drawn]
        work = _names_of_more_work(asked) if section == "work" else []
        if section not in opened and problems.keys().isdisjoint((*work, *names)):
            continue
        style.section(_(title))
        for name in work:
            timed = name == "device_hours"
            _number(name, answer, problems, placeholder=_("not timed yet") if timed else "")
        for name in names:
            draw_one(name, answer, problems)
    undone = _("Going back undoes it")
    if st.context.is_embedded:
        widgets.button(_("Reset to the slide"), "reset", STATE.forget, tooltip=undone)
    else:
        usual = inputs.asked_for(inputs.DEFAULT, asked.picture, asked.view)
        widgets.button(_("Reset"), "reset", STATE.choose, usual, tooltip=undone)


HELP = {
    "samples": N_("Sequences, images or clips that the model sees in training."),
    "sample_flop": N_("Work of one pass of one sample through the model, forward only."),
    "kv_heads": N_("Key-value heads: fewer than attention heads in grouped-query attention."),
    "image_size": N_("Pixels on a side of the images, for a model of images."),
    "power_cap": N_("Power limit that is set on each device: less power, longer run."),
    "start": N_("Hour of the hourly carbon profile at which the run starts."),
    "device_price": N_("Purchase price of one device, where devices are owned."),
    "electricity_price": N_("Price of electricity, where devices are owned."),
    "metered": N_("Hosts, network and cooling are added if the meter missed them."),
    "energy_uncertainty": N_("Error of the meter as a share: 0.05 is 5%."),
    "hardware": scenario.WORDS["hardware"][1],
    "utilization": N_(
        "Share of the dense peak that the model's own FLOPs reach (MFU). Empty: predicted."
    ),
    "interval": N_("Chance that the true value is inside the intervals shown."),
}
"""Input -> tooltip, where the help of the command line names options."""


def tooltip(name: str) -> str:
    """Tooltip of an input's control, capitalised."""
    text = _(HELP.get(name, INPUTS[name].help))
    return text[:1].upper() + text[1:]


def draw_one(name: str, answer: Answer, problems: Problems) -> None:
    """Draw the control of one input."""
    described = INPUTS[name]
    if name == "hardware":
        _select(name, hardware_names())
    elif name == "devices":
        st.number_input(
            _(described.label),
            min_value=1,
            step=1,
            placeholder=_("unspecified: 1"),
            help=tooltip(name),
            **({"value": None} | STATE.beginning(name, "value")),
        )
    elif name == "precision":
        _select(name, precisions(answer.device))
    elif name == "site":
        _select(name, place_names(), placeholder=_("unspecified: world average"))
    elif name == "interval":
        levels = sorted({*INTERVALS, answer.level})
        _select(name, {level: localised(f"{level * 100:.3g}%") for level in levels})
    elif described.choices:
        words = {word: _(_WORDS.get(word, word)) for word in described.choices}
        _select(name, words, placeholder=None if name in _ALWAYS else _("unspecified"))
    else:
        _number(name, answer, problems)
        return
    _problem(name, problems)


_SECTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "work": (N_("Work in detail"), ("network",)),
    "hardware": (N_("Hardware and parallelism"), ("hardware", "parallelism")),
    "place": (N_("Place, money, interval"), ("place", "money", "answer")),
}
"""Collapsed sections of inputs: titles and input groups."""

_ALWAYS = ("calibration", "price_kind", "pay")
"""Choices without an unspecified option."""

_WORDS = {
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

_METHODS = {
    "full": N_("full: all weights"),
    "lora": N_("LoRA: adapters only"),
    "qlora": N_("QLoRA: adapters over 4-bit weights"),
}


def _work(answer: Answer, asked: Asked, problems: Problems) -> None:
    """Draw the entry, and the inputs of the work."""
    entry, way = asked.held["entry"], asked.held["way"]
    st.segmented_control(
        _("What is it about?"),
        list(inputs.ENTRIES),
        format_func=lambda entry: _(inputs.ENTRIES[entry]),
        required=True,
        label_visibility="collapsed",
        help=_("Train a model, adapt one, or start from device-hours that were measured."),
        **STATE.beginning("entry", "default"),
    )
    ways = inputs.OF_ENTRY[entry]
    if len(ways) > 1:
        st.pills(
            _("Give the work by"),
            list(ways),
            format_func=lambda way: _(inputs.WAYS[way]),
            required=True,
            label_visibility="collapsed",
            help=_("Description of the work; the fields below follow."),
            **STATE.beginning("way", "default"),
        )
    if entry == "finetune":
        methods = {name: _(text) for name, text in _METHODS.items()}
        st.selectbox(
            _("Method"),
            list(methods),
            format_func=methods.__getitem__,
            help=_("Weights that are trained; adapters need less memory."),
            **STATE.beginning("finetune", "index", list(methods).index),
        )
    if way == "config":
        _config(problems)
    else:
        _amounts(way, answer, problems)


_REST_OF_WORK = {
    "size": ("active_params",),
    "flop": ("active_params", "tokens", "samples", "sample_flop"),
    "samples": ("params", "active_params", "tokens"),
    "config": ("samples",),
}
"""Way -> further inputs of the work."""


def _names_of_more_work(asked: Asked) -> list[str]:
    """Return the further inputs of some ways to specify the work."""
    way = asked.held["way"]
    return [*_REST_OF_WORK.get(way, ()), *(() if way == "hours" else ("device_hours",))]


_PLACEHOLDERS = {
    "preset": {"tokens": N_("as published")},
    "size": {"params": "7B", "tokens": "2T"},
    "flop": {"flop": "3.14e23", "params": N_("not needed")},
    "samples": {"samples": "100M", "sample_flop": "4.1e9"},
    "hours": {"device_hours": "1.08M"},
}
"""Way to give the work -> its numbers, with placeholders."""

_SIDE_BY_SIDE = ("size", "samples")
"""Ways with their numbers in one line."""


def _amounts(way: str, answer: Answer, problems: Problems) -> None:
    """Draw the numeric work inputs, or the preset."""
    if way == "preset":
        _select("preset", preset_names())
    with st.container(horizontal=True) if way in _SIDE_BY_SIDE else nullcontext():
        for name, text in _PLACEHOLDERS[way].items():
            _number(name, answer, problems, placeholder=_(text))


def _config(problems: Problems) -> None:
    """Draw the config.json input of the work."""
    st.text_area(
        _("config.json of a Hugging Face model"),
        height=120,
        placeholder='{"model_type": "llama", "hidden_size": 4096, ...}',
        help=_("Text of the file that describes the architecture; it stays on this server."),
        **STATE.beginning("config_text", "value"),
    )
    st.file_uploader(
        _("or as a file"),
        type="json",
        max_upload_size=widgets.MOST_CONFIG_MB,
        key="config_file",
        on_change=_changed_file,
        help=_("The file config.json next to the weights of a model."),
    )
    left, right = st.columns(2)
    for place, name, label, example in (
        (left, "tokens", _("Training tokens"), "2T"),
        (right, "seq_len", _("Tokens in a sequence"), "2048"),
    ):
        begun = STATE.beginning(f"config_{name}", "value")
        place.text_input(label, placeholder=example, help=tooltip(name), **begun)
    _problem("config_text", problems)


def _select(
    name: str,
    options: dict[str, str] | dict[float, str],
    *,
    placeholder: str | None = None,
) -> None:
    """Draw a choice, optional if there is a placeholder."""
    every, open_index = list(options), None if placeholder else 0
    begun = STATE.beginning(
        name, "index", lambda held: every.index(held) if held in every else open_index
    )
    st.selectbox(
        _(INPUTS[name].label),
        every,
        format_func=options.__getitem__,
        placeholder=placeholder,
        help=tooltip(name),
        **({"index": open_index} | begun),
    )


def _number(name: str, answer: Answer, problems: Problems, *, placeholder: str = "") -> None:
    """Draw a number input, with the assumed value as placeholder."""
    st.text_input(
        _(INPUTS[name].label),
        placeholder=placeholder or _assumed_value(name, answer),
        help=tooltip(name),
        **STATE.beginning(name, "value"),
    )
    _problem(name, problems)


def _problem(name: str, problems: Problems) -> None:
    if name in problems:
        style.problem(problems[name])


def _assumed_value(name: str, answer: Answer) -> str:
    """Return the value that the answer assumed for an unspecified number."""
    item = answer.inputs.get(INPUTS[name].resolved or name)
    if item is None:
        return _("unspecified")
    return f"{localised(digits(item.value))} ({_(item.basis)})"


def _changed_file() -> None:
    """Copy an uploaded file to the text box."""
    upload = st.session_state["config_file"]
    if upload is not None:
        st.session_state["config_text"] = upload.getvalue().decode("utf-8", errors="replace")
