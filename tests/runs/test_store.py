"""The store of measured runs, by real processes on real files: nothing measured is lost."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from estimator.runs import (
    StoreError,
    connection,
    data_directory,
    look_up,
    new_run_id,
    open_store,
    read_runs,
)
from estimator.runs.documents import FORMAT
from estimator.runs.process import Process, is_gone, this_process
from estimator.runs.record import Timing
from estimator.runs.samples import KEPT
from estimator.runs.schema import APPLICATION, VERSION, version_of
from tests.runs.stored import METERS, measured, reading

PRELUDE = """
import sys, time
from pathlib import Path
sys.path.insert(0, ROOT)
from tests.runs.stored import METERS, measured, reading
from estimator.runs.documents import FORMAT
from estimator.runs import StoreError, open_store
path = Path(sys.argv[1])
"""


def script(text):
    root = str(Path(__file__).parents[2])
    return PRELUDE.replace("ROOT", repr(root)) + textwrap.dedent(text)


def start(text, path, **options):
    return subprocess.Popen(
        [sys.executable, "-c", script(text), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def ended(process):
    with process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def all_ended(processes):
    """Wait for all, so that one that fails leaves no pipe of the others open."""
    with ExitStack() as pipes:
        for one in processes:
            pipes.enter_context(one)
        return [ended(one) for one in processes]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "runs.sqlite"


def one_line(error):
    line = str(error)
    assert "\n" not in line and len(line) < 300
    return line


def holds(path):
    """All that is in a file is sound, and no transaction is left half done."""
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    database.close()


def test_a_run_goes_through_its_life(path):
    with open_store(path) as store:
        store.begin(measured(state="running", wall_s=0.0), METERS)
        assert [run.state for run in store.runs()] == ["running"]
        store.append(
            "a", [reading(1.0), reading(2.0, energy_j=7.0, throttled_by=("heat", "power"))]
        )
        assert [sample.time_s for sample in store.samples("a")["gpu:0"]] == [1.0, 2.0]
        assert store.samples("a")["gpu:0"][1].throttled_by == ("heat", "power")
        timed = Timing(what="matrix", component="gpu:0", time_s=0.1, repetitions=3)
        store.update(measured(state="running", timings=(timed,)))
        assert store.run("a").timings == (timed,)
        store.finish(measured(wall_s=2.0))
        assert store.run("a") == measured(wall_s=2.0)
    assert read_runs(path) == ([measured(wall_s=2.0)], [])
    holds(path)


def test_samples_of_no_run_and_a_second_result_are_refused(path):
    with open_store(path) as store:
        with pytest.raises(ValueError, match="no run 'x' goes on"):
            store.append("x", [reading(1.0)])
        store.begin(measured(state="running", wall_s=0.0), METERS)
        store.finish(measured(wall_s=2.0))
        with pytest.raises(ValueError, match="no run 'a' goes on"):
            store.append("a", [reading(3.0)])
        with pytest.raises(ValueError, match="has a result already"):
            store.finish(measured(wall_s=9.0))
        assert store.run("a") == measured(wall_s=2.0)
        store.begin(measured("b", state="running"))
        with pytest.raises(ValueError, match="in the store already"):
            store.begin(measured("b", state="running"))
        store.append("b", [reading(1.0)])
        assert len(store.samples("b")["gpu:0"]) == 1, "a slip ends no run that goes on"
        store.add(measured("c", state="interrupted"))
        store.finish(measured("c", wall_s=7.0))
        assert store.run("c").wall_s == 7.0, "a run taken for cut off has its result late"


def test_a_document_has_the_number_of_its_format(path):
    with open_store(path) as store:
        store.add_all([measured("a"), measured("b"), measured("c")])
    with sqlite3.connect(path) as database:
        query = "SELECT json_extract(document, '$.format') FROM run"
        assert database.execute(query).fetchall() == [(FORMAT,)] * 3
        change = "UPDATE run SET document = json_set(document, '$.format', 99) WHERE id = 'b'"
        database.execute(change)
        database.execute("UPDATE run SET document = json_remove(document, '$.format') WHERE id='c'")
    database.close()
    found, (note,) = read_runs(path)
    assert found == [measured("a"), measured("c")], "without a number it is of the first format"
    assert "run b is left out" in note
    assert "format must be 1 to 1, got 99" in note


def test_a_store_is_made_only_by_who_writes(tmp_path, monkeypatch):
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path / "deep" / "folder"))
    assert read_runs() == ([], [])
    assert not (tmp_path / "deep").exists()
    with open_store() as store:
        assert store.runs() == []
    assert (data_directory() / "runs.sqlite").stat().st_size > 0
    assert data_directory().stat().st_mode & 0o077 == 0
    assert read_runs() == ([], [])


def test_an_id_is_there_once(path):
    with open_store(path) as store:
        assert store.add(measured("a"))
        assert not store.add(measured("a", wall_s=99.0))
        assert store.add_all([measured("a"), measured("b"), measured("c")]) == 2
        assert store.run("a").wall_s == 10.0
        with pytest.raises(ValueError, match="in the store already"):
            store.begin(measured("a", state="running"))
    assert new_run_id() != new_run_id()
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{8}", new_run_id())


def test_states_that_make_no_sense_are_refused(path):
    with open_store(path) as store:
        with pytest.raises(ValueError, match="must be running"):
            store.begin(measured())
        with pytest.raises(ValueError, match="cannot be in the state"):
            store.finish(measured(state="running"))
        with pytest.raises(ValueError, match="no run 'z'"):
            store.run("z")
        with pytest.raises(ValueError, match="no run 'z'"):
            store.forget(["z"])


def test_runs_come_oldest_first_and_are_forgotten_with_their_samples_all_or_none(path):
    with open_store(path) as store:
        store.add(measured("late", started="2026-11-03T10:00:00Z"))
        store.begin(measured("early", state="running"))
        store.append("early", [reading(1.0)])
        with pytest.raises(ValueError, match="is still running"):
            store.forget(["late", "early"])
        store.finish(measured("early"))
        assert [run.id for run in store.runs()] == ["early", "late"]
        assert store.forget(["early", "early"]) == 1
        assert store.samples("early") == {}
        assert [run.id for run in store.runs()] == ["late"]
    holds(path)


def test_a_run_that_could_not_be_begun_can_be_finished(path):
    with open_store(path) as store:
        store.finish(measured())
        assert store.runs() == [measured()]


def test_a_long_run_keeps_a_second_apart_and_few_enough_and_its_ends_and_counters(path):
    with open_store(path) as store:
        store.begin(measured(state="running"), METERS)
        readings = [
            reading(
                100.0 + step / 10, 100.0 + step, energy_j=float(step) if step % 10 == 3 else None
            )
            for step in range(601)
        ]
        store.append("a", readings)
        assert len(store.samples("a")["gpu:0"]) == 601
        store.finish(measured())
        kept = store.samples("a")["gpu:0"]
        assert len(kept) == 62
        assert (kept[0].time_s, kept[-1].time_s) == (100.0, 160.0)
        assert [sample.energy_j for sample in kept[1:-1]] == [float(10 * k + 3) for k in range(60)]
        days = [reading(float(time_s)) for time_s in range(0, 200_000, 2)]
        store.begin(measured("b", state="running"), METERS)
        store.append("b", days)
        store.finish(measured("b"))
        assert 0.9 * KEPT < len(store.samples("b")["gpu:0"]) <= KEPT + 3


def forget_process(path):
    """Let all runs be those of a process that is gone."""
    with sqlite3.connect(path) as database:
        database.execute("UPDATE run SET process = json_set(process, '$.born', 'long ago')")
    database.close()


def test_what_was_sampled_before_kill_9_is_kept_and_summed_up(path):
    killed = start(
        """
        store = open_store(path)
        store.begin(measured(state="running", wall_s=0.0), METERS)
        for step in range(10_000):
            store.append("a", [reading(step / 10, 250.0, temperature_c=60.0)])
            if step == 40:
                store.samples("a")  # writes
                print("sampled", flush=True)
            time.sleep(0.0 if step < 40 else 0.01)
        """,
        path,
    )
    assert killed.stdout.readline() == "sampled\n"
    killed.kill()
    killed.wait()
    with open_store(path) as store:
        run = store.run("a")
        assert run.state == "interrupted"
        (energy,) = run.energy
        assert energy.energy_j == pytest.approx(250.0 * run.wall_s, rel=1e-6)
        assert (energy.meter, energy.trust) == ("nvml power", "sampled")
        assert run.wall_s >= 4.0
        assert run.conditions[0].temperature_c == 60.0
        assert "cut off" in run.notes[0]
        assert len(store.samples("a")["gpu:0"]) >= 41
    with killed:
        killed.communicate()
    with open_store(path) as store:
        assert store.run("a") == run
    holds(path)


@pytest.mark.parametrize(
    ("damage", "reported"),
    [
        ("UPDATE run SET heard_s = 'null'", "run a has a damaged process record"),
        ("UPDATE run SET process = 'x'", "run a has a damaged process record"),
        ("UPDATE run SET process = '{}'", "run a has a damaged process record"),
        ("UPDATE run SET process = NULL, meters = 'x'", "run a has no summary"),
        ("UPDATE sample SET time_s = 'abc'", "time_s must be a finite number, got 'abc'"),
        ("UPDATE sample SET power_w = 9e999", "power_w must be a finite number, got inf"),
        ("UPDATE sample SET throttled_by = x'ff00'", "throttled_by must be text, got b'"),
    ],
)
def test_damaged_values_of_an_interrupted_run_are_named_in_one_line(path, damage, reported):
    with open_store(path) as store:
        store.begin(measured(state="running"), METERS)
        store.append("a", [reading(step / 10, 250.0) for step in range(20)])
        store.samples("a")
    forget_process(path)
    with sqlite3.connect(path) as database:
        database.execute(damage)
    database.close()
    runs, notes = look_up(path)
    assert [run.state for run in runs] == ["interrupted"]
    (note,) = notes
    assert note.startswith(str(path)) and reported in note and "\n" not in note
    assert look_up(path) == (runs, [])


def test_a_kill_before_the_first_sample_leaves_a_run_without_energy(path):
    killed = start(
        """
        open_store(path).begin(measured(state="running", wall_s=0.0), METERS)
        print("begun", flush=True)
        time.sleep(60)
        """,
        path,
    )
    assert killed.stdout.readline() == "begun\n"
    with open_store(path) as store:
        assert store.run("a").state == "running"
        assert store.mark_interrupted() == []
        killed.send_signal(signal.SIGKILL)
        with killed:
            killed.communicate()
        assert store.mark_interrupted() == ["a"]
        run = store.run("a")
    assert (run.state, run.energy, run.wall_s) == ("interrupted", (), 0.0)
    assert "0 samples" in run.notes[0]


def test_a_run_taken_for_cut_off_is_put_right_by_its_end(path):
    with open_store(path) as store:
        store.begin(measured(state="running"), METERS)
        forget_process(path)
        assert store.mark_interrupted() == ["a"]
        store.append("a", [reading(1.0)])
        store.finish(measured())
        assert store.run("a").state == "finished"


def test_a_process_is_reported_from_all_others():
    me = this_process()
    assert not is_gone(me, 1e9)
    assert is_gone(replace(me, born="1"), 0.0), "the number was used again"
    assert is_gone(replace(me, boot="before the last start"), 0.0)
    assert is_gone(replace(me, pid=2**22 + 1), 0.0)
    for elsewhere in (replace(me, machine="other"), replace(me, space="other container")):
        assert not is_gone(elsewhere, 60.0)
        assert is_gone(elsewhere, 7200.0)


def test_without_proc_the_start_of_a_process_tells_whether_it_is_gone(tmp_path):
    """As on macOS and Windows."""
    here = this_process(tmp_path)
    assert (here.boot, here.space) == ("", "")
    assert not is_gone(here, 1e9, tmp_path)
    assert is_gone(replace(here, born="1.0"), 0.0, tmp_path), "the number was used again"
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    assert is_gone(replace(here, pid=child.pid), 0.0, tmp_path)


def test_where_no_start_was_kept_only_silence_tells(tmp_path):
    unknown = replace(this_process(tmp_path), born="")
    assert not is_gone(unknown, 60.0, tmp_path)
    assert is_gone(unknown, 7200.0, tmp_path)


def test_a_process_that_ended_but_was_not_asked_for_its_code_is_gone(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    me = this_process()
    state = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
    zombie = Process(**{**vars(me), "pid": child.pid, "born": state[19]})
    assert state[0] == "Z"
    assert is_gone(zombie, 0.0)
    child.wait()


def test_several_processes_write_at_once_and_none_loses_anything(path):
    writers = [
        start(
            f"""
            with open_store(path, wait_s=60.0) as store:
                for number in range(8):
                    name = f"{writer}-{{number}}"
                    store.begin(measured(name, state="running"), METERS)
                    for step in range(20):
                        store.append(name, [reading(float(step)), reading(step + 0.5)])
                        store.samples(name)
                    store.finish(measured(name))
            """,
            path,
        )
        for writer in range(4)
    ]
    all_ended(writers)
    with open_store(path) as store:
        runs = store.runs()
        assert len(runs) == 32
        assert {run.state for run in runs} == {"finished"}
        assert {len(store.samples(run.id)["gpu:0"]) for run in runs} == {21}
        assert store.notes == []
    holds(path)


def test_a_locked_store_is_waited_for_and_then_told_in_one_line(path):
    open_store(path).close()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with open_store(path, wait_s=0.2) as store:
        with pytest.raises(StoreError) as refused:
            store.add(measured())
        assert "in use by another program for more than 0.2 s" in one_line(refused.value)
        assert store.runs() == [], "who only reads is not kept waiting"
        holder.execute("ROLLBACK")
        assert store.add(measured())
    holder.close()


def test_a_lock_that_is_let_go_in_time_is_no_error(path):
    open_store(path).close()
    holder = start(
        """
        import sqlite3
        database = sqlite3.connect(path, isolation_level=None)
        database.execute("BEGIN EXCLUSIVE")
        print("locked", flush=True)
        sys.stdin.readline()
        time.sleep(0.3)
        """,
        path,
    )
    assert holder.stdout.readline() == "locked\n"
    holder.stdin.write("go\n")
    holder.stdin.flush()
    with open_store(path, wait_s=60.0) as store:
        assert store.add(measured())
    ended(holder)


def test_samples_that_meet_a_lock_are_written_later(path, monkeypatch):
    monkeypatch.setattr("estimator.runs.store.BATCH_S", 0.0)
    monkeypatch.setattr("estimator.runs.store.BRIEF_S", 0.05)
    with open_store(path) as store:
        store.begin(measured(state="running"), METERS)
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        store.append("a", [reading(1.0)])
        holder.execute("ROLLBACK")
        holder.close()
        store.append("a", [reading(2.0)])
        times = [sample.time_s for sample in store.samples("a")["gpu:0"]]
    assert times == [1.0, 2.0]


FULL_DISK = """
    import resource, signal
    with open_store(path) as store:
        store.begin(measured(state="running", wall_s=0.0), METERS)
        store.append("a", [reading(0.0), reading(1.0)])
        store.samples("a")
        used = max(file.stat().st_size for file in path.parent.iterdir())
        resource.setrlimit(resource.RLIMIT_FSIZE, (used + 20_000, resource.RLIM_INFINITY))
        said = None
        for step in range(2, 100_000):
            try:
                store.append("a", [reading(float(step))] * 200)
                store.samples("a")
            except StoreError as error:
                said = str(error)
                break
        print(said)
        try:
            store.finish(measured())
        except StoreError as error:
            print(error)
        try:
            store.close()
        except StoreError as error:
            print(error)
    print("the job goes on")
