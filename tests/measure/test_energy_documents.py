"""BoAmps and CycloneDX documents as runs: what a report writes, it reads back to the digit."""

import json

import pytest

from tests.in_process import run

RUN = ("--name", "Foo-70B", "--params", "70e9", "--tokens", "2e11", "--hardware", "h100")
CLUSTER = ("--devices", "64", "--site", "ie")

ENERGY = {
    "boamps": lambda found: found["measures"][0]["powerConsumption"],
    "cyclonedx": lambda found: found["components"][0]["modelCard"]["considerations"][
        "environmentalConsiderations"
    ]["energyConsumptions"][0]["activityEnergyCost"]["value"],
}


@pytest.fixture(autouse=True)
def empty_store(tmp_path, monkeypatch):
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path / "data"))


@pytest.mark.parametrize("name", ENERGY)
@pytest.mark.parametrize(
    "given",
    [
        (),
        ("--device-hours", "30_000", "--energy-kwh", "41234.56789", "--metered", "facility"),
        ("--device-hours", "30_000", "--energy-kwh", "33333.33333", "--metered", "nodes"),
        ("--device-hours", "30_000", "--energy-kwh", "17000.7", "--metered", "devices"),
    ],
)
def test_a_report_that_is_imported_reports_the_same_energy(tmp_path, name, given):
    first, again = tmp_path / "first.json", tmp_path / "again.json"
    words = ("report", "--format", name, "-o")
    assert run(*words, str(first), *RUN, *CLUSTER, *given).returncode == 0
    imported = run("calibrate", "import", str(first))
    assert imported.returncode == 0, imported.stderr
    found = run(*words, str(again), "--run", "Foo-70B", *CLUSTER)
    assert found.returncode == 0, found.stderr
    before, after = (json.loads(path.read_text(encoding="utf-8")) for path in (first, again))
    assert ENERGY[name](after) == ENERGY[name](before)


def in_cyclonedx(*used):
    card = {"considerations": {"environmentalConsiderations": {"energyConsumptions": list(used)}}}
    return json.dumps({"bomFormat": "CycloneDX", "components": [{"name": "X", "modelCard": card}]})


def test_each_energy_of_a_model_is_a_run(tmp_path):
    path = tmp_path / "bom.json"
    used = [
        {
            "activity": activity,
            "activityEnergyCost": {"value": energy, "unit": "kWh"},
            "properties": [
                {"name": "twenty-watts:duration_s", "value": "3600"},
                {"name": "twenty-watts:hardware", "value": "NVIDIA H100 SXM5 80GB"},
            ],
        }
        for activity, energy in (("training", 100.0), ("fine-tuning", 5.0))
    ]
    path.write_text(in_cyclonedx(*used), encoding="utf-8")
    for added, twins in ((2, 0), (0, 2)):
        found = json.loads(run("calibrate", "import", str(path), "--json").stdout)
        assert (found["added"], found["duplicates"]) == (added, twins)


def test_a_document_without_energy_or_devices_is_one_line(tmp_path):
    path = tmp_path / "report.json"
    for text, says in (
        ('{"measures": [], "powerConsumption": 1}', "no measures"),
        ('{"measures": [{"powerConsumption": "none"}]}', "no energy in kWh"),
        ('{"measures": [{"powerConsumption": 1}]}', "--wall-hours"),
        (in_cyclonedx({"activityEnergyCost": {"value": 1, "unit": "MWh"}}), "an energy in 'MWh'"),
        ('{"bomFormat": "CycloneDX", "energyConsumptions": 1}', "no energyConsumptions"),
    ):
        path.write_text(text, encoding="utf-8")
        found = run("calibrate", "import", str(path))
        assert found.returncode == 1, text
        assert says in found.stderr
        assert found.stderr.count("\n") == 1
