"""The pages about limits as a visitor without a browser sees them: figures, links, languages."""

import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qsl

import pytest

from estimator.studies.claims.ledger import RECOMPUTED
from estimator.web.shared import language, share
from tests.web.markup import text_of, visited


def opened(path, query=""):
    return visited(path, **dict(parse_qsl(query)))


@pytest.mark.parametrize("claim", RECOMPUTED)
def test_every_claim_has_a_view_with_its_formula(claim):
    page = opened("claims", f"claim={claim}")
    reported = text_of(page)
    assert "Open this case" in reported and "recomputed" in reported


def test_the_claims_page_tells_355_years():
    assert "314 ZFLOP / 28 TFLOP/s = 355 years" in text_of(opened("claims", "claim=gpt3-v100"))


@pytest.mark.parametrize("claim", [name for name, one in RECOMPUTED.items() if one])
def test_the_link_of_a_claim_opens_its_page_without_a_notice(claim):
    from estimator.catalog import Catalog
    from estimator.studies.claims.ledger import claim as recompute

    found = recompute(claim, Catalog.open())
    if found.finding.scenario is None:
        page = opened(found.finding.page, found.link.partition("?")[2])
        assert "adjusted" not in text_of(page) and "known" not in text_of(page)[:200]


def test_levers_say_where_hardware_gains_nothing():
    reported = text_of(opened("levers", "weights=4&batch=4096&context=1&zeros=0.1"))
    assert "bound by the compute" in reported and "Zeros in no pattern" in reported


def test_a_budget_in_days_buys_a_model():
    reported = text_of(opened("scaling", "amount=30&unit=days&hardware=h100-sxm&devices=64"))
    assert "best spent on" in reported and "30 days" in reported


def test_the_trends_tell_the_row_behind_each_record():
    assert "runs/published_runs.csv, line" in text_of(opened("trends", "view=compute"))


def test_the_answers_stay_hidden_until_asked_and_print_as_a_page():
    from estimator.web.exercises.page import computed, key, printable

    page = opened("exercises")
    assert len(page.expander) >= len(computed(0)) >= 10
    sheet, answers = printable(0, 1), key(0, 1)
    assert sheet.count("<li>") == answers.count("<li>") == len(computed(0))
    assert "355 years" in text(answers) and "355 years" not in text(sheet)
    page.text_input(key="exercises_answer_0_1").input("350").run()
    page.text_input(key="exercises_answer_0_3").input("3.5 MWh").run()
    judged = " ".join(one.value for one in page.caption)
    assert "Right." in judged and "Not a number" in judged


def text(document):
    """Text of a document without its tags."""
    return re.sub("<[^>]*>", "", document)


def test_each_sheet_has_numbers_of_its_own_and_a_line_in_the_key():
    from estimator.web.exercises.page import computed, key, printable

    sheets = [tuple(one.answer for one in computed(seed)) for seed in range(40, 70)]
    assert len(set(sheets)) == 30
    pages, answers = printable(40, 30), key(40, 30)
    assert pages.count("<section>") == 30 and "Exercises, sheet 69" in pages
    assert answers.count("<tr>") == 31 and "<th>69</th>" in answers
    page = opened("exercises", "seed=41")
    right = float(computed(41)[0].answer)
    page.text_input(key="exercises_answer_41_1").input(f"{right:.4g}").run()
    assert [one.value for one in page.caption] == ["Right."]


def test_a_sheet_downloaded_from_a_german_page_is_german_and_links_back(monkeypatch):
    import streamlit

    from estimator.web.exercises.page import QUESTION

    drawn = {}
    monkeypatch.setattr(streamlit, "download_button", lambda _label, **known: drawn.update(known))
    page = "https://watts.example.org/exercises"
    monkeypatch.setattr("estimator.web.exercises.page.address_of", lambda _query: page)
    with language.spoken("de"):
        share._download(QUESTION.files({"seed": 7, "sheets": 1}, ())[0])
    with ThreadPoolExecutor(1) as another_thread:
        sheet = another_thread.submit(drawn["data"]).result()
    assert "Aufgaben, Blatt 7" in sheet and "Exercises" not in text(sheet)
    assert f'href="{page}?seed=7&amp;' in sheet and "lang=de" in sheet
    assert 'class="qr"' in sheet


def test_the_answer_field_names_its_unit_in_the_language_of_the_page():
    page = opened("exercises", "lang=de")
    assert page.text_input(key="exercises_answer_0_1").label == "Ihre Antwort [Jahr]"
    assert page.text_input(key="exercises_answer_0_7").label == "Ihre Antwort [B]"


@pytest.mark.parametrize("seed", [0, 3])
def test_each_answer_can_be_checked_in_the_app(seed):
    from estimator.web.exercises.page import computed

    for link in {one.link for one in computed(seed)}:
        page = opened(link.partition("?")[0], link.partition("?")[2])
        said = text_of(page)
        for refusal in ("adjusted", "are known", "unknown to this page"):
            assert refusal not in said, link


def test_the_method_page_states_what_the_code_and_the_profiles_do():
    from estimator.web.method.page import MODULES, numbers, printable, stated

    for part in MODULES:
        assert stated(part)[0].endswith(("?", ".", ":")) or stated(part)[0]
    reported = printable()
    assert "PUE x (device + host + network power)" in reported and "2085.43" in reported
    assert len(numbers("utilization.mechanism")) > 20


@pytest.mark.parametrize(
    ("path", "name", "query"),
    [
        ("scaling", "amount", "amount=2M"),
        ("scaling", "unique", "amount=2M"),
        ("trends", "budget", "view=budget&budget=2M"),
        ("levers", "retraining", "weights=8"),
    ],
)
def test_an_emptied_input_keeps_the_last_result_marked_as_old(path, name, query):
    page = opened(path, query)
    before = re.search(r"\$2(?:.00)?M [^.:]*|[\d.]+ GB instead of [\d.]+ GB", text_of(page))[0]
    field = page.text_input(key=f"{path}_{name}")
    held = field.value
    field.set_value("").run()
    said = text_of(page)
    assert "” is empty: type a number" in said and "as of the last valid input" in said
    assert before in said
    page.text_input(key=f"{path}_{name}").set_value(held).run()
    assert "last valid input" not in text_of(page)


def test_tokens_that_suffice_are_not_said_to_be_seen_one_times():
    enough, scarce = (text_of(opened("scaling", f"unique={one}")) for one in ("10T", "100B"))
    assert "each seen once at most" in enough and "seen 1 times" not in enough
    assert re.search(r"seen [\d.]+ times, worth", scarce)
