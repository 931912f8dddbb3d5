"""Page Calibrate: measurements, their effect, and what to measure next."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import streamlit as st

from estimator.calibration.correction import Known, known_runs
from estimator.calibration.devices import device_figures
from estimator.calibration.measured_utilization import run_counts
from estimator.calibration.next_run import formats
from estimator.calibration.posterior import (
    Cell,
    cells,
    main_cell,
    measured_precisions,
    power_cells,
    residuals,
)
from estimator.catalog import Device
from estimator.runs import look_up
from estimator.runs.figures import DeviceFigures
from estimator.runs.record import MeasuredRun
from estimator.web.calibrate import charts, live, tables
from estimator.web.calibrate import text as words
from estimator.web.calibrate.address import PARAMETERS, measured_devices
from estimator.web.calibrate.live_readings import draw_now
from estimator.web.calibrate.next_run import draw_next
from estimator.web.calibrate.whole_run import draw_whole
from estimator.web.shared import style, widgets
from estimator.web.shared.frame import Frame
from estimator.web.shared.html_table import draw_table
from estimator.web.shared.kit import PageQuestion, Values
from estimator.web.shared.language import N_, _
from estimator.web.shared.navigation import MODELS
from estimator.web.shared.profiles import cached_per_server, hardware_names, open_catalog

HIDDEN = N_("some measured runs could not be read; see the server's log")


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
    frame : Frame
    """

    known: Known
    runs: list[MeasuredRun]
    own: list[MeasuredRun]
    notes: list[str]
    device: Device
    precision: str
    frame: Frame = field(default_factory=Frame)

    @cached_property
    def cells(self) -> list[Cell]:
        """Kinds of network in the selected format, before and after measuring."""
        return cells(self.known, self.device, self.precision)


def _answer(values: Values) -> Seen:
    """Return the measured runs, and those of the selected device."""
    own, notes = look_up()
    shipped = [one.run for one in open_catalog().calibrations()]
    kept = {run.id: run for run in (*shipped, *own)}
    return Seen(
        known=known_runs(open_catalog()),
        runs=list(kept.values()),
        own=own,
        notes=notes,
        device=open_catalog().device(values["device"]),
        precision=values["precision"],
    )


def _draw(values: Values, found: Seen, frame: Frame) -> None:
    """Draw the measured runs of a device, and runs in progress."""
    seen = replace(found, frame=frame)
    _notices(seen.notes)
    _head(seen)
    for name in [frame.show] if frame.slide else _order(seen.own):
        SECTIONS[name](seen)
    if not frame.slide:
        st.markdown(_("The runs themselves, as a file for colleagues:"))
        st.code("twenty-watts calibrate export -o mine.toml", language=None, wrap_lines=True)


def _order(own: list[MeasuredRun]) -> list[str]:
    """Section order: effect, forecast, next steps, then the rest.

    Live readings come first during a run.
    """
    going = any(run.state == "running" for run in own)
    return sorted(SECTIONS, key=lambda name: name != "live") if going else list(SECTIONS)


def _notices(notes: list[str]) -> None:
    """Draw notices on unusable parts of the link, and on the store."""
    kept = st.session_state.setdefault("_calibrate_store", [])
    kept += [note for note in notes if note not in kept]
    hidden = kept and not live.at_the_machine()
    style.notices([HIDDEN] if hidden else kept)


