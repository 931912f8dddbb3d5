"""The pages Explore and Plan as a visitor without a browser sees them."""

import html
import re

import pytest

from estimator.answer.scenario_estimate import answer_scenario
from estimator.catalog import Catalog
from estimator.question.scenario import Scenario
from estimator.runs import open_store
from estimator.web.shared.amounts import amount
from tests.measured_runs import several
from tests.web.markup import body, text_of, visited


def opened(path, **query):
    page = visited(path, **query)
    return body(page), text_of(page)


def test_the_first_plan_and_its_link_say_the_same():
    markup, text = opened("plan")
    work = "7 billion parameters on 140 billion tokens"
    assert re.search(
        rf"is the cheapest plan for {work}: .*All limits are met with a probability of \d", text
    )
    query = dict(re.findall(r"[?&](\w+)=([^&\"]*)", html.unescape(markup.split('href="')[1])))
    scenario = Scenario(
        params=7e9,
        tokens=140e9,
        hardware=query["hardware"],
        devices=float(query["devices"]),
        site=query["site"],
        price_kind=query["price_kind"],
    )
    cost = answer_scenario(scenario, Catalog.open()).estimate["cost_usd"]
    assert amount(float(cost.mid), "USD") in text.split("All limits are met")[0]


def test_limits_that_no_design_keeps_show_the_nearest_one():
    _body, text = opened("plan", budget="10", days="1", show="plans", fs="1.4")
    assert re.search(
        r"No plan for 7 billion .* meets all limits with a probability of 80%. The closest reaches",
        text,
    )
    assert "Raising any one limit by 10% does not make a plan possible" in text


def test_explore_says_what_moves_the_answer_most():
    _body, text = opened("explore")
    assert re.search(r"What moves it most: Hardware, from .* to ", text)
    assert "are Pareto-optimal in time, cost and CO2e" in text


def test_a_card_of_ones_own_is_explored_and_one_without_offers_by_its_energy():
    _body, text = opened("explore", hardware="rtx-4090", devices="2")
    assert re.search(
        r"2 × NVIDIA GeForce RTX 4090: the cost is [^(]+\(\$[\d.,]+k\W+\$[\d.,]+k", text
    )
    unpriced = {"hardware": "apple-m4-max", "devices": "1"}
    _body, text = opened("explore", **unpriced)
    assert "(40-core GPU) has no rental price on record" in text
    assert "set --price on the command line, or choose another “Quantity”. default settings" in text
    _body, text = opened("explore", quantity="wall_hours", **unpriced)
    assert "Apple M4 Max (40-core GPU): the time is" in text


def test_words_can_be_swept_too():
    _body, text = opened("explore", show="sweep", fs="1.4", x="hardware", quantity="co2e_kg")
    assert "7 B parameters" in text or "7 billion parameters" in text


@pytest.mark.parametrize("path", ["plan", "explore"])
@pytest.mark.parametrize("name", ["params", "tokens"])
def test_an_emptied_input_keeps_the_last_result_and_says_so(path, name):
    page = visited(path, params="3B", tokens="60B")
    sentence = re.search(r"3 (B|billion) parameters on 60", text_of(page))
    page.text_input(key=f"{path}_{name}").set_value("").run()
    text = text_of(page)
    label = {"params": "Parameters", "tokens": "Training tokens"}[name]
    assert f"“{label}” is empty" in text and "as of the last valid input" in text
    assert bool(re.search(r"3 (B|billion) parameters on 60", text)) == bool(sentence)
    assert f"{name}={'3B' if name == 'params' else '60B'}" in page.code[0].value
    page.text_input(key=f"{path}_{name}").set_value("5B").run()
    assert "last valid input" not in text_of(page)


def test_a_run_that_no_device_holds_is_said_to_be_one():
    text = text_of(visited("explore", params="1e15", tokens="1e17"))
    assert "No design with a known price fits" in text
    assert "No value of this input fits" in text


def test_where_nothing_can_be_planned_the_last_plan_stays(monkeypatch):
    from estimator.studies.search import plan as search

    page = visited("plan")
    before = re.search(r"[^.]*is the cheapest plan", text_of(page))[0].strip()
    monkeypatch.setattr(search, "MOST_DESIGNS", 2)
    page.number_input(key="plan_devices").set_value(512).run()
    text = text_of(page)
    assert "designs exceed the maximum of 2" in text and "as of the last valid input" in text
    assert before[-40:] in text


def test_a_time_is_written_in_days_where_a_person_would():
    text = text_of(visited("plan"))
    assert not re.search(r"\b\d{3,} hours", text)
    assert re.search(r"[\d.]+ days", text)


def test_a_plan_on_a_price_of_one_offer_says_so():
    said = "the price of AMD Instinct MI355X 288GB rests on 1 offer"
    assert said.casefold() in opened("plan", hardware="mi355x")[1].casefold()
    assert "rests on" not in opened("plan", hardware="b200")[1]


def test_each_plan_is_another_design_and_names_its_other_places():
    markup, text = opened("plan")
    links = re.findall(r'href="estimate\?([^"]*)"[^>]*>([^<]*)</a>', markup)
    designs = [re.sub(r"&amp;site=[a-z]+", "", query) for query, _name in links]
    assert len(designs) == len(set(designs)) > 1
    assert re.search(r"on-demand, also in [A-Z]", text)


@pytest.mark.parametrize("path", ["plan", "explore", "compare"])
def test_a_page_answers_anew_once_a_run_was_measured(path, tmp_path, monkeypatch):
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path / "data"))
    asked = {} if path == "compare" else {"hardware": "h100-sxm"}
    before = opened(path, **asked)
    assert opened(path, **asked) == before
    with open_store() as kept:
        kept.add_all(several())
    assert opened(path, **asked) != before
