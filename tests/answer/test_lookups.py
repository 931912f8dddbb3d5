"""Each name is looked up once, each config read and counted once, and unknown names stay cheap."""

import io
import json
from pathlib import Path

import pytest

from estimator.answer.questions import MOST_SUGGESTIONS
from estimator.answer.scenario_estimate import answer_scenario
from estimator.catalog import Catalog
from estimator.catalog.suggestions import Suggestions
from estimator.cli import main
from estimator.networks.config_file import read_config
from estimator.question.columns import CellReader
from estimator.question.scenario import Scenario
from estimator.show.csv_table import estimate_csv
from tests.calls import counted

CONFIG = Path(__file__).parents[1] / "golden" / "configs" / "llama-3-8b.json"
MANY = 600


def table(column, names):
    """CSV lines of one question per name."""
    fixed = {"params_total": "7e9", "tokens_processed": "1e12", "accelerator": "h100"}
    columns = list(fixed | {column: ""})
    rows = [",".join({**fixed, column: name}[one] for one in columns) for name in names]
    return iter([",".join(columns) + "\n", *(f"{row}\n" for row in rows)])


def test_thousands_of_unknown_regions_cost_one_look_up_each_and_no_search():
    names = [f"Nowhere {number} land" for number in range(MANY)]
    similar = Suggestions._similar
    with counted(CellReader._place, similar) as calls:
        summary = estimate_csv(table("region", names), io.StringIO(), Catalog.open(), level=0.8)
    assert (summary.rows, summary.refused) == (MANY, 0)
    assert calls["_place"] == MANY
    assert calls["_similar"] == 0


def test_thousands_of_unknown_devices_are_searched_for_a_few_times_only():
    names = [f"device {number} of nobody" for number in range(MANY)]
    similar = Suggestions._similar
    with counted(similar) as calls:
        summary = estimate_csv(
            table("accelerator", names), io.StringIO(), Catalog.open(), level=0.8
        )
    assert summary.refused == MANY
    assert 0 < calls["_similar"] <= MOST_SUGGESTIONS + 1


@pytest.mark.parametrize(
    "words",
    [
        ["estimate", "--config", str(CONFIG), "--tokens", "1e12", "--hardware", "h100"],
        ["model", str(CONFIG), "--seq-len", "2048", "--batch", "4"],
        ["memory", str(CONFIG), "--hardware", "h100", "--devices", "8"],
    ],
)
def test_a_config_is_read_and_counted_once_by_a_command(capsys, tmp_path, words):
    changed = json.loads(CONFIG.read_text(encoding="utf-8")) | {"unused": words[0]}
    config = tmp_path / "config.json"
    config.write_text(json.dumps(changed), encoding="utf-8")
    asked = [str(config) if word == str(CONFIG) else word for word in words]
    with counted(read_config) as calls:
        assert main([*asked, "--json"]) == 0
    assert capsys.readouterr().out
    assert calls["read_config"] == (2 if "estimate" in words else 1), "once more for the memory"


PUBLISHED_AS_HOURS = [
    preset
    for preset in Catalog.open().presets()
    if "device_hours" in preset.as_run and not {"training_flop", "tokens"} & set(preset.records)
]


def test_some_presets_are_published_as_device_hours_alone():
    assert PUBLISHED_AS_HOURS


@pytest.mark.parametrize("preset", PUBLISHED_AS_HOURS, ids=lambda preset: preset.id)
def test_device_hours_of_a_preset_stay_with_their_device(preset):
    catalog = Catalog.open()
    others = [name for name in ("h100-sxm", "human-brain") if name != preset.hardware]
    for name in others:
        with pytest.raises(ValueError, match="without FLOPs: set flop"):
            answer_scenario(Scenario(preset=preset.id, hardware=name), catalog)
    if preset.hardware:
        answer = answer_scenario(Scenario(preset=preset.id), catalog)
        hours = preset.as_run["device_hours"].value
        assert float(answer.estimate["device_hours"].mid) == pytest.approx(hours)


def test_hours_on_an_unpublished_device_are_of_one_of_its_time():
    """AlphaGo's GPUs of 2016 were not named."""
    answer = answer_scenario(Scenario(preset="alphago", hardware="p100"), Catalog.open())
    assert answer.estimate["device_hours"].mid == 34800
