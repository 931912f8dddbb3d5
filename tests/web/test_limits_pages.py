"""The pages about limits as a visitor without a browser sees them: figures, links, languages."""

import re
from urllib.parse import parse_qsl

import pytest

from estimator.studies.claims.ledger import RECOMPUTED
from estimator.web.site_map import PAGES
from tests.web.markup import text_of, visited

PATHS = ("claims", "brain", "levers", "scaling", "trends", "depth", "exercises", "method")


def opened(path, query=""):
    return visited(path, **dict(parse_qsl(query)))


def slides():
    return [(page.path, show) for page in PAGES if page.path in PATHS for show in page.slides]


@pytest.mark.parametrize("path", PATHS)
def test_a_page_opens_without_a_query_and_says_something(path):
    page = opened(path)
    equations = [one.value for one in page.code if not one.value.startswith("http")]
    assert len(" ".join([text_of(page), *equations])) > 300


@pytest.mark.parametrize(("path", "show"), slides())
@pytest.mark.parametrize("lang", ["en", "de"])
def test_every_slide_opens_in_every_language(path, show, lang):
    page = opened(path, f"show={show}&fs=1.4&lang={lang}")
    assert "Share and export" not in [one.value for one in page.subheader]
    assert text_of(page)


@pytest.mark.parametrize("path", PATHS)
def test_a_bad_link_is_adjusted_and_said(path):
    page = opened(path, "claim=nonsense&hardware=nonsense&nonsense=1&layers=-5&amount=x")
    assert "“nonsense”" in text_of(page)


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
    from estimator.web.exercises.page import computed, printable

    page = opened("exercises")
    assert len(page.expander) >= len(computed()) >= 10
    sheet, key = printable(computed()), printable(computed(), key=True)
    assert sheet.count("<li>") == key.count("<li>") == len(computed())
    assert "355 years" in key and "355 years" not in sheet
    page.text_input(key="exercises_answer_1").input("350").run()
    page.text_input(key="exercises_answer_3").input("3.5 MWh").run()
    judged = " ".join(one.value for one in page.caption)
    assert "Right." in judged and "Not a number" in judged


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
    before = re.search(r"\$2M [^.:]*|[\d.]+ GB instead of [\d.]+ GB", text_of(page))[0]
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
