"""Documents for rules, journals and registries: valid for their libraries, and nothing invented."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO

import pytest

from estimator.answer.disclosure import training_facts
from estimator.answer.scenario_estimate import answer_scenario
from estimator.catalog import Catalog
from estimator.question.disclosure import Disclosure
from estimator.question.inputs import option_of
from estimator.question.scenario import Scenario
from estimator.show.documents import FORMATS, WRITERS, as_data, document, sheet_of, text_of

CATALOG = Catalog.open()
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
FLAGSHIP = Scenario(
    name="Foo-70B",
    params=70e9,
    tokens=2e12,
    hardware="h100",
    devices=512.0,
    device_hours=258_048.0,
    site="ie",
    energy_kwh=1.1e6,
    metered="facility",
)
"""A run of 70 billion parameters on 512 H100 in Ireland for 21 days that measured 1.1 GWh."""


def made(name, scenario=FLAGSHIP, **held):
    facts = training_facts(answer_scenario(scenario, CATALOG), Disclosure(**held), CATALOG)
    return document(name, facts, CATALOG, NOW)


def rows(found):
    return {row["key"]: row for row in as_data(found)["fields"]}


def test_annex_xi_has_compute_time_and_energy_to_three_figures():
    found = made("annex-xi")
    cells = {row[0]: row for row in sheet_of(found, option_of).rows}
    assert cells["Amount of computation used for training"][1] == "8.40 × 10^23 FLOP"
    assert cells["Amount of computation used for training, order of magnitude"][1] == "10^23 FLOP"
    assert cells["Duration of training, range"][1] == "less than 1 month"
    assert cells["Duration of training, wall clock"][1] == "21.0 days"
    assert cells["Duration of training, hardware time"][1] == "10,800 days"
    assert cells["Amount of energy used for training"][1:4] == (
        *("1,100 MWh", "1,050 to 1,160 MWh"),
        "measured",
    )
    assert cells["Benchmarked amount of computation used for inference"][1] == "1.40 × 10^16 FLOP"
    assert "CHECK BEFORE YOU PUBLISH: implausible" in text_of(found, "markdown", option_of)


PARTS = ("devices", "hosts (CPU, memory, fans)", "network beyond a node")


@pytest.mark.parametrize(
    ("energy_kwh", "metered", "parts"),
    [(None, None, 0), (5e5, "devices", 1), (7e5, "nodes", 2), (1.1e6, "facility", 3)],
)
def test_a_part_is_metered_within_the_boundary_of_the_meter_alone(energy_kwh, metered, parts):
    scenario = replace(FLAGSHIP, energy_kwh=energy_kwh, metered=metered)
    facts = training_facts(answer_scenario(scenario, CATALOG), Disclosure(), CATALOG)
    said = [facts.boundary[part] for part in PARTS]
    assert said == ["metered"] * parts + ["predicted"] * (3 - parts)
    supply = facts.boundary["cooling and supply (PUE)"]
    assert supply.startswith("metered" if metered == "facility" else "predicted")


def test_emissions_of_a_predicted_energy_are_predicted_and_of_a_metered_one_are_not():
    bases = [
        rows(made("scope2", replace(FLAGSHIP, energy_kwh=kwh, metered=metered)))["location"][
            "basis"
        ]
        for kwh, metered in ((None, None), (1.1e6, "facility"))
    ]
    assert bases == ["predicted", "calibrated"]


def test_scope_2_is_reported_by_location_and_by_market():
    found = rows(made("scope2"))
    assert found["location"]["value"] == pytest.approx(1100 * 0.25654)
    assert found["market"]["value"] == pytest.approx(1100 * 0.36874)
    covered = rows(made("scope2", contract=0.02, contract_share=0.8))
    assert covered["market"]["value"] == pytest.approx(1100 * (0.8 * 0.02 + 0.2 * 0.36874))
    own = rows(made("scope2", contract=0.02, contract_share=0.8, residual_mix=0.5))
    assert own["market"]["value"] == pytest.approx(1100 * (0.8 * 0.02 + 0.2 * 0.5))


def test_no_market_based_figure_without_a_residual_mix_or_a_whole_contract():
    there = replace(FLAGSHIP, site="us")
    assert "residual_mix" in rows(made("scope2", there))["market"]["reason"]
    assert rows(made("scope2", there, contract=0.0))["market"]["value"] == 0.0


def test_sci_divides_by_each_functional_unit():
    found = rows(made("sci"))
    total = found["O"]["value"] + found["I"]["value"]
    assert found["provider.flop"]["value"] == pytest.approx(total * 1e3 / 8.4e23 * 1e18)
    assert found["provider.token"]["value"] == pytest.approx(total * 1e3 / 2e6)
    assert found["provider.parameter"]["value"] == pytest.approx(total / 70)
    assert "value" not in found["consumer.token"]


def test_primary_energy_and_depletion_follow_from_the_grid_and_the_devices():
    found = rows(made("paper"))
    life = float(answer_scenario(FLAGSHIP, CATALOG).hardware.lifetime_h.mid)
    lives = 258_048 / life
    assert found["primary"]["value"] == pytest.approx(1.1e6 * 10.706 + 10_578 * lives)
    assert found["adpe"]["value"] == pytest.approx(1.1e6 * 2.19e-8 + 0.05135 * lives)
    nowhere = rows(made("paper", replace(FLAGSHIP, site=None)))
    assert "value" not in nowhere["primary"]
    assert nowhere["primary"]["basis"] == "not available"


def test_nothing_is_invented():
    bare = Scenario(device_hours=1000.0, hardware="h100")
    for name in ("annex-xi", "sci", "scope2", "paper"):
        found = as_data(made(name, bare))
        for row in found["fields"]:
            assert ("value" in row) != ("reason" in row), row
        assert any("world average" in one for one in found["assumptions"])
        assert any("PUE" in one for one in found["assumptions"])


def test_a_format_without_a_field_it_needs_says_what_to_give():
    for name in ("cyclonedx", "spdx"):
        with pytest.raises(ValueError, match="set name"):
            made(name, replace(FLAGSHIP, name=None))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("markup", [*WRITERS, "json"])
def test_every_format_is_written_in_every_markup(name, markup):
    text = text_of(made(name), markup, option_of)
    assert "Foo-70B" in text or "512" in text or name in ("sci", "scope2")
    assert "None" not in text
    if markup == "html":
        assert text.count("<tr>") == text.count("</tr>") > 3


def test_a_model_card_has_grams_and_kilowatt_hours():
    yaml = pytest.importorskip("yaml")
    shown = sheet_of(made("model-card"), option_of)
    (card,) = [part for part in yaml.safe_load_all(shown.code["Metadata"]) if part]
    emitted = card["co2_eq_emissions"]
    assert emitted["emissions"] == pytest.approx(2.863e8, rel=1e-3)
    assert emitted["training_type"] == "pre-training"
    assert emitted["geographical_location"] == "Ireland"
    assert any("1,100,000 kWh" in cell for row in shown.rows for cell in row)


def test_a_paper_has_a_paragraph_and_every_source_in_bibtex():
    found = made("paper", replace(FLAGSHIP, attempts=1.5))
    shown = sheet_of(found, option_of)
    text = " ".join(shown.lead)
    assert "all runs are 1.5 times the final run" in text
    assert "1,650 MWh (80% interval 1,570 to 1,730 MWh)" in text
    assert "measured" in text
    for source in found.sources:
        assert f"{{{source.id}," in shown.code["BibTeX"]


@pytest.mark.parametrize("attempts", [None, 1.0])
def test_a_paper_counts_no_development_runs_where_there_is_the_final_run_only(attempts):
    shown = sheet_of(made("paper", replace(FLAGSHIP, attempts=attempts)), option_of)
    assert "Development runs are not counted: the final run only." in " ".join(shown.lead)


def test_a_paragraph_states_the_grid_that_was_reported():
    """GPT-3's paper: 0.429 kgCO2e/kWh, not the world's 0.458."""
    scenario = Scenario(preset="gpt-3", hardware="v100", devices=10_000.0)
    lead = " ".join(sheet_of(made("paper", scenario), option_of).lead)
    assert "at 0.429 kgCO2e/kWh." in lead and "world" not in lead
    assert " device-hours (80% interval 1" in lead


def test_cyclonedx_accepts_the_bill_of_materials():
    validation = pytest.importorskip("cyclonedx.validation.json")
    from cyclonedx.schema import SchemaVersion

    data = as_data(made("cyclonedx"))
    complaint = validation.JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(data))
    assert complaint is None
    (card,) = (one["modelCard"] for one in data["components"])
    (used,) = card["considerations"]["environmentalConsiderations"]["energyConsumptions"]
    assert used["activityEnergyCost"] == {"value": 1_100_000, "unit": "kWh"}


def test_spdx_reads_the_package_back():
    spdx = pytest.importorskip("spdx_python_model").v3_0_1
    objects = spdx.SHACLObjectSet()
    text = json.dumps(as_data(made("spdx"))).encode()
    spdx.JSONLDDeserializer().read(BytesIO(text), objects)
    (package,) = objects.foreach_type(spdx.ai_AIPackage)
    (used,) = package.ai_energyConsumption.ai_trainingEnergyConsumption
    assert used.ai_energyQuantity == 1_100_000.0
    assert used.ai_energyUnit.endswith("kilowattHour")
    assert not objects.missing_ids


NEEDED_BY_BOAMPS = {
    "task": ("taskStage", "taskFamily", "algorithms", "dataset"),
    "task.dataset.0": ("dataUsage", "dataType"),
    "infrastructure": ("infraType", "components"),
    "infrastructure.components.0": ("componentType", "nbComponent"),
    "header": ("reportDatetime",),
    "measures.0": ("measurementMethod", "powerConsumption"),
    "environment": ("country",),
}
"""Fields that the schemas of BoAmps require: github.com/Boavizta/BoAmps, model/*_schema.json."""


def test_boamps_is_read_by_the_models_of_codecarbon():
    from codecarbon.output_methods.boamps.models import BoAmpsReport

    data = as_data(made("boamps"))
    assert BoAmpsReport.from_dict(data).to_dict() == data
    for path, names in NEEDED_BY_BOAMPS.items():
        part = data
        for key in path.split("."):
            part = part[int(key)] if key.isdecimal() else part[key]
        assert not set(names) - set(part), path
    assert data["measures"][0]["powerConsumption"] == 1_100_000
    assert isinstance(data["infrastructure"]["components"][0]["nbComponent"], int)
