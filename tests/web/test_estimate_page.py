"""The Estimate page as a visitor without a browser sees it: states, links, no exception."""

import html
import json
import re
from datetime import date
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from estimator.answer.scenario_estimate import answer_scenario
from estimator.catalog import Catalog
from estimator.question.scenario import INPUTS, Scenario, from_link, link
from estimator.show.quantities import amount as as_text
from estimator.web.estimate.calibrated import applied_runs, summary
from estimator.web.estimate.inputs import DEFAULT, OF_ALL
from estimator.web.estimate.page import EXAMPLES
from estimator.web.shared.frame import MOST_CONTROLS
from tests.measured_runs import several, store
from tests.web.markup import alts, body, healthy, notices, text_of, visited

APP = Path(__file__).parents[2] / "app.py"
CATALOG = Catalog.open()
HEADLINES = ("wall_hours", "energy_kwh", "cost_usd", "co2e_kg")
GPT2 = {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12}


def opened(query: str = "") -> AppTest:
    """Page as a link opens it, at the root as in links of before; by its own address if bare."""
    if not query:
        return visited("estimate")
    page = AppTest.from_file(str(APP), default_timeout=60)
    for name, value in parse_qsl(query.lstrip("?")):
        page.query_params[name] = value
    return healthy(page.run())


def test_every_control_can_stand_on_a_slide():
    labelled = [name for name in OF_ALL if INPUTS[name].label]
    for first in range(0, len(labelled), MOST_CONTROLS):
        names = labelled[first : first + MOST_CONTROLS]
        page = opened(f"show=devices&controls={','.join(names)}")
        assert notices(page) == ""
        assert {f"estimate_{name}" for name in names} <= {
            one.key for one in (*page.text_input, *page.number_input, *page.selectbox)
        }


def test_controls_of_a_slide_stand_once_and_those_it_cannot_show_are_named():
    page = opened("show=devices&controls=devices,nope,devices,<b>,pue,site,hardware,precision")
    assert "nope, <b>, which no slide" in notices(page)
    assert "precision, for which a slide has no room" in notices(page)
    assert [one.key for one in page.number_input].count("estimate_devices") == 1


def unfolded(page: AppTest, name: str) -> AppTest:
    """Page with a section open that is one click away."""
    key = "open_controls" if name in SECTIONS_OF_INPUTS else "open_details"
    state = page.session_state
    state[key] = [*state.get(key, []), name]
    return healthy(page.run())


SECTIONS_OF_INPUTS = ("work", "hardware", "place")


def figure(page: AppTest, quantity: str) -> str:
    """Headline figure as text: its value, range and notes, a line each."""
    found = re.search(rf'data-quantity="{quantity}">(.*?)</dd>', body(page), re.DOTALL)
    assert found, quantity
    value = found[1].replace("<small>", " ")
    return html.unescape(re.sub(r"<[^>]+>", "\n", value))


def marker(page: AppTest) -> str:
    found = re.search(r'data-scenario="([^"]*)"', body(page))
    assert found
    return html.unescape(found[1])


def expected(scenario: Scenario, quantity: str) -> str:
    return as_text(quantity, float(answer_scenario(scenario, CATALOG).estimate[quantity].mid))


def test_the_page_opens_with_an_answer():
    page = opened()
    for quantity in HEADLINES:
        assert expected(DEFAULT, quantity) in figure(page, quantity)
        assert " – " in figure(page, quantity)
    assert "20 W brain" in html.unescape(body(page)).replace("\N{NO-BREAK SPACE}", " ")
    assert "one brain for" in figure(page, "energy_kwh")


def test_the_bare_address_stays_bare_until_a_control_moves():
    page = opened()
    assert dict(page.query_params) == {}
    page.number_input(key="estimate_devices").set_value(128).run()
    assert page.query_params["devices"] == "128"
    assert page.query_params["hardware"] == "h100-sxm"


def test_each_chart_says_its_answer_in_words():
    page = opened()
    for picture, words in {
        "devices": ("Human brain", "yours"),
        "parts": ("cooling",),
        "doubts": ("utilization",),
    }.items():
        page.segmented_control(key="estimate_picture").set_value(picture).run()
        (reported,) = alts(healthy(page))
        assert all(word in reported for word in words)


