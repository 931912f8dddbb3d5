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
"""Source of uncertainty -> groups of inputs behind it; behind any other are all of them."""


def ratio(above: Answer, below: Answer, quantity: str) -> Uncertain:
    """Ratio of a quantity of two scenarios, its interval at the widest.

    A source of uncertainty cancels where all inputs behind it are the same in both. Where one
    differs, the two errors count as independent: errors on similar devices go together, so the
    true interval is narrower.

    Parameters
    ----------
    above, below : Answer
        Both know the quantity, and that of `below` is not zero.
    quantity : str
        Its name, such as "energy_kwh".

    Returns
    -------
    Uncertain
        The ratio [1].
    """
    own = below.estimate[quantity]
    loadings = {
        source if _same(above, below, source) else f"{source}, compared with": load
        for source, load in own.loadings.items()
    }
    return above.estimate[quantity] / Uncertain(own.mid, loadings)


def _same(above: Answer, below: Answer, source: str) -> bool:
    """Return whether all inputs behind a source are the same in both scenarios."""
    groups = BEHIND.get(source)
    return all(
        getattr(above.scenario, name) == getattr(below.scenario, name)
        for name, one in INPUTS.items()
        if one.group != "answer" and (groups is None or one.group in groups)
    )