"""


def test_a_full_disk_is_one_line_leaves_nothing_half_written_and_stops_nobody(path):
    lines = ended(start(FULL_DISK, path)).splitlines()
    assert lines[-1] == "the job goes on"
    assert len(lines) >= 2
    for line in lines[:-1]:
        assert "no room to write there" in line
    holds(path)
    with open_store(path) as store:
        run = store.run("a")
        assert run.state == "interrupted"
        assert store.samples("a")["gpu:0"][0].time_s == 0.0
        assert run.energy[0].energy_j > 0


def test_a_damaged_store_is_kept_aside_and_said_and_a_new_one_begun(path):
    path.parent.mkdir()
    path.write_bytes(b"this is no database, but someone's only copy" * 100)
    with open_store(path) as store:
        (note,) = store.notes
        assert store.add(measured())
    assert one_line(note).startswith(f"{path} is damaged: it is kept as runs.sqlite.corrupt-20")
    (aside,) = path.parent.glob("runs.sqlite.corrupt-*")
    assert aside.read_bytes().startswith(b"this is no database")
    assert read_runs(path)[0] == [measured()]


def damage(path, chosen):
    """Overwrite the beginning of some pages of a file; return what is left."""
    content = bytearray(path.read_bytes())
    pages = [at for at in range(4096, len(content), 4096) if chosen(content[at : at + 4096])]
    assert pages
    for at in pages:
        content[at : at + 4] = b"\xff" * 4
    path.write_bytes(content)
    return content


def test_damage_within_a_file_is_met_when_it_is_read(path):
    with open_store(path) as store:
        store.add_all([measured(f"run-{number}", label="x" * 20_000) for number in range(20)])
    left = damage(path, lambda page: page[4:100] == b"x" * 96)
    runs, notes = read_runs(path)
    assert runs == []
    assert "measured runs are left out" in one_line(notes[0])
    with open_store(path) as store:
        with pytest.raises(StoreError) as reported:
            store.runs()
        assert "it is kept as runs.sqlite.corrupt-20" in one_line(reported.value)
        assert store.add(measured()), "the new file works at once"
        assert store.notes == [str(reported.value)]
    (aside,) = path.parent.glob("runs.sqlite.corrupt-*Z")
    assert aside.read_bytes() == left


def test_damage_met_at_the_opening_is_said_and_the_store_is_open(path):
    with open_store(path) as store:
        store.add_all([measured(f"run-{number}") for number in range(200)])
    damage(path, lambda page: page[0] in (2, 5, 10, 13))
    with open_store(path) as store:
        assert "it is kept as" in one_line(store.notes[0])
        assert store.add(measured())


def test_a_damaged_name_of_a_table_is_damage_too(path):
    with open_store(path) as store:
        store.add(measured())
    content = path.read_bytes()
    assert b"tablerunrun" in content
    named = content.replace(b"tablerunrun", b"table\xffunrun")
    path.write_bytes(named.replace(b"CREATE TABLE run", b"\xffREATE TABLE run"))
    runs, (note,) = read_runs(path)
    assert runs == [] and "measured runs are left out" in one_line(note)
    with open_store(path) as store:
        assert "it is kept as" in one_line(store.notes[0])
        assert store.add(measured())


def test_several_that_meet_a_damaged_store_set_aside_that_one_only(path):
    path.parent.mkdir()
    path.write_bytes(b"no database" * 1000)
    finders = [
        start(f"open_store(path, wait_s=60.0).add(measured('{name}'))", path) for name in "abcd"
    ]
    all_ended(finders)
    assert len(list(path.parent.glob("runs.sqlite.corrupt-*"))) == 1
    assert {run.id for run in read_runs(path)[0]} == set("abcd")


def test_a_store_begun_by_another_in_place_of_the_damaged_one_is_not_set_aside(path, monkeypatch):
    connect, opened = sqlite3.connect, []

    def connect_and_be_overtaken(*words, **options):
        database = connect(*words, **options)
        opened.append(database)
        if len(opened) == 1:
            with open_store(path) as store:
                store.add(measured("of another"))
        return database

    path.parent.mkdir()
    path.write_bytes(b"no database" * 1000)
    monkeypatch.setattr(sqlite3, "connect", connect_and_be_overtaken)
    with open_store(path) as store:
        store.add(measured("mine"))
    assert {run.id for run in read_runs(path)[0]} == {"of another", "mine"}
    assert len(list(path.parent.glob("runs.sqlite.corrupt-*"))) == 1


def test_a_store_that_another_sets_aside_while_it_is_opened_is_opened_anew(path, monkeypatch):
    aside, seen = path.with_name("aside"), []

    def moving(database):
        seen.append(version_of(database))
        if len(seen) == 1:
            path.rename(aside)
        return seen[-1]

    monkeypatch.setattr(connection, "version_of", moving)
    path.parent.mkdir()
    path.touch()
    with open_store(path) as store:
        assert store.notes == []
        store.add(measured("a"))
    assert [run.id for run in read_runs(path)[0]] == ["a"]
    assert aside.stat().st_size == 0


@pytest.mark.parametrize("looks", range(4))
def test_a_store_that_is_made_between_two_looks_at_it_is_no_other_program_s(path, looks):
    class Beside(sqlite3.Connection):
        looked = 0

        def execute(self, *words):
            if self.looked == looks:
                open_store(path).close()
            self.looked += 1
            return super().execute(*words)

    path.parent.mkdir()
    with closing(sqlite3.connect(path, factory=Beside)) as database:
        assert version_of(database) in (0, VERSION)
        assert database.looked == 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (f"PRAGMA user_version = {VERSION + 7}", "written by a newer Twenty Watts"),
        (f"PRAGMA application_id = {APPLICATION + 1}", "a database of another program"),
    ],
)
def test_a_store_of_a_newer_version_or_of_others_is_not_touched(path, change, reason):
    with open_store(path) as store:
        store.add(measured())
    database = sqlite3.connect(path)
    database.execute(change)
    database.close()
    before = path.read_bytes()
    with pytest.raises(StoreError) as refused:
        open_store(path)
    assert reason in one_line(refused.value)
    runs, notes = read_runs(path)
    assert runs == []
    assert reason in one_line(notes[0])
    assert path.read_bytes() == before


def test_a_run_that_a_later_version_wrote_is_left_out_and_said_and_kept(path):
    with open_store(path) as store:
        store.add_all([measured("a"), measured("b")])
    database = sqlite3.connect(path)
    database.execute("""UPDATE run SET document = '{"id": "a", "mood": "good"}' WHERE id = 'a'""")
    database.commit()
    database.close()
    with open_store(path) as store:
        assert store.runs() == store.runs() == [measured("b")]
        (note,) = store.notes
    assert "run a is left out" in one_line(note)
    assert "run.mood: unknown key" in note
    assert read_runs(path)[1] == [note]


READ_ONLY = """
    import ctypes, os
    CAP_DAC_OVERRIDE = 1
    if ctypes.CDLL(None).prctl(24, CAP_DAC_OVERRIDE, 0, 0, 0):
        sys.exit(77)
    os.execv(sys.executable, [sys.executable, "-c", sys.argv[2], sys.argv[1]])
