"""The controls of a scenario, as drawn: one widget per field, its key the field's name."""

from collections.abc import Callable, Collection, Iterable
from contextlib import nullcontext
from dataclasses import replace

import streamlit as st

from estimator.answer.scenario_estimate import Answer, answer_scenario
from estimator.core.units import digits
from estimator.question.scenario import INPUTS
from estimator.web.estimate import inputs
from estimator.web.estimate.inputs import Asked
from estimator.web.estimate.link import STATE
from estimator.web.shared import style
from estimator.web.shared.amounts import localised
from estimator.web.shared.language import N_, _
from estimator.web.shared.profiles import (
    hardware_names,
    open_catalog,
    place_names,
    precisions,
    preset_names,
)

MAX_CONFIG_MB = 10
"""A config.json is a few kB; what is larger is something else [MB]."""

INTERVALS = (0.5, 0.8, 0.9, 0.95)


def draw(answer: Answer, asked: Asked, *, measured: bool, without: Collection[str] = ()) -> None:
    """Draw the controls, with what was taken where nothing was given.

    Eight at most are in sight; that of the measured runs of the device is, where there are any.
    Those that stand on a slide are left out.
    """
    _work(answer, asked)
    in_sight = ("hardware", "devices", "site", *(("calibration",) if measured else ()))
    for name in in_sight:
        if name not in without:
            draw_one(name, answer, asked)
    drawn = {*inputs.WORK, *in_sight, *without}
    titles = {group: title for group, (title, _groups) in _SECTIONS.items()}
    opened = style.opened(_("More inputs"), titles, "open_controls")
    for section, (title, groups) in _SECTIONS.items():
        every = [name for name in inputs.OF_ALL if INPUTS[name].group in groups]
        names = [name for name in every if name not in drawn]
        work = _names_of_more_work() if section == "work" else []
        if section not in opened and asked.problems.keys().isdisjoint((*work, *names)):
            _keep((*work, *names))
            continue
        style.section(_(title))
        for name in work:
            timed = name == "device_hours"
            _number(name, answer, asked, placeholder=_("not timed yet") if timed else "")
        for name in names:
            draw_one(name, answer, asked)
    if st.context.is_embedded:
        st.button(_("Reset to the slide"), key="reset", on_click=_reopen)
    else:
        st.button(_("Reset"), key="reset", on_click=_reset, help=_("Going back undoes it"))


def draw_one(name: str, answer: Answer, asked: Asked) -> None:
    """Draw the control of one input."""
    described = INPUTS[name]
    if name == "hardware":
        _select(name, hardware_names(), on_change=_changed_hardware)
    elif name == "devices":
        st.number_input(
            _(INPUTS[name].label),
            min_value=1,
            value=None,
            step=1,
            key=name,
            placeholder=_("unspecified: 1"),
            help=_(described.help),
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
        _number(name, answer, asked)


_SECTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "work": (N_("Work in detail"), ("network",)),
    "hardware": (N_("Hardware and parallelism"), ("hardware", "parallelism")),
    "place": (N_("Place, money, interval"), ("place", "money", "answer")),
}
"""Sections of inputs that are one click away: their titles, and the groups of the inputs."""

_ALWAYS = ("calibration", "price_kind", "pay")
"""Choices that are never left open."""

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


def _work(answer: Answer, asked: Asked) -> None:
    """Draw the way into the page and what gives the work."""
    st.segmented_control(
        _("What is it about?"),
        list(inputs.ENTRIES),
        format_func=lambda entry: _(inputs.ENTRIES[entry]),
        required=True,
        key="entry",
        on_change=_changed_entry,
        label_visibility="collapsed",
    )
    entry = st.session_state["entry"]
    ways = inputs.OF_ENTRY[entry]
    if len(ways) > 1:
        st.pills(
            _("Give the work by"),
            list(ways),
            format_func=lambda way: _(inputs.WAYS[way]),
            required=True,
            key="way",
            on_change=_changed_way,
            label_visibility="collapsed",
        )
    if entry == "finetune":
        methods = {name: _(text) for name, text in _METHODS.items()}
        st.selectbox(
            _("Method"),
            list(methods),
            format_func=methods.__getitem__,
            key="finetune",
        )
    way = st.session_state["way"] if len(ways) > 1 else ways[0]
    if way == "config":
        _config(asked)
    else:
        _amounts(way, answer, asked)


_REST_OF_WORK = {
    "size": ("active_params",),
    "flop": ("active_params", "tokens", "samples", "sample_flop"),
    "samples": ("params", "active_params", "tokens"),
    "config": ("samples",),
}
"""Way -> what else may be known of the work."""


def _names_of_more_work() -> list[str]:
    """What else some ways to give the work have."""
    way = st.session_state["way"]
    return [*_REST_OF_WORK.get(way, ()), *(() if way == "hours" else ("device_hours",))]


