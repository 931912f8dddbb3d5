"""The page Models as a visitor without a browser sees it: ledger, memory, links, refusals."""

import html
import json
import re
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from estimator.catalog import Catalog
from estimator.memory.fit import answer_memory, fit_across_devices
from estimator.memory.request import MemoryQuestion
from estimator.networks.huggingface import architecture
from estimator.networks.ledger import Inputs, takes
from estimator.question.workload import compact_config
from tests.web.markup import alts, body, healthy, text_of, visited

CATALOG = Catalog.open()
GPT2 = {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024}


def marker(page):
    return dict(
        parse_qsl(re.search(r'data-scenario="\?([^"]*)"', body(page))[1].replace("&amp;", "&"))
    )


def links(page):
    found = re.findall(r'<a href="([^"]+)"', body(page))
    return {urlsplit(one).path: parse_qs(urlsplit(html.unescape(one)).query) for one in found}


def test_a_known_model_says_its_parameters_and_where_it_fits():
    page = visited("models")
    ledger = architecture(CATALOG.preset("llama-3.1-8b").config).ledger(Inputs())
    assert "8.03 billion parameters" in text_of(page)
    assert "It fits on one NVIDIA H100 SXM5 80GB, 20." in text_of(page)
    assert f"{ledger.params_embedding / 1e6:.0f} million in embeddings" in text_of(page)


def test_the_answer_and_one_chart_come_first_and_the_rest_is_chosen():
    page = visited("models")
    (chart,) = alts(page)
    assert chart.startswith("NVIDIA GeForce RTX 3060")
    assert "mlp/up" not in text_of(page)
    page.button_group(key="models_view").set_value("ledger").run()
    (chart,) = alts(page)
    assert chart.startswith("Largest: ") and "view=ledger" in page.code[0].value
    page.session_state["models_terms"] = True
    terms = page.run().dataframe[0].value.set_index("term")
    assert terms.loc["mlp/up", "params"] == 1_879_048_192
    (chart,) = alts(visited("models", view="cache"))
    assert "131,072 tokens" in chart


def test_a_model_is_found_by_its_name_on_the_hub():
    page = visited("models", model="meta-llama/Llama-3.1-8B-Instruct")
    assert marker(page)["model"] == "llama-3.1-8b"
    assert "tw-notice" not in body(page)


def test_an_unknown_name_shows_the_usual_model_and_says_so():
    page = visited("models", model="acme/secret-9b")
    assert "“acme/secret-9b” is not on record" in text_of(page)
    assert "8.03 billion parameters" in text_of(page)


def test_a_pasted_config_is_counted_and_its_link_opens_the_same():
    page = visited("models", source="config")
    assert "Paste or upload the config.json" in text_of(page)
    text = json.dumps({**GPT2, "resid_pdrop": 0.1, "transformers_version": "4.40"}, indent=2)
    page.text_area(key="models_config").set_value(text).run()
    assert "gpt2 has 124 million parameters" in text_of(healthy(page))
    query = marker(page)
    assert query["config"] == compact_config(json.dumps(GPT2))
    again = visited("models", **query)
    assert text_of(again).split("Share")[0] == text_of(page).split("Share")[0]


@pytest.mark.parametrize("long", [False, True])
def test_a_config_in_a_link_is_text_and_no_file_of_the_server(tmp_path, long):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(GPT2), encoding="utf-8")
    page = visited("models", source="config", config="9" * 400 if long else str(path))
    assert not page.exception
    assert "config" not in marker(page)
    assert "JSON" in text_of(page)


def test_a_broken_config_keeps_the_last_one_dimmed():
    page = visited("models", source="config", config=json.dumps(GPT2))
    before = marker(page)["config"]
    page.text_area(key="models_config").set_value('{"model_type": "gpt2", "n_embd"').run()
    assert "as of the last valid input" in text_of(healthy(page))
    assert marker(page)["config"] == before
    page.text_area(key="models_config").set_value('{"model_type": "no_such"}').run()
    assert "no_such" in text_of(healthy(page))


def test_the_links_open_the_model_on_estimate_and_serve():
    found = links(visited("models", hardware="b200"))
    assert found["estimate"]["preset"] == ["llama-3.1-8b"]
    assert found["serve"]["model"] == ["llama-3.1-8b"] and found["serve"]["hardware"] == ["b200"]
    pasted = links(visited("models", source="config", config=json.dumps(GPT2)))
    config = json.loads(pasted["estimate"]["config"][0])
    assert architecture(config).ledger(Inputs()) == architecture(GPT2).ledger(Inputs())
    assert json.loads(pasted["serve"]["config"][0]) == config
    tokens = float(pasted["estimate"]["tokens"][0])
    params = architecture(GPT2).ledger(Inputs()).params_active
    assert tokens == pytest.approx(20 * params, rel=0.01)


def test_the_training_of_an_image_model_is_opened_with_samples_and_not_with_tokens():
    page = visited("models", model="vit-base-p16-224")
    query = links(page)["estimate"]
    assert query["samples"] == ["1e8"] and "tokens" not in query
    assert "100 million samples" in text_of(page) and "Hoffmann" not in text_of(page)


def test_an_image_model_has_pixels_and_no_cache():
    page = visited("models", model="resnet-50", use="qlora", view="cache")
    assert "has no KV cache" in text_of(page)
    assert "dapters of ResNet-50" in text_of(page)
    assert not [box for box in page.text_input if box.key == "models_length"]
    assert [box for box in page.text_input if box.key == "models_image"]


def test_a_need_of_memory_without_activations_says_so():
    caveat = "Activations are not modelled and not included."
    assert caveat in text_of(visited("models", model="resnet-50"))
    assert caveat not in text_of(visited("models", model="llama-3.1-8b"))


@pytest.mark.parametrize("said", [{"inference": True}, {}, {"finetune": "qlora"}])
def test_the_memory_across_devices_is_that_of_each_alone(said):
    question = MemoryQuestion(model="llama-3.1-8b", seq_len=None, **said)
    _answer, fits = fit_across_devices(question, CATALOG)
    assert len(fits) > 200
    for fit in fits[::60]:
        alone = answer_memory(
            MemoryQuestion(model="llama-3.1-8b", hardware=fit.device.id, **said), CATALOG
        )
        assert fit.least_devices == alone.least_devices
        assert (float(fit.share.mid) <= 1) == alone.fits


def test_the_memory_of_a_config_given_as_text_is_that_of_its_file(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(GPT2))
    needs = [
        answer_memory(MemoryQuestion(model=model), CATALOG).memory.total_bytes.mid
        for model in (str(path), json.dumps(GPT2))
    ]
    assert needs[0] == needs[1]


def test_the_inputs_that_a_model_takes_are_found():
    assert takes(architecture(GPT2), "seq_len")
    assert not takes(architecture(GPT2), "image_size")


def test_a_file_with_thousands_of_keys_is_no_config():
    with pytest.raises(ValueError, match="3,001 keys"):
        compact_config(json.dumps({"model_type": "gpt2", **{f"k{i}": i for i in range(3000)}}))


def test_the_largest_terms_are_all_named_where_they_tie():
    (largest,) = alts(visited("models", view="ledger"))
    assert all(f"mlp/{part}: 23.4%, parameters" in largest for part in ("gate", "up", "down"))
