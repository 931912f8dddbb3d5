"""Page Calibrate: what measuring changed, forecast of a program, and the next step."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from estimator.answer.scenario_estimate import Answer, answer_scenario
from estimator.answer.usual_run import usual_flop
from estimator.calibration.cells import has_precisions, measured_precisions
from estimator.calibration.correction import Known, known_runs
from estimator.calibration.devices import device_figures
from estimator.calibration.measured_utilization import Target, run_counts
from estimator.calibration.next_run import (
    Worth,
    best_of_each_way,
    factor_text,
    formats,
    next_runs,
)
from estimator.catalog import Device
from estimator.core.units import human
from estimator.runs import look_up
from estimator.runs.figures import DeviceFigures
from estimator.runs.record import MeasuredRun
from estimator.web.calibrate import before_after, live, runs_table
from estimator.web.calibrate.whole_run import draw_whole
from estimator.web.estimate.inputs import DEFAULT
from estimator.web.shared import style
from estimator.web.shared.amounts import localised, sentence
from estimator.web.shared.frame import Frame, shortened
from estimator.web.shared.kit import PageQuestion, Values
from estimator.web.shared.language import N_, _
from estimator.web.shared.navigation import MODELS
from estimator.web.shared.profiles import cached_per_server, hardware_names, open_catalog
from estimator.web.shared.url_state import LineOfText, LinkParameters, Query, State, widget_key

HIDDEN = N_("some measured runs could not be read; see the server's log")

FEW = 4
"""Suggested measurements of each kind."""

LEAST_NARROWER = 0.005
"""Share of the interval that a suggested measurement must save [1]."""

COMMANDS = (
    (N_("Measure this machine, about two minutes:"), "twenty-watts calibrate bench"),
    (
        N_("Forecast a training run from its first minute:"),
        "twenty-watts forecast --keep-going -- python train.py",
    ),
    (N_("Then reload this page, or run:"), "twenty-watts calibrate show"),
)
"""Commands that measure, with their purpose."""


def measured_devices(known: Known) -> list[str]:
    """Ids of measured devices with a profile, local ones first, shipped ones last."""
    shipped = {one.run.id for one in known.catalog.calibrations()}
    runs = sorted(known.measured.runs, key=lambda run: run.started, reverse=True)
    own = sorted(runs, key=lambda run: (run.id in shipped, run.host.id != known.measured.host))
    names = [one.hardware for run in own if not run.simulated for one in run.devices]
    every = known.catalog.device_names()
    return [name for name in dict.fromkeys(names) if name is not None and name in every]


def usual_device(known: Known) -> str:
    """Device last measured here, or that of the Estimate page."""
    state = st.session_state
    open_one = state["_scenario"].hardware if "_scenario" in state else DEFAULT.hardware
    found = known.catalog.find_device(open_one or "")
    return next(iter(measured_devices(known)), found or "h100-sxm")


class DeviceParameters(LinkParameters):
    """Device, and a number format that it was measured in or trains in."""

    def from_link(self, query: Query) -> tuple[dict[str, Any], list[str]]:
        """Selection in a URL, with notices on unusable parts."""
        known, notices = known_runs(open_catalog()), []
        device = usual_device(known)
        if "device" in query:
            found = known.catalog.find_device(query["device"])
            if found is None or not has_precisions(known, known.catalog.device(found)):
                text = _(
                    "“device” is {given}, which is not a known training device: {usual} is shown"
                )
                notices.append(text.format(given=shortened(query["device"]), usual=device))
            else:
                device = found
        formats = measured_precisions(known, known.catalog.device(device))
        precision = query.get("precision", formats[0])
        if precision not in formats:
            text = _("“precision” is {given}, and {device} has {known}: {usual} is shown")
            given, known_formats = shortened(precision), ", ".join(formats)
            precision = formats[0]
            notices.append(
                text.format(given=given, device=device, known=known_formats, usual=precision)
            )
        return {"device": device, "precision": precision}, notices

    def gather(self, state: State, last: dict[str, Any]) -> dict[str, Any]:
        """Return the selection; an unsupported format is replaced by the usual one."""
        found, known = super().gather(state, last), known_runs(open_catalog())
        formats = measured_precisions(known, known.catalog.device(found["device"]))
        if found["precision"] not in formats:
            found["precision"] = formats[0]
            if (key := widget_key(self.page, "precision")) in state:
                state[key] = formats[0]
        return found


PARAMETERS = DeviceParameters(
    "calibrate",
    LineOfText("device", help=N_("Device whose measured runs are shown. Type to search.")),
    LineOfText("precision", help=N_("Number format of the measured arithmetic.")),
)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Device, format and runs that the page shows.

    Parameters
    ----------
    known : Known
        All runs that correct predictions.
    runs : list of MeasuredRun
        Stored runs, and shipped ones.
    own : list of MeasuredRun
        Stored runs.
    notes : list of str
        Problems of the store.
    device : Device
    precision : str
    cells : list of ExpectedCell
        Kinds of network in the selected format, before and after measuring.
    """

    known: Known
    runs: list[MeasuredRun]
    own: list[MeasuredRun]
    notes: list[str]
    device: Device
    precision: str
    cells: list[before_after.ExpectedCell]


