"""A server of the app and a headless Chromium that must not leave this machine."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

sync_api = pytest.importorskip("playwright.sync_api")

ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
]
WAIT_S = 60


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


@pytest.fixture(scope="session")
def address(tmp_path_factory):
    """Address of a running app, of one's own."""
    url = f"http://localhost:{free_port()}"
    log = tmp_path_factory.mktemp("server") / "log.txt"
    command = [sys.executable, "-m", "streamlit", "run", "app.py"]
    command += ["--server.port", url.rpartition(":")[2]]
    with log.open("wb") as out:
        server = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + WAIT_S
        while not healthy(url):
            assert server.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=10)
    assert "Traceback" not in log.read_text()


@pytest.fixture(scope="session")
def chromium():
    executable = find_executable()
    if executable is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium found: install one or name it in TWENTY_WATTS_BROWSER")
        pytest.skip("no Chromium found: name one in TWENTY_WATTS_BROWSER")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, address):
    """Open the app; any request to elsewhere and any error of the page fails the test."""
    wrong = []
    contexts = []

    def refuse(route):
        if urlsplit(route.request.url).hostname not in ("localhost", "127.0.0.1", None):
            wrong.append(f"request to {route.request.url}")
            route.abort()
        else:
            route.continue_()

    def open_page(query="", *, width=1280, height=720, scheme="light"):
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            reduced_motion="reduce",
            locale="en-GB",
            timezone_id="UTC",
        )
        contexts.append(context)
        context.route("**/*", refuse)
        page = context.new_page()
        page.set_default_timeout(WAIT_S * 1000)
        page.on("pageerror", lambda error: wrong.append(f"page error {error}"))
        page.on("console", lambda note: note.type == "error" and wrong.append(note.text))
        page.goto(query if query.startswith("http") else f"{address}/{query}")
        page.locator("[data-scenario]").wait_for(state="attached")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []
