"""What the documents show is what the commands print: python -m tests.test_readme renews them."""

import csv
import os
import re
import shlex
import tempfile
from contextlib import chdir
from pathlib import Path

import pytest

from tests.in_process import run

ROOT = Path(__file__).parents[1]
DOCUMENTS = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
}
README = DOCUMENTS["README.md"]
ACCURACY = DOCUMENTS["docs/explanation/accuracy.md"]
CALIBRATE = DOCUMENTS["docs/tutorials/calibrate.md"]


@pytest.fixture(autouse=True)
def no_runs(tmp_path, monkeypatch):
    """Nothing was measured: runs that other tests left would correct what is shown."""
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path))


def commands_shown(text):
    """Command and output of every console block."""
    for block in re.findall(r"```console\n(.*?)```", text, flags=re.S):
        for piece in re.split(r"(?m)^\$ ", block)[1:]:
            command, _, output = piece.partition("\n")
            yield command, output.strip("\n")


SHOWN = dict(pair for text in DOCUMENTS.values() for pair in commands_shown(text))
"""Command -> output that a document shows."""


def reported(command):
    """What the command prints, stdout then stderr, without trailing blanks."""
    command, _, most = command.partition(" | head -")
    words = shlex.split(command)
    assert words[:3] == ["python3", "-m", "estimator"], command
    with chdir(ROOT):
        found = run(*words[3:])
    assert found.returncode == 0, found.stderr
    lines = [line.rstrip() for line in found.stdout.splitlines()]
    shown = "\n".join([*lines, *found.stderr.splitlines()]).strip("\n").splitlines()
    return "\n".join(shown[: int(most)] if most else shown)


@pytest.mark.parametrize(("command", "output"), SHOWN.items(), ids=SHOWN)
def test_the_documents_show_what_the_command_prints(command, output):
    squeezed = [line for line in reported(command).splitlines() if line]
    assert squeezed == [line.rstrip() for line in output.splitlines() if line]


def test_the_python_examples_run():
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.S)
    measured, _, callback = re.findall(r"```python\n(.*?)```", CALIBRATE, flags=re.S)
    names = {"batches": range(5), "train": lambda batch: None}
    for block in (example, measured):
        exec(compile(block, "README.md", "exec"), names)
    assert names["run"].steps == 5
    assert names["low"] < 1_287_000 * 1.1 < names["high"] * 1.5
    compile(callback, "README.md", "exec")  # runs where a trainer is: tests/measure/test_callbacks


