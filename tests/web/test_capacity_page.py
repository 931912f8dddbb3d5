"""The page Capacity as a visitor without a browser sees it: plans, links, refusals."""

import html
import json
import re
from urllib.parse import parse_qsl

import pytest

from estimator.cli import main
from estimator.runs import open_store
from estimator.web.shared import language
from estimator.web.shared.amounts import amount
from tests.web.markup import body, text_of, visited
from tests.web.test_serve_page import LOADED

FEW = {"hardware": "h100-sxm", "devices": "4", "budget": "20000"}
"""A link with few designs, so that a test is short."""


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """English, and a store without runs."""
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path / "data"))
    yield
    language.use("en")


def test_the_first_sentence_answers_for_users_and_a_percentile():
    text = text_of(visited("capacity"))
    assert re.match(
        r" Inference · Capacity \d+ × [\w ()]+ serves 200 users of Llama 3.1 8B at the lowest cost",
        text,
    )
    assert re.search(r"in 30 days; 90% of requests get their first token within [\d.]+ m?s\.", text)
    assert "Cheapest" in text and "Fastest" in text and "Least CO2e" in text
    assert re.search(r"(load|90% of requests), met with [\d.]+%", text)
    assert "PUE unknown here: assuming 1.25" in text
    assert "Assuming that users pause 30 s" in text


COMMAND = "plan --task serving --preset llama-3.1-8b --input-tokens 500 --output-tokens 300 "
COMMAND += "--hardware h100-sxm --devices 1,2,4 --budget 20000 --json "


def unfolded(**query):
    """Words of the page with the rest of its figures."""
    page = visited("capacity", **query)
    page.session_state["capacity_more"] = True
    return text_of(page.run())


def test_the_page_answers_as_the_command_does(capsys):
    query = {**FEW, "rate": "40", "latency": "20", "days": "7", "pue": "1.4", "first": ""}
    query |= {"request": "9", "percentile": "99"}
    text = unfolded(**query)
    assert "PUE unknown here" not in text
    words = f"{COMMAND} --request-rate 40 --latency-goal 0.02 --days 7 --pue 1.4 --request-goal 9 "
    for aim in ("cost", "time", "co2e"):
        assert main(f"{words} --percentile 99 --minimize {aim}".split()) == 0
        plan = json.loads(capsys.readouterr().out)["plans"][0]
        assert amount(plan["results"]["inter_token_s"]["mid"], "s") in text
        assert amount(plan["results"]["request_p99_s"]["mid"], "s") in text
        assert amount(plan["results"]["cost_usd"]["mid"], "USD") in text


def test_users_pause_as_the_page_says(capsys):
    text = unfolded(**FEW, users="300", think="10")
    words = f"{COMMAND} --users 300 --think-time 10 --percentile 90 --first-token-goal 2"
    assert main(words.split()) == 0
    plan = json.loads(capsys.readouterr().out)["plans"][0]
    assert f"requests a second {amount(plan['inputs']['requests_per_s'], '1')}" in text
    assert "users pause" not in text


def test_what_decides_comes_first_and_the_rest_is_folded():
    text = text_of(visited("capacity", **FEW))
    assert "time per token" not in text and "price of a device" not in text
    assert text.index("tightest limit") > text.index("CO2e")
    assert "price of a device" in unfolded(**FEW)


def test_a_plan_that_takes_more_devices_than_its_weights_says_why():
    query = {"hardware": "l40s", "model": "qwen3-32b", "budget": "", "users": "400"}
    text = text_of(visited("capacity", **query))
    assert re.search(r"bf16, fits in 2; \d+ replicas of \d+|needs 2 to hold the weights", text)


def test_a_plan_opens_on_serve_with_its_devices_and_its_rate():
    page = visited("capacity", **FEW, rate="7")
    address = html.unescape(re.search(r'href="serve\?([^"]+)"', body(page))[1])
    query = dict(parse_qsl(address))
    assert (query["hardware"], query["rate"], query["input"]) == ("h100-sxm", "7", "500")
    assert float(query["devices"]) in (1.0, 2.0, 4.0)


def test_goals_that_no_design_meets_show_the_nearest_one():
    text = text_of(visited("capacity", **FEW, latency="0.1"))
    assert "No plan meets all limits with a probability of 80%. The closest reaches" in text


def test_what_fits_nowhere_keeps_the_last_plan_and_says_why():
    page = visited("capacity", **FEW)
    before = re.search(r"[^.]*serves 200 users", text_of(page))[0]
    page.selectbox(key="capacity_model").set_value("llama-3.1-405b").run()
    text = text_of(page)
    assert "The weights do not fit in 1 × NVIDIA H100" in text
    assert "“Devices at most”" in text and "last valid input" in text
    assert before[-30:] in text


def test_an_emptied_number_of_users_keeps_the_last_result_and_says_so():
    page = visited("capacity", **FEW)
    page.text_input(key="capacity_users").set_value("").run()
    text = text_of(page)
    assert "“Users” is empty" in text and "last valid input" in text
    page.text_input(key="capacity_latency").set_value("").run()
    assert "latency=&" in page.code[0].value


def test_measured_loads_correct_the_plans_until_they_are_ignored():
    with open_store() as kept:
        kept.add(LOADED)
    page = visited("capacity", **FEW)
    assert "Calibrated: 1 run on NVIDIA H100 SXM5 80GB" in text_of(page)
    page.selectbox(key="capacity_calibration").set_value("ignore").run()
    assert "Calibrated" not in text_of(page)


def test_german_says_it_in_german():
    text = text_of(visited("capacity", **FEW, lang="de"))
    assert "bedient 200 Nutzer von Llama 3.1 8B zu den geringsten Kosten, " in text
    assert "PUE hier unbekannt: 1,25 wird angenommen" in text
