"""Published figures of a preset's run, next to the prediction."""

from collections.abc import Mapping

from estimator.answer.scenario_estimate import Answer
from estimator.catalog import Catalog

REPORTED = {
    "wall_hours": ("wall_hours", 1.0),
    "device_hours": ("device_hours", 1.0),
    "energy_kwh": ("energy_kwh", 1.0),
    "co2e_t": ("co2e_kg", 1e3),
}
"""Field of a record -> quantity of an estimate, and unit conversion factor [1]."""

CLAIMED_OTHERWISE = {"gpt-3": "gpt3-v100"}
"""Preset that is often quoted with a different time -> claim that explains it."""

OTHER_WORK = ("params", "active_params", "tokens", "flop", "finetune", "samples", "device_hours")
"""Inputs that make a scenario differ from its preset's published run."""


def published_run(answer: Answer, catalog: Catalog) -> dict[str, float | str]:
    """Return the reported figures of the preset's run, empty if none apply.

    Returns
    -------
    dict
        Known quantities with the names of an estimate, ``devices``, ``hardware`` (id), ``source``
        (id), ``note`` and ``claim`` (claim about another duration).
    """
    scenario = answer.scenario
    if scenario.preset is None or any(name in scenario.specified_inputs() for name in OTHER_WORK):
        return {}
    preset = catalog.preset(scenario.preset)
    run = {name: one for name, one in preset.as_run.items() if one.basis != "assumed"}
    records = {name: run[name] for name in REPORTED if name in run}
    if "wall_hours" in records:
        records.pop("device_hours", None)
    if not records:
        return {}
    found: dict[str, float | str] = {}
    for name, record in records.items():
        quantity, factor = REPORTED[name]
        found[quantity] = record.value * factor
    if "devices" in run:
        found["devices"] = run["devices"].value
    first = next(iter(records.values()))
    texts = {
        "hardware": preset.hardware,
        "source": first.source,
        "note": first.note,
        "claim": CLAIMED_OTHERWISE.get(preset.id),
    }
    return found | {name: text for name, text in texts.items() if text}


def words_of_run(found: Mapping[str, float | str], catalog: Catalog) -> dict[str, str]:
    """Return the device name of a published run, and the title of its source."""
    words: dict[str, str] = {}
    if "hardware" in found:
        words["ran_on"] = catalog.device(str(found["hardware"])).name
    if "source" in found:
        words["reported_by"] = catalog.source(str(found["source"])).title
    return words
