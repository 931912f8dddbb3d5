"""The command line as a stranger uses it: by its output and exit code."""

import csv
import io
import itertools
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from estimator.catalog import Catalog
from estimator.cli import batch, build_parser, main
from estimator.inference.question import COLUMNS
from estimator.show.csv_table import FIELDS
from tests.in_process import answer, refusal, run

ROOT = Path(__file__).parents[2]
COMMANDS = ("estimate", "compare", "batch", "model", "calibrate", "profiles", "validate", "app")


@pytest.mark.parametrize(
    "words",
    [
        ("estimate", "--flop", "1e20", "--hardware", "v100", "--json"),
        ("estimate", "--flop", "1e20", "--hardware", "h10"),
        ("estimate", "--hardwear", "h100"),
        ("compare", "--help"),
    ],
)
def test_a_process_of_its_own_answers_as_the_function_does(words):
    command = [sys.executable, "-m", "estimator", *words]
    alone = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    found = run(*words)
    assert (alone.returncode, alone.stdout, alone.stderr) == (
        *(found.returncode, found.stdout, found.stderr),
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_our_signs_shows_the_nearest(encoding, monkeypatch):
    """As text plain signs; as JSON the same values; as CSV, which has no escapes, a refusal."""

    def claims(*options):
        raw = io.BytesIO()
        with io.TextIOWrapper(raw, encoding=encoding) as out:
            monkeypatch.setattr(sys, "stdout", out)
            code = main(["claims", *options])
            out.flush()
            return code, raw.getvalue().decode(encoding)

    code, shown = claims()
    assert code == 0
    assert ">= 1" in shown
    assert "?" not in shown
    code, listed = claims("--json")
    assert code == 0
    assert [one["id"] for one in json.loads(listed)][:2] == ["gpt3-v100", "alphago-lee"]
    assert claims("--csv")[0] == (encoding == "ascii")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_with_an_example(command):
    found = run(command, "--help")
    assert found.returncode == 0
    assert f"twenty-watts {command}" in found.stdout.split("examples:")[1]


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        (("estimate",), "estimate [OPTIONS]"),
        (("plan",), "plan [OPTIONS]"),
        (("figure",), "figure -o FILE [OPTIONS] NAME"),
        (("profiles",), "profiles [-h] list|show|check ..."),
    ],
)
def test_help_begins_with_a_usage_that_is_read_at_a_glance(words, usage):
    shown = run(*words, "--help").stdout.splitlines()
    assert shown[:2] == [f"usage: twenty-watts {usage}", ""]


@pytest.mark.parametrize(
    "words",
    [
        ("batch", "in.csv"),
        ("sweep", "space.toml"),
        ("figure", "brain"),
        ("calibrate", "export"),
    ],
)
def test_no_command_makes_a_folder_that_was_not_there(words, tmp_path):
    out = tmp_path / "typo" / "out.csv"
    assert f"{out}: the folder {out.parent} does not exist" in refusal(*words, "-o", str(out))
    assert list(tmp_path.iterdir()) == []


def test_a_number_without_its_letter_is_pointed_out():
    words = ("--params", "7", "--tokens", "2", "--hardware", "h100")
    said = run("estimate", *words).stderr
    assert "--params is only 7: write 7B for billions, 7M for millions" in said
    assert "--tokens is only 2: write 2B" in said
    assert "--params is only 7: write 7B" in run("memory", "--params", "7").stderr
    assert "--params is only 7: write 7B" in run("plan", *words).stderr
    words = ("--params", "7M", "--tokens", "2T", "--hardware", "h100")
    assert "is only" not in run("estimate", *words).stderr


