"""Measured runs on the command line: looked at, shared, dropped, and a stranger's file checked."""

import csv
import dataclasses
import io
import os
import pty
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimator.calibration.correction import Known, known_runs
from estimator.calibration.devices import device_figures, reports_of
from estimator.calibration.measured_utilization import Measured
from estimator.catalog import Catalog, ProfileError
from estimator.catalog.checks import problems, sound
from estimator.catalog.measured_profiles import keep_profile, kept_profiles, kept_sources
from estimator.catalog.profile_folders import measured_directory
from estimator.catalog.shared_runs import (
    LARGEST,
    LARGEST_NUMBER,
    NAME,
    RUN_NAME,
    overlay_text,
    read_overlay,
)
from estimator.measure.host_id import host_id
from estimator.runs import open_store, read_runs
from estimator.runs.record import Energy, Host, MeasuredDevice, MeasuredRun, Timing
from estimator.web.calibrate.before_after import expected_cells
from tests.in_process import answer, refusal, run

HOST = Host(id="h1", cpu="Some CPU", cores=8, system="Linux", software={"python": "3.11"})
H100 = MeasuredDevice(key="gpu:0", kind="gpu", name="NVIDIA H100 80GB HBM3", hardware="h100-sxm")
BF16_PEAK = 989.4e12


@pytest.fixture
def data(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(folder))
    return folder


def calibrate(*arguments, text_in=None):
    return run("calibrate", *arguments, text_in=text_in)


def shown_rows(*arguments):
    """Rows of a table of `calibrate show`."""
    return list(csv.DictReader(io.StringIO(calibrate("show", *arguments, "--csv").stdout)))


def trained(share, precision="bf16", power_w=600.0, **other):
    values = {
        "what": "training",
        "component": "gpu:0",
        "precision": precision,
        "kind": "language",
        "flop": 1e15,
        "time_s": 1e15 / (BF16_PEAK * share),
        "repetitions": 20,
        "power_w": power_w,
        "trust": "counter",
    }
    return Timing(**{**values, **other})


def measured(run_id, *timings, **other):
    values = {
        "id": run_id,
        "origin": "run",
        "started": "2026-11-01T10:00:00Z",
        "wall_s": 3600.0,
        "state": "finished",
        "host": HOST,
        "devices": (H100,),
        "timings": timings,
    }
    return MeasuredRun(**{**values, **other})


def stored(*runs):
    with open_store() as store:
        assert store.add_all(runs) == len(runs)


def test_nothing_measured_is_no_error_and_makes_no_folder(data):
    assert calibrate("show").stdout == "Nothing measured yet.\n"
    assert answer("calibrate", "show") == {"devices": [], "runs": []}
    assert "no measured run matches" in refusal("calibrate", "export")
    assert "no measured runs to forget" in refusal("calibrate", "forget", "--all", "--yes")
    assert not data.exists()


