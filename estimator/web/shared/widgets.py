"""Controls of a page, drawn from its declarations: options, limits, labels and tooltips."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import streamlit as st

from estimator.web.shared import style
from estimator.web.shared.language import _
from estimator.web.shared.scenario import ConfigText
from estimator.web.shared.url_state import (
    Choice,
    LinkParameters,
    Names,
    Number,
    Parameter,
    widget_key,
)

FIRST_YEAR = 1900
"""A number from this on is a year, which has no separator."""

MOST_CONFIG_MB = 10
"""Largest config.json upload [MB]; a typical one has a few kB."""


def draw_all(
    parameters: LinkParameters,
    problems: Mapping[str, str],
    drawings: Mapping[str, Callable[[], None] | None] | None = None,
) -> None:
    """Draw every labelled input, in order and fold, each with its problem.

    `drawings` replaces an input's drawing; None skips it.
    """
    values, own = parameters.asked, drawings or {}
    drawn = [
        one
        for one in parameters.known
        if one.label
        and (one.when is None or one.when(values))
        and (one.name not in own or own[one.name] is not None)
    ]
    for number, section in enumerate(dict.fromkeys(one.section for one in drawn)):
        fold = style.folded(_(section), f"{parameters.page}_fold_{number}") if section else None
        with fold or nullcontext():
            for one in drawn:
                if one.section == section:
                    drawing = own.get(one.name)
                    draw_one(parameters, one.name) if drawing is None else drawing()
                    if one.name in problems:
                        style.problem(problems[one.name])


def draw_abreast(parameters: LinkParameters, names: Sequence[str]) -> None:
    """Draw some inputs side by side, as on a slide."""
    for name, column in zip(names, st.columns(len(names)), strict=True):
        with column:
            draw_one(parameters, name)


def draw_one(parameters: LinkParameters, name: str) -> None:
    """Draw the declared control of an input."""
    declared = parameters.declared(name)
    if isinstance(declared, Choice) and declared.abreast:
        switch(parameters, name, _(declared.label), declared.called(), visible=True)
    elif isinstance(declared, Choice):
        choose(parameters, name, _(declared.label), declared.called(), _(declared.rest or ""))
    elif isinstance(declared, Number):
        drawn = slider if declared.slides else number
        drawn(parameters, name, _(declared.label), declared.step)
    elif isinstance(declared, ConfigText):
        config_box(parameters, name)
    else:
        text(parameters, name, _(declared.label))


def choose(
    parameters: LinkParameters,
    name: str,
    label: str,
    names: Names,
    rest: str | None = "",
) -> None:
    """Draw a menu of the options of a `Choice`.

    Parameters
    ----------
    parameters : LinkParameters
        Inputs of the page.
    name, label : str
        Name of the parameter; text next to the control, translated.
    names : mapping of str to str
        Option -> display name.
    rest : str, optional
        What options that `names` lacks are called, translated; their own word if empty. None
        leaves them out.
    """
    declared = parameters.declared(name)
    options, called = _options(parameters, name, names, rest)
    st.selectbox(
        label,
        options,
        format_func=lambda option: called.get(option, option),
        accept_new_options=isinstance(declared, Choice) and declared.new,
        **_beginning(parameters, name, "index", options.index),
    )


def switch(
    parameters: LinkParameters,
    name: str,
    label: str,
    names: Names,
    *,
    visible: bool = False,
    rest: str | None = "",
) -> None:
    """Draw the options of a `Choice` side by side; screen readers read a hidden label, too.

    `rest` is as of `choose`.
    """
    options, called = _options(parameters, name, names, rest)
    st.segmented_control(
        label,
        options,
        format_func=called.__getitem__,
        required=True,
        label_visibility="visible" if visible else "collapsed",
        **_beginning(parameters, name, "default"),
    )


def number(parameters: LinkParameters, name: str, label: str, step: float | None = 1) -> None:
    """Draw the box of a `Number`."""
    declared, kind = _number(parameters, name)
    least, most = kind(declared.low), kind(declared.high)
    begun = _beginning(parameters, name, "value")
    if declared.optional:  # after its first run a box can be emptied: nothing is its default
        begun = {"value": None, "placeholder": _("unspecified: 1")} | begun
    st.number_input(label, least, most, step=kind(step or 1), **begun)


def slider(parameters: LinkParameters, name: str, label: str, step: float | None = None) -> None:
    """Draw the slider of a `Number`, with localised numbers."""
    declared, kind = _number(parameters, name)
    steps = {} if step is None else {"step": kind(step)}
    least, most = kind(declared.low), kind(declared.high)
    begun = _beginning(parameters, name, "value")
    written = "%d" if least >= FIRST_YEAR else "localized"
    st.slider(label, least, most, format=written, **steps, **begun)


def text(parameters: LinkParameters, name: str, label: str, placeholder: str = "") -> None:
    """Draw the box of a typed input."""
    st.text_input(label, placeholder=placeholder, **_beginning(parameters, name, "value"))


def config_box(parameters: LinkParameters, name: str) -> None:
    """Draw the text box and file upload of a config.json."""
    st.text_area(
        _(parameters.declared(name).label),
        height=160,
        placeholder='{"model_type": "llama", "hidden_size": 4096, ...}',
        **_beginning(parameters, name, "value"),
    )
    key = f"{parameters.page}_file"

    def take() -> None:
        upload = st.session_state[key]
        if upload is not None:
            text = upload.getvalue().decode("utf-8", errors="replace")
            st.session_state[widget_key(parameters.page, name)] = text

    st.file_uploader(
        _("or as a file"),
        type="json",
        max_upload_size=MOST_CONFIG_MB,
        key=key,
        on_change=take,
        help=_("The file config.json next to the weights of a model."),
    )


def button(
    label: str, key: str, act: Callable[..., None], *args: Any, tooltip: str | None = None
) -> None:
    """Draw a button that acts before the page is drawn again.

    After a server restart, a browser may press a button that this server has not drawn; it then
    acts once drawn.
    """
    state, done = st.session_state, f"_{key}_done"

    def pressed() -> None:
        act(*args)
        state[done] = True

    if st.button(label, key=key, on_click=pressed, help=tooltip) and not state.pop(done, False):
        act(*args)
        st.rerun()


def heading(words: str) -> str:
    """Column heading, capitalised.

    >>> heading("peak [TFLOP/s]"), heading("")
    ('Peak [TFLOP/s]', '')
    """
    return words[:1].upper() + words[1:]


def number_column(words: str) -> Any:
    """Numeric column of a table, localised by the browser."""
    return st.column_config.NumberColumn(heading(words), format="localized")


def _beginning(
    parameters: LinkParameters,
    name: str,
    argument: str,
    written: Callable[[Any], Any] | None = None,
) -> dict[str, Any]:
    """Key and tooltip of a control, and its initial value."""
    declared = parameters.declared(name)
    tooltip = _(declared.help) if declared.help else ""
    return {
        "help": f"{tooltip[:1].upper()}{tooltip[1:]}" or None,
        **parameters.beginning(name, argument, written),
    }


def _options(
    parameters: LinkParameters, name: str, names: Names, rest: str | None
) -> tuple[Sequence[str], dict[str, str]]:
    """Options of a choice, and their names."""
    declared = parameters.declared(name)
    assert isinstance(declared, Choice)
    offered = tuple(one for one in declared.options if rest is not None or one in names)
    return offered, {one: _(names[one]) if one in names else rest or one for one in offered}


def _number(parameters: LinkParameters, name: str) -> tuple[Number, Any]:
    """Return the declared number, and its widget's type."""
    declared: Parameter = parameters.declared(name)
    assert isinstance(declared, Number)
    return declared, int if declared.whole else float
