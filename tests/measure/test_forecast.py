"""`calibrate forecast`: steps are found, the command stopped or let go on, the whole foretold."""

import importlib.util
import json
import math
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.answer.run_forecast import TOTAL_UNKNOWN, RunQuestion, forecast_run
from estimator.catalog import Catalog
from estimator.cli import main
from estimator.cli.calibrate.forecast import total_in, with_option
from estimator.core.messages import message, render
from estimator.core.notice import Notice
from estimator.measure import forecast, recorder
from estimator.measure.command import name_of_command
from estimator.measure.forecast import StepWatch
from estimator.measure.recorder import Recording
from estimator.measure.session import Reported, Session
from estimator.measure.stamps import Stamped, StampFile, Stamps
from estimator.question.inputs import option_of
from estimator.question.scenario import Scenario
from estimator.runs import read_runs
from estimator.runs.observations import program_of
from estimator.runs.process import born
from estimator.runs.record import (
    FORECAST,
    Condition,
    Energy,
    Host,
    MeasuredDevice,
    MeasuredRun,
    Timing,
)

SCRIPT = """
import sys, time
from estimator import measure
with measure(flop=2e9, precision="fp32", kind="other") as run:
    for step in range({steps}):
        time.sleep(0.01)
        run.step()
print("to the end")
"""

OPTIMIZER = """
import torch
model = torch.nn.Linear(64, 64)
other = torch.optim.SGD(torch.nn.Linear(2, 2).parameters(), lr=0.1)
optimizer = torch.optim.AdamW(model.parameters())
given = torch.randn(32, 64)
for step in range(100_000):
    optimizer.zero_grad()
    model(given).square().mean().backward()
    optimizer.step()
"""


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path / "data"))


@pytest.fixture
def script(tmp_path):
    def written(text):
        path = tmp_path / "train.py"
        path.write_text(text, encoding="utf-8")
        return [sys.executable, str(path)]

    return written


def read_stamps(text):
    stamps = Stamps()
    stamps.take(text)
    return stamps.stamped()


