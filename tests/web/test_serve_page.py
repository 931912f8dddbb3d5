"""The page Serve as a visitor without a browser sees it: figures, slides, refusals, links."""

import re

import pytest

from estimator.runs import open_store
from estimator.runs.record import Host, MeasuredDevice, MeasuredRun, ServedLoad
from tests.web.markup import text_of, visited

LOADED = MeasuredRun(
    id="log-1",
    origin="log",
    started="2026-05-01T12:00:00Z",
    wall_s=160.0,
    state="finished",
    host=Host(id="lab", cpu="c", system="s", software={}),
    devices=(MeasuredDevice(key="gpu:0", kind="gpu", name="H100", hardware="h100-sxm"),),
    served=(
        ServedLoad(
            component="gpu:0",
            model="llama-3.1-8b",
            precision="bf16",
            program="vllm",
            concurrency=32.0,
            input_tokens=500.0,
            output_tokens=300.0,
            measured={"inter_token_s": 0.014},
        ),
    ),
)
"""A slow load of the model and the device that the page opens with."""


def opened(**query):
    page = visited("serve", **query)
    return page, text_of(page)


def test_no_number_of_devices_is_automatic():
    page, _text = opened()
    (devices,) = (one for one in page.number_input if one.key == "serve_devices")
    assert (devices.label, devices.value) == ("Devices, 0 for automatic", 0)


def test_the_page_answers_in_its_first_sentence():
    _page, text = opened()
    assert re.match(
        r" Inference [\d.]+ \w?Wh per answer, \$[\d.]+ per million tokens, [\d.]+ ms per token: "
        r"Llama 3.1 8B in bf16 on one NVIDIA H100 SXM5 80GB, concurrency 32",
        text,
    )


def test_a_model_that_does_not_fit_is_refused_with_the_devices_that_hold_it():
    _page, text = opened(model="llama-3.1-405b", hardware="h100-sxm", devices="2")
    assert re.search(r"do not fit in 2 × NVIDIA H100 .*: 16 would hold them", text)


def test_what_cannot_be_served_leaves_a_result_in_its_place():
    page, text = opened(rate="50")
    assert "50 requests/s exceed" in text and "default settings of this page" in text
    assert "per million tokens" in text
    page, text = opened(rate="5")
    page.number_input(key="serve_rate").set_value(5000.0).run()
    blocks = text_of(page)
    assert "5000 requests/s exceed" in blocks and "last valid input" in blocks
    assert "per million tokens" in blocks


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    """The store of someone who has measured a load."""
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path / "data"))
    with open_store() as kept:
        kept.add(LOADED)


def per_token(text):
    return float(re.search(r"([\d.]+) ms per token", text)[1])


def test_a_measured_load_corrects_the_page_until_it_is_ignored(loaded):
    page, text = opened()
    corrected = per_token(text)
    assert "Calibrated: 1 run on NVIDIA H100 SXM5 80GB, newest of 2026-05-01" in text
    page.selectbox(key="serve_calibration").set_value("ignore").run()
    assert "calibration=ignore" in page.code[0].value
    _page, text = opened(calibration="ignore")
    assert corrected > 1.1 * per_token(text)
    assert "1 measured run on NVIDIA H100 SXM5 80GB is ignored." in text
    _page, text = opened(show="curve")
    assert "Calibrated with 1 measured run on NVIDIA H100 SXM5 80GB." in text


def test_without_measured_loads_there_is_no_switch(tmp_path, monkeypatch):
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path / "data"))
    page, text = opened()
    assert "serve_calibration" not in [box.key for box in page.selectbox]
    assert "Calibrated" not in text


def test_notices_and_refusals_are_german_too(loaded):
    _page, text = opened(lang="de")
    assert "Kalibriert: 1 Lauf auf NVIDIA H100 SXM5 80GB, neuester vom 2026-05-01" in text
    assert "„Gewichte“ legt das Format fest" in text
    _page, text = opened(lang="de", model="llama-3.1-405b", hardware="h100-sxm", devices="2")
    assert "passen nicht in 2 × NVIDIA H100 SXM5 80GB: 16 würden sie fassen" in text
    _page, text = opened(lang="de", config='{"model_type":"bert"}')
    assert "schreibt nicht Token für Token" in text


