"""axe-core finds nothing on any page: contrast, names of controls, headings, roles."""

import pytest

from estimator.web.site_map import PAGES
from tests.browser.conftest import touring, wait_until
from tests.browser.npm import fetched

pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser
AXE = "axe-core@4.10.3"
LOOKS = {
    "laptop": {"width": 1280, "height": 720, "scheme": "light"},
    "phone": {"width": 390, "height": 844, "scheme": "dark"},
}
FOUND = """async () => {
    const found = await axe.run(document, { resultTypes: ["violations"], preload: false });
    return found.violations.flatMap((rule) => rule.nodes.map(
        (node) => `${rule.id}: ${node.html.slice(0, 160)}`));
}"""


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    """Source of axe-core, as npm brings it."""
    folder = fetched(AXE, tmp_path_factory.mktemp("npm"))
    return (folder / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module", params=LOOKS)
def tour(tab, request):
    """Go from page to page in one look."""
    return touring(tab, **LOOKS[request.param])


@pytest.mark.parametrize("path", [page.path for page in PAGES])
def test_axe_finds_nothing_on_a_page(tour, axe, path):
    page = tour(path)
    wait_until(page, "!document.querySelector('[data-testid=stSkeleton]')")
    if not page.evaluate("'axe' in window"):  # it outlasts the way to the next page
        page.evaluate(axe)
    assert page.evaluate(FOUND) == []


def test_axe_finds_what_is_wrong(visit, axe):
    page = visit("depth?")
    page.evaluate(axe)
    page.evaluate("document.querySelector('.tw-sentence').innerHTML += '<img src=\"data:,\">'")
    assert any(line.startswith("image-alt") for line in page.evaluate(FOUND))
