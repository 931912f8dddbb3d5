"""Every slide of every page fits a projector: 1280x720 at `fs=1.4`, nothing scrolled or cut."""

import pytest

from estimator.web.site_map import PAGES
from tests.browser.conftest import Tab, serving, wait_until
from tests.ports import free_port

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser
TALL_IN_ENGLISH = {
    "claims": "factors",
    "depth": "paths",
    "models": "ledger",
    "scaling": "curves",
    "serve": "api",
    "trends": "quantum",
}
"""Slides that are tried in English, too; German is mostly longer."""
SLIDES = [(page.path, name, "de") for page in PAGES for name in page.slides]
SLIDES += [(path, name, "en") for path, name in TALL_IN_ENGLISH.items()]
ALONE = {("accuracy", "runs"), ("accuracy", "errors")}
"""Slides that are one chart."""
FULL = {("explore", name) for name in ("tornado", "sweep", "front")} | {("plan", "plans")}
"""Slides whose picture is as high as the slide leaves room for."""
DRAWN_BY = {
    "claims": "factors",
    "brain": "operations",
    "scaling": "curves",
    "trends": "memory_wall",
    "depth": "gradient",
}
"""A slide of each page on the limits whose chart is looked at."""
CHARTS = "[data-testid=stVegaLiteChart] svg"
SETTLED = """() => new Promise((found) => {
    const box = document.querySelector('[data-testid=stMainBlockContainer]');
    let last = -1, same = 0;
    const look = () => {
        same = box.scrollHeight === last ? same + 1 : 0;
        last = box.scrollHeight;
        if (same < 12) { requestAnimationFrame(look); } else { found(true); }
    };
    look();
})"""
"""Whether the height of the page stays as it is for a dozen frames."""
DRAWN = "!document.querySelector('[data-testid=stSkeleton]')"
"""Whether no chart or table is still to come."""
HEIGHT = "document.querySelector('[data-testid=stMainBlockContainer]').scrollHeight"


@pytest.mark.parametrize(("path", "slide", "spoken"), SLIDES, ids=map("-".join, SLIDES))
def test_a_slide_fits_a_projector(projector, path, slide, spoken):
    look = "fs=1.4&embed=true&embed_options=light_theme"
    page = projector(f"{path}?show={slide}&{look}&lang={spoken}")
    assert page.locator("[data-testid=stMainBlockContainer]").inner_text().strip()
    wait_until(page, DRAWN)
    page.evaluate(SETTLED)
    assert 640 * ((path, slide) in FULL) <= page.evaluate(HEIGHT) <= 720
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert page.locator(".tw-nav").count() == 0
    if (path, slide) in ALONE:
        sync_api.expect(page.locator(CHARTS)).to_have_count(1)
        box = page.locator(CHARTS).bounding_box()
        assert box["y"] + box["height"] <= 720
    if DRAWN_BY.get(path) == slide:
        chart = page.locator(CHARTS).first
        chart.wait_for()
        assert chart.locator("path").count() > 3


def test_every_slide_whose_chart_is_looked_at_is_tried():
    tried = {(path, slide) for path, slide, _spoken in SLIDES}
    assert tried >= ALONE | FULL | set(DRAWN_BY.items())


def test_controls_that_a_link_puts_on_a_slide_fit_and_move_it(visit):
    query = "preset=gpt-3&hardware=v100&devices=1024&view=wall_hours&show=devices&fs=1.4"
    page = visit(f"estimate?{query}&controls=hardware,devices&embed=true")
    assert "GPT-3" in page.locator("h1").inner_text()
    before = page.url, page.evaluate("history.length")
    devices_set(page, 2048)
    assert "2,048" in page.locator("h1").inner_text()
    assert (page.url, page.evaluate("history.length")) == before, (
        "a slide never writes the history of the deck"
    )
    assert page.evaluate(HEIGHT) <= 720


def devices_set(page, count):
    """Set the devices on a slide, and wait for its picture."""
    box = page.get_by_role("spinbutton", name="Devices")
    box.fill(str(count))
    box.press("Enter")
    page.locator(f'[data-scenario*="devices={count}"]').wait_for(state="attached")


BAR = """getComputedStyle(
    document.querySelector('[data-testid=stApp]'), '::after').content"""


def test_a_slide_outlives_its_server_and_moves_again_when_it_is_back(chromium, tmp_path):
    url, log = f"http://localhost:{free_port()}", tmp_path / "log.txt"
    tab = Tab(chromium.new_page(), url)
    page = tab.page
    with serving(url, log):
        tab.show("estimate?show=devices&embed=true&controls=devices&devices=64", load=True)
        devices_set(page, 128)
    dialog = page.locator("[role=dialog]")
    dialog.wait_for(state="attached")
    assert not dialog.is_visible()
    assert "twenty-watts app" in page.evaluate(BAR)
    assert "128" in page.locator("h1").inner_text()
    with serving(url, log):
        dialog.wait_for(state="detached")
        box = page.get_by_role("spinbutton", name="Devices")
        box.fill("256")
        box.press("Enter")
        page.locator('[data-scenario*="devices=256"]').wait_for(state="attached")
        sync_api.expect(box).to_have_value("256")
        assert page.evaluate(BAR) == "none"
        page.close()
    assert not any(note.startswith("page error") for note in tab.wrong)