def test_a_program_that_never_trains_has_no_thread_of_ours():
    """A thread that polls for PyTorch would wake up every child of the command for ever."""
    text = "import sys, threading; print(threading.active_count(), 'sitecustomize' in sys.modules)"
    variables = {"PYTHONPATH": str(forecast.HOOK), "TWENTY_WATTS_STAMPS": os.devnull}
    done = subprocess.run(
        [sys.executable, "-c", text],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1 True\n"


def test_stamps_that_are_cut_short_are_left_out(tmp_path):
    stamps = StampFile(path=tmp_path / "stamps")
    stamps.path.write_text("o 1.0\no 1.5\no 1.", encoding="utf-8")
    assert stamps.read().stamped() == Stamped(
        times_s=(0.5,), began_s=1.0, ended_s=1.5, planned=None
    )
    assert read_stamps("o 1.0\n") is None


def test_lines_that_are_no_stamps_are_left_out():
    """Whoever writes into the file stops no watching: neither no number, nor no time."""
    odd = "o\no x\no nan\ntotal many\nfacts {\ncounted 7\ncounted [1]\n\x00\n"
    assert read_stamps(f"{odd}o 1.0 7\n{odd}o 1.5 7\n{odd}").times_s == (0.5,)


def test_what_was_counted_is_read_once():
    lines = "".join(
        f'counted {{"flop": {flop}, "products": {{"product": {flop}}}, "seen": {{}}}}\n'
        for flop in (5.0, 6.0)
    )
    found = read_stamps(f"o 1.0 7\no 2.0 7\n{lines}")
    assert found.counted == {"flop": 5.0, "kind": "other", "arch": "MLP"}


@pytest.mark.parametrize(
    "counted",
    [
        *('{"foo": 1}', '{"flop": "x"}', '{"flop": NaN}', '{"flop": -5}', '{"flop": 1e308}'),
        *('{"flop": 1, "kind": "zzz"}', '{"flop": 1, "precision": "nope"}', '{"products": [1]}'),
        '{"flop": 1, "precision": ["fp32"]}',
        *('{"flop": 1, "seen": [1]}', "[" * 100_000, '{"flop": 1, "products": {"a": {}}}'),
    ],
)
def test_counts_that_cannot_be_are_left_out(counted):
    """Whatever wrote them: a newer hook, a slip, or somebody else."""
    found = read_stamps(f"o 1.0 7\no 2.0 7\ncounted {counted}\no 3.0 7\n")
    assert (found.steps, dict(found.counted)) == (3, {})


def test_processes_that_step_beside_each_other_count_as_one():
    """Two of torch.multiprocessing, which names no ranks, are no steps of half the time."""
    found = read_stamps("".join(f"o {at}.0 7\no {at}.5 8\n" for at in range(1, 5)))
    assert found.times_s == (1.0, 1.0, 1.0)
    assert found.processes == 2


def test_of_processes_one_after_another_the_longest_counts():
    first = "".join(f"o {at / 100} 7\n" for at in range(3))
    assert read_stamps(first + "".join(f"o {at}.0 8\n" for at in range(9, 14))).began_s == 9.0


@given(st.lists(st.sampled_from("mMos"), max_size=30), st.data())
def test_stamps_read_bit_by_bit_are_those_read_at_once(marks, data):
    """However the lines are cut while they are written, each counts once."""
    lines = "".join(f"{mark} {number / 8!r}\n" for number, mark in enumerate(marks))
    text = f'facts {{"kind": "other"}}\n{lines}'
    with tempfile.TemporaryDirectory() as folder:
        stamps = StampFile(path=Path(folder) / "stamps")
        stamps.read()
        for part in data.draw(st.lists(st.integers(0, len(text)), max_size=5).map(sorted)):
            stamps.path.write_text(text[:part], encoding="utf-8")
            stamps.read()
        stamps.path.write_text(text, encoding="utf-8")
        stamps.read()
        found = read_stamps(text)
        assert stamps.stamps.stamped() == found
        assert stamps.stamps.steps == (0 if found is None else found.steps)
        assert found is None or stamps.stamps.began_s == found.began_s


def test_a_line_is_read_once_however_often_one_looks(tmp_path):
    """A minute of short steps writes many lines: to read all each time takes what is measured."""
    stamps = StampFile(path=tmp_path / "stamps")
    stamps.path.write_text("m 1.0\nm 2.0\n", encoding="utf-8")
    stamps.read()
    stamps.path.write_text("m xxx\nm xxx\nm 3.0\n", encoding="utf-8")
    stamps.read()
    assert stamps.stamps.steps == 3


@pytest.mark.parametrize(("rank", "stamped"), [("", 2), ("0", 2), ("1", 0)])
def test_of_several_ranks_one_stamps(rank, stamped, tmp_path, monkeypatch):
    """Two ranks that step together are one step, not two of half the time."""
    path = tmp_path / "stamps"
    monkeypatch.setenv("TWENTY_WATTS_STAMPS", str(path))
    monkeypatch.setenv("RANK", rank)
    session = Session(flop=1e9, precision="fp32")
    session.step()
    session.step()
    stamps = StampFile(path=path)
    stamps.read()
    assert stamps.stamps.steps == stamped


def test_on_boards_steps_count_between_waits_for_them():
    """Steps are queued faster than they are done: only the waits tell when they were."""
    found = read_stamps("s 0.0\no 0.1\no 0.2\ns 3.0\no 3.1\n")
    assert found.times_s == (1.0, 1.0, 1.0)


def test_a_command_that_fails_before_keeps_its_exit_code(script):
    watch = StepWatch(steps=10, for_s=None)
    ended = watch.run(script("raise SystemExit(7)"))
    assert (watch.enough, ended.exit_code, watch.seen) == (False, 7, None)


def test_the_steps_are_hooked_into_when_the_optimizers_are_imported(tmp_path):
    optim = tmp_path / "torch" / "optim"
    optim.mkdir(parents=True)
    (optim.parent / "__init__.py").write_text(
        "import types\ncuda = types.SimpleNamespace(is_initialized=lambda: False)\n"
    )
    (optim / "__init__.py").write_text("from .optimizer import hooks\n")
    (optim / "optimizer.py").write_text(
        "hooks = []\ndef register_optimizer_step_post_hook(hook): hooks.append(hook)\n"
    )
    text = "import torch.optim as o\nfor _ in range(3): [hook(o, (), {}) for hook in o.hooks]"
    variables = {
        "PYTHONPATH": f"{forecast.HOOK}{os.pathsep}{tmp_path}",
        "TWENTY_WATTS_STAMPS": str(tmp_path / "stamps"),
    }
    subprocess.run([sys.executable, "-c", text], env=os.environ | variables, check=True)
    assert read_stamps((tmp_path / "stamps").read_text("utf-8")).steps == 3


def test_the_steps_of_an_optimizer_are_found(script):
    """The Trainer of Hugging Face, Lightning and Accelerate step through the same optimizers."""
    pytest.importorskip("torch")
    watch = StepWatch(steps=50, for_s=None)
    assert watch.run(script(OPTIMIZER)).exit_code == 0
    assert watch.seen.steps >= 50


def test_what_a_step_of_an_optimizer_does_is_counted(script, capsys):
    """Nobody says its FLOPs nor its format; the gradient of what is given needs none."""
    pytest.importorskip("torch")
    words = script(OPTIMIZER)
    options = ["--steps", "30", "--total-steps", "1000", "--on", "rtx-4090", "--json", "--quiet"]
    assert main(["calibrate", "forecast", *options, "--", *words]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["step_flop"] == 2 * 2 * 32 * 64 * 64
    assert (found["precision"], found["kind"], found["arch"]) == ("fp32", "other", "MLP")
    assert any("assuming --kind other, MLP" in note for note in found["notes"])
    assert 10 < found["step_operations"] < 60
    assert 4 * 4 * 64 * 64 < found["step_traffic"] < 1e6
    (run,) = read_runs()[0]
    (timing,) = run.timings
    assert (timing.flop, timing.operations, timing.traffic_bytes, timing.precision) == (
        *(found["step_flop"], found["step_operations"], found["step_traffic"]),
        "fp32",
    )
    assert main(["calibrate", "forecast", "--no-count", *options, "--", *words]) == 0
    assert "step_flop" not in json.loads(capsys.readouterr().out)


def test_what_the_program_or_the_user_says_goes_before_what_was_counted():
    counted = {"flop": 1.0, "operations": 2.0, "precision": "fp32"}
    timing = Timing(what="training", component="", time_s=1.0, repetitions=9, flop=7.0)
    reported = Reported(timing=timing, began_s=0.0, ended_s=1.0)
    found = forecast.completed(reported, counted).timing
    assert (found.flop, found.operations, found.precision) == (7.0, 2.0, "fp32")
    seen = Stamped(times_s=(1.0,) * 9, began_s=0.0, ended_s=9.0, counted=counted)
    scenario = Scenario(step_flop=9.0)
    question = RunQuestion(seen=seen, measured=measured(), scenario=scenario, on=[])
    found = forecast_run(question, Catalog.open())
    assert found.step_inputs == {"step_flop": 9.0, "step_operations": 2.0, "precision": "fp32"}
    assert found.notices == (TOTAL_UNKNOWN, Notice("forecast_without_meter"))


@pytest.mark.parametrize(
    ("times_s", "said"),
    [
        ([0.1] * 60 + [0.4] * 200, True),
        ([0.4] * 60 + [0.1] * 200, True),
        ([0.5, 9.0, 0.3, 0.12] + [0.1] * 200, False),
        ([0.1] * 260, False),
    ],
    ids=["slower", "faster", "warm-up", "alike"],
)
def test_a_step_counted_in_another_phase_than_the_one_timed_is_said_and_left_out(times_s, said):
    """The FLOPs of small pictures go with the time of small pictures."""
    noise = np.random.default_rng(1).normal(0.0, 0.02, len(times_s))
    times = tuple(np.array(times_s) * np.exp(noise))
    common = {"times_s": times, "began_s": 0.0, "ended_s": sum(times)}
    seen = Stamped(**common, counted={"flop": 1.0, "operations": 2.0, "precision": "fp32"})

    def notes(**said):
        question = RunQuestion(seen=seen, measured=measured(), scenario=Scenario(**said))
        return " ".join(map(message, forecast_run(question, Catalog.open()).notices))

    def options(**said):
        question = RunQuestion(seen=seen, measured=measured(), scenario=Scenario(**said))
        return forecast_run(question, Catalog.open()).step_inputs

    assert ("counted step may not be typical" in notes()) == said
    assert "counted step" not in notes(step_flop=7.0)
    counted = {"step_flop": 1.0, "step_operations": 2.0, "precision": "fp32"}
    assert options() == ({} if said else counted)
    assert seen.counts == ({"precision": "fp32"} if said else seen.counted)


def test_what_may_hold_work_unseen_is_named_and_nothing_is_counted():
    steps = "".join(f"o {at}.0 7\n" for at in range(9))
    found = read_stamps(f'{steps}counted {{"missed": ["flash_attn._forward"]}}\n')
    question = RunQuestion(seen=found, measured=measured(), scenario=Scenario())
    answer = forecast_run(question, Catalog.open())
    assert answer.step_inputs == {}
    assert tuple(map(message, answer.notices))[:2] == (
        message(TOTAL_UNKNOWN),
        "flash_attn._forward: no formula for their work (sparse, spectral or foreign operations), "
        "so nothing of a step is counted",
    )


@pytest.mark.parametrize(
    ("hardware", "said", "compared"),
    [(None, "forecast_not_pytorch", 0), ("h100-sxm", "forecast_step_assumed", 1)],
)
def test_an_unknown_step_is_either_compared_or_said_to_prevent_it(hardware, said, compared):
    seen = Stamped(times_s=(1.0,) * 99, began_s=0.0, ended_s=99.0)
    board = MeasuredDevice(key="gpu:0", kind="gpu", name="x", hardware=hardware)
    question = RunQuestion(
        seen=seen,
        measured=replace(measured(), devices=(board,)),
        scenario=Scenario(precision="bf16"),
        total=1000,
        on=["b200"],
    )
    found = forecast_run(question, Catalog.open())
    assert len(found.elsewhere) == compared
    assert [one.code for one in found.notices if one.field == "step_flop"] == [said]


def test_kind_and_architecture_are_said_together_or_counted_together():
    counted = {"flop": 1.0, "kind": "vision", "arch": "ViT"}
    seen = Stamped(times_s=(1.0,) * 9, began_s=0.0, ended_s=9.0, counted=counted)
    catalog = Catalog.open()

    def asked(**said):
        question = RunQuestion(seen=seen, measured=measured(), scenario=Scenario(**said))
        return forecast_run(question, catalog)

    assert asked(kind="language").step_inputs == {"step_flop": 1.0, "kind": "language"}
    assert asked().step_inputs == {"step_flop": 1.0, "kind": "vision", "arch": "ViT"}
    _, note, *_ = asked().notices
    assert message(note).startswith("assuming kind vision, ViT, by what a step does")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_what_a_shell_started_is_stopped_with_it(tmp_path):
    """A terminated shell ends at once, and its training would run on."""
    text = f"import os\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
    (tmp_path / "train.py").write_text(text + SCRIPT.format(steps=100_000), encoding="utf-8")
    watch = StepWatch(steps=5, for_s=None)
    watch.run(["sh", "-c", f"{shlex.quote(sys.executable)} {tmp_path}/train.py; true"])
    assert watch.enough
    pid = int((tmp_path / "pid").read_text("utf-8"))
    assert not born(Path("/proc"), pid)


class Optimizer:
    """Stands for an optimizer of PyTorch, which the hook sees as an object alone."""


@pytest.fixture
def hook(tmp_path):
    spec = importlib.util.spec_from_file_location("step_hook", forecast.HOOK / "sitecustomize.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    stamps = module._Stamps(str(tmp_path / "stamps"))
    yield stamps
    os.close(stamps.file)


def test_of_two_optimizers_the_first_counts(hook):
    first, second = Optimizer(), Optimizer()
    assert [hook._counts(one) for one in (first, second, first, second)] == [True, False] * 2


def test_an_optimizer_that_is_gone_or_rests_is_followed_by_another(hook):
    """As of cross-validation, which makes one for each fold."""
    first, second, third = Optimizer(), Optimizer(), Optimizer()
    assert hook._counts(first)
    del first
    assert hook._counts(second)
    assert [hook._counts(third) for _ in range(101)] == [False] * 100 + [True]


def test_the_command_line_forecasts_and_keeps_a_run(script, capsys):
    words = script(SCRIPT.format(steps=100_000))
    options = ["--steps", "40", "--total-steps", "1000", "--on", "rtx-4090", "--json"]
    assert main(["calibrate", "forecast", *options, "--", *words]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["total_steps"] == 1000
    assert 10.0 < found["wall_s"]["mid"] < 100.0
    assert found["wall_s"]["low"] < found["wall_s"]["mid"] < found["wall_s"]["high"]
    (other,) = found["elsewhere"]
    assert other["hardware"] == "rtx-4090"
    assert other["time_s"]["mid"] > 0
    (run,) = read_runs()[0]
    assert (run.label, run.state) == ("forecast", "finished")
    (timing,) = run.timings
    assert timing.style == found["program"] == name_of_command(words)


@pytest.mark.parametrize(
    ("words", "flop"),
    [
        ("--params 1e8 --batch-tokens 8192", 6 * 1e8 * 8192),
        ("--params 1e8 --batch 8 --seq-len 1024", 1.167 * 6 * 1e8 * 8192),  # with attention
        ("--config CONFIG --batch 8", None),
        ("--config CONFIG --batch-tokens 8192", None),
    ],
)
def test_the_network_and_its_batch_give_the_work_of_a_step(words, flop, script, tmp_path, capsys):
    config = tmp_path / "config.json"
    config.write_text('{"model_type":"gpt2","n_embd":64,"n_layer":2,"n_head":2,"n_positions":1024}')
    asked = [*words.replace("CONFIG", str(config)).split(), "--steps", "40", "--json"]
    command = script(SCRIPT.format(steps=100_000))
    assert main(["forecast", "--total-steps", "1000", *asked, "--", *command]) == 0
    found = json.loads(capsys.readouterr().out)["step_flop"]
    assert main(["model", str(config), "--batch", "8", "--seq-len", "1024", "--json"]) == 0
    counted = json.loads(capsys.readouterr().out)["training_flop"]
    assert found == pytest.approx(counted if flop is None else flop, rel=0.02)


def test_a_program_is_called_after_its_file_and_folder_whatever_its_options(monkeypatch, tmp_path):
    """Else each learning rate would be a program, and another script waste what the first does."""
    monkeypatch.chdir(tmp_path)
    train = name_of_command(["python", "train.py"])
    assert train == f"{tmp_path.name}/train.py"
    for same in ("python -u train.py --lr 3e-4", "torchrun --nproc-per-node 2 train.py --steps 9"):
        assert name_of_command(same.split()) == train
    assert name_of_command(["python", "other.py"]) != train
    assert name_of_command(["python", "gpt/train.py"]) == "gpt/train.py"
    assert name_of_command(["python", "-m", "gpt.train"]) == f"{tmp_path.name}/gpt.train"
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert name_of_command(["python", "train.py"]) == "train.py"
    timing = Timing(what="training", component="", time_s=1.0, repetitions=9)
    run = replace(measured(), label=FORECAST)
    assert program_of(timing, run) == ""
    assert program_of(replace(timing, style=train), run) == f"program {train}"
    assert program_of(timing, replace(run, label="my run")) == "my run"


def test_without_a_total_it_says_what_it_needs_even_where_it_is_quiet(script, capsys):
    words = script(SCRIPT.format(steps=100_000))
    for options in (["--json"], [], ["--quiet"]):
        assert main(["calibrate", "forecast", "--steps", "40", *options, "--", *words]) == 0
        printed = capsys.readouterr()
        assert render(TOTAL_UNKNOWN, option_of) in printed.out
        assert render(TOTAL_UNKNOWN, option_of) not in printed.err


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        ("--on no-such-board", "no-such-board"),
        ("--on h100,", "hardware"),
        ("--steps 0", "--steps must be between 4 and 1e+12, got 0"),
        ("--total-steps 1e308", "--total-steps must be between 1 and 1e+12"),
        ("--step-flop=-1", "must be positive"),
        ("--precision fp8 --on v100", "fp8"),
        ("--batch 8", "--batch needs the network of a step: give --config or --params"),
        ("--params 1e8", "--params needs the size of a step: give --batch or --batch-tokens"),
        ("--params 1e8 --batch 8", "--batch with --params needs --seq-len"),
        ("--batch-tokens 8192 --step-flop 1e12", "--step-flop and --batch-tokens both give"),
        ("--params 1e8 --batch 8 --batch-tokens 8192", "--batch and --batch-tokens both give"),
    ],
)
def test_what_cannot_be_forecast_is_refused_before_the_command_runs(
    words, reported, script, tmp_path, capsys
):
    ran = tmp_path / "ran"
    command = script(f"open({str(ran)!r}, 'w').close()")
    assert main(["calibrate", "forecast", *words.split(), "--", *command]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and reported in error
    assert not ran.exists()


@pytest.mark.parametrize("typed", ["forecast", "calibrate forecast", "calibrate run"])
def test_without_a_command_the_one_that_was_typed_is_completed(typed, capsys):
    assert main([*typed.split(), "--quiet"]) == 1
    error = capsys.readouterr().err
    assert error == f"error: no command given: twenty-watts {typed} -- python train.py\n"


def test_without_steps_it_says_so_in_a_line_with_an_example_that_works(script, capsys):
    loop = "import estimator\nbatches, train = range(99), lambda batch: None\n"
    assert main(["forecast", "--", *script(loop)]) == 1
    error, *example = capsys.readouterr().err.splitlines()
    assert error.startswith("error: no training step was detected") and len(example) == 2
    remedied = loop + "\n".join(line[2:] for line in example)
    assert main(["forecast", "--steps", "50", "--json", "--", *script(remedied)]) == 0
    assert json.loads(capsys.readouterr().out)["seen_steps"] >= 50


def test_a_script_elsewhere_can_report_its_steps_without_an_installation(script, monkeypatch):
    """The command may be started in a clone, and the script lie in a folder of its own."""
    monkeypatch.delenv("PYTHONPATH")
    watch = StepWatch(steps=5, for_s=None)
    watch.run(script(SCRIPT.format(steps=100_000)))
    assert watch.seen.steps >= 5


@pytest.mark.parametrize(
    ("end", "reported", "code"),
    [
        ("sys.exit(3)", "ended with exit code 3 before its first training step", 3),
        ("[run.step() for _ in range(3)]; sys.exit(3)", "ended with exit code 3 after 3 steps", 3),
        ("[run.step() for _ in range(3)]", "saw 3 steps but needs 4", 1),
    ],
)
def test_too_few_steps_are_one_line(script, end, reported, code, capsys):
    words = script(SCRIPT.format(steps=0).replace('print("to the end")', f"{end}"))
    assert main(["forecast", "--", *words]) == code
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and reported in error


def test_notes_of_meters_are_shown_only_where_asked_for(script, capsys, monkeypatch):
    missing = "cpu: no counters here"
    monkeypatch.setattr(recorder, "open_meters", lambda: ([], [missing]))
    for options, shown in (([], False), (["--verbose"], True), (["--verbose", "--quiet"], False)):
        words = ["forecast", "--steps", "9", *options, "--", *script(SCRIPT.format(steps=99))]
        assert main(words) == 0
        assert (missing in capsys.readouterr().err) is shown
    assert all(missing in run.notes for run in read_runs()[0])


def test_a_command_that_never_steps_is_said_once_while_it_runs(script, capsys, monkeypatch):
    monkeypatch.setattr(forecast, "SILENCE_S", 0.2)
    words = script("import time; time.sleep(1.5)")
    assert main(["calibrate", "forecast", "--json", "--", *words]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("no steps seen in") == 1
    assert "waiting for a PyTorch optimizer to step" in shown.err
    assert not read_runs()[0], "nothing was measured"
    assert main(["calibrate", "forecast", "--quiet", "--", *words]) == 1
    assert "no steps seen" not in capsys.readouterr().err


def test_a_command_that_steps_is_not_called_silent(script):
    said = []
    watch = StepWatch(steps=50, for_s=None, on_silence=said.append)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forecast, "SILENCE_S", 0.0)
        watch.run(script(SCRIPT.format(steps=100_000)))
    assert said == [0.0], "before the first step"
    steps = StepWatch(steps=50, for_s=None, on_silence=said.append)
    steps.run(script(SCRIPT.format(steps=100_000)))
    assert said == [0.0]


def measured(*energy):
    return MeasuredRun(
        id="r",
        origin="run",
        started="2026-11-22T10:00:00Z",
        wall_s=60.0,
        state="finished",
        host=Host(id="h", cpu="c", cores=2, system="Linux", software={}),
        devices=(MeasuredDevice(key="gpu:0", kind="gpu", name="x"),),
        energy=energy,
    )


def test_the_row_of_the_device_that_was_watched_is_what_was_watched():
    """What an estimate says of it may be far off, and nobody needs it any more."""
    seen = Stamped(times_s=(1.0,) * 100, began_s=0.0, ended_s=100.0)
    timing = Timing(what="training", component="gpu:0", time_s=1.0, repetitions=99)
    board = MeasuredDevice(key="gpu:0", kind="gpu", name="x", hardware="h100-sxm")
    common = {"scenario": Scenario(step_flop=1e9, precision="bf16"), "total": 5000}

    def rows(timing, board=board):
        run = replace(measured(), devices=(board,), timings=(timing,))
        on = ["h100", "b200"]
        return forecast_run(RunQuestion(seen=seen, measured=run, on=on, **common), Catalog.open())

    found = rows(timing)
    here, other = found.elsewhere
    assert here.time_s == found.wall_s != other.time_s
    assert here.name == "NVIDIA H100 SXM5 80GB"
    assert here.energy_kwh == found.energy_kwh
    for unlike in (rows(replace(timing, devices=2)), rows(timing, replace(board, hardware=None))):
        assert unlike.elsewhere[0].time_s != unlike.wall_s


def test_a_forecast_beside_other_programs_is_less_sure():
    seen = Stamped(times_s=(1.0,) * 100, began_s=0.0, ended_s=100.0)
    timing = Timing(what="training", component="cpu", time_s=1.0, repetitions=99)

    def width(others):
        condition = Condition(component="cpu", busy=1.0, others=others)
        run = replace(measured(), timings=(timing,), conditions=(condition,))
        question = RunQuestion(seen=seen, measured=run, scenario=Scenario(), total=5000)
        found = forecast_run(question, Catalog.open()).wall_s
        return math.log(found.high / found.low)

    assert width(0.0) < 0.8 * width(0.5) < 0.8 * width(0.8)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/stat")
def test_a_run_so_far_knows_how_busy_the_processor_is():
    recording = Recording(origin="run")
    recording.start()
    time.sleep(0.05)
    found = next(
        one for one in recording.so_far(lambda run: ()).conditions if one.component == "cpu"
    )
    recording.drop()
    assert 0 <= found.others <= found.busy <= 1


def test_energy_is_power_by_time_by_the_overhead_of_the_site():
    seen = Stamped(times_s=(1.0,) * 100, began_s=0.0, ended_s=100.0)
    counter = Energy(
        component="gpu:0", meter="nvml counter", trust="counter", energy_j=18e3, duration_s=60.0
    )
    question = RunQuestion(
        seen=seen,
        measured=measured(counter),
        scenario=Scenario(site="fr", step_flop=1e12),
        total=36_001,
        on=[],
    )
    catalog = Catalog.open()
    found = forecast_run(question, catalog)
    assert found.left_s.mid == pytest.approx(35_900.0)
    assert found.energy_kwh.mid / 3.0 >= 1.0
    assert found.energy_kwh.low < found.energy_kwh.mid < found.energy_kwh.high
    grid = found.co2e_kg.mid / found.energy_kwh.mid
    assert 0.005 < grid < 0.1


def test_the_energy_of_a_forecast_is_as_uncertain_as_its_time_and_its_meter():
    """What the meter and the site add to log-variance is the same for a short and a long run."""
    jumpy = np.random.default_rng(3).uniform(0.5, 1.5, 100).tolist()
    seen = Stamped(times_s=tuple(jumpy), began_s=0.0, ended_s=100.0)
    counter = Energy(
        component="gpu:0", meter="nvml counter", trust="counter", energy_j=18e3, duration_s=60.0
    )

    def beyond_time(total):
        scenario = Scenario(site="fr", step_flop=1e12)
        run = RunQuestion(
            seen=seen, measured=measured(counter), scenario=scenario, total=total, on=[]
        )
        found = forecast_run(run, Catalog.open())
        energy, wall = (
            math.log(one.high / one.mid) ** 2 for one in (found.energy_kwh, found.wall_s)
        )
        return energy - wall, wall

    (short, short_time), (long, long_time) = beyond_time(102), beyond_time(1_000_000)
    assert long_time > 4 * short_time
    assert short == pytest.approx(long, rel=1e-9)


def test_a_total_below_what_was_seen_is_refused():
    seen = Stamped(times_s=(1.0,) * 100, began_s=0.0, ended_s=100.0)
    question = RunQuestion(seen=seen, measured=measured(), scenario=Scenario(), total=5)
    with pytest.raises(ValueError, match="must be 101 at least"):
        forecast_run(question, Catalog.open())


def test_a_command_that_goes_on_is_forecast_meanwhile_and_its_end_put_beside_that(script, capfd):
    words = script(SCRIPT.format(steps=150))
    options = ["--steps", "20", "--total-steps", "150", "--on", "rtx-4090", "--keep-going"]
    assert main(["forecast", *options, "--", *words]) == 0
    out = capfd.readouterr().out.splitlines()
    shown = [
        next(at for at, line in enumerate(out) if line.startswith(text))
        for text in ("whole run of 150 steps", "to the end", "actual: 150 steps in ")
    ]
    assert shown == sorted(shown)
    assert "than the forecast of" in out[shown[-1]]
    assert main(["forecast", *options, "--json", "--", *words]) == 0
    found = json.loads(capfd.readouterr().out.replace("to the end", ""))
    actual = found["actual"]
    assert actual["steps"] == 150
    assert actual["forecast_low_s"] < actual["forecast_mid_s"] < actual["forecast_high_s"]
    assert actual["forecast_high_s"] == found["wall_s"]["high"]


def test_the_actual_time_is_put_beside_the_forecast_that_was_shown(script, capfd):
    """Another interval, or that of a run whose length nobody knew, was never shown."""
    words = script(SCRIPT.format(steps=150))
    options = ["--steps", "20", "--on", "rtx-4090", "--keep-going"]
    assert main(["forecast", *options, "--total-steps", "150", "--", *words]) == 0
    out = capfd.readouterr().out
    shown = re.search(r"150 steps: (.*) \((.*), 80% interval", out)
    assert f"than the forecast of {shown[1]} ({shown[2]})" in out
    assert main(["forecast", *options, "--", *words]) == 0
    out = capfd.readouterr().out
    step = re.search(r"1,000 steps: ([\d.]+) s ", out)[1]
    assert re.search(rf"actual: 150 steps in .*, .* ms a step, .* forecast of {step} ms", out)
    assert main(["forecast", *options, "--json", "--", *words]) == 0
    found = json.loads(capfd.readouterr().out.replace("to the end", ""))
    assert found["actual"].keys() == {"steps", "wall_s"}


@pytest.mark.parametrize(
    ("words", "total"),
    [
        ("--steps 3000", ("--steps", 3000)),
        ("--max_steps=3000 --lr 1", ("--max_steps", 3000)),
        ("--steps 3000 --max-iters 3000", ("--max-iters", 3000)),
        ("--steps 30 --max-iters 3000", None),
        *((f"--max_steps {value}", None) for value in ("-1", "1e3", "many", "1")),
        ("--steps", None),
        ("--steps-per-eval 20", None),
    ],
)
def test_an_option_of_the_command_gives_the_number_of_steps(words, total):
    assert total_in(["python", "train.py", *words.split()]) == total


def test_the_number_of_steps_of_the_command_is_used_and_its_source_named(script, capsys):
    words = [*script(SCRIPT.format(steps=100_000)), "--steps", "3000"]
    options = ["--steps", "40", "--on", "rtx-4090"]
    assert main(["forecast", *options, "--", *words]) == 0
    shown = capsys.readouterr()
    assert "whole run of 3,000 steps: " in shown.out
    assert "note: 3,000 steps, from --steps of the command; --total-steps overrides" in shown.err
    assert main(["forecast", *options, "--total-steps", "5000", "--", *words]) == 0
    shown = capsys.readouterr()
    assert "whole run of 5,000 steps: " in shown.out and "of the command" not in shown.err
    assert main(["forecast", *options, "--", *words[:-1], "5"]) == 0
    assert render(TOTAL_UNKNOWN, option_of) in capsys.readouterr().out, "it took more already"


def test_without_a_total_a_thousand_steps_are_forecast():
    seen = Stamped(times_s=(0.01,) * 5000, began_s=0.0, ended_s=50.0)
    counter = Energy(component="cpu", meter="m", trust="counter", energy_j=6e3, duration_s=60.0)
    scenario = Scenario(price=3.6, step_flop=1e12, precision="bf16", pue=1.0, site="fr")
    question = RunQuestion(
        seen=seen, measured=measured(counter), scenario=scenario, on=["rtx-4090"]
    )
    found = forecast_run(question, Catalog.open())
    assert (found.total_steps, found.wall_s) == (None, None)
    assert found.left_s.mid == pytest.approx(10.0, rel=0.01)
    assert found.left_s.low < found.left_s.mid < found.left_s.high
    plain = found.as_plain()
    assert not plain.keys() & {"left_s", "wall_s", "energy_kwh", "elsewhere"}, "of no whole run"
    ahead = plain["per_1000_steps"]
    assert ahead["time_s"]["mid"] == found.left_s.mid
    assert ahead["energy_kwh"]["mid"] == pytest.approx(100.0 * 10.0 / 3.6e6, rel=0.01)
    assert ahead["rental_usd"]["mid"] == pytest.approx(0.01, rel=0.01)
    assert ahead["co2e_kg"]["mid"] > 0
    (other,) = ahead["elsewhere"]
    whole = forecast_run(replace(question, total=10**8), Catalog.open()).elsewhere[0]
    assert whole.time_s.mid == pytest.approx(1e5 * other["time_s"]["mid"], rel=0.1), "no start-up"


def test_what_slowed_a_run_that_is_over_does_not_continue():
    seen = Stamped(times_s=(1.0,) * 99, began_s=0.0, ended_s=99.0)
    timing = Timing(what="training", component="cpu", time_s=1.0, repetitions=98)
    condition = Condition(component="cpu", busy=1.0, others=0.5)
    run = replace(measured(), timings=(timing,), conditions=(condition,))

    def codes(total):
        question = RunQuestion(seen=seen, measured=run, scenario=Scenario(), total=total, on=[])
        return {one.code for one in forecast_run(question, Catalog.open()).notices}

    assert codes(1000) - codes(100) == {"forecast_disturbed"}


@pytest.mark.parametrize("output", [(), ("--json",)])
def test_a_command_that_fails_after_the_watch_is_a_failed_run(output, script, capfd):
    words = script(SCRIPT.format(steps=60).replace('print("to the end")', "sys.exit(7)"))
    options = ["--steps", "20", "--total-steps", "150", "--on", "rtx-4090", "--keep-going"]
    assert main(["forecast", *options, *output, "--", *words]) == 7
    shown = capfd.readouterr()
    assert "actual" not in shown.out
    assert shown.err.splitlines()[-1] == "note: the command ended with exit code 7 after 60 steps"
    (run,) = read_runs()[0]
    assert (run.state, run.exit_code) == ("failed", 7)
    assert run.timings[0].flop == 2e9


@pytest.mark.parametrize("words", [["--batch-size", "32"], ["--batch_size=32"], ["--bs", "32"]])
def test_another_batch_is_tried_by_the_option_of_the_command(words):
    changed, before = with_option(["python", "train.py", *words, "--lr", "1"], "batch", "64")
    assert before == "32"
    assert "64" in " ".join(changed) and "32" not in " ".join(changed)
    for name, value in (("precision", "bf16"), ("batch", "")):
        with pytest.raises(ValueError, match=r"--precision or --dtype|NAME=VALUE"):
            with_option(["python", "train.py", *words], name, value)


def test_an_option_to_try_must_stand_in_the_command_even_with_a_default(script, capsys):
    words = script("raise SystemExit('it ran')")
    assert main(["forecast", "--try", "batch=64", "--", *words]) == 1
    assert capsys.readouterr().err == (
        "error: --try batch replaces a value on the command line, which has no --batch-size or "
        "--batch: add the option to the command with its current value, even if that is the "
        "default of the script\n"
    )


def test_a_step_with_another_option_is_compared(script, capsys):
    text = SCRIPT.format(steps=100_000).replace(
        "time.sleep(0.01)", "time.sleep(1e-4 * float(sys.argv[-1]))"
    )
    words = [*script(text), "--batch-size", "100"]
    options = ["--steps", "15", "--quiet", "--json", "--try", "batch=300"]
    assert main(["forecast", *options, "--", *words]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["step_ratio"] > 1.2, "three times, were it not for others on the machine"
    assert found["time_ratio"] == pytest.approx(found["step_ratio"] / 3.0)


def test_optimizers_memory_and_prices_are_in_the_forecast():
    lines = "".join(f"o {at}.0 7\n" for at in range(9))
    lines += (
        'optimizers [["Adam", 9], ["SGD", 3]]\nmemory {"peak": 5e9, "held": 1e9, "limit": 1e10}\n'
    )
    seen = read_stamps(lines)
    counter = Energy(component="cpu", meter="m", trust="counter", energy_j=6e3, duration_s=60.0)
    scenario = Scenario(price=3.6, electricity_price=0.5, pue=1.0, step_flop=1e9)
    question = RunQuestion(
        seen=seen, measured=measured(counter), scenario=scenario, total=3601, on=[]
    )
    found = forecast_run(question, Catalog.open())
    assert found.optimizer == "Adam"
    assert found.larger_batch == pytest.approx((0.9 * 1e10 - 1e9) / 4e9)
    assert found.rental_usd.mid == pytest.approx(3.6, rel=0.01)
    assert found.energy_kwh.mid == pytest.approx(0.1, rel=0.01)
    assert found.cost_usd.mid == pytest.approx(0.05, rel=0.01)
    assert any(message(one).startswith("9 steps of Adam counted") for one in found.notices)


def test_modelled_power_becomes_no_energy_unless_asked():
    seen = Stamped(times_s=(1.0,) * 9, began_s=0.0, ended_s=9.0)
    guess = Energy(component="cpu", meter="m", trust="modelled", energy_j=480.0, duration_s=60.0)
    question = RunQuestion(
        seen=seen, measured=measured(guess), scenario=Scenario(), total=99, on=[]
    )
    found = forecast_run(question, Catalog.open())
    assert (found.energy_kwh, found.cost_usd, found.co2e_kg) == (None, None, None)
    assert found.modelled_power_w == pytest.approx(8.0)
    asked = forecast_run(replace(question, use_modelled=True), Catalog.open())
    assert asked.energy_kwh.mid > 0 and asked.co2e_kg.mid > 0
