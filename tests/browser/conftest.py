"""A server of the app and a headless Chromium that must not leave this machine."""

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.ports import free_port

sync_api = pytest.importorskip("playwright.sync_api")

ROOT = Path(__file__).parents[2]
NAMES = (
    *("chromium-headless-shell", "chromium", "google-chrome", "google-chrome-stable"),
    "chromium-browser",
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
    # Pages of a few minutes are thrown away whole: what is garbage in them is seldom looked for.
    "--js-flags=--min-semi-space-size=64 --initial-old-space-size=400 --no-memory-reducer",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]
WAIT_S = 60
sync_api.expect.set_options(timeout=WAIT_S * 1000)
POLL_MS = 50
DRAWN = """[...document.querySelectorAll('[data-testid=stVegaLiteChart]')].every(
    (chart) => chart.querySelector('svg .mark-group'))"""
"""Whether every chart of the page is drawn."""


def find_executable():
    """Chromium named by the environment, else the first one on the path."""
    named = os.environ.get("TWENTY_WATTS_BROWSER") or os.environ.get("BROWSER_EXECUTABLE")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


def healthy(url):
    try:
        with urllib.request.urlopen(f"{url}/_stcore/health", timeout=1) as answer:
            return answer.read() == b"ok"
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def serving(url, log):
    """A running app at an address of this machine."""
    command = [sys.executable, "-m", "streamlit", "run", "app.py"]
    command += ["--server.port", url.rpartition(":")[2]]
    environment = {**os.environ, "TWENTY_WATTS_LIVE": "token"}
    with log.open("ab") as out:
        server = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        end = time.monotonic() + WAIT_S
        while not healthy(url):
            assert server.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        yield
    finally:
        server.terminate()
        server.wait(timeout=10)
    assert "Traceback" not in log.read_text()


@pytest.fixture(scope="session")
def address(tmp_path_factory):
    """Address of a running app, of one's own."""
    url = f"http://localhost:{free_port()}"
    with serving(url, tmp_path_factory.mktemp("server") / "log.txt"):
        yield url


@pytest.fixture(scope="session")
def chromium():
    """A browser that knows no host but this machine, and keeps scripts from page to page."""
    executable = find_executable()
    if executable is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium found: install one or name it in TWENTY_WATTS_BROWSER")
        pytest.skip("no Chromium found: name one in TWENTY_WATTS_BROWSER")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser.new_context(reduced_motion="reduce", locale="en-GB", timezone_id="UTC")
        browser.close()


FORGET = """() => {
    try { localStorage.clear(); sessionStorage.clear(); } catch { /* no page was opened */ }
}"""
"""What a page keeps for the next one, such as an open sidebar, is not for the next test."""

FIRST = "estimate"
"""The page that links at the root open, and that a test sees which names none."""

RESTS = "method"
"""A light page, by way of which another one shows anew what is open there already."""


class Tab:
    """The one tab in which the pages open, and what went wrong there.

    To move on to another page costs a quarter of loading the app, and less in a tab that is warm.
    """

    def __init__(self, page, address):
        self.page, self.address, self.wrong = page, address, []
        page.set_default_timeout(WAIT_S * 1000)
        page.on("request", lambda request: self.watch(request.url))
        page.on("websocket", lambda socket: self.watch(socket.url))
        page.on("pageerror", lambda error: self.wrong.append(f"page error {error}"))
        page.on("console", lambda note: note.type == "error" and self.complain(note))

    def watch(self, url):
        """Note a request to elsewhere."""
        if urlsplit(url).hostname not in ("localhost", "127.0.0.1", None):
            self.wrong.append(f"request to {url}")

    def complain(self, note):
        """Note an error; a page below the root first looks for its server below itself."""
        if not ("404" in note.text and "/_stcore/" in note.location["url"]):
            self.wrong.append(note.text)

    def show(self, query, *, load, width=1280, height=720, scheme="light"):
        """Show a page, by loading the app or by moving on in it."""
        self.page.bring_to_front()  # a tab behind another is not drawn
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.emulate_media(color_scheme=scheme)
        url = query if "://" in query else f"{self.address}/{query or FIRST}"
        return (go if load else move)(self.page, url)

    def is_open(self):
        """Whether the app is open; a test that fails leaves an empty tab."""
        return self.page.url.startswith(self.address)

    def is_framed(self, query):
        """Whether a page asks to be in a frame as the one does that is open."""
        return ("embed=true" in query) == ("embed=true" in self.page.url)

    def end(self, *, failed):
        """Forget what the page of a test keeps; nothing may have gone wrong."""
        self.page.evaluate(FORGET)
        if failed:
            self.page.goto("about:blank")
        wrong, self.wrong = self.wrong, []
        assert wrong == []


