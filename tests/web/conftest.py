"""Pages without a browser: what is installed on this machine is looked through once."""

from functools import cache

import pytest
from streamlit.components.v2 import manifest_scanner

from estimator.web.shared import language


@pytest.fixture(scope="session", autouse=True)
def packages_scanned_once():
    """Each `AppTest` looks for components in every installed package, as long as a page takes."""
    with pytest.MonkeyPatch.context() as patch:
        scan = manifest_scanner.scan_component_manifests
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(scan))
        yield


@pytest.fixture(autouse=True)
def english():
    """A page in German leaves the next test in English."""
    yield
    language.use("en")
