"""Live readings on the page Calibrate: runs in progress, or the meters."""

from datetime import UTC, datetime

import streamlit as st

from estimator.core.units import human_duration
from estimator.measure.live import Course
from estimator.runs import look_up
from estimator.runs.record import MeasuredRun
from estimator.web.calibrate import charts, live, tables
from estimator.web.calibrate import text as words
from estimator.web.shared import language, style
from estimator.web.shared.amounts import localised
from estimator.web.shared.charts import Look
from estimator.web.shared.language import N_, _

RUNNING = {"bench": N_("A benchmark"), "run": N_("A command")}
A_SCRIPT = N_("A script")


def draw_now(look: Look) -> None:
    """Draw live readings repeatedly, or a line if not authorised."""
    if not live.allowed():
        style.caption(
            _(
                "Live readings are off. Start the app with twenty-watts app --live on the machine "
                "itself, and open the link that it prints."
            )
        )
        return
    st.fragment(_now, run_every=live.EVERY_S)(look, language.current())


def _now(look: Look, spoken: str) -> None:
    """Draw the runs in progress, or the meters if there are none."""
    language.use(spoken)
    runs = live.running(look_up()[0])
    for run in runs:
        elapsed_s = _elapsed_s(run)
        name = run.label or _(RUNNING.get(run.origin, A_SCRIPT))
        style.caption(
            _("{name} has been running for {time}, run {run}.").format(
                name=name, time=localised(human_duration(max(elapsed_s, 1.0))), run=run.id
            )
        )
        _courses(live.so_far(run, elapsed_s), run.id, look)
    if runs:
        return
    meters = live.watch()
    found = meters.look()
    if found:
        style.caption(_("No run is in progress; these are the readings of the machine's meters."))
        _courses(found, "meters", look)
        return
    style.caption(_("No run is in progress, and no meter of this machine can be read:"))
    style.assumptions(_note(line) for line in meters.notes)


def _note(line: str) -> str:
    """Translated reason why a meter cannot be read."""
    component, _colon, reason = line.partition(": ")
    return f"{component}: {_(reason)}"


def _courses(found: tuple[Course, ...], key: str, look: Look) -> None:
    """Draw figures and lines of some components."""
    if not found:
        style.caption(_("No sample has been received yet."))
        return
    style.figures(style.figure(*card) for card in words.courses(found))
    table = tables.courses_table(found)
    if len(table) > 1:
        alt = words.alt_of_courses(found)
        charts.draw_courses(table, look, alt, f"chart_live_{key}")


def _elapsed_s(run: MeasuredRun) -> float:
    started = datetime.fromisoformat(run.started)
    started = started if started.tzinfo else started.replace(tzinfo=UTC)
    return (datetime.now(UTC) - started).total_seconds()
