"""The Estimate page in a real browser: figures, links, history, phone, dark, frame."""

import re

import pytest

from tests.browser.conftest import choose_in_menu, wait_until

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect

pytestmark = pytest.mark.browser
HEADLINES = ("wall_hours", "energy_kwh", "cost_usd", "co2e_kg")
LINK = "?v=1&params=7000000000&tokens=2000000000000&hardware=h100-sxm&devices=64&site=fr"
CHARTS = "[data-testid=stVegaLiteChart]"
PICTURES = {
    "Energy by part": "parts",
    "Sources of uncertainty": "doubts",
    "Other devices": "devices",
}
"""What the choice of a picture calls it -> its name in the link; the last is shown at first."""
CHANGED = """(before) => {
    const svg = document.querySelector('[data-testid=stVegaLiteChart] svg');
    return svg && svg.innerHTML !== before
        && svg.querySelector('[class*=mark-] path, [class*=mark-] line');
}"""
"""Whether another chart is drawn."""


def figures(page):
    return [page.locator(f'[data-quantity="{name}"]').inner_text() for name in HEADLINES]


def wait_for(page, part):
    """Wait until the page shows a scenario that says so."""
    shown = re.compile(rf"[?&]{re.escape(part)}(&|$)")
    expect(page.locator("[data-scenario]")).to_have_attribute("data-scenario", shown)


def set_devices(page, count):
    box = page.get_by_role("spinbutton", name="Devices")
    box.fill(str(count))
    box.press("Enter")


def inside(chart):
    """Every text of a chart that shows is within its frame."""
    return chart.evaluate(
        """(svg) => {
            const frame = svg.getBoundingClientRect();
            const texts = [...svg.querySelectorAll('text')].filter(
                (text) => text.getAttribute('opacity') !== '0'
                    && text.getBoundingClientRect().width);
            return texts.length > 0 && texts.every((text) => {
                const box = text.getBoundingClientRect();
                return box.left >= frame.left - 2 && box.right <= frame.right + 2;
            });
        }"""
    )


def each_picture(page):
    """Choose one picture after the other, and look at the chart of each."""
    chart = page.locator(f"{CHARTS} svg")
    for label, name in PICTURES.items():
        before = chart.inner_html()
        page.get_by_role("radio", name=label, exact=True).click()
        page.wait_for_url(f"**picture={name}**")
        wait_until(page, CHANGED, before)
        expect(chart).to_have_count(1)
        yield chart


@pytest.mark.parametrize("width", [1280, 390])
def test_every_picture_is_drawn_and_none_of_its_text_is_cut(visit, width):
    page = visit(LINK, width=width, height=844)
    for name in HEADLINES:
        assert re.search(r"\d", page.locator(f'[data-quantity="{name}"]').inner_text())
    seen = set()
    for chart in each_picture(page):
        assert chart.locator("[class*=role-mark] > *").count() > 1
        assert chart.bounding_box()["height"] > 100
        assert inside(chart)
        seen.add(chart.inner_html())
    assert len(seen) == len(PICTURES)


