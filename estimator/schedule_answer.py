"""What does an answered run emit if it starts at an hour of a profile of the grid?"""

from dataclasses import replace

from estimator.answer import Answer
from estimator.chain import estimate
from estimator.schedule_lookup import Floats, check_start, on_schedule
from estimator.trail import Trail


def on_profile(answer: Answer, hourly: Floats, start_h: float) -> Answer:
    """The same run by the hours that it covers, with the best start as its plan.

    Parameters
    ----------
    answer : Answer
    hourly : array
        Intensity of each hour of a profile that repeats [kgCO2e/kWh].
    start_h : float
        Hour of the profile at which the run starts [h].

    Raises
    ------
    ValueError
        If the start is no hour of the profile.
    """
    check_start(start_h, hourly)
    trail = Trail(inputs=dict(answer.inputs), warnings=list(answer.warnings))
    timed = replace(answer.scenario, start=start_h)
    wall_hours = answer.estimate["wall_hours"]
    site, plan = on_schedule(timed, hourly, wall_hours, answer.site, trail)
    return replace(
        answer,
        site=site,
        plan=plan,
        inputs=trail.inputs,
        estimate=estimate(answer.workload, answer.hardware, site, answer.run),
    )
