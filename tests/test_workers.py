"""Tests shared among forked processes: every result arrives, also of a worker that dies."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
ONE = """
import os
def test_passes(): pass
def test_fails():
    print("printed before")
    assert [1] == [2]
def test_has_a_data_folder_of_its_own():
    assert os.path.isdir(os.environ["TWENTY_WATTS_DATA"])
"""
OTHER = """
import os
import pytest
def test_is_skipped(): pytest.skip("why not")
def test_dies(): os._exit(3)
def test_comes_after(): pass
"""


def run(folder, *words):
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider"]
    command += ["-p", "tests.workers", "--workers", "2", f"--rootdir={folder}", *words]
    return subprocess.run(
        [*command, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_all_results_arrive_and_what_a_dead_worker_left_has_failed(tmp_path):
    (tmp_path / "test_one.py").write_text(ONE, encoding="utf-8")
    (tmp_path / "test_other.py").write_text(OTHER, encoding="utf-8")
    done = run(tmp_path)
    assert done.returncode == 1, done.stderr
    assert "printed before" in done.stdout and "[1] == [2]" in done.stdout
    ended = {
        line.partition(" - ")[0].rpartition("::")[2]: line.split()[0]
        for line in done.stdout.splitlines()
        if line.startswith(("PASSED", "FAILED"))
    }
    assert ended == {
        "test_passes": "PASSED",
        "test_fails": "FAILED",
        "test_has_a_data_folder_of_its_own": "PASSED",
        "test_dies": "FAILED",
        "test_comes_after": "FAILED",
    }
    assert done.stdout.count("its worker ended before it") >= 2
    assert "3 failed, 2 passed, 1 skipped" in done.stdout


def test_a_run_that_stops_at_the_first_failure_stops_all_workers(tmp_path):
    (tmp_path / "test_one.py").write_text("def test_fails(): assert 0\n", encoding="utf-8")
    waits = "import time\ndef test_waits(): time.sleep(600)\n"
    (tmp_path / "test_other.py").write_text(waits, encoding="utf-8")
    done = run(tmp_path, "-x")
    assert done.returncode == 1
    assert "1 failed" in done.stdout and "stopping after 1 failures" in done.stdout