def test_estimate_prints_the_object_of_the_interface():
    line = "estimate --flop 3.14e23 --hardware v100 --devices 1 --utilization 0.224"
    done = run(*line.split(), "--precision", "fp16", "--price", "1.5", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    reported = json.loads(done.stdout)
    assert set(reported) == {"inputs", "results", "spread", "warnings", "link", "equivalents"}
    for name in ("training_flop", "utilization", "device_hours", "wall_hours", "energy_kwh"):
        assert {"low", "mid", "high"} <= set(reported["results"][name])
    assert {"operational_mid", "embodied_mid"} <= set(reported["results"]["co2e_kg"])
    assert reported["results"]["wall_hours"]["mid"] / 8766 == pytest.approx(355, abs=2)
    assert reported["link"].startswith("?v=1&")


def test_estimate_says_it_in_plain_words():
    found = run("estimate", "--flop", "3.14e23", "--hardware", "v100", "--utilization", "0.224")
    assert "355 years on one NVIDIA" in found.stdout
    assert "note: " in found.stderr
    assert run("estimate", "--flop", "1e20", "--hardware", "v100", "--quiet").stderr == ""


def test_estimate_as_csv_is_one_row():
    found = run("estimate", "--preset", "gpt-3", "--hardware", "h100", "--csv", "--quiet")
    (row,) = csv.DictReader(io.StringIO(found.stdout))
    assert (
        float(row["energy_kwh_low"]) < float(row["energy_kwh_mid"]) < float(row["energy_kwh_high"])
    )


def test_compare_answers_every_combination():
    reported = answer("compare --preset gpt-3 --hardware v100,h100 --devices 8,64 --site us,fr")
    assert len(reported) == 8
    assert {entry["inputs"]["hardware"] for entry in reported} == {"v100-sxm2-16", "h100-sxm"}


def test_a_pattern_stands_for_the_devices_or_places_of_that_name():
    words = "--hardware RTX-40*-super,l4 --site OCI-us-* --sort co2e"
    rows = answer(f"compare --flop 1e20 {words}")
    named = {(row["inputs"]["hardware"], row["inputs"]["site"]) for row in rows}
    catalog = Catalog.open()
    regions = [place.id for place in catalog.places("cloud-region") if place.id[:7] == "oci-us-"]
    cards = [name for name in catalog.device_names() if re.fullmatch("rtx-40.*-super|l4", name)]
    assert len(regions) > 2 and len(cards) > 2
    assert named == set(itertools.product(cards, regions))


def test_compare_takes_a_slice_of_tpus_as_its_chips_unless_a_count_is_given():
    for counts, expected in (("", [16, 1]), ("--devices 8", [8, 8])):
        reported = answer(f"compare --flop 1e20 --hardware v5p-32,tpu-v5p {counts}")
        assert [row["inputs"]["devices"] for row in reported] == expected


def test_compare_lists_what_a_pattern_matches_once():
    found = [
        [
            row["inputs"]["hardware"]
            for row in answer(f"compare --flop 1e20 --site fr --hardware {names}")
        ]
        for names in ("h100-sxm*", "h100-sxm*,h100,h100-sxm*", "h100,v5p-32,h100-sxm*")
    ]
    assert found[0] == found[1]
    assert found[2] == ["tpu-v5p", *found[0]]


@pytest.mark.parametrize("words", [("serve-cost", "--precision", "bf16"), ("memory",)])
@pytest.mark.parametrize(("devices", "said"), [("2", True), ("32", False), ("64", False)])
def test_part_of_a_slice_of_tpus_is_said_to_be_one(words, devices, said):
    asked = (*words, "--preset", "llama-3-8b", "--hardware", "v5p-64", "--devices", devices)
    found = run(*asked)
    assert found.returncode == 0
    assert ("this slice has 32 chips, each one device" in found.stderr) == said


@pytest.mark.parametrize("words", [("estimate", "--tokens", "1e9"), ("serve-cost",), ("memory",)])
def test_a_slice_of_tpus_is_all_of_its_chips_in_training_serving_and_memory(words):
    asked = (*words, "--preset", "llama-3-8b", "--hardware", "v5p-64")
    assert re.search("on (each of )?32 (×|devices)", run(*asked).stdout)


def test_compare_keeps_what_can_be_answered():
    reported = answer("compare --flop 1e20 --hardware v100,h10")
    assert "results" in reported[0]
    assert "unknown hardware 'h10'" in reported[1]["error"]


def test_compare_without_devices_takes_a_few_well_known_ones():
    found = run("compare", "--preset", "gpt-3")
    assert found.returncode == 0
    assert "Human" in found.stdout


COMPARED = "--params 7e9 --tokens 2e12 --devices 1,64"


def test_compare_leaves_out_what_is_over_a_limit_and_sorts():
    line = f"compare {COMPARED} --hardware v100,h100,b200"
    every = answer(line)
    most_usd, days = 400e3, 400.0
    limited = f"{line} --max-days {days} --max-cost {most_usd} --sort cost"
    kept = answer(limited)
    costs = [row["results"]["cost_usd"]["mid"] for row in kept]
    assert costs == sorted(costs)
    expected = [
        row["inputs"]["hardware"]
        for row in every
        if row["results"]["wall_hours"]["mid"] <= 24 * days
        and row["results"]["cost_usd"]["mid"] <= most_usd
    ]
    assert sorted(row["inputs"]["hardware"] for row in kept) == sorted(expected)
    assert 0 < len(kept) < len(every)
    noted = run(*limited.split()).stderr
    assert f"note: {len(every) - len(kept)} of 6 left out by the limits" in noted
    hours = [row["results"]["wall_hours"]["mid"] for row in answer(f"{line} --sort time")]
    assert hours == sorted(hours)


def test_compare_says_whether_it_fits_and_on_which_offers_each_price_rests():
    line = f"compare {COMPARED} --hardware h100"
    alone, many = answer(line)
    assert not alone["memory"]["fits"] and alone["memory"]["least_devices"] == 2
    assert many["memory"]["fits"] and 0 < many["memory"]["share"] < 1
    assert alone["price_offers"]["count"] > 1
    assert alone["price_offers"]["date_from"] <= alone["price_offers"]["date_to"]
    assert not any(one["memory"]["without_activations"] for one in (alone, many))
    assert "price_offers" not in answer(f"{line} --price 2")[0]
    table = run(*line.split()).stdout
    assert "2 devices fit" in table and " offers, " in table and "without" not in table
    clouds = f"{line} --site us-east-1,westeurope,fr"
    sold = {row["inputs"]["site"]: row["price_offers"]["provider"] for row in answer(clouds)}
    assert sold == {"us-east-1": "AWS", "westeurope": "Azure", "fr": ""}
    assert " AWS offers, " in run(*clouds.split()).stdout


def test_batch_lists_every_column_that_it_reads():
    shown = run("batch", "--help").stdout
    training, serving = shown.split("columns (a device and a workload are required)")[1].split(
        "columns with --task serving"
    )
    assert {FIELDS[name] for name in training.split() if name in FIELDS} == set(FIELDS.values())
    assert set(COLUMNS) <= set(serving.split())


def test_compare_says_where_the_need_of_memory_leaves_out_activations():
    path = ROOT / "tests" / "golden" / "networks" / "rtdetr-r50vd.json"
    words = ("compare", "--samples", "1e7", "--hardware", "h100", "--config", path)
    (row,) = answer(*words)
    assert row["memory"]["fits"] and row["memory"]["without_activations"]
    (record,) = csv.DictReader(io.StringIO(run(*words, "--csv").stdout))
    assert record["memory_without_activations"] == "True"
    shown = " ".join(run(*words).stdout.split())
    assert "fits without" in shown and "activations," in shown and "2% full" in shown


def test_compare_does_not_say_that_a_run_fits_on_fewer_devices_than_hold_it():
    line = "compare --preset gpt-3 --hardware h100 --devices 1"
    (row,) = answer(line)
    assert not row["memory"]["fits"] and "least_devices" not in row["memory"]
    assert row["memory"]["remedy_devices"] > 33, "weights, gradients and states alone take 2.8 TB"
    assert "too small" in run(*line.split()).stdout


PIPED = ROOT / "tests" / "golden" / "networks"


@pytest.mark.parametrize(
    ("command", "further"),
    [
        (("model",), ()),
        (("memory",), ("--hardware", "rtx-3060")),
        (("estimate", "--config"), ("--tokens", "1e8", "--hardware", "rtx-4090")),
        (("serve-cost", "--config"), ("--hardware", "rtx-4090")),
    ],
)
def test_a_config_that_is_piped_in_answers_as_the_file_does(command, further):
    path = PIPED / "qwen3.5-9b-text.json"

    def numbers(name, **piped):
        text = run(*command, name, *further, "--csv", "--quiet", **piped).stdout
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        return [cell for cell in cells if re.fullmatch(r"[-+.e\d]+", cell)]

    text = path.read_text(encoding="utf-8")
    assert numbers("-", text_in=text) == numbers(str(path)) != []


def test_images_of_a_network_that_is_piped_in_are_served():
    text = (PIPED / "sd1-unet.json").read_text(encoding="utf-8")
    said = ("--config", "-", "--hardware", "rtx-4090", "--steps", "20", "--image-size", "512")
    assert "NVIDIA GeForce RTX 4090" in run("serve-cost", *said, text_in=text).stdout


@pytest.mark.parametrize(
    ("finetune", "device", "fits"),
    [("qlora", "rtx-3060", False), ("qlora", "h100", True), ("full", "rtx-4090", False)],
)
def test_an_estimate_says_once_that_not_even_one_sequence_fits(finetune, device, fits):
    said = ("--preset", "Qwen/Qwen3-4B", "--finetune", finetune, "--hardware", device)
    plain = ("--recomputation", "none")
    notes = run("estimate", *said, "--tokens", "1e8", *plain).stderr
    adapted = ("--finetune", finetune, "--hardware", device, *plain)
    needed = run("memory", "Qwen/Qwen3-4B", *adapted).stdout
    assert ("does not fit" in needed) == (not fits)
    assert notes.count("does not fit") + notes.count("fits only with") == (0 if fits else 1)


@pytest.mark.parametrize(
    ("content", "why"),
    [("", "is empty"), ("[1]", "contains a list, not an object"), ("model", "is not JSON")],
)
def test_what_is_piped_in_must_be_a_config(content, why):
    found = run("model", "-", text_in=content)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.startswith(f"error: stdin {why}")


def test_a_config_that_windows_pipes_in_is_read():
    command = [sys.executable, "-m", "estimator", "model", "-", "--json"]
    content = '{"model_type": "bert"}'.encode("utf-16")
    found = subprocess.run(command, input=content, capture_output=True, check=True)
    assert json.loads(found.stdout)["params_total"] == 109_482_240


def test_a_closed_stdin_is_named():
    closed = ["sh", "-c", '"$0" -m estimator model - <&-', sys.executable]
    found = subprocess.run(closed, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr[:23]) == (1, "error: stdin is closed:")


def test_a_formula_is_text_in_every_table(tmp_path):
    table = tmp_path / "servers.csv"
    table.write_text("name,model,hardware\n=1+1,llama-3-8b,h100\n", encoding="utf-8")
    served = run("batch", table, "-o", "-", "--task", "serving", "--quiet").stdout
    assert served.splitlines()[1].startswith("'=1+1,")
    mine = tmp_path / "mine"
    (mine / "hardware").mkdir(parents=True)
    device = 'name = "=HYPERLINK(1)"\nvendor = "Me"\naliases = []\nkind = "gpu-datacenter"\n'
    (mine / "hardware" / "mine.toml").write_text(device, encoding="utf-8")
    listed = run("profiles", "list", "--csv", "--profiles", mine).stdout
    assert ",'=HYPERLINK(1)" in listed and ",=HYPERLINK" not in listed


def test_a_pipe_that_sends_nothing_is_named_and_then_read(tmp_path, monkeypatch):
    """It waited for ever, without a word."""
    pipe, named = tmp_path / "pipe", threading.Event()
    os.mkfifo(pipe)
    said = []

    def heard(text, *, quiet):
        said.append((text, quiet))
        named.set()

    def written():
        named.wait(60)
        pipe.write_text("hardware,flop\nh100,1e20\n", encoding="utf-8")

    monkeypatch.setattr(batch, "note", heard)
    monkeypatch.setattr(batch, "PATIENCE_S", 0.01)
    writer = threading.Thread(target=written)
    writer.start()
    found = run("batch", pipe, "-o", "-")
    writer.join()
    assert said[0] == (f"waiting for {pipe}, nothing received so far; Ctrl-C stops", False)
    assert (found.returncode, len(found.stdout.splitlines())) == (0, 2)


@pytest.mark.parametrize("name", ["out.xlsx", "out.json", "OUT.XLSX"])
def test_a_table_is_not_written_under_the_name_of_another_format(name, tmp_path):
    table = tmp_path / "in.csv"
    table.write_text("params,tokens,hardware\n7e9,1e9,h100\n", encoding="utf-8")
    assert "end in .csv" in refusal("batch", str(table), "-o", str(tmp_path / name))
    assert not (tmp_path / name).exists()


V100 = "estimate --flop 1e20 --hardware v100"
H100 = "estimate --flop 1e20 --hardware h100"
TPU = "estimate --flop 1e20 --hardware"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("estimate --hardware v100 --flop 0", "flop must be positive, got 0"),
        ("estimate --hardware v100 --flop nan", "flop must be a finite number, got nan"),
        ("estimate --hardware v100 --flop 1e999", "flop must be a finite number"),
        ("estimate --hardware v100 --flop many", "flop is not a number: 'many'"),
        ("estimate --flop 1e20 --hardware h10", "did you mean h100"),
        (f"{V100} --precision fp8", "it has fp16, fp32, fp64"),
        (f"{V100} --profiles absent", "absent"),
        (f"{V100} --site frnace", "did you mean fr (France)?"),
        (f"{H100} --power-limit 500A", "not a number: '500A'; write it like 250 [W]"),
        (f"{H100} --carbon-intensity 350", "350 g/kWh are 0.35"),
        (f"{H100} --utilization 40%", "write a share of one, such as 0.4"),
        (f"{H100} --electricity-price 30", "30 cents are 0.3"),
        (f"{H100} --params -7 --tokens 1e9", "--params must be positive, got -7"),
        (f"{TPU} v5p-33", "is not a TPU slice"),
        (f"{TPU} v5p-0", "is not a TPU slice"),
        (f"{TPU} v6e-0", "is not a TPU slice"),
        (f"{TPU} tpu-v3-7", "is not a TPU slice"),
        ("estimate --preset gpt-33", "unknown preset"),
        ("estimate --config absent.json --tokens 1e9 --hardware v100", "absent.json"),
        ("estimate --config https://x.org/config.json --tokens 1e9", "is a URL: download"),
        (f"compare --max-days 0.01 {COMPARED}", "no combination is within the limits"),
        (f"compare --max-days 0 {COMPARED}", "--max-days must be positive"),
        ("compare --task serving --preset llama-3-8b --sort cost", "--sort applies to training"),
        ("compare --flop 1e20 --site nowhere-*", "nothing matches 'nowhere-*'"),
        ("compare --flop 1e20 --hardware h10,h11", "unknown hardware"),
        ("profiles show h10", "did you mean"),
        ("plan", "--tokens"),
        ("claims nothing", "`claims` lists all"),
        ("model llama-3-8b --batch 0", "error: --batch must be "),
        ("model resnet-50 --image-size -1", "error: --image-size must be "),
        ("memory --params 7e99", "error: --params must be "),
        ("memory llama-2-7b --seq-len 1e12", "error: --seq-len must be "),
        ("app --port 99999", "error: --port must be "),
    ],
)
def test_a_mistake_is_reported_in_one_line(line, reason):
    assert reason in refusal(line)


