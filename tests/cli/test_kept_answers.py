"""`calibrate show` keeps its fit in the store: the same answer, dropped when anything differs."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import estimator
from estimator.cli.calibrate import shown_devices
from estimator.runs import keep_answer, kept_answer, open_store
from estimator.runs.kept_answers import MOST
from estimator.system import file_states
from tests.cli.test_calibrate import H100, measured, stored, trained
from tests.in_process import run


@pytest.fixture
def data(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(folder))
    monkeypatch.setattr(file_states, "SETTLED_S", 0.0)
    return folder


@pytest.fixture
def fits(monkeypatch):
    """Each fit that `calibrate show` makes."""
    made = []
    fitted = shown_devices._fitted

    def counted(*arguments):
        made.append(arguments)
        return fitted(*arguments)

    monkeypatch.setattr(shown_devices, "_fitted", counted)
    return made


def show(*options):
    done = run("calibrate", "show", *options)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def ages_apart(text):
    found = json.loads(text)
    for device in found["devices"]:
        assert device.pop("age_days") > 0
    return found


def test_the_second_answer_is_the_first_one_without_a_fit(data, fits):
    stored(measured("a", trained(0.3), trained(0.5)), measured("b", trained(0.02)))
    first, notes = show("--json")
    second = show("--json")
    assert len(fits) == 1
    assert (ages_apart(second[0]), second[1]) == (ages_apart(first), notes)
    assert show() == show()
    assert len(fits) == 1


def test_a_device_asked_for_is_an_answer_of_its_own(data, fits):
    other = measured(
        "b", trained(0.4), devices=(H100.__class__(**vars(H100) | {"hardware": None}),)
    )
    stored(measured("a", trained(0.3)), other)
    for _ in range(2):
        found = json.loads(show("--json", "--hardware", "h100")[0])
        assert [one["hardware"] for one in found["devices"]] == ["h100-sxm"]
        assert [one["id"] for one in found["runs"]] == ["a"]
    assert len(fits) == 1
    assert len(json.loads(show("--json")[0])["runs"]) == 2


@pytest.mark.parametrize("change", ["add", "forget", "by hand"])
def test_a_change_of_the_runs_drops_what_was_kept(data, fits, change):
    stored(measured("a", trained(0.3)), measured("b", trained(0.5)))
    show()
    if change == "add":
        stored(measured("c", trained(0.4)))
    elif change == "forget":
        with open_store() as store:
            store.forget(["b"])
    else:
        database = sqlite3.connect(data / "runs.sqlite")
        database.execute("UPDATE run SET document = replace(document, '20', '21') WHERE id = 'a'")
        database.commit()
        database.close()
    counted = {"add": 3, "forget": 1, "by hand": 2}[change]
    (device,) = json.loads(show("--json")[0])["devices"]
    assert device["runs"] == counted
    assert len(fits) == 2


def test_a_change_of_the_profiles_drops_what_was_kept(data, fits, tmp_path):
    mine = tmp_path / "mine"
    (mine / "hardware").mkdir(parents=True)
    profile = mine / "hardware" / "h100-sxm.toml"
    shipped = Path(estimator.__file__).parents[1] / "profiles" / "hardware" / "h100-sxm.toml"
    profile.write_text(shipped.read_text(encoding="utf-8"), encoding="utf-8")
    stored(measured("a", trained(0.3)))
    for _ in range(2):
        show("--profiles", mine)
    assert len(fits) == 1
    status = profile.stat()
    profile.write_text(
        profile.read_text(encoding="utf-8").replace("# ", "#!", 1) + "\n", encoding="utf-8"
    )
    os.utime(profile, ns=(status.st_atime_ns, status.st_mtime_ns))
    show("--profiles", mine)
    assert len(fits) == 2
    show()
    assert len(fits) == 3


def test_files_that_were_just_changed_are_not_trusted(tmp_path, monkeypatch):
    (tmp_path / "a.toml").write_text("a = 1\n", encoding="utf-8")
    monkeypatch.setattr(file_states, "SETTLED_S", 3600.0)
    assert file_states.digest_of([tmp_path]) is None
    monkeypatch.setattr(file_states, "SETTLED_S", 0.0)
    first = file_states.digest_of([tmp_path])
    assert first is not None
    (tmp_path / "b.toml").write_text("b = 1\n", encoding="utf-8")
    second = file_states.digest_of([tmp_path])
    assert second not in (None, first)
    monkeypatch.setattr(file_states, "MOST_FILES", 1)
    assert file_states.digest_of([tmp_path]) is None
    assert file_states.digest_of([tmp_path / "missing"]) is None


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE answer SET content = substr(content, 1, 40)",
        "UPDATE answer SET content = replace(content, '0', '1')",
        "UPDATE answer SET content = x'00ff'",
        "UPDATE answer SET digest = 'x'",
        "UPDATE answer SET number = number - 1",
    ],
)
def test_a_damaged_answer_is_worked_out_again(data, fits, damage):
    stored(measured("a", trained(0.3)))
    first = show("--csv", "--runs"), show()
    database = sqlite3.connect(data / "runs.sqlite")
    assert database.execute(damage).rowcount == 1
    database.commit()
    database.close()
    assert (show("--csv", "--runs"), show()) == first
    assert len(fits) == 2
    assert show() == first[1]
    assert len(fits) == 2


def test_an_answer_to_runs_that_changed_meanwhile_is_not_kept(data):
    stored(measured("a", trained(0.3)))
    before = kept_answer("q")
    assert (before.content, before.notes) == (None, ())
    stored(measured("b", trained(0.4)))
    keep_answer("q", before, "old")
    assert kept_answer("q").content is None
    keep_answer("q", kept_answer("q"), "new")
    assert kept_answer("q").content == "new"
    assert kept_answer("other").content is None


def test_few_answers_are_kept(data):
    stored(measured("a", trained(0.3)))
    for number in range(2 * MOST):
        keep_answer(f"q{number}", kept_answer("q"), "text")
    database = sqlite3.connect(data / "runs.sqlite")
    assert database.execute("SELECT count(*) FROM answer").fetchone() == (MOST,)
    database.close()
    assert kept_answer(f"q{2 * MOST - 1}").content == "text"


def test_a_store_that_others_write_is_answered_without_keeping(data):
    stored(measured("a", trained(0.3)))
    kept = kept_answer("q")
    database = sqlite3.connect(data / "runs.sqlite", isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    try:
        keep_answer("q", kept, "text")
    finally:
        database.execute("ROLLBACK")
        database.close()
    assert kept_answer("q").content is None


def test_a_damaged_store_is_said_once(data):
    stored(measured("a", trained(0.3)))
    (data / "runs.sqlite").write_bytes(b"not a database" * 1000)
    _, notes = show()
    assert notes.count("is damaged: it is kept as") == 1


def test_an_answer_that_was_kept_needs_neither_numpy_nor_the_profiles(data):
    stored(measured("a", trained(0.3)))
    script = (
        "import sys\n"
        "from estimator.cli import main\n"
        "from estimator.system import file_states\n"
        "file_states.SETTLED_S = 0.0\n"
        "main(['calibrate', 'show', '--quiet'])\n"
        "found = [name in sys.modules for name in ('numpy', 'estimator.catalog.catalog')]\n"
        "sys.stderr.write(f'{found}')\n"
    )
    for expected in ("[True, True]", "[False, False]"):
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
        assert done.stderr == expected


def test_what_lacks_a_peak_is_kept_and_a_format_may_be_unknown(data, fits):
    unknown = H100.__class__(**vars(H100) | {"hardware": None, "name": "Strange Card 9"})
    stored(
        measured("a", trained(0.3), devices=(unknown,)),
        measured("b", trained(0.3, precision=None), devices=(unknown,)),
    )
    for _ in range(2):
        _, notes = show()
        assert "Strange Card 9: no bf16 peak on record" in notes
    assert len(fits) == 1
