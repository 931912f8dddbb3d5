"""What holds for every page: it opens, its slides stand alone, a bad link is reported."""

import pytest

from estimator.web.site_map import PAGES
from tests.web.markup import body, text_of, visited

SLIDES = [(page.path, show) for page in PAGES for show in page.slides]
OWN_LINKS = ("home", "estimate")
"""Pages without inputs of the kit, or with a codec of their own."""

OWN_WORDS = ("model", "config")
"""Inputs whose refusal quotes what was given."""


@pytest.mark.parametrize("path", [page.path for page in PAGES])
def test_a_page_opens_without_a_query_and_says_something(path):
    page = visited(path)
    equations = [one.value for one in page.code if not one.value.startswith("http")]
    assert len(" ".join([text_of(page), *equations])) > 300


@pytest.mark.parametrize(("path", "show"), SLIDES)
@pytest.mark.parametrize("lang", ["en", "de"])
def test_every_slide_stands_alone_in_every_language(path, show, lang):
    page = visited(path, show=show, fs="1.4", lang=lang)
    assert text_of(page) and "is unknown" not in text_of(page)
    assert not {"Share and export", "Teilen und exportieren"} & {
        one.value for one in page.subheader
    }


@pytest.mark.parametrize("page", [page for page in PAGES if page.path not in OWN_LINKS])
def test_a_bad_link_is_reported_by_name_and_still_answered(page):
    asked = [one for one in page.inputs.known if one.name not in OWN_WORDS]
    wrong = [one.name for one in asked if one.parse("no such")[1]]
    shown = visited(page.path, **dict.fromkeys(wrong, "no such"), nonsense="1")
    said = " ".join(shown.session_state[f"_{page.path}_memory"].notices)
    assert "“nonsense” is unknown" in said
    assert [name for name in wrong if f"“{name}”" not in said] == []
    assert "data-scenario" in body(shown)
