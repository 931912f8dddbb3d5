"""Facts of a training run in a sentence: equivalents, another start, the price's offers."""

from collections.abc import Iterator, Mapping

from estimator.core.phrase import Phrase, say
from estimator.core.units import (
    H_PER_YEAR,
    S_PER_H,
    digits,
    human_count,
    human_duration,
    human_mass,
)

LEAST_FLIGHTS = 0.1
"""Share of a flight from which flights are a comparison [1]."""

LEAST_SAVING = 1e-4
"""A smaller share saved by another start is none [1]."""


def as_much(found: Mapping[str, float]) -> Iterator[Phrase]:
    """Say equivalents in words; less than a year or a flight as what it is."""
    if (years := found.get("household_years", 0.0)) >= 1:
        yield say("the electricity of {count} US households in a year", count=human_count(years))
    elif years > 0:
        time = human_duration(years * H_PER_YEAR * S_PER_H)
        yield say("the electricity of a US household in {time}", time=time)
    if "car_km" in found:
        yield say("{count} km by car", count=human_count(found["car_km"]))
    if found.get("flights", 0.0) > LEAST_FLIGHTS:
        yield say(
            "{count} flights of a full jet from San Francisco to New York and back",
            count=digits(found["flights"]),
        )


def as_little(found: Mapping[str, float]) -> Iterator[Phrase]:
    """Say equivalents of a small energy in words."""
    yield say("a 10 W LED lamp for {time}", time=human_duration(found["led_bulb_s"]))
    yield say("a brain at 20 W for {time}", time=human_duration(found["brain_s"]))
    yield say("{count} litres of water boiled", count=digits(found["kettles"]))
    yield say("{count} charges of a phone", count=digits(found["phone_charges"]))


def schedule_line(schedule: Mapping[str, float]) -> Phrase:
    """Say what another start would save."""
    start = f"{schedule['start']:g}"
    if schedule["saving_share"] < LEAST_SAVING:
        return say(
            "Starting at hour {start} is as good for the CO2e as any other hour.", start=start
        )
    share = f"{schedule['saving_share'] * 100:.2g}"
    best = f"{schedule['best_start']:g}"
    if "saving_kg" not in schedule:
        return say(
            "Starting at hour {best} instead of {start} would save {share}% of the CO2e of the "
            "electricity.",
            best=best,
            start=start,
            share=share,
        )
    return say(
        "Starting at hour {best} instead of {start} would save {share}% of the CO2e of the "
        "electricity, {mass}.",
        best=best,
        start=start,
        share=share,
        mass=human_mass(schedule["saving_kg"]),
    )
