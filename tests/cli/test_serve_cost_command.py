"""Does `serve-cost` answer in its first words, with units that fit the size of each figure?"""

import json
import re

import pytest

from estimator.inference.question import INPUTS
from estimator.question.inputs import option_of
from estimator.show.quantities import amount
from tests.in_process import answer, refusal, run, shown

CASE = (
    "serve-cost --preset Qwen/Qwen3-14B --hardware h100 --concurrency 32 --site fr "
    "--latency-goal 0.05 --api groq-gpt-oss-120b --training-kwh 1e6 --tokens-per-day 1e9"
)


def test_the_headline_is_the_answer_and_agrees_with_the_json():
    printed = shown(CASE)[0]
    results = answer(CASE)["results"]
    energy, cost, step = re.match(
        r"([\d.]+) Wh per answer, \$([\d.]+) per million output tokens, ([\d.]+) ms per token: ",
        printed,
    ).groups()
    for figure, name, factor in (
        (energy, "energy_per_request_wh", 1.0),
        (cost, "cost_per_million_output_tokens_usd", 1.0),
        (step, "inter_token_s", 1e3),
    ):
        assert float(figure) == pytest.approx(factor * results[name]["mid"], rel=5e-3)
    assert not re.search(r"\de[+-]\d\d|\bnan\b|\binf\b|None|_bytes|: 0\.0{3}", printed)


def test_each_quantity_is_listed_once_and_parts_of_a_step_are_not_a_sum():
    lines = shown("serve-cost --preset deepseek-r1 --hardware h200 --devices 16")[0].splitlines()
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
        ("--preset llama-3-8b --training-kwh 1", "set both --training-kwh and --tokens-per-day"),
        ("--preset llama-3-8b --api-price-out=0", "--api-price-out must be positive"),
        ("--preset llama-3-8b --api-price-in 1", "needs --api-price-out"),
        ("--preset llama-3-8b --api nothing", "unknown API 'nothing'"),
        ("--preset llama-3-8b --api groq-gpt-oss-120b --api-price-out 1", "mutually exclusive"),
        ("--preset llama-3-8b --latency-goal=0", "--latency-goal must be positive"),
        ("--preset llama-3-8b --interval 0", "between 0 and 1"),
    ],
)
def test_a_refusal_names_options(words, reported):
    error = refusal(f"serve-cost --hardware h100 {words}")
    assert reported in error
    assert not re.search(r"[a-z]+_[a-z]+", error)


WITHOUT_POWER = "serve-cost --hardware amd-epyc-2-cores"


def test_items_on_a_device_of_unknown_power_are_answered_without_energy():
    printed, noted = shown(f"{WITHOUT_POWER} --params 1B --positions 256")
    assert re.match(
        r"[\d.]+ m?s per batch: a model of 1 billion parameters in \w+ on 1 × AMD", printed
    )
    assert "Wh" not in printed and "nan" not in printed
    assert "power limit of AMD EPYC virtual machine, 2 cores unknown" in noted


def test_a_life_on_a_device_of_unknown_power_is_refused():
    life = "--preset llama-3.2-1b --training-kwh 1e6 --tokens-per-day 1e9"
    unknown = "power limit of AMD EPYC virtual machine, 2 cores unknown"
    assert refusal(f"{WITHOUT_POWER} {life}") == f"error: {unknown}: drop --training-kwh"


def test_what_items_assume_is_listed():
    asked = "serve-cost --preset flux-dev --hardware h100 --image-size 1024 --verbose"
    noted = shown(asked)[1]
    options = ("--denoising-steps", "--concurrency", "--devices", "--precision", "--site", "PUE")
    for assumed in options:
        assert assumed in noted, assumed
    assert "layers unknown" not in noted
    given = "--steps 20 --concurrency 2 --devices 1 --precision bf16"
    assert shown(f"{asked} {given} --site fr --pue 1.2 --software vllm")[1] == ""


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
def test_what_has_no_effect_on_items_is_refused(words, said):
    assert said in refusal(f"serve-cost --preset bert-base --positions 128 --hardware h100 {words}")


def test_items_of_a_network_that_a_device_cannot_hold_are_refused():
    """671e9 parameters of DeepSeek-V3 in 4.85 bits are 407 GB; nothing splits them over devices."""
    asked = "serve-cost --preset deepseek-v3 --positions 128 --hardware"
    noted = refusal(f"{asked} rtx-4090 --devices 64")
    assert "GB do not fit on one NVIDIA GeForce RTX 4090 of 25.8 GB" in noted
    assert "--precision" in noted and "--hardware" in noted
    refusal(f"{asked} mi355x --precision int4 --devices 2")
    small = "serve-cost --params 47e9 --positions 128 --hardware h100 --precision"
    refusal(f"{small} bf16")
    shown(f"{small} fp8")