def test_a_data_folder_that_cannot_be_read_or_made_is_an_error(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.touch()
    for folder in (file, file / "deeper", Path("/proc/nothing")):
        monkeypatch.setenv("TWENTY_WATTS_DATA", str(folder))
        for more in ((), ("--json",), ("--runs",)):
            line = refusal("calibrate", "show", *more)
            assert line.startswith(f"error: {folder}: no folder for the measured runs can be read")
    assert list(tmp_path.iterdir()) == [file]


def test_show_lists_devices_as_the_interface_says(data):
    idle = Timing(
        what="idle", component="gpu:0", time_s=10.0, repetitions=1, power_w=70.0, trust="sampled"
    )
    stored(
        measured("a", trained(0.3), trained(0.5), idle),
        measured("b", trained(0.4, power_w=650.0), started="2026-11-02T10:00:00Z"),
        measured("c", trained(0.9, power_w=99.0, trust="modelled"), simulated=True),
    )
    specified = answer("calibrate", "show")
    device, stub = specified["devices"]
    assert device["hardware"] == "h100-sxm"
    assert device["utilization_measured"] == pytest.approx({"low": 0.3, "mid": 0.4, "high": 0.5})
    assert device["utilization_of"] == "decoder, bf16"
    now, before = device["utilization"], device["utilization_before"]
    assert now["low"] < now["mid"] < now["high"]
    assert now["high"] / now["low"] < before["high"] / before["low"]
    assert abs(now["mid"] - 0.4) < abs(before["mid"] - 0.4)
    assert device["power_w"] == {"low": 600.0, "mid": 600.0, "high": 650.0}
    assert device["idle_w"] == {"low": 70.0, "mid": 70.0, "high": 70.0}
    assert (device["runs"], device["newest"]) == (2, "2026-11-02T10:00:00Z")
    assert device["age_days"] >= 0
    (work,) = device["work"]
    assert (work["precision"], work["kind"], work["runs"]) == ("bf16", "language", 2)
    assert work["utilization"] == device["utilization_measured"]
    assert stub["simulated"]
    assert "utilization" not in stub, "a stub teaches nothing of a device"
    assert "power_w" not in stub, "a modelled power is no measured one"
    assert [run["id"] for run in specified["runs"]] == ["b", "c", "a"], "newest first"
    for row in shown_rows():
        assert row["hardware"] == "h100-sxm"
        low, high = row["utilization_measured_low"], row["utilization_measured_high"]
        assert float(low) <= float(high)
        assert bool(row["utilization_low"]) is (row["simulated"] == "False")


def test_show_says_it_for_people_and_filters(data):
    energy = Energy(
        component="gpu:0", meter="nvml", trust="counter", energy_j=2.16e6, duration_s=3600.0
    )
    a100 = dataclasses.replace(H100, name="NVIDIA A100", hardware="a100-sxm-80")
    stored(
        measured("a", trained(0.4), energy=(energy,)),
        measured("b", devices=(a100,), label="old"),
    )
    specified = calibrate("show").stdout
    assert "40%" in specified
    assert "600 Wh" in specified
    assert "a100-sxm-80" in specified
    assert "a100-sxm-80" not in calibrate("show", "--hardware", "H100").stdout
    rows = shown_rows("--runs")
    assert [row["id"] for row in rows] == ["b", "a"]
    assert [row["energy_kwh_gpu:0"] for row in rows] == ["", "0.6"]
    assert "Nothing measured yet on v100" in calibrate("show", "--hardware", "v100").stdout
    assert "unknown hardware 'nope'" in refusal("calibrate", "show", "--hardware", "nope")


def test_the_name_of_a_device_is_broken_only_where_it_is_long(data):
    timing = trained(0.3, component="cpu", precision="fp32", power_w=None, trust=None)

    def shown(run_id, name):
        cpu = MeasuredDevice(key="cpu", kind="cpu", name="Some CPU", hardware=name)
        stored(measured(run_id, timing, devices=(cpu,)))
        return calibrate("show").stdout

    name = "intel-xeon-processor-2-cores-1a4e"
    found = shown("a", name)
    assert found.count(name) == 1, "the other tables do not repeat the only device"
    assert "expected" not in found and "power" not in found and "energy" not in found
    assert name in calibrate("show", "--runs").stdout
    long = shown("b", "-".join(f"board-of-a-cluster-{number}" for number in range(9)))
    assert "finished" in long and "training" in long
    assert all(len(line) <= 120 for line in long.splitlines())


def test_show_says_which_runs_correct_no_estimate_for_want_of_a_peak(data):
    stored(measured("a", trained(0.3)))
    assert "peak" not in calibrate("show").stderr
    cpu = MeasuredDevice(key="cpu", kind="cpu", name="Some CPU", hardware="some-cpu-1a2b")
    timing = trained(0.3, component="cpu", precision="fp32", power_w=None, trust=None)
    stored(measured("b", timing, devices=(cpu,)))
    (line,) = calibrate("show").stderr.splitlines()
    assert line.startswith("note: some-cpu-1a2b: no fp32 peak on record")
    assert "calibrate bench" in line


SMALL = {"time_s": 1e12 / (BF16_PEAK * 0.1), "flop": 1e12}
CORE_I9 = MeasuredDevice(key="cpu", kind="cpu", name="i9-13900K", hardware="core-i9-13900k")
ON_CPU = {"component": "cpu", "precision": "fp32", "flop": 1e10, "time_s": 0.05}


@pytest.mark.parametrize(
    ("board", "steps", "work"),
    [(H100, SMALL, "1e20"), (CORE_I9, ON_CPU, str(0.3 * 3600 * 1.33e12))],
)
def test_show_and_the_page_say_what_estimate_answers(board, steps, work, data):
    """On a processor for an hour: the 1e20 FLOP of a published run would take years."""
    timings = [trained(0.1, **steps, label=f"small {at}") for at in range(4)]
    stored(measured("a", *timings, devices=(board,)))
    (device,) = answer("calibrate", "show")["devices"]
    precision = timings[0].precision
    question = ["--flop", work, "--kind", "language", "--arch", "dense decoder"]
    question += ["--precision", precision, "--hardware", board.hardware]
    catalog = Catalog.open()
    on_page = expected_cells(known_runs(catalog), catalog.device(board.hardware), precision)
    (decoder,) = (one for one in on_page if one.group == "decoder")
    for name, drawn, more in (
        ("utilization", decoder.now, ()),
        ("utilization_before", decoder.before, ("--calibration", "ignore")),
    ):
        expected = answer("estimate", *question, *more)["results"]["utilization"]
        same = {bound: expected[bound] for bound in ("low", "mid", "high")}
        assert device[name] == pytest.approx(same, rel=1e-9)
        low, high = drawn.interval()
        assert (low, drawn.mid, high) == pytest.approx(tuple(same.values()), rel=1e-9)
    assert device["utilization_of"] == f"decoder, {precision}"
    assert device["utilization_flop"] == pytest.approx(float(work))


def test_the_machine_that_was_measured_is_the_default(data):
    question = ["estimate", "--flop", "1e20", "--precision", "bf16"]
    for words in (question, [*question, "--hardware", "here"]):
        refusal(*words)
    host = dataclasses.replace(HOST, id=host_id())
    stored(
        measured("a", trained(0.4), host=host),
        measured("b", trained(0.4, component="cpu"), started="2026-11-09T10:00:00Z"),
    )
    here = answer(*question, "--hardware", "here")
    assert here["inputs"]["hardware"] == "h100-sxm"
    assert answer(*question)["results"] == here["results"]
    assert "using h100-sxm, measured on this machine" in run(*question).stderr
    preset = answer("estimate --preset gpt-3")
    assert preset["inputs"]["hardware"].startswith("v100")


def test_two_thousand_runs_are_shown_by_the_page(data):
    runs = [
        measured(f"r{at:04}", started=f"2026-{1 + at // 250:02}-01T{at % 24:02}:{at % 60:02}:00Z")
        for at in range(2000)
    ]
    newest = [one.id for one in sorted(runs, key=lambda one: (one.started, one.id))][::-1]
    stored(*runs)
    done = calibrate("show", "--runs")
    lines = done.stdout.splitlines()
    assert len(lines) < 40
    assert newest[0] in lines[3], lines[:4]
    assert "1,970 older runs are not listed: --most 2000" in done.stderr
    assert [row["id"] for row in shown_rows("--runs", "--most", "3")] == newest[:3]
    assert len(answer("calibrate", "show", "--runs")["runs"]) == 2000
    assert calibrate("show", "--runs", "--most", "1e30", "--csv").stdout.count("\n") == 2001
    assert "most must be" in refusal("calibrate", "show", "--most", "0")
    assert "most must be" in refusal("calibrate", "show", "--most", "1.5")


def test_energy_that_is_modelled_is_never_shown_as_measured(data):
    specified = {"duration_s": 3600.0, "energy_j": 2.16e6}
    energy = (
        Energy(component="gpu:0", meter="nvml counter", trust="counter", coverage=0.5, **specified),
        Energy(component="dram", meter="codecarbon", trust="modelled", **specified),
    )
    stored(measured("20261101T100000Z-7f3a9c01", energy=energy, label="a long name " * 9))
    shown = calibrate("show", "--runs").stdout
    assert "20261101T100000Z-7f3a9c01" in shown, "an id is for copying"
    assert shown.count("modelled") == 1
    (run,) = answer("calibrate", "show")["runs"]
    assert run["meters"]["gpu:0"] == {"meter": "nvml counter", "trust": "counter", "coverage": 0.5}
    assert run["meters"]["dram"]["trust"] == "modelled"
    (row,) = shown_rows("--runs")
    assert (row["trust_gpu:0"], row["trust_dram"]) == ("counter", "modelled")


def test_a_label_of_a_stranger_does_not_steer_the_terminal(data):
    stored(measured("a", label="\x1b[31mred\x07"))
    specified = calibrate("show").stdout
    assert "red" in specified
    assert "\x1b" not in specified and "\x07" not in specified


def reported(runs, now=None):
    """Report devices from these runs alone, which the fit rests on, too."""
    catalog = Catalog.open()
    known = Known(catalog, Measured(given=tuple(runs)))
    return reports_of(device_figures(runs, catalog), known, now=now)


def test_an_age_is_reported_against_now():
    now = datetime(2026, 11, 1, 10, tzinfo=UTC) + timedelta(days=3)
    (report,) = reported([measured("a", trained(0.4))], now)
    assert report.age_days == 3.0


def test_a_device_without_a_profile_or_a_format_without_a_peak_has_no_utilization():
    unknown = dataclasses.replace(H100, hardware=None, name="Strange Card 9")
    strange, known = reported(
        [
            measured("a", trained(0.4), devices=(unknown,)),
            measured("b", trained(0.4, precision="fp4")),
        ]
    )
    assert (strange.measured.hardware, strange.measured.utilization) == ("Strange Card 9", None)
    assert (known.measured.hardware, known.measured.utilization) == ("h100-sxm", None)
    assert known.measured.power_w.mid == 600.0


def test_export_and_import_bring_every_run_and_nothing_twice(data, tmp_path, monkeypatch):
    runs = [measured("a", trained(0.3)), measured("b", label="größer"), measured("c")]
    stored(*runs)
    with open_store() as store:
        store.begin(measured("d", state="running"))
    file = tmp_path / "shared.toml"
    done = calibrate("export", "-o", file)
    assert (done.returncode, done.stdout) == (0, "")
    assert "3 runs exported; 1 left out: still running" in done.stderr
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    assert content["format"] == 1
    assert content["product"].startswith("twenty-watts ")
    assert content["runs"][0]["host"]["cpu"] == "Some CPU"
    assert calibrate("export", "--hardware", "h100").stdout.count("[[runs]]") == 3
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path / "other"))
    stored(runs[1])
    summary = answer("calibrate", "import", file)
    assert summary == {"added": 2, "duplicates": 1, "profiles": [], "skipped": []}
    assert {run.id: run for run in read_runs()[0]}["a"] == runs[0]
    assert "0 runs added, " in calibrate("import", file).stderr


