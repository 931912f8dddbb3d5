"""The pages on the limits in a real browser: every width, in German, and on paper."""

import pytest

from tests.browser.conftest import touring, wait_until

pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser
PAGES = ("claims", "brain", "levers", "scaling", "trends", "depth", "exercises", "method")


@pytest.fixture(scope="module")
def tour(tab):
    """Go from page to page."""
    return touring(tab)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_fits_every_width_in_german(tour, path):
    page = tour(f"{path}?lang=de")
    page.get_by_test_id("stMainBlockContainer").locator(".tw").first.wait_for()
    for width in (1280, 1920, 390):
        page.set_viewport_size({"width": width, "height": 720})
        wait_until(page, "document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("lang", ["en", "de"])
def test_the_four_answers_of_the_front_door_are_in_sight_on_a_phone(tour, lang):
    """A phone of 844 px shows about 700 of them between the bars of its browser."""
    page = tour(f"home?lang={lang}")
    page.set_viewport_size({"width": 390, "height": 700})
    answers = page.locator(".tw-front b")
    answers.first.wait_for()
    wait_until(page, "document.documentElement.scrollWidth <= innerWidth")
    assert answers.count() == 4
    boxes = [answer.bounding_box() for answer in answers.all()]
    assert max(box["y"] + box["height"] for box in boxes) <= 700


def test_a_page_prints_whole_and_without_its_controls(tour):
    """What scrolls on the screen is as high as its content on paper."""
    page = tour("claims")
    page.get_by_test_id("stMainBlockContainer").locator(".tw").first.wait_for()
    page.emulate_media(media="print")
    for name in ("stSidebar", "stHeader"):
        assert not page.get_by_test_id(name).is_visible()
    wait_until(
        page,
        "document.documentElement.scrollHeight >= "
        "document.querySelector('[data-testid=stMainBlockContainer]').scrollHeight",
    )
    page.emulate_media(media="screen")
