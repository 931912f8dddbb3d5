"""Jobs of a cluster, read from what sacct printed: recorded shapes, names and numbers changed."""

import json
import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.catalog import Catalog
from estimator.measure.cluster.sacct import FIELDS, ask_sacct, read_sacct
from estimator.measure.cluster.slurm_import import SlurmRequest, job_run
from estimator.runs import open_store
from estimator.runs.meter import MeterError
from estimator.runs.record import as_plain
from tests.in_process import run as command

HEADER = "|".join(FIELDS)
TRES = "billing=224,cpu=224,energy={energy},gres/gpu:h100=16,gres/gpu=16,mem=4T,node=2"
HOUR = "2025-11-01T10:00:00|2025-11-01T11:00:00|3600"

CONTAINED = f"""{HEADER}
4711|COMPLETED|0:0|{HOUR}|2|gpu[07,11]|{TRES.format(energy=72_000_000)}|72000000
4711.batch|COMPLETED|0:0|{HOUR}|1|gpu07|cpu=112,gres/gpu:h100=8,gres/gpu=8,mem=2T,node=1|35000000
4711.extern|COMPLETED|0:0|{HOUR}|2|gpu[07,11]|{TRES.format(energy=0)}|72000000
4711.0|COMPLETED|0:0|2025-11-01T10:01:00|2025-11-01T10:59:00|3480|2|gpu[07,11]|\
cpu=224,gres/gpu=16,node=2|70000000
"""
"""With PrologFlags=Contain: the step extern covers the whole job, and the job's figure is its."""

WORK = {"flop": 16 * 400e12 * 3600, "precision": "bf16", "kind": "language"}


def job(first, *steps, columns=FIELDS):
    return "\n".join(["|".join(columns), first, *steps]) + "\n"


def one_node(energy="18000000", state="COMPLETED", tres="cpu=112,gres/gpu:a100=8,node=1"):
    return f"99|{state}|0:0|{HOUR}|1|gpu07|{tres}|{energy}"


@pytest.fixture(scope="module")
def catalog():
    return Catalog.open()


@pytest.fixture
def run(catalog):
    def imported(text, **asked):
        return job_run(read_sacct(text), SlurmRequest(**asked), catalog)

    return imported


def test_a_job_is_read_with_its_boards_and_its_energy_once(run):
    found = run(CONTAINED, exclusive=True, work=WORK, label="llm")
    assert (found.origin, found.started, found.wall_s) == ("slurm", "2025-11-01T10:00:00Z", 3600)
    assert (found.state, found.exit_code, found.host.cores) == ("finished", 0, 224)
    assert [one.key for one in found.devices[7:9]] == ["node0/gpu:7", "node1/gpu:0"]
    assert {(one.name, one.hardware) for one in found.devices} == {("h100", "h100-sxm")}
    (energy,) = found.energy
    assert (energy.component, energy.meter, energy.trust) == ("host", "slurm", "counter")
    assert (energy.energy_j, energy.duration_s, energy.coverage) == (72e6, 3600, 1)
    assert energy.note == "of 2 nodes together, by the step extern"
    (timing,) = found.timings
    assert (timing.component, timing.devices, timing.time_s) == ("node0/gpu:0", 16, 3600)
    assert timing.flop / timing.time_s / timing.devices == 400e12
    assert timing.power_w is None, "the energy of whole nodes is not that of the boards"
    assert found.notes == (
        "boards of type 'h100' are taken as NVIDIA H100 SXM5 80GB; else say --hardware",
    )


def test_a_record_names_no_node_and_is_the_same_twice(run):
    found = run(CONTAINED)
    assert "gpu07" not in json.dumps(as_plain(found))
    assert found == run(CONTAINED)
    other = run(CONTAINED.replace("gpu[07,11]", "gpu[08,12]"))
    assert found.host.id == other.host.id, "nodes of one cluster are one host"
    assert found.id != other.id