@pytest.mark.parametrize(
    ("words", "empty"),
    [
        ((*V100.split(), "--site", ""), "--site"),
        (("estimate", "--flop", "1e20", "--hardware="), "--hardware"),
        (("batch", "in.csv", "-o", ""), "-o"),
        (("claims", " "), "an argument"),
    ],
)
def test_an_empty_value_is_no_assumption(words, empty):
    assert refusal(*words) == f"error: {empty} is empty: specify a value or omit the option"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("estimate --hardwear h100", "unknown: --hardwear h100 (did you mean --hardware?)"),
        ("estimate --gpu h100", "unknown: --gpu h100 (did you mean --hardware?)"),
        ("memory llama-2-7b --task serving", "unknown: --task serving (did you mean --inference?)"),
        ("memory llama-2-7b --task qlora", "unknown: --task qlora (did you mean --finetune?)"),
        (
            "memory llama-2-7b --lora",
            "ambiguous option: --lora could match --lora-rank, --lora-targets "
            "(did you mean --finetune lora?)",
        ),
        ("estimate --lora", "unknown: --lora (did you mean --finetune lora?)"),
        ("estimate --qlora", "unknown: --qlora (did you mean --finetune qlora?)"),
        ("memory llama-3-8b --bogus", "unknown: --bogus"),
        ("estimate --devices", "argument --devices: expected one argument"),
        ("calibrate show --foo", "unknown: --foo"),
        ("nonsense", "argument COMMAND: unknown 'nonsense' (choose from estimate, compare, "),
        ("estimat", "argument COMMAND: unknown 'estimat' (did you mean estimate?)"),
        ("calibrate shw", "argument VERB: unknown 'shw' (did you mean show?)"),
        ("validate --task servng", "argument --task: unknown 'servng' (did you mean serving?)"),
        ("", "the following arguments are required: COMMAND"),
    ],
)
def test_a_usage_error_is_one_line_of_the_command_and_exits_with_two(capsys, words, reason):
    with pytest.raises(SystemExit) as stopped:
        main(words.split())
    reported = capsys.readouterr()
    depth = 1 + words.startswith("calibrate") - ("COMMAND" in reason) - ("VERB" in reason)
    command = " ".join(["twenty-watts", *words.split()[:depth]])
    assert (stopped.value.code, reported.out) == (2, "")
    assert reported.err.startswith(f"error: {reason}")
    assert reported.err.endswith(f"; see {command} --help\n")
    assert reported.err.count("\n") == 1


