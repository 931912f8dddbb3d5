"""Every text of the pages is in every catalogue, with the same places for figures."""

import re
from functools import cache
from types import CodeType

import pytest

from estimator.answer.scenario_estimate import answer_scenario
from estimator.catalog import Catalog
from estimator.core.messages import reason
from estimator.core.notice import Notice
from estimator.core.phrase import say
from estimator.networks.config_file import config_of
from estimator.networks.huggingface import architecture
from estimator.question.scenario import Scenario
from estimator.web.estimate.inputs import PICTURES
from estimator.web.estimate.text import assumed
from estimator.web.method.page import printable
from estimator.web.models.page import VIEWS as MODEL_VIEWS
from estimator.web.question.page import VIEWS as PROMPT_VIEWS
from estimator.web.serve.inputs import VIEWS as SERVING_VIEWS
from estimator.web.shared import language
from estimator.web.shared.amounts import amount, localised, sentence
from estimator.web.shared.notices import sentence_of
from tests.web.catalogue_texts import (
    PACKAGE,
    claim_texts,
    glossary_texts,
    input_texts,
    lever_texts,
    meter_texts,
    module_texts,
    notice_texts,
    place_texts,
    preset_texts,
    prompt_texts,
    texts_of,
)

OTHERS = [name for name in language.languages() if name != language.ENGLISH]


@cache
def texts():
    pages = texts_of("web", "studies/claims", "studies/levers", "calibration", "answer", "show")
    pages |= texts_of("validation/held_out.py")
    catalog = Catalog.open()
    words = claim_texts(catalog) | input_texts() | notice_texts() | glossary_texts()
    words |= lever_texts() | meter_texts() | module_texts() | preset_texts(catalog) | prompt_texts()
    return frozenset(pages | words | place_texts(catalog))


def texts_within(constants):
    """Texts among the constants of compiled code, and of all code and collections in them."""
    found = {one for one in constants if isinstance(one, str)}
    for one in constants:
        if isinstance(one, tuple | frozenset):
            found |= texts_within(one)
        elif isinstance(one, CodeType):
            found |= texts_within(one.co_consts)
    return found


def catalogue(name):
    path = language.FOLDER / name / "LC_MESSAGES" / f"{language.DOMAIN}.po"
    return language.entries(path.read_text(encoding="utf-8"))


def test_there_are_texts_and_german():
    assert len(texts()) > 400
    assert "de" in OTHERS


@pytest.mark.parametrize("name", OTHERS)
def test_no_text_is_left_out(name):
    known = catalogue(name)
    assert sorted(text for text in texts() if text not in known) == []


@pytest.mark.parametrize("name", OTHERS)
def test_no_translation_is_of_a_text_that_is_gone(name):
    written = texts() | texts_of("web", "core")
    for path in PACKAGE.rglob("*.py"):
        written |= texts_within(compile(path.read_bytes(), path, "exec").co_consts)
    assert sorted(set(catalogue(name)) - written) == []


@pytest.mark.parametrize("name", OTHERS)
def test_a_translation_has_the_places_of_its_text(name):
    for text, reported in catalogue(name).items():
        places = sorted(re.findall(r"{[^}]*}", text))
        assert all(sorted(re.findall(r"{[^}]*}", one)) == places for one in reported), text


@pytest.fixture
def german():
    language.use("de")
    yield
    language.use("en")


def test_german_writes_a_comma_and_its_own_units(german):
    assert amount(355.4 * 1.001, "year") == "356 Jahre"
    assert amount(1.29e6, "kWh") == "1,29 GWh"
    assert localised("1,234.5 days") == "1.234,5 Tage"
    assert amount(4.67e9, "1") == "4,67 Milliarden"
    assert amount(3e9, "USD") == "3,00 Mrd. $"
    assert amount(3.84e-7, "1") == "3,84·10⁻⁷"
    assert localised("14.8 days, arXiv:2104.10350") == "14,8 Tage, arXiv:2104.10350"