def test_without_contain_the_batch_step_stands_for_one_node(run):
    """Slurm then adds the batch script to the step that it started: 36 MJ for a true 18."""
    batch = f"99.batch|COMPLETED|0:0|{HOUR}|1|gpu07|cpu=112,node=1|18000000"
    step = f"99.0|COMPLETED|0:0|{HOUR}|1|gpu07|cpu=112,node=1|17900000"
    (energy,) = run(job(one_node("35900000"), batch, step), exclusive=True).energy
    assert (energy.energy_j, energy.note) == (18e6, "of 1 nodes together, by the batch step")


def test_steps_one_after_the_other_are_added_and_cover_their_time(run):
    first = "99.0|COMPLETED|0:0|2025-11-01T10:00:00|2025-11-01T10:20:00|1200|1|gpu07|node=1|6000000"
    last = "99.1|COMPLETED|0:0|2025-11-01T10:30:00|2025-11-01T11:00:00|1800|1|gpu07|node=1|9000000"
    (energy,) = run(job(one_node("15000000"), first, last), exclusive=True).energy
    assert (energy.energy_j, energy.duration_s) == (15e6, 3000)
    assert energy.coverage == pytest.approx(3000 / 3600)
    assert energy.mean_w == 5000


def test_steps_at_the_same_time_are_not_added(run):
    tres = "cpu=224,gres/gpu:h100=16,node=2"
    whole = f"99|COMPLETED|0:0|{HOUR}|2|gpu[1-2]|{tres}|72000000"
    steps = [f"99.{at}|COMPLETED|0:0|{HOUR}|2|gpu[1-2]|cpu=8,node=2|36000000" for at in (0, 1)]
    found = run(job(whole, *steps), exclusive=True)
    assert found.energy == ()
    assert any("cannot be added up" in note for note in found.notes)
    half = f"99.0|COMPLETED|0:0|{HOUR}|1|gpu1|cpu=8,node=1|36000000"
    assert run(job(whole, half), exclusive=True).energy == ()


@pytest.mark.parametrize("none", ["0", "", "18446744073709551614", "18446744073709551615", "-5"])
def test_no_energy_is_missing_and_not_zero(run, none):
    found = run(job(one_node(none)), exclusive=True, work=WORK)
    assert found.energy == ()
    assert any("no energy of this job (0 means none)" in note for note in found.notes)
    assert found.timings, "how fast it was is known all the same"


def test_energy_among_the_resources_counts_where_the_column_is_missing(run):
    columns = tuple(name for name in FIELDS if name != "ConsumedEnergyRaw")
    tres = "cpu=112,energy=18000000,gres/gpu:h100=8,node=1"
    found = run(job(f"99|COMPLETED|0:0|{HOUR}|1|gpu07|{tres}", columns=columns), exclusive=True)
    assert found.energy[0].energy_j == 18e6
    assert any("without the steps it cannot be seen" in note for note in found.notes)


def test_energy_that_no_node_can_draw_is_not_believed(run):
    found = run(job(one_node("4000000000000")), exclusive=True)
    assert found.energy == ()
    assert any("implausible energy ignored: 1.11e+09 W on average" in note for note in found.notes)


@pytest.mark.parametrize(
    ("tres", "asked", "kept", "says"),
    [
        ("cpu=112,gres/gpu:a100=8,node=1", {"exclusive": True}, True, None),
        ("cpu=112,gres/gpu:a100=8,node=1", {}, True, "only if it had them for itself"),
        ("cpu=4,gres/gpu:a100=1,node=1", {}, False, "had 4 processors of a node"),
        ("cpu=4,gres/gpu:a100=1,node=1", {"exclusive": True}, True, None),
    ],
)
def test_the_energy_of_a_shared_node_is_left_out(run, tres, asked, kept, says):
    found = run(job(one_node(tres=tres)), **asked)
    assert bool(found.energy) == kept
    reported = [
        note for note in found.notes if "boards of type" not in note and "steps" not in note
    ]
    assert says is None or any(says in note for note in reported)
    assert says is not None or reported == []


def test_a_plugin_that_counts_boards_tells_their_power_if_all_were_the_jobs(run):
    work = {"flop": 1e19, "precision": "bf16"}
    text = job(one_node("14400000"))
    (timing,) = run(text, gathers="gpu", exclusive=True, work=work).timings
    assert (timing.power_w, timing.trust) == (500, "counter")
    (timing,) = run(text, gathers="gpu", work=work).timings
    assert timing.power_w is None
    assert run(text, gathers="cpu", exclusive=True).energy[0].component == "cpu"