@pytest.mark.parametrize("command", ["memory", "model"])
def test_memory_and_model_take_a_preset_as_estimate_does(command):
    assert answer(f"{command} gpt-3") == answer(f"{command} --preset gpt-3")
    two = refusal(f"{command} gpt-3 --preset gpt-2")
    assert "two models given, gpt-3 and gpt-2: choose one" in two


def test_batch_writes_whole_or_nothing(tmp_path):
    table, out = tmp_path / "in.csv", tmp_path / "out.csv"
    table.write_text("accelerator,accelerator_hours\nv100,100\nnone,1\n")
    found = run("batch", table, "-o", out)
    assert found.returncode == 0
    assert "2 rows: 1 estimated, 1 refused" in found.stderr
    assert len(out.read_text().splitlines()) == 3
    table.write_text("nothing,of,use\n")
    assert "no column 'accelerator'" in refusal("batch", table, "-o", tmp_path / "other.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv"]


def test_batch_streams_to_stdout_and_keeps_foreign_bytes(tmp_path):
    table = tmp_path / "in.csv"
    table.write_bytes(b"name,accelerator,accelerator_hours\ncaf\xe9,v100,1\nok,v100,1\n")
    found = subprocess.run(
        [sys.executable, "-m", "estimator", "batch", str(table), "-o", "-", "--quiet"],
        capture_output=True,
        check=True,
        timeout=60,
    )
    lines = found.stdout.splitlines()
    assert lines[1].startswith(b"caf\xe9,v100,1,")
    assert b"not UTF-8" in lines[1]
    assert not lines[2].endswith(b"UTF-8")


