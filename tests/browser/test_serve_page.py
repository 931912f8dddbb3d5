"""The page Serve in a real browser beside a measured load: its link, and slides that fit."""

import pytest

from estimator.runs import open_store
from tests.measured_runs import store
from tests.web.test_serve_page import LOADED

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser
HEIGHT = "document.querySelector('[data-testid=stMainBlockContainer]').scrollHeight"


@pytest.fixture(autouse=True)
def loaded():
    """One measured load in the store of the server, gone afterwards."""
    store(LOADED)
    yield
    with open_store() as kept:
        kept.forget([LOADED.id])


@pytest.mark.parametrize("slide", ["curve", "api", "energy"])
def test_a_slide_of_a_calibrated_set_up_says_so_and_fits(projector, slide):
    page = projector(f"serve?show={slide}&fs=1.4&embed=true&embed_options=light_theme")
    body = page.locator("[data-testid=stMainBlockContainer]")
    sync_api.expect(body).to_contain_text("Calibrated with 1 measured run on NVIDIA H100")
    assert page.evaluate(HEIGHT) <= 720


def test_a_link_ignores_the_measured_load(visit):
    page = visit("serve?calibration=ignore")
    body = page.locator("[data-testid=stMainBlockContainer]")
    sync_api.expect(body).to_contain_text("1 measured run on NVIDIA H100 SXM5 80GB is ignored.")
    sync_api.expect(body).not_to_contain_text("Calibrated: 1 run")
    switch = page.locator(".st-key-serve_calibration")
    sync_api.expect(switch).to_contain_text("Measured runs of this device")