@pytest.mark.parametrize(
    "query",
    [
        "params=7e9&tokens=2e12&hardware=h100&devices=64&site=fr",
        "params=671e9&active_params=37e9&tokens=14.8e12&hardware=h800-sxm&devices=2048",
        "preset=gpt-3&hardware=v100&devices=1024&site=us&utilization=0.2",
        "preset=llama-2-7b&finetune=lora&tokens=1e9&hardware=rtx-4090",
        "flop=3.14e23&kind=vision&hardware=tpu-v4&devices=512",
        "device_hours=1e6&hardware=a100-sxm-80&devices=512&site=fr&pay=own",
        "preset=gpt-3&device_hours=3e6&hardware=v100&devices=1024",
        "flop=1e15&hardware=human-brain&precision=equivalent",
        "flop=1e15&hardware=apple-a17-pro-npu&precision=int8&price=0.01",
        "params=1e9&tokens=2e10&hardware=h100&price=3&pue=1.1&carbon_intensity=0.05&interval=0.5",
        "params=1e9&tokens=2e10&hardware=h100&price_kind=spot&attempts=2.5&wue=0.3",
    ],
)
def test_a_link_opens_what_the_command_line_answers(query):
    page = opened(query)
    scenario, unread = from_link(dict(parse_qsl(query)))
    assert not unread and not notices(page)
    answer = answer_scenario(scenario, CATALOG)
    for quantity in HEADLINES:
        if quantity in answer.estimate:
            assert as_text(quantity, float(answer.estimate[quantity].mid)) in figure(page, quantity)
        else:
            assert "unknown" in figure(page, quantity)


@pytest.mark.parametrize("hardware", ["human-brain", "edge-tpu", "h100-sxm"])
def test_no_preset_fails_on_any_device(hardware):
    page = opened(f"hardware={hardware}")
    runs = [one.id for one in CATALOG.presets() if one.as_run and "device_hours" not in one.records]
    for preset in runs:
        page.query_params.clear()
        page.query_params["preset"], page.query_params["hardware"] = preset, hardware
        healthy(page.run())
        assert f"preset={preset}&" in marker(page)
        assert not notices(page)


scenarios = st.builds(
    Scenario,
    params=st.floats(1e3, 1e13),
    tokens=st.floats(1e3, 1e14),
    hardware=st.sampled_from(["h100-sxm", "v100-sxm2-16", "rtx-4090", "tpu-v4", "human-brain"]),
    devices=st.integers(1, 100_000).map(float),
    utilization=st.none() | st.floats(0.01, 1.0),
    site=st.none() | st.sampled_from(["fr", "us", "de", "aws-us-east-1", "my-room"]),
    pue=st.none() | st.floats(1.0, 2.0),
    carbon_intensity=st.none() | st.floats(0.0, 1.0),
    price=st.none() | st.floats(0.01, 50.0),
    attempts=st.none() | st.floats(1.0, 10.0),
    finetune=st.none() | st.sampled_from(["full", "lora"]),
    price_kind=st.none() | st.sampled_from(["on-demand", "spot", "reserved"]),
    pay=st.none() | st.sampled_from(["rent", "own"]),
    interval=st.none() | st.floats(0.1, 0.99),
)


@given(scenario=scenarios)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_copied_link_opens_the_same_page(scenario):
    first = opened(link(scenario))
    again = opened(marker(first))
    assert marker(again) == marker(first)
    assert [figure(again, name) for name in HEADLINES] == [
        figure(first, name) for name in HEADLINES
    ]


def test_a_copied_link_leaves_nothing_to_defaults():
    query = dict(parse_qsl(marker(opened())[1:]))
    shown = {"params", "tokens", "hardware", "devices", "precision", "site", "attempts"}
    assert shown | {"v", "price_kind", "pay", "interval"} <= set(query)