@pytest.mark.parametrize(
    ("kind", "hardware", "divided"),
    [
        ("a100_80gb", "a100-sxm-80", None),
        ("NVIDIA_H100_80GB_HBM3", "h100-sxm", None),
        ("tesla_v100-sxm2-32gb", "v100-sxm2-32", None),
        ("rtx3090", "rtx-3090", None),
        ("mi250x", "mi250x", None),
        ("a100_1g.10gb", None, "MIG"),
        ("warp9", None, None),
    ],
)
def test_the_type_of_the_boards_is_looked_up(run, kind, hardware, divided):
    tres = f"cpu=64,gres/gpu:{kind}=4,gres/gpu=4,node=1"
    found = run(job(one_node(tres=tres)), work={"flop": 1e18, "precision": "fp16"})
    assert len(found.devices) == 4
    (device,) = {(one.name, one.hardware, one.shares_board) for one in found.devices}
    assert device == (kind, hardware, divided)
    assert bool(found.timings) == (divided is None)
    assert (hardware is None) == any("say what they are" in note for note in found.notes)


def test_the_user_may_say_what_the_boards_are(run):
    text = job(one_node(tres="cpu=64,gres/gpu=4,node=1"))
    assert {one.hardware for one in run(text, hardware="H200").devices} == {"h200-sxm"}
    with pytest.raises(ValueError, match="hal-9000"):
        run(text, hardware="hal-9000")


def test_boards_that_do_not_divide_evenly_are_put_on_no_node(run):
    whole = f"99|COMPLETED|0:0|{HOUR}|2|gpu[1-2]|cpu=64,gres/gpu:h100=5,node=2|0"
    assert [one.key for one in run(job(whole)).devices] == [f"gpu:{at}" for at in range(5)]


def test_parts_of_boards_and_no_boards_are_no_devices(run):
    shard = run(job(one_node(tres="cpu=64,gres/shard=4,node=1")), work=WORK)
    assert (shard.devices, shard.timings) == ((), ())
    assert any("parts of boards" in note for note in shard.notes)
    plain = run(job(one_node(tres="cpu=64,mem=10G,node=1")), work=WORK, exclusive=True)
    assert (plain.devices, plain.timings) == ((), ())
    assert plain.energy[0].energy_j == 18e6


@pytest.mark.parametrize(
    ("state", "reported"),
    [
        ("COMPLETED", "finished"),
        ("FAILED", "failed"),
        ("OUT_OF_MEMORY", "failed"),
        ("NODE_FAIL", "failed"),
        ("TIMEOUT", "interrupted"),
        ("CANCELLED by 1001", "interrupted"),
        ("CANCELLED+", "interrupted"),
        ("PREEMPTED", "interrupted"),
    ],
)
def test_only_a_job_that_completed_did_its_work(run, state, reported):
    found = run(job(one_node(state=state)), work=WORK)
    assert found.state == reported
    assert bool(found.timings) == (reported == "finished")
    assert bool(found.timings) != any("how much it did is not known" in one for one in found.notes)


@pytest.mark.parametrize("state", ["RUNNING", "PENDING", "SUSPENDED", "COMPLETING", "REQUEUED"])
def test_a_job_that_is_not_over_is_refused(run, state):
    with pytest.raises(MeterError, match=f"job 99 is {state}: import it once it is over"):
        run(job(one_node(state=state)))


def test_a_job_that_never_ran_is_refused(run):
    never = "99|CANCELLED by 7|0:0|None|2025-11-01T10:00:00|0|1|None assigned|cpu=1,node=1|"
    with pytest.raises(MeterError, match="job 99 is CANCELLED and never ran"):
        run(job(never))


def test_an_unknown_job_is_reported(run):
    with pytest.raises(MeterError, match="sacct reports no job: check the id"):
        run(HEADER + "\n")
    with pytest.raises(MeterError, match="sacct reports no job 5: check the id"):
        run(CONTAINED, job="5")


