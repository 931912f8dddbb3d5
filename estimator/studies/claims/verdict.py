"""Verdict on a claim, computed from the numbers only.

    holds              the claimed number is met, and so are all its assumptions
    holds-if           it is met but an assumption is not, or the interval includes both outcomes
    off                it is not met anywhere in the interval
    cannot-be-checked  there is nothing to compare it with

A number claimed as equal is met if it is in the interval widened by a tenth, as numbers in lectures
are rounded. A number claimed as at least or at most is met if the interval is on that side.
"""

from dataclasses import dataclass

ROUNDING = 1.1
"""Rounding factor allowed for numbers in a lecture [1]."""

HOLDS, HOLDS_IF, OFF, UNCHECKED = "holds", "holds-if", "off", "cannot-be-checked"
VERDICTS = (HOLDS, HOLDS_IF, OFF, UNCHECKED)


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Recomputed number: its median and central 80% interval."""

    low: float
    mid: float
    high: float


def verdict(claimed: float, relation: str, found: Interval, *, assumptions_met: bool) -> str:
    """Judge a claim that can be checked.

    Parameters
    ----------
    claimed : float
        Claimed number, in the unit of the interval.
    relation : str
        "equal", "at least" or "at most".
    found : Interval
        Recomputed number.
    assumptions_met : bool
        Whether all assumptions of the claim are met.

    Examples
    --------
    >>> verdict(355.0, "equal", Interval(low=340.0, mid=355.4, high=370.0), assumptions_met=True)
    'holds'
    >>> verdict(1e6, "equal", Interval(low=3e4, mid=8e4, high=2e5), assumptions_met=True)
    'off'
    >>> verdict(0.05, "at most", Interval(low=0.03, mid=0.06, high=0.2), assumptions_met=True)
    'holds-if'
    """
    if relation == "equal":
        met = found.low / ROUNDING <= claimed <= found.high * ROUNDING
        sure = met
    elif relation == "at least":
        met, sure = found.high >= claimed / ROUNDING, found.low >= claimed / ROUNDING
    elif relation == "at most":
        met, sure = found.low <= claimed * ROUNDING, found.high <= claimed * ROUNDING
    else:
        raise ValueError(f"relation must be equal, at least or at most, got {relation!r}")
    if not met:
        return OFF
    return HOLDS if sure and assumptions_met else HOLDS_IF
