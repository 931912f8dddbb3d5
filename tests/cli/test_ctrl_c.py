"""Ctrl-C on a terminal, pressed once and again: what was measured stays, and nothing runs on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from estimator.runs import read_runs

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")

ROOT = Path(__file__).parents[2]
BENCH = ("bench", "--engine", "numpy")
STEPS = """
import os, sys, time
from estimator import measure
with measure(flop=1e9, precision="fp32", kind="other") as run:
    for step in range(100_000):
        time.sleep(0.01)
        run.step()
        if step == {ready}:
            open({pid!r}, "w").write(str(os.getpid()))
            print("steps go on", flush=True)
"""


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    """The folder of a user who has measured nothing yet."""
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def interrupted(words, *after):
    """Exit code and output of a command on whose terminal Ctrl-C is pressed after each of these.

    Each is a text to wait for, or a time [s].
    """
    import pty

    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.execv(sys.executable, [sys.executable, "-m", "estimator", "calibrate", *words])
    shown = ""
    for one in after:
        if isinstance(one, str):
            while one not in shown:
                shown += os.read(terminal, 1000).decode()
        else:
            time.sleep(one)
        os.write(terminal, b"\x03")
    while piece := _read(terminal):
        shown += piece
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown


def _read(terminal):
    try:
        return os.read(terminal, 1000).decode(errors="replace")
    except OSError:
        return ""


PRESSED = """
import sys
class Press:
    def find_spec(self, name, *_):
        if name == {module!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Press())
sys.argv = ["twenty-watts", "calibrate", "show"]
from estimator.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    "module", ["estimator.system.environment", "estimator.cli", "estimator.cli.calibrate.show"]
)
def test_ctrl_c_while_modules_are_imported_is_one_line(module):
    command = [sys.executable, "-c", PRESSED.format(module=module)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "stopped\n")


@pytest.mark.parametrize("again", [(), (0.05,)], ids=["once", "twice"])
def test_ctrl_c_on_a_benchmark_keeps_what_was_measured(again):
    code, shown = interrupted(BENCH, "2 measured", *again)
    assert code == 130 or (again and code == -signal.SIGINT)  # pressed when all was stored
    assert "Traceback" not in shown
    assert "stopped by Ctrl-C" in shown or again
    (run,) = read_runs()[0]
    assert run.state == "interrupted"
    assert len(run.timings) >= 2, "more than was seen where the key came late"
    assert run.conditions, "it was summed up"


@pytest.mark.parametrize(
    "again", [(), (0.03, 0.05), ("note:",)], ids=["once", "three times", "while it is printed"]
)
def test_ctrl_c_on_a_forecast_ends_the_command_and_keeps_and_tells_what_was_seen(again, tmp_path):
    job, pid = tmp_path / "job.py", tmp_path / "pid"
    job.write_text(STEPS.format(ready=80, pid=str(pid)), encoding="utf-8")
    words = ("forecast", "--total-steps", "1000", "--on", "h100", "--", sys.executable, str(job))
    code, shown = interrupted(words, "steps go on", *again)
    assert code == 130
    assert "estimator/cli/" not in shown  # no traceback but the command's own
    assert "steps seen" in shown and "NVIDIA H100" in shown
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
    (run,) = read_runs()[0]
    assert run.state == "interrupted"
    assert run.timings[0].repetitions > 20


def test_ctrl_c_on_a_command_that_goes_on_is_said_after_its_forecast(tmp_path):
    job = tmp_path / "job.py"
    job.write_text(STEPS.format(ready=80, pid=str(tmp_path / "pid")), encoding="utf-8")
    words = ("forecast", "--keep-going", "--steps", "10", "--total-steps", "1000", "--on", "h100")
    code, shown = interrupted((*words, "--", sys.executable, str(job)), "steps go on")
    assert code == 130
    assert "whole run of 1,000 steps" in shown and "actual" not in shown
    assert "note: the command was interrupted after " in shown.splitlines()[-1]
    assert [run.state for run in read_runs()[0]] == ["interrupted"]


def test_ctrl_c_before_a_forecast_has_seen_enough_is_no_error(tmp_path):
    job = tmp_path / "job.py"
    job.write_text("import time\nprint('began', flush=True)\ntime.sleep(60)\n", encoding="utf-8")
    code, shown = interrupted(("forecast", "--", sys.executable, str(job)), "began")
    assert code == 130
    assert "note: stopped before 4 steps were seen: no forecast" in shown
    assert "error" not in shown
