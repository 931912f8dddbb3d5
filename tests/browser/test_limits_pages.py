"""The pages on the limits in a real browser: every width, in German, slides with their chart."""

import pytest

PAGES = ("claims", "brain", "levers", "scaling", "trends", "depth", "exercises", "method")


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light"), (1920, "dark")])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_fits_its_width_in_german(visit, path, width, scheme):
    page = visit(f"{path}?lang=de", width=width, scheme=scheme)
    page.locator(".tw").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize(
    ("path", "show"),
    [
        ("claims", "factors"),
        ("brain", "operations"),
        ("levers", "ratios"),
        ("scaling", "curves"),
        ("trends", "memory_wall"),
        ("depth", "gradient"),
    ],
)
def test_a_slide_draws_its_chart(visit, path, show):
    page = visit(f"{path}?show={show}&fs=1.4")
    chart = page.locator("[data-testid=stVegaLiteChart] svg").first
    chart.wait_for()
    assert chart.locator("path").count() > 3
