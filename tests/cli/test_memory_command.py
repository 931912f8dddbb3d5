"""The command `memory` as a stranger uses it, and the warning in `estimate`."""

import csv
import io
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from estimator.cli import main

GOLDEN = Path(__file__).parents[1] / "golden"


def run(capsys, *arguments):
    code = main(["memory", *map(str, arguments)])
    specified = capsys.readouterr()
    return code, specified.out, specified.err


def answer(capsys, *arguments):
    code, out, err = run(capsys, *arguments, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_help_teaches_with_examples_and_imports_no_dependency():
    code = (
        "import sys\nfrom estimator.cli import main\n"
        "try:\n    main(['memory', '--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'pandas', 'streamlit', 'altair', 'rich'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "twenty-watts memory" in done.stdout.split("examples:")[1]


def test_every_example_of_the_help_answers(capsys, tmp_path):
    from estimator.cli.memory import EXAMPLES

    lines = [shlex.split(line) for line in EXAMPLES.splitlines() if "twenty-watts memory" in line]
    assert len(lines) == 7
    for _, _, *words in lines:
        given = ["llama-2-7b" if word == "config.json" else word for word in words]
        assert run(capsys, *given)[0] == 0


def test_json_has_a_range_for_each_component_and_they_add_up(capsys):
    specified = answer(capsys, "llama-2-7b", "--hardware", "h100", "--devices", "8")
    results = specified["results"]
    assert all(name.endswith("_bytes") for name in results)
    assert all(set(found) == {"low", "mid", "high"} for found in results.values())
    assert all(found["low"] <= found["mid"] <= found["high"] for found in results.values())
    parts = [found["mid"] for name, found in results.items() if name != "total_bytes"]
    assert results["total_bytes"]["mid"] == pytest.approx(sum(parts))
    assert specified["fits"] is True
    assert specified["memory_bytes"] == 80 * 2**30
    assert specified["verdict"].startswith("fits: ")
    assert 1 < specified["least_devices"] <= 8
    assert specified["inputs"]["params"] == 6_738_415_616
    resolved = specified["inputs"]["resolved"]["memory.fragmentation"]
    assert {"value", "low", "high", "basis", "source"} <= set(resolved)


def test_csv_is_one_row_with_the_same_figures(capsys):
    words = ("--params", "7e9", "--hardware", "a100", "--devices", "4")
    _, out, _ = run(capsys, *words, "--csv", "--quiet")
    (row,) = csv.DictReader(io.StringIO(out))
    specified = answer(capsys, *words)
    for name, found in specified["results"].items():
        for end, value in found.items():
            assert float(row[f"{name}_{end}"]) == value
    assert float(row["least_devices"]) == specified["least_devices"]


def test_people_read_a_table_and_a_verdict(capsys):
    _, out, err = run(capsys, "llama-2-7b", "--hardware", "h100")
    assert "optimizer state" in out
    assert "does not fit: " in out
    assert "needs at least " in out.splitlines()[-1]
    assert "note: " in err
    assert run(capsys, "llama-2-7b", "--hardware", "v100", "--quiet")[2] == ""
    assert "GPT-3" in run(capsys, "gpt-3")[1]


@pytest.mark.parametrize(
    ("words", "task"),
    [
        ((), "training"),
        (("--finetune", "qlora"), "QLoRA fine-tuning"),
        (("--finetune", "full"), "full fine-tuning"),
        (("--inference",), "serving"),
    ],
)
def test_the_headline_names_the_task_and_the_verdict_a_share_of_the_memory(capsys, words, task):
    lines = run(capsys, "llama-3-8b", "--hardware", "h200", *words)[1].splitlines()
    assert lines[0] == f"Llama 3 (8B), {task}, on one device"
    assert re.search(r": [\d.]+ GB, \d+% of 151 GB \(141 GiB\)", lines[-1])


def test_what_makes_a_run_fit_on_its_devices_is_named_and_does(capsys):
    words = ("llama-2-7b", "--hardware", "rtx-4090", "--finetune", "lora")
    tight = answer(capsys, *words, "--recompute", "none")
    assert not tight["fits"]
    assert tight["fits_with"] == {"recompute": "full"}
    assert tight["verdict"].endswith("; fits with --recompute full")
    recomputed = answer(capsys, *words, "--recompute", "full")
    assert recomputed["fits"]
    assert "fits_with" not in recomputed
    specified = ("--finetune", "full", "--recompute", "none")
    full = answer(capsys, "llama-2-7b", "--hardware", "rtx-4090", *specified)
    assert full["fits_with"] == {"finetune": "lora"} or "qlora" in full["fits_with"].values()
    adapters = ("--finetune", "lora", "--batch", "8", "--recompute", "none")
    none = answer(capsys, "pythia-12b", "--hardware", "a40", *adapters)
    assert none["verdict"].count("--recompute full") == 1
    assert "fits_with" not in answer(capsys, "llama-2-7b", "--hardware", "rtx-4090")
    assert "fits_with" not in answer(capsys, "gpt-3", "--hardware", "t4", "--inference")


def test_a_run_that_fits_only_with_recomputation_is_assumed_to_recompute(capsys):
    words = ("llama-2-7b", "--hardware", "rtx-4090", "--finetune", "lora")
    assumed, given = answer(capsys, *words), answer(capsys, *words, "--recompute", "full")
    assert assumed["fits"]
    assert assumed["inputs"]["recompute"] == "full"
    assert assumed["results"]["total_bytes"]["mid"] == given["results"]["total_bytes"]["mid"]
    assert assumed["results"]["total_bytes"]["high"] > given["results"]["total_bytes"]["high"]
    assert any("full activation recomputation" in line for line in assumed["warnings"])
    assert not any("full activation recomputation" in line for line in given["warnings"])


def test_without_a_device_only_the_need_is_reported(capsys):
    specified = answer(capsys, "--params", "7e9", "--devices", "2")
    assert "fits" not in specified
    assert specified["verdict"].startswith("needs ")


def test_serving_is_weights_and_cache(capsys):
    words = ("llama-2-7b", "--inference", "--context", "4096", "--hardware", "a10g")
    one, eight = (answer(capsys, *words, "--batch", batch) for batch in (1, 8))
    assert one["fits"]
    assert not eight["fits"]
    assert eight["least_devices"] == 2
    cache = [specified["results"]["kv_cache_bytes"]["mid"] for specified in (one, eight)]
    assert cache == [2 * 2**30, 16 * 2**30]
    four_bit = answer(capsys, *words, "--precision", "fp4")
    assert four_bit["results"]["weights_bytes"]["mid"] < 4.5e9
    assert four_bit["results"]["optimizer_bytes"]["mid"] == 0


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "give one model"),
        (("absent.json",), "absent.json does not exist"),
        (("gpt-33",), "unknown preset"),
        (("--params", "many"), "params is not a number: 'many'"),
        (
            ("--params", "7e9", "--zero", "5"),
            "--zero must be at most 3 (the stages of ZeRO), got 5",
        ),
        (("--params", "7e9", "--hardware", "h10"), "did you mean h100"),
        (("--params", "7e9", "--devices", "0"), "devices must be positive, got 0"),
        (
            ("--params", "7e9", "--devices", "8", "--tensor-parallel", "3"),
            "x --pipeline-parallel = 3",
        ),
        (
            ("--params", "7e9", "--pipeline-parallel", "0"),
            "--pipeline-parallel must be positive, got 0",
        ),
        (
            ("--params", "7e9", "--tensor-parallel", "0"),
            "--tensor-parallel must be positive, got 0",
        ),
        (("--params", "7e9", "--interval", "1"), "interval must be between 0 and 1"),
        (("--params", "7e9", "--optimizer", "lion"), "optimizer must be one of"),
    ],
)
def test_a_mistake_is_reported_in_one_line(capsys, words, reason):
    code, out, err = run(capsys, *words)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert reason in err


