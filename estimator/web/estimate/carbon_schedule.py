"""Start time of a run in a visitor's hourly grid profile."""

from io import BytesIO, TextIOWrapper
from math import cos, pi

import streamlit as st

from estimator.answer.scenario_estimate import Answer
from estimator.answer.start_times import on_profile
from estimator.answer.training_report import schedule_of
from estimator.core.rows import Floats
from estimator.question.carbon_profile import FEWEST, MOST, profile_of
from estimator.show.phrases import schedule_line
from estimator.web.shared import style
from estimator.web.shared.amounts import localised, result, sentence
from estimator.web.shared.language import _

HOURS = 24
MAX_PROFILE_MB = 2
"""Largest profile [MB]; a year of hours is half a MB."""


def draw_schedule(answer: Answer) -> None:
    """Draw the upload of a profile, and the effect of the start time."""
    st.subheader(_("Start time"), anchor=False)
    left, right = st.columns([3, 1])
    upload = left.file_uploader(
        _("Hourly carbon intensity of your grid, as CSV"),
        type="csv",
        max_upload_size=MAX_PROFILE_MB,
        key="carbon_file",
        help=_(
            "Columns: time or hour, and co2e_kg_per_kwh or co2e_g_per_kwh; {fewest} to {most} "
            "rows, which repeat. The file stays in this session: no link carries it."
        ).format(fewest=FEWEST, most=MOST),
    )
    start_h = right.number_input(
        _("Starts at hour"),
        min_value=0,
        max_value=MOST - 1,
        step=1,
        key="carbon_start",
        disabled=upload is None,
        help=_("Takes effect with a profile."),
    )
    if upload is None:
        style.caption(_("The figures above use one intensity for the whole run."))
        st.download_button(
            _("Sample file"),
            data=sample,
            file_name="hourly-carbon-sample.csv",
            mime="text/csv",
            on_click="ignore",
            help=_("Example day, cleaner at noon, with the required columns: replace it by yours."),
        )
        return
    try:
        hourly = profile_of_upload(upload.name, upload.getvalue())
        timed = on_profile(answer, hourly, float(start_h))
    except ValueError as error:
        style.problem(str(error))
        return
    _tell(timed)


def sample() -> str:
    """Return a sample day of hourly intensities, to be overwritten.

    >>> sample().splitlines()[:2]
    ['hour,co2e_kg_per_kwh', '0,0.42']
    """
    day = [0.35 + 0.07 * cos(2 * pi * hour / HOURS) for hour in range(HOURS)]
    rows = [f"{hour},{intensity:.2f}" for hour, intensity in enumerate(day)]
    return "\n".join(("hour,co2e_kg_per_kwh", *rows, ""))


def profile_of_upload(name: str, content: bytes) -> Floats:
    """Parse an uploaded CSV file of hourly intensities [kgCO2e/kWh]; errors as for a file."""
    return profile_of(name, TextIOWrapper(BytesIO(content), encoding="utf-8-sig", newline=""))


def _tell(timed: Answer) -> None:
    """Draw the emissions for the covered hours, and the savings of the best start."""
    if timed.plan is None:
        return
    if "operational_co2e_kg" in timed.estimate:
        mass = result("co2e_kg", float(timed.estimate["operational_co2e_kg"].mid))
        mean = localised(f"{timed.plan.co2e_kg_per_kwh:.3g}")
        text = _("By these hours its electricity emits {mass}, at {mean} kgCO2e/kWh.")
        st.markdown(text.format(mass=mass, mean=mean))
    st.markdown(sentence(schedule_line(schedule_of(timed, timed.plan))))