def test_batch_refuses_what_is_no_table(tmp_path):
    assert "is a directory" in refusal("batch", tmp_path, "-o", tmp_path / "out.csv")
    table = tmp_path / "table.csv"
    table.write_text("accelerator,accelerator_hours\nv100,1\n")
    assert "is the input" in refusal("batch", table, "-o", table)
    assert "No such file" in refusal("batch", tmp_path / "absent.csv", "-o", tmp_path / "o.csv")


def test_batch_answers_a_table_alike_however_it_was_saved(tmp_path):
    """With commas, as German and as English spreadsheets save it, and through a pipe."""
    plain = "name,params_total,tokens_processed,accelerator,pue\nA,7e9,2e12,h100,1.25\n"
    short = plain.replace("7e9", "7B").replace("2e12", "2 trillion")
    german = plain.replace(",", ";").replace("1.25", "1,25")
    said = []
    for number, (text, encoding) in enumerate(
        ((plain, "utf-8"), (short, "utf-8-sig"), (german, "utf-8"), (german, "utf-16"))
    ):
        table = tmp_path / f"{number}.csv"
        table.write_text(text, encoding=encoding)
        said.append(run("batch", table, "-o", "-", "--quiet").stdout)
    command = [sys.executable, "-m", "estimator", "batch", "-", "-o", "-", "--quiet"]
    piped = subprocess.run(command, input=plain.encode(), capture_output=True, check=True)
    said.append(piped.stdout.decode())
    whole = said[0].split(",")
    assert len(whole) > 30 and "error" in said[0]
    assert said[4] == said[0] and said[3] == said[2]
    assert said[1].replace("7B", "7e9").replace("2 trillion", "2e12") == said[0]
    (_, row), (_, ours) = (
        csv.reader(io.StringIO(text), delimiter=mark)
        for text, mark in ((said[0], ","), (said[2], ";"))
    )
    assert [cell.replace(".", ",") for cell in row[:20]] == ours[:20]


