"""The second page: how right are we, scored on published runs that the model has not seen."""

from collections.abc import Callable, Mapping

import pandas as pd
import streamlit as st

from estimator.validation.cross_validation import Score
from estimator.validation.held_out import WORST, HeldOut, validation_report
from estimator.web.accuracy import address, charts, groups, score_tables, tables
from estimator.web.accuracy import text as words
from estimator.web.accuracy.address import Filters
from estimator.web.shared import share, style, widgets
from estimator.web.shared.frame import Frame
from estimator.web.shared.language import N_, _, current
from estimator.web.shared.profiles import kept, open_catalog
from estimator.web.shared.site import ACCURACY, Page, controls
from estimator.web.shared.url_state import UrlState

WAITING = (
    "Predicting every published run by a model that has not seen its family: a few seconds, "
    "once per server …"
)


SLIDE_ROWS, SLIDE_GROUPS = 2, 6
"""So many misses, and so many groups, fit a slide."""


def draw(frame: Frame) -> None:
    """Draw the page: the score of the runs that the filters leave, then what it is made of."""
    tables.write_stylesheet(frame.look)
    report = open_report()
    filters = share.begin(STATE)
    chosen = address.chosen(report, filters)
    if chosen.any():
        _score(report.part(chosen), filters, frame)
    else:
        style.sentence(_("No published run is left: widen the filters."))
    with controls(frame):
        _filters(report, filters)
    share.leave(STATE, address.as_query(filters), frame)


@st.cache_resource(show_spinner=WAITING)
def open_report() -> HeldOut:
    """Return the blind score, computed once per server."""
    return validation_report(open_catalog())


def _score(report: HeldOut, filters: Filters, frame: Frame) -> None:
    """Draw the sentence, the figures and the sections, or the one that the link asks for."""
    table = groups.groups_table(report)
    usual = address.every(open_report())
    sentence = words.sentence(report, filters, (usual.first, usual.last))
    if frame.slide:
        SECTIONS[frame.show](report, table, filters, frame)
        style.caption_html(sentence)
        return
    style.sentence(sentence)
    style.figures(style.figure(*card) for card in words.cards(table))
    for section in SECTIONS.values():
        section(report, table, filters, frame)
    _fit_sees(report)
    _share(report, filters)


def _runs(report: HeldOut, table: pd.DataFrame, filters: Filters, frame: Frame) -> None:
    """Draw predicted against reported device-hours."""
    st.subheader(_("Predicted against reported"), anchor=False)
    whole = open_report()
    chosen = address.chosen(whole, filters)[groups.worst_first(whole)]
    rows = _every_run(current())[chosen]
    charts.draw_runs(rows, frame.look, words.alt_of_runs(report))
    style.caption(
        _(
            "On the line: right. In the band: within a factor of 2. Point at a run for its name, "
            "device, ratio and source."
        )
    )


@kept
def _every_run(spoken: str) -> pd.DataFrame:
    """Every run as the scatter shows it in a language; filters only choose among them."""
    return groups.runs_table(open_report(), open_catalog())


def _errors(report: HeldOut, table: pd.DataFrame, filters: Filters, frame: Frame) -> None:
    """Draw the median error of groups, beside that of a constant."""
    st.subheader(_("Where we are further off"), anchor=False)
    st.segmented_control(
        _("Group by"),
        list(groups.DIMENSIONS),
        format_func=lambda name: _(groups.DIMENSIONS[name]),
        required=True,
        label_visibility="collapsed",
        help=_("Grouping of the runs in the chart below."),
        **STATE.beginning(address.KEYS["by"], "default"),
    )
    shown = _largest(table, filters.by) if frame.slide else table
    rows = groups.errors_table(shown, filters.by)
    charts.draw_errors(rows, frame.look, words.alt_of_errors(rows, filters.by))
    style.caption(words.better(table))


def _largest(table: pd.DataFrame, dimension: str) -> pd.DataFrame:
    """All runs and the groups of a dimension that have the most, as many as a slide holds."""
    chosen = table[table["dimension"].isin(["", dimension])]
    return chosen.loc[chosen["count"].nlargest(SLIDE_GROUPS).index.sort_values()]


def _groups(report: HeldOut, table: pd.DataFrame, filters: Filters, frame: Frame) -> None:
    """Draw the table of groups."""
    st.subheader(_("Every group, next to two constants"), anchor=False)
    shown = table
    if frame.slide:
        shown = table[table["dimension"].isin(["", filters.by])].head(SLIDE_GROUPS)
    tables.draw_groups(shown)
    if frame.slide:
        return
    style.caption(
        _(
            "Ours, and calculators that take a utilization of 0.30 or 0.375 for every run. The "
            "least error is bold. {few} Runs of one family are alike, so the error by family is "
            "the fairer one."
        ).format(few=words.few())
    )