def _keep(names: Iterable[str]) -> None:
    """Keep the values of widgets that are not drawn: Streamlit forgets their state."""
    for name in names:
        if name in st.session_state:
            st.session_state[name] = st.session_state[name]


_PLACEHOLDERS = {
    "preset": {"tokens": N_("as published")},
    "size": {"params": "7B", "tokens": "2T"},
    "flop": {"flop": "3.14e23", "params": N_("not needed")},
    "samples": {"samples": "100M", "sample_flop": "4.1e9"},
    "hours": {"device_hours": "1.08M"},
}
"""Way to give the work -> its numbers, and what stands in their boxes."""

_SIDE_BY_SIDE = ("size", "samples")
"""Ways whose numbers stand in one line."""


def _amounts(way: str, answer: Answer, asked: Asked) -> None:
    """Draw what gives the work in numbers, or by a known run."""
    if way == "preset":
        _select("preset", preset_names(), on_change=_changed_preset)
    with st.container(horizontal=True) if way in _SIDE_BY_SIDE else nullcontext():
        for name, text in _PLACEHOLDERS[way].items():
            _number(name, answer, asked, placeholder=_(text))


def _config(asked: Asked) -> None:
    """Draw what gives the work by a config.json."""
    st.text_area(
        _("config.json of a Hugging Face model"),
        key="config_text",
        height=120,
        placeholder='{"model_type": "llama", "hidden_size": 4096, ...}',
    )
    st.file_uploader(
        _("or as a file"),
        type="json",
        max_upload_size=MAX_CONFIG_MB,
        key="config_file",
        on_change=_changed_file,
    )
    left, right = st.columns(2)
    left.text_input(_("Training tokens"), key="config_tokens", placeholder="2T")
    right.text_input(_("Tokens in a sequence"), key="config_seq_len", placeholder="2048")
    _problem("config_text", asked)


def _select(
    name: str,
    options: dict[str, str] | dict[float, str],
    *,
    placeholder: str | None = None,
    on_change: Callable[[], None] | None = None,
) -> None:
    """One choice; with a placeholder it may be left open."""
    st.selectbox(
        _(INPUTS[name].label),
        list(options),
        index=None if placeholder else 0,
        format_func=options.__getitem__,
        placeholder=placeholder,
        key=name,
        help=_(INPUTS[name].help),
        on_change=on_change,
    )


def _number(name: str, answer: Answer, asked: Asked, *, placeholder: str = "") -> None:
    """One number as text, with what is taken if nothing is typed."""
    st.text_input(
        _(INPUTS[name].label),
        key=name,
        placeholder=placeholder or _taken(name, answer),
        help=_(INPUTS[name].help),
    )
    _problem(name, asked)


def _problem(name: str, asked: Asked) -> None:
    if name in asked.problems:
        style.problem(asked.problems[name])


def _taken(name: str, answer: Answer) -> str:
    """What the answer took for a number that was not said."""
    item = answer.inputs.get(INPUTS[name].resolved or name)
    if item is None:
        return _("unspecified")
    return f"{localised(digits(item.value))} ({_(item.basis)})"


def _changed_entry() -> None:
    """Open the entry with what is usual there, at the place that was chosen."""
    state = st.session_state
    entry, answer = state["entry"], answer_scenario(state["_scenario"], open_catalog())
    if entry == "timed":
        scenario = replace(inputs.convert(answer, "hours"), finetune=None)
    else:
        scenario = inputs.usual_in(entry, answer.scenario)
    inputs.load(scenario, state)
    state["entry"] = entry
    if entry == "finetune":
        state["finetune"] = "qlora"


def _changed_way() -> None:
    """Keep the work while the way of giving it changes."""
    state = st.session_state
    entry, way, method = state["entry"], state["way"], state.get("finetune")
    if way == "config" or (entry == "finetune" and way == "samples"):
        return
    if entry == "finetune":
        size = way == "size"
        state["params"], state["preset"] = ("8B", None) if size else ("", inputs.FINETUNE.preset)
        return
    answer = answer_scenario(state["_scenario"], open_catalog())
    inputs.load(inputs.convert(answer, way), state)
    state["entry"], state["finetune"] = entry, method
    if way == "preset":
        inputs.take_preset(state, open_catalog())


def _changed_preset() -> None:
    inputs.take_preset(st.session_state, open_catalog())


def _changed_hardware() -> None:
    inputs.take_hardware(st.session_state, open_catalog())


def _reset() -> None:
    """Say the default again; the step can be undone by going back."""
    inputs.load(inputs.DEFAULT, st.session_state)


def _reopen() -> None:
    """Say again what the address of the frame says, which is never written."""
    STATE.forget()


def _changed_file() -> None:
    """Put an uploaded file into the text box."""
    upload = st.session_state["config_file"]
    if upload is not None:
        st.session_state["config_text"] = upload.getvalue().decode("utf-8", errors="replace")
