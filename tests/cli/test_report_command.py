"""`report`: documents on stdout, in a file, in a folder; and one line for what is wrong."""

import csv
import io
import json
import os
import re

import pytest

from tests.in_process import answer, refusal, run

RUN = ("--params", "7e9", "--tokens", "2e12", "--hardware", "h100", "--devices", "64")


def test_a_document_goes_to_stdout_and_several_into_a_folder(tmp_path):
    one = run("report", "--format", "annex-xi", *RUN)
    assert one.returncode == 0
    assert "| Amount of energy used for training |" in one.stdout
    folder = tmp_path / "reports"
    several = run("report", "--format", "paper,boamps", "--name", "Foo", "-o", str(folder), *RUN)
    assert several.returncode == 0, several.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["boamps.json", "paper.md"]
    assert json.loads((folder / "boamps.json").read_text())["task"]["taskStage"] == "training"


@pytest.mark.parametrize(("suffix", "begins"), [(".tex", r"\paragraph"), (".html", "<!DOCTYPE")])
def test_the_name_of_the_file_chooses_the_markup(tmp_path, suffix, begins):
    target = tmp_path / f"paper{suffix}"
    assert run("report", "--format", "paper", "-o", str(target), *RUN).returncode == 0
    assert target.read_text(encoding="utf-8").startswith(begins)


def fields_of(line, *more):
    return {row["key"]: row for row in answer(f"report {line}", *more)["fields"]}


def test_a_link_and_an_inference_setup_are_reported_too():
    linked = fields_of("--format sci --link ?v=1&flop=1e22&hardware=h100")
    assert linked["provider.flop"]["value"] > 0
    served = fields_of("--format sci --task serving --preset llama-3-8b --hardware h100")
    assert served["consumer.token"]["value"] > 0
    assert "reason" in served["provider.flop"]


SERVED = "--task serving --preset llama-3-8b --hardware h100 --site fr"


@pytest.mark.parametrize("name", ["annex-xi", "sci", "scope2", "paper", "boamps", "cyclonedx"])
def test_a_document_on_serving_says_nothing_about_training(name):
    reported = run("report", "--format", name, *SERVED.split())
    assert reported.returncode == 0, reported.stderr
    assert "Training ran" not in reported.stdout


def test_the_training_fields_of_annex_xi_are_open_for_a_model_that_is_served():
    fields = fields_of(f"--format annex-xi {SERVED}")
    about = {key for key, one in fields.items() if one.get("value") is not None}
    assert about == {"model", "2e.inference", "2e.inference.method"}


def test_what_is_assumed_of_a_service_is_not_reported_as_given():
    assert fields_of(f"--format sci {SERVED}")["pue"]["basis"] == "predicted"
    assert fields_of(f"--format sci {SERVED} --pue 1.1")["pue"]["basis"] == "given"


def test_annex_xi_counts_the_same_tokens_for_a_run_and_for_a_service():
    served = fields_of(f"--format annex-xi {SERVED}")["2e.inference"]["formula"]
    trained = fields_of("--format annex-xi", *RUN)["2e.inference"]["formula"]
    assert "× 100,000 tokens" in served and "× 100,000 tokens" in trained


def test_a_paper_states_the_energy_of_a_million_tokens():
    sentence = run("report", "--format", "paper", *SERVED.split()).stdout.splitlines()[2]
    assert sentence.startswith("Serving llama-3-8b on 1 × NVIDIA H100 SXM5 80GB takes ")
    assert " Wh (80% interval" in sentence and "per million output tokens" in sentence


def test_a_model_card_is_about_training():
    assert "is about training" in refusal(f"report --format model-card {SERVED}")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--format annex-11", "unknown format 'annex-11'"),
        ("--format ,", "is empty"),
        ("--format spdx", "no name of the model given; set --name"),
        ("--format sci,paper -o x.md", "is one file for 2 formats"),
        ("--format sci -o x.docx", "the name must end in"),
        ("--format sci --run none", "no run 'none' is stored"),
        ("--format sci --run a --link ?v=1", "use only one of them"),
        ("--format scope2 --contract-share 0.5", "--contract covers: give both"),
    ],
)
def test_what_is_wrong_is_one_line(words, says):
    assert says in refusal(f"report {words}", *RUN)


def test_a_timed_run_that_names_its_model_compares_with_other_devices():
    words = "compare --hardware a100,h100 --devices 64"
    timed = f"{words} --device-hours 184320 --energy-kwh 9e4"
    first, second = answer(f"{timed} --preset llama-2-7b")
    assert "timed on a100" in run(*timed.split(), "--preset", "llama-2-7b").stderr
    assert first["results"]["device_hours"]["mid"] == 184_320
    assert first["results"]["energy_kwh"]["mid"] == 9e4
    assert second["results"] == answer(f"{words} --preset llama-2-7b")[1]["results"]
    hours = [row["results"]["device_hours"]["mid"] for row in answer(timed)]
    assert hours == [184_320, 184_320]


