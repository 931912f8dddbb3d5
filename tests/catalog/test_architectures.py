"""Models on record by their names on the hub: counted, sourced, found."""

import json
from pathlib import Path

import pytest

from estimator.catalog import Catalog, ProfileError
from estimator.catalog.architectures import FILE, hub_names, read_architectures
from estimator.catalog.checks import own_problems
from estimator.catalog.profile_folders import shipped_directory
from estimator.networks.huggingface import model_ledger
from tests.every import over

CATALOG = Catalog.open()
MODELS = read_architectures(shipped_directory() / FILE)

PRINTED = {
    "meta-llama/Llama-3.1-8B-Instruct": 8.03e9,
    "meta-llama/Llama-3.3-70B-Instruct": 70.6e9,
    "meta-llama/Llama-3.2-1B": 1.24e9,
    "meta-llama/Llama-4-Scout-17B-16E-Instruct": 109e9,
    "Qwen/Qwen3-4B": 4.02e9,
    "Qwen/Qwen3-8B": 8.19e9,
    "Qwen/Qwen3-14B": 14.8e9,
    "Qwen/Qwen2.5-7B-Instruct": 7.62e9,
    "Qwen/Qwen2.5-72B-Instruct": 72.7e9,
    "Qwen/Qwen3-Coder-480B-A35B-Instruct": 480e9,
    "openai/gpt-oss-20b": 20.9e9,
    "openai/gpt-oss-120b": 116.8e9,
    "deepseek-ai/DeepSeek-R1": 671e9,
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B": 32.8e9,
    "google/gemma-3-27b-it": 27.4e9,
    "google/gemma-3-4b-it": 4.3e9,
    "mistralai/Mistral-7B-Instruct-v0.2": 7.24e9,
    "mistralai/Mistral-Small-3.2-24B-Instruct-2506": 24.0e9,
    "mistralai/Mistral-Large-Instruct-2407": 122.6e9,
    "mistralai/Mixtral-8x7B-Instruct-v0.1": 46.7e9,
    "microsoft/phi-4": 14.7e9,
    "microsoft/Phi-3.5-mini-instruct": 3.82e9,
    "stabilityai/stable-diffusion-xl-base-1.0": 2.57e9,
    "black-forest-labs/FLUX.1-dev": 11.9e9,
    "openai/whisper-large-v3": 1.543e9,
    "openai/whisper-medium": 0.764e9,
    "EleutherAI/pythia-12b": 11.85e9,
    "facebook/opt-66b": 65.7e9,
    "openai-community/gpt2-large": 0.774e9,
}
"""Parameters on the model cards."""


@pytest.mark.parametrize(("name", "params"), PRINTED.items())
def test_a_model_is_found_by_its_name_on_the_hub_and_has_the_size_in_print(name, params):
    preset = CATALOG.preset(name)
    assert preset.records["params"].value == pytest.approx(params, rel=0.006)
    assert preset.aliases[0].count("/") == 1


@over(MODELS)
def test_the_parameters_are_those_of_the_architecture(item):
    ledger = model_ledger(MODELS[item].config)
    assert MODELS[item].records["params"].value == ledger.params_total
    if "active_params" in MODELS[item].records:
        assert MODELS[item].records["active_params"].value == ledger.params_active


def test_there_are_many_and_none_takes_the_name_of_another():
    assert len(MODELS) >= 280
    owners: dict[str, str] = {}
    for item, model in MODELS.items():
        for name in (model.id, model.name, *model.aliases):
            assert CATALOG.preset(name).id == item, name
        for name in hub_names(model):
            owners.setdefault(name, item)
    assert CATALOG.preset("GPT-2").records["params"].value > 1.5e9
    assert CATALOG.preset("openai-community/gpt2").records["params"].value < 0.13e9


def test_tokens_are_those_of_a_published_run_or_said_to_be_assumed():
    runs = {row["name"]: row for row in CATALOG.published_runs()}
    stated = [model.records["tokens"] for model in MODELS.values() if "tokens" in model.records]
    published = [record for record in stated if record.basis == "published"]
    assert len(published) > 25
    for record in published:
        assert float(runs[record.where]["tokens_processed"]) == record.value
    assert {record.basis for record in stated} == {"published", "assumed"}


ROW = {
    "name": "Mine",
    "hub": "me/mine-1b",
    "year": 2026,
    "kind": "language",
    "arch": "dense decoder",
    "params": 1_000_000_000,
    "config": dict(MODELS["qwen3-0.6b"].config),
}


def test_a_table_of_ones_own_adds_models(tmp_path):
    (tmp_path / FILE).write_text(json.dumps({"mine-1b": {**ROW, "tokens": 2e12}}), "utf-8")
    preset = Catalog.open(tmp_path).preset("ME/Mine-1B")
    assert (preset.id, preset.records["tokens"].value) == ("mine-1b", 2e12)
    assert Catalog.open(tmp_path).preset("Qwen/Qwen3-14B").id == "qwen3-14b"


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"params": "1B"}, "mine.params"),
        ({"params": True}, "mine.params"),
        ({"kind": "speach"}, "mine.kind"),
        ({"year": None}, "mine.year"),
        ({"tokns": 1}, "mine.tokns"),
        ({"tokens": -1}, "mine.tokens.value"),
    ],
)
def test_a_typo_in_a_row_is_refused_by_its_key(tmp_path, change, key):
    (tmp_path / FILE).write_text(json.dumps({"mine": {**ROW, **change}}), "utf-8")
    with pytest.raises(ProfileError) as refused:
        Catalog.open(tmp_path).preset("mine")
    assert refused.value.problem.key == key
    assert list(own_problems(Catalog((shipped_directory(), tmp_path))))


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}', "[" * 100_000])
def test_a_table_that_is_none_is_refused(tmp_path: Path, text):
    (tmp_path / FILE).write_text(text, "utf-8")
    with pytest.raises(ProfileError):
        Catalog.open(tmp_path).preset("mine")
