"""The command `memory` as a stranger uses it, and the warning in `estimate`."""

import csv
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.in_process import answer, refusal, run

GOLDEN = Path(__file__).parents[1] / "golden" / "networks"


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


def memory(*words):
    """What the command prints for people, and its notes."""
    done = run("memory", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_every_example_of_the_help_answers():
    from estimator.cli.memory import EXAMPLES

    lines = [shlex.split(line) for line in EXAMPLES.splitlines() if "twenty-watts memory" in line]
    assert len(lines) == 7
    for _, _, *words in lines:
        memory(*("llama-2-7b" if word == "config.json" else word for word in words))


def test_json_has_a_range_for_each_component_and_they_add_up():
    specified = answer("memory llama-2-7b --hardware h100 --devices 8")
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


def test_csv_is_one_row_with_the_same_figures():
    words = "--params 7e9 --hardware a100 --devices 4"
    (row,) = csv.DictReader(io.StringIO(memory(*words.split(), "--csv", "--quiet")[0]))
    specified = answer(f"memory {words}")
    for name, found in specified["results"].items():
        for end, value in found.items():
            assert float(row[f"{name}_{end}"]) == value
    assert float(row["least_devices"]) == specified["least_devices"]


def test_people_read_a_table_and_a_verdict():
    out, err = memory("llama-2-7b", "--hardware", "h100")
    assert "optimizer state" in out
    assert "does not fit: " in out
    assert out.splitlines()[-1].endswith("; fits on 2 devices")
    assert "note: " in err
    assert memory("llama-2-7b", "--hardware", "v100", "--quiet")[1] == ""
    assert "GPT-3" in memory("gpt-3")[0]


@pytest.mark.parametrize(
    ("words", "task"),
    [
        ((), "training"),
        (("--finetune", "qlora"), "QLoRA fine-tuning"),
        (("--finetune", "full"), "full fine-tuning"),
        (("--inference",), "serving"),
    ],
)
def test_the_headline_names_the_task_and_the_verdict_a_share_of_the_memory(words, task):
    lines = memory("llama-3-8b", "--hardware", "h200", *words)[0].splitlines()
    assert lines[0] == f"Llama 3 (8B), {task}, on one device"
    assert re.search(r": [\d.]+ GB, \d+% of 151 GB \(141 GiB\)", lines[-1])


def test_what_makes_a_run_fit_on_its_devices_is_named_and_does():
    rtx = "memory llama-2-7b --hardware rtx-4090"
    tight = answer(f"{rtx} --finetune lora --recompute none")
    assert not tight["fits"]
    assert tight["fits_with"] == {"recompute": "full"}
    assert tight["verdict"].endswith("; fits with --recomputation full")
    recomputed = answer(f"{rtx} --finetune lora --recompute full")
    assert recomputed["fits"]
    assert "fits_with" not in recomputed
    full = answer(f"{rtx} --finetune full --recompute none")
    assert full["fits_with"] == {"finetune": "lora", "recompute": "full"}
    assert full["verdict"].endswith("--finetune lora --recomputation full or on 21 devices")
    adapters = "--finetune lora --batch 8 --recompute none"
    none = answer(f"memory pythia-12b --hardware a40 {adapters}")
    assert none["verdict"].count("--recomputation full") == 1
    assert "fits_with" not in answer(rtx)
    assert "fits_with" not in answer("memory gpt-3 --hardware t4 --inference")


def test_a_run_that_fits_only_with_recomputation_is_assumed_to_recompute():
    asked = "memory llama-2-7b --hardware rtx-4090 --finetune lora"
    assumed, given = answer(asked), answer(f"{asked} --recompute full")
    assert assumed["fits"]
    assert assumed["inputs"]["recompute"] == "full"
    assert assumed["results"]["total_bytes"]["mid"] == given["results"]["total_bytes"]["mid"]
    assert assumed["results"]["total_bytes"]["high"] > given["results"]["total_bytes"]["high"]
    assert any("full activation recomputation" in line for line in assumed["warnings"])
    assert not any("full activation recomputation" in line for line in given["warnings"])


def test_without_a_device_only_the_need_is_reported():
    specified = answer("memory --params 7e9 --devices 2")
    assert "fits" not in specified
    assert specified["verdict"].startswith("needs ")


def test_serving_is_weights_and_cache():
    asked = "memory llama-2-7b --inference --context 4096 --hardware a10g"
    one, eight = (answer(f"{asked} --batch {batch}") for batch in (1, 8))
    assert one["fits"]
    assert not eight["fits"]
    assert eight["least_devices"] == 2
    cache = [specified["results"]["kv_cache_bytes"]["mid"] for specified in (one, eight)]
    assert cache == [2 * 2**30, 16 * 2**30]
    four_bit = answer(f"{asked} --precision fp4")
    assert four_bit["results"]["weights_bytes"]["mid"] < 4.5e9
    assert four_bit["results"]["optimizer_bytes"]["mid"] == 0


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("", "give one model"),
        ("absent.json", "absent.json does not exist"),
        ("--params many", "params is not a number: 'many'"),
        ("--params 7e9 --zero 5", "--zero must be at most 3 (the stages of ZeRO), got 5"),
        ("--params 7e9 --devices 8 --tensor-parallel 3", "x --pipeline-parallel = 3"),
        ("--params 7e9 --pipeline-parallel 0", "--pipeline-parallel must be positive, got 0"),
        ("--params 7e9 --interval 1", "interval must be between 0 and 1"),
        ("llama-2-7b --lora-rank 8", "error: --lora-rank goes with --finetune lora or qlora"),
    ],
)
def test_a_mistake_is_reported_in_one_line_by_its_option(words, reason):
    assert reason in refusal(f"memory {words}")


