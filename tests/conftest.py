"""Settings of the whole suite: neither the speed of the machine nor its user's data count."""

import atexit
import gc
import os
import tempfile

import pytest
from _pytest.doctest import DoctestModule
from hypothesis import HealthCheck, settings

from estimator.catalog import Catalog

settings.register_profile(
    "any-machine",
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("any-machine")

collect_ignore = ["benchmarks"]
"""Programs that measure the speed, some of which need PyTorch or a browser."""

DATA = tempfile.TemporaryDirectory(prefix="twenty-watts-data-")
atexit.register(DATA.cleanup)
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # beside other workers threads only wait
os.environ["TWENTY_WATTS_DATA"] = DATA.name

SHIPPED = Catalog.open()


def open_once(profiles_dir=None, *, anew=Catalog.open):
    """Open profiles; ours alone are read once a worker instead of by each command again."""
    found = anew(profiles_dir)
    return SHIPPED if found.layers == SHIPPED.layers else found


Catalog.open = open_once


@pytest.fixture(scope="session")
def catalog():
    """Shipped profiles."""
    return SHIPPED


BROWSER = "tests/browser/"
TOURS = tuple(
    f"{BROWSER}test_{name}.py" for name in ("accessibility", "limits_pages", "serve_page", "slides")
)
"""Files of one of two workers that drive a browser; as many seconds as all the others there."""

SCORED = (
    *("tests/test_readme.py", "tests/validation/test_cross_validation.py"),
    *("tests/validation/test_splits.py", "tests/validation/test_steady_rate.py"),
    *("tests/validation/test_whole_chain.py", "tests/web/test_accuracy_page.py"),
)
"""Files of one worker: they share the predictions of all published runs, kept with the profiles."""

LONG = (
    *("tests/browser/", "tests/system/test_environment.py", "tests/web/test_routes_agree.py"),
    *("tests/measure/test_command.py", "tests/web/test_estimate_page.py", "tests/calibration/"),
    *(
        "tests/runs/test_store.py",
        "tests/cli/test_calibrate.py",
        "tests/cli/test_profiles_command.py",
    ),
    *(
        "tests/measure/",
        "tests/test_house.py",
        "tests/web/",
        "tests/studies/search/",
        "tests/validation/",
    ),
)
"""What takes longest begins first, so that no worker is left alone with it at the end."""


class DoctestsWhereThereAreSome:
    """Looks for doctests in modules that hold an example, not in five of six that hold none."""

    @pytest.hookimpl(wrapper=True)
    def pytest_collect_file(self, file_path):
        found = yield
        if file_path.suffix == ".py" and b">>>" not in file_path.read_bytes():
            return [one for one in found if not isinstance(one, DoctestModule)]
        return found


def pytest_configure(config):
    """The whole repository's files are collected through it, not only those below `tests`."""
    config.pluginmanager.register(DoctestsWhereThereAreSome())


gc.disable()  # what is collected stays: to look through it again and again frees nothing


def pytest_collection_modifyitems(items):
    """Put the longest files first; the others stay in their order."""
    gc.freeze()
    gc.enable()
    items.sort(key=lambda item: [not item.nodeid.startswith(name) for name in LONG])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Share out file by file, those together that share a server, a Chromium or scores."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class FilesTogether(LoadFileScheduling):
        def _split_scope(self, nodeid):
            if nodeid.startswith(BROWSER):
                return "tours" if nodeid.startswith(TOURS) else "visits"
            if nodeid.startswith(SCORED):
                return "scores"
            return super()._split_scope(nodeid)

    return FilesTogether(config, log)