def _worst(report: HeldOut, table: pd.DataFrame, filters: Filters, frame: Frame) -> None:
    """Draw the worst misses."""
    st.subheader(_("The worst misses"), anchor=False)
    whole = open_report()
    most = SLIDE_ROWS if frame.slide else WORST
    tables.draw_worst(whole, address.chosen(whole, filters), open_catalog(), most)


def _change(report: HeldOut, table: pd.DataFrame, filters: Filters, frame: Frame) -> None:
    """Draw the earlier model and the present one side by side, on all runs."""
    st.subheader(_("Changes, and what is held out"), anchor=False)
    score_tables.draw_change(open_report(), open_catalog(), slide=frame.slide)
    if not frame.slide:
        style.caption(words.strict(open_report()))
        style.caption(_(words.CHANGE))


@kept
def _metered() -> Mapping[str, Score]:
    """Return the score of the energy, computed once per server."""
    return score_tables.energy_table(open_catalog(), open_report())


Section = Callable[[HeldOut, pd.DataFrame, Filters, Frame], None]


def _scores(title: str, draw: Callable[[bool], None], caption: str) -> Section:
    """Section of a score of its own, whatever the filters say; `draw` takes whether on a slide."""

    def section(report: HeldOut, table: pd.DataFrame, filters: Filters, frame: Frame) -> None:
        st.subheader(_(title), anchor=False)
        draw(frame.slide)
        if not frame.slide:
            style.caption(_(caption))

    return section


SECTIONS: Mapping[str, Section] = {
    "runs": _runs,
    "errors": _errors,
    "groups": _groups,
    "worst": _worst,
    "change": _change,
    "energy": _scores(
        N_("Energy: runs with a meter"),
        lambda slide: score_tables.draw_energy(_metered(), slide=slide),
        words.ENERGY,
    ),
    "memory": _scores(
        N_("Memory: measured peaks"),
        lambda slide: score_tables.draw_memory(open_catalog(), slide=slide),
        words.MEMORY,
    ),
    "serving": _scores(
        N_("Serving: measured latency, throughput, power"),
        lambda slide: score_tables.draw_serving(open_catalog(), slide=slide),
        words.SERVING,
    ),
}


def _fit_sees(report: HeldOut) -> None:
    """Draw what the model knows of a run, and which rows could not be scored."""
    st.subheader(_("Features that the fit sees, and others"), anchor=False)
    style.assumptions([_(words.SEES)])
    st.subheader(_("Rows left out"), anchor=False)
    whole = open_report()
    count = sum(whole.left_out.values())
    style.caption(
        _(
            "Of {rows} rows of the table of published runs, {count} cannot test a prediction of "
            "time, whatever the filters say:"
        ).format(rows=count + len(whole.published.rows), count=count)
    )
    tables.draw_left_out(whole.left_out)


def _share(report: HeldOut, filters: Filters) -> None:
    """Draw the link, the downloads and the snippets."""
    name = "twenty-watts"
    files = (
        share.csv(
            f"{name}-groups",
            lambda: groups.groups_table(report, ranges=True),
            N_("Groups as CSV"),
        ),
        share.csv(f"{name}-runs", report.run_rows, N_("Runs as CSV")),
        share.json(f"{name}-accuracy", lambda: report.as_json(with_runs=True)),
    )
    share.draw(SLIDES, address.as_query(filters), title=_("Accuracy"), files=files)
    tooltip = _("Chooses all runs again.")
    usual = address.every(open_report())
    widgets.button(_("Reset"), "accuracy_reset", STATE.choose, usual, tooltip=tooltip)


def _filters(report: HeldOut, filters: Filters) -> None:
    """Draw the filters."""
    st.subheader(_("Which runs"), anchor=False)
    kinds, devices = address.works(report), list(address.DEVICES)
    st.selectbox(
        _("Kind of work"),
        kinds,
        format_func=lambda name: _("all kinds") if name == address.ALL else _(name),
        help=_("Runs of this kind of work only."),
        **STATE.beginning(address.KEYS["work"], "index", kinds.index),
    )
    st.selectbox(
        _("Device"),
        devices,
        format_func=lambda name: _(address.DEVICES[name]),
        help=_("Runs on this generation of devices only."),
        **STATE.beginning(address.KEYS["device"], "index", devices.index),
    )
    usual = address.every(report)
    years = STATE.beginning(address.YEARS)
    tooltip = _("Runs published in these years only.")
    st.slider(_("Years"), usual.first, usual.last, step=1, help=tooltip, **years)
    st.caption(_("Everything on the page, downloads included, is about the runs chosen here."))


STATE = UrlState("accuracy", address.FiltersCodec(open_report))

SLIDES = {
    "runs": N_("predicted against reported device-hours"),
    "errors": N_("where we are further off"),
    "groups": N_("every group, next to two constants"),
    "worst": N_("the worst misses"),
    "change": N_("what changed, and how it is held out"),
    "energy": N_("energy against meters"),
    "memory": N_("memory against measured peaks"),
    "serving": N_("serving against measurements"),
}

PAGE = Page(path="accuracy", title=N_("Accuracy"), group=ACCURACY, draw=draw, slides=SLIDES)