TABS = []
"""The tab, once it is open."""


@pytest.fixture(scope="session")
def tab(chromium, address):
    """The tab of all tests."""
    opened = Tab(chromium.new_page(), address)
    TABS.append(opened)
    yield opened
    TABS.clear()


@pytest.fixture(autouse=True)
def nothing_goes_wrong(request):
    """No test leaves an error in the tab, nor a page on which it failed."""
    failed = request.session.testsfailed
    yield
    for opened in TABS:
        opened.end(failed=request.session.testsfailed > failed)


def wait_until(page, holds, argument=None):
    """Wait for what holds in a page, without being asked at each frame."""
    page.wait_for_function(holds, arg=argument, polling=POLL_MS)


def go(page, url):
    """Open a page of the app and wait until it is drawn, its charts included."""
    page.goto(url)
    page.locator("[data-scenario]").wait_for(state="attached")
    wait_until(page, DRAWN)
    return page


OUTSIDE = """() => [...document.querySelectorAll('[data-testid=stVegaLiteChart] svg')].flatMap(
    (chart) => {
        const frame = chart.getBoundingClientRect();
        return [...chart.querySelectorAll('text')].filter((text) => {
            const box = text.getBoundingClientRect();
            return box.width && (box.left < frame.left - 3 || box.right > frame.right + 3);
        }).map((text) => text.textContent);
    })"""


def shown(page, part):
    """Wait until the page shows what its link says."""
    pattern = re.compile(rf"[?&]{re.escape(part)}(&|$)")
    sync_api.expect(page.locator("[data-scenario]")).to_have_attribute("data-scenario", pattern)


def texts_outside(page):
    """Texts of charts that reach out of their chart, by more than 3 px."""
    return page.evaluate(OUTSIDE)


def choose_in_menu(page, group, title):
    """Open a page by the navigation, like a visitor."""
    page.locator(".tw-wide summary", has_text=group).click()
    page.locator(".tw-wide").get_by_role("link", name=title).click()


@pytest.fixture
def visit(tab):
    """Open a page by a link.

    A link without a query shows what the session remembers of the page: it begins a new one. The
    others move on in the app that is open, and see of it what a new one would show.
    """

    def open_page(query="", *, load=False, **look):
        new = load or not urlsplit(query).query or not (tab.is_open() and tab.is_framed(query))
        here, there = (urlsplit(url).path.strip("/") or FIRST for url in (tab.page.url, query))
        if not new and here == there:
            tab.show(RESTS + ("?embed=true" if "embed=true" in query else ""), load=False, **look)
        return tab.show(query, load=new, **look)

    return open_page


MOVE = """(url) => {
    const text = document.querySelector('[data-testid=stMainBlockContainer]').innerText;
    history.pushState(null, '', url);
    dispatchEvent(new PopStateEvent('popstate'));
    return text;
}"""
"""Move on by the history of the tab; what the page says until it is drawn again."""

ARRIVED = """() => {
    const app = document.querySelector('[data-testid=stApp]');
    const here = document.querySelector('.tw-nav [aria-current=page]');
    const names = {'/': ['/', '/estimate'], '/home': ['/']}[location.pathname];
    return app.getAttribute('data-test-script-state') === 'notRunning'
        && (!here || (names || [location.pathname]).includes(here.pathname));
}"""
"""Whether the page of the address is there; slides have no menu that names it.

The menu links the front door at the root, where links with inputs open Estimate.
"""

MOVED = f"""(before) => {{
    const box = document.querySelector('[data-testid=stMainBlockContainer]');
    return box.innerText !== before && ({ARRIVED})();
}}"""
"""Whether another page than before is there."""


def move(page, url):
    """Show another slide or page in the tab that is open, without loading the app anew.

    What goes on there ends first: else the page before that could be taken for the one moved to.
    """
    wait_until(page, ARRIVED)
    wait_until(page, MOVED, page.evaluate(MOVE, url))
    sync_api.expect(page.locator("[data-scenario]")).to_have_count(1)
    wait_until(page, DRAWN)
    return page


def touring(tab, **look):
    """Show page after page in one new session, as a visitor does."""
    opened = []

    def show(query):
        new = not opened or not tab.is_open()
        opened.append(query)
        return tab.show(query, load=new, **look)

    return show


@pytest.fixture(scope="module")
def projector(tab):
    """Show slides one after the other at the size of a projector."""
    return touring(tab)
