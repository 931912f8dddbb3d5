"""How much is that: CO2 and energy beside things that people know, each with its source."""

from collections.abc import Iterator

from estimator.core.units import digits, human_count, human_duration
from estimator.estimation.answer import Answer
from estimator.web.shared.language import _

CAR_KG_PER_KM = 0.244
"""A passenger car of the United States, 0.393 kg a mile: EPA, "Greenhouse gas equivalencies
calculator: calculations and references", 2024 [kgCO2e/km]."""

HOUSEHOLD_KWH_PER_YEAR = 10_791.0
"""Electricity of a household of the United States in 2022: EIA, "How much electricity does an
American home use?", 2024 [kWh/year]."""

JET_KG = 180_000.0
"""A whole passenger jet from San Francisco to New York and back: D. Patterson et al., "Carbon
emissions and large neural network training", 2021, arXiv:2104.10350, section 4 [kgCO2e]."""

YEAR_S = 365.25 * 86_400

SOURCES = "EPA 2024; EIA 2024; Patterson et al. 2021, arXiv:2104.10350"


def equivalents(answer: Answer) -> Iterator[str]:
    """Say the energy and the CO2 in things that people know."""
    known = answer.estimate
    if "energy_kwh" in known:
        years = float(known["energy_kwh"].mid) / HOUSEHOLD_KWH_PER_YEAR
        if years >= 1:
            yield _("the electricity of {count} US households in a year").format(
                count=human_count(years)
            )
        else:
            yield _("the electricity of a US household in {time}").format(
                time=human_duration(years * YEAR_S)
            )
    if "co2e_kg" in known:
        emitted_kg = float(known["co2e_kg"].mid)
        yield _("{count} km by car").format(count=human_count(emitted_kg / CAR_KG_PER_KM))
        if emitted_kg > JET_KG / 10:
            yield _("{count} flights of a full jet from San Francisco to New York and back").format(
                count=digits(emitted_kg / JET_KG)
            )
