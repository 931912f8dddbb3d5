"""The page Capacity in a real browser: changed users, a plan opened on Serve, a phone."""

import pytest

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser
FEW = "hardware=h100-sxm&devices=4&budget=20000"


def test_changed_users_stand_in_the_link_and_come_back(visit):
    page = visit(f"capacity?{FEW}")
    sync_api.expect(page.locator(".tw-sentence")).to_contain_text("serves 200 users")
    box = page.get_by_role("textbox", name="Users", exact=True)
    box.fill("50")
    box.press("Enter")
    page.locator('[data-scenario*="users=50&"]').wait_for(state="attached")
    sync_api.expect(page.locator(".tw-sentence")).to_contain_text("serves 50 users")
    assert "users=50" in page.url
    page.go_back()
    sync_api.expect(page.locator(".tw-sentence")).to_contain_text("serves 200 users")


def test_a_plan_opens_on_serve(visit):
    page = visit(f"capacity?{FEW}&rate=20")
    page.locator(".tw-columns a").first.click()
    page.wait_for_url("**/serve?**")
    page.locator('[data-scenario*="rate=20"]').wait_for(state="attached")
    sync_api.expect(page.locator(".tw-sentence").first).to_contain_text("H100")


def test_the_page_fits_a_phone_and_names_every_figure(visit):
    page = visit(f"capacity?{FEW}", width=390, height=844, scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    limit = page.locator(".tw-columns th").filter(has_text="tightest limit")
    sync_api.expect(limit).to_be_visible()