def test_an_export_names_no_folder_of_its_user(data, tmp_path, monkeypatch):
    """A store that was full is named in the notes by its path, which holds a name of somebody."""
    monkeypatch.setenv("HOME", str(tmp_path / "home" / "alice"))
    notes = (f"{data}/runs.sqlite: no room", f"{tmp_path}/home/alice/x: gone", "gpu:0: a gap / two")
    stored(measured("a", notes=notes))
    text = calibrate("export").stdout
    assert "alice" not in text
    assert str(tmp_path) not in text
    (specified,) = tomllib.loads(text)["runs"]
    assert specified["notes"] == ["$TWENTY_WATTS_DATA/runs.sqlite: no room", "~/x: gone", notes[2]]
    calibrate("forget", "a", "--yes")
    calibrate("import", *data.glob("forgotten-*"))
    assert read_runs()[0][0].notes == notes, "what is brought back is what it was"


def test_forgotten_runs_come_back(data):
    runs = [measured("a", trained(0.3)), measured("b"), measured("c")]
    stored(*runs)
    assert "would delete 2 runs; confirm with --yes" in refusal("calibrate", "forget", "a", "b")
    assert "no run 'x'" in refusal("calibrate", "forget", "a", "x", "--yes")
    assert not list(data.glob("forgotten-*"))
    done = calibrate("forget", "a", "b", "--yes")
    assert done.returncode == 0
    assert "2 runs forgotten" in done.stderr
    assert [run.id for run in read_runs()[0]] == ["c"]
    (undo,) = data.glob("forgotten-*.toml")
    assert done.stderr.strip().endswith(f"calibrate import {undo}")
    calibrate("import", undo)
    assert read_runs()[0] == [runs[2], runs[0], runs[1]]
    assert calibrate("forget", "--hardware", "h100", "--yes").returncode == 0
    assert read_runs()[0] == []
    assert "no such run" in refusal("calibrate", "forget", "--all", "--yes")


