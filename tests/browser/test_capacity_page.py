"""The page Capacity in a real browser: a changed rate, a plan opened on Serve, a phone."""

import pytest

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser
FEW = "hardware=h100-sxm&devices=4&budget=20000"


def test_a_changed_rate_stands_in_the_link_and_comes_back(visit):
    page = visit(f"capacity?{FEW}")
    sync_api.expect(page.locator(".tw-sentence")).to_contain_text("serves 20 requests")
    box = page.get_by_role("textbox", name="Requests per second")
    box.fill("5")
    box.press("Enter")
    page.locator('[data-scenario*="rate=5&"]').wait_for(state="attached")
    sync_api.expect(page.locator(".tw-sentence")).to_contain_text("serves 5 requests")
    assert "rate=5" in page.url
    page.go_back()
    sync_api.expect(page.locator(".tw-sentence")).to_contain_text("serves 20 requests")


def test_a_plan_opens_on_serve(visit):
    page = visit(f"capacity?{FEW}")
    page.locator(".tw-inputs a").first.click()
    page.wait_for_url("**/serve?**")
    page.locator('[data-scenario*="rate=20"]').wait_for(state="attached")
    sync_api.expect(page.locator(".tw-sentence").first).to_contain_text("H100")


def test_the_page_fits_a_phone_and_names_every_figure(visit):
    page = visit(f"capacity?{FEW}", width=390, height=844, scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    cell = page.locator(".tw-inputs td").nth(2)
    head = cell.evaluate("cell => getComputedStyle(cell, '::before').content")
    assert "time per token" in head
