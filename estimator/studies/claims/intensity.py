"""Claims about the carbon intensity of software: the examples of SCI for AI."""

from estimator.core.uncertainty import Uncertain
from estimator.core.units import MILLION, digits
from estimator.studies.claims.facts import Facts
from estimator.studies.claims.finding import Figure, Finding

G_PER_KG = 1e3
EXAFLOP = 1e18
"""FLOPs in the provider's unit [FLOP]."""

BILLION = 1e9


def sci_example(facts: Facts) -> Finding:
    """Return the consumer's score per million tokens."""
    rate = _grams(facts) / facts["tokens"] * MILLION
    return Finding(
        value=Uncertain(rate),
        words={**_emissions(facts), "tokens": digits(facts["tokens"]), "rate": digits(rate)},
        page="report",
        query={"format": "sci"},
    )


def sci_provider(facts: Facts) -> Finding:
    """Return the provider's score per 10^18 FLOPs."""
    rate = _grams(facts) / facts["flop"] * EXAFLOP
    billions = facts["vision_params"] / BILLION
    right_kg = facts["vision_kg"] / billions
    return Finding(
        value=Uncertain(rate),
        words={
            **_emissions(facts),
            "flop": digits(facts["flop"]),
            "rate": digits(rate),
            "vision": digits(facts["vision_kg"]),
            "billions": digits(billions),
            "right": digits(right_kg),
        },
        figures=(Figure("vision example, per billion parameters", "kgCO2e", Uncertain(right_kg)),),
        page="report",
        query={"format": "sci"},
    )


def _grams(facts: Facts) -> float:
    return (facts["operational_kg"] + facts["embodied_kg"]) * G_PER_KG


def _emissions(facts: Facts) -> dict[str, str]:
    return {name: digits(facts[f"{name}_kg"]) for name in ("operational", "embodied")}
