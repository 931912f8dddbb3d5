"""The page One question as a visitor without a browser sees it."""

import re
from urllib.parse import parse_qsl

import pytest

from estimator.catalog import Catalog
from estimator.studies.prompts.answer import answer_prompt, prompt_report
from estimator.studies.prompts.question import TASKS, PromptQuestion
from estimator.web.shared import language
from estimator.web.shared.amounts import result
from tests.web.markup import alts, notices, query_of, text_of, visited


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """English, and a store without runs."""
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path / "data"))
    yield
    language.use("en")


def amounts(page):
    """Energy of the first sentence, and the seconds or minutes of a lamp and a brain."""
    text = text_of(page)
    return re.search(r"takes ([\d.]+ m?Wh)", text)[1], re.search(r"LED lamp ([\d.]+ \w+)", text)[1]


def test_it_answers_beside_a_lamp_before_anything_is_typed():
    page = visited("question")
    text = text_of(page)
    assert re.search(
        r"A short question takes 0\.\d+ Wh \(0\.\d+ – [\d.]+ Wh\): GPT \(large\)\.", text
    )
    assert re.search(r"a 10 W LED lamp [\d.]+ minutes a brain at 20 W [\d.]+ \w+", text)
    assert any("ChatGPT" in name for name in page.selectbox(key="question_model").options)
    assert "is not disclosed: a distribution over models of its class stands for it" in text
    assert "20 a day are" in text and "A million such users" in text
    (stated,) = alts(page)
    page.button_group(key="question_view").set_value("tasks").run()
    (tasks,) = alts(page)
    assert all(figure in stated for figure in ("0.24 Wh", "0.34 Wh", "3 Wh", "3.96 Wh"))
    assert all(name in tasks for name in TASKS.values())


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_an_answer(task):
    assert amounts(visited("question", task=task))


def test_a_model_that_does_not_do_the_new_task_gives_way():
    page = visited("question", model="llama-3.1-8b")
    page.selectbox(key="question_task").select("image").run()
    assert page.selectbox(key="question_model").value == "any"
    assert "An image takes" in text_of(page) and not notices(page)


def test_a_link_that_asks_the_impossible_says_so_and_shows_what_the_page_opens_with():
    page = visited("question", task="image", model="llama-3.1-8b")
    assert "does not do this task" in text_of(page) and "A short question takes" in text_of(page)


def test_the_link_holds_everything_and_opens_the_same_answer():
    page = visited("question", task="agent", model="claude", times="5", site="fr", input="30000")
    query = query_of(page)
    expected = {"task": "agent", "model": "claude", "times": "5", "site": "fr", "input": "30000"}
    assert expected.items() <= query.items()
    assert amounts(visited("question", **query)) == amounts(page)


def test_more_times_a_day_are_more_a_year_and_the_same_a_question():
    few, many = visited("question", times="10"), visited("question", times="100")
    assert amounts(few) == amounts(many)
    yearly = [re.search(r"a day are ([\d.]+) kWh a year", text_of(one))[1] for one in (few, many)]
    assert float(yearly[1]) == pytest.approx(10 * float(yearly[0]), rel=0.02)


def test_an_uploaded_file_of_usage_is_summed_up_and_is_not_in_the_link():
    page = visited("question")
    page.session_state["fold_usage"] = True
    page.run()
    record = b'{"model": "gpt-4o", "prompt_tokens": 900, "completion_tokens": 60}'
    page.file_uploader(key="question_usage").upload("usage.jsonl", record, "text/plain").run()
    assert re.search(r"Your usage: 0\.\d+ Wh", text_of(page)) and "gpt-4o" in text_of(page)
    assert "gpt-4o" not in str(page.query_params)
    page.file_uploader(key="question_usage").upload("usage.jsonl", b"nothing", "text/plain").run()
    assert "no usage can be read" in text_of(page).lower()


def test_the_link_of_the_command_opens_its_answer():
    asked = PromptQuestion(model="gpt-4o-mini", task="agent", times=5.0, output_tokens=500.0)
    catalog = Catalog.open()
    report = prompt_report(answer_prompt(asked, catalog), catalog)
    page = visited("question", **dict(parse_qsl(report.facts["link"].partition("?")[2])))
    assert not notices(page)
    assert result("energy_wh", report.mid("energy_wh")) in text_of(page)
