"""How much is that: CO2e and energy beside things that people know, each of them on record."""

from collections.abc import Iterator

from estimator.catalog import Catalog
from estimator.core.units import digits, human_count, human_duration
from estimator.estimation.scenario_estimate import Answer
from estimator.web.shared.amounts import localised
from estimator.web.shared.language import _
from estimator.web.shared.tables import author

YEAR_S = 365.25 * 86_400

LEAST_FLIGHTS = 0.1
"""Share of a flight from which flights are a comparison [1]."""


def equivalents(answer: Answer, catalog: Catalog) -> Iterator[str]:
    """Say the energy and the CO2e in things that people know."""
    known, records = answer.estimate, catalog.equivalents()
    if "energy_kwh" in known:
        years = float(known["energy_kwh"].mid) / records["household.kwh_per_year"].value
        if years >= 1:
            yield _("the electricity of {count} US households in a year").format(
                count=localised(human_count(years))
            )
        else:
            yield _("the electricity of a US household in {time}").format(
                time=localised(human_duration(years * YEAR_S))
            )
    if "co2e_kg" in known:
        emitted_kg = float(known["co2e_kg"].mid)
        yield _("{count} km by car").format(
            count=localised(human_count(emitted_kg / records["car.co2e_kg_per_km"].value))
        )
        flights = emitted_kg / records["flight.co2e_kg"].value
        if flights > LEAST_FLIGHTS:
            yield _("{count} flights of a full jet from San Francisco to New York and back").format(
                count=localised(digits(flights))
            )


def sources(catalog: Catalog) -> str:
    """Publishers or authors of the comparisons, and years."""
    found = [catalog.source(record.source) for record in catalog.equivalents().values()]
    return "; ".join(f"{author(source)}, {source.date[:4]}" for source in found)
