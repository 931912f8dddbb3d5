"""Stores as earlier versions wrote them, whole and damaged: read, brought up, and nothing lost."""

import json
import math
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from estimator.runs import open_store, overview, read_observations, read_runs
from estimator.runs.documents import in_memory
from estimator.runs.observations import observed
from estimator.runs.schema import VERSION
from tests.in_process import run

GOLDEN = Path(__file__).parents[1] / "golden"
MOST = {"bf16": 40.0}


@pytest.fixture(params=[2, 3, 6, 8, 9])
def older(request, tmp_path, monkeypatch):
    """A store of a run, a benchmark, and a run that was cut off, as that version wrote it."""
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path))
    path = tmp_path / "runs.sqlite"
    text = (GOLDEN / f"runs_version_{request.param}.sql").read_text(encoding="utf-8")
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


def test_it_is_read_and_brought_up(older):
    before, notes = read_runs(older)
    assert [(one.id, one.state) for one in before] == [
        ("r1", "finished"),
        ("r6", "finished"),
        ("r8", "running"),
    ]
    assert notes == []
    unwritten = read_observations("h100-sxm", MOST, path=older)
    assert unwritten == observed(in_memory(before[:2]), "h100-sxm", MOST)
    with open_store(older) as store:
        first, second, third = store.runs()
    assert (first, second) == tuple(before[:2])
    assert third.state == "interrupted"
    assert read_observations("h100-sxm", MOST, path=older)[0] == unwritten[0]
    (device,) = overview(lambda hardware: {"bf16": 1e15}, path=older).devices
    assert device.runs == 3
    assert device.utilization.mid == pytest.approx(0.4)
    with closing(sqlite3.connect(older)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_run_beside_others_is_judged_anew(tmp_path):
    """Others used 40 % of a board that it kept 90 % busy; version 6 took no time off for that."""
    path = tmp_path / "runs.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.executescript((GOLDEN / "runs_version_6.sql").read_text(encoding="utf-8"))
    for _ in range(2):  # read as it is, then brought up
        (one,) = [one for one in read_observations("h100-sxm", MOST, path=path) if one.own]
        (timing,) = read_runs(path)[0][0].timings
        assert one.timing.time_s == pytest.approx(timing.time_s * 0.7)
        beside, throttled = 1.2 * math.log(1 / 0.7), 0.5 * 0.1
        spread = timing.log_sd**2 / timing.repetitions
        assert one.noise_sd**2 == pytest.approx(beside**2 + throttled**2 + spread)
        open_store(path).close()


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
    with closing(sqlite3.connect(older)) as database:
        assert database.execute("SELECT count(*) FROM observation").fetchone() == (2,)


def test_a_kill_while_it_is_brought_up_leaves_it_as_it_was(older, monkeypatch):
    class Killed(BaseException):
        """Stands for the end of the process."""

    def killed(database):
        raise Killed

    monkeypatch.setattr("estimator.runs.connection.summarise_all", killed)
    before = read_runs(older)
    with pytest.raises(Killed):
        open_store(older)
    monkeypatch.undo()
    assert read_runs(older) == before
    with open_store(older) as store:
        assert len(store.runs()) == 3