def _head(seen: Seen) -> None:
    """Draw the sentence and figures, or how to measure if nothing was."""
    if seen.frame.show in ("live", "whole", "runs"):
        return
    if not seen.own and not seen.frame.slide:
        _teach()
    observations = seen.known.of(seen.device)[0]
    cell = main_cell(seen.known, seen.device)
    if cell is None or cell.precision != seen.precision:
        found = sorted(seen.cells, key=lambda one: -len(one.observations))
        cell = found[0] if found else None
    runs = {one.run: one for one in observations}
    measured = power_cells(seen.known, seen.device, seen.precision)
    if seen.frame.show == "power" and measured:
        most = max(measured, key=lambda one: len(one.observations))
        style.sentence(words.power_sentence(seen.device, most))
        return
    style.sentence(words.sentence(seen.device, cell, *run_counts(observations)))
    if cell is None or not observations or seen.frame.slide:
        return
    style.figures(style.figure(*card) for card in words.cards(cell, _figures(seen)))
    example = ""
    if not any(run.id in runs for run in seen.own):
        example = _(" They were shipped with the program.")
        if all(run.host != seen.known.measured.host for run in runs.values()):
            example = _(
                " They were shipped with the program and measured on another machine, so they "
                "are less informative for yours."
            )
    newest = max(run.started[:10] for run in runs.values())
    text = _(
        "Utilizations are shares of the dense peak in the profile, of a whole run whose steps are "
        "like the middle ones measured; intervals cover 80%. Newest run: {newest}.{example}"
    )
    style.caption(text.format(newest=newest, example=example))


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


def _teach() -> None:
    """Draw three lines on how to measure."""
    st.subheader(_("Nothing measured here yet"), anchor=False)
    lines = [f"# {_(line)}\n{command}" for line, command in words.COMMANDS]
    st.code("\n".join(lines), language=None, wrap_lines=True)
    if open_catalog().calibrations():
        style.caption(
            _(
                "Below are shipped examples, measured on other machines and marked as such in "
                "the list of runs."
            )
        )


def _live(seen: Seen) -> None:
    """Draw live readings."""
    st.subheader(_("Just now"), anchor=False)
    draw_now(seen.frame.look)


def _picture(seen: Seen) -> None:
    """Draw expected utilization before and after calibration."""
    st.subheader(_("Before and after measuring"), anchor=False)
    found = seen.cells
    if not found:
        style.caption(_("The utilization of this device is exact, so there is nothing to measure."))
        return
    if seen.frame.slide:
        found = [one for one in found if one.observations] or found
    else:
        st.segmented_control(
            _("Number format"),
            measured_precisions(seen.known, seen.device),
            required=True,
            label_visibility="collapsed",
            help=_(PARAMETERS.declared("precision").help),
            **QUESTION.inputs.beginning("precision", "default"),
        )
    charts.draw_cells(tables.cells_table(found), seen.frame.look, words.alt_of_cells(found))
    text = _(
        "{device} in {precision}. A measured row applies to steps like the median of those "
        "measured; measurements in another format or kind of work count less."
    )
    style.caption(text.format(device=seen.device.name, precision=seen.precision))


def _power(seen: Seen) -> None:
    """Draw expected power before and after calibration."""
    st.subheader(_("Power before and after measuring"), anchor=False)
    found = power_cells(seen.known, seen.device, seen.precision)
    if not found:
        text = _(
            "No meter has measured the power of {device} under load in {precision}: what is "
            "modelled from the load does not count."
        )
        style.caption(text.format(device=seen.device.name, precision=seen.precision))
        return
    table = tables.cells_table(found, "power")
    charts.draw_cells(table, seen.frame.look, words.alt_of_power(found), of="power")
    text = _(
        "{device} alone, without its host, at the utilization of the middle timing in "
        "{precision}; bars cover 80%. Before: by its profile and published runs."
    )
    style.caption(text.format(device=seen.device.name, precision=seen.precision))


def _residuals(seen: Seen) -> None:
    """Draw each timing against its leave-one-out prediction."""
    st.subheader(_("Each timing, predicted by the others"), anchor=False)
    found = residuals(seen.known, seen.device)
    if not found:
        style.caption(_("This takes at least two timings of training on one device."))
        return
    table = tables.residuals_table(found)
    charts.draw_residuals(table, seen.frame.look, words.alt_of_residuals(table))
    style.caption(words.misses(found))
    if seen.frame.slide:
        return
    with style.folded(_("By program"), "calibrate_programs") as fold:
        if fold.open:
            head = (
                _("program"),
                _("measured"),
                _("median error of the others’ prediction"),
                _("from published runs only"),
                _("in the 80% interval"),
            )
            draw_table([widgets.heading(one) for one in head], tables.program_rows(found))