def _answer(values: Values) -> Seen:
    """Return the measured runs, and those of the selected device."""
    own, notes = look_up()
    catalog = open_catalog()
    known, device = known_runs(catalog), catalog.device(values["device"])
    shipped = [one.run for one in catalog.calibrations()]
    return Seen(
        known=known,
        runs=list({run.id: run for run in (*shipped, *own)}.values()),
        own=own,
        notes=notes,
        device=device,
        precision=values["precision"],
        cells=before_after.expected_cells(known, device, values["precision"]),
    )


def _draw(values: Values, seen: Seen, frame: Frame) -> None:
    """Draw what measuring changed, the forecast and the next step; the rest is folded."""
    _notices(seen.notes)
    if frame.slide:
        SLIDES_DRAWN[frame.show](seen, frame)
        return
    going = any(run.state == "running" for run in seen.own)
    if going:
        _live(seen, frame)
    if not seen.own:
        _teach()
    _change(seen)
    if seen.own:
        _whole(seen, frame)
        _next(seen, frame)
    _before_after(seen, frame)
    for name, title, section in (
        ("live", N_("Live power"), _live),
        ("runs", N_("Measured runs"), _runs),
    ):
        if not (going and name == "live"):
            with style.folded(_(title), f"calibrate_{name}_fold") as fold:
                if fold.open:
                    section(seen, frame)


def _notices(notes: list[str]) -> None:
    """Draw notices on the store."""
    kept = st.session_state.setdefault("_calibrate_store", [])
    kept += [note for note in notes if note not in kept]
    hidden = kept and not live.at_the_machine()
    style.notices([HIDDEN] if hidden else kept)


def _teach() -> None:
    """Draw the commands that measure."""
    st.subheader(_("Nothing measured here yet"), anchor=False)
    lines = [f"# {_(line)}\n{command}" for line, command in COMMANDS]
    st.code("\n".join(lines), language=None, wrap_lines=True)


def _change(seen: Seen, *, slide: bool = False) -> None:
    """Draw what measuring changed, in a sentence and figures."""
    observations = seen.known.of(seen.device)[0]
    cell = max(seen.cells, key=lambda one: len(one.observations), default=None)
    style.sentence(before_after.sentence(seen.device, cell, *run_counts(observations)))
    if cell is not None and observations and not slide:
        style.figures(before_after.cards(cell, _figures(seen)))


