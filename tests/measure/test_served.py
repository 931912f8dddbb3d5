"""`calibrate run --task serving`: a benchmark of a server, wrapped, with the power meanwhile."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from estimator.runs import open_store
from tests import in_process
from tests.measure.test_serving_logs import LLAMA, VLLM
from tests.stub_nvml import build_stub

ROOT = Path(__file__).parents[2]

BENCHMARK = """
import json, sys, time
found = json.loads(sys.argv[2])
time.sleep(found.get("duration", 1.0) if isinstance(found, dict) else 1.0)
with open(sys.argv[1], "a") as file:
    file.write(json.dumps(found) + "\\n")
"""
"""Stands for the client: waits as long as the benchmark says it took, and appends its result."""

FOUND = {**VLLM, "duration": 2.5}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return build_stub(tmp_path_factory.mktemp("library"))


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """Wrap a benchmark; what it writes goes to result.json.

    The wrapping is a process of its own where it needs variables, and else this one.
    """

    def run(*options, found=FOUND, script=BENCHMARK, **variables):
        words = [sys.executable, "-c", script, "result.json", json.dumps(found)]
        words = ["calibrate", "run", *options, "--", *words]
        if not variables:
            monkeypatch.chdir(tmp_path)
            return in_process.run(*words, TWENTY_WATTS_DATA=str(tmp_path / "data"))
        return subprocess.run(
            [sys.executable, "-m", "estimator", *words],
            capture_output=True,
            text=True,
            timeout=90,
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "TWENTY_WATTS_DATA": str(tmp_path / "data"),
                **variables,
            },
            check=False,
        )

    return run


def stored(tmp_path):
    with open_store(tmp_path / "data" / "runs.sqlite") as store:
        return store.runs()


SERVING = ("--task", "serving", "--result", "result.json", "--precision", "bf16")


@pytest.mark.skipif(sys.platform != "linux", reason="how Linux finds libraries")
def test_a_benchmark_is_stored_with_the_power_of_its_boards(library, bench, tmp_path):
    driver = {
        "LD_LIBRARY_PATH": str(library.parent),
        "FAKE_NVML_TRACE": "constant:250",
    }
    done = bench(*SERVING, **driver)
    assert done.returncode == 0, done.stderr
    (run,) = stored(tmp_path)
    (load,) = run.served
    assert (load.component, load.devices, load.model) == ("gpu:0", 1, "Qwen/Qwen3-14B")
    assert load.measured["device_power_w"] == pytest.approx(250, rel=0.02)
    assert load.measured["device_energy_per_output_token_j"] == pytest.approx(250 / 1024, rel=0.02)
    assert load.trust in ("counter", "sampled")
    assert (run.simulated, run.timings, run.origin) == (True, (), "run")
    assert "1.02e+03 token/s" in done.stderr


def test_only_what_the_command_wrote_counts(bench, tmp_path):
    (tmp_path / "result.json").write_text(json.dumps({**FOUND, "completed": 500}) + "\n")
    done = bench(*SERVING)
    assert done.returncode == 0, done.stderr
    (run,) = stored(tmp_path)
    assert [load.requests for load in run.served] == [640]


def test_several_loads_have_no_power_each(bench, tmp_path):
    done = bench("--task", "serving", "--result", "result.json", found=LLAMA)
    assert done.returncode == 0, done.stderr
    (run,) = stored(tmp_path)
    assert len(run.served) == 2
    assert "several loads in one command: the power of each is unknown" in run.notes


@pytest.mark.parametrize(
    ("options", "script", "says"),
    [
        (SERVING, "import time; time.sleep(0.4)", "no new benchmark of a server in result.json"),
        (SERVING[:4], BENCHMARK, "does not state the format of the weights: set --precision"),
    ],
)
def test_a_run_without_a_result_is_kept_without_loads(bench, tmp_path, options, script, says):
    done = bench(*options, script=script, found={**FOUND, "duration": 1.1})
    assert done.returncode == 0, done.stderr
    (run,) = stored(tmp_path)
    assert run.served == ()
    assert any(says in note for note in run.notes)
    assert says in done.stderr


def test_a_command_that_failed_has_no_loads(bench, tmp_path):
    done = bench(*SERVING, script=BENCHMARK + "\nsys.exit(3)")
    assert done.returncode == 3
    (run,) = stored(tmp_path)
    assert (run.served, run.state) == ((), "failed")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--task", "serving"), "--task serving needs --result FILE"),
        (("--result", "a.json"), "--result requires --task serving"),
        (("--concurrency", "3"), "--concurrency requires --task serving"),
        ((*SERVING, "--flop", "1e15"), "--flop requires --task training"),
        ((*SERVING[:4], "--precision", "bf17"), "unknown weight format 'bf17'"),
        ((*SERVING, "--concurrency", "-1"), "concurrency must be positive"),
    ],
)
def test_a_slip_is_one_line_before_anything_runs(bench, tmp_path, options, says):
    done = bench(*options)
    assert (done.returncode, done.stdout) == (1, "")
    assert says in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "result.json").exists()
