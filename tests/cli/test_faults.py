"""A full disk, a home or folder that is not there, and a plain locale: one line, no traceback."""

import os
import subprocess
import sys

import pytest

ESTIMATE = "estimate --preset gpt-3 --hardware h100"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "runs.csv").write_text("preset,hardware\ngpt-3,h100\n", encoding="utf-8")
    return tmp_path


def tried(words, folder, stdout=subprocess.PIPE, **environment):
    """Run a command in a process of its own."""
    command = [sys.executable, "-m", "estimator", *words.format(folder=folder).split()]
    changed = ("LC_", "PYTHONUNBUFFERED")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(changed)}
    return subprocess.run(
        command,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**kept, **environment},
        encoding="utf-8",
        check=False,
    )


@pytest.mark.parametrize("words", [ESTIMATE, f"{ESTIMATE} --json", "batch {folder}/runs.csv -o -"])
def test_a_full_disk_is_one_line(words, folder):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = tried(words, folder, stdout=full)
    last = done.stderr.splitlines()[-1]
    assert (done.returncode, last) == (1, "error: No space left on device")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_folder_that_is_not_there_is_one_line(folder):
    done = tried("batch {folder}/runs.csv -o {folder}/none/out.csv", folder)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("does not exist")
    assert not (folder / "none").exists()


@pytest.mark.parametrize(
    ("words", "home"),
    [
        (ESTIMATE, "/dev/null"),
        ("calibrate show", "/dev/null"),
        ("calibrate show", "/nonexistent"),
        ("calibrate show", "{folder}/ü 日本"),
    ],
)
def test_any_home_and_locale_answer(words, home, folder):
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii:backslashreplace"}
    done = tried(words, folder, HOME=home.format(folder=folder), **plain)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