def test_a_format_may_be_written_as_frameworks_do():
    flop = ("--flop", "1e20", "--hardware", "h100", "--quiet", "--csv")
    for theirs, ours in (("bfloat16", "bf16"), ("float32", "fp32")):
        said = [run("estimate", *flop, "--precision", name).stdout for name in (theirs, ours)]
        assert said[0] == said[1] != ""


def test_a_device_that_nobody_knows_squeezes_no_column():
    plain = run("compare", "--flop", "1e20", "--hardware", "h100", "--quiet").stdout
    both = run("compare", "--flop", "1e20", "--hardware", "h100,nonsense", "--quiet").stdout
    why = "unknown hardware 'nonsense': `profiles list` shows all; you can add profiles of your own"
    assert both == plain + f"nonsense: {why}\n"


def test_the_file_of_another_program_is_named_by_its_option(tmp_path):
    jobs = tmp_path / "jobs.txt"
    jobs.write_text("JobID|State\n1|COMPLETED\n")
    assert "--slurm" in refusal("calibrate import", jobs)


def test_model_reads_a_config_and_a_preset(tmp_path):
    config = tmp_path / "config.json"
    sizes = {"n_embd": 768, "n_head": 12, "n_layer": 12, "vocab_size": 50257}
    config.write_text(json.dumps({"model_type": "gpt2", **sizes}))
    reported = answer("model", config, "--seq-len", "1024")
    assert reported["params_total"] == 124_439_808
    assert reported["forward_flop"] == 291_648_307_200  # nanoGPT, transformer_sizing.ipynb
    assert "mlp" in run("model", config).stdout
    assert answer("model gpt-2")["params_total"] == 1_557_611_200


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "absent"),
        ('{"model_type": "gpt2", "n_la', "not"),
        ("[]", "object"),
        ('{"model_type": "gtp2"}', "gpt2"),
        ('{"model_type": "gpt2", "n_embd": 8, "n_head": 2, "n_layer": -3}', "n_layer"),
    ],
)
def test_a_bad_config_is_reported_in_one_line(tmp_path, text, reason):
    config = tmp_path / "config.json"
    if text:
        config.write_text(text)
    else:
        config = tmp_path / "absent.json"
    assert reason in refusal("model", config)


