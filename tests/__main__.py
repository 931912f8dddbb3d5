"""Set up if needed, then format, lint, tests and types: python -m tests [PYTEST ARGUMENTS]."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

OLDEST_PYTHON = (3, 11)
BROWSER = "TWENTY_WATTS_BROWSER"
"""Name of the environment variable that tells the tests which Chromium to drive."""

SHELL = "chromium-headless-shell"
"""Chromium without its own windows, which cost as much as a page; Debian has it since 2024."""

NAMES = (SHELL, "chromium", "google-chrome", "google-chrome-stable", "chromium-browser")
PACKAGES = ("fonts-liberation", "libatomic1")
"""What Debian and Ubuntu need for the browser tests; the last is for Playwright's driver."""

HELP = f"""usage: python -m tests [--no-browser] [PYTEST ARGUMENTS]

Checks everything: ruff format, ruff check, and mypy beside pytest with doctests.
The first run makes .venv with pinned tools; the browser tests drive a Chromium that is
found, or else installed; Prometheus and nginx are found, or else fetched.

  --no-browser     leave out the tests that drive a browser
  -h, --help       this text; for pytest's own: python -m tests --pytest-help

examples:
  python -m tests
  python -m tests -k transformer
  python -m tests --no-browser -x tests/core/test_estimate.py

environment:
  {BROWSER}      the Chromium to drive
  TWENTY_WATTS_PROMETHEUS   the folder of the programs prometheus and promtool to start
  TWENTY_WATTS_NGINX        the folder of the program nginx to start
  TWENTY_WATTS_NO_SETUP     set: install nothing, fail if something is missing
  CI                        true: no browser is a failure, not a skip
"""

TOOLS = {
    "pytest": "pytest",
    "pytest-xdist": "xdist",
    "hypothesis": "hypothesis",
    "hatchling": "hatchling",
    "mypy": "mypy",
    "playwright": "playwright",
    "ruff": "ruff",
    "cyclonedx-python-lib": "cyclonedx",
    "spdx-python-model": "spdx_python_model",
}
MOST_WORKERS = 4
WORKERS = min((os.cpu_count() or 1) + 2, MOST_WORKERS)
"""Two more than processors: tests wait for programs that they measure, and for a browser."""

PARALLEL = ["-n", str(WORKERS), "--dist", "loadfile", "--no-loadscope-reorder"]
"""How a whole run shares the processors: file by file, see `conftest`; doctests last."""

UNCOMPILED = "PYTHONDONTWRITEBYTECODE"
"""Name of the environment variable by which each of hundreds of processes compiles all modules."""

CHECKS = {
    "format": ["ruff", "format", "--check", "--quiet"],
    "lint": ["ruff", "check", "--quiet"],
}
TYPES = ["mypy"]
"""One processor is busy with it for a while: it runs beside the tests."""

COLLECT = ["pytest", "--collect-only", "-qq", "-p", "no:cacheprovider"]
"""What compiles all modules: of a new copy once, instead of in each worker at the same time."""


def main() -> int:
    """Run every check and return 0 if all passed."""
    if sys.version_info < OLDEST_PYTHON:
        version = ".".join(str(part) for part in sys.version_info[:3])
        sys.stderr.write(f"error: Python 3.11 or newer is needed, and this is {version}\n")
        return 1
    arguments = sys.argv[1:]
    if {"-h", "--help"} & set(arguments):
        sys.stdout.write(HELP)
        return 0
    from estimator.system import environment
    from estimator.system.pip_install import SetupError

    app = environment.APP
    needs = environment.Needs(
        root=app.root,
        requirements=(*app.requirements, ".ci/requirements.txt"),
        modules={**app.modules, **TOOLS},
    )
    try:
        environment.enter(needs)
        os.chdir(app.root)
        return check(arguments)
    except SetupError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return 130