def test_the_site_and_the_rent_are_set_where_the_assumption_names_their_controls():
    _page, assumed = opened()
    assert "PUE unknown here: assuming 1.25; set “PUE”" in assumed
    _page, given = opened(pue="2", price="10")
    assert "PUE unknown here" not in given
    energy = [float(re.search(r"([\d.]+) Wh per answer", text)[1]) for text in (assumed, given)]
    cost = [float(re.search(r"\$([\d.]+) per million", text)[1]) for text in (assumed, given)]
    assert energy[1] > 1.3 * energy[0] and cost[1] > 2 * cost[0]
    _page, refused = opened(pue="0.5")
    assert "“pue” must be between 1 and 10, got 0.5" in refused
    assert "PUE unknown here" in refused


def test_a_link_shows_the_set_up_that_it_names():
    _page, text = opened(
        model="gpt-oss-20b", hardware="rtx-4090", precision="mxfp4", concurrency="1"
    )
    assert "RTX 4090, concurrency 1" in text


@pytest.mark.parametrize(
    ("view", "said"),
    [
        ("curve", r"[\d.]+ at a time: all together get [\d,.k]+ tokens a second, each one every"),
        (
            "api",
            r"the API is cheaper: own machines at this load cost [\d.]+ \([\d.]+ – [\d.]+\) times",
        ),
        ("energy", r"[\d.]+ mWh per answer, [\d.]+% of it for the work of the devices"),
    ],
)
def test_each_view_answers_its_question_with_one_figure(view, said):
    page, text = opened(view=view)
    assert re.search(said, text), text[:400]
    assert len(page.get("arrow_vega_lite_chart") or page.get("vega_lite_chart")) == 1
    assert "energy of an answer" not in text
    assert f"view={view}" in page.code[0].value


def test_a_price_of_an_api_that_is_assumed_gives_no_verdict():
    _page, text = opened(view="api", model="gpt-neox-20b", hardware="h100-sxm")
    assert "the line assumes $0.60 per million output tokens" in text
    assert "API, assumed price" in text and "they are cheaper" not in text
    assert "as typed" not in text and "Own machines: $" in text
    _page, text = opened(view="api", model="gpt-neox-20b", hardware="h100-sxm", offer="typed")
    assert "Price of the API as typed" in text and "assumes" not in text


def test_an_api_on_record_is_compared_with_its_date_unless_a_price_is_typed():
    _page, text = opened(show="api")
    assert "DeepInfra: Llama 3.1 8B Instruct Turbo, list price of 2026-11-05" in text
    _page, text = opened(show="api", api="1.5")
    assert "list price" not in text
    _page, text = opened(show="api", offer="openai-gpt-4o-mini")
    assert "OpenAI: GPT-4o mini, list price of" in text


def test_a_rate_of_requests_keeps_its_answers_in_flight():
    _page, text = opened(rate="10")
    assert re.search(r"H100 SXM5 80GB, concurrency [\d.]+", text)
    assert re.search(r"half of the requests finish in [\d.]+ s and 90% in [\d.]+ s", text)


def test_a_phone_says_what_an_answer_takes_of_its_battery():
    _page, text = opened(hardware="apple-a18-pro", model="qwen2.5-1.5b", concurrency="1")
    assert re.search(r"An answer takes [\d.]+% of a battery charge", text)
    assert re.search(r"Phones throttle within minutes: [\d.]+ tokens/s once warm", text)


def test_training_that_serving_overtakes_is_dated():
    _page, text = opened(view="energy", training="1e6")
    assert re.search(r"It overtakes training after [\d,.]+ \w+", text)


GPT2 = '{"model_type":"gpt2","n_embd":768,"n_layer":12,"n_head":12,"n_positions":1024}'


def test_a_config_in_the_link_is_served_and_can_be_dropped():
    page, text = opened(config=GPT2, hardware="rtx-4090")
    assert "gpt2 in " in text and "per answer" in text
    assert "config=" in page.code[0].value
    page.button(key="serve_known").click().run()
    assert not page.exception
    assert "config=" not in page.code[0].value


def test_a_config_in_the_link_is_text_and_no_file_of_the_server(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(GPT2, encoding="utf-8")
    page, text = opened(config=str(path))
    assert "is not a JSON object" in text
    assert "config=" not in page.code[0].value


def test_a_broken_config_in_the_link_is_one_line():
    _page, text = opened(config='{"model_type":')
    assert "JSON" in text
    _page, text = opened(config='{"model_type":"resnet"}')
    assert "default settings of this page" in text
