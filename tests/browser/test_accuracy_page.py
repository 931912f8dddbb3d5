"""The page "Accuracy" in a real browser: charts, filters, history, phone, dark."""

import re
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.browser.conftest import choose_in_menu, shown, texts_outside, wait_until

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect

pytestmark = pytest.mark.browser
CHARTS = "[data-testid=stVegaLiteChart]"
NARROW = """() => [...document.querySelectorAll('[data-testid=stVegaLiteChart] svg')].every(
    (chart) => chart.getBoundingClientRect().width <= 390)"""
"""Whether every chart is drawn anew for a phone."""


EVERY = "accuracy?work=all&device=all&by=work"


def test_the_page_opens_with_its_score_and_no_blank_chart(visit):
    page = visit()
    choose_in_menu(page, "Accuracy", "Accuracy")
    shown(page, "work=all")
    assert re.search(r"\d", page.locator('[data-quantity="median_error"]').inner_text())
    expect(page.locator(f"{CHARTS} svg")).to_have_count(2)
    for chart in page.locator(CHARTS).all():
        chart.locator("svg .mark-symbol path").first.wait_for()
        assert chart.locator("svg").first.bounding_box()["height"] > 150
    marks = page.locator(CHARTS).first.locator("svg .mark-symbol.role-mark path").count()
    said = re.search(r"(\d+) published runs", page.locator(".tw-sentence").inner_text())
    assert 100 < marks == int(said[1])
    assert page.locator("[data-run]").count() == 10


def test_a_filter_changes_the_score_and_the_address_and_back_undoes(visit):
    page = visit(EVERY)
    before = page.locator('[data-quantity="median_error"]').inner_text()
    box = page.get_by_role("combobox", name="Workload type", exact=False)
    box.click()
    box.fill("vision")
    box.press("Enter")
    shown(page, "work=vision")
    page.wait_for_url("**work=vision**")
    after = page.locator('[data-quantity="median_error"]').inner_text()
    assert after != before
    box = page.get_by_role("combobox", name="Device", exact=False)
    box.click()
    box.fill("V100")
    box.press("Enter")
    shown(page, "device=v100")
    page.wait_for_url("**device=v100**")
    page.go_back()
    shown(page, "device=all")
    assert page.locator('[data-quantity="median_error"]').inner_text() == after


def test_the_filters_outlast_a_look_at_the_other_page(visit):
    page = visit(EVERY)
    page.get_by_role("radio", name="Year").click()
    shown(page, "by=year")
    choose_in_menu(page, "Train", "Estimate")
    page.locator('[data-quantity="energy_kwh"]').wait_for()
    choose_in_menu(page, "Accuracy", "Accuracy")
    shown(page, "by=year")


def test_a_link_of_its_own_opens_the_same(visit):
    page = visit("accuracy?work=vision&device=v100&from=2016&to=2022&by=device")
    shown(page, "device=v100")
    expect(page.locator(f"{CHARTS} svg")).to_have_count(2)
    copied = page.get_by_test_id("stCode").first.inner_text().replace("\n", "").strip()
    named = dict(parse_qsl(urlsplit(copied).query))
    assert named.pop("v") == "1" and re.fullmatch("[0-9a-f]+", named.pop("d"))
    assert named == dict(parse_qsl(urlsplit(page.url).query))
    score = page.locator('[data-quantity="median_error"]').inner_text()
    again = visit(copied, load=True)
    shown(again, "device=v100")
    assert again.locator('[data-quantity="median_error"]').inner_text() == score


def test_a_run_under_the_pointer_tells_what_it_is(visit):
    page = visit(EVERY, height=1400)
    chart = page.locator(CHARTS).first
    mark = chart.locator("svg .mark-symbol.role-mark path").first
    mark.wait_for()
    mark.hover(force=True)
    tip = page.locator("#vg-tooltip-element")
    expect(tip).to_contain_text("predicted over reported")
    expect(tip).to_contain_text("source")


def test_in_the_dark_the_charts_have_light_ink(visit):
    page = visit(EVERY, scheme="dark")
    label = page.locator(f"{CHARTS} svg .role-mark text").first
    expect(label).to_have_attribute("fill", "#F5F5F5")


def test_no_text_of_a_chart_leaves_it_and_nothing_is_cut_on_a_phone(visit):
    page = visit(EVERY)
    expect(page.locator(f"{CHARTS} svg")).to_have_count(2)
    assert texts_outside(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    wait_until(page, NARROW)
    assert texts_outside(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