def _before_after(seen: Seen, frame: Frame) -> None:
    """Draw utilization before and after measuring, by kind of network."""
    measured = [one for one in seen.cells if one.observations]
    if not seen.cells:
        return
    st.subheader(_("Before and after measuring"), anchor=False)
    if not frame.slide:
        st.segmented_control(
            _("Number format"),
            measured_precisions(seen.known, seen.device),
            required=True,
            label_visibility="collapsed",
            help=_(PARAMETERS.declared("precision").help),
            **PARAMETERS.beginning("precision", "default"),
        )
    before_after.draw_chart(measured or seen.cells, frame.look)
    if not frame.slide:
        text = _(
            "Utilization is the share of the device’s dense peak, as the page Estimate predicts "
            "for {work} with an unspecified step size; intervals cover 80%.{newest}"
        )
        flop = human(usual_flop(seen.device, seen.precision), "FLOP")
        style.caption(text.format(work=localised(flop), newest=_newest(seen)))


def _picture(seen: Seen, frame: Frame) -> None:
    """Draw the sentence and chart of a slide."""
    _change(seen, slide=True)
    _before_after(seen, frame)


def _newest(seen: Seen) -> str:
    """Date of the newest run, and whether it was measured elsewhere."""
    runs = {one.run: one for one in seen.known.of(seen.device)[0]}
    if not runs:
        return ""
    newest = max(run.started[:10] for run in runs.values())
    text = _(" Newest run: {newest}.").format(newest=newest)
    if any(run.id in runs for run in seen.own):
        return text
    if all(run.host != seen.known.measured.host for run in runs.values()):
        return text + _(
            " The runs shipped with the program, from another machine, so they tell you less about "
            "yours."
        )
    return text + _(" The runs shipped with the program.")


def _figures(seen: Seen) -> DeviceFigures | None:
    """Return the measured figures of the device, if any."""
    measured = [
        run
        for run in seen.runs
        if not run.simulated
        and run.state != "running"
        and any(one.hardware == seen.device.id for one in run.devices)
    ]
    return _figures_of(measured, seen.device.id)


@st.cache_resource(
    show_spinner=False,
    max_entries=16,
    hash_funcs={MeasuredRun: lambda run: (run.id, run.state, len(run.timings))},
)
def _figures_of(runs: list[MeasuredRun], device: str) -> DeviceFigures | None:
    """Return the figures of a device, cached until a run is added."""
    found = device_figures(runs, open_catalog())
    return next((one for one in found if one.hardware == device), None)


def _whole(seen: Seen, frame: Frame) -> None:
    """Draw the forecast of a program, named only for local visitors."""
    st.subheader(_("Forecast of your program"), anchor=False)
    if live.at_the_machine():
        draw_whole(seen.device, seen.own, slide=frame.slide)
    else:
        style.caption(_("Programs are shown only on the machine that runs the server."))


def _next(seen: Seen, frame: Frame) -> None:
    """Draw the most useful next measurement with its command, and the others folded."""
    st.subheader(_("Next step"), anchor=False)
    answer = _open_answer(seen.device, seen.known)
    target = seen.precision if answer is None else answer.target
    found = best_of_each_way(_worths(seen.known, seen.device, target), FEW)
    found = [one for one in found if one.narrower >= LEAST_NARROWER]
    if not found:
        style.caption(_("No further run would narrow the interval by much."))
        return
    aim = _("all training in {precision} on this device").format(precision=seen.precision)
    if answer is not None:
        aim = _("the run on the page Estimate")
    first = max(found, key=lambda one: one.narrower)
    _draw_worth(first)
    text = _("Would narrow the interval of the utilization most, for {aim}.")
    style.caption(text.format(aim=aim))
    rest = [one for one in found if one is not first]
    if rest and not frame.slide:
        with style.folded(_("Other measurements"), "calibrate_next") as fold:
            if fold.open:
                for one in rest:
                    _draw_worth(one)