def test_a_name_of_no_device_chooses_no_run_of_an_unknown_one(data):
    """A slip in --hardware must not drop what has no profile."""
    unknown = dataclasses.replace(H100, hardware=None, name="Strange Card 9")
    stored(measured("a", devices=(unknown,)))
    assert "no measured run" in refusal("calibrate", "export", "--hardware", "h1OO")
    assert "no such run" in refusal("calibrate", "forget", "--yes", "--hardware", "h1OO")
    assert [run.id for run in read_runs()[0]] == ["a"]
    assert calibrate("forget", "--hardware", "strange card 9", "--yes").returncode == 0


@pytest.mark.parametrize(("answer", "left"), [("y\n", []), ("\n", ["a"]), ("no\n", ["a"])])
def test_forget_asks_on_a_terminal(data, answer, left):
    stored(measured("a"))
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "estimator", "calibrate", "forget", "a"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.write(ours, answer.encode())
    _, err = process.communicate(timeout=60)
    os.close(ours), os.close(theirs)
    assert "Forget 1 run? [y/N]" in err
    assert process.returncode == (1 if left else 0)
    assert [run.id for run in read_runs()[0]] == left


RUN = """
[[runs]]
id = "a"
origin = "run"
started = "2026-11-01T10:00:00Z"
wall_s = 1.0
state = "finished"
[runs.host]
id = "h"
cpu = "c"
cores = 1
system = "s"
software = {}
"""
CARD = """
[hardware.my-card]
name = "My card"
vendor = "Me"
kind = "gpu-consumer"
[hardware.my-card.tdp_w]
value = 100
unit = "W"
basis = "measured"
source = "run:a"
"""
TIMING = """
[[runs.timings]]
what = "matrix"
component = "cpu"
time_s = 1.0
repetitions = 0
rejected = 3
"""
HOSTILE = {
    "": "format: missing",
    "format = 1\nformat = 2": "TOML",
    "format = 2": "format: must be 1 to 1, got 2",
    "format = true": "format: must be 1",
    "format = 1\nmood = 1": "mood: unknown key",
    "format = 1\nruns = 3": "runs: must be a list",
    "format = 1\nruns = [3]": "runs[0]: must be a table",
    "format = 1" + RUN + "[[runs]]": "runs[1].id: missing",
    "format = 1" + RUN + RUN: "runs[1].id: 'a' is in this file twice",
    "format = 1" + RUN.replace("wall_s = 1.0", "wall_s = nan"): "runs[0].wall_s: must be a number",
    "format = 1" + RUN.replace("wall_s = 1.0", "wall_s = -1"): "runs[0].wall_s: must not be neg",
    "format = 1" + RUN.replace("wall_s = 1.0", f"wall_s = 1{'0' * 400}"): "wall_s: must be a num",
    "format = 1" + RUN.replace("wall_s = 1.0", f"wall_s = 0x{'f' * 9999}"): "runs[0]",
    "format = 1" + RUN.replace("wall_s = 1.0", f"wall_s = 1{'0' * 9999}"): "TOML",
    "format = 1" + RUN.replace("cores = 1", "cores = 0"): "runs[0].host.cores: must be positive",
    "format = 1" + RUN.replace("cores = 1", "cores = 1\nowner = 'me'"): "host.owner: unknown key",
    "format = 1" + RUN.replace('"finished"', '"running"'): "runs[0].state: must be a finished run",
    "format = 1" + RUN.replace('"finished"', "{a = 1}"): "runs[0].state: must be one of",
    "format = 1" + RUN.replace('id = "a"', 'id = "../a"'): "runs[0].id: must be up to 100 letters",
    "format = 1" + RUN.replace("2026-11", "yesterday"): "runs[0].started: must be a time",
    "format = 1" + RUN.replace('"run"', f'"{"x" * 10_000}"'): "runs[0].origin",
    "format = 1" + RUN + TIMING.replace("= 0", "= -1"): "repetitions: must not be negative",
    "format = 1" + RUN + TIMING.replace("time_s = 1.0", "time_s = 5e-324"): "time_s: must be posi",
    "format = 1" + RUN + TIMING.replace("= 3", "= 0"): "repetitions: must be positive where none",
    "format = 1"
    + RUN
    + TIMING.replace("= 3", "= 10000000000000"): "rejected: must be at most 1e+12",
    "format = 1"
    + RUN.replace(
        '"run"', f'"run"\nlabel = "{"x" * 5_000}"'
    ): "label: must be at most 2000 letters",
    "format = 1\nnote = " + "[" * 5000: "TOML",
    "format = 1" + RUN + CARD.replace("my-card", "'../../evil'"): "hardware.../../evil: odd id",
    "format = 1" + RUN + CARD.replace("run:a", "run:b"): "my-card.tdp_w.source: unknown source",
    "format = 1" + RUN + CARD.replace("100", "1e99"): "outside",
    "format = 1" + RUN + CARD.replace("tdp_w", "tdp_kw"): "tdp_kw: unknown key",
    "format = 1" + RUN + CARD + "[sources]\nmine = 3": "sources.mine",
    "format = 1" + RUN + CARD + "[sources.mine]\nlink = 3": "sources.mine.link: unknown key",
}


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_file_that_is_not_sound_is_one_line_by_key_and_nothing_of_it_is_taken(text, tmp_path):
    file = tmp_path / "theirs.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ProfileError) as refused:
        read_overlay(file)
    line = str(refused.value)
    assert line.startswith(f"{file}: ")
    assert HOSTILE[text] in line
    assert "\n" not in line and len(line) < 1000


