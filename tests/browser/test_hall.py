"""In a lecture hall: figures and slides fill 1920x1080, with letters of 2.5 % of its height."""

import pytest

from estimator.answer.scenario_estimate import answer_scenario
from estimator.catalog import Catalog
from estimator.question.scenario import Scenario
from estimator.web.offline import export, limits_figure
from estimator.web.offline.export import Wish
from tests.browser.conftest import wait_until

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser
HALL = {"width": 1920, "height": 1080}
OF_SCENARIO = ("scenario", "devices", "parts", "uncertainty")
FIGURES = [*((name, "energy_kwh") for name in OF_SCENARIO)]
FIGURES += [(name, views[0]) for name, views in limits_figure.VIEWS.items()]
SLIDES = (
    "brain?show=energy",
    "trends?show=compute",
    "estimate?show=devices",
    "claims?show=factors",
)
MEASURED = """() => {
    const seen = [...document.querySelectorAll("svg text, p, h1, label, output, button, summary")]
        .filter((one) => one.textContent.trim() && one.checkVisibility()
            && !one.closest(".tw-in-words, [data-testid=stElementToolbar]"));
    const letters = (one) => parseFloat(getComputedStyle(one).fontSize);
    const boxes = seen.map((one) => one.getBoundingClientRect());
    const figure = document.querySelector("#figure svg, [data-testid=stVegaLiteChart] svg");
    const chart = figure.getBoundingClientRect();
    return {
        smallest: Math.min(...seen.map(letters)),
        lowest: Math.max(...boxes.map((box) => box.bottom)),
        widest: Math.max(...boxes.map((box) => box.right)),
        area: chart.width * chart.height / (innerWidth * innerHeight),
    };
}"""
DRAWN = "document.querySelector('#figure svg .mark-group') && window.view"


def figure(name, view):
    """An offline figure of the flagship."""
    catalog = Catalog.open()
    wish = Wish(name=name, view=view)
    if name not in OF_SCENARIO:
        return limits_figure.content_of(".html", wish, Scenario(), catalog)
    answer = answer_scenario(Scenario(preset="gpt-3", hardware="v100"), catalog)
    return export.content_of(".html", wish, answer, catalog)


@pytest.mark.parametrize(("name", "view"), FIGURES)
def test_an_offline_figure_fills_the_hall_and_a_phone_shows_all_of_it(
    name, view, chromium, tmp_path
):
    path = tmp_path / "figure.html"
    path.write_bytes(figure(name, view))
    page = chromium.new_page()
    page.set_viewport_size(HALL)
    page.goto(path.as_uri())
    page.wait_for_function(DRAWN)
    found = page.evaluate(MEASURED)
    assert found["smallest"] >= 0.025 * HALL["height"]
    assert 0.93 * HALL["height"] < found["lowest"] <= HALL["height"]
    assert found["widest"] <= HALL["width"] and found["area"] > 0.55
    slider = page.locator("input").first
    before = page.locator("#figure svg").inner_html()
    slider.fill(slider.get_attribute("min"))
    wait_until(page, f"document.querySelector('#figure svg').innerHTML.length !== {len(before)}")
    page.set_viewport_size({"width": 320, "height": 700})
    page.reload()
    page.wait_for_function(DRAWN)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.close()


@pytest.mark.parametrize("link", SLIDES)
def test_a_slide_fills_the_hall(link, address, chromium):
    page = chromium.new_page()
    page.set_viewport_size(HALL)
    page.goto(f"{address}/{link}&embed=true&embed_options=light_theme&lang=en")
    page.locator("[data-testid=stVegaLiteChart] svg .mark-group").first.wait_for()
    page.locator(".tw-slide-foot").wait_for()
    page.wait_for_timeout(500)
    found = page.evaluate(MEASURED)
    assert found["smallest"] >= 0.025 * HALL["height"]
    assert 0.93 * HALL["height"] < found["lowest"] <= HALL["height"]
    assert found["area"] > 0.5
    page.close()
