"""Sentences about a training run: measurement, equivalents, other start times."""

from collections.abc import Iterator, Mapping
from typing import Any

from estimator.core.phrase import Phrase, say
from estimator.core.units import (
    H_PER_YEAR,
    S_PER_H,
    digits,
    human_count,
    human_duration,
    human_mass,
    human_quantity,
    significant,
)

LEAST_FLIGHTS = 0.1
"""Least number of flights for a comparison with flights [1]."""

LEAST_SAVING = 1e-4
"""Least saving of another start that is reported [1]."""


def as_much(found: Mapping[str, float]) -> Iterator[Phrase]:
    """Yield everyday equivalents as sentences."""
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
    """Yield equivalents of a small energy as sentences."""
    yield say("a 10 W LED lamp for {time}", time=human_duration(found["led_bulb_s"]))
    yield say("a brain at 20 W for {time}", time=human_duration(found["brain_s"]))
    yield say("{count} litres of water boiled", count=digits(found["kettles"]))
    yield say("{count} charges of a phone", count=digits(found["phone_charges"]))


def schedule_line(schedule: Mapping[str, float]) -> Phrase:
    """Phrase the saving of another start time."""
    start = f"{schedule['start']:g}"
    if schedule["saving_share"] < LEAST_SAVING:
        return say("Starting at another hour than {start} would not reduce the CO2e.", start=start)
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


def measured_line(found: Mapping[str, Any], words: Mapping[str, str]) -> Phrase:
    """Phrase the reported figures of a preset's run.

    Parameters
    ----------
    found : mapping
        Fact ``measured`` of a report.
    words : mapping of str to str
        Details ``ran_on`` (device) and ``reported_by`` (source).
    """
    said = {
        "figures": ", ".join(_reported(found)),
        "source": "; ".join(filter(None, (words["reported_by"], found.get("note")))),
    }
    if "ran_on" not in words:
        return say("Measured: {figures} ({source})", **said)
    count = f"{found['devices']:,.0f} × " if "devices" in found else ""
    machines = f"{count}{words['ran_on']}"
    return say("Measured: {figures} on {machines} ({source})", machines=machines, **said)


def _reported(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the figures of a run, with energy to the source's digits."""
    if "wall_hours" in found:
        yield human_duration(found["wall_hours"] * S_PER_H)
    elif "device_hours" in found:
        yield human_quantity(found["device_hours"], "device-hours")
    if "energy_kwh" in found:
        energy_mwh = significant(found["energy_kwh"] / 1e3, 4)
        small = human_quantity(found["energy_kwh"], "kWh")
        yield small if energy_mwh < 1 else f"{energy_mwh:,.10g} MWh"
    if "co2e_kg" in found:
        yield f"{human_mass(found['co2e_kg'])} CO2e"