def test_a_device_without_a_name_is_shown(data, tmp_path):
    file = tmp_path / "unnamed.toml"
    device = '[[runs.devices]]\nkey = "cpu"\nkind = "cpu"\nname = ""\n'
    file.write_text("format = 1" + RUN + device, encoding="utf-8")
    calibrate("import", str(file))
    assert "unnamed" in calibrate("show").stdout
    assert answer("calibrate", "show")["devices"][0]["hardware"] == "unnamed"


def test_a_device_that_never_ends_is_no_file():
    with pytest.raises(ProfileError, match="not a regular file"):
        read_overlay(Path("/dev/zero"))


def test_a_timing_whose_repetitions_were_all_disturbed_travels_like_any_other(tmp_path):
    file = tmp_path / "busy.toml"
    file.write_text("format = 1" + RUN + TIMING, encoding="utf-8")
    (run,) = read_overlay(file).runs
    assert (run.timings[0].repetitions, run.timings[0].rejected) == (0, 3)
    again = tmp_path / "again.toml"
    again.write_text(overlay_text([run]), encoding="utf-8")
    assert read_overlay(again).runs == (run,)


def test_a_file_that_is_not_sound_is_not_imported(data, tmp_path):
    file = tmp_path / "theirs.toml"
    file.write_text("format = 1" + RUN + RUN, encoding="utf-8")
    assert "is in this file twice" in refusal("calibrate", "import", file)
    assert "cannot be read" in refusal("calibrate", "import", tmp_path)
    file.write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in refusal("calibrate", "import", file)
    assert not data.exists()


