"""`pytest` alone installs nothing; `python -m tests.benchmarks` says what it lacks in one line."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

WATCHED = """
import sys

INSTALLING = {"install", "download", "apt-get", "ensurepip", "venv", "npm", "npx"}

def note(event, arguments):
    if event == "subprocess.Popen" and INSTALLING & {str(word) for word in arguments[1]}:
        sys.stderr.write(f"installs with {arguments[1]}\\n")

sys.addaudithook(note)
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""

NEEDS_PROGRAMS = (
    "tests/measure/test_prometheus.py::test_energies_are_those_of_the_boards",
    "tests/browser/test_accuracy_page.py::test_the_page_opens_with_its_score_and_no_blank_chart",
)


def test_the_help_of_the_tests_names_tests_that_exist():
    command = [sys.executable, "-m", "tests", "--help"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    named = re.findall(r"tests/\S+\.py", text)
    assert named
    assert all((ROOT / name).is_file() for name in named)


def test_tests_that_need_programs_are_left_out_where_these_are_missing(tmp_path):
    unset = ("TWENTY_WATTS_NO_SETUP", "TWENTY_WATTS_PROMETHEUS", "TWENTY_WATTS_BROWSER")
    unset += ("BROWSER_EXECUTABLE", "CI")
    bare = {name: text for name, text in os.environ.items() if name not in unset}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, "-q", "-p", "no:cacheprovider", *NEEDS_PROGRAMS],
        cwd=ROOT,
        env={**bare, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" in done.stdout
    assert "installs with" not in done.stderr


def test_benchmarks_without_the_packages_are_one_line():
    done = subprocess.run(
        [sys.executable, "-S", "-m", "tests.benchmarks"],
        cwd=ROOT,
        env={**os.environ, "TWENTY_WATTS_NO_SETUP": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and not done.stdout
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: numpy")