def test_what_a_comparison_assumes_is_listed_once():
    noted = shown("compare --task serving --preset llama-3-8b --hardware h100,b200 --verbose")[1]
    lines = noted.splitlines()
    assert len(lines) == len(set(lines))
    assert any("--precision" in line for line in lines)
    assert any("--site" in line for line in lines)


def test_the_help_has_every_input_by_the_option_that_a_note_names():
    text = " ".join(shown("serve-cost --help")[0].split())
    for name, described in INPUTS.items():
        assert re.search(rf" {option_of(name)}( N| NAME)? {re.escape(described.help)}", text), name
        assert not described.number or described.limit.most < float("inf"), name


def test_a_comparison_writes_medians_over_ranges():
    table = shown("compare --task serving --preset llama-3-8b --hardware h100,apple-m2-ultra")[0]
    assert re.search(r"^ h100 .* ms .* J .* \$.* g", table, re.MULTILINE)
    assert "unknown" in table, "no price of an Apple device is on record"


@pytest.mark.parametrize(
    ("value", "name", "text"),
    [
        (0.00637, "co2e_per_million_output_tokens_kg", "6.37 g"),
        (0.02, "energy_per_request_wh", "0.02 Wh"),
        (9.02, "request_s", "9.02 s"),
        (1.0, "output_tokens_per_s", "1 tokens/s"),
        (2e-12, "training_share_of_lifetime", "below 0.0001%"),
    ],
)
def test_a_figure_wears_the_unit_of_its_size(value, name, text):
    assert amount(name, value) == text


def test_an_api_on_record_is_reported_with_its_date():
    line = "serve-cost --preset llama-3.1-8b --hardware h100 --concurrency 32 --price 2"
    found = answer(f"{line} --api deepinfra-llama-3.1-8b")
    assert found["api"]["date"] == "2026-11-05"
    assert found["own_cost_over_api"] > 1.0
    by_old_name = shown(f"{line} --api-price 15")[0]
    assert "API, per million output tokens with input" in by_old_name


def test_a_benchmark_that_was_imported_is_used_or_ignored(tmp_path, monkeypatch):
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path / "data"))
    asked = "serve-cost --preset Qwen/Qwen3-14B --hardware h100 --concurrency 62"
    before = answer(asked)
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
    file = tmp_path / "vllm.json"
    file.write_text(json.dumps(found))
    imported = ("calibrate", "import", file, "--hardware", "h100", "--devices", "1", "--precision")
    assert "unknown weight format 'bf17'" in run(*imported, "bf17").stderr
    assert run(*imported, "bf16").returncode == 0
    after = answer(asked)
    assert after["warnings"][0].startswith("calibrated: 1 run on NVIDIA H100")
    step, wide = (one["results"]["inter_token_s"] for one in (after, before))
    assert step["mid"] > 1.05 * wide["mid"]
    assert step["high"] / step["low"] < wide["high"] / wide["low"]
    assert answer(f"{asked} --calibration ignore")["results"] == before["results"]
    (kept,) = answer("calibrate show")["runs"]
    assert kept["served"][0]["measured"]["inter_token_s"] == pytest.approx(step_s)
    listed = shown("calibrate show")[0]
    assert "Qwen/Qwen3-14B" in listed and f"{1e3 * step_s:.3g} ms" in listed
    header, row = shown("calibrate show --runs --csv")[0].splitlines()
    assert dict(zip(header.split(","), row.split(","), strict=False))["served"] == "1"


def test_a_table_says_which_of_its_columns_is_almost_an_input(tmp_path):
    table = tmp_path / "in.csv"
    table.write_text("name,model,hardware,concurency\na,llama-3-8b,h100,8\n", encoding="utf-8")
    said = run("batch", "--task", "serving", table, "-o", tmp_path / "out.csv").stderr
    assert "column concurency is not read: did you mean concurrency?" in said
    assert "column name" not in said


@pytest.mark.parametrize(
    ("sizes", "devices"),
    [
        ("--data-parallel 3", 6),
        ("--tensor-parallel 3", 3),
        ("--data-parallel 2 --tensor-parallel 3", 6),
        ("--expert-parallel 16", 16),
    ],
)
def test_devices_left_open_are_shared_out_equally(sizes, devices):
    asked = "serve-cost --preset mixtral-8x7b --hardware h100 --concurrency 8"
    assert answer(f"{asked} {sizes}")["inputs"]["devices"] == devices