def check(arguments):
    """Run format, lint, and types beside the tests, all of them even if one fails."""
    wants_browser = "--no-browser" not in arguments
    arguments = [
        "--help" if argument == "--pytest-help" else argument
        for argument in arguments
        if argument != "--no-browser"
    ]
    browser = find_browser() or install_browser() if wants_browser else None
    if browser:
        os.environ[BROWSER] = browser
    elif wants_browser and os.environ.get("CI") == "true":
        sys.stderr.write("error: no Chromium found or installed, and CI must test in one\n")
        return 1
    elif wants_browser:
        sys.stderr.write(
            "\n*** NO BROWSER TESTS: no Chromium found, and none could be installed.\n"
            f"*** Install one (apt-get install chromium) or name one in {BROWSER}.\n\n"
        )
    arguments = arguments or PARALLEL
    os.environ.pop(UNCOMPILED, None)
    if not browser and "-m" not in arguments:
        arguments = ["-m", "not browser", *arguments]
    types = subprocess.Popen(
        [sys.executable, "-m", *TYPES], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    with ThreadPoolExecutor(1) as beside:
        provided = beside.submit(provide_servers)
        failed = [name for name, command in CHECKS.items() if not passes(name, command)]
        if arguments[-len(PARALLEL) :] == PARALLEL and not is_compiled():
            quiet = subprocess.DEVNULL
            collect = [sys.executable, "-m", *COLLECT]
            subprocess.run(collect, check=False, stdout=quiet, stderr=quiet)
        provided.result()
    if not passes("tests", ["pytest", *arguments]):
        failed.append("tests")
    reported, _ = types.communicate()
    sys.stdout.write(f"--- types: {' '.join(TYPES)}\n{reported}")
    if types.returncode:
        failed.append("types")
    if failed:
        sys.stderr.write(f"FAILED: {', '.join(failed)}\n")
    return 1 if failed else 0


def is_compiled():
    """Whether tests were collected here before, by this Python."""
    return any(Path(__file__).parent.glob(f"__pycache__/conftest.{sys.implementation.cache_tag}*"))


def provide_servers():
    """Fetch the servers that tests start if they are not here; their tests skip without them."""
    from tests.server_programs import NGINX, PROMETHEUS

    for package in (PROMETHEUS, NGINX):
        if package.find():
            continue
        sys.stderr.write(f"Twenty Watts: no {package.name} found, fetching it for its tests\n")
        if not package.fetch():
            sys.stderr.write(f"\n*** NO TESTS WITH {package.name}: {package.missing()}\n\n")


def passes(name, command):
    """Run one tool and tell whether it passed."""
    sys.stdout.write(f"--- {name}: {' '.join(command)}\n")
    sys.stdout.flush()
    return subprocess.run([sys.executable, "-m", *command], check=False).returncode == 0


def find_browser():
    """Find a Chromium that starts: the one named, the distribution's, or Playwright's own."""
    named = os.environ.get(BROWSER)
    paths = [named] if named else [shutil.which(name) for name in NAMES]
    if not named and sys.platform != "linux":
        paths = []
    for path in paths:
        if path and answers([path, "--version"]):
            return path
    if named:
        sys.stderr.write(f"error: {BROWSER}={named} does not start\n")
        return None
    return find_own_browser()


def find_own_browser():
    """Ask Playwright where its own Chromium is, if it is there."""
    script = (
        "from playwright.sync_api import sync_playwright\n"
        "with sync_playwright() as p: print(p.chromium.executable_path)"
    )
    asked = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    path = asked.stdout.strip()
    return path if path and os.path.exists(path) else None


def install_browser():
    """Install Chromium from the distribution if we may, else Playwright's own build."""
    if os.environ.get("TWENTY_WATTS_NO_SETUP") or os.environ.get(BROWSER):
        return None
    sys.stderr.write("Twenty Watts: no Chromium found, installing one for the browser tests\n")
    if sys.platform == "linux" and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        answers(["apt-get", "update"], quiet)
        for name in (SHELL, "chromium"):
            install = ["apt-get", "install", "-y", "--no-install-recommends", name, *PACKAGES]
            answers(install, quiet)
            browser = find_browser()
            if browser:
                return browser
    answers([sys.executable, "-m", "playwright", "install", "chromium"])
    return find_browser()


def answers(command, env=None):
    """Run a command quietly and tell whether it went well; its complaint is shown if not."""
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    except OSError as error:
        sys.stderr.write(f"  {error}\n")
        return False
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        sys.stderr.write("".join(f"  {line}\n" for line in lines[-3:]))
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