@pytest.mark.parametrize(
    ("query", "reported"),
    [
        ("params=lots&tokens=2e12&hardware=h100", "“Parameters” is not a number"),
        ("params=7e9&tokens=2e12&hardware=h1000", "h1000"),
        ("params=7e9&tokens=2e12&hardware=h100&site=atlantis", "atlantis"),
        ("params=7e9&tokens=2e12&hardware=h100&pue=0.5", "“pue” must be at least 1"),
        ("params=7e9&tokens=2e12&hardware=v100&precision=fp8", "fp8"),
        ("params=7e9&tokens=2e12&hardware=h100&devices=2.5", "whole number"),
        (
            "params=7e9&tokens=2e12&hardware=h100&pue=0.5&utilization=2",
            "“utilization (share of the peak)” must be",
        ),
        ("params=7e9&flop=1e20&tokens=2e12&hardware=h100", "amount of work"),
        ("params=nan&tokens=inf&interval=2", "“Training tokens” is not a number: inf"),
        ("v=9&params=7e9&tokens=2e12&hardware=h100", "version 9"),
        ("params=7e9&tokens=2e12&hardware=h100&colour=blue", "colour"),
        ("pay=barter&params=7e9&tokens=2e12&hardware=h100", "barter"),
        ("params=7e9&tokens=1e12&hardware=h100&interval=0", "between 0 and 1, got 0"),
        ("params=7e9&tokens=1e12&hardware=h100&devices=0", "“devices” must be positive, got 0"),
    ],
)
def test_a_bad_link_is_reported_and_still_answered(query, reported):
    page = opened(query)
    assert reported.lower() in notices(page)
    assert "data-quantity" in body(page)
    page.number_input(key="estimate_devices").set_value(7).run()
    assert not notices(page)


def test_a_text_that_is_no_number_keeps_the_last_result():
    page = opened()
    before = figure(page, "energy_kwh")
    page.text_input(key="estimate_params").set_value("seven").run()
    healthy(page)
    assert figure(page, "energy_kwh") == before
    assert "“Parameters” is not a number" in html.unescape(body(page))
    assert page.text_input(key="estimate_params").value == "seven"


def test_a_number_that_cannot_be_keeps_the_last_result_and_the_address():
    page = opened()
    page.number_input(key="estimate_devices").set_value(8).run()
    before, address = figure(page, "energy_kwh"), dict(page.query_params)
    unfolded(page, "place").text_input(key="estimate_pue").set_value("0.5").run()
    healthy(page)
    assert "“pue” must be at least 1, got 0.5" in notices(page)
    assert figure(page, "energy_kwh") == before
    assert dict(page.query_params) == address


def test_devices_left_open_are_one_that_is_assumed():
    page = opened()
    healthy(page.number_input(key="estimate_devices").set_value(8).run())
    healthy(page.number_input(key="estimate_devices").set_value(None).run())
    assert "devices=" not in marker(page)
    assert "assuming one device" in body(unfolded(page, "assumed")).lower()
    assert page.number_input(key="estimate_devices").value is None
    again = opened(marker(page))
    assert again.number_input(key="estimate_devices").value is None


def test_a_request_sent_before_the_address_was_written_does_not_undo():
    page = opened()
    page.number_input(key="estimate_devices").set_value(8).run()
    page.query_params.clear()
    page.number_input(key="estimate_devices").set_value(16).run()
    assert page.number_input(key="estimate_devices").value == 16
    assert page.query_params["devices"] == "16"


def test_the_way_to_say_the_work_keeps_the_work():
    page = opened("params=7e9&tokens=2e12&hardware=h100&devices=64")
    flop = answer_scenario(DEFAULT, CATALOG).estimate["training_flop"].mid
    page.segmented_control(key="estimate_way").set_value("flop").run()
    assert float(page.text_input(key="estimate_flop").value) == pytest.approx(float(flop), rel=1e-2)
    page.segmented_control(key="estimate_entry").set_value("timed").run()
    assert page.text_input(key="estimate_device_hours").value
    page.segmented_control(key="estimate_entry").set_value("train").run()
    page.segmented_control(key="estimate_way").set_value("preset").run()
    assert page.selectbox(key="estimate_hardware").value == "v100-sxm2-32"
    assert page.number_input(key="estimate_devices").value == 10_000
    healthy(page)