def test_the_example_that_counts_a_step_runs(tmp_path, monkeypatch, capsys):
    torch = pytest.importorskip("torch")
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path))
    _, counted, *_ = re.findall(r"```python\n(.*?)```", CALIBRATE, flags=re.S)
    network = torch.nn.Linear(64, 64)
    names = {"batches": [torch.ones(8, 64)], "train": lambda batch: network(batch).sum().backward()}
    exec(compile(counted, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    assert re.search(r"--step-flop 131072 --step-operations \d+ --step-traffic \d+", printed)


def test_every_command_stands_in_the_readme():
    from estimator.cli import COMMANDS

    for name in COMMANDS:
        assert f"`{name}" in README


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_to_a_file_leads_somewhere(document):
    folder = (ROOT / document).parent
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", DOCUMENTS[document]):
        assert (folder / target).is_file(), target


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_block_is_closed_on_a_line_of_its_own(document):
    assert re.findall(r"(?m)^.*\S```$", DOCUMENTS[document]) == []


def test_the_readme_is_short():
    assert len(README.encode()) <= 8_000


def test_the_two_commands_stand_in_the_readme():
    assert "python3 -m estimator app\npython3 -m tests\n" in README
    assert "python3 -m tests" in (ROOT / ".ci" / "run").read_text()


def test_the_changelog_quotes_the_score_that_is_computed(tmp_path):
    changelog = " ".join((ROOT / "CHANGELOG.md").read_text().split())
    ours, coverage, baseline = re.search(
        r"have a median error of (\d+)%; the 80% interval covers (\d+)% of them.\n"
        r".*0.30 is (\d+)%",
        ACCURACY,
    ).groups()
    assert f"median error of the device-hours is {ours}%" in changelog
    assert f"against {baseline}% for a constant utilization" in changelog
    assert f"covers {coverage}% of them" in changelog


PICTURES = {
    ".github/gpt-3.svg": "",
    ".github/gpt-3-dark.svg": "--dark",
}
"""Pictures of the README, and how their command ends."""

PICTURE = "figure devices --preset gpt-3 --hardware v100 --devices 10000 --quiet"


def drawn(folder):
    """Path of each picture of the README -> the same as it is drawn now."""
    for number, (path, more) in enumerate(PICTURES.items()):
        now = Path(folder) / f"{number}.svg"
        assert run(*PICTURE.split(), *more.split(), "-o", str(now)).returncode == 0
        yield ROOT / path, now


DRAWN_ON = re.compile(r"data [0-9a-f]+, \d{4}-\d\d-\d\d")
"""From which data and when a picture was drawn: another day or source changes no number."""


def test_the_pictures_of_the_readme_say_what_is_computed(tmp_path):
    """Their places depend on the fonts of a machine; their texts do not."""
    for path, now in drawn(tmp_path):
        assert str(path.relative_to(ROOT)) in README
        kept, fresh = (
            [DRAWN_ON.sub("", text) for text in re.findall(r"<text[^>]*>([^<]*)<", one.read_text())]
            for one in (path, now)
        )
        assert kept == fresh and any("Tesla V100" in text for text in kept)


def scored_training():
    """Pattern around each score of device-hours in the README -> the score in `validate`."""
    late, late_error, late_covered, runs, error, coverage, constant, own, own_covered = re.search(
        r"^Device-hours of the (\d+).* error (\d+)%.* covers (\d+)%.\n"
        r"Predicted .* of (\d+) .* error of (\d+)%; .* covers (\d+)%.*\n.*0.30 is (\d+)%.\n"
        r"In-sample .* median error (\d+)%, coverage (\d+)%",
        ACCURACY,
        re.MULTILINE,
    ).groups()
    return {
        r"(hours\sof\s)\d+(\spublished)": runs,
        r"(median\serror\sof\s)\d+(%)": error,
        r"(covers\s)\d+(%\sof\sthem)": coverage,
        r"(of training \| )\d+(?= published)": runs,
        r"(of training \| \d+ published runs \| )\d+(% \|)": error,
        r"(of training \| .* \| \d+% \| )\d+(%)": coverage,
        r"(before them \| )\d+(?= published)": late,
        r"(before them \| .* \| )\d+(?=% \| \d)": late_error,
        r"(before them \| .* \| \d+% \| )\d+(%)": late_covered,
        r"(\(in-sample\) \| )\d+(?= published)": runs,
        r"(\(in-sample\) \| .* \| )\d+(?=% \| \d)": own,
        r"(\(in-sample\) \| .* \| \d+% \| )\d+(%)": own_covered,
        r"(for comparison \| )\d+(?= published)": runs,
        r"(for comparison \| .* \| )\d+(%)": constant,
    }


def scored_memory():
    """Pattern around each score of memory in the README -> the score that `validate` prints."""
    peaks, error, coverage = re.search(
        r"^ all +(\d+) +\d+% +\d+% +\d+% +(\d+)% +(\d+)%", ACCURACY, re.MULTILINE
    ).groups()
    return {
        r"(peak memory \| )\d+( measured)": peaks,
        r"(peak memory \| .* \| )\d+(?=% \| \d)": error,
        r"(peak memory \| .* \| \d+% \| )\d+(%)": coverage,
    }


def counted():
    """Pattern around each number of the README that grows with the profiles -> the number now."""
    from estimator.catalog import Catalog

    catalog = Catalog.open()
    rows = []
    for name in ("models.csv", "networks.csv"):
        with (ROOT / "tests" / "golden" / name).open(encoding="utf-8", newline="") as file:
            rows += csv.DictReader(file)
    return {
        r"(on\s)\d+(\s+devices)": len(catalog.devices()),
        r"(\s)\d+(\s+cloud\s+regions)": len(catalog.places("cloud-region")),
        r"(parameter\scounts\sof\s)\d+(\spublished\sarchitectures)": len(rows),
        r"(forward\sFLOPs\sof\s)\d+(\sof\sthem)": sum(bool(row["forward_flop"]) for row in rows),
    }


SERVING = {
    r"(error\sis\s)\d+(%\sfor\sthe\stime)": ("inter_token_s", "server GPUs", "median_error"),
    r"(\()\d+(%\swith\sa\sroofline)": ("inter_token_s", "server GPUs", "roofline_error"),
    r"(\s)\d+(%\sfor\sdecoding)": ("decode_tokens_per_s", "elsewhere", "median_error"),
    r"(\s)\d+(%\sfor\sthroughput)": ("output_tokens_per_s", "server GPUs", "median_error"),
    r"(\s)\d+(%\sfor\senergy\sper\stoken)": (
        *("device_energy_per_output_token_j", "server GPUs", "median_error"),
    ),
    r"(per\stoken\scovers\s)\d+(%)": ("inter_token_s", "server GPUs", "coverage"),
    r"(under\sload\sis\s)\d+(%)": ("time_to_first_token_s", "server GPUs", "median_error"),
    r"(%\s\()\d+(%\swith\svLLM)": ("time_to_first_token_s", "server", "median_error"),
    r"(\s)\d+(%\swith\sTensorRT)": ("time_to_first_token_s", "vendor", "median_error"),
    r"(\s)\d+(%\swith\sSGLang)": ("time_to_first_token_s", "sglang", "median_error"),
    r"(its\sinterval\scovers\s)\d+(%)": ("time_to_first_token_s", "server GPUs", "coverage"),
    r"(\()\d+(%\swith\sCUDA)": ("prefill_tokens_per_s", "local-cuda", "median_error"),
    r"(,\s)\d+(%\son\sIntel)": ("prefill_tokens_per_s", "local-intel", "median_error"),
    r"(differ\sseveral-fold\s\()\d+(%)": ("decode_tokens_per_s", "local-intel", "median_error"),
    r"(single-board\scomputer\s\()\d+(%)": ("decode_tokens_per_s", "local-board", "median_error"),
}
"""Around each number of the paragraph on serving -> quantity, group and column of its score."""


def scored_serving(places):
    """Pattern around each number on inference -> its score now [%]."""
    from estimator.catalog import Catalog
    from estimator.validation.held_out import stored_scores

    rows = {
        (row["quantity"], row["group"]): row
        for row in stored_scores(Catalog.open(), "serving")
        if row["by"] in ("all", "framework")
    }
    return {
        pattern: round(100 * float(rows[quantity, group][column]))
        for pattern, (quantity, group, column) in places.items()
    }


README_SERVING = {
    r"(same servers \| .* \| )\d+(?=% \| \d)": (
        *("time_to_first_token_s", "server GPUs", "median_error"),
    ),
    r"(same servers \| .* \| \d+% \| )\d+(%)": (
        *("time_to_first_token_s", "server GPUs", "coverage"),
    ),
    r"(server GPUs \| .* \| )\d+(?=% \| \d)": ("inter_token_s", "server GPUs", "median_error"),
    r"(server GPUs \| .* \| \d+% \| )\d+(%)": ("inter_token_s", "server GPUs", "coverage"),
}


def numbers_of(document):
    """Pattern around each number of a document that changes with the profiles -> the number now."""
    known = counted()
    if document == "README.md":
        regions = {pattern: known[pattern] for pattern in known if "architect" not in pattern}
        regions = {pattern: now for pattern, now in regions.items() if "FLOPs" not in pattern}
        scores = scored_serving(README_SERVING)
        return {**regions, **scored_training(), **scored_memory(), **scores}
    if document == "docs/explanation/accuracy.md":
        architectures = {p: now for p, now in known.items() if "archi" in p or "FLOPs" in p}
        return {**architectures, **scored_serving(SERVING)}
    return {}


def recounted(document):
    """Text of a document with the numbers of now; each of them is found in it."""
    text = DOCUMENTS[document]
    for pattern, number in numbers_of(document).items():
        groups = rf"\g<1>{number}" + (r"\g<2>" if re.compile(pattern).groups > 1 else "")
        text, found = re.subn(pattern, groups, text)
        assert found, pattern
    return text


@pytest.mark.parametrize("document", ["README.md", "docs/explanation/accuracy.md"])
def test_the_documents_state_the_numbers_of_now(document):
    assert recounted(document) == DOCUMENTS[document]


def renew():
    """Write what the commands print and what is counted now into the documents."""
    for document, text in DOCUMENTS.items():
        for command, output in commands_shown(text):
            text = text.replace(f"$ {command}\n{output}", f"$ {command}\n{reported(command)}", 1)
        DOCUMENTS[document] = text
    globals()["ACCURACY"] = DOCUMENTS["docs/explanation/accuracy.md"]
    for document in DOCUMENTS:
        (ROOT / document).write_text(recounted(document), encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        for path, now in drawn(folder):
            path.write_bytes(now.read_bytes())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:  # runs measured here are not for the documents
        os.environ["TWENTY_WATTS_DATA"] = folder
        renew()
