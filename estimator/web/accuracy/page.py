"""Page Accuracy: predictions scored on held-out published runs."""

from collections.abc import Callable, Mapping

import pandas as pd
import streamlit as st

from estimator.networks.kinds import kind_of_domain
from estimator.validation.cross_validation import Score
from estimator.validation.held_out import WORST, HeldOut, validation_report
from estimator.web.accuracy import charts, groups, score_tables, tables
from estimator.web.accuracy import text as words
from estimator.web.shared import share, style, widgets
from estimator.web.shared.frame import Frame
from estimator.web.shared.kit import PageQuestion, Values, title
from estimator.web.shared.language import N_, _, current
from estimator.web.shared.navigation import ACCURACY
from estimator.web.shared.profiles import cached_per_server, open_catalog
from estimator.web.shared.url_state import Choice, LinkParameters, Number

WAITING = (
    "Predicting every published run by a model that has not seen its family: a few seconds, "
    "once per server …"
)


SLIDE_ROWS, SLIDE_GROUPS = 2, 6
"""Misses, and groups, that fit on a slide."""


@st.cache_resource(show_spinner=WAITING)
def open_report() -> HeldOut:
    """Return the held-out score, computed once per server."""
    return validation_report(open_catalog())


def _answer(values: Values) -> HeldOut:
    """Return the score of the runs that the filters leave."""
    report = open_report()
    chosen = groups.chosen(report, values)
    if not chosen.any():
        raise ValueError(_("No published run is left: widen the filters."))
    return report.part(chosen)


def _draw(values: Values, report: HeldOut, frame: Frame) -> None:
    """Draw the sentence, the figures and the sections, or the one that the link asks for."""
    tables.write_stylesheet(frame.look)
    table = groups.groups_table(report)
    sentence = words.sentence(report, values, years())
    if frame.slide:
        if frame.show in ("runs", "errors"):
            style.sentence(sentence)
            SECTIONS[frame.show](report, table, values, frame)
        else:
            SECTIONS[frame.show](report, table, values, frame)
            style.caption_html(sentence)
        return
    style.sentence(sentence)
    style.figures(style.figure(*card) for card in words.cards(table))
    for section in SECTIONS.values():
        section(report, table, values, frame)
    _fit_sees()
    tooltip = _("Selects all runs again.")
    usual = PARAMETERS.from_link({})[0]
    widgets.button(_("Reset"), "accuracy_reset", QUESTION.inputs.choose, usual, tooltip=tooltip)


def _runs(report: HeldOut, table: pd.DataFrame, filters: Values, frame: Frame) -> None:
    """Draw predicted against reported device-hours."""
    st.subheader(_("Predicted against reported"), anchor=False)
    whole = open_report()
    chosen = groups.chosen(whole, filters)[groups.worst_first(whole)]
    rows = _every_run(current())[chosen]
    charts.draw_runs(rows, frame.look, words.alt_of_runs(report))
    style.caption(
        _(
            "Runs on the line are predicted exactly, those in the band within a factor of 2. "
            "Point at a run for its name, device, ratio and source."
        )
    )


@cached_per_server
def _every_run(spoken: str) -> pd.DataFrame:
    """Every run as in the scatter, cached by language; filters only select."""
    return groups.runs_table(open_report(), open_catalog())


def _errors(report: HeldOut, table: pd.DataFrame, filters: Values, frame: Frame) -> None:
    """Draw the median error of groups next to a constant's."""
    st.subheader(_("Largest errors"), anchor=False)
    widgets.switch(PARAMETERS, "by", _("Group by"), groups.DIMENSIONS)
    shown = _largest(table, filters["by"]) if frame.slide else table
    rows = groups.errors_table(shown, filters["by"])
    charts.draw_errors(rows, frame.look, words.alt_of_errors(rows, filters["by"]))
    style.caption(words.better(table))


def _largest(table: pd.DataFrame, dimension: str) -> pd.DataFrame:
    """All runs, and the largest groups of a dimension, as many as fit on a slide."""
    chosen = table[table["dimension"].isin(["", dimension])]
    return chosen.loc[chosen["count"].nlargest(SLIDE_GROUPS).index.sort_values()]


def _groups(report: HeldOut, table: pd.DataFrame, filters: Values, frame: Frame) -> None:
    """Draw the table of groups."""
    st.subheader(_("Every group, next to two constants"), anchor=False)
    shown = table
    if frame.slide:
        shown = table[table["dimension"].isin(["", filters["by"]])].head(SLIDE_GROUPS)
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


def _worst(report: HeldOut, table: pd.DataFrame, filters: Values, frame: Frame) -> None:
    """Draw the worst misses."""
    st.subheader(_("Worst predictions"), anchor=False)
    whole = open_report()
    most = SLIDE_ROWS if frame.slide else WORST
    tables.draw_worst(whole, groups.chosen(whole, filters), open_catalog(), most)