"""


def ended_without_rights(text, path):
    """Run a script for which the rights of files hold, even if root runs the tests."""
    if os.geteuid():
        return ended(start(text, path))
    words = [sys.executable, "-c", script(READ_ONLY), str(path), script(text)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip("root, and cannot give up its right to write everywhere")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_folder_without_the_right_to_write_is_one_line_and_can_be_read(path):
    with open_store(path) as store:
        store.add(measured())
    path.parent.chmod(0o555)
    path.chmod(0o444)
    try:
        reported = ended_without_rights(
            """
            from estimator.runs import read_runs
            print([run.id for run in read_runs(path)[0]])
            try:
                open_store(path).add(measured("b"))
            except StoreError as error:
                print(error)
            try:
                open_store(path.parent / "deeper" / "runs.sqlite")
            except StoreError as error:
                print(error)
            """,
            path,
        )
    finally:
        path.parent.chmod(0o755)
    runs, refused, no_folder = reported.splitlines()
    assert runs == "['a']"
    assert "cannot be opened for writing" in refused
    assert "no folder for the measured runs can be read or made" in no_folder


def test_a_folder_in_the_place_of_the_file_is_one_line(path):
    path.mkdir(parents=True)
    with pytest.raises(StoreError) as refused:
        open_store(path)
    assert "cannot be opened for writing" in one_line(refused.value)
    assert len(read_runs(path)[1]) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are of POSIX")
def test_a_pipe_in_the_place_of_the_file_is_one_line_and_not_waited_for(path):
    path.parent.mkdir()
    os.mkfifo(path)
    with pytest.raises(StoreError, match="not a regular file") as reported:
        open_store(path)
    assert "\n" not in str(reported.value)
    runs, (note,) = read_runs(path)
    assert not runs
    assert "not a regular file" in note


def test_a_file_in_the_place_of_the_folder_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError) as refused:
        open_store(tmp_path / "file" / "runs.sqlite")
    assert "no folder for the measured runs" in one_line(refused.value)


def test_threads_share_a_store(path):
    text = """
        import threading
        with open_store(path) as store:
            store.begin(measured(state="running"), METERS)
            def sample(base):
                for step in range(200):
                    store.append("a", [reading(base + step / 1000)])
                    if step % 20 == 0:
                        store.samples("a")
            threads = [threading.Thread(target=sample, args=(float(n),)) for n in range(4)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            print(len(store.samples("a")["gpu:0"]))
    """
    assert ended(start(text, path)) == "800\n"
