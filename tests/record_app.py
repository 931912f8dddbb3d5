"""Record the animation of the README from the real app: python -m tests.record_app.

Three pages follow each other in one SVG that needs no player: each is a screenshot of a link, and
CSS shows one after the other.
"""

import base64
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.conftest import DRAWN, FLAGS, ROOT, WAIT_S, find_executable, serving
from tests.ports import free_port

TARGET = ROOT / ".github" / "app.svg"
SIZE = {"width": 1280, "height": 800}
SHOWN_S = 3
"""Seconds that each page is shown."""

QUALITY = 72
"""Quality of the JPEG images, in percent: three take a quarter of a megabyte."""

PAGES = {
    "Estimate": "?v=1&params=7e9&tokens=2e12&hardware=h100-sxm&devices=64&site=fr",
    "Compare": "compare?a=v%3D1%26params%3D7e9%26tokens%3D2e12%26hardware%3Dh100-sxm%26devices%3D64"
    "&b=v%3D1%26params%3D7e9%26tokens%3D2e12%26hardware%3Da100-sxm-80%26devices%3D64",
    "Plan": "plan?params=7e9&tokens=140e9&budget=20000",
}
"""Page -> link that opens it."""


def screenshots():
    """JPEG of each page."""
    address = f"http://localhost:{free_port()}"
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(address, Path(folder) / "log.txt"),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=find_executable(), args=FLAGS)
        for link in PAGES.values():
            page = browser.new_page(viewport=SIZE)
            page.goto(f"{address}/{link}")
            page.wait_for_selector(".tw-sentence", timeout=WAIT_S * 1000)
            page.wait_for_function(DRAWN, timeout=WAIT_S * 1000)
            page.wait_for_timeout(1000)
            yield page.screenshot(type="jpeg", quality=QUALITY)
            page.close()
        browser.close()


def animation(images):
    """SVG that shows one image after the other, without end."""
    count = len(images)
    width, height = SIZE.values()
    share = 100 / count
    style = (
        "image{opacity:0;animation:turn "
        f"{count * SHOWN_S}s infinite}}@keyframes turn{{0%,{share:.2f}%{{opacity:1}}"
        f"{share + 1:.2f}%,100%{{opacity:0}}}}"
    )
    frames = "".join(
        f'<image width="{width}" height="{height}" style="animation-delay:{place * SHOWN_S}s" '
        f'href="data:image/jpeg;base64,{base64.b64encode(image).decode()}"/>'
        for place, image in enumerate(images)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">'
        f"<title>{', '.join(PAGES)}</title><style>{style}</style>{frames}</svg>\n"
    )


if __name__ == "__main__":
    TARGET.write_text(animation(list(screenshots())), encoding="utf-8")
    sys.stdout.write(f"{TARGET}: {TARGET.stat().st_size / 1e3:.0f} kB\n")
