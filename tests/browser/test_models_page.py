"""The page Models in a real browser: a pasted config, a name typed, a phone."""

import json

import pytest

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser
GPT2 = {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024}
KNOWN = "models?source=known&model=llama-3.1-8b"


def test_a_pasted_config_is_counted_and_goes_on_to_estimate(visit):
    page = visit("models?source=config")
    page.get_by_role("textbox", name="config.json of a Hugging Face model").fill(json.dumps(GPT2))
    page.keyboard.press("Control+Enter")
    page.locator('[data-scenario*="gpt2"]').wait_for(state="attached")
    sync_api.expect(page.locator(".tw-sentence")).to_contain_text("gpt2 has 124 million")
    page.reload()
    sync_api.expect(page.locator(".tw-sentence")).to_contain_text("gpt2 has 124 million")
    page.get_by_role("link", name="Estimate its training").click()
    page.wait_for_url("**/estimate?**")
    page.locator('[data-scenario*="config="]').wait_for(state="attached")


def test_an_uploaded_file_is_read(visit, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(GPT2))
    page = visit("models?source=config")
    page.locator("input[type=file]").set_input_files(path)
    page.locator('[data-scenario*="gpt2"]').wait_for(state="attached")
    sync_api.expect(page.locator(".tw-sentence")).to_contain_text("gpt2 has 124 million")


def test_a_name_of_the_hub_can_be_typed_and_an_unknown_one_keeps_the_last_result(visit):
    page = visit(KNOWN)
    box = page.get_by_role("combobox", name="Model, or its name on the hub")
    box.fill("meta-llama/Llama-2-70b-chat-hf")
    box.press("Enter")
    page.locator('[data-scenario*="llama-2-70b"]').wait_for(state="attached")
    box.fill("acme/secret-9b")
    box.press("Enter")
    notice = page.locator(".tw-notice")
    sync_api.expect(notice).to_contain_text("“acme/secret-9b” is not on record")
    sync_api.expect(page.get_by_text("as of the last valid input")).to_be_visible()


def test_all_devices_unfold(visit):
    page = visit(KNOWN)
    page.get_by_text("All devices").click()
    page.get_by_test_id("stDataFrame").wait_for()


def test_the_page_fits_a_phone(visit):
    page = visit(KNOWN, width=390, height=844, scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
