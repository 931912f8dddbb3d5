"""How much is that: CO2e and energy beside things that people know, each of them on record."""

from collections.abc import Iterator
from typing import Any

from estimator.answer import formatted_results
from estimator.answer.design_facts import memory_too_small
from estimator.answer.scenario_estimate import Answer
from estimator.catalog import Catalog
from estimator.core.messages import Names, in_python, rendered
from estimator.core.phrase import Phrase, say
from estimator.core.units import digits, human_count, human_duration

YEAR_S = 365.25 * 86_400

LEAST_FLIGHTS = 0.1
"""Share of a flight from which flights are a comparison [1]."""


def as_json(answer: Answer, catalog: Catalog, names: Names = in_python) -> dict[str, Any]:
    """Object of an answer, its equivalents and memory among it; keys end in their units."""
    found = formatted_results.as_json(answer, names)
    found["warnings"] += rendered(memory_too_small(answer, catalog), names)
    return {**found, "equivalents": equivalents(answer, catalog)}


def equivalents(answer: Answer, catalog: Catalog) -> dict[str, float]:
    """Electricity of a US household [year], way by car [km] and full flights across the US [1]."""
    known, records = answer.estimate, catalog.equivalents()
    found: dict[str, float] = {}
    if "energy_kwh" in known:
        yearly_kwh = records["household.kwh_per_year"].value
        found["household_years"] = float(known["energy_kwh"].mid) / yearly_kwh
    if "co2e_kg" in known:
        emitted_kg = float(known["co2e_kg"].mid)
        found["car_km"] = emitted_kg / records["car.co2e_kg_per_km"].value
        found["flights"] = emitted_kg / records["flight.co2e_kg"].value
    return found


def as_much(found: dict[str, float]) -> Iterator[Phrase]:
    """Say equivalents in words; less than a year or a flight as what it is."""
    if (years := found.get("household_years", 0.0)) >= 1:
        yield say("the electricity of {count} US households in a year", count=human_count(years))
    elif years > 0:
        yield say(
            "the electricity of a US household in {time}", time=human_duration(years * YEAR_S)
        )
    if "car_km" in found:
        yield say("{count} km by car", count=human_count(found["car_km"]))
    if found.get("flights", 0.0) > LEAST_FLIGHTS:
        yield say(
            "{count} flights of a full jet from San Francisco to New York and back",
            count=digits(found["flights"]),
        )