def test_on_a_phone_nothing_is_cut_and_the_inputs_are_at_hand(visit):
    page = visit(LINK, width=390, height=844)
    expect(page.locator(f"{CHARTS} svg")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for name in HEADLINES:
        box = page.locator(f'[data-quantity="{name}"] .tw-value').bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    page.get_by_test_id("stExpandSidebarButton").click()
    set_devices(page, 16)
    wait_for(page, "devices=16")


def test_the_menu_switches_the_language_and_keeps_the_scenario(visit):
    page = visit(LINK)
    before = page.locator("[data-scenario]").get_attribute("data-scenario")
    page.locator(".tw-wide").get_by_role("link", name="Deutsch").click()
    expect(page.locator(".tw-page")).to_have_text("Training · Schätzung")
    expect(page.locator("[data-scenario]")).to_have_attribute("data-scenario", before)
    page.locator(".tw-wide").get_by_role("link", name="English").click()
    expect(page.locator(".tw-page")).to_have_text("Train · Estimate")


def test_the_menu_takes_a_changed_work_back_whole(visit):
    page = visit(LINK)
    choose_in_menu(page, "Train", "Plan")
    expect(page.locator(".tw-page")).to_have_text("Train · Plan")
    wait_for(page, "offers=on-demand")
    box = page.get_by_role("textbox", name="Training tokens")
    box.fill("5T")
    box.press("Enter")
    wait_for(page, "tokens=5T")
    choose_in_menu(page, "Train", "Estimate")
    wait_for(page, "tokens=5e12")
    wait_for(page, "params=7e9")


def test_the_menu_on_a_phone_opens_a_page_in_the_same_language(visit):
    page = visit("?lang=de", load=True, width=390, height=844)
    page.locator(".tw-narrow summary").click()
    page.locator(".tw-narrow").get_by_role("link", name="Gehirn").click()
    page.wait_for_url("**/brain?lang=de*")
    expect(page.locator(".tw-page")).to_have_text("Verstehen · Gehirn und Maschine")


def test_a_control_changes_the_figures_and_the_address(visit):
    page = visit()
    before = figures(page)
    set_devices(page, 128)
    wait_for(page, "devices=128")
    page.wait_for_url("**devices=128**")
    assert figures(page) != before
    assert "hardware=h100-sxm" in page.url and "view=energy_kwh" in page.url


def test_a_copied_link_opens_the_same_figures(visit):
    page = visit(LINK)
    set_devices(page, 96)
    wait_for(page, "devices=96")
    page.wait_for_url("**devices=96**")
    page.get_by_role("button", name="Share and export").click()
    copied = page.get_by_test_id("stCode").first.inner_text().replace("\n", "").strip()
    assert copied == page.url
    before = figures(page)
    assert figures(visit(copied, load=True)) == before


def test_back_undoes_and_forward_does_again(visit):
    page = visit(LINK)
    wait_for(page, "devices=64")
    first = figures(page)
    set_devices(page, 128)
    wait_for(page, "devices=128")
    page.wait_for_url("**devices=128**")
    second = figures(page)
    page.go_back()
    wait_for(page, "devices=64")
    assert figures(page) == first
    page.go_forward()
    wait_for(page, "devices=128")
    assert figures(page) == second


def test_a_reload_shows_the_same(visit):
    page = visit(LINK)
    set_devices(page, 32)
    wait_for(page, "devices=32")
    page.wait_for_url("**devices=32**")
    before = figures(page)
    page.reload()
    wait_for(page, "devices=32")
    assert figures(page) == before


def test_quick_changes_end_at_the_last_one(visit):
    page = visit(LINK)
    box = page.get_by_role("spinbutton", name="Devices")
    for _ in range(6):
        box.press("ArrowUp")
    wait_for(page, "devices=70")
    page.wait_for_timeout(500)
    wait_for(page, "devices=70")


def test_what_is_open_follows_a_change_of_another_control(visit):
    page = visit(LINK)
    page.get_by_role("button", name="The formula, with your numbers").click()
    formula = page.locator(".tw-formula")
    expect(formula).to_contain_text("64")
    page.get_by_role("button", name="Hardware and parallelism").click()
    taken = page.get_by_role("textbox", name="Utilization").first
    expect(taken).to_have_attribute("placeholder", re.compile(r"\d"))
    before = taken.get_attribute("placeholder")
    set_devices(page, 16384)
    expect(formula).to_contain_text("16,384")
    expect(taken).not_to_have_attribute("placeholder", before)
    page.get_by_role("button", name="Hardware and parallelism").click()
    set_devices(page, 32)
    expect(formula).to_contain_text("32 ")
    expect(formula).not_to_contain_text("16,384")


def test_a_problem_stands_under_its_control_until_it_is_mended(visit):
    page = visit(LINK)
    tokens = page.get_by_role("textbox", name="Training tokens")
    tokens.fill("many")
    tokens.press("Enter")
    expect(page.locator(".tw-problem")).to_be_visible()
    expect(page.locator("[data-scenario]")).to_have_count(1)
    tokens.fill("3T")
    tokens.press("Enter")
    wait_for(page, "tokens=3e12")
    expect(page.locator(".tw-problem")).to_have_count(0)


def test_a_device_is_found_by_typing(visit):
    page = visit(LINK)
    box = page.get_by_role("combobox", name="Hardware", exact=False).first
    box.click()
    box.fill("4090")
    box.press("Enter")
    wait_for(page, "hardware=rtx-4090")


def test_a_bad_link_says_so(visit):
    page = visit("?params=lots&tokens=2e12&hardware=h100")
    expect(page.get_by_role("alert")).to_contain_text("“Parameters” is not a number")
    assert len(figures(page)) == 4


def test_in_the_dark_the_charts_have_light_ink(visit):
    page = visit(LINK, scheme="dark")
    label = page.locator(f"{CHARTS} svg .role-mark text").first
    expect(label).to_have_attribute("fill", "#F5F5F5")


def outline(page):
    return page.evaluate("getComputedStyle(document.activeElement).outlineStyle")


def test_by_keyboard_every_stop_is_seen_and_a_link_of_the_navigation_opens(visit):
    page = visit(LINK)
    page.locator(".tw-wide summary").first.focus()
    stops = [page.evaluate("document.activeElement.innerText").strip()]
    for _ in range(4):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("document.activeElement.innerText").strip())
        assert outline(page) == "solid", stops
    assert stops == ["Train", "Inference", "Models & hardware", "Learn", "Accuracy"]
    page.keyboard.press("Enter")
    entries = []
    for _ in range(2):
        page.keyboard.press("Tab")
        entries.append(page.evaluate("document.activeElement.innerText").strip())
        assert outline(page) == "solid", entries
    assert entries == ["Accuracy", "Methodology"]
    page.keyboard.press("Enter")
    page.wait_for_url("**/method*")