def test_a_preset_brings_its_device_and_count():
    page = opened("preset=gpt-3&hardware=h100")
    page.selectbox(key="estimate_preset").set_value("bloom-176b").run()
    healthy(page)
    preset = CATALOG.preset("bloom-176b")
    assert page.selectbox(key="estimate_hardware").value == preset.hardware
    assert page.number_input(key="estimate_devices").value == preset.as_run["devices"].value


def test_a_new_device_brings_its_own_precision_and_price():
    page = opened("params=7e9&tokens=2e12&hardware=h100&price=2")
    page.selectbox(key="estimate_hardware").set_value("v100-sxm2-16").run()
    unfolded(unfolded(page, "hardware"), "place")
    assert page.selectbox(key="estimate_precision").value == "fp16"
    assert page.text_input(key="estimate_price").value == ""


def test_a_control_that_is_folded_away_again_keeps_what_it_says():
    page = unfolded(opened("params=7e9&tokens=2e12&hardware=h100&devices=8"), "place")
    page.text_input(key="estimate_pue").set_value("1.5").run()
    before = marker(healthy(page))
    assert "pue=1.5" in before
    page.session_state["open_controls"] = []
    for devices in (16, 8):
        page.number_input(key="estimate_devices").set_value(devices).run()
    assert "estimate_pue" not in {one.key for one in page.text_input}
    assert marker(healthy(page)) == before
    assert unfolded(page, "place").text_input(key="estimate_pue").value == "1.5"


def test_every_precision_offered_belongs_to_the_device():
    page = unfolded(opened("flop=1e18&hardware=gtx-1080"), "hardware")
    offered = {
        option.partition(",")[0] for option in page.selectbox(key="estimate_precision").options
    }
    assert offered == set(CATALOG.device("gtx-1080").peaks)


def test_a_pasted_config_counts_its_work_and_travels_as_flops():
    page = opened()
    page.segmented_control(key="estimate_way").set_value("config").run()
    assert "paste or upload" in notices(page)
    page.text_area(key="estimate_config").set_value("not json").run()
    assert "is not a JSON object" in body(page) and "enter the training tokens" not in body(page)
    page.text_area(key="estimate_config").set_value(json.dumps(GPT2)).run()
    assert marker(healthy(page)).count("tokens=2e12") == 1, "they are those of before"
    page.text_input(key="estimate_tokens").set_value("").run()
    assert "enter the training tokens" in notices(page)
    page.text_input(key="estimate_tokens").set_value("10B").run()
    healthy(page)
    assert "with 10 billion tokens" in body(page) and "A run of" not in body(page)
    query = dict(parse_qsl(marker(page)[1:]))
    assert json.loads(query["config"]) == GPT2
    assert figure(opened(marker(page)), "energy_kwh") == figure(page, "energy_kwh")


@pytest.mark.parametrize("text", ["{", "[]", '{"model_type": "llamma"}', "\x00"])
def test_a_config_that_cannot_be_read_is_reported(text):
    page = opened()
    page.segmented_control(key="estimate_way").set_value("config").run()
    page.text_input(key="estimate_tokens").set_value("10B").run()
    page.text_area(key="estimate_config").set_value(text).run()
    healthy(page)
    reported = re.findall(r'role="alert">([^<]*)<', body(page))
    assert reported and "/tmp" not in reported[0]
    assert "data-quantity" in body(page)


def test_without_a_price_the_reason_stands_where_the_price_would():
    text = figure(opened("flop=1e15&hardware=edge-tpu"), "cost_usd")
    assert "unknown" in text and "no rental price" in text


def test_an_impossible_run_keeps_its_result_and_says_so():
    page = opened("preset=gpt-3&hardware=v100&devices=1")
    assert "over 100 years" in body(page)
    assert "years" in figure(page, "wall_hours")


def test_a_run_known_by_its_hours_has_a_given_time_and_no_comparison():
    page = opened("device_hours=1000&hardware=a100-sxm-80&devices=8")
    assert "given" in figure(page, "wall_hours")
    assert "has no prediction on other devices" in body(page)


def test_a_link_can_ask_for_one_chart_in_large_type():
    page = opened("show=doubts&fs=1.4")
    assert len(alts(page)) == 1
    assert any("--root: 22.4px" in block.proto.body for block in page.get("html"))
    assert "data-quantity" not in body(page)