@cached_per_server
def _metered() -> Mapping[str, Score]:
    """Return the energy score, computed once per server."""
    return score_tables.energy_table(open_catalog(), open_report())


Section = Callable[[HeldOut, pd.DataFrame, Values, Frame], None]


def _scores(name: str, title: str, draw: Callable[[bool], None], caption: str) -> Section:
    """Section of an unfiltered score, folded on the page; `draw` takes whether it is on a slide."""

    def section(report: HeldOut, table: pd.DataFrame, filters: Values, frame: Frame) -> None:
        if frame.slide:
            st.subheader(_(title), anchor=False)
            draw(True)
            return
        with style.folded(_(title), f"accuracy_{name}") as fold:
            if fold.open:
                draw(False)
                style.caption(_(caption))

    return section


def _change(slide: bool) -> None:
    """Draw the scores of the previous and current model side by side, on all runs."""
    score_tables.draw_change(open_report(), open_catalog(), slide=slide)
    if not slide:
        style.caption(words.strict(open_report()))


SECTIONS: Mapping[str, Section] = {
    "runs": _runs,
    "errors": _errors,
    "groups": _groups,
    "worst": _worst,
    "change": _scores("change", N_("Changes and held-out data"), _change, words.CHANGE),
    "energy": _scores(
        "energy",
        N_("Energy: runs with a meter"),
        lambda slide: score_tables.draw_energy(_metered(), slide=slide),
        words.ENERGY,
    ),
    "memory": _scores(
        "memory",
        N_("Memory: measured peaks"),
        lambda slide: score_tables.draw_memory(open_catalog(), slide=slide),
        words.MEMORY,
    ),
    "serving": _scores(
        "serving",
        N_("Serving: measured latency, throughput, power"),
        lambda slide: score_tables.draw_serving(open_catalog(), slide=slide),
        words.SERVING,
    ),
}


def _fit_sees() -> None:
    """Draw the features of a run that the model sees, and the rows left out."""
    st.subheader(_("Features inside and outside the fit"), anchor=False)
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


def _files(values: Values, report: HeldOut) -> tuple[share.File, ...]:
    """Return the downloads."""
    name = "twenty-watts"
    return (
        share.csv(
            f"{name}-groups",
            lambda: groups.groups_table(report, ranges=True),
            N_("Groups as CSV"),
        ),
        share.csv(f"{name}-runs", report.run_rows, N_("Runs as CSV")),
        share.json(f"{name}-accuracy", lambda: report.as_json(with_runs=True)),
    )


@cached_per_server
def kinds() -> dict[str, str]:
    """Kinds of work of the published runs."""
    found = {kind_of_domain(row["domain"]) for row in open_catalog().published_runs()}
    return {groups.ALL: N_("all types")} | {name: name for name in sorted(found)}


@cached_per_server
def years() -> tuple[int, int]:
    """First and last year of the published runs."""
    found = [int(float(row["year"])) for row in open_catalog().published_runs()]
    return min(found), max(found)


def _year(name: str, usual: int, label: str) -> Number:
    """Year that the runs chosen begin or end with."""
    first, last = years()
    tooltip = N_("Only runs published in these years.")
    return Number(name, usual, first, last, True, slides=True, label=label, help=tooltip)


PARAMETERS = LinkParameters(
    "accuracy",
    Choice(
        "work",
        tuple(kinds()),
        label=N_("Workload type"),
        help=N_("Only runs of this workload type."),
        called=kinds,
    ),
    Choice(
        "device",
        tuple(groups.DEVICES),
        label=N_("Device"),
        help=N_("Only runs on this generation of devices."),
        called=lambda: groups.DEVICES,
    ),
    _year("from", years()[0], N_("From year")),
    _year("to", years()[1], N_("To year")),
    Choice("by", tuple(groups.DIMENSIONS), help=N_("Grouping of the runs in the chart below.")),
)
SLIDES = {
    "runs": N_("predicted against reported device-hours"),
    "errors": N_("largest errors"),
    "groups": N_("every group, next to two constants"),
    "worst": N_("worst predictions"),
    "change": N_("changes and held-out data"),
    "energy": N_("energy against meters"),
    "memory": N_("memory against measured peaks"),
    "serving": N_("serving against measurements"),
}

QUESTION = PageQuestion(
    inputs=PARAMETERS,
    answer=_answer,
    view=_draw,
    title=title(N_("Accuracy")),
    heading=lambda values, frame: "",
    slides=SLIDES,
    files=_files,
)
PAGE = QUESTION.page(N_("Accuracy"), ACCURACY)
