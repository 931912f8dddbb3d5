"""The controls of a scenario, as drawn."""

from collections.abc import Collection, Mapping
from contextlib import nullcontext

import streamlit as st

from estimator.answer.scenario_estimate import Answer
from estimator.core.units import digits
from estimator.question.scenario import INPUTS
from estimator.web.estimate import inputs
from estimator.web.estimate.inputs import Values
from estimator.web.estimate.link import PARAMETERS
from estimator.web.shared import style, widgets
from estimator.web.shared.amounts import localised
from estimator.web.shared.language import N_, _
from estimator.web.shared.profiles import open_catalog, precisions
from estimator.web.shared.url_state import LineOfText, Typed

Problems = Mapping[str, str]
"""Control -> what is wrong with it."""


def draw(
    answer: Answer,
    values: Values,
    problems: Problems,
    *,
    measured: bool,
    without: Collection[str] = (),
) -> None:
    """Draw the controls, with assumed values as placeholders.

    At most eight are visible, and the one for measured runs if there are any. Controls on a slide
    are left out.
    """
    in_sight = ("hardware", "devices", "site", *(("calibration",) if measured else ()))
    work = _work(answer, values, problems)
    for name in in_sight:
        if name not in without:
            draw_one(name, answer, values, problems)
    more_work = [name for name in inputs.OF_WAY[values["way"]] if name not in work]
    drawn = {*inputs.WORK, *work, *in_sight, *without}
    titles = {group: title for group, (title, _groups) in _SECTIONS.items()}
    opened = style.opened(_("More inputs"), titles, "open_controls")
    for section, (title, groups) in _SECTIONS.items():
        names = [
            *(name for name in more_work if section == "work"),
            *(name for name in inputs.OF_ALL if INPUTS[name].group in groups and name not in drawn),
        ]
        if section not in opened and problems.keys().isdisjoint(names):
            continue
        style.section(_(title))
        for name in names:
            hint = _("not timed yet") if name == "device_hours" else ""
            draw_one(name, answer, values, problems, hint)
    undone = _("The back button undoes this")
    if st.context.is_embedded:
        widgets.button(_("Reset to the slide"), "reset", PARAMETERS.forget, tooltip=undone)
    else:
        usual = inputs.values_of(inputs.DEFAULT, values)
        widgets.button(_("Reset"), "reset", PARAMETERS.choose, usual, tooltip=undone)


def draw_one(name: str, answer: Answer, values: Values, problems: Problems, hint: str = "") -> None:
    """Draw the control of an input, and its problem below; `hint` is shown while it is empty."""
    declared = PARAMETERS.declared(name)
    if not declared.label:
        return
    if name == "precision":
        offered = precisions(open_catalog().device(values["hardware"]))
        widgets.choose(PARAMETERS, name, _(declared.label), offered, None)
    elif isinstance(declared, Typed | LineOfText) and name != "config":
        widgets.text(PARAMETERS, name, _(declared.label), hint or _assumed_value(name, answer))
    else:
        widgets.draw_one(PARAMETERS, name)
    if name in problems:
        style.problem(problems[name])


_SECTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "work": (N_("Workload details"), ("network",)),
    "hardware": (N_("Hardware and parallelism"), ("hardware", "parallelism")),
    "place": (N_("Site, prices, interval"), ("place", "money", "answer")),
}
"""Collapsed sections of inputs: titles and input groups."""


def _work(answer: Answer, values: Values, problems: Problems) -> tuple[str, ...]:
    """Draw the way into the page and what gives the work; return the inputs that are drawn."""
    entry, way = values["entry"], values["way"]
    widgets.switch(PARAMETERS, "entry", _("Scenario type"), inputs.ENTRIES)
    ways = inputs.OF_ENTRY[entry]
    if len(ways) > 1:
        names = {name: inputs.WAYS[name] for name in ways}
        widgets.switch(PARAMETERS, "way", _("Specify the workload by"), names, rest=None)
    hints = _HINTS[way]
    if entry == "finetune":
        draw_one("finetune", answer, values, problems)
    with st.container(horizontal=True) if way in _SIDE_BY_SIDE else nullcontext():
        for name, hint in hints.items():
            draw_one(name, answer, values, problems, _(hint))
    return tuple(hints)


_HINTS = {
    "preset": {"preset": "", "tokens": N_("as published")},
    "size": {"params": "7B", "tokens": "2T"},
    "flop": {"flop": "3.14e23", "params": N_("not needed")},
    "samples": {"samples": "100M", "sample_flop": "4.1e9"},
    "hours": {"device_hours": "1.08M"},
    "config": {"config": "", "tokens": "2T", "seq_len": "2048"},
}
"""Way to give the work -> its inputs, and what stands in an empty box."""

_SIDE_BY_SIDE = ("size", "samples")
"""Ways with their numbers in one line."""


def _assumed_value(name: str, answer: Answer) -> str:
    """Return the value that the answer assumed for an unspecified number."""
    item = answer.inputs.get(INPUTS[name].resolved or name)
    if item is None:
        return _("unspecified")
    return f"{localised(digits(item.value))} ({_(item.basis)})"