@pytest.mark.parametrize("views", [PICTURES, MODEL_VIEWS, PROMPT_VIEWS, SERVING_VIEWS])
def test_the_views_of_a_page_are_capitalised(german, views):
    names = [*views.values(), *(language._(name) for name in views.values())]
    assert [name for name in names if not name[0].isupper()] == []


def test_a_notice_is_said_in_german_with_its_inputs_figures_and_places(german):
    notice = Notice("pue_assumed", "pue", {"value": 1.25})
    assert sentence_of(notice) == (
        "PUE hier unbekannt: 1,25 wird angenommen; „PUE“ oder eine Cloud-Region legt sie fest"
    )
    notice = Notice("grid_unknown", "carbon_intensity", {"place": "Germany"})
    assert sentence_of(notice) == "Deutschland: CO2-Intensität unbekannt; „CO2-Intensität“ angeben"


def test_what_is_known_of_a_run_and_of_a_module_is_said_in_german(german):
    answer = answer_scenario(Scenario(preset="gpt-3"), Catalog.open())
    assert next(assumed(answer, Catalog.open(), Scenario())) == (
        "GPT-3 (175B): Die Speichergröße der V100 ist nicht angegeben"
    )
    assert "<p>Das Kernmodell: aus Arbeit," in printable()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "model_type fehlt: Daran ist die Modellfamilie einer config.json zu erkennen"),
        ({"model_type": "llamma"}, "unbekannter model_type 'llamma': Ist llama"),
        ({"model_type": "no-such"}, "bekannten Typen heißt ähnlich"),
        (
            {"_class_name": "UNet2DConditionModell"},
            "unbekannte diffusers-Klasse UNet2DConditionModell: Ist UNet2DConditionModel",
        ),
        (
            {"weight_map": {}},
            "das ist das Verzeichnis eines auf mehrere Dateien verteilten Checkpoints, keine",
        ),
        ({"peft_type": "LORA"}, "adapter_config.json eines LORA-Adapters"),
        (
            {"model_type": "gpt2", "n_embd": -1},
            "n_embd muss eine positive ganze Zahl sein, nicht -1",
        ),
        (
            {"model_type": "gpt2", "n_embd": 8, "n_layer": 10**6},
            "n_layer darf höchstens 10000 sein",
        ),
        ({"model_type": "llama"}, "hidden_size fehlt in der config.json"),
        (
            {"model_type": "gpt2", "n_embd": 64, "n_head": 5, "n_layer": 2},
            "n_head muss n_embd = 64 teilen, nicht 5",
        ),
        ({"model_type": "resnet", "depths": 3}, "depths muss eine Liste sein, nicht 3"),
        ({"model_type": ["gpt2"]}, "model_type muss ein Text sein, nicht ['gpt2']"),
        (
            {"model_type": "mobilevit", "output_stride": 16},
            "mobilevit ist nur in veröffentlichten Größen bekannt",
        ),
        (
            {"model_type": "resnet", "depths": [3, 4]},
            "depths muss 4 Einträge haben, einen je Stufe, nicht 2",
        ),
        (
            {"model_type": "mamba2", "hidden_size": 64},
            "num_heads * head_dim muss expand * hidden_size = 128 sein, nicht 8192",
        ),
    ],
)
def test_what_is_wrong_inside_a_config_is_said_in_german(german, config, said):
    with pytest.raises(ValueError) as seen:
        architecture(config)
    assert said in sentence_of(reason(seen.value))


def test_a_file_that_is_no_config_is_refused_in_german(german, tmp_path):
    for content, said in ((b"[1]", "enthält eine Liste, kein Objekt"), (b"", "ist leer: die")):
        file = tmp_path / "config.json"
        file.write_bytes(content)
        with pytest.raises(ValueError) as seen:
            config_of(str(file))
        assert said in sentence_of(reason(seen.value))


def test_a_phrase_is_said_in_german_with_its_figures(german):
    reported = say(
        "{days} days × {devices} TPUs × 24 h = {hours} h", days="14", devices="16", hours="5,380"
    )
    assert sentence(reported) == "14 Tage × 16 TPUs × 24 h = 5.380 h"