def test_estimate_warns_of_a_run_that_cannot_fit(capsys):
    words = ["estimate", "--params", "7e9", "--tokens", "1e10", "--hardware", "v100"]
    assert main([*words, "--devices", "1"]) == 0
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "does not fit" in line)
    assert line.endswith("they need at least 7 devices, activations not included")
    stated = ["--recomputation", "none", "--tensor-parallel", "1"]
    assert main([*words, "--devices", "64", *stated]) == 0
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "does not fit" in line)
    assert line.startswith("note: does not fit: one sequence at a time needs")


def test_estimate_compare_and_json_assume_the_same_of_the_memory(capsys):
    words = ["--params", "7e9", "--tokens", "1e10", "--hardware", "v100", "--devices", "64"]
    words += ["--tensor-parallel", "1"]
    assert main(["estimate", *words]) == 0
    out, err = capsys.readouterr()
    (line,) = (line for line in err.splitlines() if "fits only with" in line)
    assert line.startswith("note: fits only with --recomputation or --tensor-parallel: without")
    assert "\nPrice: $1.65 per device-hour, median of 12 offers, newest 2026-09\n" in out
    assert main(["estimate", *words, "--json"]) == 0
    assert line.removeprefix("note: ") in json.loads(capsys.readouterr().out)["warnings"]
    assert main(["compare", *words, "--json"]) == 0
    (design,) = json.loads(capsys.readouterr().out)
    assert not design["memory"]["fits"]
    assert main(["estimate", *words, "--recomputation", "full"]) == 0
    assert "fit" not in capsys.readouterr().err
    assert main(["estimate", *words, "--price", "1"]) == 0
    assert "Price:" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ("--finetune", "qlora", "--precision", "nf4 weights, bf16 compute", "--lora-rank", "64"),
        ("--finetune", "full", "--precision", "bf16-true", "--sharding", "fsdp 8"),
        ("--sharding", "zero3 8 + CPU offload", "--optimizer", "adamw_bnb_8bit"),
        ("--micro-batch", "4", "--recomputation", "full+offload", "--flash-attention", "2"),
        ("--inference", "--precision", "AWQ int4", "--kv-precision", "int8", "--sharding", "tp 2"),
        ("--counted", "reserved", "--states", "mixed", "--loss", "chunked", "--dropout"),
    ],
)
def test_the_words_of_published_tables_are_understood(capsys, words):
    specified = answer_with_notes(capsys, "llama-2-7b", *words)
    assert specified["results"]["total_bytes"]["mid"] > 1e9
    assert specified["inputs"]["what_is_counted"] in ("reserved", "nvidia-smi")


