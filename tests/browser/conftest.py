"""A server of the app and a headless Chromium that must not leave this machine."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

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
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]
WAIT_S = 60
sync_api.expect.set_options(timeout=WAIT_S * 1000)
DRAWN = """[...document.querySelectorAll('[data-testid=stVegaLiteChart]')].every(
    (chart) => chart.querySelector('svg .mark-group'))"""
"""Whether every chart of the page is drawn."""


def find_executable():
    """Chromium named by the environment, else the first one on the path."""
    named = os.environ.get("TWENTY_WATTS_BROWSER") or os.environ.get("BROWSER_EXECUTABLE")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


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
    with log.open("ab") as out:
        server = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
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

IDLE = []
"""Empty tabs that tests have left: the app opens there for half the work of a new one."""


@contextmanager
def watched(chromium):
    """Open tabs, with what went wrong in them: a request to elsewhere, an error of a page."""
    wrong, tabs = [], []

    def complain(note):
        """A page below the root first looks for its server below itself, and finds it above."""
        if not ("404" in note.text and "/_stcore/" in note.location["url"]):
            wrong.append(note.text)

    def watch(url):
        if urlsplit(url).hostname not in ("localhost", "127.0.0.1", None):
            wrong.append(f"request to {url}")

    def open_tab(*, width=1280, height=720, scheme="light"):
        page = IDLE.pop() if IDLE else chromium.new_page()
        page.bring_to_front()  # a tab behind another is not drawn
        tabs.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        page.set_default_timeout(WAIT_S * 1000)
        for event, look in watchers.items():
            page.on(event, look)
        return page

    watchers = {
        "request": lambda request: watch(request.url),
        "websocket": lambda socket: watch(socket.url),
        "pageerror": lambda error: wrong.append(f"page error {error}"),
        "console": lambda note: note.type == "error" and complain(note),
    }

    yield open_tab, wrong
    for page in tabs:
        if not page.is_closed():
            page.evaluate(FORGET)
            for event, look in watchers.items():
                page.remove_listener(event, look)
            page.goto("about:blank")
            IDLE.append(page)
    assert wrong == []


def go(page, url):
    """Open a page of the app and wait until it is drawn, its charts included."""
    page.goto(url)
    page.locator("[data-scenario]").wait_for(state="attached")
    page.wait_for_function(DRAWN)
    return page


OUTSIDE = """() => [...document.querySelectorAll('[data-testid=stVegaLiteChart] svg')].flatMap(
    (chart) => {
        const frame = chart.getBoundingClientRect();
        return [...chart.querySelectorAll('text')].filter((text) => {
            const box = text.getBoundingClientRect();
            return box.width && (box.left < frame.left - 3 || box.right > frame.right + 3);
        }).map((text) => text.textContent);
    })"""


def texts_outside(page):
    """Texts of charts that reach out of their chart, by more than 3 px."""
    return page.evaluate(OUTSIDE)


def choose_in_menu(page, group, title):
    """Open a page by the navigation, like a visitor."""
    page.locator(".tw-wide summary", has_text=group).click()
    page.locator(".tw-wide").get_by_role("link", name=title).click()


@pytest.fixture
def visit(chromium, address):
    """Open the app in a new tab."""
    with watched(chromium) as (open_tab, _wrong):

        def open_page(query="", **look):
            return go(open_tab(**look), query if "://" in query else f"{address}/{query}")

        yield open_page


MOVE = """(url) => {
    const text = document.querySelector('[data-testid=stMainBlockContainer]').innerText;
    history.pushState(null, '', url);
    dispatchEvent(new PopStateEvent('popstate'));
    return text;
}"""
"""Move on by the history of the tab; what the page says until it is drawn again."""

MOVED = """(before) => {
    const app = document.querySelector('[data-testid=stApp]');
    const box = document.querySelector('[data-testid=stMainBlockContainer]');
    const here = document.querySelector('.tw-nav [aria-current=page]');
    const root = here && here.pathname === '/' && location.pathname === '/estimate';
    return app.getAttribute('data-test-script-state') === 'notRunning' && box.innerText !== before
        && (!here || root || here.pathname === location.pathname);
}"""
"""Whether the page of the address is there; slides have no menu that names it."""


def move(page, url):
    """Show another slide or page in the tab that is open, without loading the app anew."""
    page.wait_for_function(MOVED, arg=page.evaluate(MOVE, url))
    sync_api.expect(page.locator("[data-scenario]")).to_have_count(1)
    page.wait_for_function(DRAWN)
    return page


@contextmanager
def touring(chromium, address, *, by_link=False, **look):
    """One tab that opens the app and then moves from page to page, as a visitor does.

    Moving costs a third of loading the app; `by_link` loads it anew for every other page.
    """
    with watched(chromium) as (open_tab, wrong):
        page, opened = open_tab(**look), []

        def show(query):
            page.bring_to_front()  # a tab behind another is not drawn
            path = query.partition("?")[0]
            step = move if path in opened or (opened and not by_link) else go
            opened[:] = [path]
            step(page, f"{address}/{query}")
            found = [wrong.pop() for _ in list(wrong)]
            assert found == []
            return page

        yield show


@pytest.fixture(scope="module")
def projector(chromium, address):
    """One tab of the size of a projector: it opens a page by its link, and its slides in turn."""
    with touring(chromium, address, by_link=True) as show:
        yield show
