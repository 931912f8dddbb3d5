"""The menu takes the scenario of a page along to every other page."""

import html
import re
from urllib.parse import parse_qsl

import pytest

from estimator.question.inputs import read_number
from estimator.web.site_map import PAGES
from tests.web.markup import body, visited

SCENARIOS = {
    "as it opens": {},
    "chosen": {
        "params": "13B",
        "tokens": "3T",
        "hardware": "b200",
        "devices": "32",
        "site": "fr",
        "pue": "1.3",
        "price": "2.5",
    },
}
WITH_SCENARIO = [page for page in PAGES if page.carried]


def query_under(name, page):
    """Values of the marker that the menu reads."""
    found = re.search(rf'data-{name}="([^"]*)"', body(page))
    return dict(parse_qsl(html.unescape(found[1]).removeprefix("?"))) if found else {}


def number_of(text):
    """Number that a text says, or the text."""
    try:
        return read_number("", text)
    except ValueError:
        return text


def complaints(shown, page):
    """What of a link could not be used, and whether the answer is to other inputs than asked."""
    said = [*shown.session_state[f"_{page.path}_memory"].notices]
    return said + re.findall(
        r"as of (?:the last valid input|what this page opens with)", body(shown)
    )


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("start", WITH_SCENARIO, ids=lambda page: page.path)
def test_every_other_page_opens_with_the_scenario_and_without_a_complaint(start, scenario):
    own = {name: SCENARIOS[scenario].get(shared) for name, shared in start.carried.items()}
    given = {name: text for name, text in own.items() if text}
    here = visited(start.path, **given)
    assert complaints(here, start) == []
    shares = query_under("shares", here)
    assert {start.carried[name]: number_of(text) for name, text in given.items()}.items() <= {
        name: number_of(text) for name, text in shares.items()
    }.items()
    for page in WITH_SCENARIO:
        query = {name: shares[one] for name, one in page.carried.items() if one in shares}
        if page is start or not query:
            continue
        opened = visited(page.path, **query)
        assert complaints(opened, page) == [], (page.path, query)
        shown = query_under("scenario", opened)
        differ = [name for name in query if number_of(query[name]) != number_of(shown[name])]
        assert not differ, (page.path, query, shown)


def test_the_best_plan_is_handed_on_and_neither_its_limits_nor_a_choice_left_open():
    page = visited("plan")
    plan = query_under("shares", page)
    (best, *_others) = re.findall(r'href="estimate\?([^"]*)"', body(page))
    opened = dict(parse_qsl(html.unescape(best)))
    design = ("hardware", "devices", "site")
    assert {name: plan[name] for name in design} == {name: opened[name] for name in design}
    assert plan.keys() == {"params", "tokens", *design}
    assert "site" not in query_under("shares", visited("capacity"))