def answer_with_notes(capsys, *arguments):
    code, out, _ = run(capsys, *arguments, "--json")
    assert code == 0
    return json.loads(out)


def test_adapters_need_a_rank_only_where_there_are_adapters(capsys):
    code, out, err = run(capsys, "llama-2-7b", "--lora-rank", "8")
    assert (code, out) == (1, "")
    assert err == "error: --lora-rank goes with --finetune lora or qlora\n"


@pytest.mark.parametrize("name", ["rtdetr-r50vd", "focalnet-tiny", "resnet-18"])
def test_images_have_no_tokens_to_assume_or_to_set(name, capsys):
    path = GOLDEN / "networks" / f"{name}.json"
    for words in ([], ["--inference"]):
        code, _, notes = run(capsys, path, *words)
        assert code == 0
        assert "tokens in a sequence" not in notes
    serving = ("--context", "--prefill-tokens")
    for words in (["--seq-len", "512"], *(["--inference", one, "512"] for one in serving)):
        code, out, error = run(capsys, path, *words)
        assert (code, out) == (1, "")
        assert f"{words[-2]} is for models of text or sound: {path} ignores it, drop it" in error


@pytest.mark.parametrize(
    "further", [("--devices", "64"), ("--devices", "64", "--device-hours", "1e4")]
)
def test_memory_is_not_doubted_where_the_estimate_covers_what_saves_it(further, capsys):
    words = ("--params", "7e9", "--tokens", "1e10", "--hardware", "v100", *further)
    assert main(["estimate", *words]) == 0
    assert "fit" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["vit-base-p16-224", "t5-11b", "whisper-base", "llava-1.5-7b"])
def test_a_length_that_a_model_takes_is_taken(name, capsys):
    path = GOLDEN / "networks" / f"{name}.json"
    assert "tokens in a sequence; set --seq-len" in run(capsys, path)[2]
    assert run(capsys, path, "--seq-len", "128")[0] == 0


@pytest.mark.parametrize(
    "run",
    [
        "--preset gpt-3 --hardware v100 --devices 10000",
        "--params 405e9 --tokens 15e12 --hardware h100 --devices 16384 --seq-len 8192 "
        "--tensor-parallel 8 --pipeline-parallel 16",
    ],
)
def test_estimate_does_not_deny_the_memory_of_published_runs(run, capsys):
    assert main(["estimate", *run.split()]) == 0
    assert "does not fit" not in capsys.readouterr().err
