"""`sweep` and `plan` as a stranger would use them."""

import csv
import io
import re

import pytest

from tests.in_process import answer, refusal, run, shown

SPACE = """
params = "7B"
tokens = "140B"
hardware = ["h100", "a100"]
devices = { from = 8, to = 64, scale = "log2" }
site = ["us", "fr"]
"""

PLAN = "plan --params 7e9 --tokens 140e9 --hardware h100,a100,v100"
LIMITED = f"{PLAN} --devices 8,64,256 --site us,fr --deadline 400"
SERVED = (
    "plan --task serving --preset llama-3-8b --request-rate 10 --input-tokens 500 "
    "--output-tokens 300 --hardware h100,l40s --devices 1,2,4"
)


@pytest.fixture
def space(tmp_path):
    path = tmp_path / "space.toml"
    path.write_text(SPACE, encoding="utf-8")
    return path


def test_a_sweep_writes_every_design_and_says_so(space, tmp_path):
    out = tmp_path / "designs.csv"
    done = run("sweep", space, "-o", out, "--pareto", "time,cost")
    assert done.stdout.startswith("16 designs: 16 in ")
    rows = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8"))))
    assert len(rows) == 16
    assert {row["pareto"] for row in rows} == {"true", "false"}
    assert {row["hardware"] for row in rows} == {"h100", "a100"}


def test_the_summary_of_a_sweep_is_json(space, tmp_path):
    out = tmp_path / "designs.parquet"
    reported = answer("sweep", space, "-o", out, "--quiet")
    assert reported == {"output": str(out), "designs": 16, "rows": 16, "front": 0, "left_out": {}}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["-o", "designs.xlsx"], "must end in .parquet or .csv"),
        (["-o", "designs.csv", "--pareto", "fun"], "front in 'fun'"),
        (["-o", "designs.csv", "--interval", "2"], "interval must be between 0 and 1"),
        (["-o", "designs.csv", "--dask", "tcp://127.0.0.1:9"], "no Dask scheduler"),
    ],
)
def test_a_sweep_that_cannot_be_is_one_line(space, tmp_path, monkeypatch, words, reason):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("estimator.studies.search.cluster.PATIENCE_S", 0.2)
    assert reason in refusal("sweep", space, *words)
    assert list(tmp_path.glob("designs*")) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hardwear = 3", "space.toml: unknown input 'hardwear'"),
        (
            'params = 7e14\ntokens = "1B"\nhardware = "h100"\ndevices = [8, 64]',
            "error: no design is left: weights",
        ),
    ],
)
def test_a_space_that_holds_no_design_is_one_line(tmp_path, text, reason):
    path = tmp_path / "space.toml"
    path.write_text(text, encoding="utf-8")
    done = run("sweep", path, "-o", tmp_path / "out.csv", "--quiet")
    assert done.returncode == 1
    assert reason in done.stderr and done.stderr.count("\n") == 1


def test_a_sweep_matches_patterns_of_devices_and_lists_each_once(tmp_path):
    space = tmp_path / "space.toml"
    space.write_text('params = "7B"\ntokens = "1B"\nhardware = ["h100-sxm*", "h100"]\ndevices = 64')
    assert run("sweep", space, "-o", tmp_path / "out.csv").returncode == 0
    with (tmp_path / "out.csv").open(encoding="utf-8") as rows:
        found = [row["hardware"] for row in csv.DictReader(rows)]
    assert len(found) == len(set(found)) > 1 and all(one.startswith("h100-sxm") for one in found)


def test_a_plan_says_what_is_best_and_what_binds():
    out, noted = shown(f"{LIMITED} --budget 200000")
    assert "all limits are met with" in out.splitlines()[0]
    assert "twenty-watts app --open" in out
    assert "18 designs examined" in noted


def test_a_plan_on_prices_of_few_offers_says_so_whichever_of_its_designs_has_them():
    said = "rests on 1 offer, so its interval is wider"
    assert said in shown("plan --flop 1e22 --hardware mi355x --devices 8")[1]
    both = "plan --flop 1e22 --hardware h100,mi355x --devices 8 --minimize energy --verbose"
    assert said in shown(both)[1]
    assert "rests on" not in shown("plan --flop 1e22 --hardware h100 --devices 8 --verbose")[1]


def test_a_plan_counts_its_devices_exactly():
    out, _ = shown("plan --flop 1e23 --hardware h100 --devices 1024")
    assert out.startswith("1,024 × h100: ")


def test_a_plan_as_json_keeps_its_limits():
    reported = answer(f"{LIMITED} --budget 200000 --quiet --confidence 0.9")
    assert reported["plans"] and reported["nearest"] is None
    costs = [plan["results"]["cost_usd"]["mid"] for plan in reported["plans"]]
    assert costs == sorted(costs)
    for plan in reported["plans"]:
        assert plan["probability"] >= 0.9
        assert plan["results"]["wall_hours"]["mid"] <= 400
        assert plan["link"].startswith("?v=")


def test_where_no_plan_meets_the_limits_the_closest_is_reported():
    out, _ = shown(f"{LIMITED} --budget 100")
    assert out.startswith("No plan meets all limits with a probability of 80%; the closest")


def test_a_plan_of_a_service_says_how_many_devices_and_what_binds():
    out, _ = shown(f"{SERVED} --latency-goal 0.02 --budget 9000 --quiet")
    assert " in 30 days, " in out and "all limits are met with" in out
    assert "in flight" in out and "× h100" in out


