"""Emissions of a run by its start hour in a grid profile."""

from dataclasses import replace

from estimator.answer.scenario_estimate import Answer
from estimator.core.carbon_schedule import schedule
from estimator.core.estimate import estimate
from estimator.core.rows import Floats
from estimator.question.carbon_profile import check_start
from estimator.question.provenance import given_value


def on_profile(answer: Answer, hourly: Floats, start_h: float) -> Answer:
    """Return the same run at a start hour, with the best start as its plan.

    Parameters
    ----------
    answer : Answer
    hourly : array
        Carbon intensity of each hour of a repeating profile [kgCO2e/kWh].
    start_h : float
        Hour of the profile at which the run starts [h].

    Raises
    ------
    ValueError
        If the start is not an hour of the profile.
    """
    check_start(start_h, hourly)
    plan = schedule(hourly, start_h, float(answer.estimate["wall_hours"].mid))
    found = given_value("co2e_kg_per_kwh", plan.co2e_kg_per_kwh, "kgCO2e/kWh")
    site = replace(answer.site, co2e_kg_per_kwh=found.value)
    return replace(
        answer,
        scenario=replace(answer.scenario, start=start_h),
        site=site,
        plan=plan,
        replaced=found.inputs,
        estimate=estimate(answer.workload, answer.hardware, site, answer.run),
    )
