"""Does `serve-cost` answer in its first words, with units that fit the size of each figure?"""

import json
import re

import pytest

from estimator.cli import main
from estimator.inference.question import INPUTS
from estimator.question.inputs import option_of
from estimator.show.quantities import amount

LINE = (
    "serve-cost --preset Qwen/Qwen3-14B --hardware h100 --concurrency 32 --site fr "
    "--latency-goal 0.05 --api groq-gpt-oss-120b --training-kwh 1e6 --tokens-per-day 1e9"
)
CASE = LINE.split()


def test_the_headline_is_the_answer_and_agrees_with_the_json(capsys):
    assert main(CASE) == 0
    headline = capsys.readouterr().out.splitlines()[0]
    assert main([*CASE, "--json"]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    energy, cost, step = re.match(
        r"([\d.]+) Wh per answer, \$([\d.]+) per million output tokens, ([\d.]+) ms per token: ",
        headline,
    ).groups()
    assert float(energy) == pytest.approx(results["energy_per_request_wh"]["mid"], rel=5e-3)
    assert float(cost) == pytest.approx(
        results["cost_per_million_output_tokens_usd"]["mid"], rel=5e-3
    )
    assert float(step) == pytest.approx(1e3 * results["inter_token_s"]["mid"], rel=5e-3)


def test_each_quantity_is_listed_once_and_parts_of_a_step_are_not_a_sum(capsys):
    words = ("--preset", "deepseek-r1", "--hardware", "h200", "--devices", "16")
    assert main(["serve-cost", *words]) == 0
    lines = capsys.readouterr().out.splitlines()
    labels = [line[:39].strip() for line in lines if line.startswith(" ") and "─" not in line]
    labels = [label for label in labels if label]
    assert "time of a whole request" in labels and len({*labels}) == len(labels)
    assert sum("Its parts overlap: memory reads" in line for line in lines) == 1


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        ("--params many", "--params is not a number: 'many'"),
        ("--preset llama-3-8b --output-tokens 0", "--output-tokens must be positive, got 0"),
        ("--preset nothing-known", "set --preset, --config or --params"),
        (
            "--preset llama-3-8b --concurrency 1 --request-rate 1",
            "only one of --concurrency, --request-rate",
        ),
        ("--preset llama-3-8b --devices 1 --request-rate 1e6", "--request-rate: 1e+06 requests/s"),
        ("--params 8B --steps 4", "with --positions"),
        ("--params 8B --positions 9 --steps=-1", "--denoising-steps must be positive, got -1"),
        ("--params 8B --positions 9 --guidance 0", "--guidance must be positive, got 0"),
        ("--preset flux-dev --positions 77", "set --image-size instead of --positions"),
        ("--params 8B --positions 0", "--positions must be positive, got 0"),
        ("--preset llama-3-8b --image-size 512", "--image-size changes nothing for this model"),
        ("--preset llama-3-8b --training-kwh=-1 --tokens-per-day 1", "--training-kwh must be"),
        ("--preset llama-3-8b --api-price-out=0", "--api-price-out must be positive"),
        ("--preset llama-3-8b --latency-goal=0", "--latency-goal must be positive"),
        ("--preset llama-3-8b --interval 0", "between 0 and 1"),
    ],
)
def test_a_refusal_names_options(words, reported, capsys):
    assert main(["serve-cost", "--hardware", "h100", *words.split()]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert reported in error
    assert not re.search(r"[a-z]+_[a-z]+", error)


WITHOUT_POWER = ("serve-cost", "--hardware", "amd-epyc-2-cores")


def test_items_on_a_device_of_unknown_power_are_answered_without_energy(capsys):
    words = (*WITHOUT_POWER, "--params", "1B", "--positions", "256")
    assert main(words) == 0
    shown, noted = capsys.readouterr()
    assert re.match(
        r"[\d.]+ m?s per batch: a model of 1 billion parameters in \w+ on 1 × AMD", shown
    )
    assert "Wh" not in shown and "nan" not in shown
    assert "power limit of AMD EPYC virtual machine, 2 cores unknown" in noted


def test_what_items_assume_is_listed(capsys):
    words = ["serve-cost", "--preset", "flux-dev", "--hardware", "h100", "--image-size", "1024"]
    assert main([*words, "--verbose"]) == 0
    noted = capsys.readouterr().err
    for assumed in (
        "--denoising-steps",
        "--concurrency",
        "--devices",
        "--precision",
        "--site",
        "PUE",
    ):
        assert assumed in noted, assumed
    assert "layers unknown" not in noted
    given = ["--steps", "20", "--concurrency", "2", "--devices", "1", "--precision", "bf16"]
    assert main([*words, *given, "--site", "fr", "--pue", "1.2", "--software", "vllm"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--request-rate 4", "--request-rate has no effect on items: drop it"),
        ("--tensor-parallel 4 --devices 4", "--tensor-parallel has no effect on items"),
        ("--kv-precision fp8", "--kv-precision has no effect on items"),
        ("--duty-cycle 0.5", "--duty-cycle has no effect on items"),
        ("--latency-goal 0.1", "--latency-goal has no effect on items"),
        ("--training-kwh 1e6 --tokens-per-day 1e9", "--training-kwh has no effect on items"),
        ("--params 1e9", "--params changes nothing for this model"),
        ("--active-params 1e6", "--active-params changes nothing for this model"),
    ],
)
def test_what_has_no_effect_on_items_is_refused(words, said, capsys):
    asked = "serve-cost --preset bert-base --positions 128 --hardware h100"
    assert main([*asked.split(), *words.split()]) == 1
    shown, noted = capsys.readouterr()
    assert (shown, noted.count("\n")) == ("", 1)
    assert said in noted


def test_items_of_a_network_that_a_device_cannot_hold_are_refused(capsys):
    """671e9 parameters of DeepSeek-V3 in 4.85 bits are 407 GB; nothing splits them over devices."""
    asked = ["serve-cost", "--preset", "deepseek-v3", "--positions", "128", "--hardware"]
    assert main([*asked, "rtx-4090", "--devices", "64"]) == 1
    noted = capsys.readouterr().err
    assert "GB do not fit on one NVIDIA GeForce RTX 4090 of 25.8 GB" in noted
    assert "--precision" in noted and "--hardware" in noted
    assert main([*asked, "mi355x", "--precision", "int4", "--devices", "2"]) == 1
    small = ["serve-cost", "--params", "47e9", "--positions", "128", "--hardware", "h100"]
    assert main([*small, "--precision", "bf16"]) == 1
    assert main([*small, "--precision", "fp8"]) == 0


def test_what_a_comparison_assumes_is_listed_once(capsys):
    words = ["compare", "--task", "serving", "--preset", "llama-3-8b", "--hardware", "h100,b200"]
    assert main([*words, "--verbose"]) == 0
    noted = capsys.readouterr().err.splitlines()
    assert len(noted) == len(set(noted))
    assert any("--precision" in line for line in noted)
    assert any("--site" in line for line in noted)


def test_a_life_on_a_device_of_unknown_power_is_refused(capsys):
    life = ("--training-kwh", "1e6", "--tokens-per-day", "1e9")
    assert main([*WITHOUT_POWER, "--preset", "llama-3.2-1b", *life]) == 1
    assert capsys.readouterr().err == (
        "error: power limit of AMD EPYC virtual machine, 2 cores unknown: drop --training-kwh\n"
    )


def test_a_tiny_share_is_shown_without_an_exponent():
    assert amount("training_share_of_lifetime", 2e-12) == "below 0.0001%"


def test_the_help_has_every_input_by_the_option_that_a_note_names(capsys):
    with pytest.raises(SystemExit):
        main(["serve-cost", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for name, described in INPUTS.items():
        assert re.search(rf" {option_of(name)}( N| NAME)? {re.escape(described.help)}", shown), name
        assert not described.number or described.limit.most < float("inf"), name


def test_no_figure_is_left_raw(capsys):
    assert main(CASE) == 0
    assert not re.search(
        r"\de[+-]\d\d|\bnan\b|\binf\b|None|_bytes|: 0\.0{3}", capsys.readouterr().out
    )


def test_a_comparison_writes_medians_over_ranges(capsys):
    line = "compare --task serving --preset llama-3-8b --hardware h100,apple-m2-ultra"
    assert main(line.split()) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^ h100 .* ms .* J .* \$.* g", shown, re.MULTILINE)
    assert "unknown" in shown, "no price of an Apple device is on record"


@pytest.mark.parametrize(
    ("value", "name", "shown"),
    [
        (0.00637, "co2e_per_million_output_tokens_kg", "6.37 g"),
        (0.02, "energy_per_request_wh", "0.02 Wh"),
        (9.02, "request_s", "9.02 s"),
        (1.0, "output_tokens_per_s", "1 tokens/s"),
    ],
)
def test_a_figure_wears_the_unit_of_its_size(value, name, shown):
    assert amount(name, value) == shown


def test_an_api_on_record_is_reported_with_its_date(capsys):
    line = "serve-cost --preset llama-3.1-8b --hardware h100 --concurrency 32 --price 2"
    assert main([*line.split(), "--api", "deepinfra-llama-3.1-8b", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["api"]["date"] == "2026-11-05"
    assert found["own_cost_over_api"] > 1.0
    assert main([*line.split(), "--api-price", "15"]) == 0, "the old name of --api-price-out"
    assert "API, per million output tokens with input" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        ("--api nothing", "unknown API 'nothing'"),
        ("--api groq-gpt-oss-120b --api-price-out 1", "mutually exclusive"),
        ("--api-price-in 1", "needs --api-price-out"),
        ("--api-price-out 0", "--api-price-out must be positive"),
        ("--training-kwh 1", "set both --training-kwh and --tokens-per-day"),
    ],
)
def test_an_impossible_comparison_is_refused_in_one_line(words, reported, capsys):
    line = f"serve-cost --preset llama-3.1-8b --hardware h100 {words}"
    assert main(line.split()) == 1
    assert reported in capsys.readouterr().err


def test_a_benchmark_that_was_imported_is_used_or_ignored(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path / "data"))
    words = [
        "serve-cost",
        *["--preset", "Qwen/Qwen3-14B", "--hardware", "h100", "--concurrency", "62"],
    ]
    assert main([*words, "--json"]) == 0
    before = json.loads(capsys.readouterr().out)
    step_s = 1.2 * before["results"]["inter_token_s"]["mid"]
    found = {
        "backend": "vllm",
        "model_id": "Qwen/Qwen3-14B",
        "max_concurrency": 64,
        "duration": 160.0,
        "completed": 640,
        "total_output_tokens": 160_000,
        "output_throughput": 62 / step_s,
        "mean_tpot_ms": 1e3 * step_s,
        "median_itl_ms": 1e3 * step_s,
    }
    (tmp_path / "vllm.json").write_text(json.dumps(found))
    imported = ["calibrate", "import", str(tmp_path / "vllm.json"), "--hardware", "h100"]
    assert main([*imported, "--devices", "1", "--precision", "bf17"]) == 1
    assert "unknown weight format 'bf17'" in capsys.readouterr().err
    assert main([*imported, "--devices", "1", "--precision", "bf16"]) == 0
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    after = json.loads(capsys.readouterr().out)
    assert after["warnings"][0].startswith("calibrated: 1 run on NVIDIA H100")
    step, wide = (one["results"]["inter_token_s"] for one in (after, before))
    assert step["mid"] > 1.05 * wide["mid"]
    assert step["high"] / step["low"] < wide["high"] / wide["low"]
    assert main([*words, "--json", "--calibration", "ignore"]) == 0
    assert json.loads(capsys.readouterr().out)["results"] == before["results"]
    assert main(["calibrate", "show", "--json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert run["served"][0]["measured"]["inter_token_s"] == pytest.approx(step_s)
    assert main(["calibrate", "show"]) == 0
    shown = capsys.readouterr().out
    assert "Qwen/Qwen3-14B" in shown and f"{1e3 * step_s:.3g} ms" in shown
    assert main(["calibrate", "show", "--runs", "--csv"]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert dict(zip(header.split(","), row.split(","), strict=False))["served"] == "1"


def test_a_table_says_which_of_its_columns_is_almost_an_input(tmp_path, capsys):
    table = tmp_path / "in.csv"
    table.write_text("name,model,hardware,concurency\na,llama-3-8b,h100,8\n", encoding="utf-8")
    assert main(["batch", "--task", "serving", str(table), "-o", str(tmp_path / "out.csv")]) == 0
    said = capsys.readouterr().err
    assert "column concurency is not read: did you mean concurrency?" in said
    assert "column name" not in said


@pytest.mark.parametrize(
    ("sizes", "devices"),
    [
        (("--data-parallel", "3"), 6),
        (("--tensor-parallel", "3"), 3),
        (("--data-parallel", "2", "--tensor-parallel", "3"), 6),
        (("--expert-parallel", "16"), 16),
    ],
)
def test_devices_left_open_are_shared_out_equally(capsys, sizes, devices):
    words = ("--preset", "mixtral-8x7b", "--hardware", "h100", "--concurrency", "8", "--json")
    assert main(["serve-cost", *words, *sizes]) == 0
    assert json.loads(capsys.readouterr().out)["inputs"]["devices"] == devices