def test_a_forecast_is_reported_as_calibrated(tmp_path):
    path = tmp_path / "forecast.json"
    spans = {
        "wall_s": {"low": 3.4e5, "mid": 3.6e5, "high": 3.8e5},
        "energy_kwh": {"low": 500.0, "mid": 550.0, "high": 605.0},
    }
    path.write_text(json.dumps(spans), encoding="utf-8")
    fields = fields_of("--format annex-xi --hardware h100 --devices 8 --forecast", path)
    assert fields["2e.energy"]["value"] == 0.55
    assert fields["2e.energy"]["high"] == pytest.approx(0.605)
    assert fields["2e.energy"]["basis"] == "calibrated"
    assert fields["2d.wall"]["value"] == pytest.approx(100 * 3600 / 86400)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{}", "the forecast lacks wall_s"),
        ('{"wall_s": {"mid": 10}, "energy_kwh": {}}', "its energy_kwh.mid is no positive number"),
        ('{"wall_s": {"mid": 10}, "energy_kwh": {"mid": 0, "high": 0}}', "energy_kwh.mid is no"),
        ('{"wall_s": {"mid": 10}, "energy_kwh": {"mid": 2, "high": 1}}', "is below its mid"),
        ('{"wall_s": {"mid": NaN}}', "its wall_s.mid is no positive number"),
        ('{"wall_s": {"mid": 1' + "0" * 400 + "}}", "its wall_s.mid is no positive number"),
        ("[" * 100_000, "not the JSON output of a forecast"),
    ],
)
def test_a_damaged_forecast_is_one_line(tmp_path, text, says):
    path = tmp_path / "forecast.json"
    path.write_text(text, encoding="utf-8")
    assert says in refusal("report --format sci --hardware h100 --forecast", path)


def test_a_forecast_is_read_up_to_a_size_and_without_waiting(tmp_path):
    words = ("report", "--format", "sci", "--hardware", "h100", "--forecast")
    assert "larger than" in run(*words, "/dev/zero").stderr
    os.mkfifo(tmp_path / "pipe")
    assert "not the JSON output of a forecast" in run(*words, tmp_path / "pipe").stderr


@pytest.mark.parametrize("preset", ["gpt-3", "llama-2-7b"])
def test_the_size_of_a_preset_is_on_record(preset):
    found = run("report", "--format", "boamps", "--preset", preset, "--csv")
    size = next(row for row in csv.DictReader(io.StringIO(found.stdout)) if "paramet" in row["key"])
    assert size["formula"] == "on record (published)"
    assert size["basis"] == "given"
    assert 6 < float(size["value"]) < 176


@pytest.mark.parametrize(
    ("changed", "mentioned"), [("", True), ("--params 7e9", False), ("--energy-kwh 1e6", False)]
)
def test_the_published_energy_of_a_preset_is_next_to_the_prediction(changed, mentioned):
    words = f"report --format annex-xi --preset gpt-3 --hardware v100 --devices 10000 {changed}"
    found = run(*words.split(), "--csv").stdout
    assert ("Published for this run: 1,287 MWh (patterson-2021)" in found) == mentioned


def test_a_name_is_no_markup(tmp_path):
    name = "a|b <script> [x](y) ~ 2^n\n\n# H\u202e"
    for suffix, holds in (
        (".md", r"| Model name | a\|b \<script> \[x](y) ~ 2^n  # H  |"),
        (".tex", r"[x](y) \textasciitilde{} 2\textasciicircum{}n  \# H  &"),
    ):
        target = tmp_path / f"it{suffix}"
        run("report", "--format", "annex-xi", "--name", name, "-o", str(target), *RUN)
        assert holds in target.read_text(encoding="utf-8")


def test_a_metered_energy_is_of_one_run_not_of_designs(tmp_path):
    space = tmp_path / "space.toml"
    space.write_text('hardware = ["h100", "a100"]\nflop = 1e21\nenergy_kwh = 5\n', encoding="utf-8")
    said = refusal("sweep", space, "-o", tmp_path / "out.csv")
    assert "unknown input 'energy_kwh'" in said
    assert run("plan", "--flop", "1e21", "--budget", "9", "--energy-kwh", "5").returncode == 2


def test_a_served_model_has_sources_and_units_that_people_read():
    table = run("report", "--format", "paper", *SERVED.split()).stdout
    rows = {line.split(" | ")[0].strip("| "): line for line in table.splitlines() if "|" in line}
    assert re.search(r"Wall time \| [\d.]+ minutes \| [\d.]+ to [\d.]+ minutes", rows["Wall time"])
    assert re.search(r"Energy \| [\d.]+ Wh \|", rows["Energy"])
    for name in ("Wall time", "Energy", "CO2e", "Water"):
        assert re.search(r"\| [a-z0-9-]+(, [a-z0-9-]+)* \(\d{4}", rows[name]), rows[name]
    slow = run("report", "--format", "paper", *SERVED.replace("h100", "t4").split()).stdout
    assert re.search(r"Wall time \| [1-9][\d.]* hours", slow)
    data = fields_of(f"--format paper {SERVED}")
    assert data["wall"]["unit"] == "day" and data["carbon"]["sources"] == ["ember-owid-yearly"]
    assert "serving-measurements-collection" in data["energy"]["sources"]