def _next(seen: Seen) -> None:
    """Draw suggested measurements with commands, folded on the page."""
    title, slide = _("Suggested next measurements"), bool(seen.frame.slide)
    if slide:
        st.subheader(title, anchor=False)
        draw_next(seen.known, seen.device, seen.precision, slide=slide)
        return
    with style.folded(title, "calibrate_next") as fold:
        if fold.open:
            draw_next(seen.known, seen.device, seen.precision, slide=slide)


def _whole(seen: Seen) -> None:
    """Draw the whole run of a program, named only for local visitors."""
    st.subheader(_("The whole run of your program"), anchor=False)
    if not live.at_the_machine():
        style.caption(_("Programs are shown only at the machine that the server runs on."))
        return
    draw_whole(seen.device, seen.own, slide=bool(seen.frame.slide))


def _runs(seen: Seen) -> None:
    """Draw the table of runs."""
    st.subheader(_("The runs"), anchor=False)
    if not seen.runs:
        style.caption(_("None yet."))
        return
    own = [run.id for run in seen.own]
    table = tables.runs_table(seen.runs, own, seen.known.measured.host)
    if not live.at_the_machine():
        table = table.drop(columns="label")
    st.dataframe(
        table, column_config=_columns(), hide_index=True, key="calibrate_runs", placeholder=""
    )
    caption = _("A click on a column sorts it. ")
    if any(run.simulated for run in seen.runs):
        caption += _("Simulated runs used a stub instead of a device and have no effect. ")
    style.caption(
        caption
        + _("Energy covers the components with a meter, without power modeled from the load.")
    )


def _columns() -> dict[str, Any]:
    """Return the column settings of the table of runs."""
    return {
        "started": st.column_config.DatetimeColumn(
            widgets.heading(_("started")), format="YYYY-MM-DD HH:mm"
        ),
        "state": st.column_config.TextColumn(widgets.heading(_("state"))),
        "device": st.column_config.TextColumn(widgets.heading(_("device"))),
        "work": st.column_config.TextColumn(widgets.heading(_("workload type"))),
        "wall_min": widgets.number_column(_("time [min]")),
        "energy_wh": st.column_config.NumberColumn(
            widgets.heading(_("energy [Wh]")), format="%.3g"
        ),
        "meters": st.column_config.TextColumn(widgets.heading(_("meters and their reliability"))),
        "disturbed": st.column_config.TextColumn(widgets.heading(_("disturbed by"))),
        "where": st.column_config.TextColumn(widgets.heading(_("where"))),
        "label": st.column_config.TextColumn(widgets.heading(_("label"))),
        "run": st.column_config.TextColumn(widgets.heading(_("run"))),
    }


SECTIONS: Mapping[str, Callable[[Seen], None]] = {
    "picture": _picture,
    "whole": _whole,
    "next": _next,
    "live": _live,
    "power": _power,
    "residuals": _residuals,
    "runs": _runs,
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
        **QUESTION.inputs.beginning("device", "index", offered.index),
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


SLIDES = {
    "live": N_("current power of the devices"),
    "picture": N_("utilization before and after measuring"),
    "whole": N_("the whole run of your program"),
    "power": N_("power before and after measuring"),
    "residuals": N_("each timing, predicted by the others"),
    "next": N_("suggested next measurements"),
    "runs": N_("the runs"),
}

QUESTION = PageQuestion(
    inputs=PARAMETERS,
    answer=_answer,
    view=_draw,
    title=lambda values: open_catalog().device(values["device"]).name,
    heading=lambda values, frame: "",
    slides=SLIDES,
    controls=_controls,
)
PAGE = QUESTION.page(N_("Calibrate"), MODELS)
