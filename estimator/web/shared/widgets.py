"""Controls of a page, drawn from what it declares: options and limits stand in its parameters."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from estimator.web.shared import style
from estimator.web.shared.frame import Frame
from estimator.web.shared.language import _
from estimator.web.shared.url_state import Choice, LinkParameters, Number, widget_key

Names = Mapping[str, str]
"""Option -> what the control calls it, translated or marked by `N_`."""


def choose(parameters: LinkParameters, name: str, label: str, names: Names, rest: str = "") -> None:
    """Draw a menu of the options of a `Choice`.

    Parameters
    ----------
    parameters : LinkParameters
        Those of the page.
    name, label : str
        Name of the parameter; text beside the control, translated.
    names : mapping of str to str
        What the options are called.
    rest : str
        What options that `names` lacks are called, translated; their own word if empty.
    """
    options, called = _options(parameters, name, names, rest)
    key = widget_key(parameters.page, name)
    st.selectbox(label, options, format_func=called.__getitem__, key=key)


def switch(
    parameters: LinkParameters, name: str, label: str, names: Names, *, visible: bool = False
) -> None:
    """Draw the options of a `Choice` side by side; the label is for screen readers alone."""
    options, called = _options(parameters, name, names, "")
    st.segmented_control(
        label,
        options,
        format_func=called.__getitem__,
        required=True,
        key=widget_key(parameters.page, name),
        label_visibility="visible" if visible else "collapsed",
    )


def view(parameters: LinkParameters, frame: Frame, chosen: str, names: Names) -> str:
    """Draw the views of a page side by side, or the title of the one that is a slide.

    Parameters
    ----------
    parameters : LinkParameters
        Those of the page, `view` among them.
    frame : Frame
        A slide has the name of its view, with underlines.
    chosen : str
        View that the page is asked for.
    names : mapping of str to str
        What the views are called, marked by `N_`.

    Returns
    -------
    str
        The view to draw.
    """
    if not frame.slide:
        switch(parameters, "view", _("View"), names)
        return chosen
    shown = frame.show.replace("_", "-")
    style.slide_title(_(names[shown]))
    return shown


def number(parameters: LinkParameters, name: str, label: str, step: float = 1) -> None:
    """Draw the box of a `Number`."""
    declared, kind = _number(parameters, name)
    key = widget_key(parameters.page, name)
    st.number_input(label, kind(declared.low), kind(declared.high), step=kind(step), key=key)


def slider(parameters: LinkParameters, name: str, label: str, step: float | None = None) -> None:
    """Draw the slider of a `Number`, written as the browser's language writes numbers."""
    declared, kind = _number(parameters, name)
    steps = {} if step is None else {"step": kind(step)}
    key = widget_key(parameters.page, name)
    least, most = kind(declared.low), kind(declared.high)
    st.slider(label, least, most, key=key, format="localized", **steps)


def heading(text: str) -> str:
    """Text of a column's head, which begins as those of all tables do.

    >>> heading("peak [TFLOP/s]"), heading("")
    ('Peak [TFLOP/s]', '')
    """
    return text[:1].upper() + text[1:]


def number_column(text: str) -> Any:
    """Column of numbers in a table, written as the browser's language writes them."""
    return st.column_config.NumberColumn(heading(text), format="localized")


def typed(parameters: LinkParameters, names: Names) -> None:
    """Draw a box for each parameter that is typed: `names` holds them with their labels."""
    for name, label in names.items():
        st.text_input(_(label), key=widget_key(parameters.page, name))


def _options(
    parameters: LinkParameters, name: str, names: Names, rest: str
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Options of a choice, and what each is called."""
    declared = parameters.declared(name)
    assert isinstance(declared, Choice)
    called = {one: _(names[one]) if one in names else rest or one for one in declared.options}
    return tuple(declared.options), called


def _number(parameters: LinkParameters, name: str) -> tuple[Number, Any]:
    """Return the number as declared, and the type that its widget holds."""
    declared = parameters.declared(name)
    assert isinstance(declared, Number)
    return declared, int if declared.whole else float
