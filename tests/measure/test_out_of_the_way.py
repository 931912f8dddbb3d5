"""`measure()` never stops or fails the training that it wraps, whatever goes wrong in measuring."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from estimator.runs import read_runs

ROOT = Path(__file__).parents[2]

TRAINING = """
import sys
from estimator import measure
{broken}
steps = 0
with measure({reported}) as run:
    for _ in range(5):
        steps += 1
        run.step()
{after}
print("trained", steps)
"""


def trained(tmp_path, *, broken="", reported="flop=1e9", after=""):
    text = TRAINING.format(broken=broken, reported=reported, after=after)
    return subprocess.run(
        [sys.executable, "-c", text],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "TWENTY_WATTS_DATA": str(tmp_path / "data")},
        timeout=120,
    )


@pytest.mark.parametrize(
    "broken",
    [
        "import estimator.measure.recorder as r; r.open_meters = lambda: 1 / 0",
        "import estimator.measure.recorder as r; r.summarise = lambda *a, **k: 1 / 0",
        "import estimator.runs.documents as d; d.as_plain = lambda run: 1 / 0",
    ],
    ids=["meters", "sum", "store"],
)
def test_a_failure_of_measuring_is_said_and_the_training_goes_on(tmp_path, broken):
    done = trained(tmp_path, broken=broken)
    assert done.stdout == "trained 5\n"
    assert done.returncode == 0
    assert "measuring failed (ZeroDivisionError" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_reported_wrongly_fails_no_training(tmp_path):
    done = trained(tmp_path, reported="params='many', tokens=1.0")
    assert (done.stdout, done.returncode) == ("trained 5\n", 0)
    assert "params must be a number from 1 to 1e+40, got 'many': ignored" in done.stderr
    (run,) = read_runs(tmp_path / "data" / "runs.sqlite")[0]
    assert run.state == "finished"


def test_words_that_nobody_knows_are_said_at_once_and_left_out(tmp_path):
    done = trained(tmp_path, reported="flop=1e9, kind='banana', precision=32, arch=['x']")
    assert (done.stdout, done.returncode) == ("trained 5\n", 0)
    said = "kind must be one of language, vision, diffusion, speech, multimodal, other"
    assert f"{said}, got 'banana': ignored" in done.stderr
    assert "int8, equivalent, got 32: ignored" in done.stderr
    assert "arch must be text, got ['x']: ignored" in done.stderr
    (run,) = read_runs(tmp_path / "data" / "runs.sqlite")[0]
    (timing,) = run.timings
    assert (timing.flop, timing.kind, timing.precision, timing.arch) == (1e9, None, None, None)


def test_what_the_training_raises_is_its_own(tmp_path):
    done = trained(tmp_path, after="    raise KeyError('mine')")
    assert done.returncode == 1
    assert "KeyError: 'mine'" in done.stderr
    assert "measuring failed" not in done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are of POSIX")
def test_a_training_that_forks_is_not_held_up(tmp_path):
    """The child has copies of locks that no thread of its own ever lets go: it leaves the run."""
    for _ in range(3):
        done = trained(tmp_path, after="    import os, time; time.sleep(0.5); os.fork()")
        assert (done.stdout, done.returncode) == ("trained 5\n" * 2, 0)
        assert "measuring failed" not in done.stderr
    assert len(read_runs(tmp_path / "data" / "runs.sqlite")[0]) == 3


def test_numbers_of_numpy_and_labels_of_any_kind_are_kept(tmp_path):
    reported = "params=__import__('numpy').int64(7), tokens=2, precision='fp32', label=5"
    done = trained(tmp_path, reported=reported, after="    import time; time.sleep(0.3)")
    assert (done.stdout, done.returncode) == ("trained 5\n", 0)
    assert "measuring failed" not in done.stderr
    (run,), notes = read_runs(tmp_path / "data" / "runs.sqlite")
    assert not notes
    assert run.label == "5"
    assert [one.params for one in run.timings] == [7.0]
