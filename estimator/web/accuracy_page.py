"""The second page: how right are we, scored on published runs that the model has not seen."""

import json
from collections.abc import Callable, Mapping
from typing import cast

import pandas as pd
import streamlit as st

from estimator.validation_report import Report, validation_report
from estimator.web import accuracy_address as address
from estimator.web import accuracy_figures as charts
from estimator.web import accuracy_groups as groups
from estimator.web import accuracy_tables as tables
from estimator.web import accuracy_words as words
from estimator.web import figures, style
from estimator.web.accuracy_address import Filters
from estimator.web.address import View, address_of
from estimator.web.address import view as view_of
from estimator.web.profiles import open_catalog

WAITING = (
    "Predicting every published run by a model that has not seen its family: a few seconds, "
    "once per server …"
)


def page() -> None:
    """Draw the page: the score of the runs that the filters leave, then what it is made of."""
    state, view = st.session_state, view_of()
    show = st.query_params.get("show", "")
    style.write_stylesheet(view.scale, slide=show in SECTIONS)
    tables.write_stylesheet(figures.look(view.scale))
    report = open_report()
    filters = address.arrive(state, report)
    if state["_accuracy_notices"]:
        told = "; ".join(state["_accuracy_notices"])
        st.warning(f"Not all of the link could be used: {told}.")
    chosen = address.chosen(report, filters)
    if chosen.any():
        _score(report.part(chosen), filters, view, show if show in SECTIONS else "")
    else:
        style.sentence("No published run is left: widen the filters.")
    with st.expander("Choose the runs") if view.embedded else st.sidebar:
        _filters(report, filters)
    address.leave(filters, state, embedded=view.embedded)
    style.marker("?" + "&".join("=".join(item) for item in address.as_query(filters).items()))


def open_report() -> Report:
    """Return the blind score, computed once per server."""
    return _computed()


_computed = cast(
    Callable[[], Report],
    st.cache_resource(show_spinner=WAITING)(lambda: validation_report(open_catalog())),
)


def _score(report: Report, filters: Filters, view: View, show: str) -> None:
    """Draw the sentence, the figures and the sections, or the one that the link asks for."""
    table = groups.groups_table(report)
    usual = address.every(open_report())
    style.sentence(words.sentence(report, filters, (usual.first, usual.last)))
    if show:
        SECTIONS[show](report, table, filters, view)
        return
    style.figures(style.figure(*card) for card in words.cards(table))
    for section in SECTIONS.values():
        section(report, table, filters, view)
    _fit_sees(report)
    _share(report, table, filters)


def _runs(report: Report, table: pd.DataFrame, filters: Filters, view: View) -> None:
    """Draw predicted against reported device-hours."""
    st.subheader("Predicted against reported", anchor=False)
    rows = groups.runs_table(report, open_catalog())
    look, alt = figures.look(view.scale), words.alt_of_runs(report)
    charts.draw_runs(rows, look, alt, slide="show" in st.query_params)
    style.caption(
        "On the line: right. In the band: within a factor of 2. Point at a run for its name, "
        "device, ratio and source."
    )


def _errors(report: Report, table: pd.DataFrame, filters: Filters, view: View) -> None:
    """Draw the median error of groups, beside that of a constant."""
    st.subheader("Where we are further off", anchor=False)
    st.segmented_control(
        "Group by",
        list(groups.DIMENSIONS),
        format_func=groups.DIMENSIONS.__getitem__,
        required=True,
        key=address.KEYS["by"],
        label_visibility="collapsed",
    )
    rows = groups.errors_table(table, filters.by)
    look, alt = figures.look(view.scale), words.alt_of_errors(rows, filters.by)
    charts.draw_errors(rows, look, alt, slide="show" in st.query_params)
    style.caption(words.better(table))


def _groups(report: Report, table: pd.DataFrame, filters: Filters, view: View) -> None:
    """Draw the table of groups."""
    st.subheader("Every group, beside two constants", anchor=False)
    tables.draw_groups(table)
    style.caption(
        "Ours, and calculators that take a utilization of 0.30 or 0.375 for every run. The least "
        f"error is bold. {words.few()} Runs of one family are alike, so votes by family are the "
        "fairer count."
    )


def _worst(report: Report, table: pd.DataFrame, filters: Filters, view: View) -> None:
    """Draw the worst misses."""
    st.subheader("The worst misses", anchor=False)
    whole = open_report()
    tables.draw_worst(whole, address.chosen(whole, filters), open_catalog())


SECTIONS: Mapping[str, Callable[[Report, pd.DataFrame, Filters, View], None]] = {
    "runs": _runs,
    "errors": _errors,
    "groups": _groups,
    "worst": _worst,
}
"""What `show` in a link can restrict the page to."""


def _fit_sees(report: Report) -> None:
    """Draw what the model knows of a run, and which rows could not be scored."""
    st.subheader("What the fit sees, and what it does not", anchor=False)
    style.assumptions([words.SEES])
    st.subheader("Rows left out", anchor=False)
    whole = open_report()
    count = sum(whole.left_out.values())
    style.caption(
        f"Of {count + len(whole.published.rows)} rows of the table of published runs, {count} "
        "cannot test a prediction of time, whatever the filters say:"
    )
    tables.draw_left_out(whole.left_out)


def _share(report: Report, table: pd.DataFrame, filters: Filters) -> None:
    """Draw the link and the downloads."""
    st.subheader("Take it along", anchor=False)
    st.markdown("This link opens the same page, every filter included:")
    st.code(address_of(address.as_query(filters)), language=None, wrap_lines=True)
    files: tuple[tuple[str, str, str, Callable[[], str]], ...] = (
        ("Groups as CSV", "groups.csv", "text/csv", lambda: table.to_csv(index=False)),
        ("Runs as CSV", "runs.csv", "text/csv", lambda: _runs_csv(report)),
        ("All as JSON", "accuracy.json", "application/json", lambda: _as_json(report)),
    )
    with st.container(horizontal=True):
        for label, name, mime, data in files:
            st.download_button(
                label, data=data, file_name=f"twenty-watts-{name}", mime=mime, on_click="ignore"
            )
        st.button("Reset", key="accuracy_reset", on_click=_reset)


def _runs_csv(report: Report) -> str:
    return str(pd.DataFrame(report.run_rows()).to_csv(index=False))


def _as_json(report: Report) -> str:
    return json.dumps(report.as_json(with_runs=True), indent=2)


def _reset() -> None:
    """Choose all runs again."""
    address.choose(address.every(open_report()), st.session_state)


def _filters(report: Report, filters: Filters) -> None:
    """Draw the filters."""
    style.brand("Twenty Watts", "what training takes, beside a brain")
    st.subheader("Which runs", anchor=False)
    st.selectbox(
        "Kind of work",
        address.works(report),
        format_func=lambda name: "all kinds" if name == address.ALL else name,
        key=address.KEYS["work"],
    )
    st.selectbox(
        "Device",
        list(address.DEVICES),
        format_func=address.DEVICES.__getitem__,
        key=address.KEYS["device"],
    )
    usual = address.every(report)
    st.slider("Years", usual.first, usual.last, step=1, key=address.YEARS)
    st.caption("Everything on the page, downloads included, is about the runs chosen here.")
