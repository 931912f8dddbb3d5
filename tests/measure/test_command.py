"""`calibrate run`: real commands, wrapped by the real command line, in processes of their own."""

import os
import pty
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from estimator.measure import recorder
from estimator.measure.command import CommandError, Ended, running, undisturbed
from estimator.measure.host import this_host
from estimator.measure.recorder import useful
from estimator.measure.session import REPORT, Session
from estimator.measure.training_run import measure
from estimator.runs import open_store
from estimator.runs.record import MeasuredRun, Timing
from tests import in_process

ROOT = Path(__file__).parents[2]
WRAP = (sys.executable, "-m", "estimator", "calibrate", "run")


@pytest.fixture
def data(tmp_path, monkeypatch):
    """The folder of a user who has measured nothing yet."""
    folder = tmp_path / "data"
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(folder))
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", REPORT):
        monkeypatch.delenv(name, raising=False)
    return folder


LONG_ENOUGH = "import time\ntime.sleep(0.3)\n"
"""What a program does for its run to be stored."""


def script(tmp_path, text):
    path = tmp_path / "job.py"
    path.write_text(LONG_ENOUGH + text, encoding="utf-8")
    return (sys.executable, str(path))


def wrapped(*words, options=(), **reported):
    return subprocess.run(
        [*WRAP, *options, "--", *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=90,
        **reported,
    )


def here(*words, options=(), **environment):
    """The same in this process, where its own output and signals are not the subject."""
    return in_process.run("calibrate", "run", *options, "--", *words, **environment)


def start(*words, options=(), **reported):
    return subprocess.Popen(
        [*WRAP, *options, "--", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        **reported,
    )


def only_run():
    with open_store() as store:
        runs = store.runs()
    assert len(runs) == 1
    return runs[0]


def test_input_output_and_exit_code_are_those_of_the_command(data, tmp_path):
    job = script(
        tmp_path,
        "import sys\nprint(sys.stdin.read().upper(), end='')\n"
        "print('oops', file=sys.stderr)\nsys.exit(7)\n",
    )
    done = wrapped(*job, input="hello", options=("--quiet",))
    assert (done.returncode, done.stdout, done.stderr) == (7, "HELLO", "oops\n")
    run = only_run()
    assert (run.state, run.exit_code, run.origin) == ("failed", 7, "run")
    assert run.wall_s > 0


def test_a_command_of_a_second_is_kept_and_said_to_say_little(data):
    done = here("sleep", "0.5")
    assert done.returncode == 0
    assert "too short to be reliable" in done.stderr
    assert only_run().state == "finished"


@pytest.mark.parametrize("work", [(), ("--flop", "1e9", "--precision", "fp32")])
def test_other_programs_are_named_where_the_run_calibrates(data, monkeypatch, work):
    monkeypatch.setattr(recorder, "open_meters", lambda: ([], []))
    monkeypatch.setattr(recorder, "WORTH_A_NOTE", -1.0)
    monkeypatch.setattr(recorder, "SHORT_S", 0.0)
    done = here("sleep", "0.3", options=work)
    assert ("so it counts less in calibration" in done.stderr) == bool(work)
    assert work or done.stderr.count("\n") == 1
    assert only_run().state == "finished"


def test_a_command_of_no_time_is_not_stored_and_that_is_said(data):
    options = ("--flop", "1e6", "--precision", "fp32")
    done = here("true", options=options)
    assert (done.returncode, done.stdout) == (0, "")
    (_kind, line) = done.stderr.splitlines()
    assert line.startswith("note: true: finished after ")
    assert line.endswith(", not stored: shorter than 0.2 s")
    with open_store() as store:
        assert store.runs() == []


def test_a_short_run_whose_steps_were_timed_is_stored():
    steps = Timing(what="training", component="cpu", time_s=0.01, repetitions=9)
    short = MeasuredRun(
        id="a",
        origin="script",
        started="2026-11-01T10:00:00Z",
        wall_s=0.1,
        state="finished",
        host=this_host(),
        timings=(steps,),
    )
    assert useful(short)
    assert not useful(replace(short, timings=(replace(steps, repetitions=1),)))
    assert useful(replace(short, timings=(), wall_s=0.5))


def test_the_work_of_the_command_becomes_a_timing(data, tmp_path):
    job = script(tmp_path, "import time\ntime.sleep(0.5)\n")
    work = ("--flop", "1e12", "--kind", "vision", "--arch", "CNN", "--precision", "fp32")
    done = here(*job, options=(*work, "--label", "mine"))
    assert done.returncode == 0
    run = only_run()
    (timing,) = run.timings
    assert run.label == "mine"
    assert (timing.flop, timing.kind, timing.arch, timing.repetitions) == (1e12, "vision", "CNN", 1)
    assert 0.5 <= timing.time_s < 10


def test_tokens_and_parameters_count_six_flops_each(data):
    here("sleep", "0.3", options=("--params", "1e6", "--tokens", "1e4", "--precision", "bf16"))
    (timing,) = only_run().timings
    assert timing.flop == pytest.approx(6e10, rel=1e-6)
    assert timing.precision == "bf16"


def test_a_failed_command_teaches_no_speed(data):
    options = ("--flop", "1e12", "--precision", "fp32")
    here("sh", "-c", "sleep 0.3; exit 1", options=options)
    assert only_run().timings == ()


def test_work_that_cannot_be_is_refused_before_anything_runs(data, tmp_path):
    mark = tmp_path / "ran"
    done = here("touch", str(mark), options=("--flop", "-3"))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert not mark.exists()


@pytest.mark.parametrize(
    ("words", "code"), [(("no-such-command-here",), 127), (("/etc/hostname",), 126)]
)
def test_a_command_that_cannot_be_run_leaves_no_run(data, words, code):
    done = here(*words)
    assert done.returncode == code
    assert done.stderr.startswith(f"error: {words[0]}")
    with open_store() as store:
        assert store.runs() == []


def test_without_a_command_the_way_to_say_one_is_reported(data):
    done = subprocess.run(WRAP, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 1
    assert "calibrate run -- python train.py" in done.stderr


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_signals_reach_the_command(data, tmp_path, sent):
    job = script(
        tmp_path,
        "import signal, sys, time\n"
        f"signal.signal({int(sent)}, lambda *_: sys.exit(42))\n"
        "print('ready', flush=True)\ntime.sleep(60)\n",
    )
    process = start(*job)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(sent)
    process.communicate(timeout=60)
    assert process.returncode == 42
    assert only_run().exit_code == 42


@pytest.mark.parametrize("early", [True, False], ids=["before it starts", "as it starts"])
def test_no_signal_is_lost_while_a_command_starts(monkeypatch, early):
    start_process = subprocess.Popen

    def signalled(*words, **options):
        if early:
            os.kill(os.getpid(), signal.SIGHUP)
        process = start_process(*words, **options)
        if not early:
            os.kill(os.getpid(), signal.SIGHUP)
        return process

    monkeypatch.setattr(subprocess, "Popen", signalled)
    before = signal.getsignal(signal.SIGHUP)
    with running(["sleep", "60"]) as command:
        assert command.wait().exit_code == 128 + signal.SIGHUP
    assert signal.getsignal(signal.SIGHUP) is before


def test_a_command_ended_by_a_signal_is_reported_as_shells_do(data, tmp_path):
    job = script(tmp_path, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    assert here(*job).returncode == 128 + signal.SIGKILL
    assert only_run().state == "interrupted"


@pytest.mark.parametrize(
    ("code", "state"),
    [(0, "finished"), (1, "failed"), (128, "failed"), (143, "interrupted"), (255, "failed")],
)
def test_only_an_exit_code_of_a_signal_is_called_cut_off(code, state):
    """Many a program ends with -1, which is 255."""
    assert Ended(exit_code=code, wall_s=1.0).state == state


def test_files_that_a_shell_opened_for_the_command_are_open_to_it(data):
    """As in `calibrate run -- cat <(echo told)`."""
    ours, theirs = os.pipe()
    os.write(theirs, b"told")
    os.close(theirs)
    done = wrapped("cat", f"/dev/fd/{ours}", options=("--quiet",), pass_fds=(ours,))
    os.close(ours)
    assert (done.returncode, done.stdout, done.stderr) == (0, "told", "")


def test_ctrl_c_on_a_terminal_reaches_the_command_once_and_twice(data, tmp_path):
    """The command may take its time: only what it does at the second Ctrl-C ends it."""
    job = script(
        tmp_path,
        "import os, signal, sys, time\nseen = 0\n"
        "def count(*_):\n    global seen\n    seen += 1\n    os.write(1, b'seen %d' % seen)\n"
        "signal.signal(signal.SIGINT, count)\nprint('ready', flush=True)\n"
        "while seen < 2:\n    time.sleep(0.05)\nsys.exit(5)\n",
    )
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        os.execv(sys.executable, [*WRAP, "--", *job])
    reported = ""
    for wanted, key in (("ready", b"\x03"), ("seen 1", b"\x03"), ("seen 2", b"")):
        while wanted not in reported:
            reported += os.read(terminal, 1000).decode()
        os.write(terminal, key)
    while _reads(terminal):
        pass
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 5
    assert only_run().exit_code == 5


def test_ctrl_c_once_more_when_the_command_is_over_is_not_heard_and_then_heard_again():
    signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background ignore it
    with undisturbed():
        os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def _reads(terminal):
    try:
        return os.read(terminal, 1000)
    except OSError:
        return b""


def test_the_command_has_the_terminal(data):
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        asks = "import sys; print(sys.stdin.isatty(), sys.stdout.isatty())"
        os.execv(sys.executable, [*WRAP, "--quiet", "--", sys.executable, "-c", asks])
    reported = b""
    while part := _reads(terminal):
        reported += part
    os.waitpid(child, 0)
    assert reported.split() == [b"True", b"True"]


def test_a_run_whose_measuring_is_killed_is_kept(data, tmp_path):
    """kill -9 of us, not of the command, which goes on."""
    mark = tmp_path / "went-on"
    job = script(
        tmp_path,
        f"import time, pathlib\nprint('ready', flush=True)\ntime.sleep(3)\n"
        f"pathlib.Path({str(mark)!r}).touch()\n",
    )
    process = start(*job)
    assert process.stdout.readline() == "ready\n"
    time.sleep(2)
    process.kill()
    process.wait(timeout=30)
    process.stdout.close()
    process.stderr.close()
    run = only_run()
    assert run.state == "interrupted"
    assert run.devices[0].hardware, "what is left must find its device"
    for _ in range(100):
        if mark.exists():
            break
        time.sleep(0.1)
    assert mark.exists()


def test_where_nothing_can_be_stored_the_command_runs_all_the_same(data):
    data.parent.mkdir(exist_ok=True)
    data.write_text("a file where the folder should be", encoding="utf-8")
    done = wrapped("echo", "done")
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert str(data) in done.stderr


@pytest.mark.parametrize("content", [None, "x = ["])
def test_profiles_that_cannot_be_read_stop_no_command_and_lose_no_run(data, tmp_path, content):
    profiles = tmp_path / "profiles"
    if content is not None:
        (profiles / "hardware").mkdir(parents=True)
        (profiles / "hardware" / "mine.toml").write_text(content, encoding="utf-8")
    report = (
        "from estimator import measure\n"
        "with measure(flop=1e12, precision='fp32') as run:\n    [run.step() for _ in range(9)]\n"
        "raise SystemExit(4)"
    )
    environment = {"TWENTY_WATTS_PROFILES": str(profiles), "PYTHONPATH": str(ROOT)}
    done = here(sys.executable, "-c", report, **environment)
    assert done.returncode == 4, done.stderr
    run = only_run()
    assert (run.state, len(run.timings)) == ("failed", 1)
    assert run.devices[0].hardware


def test_a_program_reports_its_steps(data, tmp_path):
    job = script(
        tmp_path,
        "import time\nfrom estimator import measure\n"
        "with measure(flop=2e6, precision='fp32', kind='other', label='steps') as run:\n"
        "    for _ in range(30):\n        time.sleep(0.01)\n        run.step()\n",
    )
    done = here(*job, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr
    (timing,) = only_run().timings
    assert 12 <= timing.repetitions <= 29  # less the steps before times were stationary
    assert timing.flop == 2e6
    assert 0.01 <= timing.time_s < 0.03


def test_a_run_keeps_the_name_of_its_program(data, tmp_path):
    """Of steps that it reports, and of the whole command."""
    steps = script(
        tmp_path,
        "import time\nfrom estimator import measure\n"
        "with measure(flop=2e9, precision='fp32', kind='other') as run:\n"
        "    for _ in range(12):\n        time.sleep(0.02)\n        run.step()\n",
    )
    work = ("--program", "my-gpt", "--flop", "1e9", "--precision", "fp32")
    for words in (steps, (sys.executable, "-c", LONG_ENOUGH)):
        done = here(*words, options=work, PYTHONPATH=str(ROOT))
        assert done.returncode == 0, done.stderr
    with open_store() as store:
        assert [one.style for run in store.runs() for one in run.timings] == ["my-gpt"] * 2


def test_two_runs_at_once_are_both_kept(data, tmp_path):
    job = script(tmp_path, "import time\ntime.sleep(1)\n")
    both = [start(*job), start(*job)]
    for process in both:
        process.communicate(timeout=60)
        assert process.returncode == 0
    with open_store() as store:
        assert [run.state for run in store.runs()] == ["finished", "finished"]


def test_a_run_within_a_run_is_kept_too_and_says_whose_energy_it_is(data):
    done = wrapped(*WRAP, "--", sys.executable, "-c", f"{LONG_ENOUGH}raise SystemExit(3)")
    assert done.returncode == 3
    with open_store() as store:
        runs = store.runs()
    assert [run.exit_code for run in runs] == [3, 3]
    assert sum("do not add them up" in note for run in runs for note in run.notes) == 1


@pytest.mark.parametrize(
    ("mischief", "words"),
    [
        ("rm -r ${TWENTY_WATTS_REPORT%/*}", "was cleared: no steps are known"),
        ("mkdir $TWENTY_WATTS_REPORT", "step report of the program could not be read"),
        ("touch ${TWENTY_WATTS_REPORT%/*}/more", "too short to be reliable"),
        ("echo '{\"timing\": 3}' > $TWENTY_WATTS_REPORT", "steps.timing: must be a table, got 3"),
        (
            "printf '\\377\\n' > $TWENTY_WATTS_REPORT",
            "step report of the program could not be read",
        ),
    ],
)
def test_whatever_becomes_of_the_report_the_exit_code_and_the_run_are_kept(data, mischief, words):
    done = here("sh", "-c", f"{mischief}; sleep 0.3; exit 6")
    assert done.returncode == 6, done.stderr
    assert words in " ".join(only_run().notes)


def test_without_room_for_a_report_the_command_runs_all_the_same(data, tmp_path):
    """No folder for temporary files can be written to: not even root has room in /proc."""
    done = subprocess.run(
        [sys.executable, "-c", NO_ROOM],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
    )
    assert done.returncode == 6, done.stderr
    assert done.stdout == "ran\n"


NO_ROOM = """
import sys, tempfile
from estimator.cli import main
tempfile.tempdir = "/proc/no-room-here"
job = 'echo ran; test -z "$TWENTY_WATTS_REPORT" && exit 6'
words = ["calibrate", "run", "--", "sh", "-c", job]
sys.exit(main(words))
"""


def test_a_report_that_cannot_be_written_does_not_stop_the_program(data, tmp_path, monkeypatch):
    monkeypatch.setenv(REPORT, str(tmp_path / "gone" / "steps.jsonl"))
    with measure(flop=1e9) as run:
        for _ in range(5):
            run.step()
    assert run.steps == 5


def test_a_script_measures_and_stores_itself(data):
    with measure(flop=1e6, precision="fp32", kind="other") as run:
        for _ in range(5):
            time.sleep(0.01)
            run.step()
    stored = only_run()
    assert (stored.origin, stored.state) == ("script", "finished")
    assert stored.timings[0].repetitions in (3, 4), "all but the first or the first two"


def test_a_script_that_fails_is_stored_as_failed_and_fails(data):
    with pytest.raises(ZeroDivisionError), measure(flop=1e6):
        time.sleep(0.3)
        raise ZeroDivisionError
    assert only_run().state == "failed"


def test_the_first_steps_do_not_count():
    session = Session(flop=1.0)
    session._began_s, session._ends_s = 0.0, [5.0, 7.0, 8.0, 9.0, 10.0]
    timing = session.timing()
    assert (timing.time_s, timing.repetitions) == (1.0, 3)


def test_a_forecast_is_what_is_seen_and_what_is_ahead():
    session = Session()
    session._began_s, session._ends_s = 0.0, [5.0, 6.0] + [6.0 + at for at in range(1, 21)]
    forecast = session.forecast(steps=122)
    assert forecast.mid_s == 26.0 + 100.0
    assert forecast.low_s < 126.0 < forecast.high_s
    assert forecast.high_s - 26.0 < 1.25 * 100
    assert session.forecast(steps=22).low_s == session.forecast(steps=22).high_s == 26.0


def test_a_forecast_from_uneven_steps_is_less_sure():
    def width(*times_s):
        session, ends = Session(), [5.0, 6.0]
        for time_s in times_s:
            ends.append(ends[-1] + time_s)
        session._began_s, session._ends_s = 0.0, ends
        found = session.forecast(steps=1000)
        return (found.high_s - ends[-1]) / (found.low_s - ends[-1])

    even = width(*[1.0] * 20)
    assert width(*[1.0] * 40) < even
    assert width(*[0.5, 0.5, 1.5, 1.5] * 5) > 1.005 * even


def test_a_forecast_needs_steps():
    with pytest.raises(ValueError, match="needs 3 steps, got 0"):
        Session().forecast(steps=10)


def test_a_missing_command_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with pytest.raises(CommandError, match="no-such: command not found"), running(["no-such"]):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "job", "said"),
    [
        ((), ("sleep", "0.2"), True),
        (("--precision", "fp32"), ("sleep", "0.2"), True),
        (("--flop", "1e9", "--precision", "fp32"), ("sleep", "0.2"), False),
        ((), ("sh", "-c", "sleep 0.2; exit 1"), False),
    ],
)
def test_a_run_whose_work_nobody_tells_says_that_it_corrects_no_utilization(
    data, options, job, said
):
    assert ("work unknown, so no estimate changes" in here(*job, options=options).stderr) == said


def test_what_holds_for_every_run_is_said_once_and_all_of_it_when_asked(data):
    """Missing meters, here: no board, and no counter of the processor."""
    first, second = (here("sleep", "0.3").stderr.splitlines() for _ in range(2))
    constant = {line for line in first if "no NVIDIA driver" in line or "(RAPL)" in line}
    assert not constant & set(second)
    assert second[0].startswith("note: sleep: finished after 3")
    again = here("sleep", "0.3", options=("--verbose",)).stderr
    assert all(line in again for line in constant)
