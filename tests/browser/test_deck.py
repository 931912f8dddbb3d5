"""The example deck in a real browser: copied slides, the keyboard, and no network."""

import html
import re
import shutil
from pathlib import Path

import pytest

from estimator.answer.scenario_estimate import answer_scenario
from estimator.catalog import Catalog
from estimator.question.scenario import Scenario
from estimator.web.estimate import text as words
from estimator.web.offline import export, limits_figure
from estimator.web.offline.export import Wish
from estimator.web.shared import language
from tests.browser.npm import fetched

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser
DECK = Path(__file__).parents[2] / "estimator" / "web" / "shared" / "lecture_deck.en.html"
REVEAL = "reveal.js@5.2.1"
GPT3 = "preset=gpt-3&hardware=v100&devices=1024&site=us"
LIVE = (
    (f"estimate?{GPT3}", "the same work on other devices"),
    ("models", "Distribution of the parameters"),
)
TRIES = 10
FRAME = re.compile(r"<section data-background-iframe=.*?</section>", re.DOTALL)
PORT, DATA = re.compile(r"http://localhost:\d+"), re.compile(r"&amp;d=[0-9a-f]+")


@pytest.fixture(scope="module")
def reveal(tmp_path_factory):
    """Folder of reveal.js, as npm brings it."""
    return fetched(REVEAL, tmp_path_factory.mktemp("npm"))


def copied(visit, query, slide):
    """Slide that "copy for reveal.js" on a page holds, and the page."""
    page = visit(query)
    if query.startswith("estimate"):
        page.get_by_text("Share and export").click()
    page.get_by_text("Slides, and copy for").click()
    choose(page, slide)
    code = page.locator("[data-testid=stCode]", has_text="data-background-iframe").first
    name = re.search(r"show=(\w+)", page.locator("li", has_text=slide).inner_text())[1]
    sync_api.expect(code).to_contain_text(f"show={name}")
    sync_api.expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    return code.inner_text().strip(), page


def choose(page, slide):
    """Choose a slide in the menu; a menu that a rerun of the page closes is opened again."""
    option = page.get_by_role("option", name=slide)
    for _attempt in range(TRIES):
        box = page.get_by_role("combobox", name="Slide")
        box.click()
        box.fill(slide)
        try:
            option.click(timeout=3000)
        except sync_api.TimeoutError:
            page.keyboard.press("Escape")
        else:
            return
    raise AssertionError(f"no slide {slide!r} in the menu")


def address(snippet):
    """Address of a slide in parts, on the usual port, whatever the version of the data."""
    found = re.search(r'data-background-iframe="([^"]+)"', snippet)[1]
    place, _mark, query = DATA.sub("", PORT.sub("http://localhost:8501", found)).partition("?")
    return [place, *query.split("&amp;")]


def label(snippet):
    """What a screen reader calls a slide."""
    return html.unescape(re.search(r'aria-label="([^"]+)"', snippet)[1])


@pytest.fixture(scope="module")
def built(reveal, tmp_path_factory):
    """Folder in which a deck is built."""
    place = tmp_path_factory.mktemp("deck")
    (place / "node_modules").mkdir()
    shutil.copytree(reveal, place / "node_modules" / "reveal.js")
    return place


def build(visit, place):
    """Write the example deck with slides copied from the running app alone."""
    slides = []
    for query, slide in LIVE:
        snippet, page = copied(visit, query, slide)
        slides.append(snippet)
        if query.startswith("estimate"):
            with page.expect_download() as found:
                page.get_by_role("button", name="Download the figure with sliders").click()
            found.value.save_as(place / found.value.suggested_filename)
            offline = page.locator("[data-testid=stCode]", has_text=found.value.suggested_filename)
            last = offline.inner_text().strip()
    slides.append(last)
    text = DECK.read_text(encoding="utf-8")
    kept = FRAME.findall(text)
    assert len(kept) == len(slides)
    for one, other in zip(kept, slides, strict=True):
        assert address(one) == address(other)
        assert label(one) == label(other)
    remaining = iter(slides)
    deck = place / "deck.html"
    deck.write_text(FRAME.sub(lambda _found: next(remaining), text), encoding="utf-8")
    return deck


def shown(page):
    """Number of the slide that the deck shows."""
    return page.evaluate("Reveal.getIndices().h")


def wait_for(page, number):
    page.wait_for_function(f"Reveal.getIndices().h === {number}")


def frame_of(page, part):
    return page.frame_locator(f'iframe[src*="{part}"]')


def test_what_is_copied_is_light_or_dark_as_its_page_is(visit):
    for scheme in ("dark", "light"):
        page = visit("depth?layers=12", scheme=scheme)
        page.get_by_text("Slides, and copy for").click()
        code = page.locator("[data-testid=stCode]", has_text="data-background-iframe")
        sync_api.expect(code).to_contain_text(f"embed_options={scheme}_theme")


