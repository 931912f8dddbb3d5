"""The page "Calibrate" in a real browser: a running run, charts, choice, phone, slide."""

import pytest

from tests.browser.conftest import shown, texts_outside, touring
from tests.measured_runs import begin, measured, several, store

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect

pytestmark = pytest.mark.browser
CHARTS = "[data-testid=stVegaLiteChart]"


@pytest.fixture(scope="module")
def measured_here():
    """The store of the app holds some runs and one that goes on."""
    store(*several())
    with begin(seconds=360.0) as kept:
        yield
        kept.finish(measured("r-now"))
        kept.forget([run.id for run in kept.runs()])


@pytest.fixture
def linked(visit, measured_here):
    """Open the page by its own address."""
    return lambda query="", **look: visit(f"calibrate{query}", **look)


@pytest.fixture(scope="module")
def slides(tab, measured_here):
    """Show slides in turn."""
    return touring(tab)


def test_the_run_that_goes_on_and_what_was_measured_are_seen_and_a_choice_is_kept(linked):
    page = linked("?live=token")
    assert "token" not in page.url
    live = page.locator('[data-quantity="gpu:0"]')
    expect(live).to_contain_text("98% busy, 64 °C")
    expect(page.locator(f"{CHARTS} svg")).to_have_count(2)
    for chart in page.locator(CHARTS).all():
        chart.locator("svg .role-mark path").first.wait_for(state="attached")
        assert chart.locator("svg").first.bounding_box()["height"] > 150
    page.get_by_text("Measured runs", exact=True).click()
    expect(page.get_by_test_id("stDataFrame")).to_have_count(1)
    page.get_by_role("radio", name="tf32").click()
    shown(page, "precision=tf32")
    page.wait_for_url("**precision=tf32**")
    page.go_back()
    shown(page, "precision=bf16")


def test_in_the_dark_the_charts_have_light_ink(linked):
    page = linked("?show=picture", scheme="dark")
    label = page.locator(f"{CHARTS} svg .role-mark text").first
    expect(label).to_have_attribute("fill", "#F5F5F5")


def test_no_text_of_a_chart_leaves_it_and_nothing_is_cut_on_a_phone(linked):
    page = linked("?live=token", width=390, height=844)
    expect(page.locator(f"{CHARTS} svg")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert texts_outside(page) == []


@pytest.mark.parametrize("section", ["live&live=token", "picture"])
def test_on_a_slide_one_chart_stands_alone(slides, section):
    page = slides(f"calibrate?show={section}&embed=true&fs=1.4")
    expect(page.locator(f"{CHARTS} svg")).to_have_count(1)
    assert page.get_by_role("link", name="Estimate").count() == 0
    box = page.locator(f"{CHARTS} svg").first.bounding_box()
    assert box["y"] + box["height"] <= 720
