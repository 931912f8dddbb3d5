"""`sweep` and `plan` as a stranger would use them."""

import csv
import io
import json
import re

import pytest

from estimator.cli import main

SPACE = """
params = "7B"
tokens = "140B"
hardware = ["h100", "a100"]
devices = { from = 8, to = 64, scale = "log2" }
site = ["us", "fr"]
"""

PLAN = ["plan", "--params", "7e9", "--tokens", "140e9", "--hardware", "h100,a100,v100"]
LIMITED = [*PLAN, "--devices", "8,64,256", "--site", "us,fr", "--deadline", "400"]


@pytest.fixture
def space(tmp_path):
    path = tmp_path / "space.toml"
    path.write_text(SPACE, encoding="utf-8")
    return path


def test_a_sweep_writes_every_design_and_says_so(space, tmp_path, capsys):
    out = tmp_path / "designs.csv"
    assert main(["sweep", str(space), "-o", str(out), "--pareto", "time,cost"]) == 0
    assert capsys.readouterr().out.startswith("16 designs: 16 in ")
    rows = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8"))))
    assert len(rows) == 16
    assert {row["pareto"] for row in rows} == {"true", "false"}
    assert {row["hardware"] for row in rows} == {"h100", "a100"}


def test_the_summary_of_a_sweep_is_json(space, tmp_path, capsys):
    out = tmp_path / "designs.parquet"
    assert main(["sweep", str(space), "-o", str(out), "--json", "--quiet"]) == 0
    reported = json.loads(capsys.readouterr().out)
    assert reported == {"output": str(out), "designs": 16, "rows": 16, "front": 0, "left_out": {}}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["-o", "designs.xlsx"], "must end in .parquet or .csv"),
        (["-o", "designs.csv", "--pareto", "fun"], "not of 'fun'"),
        (["-o", "designs.csv", "--interval", "2"], "interval must be between 0 and 1"),
        (["-o", "designs.csv", "--dask", "tcp://127.0.0.1:9"], "no Dask scheduler"),
    ],
)
def test_a_sweep_that_cannot_be_is_one_line(space, tmp_path, capsys, monkeypatch, words, reason):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("estimator.studies.search.cluster.PATIENCE_S", 0.2)
    assert main(["sweep", str(space), *words]) == 1
    reported = capsys.readouterr().err
    assert reported.startswith("error: ") and reason in reported and reported.count("\n") == 1
    assert list(tmp_path.glob("designs*")) == []


def test_a_space_that_cannot_be_read_is_one_line(tmp_path, capsys):
    path = tmp_path / "space.toml"
    path.write_text("hardwear = 3", encoding="utf-8")
    assert main(["sweep", str(path), "-o", str(tmp_path / "out.csv")]) == 1
    assert "space.toml: unknown input 'hardwear'" in capsys.readouterr().err


def test_a_plan_says_what_is_best_and_what_binds(capsys):
    assert main([*LIMITED, "--budget", "200000"]) == 0
    reported = capsys.readouterr()
    assert "all limits are met with" in reported.out.splitlines()[0]
    assert "twenty-watts app --open" in reported.out
    assert "18 designs examined" in reported.err


def test_a_plan_counts_its_devices_exactly(capsys):
    assert main(["plan", "--flop", "1e23", "--hardware", "h100", "--devices", "1024"]) == 0
    assert capsys.readouterr().out.startswith("1,024 × h100: ")


def test_a_plan_as_json_keeps_its_limits(capsys):
    assert main([*LIMITED, "--budget", "200000", "--json", "--quiet", "--confidence", "0.9"]) == 0
    reported = json.loads(capsys.readouterr().out)
    assert reported["plans"] and reported["nearest"] is None
    costs = [plan["results"]["cost_usd"]["mid"] for plan in reported["plans"]]
    assert costs == sorted(costs)
    for plan in reported["plans"]:
        assert plan["probability"] >= 0.9
        assert plan["results"]["wall_hours"]["mid"] <= 400
        assert plan["link"].startswith("?v=")