PROFILE = {
    "name": "Some CPU, 8 cores",
    "vendor": "Some",
    "kind": "cpu",
    "aliases": ["some cpu"],
    "peak_flop_per_s": {
        "fp32": {"value": 3e11, "unit": "FLOP/s", "basis": "measured", "source": "measured-h1"}
    },
    "idle_w": {"value": 9.5, "unit": "W", "basis": "measured", "source": "run:a"},
}
SOURCES = {
    "measured-h1": {
        "title": "Benchmark of a host",
        "publisher": "me",
        "date": "2026-11-01",
        "licence": "CC0",
    }
}


def test_a_measured_profile_lies_over_ours_and_under_the_users(data, tmp_path, monkeypatch):
    assert len(Catalog.open().layers) == 1, "a folder that does not exist changes nothing"
    path = keep_profile("some-cpu-8-cores", PROFILE, SOURCES)
    assert path.parent.parent == measured_directory() == data / "profiles"
    catalog = Catalog.open()
    assert sound(catalog).device("Some CPU").peaks["fp32"].value == 3e11
    assert [str(problem) for problem in problems(catalog)] == []
    assert len(catalog.devices()) > 100
    own = tmp_path / "own"
    (own / "hardware").mkdir(parents=True)
    (own / "hardware" / "some-cpu-8-cores.toml").write_text(
        '[idle_w]\nvalue = 5\nunit = "W"\nbasis = "measured"\nsource = "run:z"\n'
    )
    assert Catalog.open(own).device("some cpu").records["idle_w"].value == 5
    keep_profile("some-cpu-8-cores", {**PROFILE, "note": "again"}, SOURCES)
    assert Catalog.open().device("some cpu").note == "again"
    assert sorted(file.name for file in path.parent.iterdir()) == ["some-cpu-8-cores.toml"]


def test_of_profiles_that_are_written_at_once_none_loses_its_source_or_a_peak(data):
    """Each renews the file of sources, and adds to the one profile what it measured."""

    def keep(number):
        entry = {**SOURCES[next(iter(SOURCES))], "title": f"run {number}"}
        keep_profile(
            "some-cpu",
            {**PROFILE, "aliases": [f"name {number}"]},
            {**SOURCES, f"run:{number}": entry},
            lambda fresh, before: {
                **fresh,
                "aliases": fresh["aliases"] + before.get("aliases", []),
            },
        )

    threads = [threading.Thread(target=keep, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {f"run:{number}" for number in range(8)} <= set(kept_sources())
    assert len(kept_profiles()["some-cpu"]["aliases"]) == 8


def test_a_number_that_names_a_measured_run_is_shown_with_it(data):
    idle = {**PROFILE["idle_w"], "source": "run:20261101T100000Z-00c0ffee"}
    keep_profile("some-cpu", {**PROFILE, "idle_w": idle}, SOURCES)
    shown = run("profiles", "show", "some-cpu", "--csv")
    rows = {row["number"]: row for row in csv.DictReader(io.StringIO(shown.stdout))}
    assert rows["idle_w"]["source"] == "measured run 20261101T100000Z-00c0ffee"
    assert rows["idle_w"]["date"] == "2026-11-01"


def test_a_profile_that_would_not_be_read_back_is_not_written(data):
    with pytest.raises(ProfileError, match="unknown key"):
        keep_profile("some-cpu", {**PROFILE, "tdp_kw": PROFILE["idle_w"]}, SOURCES)
    assert not data.exists()


def test_a_measured_profile_travels_with_its_runs(data, tmp_path, monkeypatch):
    keep_profile("some-cpu-8-cores", PROFILE, SOURCES)
    keep_profile("unused-cpu", {**PROFILE, "name": "Unused", "aliases": []}, SOURCES)
    cpu = MeasuredDevice(key="cpu", kind="cpu", name="Some CPU", hardware="some-cpu-8-cores")
    stored(measured("a", devices=(cpu,)))
    file = tmp_path / "shared.toml"
    calibrate("export", "-o", file)
    overlay = read_overlay(file)
    assert list(overlay.hardware) == ["some-cpu-8-cores"]
    assert list(overlay.sources) == ["measured-h1"]
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path / "other"))
    assert answer("calibrate", "import", file) == {
        "added": 1,
        "duplicates": 0,
        "profiles": ["some-cpu-8-cores"],
        "skipped": [],
    }
    assert sound(Catalog.open()).device("some cpu").peaks["fp32"].value == 3e11
    again = answer("calibrate", "import", file)
    assert again["skipped"] == ["some-cpu-8-cores"]