def renamed(name):
    return one_node().replace("99|", f"{name}|", 1)


def test_tasks_of_an_array_are_jobs_by_themselves(run):
    text = job(
        renamed("99_1"), renamed("99_2"), renamed("99_[3-9]").replace("COMPLETED", "PENDING")
    )
    with pytest.raises(MeterError, match=r"this is an array.*--slurm-job: 99_1, 99_2"):
        run(text, job="99")
    assert run(text, job="99_2").id != run(text, job="99_1").id


def test_components_of_a_heterogeneous_job_are_jobs_by_themselves(run):
    text = job(renamed("99+0"), renamed("99+1"))
    with pytest.raises(MeterError, match=r"a heterogeneous job.*: 99\+0, 99\+1"):
        run(text, job="99")
    assert run(text, job="99+1").wall_s == 3600


def test_of_several_jobs_one_must_be_named(run):
    text = job(one_node(), renamed("100"))
    with pytest.raises(MeterError, match=r"several jobs.*: 99, 100"):
        run(text)
    assert run(text, job="100").state == "finished"


def test_of_a_requeued_job_the_last_time_counts(run):
    before = one_node("9000000", "NODE_FAIL").replace("10:00:00", "08:00:00")
    batch = f"99.batch|COMPLETED|0:0|{HOUR}|1|gpu07|node=1|18000000"
    found = run(job(before, one_node(), batch), exclusive=True)
    assert (found.state, found.started) == ("finished", "2025-11-01T10:00:00Z")
    assert found.energy[0].energy_j == 18e6


def test_other_columns_and_orders_do_no_harm(run):
    columns = ("State", "AllocTRES", "User", "JobID", "ElapsedRaw", "Start", "")
    line = "COMPLETED|cpu=64,gres/gpu:h100=8,node=1|me|7|60|2025-11-01T10:00:00+01:00|"
    found = run("\ufeff" + job(line, columns=columns).replace("\n", "\r\n"))
    assert (found.wall_s, found.started) == (60, "2025-11-01T09:00:00Z")
    assert len(found.devices) == 8


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not sacct output with its header; create it with sacct -P"),
        ("hello\n", "not sacct output"),
        ("JobID|State|Start|ElapsedRaw\n", "column AllocTRES missing; create the file with"),
        (HEADER + "\n99|COMPLETED\n", "line 2 has 2 columns, and the header 10"),
    ],
)
def test_texts_that_are_none_of_sacct_are_reported(text, says):
    with pytest.raises(MeterError, match=says):
        read_sacct(text)


def test_more_boards_than_there_are_is_refused(run):
    with pytest.raises(MeterError, match="which no machine has"):
        run(job(one_node(tres="cpu=1,gres/gpu:h100=1000000000,node=1")))


@given(st.text(max_size=300))
def test_no_text_does_more_than_be_refused(text):
    catalog = Catalog.open()
    try:
        job_run(read_sacct(f"{HEADER}\n{text}"), SlurmRequest(), catalog)
    except MeterError as error:
        assert "\n" not in str(error)


SACCT = """#!/bin/sh
echo "TZ=$TZ $*" > "$(dirname "$0")/asked"
case "$*" in
*" 4711"*) cat "$(dirname "$0")/told" ;;
*" 5"*) head -n 1 "$(dirname "$0")/told" ;;
*) echo "sacct: error: Problem talking to the database: Connection refused" >&2; exit 1 ;;
esac
"""