def test_reset_says_the_default_again():
    page = opened("preset=gpt-3&hardware=v100&devices=7")
    page.button(key="reset").click().run()
    assert expected(DEFAULT, "energy_kwh") in figure(healthy(page), "energy_kwh")


def test_every_number_names_its_source_one_click_away():
    page = opened()
    assert not page.dataframe, "nothing is drawn before it is asked for"
    table = unfolded(page, "sources").dataframe[0].value
    inputs = answer_scenario(DEFAULT, CATALOG).inputs
    assert set(table["key"]) == set(inputs)
    assert CATALOG.source(inputs["tdp_w"].source).url in set(table["url"])


def test_messages_speak_of_controls_and_not_of_options():
    for query in ("preset=gpt-3&hardware=v100", "flop=1e15&hardware=edge-tpu"):
        assert "--" not in text_of(opened(query))


def test_an_uploaded_config_is_read_like_a_pasted_one():
    page = opened()
    page.segmented_control(key="estimate_way").set_value("config").run()
    page.text_input(key="estimate_tokens").set_value("10B").run()
    file = ("config.json", json.dumps(GPT2).encode(), "application/json")
    page.file_uploader(key="estimate_file").upload(*file).run()
    assert json.loads(healthy(page).text_area(key="estimate_config").value) == GPT2
    assert "config=" in marker(page)


def hourly(values) -> bytes:
    """CSV file of hourly intensities."""
    rows = "".join(f"{hour},{value}\n" for hour, value in enumerate(values))
    return f"hour,co2e_kg_per_kwh\n{rows}".encode()


def test_an_uploaded_profile_of_the_grid_says_when_to_start():
    # By hand: sixteen hours at 0.4 and eight at 0.1; a run of four hours saves three quarters.
    day = hourly([0.4] * 8 + [0.1] * 8 + [0.4] * 8)
    page = unfolded(opened("?device_hours=32&hardware=v100&devices=8&site=us"), "start")
    before = figure(page, "co2e_kg")
    page.file_uploader(key="carbon_file").upload("grid.csv", day, "text/csv").run()
    reported = "\n".join(element.value for element in healthy(page).markdown)
    assert "Starting at hour 8 instead of 0 would save 75% of the CO2e" in reported
    assert "at 0.4 kgCO2e/kWh" in reported
    page.number_input(key="carbon_start").set_value(8).run()
    reported = "\n".join(element.value for element in healthy(page).markdown)
    assert "Starting at another hour than 8 would not reduce the CO2e" in reported
    assert "at 0.1 kgCO2e/kWh" in reported
    assert figure(page, "co2e_kg") == before
    assert "carbon" not in marker(page)


@pytest.mark.parametrize(
    ("content", "start", "refusal"),
    [
        (hourly([0.4] * 23), 0, "grid.csv: 24 to 8784 rows an hour apart are needed, got 23"),
        (hourly([0.4] * 24), 24, "start must be an hour of the profile, 0 to 23, got 24"),
        (b"hour,co2e_kg_per_kwh\n\xff", 0, "grid.csv is no CSV file in UTF-8"),
        (b"", 0, "grid.csv: the columns must be"),
    ],
)
def test_a_profile_that_cannot_be_read_is_refused_in_one_line(content, start, refusal):
    page = unfolded(opened("?device_hours=32&hardware=v100&devices=8&site=us"), "start")
    assert page.number_input(key="carbon_start").disabled, "without a profile it changes nothing"
    page.file_uploader(key="carbon_file").upload("grid.csv", content, "text/csv").run()
    page.number_input(key="carbon_start").set_value(start).run()
    assert refusal in body(healthy(page))


def test_the_year_of_the_run_is_a_control_and_part_of_the_link():
    page = opened("?device_hours=32&hardware=v100&devices=8&site=us")
    now = figure(page, "co2e_kg")
    unfolded(page, "place").text_input(key="estimate_year").set_value("2012").run()
    assert "year=2012" in marker(healthy(page))
    assert figure(page, "co2e_kg") != now
    assert figure(opened(marker(page)), "co2e_kg") == figure(page, "co2e_kg")