def test_the_deck_is_stepped_through_by_keyboard_and_back_out_of_its_frames(visit, chromium, built):
    deck = build(visit, built)
    page = chromium.new_page()
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(deck.as_uri())
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    page.keyboard.press("ArrowRight")
    wait_for(page, 1)
    live = frame_of(page, "/estimate?")
    sync_api.expect(live.locator("h1")).to_contain_text("GPT-3")
    live.locator("h1").click()
    page.keyboard.press("PageDown")
    wait_for(page, 2)
    sync_api.expect(frame_of(page, "/models?").locator("h1")).to_contain_text("Llama 3.1 8B")
    page.keyboard.press("ArrowRight")
    wait_for(page, 3)
    page.keyboard.press("ArrowRight")
    wait_for(page, 4)
    page.keyboard.press("ArrowLeft")
    wait_for(page, 3)
    frame_of(page, "twenty-watts-figure").locator("h1").click()
    page.keyboard.press("PageUp")
    wait_for(page, 2)
    assert shown(page) == 2
    page.close()


def test_the_figure_without_network_moves_on_its_slide(visit, chromium, built):
    deck = built / "deck.html"
    if not deck.exists():
        build(visit, built)
    page = chromium.new_page()
    page.set_viewport_size({"width": 1280, "height": 720})
    asked = []
    page.route(re.compile("^(http|ws)"), lambda route: (asked.append(1), route.abort()))
    page.goto(f"{deck.as_uri()}#/3")
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    figure = frame_of(page, "twenty-watts-figure")
    slider = figure.locator("input[type=range]").first
    slider.wait_for()
    reported = figure.locator("output").first
    before = reported.inner_text()
    slider.focus()
    slider.press("ArrowRight")
    sync_api.expect(reported).not_to_have_text(before)
    page.close()


@pytest.fixture(scope="module")
def figures():
    """Pages of figures: with sliders, with more rows than fit a slide, and with few rows."""
    catalog = Catalog.open()
    scenario = Scenario(params=7e9, tokens=2e12, hardware="h100-sxm", devices=64.0)
    answer = answer_scenario(scenario, catalog)
    return {
        "sliders": export.content_of(".html", Wish(name="scenario", scale=1.4), answer, catalog),
        "rows": limits_figure.content_of(
            ".html", Wish(name="claims", view="", scale=1.4), Scenario(), catalog
        ),
        "few": limits_figure.content_of(
            ".html", Wish(name="brain", view="energy"), Scenario(), catalog
        ),
    }


DRAWN = "document.querySelector('#figure svg .mark-group') && window.view"
PAPER = "getComputedStyle(document.body).backgroundColor"


@pytest.mark.parametrize("name", ["sliders", "rows", "few"])
def test_a_figure_fills_the_slide_that_it_is_on_and_no_more(name, figures, chromium, tmp_path):
    page = chromium.new_page()
    page.set_viewport_size({"width": 1280, "height": 720})
    page.emulate_media(color_scheme="dark")
    (tmp_path / "figure.html").write_bytes(figures[name])
    deck = tmp_path / "deck.html"
    deck.write_text(
        '<body style="margin:0">'
        '<iframe src="figure.html" style="border:0;width:1280px;height:720px">',
        encoding="utf-8",
    )
    page.goto(deck.as_uri())
    frame = page.frames[-1]
    frame.wait_for_function(DRAWN)
    frame.wait_for_function("document.documentElement.scrollHeight <= 720")
    frame.wait_for_function("document.body.getBoundingClientRect().height > 660")
    assert frame.evaluate(PAPER) == "rgb(255, 255, 255)", "the deck decides, not the system"
    page.close()


def test_a_figure_by_itself_is_as_dark_as_the_system_and_light_on_paper(
    figures, chromium, tmp_path
):
    path = tmp_path / "figure.html"
    path.write_bytes(figures["few"])
    page = chromium.new_page()
    text = "getComputedStyle(document.querySelector('#figure svg text')).fill"
    seen = {}
    for scheme, media in (("dark", "screen"), ("light", "screen"), ("dark", "print")):
        page.emulate_media(color_scheme=scheme, media=media)
        page.goto(path.as_uri())
        page.wait_for_function(DRAWN)
        seen[scheme, media] = (page.evaluate(PAPER), page.evaluate(text))
    page.close()
    assert seen["dark", "screen"][0] == "rgb(23, 22, 20)"
    assert seen["light", "screen"][0] == seen["dark", "print"][0] == "rgb(255, 255, 255)"
    assert seen["dark", "screen"][1] != seen["light", "screen"][1] == seen["dark", "print"][1]


def test_the_example_deck_holds_nothing_but_copied_slides_and_its_own_words():
    text = html.unescape(DECK.read_text(encoding="utf-8"))
    assert len(FRAME.findall(text)) == 3
    hosts = set(re.findall(r"https?://[^/\"]+", text))
    assert hosts == {"http://localhost:8501"}


def test_the_german_deck_shows_the_same_slides_in_german():
    english, german = (
        FRAME.findall(path.read_text(encoding="utf-8"))
        for path in (DECK, DECK.with_name("lecture_deck.de.html"))
    )
    assert len(german) == len(english) == 3
    for one, other in zip(english[:2], german[:2], strict=True):
        assert [*address(one), "lang=de"] == address(other)
    scenario = Scenario(preset="gpt-3", hardware="v100", devices=1024.0, site="us")
    answer = answer_scenario(scenario, Catalog.open())
    for spoken, slides in (("en", english), ("de", german)):
        with language.spoken(spoken):
            title = words.title(answer, Catalog.open())
        assert label(slides[0]) == label(slides[2]) == title