def test_a_users_profiles_come_by_option_and_by_environment(tmp_path):
    (tmp_path / "hardware").mkdir()
    device = tmp_path / "hardware" / "abacus.toml"
    device.write_text(
        'name = "Abacus"\nvendor = "us"\nkind = "cpu"\naliases = []\n'
        '[peak_flop_per_s.fp32]\nvalue = 2e9\nunit = "FLOP/s"\nbasis = "assumed"\n'
        'source = "twenty-watts-assumption"\n'
    )
    arguments = ("estimate", "--flop", "1e12", "--hardware", "abacus", "--json")
    assert run(*arguments, "--profiles", tmp_path).returncode == 0
    assert run(*arguments, TWENTY_WATTS_PROFILES=str(tmp_path)).returncode == 0
    device.write_text(device.read_text().replace("value =", "vlaue ="))
    reported = refusal(*arguments, "--profiles", tmp_path)
    assert "abacus.toml" in reported
    assert "vlaue" in reported
    assert "value" in reported


@pytest.mark.parametrize(
    ("file", "text", "reported"),
    [
        ("hardware/my-card.tml", "", "odd name"),
        ("hardware/mine.toml", "name = 'Mine", "TOML"),
        ("priors.toml", "[site.peu]\nvalue = 2\n", "site.peu"),
        ("workloads/run.toml", 'name = "Run"\nkin = "language"\n', "kin"),
        ("prices.csv", "device,provider\nnone,us\n", "prices.csv"),
        (
            "hardware/mine.toml",
            'name = "Mine"\nvendor = "us"\nkind = "cpu"\naliases = ["H100"]\n',
            "'H100' already means h100-sxm",
        ),
    ],
)
def test_a_typo_in_a_users_profiles_is_refused_whatever_is_asked(tmp_path, file, text, reported):
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    arguments = ("estimate", "--flop", "1e18", "--hardware", "v100", "--profiles", tmp_path)
    assert reported in refusal(*arguments)


@pytest.mark.parametrize(
    "words",
    [
        "serve-cost --steps 5",
        "memory --batch 5",
        "estimate --attempts 5",
    ],
)
def test_an_option_that_was_renamed_is_still_read_and_not_listed(words):
    options = build_parser().parse_args(words.split())
    assert "5" in vars(options).values()
    *command, option, _ = words.split()
    assert f" {option} " not in run(*command, "--help").stdout
