"""Stores as earlier versions wrote them, whole and damaged: read, brought up, and nothing lost."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from estimator.runs import open_store, overview, read_runs, read_timings
from estimator.runs.observations import timing_rows
from estimator.runs.schema import VERSION
from tests.in_process import run

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def older(tmp_path, monkeypatch):
    """A store of a run, a benchmark, and a run that was cut off, as that version wrote it."""
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path))
    path = tmp_path / "runs.sqlite"
    text = (GOLDEN / "runs_version_9.sql").read_text(encoding="utf-8")
    with closing(sqlite3.connect(path)) as database:
        database.executescript(text)
    return path


def changed(path, run_id, change):
    """Put something else in the place of a run's document."""
    with closing(sqlite3.connect(path)) as database:
        query = "SELECT document FROM run WHERE id = ?"
        (text,) = database.execute(query, (run_id,)).fetchone()
        document = change if isinstance(change, str) else json.dumps(change(json.loads(text)))
        database.execute("UPDATE run SET document = ? WHERE id = ?", (document, run_id))
        database.commit()


def test_it_is_read_and_carried_over(older):
    before, notes = read_runs(older)
    assert [(one.id, one.state) for one in before] == [
        ("r1", "finished"),
        ("r6", "finished"),
        ("r8", "running"),
    ]
    assert notes == []
    uncarried = read_timings(older)
    with open_store(older) as store:
        first, second, third = store.runs()
        assert [len(one) for one in store.samples("r8").values()] == [4]
    assert (first, second) == tuple(before[:2])
    assert third.state == "interrupted"
    derived = [row for run in (first, second) for row in timing_rows(run)]
    assert json.dumps(uncarried) == json.dumps(read_timings(older)) == json.dumps(derived)
    (device,) = overview(lambda hardware: {"bf16": 1e15}, path=older).devices
    assert device.runs == 3
    assert device.utilization.mid == pytest.approx(0.4)
    with closing(sqlite3.connect(older)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        names = database.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'trigger')"
        )
        assert {name for (name,) in names} == {"run", "run_changed", "sample"}


def test_the_first_version_had_no_meters_beside_its_samples(tmp_path):
    path = tmp_path / "runs.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.executescript((GOLDEN / "runs_version_1.sql").read_text(encoding="utf-8"))
    assert [run.state for run in read_runs(path)[0]] == ["finished", "running"]
    with open_store(path) as store:
        first, second = store.runs()
        assert first.energy[0].energy_j == 6250.0
        assert store.samples(first.id)["gpu:0"][1].throttled_by == ("power", "heat")
        assert second.state == "interrupted"
        assert second.notes[1] == "gpu:0: no meter is named for its samples"


def with_timing(**values):
    def change(document):
        document["timings"][0] |= values
        return document

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("", "Expecting value"),
        ("null", "must be a table"),
        ('{"id": "r1"', "delimiter"),
        (lambda one: one | {"started": "2026-11-1T10:xx"}, "run.started: must be a time"),
        (lambda one: one | {"id": "r6"}, "run.id: must be r1, got r6"),
        (lambda one: one | {"wall_s": -1.0}, "run.wall_s: must be 0 to 1e+10, got -1"),
        (with_timing(log_sd=1e308), "run.timings[0].log_sd: must be 0 to 1e+40, got 1e+308"),
        (with_timing(time_s=0.0), "run.timings[0].time_s: must be"),
        (with_timing(devices=0), "run.timings[0].devices: must be"),
        (with_timing(flop=float("nan")), "run.timings[0].flop: must be a number, got nan"),
        (lambda one: one | {"energy": [one["energy"][0] | {"duration_s": 0.0}]}, "duration_s"),
        (
            lambda one: one | {"conditions": [one["conditions"][0] | {"others": 1e300}]},
            "run.conditions[0].others",
        ),
    ],
)
def test_one_damaged_run_is_named_and_costs_no_other(older, change, says):
    changed(older, "r1", change)
    for _ in range(2):
        done = run("calibrate", "show", "--json")
        assert done.returncode == 0, done.stderr
        (line,) = [one for one in done.stderr.splitlines() if "run r1 is left out" in one]
        assert says in line
        assert [one["id"] for one in json.loads(done.stdout)["runs"]] == ["r8", "r6"]
    question = ("estimate", "--flop", "1e15", "--kind", "language", "--hardware", "h100")
    assert run(*question).returncode == 0
    assert run("calibrate", "forget", "r1", "--yes").returncode == 0
    assert "left out" not in run("calibrate", "show").stderr
    (kept,) = older.parent.glob("forgotten-*.json")
    assert list(json.loads(kept.read_text(encoding="utf-8"))) == ["r1"]


def test_two_that_bring_it_up_at_once_do_it_once(older):
    with open_store(older) as one, open_store(older) as other:
        assert len(one.runs()) == len(other.runs()) == 3


def test_a_kill_while_it_is_brought_up_leaves_it_as_it_was(older, monkeypatch):
    class Killed(BaseException):
        """Stands for the end of the process."""

    def killed(*_):
        raise Killed

    monkeypatch.setattr("estimator.runs.schema._names", killed)
    before = read_runs(older)
    with pytest.raises(Killed):
        open_store(older)
    monkeypatch.undo()
    with closing(sqlite3.connect(older)) as database:
        assert database.execute("PRAGMA user_version").fetchone()[0] < VERSION
    assert read_runs(older) == before
    with open_store(older) as store:
        assert len(store.runs()) == 3