@pytest.fixture
def sacct(tmp_path, monkeypatch):
    """A program of that name, first on the path, that prints a recorded text."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "told").write_text(CONTAINED, encoding="utf-8")
    program = folder / "sacct"
    program.write_text(SACCT, encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path / "data"))
    return folder


def calibrate(*words, text_in=None):
    return command("calibrate", *words, text_in=text_in)


def test_sacct_is_asked_in_utc_for_one_job(sacct):
    done = calibrate("import", "--slurm-job", "4711", "--flop", "1e19", "--precision", "bf16")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "16 devices: no meter of their own" in done.stderr
    asked = (sacct / "asked").read_text(encoding="utf-8")
    assert asked.startswith("TZ=UTC -P --noconvert --format=JobID,State,")
    assert asked.endswith(" -j 4711\n")
    with open_store() as store:
        (run,) = store.runs()
    assert (run.origin, run.timings[0].devices) == ("slurm", 16)


def test_a_failing_sacct_is_reported_in_one_line(sacct):
    for job_id, says in (
        ("6", "error: sacct failed: sacct: error: Problem talking to the database"),
        ("5", "error: sacct reports no job 5"),
        ("--help", "expected one argument"),
        ("4711; rm", "error: '4711; rm' is not a job id"),
    ):
        done = calibrate("import", "--slurm-job", job_id)
        assert done.returncode in (1, 2)
        assert done.stderr.splitlines()[-1].find(says) >= 0, done.stderr
    assert not (sacct.parent / "data").exists()


def test_without_sacct_it_is_reported_what_to_run_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MeterError, match=r"not installed here.*-j 4711 > job\.txt"):
        ask_sacct("4711")


def test_a_text_comes_from_a_file_or_a_pipe(monkeypatch, tmp_path):
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path / "data"))
    reported = tmp_path / "job.txt"
    reported.write_text(CONTAINED, encoding="utf-8")
    first = json.loads(calibrate("import", "--slurm", str(reported), "--json").stdout)
    again = calibrate("import", "--slurm", "-", "--json", text_in=CONTAINED)
    assert (first["added"], json.loads(again.stdout)["duplicates"]) == (1, 1)
    assert "0 runs added, 1 already stored" in again.stderr
    for name, says in ((tmp_path, "Is a directory"), (tmp_path / "no", "No such file")):
        done = calibrate("import", "--slurm", str(name))
        assert done.returncode == 1
        assert says in done.stderr


def test_a_run_goes_to_a_file_and_back(run):
    from estimator.runs.record import read_run

    found = run(CONTAINED, exclusive=True, work=WORK)
    assert read_run(as_plain(found)) == found
    assert replace(found, label="x") != found


def test_energy_that_covers_no_time_is_left_out(run):
    step = "99.0|COMPLETED|0:0|2025-11-01T10:00:00|2025-11-01T10:00:00|0|1|gpu07|node=1|6000000"
    found = run(job(one_node("0"), step), exclusive=True)
    assert found.energy == ()
    assert any("covers no time" in note for note in found.notes)


def test_a_plugin_that_counts_boards_where_none_were_allocated_teaches_nothing(run):
    whole = one_node(tres="cpu=112,node=1")
    found = run(job(whole), exclusive=True, gathers="gpu", work=WORK)
    assert found.timings == ()


def test_an_endless_exit_code_is_none(run):
    line = one_node().replace("|0:0|", f"|{'9' * 5000}:0|")
    assert run(job(line), exclusive=True).exit_code is None


@pytest.mark.parametrize("coding", ["utf-8-sig", "utf-16"])
def test_a_text_in_another_coding_reads_the_same(monkeypatch, tmp_path, coding):
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path / "data"))
    path = tmp_path / "job.txt"
    path.write_bytes(CONTAINED.replace("\n", "\r\n").encode(coding))
    done = calibrate("import", "--slurm", str(path), "--exclusive")
    assert (done.returncode, "1 run added" in done.stderr) == (0, True)


def test_a_pipe_that_nobody_writes_to_is_one_line_and_no_wait(monkeypatch, tmp_path):
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path / "data"))
    os.mkfifo(tmp_path / "pipe")
    done = calibrate("import", "--slurm", str(tmp_path / "pipe"))
    assert done.returncode == 1
    assert "this is not sacct output" in done.stderr


def test_what_no_job_can_have_had_is_refused_and_not_stored(monkeypatch, tmp_path):
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path / "data"))
    path = tmp_path / "job.txt"
    path.write_text(CONTAINED.replace("|3600|", "|9e17|", 1), encoding="utf-8")
    done = calibrate("import", "--slurm", str(path), "--exclusive")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing was stored: wall_s must be at most 1e+10, got 9e+17" in done.stderr
    assert not (tmp_path / "data" / "runs.sqlite").exists()
