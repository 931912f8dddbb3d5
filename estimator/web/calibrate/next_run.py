"""Suggested next measurements of a device on the page Calibrate, with commands."""

import streamlit as st

from estimator.answer.scenario_estimate import Answer, answer_scenario
from estimator.calibration.correction import Known
from estimator.calibration.measured_utilization import Target
from estimator.calibration.next_run import Worth, best_of_each_way, next_runs
from estimator.catalog import Device
from estimator.web.calibrate import text as words
from estimator.web.shared import style
from estimator.web.shared.language import _

FEW, FEW_ON_SLIDE = 4, 1
"""Suggestions of each kind on the page and on a slide."""

MOST_ON_SLIDE = 2
"""Suggestions with commands that fit on a slide."""


def draw_next(known: Known, device: Device, precision: str, *, slide: bool) -> None:
    """Draw the most informative measurements, with commands."""
    answer = _open_answer(device, known)
    target = precision if answer is None else answer.target
    few = FEW_ON_SLIDE if slide else FEW
    found = best_of_each_way(_worths(known, device, target), few)
    found = [one for one in found if one.narrower >= 0.005]
    found = found[:MOST_ON_SLIDE] if slide else found
    if not found:
        style.caption(_("No further run would narrow the interval by much."))
        return
    aim = _("for all types of training in {precision} on this device").format(precision=precision)
    if answer is not None:
        aim = _("for the run on the page Estimate")
    text = _(
        "What would narrow the interval of the utilization most, {aim}. Factors are the upper "
        "bound over the middle; type the command yourself, no page starts one."
    )
    style.caption(text.format(aim=aim))
    for one in found:
        st.markdown(words.worth(one))
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