def test_where_no_plan_keeps_the_limits_the_nearest_is_reported(capsys):
    assert main([*LIMITED, "--budget", "100"]) == 0
    assert capsys.readouterr().out.startswith("No plan keeps all limits with 80%; the nearest")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--budget", "-5"], "must be positive"),
        (["--confidence", "1"], "confidence must be in (0, 1)"),
        (["--plans", "0"], "plans must be a whole number"),
        (["--site", ","], "--site names nothing"),
        (["--devices", "many"], "devices is not a number"),
    ],
)
def test_a_plan_that_cannot_be_is_one_line(capsys, words, reason):
    assert main([*PLAN, *words]) == 1
    reported = capsys.readouterr().err
    assert reported.startswith("error: ") and reason in reported and reported.count("\n") == 1


SERVED = ["plan", "--task", "serving", "--preset", "llama-3-8b", "--request-rate", "10"]
SERVED += ["--input-tokens", "500", "--output-tokens", "300", "--hardware", "h100,l40s"]
SERVED += ["--devices", "1,2,4"]


def test_a_plan_of_a_service_says_how_many_devices_and_what_binds(capsys):
    assert main([*SERVED, "--latency-goal", "0.02", "--budget", "9000", "--quiet"]) == 0
    reported = capsys.readouterr().out
    assert " in 30 days, " in reported and "all limits are met with" in reported
    assert "in flight" in reported and "× h100" in reported


def test_reasons_that_differ_by_their_numbers_alone_are_one(capsys):
    words = ["--task", "serving", "--preset", "llama-3-8b", "--request-rate", "200"]
    assert main(["plan", *words, "--hardware", "h100,t4,l4", "--devices", "1,2,16"]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "cannot serve:" in line]
    assert len(said) < 3
    assert any("--request-rate: 200 requests/s exceed" in one for one in said)
    assert any(one.endswith(", for example") for one in said)


def test_users_with_a_late_goal_are_planned_for(capsys):
    words = ["plan", "--task", "serving", "--preset", "qwen3-32b", "--users", "200"]
    words += ["--first-token-goal", "2", "--request-goal", "10", "--hardware", "h100,l40s"]
    assert main([*words, "--percentile", "90", "--json"]) == 0
    plans = json.loads(capsys.readouterr().out)["plans"]
    assert plans
    for plan in plans:
        results = plan["results"]
        assert results["time_to_first_token_p90_s"]["mid"] <= 2
        assert results["request_p90_s"]["mid"] <= 10
        assert {"request_p90_s", "time_to_first_token_p90_s"} < set(plan["limits_hold"])
        pause_s = 200 / plan["inputs"]["requests_per_s"] - results["request_s"]["mid"]
        assert pause_s == pytest.approx(30.0)
    assert main([*words, "--percentile", "90", "--verbose"]) == 0
    shown = capsys.readouterr()
    assert "assuming that users pause 30 s" in shown.err
    assert ", first token p90 " in shown.out and ", request p90 " in shown.out
    assert re.search(r"weights fit in \d devices?, \d+ meet the load and the limits", shown.out)
    assert main([*words, "--think-time", "60", "--verbose"]) == 0
    assert "users pause" not in capsys.readouterr().err


def test_a_plan_of_a_service_as_json_keeps_its_limits(capsys):
    words = ["--latency-goal", "0.03", "--carbon-cap", "900", "--days", "10", "--json"]
    assert main([*SERVED, *words]) == 0
    reported = json.loads(capsys.readouterr().out)
    assert reported["plans"] and reported["designs"] == 6
    for plan in reported["plans"]:
        assert plan["probability"] >= 0.8
        assert plan["results"]["inter_token_s"]["mid"] <= 0.03
        assert plan["results"]["co2e_kg"]["mid"] <= 900
        assert set(plan["limits_hold"]) == {"load", "inter_token_s", "co2e_kg"}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--deadline", "3"], "--deadline is for training"),
        (["--tokens", "1e9"], "--tokens is for training"),
        (["--latency-goal", "0"], "must be positive"),
        (["--days", "0"], "days must be positive"),
        (["--latency-goal", "soon"], "is not a number"),
    ],
)
def test_a_plan_of_a_service_that_cannot_be_is_one_line(capsys, words, reason):
    assert main([*SERVED, *words]) == 1
    found = capsys.readouterr()
    assert found.out == "" and reason in found.err and len(found.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("plan --params 7e9 --tokens 1e9 --request-rate 3", "--request-rate goes with --task serv"),
        ("compare --preset gpt-3 --concurrency 5", "--concurrency goes with --task serving"),
        ("compare --preset gpt-3 --draft-tokens 4", "--draft-tokens goes with --task serving"),
        ("compare --task serving --preset llama-3-8b --tokens 1e9", "--tokens is for training"),
    ],
)
def test_options_of_the_other_task_are_refused(words, reason, capsys):
    assert main(words.split()) == 1
    found = capsys.readouterr()
    assert found.out == "" and found.err.startswith(f"error: {reason}")