@pytest.fixture
def measured_here(tmp_path, monkeypatch):
    """A store with runs on an H100, the device that the page opens with."""
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path / "data"))
    store(*several())


def test_a_device_that_was_measured_names_the_runs_as_source(measured_here):
    page = unfolded(opened(), "sources")
    table = page.dataframe[0].value
    assert "2 measured runs" in set(table["title"])
    assert "calibrated" in set(table["basis"])


def test_a_device_whose_runs_came_with_the_program_is_answered():
    page = opened("hardware=amd-epyc-2-cores&params=1e6&tokens=1e7")
    assert "measured run" in body(page)


def test_what_measured_runs_changed_stands_beside_what_it_was_and_can_be_switched_off(
    measured_here,
):
    page = opened()
    plain = Scenario(**{**DEFAULT.specified_inputs(), "calibration": "ignore"})
    before = expected(plain, "wall_hours")
    assert before != expected(DEFAULT, "wall_hours")
    assert f"published runs only: {before} (" in figure(page, "wall_hours")
    assert "Calibrated with 2 measured runs on NVIDIA H100" in body(page)
    assert ", the newest of " in body(page)
    page.selectbox(key="estimate_calibration").select("ignore").run()
    assert page.query_params["calibration"] == "ignore"
    assert before in figure(page, "wall_hours").partition("with the measured runs:")[0]
    assert "Ignored 2 measured runs" in body(page)
    assert before in figure(opened(marker(page)), "wall_hours").partition("with the")[0]


def test_without_measured_runs_nothing_is_said_of_them():
    page = opened()
    assert "data-measured" not in body(page)
    assert unfolded(page, "hardware").selectbox(key="estimate_calibration").value == "use"


def test_the_age_of_the_newest_run_is_reported_in_days(measured_here):
    found = applied_runs(answer_scenario(DEFAULT, CATALOG), CATALOG)
    assert "the newest of 2026-11-19, 3 days old" in summary(found, date(2026, 11, 22))
    assert "the newest of today" in summary(found, date(2026, 11, 19))


def test_what_is_to_be_known_of_a_known_run_is_reported_with_it():
    page = opened("preset=alphago&hardware=p100&devices=50")
    reported = html.unescape(body(page))
    assert "AlphaGo (Nature 2016, training): Policy and value networks" in reported
    assert "The type of GPU was not published" in reported


def test_one_brain_is_one_and_a_question_needs_no_full_stop():
    assert "like one brain" in figure(opened("preset=gpt-3&hardware=human-brain"), "energy_kwh")
    assert notices(opened("hardware=h1000&params=1e9&tokens=2e10")).rstrip().endswith("?")


def test_an_unknown_power_is_reported_without_the_name_of_a_field():
    reported = body(opened("hardware=amd-epyc-2-cores&params=2e6&tokens=1e9&precision=fp32"))
    assert "a profile with its power limit sets it" in reported
    assert "tdp_w in a profile" not in reported


@pytest.mark.parametrize(
    ("entry", "most"), [("train", 8), ("finetune", 8), ("timed", 8)], ids=lambda word: str(word)
)
def test_at_most_eight_controls_are_in_sight(entry, most):
    page = opened()
    page.segmented_control(key="estimate_entry").set_value(entry).run()
    shown = [one for kind in KINDS for one in page.sidebar.get(kind)]
    every = [one for one in shown if one.key != "open_controls"]
    assert len(every) == len(shown) - 1
    assert 4 <= len(every) <= most


KINDS = ("button_group", "selectbox", "text_input", "number_input", "slider", "text_area")


def test_a_pasted_config_stays_when_it_is_fine_tuned_and_trained_again():
    page = opened()
    page.segmented_control(key="estimate_way").set_value("config").run()
    page.text_input(key="estimate_tokens").set_value("10B").run()
    page.text_area(key="estimate_config").set_value(json.dumps(GPT2)).run()
    for entry, tokens in (("finetune", "5e7"), ("train", "2e12")):
        page.segmented_control(key="estimate_entry").set_value(entry).run()
        query = dict(parse_qsl(marker(healthy(page))[1:]))
        assert json.loads(query["config"]) == GPT2
        assert float(query["tokens"]) == float(tokens)