def test_the_menu_closes_by_escape_and_beside_it_and_keeps_the_session(visit):
    page = visit(LINK)
    page.evaluate("window.sameDocument = true")
    group = page.locator(".tw-wide details", has_text="Models & hardware")
    for close in (
        lambda: page.keyboard.press("Escape"),
        lambda: page.locator(".tw-sentence").click(position={"x": 2, "y": 2}),
    ):
        group.locator("summary").click()
        expect(group.get_by_role("link", name="Calibrate")).to_be_visible()
        close()
        expect(group.get_by_role("link", name="Calibrate")).to_be_hidden()
    page.locator(".tw-wide details", has_text="Train").locator("summary").click()
    page.locator(".tw-wide").get_by_role("link", name="Compare").click()
    page.wait_for_url("**/compare*")
    expect(page.locator(".tw-wide [aria-current=page]")).to_have_text("Compare")
    assert page.evaluate("window.sameDocument")
    page.go_back()
    wait_for(page, "devices=64")


def test_in_a_frame_the_address_is_read_and_never_written(visit):
    page = visit(f"{LINK}&embed=true&show=figures")
    before = page.url
    page.get_by_role("button", name="Inputs").click()
    set_devices(page, 128)
    wait_for(page, "devices=128")
    page.wait_for_timeout(300)
    assert page.url == before
    page.get_by_role("button", name="Reset to the slide").click()
    wait_for(page, "devices=64")
    wait_for(page, "site=fr")


@pytest.mark.parametrize("section", ["parts", "doubts", "devices"])
def test_on_a_slide_one_chart_stands_alone_with_its_axis(visit, section):
    page = visit(f"{LINK}&embed=true&fs=1.4&show={section}")
    expect(page.locator(f"{CHARTS} svg")).to_have_count(1)
    page.locator(f"{CHARTS} svg .role-mark > *").first.wait_for(state="attached")
    box = page.locator(f"{CHARTS} svg").first.bounding_box()
    assert box["y"] + box["height"] <= 720


CONTROLS = """() => [...document.querySelectorAll('[data-testid=stSidebar] input')]
    .map((input) => [input.getAttribute('aria-label'), input.value])"""
"""Label and value of each control in the sidebar."""

SETTLED = """([before]) => {
    const drawn = document.querySelector('[data-scenario]');
    return drawn && drawn.dataset.scenario !== before
        && document.querySelector('[data-test-script-state=notRunning]');
}"""
"""Whether another scenario is drawn, whole."""


def press(page, button):
    """Press a button that opens another scenario, and return the controls of the sidebar."""
    before = page.locator("[data-scenario]").get_attribute("data-scenario")
    button.click()
    wait_until(page, SETTLED, [before])
    return settled_controls(page)


def settled_controls(page):
    """Controls of the sidebar once they stay as they are: a text box is filled after its page."""
    before, now = None, page.evaluate(CONTROLS)
    while now != before:
        page.wait_for_timeout(500)
        before, now = now, page.evaluate(CONTROLS)
    return now


def controls_once_loaded(page):
    """Controls of the sidebar after a reload of the address, which holds all of the scenario."""
    page.reload()
    wait_until(page, SETTLED, [""])
    expect(page.get_by_role("button", name="Reset")).to_be_visible()
    return settled_controls(page)


def test_after_an_example_and_after_reset_the_sidebar_shows_the_inputs_of_the_result(visit):
    page = visit(LINK)
    for number in (0, 1, 5, 7):
        page.get_by_role("button", name="Ten examples to start from").click()
        example = page.locator(f".st-key-example_{number} button:visible")
        assert press(page, example) == controls_once_loaded(page), number
    reset = press(page, page.get_by_role("button", name="Reset"))
    assert ["Training tokens", "2T"] in reset
    assert reset == controls_once_loaded(page)
