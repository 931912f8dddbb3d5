"""Ratio of two scenarios' results, with its interval."""

from estimator.answer.scenario_estimate import Answer
from estimator.core.uncertainty import Uncertain
from estimator.question.scenario import INPUTS

WORK = ("work", "network")
RUN = (*WORK, "hardware", "parallelism")
PLACE = ("place",)
BEHIND = {
    "work": WORK,
    **dict.fromkeys(("utilization", "power", "power limit", "power cap", "idle power"), RUN),
    **dict.fromkeys(("host", "network", "embodied"), RUN),
    **dict.fromkeys(("PUE", "carbon intensity", "water of electricity"), PLACE),
}
"""Source of uncertainty -> input groups behind it; for other sources, all inputs."""


def ratio(above: Answer, below: Answer, quantity: str) -> Uncertain:
    """Return the ratio of a quantity between two scenarios, with a conservative interval.

    A source of uncertainty cancels if all its inputs are equal in both scenarios. Otherwise the
    errors count as independent. Errors on similar devices are correlated, so the true interval is
    narrower.

    Parameters
    ----------
    above, below : Answer
        Answers that both have the quantity; `below` must not be zero.
    quantity : str
        Name of the quantity, such as "energy_kwh".

    Returns
    -------
    Uncertain
        Ratio [1].
    """
    own = below.estimate[quantity]
    loadings = {
        source if _same(above, below, source) else f"{source}, compared with": load
        for source, load in own.loadings.items()
    }
    return above.estimate[quantity] / Uncertain(own.mid, loadings)


def _same(above: Answer, below: Answer, source: str) -> bool:
    groups = BEHIND.get(source)
    return all(
        getattr(above.scenario, name) == getattr(below.scenario, name)
        for name, one in INPUTS.items()
        if one.group != "answer" and (groups is None or one.group in groups)
    )