def test_a_strangers_file_never_changes_a_shipped_device(data, tmp_path):
    file = tmp_path / "theirs.toml"
    card = CARD.replace("my-card", "h100-sxm").replace("My card", "NVIDIA H100 SXM5")
    file.write_text("format = 1" + RUN + card, encoding="utf-8")
    specified = answer("calibrate", "import", file)
    assert (specified["profiles"], specified["skipped"]) == ([], ["h100-sxm"])
    assert Catalog.open().device("h100-sxm").records["tdp_w"].value == 700


def calibrations(folder, **files):
    (folder / "calibrations").mkdir(parents=True)
    for name, text in files.items():
        (folder / "calibrations" / f"{name}.toml").write_text(text, encoding="utf-8")
    return Catalog.open(folder)


def test_measured_runs_among_the_profiles_are_read_with_their_file_and_checked(data, tmp_path):
    text = overlay_text([measured("a", trained(0.4)), measured("b")])
    catalog = calibrations(tmp_path / "sound", h100=text)
    shared = {one.run.id: one for one in catalog.calibrations()}
    assert shared["a"].run == measured("a", trained(0.4))
    assert shared["b"].source == "calibrations/h100.toml"
    assert problems(catalog) == []
    assert sound(catalog) is catalog


def test_measured_runs_that_do_not_fit_the_profiles_are_problems(data, tmp_path):
    runs = [
        measured("a", trained(0.4, precision="fp1")),
        measured("b", trained(0.4, component="gpu:7")),
        measured("c", started="2999-01-01T00:00:00Z"),
        measured("d", simulated=True),
        measured("e", devices=(dataclasses.replace(H100, hardware="h1000"),)),
    ]
    profile = overlay_text([measured("f")]) + CARD.replace("run:a", "run:f")
    catalog = calibrations(
        tmp_path / "odd", one=overlay_text(runs), two=overlay_text(runs[:1]), three=profile
    )
    found = [str(problem) for problem in problems(catalog)]
    for expected in (
        "unknown precision 'fp1'",
        "no device 'gpu:7'",
        "2999-01-01T00:00:00Z is in the future",
        "measured with a simulated device",
        "unknown device 'h1000'",
        "a profile; move it to hardware/my-card.toml",
        "is in calibrations/one.toml, too",
    ):
        assert sum(expected in problem for problem in found) >= 1, (expected, found)


def test_a_broken_file_of_measured_runs_is_refused_when_a_directory_is_opened(data, tmp_path):
    catalog = calibrations(tmp_path / "broken", one="format = 1" + RUN + RUN)
    with pytest.raises(ProfileError, match="twice"):
        sound(catalog)
    with pytest.raises(ProfileError, match="twice"):
        catalog.calibrations()
    assert ["twice" in str(problem) for problem in problems(catalog)] == [True]


WORDS = st.text(max_size=20)
AMOUNTS = st.floats(min_value=1e-300, max_value=LARGEST_NUMBER)
SHARES = st.floats(min_value=0, max_value=1)
BOUNDED = {
    name: SHARES
    for name in ("coverage", "busy", "memory_busy", "tensor_busy", "throttled", "others")
}
LIMITED = {
    name: st.floats(min_value=1e-300, max_value=LARGEST[name])
    for name in ("time_s", "duration_s", "wall_s", "operations", "traffic_bytes")
}
KNOWN = {
    **BOUNDED,
    **LIMITED,
    "id": st.from_regex(RUN_NAME, fullmatch=True),
    "started": st.datetimes(min_value=datetime(2000, 1, 1)).map(
        lambda moment: f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    ),
    "state": st.sampled_from(["finished", "failed", "interrupted"]),
    "software": st.dictionaries(WORDS, WORDS, max_size=3),
    "measured": st.dictionaries(
        WORDS.filter(lambda name: name not in LARGEST), AMOUNTS, max_size=3
    ),
    "exit_code": st.none() | st.integers(-255, 255),
}


def parts(shape):
    """Any sound value of a part of a run: of every optional field both with and without it."""
    fields = {}
    for item in dataclasses.fields(shape):
        hint = get_type_hints(shape)[item.name]
        value = KNOWN[item.name] if item.name in KNOWN else plain(hint)
        optional = item.default is None and item.name != "exit_code"
        fields[item.name] = st.none() | value if optional else value
    return st.builds(shape, **fields)


