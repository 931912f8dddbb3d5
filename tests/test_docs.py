"""The site's reference is complete, and its pages link to pages that are there."""

import re

import pytest

from tests.build_docs import GENERATED, NAV, navigation, write_pages


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "pages"
    write_pages(folder)
    return folder


def test_every_page_has_a_title_and_a_place_in_the_navigation(pages):
    listed = set()
    for (places,) in (entry.values() for entry in navigation(pages)):
        listed |= (
            {places}
            if isinstance(places, str)
            else {page for entry in places for page in entry.values()}
        )
    assert {*GENERATED} < listed and len(NAV) == len(list(navigation(pages)))
    assert {path.relative_to(pages).as_posix() for path in pages.glob("*/*.md")} < listed


def test_every_link_between_pages_leads_somewhere(pages):
    for page in pages.rglob("*.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).is_file(), (page.name, target)


def test_the_reference_names_every_command_input_and_device(pages):
    from estimator.catalog import Catalog
    from estimator.cli import COMMANDS
    from estimator.question.inputs import REGISTRY, option_of

    commands = (pages / "reference/command-line.md").read_text(encoding="utf-8")
    assert all(f"\n## {name}\n" in commands for name in COMMANDS)
    assert "\n### calibrate bench\n" in commands and "\n### profiles check\n" in commands
    inputs = (pages / "reference/inputs.md").read_text(encoding="utf-8")
    assert all(f"`{option_of(name)}`" in inputs for name in REGISTRY)
    devices = (pages / "reference/devices.md").read_text(encoding="utf-8")
    assert all(f"| `{device.id}` |" in devices for device in Catalog.open().devices())