def test_options_that_a_plan_of_a_service_names_are_its_own():
    asked = "plan --task serving --preset deepseek-r1 --users 500 --hardware h200 --devices 8"
    out, noted = shown(f"{asked} --verbose")
    assert re.search(r"8 × h200, \d replicas", out) and "replicas that share the experts" in out
    assert "set --data-parallel and --expert-parallel" in noted
    assert "replicas" not in shown(f"{asked} --data-parallel 1 --expert-parallel 8")[0]


def test_users_with_a_late_goal_are_planned_for():
    asked = "plan --task serving --preset qwen3-32b --users 200 --hardware h100,l40s"
    asked += " --first-token-goal 2 --request-goal 10"
    plans = answer(f"{asked} --percentile 90")["plans"]
    assert plans
    for plan in plans:
        results = plan["results"]
        assert results["time_to_first_token_p90_s"]["mid"] <= 2
        assert results["request_p90_s"]["mid"] <= 10
        assert {"request_p90_s", "time_to_first_token_p90_s"} < set(plan["limits_hold"])
        pause_s = 200 / plan["inputs"]["requests_per_s"] - results["request_s"]["mid"]
        assert pause_s == pytest.approx(30.0)
    out, noted = shown(f"{asked} --percentile 90 --verbose")
    assert "assuming that users pause 30 s" in noted
    assert ", first token p90 " in out and ", request p90 " in out
    assert re.search(r"weights fit in \d devices?, \d+ meet the load and the limits", out)
    assert "users pause" not in shown(f"{asked} --think-time 60 --verbose")[1]


def test_a_plan_of_a_service_as_json_keeps_its_limits():
    reported = answer(f"{SERVED} --latency-goal 0.03 --carbon-cap 900 --days 10")
    assert reported["plans"] and reported["designs"] == 6
    for plan in reported["plans"]:
        assert plan["probability"] >= 0.8
        assert plan["results"]["inter_token_s"]["mid"] <= 0.03
        assert plan["results"]["co2e_kg"]["mid"] <= 900
        assert set(plan["limits_hold"]) == {"load", "inter_token_s", "co2e_kg"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"{PLAN} --budget -5", "must be positive"),
        (f"{PLAN} --budget 0", "--budget must be positive, got 0"),
        (f"{PLAN} --confidence 1", "confidence must be in (0, 1)"),
        (f"{PLAN} --plans 0", "plans must be a whole number"),
        (f"{PLAN} --site ,", "--site is empty"),
        (f"{PLAN} --devices many", "devices is not a number"),
        (f"{PLAN} --interval 2", "interval must be between 0 and 1, got 2"),
        (f"{PLAN} --json --interval 2", "interval must be between 0 and 1, got 2"),
        (f"{SERVED} --interval 2", "interval must be between 0 and 1, got 2"),
        (f"{SERVED} --json --interval 2", "interval must be between 0 and 1, got 2"),
        (f"{SERVED} --budget 0", "--budget must be positive, got 0"),
        (f"{SERVED} --deadline 3", "--deadline applies to training"),
        (f"{SERVED} --tokens 1e9", "--tokens applies to training"),
        (f"{SERVED} --latency-goal 0", "must be positive"),
        (f"{SERVED} --days 0", "days must be positive"),
        (f"{SERVED} --latency-goal soon", "is not a number"),
        (f"{PLAN} --request-rate 3", "error: --request-rate requires --task serv"),
        ("compare --preset gpt-3 --concurrency 5", "--concurrency requires --task serving"),
        ("compare --preset gpt-3 --draft-tokens 4", "--draft-tokens requires --task serving"),
        ("compare --task serving --preset llama-3-8b --tokens 1e9", "--tokens applies to training"),
        *(
            (f"{line} --calibration no", "--calibration must be one of use, ignore, got 'no'")
            for line in (PLAN, SERVED, SERVED.replace("plan", "compare", 1))
        ),
    ],
)
def test_what_cannot_be_planned_or_compared_is_one_line(line, reason):
    assert reason in refusal(line)


@pytest.mark.parametrize("line", [PLAN, SERVED])
def test_a_place_nobody_knows_is_named(line):
    assert "atlantis" in shown(f"{line} --site fr,atlantis")[1]


def test_a_plan_names_the_other_sites_of_its_design():
    asked = f"{PLAN} --devices 64,128 --site us,fr,se --deadline 2000"
    plans = answer(asked)["plans"]
    for plan in plans:
        assert {plan["inputs"]["site"], *plan["also_in"]} == {"us", "fr", "se"}
    designs = {(plan["inputs"]["hardware"], plan["inputs"]["devices"]) for plan in plans}
    assert len(designs) == len(plans) > 1
    assert re.search(r" site .*\n.*\n.* \w\w, \w\w, \w\w ", shown(asked)[0])


@pytest.mark.parametrize("shape", ["--json", "--csv", "--quiet"])
def test_a_plan_that_is_refused_at_the_end_prints_no_answer_before(monkeypatch, shape):
    def refused(scenario, catalog):
        raise ValueError("the best plan cannot be estimated by itself")

    monkeypatch.setattr("estimator.answer.scenario_estimate.answer_scenario", refused)
    said = refusal(f"{PLAN} --devices 8 {shape}")
    assert said == "error: the best plan cannot be estimated by itself"
