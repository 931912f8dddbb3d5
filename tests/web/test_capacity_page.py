"""The page Capacity as a visitor without a browser sees it: plans, links, the command, refusals."""

import html
import json
import re
import shlex
from urllib.parse import parse_qsl

import pytest

from estimator.cli import main
from estimator.runs import open_store
from estimator.web.capacity.page import PARAMETERS, command
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


def test_the_first_sentence_names_the_devices_and_the_probability():
    text = text_of(visited("capacity"))
    assert re.match(
        r" Inference · Capacity \d+ × [\w ()]+, bf16 serves 20 requests of Llama 3.1 8B a second, ",
        text,
    )
    assert re.search(
        r"to the first, .* in 30 days\. All limits are met with a probability of \d\d", text
    )
    assert "PUE unknown here: assuming 1.25" in text


def test_the_page_answers_as_its_command_does(capsys):
    query = {**FEW, "rate": "40", "latency": "20", "days": "7", "aim": "time", "pue": "1.4"}
    page = visited("capacity", **query)
    shown = next(one.value for one in page.code if "plan --task serving" in one.value)
    values, problems = PARAMETERS.read(query)
    assert problems == [] and shown == command(values)
    assert "--pue 1.4" in shown and "PUE unknown here" not in text_of(page)
    assert main([*shlex.split(shown)[1:], "--json"]) == 0
    plans = json.loads(capsys.readouterr().out)["plans"]
    text = text_of(page)
    assert plans
    for plan in plans:
        seconds = plan["results"]["inter_token_s"]["mid"]
        assert amount(seconds, "s") in text
        assert amount(plan["results"]["cost_usd"]["mid"], "USD") in text


def test_a_plan_opens_on_serve_with_its_devices_and_its_rate():
    page = visited("capacity", **FEW, rate="7")
    address = html.unescape(re.search(r'href="serve\?([^"]+)"', body(page))[1])
    query = dict(parse_qsl(address))
    assert (query["hardware"], query["rate"], query["input"]) == ("h100-sxm", "7", "500")
    assert float(query["devices"]) in (1.0, 2.0, 4.0)


@pytest.mark.parametrize("show", ["plans", "table", "binds"])
def test_every_slide_stands_alone(show):
    page = visited("capacity", **FEW, show=show, fs="1.4")
    assert "requests a second, the cheapest way" in text_of(page)
    assert not page.code


def test_goals_that_no_design_meets_show_the_nearest_one():
    text = text_of(visited("capacity", **FEW, latency="0.1"))
    assert "No plan keeps all limits with 80%. The nearest does with" in text


def test_what_fits_nowhere_keeps_the_last_plan_and_says_why():
    page = visited("capacity", **FEW)
    before = re.search(r"[^.]*serves 20 requests", text_of(page))[0]
    page.selectbox(key="capacity_model").set_value("llama-3.1-405b").run()
    text = text_of(page)
    assert "The weights do not fit in 1 × NVIDIA H100" in text
    assert "“Devices at most”" in text and "last valid input" in text
    assert before[-30:] in text


def test_an_emptied_rate_keeps_the_last_result_and_says_so():
    page = visited("capacity", **FEW)
    page.text_input(key="capacity_rate").set_value("").run()
    text = text_of(page)
    assert "“Requests per second” is empty" in text and "last valid input" in text
    page.text_input(key="capacity_latency").set_value("").run()
    assert "latency=&" in page.code[1].value


def test_a_bad_link_is_adjusted_and_said():
    text = text_of(visited("capacity", **FEW, latency="soon", aim="fun", site="nowhere"))
    assert "“latency” is not a number" in text
    assert "“aim” is fun" in text and "“site” is nowhere" in text


def test_measured_loads_correct_the_plans_until_they_are_ignored():
    with open_store() as kept:
        kept.add(LOADED)
    page = visited("capacity", **FEW)
    assert "Calibrated: 1 run on NVIDIA H100 SXM5 80GB" in text_of(page)
    page.selectbox(key="capacity_calibration").set_value("ignore").run()
    assert "Calibrated" not in text_of(page)
    assert any(one.value.endswith("--calibration ignore") for one in page.code)


def test_german_says_it_in_german():
    text = text_of(visited("capacity", **FEW, lang="de"))
    assert re.search(r"bedient 20 Anfragen an Llama 3.1 8B pro Sekunde, der \w+ Plan: ", text)
    assert "PUE hier unbekannt: 1,25 wird angenommen" in text