def plain(hint):
    choices = {float: AMOUNTS, int: st.integers(1, 10**6), str: WORDS, bool: st.booleans()}
    inner = [one for one in getattr(hint, "__args__", ()) if one is not type(None)]
    for kind, strategy in choices.items():
        if hint is kind or inner[:1] == [kind]:
            return st.lists(strategy, max_size=3).map(tuple) if "tuple" in str(hint) else strategy
    if inner and all(isinstance(one, str) for one in inner):
        return st.sampled_from(inner)
    if len(inner) == 1:
        return plain(inner[0])
    if "tuple" in str(hint):
        return st.lists(parts(inner[0]), max_size=2).map(tuple)
    return parts(hint)


def test_any_run_goes_to_toml_and_into_the_store_and_back_without_loss(tmp_path):
    """One store is enough for all: it is empty again after each try."""
    file = tmp_path / "shared.toml"

    @settings(max_examples=25)
    @given(st.lists(parts(MeasuredRun), max_size=3, unique_by=lambda run: run.id))
    def tried(runs):
        file.write_text(overlay_text(runs), encoding="utf-8")
        assert list(read_overlay(file).runs) == runs
        assert store.runs() == []
        try:
            assert store.add_all(runs) == len(runs)
            assert sorted(store.runs(), key=lambda run: run.id) == sorted(
                runs, key=lambda run: run.id
            )
        finally:
            store.forget([run.id for run in runs])

    with open_store(tmp_path / "runs.sqlite") as store:
        tried()


@given(st.text())
def test_any_text_is_runs_or_one_refusal(text):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "theirs.toml"
        file.write_text(f"format = 1\n{text}", encoding="utf-8", errors="replace", newline="")
        try:
            read_overlay(file)
        except ProfileError as error:
            assert str(error).startswith(f"{file}: ")


def test_a_letter_that_is_none_is_written_as_a_question_mark(tmp_path):
    file = tmp_path / "shared.toml"
    file.write_text(overlay_text([measured("a", label="caf\udce9")]), encoding="utf-8")
    assert read_overlay(file).runs[0].label == "caf?"


def test_ids_are_names_of_files():
    assert re.fullmatch(NAME, "intel-xeon-cpu-2-cores")
    assert not re.fullmatch(NAME, "../x")
    assert re.fullmatch(RUN_NAME, "20261121T050924Z-7f3a9c01")


def test_a_damaged_store_is_said_once(data):
    stored(measured("a", trained(0.3)))
    (data / "runs.sqlite").write_bytes(b"not a database" * 1000)
    assert calibrate("show").stderr.count("is damaged: it is kept as") == 1


def test_a_device_without_a_peak_is_noted_and_a_format_may_be_unknown(data):
    unknown = dataclasses.replace(H100, hardware=None, name="Strange Card 9")
    stored(
        measured("a", trained(0.3), devices=(unknown,)),
        measured("b", trained(0.3, precision=None), devices=(unknown,)),
    )
    assert "Strange Card 9: no bf16 peak on record" in calibrate("show").stderr


def test_runs_that_no_import_would_read_are_neither_exported_nor_forgotten(
    data, tmp_path, monkeypatch
):
    stored(*(measured(f"r{number}", trained(0.4)) for number in range(9)))
    file = tmp_path / "all.toml"
    assert calibrate("export", "-o", file).returncode == 0
    assert len(read_overlay(file).runs) == 9
    monkeypatch.setattr("estimator.catalog.toml_files.LARGEST_BYTES", file.stat().st_size - 1)
    for words in (("export", "-o", tmp_path / "more.toml"), ("forget", "--all", "--yes")):
        refused = calibrate(*words)
        assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
        assert "9 runs exceed the import limit of" in refused.stderr
    assert not (tmp_path / "more.toml").exists()
    assert len(read_runs()[0]) == 9
    with pytest.raises(ProfileError, match="larger than"):
        read_overlay(file)


def test_no_command_leaves_a_database_open(data, monkeypatch):
    """Python 3.13 warns of each one that is."""
    stored(measured("a", trained(0.3)))
    opened, connect = [], sqlite3.connect

    def connected(*words, **named):
        opened.append(connect(*words, **named))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", connected)
    assert calibrate("show").returncode == 0
    question = ("--flop", "1e15", "--kind", "language", "--hardware", "amd-epyc-2-cores")
    assert run("estimate", *question, "--precision", "fp32").returncode == 0
    assert len(opened) >= 2
    for database in opened:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            database.execute("SELECT 1")