@pytest.mark.parametrize("command", [PLAN, SERVED, ["compare", *SERVED[1:]]])
def test_calibration_is_used_or_ignored(command, capsys):
    assert main([*command, "--calibration", "no"]) == 1
    error = capsys.readouterr().err
    assert error == "error: --calibration must be one of use, ignore, got 'no'\n"


@pytest.mark.parametrize("command", [PLAN, SERVED])
def test_a_limit_of_nothing_is_refused_by_its_option(command, capsys):
    assert main([*command, "--budget", "0"]) == 1
    assert capsys.readouterr().err == "error: --budget must be positive, got 0\n"


@pytest.mark.parametrize("shape", [[], ["--json"]])
@pytest.mark.parametrize("command", [PLAN, SERVED])
def test_an_interval_that_is_none_is_refused(command, shape, capsys):
    assert main([*command, *shape, "--interval", "2"]) == 1
    assert capsys.readouterr().err.startswith("error: interval must be between 0 and 1, got 2")


@pytest.mark.parametrize("command", [PLAN, SERVED])
def test_a_place_nobody_knows_is_named(command, capsys):
    assert main([*command, "--site", "fr,atlantis"]) == 0
    assert "atlantis" in capsys.readouterr().err


def test_an_option_that_names_nothing_is_refused(capsys):
    assert main([*PLAN, "--site", ","]) == 1
    assert "--site names nothing" in capsys.readouterr().err


def test_a_plan_names_the_other_sites_of_its_design(capsys):
    asked = [*PLAN, "--devices", "64,128", "--site", "us,fr,se", "--deadline", "2000"]
    assert main([*asked, "--json"]) == 0
    plans = json.loads(capsys.readouterr().out)["plans"]
    for plan in plans:
        assert {plan["inputs"]["site"], *plan["also_in"]} == {"us", "fr", "se"}
    designs = {(plan["inputs"]["hardware"], plan["inputs"]["devices"]) for plan in plans}
    assert len(designs) == len(plans) > 1
    assert main(asked) == 0
    assert re.search(r" site .*\n.*\n.* \w\w, \w\w, \w\w ", capsys.readouterr().out)


def test_a_sweep_matches_patterns_of_devices_and_lists_each_once(tmp_path, capsys):
    space = tmp_path / "space.toml"
    space.write_text('params = "7B"\ntokens = "1B"\nhardware = ["h100-sxm*", "h100"]\ndevices = 64')
    assert main(["sweep", str(space), "-o", str(tmp_path / "out.csv")]) == 0
    with (tmp_path / "out.csv").open(encoding="utf-8") as rows:
        found = [row["hardware"] for row in csv.DictReader(rows)]
    assert len(found) == len(set(found)) > 1 and all(one.startswith("h100-sxm") for one in found)


def test_a_sweep_without_a_design_that_works_fails_and_says_why(tmp_path, capsys):
    space = tmp_path / "space.toml"
    space.write_text('params = 7e14\ntokens = "1B"\nhardware = "h100"\ndevices = [8, 64]')
    assert main(["sweep", str(space), "-o", str(tmp_path / "out.csv"), "--quiet"]) == 1
    assert "error: no design is left: weights" in capsys.readouterr().err


@pytest.mark.parametrize("shape", ["--json", "--csv", "--quiet"])
def test_a_plan_that_is_refused_at_the_end_prints_no_answer_before(monkeypatch, capsys, shape):
    def refused(scenario, catalog):
        raise ValueError("the best plan cannot be estimated by itself")

    monkeypatch.setattr("estimator.answer.scenario_estimate.answer_scenario", refused)
    assert main([*PLAN, "--devices", "8", shape]) == 1
    shown, noted = capsys.readouterr()
    assert shown == ""
    assert noted == "error: the best plan cannot be estimated by itself\n"
