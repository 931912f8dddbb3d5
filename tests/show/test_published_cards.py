"""Published runs with a reported energy, filled in from what else their authors state."""

from estimator.answer.disclosure import training_facts
from estimator.answer.scenario_estimate import answer_scenarios
from estimator.catalog import Catalog
from estimator.networks.kinds import kind_of_domain
from estimator.question.disclosure import Disclosure
from estimator.question.scenario import Scenario

CATALOG = Catalog.open()

NOT_METERED = ("llama", "bloom", "dinov", "gopher", "lamda")
"""Families whose energy is hours times a power limit or a power of other runs: it tests nothing."""

OF_DEVICES = ("dodge2022", "starcoderbase")
"""Beginnings of families whose energy is that of the devices."""


def cards():
    """Return name, reported energy [kWh] and scenario of each run that is no benchmark."""
    for row in CATALOG.published_runs():
        family = row["family"]
        if not row["energy_kwh"] or family.startswith((*NOT_METERED, "mlperf")):
            continue
        boards = family.startswith(OF_DEVICES)
        stated = {
            "devices": row["accelerator_count"],
            "device_hours": row["accelerator_hours"],
            "pue": "" if boards else row["pue"],
            "year": row["year"],
        }
        if row["tokens_processed"]:
            stated |= {"params": row["params_total"], "active_params": row["params_active"]}
            stated["tokens"] = row["tokens_processed"]
        scenario = Scenario(
            name=row["name"],
            hardware=row["accelerator"],
            precision=row["precision"] or None,
            kind=kind_of_domain(row["domain"]),
            boards_only=boards or None,
            calibration="ignore",
            **{name: float(text) for name, text in stated.items() if text},
        )
        yield row["name"], float(row["energy_kwh"]), scenario


def test_the_reported_energy_lies_in_the_interval_of_most_published_runs():
    names, reported, scenarios = zip(*cards(), strict=True)
    assert len(names) == 20
    inside = []
    for name, energy_kwh, answer in zip(
        names, reported, answer_scenarios(scenarios, CATALOG), strict=True
    ):
        assert not isinstance(answer, ValueError), f"{name}: {answer}"
        fact = training_facts(answer, Disclosure(), CATALOG).facts["energy_kwh"]
        inside.append(fact.low <= energy_kwh <= fact.high)
    assert sum(inside) >= 16