def notes_of(line):
    """Notes on what fits that a command prints beside its answer."""
    done = run(*line.split())
    assert done.returncode == 0
    return [note for note in done.stderr.splitlines() if "fit" in note]


V100 = "--params 7e9 --tokens 1e10 --hardware v100"


def test_estimate_warns_of_a_run_that_cannot_fit():
    (line,) = notes_of(f"estimate {V100} --devices 1")
    assert line.endswith("fits with --devices 11 and --recomputation full")
    (line,) = notes_of(f"estimate {V100} --devices 64 --recomputation none --tensor-parallel 1")
    assert line.startswith("note: fits only with --recomputation full: otherwise one sequence")


def test_estimate_compare_and_json_assume_the_same_of_the_memory():
    words = f"{V100} --devices 64 --tensor-parallel 1 --recomputation none"
    (line,) = notes_of(f"estimate {words}")
    price = "\nPrice: $1.65 per device-hour, median of 12 offers, newest 2026-09\n"
    assert price in run("estimate", *words.split()).stdout
    assert line.removeprefix("note: ") in answer(f"estimate {words}")["warnings"]
    (design,) = answer(f"compare {words}")
    assert not design["memory"]["fits"]
    unspecified = words.removesuffix(" --recomputation none")
    assert notes_of(f"estimate {unspecified}") == [], "full recomputation is assumed, as by memory"
    assert answer(f"memory {unspecified.replace('--tokens 1e10 ', '')}")["fits"]
    assert "Price:" not in run("estimate", *words.split(), "--price", "1").stdout


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
def test_the_words_of_published_tables_are_understood(words):
    specified = answer("memory llama-2-7b", *words)
    assert specified["results"]["total_bytes"]["mid"] > 1e9
    assert specified["inputs"]["what_is_counted"] in ("reserved", "nvidia-smi")


@pytest.mark.parametrize("name", ["rtdetr-r50vd", "focalnet-tiny", "resnet-18"])
def test_images_have_no_tokens_to_assume_or_to_set(name):
    path = GOLDEN / f"{name}.json"
    for words in ([], ["--inference"]):
        assert "tokens in a sequence" not in memory(path, *words)[1]
    serving = ("--context", "--prefill-tokens")
    for words in (["--seq-len", "512"], *(["--inference", one, "512"] for one in serving)):
        said = f"{words[-2]} applies to text and audio models, not to {path}: omit it"
        assert said in refusal("memory", path, *words)


@pytest.mark.parametrize(
    ("denial", "asked"),
    [
        ("fit", f"{V100} --devices 64"),
        ("fit", f"{V100} --devices 64 --device-hours 1e4"),
        ("does not fit", "--preset gpt-3 --hardware v100 --devices 10000"),
        (
            "does not fit",
            "--params 405e9 --tokens 15e12 --hardware h100 --devices 16384 --seq-len 8192 "
            "--tensor-parallel 8 --pipeline-parallel 16",
        ),
    ],
)
def test_the_memory_of_what_fits_or_was_run_is_not_denied(denial, asked):
    assert not [note for note in notes_of(f"estimate {asked}") if denial in note]


@pytest.mark.parametrize("name", ["vit-base-p16-224", "t5-11b", "whisper-base", "llava-1.5-7b"])
def test_a_length_that_a_model_takes_is_taken(name):
    path = GOLDEN / f"{name}.json"
    assert "tokens in a sequence; set --seq-len" in memory(path)[1]
    memory(path, "--seq-len", "128")


def test_the_memory_of_an_estimate_is_the_one_of_the_memory_command():
    asked = "--preset llama-3-8b --finetune lora --hardware rtx-4090 --devices 8"
    held = answer(f"memory {asked}")
    (design,) = answer(f"compare {asked} --tokens 5e7")
    need = held["results"]["total_bytes"]["mid"] / held["memory_bytes"]
    assert held["fits"] and design["memory"]["fits"] and design["memory"]["share"] == need
    assert notes_of(f"estimate {asked} --tokens 5e7") == []


def test_one_remedy_is_named_by_every_command():
    alone = "--preset gpt-3 --hardware h100 --devices 1"
    remedy = "--devices 43 and --recomputation full"
    for line in notes_of(f"estimate {alone}"), notes_of(f"compare {alone}"):
        assert [one.endswith(f"; fits with {remedy}") for one in line] == [True]
    (design,) = answer(f"compare {alone}")
    assert design["memory"]["remedy_devices"] == 43
    verdict = answer(f"memory {alone}")["verdict"]
    assert verdict.endswith("; fits on 43 devices with --recomputation full")
    (split,) = notes_of("estimate --preset gpt-3 --hardware v100 --devices 1024")
    assert "fits only with --tensor-parallel 2 and --recomputation full: otherwise" in split