def _draw_worth(one: Worth) -> None:
    """Draw a measurement, the interval it would leave, and its command."""
    plan = sentence(one.plan.text)
    text = _("{plan}: the interval goes from {now} to {left}, {share}% narrower.")
    st.markdown(
        text.format(
            plan=f"{plan[:1].upper()}{plan[1:]}",
            now=localised(factor_text(one.factor_now)),
            left=localised(factor_text(one.factor_left)),
            share=f"{one.narrower * 100:.0f}",
        )
    )
    st.code(one.plan.command, language=None, wrap_lines=True)


@st.cache_resource(
    show_spinner="Working out what to measure next …",
    max_entries=64,
    hash_funcs={
        Known: lambda known: (
            known.measured.host,
            [(run.id, len(run.timings)) for run in known.measured.runs],
        ),
        Device: lambda device: device.id,
    },
)
def _worths(known: Known, device: Device, target: Target | str) -> list[Worth]:
    """Return suggested measurements, cached until a run is added."""
    return next_runs(known, device, target)


def _open_answer(device: Device, known: Known) -> Answer | None:
    """Answer of the Estimate page, if it is for this device."""
    scenario = st.session_state.get("_scenario")
    if scenario is None or scenario.utilization is not None or scenario.device_hours is not None:
        return None
    answer = answer_scenario(scenario, known.catalog)
    return answer if answer.device.id == device.id else None


def _live(seen: Seen, frame: Frame) -> None:
    """Draw live readings."""
    live.draw_now(frame.look)


def _runs(seen: Seen, frame: Frame) -> None:
    """Draw the table of runs."""
    if not seen.runs:
        style.caption(_("None yet."))
        return
    own = [run.id for run in seen.own]
    table = runs_table.runs_table(seen.runs, own, seen.known.measured.host)
    if not live.at_the_machine():
        table = table.drop(columns="label")
    settings = runs_table.columns()
    st.dataframe(
        table, column_config=settings, hide_index=True, key="calibrate_runs", placeholder=""
    )
    caption = _("Click a column to sort. ")
    if any(run.simulated for run in seen.runs):
        caption += _("Simulated runs used a stub instead of a device and have no effect. ")
    style.caption(
        caption
        + _("Energy covers the components with a meter, without power modeled from the load.")
    )
    st.markdown(_("To share the runs as a file:"))
    st.code("twenty-watts calibrate export -o mine.toml", language=None, wrap_lines=True)


SLIDES_DRAWN = {
    "picture": _picture,
    "whole": _whole,
    "next": _next,
    "live": _live,
    "runs": _runs,
}
SLIDES = {
    "picture": N_("utilization before and after measuring"),
    "whole": N_("forecast of your program"),
    "next": N_("next step"),
    "live": N_("live power"),
    "runs": N_("measured runs"),
}


def _controls(asked: Values, problems: Mapping[str, str], found: Seen | None) -> None:
    """Draw the device selection."""
    known, offered = hardware_names(), _offered(asked["device"])
    names = {name: known.get(name) or open_catalog().device(name).name for name in offered}
    st.selectbox(
        _("Device"),
        offered,
        format_func=names.__getitem__,
        help=_(PARAMETERS.declared("device").help),
        **PARAMETERS.beginning("device", "index", offered.index),
    )
    st.caption(_("Measured devices come first."))


def _offered(chosen: str) -> list[str]:
    """Ids of devices to choose from: measured ones first, then all that train."""
    known = known_runs(open_catalog())
    first = measured_devices(known)
    return list(dict.fromkeys([*first, chosen, *_trained()]))


@cached_per_server
def _trained() -> tuple[str, ...]:
    """Ids of the devices that train in some format."""
    return tuple(name for name in hardware_names() if formats(open_catalog().device(name)))


QUESTION = PageQuestion(
    inputs=PARAMETERS,
    answer=_answer,
    view=_draw,
    title=lambda values: open_catalog().device(values["device"]).name,
    heading=lambda values, frame: _(SLIDES[frame.show]) if frame.show == "live" else "",
    slides=SLIDES,
    controls=_controls,
)
PAGE = QUESTION.page(N_("Calibrate"), MODELS)