def test_fine_tuning_opens_on_an_owned_card_at_home_with_qlora_in_the_link():
    page = opened()
    page.segmented_control(key="estimate_entry").set_value("finetune").run()
    query = dict(parse_qsl(marker(healthy(page))[1:]))
    assert query["hardware"] == "rtx-4090" and query["pay"] == "own" and query["pue"] == "1"
    assert query["finetune"] == "qlora"
    assert "hours" in figure(page, "wall_hours") and "fits in memory" in body(page)
    page.selectbox(key="estimate_finetune").select("full").run()
    assert "finetune=full" in marker(healthy(page))
    assert "does not fit" in body(page)
    assert re.search("fits with “Fine-tuning” lora.*, or with “Devices” [2-9]<", body(page))


def test_what_makes_a_run_fit_names_no_more_devices_than_are_needed():
    plain = "preset=llama-3-8b&tokens=5e7&hardware=rtx-4090&devices=1&finetune={}"
    hosted = body(opened(plain.format("full")))
    assert "recomputing, with optimizer states in host memory" in hosted
    several = body(opened(f"{plain.format('full')}&recomputation=full"))
    assert "fits with “Fine-tuning” lora, or with “Devices” 5<" in several
    alone = body(opened(plain.format("qlora")))
    assert "fits in memory" in alone and "recomputing all activations" in alone


def test_a_scenario_is_taken_further_with_its_numbers():
    page = opened("params=7e9&tokens=2e12&hardware=h100&devices=64&site=fr")
    explore, plan = (
        dict(parse_qsl(html.unescape(query)))
        for query in re.findall(r'href="(?:explore|plan)\?([^"]*)"', body(page))
    )
    assert explore == {
        **{"params": "7B", "tokens": "2T", "hardware": "h100-sxm", "devices": "64"},
        "site": "fr",
    }
    assert (plan["params"], plan["tokens"]) == ("7B", "2T")
    assert plan.keys() == {"params", "tokens", "budget", "days", "carbon"}
    assert "plan?" not in body(opened("preset=gpt-3&hardware=v100"))


def test_a_choice_that_only_the_page_made_is_not_said_to_have_no_effect():
    link = "device_hours=1000&hardware=a100-sxm-80&devices=8&site=se"
    said = body(unfolded(opened(link), "assumed"))
    assert "given as device time" in said and "has no effect" not in said
    ignored = body(unfolded(opened(f"{link}&calibration=ignore"), "assumed"))
    assert "has no effect here" in ignored


def test_a_run_that_fits_says_how_full_the_memory_is():
    shown = body(opened("params=7e9&tokens=2e12&hardware=h100&devices=64"))
    assert re.search(r"fits in memory: \d+% of [\d.]+ GB per device", shown)


def test_ten_examples_are_one_click_away_and_each_is_answered():
    page = unfolded(opened(), "examples")
    assert len(EXAMPLES) == 10
    for number, (_text, query) in enumerate(EXAMPLES):
        page.button(key=f"example_{number}").click().run()
        assert not notices(healthy(page))
        shown = dict(parse_qsl(marker(page)[1:]))
        asked = from_link(dict(parse_qsl(query)))[0]
        assert shown["hardware"] == CATALOG.device(asked.hardware).id
        assert shown.get("preset") == asked.preset


def test_an_unknown_picture_on_markdown_and_html_in_a_link_load_nothing():
    page = opened("hardware=![x](http://192.0.2.1/x.png)&site=<img src=http://192.0.2.1/y.png>")
    assert "h1" in marker(page)
    shown = body(page) + " ".join(element.value for element in page.markdown)
    assert "<img" not in shown and "](http" not in " ".join(e.value for e in page.markdown)


def test_a_german_page_refuses_a_number_in_german():
    page = opened("lang=de&params=7e9&tokens=2e12&hardware=h100&pue=0.5&devices=1e12")
    said = notices(page)
    assert "„pue“ muss mindestens 1 sein" in said
    assert "„geräte“ darf höchstens 10⁹ sein (mehr beschleuniger, als es gibt)" in said
